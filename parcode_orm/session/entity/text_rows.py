"""The texts of all rows of a table of entities, and the flush of their index."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from ...lazy.map import LazyMap
from ...model.indexes import IndexSpec
from ...table.nodes import Piece
from ...table.table import Table
from .changed import Changed, Entries
from .tables import table_in
from .text_runs import add_text_run, is_of_this_version
from .values import field_values, index_column, stored_values

Change = tuple[Entries, Entries]


def flush_text(runs: Any, rows: LazyMap[object, object], cls: type, spec: IndexSpec, changed: Changed) -> None:
    """Bring a text index up to date with the rows of its entities.

    It is built anew of all rows if a run has words by other rules than today's, and a text changed.
    """
    space, changes = rows.rows.space, changed.by_rows(spec)
    if is_of_this_version(runs):
        add_text_run(runs, space, cls, spec, changes)
    elif any(lost.keys or got.keys for lost, got in changes):
        built: list[Any] = []
        add_text_run(built, space, cls, spec, every_text(table_in(rows), spec))
        if isinstance(runs, list):
            runs[:] = built
        else:
            runs.rows.splice(0, len(runs), built)


def every_text(table: Table, spec: IndexSpec) -> Iterator[Change]:
    """The texts of all rows of a table as they are now, a row group at a time, as changes from nothing."""
    for piece, _, _ in table.tree.pieces():
        column = _texts(table, piece, spec)
        there = [at for at, text in enumerate(column) if text is not None]
        yield Entries([], []), Entries([column[at] for at in there], [piece.first + at for at in there])


def _texts(table: Table, piece: Piece, spec: IndexSpec) -> list[object]:
    if piece.rows is not None:
        return index_column(spec, partial(field_values, piece.rows))
    group = table.group(piece)
    column = index_column(spec, partial(stored_values, group.items, range(piece.start, piece.start + piece.length)))
    held = piece.among(group.held)
    for (row, _), text in zip(held, index_column(spec, partial(field_values, [obj for _, obj in held])), strict=True):
        column[row - piece.start] = text
    return column
