"""What the values of ordered indexes are sorted by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from fractions import Fraction
from functools import partial
from typing import Any, get_args, get_origin
from uuid import UUID

from ..codec.asis import Gone
from ..codec.classes.named import flag_name
from .annotations import present

ORDERED = (int, float, str, bytes, date, datetime, time, timedelta, Decimal, Fraction, UUID)
_PLAIN = frozenset({int, float, str, bytes, date})
UNORDERED = (TypeError, ValueError, AttributeError, ArithmeticError)  # what comparing raises where there is no order
Order = Callable[[Any], Any]


def order_of(tp: Any) -> Order | None:
    """What values of the type `tp` are ordered by; None where they have no order.

    The function raises one of `UNORDERED` for what does not fit. Enum members are in the order of their names.
    """
    kind = present(tp)
    if type(kind) is type and kind in _PLAIN:
        return itself
    if get_origin(kind) is tuple:
        return _of_places(get_args(kind))
    if not isinstance(kind, type):
        return None
    if issubclass(kind, Enum):
        return partial(_name_of_member, kind)
    if issubclass(kind, datetime):
        return _moment
    if issubclass(kind, time):
        return _time_of_day
    return itself if issubclass(kind, ORDERED) else None


def _of_places(types: tuple[Any, ...]) -> Order | None:
    """What tuples of these types are ordered by, such as composite keys: place by place."""
    orders = [found for tp in types if (found := order_of(tp)) is not None]
    if len(orders) < len(types) or not types:
        return None
    return partial(_place_by_place, orders)


def _place_by_place(orders: list[Order], values: tuple[Any, ...]) -> Any:
    return tuple([order(value) for value, order in zip(values, orders, strict=False)])


def order_of_parts(types: tuple[Any, ...]) -> Order:
    """What values of an index of these types are ordered by: one value, or a tuple of several with None first.

    The order of a shorter tuple is a prefix of the whole one's.
    """
    orders = [found for tp in types if (found := order_of(tp)) is not None]
    return orders[0] if len(types) == 1 else partial(_parts, orders)


def _parts(orders: list[Order], values: tuple[Any, ...]) -> Any:
    return tuple(
        [_NONE if value is None else (True, order(value)) for value, order in zip(values, orders, strict=False)]
    )


_NONE = (False,)


def itself(value: Any) -> Any:
    """What most values are ordered by."""
    return value


def _name_of_member(cls: Any, value: Any) -> str:
    """As members are stored. Their values may change, and some have no order."""
    if type(value) is Gone:
        return str(value)
    member = value if isinstance(value, cls) else cls(value)
    return flag_name(cls, member) if isinstance(member, Flag) else member._name_


def _moment(value: datetime) -> tuple[bool, timedelta]:
    offset, wall = value.utcoffset(), value.replace(tzinfo=None) - datetime.min
    return offset is not None, wall - (offset or timedelta())  # with a time zone, and without: they do not compare


def _time_of_day(value: time) -> tuple[bool, time]:
    return value.utcoffset() is not None, value
