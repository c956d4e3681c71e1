"""Statements over entities: where their rows are, and which of them keys and indexes find."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from ...lazy.map import LazyMap
from ...lazy.rows import Whole
from ...model.entity_names import field_of, table_name
from ...model.indexes import IndexSpec, Path, indexes_of
from ...query.expressions.corpus import Indexed
from ...query.expressions.expressions import Expression
from ...query.expressions.nodes import Key
from ...query.expressions.occurrences import occurrences_of
from ...query.expressions.selectables import Asked, Entities, Home, Narrowed, is_entity_class
from ...query.expressions.simple import class_named_first, fact, is_nearly_simple, placed
from ...query.running.engine import run
from ...query.running.prepared import is_quick
from ...query.statements.statement import Select
from ...storage.spill import is_spilled
from ...table.pairs import known_keys
from ...table.replacing import remove_keys
from ...table.row_group import Group
from ...table.table import Table
from ..renamed import warn_if_renamed
from ..roots import Unread, unbuilt
from ..unit_of_work import UnitOfWork
from .changes import expunge
from .covering import covers, row_of
from .in_order import find, match
from .points import point_way
from .tables import changed_at, entities, find_table, is_as_stored, paths_of, stored_rows, table_in
from .text_corpus import StoredCorpus, stack_of, text_indexes_of
from .ways import Limits, best_way

FEW = 1000  # rows that are looked up one by one,
SHARE = 16  # no more than one of so many, and no more entries of indexes are read
ENTRIES = 2048  # that are read in any case
SCANNED = 2048  # rows that a scan compares as arrays while one row is looked up

S = TypeVar("S")


def bound(work: UnitOfWork, statement: S) -> S:
    """A statement over entities, given those of a session."""
    given: Any = statement
    source = given._source
    if source is None or isinstance(source, type):
        cls = fact(given, "entities", _first_entities)
        source = source if cls is None else StoredEntities(work, cls)
    found: S = placed(given, _home=SessionHome(work), _source=source)
    return found


def _first_entities(statement: Any) -> Any:
    """The class of the entities that a statement names first; None if it names other rows first, or an alias."""
    source = statement._source
    if source is None and fact(statement, "quick", is_nearly_simple):
        source = class_named_first(statement)
    elif source is None and isinstance(statement, Select):
        first = next(iter(occurrences_of(statement)), None)
        source = None if first is None or first.alias is not None else first.rows
    return source if is_entity_class(source) else None


class SessionHome(Home):
    """What a session has for the statements that it runs."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    def entities(self, cls: type[object]) -> StoredEntities:
        """See `Home`."""
        return StoredEntities(self._work, cls)

    def keys(self, cls: type[object], where: Expression[bool], most: int) -> list[Any] | None:
        """See `Home`."""
        statement = Select[object](self.entities(cls), (Key(),), (where,), _limit=most + 1, _home=self)
        found = [key for part in run(statement) for key in part[0].tolist()]
        return found if len(found) <= most else None


