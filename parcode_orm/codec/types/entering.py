"""Lazy collections that enter a field: they stay as they are, and unread, where the field asks no more than theirs did.

Their items were validated when they were put in. So what remains where both schemas are equal is the length. Elsewhere
the field's own validator gets a plain collection of the items, and its errors say where they are.
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
    """A plain list or dictionary of the items of a lazy collection, lazy ones among them as they are."""
    return dict(value.items()) if isinstance(value, Mapping) else list(value)


def flat(metadata: Sequence[Any]) -> Iterator[Any]:
    """What stands in the metadata of a type, what `Field(...)` and `Len` group taken apart."""
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from flat(item.metadata)
        elif isinstance(item, Len):
            yield from item
        else:
            yield item


def rules_of(metadata: Sequence[Any]) -> list[Any]:
    """What in the metadata of a collection's type may refuse or change its values, lengths aside."""
    return [
        item
        for item in flat(metadata)
        if not isinstance(item, _HARMLESS)
        and (isinstance(item, BaseMetadata) or hasattr(item, "__get_pydantic_core_schema__"))
    ]


def check_length(value: Sized, metadata: Sequence[Any]) -> None:
    """Raise Pydantic's error where a collection is longer or shorter than the metadata of its type says."""
    size = len(value)
    kind = "Dictionary" if isinstance(value, Mapping) else "List"
    for item in flat(metadata):
        found = {"field_type": kind, "actual_length": size}
        if isinstance(item, MinLen) and size < item.min_length:
            raise PydanticKnownError("too_short", {**found, "min_length": item.min_length})
        if isinstance(item, MaxLen) and size > item.max_length:
            raise PydanticKnownError("too_long", {**found, "max_length": item.max_length})


def same_schema(one: Any, other: Any) -> bool:
    """Whether two core schemas validate alike. A model has one schema, so the classes of models are compared."""
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
