"""What the next commit would store, for `dirty`, `is_modified`, `flush` and the like. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..codec.types.compile import struct_for
from ..errors import EncodeError, FieldNotStored
from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..lazy.proxy import is_proxy
from ..model.base import Model
from ..model.entities import EntityTable
from .content_hash import CheckSink, UnreadStream, digest_of
from .dirty import Comparison
from .entity.dangling import check_targets
from .entity.tables import changed_entities, new_entities, tables
from .reuse import reuse_from
from .roots import Root, State, compared
from .space import owner_of
from .traversal import path_to, walk
from .unit_of_work import UnitOfWork


def new(work: UnitOfWork) -> Iterator[object]:
    """The roots and entities that were added since the last commit."""
    for root in work.roots.values():
        if isinstance(root.obj, EntityTable):
            yield from new_entities(work, root)
        elif work.is_new(root):
            yield root.obj


def deleted(work: UnitOfWork) -> Iterator[object]:
    """The roots and entities that the next commit deletes."""
    for root in work.deleted.values():
        yield root.obj
    for root in tables(work):
        yield from root.deleted()


def dirty(work: UnitOfWork, compression: str | None) -> Iterator[object]:
    """The stored roots that changed, and the lazy objects below any root that did."""
    comparison = Comparison()
    for root in work.roots.values():
        if isinstance(root.obj, EntityTable):
            yield from changed_entities(work, root)
        elif not work.is_new(root) and _root_changed(work, root, compression, comparison):
            yield root.obj
        for each in walk(root.obj):
            if each is not root.obj and is_proxy(each) and owner_of(each) is work.owner and comparison.object(each):
                yield each


def has_changes(work: UnitOfWork, compression: str | None) -> bool:
    """Whether a commit would write anything."""
    comparison = Comparison()
    return bool(work.deleted) or any(_root_changed(work, root, compression, comparison) for root in work.roots.values())


def is_modified(work: UnitOfWork, obj: object, compression: str | None) -> bool | None:
    """Whether the next commit would store `obj` other than it is stored; None where it is not of this session."""
    comparison = Comparison()
    root = work.root_of(obj)
    if root is not None:
        return work.is_new(root) or _root_changed(work, root, compression, comparison)
    if owner_of(obj) is work.owner:
        return bool(comparison.collection(obj) if isinstance(obj, LazyList | LazyMap) else comparison.object(obj))
    for root in work.roots.values():
        steps = path_to(root.obj, obj)
        if steps is not None:
            return work.is_new(root) or _differs(work, root, obj, steps)
    return None


def _root_changed(work: UnitOfWork, root: Root, compression: str | None, comparison: Comparison) -> bool:
    try:
        return compared(root, work.space, compression, comparison).state is State.CHANGED
    except EncodeError:  # what is wrong will be said, with its path, when it is written
        return True


def _differs(work: UnitOfWork, root: Root, obj: object, steps: list[Callable[[object], object]]) -> bool:
    """Whether a plain object differs from what stands at its place in the stored root."""
    if not isinstance(obj, Model):
        return _root_changed(work, root, None, Comparison())
    stored = work.read(root)
    try:
        for step in steps:
            stored = step(stored)
        column = struct_for(obj.__class__)
        return stored.__class__ is not obj.__class__ or digest_of(column, obj) != digest_of(column, stored)
    except (LookupError, AttributeError, TypeError, FieldNotStored, EncodeError, UnreadStream):
        return True


def check(work: UnitOfWork, compression: str | None) -> None:
    """Encode what the next commit would write, and write nothing; raises what it would raise for a value."""
    comparison = Comparison()
    referred: dict[type[object], set[Any]] = {}
    for root, state, _ in work.compared(compression, comparison):
        if state is State.CHANGED:
            source = work.source
            sink = CheckSink(compression, reuse_from(source, work.owner, comparison), work.tuning)
            try:
                sink.list_table(root.column, [root.obj], None)
            except UnreadStream:
                continue
            finally:
                for cls, keys in sink.referred.items():
                    referred.setdefault(cls, set()).update(keys)
    check_targets(work, referred)
