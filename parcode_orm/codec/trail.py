"""How an `EncodeError` learns its path as it passes the columns; free when nothing fails.

A column that fails notes the position in its list of values; the column above knows which of its
own values that is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from ..errors import EncodeError


def misfit(values: Sequence[Any], row: int, expected: str) -> EncodeError:
    """The error for `values[row]`, which is not what the column takes."""
    value = values[row]
    problem = EncodeError(f"expected {expected}, found {_brief(value)}", value_type=type(value))
    return at(problem, row)


def first_misfit(values: Sequence[Any], allowed: tuple[type, ...], expected: str) -> EncodeError:
    """The error for the first value that is no instance of `allowed`."""
    for row, value in enumerate(values):
        if not isinstance(value, allowed):
            return misfit(values, row, expected)
    return misfit(values, 0, expected)


def at(problem: EncodeError, row: int) -> EncodeError:
    """Note that the error is about value `row` of the list that a column was given."""
    vars(problem)["row"] = row
    return problem


def row_of(problem: EncodeError) -> int:
    """Which of a column's values the `problem` is about; 0 when not known."""
    row = vars(problem).get("row", 0)
    return row if isinstance(row, int) else 0


def below(problem: EncodeError, step: str, row: int) -> EncodeError:
    """Prepend `step` (`name` or `[index]`) to the path, and note the row above."""
    path = problem.path
    problem.path = step + path if not path or path[0] == "[" else f"{step}.{path}"
    return at(problem, row)


def owner(problem: EncodeError, lengths: Sequence[int]) -> tuple[int, int]:
    """Find the collection, and the position in it, that an error among all items is about."""
    position = row_of(problem)
    ends, total = [], 0
    for length in lengths:
        total += length
        ends.append(total)
    row = bisect_right(ends, position)
    if row >= len(lengths):
        return max(len(lengths) - 1, 0), 0
    return row, position - ends[row] + lengths[row]


def _brief(value: Any) -> str:
    try:
        shown = repr(value)
    except Exception:  # a user's __repr__ must not hide the error
        shown = "a value"
    return shown if len(shown) <= 60 else shown[:57] + "..."
