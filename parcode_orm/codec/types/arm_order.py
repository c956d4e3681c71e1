"""The order in which a file has the arms of a union: by their spelling, not as they were declared.

`typing` keeps one object for equal spellings, and `List[Union[int, str]]` equals `List[Union[str, int]]`: which order
a class sees depends on which module was imported first. So the order in the file says nothing that may differ.
"""

from __future__ import annotations

import enum
import typing
from typing import Any, Literal

from .names import bare, tag_of
from .typeforms import ANY, NONE, Scope, is_recursive, is_union, strip

Key = tuple[Any, ...]


def in_order(arms: list[tuple[Any, Scope]]) -> list[tuple[Any, Scope]]:
    """The arms of a union, what takes more behind what takes less: `list[Any]` behind `list[int]`."""
    return sorted(arms, key=lambda arm: arm_key(*arm))


def arm_key(tp: Any, scope: Scope) -> Key:
    """What a type is sorted by: how open it is, its spelling, and the modules of its classes."""
    return _key(tp, scope, 0)


def _key(tp: Any, scope: Scope, level: int) -> Key:
    if level > 32 or is_recursive(tp, scope):
        return (2, "", "", ())
    tp, scope, _ = strip(tp, scope)
    if tp in ANY:
        return (2, "", "", ())
    if tp in NONE:
        return (0, "None", "", ())
    if tp is Ellipsis:
        return (0, "...", "", ())
    args = typing.get_args(tp)
    origin = typing.get_origin(tp) or tp
    if origin is Literal:
        return (0, "Literal", "", tuple(sorted(map(_literal, args))))
    if is_union(tp):
        inner = sorted(_key(arg, scope, level + 1) for arg in args)
        return (max(key[0] for key in inner), "|", "", tuple(inner))
    if not isinstance(tp, type) and not isinstance(origin, type):
        return (1, str(tp), "", ())
    inner = [_key(arg, scope, level + 1) for arg in args]
    is_open = not args and origin in (list, dict, set, frozenset, tuple)
    openness = max([int(is_open), *(key[0] for key in inner)])
    tag = tag_of(origin)
    return (openness, bare(tag), tag, tuple(inner))


def _literal(value: Any) -> Key:
    cls = type(value)
    text = value.name if isinstance(value, enum.Enum) else repr(value)
    return (0, cls.__qualname__, cls.__module__, ((0, str(text), "", ()),))
