"""numpy arrays of every kind: values, dtypes and shapes come back; who may write to what is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ConfigDict

import parcode_orm
from parcode_orm import Chunk, EncodeError, Model, Session, dumps, load, loads, save

NESTED = np.dtype([("x", "<i4"), ("y", ">f8"), ("s", "U3"), ("n", [("k", "i2", (2,))])])
PADDED = np.dtype({"names": ["a", "b"], "formats": ["i4", "i4"], "offsets": [0, 12], "itemsize": 20})
ARRAYS = {
    "without dimensions": np.array(5.5),
    "empty": np.zeros((0, 3)),
    "empty and structured": np.zeros(0, NESTED),
    "structured": np.ones(3, NESTED),
    "padded": np.ones(3, PADDED),
    "aligned": np.ones(3, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "dates": np.array(["2020-01-01", "NaT"], "M8[D]"),
    "spans": np.array([1, 2], "m8[us]"),
    "big-endian": np.arange(5, dtype=">i4"),
    "by columns": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "transposed": np.arange(12).reshape(3, 4).T,
    "every third": np.arange(20)[::3],
    "backwards": np.arange(5)[::-1],
    "booleans": np.array([True, False]),
    "text": np.array(["a", "bcd"]),
    "bytes": np.array([b"a", b"bc"]),
    "complex": np.array([1 + 2j]),
    "half": np.array([1.5], np.float16),
    "long long": np.array([1, -2], np.longlong),
    "big-endian long long": np.array([1, 2], np.dtype(np.ulonglong).newbyteorder()),
    "void": np.zeros(2, "V5"),
    "large by columns": np.asfortranarray(np.arange(12000.0).reshape(100, 120)),
    "large booleans": np.arange(50000) % 3 == 0,
    "large structured": np.ones(3000, NESTED),
    "large big-endian": np.arange(9000, dtype=">i8"),
    "large dates": np.arange(9000).astype("M8[s]"),
}


class Arrays(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    inline: NDArray[Any] = np.zeros(0)
    apart: NDArray[Any] = Chunk(default=np.zeros(0))
    anything: Any = None
    either: NDArray[Any] | str = Chunk(default="")


def equal(found: Any, wanted: Any) -> bool:
    return bool(
        type(found) is np.ndarray
        and found.dtype == wanted.dtype
        and found.shape == wanted.shape
        and (found.tobytes() == wanted.tobytes() or np.array_equal(found, wanted))
    )


@pytest.mark.parametrize("compression", [None, "lz4"])
@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS.keys())
def test_arrays_come_back(array: Any, compression: str | None) -> None:
    obj = Arrays(inline=array, apart=array, anything=array, either=array)
    options: Any = {"compression": compression, "uuid": UUID(int=1), "time_ns": 1}
    data = dumps(obj, **options)
    plain, lazy = loads(data, Arrays), parcode_orm.open(data).root(Arrays)
    for name in Arrays.model_fields:
        assert equal(getattr(plain, name), array), name
        assert equal(getattr(lazy, name), array), name
        assert getattr(plain, name).flags.writeable, name
    assert not lazy.inline.flags.writeable and not lazy.apart.flags.writeable
    assert dumps(lazy, **options) == data


def test_a_large_array_is_a_view_of_the_file(tmp_path: Path) -> None:
    path, array = tmp_path / "a.par", np.arange(100_000.0)
    save(path, Arrays(apart=array))
    with Session.open(path) as session:
        root = session.root(Arrays)
        found = root.apart
        assert found.base is not None and not found.flags.owndata
        assert found.ctypes.data % 64 == 0
        other = Session.open(path).root(Arrays).apart
        assert np.shares_memory(found, other)  # a file has one map in a process
        assert np.shares_memory(found, session.root(Arrays).apart)
        assert session.stats.bytes_read < array.nbytes + 4096
        with pytest.raises(ValueError, match="read-only"):
            found[0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            found.flags.writeable = True
    assert found.sum() == array.sum()  # it owns the map that it points into


def test_a_writable_session_stores_what_is_written_in_place(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    save(path, Arrays(inline=np.zeros(3), apart=np.zeros(9000)))
    with Session(path) as session:
        root = session.root(Arrays)
        root.inline[1], root.apart[8999] = 5, 6
        session.commit()
    found = load(path, Arrays)
    assert found.inline.tolist() == [0, 5, 0] and found.apart[8999] == 6


class Own(np.ndarray):
    """A subclass."""


@pytest.mark.parametrize("name", ["inline", "apart", "anything"])
@pytest.mark.parametrize(
    "array",
    [np.array([object()]), np.zeros(2, [("o", "O")]), np.ma.masked_array([1], [True]), np.arange(9000).view(Own)],
    ids=["objects", "fields of objects", "masked", "a subclass"],
)
def test_what_would_come_back_as_another_thing_is_refused(name: str, array: Any) -> None:
    with pytest.raises(EncodeError, match=rf"Arrays\.{name}"):
        dumps(Arrays.model_validate({name: array}))


def test_a_mapped_file_is_stored_as_its_content(tmp_path: Path) -> None:
    array = np.memmap(tmp_path / "raw", dtype="i4", mode="w+", shape=(20_000,))
    array[:] = 7
    assert equal(loads(dumps(Arrays(apart=array)), Arrays).apart, np.full(20_000, 7, "i4"))


def test_gaps_between_fields_are_zeros() -> None:
    # Else what happened to lie in memory would be written, and equal arrays would give other bytes each time.
    arrays = [np.frombuffer(bytes([fill]) * 80, np.uint8).copy().view(PADDED) for fill in (1, 2)]
    for array in arrays:
        array["a"], array["b"] = 5, 6
    options: Any = {"uuid": UUID(int=1), "time_ns": 1}
    one, two = (dumps(Arrays(inline=a, apart=a, anything=a, either=a), **options) for a in arrays)
    assert one == two
