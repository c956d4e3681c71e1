"""The flush of entities: changed keys and indexes, before the roots that hold them are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from typing import Any

from ...codec.asis import as_stored
from ...codec.bulk import gc_paused
from ...codec.columns.boundary import ChunkColumn
from ...errors import IntegrityError, SessionError, told
from ...lazy.map import LazyMap
from ...model.entities import field_of
from ...model.indexes import IndexSpec, indexes_of
from ...model.plain import LazyModel
from ...table.pairs import known_keys, put_new
from ...table.streaming import Spilled, gather, put_pairs
from ...table.table import MISSING, Table
from ..roots import Root, unbuilt
from ..space import owner_of
from ..unit_of_work import UnitOfWork
from .changed import Changed
from .changes import first_again, taken
from .indexes import IN_MEMORY, add_run
from .tables import entities, entity_class, keys_of, paths_of, stored_table, table_in, tables, told_by_key


@contextmanager
def flushed(work: UnitOfWork) -> Iterator[None]:
    """Move entities to their current keys and update the indexes. Undo it if the block stores nothing.

    Raises:
        IntegrityError: two entities would have one key or one unique value; nothing has changed.
        SessionError: an entity that was added is an object of another session by now.
    """
    roots = tables(work)
    if not roots:
        yield
        return
    with told_by_key(), ExitStack() as undo:
        with gc_paused():
            for root in roots:
                _flush(work, root, undo)
            del root
        yield


def _flush(work: UnitOfWork, root: Root, undo: ExitStack) -> None:
    """Flush the entities of a table. Nothing holds them once this returns: the commit may let go of them."""
    cls = entity_class(root.obj.__class__)
    paths = paths_of(cls)
    changed = Changed(work, root, paths)
    if _move(work, root, changed, undo):
        changed = Changed(work, root, paths)
    missing = unbuilt(root.obj)  # then nothing is written, unless nothing changed
    for spec in indexes_of(cls):
        if field_of(spec) in missing:
            continue
        index = getattr(root.obj, field_of(spec))
        undo.enter_context(_taken_back(work, index))
        if spec.unique:
            _claim(work, root, spec, index, changed)
        else:
            add_run(index, entities(root).rows.space, cls, spec, changed.of(spec))


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


def _move(work: UnitOfWork, root: Root, changed: Changed, undo: ExitStack) -> bool:
    """Move the entities among `changed` whose key fields were changed to their new keys. Return whether there are."""
    cls = entity_class(root.obj.__class__)
    keys, rows = keys_of(cls), entities(root)
    lazy = {cls for cls in set(map(type, changed.objs)) if issubclass(cls, LazyModel)}
    for obj in [obj for obj in changed.objs if type(obj) in lazy] if lazy else ():
        _check_ours(work, obj)
    current = keys.of_all(changed.objs)
    if current == changed.keys:
        return False
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


def _claim(work: UnitOfWork, root: Root, spec: IndexSpec, index: LazyMap[object, object], changed: Changed) -> None:
    """Bring a unique index up to date.

    Raises:
        IntegrityError: two entities have one value.
    """
    cls, table = entity_class(root.obj.__class__), table_in(index)
    claims = chain.from_iterable(_claims(spec, index, changed))
    few = list(islice(claims, IN_MEMORY))
    if len(few) == IN_MEMORY:
        column = root.column.places[field_of(spec)][1]
        assert isinstance(column, ChunkColumn)
        found = gather(table.space, column, chain(few, claims))
        if isinstance(found, Spilled):
            _claim_many(work, root, spec, table, found, changed)
            return
        few = found
    pairs = dict(few)
    if len(pairs) < len(few):
        value = first_again([value for value, _ in few])
        raise _twice(cls, spec, value, *[key for each, key in few if each == value][:2])
    values = list(pairs)
    for value in known_keys(table, values):
        raise _twice(cls, spec, value, index[value], pairs[value])
    if values:
        put_new(table, values, list(pairs.values()))


def _claims(
    spec: IndexSpec, index: LazyMap[object, object], changed: Changed
) -> Iterator[Iterable[tuple[object, object]]]:
    """Values with the keys that claim them. Those that are lost leave the index meanwhile."""
    for lost, got in changed.of(spec):
        for value in lost.values:
            as_stored(index.rows.remove, value)
        yield zip(got.values, got.keys, strict=True)


def _claim_many(work: UnitOfWork, root: Root, spec: IndexSpec, table: Table, found: Spilled, changed: Changed) -> None:
    """Put claims that have left memory into the index."""
    twice = put_pairs(table, found)
    if twice is MISSING:
        return
    entries = chain.from_iterable(zip(got.values, got.keys, strict=True) for _, got in changed.of(spec))
    keys = list(islice((key for value, key in entries if value == twice), 2))
    if len(keys) == 1:  # the other one is stored
        keys.insert(0, getattr(stored_table(work, root), field_of(spec))[twice])
    raise _twice(entity_class(root.obj.__class__), spec, twice, *keys)


def _twice(cls: type, spec: IndexSpec, value: object, one: object, other: object) -> IntegrityError:
    keys = keys_of(cls)
    several = len(spec.parts) > 1
    name, unique = (f"({spec.name})", "fields are unique together") if several else (spec.name, "field is unique")
    return IntegrityError(
        f"{cls.__qualname__}.{name}: {told(value)} is the value of two objects, {keys.spelled(one)} and "
        f"{keys.spelled(other)}, and the {unique}: change one of them, or delete it"
    )
