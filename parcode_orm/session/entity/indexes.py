"""Ordered indexes: which entities have which values in a field, as sorted runs.

A run holds entries (value, key, whether the entity has the value or lost it), sorted by value. A commit adds a run of
what changed, and merges it with runs of about its size, so that there are few; where an entity got a value and lost it
again, merging drops both entries. (A log-structured merge tree: O'Neil, Cheng, Gawlick, O'Neil, 1996.) Every 256th
value of a run stands in its `fences`, so that a lookup reads these and one row group of the run.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from typing import Any, NamedTuple

from ...codec.base import Column
from ...codec.kernels import sorted_places
from ...codec.types.compile import struct_for
from ...errors import CorruptionError, EncodeError
from ...lazy.list import LazyList
from ...model.entities import UNORDERED, itself, order_of, run_class
from ..content_hash import digest_of
from .changed import Entries

STEP = 256  # entries between two fences
MAX_RUNS = 8
Entry = tuple[Any, Any, bool]


def add_run(runs: Any, cls: Any, name: str, lost: Entries, got: Entries) -> None:
    """Add a run to the index of the field `name` of `cls`.

    Args:
        runs: a list of the index's runs, plain or lazy, which is changed.
        cls: the class of the entities.
        name: the indexed field.
        lost: values that entities had.
        got: values that entities have.
    """
    entries = [*zip(lost.values, lost.keys, repeat(False)), *zip(got.values, got.keys, repeat(True))]
    if not entries:
        return
    first = len(runs)
    size = len(entries)
    merged: list[Iterable[Entry]] = [entries]
    while first and (first >= MAX_RUNS or len(runs[first - 1].entries) <= 2 * size):
        first -= 1
        found = runs[first].entries
        size += len(found)
        merged.append(found.load() if isinstance(found, LazyList) else found)
    if len(merged) > 1:
        entries = _netted(chain.from_iterable(merged))
    entries = _in_order(cls, name, entries)
    made: Any = run_class(cls, name).model_construct
    runs[first:] = [made(entries=entries, fences=[entry[0] for entry in entries[::STEP]])] if entries else []


def _in_order(cls: Any, name: str, entries: list[Entry]) -> list[Entry]:
    order = order_of(cls, name)
    try:
        values = [entry[0] for entry in entries]
        places = sorted_places(values if order is itself else list(map(order, values)))
        return [entries[place] for place in places]
    except UNORDERED:  # a value does not fit: the same commit refuses the row with it, and names its place there
        column = struct_for(cls).places[name][1]
        return sorted((each for each in entries if _fits(column, each[0])), key=lambda entry: order(entry[0]))


def _fits(column: Column, value: Any) -> bool:
    try:
        digest_of(column, value)
    except EncodeError:
        return False
    return True


def _netted(entries: Iterable[Entry]) -> list[Entry]:
    """The entries without those that take each other back."""
    counts: Counter[tuple[Any, Any]] = Counter()
    for value, key, has in entries:
        counts[value, key] += 1 if has else -1
    return [(value, key, count > 0) for (value, key), count in counts.items() if count]


class Range(NamedTuple):
    """Values from `low` to `high`, None for no bound; `low_open` and `high_open` leave the bound itself out."""

    low: Any
    high: Any
    low_open: bool = False
    high_open: bool = False


def count(runs: Iterable[Any], ranges: Iterable[Range], order: Callable[[Any], Any]) -> int:
    """At most how many entries lie in `ranges`, as the fences tell."""
    return sum(len(range(*_fenced(run, each, order))) for run in runs for each in ranges)


def keys_in(runs: Iterable[Any], ranges: list[Range], order: Callable[[Any], Any]) -> list[Any]:
    """The keys of the entities whose value lies in one of `ranges`, which do not overlap."""
    counts: Counter[tuple[Any, Any]] = Counter()
    for run in runs:
        for each in ranges:
            for value, key, has in _between(run, each, order):
                counts[value, key] += 1 if has else -1
    return [key for (_, key), count in counts.items() if count > 0]


def _fenced(run: Any, asked: Range, order: Callable[[Any], Any]) -> tuple[int, int]:
    """Entries of a run between which all of a range lie."""
    fences = run.fences
    if len(fences) != -(-len(run.entries) // STEP):
        raise CorruptionError(f"an index run of {len(run.entries)} entries has {len(fences)} fences")
    start = 0 if asked.low is None else (bisect_left(fences, order(asked.low), key=order) - 1) * STEP
    stop = len(run.entries) if asked.high is None else bisect_right(fences, order(asked.high), key=order) * STEP
    return max(start, 0), min(stop, len(run.entries))


def _between(run: Any, asked: Range, order: Callable[[Any], Any]) -> Iterator[Entry]:
    start, stop = _fenced(run, asked, order)
    if start >= stop:
        return

    def by_value(entry: Entry) -> Any:
        return order(entry[0])

    entries = run.entries
    part: list[Entry] = entries.rows.read(start, stop) if isinstance(entries, LazyList) else entries[start:stop]
    first, last = 0, len(part)
    if asked.low is not None:
        first = (bisect_right if asked.low_open else bisect_left)(part, order(asked.low), key=by_value)
    if asked.high is not None:
        last = (bisect_left if asked.high_open else bisect_right)(part, order(asked.high), key=by_value)
    yield from part[first:last]
