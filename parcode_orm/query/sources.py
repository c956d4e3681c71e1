"""`Source`: where the rows of a query come from, a batch at a time. A lazy collection is one; a plain one is another.

A batch is rows in one place: of a stored row group, or in memory. It gives columns without making objects, and objects
for the rows that a query asks for. Rows that are held in memory, and so may have changed, give their own values.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from ..codec.base import Column
from ..codec.bulk import gc_paused
from ..errors import ParcodeError, QueryError, called
from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..lazy.rows import TableRows
from ..table.nodes import Piece
from ..table.table import Table
from .blocks import KEYS, ROWS, Block, blocks
from .bounds import Bounds
from .columns import numbers
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

    @property
    def parts(self) -> int:
        """How many row groups they are in; 0 in memory."""

    def bounds(self, path: tuple[str, ...]) -> Bounds | None:
        """The smallest and the largest value of a field in each part, but for rows held, where that is known unread."""

    def chosen(self, parts: Any) -> Any:
        """The rows of the parts for which `parts`, an array of bools, is true, and all that are held."""

    def size(self, path: tuple[str, ...], parts: Any) -> int:
        """About the bytes that reading a field of these parts takes."""

    def held(self) -> int:
        """How many rows are in memory, and may have changed."""


class Source(Protocol):
    """Rows that a query asks."""

    @property
    def how(self) -> str:
        """What the plan of a query says before the number of rows; "" for a scan."""

    model: Any
    """The class of the rows; None where it is not known, or they have none."""

    def __len__(self) -> int: ...

    def batches(self, *, arrays: Callable[[Column], bool]) -> Iterator[Batch]:
        """The rows in order; an error once the collection changed meanwhile.

        `arrays(items)`: whether all fields that are asked for come as arrays, so that many rows may be taken at once.
        """

    def at_keys(self, keys: Collection[Any], how: str) -> Source | None:
        """The rows with one of `keys`, found through an index; None where there is none."""


class InMemoryBatch(InMemory):
    """Objects in memory, which are their own rows."""

    __slots__ = ()

    def objects(self, rows: Rows) -> list[Any]:
        """See `Batch`."""
        return [self.values[row] for row in numbers(rows)]

    parts = 0

    def bounds(self, path: tuple[str, ...]) -> Bounds | None:
        """Nothing is known of what is in memory."""
        return None

    def chosen(self, parts: Any) -> Any:
        """All rows: nothing is known of them."""
        return np.arange(self.count)

    def size(self, path: tuple[str, ...], parts: Any) -> int:
        """Nothing is read."""
        return 0

    def held(self) -> int:
        """See `Batch`."""
        return self.count


class StoredBatch:
    """Row groups of a table beside each other: pieces `first` to `stop` of a block, at `position` in the table.

    Rows that are held in memory give their own values.
    """

    __slots__ = ("block", "count", "first", "position", "start", "stop", "table")

    def __init__(self, table: Table, block: Block, first: int, stop: int, position: int) -> None:
        self.table = table
        self.block = block
        self.first = first
        self.stop = stop
        self.position = position
        self.start = block.start(first)
        self.count = block.start(stop) - self.start

    @property
    def parts(self) -> int:
        """See `Batch`."""
        return self.stop - self.first

    def column(self, path: tuple[str, ...], rows: Rows) -> Vector:
        """See `Batch`."""
        if not path:
            return Objects(self.objects(rows))
        found = self._stored(path, rows)
        held = self._held(rows)
        if held:
            values = [dig(value, path) for value in held.values()]
            found = patched(found, list(held), values)
        return found

    def _stored(self, path: tuple[str, ...], rows: Rows) -> Vector:
        block, start = self.block, self.start
        if not isinstance(rows, range):
            return block.some(self.table, path, rows + start if start else rows)
        if len(rows) == block.count:
            return block.column(self.table, path)
        return block.stretch(self.table, path, start + rows.start, start + rows.stop)

    def _held(self, rows: Rows) -> dict[int, Any]:
        """What is held of `rows`, by place among them."""
        held = held_in(self.table, self.block)
        if not held:
            return {}
        found: dict[int, Any] = {}
        places = None if isinstance(rows, range) else {row: place for place, row in enumerate(rows.tolist())}
        for number in range(self.first, self.stop):
            piece = self.block.pieces[number]
            known = held.get(piece.ref.offset)  # type: ignore[union-attr]
            if known:
                back = self.start + int(self.block.shifts[number])
                for row, value in list(known.items()):
                    if piece.start <= row < piece.start + piece.length:
                        place = row - back - rows.start if places is None else places.get(row - back)
                        if place is not None and 0 <= place < len(rows):
                            found[place] = value
        return dict(sorted(found.items()))

    def keys(self, rows: Rows) -> Vector:
        """See `Batch`."""
        if self.table.keys is None:
            return Objects([self.position + row for row in numbers(rows)])
        return self._stored(KEYS, rows)

    def objects(self, rows: Rows) -> list[Any]:
        """See `Batch`."""
        found: list[Any] = []
        with gc_paused():
            for number, _, within in self.by_piece(rows):
                found += self._objects(number, within)
        return found

    def by_piece(self, rows: Rows) -> Iterator[tuple[int, int, list[int]]]:
        """The pieces with some of `rows`: number in the block, place of their first among `rows`, rows of the group."""
        block = self.block
        rows = np.asarray(rows, np.int64) + self.start
        of: Any = np.searchsorted(block.ends, rows, side="right")
        within = (rows + block.shifts[of]).tolist()
        cuts = [0, *(np.flatnonzero(np.diff(of)) + 1).tolist(), len(within)] if len(within) else [0]
        for a, b in pairwise(cuts):
            yield int(of[a]), a, within[a:b]

    def _objects(self, number: int, rows: list[int]) -> list[Any]:
        table, piece = self.table, self.block.pieces[number]
        group = self.block.group(table, number)
        group.used = True
        if group.proxies and not (table.space.writable and group.held):
            found: list[Any] = group.items.space.proxies(group.items, rows)  # type: ignore[attr-defined]
            return found
        if not table.space.writable:
            return list(map(group.get, rows))
        return [table.value(piece, row - piece.start) for row in rows]

    def bounds(self, path: tuple[str, ...]) -> Bounds | None:
        """See `Batch`."""
        found = self.block.bounds(self.table, path)
        return found if found is None or self.parts == len(self.block.pieces) else found.part(self.first, self.stop)

    def chosen(self, parts: Any) -> Any:
        """See `Batch`."""
        lengths = np.diff(self.block.ends[self.first : self.stop], prepend=self.start)
        rows = np.flatnonzero(np.repeat(parts, lengths))
        held = list(self._held(range(self.count)))
        return np.union1d(rows, held).astype(np.int64) if held else rows

    def size(self, path: tuple[str, ...], parts: Any) -> int:
        """See `Batch`."""
        numbers = (np.flatnonzero(parts) + self.first).tolist()
        return sum(self.block.size(self.table, path, number) for number in numbers)

    def held(self) -> int:
        """See `Batch`."""
        return len(self._held(range(self.count)))


def held_in(table: Table, block: Block) -> dict[int, Any]:
    """What is held of a block's row groups, by their offsets; empty where nothing is."""
    held = table.held
    if not held or table.holding.isdisjoint(block.offsets):
        return {}
    return {offset: rows for offset in table.holding & block.offsets if (rows := held.get(offset))}


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

    def batches(self, *, arrays: Callable[[Column], bool]) -> Iterator[Batch]:
        """See `Source`."""
        table, rows = self.table, self.of.rows
        tree, generation = table.tree, table.tree.generation
        position = 0
        for found in blocks(tree, ROWS if arrays(table.items) else 0):
            for batch in self._parts(found, position):
                if self.of.rows is not rows or table.tree is not tree or tree.generation != generation:
                    raise QueryError(
                        "the collection was changed while the result of a query was read: take .all() first"
                    )
                yield batch
                position += batch.count

    def _parts(self, found: Block | Piece, position: int) -> Iterator[Batch]:
        """A block as one batch; row groups of which rows are held are batches of their own, and slower."""
        if isinstance(found, Piece):
            assert found.rows is not None
            yield InMemoryBatch(found.rows, found.keys, position)
            return
        table, count = self.table, len(found.pieces)
        held = held_in(table, found)
        first = 0
        for number in range(count) if held else ():
            if found.pieces[number].ref.offset in held:  # type: ignore[union-attr]
                if first < number:
                    yield StoredBatch(table, found, first, number, position + found.start(first))
                yield StoredBatch(table, found, number, number + 1, position + found.start(number))
                first = number + 1
        if first < count:
            yield StoredBatch(table, found, first, count, position + found.start(first))

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

    def batches(self, *, arrays: Callable[[Column], bool]) -> Iterator[Batch]:
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
