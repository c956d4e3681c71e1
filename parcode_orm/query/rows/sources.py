"""`Source`: where the rows of a query come from, a batch at a time. A lazy collection is one; a plain one is another.

A batch is rows in one place: of a stored row group, or in memory. It gives columns without making objects, and objects
for the rows that a query asks for. Rows that are held in memory, and so may have changed, give their own values.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import groupby
from typing import Any, Protocol

import numpy as np

from ...codec.base import Column
from ...codec.bulk import gc_paused
from ...codec.views.struct import StructView
from ...errors import ParcodeError, QueryError, called
from ...lazy.list import LazyList
from ...lazy.map import LazyMap
from ...lazy.rows import TableRows
from ...table.nodes import Piece
from ...table.row_group import Group
from ...table.table import Table
from ..columns.arrays import Vectors
from ..columns.block_cache import ROWS, blocks
from ..columns.blocks import KEYS, Block
from ..columns.bounds import Bounds
from ..columns.columns import numbers
from ..columns.merging import patched
from ..columns.operators import dig_all
from ..columns.vectors import Objects, Rows, Vector, indices
from ..expressions.evaluate import InMemory, Unparted
from ..expressions.selectables import Entities, is_collection, model_of

IN_MEMORY = 4096  # rows in memory, taken at once
CHANGED = "the collection was changed while the result of a query was read: take .all() first"


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

    def inside(self, parts: Any) -> Any:
        """Which rows are of the parts for which `parts`, an array of bools, is true, or are held: an array of bools."""

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


class InMemoryBatch(InMemory, Unparted):
    """Objects in memory, which are their own rows."""

    __slots__ = ()

    def objects(self, rows: Rows) -> list[Any]:
        """See `Batch`."""
        return [self.values[row] for row in numbers(rows)]


class StoredBatch:
    """A block of a table, at `position` in it. Rows that are held in memory give their own values."""

    __slots__ = ("_of", "block", "count", "position", "table")

    def __init__(self, of: Any, table: Table, block: Block, position: int) -> None:
        self._of = of
        self.table = table
        self.block = block
        self.position = position
        self.count = block.count

    @property
    def parts(self) -> int:
        """See `Batch`."""
        return len(self.block.parts)

    def column(self, path: tuple[str, ...], rows: Rows) -> Vector:
        """See `Batch`."""
        if not path:
            return Objects(self.objects(rows))
        found = self._stored(path, rows)
        if not self.table.held:
            return found
        places, values = self.held_among(rows)
        return patched(found, places, dig_all(values, path)) if values else found

    def vectors(self, path: tuple[str, ...], rows: Rows) -> Vectors:
        """See `HasVectors`."""
        found = self.block.vectors(self.table, path)
        if not isinstance(rows, range):
            found = found.take(rows)
        elif len(rows) < self.count:
            found = found.take(np.arange(rows.start, rows.stop))
        places, values = self.held_among(rows)
        return found.patched(places, dig_all(values, path)) if values else found

    def _stored(self, path: tuple[str, ...], rows: Rows) -> Vector:
        if isinstance(rows, range):
            if len(rows) == self.count:
                return self.block.column(self.table, path)
            rows = np.arange(rows.start, rows.stop)
        return self.block.some(self.table, path, rows)

    def held_among(self, rows: Rows) -> tuple[Any, list[Any]]:
        """The places among `rows` of those that are held, and these."""
        known, values = self._all_held()
        if not values:
            return known, values
        if isinstance(rows, range):
            places, there = known - rows.start, (known >= rows.start) & (known < rows.stop)
        else:
            order = np.argsort(rows, kind="stable")
            at = np.minimum(np.searchsorted(rows, known, sorter=order), max(len(rows) - 1, 0))
            places = order[at] if len(rows) else known
            there = rows[places] == known if len(rows) else np.zeros(len(known), bool)
        return places[there], [values[i] for i in np.flatnonzero(there).tolist()]

    def _all_held(self) -> tuple[Any, list[Any]]:
        table, block = self.table, self.block
        if not table.held or table.holding.isdisjoint(block.numbers):
            return np.empty(0, np.int64), []
        found, values = [np.empty(0, np.int64)], []
        for offset in [offset for offset in table.holding if offset in block.numbers]:
            held = list(table.held.get(offset, {}).items())
            if held:
                found.append(block.rows(table, block.numbers[offset], [row for row, _ in held]))
                values += [value for _, value in held]
        rows = np.concatenate(found)
        there = np.flatnonzero(rows >= 0)
        return rows[there], [values[i] for i in there.tolist()]

    def all_held(self) -> Any:
        """The rows that are held, in order."""
        return np.sort(self._all_held()[0])

    def ids(self, rows: Rows) -> Any:
        """The ids of rows of a keyed table."""
        return self.block.ids(indices(rows))

    def with_ids(self, ids: Any) -> tuple[Any, Any]:
        """The rows with some of `ids`, which rise, and which of these they have."""
        return self.block.with_ids(ids)

    def keys(self, rows: Rows) -> Vector:
        """See `Batch`."""
        if self.table.keys is None:
            return Objects([self.position + row for row in numbers(rows)])
        return self._stored(KEYS, rows)

    def objects(self, rows: Rows) -> list[Any]:
        """See `Batch`."""
        if getattr(self._of.rows, "table", None) is not self.table:  # such objects would be part of nothing
            raise QueryError(CHANGED)
        parts, order = self.block.by_part(np.asarray(indices(rows), np.int64))
        # With their row groups: the cache would close one while the next is opened, and a commit miss its objects.
        views = [(*self._view(part), part, within) for part, within in parts]
        found: list[Any] = []
        with gc_paused():
            for space, together in groupby(views, lambda each: None if each[0] is None else each[0].space):
                if space is None:
                    for _, _, part, places in together:
                        found += self._values(part, places)
                else:
                    found += space.proxies([(view, places) for view, _, _, places in together])
        if order is None:
            return found
        placed: list[Any] = [None] * len(found)
        for place, value in zip(order.tolist(), found, strict=True):
            placed[place] = value
        return placed

    def by_piece(self, rows: Rows) -> Iterator[tuple[Piece, Group, int, list[int]]]:
        """The pieces with some of `rows`, which rise, and their row groups: place of the first, rows of the group."""
        block = self.block
        for number, at, within in block.by_piece(np.asarray(rows, np.int64)):
            piece = block.pieces[number]
            yield piece, block.group(self.table, block.numbers[piece.offset]), at, within

    def _opened(self, part: int) -> Group:
        group = self.block.group(self.table, part)
        group.used = True
        return group

    def _view(self, part: int) -> tuple[StructView | None, Group | None]:
        """What makes all objects of a part together, None where each row is looked at; and what must stay open."""
        if not self.table.space.writable:
            view = self.block.view(self.table, part)
            if view is not None:
                return view, None
        group = self._opened(part)
        return (None if self.table.space.writable and group.held else group.proxies), group

    def _values(self, part: int, rows: list[int]) -> list[Any]:
        """The rows of a part, one by one."""
        table = self.table
        if not table.space.writable:
            return list(map(self._opened(part).get, rows))
        piece = self.block.parts[part]
        return [table.value(piece, row - piece.start) for row in rows]

    @property
    def is_as_stored(self) -> bool:
        """Whether no row is held, and row groups stand in the order of the rows."""
        return self.block.is_in_order and not len(self._all_held()[0])

    def groups(self) -> Iterator[tuple[Group, int, int]]:
        """The row groups of a batch that is as stored: each with its first row and the end of its rows."""
        for number, part in enumerate(self.block.parts):
            yield self.block.group(self.table, number), part.start, part.start + part.length

    def bounds(self, path: tuple[str, ...]) -> Bounds | None:
        """See `Batch`."""
        return self.block.bounds(self.table, path)

    def inside(self, parts: Any) -> Any:
        """See `Batch`."""
        found = self.block.inside(parts)
        found[self._all_held()[0]] = True
        return found

    def size(self, path: tuple[str, ...], parts: Any) -> int:
        """See `Batch`."""
        return sum(self.block.size(self.table, path, part) for part in np.flatnonzero(parts).tolist())

    def held(self) -> int:
        """See `Batch`."""
        return len(self._all_held()[1])


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

    def batches(self, *, arrays: Callable[[Column], bool], growing: bool = True) -> Iterator[Batch]:
        """See `Source`. With `growing`, the first batches are small."""
        table, rows = self.table, self.of.rows
        tree, generation = table.tree, table.tree.generation
        position = 0
        for found in blocks(tree, ROWS if arrays(table.items) else 0, growing=growing):
            if self.of.rows is not rows or table.tree is not tree or tree.generation != generation:
                raise QueryError(CHANGED)
            if isinstance(found, Block):
                yield StoredBatch(self.of, table, found, position)
                position += found.count
            else:
                assert found.rows is not None
                yield InMemoryBatch(found.rows, found.keys, position)
                position += found.length

    def at_keys(self, keys: Collection[Any], how: str) -> Source | None:
        """See `Source`."""
        table = self.table
        if table.keys is None:
            return None
        try:
            found = {key: place for key in keys if (place := table.find(key)) is not None}
        except (TypeError, ParcodeError):  # a key that no index can look for
            return None
        places = list(found.values())
        if len(places) > 1:
            places.sort(key=_id)  # ids rise
        return MemorySource(
            [table.value(piece, at) for piece, at in places],
            [table.key(piece, at) for piece, at in places],
            self.model,
            f"look up {len(keys):,} rows {how}: ",
        )


def _id(place: tuple[Piece, int]) -> int:
    return place[0].first + place[1]


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
        model, collection = collection.cls, collection.rows
    elif is_collection(collection):
        model = model_of(collection)
    else:
        raise QueryError(f"a query takes its rows from a list or a dictionary, not from {called(collection)}")
    if isinstance(collection, (LazyMap, LazyList)):  # entities are a map, and need one look
        rows = collection.rows
        if isinstance(rows, TableRows):
            return TableSource(collection, rows.table, model)
        keys = list(collection.keys()) if isinstance(collection, LazyMap) else None
        return MemorySource(list(rows.scan(0, len(rows))), keys, model)
    if isinstance(collection, Mapping):
        return MemorySource(list(collection.values()), list(collection), model)
    return MemorySource(list(collection), None, model)
