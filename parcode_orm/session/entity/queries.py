"""Statements over entities: where their rows are, and which of them keys and indexes find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice, product
from math import prod
from typing import Any, NamedTuple, TypeVar

from ...lazy.map import LazyMap
from ...model.entities import field_of
from ...model.indexes import IndexSpec, indexes_of
from ...model.ordering import UNORDERED, order_of_parts
from ...query.expressions import Expression
from ...query.given import Entities, Narrowed, is_entity_class
from ...query.nodes import Field, Item
from ...storage.spill import is_spilled
from ..roots import Unread, unbuilt
from ..unit_of_work import UnitOfWork
from .changes import delete, expunge
from .covering import covers, row_of
from .indexes import count as count_in
from .indexes import entries_in
from .planning import Scope, exact, ranges_of, scopes_of
from .tables import entities, find_table, in_memory, keys_of, paths_of, stored_rows, table_in
from .values import is_hashable

FEW = 1000  # rows that are looked up one by one
SHARE = 16  # and no more than one of so many

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
        most = min(FEW, len(rows) // SHARE)
        ways = [way for scope in scopes_of(where) for way in self._ways(scope, most) if way.most <= most]
        if not ways:
            return None
        best = min(ways, key=lambda way: (way.most, -way.parts))
        changed = [key for key, _ in islice(in_memory(rows, paths_of(self.cls)), most + 1)]
        if len(changed) > most:
            return None
        pairs, spec = best.pairs(), best.spec
        if spec is not None and not changed and not self._root.gone and covers(spec, alone):
            how = f"read {len(pairs):,} values of {best.name} alone: "
            return Narrowed([key for _, key in pairs], how, [row_of(spec, value) for value, _ in pairs])
        memory = f", and {len(changed):,} in memory" if changed else ""
        return Narrowed({*(key for _, key in pairs), *changed}, f"by {best.name}{memory}")

    def _ways(self, scope: Scope, most: int) -> Iterator[_Way]:
        """What finds entities of which values lie in the ranges that are wanted."""
        assert self._root is not None
        fields = keys_of(self.cls).fields
        key = IndexSpec(tuple((name,) for name in fields), (), unique=True)
        missing = unbuilt(self._root.obj)
        for spec in (key, *indexes_of(self.cls)):
            if spec is not key and field_of(spec) in missing:
                continue
            if spec.unique:
                values = exact(spec, scope)
                if values is None or not all(is_hashable(each) for some in values for each in some):
                    continue
                count = prod(map(len, values))
                wanted = values[0] if len(values) == 1 else product(*values)
                if spec is key:
                    yield _Way("key", count, partial(_paired, wanted), len(values))
                else:
                    index = getattr(self._root.obj, field_of(spec))
                    yield _Way(f"the index of {spec.name}", count, partial(_found, index, wanted), len(values))
                continue
            with suppress(*UNORDERED):
                asked = ranges_of(spec, scope, most)
                if asked is not None:
                    ranges, bounds = asked
                    runs, order = getattr(self._root.obj, field_of(spec)), order_of_parts(spec.types)
                    name = f"the index of {spec.name} ({' and '.join(bounds)})"
                    found = partial(entries_in, runs, ranges, order)
                    yield _Way(name, count_in(runs, ranges, order), found, len(bounds), spec)


def _paired(keys: Iterable[Any]) -> list[tuple[Any, Any]]:
    return [(key, key) for key in keys]


def _found(index: Mapping[Any, Any], values: Iterable[Any]) -> list[tuple[Any, Any]]:
    return [(value, key) for value in values if (key := index.get(value)) is not None]


class _Way(NamedTuple):
    """A way to find entities: its name, how many it finds at most, values and keys, and how many fields it looks at.

    `spec` is the ordered index that has the values.
    """

    name: str
    most: int
    pairs: Callable[[], list[tuple[Any, Any]]]
    parts: int
    spec: IndexSpec | None = None
