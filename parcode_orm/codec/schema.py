"""The schema of a column in canonical bytes, its fingerprint, and differences of two."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeGuard

import msgspec

from ..format.checksum import checksum, fingerprint
from ..stack import carried, is_deep, on_fresh_stack
from .base import Column

_encode = msgspec.json.Encoder(order="sorted").encode


class _Definitions(threading.local):
    """The structs met while a schema is described: their keys by column id, their bodies by key.

    An interrupt may leave what was met. The next description begins without it.
    """

    keys: dict[int, str] | None = None
    found: dict[str, Any]
    unfinished: list[str]


_now = _Definitions()
carried(_now)


def describe(column: Column) -> Any:
    """The column's schema in lists, dicts, strings and numbers.

    `{"root": ..., "structs": {name: ...}}`, where a struct stands as `{"struct": name}` wherever it
    occurs, so that a class may hold itself. Two classes of one name are told apart by a number.
    """
    _now.keys, _now.found, _now.unfinished = {}, {}, []
    try:
        root = column.describe()
        return {"root": root, "structs": _now.found}
    finally:
        _now.keys = None


def define(column: Column, name: str, body: Callable[[], Any]) -> Any:
    """A struct column's description of itself: its key. The first time, `body()` is noted."""
    if _now.keys is None:
        return describe(column)
    key = _now.keys.get(id(column))
    if key is None:
        key, number = name, 1
        while key in _now.found:
            number += 1
            key = f"{name}#{number}"
        _now.keys[id(column)] = key
        _now.found[key] = None
        _now.found[key] = on_fresh_stack(body) if is_deep() else body()
    return {"struct": key}


def unfinished(name: str) -> None:
    """The struct being described is not complete yet: the description is not kept."""
    if _now.keys is not None:
        _now.unfinished.append(name)


class Known(NamedTuple):
    """A column's canonical schema and its fingerprints."""

    schema: bytes
    long: str
    short: int


class _Keeping(Protocol):
    schema_known: Known | None


def _keeps(column: object) -> TypeGuard[_Keeping]:
    return hasattr(type(column), "schema_known")


def known(column: Column) -> Known:
    """The column's schema. Columns of classes, texts and numbers keep it in `schema_known`."""
    found: Known | None = getattr(column, "schema_known", None)
    if found is not None:
        return found
    schema = _encode(describe(column))
    found = Known(schema, fingerprint(schema), checksum(schema))
    if not _now.unfinished and _keeps(column):
        column.schema_known = found
    return found


def canonical_schema(column: Column) -> bytes:
    """The schema as JSON with sorted keys and no blanks: equal schemas give equal bytes."""
    return known(column).schema


def fingerprint_of(column: Column) -> str:
    """XXH3-128 of the canonical schema, in hexadecimal."""
    return known(column).long


def short_fingerprint(*columns: Column) -> int:
    """XXH3-64 of the canonical schemas of neighbouring columns, for a row group's header."""
    if len(columns) == 1:
        return known(columns[0]).short
    return checksum(b"\n".join(map(canonical_schema, columns)))


def differences(stored: Any, current: Any) -> list[str]:
    """The differences of two descriptions, the older one first, one a line.

    Both are what `describe` gave, or its canonical bytes.
    """
    old, new = _loaded(stored), _loaded(current)
    old_structs, new_structs = old.get("structs", {}), new.get("structs", {})
    found: list[str] = []
    _compare(old.get("root"), new.get("root"), "", found)
    for name, body in old_structs.items():
        if name in new_structs:
            _compare_structs(body, new_structs[name], name, found)
    return list(dict.fromkeys(found))


def _loaded(schema: Any) -> Any:
    loaded = msgspec.json.decode(schema) if isinstance(schema, bytes | bytearray | memoryview) else schema
    return loaded if isinstance(loaded, dict) else {"root": loaded}


def _compare(old: Any, new: Any, where: str, found: list[str]) -> None:
    if old != new:
        place = f"{where}: " if where else ""
        found.append(f"{place}{brief(old)} became {brief(new)}")


def _compare_structs(old: Any, new: Any, name: str, found: list[str]) -> None:
    for part, what in (("fields", "field"), ("privates", "private attribute")):
        before, after = dict(old.get(part, ())), dict(new.get(part, ()))
        found += [f"{name}.{field}: this {what} is gone" for field in before if field not in after]
        found += [f"{name}.{field}: this {what} is new" for field in after if field not in before]
        for field, schema in before.items():
            if field in after:
                _compare(schema, after[field], f"{name}.{field}", found)
        shared = [field for field in before if field in after]
        if shared != [field for field in after if field in before]:
            found.append(f"{name}: the order of its {what}s is another")
    if ("extra" in old) != ("extra" in new):
        found.append(f"{name}: extra values are stored {'no more' if 'extra' in old else 'now'}")
    elif old.get("extra") != new.get("extra"):
        _compare(old.get("extra"), new.get("extra"), f"{name}, extra fields", found)
    before, now = old.get("version", 1), new.get("version", 1)
    if before != now:
        found.append(f"{name}: version {before} became version {now}")
    if old.get("kind") != new.get("kind"):
        found.append(f"{name}: a {old.get('kind')} became a {new.get('kind')}")


def brief(schema: Any) -> str:
    """A schema as a user would write the type, more or less."""
    if isinstance(schema, str):
        return "str" if schema == "text" else "Any" if schema == "any" else schema
    if not isinstance(schema, dict) or not schema:
        return str(schema)
    if "struct" in schema:
        return str(schema["struct"])
    if "optional" in schema:
        return f"{brief(schema['optional'])} | None"
    if "union" in schema:
        return " | ".join(map(brief, schema["union"]))
    if "ref" in schema:
        return f"Ref[{schema['ref']}]"
    if "convert" in schema:
        return str(schema["convert"])
    kind, inner = next(iter(schema.items()))
    if isinstance(inner, list):
        return f"{kind}[{', '.join(map(brief, inner))}]"
    return f"{kind}[{brief(inner)}]" if isinstance(inner, dict | str) else str(kind)
