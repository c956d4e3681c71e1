"""Tables with changed rows: slices are split around them and the new rows go to a small row group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..format.chunk import Ticket
from ..format.layout import Reference
from ..table.reader import Group, Table
from ..table.tree import Slice
from ..table.writer import TableSink
from .tracking import group_changes


def update_table(sink: TableSink, table: Table, compression: str | None) -> Ticket | Reference:
    """The table with the rows that changed in place: itself where none did. Row ids and so the indexes stay."""
    changes = {ref: found for ref, group in table.groups.items() if (found := group_changes(table, group))}
    if not changes:
        return table.ref
    slices: list[Slice] = []
    for piece in table.tree.slices():
        assert isinstance(piece.group, Reference)
        changed = changes.get(piece.group.offset, {})
        places = sorted(place for place in changed if piece.start <= place < piece.start + piece.length)
        if not places:
            slices.append(piece)
            continue
        group = table.group(piece.group)
        slices += _split(sink, table, group, piece, places, changed, compression)
    return sink.table(slices, table.next_row, keyed=table.keys is not None, runs=table.run_refs)


def _split(
    sink: TableSink,
    table: Table,
    group: Group,
    piece: Slice,
    places: list[int],
    changed: dict[int, Any],
    compression: str | None,
) -> Iterator[Slice]:
    position, end = piece.start, piece.start + piece.length
    for first, last in _runs(places):
        if first > position:
            yield Slice(piece.group, position, first - position, piece.first + position - piece.start)
        keys = None
        if table.keys is not None:
            assert group.keys is not None
            keys = (table.keys, group.keys.read(first, last))
        ticket, _ = sink.write_group(table.items, [changed[place] for place in range(first, last)], keys, compression)
        yield Slice(ticket, 0, last - first, piece.first + first - piece.start)
        position = last
    if position < end:
        yield Slice(piece.group, position, end - position, piece.first + position - piece.start)


def _runs(places: list[int]) -> Iterator[tuple[int, int]]:
    """Consecutive places as (first, end)."""
    first = previous = places[0]
    for place in places[1:]:
        if place != previous + 1:
            yield first, previous + 1
            first = place
        previous = place
    yield first, previous + 1
