"""Statements and expressions with other expressions in the place of some."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from .expressions import Expression
from .nodes import Ordering, Pending, Quantified

Replace = Callable[[Expression[Any]], Expression[Any] | None]
S = TypeVar("S")


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


def ready(statement: S) -> S:
    """A statement, `Select`, `Update` or `Delete`, with the results of the statements that stand in its expressions.

    Raises:
        QueryError: such a statement does not fit its rows, or depends on the one around it in a way that is not known.
    """
    return restated(statement, partial(_run, statement, {}))


def _run(statement: Any, known: dict[int, Expression[Any]], expression: Expression[Any]) -> Expression[Any] | None:
    """The result of a statement inside of `statement`; one that stands in several places is run once.

    No closure: one that calls itself is a cycle, which would keep the rows of the statement until the collector runs.
    """
    if not isinstance(expression, Pending):
        return None
    found = known.get(id(expression))
    if found is None:
        found = known[id(expression)] = rewritten(expression._ready(statement), partial(_run, statement, known))
    return found


def restated(statement: S, replace: Replace) -> S:
    """A statement whose expressions are rewritten."""
    given: Any = statement
    changes = {}
    for field in dataclasses.fields(given):
        if field.name not in ("_source", "_after"):
            before = getattr(given, field.name)
            after = _rewritten(before, replace)
            if after is not before:
                changes[field.name] = after
    if not changes:
        return statement
    found: S = dataclasses.replace(given, **changes)
    return found


def _rewritten(value: Any, replace: Replace) -> Any:
    """A value of a statement: an expression, or a tuple that has some."""
    if isinstance(value, Expression):
        return rewritten(value, replace)
    if isinstance(value, Ordering):
        found = reordered(value, replace)
        return value if found._of is value._of else found
    if hasattr(value, "on"):  # a join
        on = _rewritten(value.on, replace)
        return value if on is value.on else value._replace(on=on)
    if not isinstance(value, tuple):
        return value
    parts = tuple(_rewritten(each, replace) for each in value)
    return value if all(a is b for a, b in zip(parts, value, strict=True)) else parts
