"""Lazy collections that enter a field stay unread if it demands no more than theirs did.

Their items were validated on entry, so if both schemas are equal only the length is checked.
Otherwise the field's own validator gets a plain collection of the items, and its errors name
places.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Sized
from functools import partial
from typing import Any

from annotated_types import BaseMetadata, Len, MaxLen, MinLen
from pydantic import FailFast, Strict
from pydantic.fields import FieldInfo
from pydantic_core import PydanticKnownError

_LENGTHS = (MinLen, MaxLen)
_HARMLESS = (*_LENGTHS, Strict, FailFast)
_ASIDE = frozenset({"metadata", "serialization"})


def plain_items(value: Any) -> Any:
    """A plain list or dictionary of a lazy collection's items, which may be lazy."""
    return dict(value.items()) if isinstance(value, Mapping) else list(value)


def flat(metadata: Sequence[Any]) -> Iterator[Any]:
    """The metadata of a type; items grouped by `Field(...)` and `Len` are taken apart."""
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from flat(item.metadata)
        elif isinstance(item, Len):
            yield from item
        else:
            yield item


def rules_of(metadata: Sequence[Any]) -> list[Any]:
    """The metadata of a collection's type that may refuse or change values, lengths aside."""
    return [
        item
        for item in flat(metadata)
        if not isinstance(item, _HARMLESS)
        and (isinstance(item, BaseMetadata) or hasattr(item, "__get_pydantic_core_schema__"))
    ]


def check_length(value: Sized, metadata: Sequence[Any]) -> None:
    """Raise Pydantic's error where a collection's length breaks the rules in `metadata`."""
    size = len(value)
    kind = "Dictionary" if isinstance(value, Mapping) else "List"
    for item in flat(metadata):
        found = {"field_type": kind, "actual_length": size}
        if isinstance(item, MinLen) and size < item.min_length:
            raise PydanticKnownError("too_short", {**found, "min_length": item.min_length})
        if isinstance(item, MaxLen) and size > item.max_length:
            raise PydanticKnownError("too_long", {**found, "max_length": item.max_length})


def same_schema(one: Any, other: Any) -> bool:
    """Whether two core schemas validate alike; models are compared by class."""
    if one is other:
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        if one.get("type") == "model":
            return other.get("type") == "model" and one["cls"] is other["cls"]
        mine, theirs = one.keys() - _ASIDE, other.keys() - _ASIDE
        return mine == theirs and all(same_schema(one[key], other[key]) for key in mine)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same_schema, one, other))
    if isinstance(one, partial) and isinstance(other, partial):
        return one.func is other.func and same_schema(
            (one.args, list(one.keywords.items())), (other.args, list(other.keywords.items()))
        )
    return type(one) is type(other) and bool(one == other)
