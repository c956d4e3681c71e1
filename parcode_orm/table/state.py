"""What a table is in memory, to be put back: for a savepoint, or where a change does not come to its end."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, NamedTuple

from ..codec.base import Getter
from ..format.layout import Reference
from .index import Run
from .nodes import Node
from .row_group import Group
from .table import Table


class TableState(NamedTuple):
    """A table as `remember` found it. It can be put back once, as the table then goes on with these very nodes."""

    root: Node
    stored: bool
    held: dict[Reference, dict[int, Any]]
    added: dict[Any, int]
    runs: list[Reference]
    version: int
    next_row: int


def remember(table: Table) -> TableState:
    """The state of `table`. Nodes and pieces are copied, rows are not."""
    root, stored = table.tree.remember()
    # Rows are held of open groups alone, so that what is stored of them is at hand.
    held = {table.groups[offset].ref: dict(rows) for offset, rows in table.rows_held().items()}
    return TableState(root, stored, held, dict(table.added), table.run_refs, table.version, table.next_row)


def put_back(table: Table, state: TableState, keep: Callable[[Getter, int, Any], bool]) -> None:
    """Let `table` be as it was. `keep` is asked of values that have come to be held, as in `Table.reset`.

    Row ids that were given since stay used: no id is given twice.
    """
    table.tree.go_back(state.root, stored=state.stored)
    table.added = state.added
    table.next_row = max(table.next_row, state.next_row)  # lower after a reset, which forgot the rows with these ids
    if table.run_refs is not state.runs:
        table.index(state.runs)
    if table.version != state.version:  # rows came or went: for those who iterate
        table.version += 1
    before = {ref.offset: rows for ref, rows in state.held.items()}
    for offset, held in list(table.held.items()):
        known = before.get(offset, {})
        for row, value in list(held.items()):
            if row not in known and not keep(table.groups[offset].items.get, row, value):
                held.pop(row, None)
    for ref, rows in state.held.items():
        table.open(ref).held.update(rows)
    if not all(group.idle for group in table.groups.values()):
        table.tree.load()


class Displaced(NamedTuple):
    """An object of a row that an update wrote aside: the row `row` of `group` comes back, with other `fields`."""

    value: Any
    group: Group
    row: int
    fields: frozenset[str]


def displaced(table: Table, state: TableState | None) -> list[Displaced]:
    """The objects of rows that `table` will not have as in `state`, or as it is stored, and the rows that come back.

    Their row groups let go of them.
    """
    stay = set() if state is None else _offsets(state.root)
    found = []
    for offset in table.origins.keys() - stay:
        group = table.groups.get(offset)
        if group is None:
            continue
        known = {**dict(zip(*group.alive(), strict=True)), **group.held}
        group.held.clear()
        group.forget(range(group.count))
        found += [Displaced(value, *_origin(table, offset, row, stay)) for row, value in known.items()]
    return found


def _offsets(root: Node) -> set[int]:
    """Where the row groups lie of the pieces below a node, as far as they are loaded."""
    if root.children is None:
        return set()
    if root.height > 1:
        return set().union(*map(_offsets, root.children))
    return {piece.ref.offset for piece in root.children if isinstance(piece.ref, Reference)}


def _origin(table: Table, offset: int, row: int, stay: Container[int]) -> tuple[Group, int, frozenset[str]]:
    fields: frozenset[str] = frozenset()
    while True:
        origin = next(each for each in table.origins[offset] if each.start <= row < each.stop)
        offset, row, fields = origin.ref.offset, origin.first + row - origin.start, fields | origin.fields
        if offset in stay or offset not in table.origins:
            return table.open(origin.ref), row, fields


class Begun(NamedTuple):
    """A table as `begin` found it. `steps`: how many steps of an outer change had been noted; None without one."""

    steps: int | None
    root: Node
    added: dict[Any, int]
    version: int
    runs: list[Reference]
    opened: list[Run]


def begin(table: Table) -> Begun:
    """Have `table` note how to take changes back. `end` or `undo` follows. Changes may be nested: inner ones end first.

    Returns:
        What `end` or `undo` takes.
    """
    steps = table.tree.undo
    if steps is None:
        table.tree.undo = []
    count = None if steps is None else len(steps)
    return Begun(count, table.tree.root, table.added, table.version, table.run_refs, table.runs)


def end(table: Table, begun: Begun) -> None:
    """The change is whole."""
    if begun.steps is None:
        table.tree.undo = None


def undo(table: Table, begun: Begun) -> None:
    """Take back a change that did not come to its end."""
    noted, table.tree.undo = table.tree.undo or [], None
    kept = begun.steps or 0
    for step in reversed(noted[kept:]):
        step()
    table.tree.undo = None if begun.steps is None else noted[:kept]
    table.tree.generation += 1
    table.tree.root, table.added, table.version = begun.root, begun.added, begun.version
    table.run_refs, table.runs = begun.runs, begun.opened


def known_rows(table: Table) -> list[tuple[Any, Any]]:
    """The rows of a stored, keyed table that are held, or known to the program, with their keys."""
    found: list[tuple[Any, Any]] = []
    for offset, group in list(table.groups.items()):
        known = {row: value for row, ref in list(group.live.items()) if (value := ref()) is not None}
        known.update(table.held.get(offset, {}))
        for row, value in known.items():
            place = table.find(group.key(row))
            if place is not None and place[0].ref == group.ref and place[0].start + place[1] == row:
                found.append((group.key(row), value))
    return found


def places_in_memory(table: Table) -> list[tuple[int, Any]]:
    """The rows that are held, not yet written, or known to the program, with their positions."""
    found: list[tuple[int, Any]] = []
    position = 0
    for piece, _, _ in table.tree.pieces():
        known: dict[int, Any] = {}
        if piece.rows is not None:
            known = dict(enumerate(piece.rows))
        elif isinstance(piece.ref, Reference):
            group = table.groups.get(piece.ref.offset)
            live = {} if group is None else group.live
            known = {row: value for row, ref in piece.among(live) if (value := ref()) is not None}
            known.update(piece.among(table.held.get(piece.ref.offset, {})))
        found += [(position + row - piece.start, value) for row, value in known.items()]
        position += piece.length
    return found
