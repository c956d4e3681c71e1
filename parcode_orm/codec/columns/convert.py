"""Logical types that are stored as values of another column: what is stored, and how to get back, in bulk.

Each `to_stored` takes values of the type and gives what the inner column takes; `from_stored` is its inverse. Values of
a wrong type are refused by the column (`types`) before `to_stored` sees them.
"""

from __future__ import annotations

import re
import uuid
from collections import deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from itertools import repeat
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ...errors import CorruptionError, EncodeError
from ...stack import room_for
from .. import kernels
from ..zones import FIXED, MICROSECOND, microseconds, zone_from, zone_of

Bulk = Callable[[list[Any]], list[Any]]

EPOCH = datetime(1970, 1, 1)
_NAIVE = ""
_set_int = uuid.UUID.__dict__["int"].__set__
_set_safe = uuid.UUID.__dict__["is_safe"].__set__


_FIRST, _LAST = microseconds(datetime.min - EPOCH), microseconds(datetime.max - EPOCH)


class Conversion(NamedTuple):
    """`inner` spells the column that holds the stored values: "int", "float", "text", "bytes", or a tuple of those."""

    name: str
    types: tuple[type, ...]
    inner: Any
    to_stored: Bulk
    from_stored: Bulk


def each(function: Callable[[Any], Any]) -> Bulk:
    """`function` over a list."""
    return lambda values: list(map(function, values))


def rebuilt(name: str, function: Callable[[Any], Any]) -> Bulk:
    """`function` over stored values; that one does not fit is corruption."""

    def build(values: list[Any]) -> list[Any]:
        try:
            try:
                return list(map(function, values))
            except RecursionError as problem:
                return room_for(problem, lambda: list(map(function, values)))
        except (
            ValueError,
            TypeError,
            OverflowError,
            ArithmeticError,
            LookupError,
            re.error,
            RecursionError,  # on a fresh stack
        ) as problem:
            raise CorruptionError(f"a stored value is no {name}: {problem}") from problem

    return build


