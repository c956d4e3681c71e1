"""`lazy()`: the right type for what a type checker takes for a plain collection; and a name for
both collections.
"""

from __future__ import annotations

from typing import TypeVar, overload

from .list import LazyList
from .map import LazyMap

LazyCollection = LazyList[object] | LazyMap[object, object]
COLLECTIONS = frozenset({LazyList, LazyMap})
"""Their classes, which have no subclasses. `isinstance` asks an ABC, which takes ten times as long for other values."""
K = TypeVar("K")
V = TypeVar("V")


@overload
def lazy(value: list[V]) -> LazyList[V]: ...
@overload
def lazy(value: dict[K, V]) -> LazyMap[K, V]: ...
def lazy(value: object) -> object:
    """Return `value`, a lazy collection read from a file, typed as one; at run time nothing happens.

    A field declared `list[str] = Chunk()` is a `LazyList[str]` where its model was read from a file, while type
    checkers see the declared list. `lazy(world.history).load()` satisfies both.
    """
    return value
