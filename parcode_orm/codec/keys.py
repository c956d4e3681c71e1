"""Canonical bytes of dictionary keys: keys that are equal in Python give equal bytes, and their XXH3-64 the same hash.

Text is its UTF-8. All other keys start with 0xFF, which occurs in no UTF-8, and a letter. Numbers are one family:
`1`, `True`, `1.0`, `Decimal(1)`, `Fraction(1)` and `1+0j` are the integer 1; an `IntEnum` or `StrEnum` member is its
value. Aware times are instants. NaN equals nothing, not itself: all NaN have the same bytes here, so that one is found
again as a candidate, but comparing it by `==` fails, as it does in a dictionary unless it is the same object.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import PurePath, PureWindowsPath
from struct import Struct
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from xxhash import xxh3_64_intdigest

from ..errors import EncodeError
from .zones import microseconds

_INT64 = Struct("<2sq").pack
_INT = b"\xffi"
_MIN, _MAX = -(1 << 63), (1 << 63) - 1
# Numbers of more bits are known by Python's own hash of numbers, which is one for all equal numbers of any type.
_EXACT_BITS = 4096
_IP = (IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network)
_EPOCH = datetime(1970, 1, 1)


def key_hash(key: Any) -> int:
    """XXH3-64 of `canonical(key)`."""
    if type(key) is str:
        try:
            return xxh3_64_intdigest(key.encode())
        except UnicodeEncodeError:
            pass
    return xxh3_64_intdigest(canonical(key))


def hash_keys(keys: Sequence[Any]) -> list[int]:
    """`key_hash` of each of `keys`."""
    return list(map(xxh3_64_intdigest, canonical_keys(keys)))


def canonical_keys(keys: Sequence[Any]) -> list[bytes]:
    """`canonical` of each of `keys`; fast where all are text, or all ints of 64 bits."""
    types = set(map(type, keys))
    if types == {str}:
        try:
            return list(map(str.encode, keys))
        except UnicodeEncodeError:
            pass
    elif types == {int} and _MIN <= min(keys) and max(keys) <= _MAX:
        packed = _INT64
        return [packed(_INT, key) for key in keys]
    return list(map(canonical, keys))


def canonical(key: Any) -> bytes:
    """Bytes that are equal for equal keys.

    Raises:
        EncodeError: a key of a class for which equality is not known.
    """
    cls = type(key)
    if cls is str:
        return _text(key)
    if cls is int:
        return _int(key)
    handler = _HANDLERS.get(cls)
    if handler is None:
        handler = _handler_for(key)
    return handler(key)


def _text(key: str) -> bytes:
    return str.encode(key, "utf-8", "surrogatepass")


def _int(key: int) -> bytes:
    if _MIN <= key <= _MAX:
        return _INT64(_INT, key)
    if key.bit_length() > _EXACT_BITS:
        return b"\xffh" + hash(key).to_bytes(8, "little", signed=True)
    return b"\xffI" + int(key).to_bytes(key.bit_length() // 8 + 1, "little", signed=True)


def _ratio(top: int, bottom: int, key: Any) -> bytes:
    if bottom == 1:
        return _int(top)
    if max(top.bit_length(), bottom.bit_length()) > _EXACT_BITS:
        return b"\xffh" + hash(key).to_bytes(8, "little", signed=True)
    return b"\xffq" + joined([_int(top), _int(bottom)])


def _float(key: float) -> bytes:
    if key != key:
        return b"\xffn"
    if key in (float("inf"), float("-inf")):
        return b"\xff+" if key > 0 else b"\xff-"
    return _ratio(*float.as_integer_ratio(key), key)


def _decimal(key: Decimal) -> bytes:
    if key.is_nan():
        return b"\xffn"
    if key.is_infinite():
        return b"\xff+" if key > 0 else b"\xff-"
    if not key:
        return _int(0)
    _, digits, exponent = key.as_tuple()
    assert isinstance(exponent, int)
    if exponent > 5000 or exponent + len(digits) < -5000:  # far beyond the exact form: never spelled out
        return b"\xffh" + hash(key).to_bytes(8, "little", signed=True)
    return _ratio(*key.as_integer_ratio(), key)


def _complex(key: complex) -> bytes:
    if key.imag == 0:
        return _float(key.real)
    return b"\xffc" + joined([_float(key.real), _float(key.imag)])


def joined(parts: Sequence[bytes]) -> bytes:
    """`parts` so that no other parts give the same bytes."""
    out = [len(parts).to_bytes(4, "little")]
    for part in parts:
        out += (len(part).to_bytes(4, "little"), part)
    return b"".join(out)


def _tuple(key: tuple[Any, ...]) -> bytes:
    return b"\xfft" + joined([canonical(item) for item in key])


def _frozenset(key: frozenset[Any]) -> bytes:
    return b"\xfff" + joined(sorted(map(canonical, key)))


def _datetime(key: datetime) -> bytes:
    # Python compares and hashes aware times by the offset of fold=0.
    offset = key.replace(fold=0).utcoffset()
    wall = microseconds(key.replace(tzinfo=None) - _EPOCH)
    if offset is None:
        return _INT64(b"\xffD", wall)
    return _INT64(b"\xffA", wall - microseconds(offset))


def _time(key: time) -> bytes:
    offset = key.utcoffset()
    wall = ((key.hour * 60 + key.minute) * 60 + key.second) * 1_000_000 + key.microsecond
    if offset is None:
        return _INT64(b"\xffT", wall)
    return _INT64(b"\xffV", wall - microseconds(offset))


def _path(key: PurePath) -> bytes:
    # Windows paths compare without case.
    if isinstance(key, PureWindowsPath):
        return b"\xffw" + _text(str(key).lower())
    return b"\xffp" + _text(str(key))


def _range(key: range) -> bytes:
    first = key[0] if key else None
    step = key.step if len(key) > 1 else None
    return b"\xffr" + joined([_int(len(key)), canonical(first), canonical(step)])


def _member(key: enum.Enum) -> bytes:
    return b"\xffe" + joined([_text(type(key).__qualname__), _text(str(key.name)), canonical_or_text(key.value)])


def canonical_or_text(value: Any) -> bytes:
    """Canonical bytes, or the `repr` of what has none: an enum's value that is no key itself."""
    try:
        return canonical(value)
    except EncodeError:
        return _text(repr(value))


