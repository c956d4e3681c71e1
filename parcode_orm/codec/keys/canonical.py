"""Canonical bytes of dictionary keys: keys equal in Python give equal bytes and hashes.

Text is its UTF-8. All other keys start with 0xFF, which occurs in no UTF-8, and a letter. Numbers
are one family: `1`, `True`, `1.0`, `Decimal(1)`, `Fraction(1)` and `1+0j` are the integer 1; an
`IntEnum` or `StrEnum` member is its value. Aware times are instants. NaN equals nothing, not
itself: all NaN have the same bytes here, so that one is found again as a candidate, but comparing
it by `==` fails, as it does in a dictionary unless it is the same object.
"""

from __future__ import annotations

import dataclasses
import enum
import re
from array import array
from collections.abc import Callable, Hashable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from itertools import repeat
from pathlib import PurePath, PureWindowsPath
from typing import Any
from uuid import UUID

from pydantic import BaseModel, RootModel, Secret, SecretBytes, SecretStr
from xxhash import xxh3_64_intdigest

from parcode_orm.native import compiled

from ...errors import EncodeError
from ..classes.named import flag_name
from ..classes.urls import URLS
from ..zones import microseconds
from .numbers import INT, INT64, MAX, MIN, complexes, decimal, joined, ratio, real, whole

_IP = (IPv4Interface, IPv4Network, IPv4Address, IPv6Interface, IPv6Network, IPv6Address)
_EPOCH = datetime(1970, 1, 1)
_FIRST, _LAST = microseconds(datetime.min - _EPOCH), microseconds(datetime.max - _EPOCH)
# numpy's units: months, and attoseconds.
_MONTHS = {"Y": 12, "M": 1}
_ATTOS = {"as": 1, "fs": 10**3, "ps": 10**6, "ns": 10**9, "us": 10**12, "ms": 10**15, "s": 10**18}
_ATTOS |= {"m": 60 * 10**18, "h": 3_600 * 10**18, "D": 86_400 * 10**18, "W": 604_800 * 10**18}


class EqualityUnknown(EncodeError):
    """A key of a class with an `__eq__` of its own: its canonical bytes cannot be known."""


def key_hash(key: Any) -> int:
    """XXH3-64 of `canonical(key)`."""
    if type(key) is str:
        try:
            return xxh3_64_intdigest(key.encode())
        except UnicodeEncodeError:
            pass
    return xxh3_64_intdigest(canonical(key))


def hash_keys(keys: Sequence[Any], seed: int = 0) -> array[int]:
    """XXH3-64 of `canonical` of each of `keys`, as an array of 64 bits."""
    plain = hash_plain(keys, seed)
    if plain is None:
        return array("Q", map(xxh3_64_intdigest, canonical_keys(keys), repeat(seed)))
    return array("Q", plain)


@compiled
def hash_plain(keys: Sequence[Any], seed: int) -> bytes | None:
    """`hash_keys` of keys that are all exactly texts, or all ints of 64 bits, as bytes; None for others."""
    found = _plain_keys(keys, set(map(type, keys)))
    return None if found is None else array("Q", map(xxh3_64_intdigest, found, repeat(seed))).tobytes()


def canonical_keys(keys: Sequence[Any]) -> list[bytes]:
    """`canonical` of each of `keys`; fast where all are text, or all ints of 64 bits."""
    found = _plain_keys(keys, set(map(type, keys)))
    return list(map(canonical, keys)) if found is None else found


def _plain_keys(keys: Sequence[Any], types: set[type]) -> list[bytes] | None:
    if types <= {str}:
        try:
            return list(map(str.encode, keys))
        except UnicodeEncodeError:
            return list(map(_text, keys))
    if types == {int} and MIN <= min(keys) and max(keys) <= MAX:
        packed = INT64
        return [packed(INT, key) for key in keys]
    return None


def canonical(key: Any) -> bytes:
    """Bytes that are equal for equal keys.

    Raises:
        EncodeError: a key of a class whose instances are equal to nothing but themselves.
        EqualityUnknown: a key of a class with an `__eq__` of its own.
    """
    cls = type(key)
    if cls is str:
        return _text(key)
    if cls is int:
        return whole(key)
    handler = _HANDLERS.get(cls)
    if handler is None:
        handler = handler_of(key.__class__)
    return handler(key)


def holds_nan(key: Any) -> bool:
    """Whether a NaN stands in `key`, which therefore equals no key that is another object."""
    if isinstance(key, tuple | frozenset):
        return any(map(holds_nan, key))
    if isinstance(key, BaseModel):
        return any(map(holds_nan, vars(key).values()))
    if dataclasses.is_dataclass(key):
        return any(holds_nan(getattr(key, name)) for name in _compared(key.__class__))
    return bool(key != key)


