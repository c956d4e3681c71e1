"""Parametrisations of generic models by the name that files have: `shop:Page[depot:Item]`.

Pydantic makes such a class when a program first evaluates it, so a program that reads need not have
it yet. It is made here of classes that are there: nothing is imported, and what is no class name is
not evaluated.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from ..aliases import union_of
from .names import bound_class, tag_of

_TOKENS = re.compile(r"[^\[\], |]+|[\[\],|]")
_FORMS: dict[str, Any] = {
    "typing.Any": Any,
    "Ellipsis": ...,
    "NoneType": type(None),
    "None": None,
}
_MAX_TOKENS = 200


def parametrized(tag: str, find: Callable[[str], type | None] = bound_class) -> Any:
    """The parametrisation that `tag` names, or None if a name in it is unknown to `find`."""
    tokens = _TOKENS.findall(tag)
    if "[" not in tokens or len(tokens) > _MAX_TOKENS:
        return None
    try:
        found = _parsed(tokens[::-1], find)
    except Exception:  # whatever arguments of the wrong kind, or too few of them, raise
        return None
    return found if isinstance(found, type) and issubclass(found, BaseModel) and tag_of(found) == tag else None


def _parsed(tokens: list[str], find: Callable[[str], type | None]) -> Any:
    """The type that `tokens`, the first one last, begin with: one, or a union."""
    arms = [_arm(tokens, find)]
    while tokens and tokens[-1] == "|":
        tokens.pop()
        arms.append(_arm(tokens, find))
    return union_of(arms)


def _arm(tokens: list[str], find: Callable[[str], type | None]) -> Any:
    name = tokens.pop()
    made: Any = _FORMS.get(name, getattr(builtins, name, None) if ":" not in name else find(name))
    if name not in _FORMS and not isinstance(made, type):
        raise LookupError(name)
    if not tokens or tokens[-1] != "[":
        return made
    args = []
    while tokens.pop() != "]":  # else the bracket that opens, or a comma
        args.append(_parsed(tokens, find))
    return made[tuple(args)] if len(args) > 1 else made[args[0]]
