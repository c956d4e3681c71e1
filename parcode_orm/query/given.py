"""What a statement can be given to take its rows from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from .kinds import bare, fields_of


def is_collection(value: Any) -> bool:
    """Whether a query can take its rows from `value`."""
    return isinstance(value, LazyList | LazyMap | Mapping | list | tuple | set | frozenset)


def model_of(collection: Any) -> Any:
    """The class of the rows of a collection; None where they have no class, or a plain one is empty."""
    if isinstance(collection, LazyList | LazyMap):
        items = collection._p_items_
        tp = None if items is None else bare(items.args[-1])
        return tp if fields_of(tp) is not None else None
    values = list(collection.values()) if isinstance(collection, Mapping) else collection
    first = next(iter(values), None)
    cls = type(None) if first is None else first.__class__
    return cls if fields_of(cls) is not None and all(isinstance(value, cls) for value in values) else None
