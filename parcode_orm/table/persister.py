"""Storing a changed table: row groups for changed rows, nodes of the tree above them, a run more for the index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..codec.base import Space
from ..codec.bulk import gc_paused
from ..format.encoder import Ticket
from ..format.layout import Reference
from ..storage.spill import SPILLED
from .index import write_runs
from .nodes import Known, Node, Target
from .rewriting import Changes, Moved, Rewriter, known_of
from .row_groups import TableSink
from .table import Table

MANY = 100  # rows that were held: to look at so many without the cycle collector pays


class Stored(NamedTuple):
    """A table as it was written; `adopt` makes the table in memory go on from there, once that is committed."""

    table: Table
    ticket: Ticket
    root: Node
    runs: list[Target]
    moved: list[Moved]
    left: list[tuple[int, range]]  # offsets of row groups, with the rows that are in others now
    merged: set[int]  # offsets of row groups that lost whole pieces to a merge

    def adopt(self, space: Space, settle: Callable[[Table, Ticket, Known], None]) -> None:
        """The commit is done: the references are known, and `space` reads them."""
        table = self.table
        moved = known_of(self.moved, table)
        self.moved.clear()  # it holds what was written, and `settle` asks who else does
        table.move(space)
        assert self.ticket.reference is not None
        table.ref = self.ticket.reference
        table.tree.adopt(self.root)
        table.added.clear()
        for offset, rows in _joined(self.left):
            here: dict[int, Any] = table.held.get(offset) or {}
            if here and rows.start <= min(here) and max(here) < rows.stop:
                here.clear()
            for row in [row for row in here if row in rows] if len(here) < len(rows) else rows:
                here.pop(row, None)
            if not here:
                table.holding.discard(offset)
        if table.spilled:
            for opened in (table.groups, table.held):
                for offset in [offset for offset in opened if offset >= SPILLED]:
                    del opened[offset]
            table.spilled = False
            table.origins.clear()
        if self.runs != table.run_refs:
            table.index([found for run in self.runs if (found := _reference(run)) is not None])
        while moved:  # rows that are let go of here would keep their row groups from being closed
            settle(table, *moved.pop(0))
        for offset, rows in self.left:
            if offset in table.lively and (group := table.groups.get(offset)) is not None:
                group.forget(rows)  # not before: after an interrupt they are found there
            table.close_small(offset)
        if self.merged:
            still = {offset for offset, _ in table.tree.loaded_of(self.merged)}
            for offset in self.merged - still:
                table.close(offset)


def _joined(left: list[tuple[int, range]]) -> Iterator[tuple[int, range]]:
    """Ranges of rows of row groups, each with those that follow on it."""
    at, rows = -1, range(0)
    for offset, more in left:
        if offset == at and more.start == rows.stop:
            rows = range(rows.start, more.stop)
            continue
        if rows:
            yield at, rows
        at, rows = offset, more
    if rows:
        yield at, rows


def _reference(target: Target) -> Reference | None:
    return target.reference if isinstance(target, Ticket) else target


def store(sink: TableSink, table: Table, compression: str | None, changes: Changes) -> Target:
    """Where the table lies: in place without `changes`, else written anew at the cost of what
    changed.
    """
    known: Stored | None = sink.stored.get(id(table))
    if known is not None:  # it stands in two places
        return known.ticket
    if not changes.nodes and table.ref.offset < SPILLED:
        return table.ref
    writer = Rewriter(sink, table, compression, changes)
    if sum(map(len, changes.rows.values())) > MANY:
        with gc_paused():
            root = writer.tree(changes.nodes)
    else:
        root = writer.tree(changes.nodes)
    runs = write_runs(sink, table) if root.length else []
    ticket = sink.table(root, table.next_row, keyed=table.keys is not None, runs=runs)
    sink.stored[id(table)] = Stored(table, ticket, root, runs, writer.moved, writer.left, writer.merged)
    return ticket
