"""The flush of entities: changed keys and unique indexes, before the roots that hold them are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from ...errors import IntegrityError, told
from ...lazy.list import LazyList
from ...lazy.map import LazyMap
from ...lazy.proxy import decoded, is_proxy
from ...lazy.rows import TablePairs
from ...lazy.state import MISSING, field_value
from ...storage.spill import is_spilled
from ..roots import Root
from ..unit_of_work import UnitOfWork
from .changes import put, taken
from .indexes import add_run
from .tables import by, entity_class, in_memory, keys_of, runs_of, stored_rows, tables

MANY = 1000  # rows in memory: from that on, and where they are a good part of all, stored values are read by column
MANY_OF = 16


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
            keys = keys_of(entity_class(root.obj.__class__))
            for name in keys.unique:
                index = getattr(root.obj, by(name))
                undo.enter_context(_taken_back(work, index))
                _claim(root, name, index, _changes(work, root, name))
            for name in keys.indexed:
                runs = getattr(root.obj, runs_of(name))
                undo.enter_context(_taken_back(work, runs))
                add_run(runs, entity_class(root.obj.__class__), name, _changes(work, root, name))
        yield
    if work.source is not before:
        for root in tables(work):
            root.settle()
            for name in keys_of(entity_class(root.obj.__class__)).indexed:
                decoded(root.obj).pop(runs_of(name), None)  # to be read as it is stored, without the entries in memory


@contextmanager
def _taken_back(work: UnitOfWork, index: Any) -> Iterator[None]:
    """Changes of an index in the block are taken back, unless it stores them."""
    before = work.source
    rows = index.rows if isinstance(index, LazyMap | LazyList) else None
    state: Any = index.copy() if rows is None else rows.begin()
    try:
        yield
    finally:
        stored = work.source is not before
        if rows is not None:
            rows.end() if stored else rows.undo(state)
        elif not stored:
            index.clear()
            (index.update if isinstance(index, dict) else index.extend)(state)


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


def _changes(work: UnitOfWork, root: Root, name: str) -> Iterator[tuple[Any, Any, Any]]:
    """The keys of the entities whose value of a field changed since the last commit, with the values before and now.

    Both are None where there is none.
    """
    rows, stored = root.obj.rows, stored_rows(work, root)
    candidates = [*((key, None) for key in root.gone if key not in rows), *in_memory(rows, unread=name)]
    if len(candidates) > MANY and len(candidates) > len(stored) // MANY_OF:
        values: Any = dict(zip(stored, _column(stored, name), strict=True)) if stored else {}
        before = values.get
    else:
        before = partial(_value, stored, name)
    for key, obj in candidates:
        was = before(key)
        now = None if obj is None else field_value(obj, name)
        if was is not now and was != now:
            yield key, was, now
    for key, now in _streamed(rows, name):
        yield key, before(key) if key in root.gone else None, now


def _value(stored: Any, name: str, key: Any) -> Any:
    found = stored.get(key)
    return None if found is None else field_value(found, name)


def _column(stored: Any, name: str) -> Iterator[Any]:
    for part in stored.iter_columns(name):
        yield from part.tolist()


def _claim(root: Root, name: str, index: Any, changes: Iterator[tuple[Any, Any, Any]]) -> None:
    """Bring the index of a unique field up to date.

    Raises:
        IntegrityError: two entities have one value.
    """
    cls = entity_class(root.obj.__class__)
    keys = keys_of(cls)
    claims: list[tuple[Any, Any]] = []
    for key, was, now in changes:
        if was is not None:
            del index[was]
        if now is not None:
            claims.append((now, key))
    for value, key in claims:
        other = index.get(value, MISSING)
        if other is not MISSING:
            raise IntegrityError(
                f"{cls.__qualname__}.{name}: {told(value)} is the value of two objects, {keys.spelled(other)} and "
                f"{keys.spelled(key)}, and the field is unique: change one of them, or delete it"
            )
        index[value] = key


def _streamed(rows: Any, name: str) -> Iterator[tuple[Any, Any]]:
    """The keys of rows that left memory as they came, with their values of a field."""
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
                    yield group.key(row), value
