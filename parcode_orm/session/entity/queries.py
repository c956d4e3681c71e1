"""Statements over entities: where their rows are, and which of them keys and indexes find."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

from ...lazy.map import LazyMap
from ...model.entities import field_of
from ...model.indexes import indexes_of
from ...query.expressions import Expression
from ...query.given import Entities, Narrowed, is_entity_class
from ...query.nodes import Field, Item
from ...query.prepared import is_quick
from ...storage.spill import is_spilled
from ..roots import Unread, unbuilt
from ..unit_of_work import UnitOfWork
from .changes import delete, expunge
from .covering import covers, row_of
from .tables import entities, find_table, in_memory, paths_of, stored_rows, table_in
from .ways import Limits, best_way

FEW = 1000  # rows that are looked up one by one,
SHARE = 16  # no more than one of so many, and no more entries of indexes are read
ENTRIES = 2048  # that are read in any case
SCANNED = 2048  # rows that a scan compares as arrays while one row is looked up

S = TypeVar("S")


def bound(work: UnitOfWork, statement: S) -> S:
    """A statement over a class of entities, given the entities of a session."""
    given: Any = statement
    cls = given._source
    if cls is None:
        cls = next((found for each in given._expressions() for found in _classes(each)), None)
    if is_entity_class(cls):
        found: S = replace(given, _source=StoredEntities(work, cls))
        return found
    return statement


def _classes(expression: Expression[Any]) -> Iterator[Any]:
    """The classes whose fields stand in an expression."""
    if isinstance(expression, Field | Item):
        yield expression._cls
    for part in expression._parts():
        yield from _classes(part)


class StoredEntities(Entities):
    """The entities of a class in a session, as a query takes them."""

    def __init__(self, work: UnitOfWork, cls: type[Any]) -> None:
        self.cls = cls
        self._work = work
        self._root = find_table(work, cls)
        self.rows: Mapping[Any, Any] = {} if self._root is None else entities(self._root)
        missing = {} if self._root is None else unbuilt(self._root.obj)
        self.unbuilt = tuple(spec.name for spec in indexes_of(cls) if field_of(spec) in missing)

    def __delitem__(self, key: Any) -> None:
        obj = self.rows[key]
        root = self._root
        assert root is not None
        (delete if key in stored_rows(self._work, root) else expunge)(self._work, obj)

    def deleted(self, rows: Mapping[Any, tuple[Any, int]]) -> None:
        """See `Entities`."""
        assert self._root is not None
        self._root.gone.update({key: Unread(*place) for key, place in rows.items()})

    def narrowed(self, where: Sequence[Expression[bool]], alone: Sequence[Expression[Any]] | None) -> Narrowed | None:
        """See `Entities`."""
        rows = self.rows
        if not where or self._root is None or not isinstance(rows, LazyMap):
            return None
        if any(piece.ref is not None and is_spilled(piece.ref) for piece in table_in(rows).tree.loaded()):
            return None  # no index has them yet
        limits = _limits(len(rows), quick=all(is_quick(each, table_in(rows).items) for each in where))
        any_scan = _limits(len(rows), quick=False)
        best = best_way(self._root.obj, self.cls, where, limits if alone is None else any_scan)
        if best is None:
            return None
        pairs, spec = best.pairs(), best.spec
        changed = [key for key, _ in islice(in_memory(rows, paths_of(self.cls)), any_scan.rows + 1)]
        if len(changed) > any_scan.rows:
            return None
        if spec is not None and not changed and not self._root.gone and covers(spec, alone, pairs):
            how = f"read {len(pairs):,} values of {best.name} alone: "
            return Narrowed([key for _, key in pairs], how, [row_of(spec, value) for value, _ in pairs])
        if len(pairs) > limits.rows:
            return None
        memory = f", and {len(changed):,} in memory" if changed else ""
        return Narrowed({*(key for _, key in pairs), *changed}, f"by {best.name}{memory}")


def _limits(count: int, *, quick: bool) -> Limits:
    """What finding some of `count` entities by an index may cost; less where a scan is `quick`."""
    rows = min(FEW, count // SHARE)
    if not quick:
        return Limits(rows, max(count // SHARE, ENTRIES))
    return Limits(min(rows, FEW // SHARE + count // SCANNED), ENTRIES + count // (4 * SHARE))
