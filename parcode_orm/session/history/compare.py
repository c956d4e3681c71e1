"""Comparing what two commits of a file hold, field by field: what both refer to is not read.

Rows of stored collections are compared column by column (`stretches.py`, `columnwise.py`). What columns cannot tell,
the values themselves do: lazy ones of both commits.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from functools import partial
from itertools import chain
from struct import pack as pack_struct
from typing import Any

from pydantic import BaseModel

from ...codec.attributes import attributes
from ...codec.base import EXACT_ATOMS, BlobContent
from ...codec.kernels import loaded_numpy
from ...codec.packed.values import pack
from ...codec.views.boundary import Unread
from ...errors import EncodeError
from ...lazy.list import LazyList
from ...lazy.map import LazyMap
from ...lazy.protocols import PairRows, Rows
from ...lazy.rows import TablePairs, TableRows
from ...lazy.state import MISSING
from ...stack import is_deep, on_fresh_stack, roomy
from ...table.diff import Gap, gaps
from .columnwise import Exact, Fields, Part, Read, Split
from .difference import Difference, Place
from .fields import besides, field_of, names_of, read_now
from .stretches import Alone, Batch, Pairs, Side, backward, batch_of, forward, runs

ALIGNED = 512  # rows: of longer stretches without a row in common, those at the same place are compared
STEP = 8  # places inside each other from which on each one looks at the stack
PART = 1 << 20  # bytes of two blobs that are compared at a time


def compare(old: object, new: object, place: Place) -> Iterator[Difference]:
    """Where two values differ, from the outermost to the innermost and in the order of the fields and rows.

    Both are lazy values of sessions that do not change them, or plain. The order of a dictionary's keys, and which
    fields were set, are no difference; that of types is.
    """
    if len(place.path) >= STEP and is_deep():
        return iter(on_fresh_stack(lambda: list(_compare(old, new, place))))
    return _compare(old, new, place)


def _compare(old: Any, new: Any, place: Place) -> Iterator[Difference]:
    if old is MISSING or new is MISSING:
        return iter(()) if old is new else place.differ(old, new)
    if isinstance(old, Unread) and isinstance(new, Unread):
        return _unread(old, new, place)
    old, new = read_now(old), read_now(new)
    cls = old.__class__
    if cls is not new.__class__:
        return place.differ(old, new)
    if cls in EXACT_ATOMS:
        return iter(()) if old == new else place.differ(old, new)
    if isinstance(old, BaseModel):
        return _fields(old, new, place)
    if issubclass(cls, LazyList):
        return _told(list_rows(old.rows, new.rows, place), old.rows, new.rows, place)
    if issubclass(cls, LazyMap):
        return _maps(old, new, place)
    if cls is list:
        mine, theirs = _Plain(old), _Plain(new)
        return _told(_rows(mine, theirs, Gap(0, len(old), 0, len(new)), place), mine, theirs, place)
    if issubclass(cls, dict):
        return _pairs(old.items(), new.items(), old.get, new.get, place)
    if dataclasses.is_dataclass(cls):
        return _fields(old, new, place)
    return iter(()) if _same_whole(old, new, place) else place.differ(old, new)


@roomy
def is_same(old: object, new: object, place: Place | None = None) -> bool:
    """Whether `compare` finds nothing; `place` is where in other values these stand."""
    place = place or Place((), "", {})
    pair = id(old), id(new)
    if pair in place.differing:
        return False
    same = next(compare(old, new, place), None) is None
    if not same:
        place.differing[pair] = old, new
    return same


# -- values that are told apart whole ----------------------------------------------------------------------------------


def _same_whole(old: object, new: Any, place: Place) -> bool:
    """Whether two values of one class are equal, as they are stored: NaN is NaN, and -0.0 is not 0.0."""
    if isinstance(old, float):
        return pack_struct("<d", old) == pack_struct("<d", new)
    if isinstance(old, tuple | deque):
        if len(old) != len(new) or not all(is_same(one, other, place) for one, other in zip(old, new, strict=True)):
            return False
        return not hasattr(old, "__dict__") or is_same(attributes(old), attributes(new), place)
    numpy = loaded_numpy()
    if numpy is not None and isinstance(old, numpy.ndarray) and not old.dtype.hasobject:
        return bool(old.dtype == new.dtype and old.shape == new.shape and old.tobytes() == new.tobytes())
    try:
        return pack(old) == pack(new)
    except EncodeError:  # its field's own column can store it, and not alone
        return bool(old == new)


def _unread(old: Unread, new: Unread, place: Place) -> Iterator[Difference]:
    """Two tables or blobs: nothing of them is read where they are the same one, nor of blobs whose checksums agree."""
    if old.ref == new.ref:
        return iter(())
    mine, theirs = old.blob(), new.blob()
    if mine is None or theirs is None:
        return compare(old.read(), new.read(), place)
    if old.space.chunk(old.ref).directory == new.space.chunk(new.ref).directory:
        return iter(())
    same = mine[1] == theirs[1] and _same_content(mine[0], theirs[0])
    return iter(()) if same else place.differ(old, new)


def _same_content(old: BlobContent, new: BlobContent) -> bool:
    """Whether two blobs, stored in other ways, have the same bytes."""
    size = len(old)
    return size == len(new) and all(old.read(at, at + PART) == new.read(at, at + PART) for at in range(0, size, PART))


# -- fields ------------------------------------------------------------------------------------------------------------


def _fields(old: object, new: object, place: Place) -> Iterator[Difference]:
    return _named(old, new, (*names_of(old), *names_of(new)), place)


def _named(old: object, new: object, names: Iterable[str], place: Place) -> Iterator[Difference]:
    for name in dict.fromkeys(names):
        yield from compare(field_of(old, name), field_of(new, name), place.field(name))


# -- rows --------------------------------------------------------------------------------------------------------------


class _Plain:
    """The items of a plain list."""

    space: object = None

    def __init__(self, items: list[object]) -> None:
        self.get = items.__getitem__

    def stretch(self, position: int) -> None:
        """Says of each that it is not stored."""


def list_rows(mine: Rows, theirs: Rows, place: Place) -> Iterator[Pairs | Alone]:
    """The rows of two stored lists beside each other, in order, without the rows that they share."""
    for gap in _gaps(mine, theirs):
        yield from _rows(mine, theirs, gap, place)


def map_rows(mine: TablePairs, theirs: TablePairs) -> Iterator[Pairs | Alone]:
    """The pairs of two stored dictionaries beside each other, by key, without the pairs that they share."""
    for gap in gaps(mine.table.tree, theirs.table.tree):
        yield from _keyed(mine, theirs, gap)


def _told(found: Iterable[Pairs | Alone], old: Side, new: Side, place: Place) -> Iterator[Difference]:
    """The differences of rows that stand beside each other."""
    for each in found:
        if isinstance(each, Pairs):
            yield from _differences(each.batch, each.names, old, new, place)
        elif each.new is None:
            assert each.old is not None
            yield from place.item(each.name).differ(old.get(each.old), MISSING)
        else:
            yield from place.item(each.name).differ(MISSING, new.get(each.new))


def _gaps(mine: Rows, theirs: Rows) -> Iterable[Gap]:
    """The rows that two collections do not share; all, where one is so small that it lies with its owner."""
    if isinstance(mine, TableRows) and isinstance(theirs, TableRows):
        return gaps(mine.table.tree, theirs.table.tree)
    return [Gap(0, len(mine), 0, len(theirs))]


def _rows(old: Side, new: Side, gap: Gap, place: Place) -> Iterator[Pairs | Alone]:
    """The rows of a stretch: equal ones at its ends are left aside, and, if what is left is not long, between."""
    start, stop, other, end = gap
    if not stop - start == end - other == 1:
        both = min(stop - start, end - other)
        same = _equal(forward(old, start, new, other, both), old, new, place)
        start, other, both = start + same, other + same, both - same
        same = _equal(backward(old, stop, new, end, both), old, new, place)
        stop, end = stop - same, end - same
    if 1 < max(stop - start, end - other) <= ALIGNED and start < stop and other < end:
        mine, theirs = _tokens(old, start, stop), _tokens(new, other, end)
        found: Any = SequenceMatcher(None, mine, theirs, autojunk=False).get_opcodes()
    else:
        found = [("replace", 0, stop - start, 0, end - other)]
    for kind, a, b, c, d in found:
        if kind != "equal":
            yield from _replaced(old, new, Gap(start + a, start + b, other + c, other + d))


def _equal(batches: Iterable[tuple[Batch, range]], old: Side, new: Side, place: Place) -> int:
    """How many rows of the batches, taken in the order that comes with each, are the same before one that differs."""
    count = 0
    for batch, order in batches:
        part = batch.part
        for i in order if part.rows else ():
            if i in part.where and _differs(batch, i, old, new, place):
                return count + abs(i - order.start)
        count += len(order)
    return count


def _differs(batch: Batch, i: int, old: Side, new: Side, place: Place) -> bool:
    part = batch.part
    if isinstance(part, Read):
        return not is_same(part.old[i], part.new[i], place)
    if isinstance(part, Exact | Fields | Split):
        return next(_row_at(batch, i, old, new, place), None) is not None
    return not is_same(old.get(batch.old[i]), new.get(batch.new[i]), place)


def _replaced(old: Side, new: Side, gap: Gap) -> Iterator[Pairs | Alone]:
    """Rows in the place of others: those at the same place are beside each other, what is left came or went."""
    start, stop, other, end = gap
    both = min(stop - start, end - other)
    for batch, _ in forward(old, start, new, other, both):
        yield Pairs(batch, batch.new)
    for i in range(start + both, stop):
        yield Alone(i, i, None)
    for i in range(other + both, end):
        yield Alone(i, None, i)


def _differences(batch: Batch, names: Sequence[object], old: Side, new: Side, place: Place) -> Iterator[Difference]:
    """Where the rows of a batch differ; `names` has the key or position of each."""
    part = batch.part
    path, text, differing = place
    if type(part) is Exact:
        return (Difference((*path, names[i]), f"{text}[{names[i]!r}]", part.old[i], part.new[i]) for i in part.rows)
    if isinstance(part, Fields):
        places = ((i, Place((*path, names[i]), f"{text}[{names[i]!r}]", differing)) for i in part.rows)
        return _fields_at(part, places)
    return chain.from_iterable(_row_at(batch, i, old, new, place.item(names[i])) for i in part.rows)


def _row_at(batch: Batch, i: int, old: Side, new: Side, place: Place) -> Iterator[Difference]:
    return _at(batch.part, i, place, lambda: (old.get(batch.old[i]), new.get(batch.new[i])))


def _at(part: Part, i: int, place: Place, values: Callable[[], tuple[object, object]]) -> Iterator[Difference]:
    """Where row `i` of a stretch differs; `values` gives both values."""
    if len(place.path) >= STEP and is_deep():
        return iter(on_fresh_stack(lambda: list(_part_at(part, i, place, values))))
    return _part_at(part, i, place, values)


def _part_at(part: Part, i: int, place: Place, values: Callable[[], tuple[object, object]]) -> Iterator[Difference]:
    if isinstance(part, Read):
        return compare(part.old[i], part.new[i], place)
    if isinstance(part, Exact):
        return place.differ(part.old[i], part.new[i])
    if isinstance(part, Fields):
        return _fields_at(part, ((i, place),))
    if isinstance(part, Split):
        below, j = part.index[i]
        return _at(below, j, place, values)
    return compare(*values(), place)


def _fields_at(part: Fields, rows: Iterable[tuple[int, Place]]) -> Iterator[Difference]:
    """Where rows of objects differ: each with its place."""
    rest = part.rest.where
    for i, place in rows:
        path, text, _ = place
        for name, below in part.parts:
            if i not in below.where:
                continue
            if type(below) is Exact:  # as in `_at`, without a call: it is most of the time that a long diff takes
                yield Difference((*path, name), f"{text}.{name}", below.old[i], below.new[i])
            else:
                yield from _at(below, i, place.field(name), partial(part.field, i, name))
        if i in rest:
            mine, theirs = part.objects(i)
            yield from _named(mine, theirs, (*besides(mine), *besides(theirs)), place)


def _tokens(rows: Side, start: int, stop: int) -> list[object]:
    """What stands for each row: equal for two of which `compare` finds nothing, unless they hold large values."""
    return [_token(rows.get(i)) for i in range(start, stop)]


def _token(value: object) -> object:
    if isinstance(value, Unread):
        return "at", value.ref
    cls = value.__class__
    if cls in EXACT_ATOMS:
        return cls, value
    if isinstance(value, BaseModel) or dataclasses.is_dataclass(cls):
        return cls, *((name, _token(field_of(value, name))) for name in names_of(value))
    if isinstance(value, LazyList | LazyMap) and isinstance(value.rows, TableRows):
        return "at", value.rows.table.ref
    if isinstance(value, dict | LazyMap):
        return cls, frozenset((key, _token(each)) for key, each in value.items())
    if isinstance(value, list | tuple | deque | LazyList):
        return cls, *map(_token, value)
    try:
        return cls, pack(value)
    except EncodeError:
        return cls, id(value)  # equal to no other


# -- keys --------------------------------------------------------------------------------------------------------------

Find = Callable[[object, object], object]


def _maps(old: LazyMap[object, object], new: LazyMap[object, object], place: Place) -> Iterator[Difference]:
    mine, theirs = old.rows, new.rows
    if not (isinstance(mine, TablePairs) and isinstance(theirs, TablePairs)):
        yield from _pairs(_items(mine), _items(theirs), mine.find, theirs.find, place)
        return
    yield from _told(map_rows(mine, theirs), mine, theirs, place)


def _items(rows: PairRows) -> Iterator[tuple[object, object]]:
    return zip(rows.keys(), rows.scan(0, len(rows)), strict=True)


def _keyed(mine: TablePairs, theirs: TablePairs, gap: Gap) -> Iterator[Pairs | Alone]:
    """The pairs of a stretch, by key: wherever the other dictionary has it."""
    start, stop, other, end = gap
    here = 0  # keys of the first that lie in the stretch of the second
    for run in runs(mine, start, stop, theirs, other):
        if run.other is None:
            yield Alone(run.keys[0], run.start, None)
            continue
        count = len(run.keys)
        here += max(0, min(run.other + count, end) - max(run.other, other))
        yield Pairs(batch_of(mine, run.start, theirs, run.other, count), run.keys)
    if here < end - other:
        for run in runs(theirs, other, end, mine, start):
            if run.other is None:
                yield Alone(run.keys[0], None, run.start)


def _pairs(
    old: Iterable[tuple[object, object]],
    new: Iterable[tuple[object, object]],
    find_old: Find,
    find_new: Find,
    place: Place,
) -> Iterator[Difference]:
    for key, value in old:
        yield from compare(value, find_new(key, MISSING), place.item(key))
    for key, value in new:
        if find_old(key, MISSING) is MISSING:
            yield from place.item(key).differ(MISSING, value)
