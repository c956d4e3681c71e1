"""From views over the nodes of a row group to vectors. All that queries know of the codec stands here."""

from __future__ import annotations

import struct
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..codec import kernels
from ..codec.base import Column, View
from ..codec.classes.convert import EPOCH
from ..codec.columns.boundary import ChunkColumn
from ..codec.columns.lenient import LenientColumn
from ..codec.columns.struct import StructColumn
from ..codec.columns.wrappers import ConvertColumn, OptionalColumn
from ..codec.structs import MISSING
from ..codec.views.boundary import ReferenceView
from ..codec.views.containers import ListView
from ..codec.views.nodes import (
    BlocksView,
    ConstantView,
    DictionaryView,
    EmptyView,
    NullView,
    OptionalView,
    child_nodes,
)
from ..codec.views.scalars import BitsView, NumbersView
from ..codec.views.struct import StructView
from ..codec.views.text import TextView
from ..codec.views.tuples import TupleView
from ..codec.views.wrappers import ConvertView
from ..codec.zones import MICROSECOND, microseconds
from ..errors import CorruptionError
from ..format.chunk import Chunk
from ..format.layout import Encoding, Node, NodeFlag
from .operators import dig
from .vectors import Coded, Constant, Kind, Numbers, Objects, Rows, Texts, Vector, spread, vector_of


def _days(values: list[int]) -> list[Any]:
    return list(map(date.fromordinal, values))


def _durations(values: list[int]) -> list[Any]:
    return [value * MICROSECOND for value in values]


def _moments(values: list[int]) -> list[Any]:
    return [EPOCH + value * MICROSECOND for value in values]


def _moment(value: datetime) -> int:
    return microseconds(value - EPOCH)


DATE = Kind(date, date.toordinal, _days)
DURATION = Kind(timedelta, microseconds, _durations)
MOMENT = Kind(datetime, _moment, _moments)  # without a time zone
_KINDS = {"date": DATE, "timedelta": DURATION}


class Lists(Vector):
    """Lists of which the items are those of one view, `begins[i]` to `ends[i]`; `whole(rows)` gives the lists."""

    __slots__ = ("begins", "ends", "items", "rows", "view")

    def __init__(self, view: ListView, rows: Any, begins: Any, ends: Any) -> None:
        self.view = view
        self.rows = rows
        self.items = view.items
        self.begins = begins
        self.ends = ends

    def __len__(self) -> int:
        return len(self.begins)

    def tolist(self) -> list[Any]:
        return list(map(self.view.get, self.rows.tolist()))

    def take(self, rows: Any) -> Lists:
        return Lists(self.view, self.rows[rows], self.begins[rows], self.ends[rows])


def read(view: View, path: tuple[str, ...], rows: Rows) -> Vector:
    """The field at `path` of the rows `rows` (a range, or an array) of a view; without a path, the rows themselves."""
    if isinstance(view, ReferenceView):
        view = view.inner
    if isinstance(view, OptionalView):
        there, below = _present(view, rows)
        return spread(read(view.present, path, below), there)
    if isinstance(view, NullView):
        return Constant(None, len(rows))
    if isinstance(view, ConstantView) and (path or not isinstance(view.one, StructView)):
        return Constant(read(view.one, path, range(1)).tolist()[0], len(rows)) if len(rows) else Objects([])
    if not path:
        return _values(view, rows)
    if isinstance(view, StructView) and not view.bits & MISSING and path[0] in view.column.places:
        return read(view.field(path[0]), path[1:], rows)
    return vector_of([dig(view.get(row), path) for row in numbers(rows)])


def numbers(rows: Rows) -> Any:
    """Rows as Python's ints."""
    return rows if isinstance(rows, range) else rows.tolist()


def _pick(values: Any, rows: Rows) -> Any:
    return values[rows.start : rows.stop] if isinstance(rows, range) else values[rows]


def _array(buffer: memoryview) -> Any:
    return np.frombuffer(buffer, np.dtype(buffer.format))


