"""From views over the nodes of a row group to vectors. All that queries know of the codec stands here."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np

from ...codec import kernels
from ...codec.base import View
from ...codec.classes.convert import EPOCH
from ...codec.structs import MISSING
from ...codec.views.boundary import ReferenceView
from ...codec.views.containers import ListView
from ...codec.views.nodes import BlocksView, ConstantView, DictionaryView, EmptyView, NullView, OptionalView
from ...codec.views.refs import RefView
from ...codec.views.scalars import BitsView, NumbersView
from ...codec.views.struct import StructView
from ...codec.views.text import TextView
from ...codec.views.tuples import TupleView
from ...codec.views.wrappers import ConvertView
from ...codec.zones import MICROSECOND, microseconds
from .operators import dig, keyed
from .vectors import Coded, Constant, Kind, Numbers, Objects, Rows, Texts, Vector, indices, pick, spread, vector_of


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
KINDS = {"date": DATE, "timedelta": DURATION}


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
        deep = _leads_to_refs(self.view)
        return [keyed(self.view.get(row), deep=deep) for row in self.rows.tolist()]

    def take(self, rows: Any) -> Lists:
        return Lists(self.view, self.rows[rows], self.begins[rows], self.ends[rows])


def _leads_to_refs(view: View) -> bool:
    """Whether a view of lists leads to references, through lists alone."""
    while isinstance(view, ListView):
        view = view.items
    return isinstance(view, RefView)


def read(view: View, path: tuple[str, ...], rows: Rows) -> Vector:
    """The field at `path` of the rows `rows` (a range, or an array) of a view; without a path, the rows themselves."""
    if isinstance(view, ReferenceView | RefView):
        view = view.inner
    if isinstance(view, OptionalView):
        there, below = present(view, rows)
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


def _array(buffer: memoryview) -> Any:
    return np.frombuffer(buffer, np.dtype(buffer.format))


def _bits(bits: memoryview, rows: Rows) -> Any:
    if isinstance(rows, range):
        first = rows.start >> 3
        found = np.unpackbits(np.frombuffer(bits, np.uint8)[first:], count=rows.stop - (first << 3), bitorder="little")
        return found[rows.start & 7 :].astype(bool)
    single = np.frombuffer(bits, np.uint8)
    return (single[rows >> 3] >> (rows & 7) & 1).astype(bool)


def present(view: OptionalView, rows: Rows) -> tuple[Any, Rows]:
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
        return Numbers(pick(_array(view.values), rows))
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
        return vector_of(list(map(keyed, view.read(rows.start, rows.stop))))
    return vector_of([keyed(view.get(row)) for row in numbers(rows)])


def _coded(view: DictionaryView, rows: Rows) -> Coded:
    codes = pick(_array(view.codes), rows)
    words = view.words()
    if len(codes) and int(codes.max()) >= len(words):
        raise view.chunk.error(view.at, f"a code beyond {len(words)} distinct values")
    return Coded(codes, words)


def _rising(view: Any, begins: Any, ends: Any, size: int) -> None:
    if len(begins) and (bool((begins > ends).any()) or int(begins.min()) < 0 or int(ends.max()) > size):
        raise view.chunk.error(view.at, "offsets fall")


def _texts(view: TextView, rows: Rows) -> Texts:
    offsets = _array(view.offsets).astype(np.int64)
    at = indices(rows)
    skip = at * view.gap
    begins, ends = offsets[at] + skip, offsets[at + 1] + skip
    _rising(view, begins, ends, len(view.data))
    whole = partial(view.read, rows.start, rows.stop) if isinstance(rows, range) else None
    return Texts(view.data, begins, ends, view.decode, whole, view.errors != "strict")


def _lists(view: ListView, rows: Rows) -> Lists:
    offsets = _array(view.offsets).astype(np.int64)
    at = indices(rows)
    begins, ends = offsets[at], offsets[at + 1]
    _rising(view, begins, ends, view.items.count)
    return Lists(view, at, begins, ends)


def _converted(view: ConvertView, rows: Rows) -> Vector:
    name, inner = view.column.name, view.inner
    kind = KINDS.get(name)
    if kind is not None and isinstance(inner, NumbersView):
        return Numbers(pick(_array(inner.values), rows), None, kind)
    if isinstance(inner, DictionaryView):
        coded = _coded(inner, rows)
        return Coded(coded.codes, view.convert(coded.words))
    if isinstance(inner, ConstantView):
        return Constant(view.convert([inner.get(0)])[0], len(rows)) if len(rows) else Objects([])
    instants = _naive(inner) if name == "datetime" else None
    if instants is not None:
        return Numbers(pick(_array(instants.values), rows), None, MOMENT)
    if isinstance(rows, range):
        return vector_of(view.read(rows.start, rows.stop))
    return vector_of(list(map(view.get, rows.tolist())))


def _naive(view: View) -> NumbersView | None:
    """The instants of stored datetimes, where they are an array and all without a time zone."""
    if not isinstance(view, TupleView):
        return None
    instants, zones = view.items
    naive = isinstance(zones, ConstantView) and zones.get(0) == ""
    return instants if naive and isinstance(instants, NumbersView) else None
