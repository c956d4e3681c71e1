"""Marked fields: what shares a chunk, what stands alone, and that nothing is read before it is touched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import MemorySink, MemorySpace, image, roundtrip, same, stored
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from parcode_orm.codec.base import Column
from parcode_orm.codec.columns.arrays import ArrayColumn
from parcode_orm.codec.columns.boundary import LARGE, ChunkColumn
from parcode_orm.codec.columns.containers import ListColumn, MapColumn, SetColumn
from parcode_orm.codec.columns.scalars import FloatColumn, IntColumn
from parcode_orm.codec.columns.struct import StructColumn, StructPlan
from parcode_orm.codec.columns.text import BytesColumn, TextColumn
from parcode_orm.codec.columns.wrappers import OptionalColumn
from parcode_orm.errors import EncodeError
from parcode_orm.format.layout import Encoding, Kind

INT, TEXT = IntColumn(), TextColumn()
LIST = ChunkColumn(ListColumn(INT))
TEXTS = ChunkColumn(ListColumn(TEXT))
MAP = ChunkColumn(MapColumn(TEXT, INT), kind="map")
BIG = [list(range(40_000))]
BIG_MAP = {f"key {i}": i for i in range(9000)}


def kinds(column: Column, values: list[Any]) -> tuple[list[str], list[str]]:
    """Encodings in the owner's chunk, and the kinds of all chunks."""
    sink, _ = stored(column, values)
    main = [Encoding(entry[0]).name for entry in sink.submitted[-1].entries]
    return main, [Kind(chunk.kind).name for chunk in sink.submitted[:-1]]


@pytest.mark.parametrize(
    ("column", "values", "main", "chunks"),
    [
        (LIST, [[1], [2, 3]], ["REFERENCE"], ["COLUMN"]),
        (LIST, [*BIG], ["EXTERNAL", "INT", "EMPTY"], ["TABLE"]),
        (LIST, [[1], *BIG, []], ["EXTERNAL", "INT", "REFERENCE"], ["TABLE", "COLUMN"]),
        (TEXTS, [["x" * 1000] * 40, ["a"]], ["REFERENCE"], ["COLUMN"]),  # one text, again and again: stored once
        (TEXTS, [[f"{i:0>1000}" for i in range(40)], ["a"]], ["EXTERNAL", "INT", "REFERENCE"], ["TABLE", "COLUMN"]),
        (MAP, [{"a": 1}, BIG_MAP], ["EXTERNAL", "INT", "REFERENCE"], ["TABLE", "COLUMN"]),
        (ChunkColumn(BytesColumn()), [b"x" * LARGE], ["EXTERNAL", "INT", "EMPTY"], ["BLOB"]),
        (ChunkColumn(BytesColumn()), [b"x" * (LARGE - 1)], ["REFERENCE"], ["COLUMN"]),
        (ChunkColumn(OptionalColumn(ListColumn(INT))), [None, [1]], ["REFERENCE"], ["COLUMN"]),
        (ChunkColumn(SetColumn(INT, set, "set")), [set(range(50_000))], ["REFERENCE"], ["COLUMN"]),
        (LIST, [], ["EMPTY"], []),
    ],
)
def test_what_leaves(column: Column, values: list[Any], main: list[str], chunks: list[str]) -> None:
    assert kinds(column, values) == (main, chunks)
    plain, lazy = roundtrip(column, values)
    assert same(plain, values)
    assert same(lazy, values)
    assert image(column, values) == image(column, values)


MIXED = [
    (ChunkColumn(OptionalColumn(TextColumn())), [None, "a", "é" * LARGE, "\ud800" * LARGE, None]),
    (ChunkColumn(BytesColumn(bytearray)), [bytearray(b"a" * LARGE), bytearray(b"c")]),
    (ChunkColumn(OptionalColumn(ArrayColumn())), [np.arange(99999), None, np.arange(3.0), np.zeros((0, 2))]),
    (ChunkColumn(ArrayColumn()), [np.zeros((300, 200), [("a", "<i4"), ("b", "M8[s]")])]),
    (ChunkColumn(OptionalColumn(ListColumn(FloatColumn()))), [None, [0.5], [0.25] * 50_000, None, []]),
    (ChunkColumn(OptionalColumn(MapColumn(TEXT, INT))), [BIG_MAP, None, {}, {"a": 1}, BIG_MAP]),
    (ChunkColumn(ListColumn(INT, tuple, "tuple")), [(1, 2), tuple(range(40_000))]),
    (ChunkColumn(IntColumn()), [1, 2, 3]),
]


