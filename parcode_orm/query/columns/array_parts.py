"""The arrays of a field as a row group has them: in place where they are alike and not compressed, else read anew."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from ...codec.base import Space, View
from ...codec.columns.text import TextColumn
from ...codec.packed.dtypes import parse_dtype
from ...codec.structs import MISSING
from ...codec.views.arrays import ArrayView
from ...codec.views.boundary import ReferenceView
from ...codec.views.containers import ListView
from ...codec.views.struct import StructView
from ...format.chunk import Chunk
from ...format.layout import Encoding, Kind, Node, NodeFlag, Reference
from ...table.nodes import Piece
from ...table.row_group import Group
from ...table.table import Table
from .arrays import Alike, Part, Stack, Vectors, alike
from .columns import read
from .places import Place, place_of

_NUMBERS = {(False, 1): "u1", (False, 2): "<u2", (False, 4): "<u4", (False, 8): "<u8"}
_NUMBERS |= {(True, 1): "i1", (True, 2): "<i2", (True, 4): "<i4", (True, 8): "<i8"}
_TEXT = TextColumn()
_PART_BYTES = 512  # that a part takes in memory, about


class Parts(Protocol):
    """Row groups beside each other, as a `Block` has them."""

    parts: list[Piece]

    def place(self, table: Table, path: tuple[str, ...], part: int) -> Place | None:
        """Where a field stands in the row group of a part."""

    def group(self, table: Table, part: int) -> Group:
        """The row group of a part, opened."""


def stack_of(block: Parts, table: Table, path: tuple[str, ...]) -> Stack:
    """The arrays of a field in all rows of a block. What is compressed or not alike stays in the file."""
    found = []
    for number, piece in enumerate(block.parts):
        place, rows = block.place(table, path, number), range(piece.start, piece.start + piece.length)
        if place is None:
            here = _of_group(block.group(table, number), path, table.space, rows, False)
        elif place.rows >= rows.stop:
            here = _alike(place.chunk, place.at, table.space, rows, False)
        else:
            here = None
        found.append(Part(piece.length, here))
    return Stack(found)


def size_of(stack: Stack) -> int:
    """About the bytes that a stack takes, with the norms that it will have. Pages of the file are not counted."""
    return _PART_BYTES * len(stack.parts) + 4 * stack.count


def vectors_of(block: Parts, table: Table, path: tuple[str, ...], stack: Stack) -> Vectors:
    """The arrays of a field whose `stack` is known."""
    return Vectors(stack, None, partial(_loaded, block, table, path), table.space.workers)


def matrix_of(view: ArrayView, rows: range) -> Any:
    """Arrays of a view as one numpy array of rows, over the file where they are not compressed.

    None where they are not of one dtype and one shape, or not stored end to end.
    """
    found = _alike(view.chunk, view.at, view.space, rows, True)
    return found[0].array if found is not None and len(found) == 1 else None


def _loaded(block: Parts, table: Table, path: tuple[str, ...], number: int) -> Sequence[Alike]:
    """The arrays of a part that keeps none in memory."""
    piece = block.parts[number]
    rows = range(piece.start, piece.start + piece.length)
    assert isinstance(piece.ref, Reference)
    (head,) = table.space.heads([piece.ref])  # another one, as a chunk keeps what it decompressed
    place = None if head is None else place_of(head, table, path)
    if place is not None and rows.stop <= place.rows:
        found = _alike(place.chunk, place.at, table.space, rows, True)
        if found is not None:
            return found
        view = place.owner.open_field(place.name, place.chunk, place.at, table.space, place.rows)
        return alike(read(view, (), rows).tolist())
    group = block.group(table, number)
    found = _of_group(group, path, table.space, rows, True)
    return alike(read(group.items, path, rows).tolist()) if found is None else found


def _of_group(group: Group, path: tuple[str, ...], space: Space, rows: range, compressed: bool) -> list[Alike] | None:
    """As `_alike`, of an opened row group, whose rows may be of an older schema."""
    view: View = group.items
    for name in path:
        if not isinstance(view, StructView) or view.bits & MISSING or name not in view.column.places:
            return None
        view = view.field(name)
    if not isinstance(view, ArrayView | ListView | ReferenceView):
        return None
    return _alike(view.chunk, view.at, space, rows, compressed)


def _alike(chunk: Chunk, at: int, space: Space, rows: range, compressed: bool) -> list[Alike] | None:
    """The values `rows` of a node as one array; None where they are not stored so, or only `compressed`."""
    try:
        return _of_node(chunk, at, space, rows, compressed)
    except (ValueError, IndexError):  # the nodes do not fit each other: who reads them otherwise says what is wrong
        return None


def _of_node(chunk: Chunk, at: int, space: Space, rows: range, compressed: bool) -> list[Alike] | None:
    node = chunk.nodes[at]
    if node.encoding == Encoding.REFERENCE and node.param < len(chunk.refs):
        ref = chunk.refs[node.param]
        (other,) = space.heads([ref]) if ref.kind == Kind.COLUMN else (None,)
        return None if other is None else _of_node(other, 0, space, rows, compressed)
    if node.encoding != Encoding.OPTIONAL:
        found = _array(chunk, at, node, space, compressed)
        return None if found is None or len(found) < rows.stop else [Alike(None, found[rows.start : rows.stop])]
    bits = np.unpackbits(np.frombuffer(chunk.read(at), np.uint8), count=node.count, bitorder="little")
    there = np.flatnonzero(bits)
    found = _array(chunk, at + 1, chunk.nodes[at + 1], space, compressed)
    if found is None or len(found) != len(there):
        return None
    first, last = np.searchsorted(there, (rows.start, rows.stop)).tolist()
    return [Alike(there[first:last] - rows.start, found[first:last])] if first < last else []


def _array(chunk: Chunk, at: int, node: Node, space: Space, compressed: bool) -> Any:
    if node.encoding == Encoding.ARRAY:
        return _arrays(chunk, at, node, space, compressed)
    return _lists(chunk, at, node, compressed) if node.encoding == Encoding.LIST else None


def _arrays(chunk: Chunk, at: int, node: Node, space: Space, compressed: bool) -> Any:
    """numpy arrays of one dtype and one shape."""
    text, shapes, data = chunk.children(at)
    dtype, lengths = _dtype(chunk, _one(chunk, text), space), _lengths(chunk, shapes, node.count)
    if dtype is None or dtype.kind not in "biuf" or lengths is None:
        return None
    axes = _one(chunk, chunk.children(shapes)[1]) if lengths else None
    shape = () if axes is None else tuple(_ints(chunk, axes).tolist())
    if axes is not None and chunk.nodes[axes].count == 1:
        shape *= lengths
    elif len(shape) != lengths:
        return None
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if chunk.nodes[data].encoding != Encoding.BYTES or _lengths(chunk, data, node.count) != size or not size:
        return None
    buffer = _buffer(chunk, data, compressed)
    return None if buffer is None else np.frombuffer(buffer, dtype).reshape(node.count, *shape)


def _dtype(chunk: Chunk, at: int, space: Space) -> Any:
    """The dtype that a text says; None where it does not."""
    node = chunk.nodes[at]
    if node.encoding != Encoding.TEXT or node.count != 1:
        return None
    return parse_dtype(_TEXT.open(chunk, at, space, node).get(0))


def _lists(chunk: Chunk, at: int, node: Node, compressed: bool) -> Any:
    """Lists of numbers, of one length."""
    length = _lengths(chunk, at, node.count)
    items = chunk.children(at)[-1]
    inner = chunk.nodes[items]
    if not length or inner.encoding not in (Encoding.FLOAT, Encoding.INT) or inner.count != node.count * length:
        return None
    number = "<f8" if inner.encoding == Encoding.FLOAT else _NUMBERS.get((_is_signed(inner), inner.width))
    buffer = None if number is None else _buffer(chunk, items, compressed)
    if number is None or buffer is None or len(buffer) != inner.count * np.dtype(number).itemsize:
        return None
    return np.frombuffer(buffer, number).reshape(node.count, length)


def _one(chunk: Chunk, at: int) -> int:
    """The node of the one value that a CONSTANT repeats, or the node itself."""
    return at + 1 if chunk.nodes[at].encoding == Encoding.CONSTANT else at


def _lengths(chunk: Chunk, at: int, count: int) -> int | None:
    """The length that all of `count` values have, by their offsets, the first child; None where lengths differ."""
    offsets = _ints(chunk, chunk.children(at)[0])
    if len(offsets) != count + 1 or not count:
        return None
    steps = np.diff(offsets.astype(np.int64))
    return int(steps[0]) if offsets[0] == 0 and (steps == steps[0]).all() else None


def _ints(chunk: Chunk, at: int) -> Any:
    node = chunk.nodes[at]
    number = _NUMBERS.get((_is_signed(node), node.width)) if node.encoding == Encoding.INT else None
    return np.empty(0, np.int64) if number is None else np.frombuffer(chunk.read(at), number)


def _is_signed(node: Node) -> bool:
    return bool(node.flags & NodeFlag.SIGNED)


def _buffer(chunk: Chunk, at: int, compressed: bool) -> Any:
    return None if chunk.nodes[at].compression and not compressed else chunk.read(at)
