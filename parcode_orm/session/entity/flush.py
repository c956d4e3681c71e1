"""The flush of entities: changed keys and unique indexes, before the roots that hold them are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any

from ...errors import IntegrityError, SessionError, told
from ...lazy.map import LazyMap
from ...lazy.state import MISSING
from ..roots import Root
from ..space import owner_of
from ..unit_of_work import UnitOfWork
from .changes import taken
from .tables import (
    by,
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
    """While the block runs, entities stand under their present keys, and in the unique indexes; after a commit, on.

    Raises:
        IntegrityError: two entities would have one key or one unique value; nothing has changed.
    """
    before = work.source
    with told_by_key(), ExitStack() as undo:
        for root in tables(work):
            _move(work, root, undo)
            for name in keys_of(entity_class(root.obj.__class__)).unique:
                index = getattr(root.obj, by(name))
                undo.enter_context(_taken_back(work, index))
                _index(work, root, name, index)
        yield
    if work.source is not before:
        for root in tables(work):
            root.settle()


@contextmanager
def _taken_back(work: UnitOfWork, changed: LazyMap[Any, Any]) -> Iterator[None]:
    """Changes of a map's rows in the block are taken back, unless it stores them."""
    before = work.source
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


def _move(work: UnitOfWork, root: Root, undo: ExitStack) -> None:
    """Let entities whose key fields were changed stand under the new keys."""
    cls = entity_class(root.obj.__class__)
    keys, rows = keys_of(cls), entities(root)
    moves: dict[Any, Any] = {}
    old: set[Any] = set()
    for key, obj in in_memory(rows, keys.fields):
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
        return
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


def _check_ours(work: UnitOfWork, obj: Any) -> None:
    owner = owner_of(obj)
    if owner not in (None, work.owner) and not owner.ended:
        raise SessionError(
            f"the {obj.__class__.__qualname__} that was added became an object of another session before this commit: "
            "expunge it here, and add a copy of it, obj.model_copy()"
        )


def _index(work: UnitOfWork, root: Root, name: str, index: LazyMap[Any, Any]) -> None:
    """Bring the index of a unique field up to date."""
    cls = entity_class(root.obj.__class__)
    keys, rows = keys_of(cls), entities(root)
    table = table_in(rows)
    changed: list[tuple[Any, Any]] = list(in_memory(rows, (name,)))
    changed += [(key, None) for key in root.gone.keys() - {key for key, _ in changed}]
    stored: Any = stored_rows(work, root) if changed or table.spilled else {}
    claims: list[tuple[Any, Any]] = []
    for key, obj in changed:
        before = stored.get(key)
        was = None if before is None else value_of(before, name)
        now = None if obj is None else value_of(obj, name)
        if was != now:
            if was is not None:
                index.rows.remove(was)
            if now is not None:
                claims.append((now, key))
    if stored:
        for _, key in streamed(rows, name, below=table_in(stored).next_row):
            was = value_of(stored[key], name)
            if was is not None:
                index.rows.remove(was)
    for value, key in chain(claims, streamed(rows, name)):
        other = index.get(value, MISSING) if value is not None else key
        if other is MISSING:
            index.rows.put(value, key)
        elif value is not None:
            raise IntegrityError(
                f"{cls.__qualname__}.{name}: {told(value)} is the value of two objects, {keys.spelled(other)} and "
                f"{keys.spelled(key)}, and the field is unique: change one of them, or delete it"
            )
