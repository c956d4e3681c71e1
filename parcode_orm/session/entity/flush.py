"""The flush of entities: changed keys and indexes, before the roots that hold them are written.

It has four phases, each over all classes in use: entities move to their changed keys; references follow what is
deleted, which may delete more; unique indexes refuse values that come twice; ordered indexes get their runs. What a
phase changes is taken back unless the commit stores it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ...codec.apart import types_of
from ...codec.bulk import gc_paused
from ...errors import SessionError
from ...model.entity_names import SUFFIX, field_of
from ...model.indexes import IndexSpec, indexes_of
from ...model.plain import LazyModel
from ..roots import Root, unbuilt
from ..space import owner_of
from ..unit_of_work import UnitOfWork
from .changed import Changed
from .changes import taken
from .indexes import add_run
from .integrity import follow_deletes
from .tables import entities, entity_class, keys_of, paths_of, tables, told_by_key
from .text_rows import flush_text
from .undoing import as_before, taken_back
from .unique import claim


@contextmanager
def flushed(work: UnitOfWork) -> Iterator[None]:
    """Move entities to their current keys and update the indexes. Undo it if the block stores nothing.

    Raises:
        IntegrityError: two entities would have one key or one unique value, or a reference would lead to nothing;
            nothing has changed.
        SessionError: an entity that was added is an object of another session by now.
    """
    if not tables(work):
        yield
        return
    with told_by_key(), ExitStack() as undo:
        with gc_paused():
            _flush(work, undo)
        yield


def _flush(work: UnitOfWork, undo: ExitStack) -> None:
    """Flush all entities. Nothing holds them once this returns: the commit may let go of them."""
    moved: dict[str, set[object]] = {}
    found = {}
    for root in tables(work):
        found[root.name], moved[root.name.removesuffix(SUFFIX)] = _moved(work, root, undo)
    touched = follow_deletes(work, moved, undo)
    for root in tables(work):
        if root.name in touched or root.name not in found:
            found[root.name] = Changed(work, root, paths_of(entity_class(root.obj.__class__)))
    every = [(root, found[root.name]) for root in tables(work)]
    for root, changed in every:
        for spec, index in _indexes(work, root, undo, unique=True):
            claim(work, root, spec, index, changed)
    for root, changed in every:
        for spec, runs in _indexes(work, root, undo, unique=False):
            cls, rows = entity_class(root.obj.__class__), entities(root)
            if spec.text:
                flush_text(runs, rows, cls, spec, changed)
            else:
                add_run(runs, rows.rows.space, cls, spec, changed.of(spec))


def _indexes(work: UnitOfWork, root: Root, undo: ExitStack, *, unique: bool) -> Iterator[tuple[IndexSpec, Any]]:
    """The indexes of a table that are `unique` or not, each with its collection, whose changes `undo` takes back."""
    missing = unbuilt(root.obj)  # then nothing is written, unless nothing changed
    for spec in indexes_of(entity_class(root.obj.__class__)):
        if spec.unique is unique and field_of(spec) not in missing:
            index = getattr(root.obj, field_of(spec))
            undo.enter_context(taken_back(work, index))
            yield spec, index


def _moved(work: UnitOfWork, root: Root, undo: ExitStack) -> tuple[Changed, set[object]]:
    """Move entities to their current keys. Return the changed entities, as they are then known, and the former keys."""
    paths = paths_of(entity_class(root.obj.__class__))
    changed = Changed(work, root, paths)
    moved = _move(work, root, changed, undo)
    return (Changed(work, root, paths) if moved else changed), moved


def _move(work: UnitOfWork, root: Root, changed: Changed, undo: ExitStack) -> set[object]:
    """Move the entities among `changed` whose key fields were changed to their new keys. Return their former keys."""
    cls = entity_class(root.obj.__class__)
    keys, rows = keys_of(cls), entities(root)
    lazy = {cls for cls in types_of(changed.objs) if issubclass(cls, LazyModel)}
    for obj in [obj for obj in changed.objs if type(obj) in lazy] if lazy else ():
        _check_ours(work, obj)
    current = keys.of_all(changed.objs)
    if current == changed.keys:
        return set()
    moves: dict[object, object] = {}
    old: set[object] = set()
    for key, now, obj in zip(changed.keys, current, changed.objs, strict=True):
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
        return old
    undo.enter_context(as_before(work, root))
    undo.enter_context(taken_back(work, rows))
    for key in old:
        rows.rows.remove(key)
        root.gone.setdefault(key)
    for now, obj in moves.items():
        rows.rows.put(now, obj)
    last = max([root.obj.last, *(now for now in moves if keys.numbered and type(now) is int)])
    if last > root.obj.last:
        root.obj.last = last
    return old


def _check_ours(work: UnitOfWork, obj: object) -> None:
    owner = owner_of(obj)
    if owner not in (None, work.owner) and not owner.ended:
        raise SessionError(
            f"the {obj.__class__.__qualname__} that was added became an object of another session before this commit: "
            "expunge it here, and add a copy of it, obj.model_copy()"
        )
