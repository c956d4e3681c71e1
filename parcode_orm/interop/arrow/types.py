"""Which type of Arrow the values of a stored type have. docs/guide/arrow.md has the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from ...codec.stored import LISTS, MAPS
from ...errors import EncodeError
from ..formats import pyarrow
from ..rows import text_of

Convert = Callable[[Any], Any]
DEEP = 32  # structs in each other; a class that holds itself is text from there on
NAIVE = ""  # in the place of a zone: datetimes without one


class Mapped(NamedTuple):
    """How values are a column of Arrow: its type, and what makes one of its values of a plain value that is not None.

    `parts` are the fields of a struct, the items of a list, the keys and values of a map, or the words of a
    dictionary. `convert` is None where a plain value is one of Arrow already.
    """

    type: Any
    convert: Convert | None = None
    parts: tuple[Mapped, ...] = ()

    @property
    def coded(self) -> Mapped:
        """The column of codes into its values."""
        arrow = pyarrow()
        return Mapped(arrow.dictionary(arrow.int32(), self.type), self.convert, (self,))


def mapped(node: Any, structs: dict[str, Any], zone: str = NAIVE, *, coded: bool = True, deep: int = 0) -> Mapped:
    """The column for values of a described type.

    Args:
        node: the description of the type, as schemas have it.
        structs: the descriptions of the structs that it names.
        zone: the time zone of datetimes, NAIVE without one.
        coded: whether members of enums, and literals that are texts, are dictionaries.
        deep: how many structs are around it.
    """
    arrow = pyarrow()
    if isinstance(node, str):
        return _atoms(arrow)[node]
    for around in ("optional", "chunk", "map"):
        if around in node:
            return mapped(node[around], structs, zone, coded=coded, deep=deep)
    if "ref" in node:
        return mapped(node["stored"], structs, zone, coded=coded, deep=deep)
    converted = node.get("convert")
    if converted in _SIMPLE:
        return Mapped(getattr(arrow, _SIMPLE[converted][0])(*_SIMPLE[converted][1:]))
    if converted == "datetime":
        return Mapped(arrow.timestamp("us", zone or None), _aware if zone else _naive)
    if "members" in node or "literal" in node:
        return _choices(node, coded)
    if "array" in node:
        return _array(arrow, node["array"])
    if "struct" in node and deep < DEEP:
        return _struct(structs, node["struct"], zone, coded, deep + 1)
    kinds = node.keys() & (LISTS | MAPS)
    if not kinds or "fixed" in node:
        return Mapped(arrow.string(), text_of)
    (kind,) = kinds
    if kind in MAPS:
        key, value = (mapped(each, structs, zone, coded=coded, deep=deep) for each in node[kind])
        return Mapped(arrow.map_(key.type, value.type), lambda pairs: _pairs(pairs, key, value), (key, value))
    item = mapped(node[kind], structs, zone, coded=coded, deep=deep)
    convert = list if item.convert is None else lambda items: [_one(item, each) for each in items]
    return Mapped(arrow.list_(item.type), convert, (item,))


def has_moments(node: Any, structs: dict[str, Any], seen: frozenset[str] = frozenset()) -> bool:
    """Whether there are datetimes among values of a described type: their first one says whether they have a zone."""
    if isinstance(node, list):
        return any(has_moments(each, structs, seen) for each in node)
    if not isinstance(node, dict):
        return False
    name = node.get("struct")
    if isinstance(name, str):
        return name not in seen and has_moments(structs[name]["fields"], structs, seen | {name})
    return node.get("convert") == "datetime" or any(has_moments(each, structs, seen) for each in node.values())


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise EncodeError(f"{value} has no time zone, and others of its column do: a column of Arrow has one zone")
    return value


def _naive(value: datetime) -> datetime:
    if value.tzinfo is not None:
        raise EncodeError(f"{value} has a time zone, and others of its column do not: a column of Arrow has one zone")
    return value


def _pairs(pairs: dict[Any, Any], key: Mapped, value: Mapped) -> list[tuple[Any, Any]]:
    return [(_one(key, each), _one(value, other)) for each, other in pairs.items()]


def _one(part: Mapped, value: Any) -> Any:
    return value if part.convert is None or value is None else part.convert(value)


def _choices(node: dict[str, Any], coded: bool) -> Mapped:
    """Members of an enum, and literals: integers where all are, else texts."""
    arrow = pyarrow()
    values = [value for _, value in node["members"]] if "members" in node else node["literal"]
    if values and all(type(value) is int for value in values):
        return Mapped(arrow.int64(), lambda value: getattr(value, "value", value))
    text = Mapped(arrow.string(), text_of)
    return text.coded if coded else text


def _array(arrow: Any, dtype: str) -> Mapped:
    """Arrays of numbers with one dimension as lists; other ones as texts."""
    import numpy as np

    found = json.loads(dtype)
    if not isinstance(found, str) or np.dtype(found).kind not in "iufb":
        return Mapped(arrow.string(), text_of)
    item = Mapped(arrow.from_numpy_dtype(np.dtype(found).newbyteorder("=")))
    return Mapped(arrow.list_(item.type), None)


def _struct(structs: dict[str, Any], name: str, zone: str, coded: bool, deep: int) -> Mapped:
    arrow, body = pyarrow(), structs[name]
    parts = {
        name: mapped(node, structs, zone, coded=coded, deep=deep)
        for name, node in body["fields"]
        if not name.startswith("(")
    }
    if not parts or body["kind"] == "root model":  # several readers lose structs without fields
        return Mapped(arrow.string(), text_of)
    read: Callable[[Any, str], Any] = dict.get if body["kind"] in ("model", "base model", "typed dict") else getattr

    def convert(value: Any) -> dict[str, Any]:
        return {name: _one(part, read(value, name)) for name, part in parts.items()}

    return Mapped(arrow.struct([(name, part.type) for name, part in parts.items()]), convert, tuple(parts.values()))


_SIMPLE: dict[str, tuple[Any, ...]] = {
    "date": ("date32",),
    "time": ("time64", "us"),
    "timedelta": ("duration", "us"),
}


def _atoms(arrow: Any) -> dict[str, Mapped]:
    return {
        "int": Mapped(arrow.int64()),
        "float": Mapped(arrow.float64()),
        "bool": Mapped(arrow.bool_()),
        "text": Mapped(arrow.string()),
        "bytes": Mapped(arrow.binary()),
        "bytearray": Mapped(arrow.binary(), bytes),
        "none": Mapped(arrow.null()),
        "any": Mapped(arrow.string(), text_of),
    }
