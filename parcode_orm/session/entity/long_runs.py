"""Merging runs of an index: a part of each is in memory, and a long result leaves it as it comes."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar

from ...codec.asis import as_stored
from ...codec.base import Space
from ...codec.columns.boundary import ChunkColumn
from ...codec.types.compile import struct_for
from ...lazy.list import LazyList
from ...model.entities import run_class
from ...model.indexes import IndexSpec
from ...model.ordering import Order, itself
from ...table.streaming import Spilled, gather, new_table, put_rows

AT_ONCE = 16_384  # entries of a run that are read at once
LONG = 65_536  # entries of a run that is not put together in memory
Entry = tuple[Any, Any, bool]
E = TypeVar("E", bound=tuple[Any, ...])
_value: Callable[[tuple[Any, ...]], Any] = itemgetter(0)
_has: Callable[[Entry], object] = itemgetter(2)


def merged(runs: Sequence[Sequence[Entry]], order: Order) -> Iterator[list[Entry]]:
    """The entries of sorted runs in order, some thousand at a time, without those that take each other back.

    What is read so far of a run ends with some value. All entries before the least of these values are known, and no
    other run can have more of them.
    """
    key = _value if order is itself else lambda entry: order(entry[0])
    heads = [_Head(run) for run in runs]
    while heads := [head for head in heads if head.fill()]:
        ends = [key(head.entries[-1]) for head in heads if head.more]
        if ends:
            end = min(ends)
            parts = [head.take(bisect_left(head.entries, end, key=key)) for head in heads]
        else:
            parts = [head.entries for head in heads]
            heads = []
        found = list(chain.from_iterable(parts))
        if not found:  # one value alone is longer than a part
            for head in heads:
                if head.more and key(head.entries[-1]) == end:
                    head.read()
            continue
        found.sort(key=key)  # each part is sorted: this merges them
        yield found if all(map(_has, found)) else netted(found)


class _Head:
    """The entries of a run that were read and not taken yet."""

    def __init__(self, run: Sequence[Entry]) -> None:
        self._run = run
        self._next = 0
        self._size = len(run)
        self.entries: list[Entry] = []

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
        self.entries += part(self._run, self._next, stop)
        self._next = stop

    def take(self, count: int) -> list[Entry]:
        """The first `count` entries, which are known no longer."""
        taken, self.entries = self.entries[:count], self.entries[count:]
        return taken


def part(entries: Any, start: int, stop: int) -> list[Any]:
    """Entries of a run, stored or in memory."""
    if not isinstance(entries, LazyList):
        found: list[Any] = entries[start:stop]
        return found
    return as_stored(entries.rows.read, start, stop)


def netted(entries: Iterable[Entry]) -> list[Entry]:
    """The entries without those that take each other back."""
    counts: Counter[tuple[object, object]] = Counter()
    for value, key, has in entries:
        counts[value, key] += 1 if has else -1
    return [(value, key, count > 0) for (value, key), count in counts.items() if count]


def long_run(
    space: Space, cls: type, spec: IndexSpec, parts: Iterable[list[E]], step: int
) -> tuple[object, list[object]]:
    """A list of entries of an index that leave memory as they come, and the value of every `step`th of them.

    An entry begins with its value.
    """
    column = struct_for(run_class(cls, spec)).places["entries"][1]
    assert isinstance(column, ChunkColumn)
    fences: list[object] = []

    def noted() -> Iterator[list[E]]:
        done = 0
        for each in parts:
            fences.extend(map(_value, each[-done % step :: step]))
            done += len(each)
            yield each

    found = gather(space, column, chain.from_iterable(noted()))
    if not isinstance(found, Spilled):
        return found, fences
    rows = space.lazy_list_table(column, new_table(space, column).ref)
    put_rows(rows.rows.table, 0, 0, found)
    return rows, fences
