"""`Vector(n)`: arrays of one length are checked where they come in and where they are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError
from typing_extensions import TypeAliasType

from parcode_orm import (
    Chunk,
    EncodeError,
    Key,
    Model,
    QueryError,
    Session,
    UnsupportedTypeError,
    Vector,
    select,
    update,
)
from parcode_orm.codec.columns import arrays as columns
from parcode_orm.codec.columns.arrays import ArrayColumn, vector_bytes
from parcode_orm.codec.columns.containers import encoded
from parcode_orm.codec.schema import known
from parcode_orm.codec.types.compile import struct_for
from parcode_orm.codec.vectors import vector_in
from parcode_orm.format.encoder import Encoder

pytestmark = pytest.mark.once


class Doc(Model):
    id: int = Key()
    floats: Annotated[NDArray[np.float32], Vector(3)]
    maybe: Annotated[np.ndarray, Vector(2)] | None = None
    ints: Annotated[NDArray[np.int8] | None, Vector(2)] = None
    apart: Annotated[NDArray[np.float64], Vector(2)] = Chunk(default=(1, 2), validate_default=True)


def test_what_is_given_becomes_an_array_of_its_own() -> None:
    given = np.array([1, 2, 3], np.float32)
    doc = Doc(id=1, floats=given, maybe=[1, 2], ints=(3, 4))  # type: ignore[arg-type]
    given[0] = 9
    assert doc.floats.tolist() == [1, 2, 3] and doc.floats.base is None
    assert [getattr(doc, name).dtype for name in ("floats", "maybe", "ints", "apart")] == ["f4", "f4", "i1", "f8"]
    text = doc.model_dump_json()
    assert text == '{"id":1,"floats":[1.0,2.0,3.0],"maybe":[1.0,2.0],"ints":[3,4],"apart":[1.0,2.0]}'
    again = Doc.model_validate_json(text)
    assert all(np.array_equal(getattr(again, name), getattr(doc, name)) for name in Doc.model_fields)
    assert isinstance(doc.model_dump()["floats"], np.ndarray)
    schema = Doc.model_json_schema()["properties"]["floats"]
    assert schema == {"title": "Floats", "type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([1, 2], r"a vector of 3 numbers, not an array of shape \(2,\)"),
        ([], r"not an array of shape \(0,\)"),
        ([[1, 2, 3]], r"not an array of shape \(1, 3\)"),
        (np.float32(3), r"not an array of shape \(\)"),
        ([1, 2, float("nan")], "Number 2 is nan, which is no finite float32"),
        ([1e300, 2, 3], r"Number 0 is 1e\+300, which is no finite float32"),
        ("abc", "a list or an array of numbers"),
        (None, "a list or an array of numbers"),
        ([1, "a", 2], "a list or an array of numbers"),
        ([True, False, True], "a list or an array of numbers"),
        ([[1], [1, 2]], "a list or an array of numbers"),
    ],
)
def test_what_is_no_such_vector_is_refused(bad: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Doc(id=1, floats=bad)


@pytest.mark.parametrize("bad", [[1.5, 2], [1, 300]])
def test_ints_are_kept_exactly(bad: Any) -> None:
    with pytest.raises(ValidationError, match="which is no finite int8"):
        Doc(id=1, floats=[1, 2, 3], ints=bad)  # type: ignore[arg-type]


def test_a_commit_refuses_another_vector_and_names_it(tmp_path: Path) -> None:
    """Assignments are not validated, so the column looks, and takes a list or another dtype for a vector."""
    with Session(tmp_path / "v.par", durability="fast") as session:
        session.add_all([Doc(id=n, floats=[n, n, n]) for n in range(3)])  # type: ignore[arg-type]
        session.commit()
        doc: Any = session.get_one(Doc, 1)
        for bad, message in (
            (np.ones(2), "Doc.*floats: expected a vector of 3 numbers"),
            (np.array([1, 2, np.inf]), "floats: expected a vector of finite numbers"),
            (np.array(["a", "b", "c"]), "floats: expected a vector of ints or floats"),
            ([1, "a"], "floats: expected a vector of 3 numbers"),
            ([[1], [1, 2]], "floats: expected numpy.ndarray"),
            ("abc", "floats: expected numpy.ndarray"),
        ):
            doc.floats = bad
            with pytest.raises(EncodeError, match=message):
                session.commit()
        doc.floats = [7.0, 8.0, 9.0]
        session.commit()
        with pytest.raises(EncodeError, match=r"Doc\[2\].maybe: expected a vector of 2 numbers"):
            session.execute(update(Doc).where(Doc.id == 2).values(maybe=np.ones(3)))
        session.execute(update(Doc).where(Doc.id == 2).values(maybe=np.ones(2)))
        session.commit()
    with Session.open(tmp_path / "v.par") as session:
        assert session.get_one(Doc, 1).floats.dtype == np.float32
        assert session.scalars(select(Doc.id).order_by(Doc.floats.l2([7, 8, 9])).limit(1)).all() == [1]  # type: ignore[attr-defined]
        assert session.scalars(select(Doc.id).where(Doc.maybe.dot([1, 1]) == 2)).all() == [2]  # type: ignore[union-attr]
        with pytest.raises(QueryError, match=r"Doc\.floats has vectors of 3 numbers, and l2\(\) is given one of 2"):
            Doc.floats.l2([1, 2])  # type: ignore[attr-defined]
        with pytest.raises(QueryError, match=r"Doc\.maybe has vectors of 2 numbers"):
            Doc.maybe.cosine([1, 2, 3])  # type: ignore[union-attr]


def test_row_groups_of_vectors_are_larger(tmp_path: Path) -> None:
    """A search goes over every row group, so they have four times as many vectors as other values."""
    counts = []
    for cls in (Wide, Plain):
        with Session(tmp_path / f"{cls.__name__}.par", durability="fast") as session:
            session.add_all([cls(id=n, vector=np.full(256, n, np.float32)) for n in range(3_000)])
            session.commit()
            counts.append(session.explain(select(cls)).groups)
    assert 3 * counts[0] < counts[1]
    assert vector_bytes(struct_for(Wide)) == 1024 and vector_bytes(struct_for(Plain)) == 0
    assert vector_bytes(struct_for(Doc)) == 12 + 8 + 2  # what is stored apart does not count


class Wide(Model):
    id: int = Key()
    vector: Annotated[NDArray[np.float32], Vector(256)]


class Plain(Model):
    model_config = {"arbitrary_types_allowed": True}
    id: int = Key()
    vector: NDArray[np.float32]


def test_the_length_is_no_part_of_the_schema() -> None:
    """A field gets or loses its length without a migration: rows that are stored stay as they are."""
    plain, of_three = ArrayColumn("<f4"), ArrayColumn("<f4", Vector(3))
    assert known(plain).long == known(of_three).long


@pytest.mark.parametrize("tp", [list[float], str, NDArray[np.str_], NDArray[np.complex64], np.ndarray | list[float]])
def test_a_vector_is_an_array(tp: Any) -> None:
    with pytest.raises(UnsupportedTypeError, match=r"Vector\(3\) may stand only in the Annotated"):
        type("Bad", (Model,), {"__annotations__": {"x": Annotated[tp, Vector(3)]}, "__module__": __name__})


@pytest.mark.parametrize("length", [0, -1, 2.0, "3", True])
def test_a_length_is_a_positive_int(length: Any) -> None:
    with pytest.raises(TypeError, match="length is 1 or more"):
        Vector(length)


def test_vector_in() -> None:
    assert vector_in(np.ndarray) is None
    assert vector_in(Annotated[np.ndarray, Vector(3)] | None) == Vector(3) != Vector(4)
    assert vector_in(np.ndarray, ["text", Vector(5)]) == Vector(5)
    assert len({Vector(3), Vector(3)}) == 1 and repr(Vector(3)) == "Vector(3)"


@given(
    st.lists(st.lists(st.sampled_from([0.0, -0.0, 1.5]), min_size=2, max_size=2), min_size=1, max_size=5), st.booleans()
)
def test_arrays_that_are_alike_are_written_as_others_are(rows: list[list[float]], falling: bool) -> None:
    """Arrays of one dtype and shape go through one array, and give the bytes that they give one by one."""
    arrays = [np.array(row)[::-1] if falling else np.array(row) for row in rows]
    with pytest.MonkeyPatch.context() as patch:
        fast = encoded(ArrayColumn(), arrays)
        patch.setattr(columns, "_together", lambda values: None)
        assert encoded(ArrayColumn(), arrays) == fast


def test_encoder_is_left_as_it_was() -> None:
    """A refusal appends nothing that a caller would not take back."""
    from parcode_orm.codec.base import scratch

    out: Encoder = scratch()
    mark = out.mark()
    with pytest.raises(EncodeError):
        ArrayColumn("<f4", Vector(2)).encode([np.ones(2), np.ones(3)], out)
    assert out.mark() == mark


T = TypeVar("T", bound=np.generic)
Numbers = TypeAliasType("Numbers", np.ndarray[tuple[Any, ...], np.dtype[T]], type_params=(T,))
Doubles = TypeAliasType("Doubles", np.ndarray[tuple[Any, ...], np.dtype[np.float64]])


def test_an_alias_says_the_dtype() -> None:
    """numpy 2.5 made `NDArray` such an alias on Python 3.12 and later: classes with vectors were refused."""

    class Aliased(Model):
        a: Annotated[Numbers[np.int16], Vector(2)]
        b: Annotated[Doubles, Vector(2)]

    found = Aliased(a=[1, 2], b=[1, 2])
    assert (found.a.dtype, found.b.dtype) == (np.int16, np.float64)
