"""`~` moved down to single conditions, for code that reads single conditions: `~(a & b)` becomes `~a | ~b`."""

from __future__ import annotations

from typing import Any

from .expressions import Expression
from .nodes import Logical, Operation, Quantified

_OTHER = {"and": "or", "or": "and", "any": "all", "all": "any"}


def without_not(condition: Expression[Any], negated: bool = False) -> Expression[Any]:
    """A condition that is true for the same rows, or the other rows if `negated`, with `~` at single conditions only.

    `~(a != 3)` is `a == 3`. `~(a < 3)` stays: it is also true where `a` is None or NaN.
    """
    if isinstance(condition, Logical):
        if condition._operator == "not":
            return without_not(condition._args[0], not negated)
        operator = _OTHER[condition._operator] if negated else condition._operator
        return Logical(operator, tuple(without_not(each, negated) for each in condition._args))
    if isinstance(condition, Quantified):
        operator = _OTHER[condition._operator] if negated else condition._operator
        return Quantified(operator, condition._items, without_not(condition._condition, negated))
    if not negated:
        return condition
    if isinstance(condition, Operation) and condition._operator == "!=":
        return Operation("==", condition._args, bool)
    return Logical("not", (condition,))
