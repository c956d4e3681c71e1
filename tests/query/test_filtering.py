"""A column is compared with a number: at the ends of its type, beside its values, and with numbers beyond both."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from parcode_orm.query.rows.filtering import rows_where

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
ENDS = [-(1 << 63), (1 << 63) - 1]
INF = float("inf")
FLOATS = [0.0, -0.0, 1.5, 5e-324, -5e-324, 1e308, INF, -INF, float("nan")]


@pytest.mark.parametrize("dtype", ["?", "u1", "u2", "u4", "i1", "i2", "i4", "i8"])
def test_ints_are_compared_as_python_does(dtype: str) -> None:
    low, high = (0, 1) if dtype == "?" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    values = [low, low, 1, high, high - 1, low + 1]
    near = (end + by for end in (low, high) for by in (-1, 0, 1))
    for number in {*ENDS, 0, 1, *(each for each in near if ENDS[0] <= each <= ENDS[1])}:
        _compare(np.array(values, dtype), number)


def test_floats_are_compared_as_python_does() -> None:
    for number in FLOATS:
        _compare(np.array(FLOATS), number)


def _compare(values: Any, number: int | float) -> None:
    for name, compare in OPERATORS.items():
        wanted = [row for row, value in enumerate(values.tolist()) if compare(value, number)]
        assert np.frombuffer(rows_where(values, name, number), np.int64).tolist() == wanted, (name, number)
