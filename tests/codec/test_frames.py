"""Data frames of pandas and Polars and tables of pyarrow as values of fields: what comes back, what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import Chunk, EncodeError, MissingExtraError, Model, Session, dumps, loads, verify
from parcode_orm.codec.packed import frames

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
assert_frame_equal = pd.testing.assert_frame_equal
pytestmark = pytest.mark.once


class Study(Model):
    model_config = {"arbitrary_types_allowed": True}

    name: str = ""
    frame: pd.DataFrame | None = Chunk(default=None)
    parts: dict[str, pd.DataFrame] = {}
    polars: pl.DataFrame | None = Chunk(default=None)
    table: pa.Table | None = None
    anything: Any = None


PANDAS = {
    "floats": pd.DataFrame({"a": [1.5, float("nan"), -0.0]}),
    "texts": pd.DataFrame({"a": ["x", None, "y"]}),
    "categories": pd.DataFrame({"a": pd.Categorical(["x", "y", "x"], categories=["y", "x", "z"], ordered=True)}),
    "zone": pd.DataFrame({"a": pd.date_range("2020", periods=3, tz="Europe/Berlin")}),
    "index": pd.DataFrame({"a": [1, 2]}, index=pd.Index(["r", "s"], name="row")),
    "range": pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(4, 8, 2, name="n")),
    "two levels": pd.DataFrame({("a", 1): [1, 2]}, index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
    "numbers as names": pd.DataFrame({0: [1, 2], 1: [3, 4]}),
    "nullable": pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": pd.array([True, None], dtype="boolean")}),
    "narrow": pd.DataFrame({"a": np.array([1, 2], "u1"), "b": np.array([1, 2], "f4")}),
    "periods": pd.DataFrame({"a": pd.period_range("2020", periods=2, freq="M")}),
    "empty": pd.DataFrame(index=[3, 4]),
}
POLARS = pl.DataFrame(
    {
        "n": pl.Series([1, None], dtype=pl.UInt8),
        "e": pl.Series(["x", "y"], dtype=pl.Enum(["y", "x"])),
        "l": [[1], [2, 3]],
        "s": [{"a": 1.5, "b": "x"}, {"a": None, "b": "y"}],
        "d": pl.Series(["1.10", "2"]).cast(pl.Decimal(10, 2)),
        "t": pl.Series([1, 2]).cast(pl.Datetime("ms", "UTC")),
    }
)
TABLE = pa.table({"a": pa.chunked_array([[1, None], [3]]), "b": pa.array(["x", "y", "x"]).dictionary_encode()})


@pytest.mark.parametrize("name", PANDAS)
def test_a_frame_of_pandas_comes_back_with_its_index_and_types(name: str) -> None:
    frame = PANDAS[name]
    back = loads(dumps(Study(frame=frame, parts={"a": frame}, anything=[frame])), Study)
    for found in (back.frame, back.parts["a"], back.anything[0]):
        assert_frame_equal(found, frame, check_exact=True)


@given(
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats(), st.none() | st.text(), st.booleans()), min_size=1)
)
def test_any_columns_come_back_in_each_library(rows: list[tuple[Any, ...]]) -> None:
    names = ["int", "float", "text", "bool"]
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    columns["text"] = [t and t.encode("utf-8", "replace").decode() for t in columns["text"]]
    types = {"int": pa.int64(), "float": pa.float64(), "text": pa.string(), "bool": pa.bool_()}
    table = pa.table({n: pa.array(columns[n], types[n]) for n in names})
    study = Study(frame=table.to_pandas(), polars=pl.from_arrow(table), table=table)
    back = loads(dumps(study), Study)
    assert_frame_equal(back.frame, study.frame, check_exact=True)
    assert back.polars.equals(study.polars) and back.polars.schema == study.polars.schema
    assert back.table.schema == table.schema and str(back.table.to_pydict()) == str(table.to_pydict())


def test_types_of_polars_and_pyarrow_come_back() -> None:
    back = loads(dumps(Study(polars=POLARS, table=TABLE)), Study)
    assert back.polars.equals(POLARS) and back.polars.schema == POLARS.schema
    assert back.table.equals(TABLE)


def test_a_session_reads_a_frame_when_touched_and_stores_what_changed_in_it(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    big = pd.DataFrame({"a": np.arange(100_000.0)})
    with Session(path) as session:
        session.add(Study(name="s", frame=big, polars=POLARS, table=TABLE))
        session.commit()
    with Session(path) as session:
        study = session.root(Study)
        assert study.name == "s" and session.stats.bytes_read < 100_000
        assert_frame_equal(study.frame, big)
        assert study.polars is not None and study.table is not None
        before = path.stat().st_size
        study.frame, study.polars, study.table = big.copy(), POLARS.clone(), TABLE.combine_chunks()  # equal content
        session.commit()
        assert path.stat().st_size == before
        study.frame.loc[3, "a"] = 0.5  # in place
        session.commit()
        assert path.stat().st_size > before
    with Session.open(path) as session:
        assert session.root(Study).frame["a"][3] == 0.5
    assert verify(path).ok


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (pd.DataFrame({"a": pd.Series(["x", 1], dtype=object)}), "Conversion failed for column a"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "Duplicate column names"),
        (pd.DataFrame({"a": pd.Series([1, 2], dtype=object)}), "dtype"),
        (pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}), "Python's objects"),
    ],
)
def test_what_would_come_back_as_another_frame_is_refused(value: Any, message: str) -> None:
    name = "frame" if isinstance(value, pd.DataFrame) else "polars"
    with pytest.raises(EncodeError, match=message) as caught:
        dumps(Study(**{name: value}))
    assert caught.value.path == name


def test_attributes_of_a_frame_that_would_change_are_refused() -> None:
    frame = PANDAS["floats"].copy()
    frame.attrs["unit"] = "m"
    assert loads(dumps(Study(frame=frame)), Study).frame.attrs == {"unit": "m"}
    frame.attrs["unit"] = ("m", 1)
    with pytest.raises(EncodeError, match="attrs"):
        dumps(Study(frame=frame))


def test_without_pyarrow_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dumps(Study(frame=PANDAS["floats"], polars=POLARS))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for use in (lambda: dumps(Study(frame=PANDAS["floats"])), lambda: loads(data, Study)):
        with pytest.raises(MissingExtraError, match=r"parcode-orm\[arrow\]"):
            use()
    assert loads(dumps(Study(polars=POLARS)), Study).polars.equals(POLARS)  # Polars needs no pyarrow


def test_no_library_of_frames_is_imported_for_other_models() -> None:
    program = (
        "import sys; from parcode_orm import Model, dumps\n"
        "class A(Model):\n    n: int\n"
        "dumps(A(n=1)); print({'pandas', 'polars', 'pyarrow'} & sys.modules.keys())"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "set()"
    assert frames.frame_parts(int) is None
