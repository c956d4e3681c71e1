"""`Source`: where the rows of a query come from, a batch at a time. A lazy collection is one; a plain one is another.

A batch is rows in one place: of a stored row group, or in memory. It gives columns without making objects, and objects
for the rows that a query asks for. Rows that are held in memory, and so may have changed, give their own values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from ..errors import ParcodeError, QueryError, called
from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..lazy.rows import TableRows
from ..table.nodes import Piece
from ..table.table import Table
from .columns import Bounds, bounds, numbers, read, size
from .evaluate import InMemory
from .given import Entities, is_collection, model_of
from .operators import dig
from .vectors import Objects, Rows, Vector, patched

IN_MEMORY = 4096  # rows in memory, taken at once


class Batch(Protocol):
    """Rows in one place; `Columns` for the evaluation of expressions, and what else a query asks."""

    @property
    def count(self) -> int:
        """How many rows there are."""

    def column(self, path: tuple[str, ...], rows: Rows) -> Vector:
        """The field at `path` of `rows`, as it is now; without a path, the rows themselves."""

    def keys(self, rows: Rows) -> Vector:
        """The keys of `rows`, or their positions."""

    def objects(self, rows: Rows) -> list[Any]:
        """The rows as the collection gives them: lazy, tracked, the same object each time."""

    def bounds(self, path: tuple[str, ...]) -> Bounds | None:
        """The smallest and the largest value of a field in all rows but those held, where they are known unread."""

    def size(self, path: tuple[str, ...]) -> int:
        """About the bytes that reading a field takes."""

    def held(self) -> Rows:
        """The rows that are in memory, and may have changed."""


class Source(Protocol):
    """Rows that a query asks."""

    @property
    def how(self) -> str:
        """What the plan of a query says before the number of rows; "" for a scan."""

    model: Any
    """The class of the rows; None where it is not known, or they have none."""

    def __len__(self) -> int: ...

    def batches(self) -> Iterator[Batch]:
        """The rows in order; an error once the collection changed meanwhile."""

    def at_keys(self, keys: Collection[Any], how: str) -> Source | None:
        """The rows with one of `keys`, found through an index; None where there is none."""


class InMemoryBatch(InMemory):
    """Objects in memory, which are their own rows."""

    __slots__ = ()

    def objects(self, rows: Rows) -> list[Any]:
        """See `Batch`."""
        return [self.values[row] for row in numbers(rows)]

    def bounds(self, path: tuple[str, ...]) -> Bounds | None:
        """Nothing is known of what is in memory."""
        return None

    def size(self, path: tuple[str, ...]) -> int:
        """Nothing is read."""
        return 0

    def held(self) -> Rows:
        """See `Batch`."""
        return range(self.count)


class StoredBatch:
    """A piece of a table: rows of one row group. Those that are held in memory give their own values."""

    __slots__ = ("count", "first", "piece", "table")

    def __init__(self, table: Table, piece: Piece, first: int) -> None:
        self.table = table
        self.piece = piece
        self.first = first
        self.count = piece.length

    def column(self, path: tuple[str, ...], rows: Rows) -> Vector:
        """See `Batch`."""
        if not path:
            return Objects(self.objects(rows))
        piece = self.piece
        start = piece.start
        stored = range(start + rows.start, start + rows.stop) if isinstance(rows, range) else rows + start
        found = read(self.table.group(piece).items, path, stored)
        held = self._held(rows)
        if held:
            values = [dig(value, path) for value in held.values()]
            found = patched(found, list(held), values)
        return found

    def _held(self, rows: Rows) -> dict[int, Any]:
        """What is held of `rows`, by place among them."""
        held = self.table.held.get(self.piece.ref.offset)  # type: ignore[union-attr]
        if not held:
            return {}
        start = self.piece.start
        if isinstance(rows, range):
            first, stop = start + rows.start, start + rows.stop
            return {row - first: value for row, value in list(held.items()) if first <= row < stop}
        known = np.fromiter(held, np.int64, len(held))
        places = np.flatnonzero(np.isin(rows + start, known))
        return {place: held[int(rows[place]) + start] for place in places.tolist()}

    def keys(self, rows: Rows) -> Vector:
        """See `Batch`."""
        if self.table.keys is None:
            return Objects([self.first + row for row in numbers(rows)])
        start = self.piece.start
        stored = range(start + rows.start, start + rows.stop) if isinstance(rows, range) else rows + start
        keys = self.table.group(self.piece).keys
        assert keys is not None
        return read(keys, (), stored)

    def objects(self, rows: Rows) -> list[Any]:
        """See `Batch`."""
        table, piece = self.table, self.piece
        if not table.space.writable:
            start = piece.start
            return list(map(table.group(piece).get, [row + start for row in numbers(rows)]))
        return [table.value(piece, row) for row in numbers(rows)]

    def bounds(self, path: tuple[str, ...]) -> Bounds | None:
        """See `Batch`."""
        return bounds(self.table.group(self.piece).items, path)

    def size(self, path: tuple[str, ...]) -> int:
        """See `Batch`."""
        group = self.table.group(self.piece)
        return size(group.items, path) * self.count // max(group.count, 1)

    def held(self) -> Rows:
        """See `Batch`."""
        return np.array(sorted(self._held(range(self.count))), np.int64)


class TableSource:
    """The rows of a table, as the collection `of` has it; pending rows are batches in memory."""

    __slots__ = ("model", "of", "table")
    how = ""

    def __init__(self, of: Any, table: Table, model: Any) -> None:
        self.of = of
        self.table = table
        self.model = model

    def __len__(self) -> int:
        return self.table.rows

    def batches(self) -> Iterator[Batch]:
        """See `Source`."""
        table, rows = self.table, self.of.rows
        tree, generation = table.tree, table.tree.generation
        first = 0
        for piece, _, _ in list(tree.pieces()):
            if self.of.rows is not rows or table.tree is not tree or tree.generation != generation:
                raise QueryError("the collection was changed while the result of a query was read: take .all() first")
            if piece.rows is None:
                yield StoredBatch(table, piece, first)
            else:
                yield InMemoryBatch(piece.rows, piece.keys, first)
            first += piece.length

    def at_keys(self, keys: Collection[Any], how: str) -> Source | None:
        """See `Source`."""
        table = self.table
        if table.keys is None:
            return None
        try:
            found = {key: place for key in keys if (place := table.find(key)) is not None}
        except (TypeError, ParcodeError):  # a key that no index can look for
            return None
        rows = sorted(
            ((table.tree.position(piece.first + at), piece, at) for piece, at in found.values()), key=lambda row: row[0]
        )
        return MemorySource(
            [table.value(piece, at) for _, piece, at in rows],
            [table.key(piece, at) for _, piece, at in rows],
            self.model,
            f"look up {len(keys):,} rows {how}: ",
        )


class MemorySource:
    """Rows in memory, or few enough to be taken at once; `how` they were found."""

    __slots__ = ("how", "keys", "model", "rows")

    def __init__(self, rows: list[Any], keys: list[Any] | None, model: Any, how: str = "") -> None:
        self.rows = rows
        self.keys = keys
        self.model = model
        self.how = how

    def at_keys(self, keys: Collection[Any], how: str) -> Source | None:
        """See `Source`."""
        return None

    def __len__(self) -> int:
        return len(self.rows)

    def batches(self) -> Iterator[Batch]:
        """See `Source`."""
        for at in range(0, len(self.rows), IN_MEMORY):
            keys = None if self.keys is None else self.keys[at : at + IN_MEMORY]
            yield InMemoryBatch(self.rows[at : at + IN_MEMORY], keys, at)


def source_of(collection: Any) -> Source:
    """The rows of a lazy or plain collection.

    Raises:
        QueryError: `collection` is not one of these.
    """
    if isinstance(collection, Entities):
        found = source_of(collection.rows)
        found.model = collection.cls
        return found
    if isinstance(collection, LazyList | LazyMap):
        rows = collection.rows
        if isinstance(rows, TableRows):
            return TableSource(collection, rows.table, model_of(collection))
        keys = list(collection.keys()) if isinstance(collection, LazyMap) else None
        return MemorySource(list(rows.scan(0, len(rows))), keys, model_of(collection))
    if isinstance(collection, Mapping):
        return MemorySource(list(collection.values()), list(collection), model_of(collection))
    if is_collection(collection):
        return MemorySource(list(collection), None, model_of(collection))
    raise QueryError(f"a query takes its rows from a list or a dictionary, not from {called(collection)}")