def put_datetimes(values: list[datetime]) -> list[tuple[int, str]]:
    """Each moment as microseconds since 1970 (UTC where it is aware) and the text of its zone."""
    out = []
    fixed: dict[int, tuple[int, str]] = {}  # by the id of a zone that `values` keep alive
    for value in values:
        zone = value.tzinfo
        if zone is None and not value.fold:
            delta = value - EPOCH
            out.append(((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds, _NAIVE))
            continue
        known = fixed.get(id(zone))
        if known is None or value.fold:
            known = zone_of(value)
            if not value.fold and type(zone) in FIXED:
                fixed[id(zone)] = known
        delta = value.replace(tzinfo=None) - EPOCH
        instant = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds - known[0]
        out.append((instant, known[1]))
    return out


def get_datetimes(values: list[tuple[int, str]]) -> list[datetime]:
    """The moments that `put_datetimes` gave."""
    if len({text for _, text in values}) == 1:
        offset, zone, fold = zone_from(values[0][1])
        found = _walls([instant + offset for instant, _ in values])
        return [wall.replace(tzinfo=zone, fold=fold) for wall in found] if values[0][1] else found
    zones = [zone_from(text) for _, text in values]
    found = _walls([instant + zone[0] for (instant, _), zone in zip(values, zones, strict=True)])
    return [wall.replace(tzinfo=zone, fold=fold) for wall, (_, zone, fold) in zip(found, zones, strict=True)]


def _walls(values: list[int]) -> list[datetime]:
    """Naive times of microseconds since 1970."""
    if values and (min(values) < _FIRST or max(values) > _LAST):
        raise CorruptionError("a stored value is no datetime: it lies outside the years 1 to 9999")
    np = kernels.numpy_for(len(values))
    if np is not None:
        found: list[datetime] = np.array(values, "M8[us]").tolist()
        return found
    return [EPOCH + timedelta(microseconds=value) for value in values]


def put_times(values: list[time]) -> list[tuple[int, str]]:
    """Each time of day as microseconds since midnight (wall time) and the text of its zone."""
    out = []
    for value in values:
        day = ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
        if value.tzinfo is None and not value.fold:
            out.append((day, _NAIVE))
        else:
            out.append((day, _time_zone(value)))
    return out


def _time_zone(value: time) -> str:
    # A region's offset depends on the date, which a time of day has not: any serves, only the key counts.
    return zone_of(datetime(2000, 1, 1, tzinfo=value.tzinfo, fold=value.fold))[1]


def get_times(values: list[tuple[int, str]]) -> list[time]:
    """The times that `put_times` gave."""
    out = []
    for day, text in values:
        if not 0 <= day < 86_400_000_000:
            raise CorruptionError(f"a stored value is no time: {day} microseconds after midnight")
        seconds, micro = divmod(day, 1_000_000)
        _, zone, fold = zone_from(text)
        out.append(time(seconds // 3600, seconds // 60 % 60, seconds % 60, micro, zone, fold=fold))
    return out


def _delta(value: int) -> timedelta:
    days, rest = divmod(value, 86_400_000_000)
    return timedelta(days, 0, rest)


def _pattern(stored: tuple[bytes, bool, int]) -> re.Pattern[Any]:
    raw, is_text, flags = stored
    source: Any = raw.decode("utf-8", "surrogatepass") if is_text else raw
    return re.compile(source, flags & ~re.DEBUG)


def _pattern_parts(value: re.Pattern[Any]) -> tuple[bytes, bool, int]:
    source = value.pattern
    if isinstance(source, str):
        return source.encode("utf-8", "surrogatepass"), True, value.flags
    return bytes(source), False, value.flags


def _zone_key(zone: ZoneInfo) -> str:
    if zone.key is None:
        raise EncodeError("a ZoneInfo without a key cannot be found again", value_type=ZoneInfo)
    return zone.key


def get_uuids(values: list[bytes]) -> list[uuid.UUID]:
    """UUIDs of 16 bytes each, built without `UUID.__init__`, which takes longer than all the rest."""
    if not {16}.issuperset(map(len, values)):
        raise CorruptionError("a stored value is no UUID: it has not 16 bytes")
    out = list(map(object.__new__, repeat(uuid.UUID, len(values))))
    from_bytes: Any = int.from_bytes
    kernels.drain(map(_set_int, out, map(from_bytes, values, repeat("big"))))
    kernels.drain(map(_set_safe, out, repeat(uuid.SafeUUID.unknown)))
    return out


CONVERSIONS: tuple[Conversion, ...] = (
    Conversion("datetime", (datetime,), ("int", "text"), put_datetimes, get_datetimes),
    Conversion("time", (time,), ("int", "text"), put_times, get_times),
    Conversion("date", (date,), "int", each(date.toordinal), rebuilt("date", date.fromordinal)),
    Conversion("timedelta", (timedelta,), "int", each(microseconds), rebuilt("timedelta", _delta)),
    # The text of a Decimal is exact, and reading it heeds no context; Decimal(str(sNaN123)) is that sNaN.
    Conversion("Decimal", (Decimal,), "text", each(str), rebuilt("Decimal", Decimal)),
    Conversion(
        "Fraction",
        (Fraction,),
        ("int", "int"),
        each(lambda v: (v.numerator, v.denominator)),
        rebuilt("Fraction", lambda pair: Fraction(*pair)),
    ),
    Conversion(
        "complex",
        (complex,),
        ("float", "float"),
        each(lambda v: (v.real, v.imag)),
        rebuilt("complex", lambda pair: complex(*pair)),
    ),
    Conversion("UUID", (uuid.UUID,), "bytes", each(lambda v: v.bytes), get_uuids),
    Conversion("IPv4Address", (IPv4Address,), "int", each(int), rebuilt("IPv4Address", IPv4Address)),
    Conversion("IPv6Address", (IPv6Address,), "text", each(str), rebuilt("IPv6Address", IPv6Address)),
    Conversion("IPv4Network", (IPv4Network,), "text", each(str), rebuilt("IPv4Network", IPv4Network)),
    Conversion("IPv6Network", (IPv6Network,), "text", each(str), rebuilt("IPv6Network", IPv6Network)),
    Conversion("IPv4Interface", (IPv4Interface,), "text", each(str), rebuilt("IPv4Interface", IPv4Interface)),
    Conversion("IPv6Interface", (IPv6Interface,), "text", each(str), rebuilt("IPv6Interface", IPv6Interface)),
    Conversion(
        "Pattern",
        (re.Pattern,),
        ("bytes", "bool", "int"),
        each(_pattern_parts),
        rebuilt("Pattern", _pattern),
    ),
    Conversion(
        "range",
        (range,),
        ("int", "int", "int"),
        each(lambda v: (v.start, v.stop, v.step)),
        rebuilt("range", lambda parts: range(*parts)),
    ),
    Conversion("ZoneInfo", (ZoneInfo,), "text", each(_zone_key), rebuilt("ZoneInfo", ZoneInfo)),
)


def _exactly(conversion: Conversion) -> Conversion:
    """Refuse values of subclasses, which would come back as the base."""
    (cls,) = conversion.types
    put = conversion.to_stored

    def put_exactly(values: list[Any]) -> list[Any]:
        _check_exact(values, cls)
        return put(values)

    return conversion._replace(to_stored=put_exactly)


def _check_exact(values: list[Any], cls: type, remedy: str = "register({})") -> None:
    odd = next((type(value) for value in values if type(value) is not cls), cls)
    if odd is not cls:
        raise EncodeError(
            f"{odd.__qualname__}, a subclass, would come back as {cls.__qualname__}: call "
            f"parcode_orm.{remedy.format(odd.__name__)}",
            value_type=odd,
        )


CONVERSIONS = tuple(map(_exactly, CONVERSIONS))
BY_TYPE: dict[type, Conversion] = {conversion.types[0]: conversion for conversion in CONVERSIONS}


def put_deques(values: list[deque[Any]]) -> list[tuple[list[Any], int | None]]:
    """Each deque as its items and `maxlen`."""
    _check_exact(values, deque, "register_type({}, encode=..., decode=...)")
    return [(list(value), value.maxlen) for value in values]


def get_deques(values: list[tuple[list[Any], int | None]]) -> list[deque[Any]]:
    """The deques that `put_deques` gave."""
    for _, maxlen in values:
        if maxlen is not None and maxlen < 0:
            raise CorruptionError(f"a stored deque has the length limit {maxlen}")
    return [deque(items, maxlen) for items, maxlen in values]


__all__ = [
    "BY_TYPE",
    "CONVERSIONS",
    "Bulk",
    "Conversion",
    "MICROSECOND",
    "each",
    "get_datetimes",
    "get_deques",
    "get_times",
    "get_uuids",
    "put_datetimes",
    "put_deques",
    "put_times",
    "rebuilt",
]
