"""Which changes of a key's type leave its canonical bytes as they are, so that indexes find it as before."""

from __future__ import annotations

from typing import Any

from ..base import Column
from ..columns.refs import RefColumn
from ..columns.tuples import TupleColumn, UnionColumn
from ..columns.wrappers import ConvertColumn, OptionalColumn
from ..schema import canonical_schema
from ..stored import Schema
from .neutral import CONVERSIONS

NUMBERS = frozenset({"int", "float", "bool", "Decimal", "Fraction"})


def is_stable(stored: Schema, today: Column, *, by_name: bool = False) -> bool:
    """Whether keys of the stored schema have the same canonical bytes as today's.

    `by_name` compares enum members by their names alone, as an ordered index does.
    """
    if stored.canonical() == canonical_schema(today):
        return True
    node = stored.root
    if isinstance(today, RefColumn):
        return is_stable(stored, today.inner, by_name=by_name)
    if isinstance(node, dict):
        if "ref" in node:
            return is_stable(stored.part(node["stored"]), today, by_name=by_name)
        if "optional" in node:
            return is_stable(stored.part(node["optional"]), today, by_name=by_name)
        if "union" in node:
            return all(is_stable(stored.part(arm), today, by_name=by_name) for arm in node["union"])
        if "fixed" in node and isinstance(today, TupleColumn) and len(today.items) == len(node["tuple"]):
            pairs = zip(node["tuple"], today.items, strict=True)
            return all(is_stable(stored.part(old), new, by_name=by_name) for old, new in pairs)
        if "literal" in node and "convert" not in node:
            return is_stable(stored.part(node["stored"]), today, by_name=by_name)
        if today.describe() == "any" and _is_of_a_class(node):
            return True  # by its value, without the class: what is a key derives from a builtin type
    if isinstance(today, OptionalColumn):
        return is_stable(stored, today.inner, by_name=by_name)
    if isinstance(today, UnionColumn):
        return any(is_stable(stored, arm, by_name=by_name) for _, arm in today.arms[:-1])
    if isinstance(node, dict) and ("members" in node or "flags" in node):
        return isinstance(today, ConvertColumn) and _same_members(node, today, by_name)
    return _kind(node) == _kind(today.describe()) is not None


def _is_of_a_class(node: Any) -> bool:
    """Whether values of a schema are of a class that it names, and stored as what they derive from."""
    return "convert" in node and node["convert"] not in CONVERSIONS and "members" not in node and "flags" not in node


def _same_members(node: Any, today: ConvertColumn, by_name: bool) -> bool:
    """Whether members of an enum are found as before: by name, those that are numbers or text by value."""
    if node["convert"] != today.name or "literal" in today.about:
        return False
    if by_name or not issubclass(today.types[0], int | float | str | bytes):
        return True
    kind = "members" if "members" in node else "flags"
    now = dict(today.about.get(kind, ()))
    return all(now.get(name, value) == value is not None for name, value in node[kind])


def _kind(node: Any) -> str | None:
    """What keys of a type are by their bytes: a number, or a type of their own."""
    if isinstance(node, dict):
        if "convert" in node and "members" not in node and "flags" not in node:
            node = node["convert"]
        else:
            node = node.get("stored") if "literal" in node else None
    if node in NUMBERS:
        return "number"
    return node if node in ("text", "bytes", "bytearray", "none") else None