def _model(key: BaseModel) -> bytes:
    # Frozen models are equal when class and fields are.
    values = [canonical(value) for value in vars(key).values()]
    return b"\xffm" + joined([_text(key.__class__.__qualname__), *values])


def _dataclass(key: Any) -> bytes:
    values = [canonical(getattr(key, f.name)) for f in dataclasses.fields(key) if f.compare]
    return b"\xffm" + joined([_text(type(key).__qualname__), *values])


def _by_class_and_text(key: Any) -> bytes:
    return b"\xffu" + joined([_text(type(key).__qualname__), _text(str(key))])


def _secret(key: Any) -> bytes:
    return b"\xffS" + joined([_text(type(key).__qualname__), canonical(key.get_secret_value())])


_HANDLERS: dict[type, Callable[[Any], bytes]] = {
    str: _text,
    int: _int,
    bool: lambda key: _INT64(_INT, key),
    float: _float,
    type(None): lambda key: b"\xffN",
    bytes: lambda key: b"\xffb" + key,
    memoryview: lambda key: b"\xffb" + key.tobytes(),
    Decimal: _decimal,
    Fraction: lambda key: _ratio(key.numerator, key.denominator, key),
    complex: _complex,
    tuple: _tuple,
    frozenset: _frozenset,
    datetime: _datetime,
    date: lambda key: _INT64(b"\xffd", key.toordinal()),
    time: _time,
    timedelta: lambda key: b"\xffl" + _int(microseconds(key)),
    UUID: lambda key: b"\xffU" + key.bytes,
    range: _range,
    **{ip: (lambda key: b"\xffa" + joined([_text(type(key).__name__), _text(str(key))])) for ip in _IP},
}
# The order matters: an IntEnum is an int, a datetime is a date, a named tuple is a tuple.
_FAMILIES: tuple[tuple[type, Callable[[Any], bytes]], ...] = (
    (str, _text),
    (int, lambda key: _int(int.__index__(key))),
    (float, _float),
    (bytes, lambda key: b"\xffb" + bytes(key)),
    (Decimal, _decimal),
    (Fraction, _HANDLERS[Fraction]),
    (enum.Enum, _member),
    (tuple, _tuple),
    (frozenset, _frozenset),
    (datetime, _datetime),
    (date, _HANDLERS[date]),
    (timedelta, _HANDLERS[timedelta]),
    (PurePath, _path),
    (UUID, _HANDLERS[UUID]),
    (BaseModel, _model),
)


def _handler_for(key: Any) -> Callable[[Any], bytes]:
    for family, handler in _FAMILIES:
        if isinstance(key, family):
            return handler
    cls = type(key)
    if dataclasses.is_dataclass(cls):
        return _dataclass
    if hasattr(cls, "get_secret_value"):
        return _secret
    if cls.__module__.startswith("pydantic"):  # the URL types: equal by class and text
        return _by_class_and_text
    if cls.__module__ == "numpy" and hasattr(key, "item"):
        return lambda scalar: canonical(scalar.item())
    raise EncodeError("a key of this class cannot be stored", value_type=cls)
