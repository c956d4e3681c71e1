"""The rows of a collection as plain values: what is exported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json

from ..codec.refs import Ref
from ..codec.schema import describe
from ..codec.types.compile import struct_for
from ..errors import EncodeError, told
from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..query.expressions.building import attribute
from ..query.expressions.functions import func
from ..query.expressions.nodes import Item
from ..query.expressions.selectables import model_of
from ..query.statements.statement import Select, select

BLOCK = 4096  # rows at once


class Described(NamedTuple):
    """What the schema says of a column: its description, and the structs that this names; None for "unknown"."""

    node: Any
    structs: dict[str, Any]


def statement_of(rows: Any) -> Select[Any]:
    """The statement that selects all fields of the rows, with the key first if they are in a dictionary.

    Rows without fields have one column, `value`.
    """
    model = model_of(rows)
    fields = [] if model is None else [name for name, _ in _fields(model)[0]]
    outputs: list[Any] = []
    if isinstance(rows, LazyMap):
        name = "key"
        while name in fields:
            name += "_"
        outputs.append(func.key().label(name))
    if model is None:
        outputs.append(func.item().label("value"))
    else:
        outputs += [attribute(Item(model), name).label(name) for name in fields]
    return select(*outputs).select_from(rows)


def described(rows: Any, names: list[str]) -> list[Described | None]:
    """What is known of the columns `names` of a statement over `rows`."""
    model = model_of(rows)
    fields, structs = ([], {}) if model is None else _fields(model)
    known = dict(fields)
    return [Described(known[name], structs) if name in known else None for name in names]


def _fields(model: Any) -> tuple[list[tuple[str, Any]], dict[str, Any]]:
    found = describe(struct_for(model))
    structs = found["structs"]
    body = structs[found["root"]["struct"]]
    return [(name, node) for name, node in body["fields"] if not name.startswith("(")], structs


def blocks(result: Any) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a result as tuples of plain values, some thousand at a time."""
    for part in result.partitions(BLOCK):
        yield [tuple(map(plain, row)) for row in part]


def plain(value: Any) -> Any:
    """A value without models, lazy collections and references: a model is the dictionary of its fields."""
    if isinstance(value, LazyList | LazyMap):
        value = value.load()
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Ref):
        return value.key
    if type(value) is list:
        return [plain(each) for each in value] if value and _has_parts(value[0]) else value
    if type(value) is dict:
        return {key: plain(each) for key, each in value.items()}
    return value


def _has_parts(value: Any) -> bool:
    return isinstance(value, BaseModel | Ref | list | dict | LazyList | LazyMap)


def json_of(value: Any) -> bytes:
    """A plain value as JSON: bytes as base64, NaN and infinities as texts.

    Raises:
        EncodeError: it cannot be written so.
    """
    try:
        return to_json(value, bytes_mode="base64", inf_nan_mode="strings", fallback=_unknown)
    except (PydanticSerializationError, ValueError) as problem:
        raise EncodeError(f"{told(value)} cannot be written as JSON: {problem}") from problem


def _unknown(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def text_of(value: Any) -> str:
    """A plain value as a text: a text as it is, anything else as in JSON, without the quotes around a text.

    Raises:
        EncodeError: it cannot be written as JSON.
    """
    if type(value) is str:
        return value
    found = json_of(value).decode()
    return str(json.loads(found)) if found.startswith('"') else found
