"""Values as the page shows them: a kind, a type and a text that is bounded, and how much is below. Nothing large is
read for it."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import islice
from typing import Any, NamedTuple

from pydantic import BaseModel, RootModel

from ...lazy.base import LazyBase
from ...lazy.list import LazyList
from ...lazy.map import LazyMap
from ...lazy.proxy import plain_class
from ...lazy.shown import Shown, text_of, visible, why
from ...lazy.state import MISSING
from ...model import LazyArray, LazyBytes, LazyText

CELL, TEXT = 160, 20_000  # characters of a value in a table, and of one that is looked at alone
NAME = 200  # characters of a name
ITEMS = 100  # of an array, by its first dimension
READ = 1 << 20  # bytes of an array, at most
BYTES = 1_024  # of a large value, as numbers
_KINDS: tuple[tuple[Any, str], ...] = (
    (type(None), "none"),
    (bool, "bool"),
    (Enum, "enum"),
    ((int, float, complex, Decimal, Fraction), "number"),
    ((str, LazyText), "text"),
    ((bytes, bytearray, LazyBytes), "bytes"),
    ((date, time, timedelta), "time"),
    (BaseModel, "object"),
    ((LazyMap, Mapping), "map"),
    ((LazyList, list, deque), "list"),
    ((set, frozenset), "set"),
    (LazyArray, "array"),
)
_NAMES: dict[type[Any], str] = {
    LazyList: "list",
    LazyMap: "dict",
    LazyBytes: "bytes",
    LazyText: "str",
    LazyArray: "ndarray",
}
INSIDE = frozenset({"object", "map", "list", "set"})  # kinds with values in them


class Child(NamedTuple):
    """A value inside another: the step that leads to it (None: no path does), what it is called, and itself."""

    step: tuple[str, Any] | None  # "name", "key" or "position", and which
    name: str
    value: Any


def kind_of(value: Any) -> str:
    """The kind of a value: what the page makes of it."""
    if isinstance(value, Shown):
        return "unread"
    for types, kind in _KINDS:
        if isinstance(value, types):
            return kind
    if isinstance(value, tuple):
        return "object" if hasattr(value, "_fields") else "list"
    if dataclasses.is_dataclass(value):
        return "object"
    return "array" if type(value).__name__ == "ndarray" else "other"


def node(value: Any, limit: int = CELL) -> dict[str, Any]:
    """A value without what is in it."""
    kind = kind_of(value)
    found: dict[str, Any] = {"kind": kind, "text": _text(value, kind, limit)}
    if kind not in ("none", "unread"):
        found["type"] = visible(_NAMES.get(type(value)) or plain_class(type(value)).__name__, NAME)
    if kind in INSIDE:
        found["size"] = len(children_names(value)) if kind == "object" else len(value)
    return found


def cell(value: Any) -> list[str]:
    """A value in a table: its kind and its text."""
    kind = kind_of(value)
    return [kind, _text(value, kind, CELL)]


def _text(value: Any, kind: str, limit: int) -> str:
    try:
        if kind == "text":
            return visible(value[: limit + 1], limit)
        if kind == "time":
            return str(value)
        if kind == "enum":
            return visible(value.name or str(value), limit)
        return visible(text_of(value), limit)
    except Exception as problem:
        return f"<{why(problem)}>"


def content(value: Any) -> dict[str, Any]:
    """What a value without others in it is, at length: lines of a text, the first bytes of bytes."""
    kind = kind_of(value)
    if kind == "text":
        text = value[: TEXT + 1]
        lines = "\n".join(map(visible, text[:TEXT].split("\n")))
        return {"lines": lines, "cut": len(text) > TEXT}
    if kind == "bytes":
        return {"hex": bytes(value[:BYTES]).hex(), "length": len(value)}
    if kind == "array" and value.ndim and len(value):
        count = min(ITEMS, READ * len(value) // max(value.nbytes, 1))
        return {"lines": visible(str(value[:count]), TEXT), "cut": len(value) > count} if count else {}
    return {}


def children_names(value: Any) -> list[str]:
    """The names of the fields of an object."""
    if isinstance(value, RootModel):
        return ["root"]
    if isinstance(value, BaseModel):
        return [*type(value).__pydantic_fields__, *(value.__pydantic_extra__ or ())]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return list(value._fields)
    return [field.name for field in dataclasses.fields(value)]


def children(value: Any, offset: int, limit: int) -> list[Child]:
    """The values inside another, from the one at `offset` on, at most `limit`.

    Raises:
        CorruptionError, DecodeError: they cannot be read.
    """
    kind = kind_of(value)
    if kind == "object":
        names = children_names(value)[offset : offset + limit]
        return [Child(("name", name), name, field_of(value, name)) for name in names]
    if kind == "map":
        return [key_child(*pair) for pair in islice(value.items(), offset, offset + limit)]
    if kind == "list":
        items = islice(value, offset, offset + limit) if isinstance(value, deque) else value[offset : offset + limit]
        return [Child(("position", at), str(at), item) for at, item in enumerate(items, offset)]
    return [Child(None, "", item) for item in islice(value, offset, offset + limit)]


def key_child(key: Any, value: Any) -> Child:
    """A value in a dictionary."""
    return Child(("key", key), text_of(key), value)


def field_of(value: Any, name: str) -> Any:
    """The value of a field; what shows it if it is large or cannot be read."""
    try:
        large = value._p_large_(name) if isinstance(value, LazyBase) else None
        return getattr(value, name, MISSING) if large is None else large
    except Exception as problem:
        return Shown(f"<{why(problem)}>")