def _bits(bits: memoryview, rows: Rows) -> Any:
    if isinstance(rows, range):
        first = rows.start >> 3
        found = np.unpackbits(np.frombuffer(bits, np.uint8)[first:], count=rows.stop - (first << 3), bitorder="little")
        return found[rows.start & 7 :].astype(bool)
    single = np.frombuffer(bits, np.uint8)
    return (single[rows >> 3] >> (rows & 7) & 1).astype(bool)


def _present(view: OptionalView, rows: Rows) -> tuple[Any, Rows]:
    """Which of the rows are not None, and where those stand among the values present."""
    if isinstance(rows, range):
        there = _bits(view.bits, rows)
        first = kernels.count_bits(view.bits, rows.start)
        return there, range(first, first + int(there.sum()))
    flags = _bits(view.bits, range(view.count))
    there = flags[rows]
    return there, (np.cumsum(flags) - 1)[rows[there]]


def _values(view: View, rows: Rows) -> Vector:
    """The values of a leaf; what has no form as an array comes as Python's objects."""
    if isinstance(view, NumbersView):
        return Numbers(_pick(_array(view.values), rows))
    if isinstance(view, BitsView):
        return Numbers(_bits(view.bits, rows))
    if isinstance(view, DictionaryView):
        return _coded(view, rows)
    if isinstance(view, TextView):
        return _texts(view, rows)
    if isinstance(view, ListView):
        return _lists(view, rows)
    if isinstance(view, ConvertView):
        return _converted(view, rows)
    if isinstance(view, EmptyView):
        return Objects([])
    if isinstance(rows, range) and isinstance(view, BlocksView):
        return vector_of(view.read(rows.start, rows.stop))
    return vector_of(list(map(view.get, numbers(rows))))


def _coded(view: DictionaryView, rows: Rows) -> Vector:
    codes = _pick(_array(view.codes), rows)
    words = view.words()
    if len(codes) and int(codes.max()) >= len(words):
        raise view.chunk.error(view.at, f"a code beyond {len(words)} distinct values")
    return Coded(codes, words)


def _rising(view: Any, begins: Any, ends: Any, size: int) -> None:
    if len(begins) and (bool((begins > ends).any()) or int(begins.min()) < 0 or int(ends.max()) > size):
        raise view.chunk.error(view.at, "offsets fall")


def _texts(view: TextView, rows: Rows) -> Texts:
    offsets = _array(view.offsets).astype(np.int64)
    at = np.arange(rows.start, rows.stop) if isinstance(rows, range) else rows
    skip = at * view.gap
    begins, ends = offsets[at] + skip, offsets[at + 1] + skip
    _rising(view, begins, ends, len(view.data))
    whole = partial(view.read, rows.start, rows.stop) if isinstance(rows, range) else None
    return Texts(view.data, begins, ends, view.decode, whole)


def _lists(view: ListView, rows: Rows) -> Lists:
    offsets = _array(view.offsets).astype(np.int64)
    at = np.arange(rows.start, rows.stop) if isinstance(rows, range) else rows
    begins, ends = offsets[at], offsets[at + 1]
    _rising(view, begins, ends, view.items.count)
    return Lists(view, at, begins, ends)


def _converted(view: ConvertView, rows: Rows) -> Vector:
    name, inner = view.column.name, view.inner
    kind = _KINDS.get(name)
    if kind is not None and isinstance(inner, NumbersView):
        return Numbers(_pick(_array(inner.values), rows), None, kind)
    if isinstance(inner, DictionaryView):
        coded = _coded(inner, rows)
        return Coded(coded.codes, view.convert(coded.words))  # type: ignore[attr-defined]
    if isinstance(inner, ConstantView):
        return Constant(view.convert([inner.get(0)])[0], len(rows)) if len(rows) else Objects([])
    if name == "datetime" and _is_naive(inner):
        return Numbers(_pick(_array(inner.items[0].values), rows), None, MOMENT)  # type: ignore[attr-defined]
    if isinstance(rows, range):
        return vector_of(view.read(rows.start, rows.stop))
    return vector_of(list(map(view.get, rows.tolist())))


