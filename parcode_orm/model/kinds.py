"""What an annotation says of the values of an expression: which kinds they are, and which fields they have.

A kind is a word such as "number" or "text", or an enum. Values of two kinds are never equal and have no order, so a
comparison of them is a mistake, and it is found where it is written. `None` for kinds says that nothing is known.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import (
    Any,
    Literal,
    get_args,
    get_origin,
    get_type_hints,
)
from uuid import UUID

from pydantic import BaseModel
from typing_extensions import is_typeddict

from ..codec.aliases import union_of
from .annotations import arms, present
from .references import key_type_of, referred_class

Kinds = frozenset[Any]
NONE = "None"
_KINDS: tuple[tuple[Any, str], ...] = (
    ((bool, int, float, Decimal, Fraction, complex), "number"),
    (str, "text"),
    ((bytes, bytearray), "bytes"),
    (datetime, "datetime"),
    (date, "date"),
    (time, "time"),
    (timedelta, "duration"),
    (UUID, "UUID"),
)
PARTS: dict[str, dict[str, Any]] = {
    "date": dict.fromkeys(("year", "month", "day"), int),
    "time": dict.fromkeys(("hour", "minute", "second", "microsecond"), int),
    "duration": dict.fromkeys(("days", "seconds", "microseconds"), int),
}
PARTS["datetime"] = {**PARTS["date"], **PARTS["time"]}


_OF_TYPES: dict[type, Kinds] = {
    **{cls: frozenset({"number"}) for cls in (int, float, bool, Decimal)},
    **{cls: frozenset({kind}) for cls, kind in _KINDS[1:] if isinstance(cls, type)},
    type(None): frozenset({NONE}),
}
"""The kinds of values of the types that most fields have."""


def kinds_of(tp: Any) -> Kinds | None:
    """The kinds of the values of `tp`; None where one is not known."""
    if type(tp) is type and tp in _OF_TYPES:
        return _OF_TYPES[tp]
    found: set[Any] = set()
    for arm in arms(tp):
        kinds = _kinds_of_arm(arm)
        if kinds is None:
            return None
        found |= kinds
    return frozenset(found)


def _kinds_of_arm(arm: Any) -> set[Any] | None:
    if referred_class(arm) is not None:  # in queries, a reference is its key
        kinds = kinds_of(key_type_of(arm))
        return None if kinds is None else set(kinds)
    if arm is None or arm is type(None):
        return {NONE}
    if get_origin(arm) is Literal:
        return {kind for value in get_args(arm) for kind in kinds_of_value(value) or ()}
    if not isinstance(arm, type):
        return None
    if issubclass(arm, enum.Enum):
        mixed = _plain_kind(arm)
        return {arm} if mixed is None else {arm, mixed}
    kind = _plain_kind(arm)
    return None if kind is None else {kind}


def _plain_kind(cls: type) -> str | None:
    return next((kind for classes, kind in _KINDS if issubclass(cls, classes)), None)


def kinds_of_value(value: Any) -> Kinds | None:
    """The kinds of a value; None where it is of none."""
    known = _OF_TYPES.get(type(value))
    if known is not None:
        return known
    found = _kinds_of_arm(type(value))
    return None if found is None else frozenset(found)


def has_fields(tp: Any) -> bool:
    """Whether `tp` is a class that is stored field by field."""
    return (isinstance(tp, type) and issubclass(tp, BaseModel)) or fields_of(tp) is not None


def fields_of(tp: Any) -> Mapping[str, Any] | None:
    """The types of the fields of a class that is stored field by field; None for any other type."""
    cls = get_origin(tp) or tp
    if not isinstance(cls, type):
        return None
    if issubclass(cls, BaseModel):
        return {name: info.annotation for name, info in cls.__pydantic_fields__.items()}
    if dataclasses.is_dataclass(cls):
        return _hints(cls, [field.name for field in dataclasses.fields(cls)])
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return _hints(cls, cls._fields)
    if is_typeddict(cls):
        return _hints(cls, cls.__annotations__)
    return None


def _hints(cls: type, names: Iterable[str]) -> dict[str, Any]:
    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError:
        hints = {}
    return {name: hints.get(name, Any) for name in names}


def item_type(tp: Any) -> Any:
    """The type of the items of a list, set or tuple type, or of the values of a dictionary type; else `Any`."""
    tp = present(tp)
    origin, args = get_origin(tp), get_args(tp)
    if not isinstance(origin, type) or not args:
        return Any
    if issubclass(origin, Mapping):
        return args[1] if len(args) == 2 else Any
    if issubclass(origin, tuple) and not (len(args) == 2 and args[1] is ...):
        return union_of(args)
    return args[0]
