"""Rows of two stored collections side by side, a stretch at a time, as far as both lie in one place.

The first stretch is one row, and each next one longer: so the first difference is found by reading little. None leaves
a row group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from operator import eq
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from ...lazy.protocols import StoredRows
from ...lazy.rows import TablePairs
from .columnwise import Part, Perhaps, differing

GROWTH = 4
LONGEST = 4096  # rows
# Keys that tell by `==` whether a lookup would find one for the other.
_COMPARABLE = frozenset({str, int, bool, float, bytes, type(None), date, datetime, time, timedelta, UUID})


class Side(Protocol):
    """One of the two collections."""

    @property
    def space(self) -> Any:
        """What stored rows are read through."""

    def get(self, position: int, /) -> object:
        """The row at `position`."""

    def stretch(self, position: int, /) -> StoredRows | None:
        """Where it is stored, if it is."""


class Batch(NamedTuple):
    """Row `old[i]` of one collection beside row `new[i]` of the other: `part` says where they may differ."""

    part: Part
    old: Sequence[int]
    new: Sequence[int]


class Pairs(NamedTuple):
    """Rows that both collections have, by their keys or positions. Those that `batch.part` has may differ."""

    batch: Batch
    names: Sequence[object]


class Alone(NamedTuple):
    """A row that only the collection has in which its position is not None. `name` is its key or position."""

    name: object
    old: int | None
    new: int | None


class Run(NamedTuple):
    """Pairs `start` to `start + len(keys)`, whose keys the other dictionary has at `other` and behind; None without."""

    start: int
    other: int | None
    keys: Sequence[object]


def forward(mine: Side, start: int, theirs: Side, other: int, count: int) -> Iterator[tuple[Batch, range]]:
    """`count` rows of both from `start` and `other` on; the rows of each batch in order."""
    size, stop = 1, start + count
    while start < stop:
        a, b = mine.stretch(start), theirs.stretch(other)
        room = 0 if a is None or b is None else min(a.after, b.after)
        found = min(size, stop - start, 1 + room)
        yield _batch(mine, a, start, theirs, b, other, found), range(found)
        start, other, size = start + found, other + found, min(size * GROWTH, LONGEST)


def backward(mine: Side, stop: int, theirs: Side, end: int, count: int) -> Iterator[tuple[Batch, range]]:
    """`count` rows of both up to `stop` and `end`, the last batch and of that the last row first."""
    size, start = 1, stop - count
    while start < stop:
        a, b = mine.stretch(stop - 1), theirs.stretch(end - 1)
        room = 0 if a is None or b is None else min(a.before, b.before)
        found = min(size, stop - start, 1 + room)
        stop, end, size = stop - found, end - found, min(size * GROWTH, LONGEST)
        back = found - 1
        a, b = a and a._replace(row=a.row - back), b and b._replace(row=b.row - back)
        yield _batch(mine, a, stop, theirs, b, end, found), range(back, -1, -1)


def batch_of(mine: Side, start: int, theirs: Side, other: int, count: int) -> Batch:
    """`count` rows of both, which lie in one place each."""
    return _batch(mine, mine.stretch(start), start, theirs, theirs.stretch(other), other, count)


def _batch(
    mine: Side, a: StoredRows | None, start: int, theirs: Side, b: StoredRows | None, other: int, count: int
) -> Batch:
    """`count` rows from `start` and `other` on, of which the first ones lie at `a` and `b`."""
    if a is None or b is None:
        part: Part = Perhaps(range(count))
    else:
        mine.space.count_rows(count)
        theirs.space.count_rows(count)
        part = differing(a.view, range(a.row, a.row + count), b.view, range(b.row, b.row + count))
    return Batch(part, range(start, start + count), range(other, other + count))


# -- keys --------------------------------------------------------------------------------------------------------------


def runs(mine: TablePairs, start: int, stop: int, theirs: TablePairs, other: int) -> Iterator[Run]:
    """The pairs `start` to `stop` of a dictionary, as far as neighbours are neighbours in the other one as well.

    The first key is looked for at `other`, each next one behind the last. The index is asked only for a key that is
    not there. After such a miss a run is one pair, and the next ones grow: where the order is another one, little is
    read in vain.
    """
    hope = 1
    while start < stop:
        keys = _keys(mine, start, min(stop - start, LONGEST))
        done = 0
        while done < len(keys):
            found = _parallel(keys[done : done + hope], theirs, other)
            if not found:
                hope = 1
                position = theirs.position(keys[done])
                found = 1
                if position is None:
                    yield Run(start + done, None, keys[done : done + 1])
                    done += 1
                    continue
                other = position
            yield Run(start + done, other, keys[done : done + found])
            hope = min(hope * GROWTH, LONGEST) if found >= hope else hope
            done, other = done + found, other + found
        start += len(keys)


def _keys(rows: TablePairs, position: int, count: int) -> list[object]:
    """The keys from `position` on, at most `count` and as far as they lie in one place."""
    place = rows.stretch(position)
    if place is None or place.keys is None:
        return [rows.key_at(position)]
    return place.keys.read(place.row, place.row + min(count, place.after + 1))


def _parallel(keys: Sequence[object], rows: TablePairs, position: int) -> int:
    """How many of `keys` stand at `position` and behind, as far as these lie in one place."""
    if position >= len(rows) or not _COMPARABLE.issuperset(map(type, keys)):
        return 0
    known = _keys(rows, position, len(keys))
    if not _COMPARABLE.issuperset(map(type, known)):
        return 0
    same = list(map(eq, keys, known))
    return len(same) if all(same) else same.index(False)
