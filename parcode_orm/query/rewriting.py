"""`rewritten`: an expression with others in the place of some that it is computed of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .expressions import Expression
from .nodes import Ordering, Quantified

Replace = Callable[[Expression[Any]], Expression[Any] | None]


def rewritten(expression: Expression[Any], replace: Replace) -> Expression[Any]:
    """`expression` with what `replace` gives in the place of each expression in it; None keeps one and looks into it.

    The condition on items of `any_` and `all_` is looked into as well. An expression without changes stays the same
    object.
    """
    found = replace(expression)
    if found is not None:
        return found
    parts = expression._parts()
    new = tuple(rewritten(each, replace) for each in parts)
    if isinstance(expression, Quantified):
        condition = rewritten(expression._condition, replace)
        if new[0] is parts[0] and condition is expression._condition:
            return expression
        return Quantified(expression._operator, new[0], condition)
    if all(a is b for a, b in zip(parts, new, strict=True)):
        return expression
    return expression._rebuilt(new)


def reordered(ordering: Ordering, replace: Replace) -> Ordering:
    """`ordering` by the rewritten expression."""
    of = rewritten(ordering._of, replace)
    return Ordering(of, descending=ordering._descending, first=ordering._first)
