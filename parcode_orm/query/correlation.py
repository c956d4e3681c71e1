"""Statements that depend on a row of the statement around them, by equalities, run for all such rows at once.

`select(func.max(B.x)).where(B.a == A.id)` inside of a statement over A becomes `select(B.a, func.max(B.x))`, grouped by
`B.a`: its rows are looked up by `A.id`. W. Kim describes it in "On optimizing an SQL-like nested query" (1982).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

from ..errors import QueryError
from .engine import run
from .expressions import Expression
from .functions import has_aggregate
from .joining import single
from .nodes import Field, Item, Key, Literal, Operation
from .occurrences import Join, Occurrence, leaves_of, not_found, occurrences_of, place_of
from .rewriting import restated
from .sorting import is_nan
from .statement import Select
from .windows import Over

Pair = tuple[Expression[Any], Expression[Any]]
"""Two equal values: the first of the inner statement, the second of the statement around it."""
Leaf = Field[Any] | Item[Any] | Key[Any]


def divided(inner: Select[Any], outer: Any) -> tuple[Select[Any], list[Pair]]:
    """A statement without the conditions that name fields of the statement around it, and these, which are equalities.

    Args:
        inner: the statement inside.
        outer: the statement around it, a `Select`, an `Update` or a `Delete`.

    Raises:
        QueryError: a field of the statement around it stands elsewhere, or one of neither.
    """
    around = occurrences_of(outer if isinstance(outer, Select) else Select(outer._source, (), outer._where))
    inner = replace(inner, _home=outer._home)
    own = occurrences_of(_placed(inner, around))
    if own:  # named, so that another selection keeps them
        joins = tuple(Join(each.alias or each.rows, each.on, each.outer) for each in own[1:])
        inner = replace(inner, _source=own[0].alias or own[0].rows, _joins=joins)
    where: list[Expression[bool]] = []
    pairs: list[Pair] = []
    for condition in single(inner._where):
        if not _others(condition, own):
            where.append(condition)
            continue
        pairs.append(_pair(condition, own, around, inner))
    rest = [*inner._outputs, *inner._groups, *inner._having, *(each._of for each in inner._order)]
    for each in [*rest, *(condition for join in inner._joins for condition in join.on)]:
        if strange := _others(each, own):
            raise _refused(strange[0], each, own, around, inner)
    return replace(inner, _where=tuple(where)), pairs


def _placed(inner: Select[Any], around: Sequence[Occurrence]) -> Select[Any]:
    """A statement whose first named rows are its own, if only its conditions name rows."""
    if inner._source is not None or inner._joins or any(True for each in inner._outputs for _ in leaves_of(each)):
        return inner
    leaves = [leaf for each in inner._expressions() for leaf in leaves_of(each)]
    mine = [leaf for leaf in leaves if place_of(leaf, around) is None] or leaves
    return replace(inner, _outputs=(*mine[:1], *inner._outputs))


def _others(expression: Expression[Any], own: Sequence[Occurrence]) -> list[Leaf]:
    """The fields in an expression that are of none of the statement's own rows."""
    return [leaf for leaf in leaves_of(expression) if place_of(leaf, own) is None]


def _pair(
    condition: Expression[bool], own: Sequence[Occurrence], around: Sequence[Occurrence], inner: Select[Any]
) -> Pair:
    if isinstance(condition, Operation) and condition._operator == "==":
        for mine, other in (condition._args, condition._args[::-1]):
            leaves = list(leaves_of(other))
            if leaves and not _others(mine, own) and all(place_of(each, around) is not None for each in leaves):
                return mine, other
    raise _refused(_others(condition, own)[0], condition, own, around, inner)


def _refused(
    leaf: Leaf,
    whole: Expression[Any],
    own: Sequence[Occurrence],
    around: Sequence[Occurrence],
    inner: Select[Any],
) -> QueryError:
    if place_of(leaf, around) is None:
        return not_found(leaf, own)
    return QueryError(
        f"{whole} in {inner}: {leaf} is of the statement around it. Such a field stands in where() alone, as one side "
        f"of an equality: where({own[0].name}.field == {leaf}). Join the rows for other conditions"
    )


class Table(NamedTuple):
    """The first values of the rows of a statement, by the values that it depends on.

    A key is a tuple, if it has several values. `missing` are the rows of other keys: an aggregate gives one of no rows.
    """

    rows: dict[Any, list[Any]]
    missing: list[Any]
    ran: Select[Any]


def correlated(inner: Select[Any], by: Sequence[Expression[Any]]) -> Table:
    """The rows of a statement for all values of the expressions `by`, with its limit and offset for each of them.

    Raises:
        QueryError: the statement does not fit its rows; values of `by` have no hash.
    """
    asked = [*inner._outputs, *inner._having, *(each._of for each in inner._order)]
    grouped = bool(inner._groups) or any(map(has_aggregate, asked))
    changes: dict[str, Any] = {"_limit": None, "_offset": 0}
    having: tuple[Expression[bool], ...] = ()
    if grouped:
        changes["_groups"] = (*by, *inner._groups)
        if not inner._groups:  # a key whose only row having() refuses is not one that has no rows
            having, changes["_having"] = inner._having, ()
    changes["_outputs"] = (*by, *inner._outputs, *having)
    ran = restated(replace(inner, **changes), lambda each: _within(each, by))
    start, stop = inner._offset, None if inner._limit is None else inner._offset + inner._limit
    found: dict[Any, list[Any]] = {}
    width = len(by)
    for part in run(ran):
        for row in zip(*[vector.tolist() for vector in part], strict=True):
            key = row[0] if width == 1 else row[:width]
            if any(map(is_nan, row[:width])):  # equal to nothing
                continue
            try:
                rows = found.setdefault(key, [])
            except TypeError as problem:
                raise QueryError(f"{inner}: {', '.join(map(str, by))} cannot be looked up: {problem}") from None
            if all(row[width + len(inner._outputs) :]):
                rows.append(row[width])
    if start or stop is not None:
        found = {key: list(islice(rows, start, stop)) for key, rows in found.items()}
    missing: list[Any] = []
    if grouped and not inner._groups:
        none = replace(inner, _where=(*inner._where, Literal(False)))
        missing = [value for part in run(none) for value in part[0].tolist()]
    return Table(found, missing, ran)


def _within(expression: Expression[Any], by: Sequence[Expression[Any]]) -> Expression[Any] | None:
    """A window function of the rows for one value of `by`."""
    if not isinstance(expression, Over) or not expression._placed:
        return None
    return expression.over(
        partition_by=[*by, *expression._partition], order_by=list(expression._order), rows=expression._rows
    )
