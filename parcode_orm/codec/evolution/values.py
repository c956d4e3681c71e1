"""Single values of one type as values of another: what changes no value at once, what Pydantic takes, nothing else.

Pydantic reads more into a value than was said: 5 as a moment of 1970, 0.1 as whatever digits a float has. What would
come out changed is refused.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

import pydantic

from ..packed.ways import type_adapter

Change = Callable[[Any], Any]
NUMBERS = (bool, int, float, Decimal, Fraction, complex)
MOMENTS = (datetime, date, time, timedelta)


class Unfit(Exception):
    """A value that is none of the wanted type; the text says why."""


@lru_cache(256)
def change_to(cls: type) -> Change | None:
    """A function that gives values as ones of `cls`, or raises `Unfit`; None where Pydantic does not know the class."""
    try:
        validate = type_adapter(cls).validate_python
    except Exception:  # whatever making a schema of the class raises
        return None

    def change(value: Any) -> Any:
        if type(value) is cls:
            return value
        _check(value, cls)
        try:
            found = validate(value)
        except pydantic.ValidationError as problem:
            raise Unfit(problem.errors(include_url=False)[0]["msg"]) from problem
        if isinstance(value, NUMBERS) and isinstance(found, NUMBERS) and not _same_number(value, found):
            raise Unfit(f"it would become {found!r}")
        return found

    return change


def in_bulk(change: Change, values: list[Any]) -> list[Any] | None:
    """What `change` makes of all `values`, where that is known without asking it of each: ints as floats."""
    if change is not change_to(float) or set(map(type, values)) != {int}:
        return None
    try:
        found = list(map(float, values))
    except OverflowError:
        return None
    return found if found == values else None


def _check(value: Any, cls: type) -> None:
    """Raise `Unfit` for what Pydantic would take for something else."""
    if issubclass(cls, MOMENTS):
        if isinstance(value, NUMBERS):
            raise Unfit("a number is no time")
        if isinstance(value, str | bytes) and _is_number(value):
            raise Unfit("the text of a number is no time")
    if cls is not bool and isinstance(value, bool) and not issubclass(cls, enum.Enum):
        raise Unfit("a bool is no number")
    if issubclass(cls, str | bytes | bytearray) and not isinstance(value, str | bytes | bytearray):
        raise Unfit("it is no text")


def _is_number(text: Any) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _same_number(value: Any, found: Any) -> bool:
    if value == found or (value != value and found != found):
        return True
    if isinstance(value, float) and isinstance(found, Decimal):
        return float(found) == value
    return isinstance(value, Decimal) and isinstance(found, float) and Decimal(repr(found)) == value


def one_of(values: frozenset[tuple[type, Any]]) -> Change:
    """A function that gives values of a `Literal`, told apart by type, as they are, and raises `Unfit` for others."""
    types = {cls for cls, _ in values}

    def checked(value: Any) -> Any:
        if type(value) not in types or (type(value), value) not in values:
            raise Unfit("it is none of the values of the Literal")
        return value

    return checked


def first_of(changes: list[Change]) -> Change:
    """The first of `changes` that takes a value; before all others, one that gives it back as it is."""

    def change(value: Any) -> Any:
        problem: Unfit | None = None
        others: list[Any] = []
        for each in changes:
            try:
                found = each(value)
            except Unfit as refusal:
                problem = refusal
                continue
            if type(found) is type(value):
                return found
            others.append(found)
        if others:
            return others[0]
        raise problem or Unfit("it is none of the union's types")

    return change


def to_collection(factory: Any, optional: bool) -> Change:
    """A function that makes collections of others, none of whose items may be lost."""

    def change(value: Any) -> Any:
        if value is None:
            if optional:
                return None
            raise Unfit("None is not allowed")
        found = factory(value)
        if len(found) != len(value):
            raise Unfit("two of its items are equal")
        return found

    return change
