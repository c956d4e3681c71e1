"""Facts about classes, found once a class and kept as long as it lives."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from weakref import ref

T = TypeVar("T")


def per_class(function: Callable[[type], T]) -> Callable[[Any], T]:
    """Remember what `function` gives for a class. It must not refer to the class."""
    known: dict[ref[type], T] = {}  # a WeakKeyDictionary has a method in Python for each look

    def forget(cls: ref[type]) -> None:
        known.pop(cls, None)

    @wraps(function)
    def find(cls: Any) -> T:
        found = known.get(ref(cls))
        if found is None:
            found = known[ref(cls, forget)] = function(cls)
        return found

    return find
