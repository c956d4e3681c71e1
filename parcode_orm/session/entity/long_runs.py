"""Merging runs of an index: a part of each is in memory, and a long result leaves it as it comes."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ...codec.asis import as_stored
from ...codec.base import Space
from ...codec.columns.boundary import ChunkColumn
from ...codec.kernels import sorted_places
from ...lazy.list import LazyList
from ...model.ordering import Order, itself
from ...table.streaming import Spilled, gather, new_table, put_rows

AT_ONCE = 16_384  # entries of a run that are read at once
LONG = 65_536  # entries of a run that is not put together in memory
Entry = tuple[Any, Any, bool]


def merged(runs: Sequence[Sequence[Entry]], order: Order) -> Iterator[Entry]:
    """The entries of sorted runs in order, without those that take each other back.

    What is read so far of a run ends with some value. All entries before the least of these values are known, and no
    other run can have more of them.
    """
    heads = [_Head(run, order) for run in runs]
    while heads := [head for head in heads if head.fill()]:
        ends = [head.keys[-1] for head in heads if head.more]
        if ends:
            end = min(ends)
            parts = [head.take(bisect_left(head.keys, end)) for head in heads]
        else:
            parts = [head.take(len(head.keys)) for head in heads]
        keys = [key for some, _ in parts for key in some]
        if not keys:  # one value alone is longer than a part
            for head in heads:
                if head.more and head.keys[-1] == end:
                    head.read()
            continue
        entries = [entry for _, some in parts for entry in some]
        found = [entries[place] for place in sorted_places(keys)]
        yield from found if all(has for _, _, has in found) else netted(found)


class _Head:
    """The entries of a run that were read and not taken yet, with what they are sorted by."""

    def __init__(self, run: Sequence[Entry], order: Order) -> None:
        self._run = run
        self._order = order
        self._next = 0
        self._size = len(run)
        self.entries: list[Entry] = []
        self.keys: list[Any] = []

    @property
    def more(self) -> bool:
        """Whether there are entries that were not read yet."""
        return self._next < self._size

    def fill(self) -> bool:
        """Whether there are entries; some are read if none are known."""
        if not self.entries and self.more:
            self.read()
        return bool(self.entries)

    def read(self) -> None:
        """Read more entries."""
        stop = min(self._next + AT_ONCE, self._size)
        found = part(self._run, self._next, stop)
        self._next = stop
        self.entries += found
        values = [entry[0] for entry in found]
        self.keys += values if self._order is itself else map(self._order, values)

    def take(self, count: int) -> tuple[list[Any], list[Entry]]:
        """The first `count` entries, which are known no longer, and what they are sorted by."""
        found = self.keys[:count], self.entries[:count]
        del self.keys[:count], self.entries[:count]
        return found


def part(entries: Any, start: int, stop: int) -> list[Entry]:
    """Entries of a run, stored or in memory."""
    if not isinstance(entries, LazyList):
        found: list[Entry] = entries[start:stop]
        return found
    return as_stored(entries.rows.read, start, stop)


def netted(entries: Iterable[Entry]) -> list[Entry]:
    """The entries without those that take each other back."""
    counts: Counter[tuple[Any, Any]] = Counter()
    for value, key, has in entries:
        counts[value, key] += 1 if has else -1
    return [(value, key, count > 0) for (value, key), count in counts.items() if count]


def long_run(space: Space, column: ChunkColumn, entries: Iterator[Entry], step: int) -> tuple[Any, list[Any]]:
    """A list of entries that leave memory as they come, and the value of every `step`th of them."""
    fences: list[Any] = []

    def noted() -> Iterator[Entry]:
        for at, entry in enumerate(entries):
            if not at % step:
                fences.append(entry[0])
            yield entry

    found = gather(space, column, noted())
    if not isinstance(found, Spilled):
        return found, fences
    rows = space.lazy_list_table(column, new_table(space, column).ref)
    put_rows(rows.rows.table, 0, 0, found)
    return rows, fences