def _text(key: str) -> bytes:
    return str.encode(key, "utf-8", "surrogatepass")


def _tuple(key: tuple[Any, ...]) -> bytes:
    return b"\xfft" + joined([canonical(item) for item in key])


def _frozenset(key: frozenset[Any]) -> bytes:
    return b"\xfff" + joined(sorted(map(canonical, key)))


def _datetime(key: datetime) -> bytes:
    # Python compares and hashes aware times by the offset of fold=0.
    offset = key.replace(fold=0).utcoffset()
    wall = microseconds(key.replace(tzinfo=None) - _EPOCH)
    if offset is None:
        return INT64(b"\xffD", wall)
    return INT64(b"\xffA", wall - microseconds(offset))


def _time(key: time) -> bytes:
    offset = key.utcoffset()
    wall = ((key.hour * 60 + key.minute) * 60 + key.second) * 1_000_000 + key.microsecond
    if offset is None:
        return INT64(b"\xffT", wall)
    return INT64(b"\xffV", wall - microseconds(offset))


def _path(key: PurePath) -> bytes:
    # Windows paths compare without case.
    if isinstance(key, PureWindowsPath):
        return b"\xffw" + _text(str(key).lower())
    return b"\xffp" + _text(str(key))


def _range(key: range) -> bytes:
    first = key[0] if key else None
    step = key.step if len(key) > 1 else None
    return b"\xffr" + joined([whole(len(key)), canonical(first), canonical(step)])


def _member(key: enum.Enum) -> bytes:
    # Not the value: a member is stored by its name, and its value may change.
    cls = type(key)
    name = "|".join(sorted(flag_name(cls, key).split("|"))) if isinstance(key, enum.Flag) else key._name_
    return b"\xffe" + joined([_text(cls.__qualname__), _text(name)])


def _model(key: BaseModel) -> bytes:
    # As `BaseModel.__eq__`: fields and extra values, of classes of one generic origin; cached
    # properties do not count.
    cls, values = key.__class__, vars(key)
    name = (cls.__pydantic_generic_metadata__["origin"] or cls).__qualname__
    parts = [canonical(values[field]) if field in values else b"" for field in cls.__pydantic_fields__]
    if key.__pydantic_extra__:
        parts.append(_tuple(tuple(sorted(key.__pydantic_extra__.items()))))
    return b"\xffm" + joined([_text(name), *parts])


@lru_cache(1024)
def _compared(cls: Hashable) -> list[str]:
    """The fields that a dataclass's `__eq__` compares: fields of the class it was made for."""
    assert isinstance(cls, type)
    made_for: Any = next(each for each in cls.__mro__ if "__eq__" in vars(each))
    return [field.name for field in dataclasses.fields(made_for) if field.compare]


def _dataclass(key: Any) -> bytes:
    values = [canonical(getattr(key, name)) for name in _compared(key.__class__)]
    return b"\xffm" + joined([_text(type(key).__qualname__), *values])


def _pattern(key: re.Pattern[Any]) -> bytes:
    return b"\xffR" + joined([canonical(key.pattern), whole(key.flags)])


def _ip(cls: type) -> Callable[[Any], bytes]:
    return lambda key: b"\xffa" + joined([_text(cls.__name__), _text(str(key))])


def _numpy(key: Any) -> bytes:
    kind = key.dtype.kind
    if kind in "Mm":
        return _numpy_moment(key) if kind == "M" else _numpy_span(key)
    if kind in "US":
        return _text(key) if kind == "U" else b"\xffb" + bytes.__getitem__(key, slice(None))
    value = key.item()
    if value.__class__.__module__ != "numpy" and kind != "V":
        return canonical(value)
    # A float of more bits.
    if hasattr(key, "as_integer_ratio") and key == key and abs(key) != float("inf"):
        return ratio(*key.as_integer_ratio())
    raise EqualityUnknown("numpy scalars of this kind cannot be keys", value_type=type(key))


def _numpy_moment(key: Any) -> bytes:
    # Equal in every unit. Moments that a datetime can hold have its hash, and most are equal to it.
    if key != key:
        return b"\xffMNaT"
    unit, number = _unit_of(key)
    if unit in _MONTHS:
        import numpy

        day: Any = numpy.array(int(key.astype("i8")) * number, f"M8[{unit}]").astype("M8[D]")
        atoms = int(day.astype("i8")) * _ATTOS["D"]
    else:
        atoms = int(key.astype("i8")) * number * _ATTOS[unit]
    micro, rest = divmod(atoms, _ATTOS["us"])
    if not rest and _FIRST <= micro <= _LAST:
        return INT64(b"\xffD", micro)
    return b"\xffM" + whole(atoms)


