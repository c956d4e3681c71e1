"""Whether a value that came back is the one that was stored: equal, and of the same type, to the bottom."""

from __future__ import annotations

import dataclasses
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from ..attributes import attributes, declared, may_be_left_out
from .marks import is_lazy_collection

_BUILTINS = (int, float, str, bytes, Decimal)  # whose subclasses may carry attributes that their `==` does not see
_PLAIN = (int, str, bytes, bool, float, list, dict, tuple)  # private attributes that must come back
_ATOMS = frozenset({int, str, bytes, bool, type(None), bytearray})


def alike(found: Any, value: Any) -> bool:
    """Whether `found` equals `value` and has its type, in every item too; NaN is alike NaN.

    Whatever the `__eq__` of a class raises counts as unequal.
    """
    try:
        return found is value or _alike(found, value)
    except Exception:
        return False


def _alike(found: Any, value: Any) -> bool:
    if is_lazy_collection(value):
        value = value.load()
    if is_lazy_collection(found):
        found = found.load()
    cls = value.__class__  # that of a lazy object is the class that it stands for
    if found.__class__ is not cls:
        return False
    if cls in _ATOMS:
        return bool(found == value)
    if cls is float:
        return repr(found) == repr(value)
    if issubclass(cls, BaseModel):
        return _models(found, value) or (cls.__eq__ is not BaseModel.__eq__ and bool(found == value))
    if issubclass(cls, list | tuple):
        same = len(found) == len(value) and all(map(_alike, found, value))
        return same and (cls in (list, tuple) or (found == value and _attributes(found, value)))
    if issubclass(cls, dict):
        same = len(found) == len(value) and all(map(_alike, found.items(), value.items()))
        if same and issubclass(cls, defaultdict) and not _factories(found.default_factory, value.default_factory):
            return False
        return same and (cls is dict or found == value)
    if _is_array(value):
        return _arrays(found, value)
    if value != value:
        return repr(found) == repr(value)
    if isinstance(value, _BUILTINS) and not _alike(getattr(found, "__dict__", {}), getattr(value, "__dict__", {})):
        return False
    return bool(found == value) and (not dataclasses.is_dataclass(cls) or _attributes(found, value))


def _attributes(found: Any, value: Any) -> bool:
    """Whether the attributes that are no fields are alike."""
    names = {field.name for field in dataclasses.fields(value)} if dataclasses.is_dataclass(value) else set()
    mine, theirs = attributes(value), attributes(found)
    return mine.keys() - names == theirs.keys() - names and all(_alike(theirs[n], mine[n]) for n in mine.keys() - names)


def _factories(found: Any, value: Any) -> bool:
    """Whether two factories are the same; Pydantic makes its own anew for each schema."""
    return found is value or {_module(found), _module(value)} == {"pydantic._internal._validators"}


def _module(factory: Any) -> Any:
    return getattr(factory, "__module__", None)


def _models(found: Any, value: Any) -> bool:
    # What else stands in the dictionary may be cached values, or what a serializer notes there.
    cls = value.__class__
    names = cls.__pydantic_fields__.keys() | {
        name for name in value.__dict__.keys() - declared(cls) if not may_be_left_out(cls, name)
    }
    mine, theirs = value.__dict__, found.__dict__
    if mine.keys() & names != theirs.keys() & names:
        return False
    if not all(_alike(theirs[name], mine[name]) for name in names if name in mine):
        return False
    if not _alike(found.__pydantic_extra__ or {}, value.__pydantic_extra__ or {}):
        return False
    private, other = value.__pydantic_private__ or {}, found.__pydantic_private__ or {}
    return all(_alike(other.get(name), each) for name, each in private.items() if type(each) in _PLAIN)


def parts_in(value: Any) -> Iterator[Any]:
    """What is not taken apart further, and the models, of a value, in an order that values which are alike share."""
    if isinstance(value, BaseModel):
        yield value
        for name in value.__class__.__pydantic_fields__:
            if name in value.__dict__:
                yield from parts_in(value.__dict__[name])
    elif isinstance(value, list | tuple):
        for each in value:
            yield from parts_in(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from parts_in(each)
    else:
        yield value


def models_in(value: Any) -> list[BaseModel]:
    """The models in a value."""
    return [each for each in parts_in(value) if isinstance(each, BaseModel)]


def details(value: Any) -> list[Any]:
    """What `==` of the numbers and times in `value` does not see: digits, zones."""
    return [_detail(each) for each in parts_in(value) if isinstance(each, Decimal | datetime | time)]


def _detail(value: Any) -> Any:
    if isinstance(value, Decimal):
        return value.as_tuple()
    return type(value.tzinfo), str(value.tzinfo), value.fold


def _is_array(value: Any) -> bool:
    np = sys.modules.get("numpy")
    return np is not None and isinstance(value, np.ndarray | np.generic)


def _arrays(found: Any, value: Any) -> bool:
    import numpy as np

    if found.dtype != value.dtype or found.shape != value.shape:
        return False
    if value.dtype.hasobject:
        return _alike(found.tolist(), value.tolist())
    try:
        return bool(np.array_equal(found, value, equal_nan=True))
    except TypeError:  # a dtype that has no NaN
        return bool(np.array_equal(found, value))
