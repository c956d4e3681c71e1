"""Ordered indexes: which entities have which values, as sorted runs.

A run holds entries (value, key, whether the entity has the value or lost it), sorted by value. A commit adds a run of
what changed, and merges it with runs of about its size, so that there are few; where an entity got a value and lost it
again, merging drops both entries. (A log-structured merge tree: O'Neil, Cheng, Gawlick, O'Neil, 1996.) Every 256th
value of a run stands in its `fences`, so that a lookup reads these and one row group of the run.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, repeat
from operator import itemgetter
from typing import Any, NamedTuple

from ...codec.asis import as_stored
from ...codec.base import Column, Space
from ...codec.kernels import picked, sorted_places
from ...codec.types.compile import struct_for
from ...errors import CorruptionError, EncodeError
from ...lazy.list import LazyList
from ...model.entities import run_class
from ...model.indexes import IndexSpec
from ...model.ordering import UNORDERED, Order, itself, order_of_parts
from ..content_hash import digest_of
from .changed import Entries
from .long_runs import LONG, Entry, long_run, merged, part
from .opened_runs import entries_between

STEP = 256  # entries between two fences
MAX_RUNS = 8
GROWTH = 1.5  # times as many entries as are added: a run of at most so many is merged with them
IN_MEMORY = 1 << 19  # entries of one commit that are not sorted in parts


def add_run(runs: Any, space: Space, cls: type, spec: IndexSpec, changes: Iterable[tuple[Entries, Entries]]) -> None:
    """Add a run to an ordered index.

    Args:
        runs: a list of the index's runs, plain or lazy, which is changed.
        space: the session's space.
        cls: the class of the entities.
        spec: the index.
        changes: values that entities had, and values that they have.
    """
    parts: list[Any] = []
    entries = _Columns([], [], [])
    whole = False  # no run takes an entry of a type from before: a merge takes it out, with the one that it takes back
    for lost, got in changes:
        whole = whole or not lost.are_whole(spec.types)
        for each, has in ((lost, False), (got, True)):
            entries.values.extend(each.values)
            entries.keys.extend(each.keys)
            entries.has.extend(repeat(has, len(each.keys)))
        if len(entries.keys) >= IN_MEMORY:
            parts.append(long_run(space, cls, spec, [_in_order(cls, spec, entries)], STEP)[0])
            entries = _Columns([], [], [])
    if entries.keys:
        parts.append(_in_order(cls, spec, entries))
    if not parts:
        return
    first = len(runs)
    size = sum(map(len, parts))
    while first and (whole or first >= MAX_RUNS or len(runs[first - 1].entries) <= GROWTH * size):
        first -= 1
        parts.append(runs[first].entries)
        size += len(parts[-1])
    alone = len(parts) == 1 and isinstance(parts[0], list)
    added = _run(cls, spec, space, parts if alone else merged(parts, order_of_parts(spec.types)), size)
    if isinstance(runs, LazyList):  # not by the list: what changes it there is whole at once, and not taken back later
        runs.rows.splice(first, len(runs), added)
    else:
        runs[first:] = added


def _run(cls: type, spec: IndexSpec, space: Space, parts: Iterable[list[Entry]], size: int) -> list[object]:
    """A run of the entries in `parts`, which are at most `size`; nothing for none."""
    if isinstance(parts, list) or size < LONG:
        entries: Any = list(chain.from_iterable(parts))
        fences = [entry[0] for entry in entries[::STEP]]
    else:
        entries, fences = long_run(space, cls, spec, parts, STEP)
    return [run_class(cls, spec).model_construct(entries=entries, fences=fences)] if entries else []


class _Columns(NamedTuple):
    """Entries in any order, a list of each of their parts."""

    values: list[object]
    keys: list[object]
    has: list[bool]


def _in_order(cls: type, spec: IndexSpec, entries: _Columns) -> list[Entry]:
    order = order_of_parts(spec.types)
    try:
        places = sorted_places(entries.values if order is itself else list(map(order, entries.values)))
    except UNORDERED:  # a value does not fit: the same commit refuses the row with it, and names its place there
        column = struct_for(run_class(cls, spec)).places["fences"][1]
        fitting = [each for each in zip(*entries, strict=True) if _fits(column, [each[0]])]
        return sorted(fitting, key=lambda entry: order(entry[0]))
    return list(zip(*[picked(each, places) for each in entries], strict=True))


def _fits(column: Column, value: object) -> bool:
    try:
        digest_of(column, value)
    except EncodeError:
        return False
    return True


class Range(NamedTuple):
    """Values from `low` to `high`, None for no bound; `low_open` and `high_open` leave the bound itself out.

    In an index of several fields a bound is a tuple of the first of their values.
    """

    low: Any
    high: Any
    low_open: bool = False
    high_open: bool = False


class Span(NamedTuple):
    """The entries of `run` from `start` to `stop`, which are read for `ranges`."""

    run: Any
    start: int
    stop: int
    ranges: list[Range]

    @property
    def least(self) -> int:
        """How many entries lie in the ranges at least."""
        return max(self.stop - self.start - 2 * STEP * len(self.ranges), 0)


def spans_of(runs: Iterable[object], ranges: Iterable[Range], order: Order) -> list[Span]:
    """What is read to find the entries in `ranges`, as the fences tell; each entry once."""
    found: list[Span] = []
    for run in runs:
        last: Span | None = None
        fenced = sorted(((*as_stored(_fenced, run, each, order), each) for each in ranges), key=itemgetter(0))
        for start, stop, each in fenced:
            if start >= stop:
                continue
            if last is not None and start < last.stop:
                last.ranges.append(each)
                last = found[-1] = last._replace(stop=max(last.stop, stop))
            else:
                last = Span(run, start, stop, [each])
                found.append(last)
    return found


def entries_in(spans: Sequence[Span], order: Order) -> list[tuple[object, object]]:
    """The values in the ranges of `spans`, each with the key of an entity that has it."""
    counts: Counter[tuple[object, object]] = Counter()
    for run, start, stop, ranges in spans:
        if len(ranges) == 1:
            some = [entries_between(run.entries, start, stop, partial(_within, ranges[0], order))]
        else:
            found = part(run.entries, start, stop)
            values = [entry[0] for entry in found]
            some = [found[slice(*_within(each, order, values))] for each in ranges]
        if len(spans) == len(some) == 1 and all(map(itemgetter(2), some[0])):  # nothing takes an entry back
            return list(dict.fromkeys([(value, key) for value, key, _ in some[0]]))
        for value, key, has in chain.from_iterable(some):  # where ranges overlap, entries count twice, in all runs
            counts[value, key] += 1 if has else -1
    return [pair for pair, count in counts.items() if count > 0]


def entries_of(run: Any, asked: Range, order: Order, descending: bool) -> Iterator[Entry]:
    """The entries of a run in a range, from its beginning or, `descending`, from its end, read as they are taken."""
    start, stop = as_stored(_fenced, run, asked, order)
    firsts = range(start, stop, STEP)
    for at in reversed(firsts) if descending else firsts:
        found = part(run.entries, at, min(at + STEP, stop))
        first, last = _within(asked, order, [entry[0] for entry in found])
        yield from reversed(found[first:last]) if descending else found[first:last]


def _fenced(run: Any, asked: Range, order: Order) -> tuple[int, int]:
    """Entries of a run between which all of a range lie."""
    fences = run.fences
    size = len(run.entries)
    if len(fences) != -(-size // STEP):
        raise CorruptionError(f"an index run of {size} entries has {len(fences)} fences")
    start, stop = 0, size
    if asked.low is not None:
        start = (bisect_left(fences, order(asked.low), key=_as_long(order, asked.low)) - 1) * STEP
    if asked.high is not None:
        stop = bisect_right(fences, order(asked.high), key=_as_long(order, asked.high)) * STEP
    return max(start, 0), min(stop, size)


def _as_long(order: Order, bound: object) -> Order | None:
    """What values are ordered by, as far as a bound of several fields goes; None for the values themselves."""
    if not isinstance(bound, tuple):
        return None if order is itself else order
    length = len(bound)
    return lambda value: order(value)[:length]


def _within(asked: Range, order: Order, values: Sequence[object]) -> tuple[int, int]:
    """The places of the values that lie in a range, the first one and the one after the last."""
    first, last = 0, len(values)
    if asked.low is not None:
        find = bisect_right if asked.low_open else bisect_left
        first = find(values, order(asked.low), key=_as_long(order, asked.low))
    if asked.high is not None:
        find = bisect_left if asked.high_open else bisect_right
        last = find(values, order(asked.high), key=_as_long(order, asked.high))
    return first, last