class StoredEntities(Entities):
    """The entities of a class in a session, as a query takes them. `root` holds them; None if there were never any."""

    def __init__(self, work: UnitOfWork, cls: type) -> None:
        self.cls = cls
        self._work = work
        self.root = find_table(work, cls)
        self.rows: Mapping[object, object] = {} if self.root is None else entities(self.root)
        if self.root is None and work.source is not None and table_name(cls) not in work.empty:
            work.empty.add(table_name(cls))
            warn_if_renamed(work.source, cls)

    @property
    def unbuilt(self) -> Sequence[str]:
        """See `Entities`."""
        missing = {} if self.root is None else unbuilt(self.root.obj)
        return tuple(spec.name for spec in indexes_of(self.cls) if field_of(spec) in missing) if missing else ()

    def delete_all(self, keys: Sequence[object]) -> None:
        """See `Entities`."""
        root = self.root
        if root is None or not keys:
            return
        stored, rows = stored_rows(self._work, root), entities(root)
        known = set(known_keys(table_in(stored), keys)) if isinstance(stored, LazyMap) else set()
        gone = {key: rows[key] for key in keys if key in known}
        with Whole(rows._changing()):
            remove_keys(table_in(rows), gone)
        root.gone.update(gone)
        for key in keys:
            if key not in known:
                expunge(self._work, rows[key])

    def deleted(self, rows: Mapping[object, tuple[Group, int]]) -> None:
        """See `Entities`."""
        assert self.root is not None
        self.root.gone.update({key: Unread(*place) for key, place in rows.items()})

    def corpus(self, path: Path) -> Indexed | None:
        """See `Entities`."""
        root, rows, index = self.root, self.rows, text_indexes_of(self.cls).get(path)
        if root is None or index is None or not isinstance(rows, LazyMap) or index.field in unbuilt(root.obj):
            return None
        table = table_in(rows)
        stack = None if self._has_spilled(table) else stack_of(root, index.field, table.space)
        return None if stack is None else StoredCorpus(self._work, root, index, rows, stack)

    @staticmethod
    def _has_spilled(table: Table) -> bool:
        """Whether rows were written aside, which no index has yet."""
        tree = table.tree
        if tree.root.ref is not None:
            return False  # it is as it is stored
        return any(piece.ref is not None and is_spilled(piece.ref) for piece in tree.loaded())

    def narrowed(self, asked: Asked) -> Narrowed | None:
        """See `Entities`."""
        rows = self.rows
        if not (asked.where or asked.first) or self.root is None or not isinstance(rows, LazyMap):
            return None
        table = table_in(rows)
        if self._has_spilled(table):
            return None
        if len(rows) < SHARE:  # no index is read for so few
            return self._by_way(asked, is_fast=True)
        is_fast = all(is_quick(each, table.items) for each in asked.where)
        return self._first(asked, is_fast) or self._by_way(asked, is_fast)

    def _first(self, asked: Asked, is_fast: bool) -> Narrowed | None:
        """The entities that are first in the order of an index."""
        root, rows = self.root, self.rows
        assert root is not None and isinstance(rows, LazyMap)
        matches = [found for each in asked.first if (found := match(root.obj, self.cls, asked.where, each)) is not None]
        changed = self._changed(paths_of(self.cls)) if matches and len(matches) == len(asked.first) else None
        if changed is None:
            return None
        is_fast = is_fast and all(each.tp in (int, float, bool) for each in matches)
        most, left_out = _limits(len(rows), quick=is_fast).rows, {*changed, *root.gone}
        pairs, others = [], []
        for each in matches:
            there = find(root.obj, rows, each, most, left_out)
            if there is None:
                return None
            pairs += there[0]
            others += there[1]
        first, *more = matches
        names = " and ".join(dict.fromkeys(each.name for each in matches))
        if first.first.extreme:
            one = not left_out and not others and all(each.spec is first.spec for each in more)
            if one and covers(first.spec, asked.alone, pairs):
                return _alone(first.spec, dict.fromkeys(pairs), names)
            how = f"at the ends of {names}"
        else:
            how = f"in the order of {names}"
        return Narrowed({*(key for _, key in pairs), *others, *changed}, how + _beside(changed))

    def _by_way(self, asked: Asked, is_fast: bool) -> Narrowed | None:
        """The entities that fulfil the conditions, by keys or indexes."""
        root, rows = self.root, self.rows
        assert root is not None
        limits = _limits(len(rows), quick=is_fast)
        may_cost = limits if asked.alone is None else _limits(len(rows), quick=False)
        best = point_way(root.obj, self.cls, asked.where, may_cost)
        if best is None and may_cost.rows:
            best = best_way(root.obj, self.cls, asked.where, may_cost)
        changed = None if best is None else self._changed(best.paths)
        if best is None or changed is None:
            return None
        pairs = best.pairs()
        if best.spec is not None and not changed and not root.gone and covers(best.spec, asked.alone, pairs):
            return _alone(best.spec, pairs, best.name)
        if len(pairs) > max(limits.rows, 1):  # one key is looked up in any table
            return None
        return Narrowed({*(key for _, key in pairs), *changed}, f"by {best.name}{_beside(changed)}")

    def _changed(self, paths: Sequence[Path]) -> list[object] | None:
        """The keys of the entities in memory that are new or changed at `paths`; None where they are many."""
        assert isinstance(self.rows, LazyMap)
        if is_as_stored(table_in(self.rows)):
            return []
        most = _limits(len(self.rows), quick=False).rows
        found = [key for key, _ in islice(changed_at(self.rows, paths), most + 1)]
        return found if len(found) <= most else None


def _alone(spec: IndexSpec, pairs: Collection[tuple[object, object]], name: str) -> Narrowed:
    """What an index has of entities, without these."""
    how = f"read {len(pairs):,} values of {name} alone: "
    return Narrowed([key for _, key in pairs], how, [row_of(spec, value) for value, _ in pairs])


def _beside(changed: Sequence[object]) -> str:
    return f", and {len(changed):,} in memory" if changed else ""


def _limits(count: int, *, quick: bool) -> Limits:
    """What finding some of `count` entities by an index may cost; less where a scan is `quick`."""
    rows = min(FEW, count // SHARE)
    if not quick:
        return Limits(rows, max(count // SHARE, ENTRIES))
    return Limits(min(rows, FEW // SHARE + count // SCANNED), ENTRIES + count // (4 * SHARE))
