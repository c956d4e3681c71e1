"""Replacing expressions in statements and in other expressions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from .computed import Pending
from .expressions import Expression
from .nodes import Ordering, Quantified
from .simple import varied

Replace = Callable[[Expression[Any]], Expression[Any] | None]
Make = Callable[[Expression[Any]], Expression[Any]]
S = TypeVar("S")


def rewritten(expression: Expression[Any], replace: Replace) -> Expression[Any]:
    """`expression`, with each expression in it replaced by what `replace` gives; None keeps one and looks into it.

    The condition on items of `any_` and `all_` is looked into as well. An expression without changes stays the same
    object.
    """
    found = replace(expression)
    if found is not None:
        return found
    parts = expression._parts()
    if not parts:
        return expression
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


def changed(statement: S, change: Replace) -> S:
    """A statement with what `change` gives for its fields, rows and keys."""
    return remade(statement, lambda each: mapped(each, change))


def mapped(expression: Expression[Any], change: Replace) -> Expression[Any]:
    """An expression with what `change` gives for its fields, rows and keys, except for the items of lists."""
    return rewritten(expression, partial(_outside_items, change))


def _outside_items(change: Replace, expression: Expression[Any]) -> Expression[Any] | None:
    if isinstance(expression, Quantified):
        return expression._rebuilt((mapped(expression._items, change),))
    return change(expression)


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
    return remade(statement, lambda each: rewritten(each, replace))


def remade(statement: S, make: Make) -> S:
    """A statement, `Select`, `Update` or `Delete`, with what `make` gives for each of its expressions."""
    changes = {}
    for name, before in statement.__dict__.items():
        if before and name not in _WITHOUT:
            after = _remade(before, make)
            if after is not before:
                changes[name] = after
    return varied(statement, **changes) if changes else statement


# What a statement has without expressions of its rows.
_WITHOUT = frozenset({"_source", "_after", "_home", "_options", "_facts"})


def _remade(value: Any, make: Make) -> Any:
    """A value of a statement: an expression, or a tuple that has some."""
    if isinstance(value, Expression):
        return make(value)
    if isinstance(value, int):
        return value
    if isinstance(value, Ordering):
        of = make(value._of)
        return value if of is value._of else Ordering(of, descending=value._descending, first=value._first)
    if hasattr(value, "on"):  # a join
        on = _remade(value.on, make)
        return value if on is value.on else value._replace(on=on)
    if not isinstance(value, tuple):
        return value
    parts = tuple(_remade(each, make) for each in value)
    return value if all(a is b for a, b in zip(parts, value, strict=True)) else parts
