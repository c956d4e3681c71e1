"""The order of rows by the values of expressions: None first or last, NaN after all numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import QueryError
from ...model.kinds import kinds_of
from ..columns.vectors import Coded, Constant, Numbers, Vector
from ..expressions.expressions import Expression
from ..expressions.nodes import Literal, Logical, Operation, Ordering


def order(keys: Sequence[tuple[Vector, Ordering]], ties: Any) -> Any:
    """The places of the rows in order; those with equal keys by `ties`, an array of numbers.

    Raises:
        QueryError: values have no order among each other.
    """
    passes = [ties]
    for vector, ordering in reversed(keys):
        passes += sortable(vector, ordering)
    return np.lexsort(passes)


def first_places_of(vector: Vector, ordering: Ordering, count: int) -> Any:
    """The places of the first `count` values, and of those equal to the last of them, without sorting all.

    None for other than numbers and words of a dictionary.
    """
    if not isinstance(vector, Numbers | Coded):
        return None
    rows, before = np.arange(len(vector)), []
    for values in reversed(sortable(vector, ordering)):
        here = values[rows]
        last = np.partition(here, count - 1)[count - 1]
        before.append(rows[here < last])
        count -= len(before[-1])
        rows = rows[here == last]
    return np.sort(np.concatenate([*before, rows]))


def sortable(vector: Vector, ordering: Ordering) -> list[Any]:
    """Arrays of numbers that sort as the values do, the last one first of all; ascending in each."""
    values, nulls, nans = _numbers(vector, ordering)
    if ordering._descending:
        values = -values if values.dtype.kind == "f" else ~values
    found = [values]
    if nans is not None:
        found.append(~nans if ordering._descending else nans)
    if nulls is not None:
        found.append(~nulls if ordering._first else nulls)
    return found


def _numbers(vector: Vector, ordering: Ordering) -> tuple[Any, Any, Any]:
    """Numbers that sort as the values do, and which values are None or NaN."""
    if isinstance(vector, Numbers):
        values = vector.values
        if values.dtype.kind == "f":
            nans = np.isnan(values)
            return (np.where(nans, 0.0, values), vector.nulls, nans) if nans.any() else (values, vector.nulls, None)
        return (values if values.dtype == np.uint64 else values.astype(np.int64)), vector.nulls, None
    if isinstance(vector, Constant):
        return np.zeros(len(vector), np.int64), None, None
    if isinstance(vector, Coded):
        values, nulls, nans = _ranks(vector.words, ordering)
        codes = vector.codes
        return values[codes], None if nulls is None else nulls[codes], None if nans is None else nans[codes]
    return _ranks(vector.tolist(), ordering)


def _ranks(values: list[Any], ordering: Ordering) -> tuple[Any, Any, Any]:
    count = len(values)
    nulls = np.fromiter((value is None for value in values), bool, count)
    nans = np.fromiter((value is not None and is_nan(value) for value in values), bool, count)
    rows = np.flatnonzero(~(nulls | nans)).tolist()
    ranks = np.zeros(count, np.int64)
    try:
        rows.sort(key=values.__getitem__)
        rank, last = 0, None
        for row in rows:
            value = values[row]
            rank += last is not None and bool(last < value)
            ranks[row], last = rank, value
    except (TypeError, ArithmeticError) as problem:
        raise QueryError(f"order_by({ordering._of}): the values have no order: {problem}") from None
    return ranks, nulls if nulls.any() else None, nans if nans.any() else None


def is_nan(value: Any) -> bool:
    """Whether `value` is not a number, which is equal to nothing."""
    return isinstance(value, float) and value != value


def beyond(ordering: Sequence[Ordering], values: Sequence[Any]) -> Expression[bool]:
    """The condition that a row comes after the one whose keys have these values."""
    found: Expression[bool] = Literal(False)
    for each, value in reversed(list(zip(ordering, values, strict=True))):
        same = _is_nan(each._of) if is_nan(value) else _test("==", each._of, value)
        found = Logical("or", (_later(each, value), Logical("and", (same, found))))
    return found


def _test(operator: str, of: Expression[Any], value: Any) -> Expression[bool]:
    return Operation(operator, (of, Literal(value)), bool)


def _is_nan(of: Expression[Any]) -> Expression[bool]:
    return Operation("!=", (of, of), bool)


def _later(ordering: Ordering, value: Any) -> Expression[bool]:
    """The condition that a key comes after `value` in its order."""
    of, descending, none = ordering._of, ordering._descending, _test("==", ordering._of, None)
    if value is None:
        return Logical("not", (none,)) if ordering._first else Literal(False)
    later: Expression[bool]
    if is_nan(value):
        later = Logical("not", (Logical("or", (none, _is_nan(of))),)) if descending else Literal(False)
    elif descending:
        later = _test("<", of, value)
    elif (kinds_of(of._tp) or {"number"}) & {"number"}:
        later = Logical("or", (_test(">", of, value), _is_nan(of)))
    else:
        later = _test(">", of, value)
    return later if ordering._first else Logical("or", (none, later))
