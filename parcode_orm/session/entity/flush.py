"""The flush of entities: changed keys and unique indexes, before the roots that hold them are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ...errors import IntegrityError, told
from ...lazy.map import LazyMap
from ...lazy.proxy import decoded, is_proxy
from ...lazy.rows import TablePairs
from ...lazy.state import MISSING, field_value
from ...storage.spill import is_spilled
from ..roots import Root
from ..unit_of_work import UnitOfWork
from .changes import put, taken
from .tables import by, entity_class, in_memory, keys_of, stored_rows, tables


@contextmanager
def flushed(work: UnitOfWork) -> Iterator[None]:
    """Entities stand under their present keys, and, while the block runs, in the unique indexes; after a commit, on.

    Raises:
        IntegrityError: two entities would have one key or one unique value; nothing has changed.
    """
    before = work.source
    for root in tables(work):
        _move(root)
    with ExitStack() as undo:
        for root in tables(work):
            for name in keys_of(entity_class(root.obj.__class__)).unique:
                index = getattr(root.obj, by(name))
                undo.enter_context(_taken_back(work, index))
                _index(work, root, name, index)
        yield
    if work.source is not before:
        for root in tables(work):
            root.settle()


@contextmanager
def _taken_back(work: UnitOfWork, index: Any) -> Iterator[None]:
    """Changes of an index in the block are taken back, unless it stores them."""
    before = work.source
    pairs = index.rows if isinstance(index, LazyMap) else None
    state: Any = dict(index) if pairs is None else pairs.begin()
    try:
        yield
    finally:
        stored = work.source is not before
        if pairs is None:
            if not stored:
                index.clear()
                index.update(state)
        elif stored:
            pairs.end()
        else:
            pairs.undo(state)


def _move(root: Root) -> None:
    """Let entities whose key fields were changed stand under the new keys."""
    cls = entity_class(root.obj.__class__)
    keys, rows = keys_of(cls), root.obj.rows
    moves: dict[Any, Any] = {}
    old: set[Any] = set()
    for key, obj in in_memory(rows):
        if is_proxy(obj) and not any(name in decoded(obj) for name in keys.fields):
            continue  # nobody has touched its key
        now = keys.of(obj)
        if now != key:
            if now is None or now is MISSING or now in moves:
                raise taken(cls, keys, now)
            moves[now] = obj
            old.add(key)
    for now, obj in moves.items():
        if now not in old and rows.get(now, obj) is not obj:
            raise taken(cls, keys, now)
    for key in old:
        del rows[key]
        root.gone.setdefault(key)
    if moves:
        put(root, moves, max([root.obj.last, *(now for now in moves if keys.numbered and type(now) is int)]))


def _index(work: UnitOfWork, root: Root, name: str, index: Any) -> None:
    """Bring the index of a unique field up to date."""
    cls = entity_class(root.obj.__class__)
    keys, rows = keys_of(cls), root.obj.rows
    stored = stored_rows(work, root)
    claims: list[tuple[Any, Any]] = []
    for key, obj in [*((key, None) for key in root.gone if key not in rows), *in_memory(rows, unread=name)]:
        before = stored.get(key)
        was = None if before is None else field_value(before, name)
        now = None if obj is None else field_value(obj, name)
        if was != now:
            if was is not None:
                del index[was]
            if now is not None:
                claims.append((now, key))
    for value, key in [*claims, *_streamed(rows, name)]:
        other = index.get(value, MISSING)
        if other is not MISSING:
            raise IntegrityError(
                f"{cls.__qualname__}.{name}: {told(value)} is the value of two objects, {keys.spelled(other)} and "
                f"{keys.spelled(key)}, and the field is unique: change one of them, or delete it"
            )
        index[value] = key


def _streamed(rows: Any, name: str) -> Iterator[tuple[Any, Any]]:
    """The values of a field in rows that left memory as they came, with their keys."""
    if not isinstance(rows, LazyMap) or not isinstance(rows.rows, TablePairs):
        return
    table = rows.rows.table
    held = table.rows_held()
    for piece in list(table.tree.loaded()):
        if piece.ref is not None and is_spilled(piece.ref):
            group = table.group(piece)
            here: dict[int, Any] = held.get(piece.ref.offset) or {}  # type: ignore[union-attr]
            for row in range(piece.start, piece.start + piece.length):
                value = None if row in here else field_value(group.items.get(row), name)
                if value is not None:
                    yield value, group.key(row)
