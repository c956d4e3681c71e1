"""`case`: a value that depends on conditions, as `if`, `elif` and `else` choose one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from ...errors import QueryError, told
from ..columns.merging import merged
from ..columns.vectors import Objects, Vector
from .building import compared, condition, literal, type_of_one
from .computed import Computed
from .evaluate import Frame, evaluate, holds
from .expressions import Expression

T = TypeVar("T")


class Case(Computed[T]):
    """The first of `values` whose condition holds, and the last of `values`, which is one more, if none does."""

    __slots__ = ("_conditions", "_tp", "_values_of")

    def __init__(self, conditions: Sequence[Expression[bool]], values: Sequence[Expression[Any]]) -> None:
        self._conditions = tuple(conditions)
        self._values_of = tuple(values)
        self._tp = type_of_one(values)

    def _parts(self) -> tuple[Expression[Any], ...]:
        return (*self._conditions, *self._values_of)

    def _rebuilt(self, parts: tuple[Expression[Any], ...]) -> Expression[Any]:
        count = len(self._conditions)
        return Case(parts[:count], parts[count:])

    def _identity(self) -> Any:
        return Case, tuple(each._identity() for each in self._parts())

    def _values(self, frame: Frame) -> Vector:
        left = np.arange(len(frame))  # the places of rows that no condition has chosen yet
        places, found = [left[:0]], []
        for asked, value in zip(self._conditions, self._values_of, strict=False):
            if not len(left):
                break
            mask = holds(asked, _at(frame, left))
            chosen, left = left[mask], left[~mask]
            if len(chosen):  # a value is not asked of other rows: it may divide by zero there
                places.append(chosen)
                found.append(evaluate(value, _at(frame, chosen)))
        if len(left):
            places.append(left)
            found.append(evaluate(self._values_of[-1], _at(frame, left)))
        if not found:
            return Objects([])
        back = np.empty(len(frame), np.int64)
        back[np.concatenate(places)] = np.arange(len(frame))
        return merged(found).take(back)

    def __str__(self) -> str:
        chosen = zip(self._conditions, self._values_of, strict=False)
        return f"case({', '.join(f'({a}, {b})' for a, b in chosen)}, else_={self._values_of[-1]})"


def _at(frame: Frame, rows: Any) -> Frame:
    return frame if len(rows) == len(frame) else frame.at(rows)


def case(*whens: Any, value: Any = None, else_: Any = None) -> Expression[Any]:
    """The value of the first condition that holds: `case((Player.level > 50, "high"), else_="low")`.

    A value is computed only of the rows for which it is chosen, and a condition only of rows that no earlier one chose.

    Args:
        whens: pairs of a condition and a value; or one dictionary, with `value`: what it maps the value of the
            expression `value` to, as in `case({"a": 1, "b": 2}, value=Player.guild)`.
        value: the expression that a dictionary is asked about.
        else_: the value of rows for which no condition holds.

    Raises:
        QueryError: there is no pair, one is no pair of a condition and a value, or a value never equals `value`.
    """
    pairs = list(whens)
    if len(whens) == 1 and isinstance(whens[0], Mapping):
        if not isinstance(value, Expression):
            raise QueryError(f"case(dictionary, value=...): value is a field such as Player.guild, not {told(value)}")
        pairs = [(compared("==", value, key), found) for key, found in whens[0].items()]
    elif value is not None:
        raise QueryError("case(..., value=...) takes one dictionary: case({'a': 1, 'b': 2}, value=Player.guild)")
    if not pairs:
        raise QueryError(
            "case() takes pairs of a condition and a value: case((Player.level > 50, 'high'), else_='low')"
        )
    for each in pairs:
        if not isinstance(each, tuple) or len(each) != 2:
            raise QueryError(f"case() takes pairs of a condition and a value, not {told(each)}")
    return Case([condition(asked) for asked, _ in pairs], [literal(found) for _, found in pairs] + [literal(else_)])
