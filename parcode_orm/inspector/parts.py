"""What descriptions of stored schemas say of their values: kinds and types."""

from __future__ import annotations

from typing import Any

from ..codec.stored import LISTS, MAPS, believed
from ..errors import CorruptionError
from ..lazy.shown import visible
from ..session.described import spelled

MARKS = ("optional", "chunk", "map")
LONG = 200  # characters of a type


def unmarked(part: Any) -> Any:
    """A description without what stands around it."""
    while isinstance(part, dict):
        name = next(filter(part.__contains__, MARKS), None)
        if name is None:
            break
        part = part[name]
    return part


def is_leaf(part: Any) -> bool:
    """Whether values have neither parts nor chunks of their own."""
    bare = unmarked(part)
    return kind_of(part) == "column" and not (isinstance(bare, dict) and ("union" in bare or "fixed" in bare))


def kind_of(part: Any) -> str:
    """The kind of an entry for values of a description."""
    bare = unmarked(part)
    if isinstance(bare, dict):
        if bare.keys() == {"struct"}:
            return "model"
        if "fixed" not in bare:
            if LISTS & bare.keys():
                return "list"
            if MAPS & bare.keys():
                return "map"
    marked = isinstance(part, dict) and ("chunk" in part or "map" in part)
    return "blob" if marked else "column"


def type_of(part: Any) -> str:
    """The type of values of a description, as Python spells it; "" if the description says none."""
    try:
        with believed():
            return visible(spelled(part), LONG)
    except CorruptionError:
        return ""
