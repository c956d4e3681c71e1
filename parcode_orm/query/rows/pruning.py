"""Which row groups cannot hold a row that fulfils a condition: their smallest and largest values say so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..columns.bounds import Bounds
from ..columns.operators import TURNED
from ..columns.vectors import Kind
from ..expressions.expressions import Expression
from ..expressions.negation import without_not
from ..expressions.nodes import Field, Literal, Logical, Operation
from .sources import Batch

_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_MANY = 64  # values of which one is wanted; of more, the smallest and the largest are looked at


def candidates(conditions: Iterable[Expression[bool]], batch: Batch) -> Any:
    """Which parts of `batch` may have rows that fulfil all `conditions`, as an array of bools; None for all."""
    found: Any = None
    for condition in conditions:
        here = _may(without_not(condition), batch)
        if here is not None:
            found = here if found is None else found & here
    return None if found is None or found.all() else found


def _may(condition: Expression[Any], batch: Batch) -> Any:
    if not isinstance(condition, Logical):
        return _may_be(condition, batch)
    if condition._operator == "not":
        return _may_not_be(condition._args[0], batch)
    parts = [_may(each, batch) for each in condition._args]
    if condition._operator == "or":
        return None if any(part is None for part in parts) else np.logical_or.reduce(parts)
    parts = [part for part in parts if part is not None]
    return np.logical_and.reduce(parts) if parts else None


def compared(condition: Expression[Any]) -> tuple[Field[Any], str, Any] | None:
    """The field, the operator and the value of a condition on the value of a field."""
    if not isinstance(condition, Operation) or len(condition._args) != 2:
        return None
    one, other = condition._args
    operator = condition._operator
    if isinstance(one, Literal) and operator in TURNED:
        one, other, operator = other, one, TURNED[operator]
    if not isinstance(one, Field) or not isinstance(other, Literal):
        return None
    return one, operator, other._value


def _may_be(condition: Expression[Any], batch: Batch) -> Any:
    if isinstance(condition, Operation) and condition._operator == "!=":
        return _may_be_nan(condition, batch)
    test = compared(condition)
    if test is None:
        return None
    field, operator, value = test
    if operator not in (*TURNED, "in", "startswith"):
        return None
    found = batch.bounds(field._path)
    if found is None:
        return None
    if operator == "in":
        return _may_be_one_of(found, list(value))
    if operator == "startswith" and found.kind is not str:
        return None
    return found.may(operator, value)


def _may_be_nan(condition: Operation[Any], batch: Batch) -> Any:
    """`a != a` is true of NaN alone."""
    one, other = condition._args
    if not isinstance(one, Field) or one._identity() != other._identity():
        return None
    found = batch.bounds(one._path)
    return None if found is None else found.nans | ~found.known


def _may_not_be(condition: Expression[Any], batch: Batch) -> Any:
    """`~(a < 3)` is true where `a >= 3`, and of None and NaN."""
    test = compared(condition)
    if test is None or test[1] not in _OPPOSITE:
        return None
    field, operator, value = test
    found = batch.bounds(field._path)
    return None if found is None else found.may(_OPPOSITE[operator], value) | found.nulls | found.nans


def _may_be_one_of(found: Bounds, values: list[Any]) -> Any:
    if len(values) > _MANY:
        if set(map(type, values)) != {int}:
            return None
        return found.may(">=", min(values)) & found.may("<=", max(values))
    return np.logical_or.reduce([np.zeros(len(found.known), bool), *(found.may("==", value) for value in values)])


def by_best(batches: Sequence[Batch], path: tuple[str, ...], descending: bool) -> list[Any] | None:
    """The best value of a field in each part of each of `batches`; None if one is not known."""
    found: list[Any] = []
    for batch in batches:
        known = batch.bounds(path) if batch.parts and not batch.held() else None
        if known is None or not known.known.all() or isinstance(known.kind, Kind | type):
            return None
        if known.nulls.any() or known.nans.any():
            return None
        found.append(known.high if descending else known.low)
    return found
