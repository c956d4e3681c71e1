"""Storing a changed table: row groups for changed rows, nodes of the tree above them, a run more for the index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..codec.base import Space
from ..codec.bulk import gc_paused
from ..codec.columns.mixed_rows import stored_row
from ..format.chunk import Ticket
from ..format.layout import Reference
from ..storage.spill import SPILLED
from .index import write_runs
from .nodes import Known, Node, Piece, Target
from .rewriting import Changed, Moved, Rewriter
from .row_groups import TableSink
from .table import Table


class Stored(NamedTuple):
    """A table as it was written; `adopt` makes the table in memory go on from there, once that is committed."""

    table: Table
    ticket: Ticket
    root: Node
    runs: list[Target]
    moved: list[Moved]
    left: list[tuple[int, range]]  # offsets of row groups, with the rows that are in others now
    merged: set[int]  # offsets of row groups of which whole pieces are

    def adopt(self, space: Space, settle: Callable[[Table, Ticket, Known], None]) -> None:
        """The commit is done: the references are known, and `space` reads them."""
        table = self.table
        moved = [(each.ticket, each.in_memory(table)) for each in self.moved]
        self.moved.clear()  # it holds what was written, and `settle` asks who else does
        table.move(space)
        assert self.ticket.reference is not None
        table.ref = self.ticket.reference
        table.tree.adopt(self.root)
        table.added.clear()
        for offset, rows in self.left:
            here: dict[int, Any] = table.held.get(offset) or {}
            for row in [row for row in here if row in rows]:
                del here[row]
        if table.spilled:
            for opened in (table.groups, table.held):
                for offset in [offset for offset in opened if offset >= SPILLED]:
                    del opened[offset]
            table.spilled = False
        runs = [found for run in self.runs if (found := _reference(run)) is not None]
        if runs != table.run_refs:
            table.index(runs)
        while moved:  # rows that are let go of here would keep their row groups from being closed
            _settle(table, *moved.pop(0), settle)
        for offset in dict.fromkeys(offset for offset, _ in self.left):
            table.close_small(offset)
        still = {piece.ref.offset for piece in table.tree.loaded_of(self.merged)}  # type: ignore[union-attr]
        for offset in self.merged - still:
            table.close(offset)


def _settle(table: Table, ticket: Ticket, known: Known, settle: Callable[[Table, Ticket, Known], None]) -> None:
    if known:
        settle(table, ticket, known)


def _reference(target: Target) -> Reference | None:
    return target.reference if isinstance(target, Ticket) else target


def is_changed(table: Table, changed: Callable[[Table, Piece, int, Any], int]) -> bool:
    """Whether rows came, went or changed since the table was stored."""
    held = table.rows_held()
    asked: set[int] = set()  # a lazy object is compared with its own row alone, however many rows it stands for

    def row_changed(piece: Piece, row: int, value: Any) -> int:
        cls: Any = type(value)
        if stored_row(cls) is not None:
            if id(value) in asked:
                return 0
            asked.add(id(value))
        return changed(table, piece, row, value)

    def piece_changed(piece: Piece, here: list[int]) -> bool:
        rows = held[piece.ref.offset]  # type: ignore[union-attr]
        return any(row_changed(piece, row, rows[row]) for row in here)

    return table.tree.mark(held, piece_changed)


def store(sink: TableSink, table: Table, compression: str | None, changed: Changed) -> Target:
    """Where the table lies: in place when nothing changed, else written anew at the cost of what changed."""
    known: Stored | None = sink.stored.get(id(table))
    if known is not None:  # it stands in two places
        return known.ticket

    def row_changed(table: Table, piece: Piece, row: int, value: Any) -> int:
        return len(changed(table, piece, {row: value}))

    if id(table) not in sink.marked and not is_changed(table, row_changed):
        return table.ref
    writer = Rewriter(sink, table, compression, changed)
    with gc_paused():  # of many rows that were held
        leaves = [writer.leaf(pieces) for pieces in table.tree.changed_leaves()]
        root = table.tree.write(sink, writer.written(leaves))
    runs = write_runs(sink, table) if root.length else []
    ticket = sink.table(root, table.next_row, keyed=table.keys is not None, runs=runs)
    sink.stored[id(table)] = Stored(table, ticket, root, runs, writer.moved, writer.left, writer.merged)
    return ticket
