"""Statements that change the rows of a stored collection a column at a time.

Rows that are in memory, new ones too, are changed as objects, so who holds one sees it. Of all others none becomes an
object: their new values are computed as columns, and written aside with the stored columns of the other fields.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple

from ...codec.asis import to_write
from ...codec.base import View
from ...codec.columns.picked import can_be_picked, runs_of
from ...codec.structs import SETS
from ...lazy.rows import Whole
from ...storage.spill import is_spilled
from ...table.nodes import Piece
from ...table.replacing import DENSE, Parts, Rewritten, replace_pieces, without_rows
from ...table.row_group import Group
from ...table.table import Table
from ..expressions.evaluate import Frame, evaluate
from ..expressions.expressions import Expression
from ..expressions.nodes import Key
from ..rows.filtering import found
from ..rows.sources import Batch, StoredBatch, TableSource
from .assignments import check_fit
from .prepared import Query, are_arrays

Rows = list[tuple[Any, ...]]
"""Objects, each with its new values."""
Where = tuple[Expression[bool], ...]


def update_rows(source: TableSource, where: Where, values: dict[str, Expression[Any]]) -> tuple[int, Rows]:
    """Give rows that are not in memory new `values`, by field: how many, and the objects that are still to be changed.

    Raises:
        QueryError: the statement does not fit the rows.
        EncodeError: a value does not fit its field; nothing has changed.
    """
    table, collection = source.table, source.of
    left: Rows = []
    with Whole(collection._changing()):
        with table.space.spill() as sink:
            aside = _Aside(table, Rewritten(table, sink, collection._column), list(values))
            for batch, frame in _matching(source, where, tuple(values.values())):
                columns = [evaluate(each, frame).tolist() for each in values.values()]
                rows = range(batch.count) if frame.rows is None else frame.rows
                if isinstance(batch, StoredBatch):
                    left += aside.take(batch, rows, columns)
                else:
                    left += zip(batch.objects(rows), *columns, strict=True)
            left += aside.finish()
        check_fit(left, [(name,) for name in values])
        replace_pieces(table, aside.rewritten.parts())
    return aside.count, left


class _Aside:
    """Writes rows aside, unless they are few."""

    def __init__(self, table: Table, rewritten: Rewritten, names: list[str]) -> None:
        self.rewritten = rewritten
        self.count = 0  # rows that were taken and are not objects
        self._table = table
        self._names = names
        self._few = table.space.tuning.sample_rows
        self._waiting: list[_Cold] = []

    def take(self, batch: StoredBatch, rows: Any, columns: list[list[Any]]) -> Rows:
        """Take rows of a batch with their new values, a column a field. Return those in memory, as objects."""
        left: Rows = []
        for piece, group, at, within in batch.by_piece(rows):
            here = [column[at : at + len(within)] for column in columns]
            there = in_memory(group) if can_be_picked(group.items) else set(within)
            if there:
                hot = [place for place, row in enumerate(within) if row in there]
                left += self._objects(_Cold(piece, *_at(hot, within, here), apart=True))
                within, here = _at([place for place, row in enumerate(within) if row not in there], within, here)
            if within:
                self._waiting.append(_Cold(piece, within, here, apart=bool(there)))
                self.count += len(within)
        if self.count >= self._few:
            self._write()
        return left

    def finish(self) -> Rows:
        """Write what waits. Return it as objects, if it is all there is."""
        left: Rows = []
        if self.count >= self._few:
            self._write()
            self.rewritten.finish()
        else:
            for each in self._waiting:
                left += self._objects(each)
            self.count = 0
        return left

    def _objects(self, cold: _Cold) -> Rows:
        objects = [self._table.value(cold.piece, row - cold.piece.start) for row in cold.rows]
        return list(zip(objects, *cold.columns, strict=True))

    def _write(self) -> None:
        for piece, rows, columns, apart in self._waiting:
            view: Any = self._table.group(piece).items
            if not apart and not view.bits & SETS and len(runs_of(rows)) * DENSE > piece.length:
                every = range(piece.start, piece.start + piece.length)  # written whole: better than many slices
                columns = [
                    _patched(view.field(name), every, rows, column)
                    for name, column in zip(self._names, columns, strict=True)
                ]
                rows = list(every)
            self.rewritten.add(piece, rows, dict(zip(self._names, columns, strict=True)))
        self._waiting.clear()


class _Cold(NamedTuple):
    """Rows of a piece, by their places in its row group, with their new values, a column a field.

    `apart`: other rows of the piece are in memory.
    """

    piece: Piece
    rows: list[int]
    columns: list[list[Any]]
    apart: bool


def _at(places: list[int], rows: list[int], columns: list[list[Any]]) -> tuple[list[int], list[list[Any]]]:
    return [rows[place] for place in places], [[column[place] for place in places] for column in columns]


def _patched(view: View, every: range, rows: list[int], values: list[Any]) -> list[Any]:
    """The stored values of `every` row, with `values` at `rows`."""
    found = list(to_write(view.read, every.start, every.stop))
    for row, value in zip(rows, values, strict=True):
        found[row - every.start] = value
    return found


def in_memory(group: Group) -> set[int]:
    """The rows of a row group of which a session holds objects, or the program does."""
    return {*group.held, *group.alive()[0]}


def delete_rows(source: TableSource, where: Where) -> tuple[dict[Any, tuple[Group, int]], list[Any]]:
    """Take rows that are stored and not in memory out of a table; the keys of the others are still to be deleted.

    Returns the deleted keys of a keyed table, each with the row group and the row where it was.

    Raises:
        QueryError: the statement does not fit the rows.
    """
    table = source.table
    gone: dict[Any, tuple[Group, int]] = {}
    left: list[Any] = []
    parts: Parts = {}
    with Whole(source.of._changing()):
        for batch, frame in _matching(source, where, (Key(),)):
            rows = range(batch.count) if frame.rows is None else frame.rows
            keys = batch.keys(rows).tolist()
            if not isinstance(batch, StoredBatch):
                left += keys
                continue
            for piece, group, at, within in batch.by_piece(rows):
                there = set(within) if is_spilled(piece.ref) else in_memory(group)
                here = keys[at : at + len(within)]
                if there:
                    left += [key for key, row in zip(here, within, strict=True) if row in there]
                    here = [key for key, row in zip(here, within, strict=True) if row not in there]
                    within = [row for row in within if row not in there]
                if within:
                    parts[id(piece)] = without_rows(piece, within)
                    gone.update(zip(here, zip(repeat(group), within), strict=True))
        if parts:
            replace_pieces(table, parts)
            table.version += 1
    if table.keys is None:  # the keys are positions, and those behind a row that is gone shift
        positions = list(gone)
        left = [position - bisect_left(positions, position) for position in left]
    return gone, left


def _matching(source: TableSource, where: Where, asked: tuple[Expression[Any], ...]) -> Iterator[tuple[Batch, Frame]]:
    """The batches of a table, each with the rows that fulfil the conditions."""
    query = Query(where, asked, (), 0, None, False)
    for batch in source.batches(arrays=partial(are_arrays, query, None)):
        frame = found(batch, where)
        if len(frame):
            yield batch, frame