def _numpy_span(key: Any) -> bytes:
    if key != key:
        return b"\xffLNaT"
    unit, number = _unit_of(key)
    if unit in _MONTHS:
        return b"\xffY" + whole(int(key.astype("i8")) * number * _MONTHS[unit])
    if unit not in _ATTOS:
        raise EqualityUnknown("a timedelta64 without a unit is equal to one of any unit", value_type=type(key))
    micro, rest = divmod(int(key.astype("i8")) * number * _ATTOS[unit], _ATTOS["us"])
    return b"\xffl" + whole(micro) if not rest else b"\xffL" + joined([whole(micro), whole(rest)])


def _unit_of(key: Any) -> tuple[str, int]:
    import numpy

    unit, number = numpy.datetime_data(key.dtype)
    return unit, number


def _by_class_and_text(key: Any) -> bytes:
    return b"\xffu" + joined([_text(type(key).__qualname__), _text(str(key))])


def _secret(key: Any) -> bytes:
    return b"\xffS" + joined([_text(type(key).__qualname__), canonical(key.get_secret_value())])


_HANDLERS: dict[type, Callable[[Any], bytes]] = {
    str: _text,
    int: whole,
    bool: lambda key: INT64(INT, key),
    float: real,
    type(None): lambda key: b"\xffN",
    bytes: lambda key: b"\xffb" + bytes(key),
    memoryview: lambda key: b"\xffb" + key.tobytes(),
    Decimal: decimal,
    Fraction: lambda key: ratio(key.numerator, key.denominator),
    complex: complexes,
    tuple: _tuple,
    frozenset: _frozenset,
    datetime: _datetime,
    date: lambda key: INT64(b"\xffd", key.toordinal()),
    time: _time,
    timedelta: lambda key: b"\xffl" + whole(microseconds(key)),
    UUID: lambda key: b"\xffU" + key.bytes,
    range: _range,
    re.Pattern: _pattern,
    **{cls: _ip(cls) for cls in _IP},
}
# Whose subclasses are equal as they are; the order matters: a datetime is a date, and so may be a
# member of an enum.
_FAMILIES: tuple[tuple[type, Callable[[Any], bytes]], ...] = (
    (int, lambda key: whole(int.__index__(key))),
    *((cls, _HANDLERS[cls]) for cls in (str, float, bytes, Decimal, Fraction, complex, tuple, frozenset)),
    *((cls, _HANDLERS[cls]) for cls in (datetime, date, time, timedelta, UUID, *_IP)),
    (PurePath, _path),
    (enum.Enum, _member),
    (RootModel, _model),
    (BaseModel, _model),
    *((cls, _by_class_and_text) for cls in URLS),
    *((cls, _secret) for cls in (SecretStr, SecretBytes, Secret)),
)


@lru_cache(1024)
def handler_of(cls: type) -> Callable[[Any], bytes]:
    """The function that gives the canonical bytes of keys of a class.

    Raises:
        EncodeError, EqualityUnknown: as `canonical`.
    """
    if cls in _HANDLERS:
        return _HANDLERS[cls]
    if cls.__module__ == "numpy" and hasattr(cls, "item"):
        return _numpy
    equals: Any = cls.__eq__
    family = next((family for family in _FAMILIES if issubclass(cls, family[0])), None)
    if family is not None and equals is family[0].__eq__:
        return family[1]
    if dataclasses.is_dataclass(cls) and _is_generated(equals):
        if family is None:
            return _dataclass
        if issubclass(cls, enum.Enum):
            return _member
    if equals is object.__eq__:
        raise EncodeError(
            "its objects are equal to nothing but themselves, so none could be found again by its key; use text, a "
            "number, a tuple, or a frozen dataclass",
            value_type=cls,
        )
    raise EqualityUnknown(
        "the class has an __eq__ of its own, so which keys of a stored map are equal to it cannot be known; use as key "
        "what it compares, or a frozen dataclass or model without an __eq__",
        value_type=cls,
    )


def _is_generated(equals: Any) -> bool:
    """Whether the `__eq__` of a dataclass is the one that `dataclass` made."""
    return getattr(getattr(equals, "__code__", None), "co_qualname", None) == "__create_fn__.<locals>.__eq__"
