"""Time zones as short texts: a column of aware times is instants and a dictionary of zones.

The text says the class, the offset that held at that instant, and the name: `T7200` (Pydantic's
`TzInfo`), `Z7200` (`datetime.timezone`), `Z-18000/EST`, `K7200/Europe/Berlin`
(`zoneinfo.ZoneInfo`); `~` before it stands for fold=1, and an empty text for a naive time. As the
offset is stored, wall time comes back as it was whatever happens to the tz database, and times that
a change of clocks skipped come back too.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from pydantic_core import TzInfo

from ..errors import CorruptionError, DecodeError, EncodeError

MICROSECOND = timedelta(microseconds=1)
MAX_OFFSET = 86_400_000_000
FIXED = (TzInfo, timezone)


def microseconds(delta: timedelta) -> int:
    """`delta` in microseconds, exactly."""
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


@lru_cache(maxsize=512)
def _named_offset(offset: timedelta, name: str) -> tuple[int, str]:
    return _describe(timezone(offset, name), offset, None)


def _fixed(zone: tzinfo) -> tuple[int, str]:
    # No cache by the zone itself: zones of one offset are equal, whatever their names.
    if type(zone) is timezone:
        return _named_offset(zone.utcoffset(None), zone.tzname(None))
    return _describe(zone, zone.utcoffset(None), None)


def zone_of(moment: datetime) -> tuple[int, str]:
    """The offset from UTC in microseconds, and the text of a moment's zone.

    Raises:
        EncodeError: a `tzinfo` that is neither a fixed offset nor a `ZoneInfo` with a key.
    """
    zone = moment.tzinfo
    fold = "~" if moment.fold else ""
    if zone is None:
        return 0, fold
    if type(zone) in FIXED:
        offset, text = _fixed(zone)
    else:
        offset, text = _describe(zone, moment.utcoffset(), moment)
    return offset, fold + text


def _describe(zone: tzinfo, offset: timedelta | None, moment: datetime | None) -> tuple[int, str]:
    if offset is None:
        raise EncodeError(f"the time zone {zone!r} gives no offset", value_type=type(zone))
    offset_us = microseconds(offset)
    seconds = f"{offset_us // 1_000_000}" if offset_us % 1_000_000 == 0 else f"{offset_us}u"
    if type(zone) is TzInfo:
        return offset_us, f"T{seconds}"
    if type(zone) is timezone:
        name = zone.tzname(None)
        plain = name == timezone(offset).tzname(None)
        return offset_us, f"Z{seconds}" if plain else f"Z{seconds}/{name}"
    if type(zone) is ZoneInfo and zone.key and _is_known(zone.key):
        return offset_us, f"K{seconds}/{zone.key}"
    raise EncodeError(
        f"the time zone {zone!r} cannot be stored; use zoneinfo.ZoneInfo(key) with a key of the machine's tz database, "
        "or datetime.timezone",
        value_type=type(zone),
    )


@lru_cache(maxsize=4096)
def zone_from(text: str) -> tuple[int, tzinfo | None, int]:
    """Offset in microseconds, zone and fold of a text that `zone_of` gave.

    Raises:
        CorruptionError: not such a text.
        DecodeError: this machine's tz database has no such zone.
    """
    fold = 1 if text.startswith("~") else 0
    kind, rest = text[fold : fold + 1], text[fold + 1 :]
    if not kind:
        return 0, None, fold
    number, slash, name = rest.partition("/")
    try:
        offset = int(number[:-1]) if number.endswith("u") else int(number) * 1_000_000
        if not -MAX_OFFSET < offset < MAX_OFFSET:
            raise ValueError(number)
        if kind == "T" and not slash:
            return offset, TzInfo(offset // 1_000_000), fold
        if kind == "Z":
            delta = offset * MICROSECOND
            return offset, timezone(delta, name) if slash else timezone(delta), fold
        if kind != "K":
            raise ValueError(kind)
    except ValueError as problem:
        raise CorruptionError(f"{text[:80]!r} is no time zone") from problem
    return offset, _zone_info(name), fold


@lru_cache(maxsize=4096)
def _is_known(key: str) -> bool:
    """Whether the tz database has a zone of this key: a zone from a file may have any key."""
    try:
        _zone_info(key)
    except DecodeError:
        return False
    return True


def _zone_info(key: str) -> ZoneInfo:
    try:
        return ZoneInfo(key)
    except Exception as problem:  # ZoneInfoNotFoundError, ValueError for a key like "../x", OSError
        raise DecodeError(f"the time zone {key[:80]!r} is not in this machine's tz database") from problem