@pytest.mark.parametrize(("column", "values"), MIXED)
def test_mixed_values_come_back(column: Column, values: list[Any]) -> None:
    plain, lazy = roundtrip(column, values)
    assert same(plain, values)
    assert same(lazy, values)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.none() | st.sampled_from([[1], [], BIG[0], [5] * 9]), max_size=12))
def test_any_mixture(values: list[Any]) -> None:
    column = ChunkColumn(OptionalColumn(ListColumn(INT)))
    plain, lazy = roundtrip(column, values)
    assert same(plain, values)
    assert same(lazy, values)


def test_one_large_value_among_many_is_found() -> None:
    texts = [["a", "b"] for _ in range(2000)]
    texts[1234] = [f"{i:0>2000}" for i in range(30)]
    sink, ref = stored(TEXTS, texts)
    view = TEXTS.view(MemorySpace(sink).chunk(ref), 0, MemorySpace(sink))
    assert [i for i, k in enumerate(view.ordinals) if k] == [1234]


def test_nothing_is_read_before_it_is_touched() -> None:
    sink, ref = stored(LIST, [[1], *BIG, [2]])
    space = MemorySpace(sink)
    view = LIST.view(space.chunk(ref), 0, space)
    assert len(space.opened) == 1
    view.get(2)
    assert len(space.opened) == 2
    view.get(1)
    assert len(space.opened) == 3


class Item(BaseModel):
    name: str
    parts: list[int]


ITEM = StructColumn(StructPlan(Item, "Item", [("name", TEXT), ("parts", LIST)]))


def test_marks_below_marks() -> None:
    column = ChunkColumn(ListColumn(ITEM))
    values = [[Item(name=f"n{i}", parts=list(range(i))) for i in range(5)], []]
    plain, lazy = roundtrip(column, values)
    assert same(plain, values)
    assert same(lazy, values)
    assert kinds(column, values)[1] == ["COLUMN", "COLUMN"], "measuring writes nothing"


class Lazy:
    _p_lazy_ = True

    def _p_mixed_(self) -> None:
        pass

    def _p_to_store_(self) -> Any:
        return self.values

    def __init__(self, values: Any) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Any:
        return iter(self.values)

    def __getitem__(self, i: Any) -> Any:
        return self.values[i]


class LazyMapping(Lazy):
    def items(self) -> Any:
        return self.values.items()


def test_lazy_values_are_reused_or_read() -> None:
    kept = Lazy(range(10))

    class Reusing(MemorySink):
        def reuse(self, value: Any, column: Column) -> Any:
            return first if value is kept else None

    sink = Reusing()
    first = sink.list_table(INT, [7, 8, 9], None)
    out = sink.encoder(Kind.COLUMN)
    LIST.encode([kept, Lazy([1, 2]), [3]], out)
    ticket = sink.submit(out)
    space = MemorySpace(sink)
    view = LIST.view(space.chunk(ticket.reference), 0, space)  # type: ignore[arg-type]
    assert view.read(0, 3) == [[7, 8, 9], [1, 2], [3]]
    maps = roundtrip(MAP, [LazyMapping({"a": 1}), LazyMapping(BIG_MAP)])
    assert maps == ([{"a": 1}, BIG_MAP],) * 2


def test_errors_keep_their_path() -> None:
    with pytest.raises(EncodeError) as caught:
        image(LIST, [[1], [2, "x"]])
    assert caught.value.path == "[1]"
    with pytest.raises(EncodeError) as caught:
        image(LIST, [[1], [*BIG[0], "x"]])
    assert caught.value.path == "[40000]"
    with pytest.raises(EncodeError) as caught:
        image(LIST, [[1], 5])
    assert caught.value.path == ""
