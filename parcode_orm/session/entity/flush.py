"""The flush of entities: changed keys and indexes, before the roots that hold them are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ...errors import IntegrityError, SessionError, told
from ...lazy.map import LazyMap
from ...lazy.proxy import decoded
from ...lazy.state import MISSING
from ...model.entities import by, runs_of
from ..roots import Root
from ..space import owner_of
from ..unit_of_work import UnitOfWork
from .changes import taken
from .indexes import add_run
from .tables import (
    entities,
    entity_class,
    in_memory,
    keys_of,
    stored_rows,
    streamed,
    table_in,
    tables,
    told_by_key,
    value_of,
)


@contextmanager
def flushed(work: UnitOfWork) -> Iterator[None]:
    """Move entities to their current keys and update the indexes. Undo it if the block stores nothing.

    Raises:
        IntegrityError: two entities would have one key or one unique value; nothing has changed.
        SessionError: an entity that was added is an object of another session by now.
    """
    before = work.source
    try:
        with told_by_key(), ExitStack() as undo:
            for root in tables(work):
                _flush(work, root, undo)
            yield
    finally:  # of a commit that was interrupted after it was stored as well
        if work.source is not before:
            _let_go(work)


def _flush(work: UnitOfWork, root: Root, undo: ExitStack) -> None:
    """Flush the entities of a table. Nothing holds them once this returns: the commit may let go of them."""
    cls = entity_class(root.obj.__class__)
    keys = keys_of(cls)
    fields = (*keys.fields, *keys.unique, *keys.indexed)
    changed = list(in_memory(entities(root), fields))
    if _move(work, root, changed, undo):
        changed = list(in_memory(entities(root), fields))
    changes = _Changes(work, root, changed, fields)
    for name in keys.unique:
        index = getattr(root.obj, by(name))
        undo.enter_context(_taken_back(work, index))
        _claim(root, name, index, changes.of(name))
    for name in keys.indexed:
        runs = getattr(root.obj, runs_of(name))
        undo.enter_context(_taken_back(work, runs))
        add_run(runs, cls, name, changes.of(name))


def _let_go(work: UnitOfWork) -> None:
    """Runs of indexes are read as they are stored from now on: their entries leave memory."""
    for root in tables(work):
        for name in keys_of(entity_class(root.obj.__class__)).indexed:
            decoded(root.obj).pop(runs_of(name), None)


@contextmanager
def _taken_back(work: UnitOfWork, changed: Any) -> Iterator[None]:
    """Changes of a collection's rows in the block are taken back, unless it stores them."""
    before = work.source
    if isinstance(changed, list):  # of a table that is not stored yet
        known = list(changed)
        try:
            yield
        finally:
            if work.source is before:
                changed[:] = known
        return
    rows = changed._changing()
    state = rows.begin()
    try:
        yield
    finally:
        if work.source is not before:
            rows.end()
        else:
            rows.undo(state)


@contextmanager
def _as_before(work: UnitOfWork, root: Root) -> Iterator[None]:
    before, gone, last = work.source, dict(root.gone), root.obj.last
    try:
        yield
    finally:
        if work.source is before:
            root.gone = gone
            if root.obj.last != last:
                root.obj.last = last


def _move(work: UnitOfWork, root: Root, changed: list[tuple[Any, Any]], undo: ExitStack) -> bool:
    """Move the entities among `changed` whose key fields were changed to their new keys. Return whether there are."""
    cls = entity_class(root.obj.__class__)
    keys, rows = keys_of(cls), entities(root)
    moves: dict[Any, Any] = {}
    old: set[Any] = set()
    for key, obj in changed:
        _check_ours(work, obj)
        now = keys.of(obj)
        if now != key:
            keys.check(cls, now)
            if now in moves:
                raise taken(cls, keys, now)
            moves[now] = obj
            old.add(key)
    for now, obj in moves.items():
        if now not in old and rows.get(now, obj) is not obj:
            raise taken(cls, keys, now)
    if not moves:
        return False
    undo.enter_context(_as_before(work, root))
    undo.enter_context(_taken_back(work, rows))
    for key in old:
        rows.rows.remove(key)
        root.gone.setdefault(key)
    for now, obj in moves.items():
        rows.rows.put(now, obj)
    last = max([root.obj.last, *(now for now in moves if keys.numbered and type(now) is int)])
    if last > root.obj.last:
        root.obj.last = last
    return True


def _check_ours(work: UnitOfWork, obj: Any) -> None:
    owner = owner_of(obj)
    if owner not in (None, work.owner) and not owner.ended:
        raise SessionError(
            f"the {obj.__class__.__qualname__} that was added became an object of another session before this commit: "
            "expunge it here, and add a copy of it, obj.model_copy()"
        )


class _Changes:
    """What changed since the last commit in the indexed fields of the entities that a root holds."""

    def __init__(self, work: UnitOfWork, root: Root, changed: list[tuple[Any, Any]], fields: tuple[str, ...]) -> None:
        self._rows = entities(root)
        self._fields = fields
        self._changed = [*changed, *((key, None) for key in root.gone.keys() - {key for key, _ in changed})]
        needed = self._changed or table_in(self._rows).spilled
        self._stored: Any = stored_rows(work, root) if needed else {}

    def of(self, name: str) -> Iterator[tuple[Any, Any, Any]]:
        """Key, value before and value now of each entity whose field `name` changed; None is no value."""
        stored = self._stored
        for key, obj in self._changed:
            before = stored.get(key)
            was = None if before is None else value_of(before, name)
            now = None if obj is None else value_of(obj, name)
            if was is not now and was != now:
                yield key, was, now
        if stored:
            for _, key in streamed(self._rows, name, self._fields, below=table_in(stored).next_row):
                yield key, value_of(stored[key], name), None
        for now, key in streamed(self._rows, name, self._fields):
            yield key, None, now


def _claim(root: Root, name: str, index: LazyMap[Any, Any], changes: Iterator[tuple[Any, Any, Any]]) -> None:
    """Bring the index of a unique field up to date.

    Raises:
        IntegrityError: two entities have one value.
    """
    cls = entity_class(root.obj.__class__)
    keys = keys_of(cls)
    claims: list[tuple[Any, Any]] = []
    for key, was, now in changes:
        if was is not None:
            index.rows.remove(was)
        if now is not None:
            claims.append((now, key))
    for value, key in claims:
        other = index.get(value, MISSING)
        if other is not MISSING:
            raise IntegrityError(
                f"{cls.__qualname__}.{name}: {told(value)} is the value of two objects, {keys.spelled(other)} and "
                f"{keys.spelled(key)}, and the field is unique: change one of them, or delete it"
            )
        index.rows.put(value, key)
