"""What the next commit would store, for `dirty`, `is_modified`, `flush` and the like. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..codec.types.compile import struct_for
from ..errors import EncodeError, FieldNotStored
from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..lazy.proxy import is_proxy
from ..model.base import Model
from ..table.row_groups import never_reuse
from .content_hash import DigestSink, UnreadStream, digest_of
from .dirty import collection_changed, proxy_changed
from .reuse import reuse_from
from .roots import Root, State, root_state
from .space import owner_of
from .traversal import path_to, walk
from .unit_of_work import UnitOfWork


def dirty(work: UnitOfWork, compression: str | None) -> Iterator[Any]:
    """The stored roots that changed, and the lazy objects below any root that did."""
    for root in work.roots.values():
        if not work.is_new(root) and _root_changed(work, root, compression):
            yield root.obj
        for each in walk(root.obj):
            if each is not root.obj and is_proxy(each) and owner_of(each) is work.owner and proxy_changed(each):
                yield each


def has_changes(work: UnitOfWork, compression: str | None) -> bool:
    """Whether a commit would write anything."""
    return bool(work.deleted) or any(_root_changed(work, root, compression) for root in work.roots.values())


def is_modified(work: UnitOfWork, obj: Any, compression: str | None) -> bool | None:
    """Whether the next commit would store `obj` other than it is stored; None where it is not of this session."""
    root = work.root_of(obj)
    if root is not None:
        return work.is_new(root) or _root_changed(work, root, compression)
    if owner_of(obj) is work.owner:
        return bool(collection_changed(obj) if isinstance(obj, LazyList | LazyMap) else proxy_changed(obj))
    for root in work.roots.values():
        steps = path_to(root.obj, obj)
        if steps is not None:
            return work.is_new(root) or _differs(work, root, obj, steps)
    return None


def _root_changed(work: UnitOfWork, root: Root, compression: str | None) -> bool:
    try:
        return root_state(root, work.space, compression) is State.CHANGED
    except EncodeError:  # what is wrong will be said, with its path, when it is written
        return True


def _differs(work: UnitOfWork, root: Root, obj: Any, steps: list[Any]) -> bool:
    """Whether a plain object differs from what stands at its place in the stored root."""
    if not isinstance(obj, Model):
        return _root_changed(work, root, None)
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
    for root, state in work.states(compression):
        if state is State.CHANGED:
            source = work.source
            sink = DigestSink(compression, never_reuse if source is None else reuse_from(source, work.owner))
            try:
                sink.list_table(root.column, [root.obj], None)
            except UnreadStream:
                continue
