"""Damaged or forged chunks whose checksums are right: a typed error or some value, never a crash."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import MemorySink, MemorySpace
from hypothesis import given, settings
from hypothesis import strategies as st
from test_struct import NODE, OPEN, SECRETIVE, USER, Node, Open, Secretive, User

from parcode_orm.codec.base import Column
from parcode_orm.codec.columns.arrays import ArrayColumn
from parcode_orm.codec.columns.boundary import ChunkColumn
from parcode_orm.codec.columns.containers import ListColumn, MapColumn, SetColumn
from parcode_orm.codec.columns.scalars import BoolColumn, FloatColumn, IntColumn
from parcode_orm.codec.columns.text import BytesColumn, TextColumn
from parcode_orm.codec.columns.tuples import TupleColumn, UnionColumn
from parcode_orm.codec.columns.wrappers import OptionalColumn
from parcode_orm.codec.views.nodes import open_child
from parcode_orm.codec.views.tokens import tokens
from parcode_orm.errors import CorruptionError, EncodeError, ParcodeError
from parcode_orm.format.heads import MAX_DEPTH
from parcode_orm.format.layout import Encoding, Kind
from parcode_orm.session.history.columnwise import differing

pytestmark = pytest.mark.once

INT, TEXT = IntColumn(), TextColumn()
UNION = UnionColumn([(lambda v: type(v) is int, INT), (lambda v: type(v) is str, TEXT)])
CASES: list[tuple[Column, list[Any]]] = [
    (INT, [1, 2, 300]),
    (FloatColumn(), [1, True, 2.5]),
    (INT, [1 << 80, 5]),
    (FloatColumn(), [0.5, 1.5]),
    (BoolColumn(), [True, False, True]),
    (TEXT, ["a", "bcé", ""]),
    (TEXT, ["a\0", "b"]),
    (TEXT, ["a", "b"] * 20),
    (TEXT, ["a"] * 5),
    (BytesColumn(), [b"abc", b""]),
    (OptionalColumn(INT), [1, None, 3]),
    (ListColumn(TEXT), [["a", "b"], [], ["c"]]),
    (ListColumn(INT), [[1, 2], [], [300]]),
    (SetColumn(OptionalColumn(INT), set), [{1, None}, set()]),
    (MapColumn(TEXT, ListColumn(INT)), [{"a": [1], "b": []}, {}]),
    (TupleColumn([INT, TEXT]), [(1, "a"), (2, "b")]),
    (UNION, [1, "a", 2, "b"]),
    (ArrayColumn(), [np.arange(3), np.zeros((2, 2), "f4")]),
    (USER, [User(id=1), User(id=2, name="x", score=0.5, tags=["q"]), User.model_construct(id=5)]),
    (OPEN, [Open(id=1, a=3), Open(id=2)]),
    (SECRETIVE, [Secretive(id=1), Secretive(id=2)]),
    (NODE, [Node(value=1, children=[Node(value=2)], next=Node(value=3))]),
    (ChunkColumn(ListColumn(INT)), [[1], list(range(40_000)), [2]]),
    (ChunkColumn(OptionalColumn(BytesColumn())), [b"x" * 40_000, None]),
]


def read_all(sink: MemorySink, out: Any, column: Column, count: int) -> None:
    ticket = sink.submit(out)
    space = MemorySpace(sink)
    view = open_child(column, space.chunk(ticket.reference), 0, space, count)
    view.read(0, count)
    for i in range(count):
        view.get(i)


def read_tokens(sink: MemorySink, out: Any, column: Column, count: int) -> None:
    """Compare the values with themselves, all and in parts."""
    ticket = sink.submit(out)
    view, other = (open_child(column, space.chunk(ticket.reference), 0, space, count) for space in spaces(sink))
    for rows in (range(count), [*range(0, count, 2)], [count - 1]):
        tokens(view, rows)
        differing(view, rows, other, rows)


def spaces(sink: MemorySink) -> tuple[MemorySpace, MemorySpace]:
    """Two spaces, as of two commits."""
    return MemorySpace(sink), MemorySpace(sink)


FIELDS = {"encoding": 0, "width": 1, "flags": 2, "span": 3, "count": 4, "param": 5}
numbers = st.sampled_from([0, 1, 2, 3, 4, 5, 8, 15, 16, 18, 19, 63, 200, 255, 65535, (1 << 31) + 1, (1 << 32) - 1])


@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("case", range(len(CASES)))
@given(st.data())
def test_forged_entries_and_buffers(case: int, data: st.DataObject) -> None:
    column, values = CASES[case]
    sink = MemorySink()
    out = sink.encoder(Kind.COLUMN)
    column.encode(values, out)
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, len(out.entries) - 1))
        if data.draw(st.booleans()):
            name = data.draw(st.sampled_from(sorted(FIELDS)))
            new = data.draw(numbers | st.integers(0, 20))
            out.entries[at][FIELDS[name]] = min(new, 255) if name in ("encoding", "width", "flags") else new
        else:
            buffer = bytearray(out.buffers[at])
            if buffer:
                buffer[data.draw(st.integers(0, len(buffer) - 1))] = data.draw(st.integers(0, 255))
            out.buffers[at] = bytes(buffer[: data.draw(st.integers(0, len(buffer)))])
    for read in (read_all, read_tokens):
        try:
            read(sink, out, column, len(values))
        except ParcodeError:
            pass


def forged(column: Column, values: list[Any], change: Any) -> None:
    sink = MemorySink()
    out = sink.encoder(Kind.COLUMN)
    column.encode(values, out)
    change(out)
    read_all(sink, out, column, len(values))


@pytest.mark.parametrize(
    ("column", "values", "at", "field", "new"),
    [
        (INT, [1, 2], 0, 1, 3),
        (INT, [1, 2], 0, 4, 5),
        (INT, [1, 2], 0, 0, Encoding.RAW),
        (TEXT, ["a", "b"], 1, 2, 1),
        (OptionalColumn(INT), [1, None], 0, 5, 2),
        (ListColumn(INT), [[1], [2]], 2, 4, 1),
        (TEXT, ["a"] * 5, 0, 4, (1 << 32) - 1),
        (USER, [User(id=1)], 0, 5, 16),
        (ChunkColumn(INT), [1], 0, 5, 7),
    ],
)
def test_contradictions_are_named(column: Column, values: list[Any], at: int, field: int, new: int) -> None:
    def change(out: Any) -> None:
        out.entries[at][field] = new

    with pytest.raises(CorruptionError, match="node"):
        forged(column, values, change)


@pytest.mark.parametrize("offsets", [b"\0\x05\x03", b"\x01\x02\x03", b"\0\x02\x09", b"\0\x09\x03"])
@pytest.mark.parametrize("column", [ListColumn(INT), BytesColumn(), TEXT])
def test_offsets_that_fall_or_leave(column: Column, offsets: bytes) -> None:
    values = [b"ab", b"c"] if isinstance(column, BytesColumn) else ["ab", "c"] if column is TEXT else [[1, 2], [3]]

    def change(out: Any) -> None:
        out.buffers[1] = offsets

    with pytest.raises(CorruptionError):
        forged(column, values, change)


def test_text_that_is_not_utf8() -> None:
    def change(out: Any) -> None:
        out.buffers[0] = b"\xff\0b\0"

    with pytest.raises(CorruptionError, match="UTF-8"):
        forged(TEXT, ["a", "b"], change)


def test_a_forged_depth_is_refused() -> None:
    sink = MemorySink()
    out = sink.encoder(Kind.COLUMN)
    nodes = []
    for _ in range(3000):
        nodes.append(out.open(Encoding.OPTIONAL, 1, b"\1", param=0))
    out.leaf(Encoding.INT, 1, b"\1", width=1)
    for node in reversed(nodes):
        out.close(node)
    with pytest.raises(CorruptionError, match="within one that says the same"):
        read_all(sink, out, INT, 1)


@pytest.mark.parametrize("depth", [3000, MAX_DEPTH + 10])
def test_models_forged_deeper_than_the_stack(depth: int) -> None:
    sink = MemorySink()
    out = sink.encoder(Kind.COLUMN)
    nodes = []
    for _ in range(depth):
        nodes.append(out.open(Encoding.STRUCT, 1))
        INT.encode([1], out)
        ListColumn(INT).encode([[]], out)
    OptionalColumn(NODE).encode([None], out)
    for node in reversed(nodes):
        out.close(node)
    if depth > MAX_DEPTH:
        with pytest.raises(EncodeError, match="deep"):
            out.finish()
        return
    read_tokens(sink, out, NODE, 1)
    space = MemorySpace(sink)
    (found,) = open_child(NODE, space.chunk(sink.submit(out).reference), 0, space, 1).read(0, 1)
    levels = 0
    while found is not None:
        found, levels = found.next, levels + 1
    assert levels == depth
