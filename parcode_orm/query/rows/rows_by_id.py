"""Rows of a table that an index found by their ids. Apart from rows in memory, no others are looked at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np

from ...codec.base import Column
from ...model.keys import key_fields
from ...table.lookup import keys_with, rows_with
from ...table.table import Table
from ..columns.arrays import Vectors
from ..columns.columns import numbers
from ..columns.operators import dig_all
from ..columns.vectors import Objects, Rows, Vector, pick
from ..expressions.computed import Searched
from ..expressions.evaluate import Unparted
from ..expressions.expressions import Expression
from .sources import Batch, Source, StoredBatch, TableSource

FEW = 16_384  # rows that are taken at once, even if fields are no arrays
LOOKED_UP = 64  # rows that are looked up one by one: blocks are slower for these


class SelectedBatch(Unparted):
    """Some rows of a batch: those at `rows`, which rise. All of them are among `found`, each an array of ids."""

    __slots__ = ("count", "found", "inner", "rows")

    def __init__(self, inner: StoredBatch, rows: Any, found: Sequence[Any]) -> None:
        self.inner = inner
        self.rows = rows
        self.found = found
        self.count = len(rows)

    def at(self, rows: Rows) -> Any:
        """The rows of the batch for `rows` of these."""
        return pick(self.rows, rows)

    def column(self, path: tuple[str, ...], rows: Rows) -> Vector:
        """See `Batch`."""
        return self.inner.column(path, self.at(rows))

    def vectors(self, path: tuple[str, ...], rows: Rows) -> Vectors:
        """See `HasVectors`."""
        return self.inner.vectors(path, self.at(rows))

    def keys(self, rows: Rows) -> Vector:
        """See `Batch`."""
        return self.inner.keys(self.at(rows))

    def objects(self, rows: Rows) -> list[Any]:
        """See `Batch`."""
        return self.inner.objects(self.at(rows))

    def held(self) -> int:
        """See `Batch`."""
        return len(self.inner.held_among(self.rows)[1])


class LookedUpBatch(Unparted):
    """Rows with `ids`, which rise and are as they are stored. All of them are among each of `found`."""

    __slots__ = ("_key", "_keys", "_objects", "_pieces", "_places", "count", "found", "ids", "table")

    def __init__(self, table: Table, model: Any, ids: Any, found: Sequence[Any]) -> None:
        self._pieces, self._places = rows_with(table.tree, ids.tolist())
        self.count = len(self._pieces)
        if self.count < len(ids):
            there = [piece.first + place for piece, place in zip(self._pieces, self._places, strict=True)]
            ids = np.array(there, np.int64)
        self.table = table
        self.ids = ids
        self.found = found
        self._key = key_fields(model)
        self._keys: list[Any] | None = None
        self._objects: list[Any] | None = None

    def column(self, path: tuple[str, ...], rows: Rows) -> Vector:
        """See `Batch`. The key of a row is known without its object."""
        if path == self._key and len(path) == 1:
            return self.keys(rows)
        found = self.objects(rows)
        return Objects(dig_all(found, path) if path else found)

    def keys(self, rows: Rows) -> Vector:
        """See `Batch`."""
        if self._keys is None:
            self._keys = keys_with(self.table, self.ids.tolist())
        return Objects(self._taken(self._keys, rows))

    def objects(self, rows: Rows) -> list[Any]:
        """See `Batch`."""
        if self._objects is None:
            self._objects = list(map(self.table.value, self._pieces, self._places))
        return self._taken(self._objects, rows)

    def _taken(self, values: list[Any], rows: Rows) -> list[Any]:
        if isinstance(rows, range) and len(rows) == self.count:
            return values
        return [values[row] for row in numbers(rows)]

    def held(self) -> int:
        """See `Batch`."""
        return 0


class SelectedSource:
    """The rows of a table with some of `ids`, which rise, and all rows that are in memory.

    All of `ids` are among each of `found`.
    """

    __slots__ = ("_ids", "found", "how", "model", "of")

    def __init__(self, of: TableSource, ids: Any, found: Sequence[Any], how: str) -> None:
        self.of = of
        self._ids = ids
        self.found = found
        self.how = how
        self.model: Any = of.model

    def __len__(self) -> int:
        return len(self._ids)

    def batches(self, *, arrays: Callable[[Column], bool]) -> Iterator[Batch]:
        """See `Source`."""
        table = self.of.table
        if self._is_few():
            yield LookedUpBatch(table, self.model, self._ids, self.found)
            return
        many = arrays(table.items) or len(self._ids) <= FEW
        for batch in self.of.batches(arrays=lambda items: many):
            if not isinstance(batch, StoredBatch):
                yield batch
                continue
            rows, _ = batch.with_ids(self._ids)
            held = batch.all_held()
            rows = np.union1d(rows, held) if len(held) else rows
            if len(rows):
                yield SelectedBatch(batch, rows, () if len(held) else self.found)

    def _is_few(self) -> bool:
        """Whether rows are looked up one by one: they are few, and as they are stored."""
        table = self.of.table
        few = len(self._ids) <= LOOKED_UP and table.tree.root.ref is not None
        return few and not (table.holding and table.rows_held())

    def keys_alone(self, where: Sequence[Expression[bool]]) -> list[Any] | None:
        """The keys of the rows, if these are few and as stored and `where` holds of all; else None."""
        if not self._is_few():
            return None
        for each in where:
            if not (isinstance(each, Searched) and each._holds_of(self)):
                return None
        return keys_with(self.of.table, self._ids.tolist())

    def at_keys(self, keys: Collection[Any], how: str) -> Source | None:
        """See `Source`."""
        return self.of.at_keys(keys, how)
