"""`same`: equal in value and in type, all the way down."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import struct
from typing import Any

import numpy as np
from pydantic import BaseModel

__all__ = ["same"]


def same(a: Any, b: Any) -> bool:
    """Equal with equal types: NaN by bits, -0.0 apart from 0.0, models by class, fields, sets, extras, privates."""
    cls = a.__class__
    if cls is not b.__class__:
        return False
    if cls in _AS_EQUAL:
        return bool(a == b)
    if cls is list or cls is tuple:
        return _same_items(a, b)
    if dataclasses.is_dataclass(cls):
        names = [field.name for field in dataclasses.fields(a)]
        if not all(same(getattr(a, name, _MISSING), getattr(b, name, _MISSING)) for name in names):
            return False
        if not isinstance(a, dict | list | str):  # which hold something beside their fields
            return same(getattr(a, "args", ()), getattr(b, "args", ()))
    if isinstance(a, float) and cls is not np.float64:
        return struct.pack("<d", a) == struct.pack("<d", b)
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, BaseModel):
        return _same_models(a, b)
    if isinstance(a, dict):
        if getattr(a, "default_factory", None) is not getattr(b, "default_factory", None):
            return False
        return _same_items(list(a), list(b)) and _same_items(list(a.values()), list(b.values()))
    if isinstance(a, list | tuple | collections.deque):
        return len(a) == len(b) and getattr(a, "maxlen", 0) == getattr(b, "maxlen", 0) and all(map(same, a, b))
    if isinstance(a, set | frozenset):
        return len(a) == len(b) and _same_sets(a, b)
    if isinstance(a, np.ndarray | np.generic):
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    if isinstance(a, decimal.Decimal):
        return a.as_tuple() == b.as_tuple()
    if isinstance(a, dt.datetime | dt.time):
        return all(getattr(a, name, 0) == getattr(b, name, 0) for name in _OF_TIMES) and bool(_zone(a) == _zone(b))
    if hasattr(cls, "get_secret_value"):
        return same(a.get_secret_value(), b.get_secret_value())
    if isinstance(a, str):
        return str.__str__(a) == str.__str__(b)
    return bool(a == b)


_MISSING = "a missing attribute"
_OF_TIMES = ("year", "month", "day", "hour", "minute", "second", "microsecond", "fold")
_AS_EQUAL = frozenset({int, str, bytes, bool, type(None)})  # most values are of these, and nothing hides in them


def _same_items(a: Any, b: Any) -> bool:
    if len(a) != len(b):
        return False
    types = set(map(type, a))
    if types <= _AS_EQUAL:
        return bool(a == b) and list(map(type, a)) == list(map(type, b))
    return all(map(same, a, b))


def _same_models(a: BaseModel, b: BaseModel) -> bool:
    mine, theirs = a.__dict__, b.__dict__
    return (
        _same_items(list(mine), list(theirs))
        and all(map(same, mine.values(), theirs.values()))
        and a.model_fields_set == b.model_fields_set
        and same(a.__pydantic_extra__, b.__pydantic_extra__)
        and same(_sorted(a.__pydantic_private__), _sorted(b.__pydantic_private__))
    )


def _sorted(private: dict[str, Any] | None) -> Any:
    return private and dict(sorted(private.items()))  # their order is that of their assignment, and says nothing


def _same_sets(a: Any, b: Any) -> bool:
    others = {value: value for value in b}
    if all(value in others for value in a):
        return all(same(value, others[value]) for value in a)
    return all(map(same, sorted(a, key=repr), sorted(b, key=repr)))  # NaNs among them


def _zone(moment: Any) -> Any:
    zone = moment.tzinfo
    return type(zone), str(zone), repr(zone)
