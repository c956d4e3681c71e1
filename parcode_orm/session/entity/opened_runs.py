"""The runs of an ordered index as they are stored: opened once, and kept in the session's cache.

A statement that finds a few rows reads the fences of a run, and some hundred of its values. Opening the run would take
several times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ...codec.asis import as_stored
from ...codec.views.tuples import TupleView
from ...lazy.list import LazyList
from ...lazy.rows import TableRows
from ...model.entity_names import field_of
from ...model.indexes import IndexSpec
from .long_runs import Entry, part

FENCE_BYTES = 64  # of memory: a value among the fences
MOST_FENCES = 1 << 16  # in memory, of all runs of an index

Within = Callable[[Sequence[object]], tuple[int, int]]


class OpenRun(NamedTuple):
    """A run whose fences are in memory."""

    entries: Any
    fences: list[Any]


class OpenRuns:
    """The runs of an index that stand at `place` in the file."""

    __slots__ = ("place", "runs", "size", "used")

    def __init__(self, place: object, runs: list[OpenRun]) -> None:
        self.place = place
        self.runs = runs
        self.size = FENCE_BYTES * sum(len(run.fences) for run in runs)
        self.used = True

    def close(self) -> bool:
        """It may go."""
        return True


class RunsKey(NamedTuple):
    """What a cache knows the runs by: the class of the table of entities, and the field."""

    table: str
    field: str


def runs_of(table: object, spec: IndexSpec) -> Sequence[Any]:
    """The runs of an ordered index of a table of entities. They have `entries` and `fences`."""
    field = field_of(spec)
    runs: Any = getattr(table, field)
    place = _place(runs) if isinstance(runs, LazyList) else None
    if place is None:
        unstored: Sequence[Any] = runs
        return unstored
    space: Any = runs.rows.space
    key = RunsKey(table.__class__.__qualname__, field)
    found = space.cache.get(key)
    if isinstance(found, OpenRuns) and found.place == place:
        return found.runs
    lazy = list(runs)
    if sum(len(run.fences) for run in lazy) > MOST_FENCES:
        return lazy
    space.cache.drop(key)
    opened = OpenRuns(place, [OpenRun(run.entries, as_stored(list, run.fences)) for run in lazy])
    space.cache.put(key, opened)
    return opened.runs


def _place(runs: LazyList[Any]) -> object:
    """Where runs are stored that nobody changed; None for others. Equal places of a file have the same runs."""
    rows = runs.rows
    if isinstance(rows, TableRows):
        return rows.location if rows.table.tree.root.ref is not None else None
    found = rows.stretch(0) if len(rows) else None
    return None if found is None else (found.view, found.row, found.after)


def entries_between(entries: object, start: int, stop: int, within: Within) -> list[Entry]:
    """Those of the entries `start` to `stop` that are `within` a range, of which only the values are read at first.

    `within` gives the first place among values, and the one after the last.
    """
    place = entries.rows.stretch(start) if isinstance(entries, LazyList) else None
    if place is None or not isinstance(place.view, TupleView) or stop - start > place.after + 1:
        found = part(entries, start, stop)
        first, last = within([entry[0] for entry in found])
        return found[first:last]
    return as_stored(_read, place.view.items, place.row, place.row + stop - start, within)


def _read(items: Sequence[Any], start: int, stop: int, within: Within) -> list[Entry]:
    values, keys, has = items
    found = values.read(start, stop)
    first, last = within(found)
    if first >= last:
        return []
    first_row, last_row = start + first, start + last
    return list(zip(found[first:last], keys.read(first_row, last_row), has.read(first_row, last_row), strict=True))
