"""Which batches cannot hold a row that fulfils a condition, by the smallest and the largest value of their columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from .columns import Bounds
from .expressions import Expression
from .nodes import Field, Literal, Logical, Operation
from .sources import Batch
from .vectors import Rows

_TURNED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_COMPARABLE = ((int, float, bool), (date,), (timedelta,))


def candidates(conditions: Iterable[Expression[bool]], batch: Batch) -> Rows | None:
    """The rows of `batch` that may fulfil all `conditions`: None for all of them, or those held in memory."""
    return None if all(_may(condition, batch) for condition in conditions) else batch.held()


def _may(condition: Expression[Any], batch: Batch) -> bool:
    if isinstance(condition, Logical) and condition._operator != "not":
        every = all if condition._operator == "and" else any
        return every(_may(each, batch) for each in condition._args)
    if not isinstance(condition, Operation):
        return True
    if condition._operator == "in":
        one, values = condition._args
        if not isinstance(one, Field) or not isinstance(values, Literal):
            return True
        found = batch.bounds(one._path)
        return found is None or any(_fits("==", found, value) for value in values._value)
    if condition._operator in _TURNED:
        one, other = condition._args
        operator = condition._operator
        if isinstance(one, Literal):
            one, other, operator = other, one, _TURNED[operator]
        if isinstance(one, Field) and isinstance(other, Literal):
            found = batch.bounds(one._path)
            return found is None or _fits(operator, found, other._value)
    if condition._operator == "startswith":
        one, part = condition._args
        if isinstance(one, Field) and isinstance(part, Literal) and isinstance(part._value, str):
            found = batch.bounds(one._path)
            return found is None or found.exact or _text_fits(found, part._value.encode("utf-8", "surrogatepass"), True)
    return True


def _fits(operator: str, found: Bounds, value: Any) -> bool:
    """Whether a value within the bounds may be `operator` `value`."""
    if operator == "!=":
        return True
    if value is None:
        return operator == "==" and found.nulls
    if not found.exact:
        return operator != "==" or not isinstance(value, str) or _text_fits(found, _bytes(value), False)
    if not _comparable(found.low, value):
        return True
    if value != value:
        return False
    low, high = found.low, found.high
    if operator == "==":
        return bool(low <= value <= high)
    if operator in ("<", "<="):
        return bool(low < value if operator == "<" else low <= value)
    return bool(high > value if operator == ">" else high >= value)


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def _text_fits(found: Bounds, wanted: bytes, begins: bool) -> bool:
    """Whether a text may be `wanted`, or begin with it: the bounds are of the first 16 bytes, the upper one rounded."""
    if begins:
        return bool(found.high >= wanted[:16] and found.low[: len(wanted)] <= wanted)
    return bool(found.low <= wanted <= found.high)


def _comparable(bound: Any, value: Any) -> bool:
    if isinstance(bound, datetime) or isinstance(value, datetime):
        return False
    return any(isinstance(bound, classes) and isinstance(value, classes) for classes in _COMPARABLE)


def by_best(batches: Sequence[Batch], path: tuple[str, ...], descending: bool) -> list[tuple[int, Any]] | None:
    """The places of `batches`, those with the best values of a field first, each with its best; None if not known."""
    found: list[tuple[int, Any]] = []
    for place, batch in enumerate(batches):
        known = None if len(batch.held()) else batch.bounds(path)
        if known is None or known.nulls or not known.exact or not isinstance(known.low, int | float):
            return None
        found.append((place, known.high if descending else known.low))
    return sorted(found, key=lambda each: each[1], reverse=descending)