def _is_naive(view: View) -> bool:
    """Whether stored datetimes are all without a time zone, and their instants an array."""
    if not isinstance(view, TupleView):
        return False
    instants, zones = view.items
    return isinstance(instants, NumbersView) and isinstance(zones, ConstantView) and zones.get(0) == ""


# -- before anything is read ------------------------------------------------------------------------------------------


class Bounds(NamedTuple):
    """The smallest and the largest value of a column in a row group, and whether there are Nones besides.

    Of text they are the bytes that it begins with, `low` cut and `high` rounded up.
    """

    low: Any
    high: Any
    nulls: bool
    exact: bool


def _node(view: View, path: tuple[str, ...]) -> tuple[Chunk, int, Column] | None:
    """The chunk, the node and the column of the field at `path`, with no buffer read; None where it has none."""
    if not path or not isinstance(view, StructView) or view.bits & MISSING or path[0] not in view.column.places:
        return None
    chunk, at = view.chunk, view.node(path[0])
    column: Column = view.column.places[path[0]][1]
    for name in path[1:]:
        column = _bare(column)
        node = chunk.nodes[at]
        if node.encoding != Encoding.STRUCT or node.param & MISSING or not isinstance(column, StructColumn):
            return None
        if name not in column.places:
            return None
        place, column = column.places[name]
        at = chunk.children(at)[place]
    return chunk, at, column


def _bare(column: Column) -> Column:
    while isinstance(column, OptionalColumn | ChunkColumn | LenientColumn):
        column = column.inner
    return column


def bounds(view: View, path: tuple[str, ...]) -> Bounds | None:
    """What the head of a row group says of the values of a field; None where it says nothing."""
    place = _node(view, path)
    if place is None:
        return None
    chunk, at, column = place
    column = _bare(column)
    kind = None
    if isinstance(column, ConvertColumn):
        kind = _KINDS.get(column.name)
        if kind is None:
            return None
    try:
        found = _statistics(chunk, at)
    except CorruptionError:
        return None
    if found is None:
        return None
    node, nulls = found
    if node.encoding == Encoding.INT:
        signed = bool(node.flags & NodeFlag.SIGNED)
        low, high = (int.from_bytes(end[:8], "little", signed=signed) for end in (node.low, node.high))
        return Bounds(low, high, nulls > 0, True)._replace(**_as_kind(kind, low, high))
    if kind is not None:
        return None
    if node.encoding == Encoding.FLOAT:
        low, high = (struct.unpack_from("<d", end)[0] for end in (node.low, node.high))
        return Bounds(low, high, nulls > 0, True)
    if node.encoding == Encoding.TEXT:
        return Bounds(node.low.rstrip(b"\0"), node.high.rstrip(b"\0"), nulls > 0, False)
    return None


def _statistics(chunk: Chunk, at: int) -> tuple[Node, int] | None:
    """The node with the statistics of a column, below its wrappers, and the count of nulls."""
    nulls = 0
    for _ in range(8):
        node = chunk.nodes[at]
        if node.flags & NodeFlag.STATISTICS:
            return node, nulls
        if node.encoding == Encoding.OPTIONAL:
            nulls = node.param
            (at,) = child_nodes(chunk, at, 1)
        elif node.encoding == Encoding.CONSTANT:
            (at,) = child_nodes(chunk, at, 1)
        elif node.encoding == Encoding.DICTIONARY:
            at = child_nodes(chunk, at, 2)[1]
        else:
            return None
    return None


def _as_kind(kind: Kind | None, low: int, high: int) -> dict[str, Any]:
    if kind is None:
        return {}
    try:
        first, last = kind.values([low, high])
    except (ValueError, OverflowError):
        return {}
    return {"low": first, "high": last}


def size(view: View, path: tuple[str, ...]) -> int:
    """The bytes of the file that the values of a field take; 0 where that is not known from the head."""
    place = _node(view, path)
    if place is None:
        return 0
    chunk, at, _ = place
    nodes = chunk.nodes[at : at + chunk.nodes[at].span]
    apart = sum(chunk.refs[node.param].length for node in nodes if node.encoding == Encoding.REFERENCE)
    return sum(node.stored for node in nodes) + apart
