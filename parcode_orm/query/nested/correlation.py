"""Statements that depend on a row of the statement around them, run for all such rows at once.

By equalities: `select(func.max(B.x)).where(B.a == A.id)` inside of a statement over A becomes `select(B.a,
func.max(B.x))`, grouped by `B.a`: its rows are looked up by `A.id`. W. Kim describes it in "On optimizing an SQL-like
nested query" (1982). By other conditions, `B.start < A.end`: the rows are joined to the different values of `A.end`,
and looked up by these, as T. Neumann and A. Kemper describe it in "Unnesting arbitrary queries" (2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

from ...errors import QueryError
from ..columns.vectors import Numbers, Objects, Vector
from ..expressions.computed import Computed, Pending
from ..expressions.evaluate import Frame, evaluate
from ..expressions.expressions import Expression, has
from ..expressions.functions import has_aggregate
from ..expressions.nodes import Field, Item, Key, Literal, Operation
from ..expressions.occurrences import Join, Occurrence, leaves_of, not_found, occurrences_of, place_of
from ..expressions.rewriting import mapped, restated
from ..expressions.windows import Over
from ..joins.join_planning import is_safe, single
from ..rows.aggregates import NAN
from ..rows.sorting import is_nan
from ..running.engine import run
from ..statements.statement import Select
from .derived import Subquery, subquery

Pair = tuple[Expression[Any], Expression[Any]]
"""Two equal values: the first of the inner statement, the second of the statement around it."""
Leaf = Field[Any] | Item[Any] | Key[Any]


class Link(NamedTuple):
    """What a statement says of the rows of the statement around it: equal values, and `others`, any conditions.

    `own` and `around` are the sources of both; `outer` is the statement around.
    """

    pairs: list[Pair]
    others: list[Expression[bool]]
    own: Sequence[Occurrence]
    around: Sequence[Occurrence]
    outer: Any

    def __bool__(self) -> bool:
        return bool(self.pairs or self.others)


def divided(inner: Select[Any], outer: Any) -> tuple[Select[Any], Link]:
    """A statement without the conditions that name fields of the statement around it, and these.

    Args:
        inner: the statement inside.
        outer: the statement around it, a `Select`, an `Update` or a `Delete`.

    Raises:
        QueryError: a field of the statement around it stands elsewhere, or one of neither; such fields are compared
            with no field of the statement.
    """
    around = occurrences_of(outer if isinstance(outer, Select) else Select(outer._source, (), outer._where))
    inner = replace(inner, _home=outer._home)
    own = occurrences_of(_placed(inner, around))
    if own:  # named, so that another selection keeps them
        inner = replace(inner, _source=own[0].alias or own[0].rows, _joins=_joins(own))
    where: list[Expression[bool]] = []
    link = Link([], [], own, around, outer)
    for condition in single(inner._where):
        strange = _others(condition, own)
        if not strange:
            where.append(condition)
        elif (pair := _pair(condition, own, around)) is not None:
            link.pairs.append(pair)
        elif any(isinstance(leaf, Item) or place_of(leaf, around) is None for leaf in strange):
            raise _refused(strange[0], condition, link, inner)
        else:
            link.others.append(condition)
    if link.others and not link.pairs and all(len(_others(each, own)) == _leaves(each) for each in link.others):
        raise _refused(_others(link.others[0], own)[0], link.others[0], link, inner)
    rest = [*inner._outputs, *inner._groups, *inner._having, *(each._of for each in inner._order)]
    for each in [*rest, *(condition for join in inner._joins for condition in join.on)]:
        if strange := _others(each, own):
            raise _refused(strange[0], each, link, inner)
    return replace(inner, _where=tuple(where)), link


def _joins(sources: Sequence[Occurrence]) -> tuple[Join, ...]:
    """The sources after the first, as a statement joins them."""
    return tuple([Join(each.alias or each.rows, each.on, each.outer) for each in sources[1:]])


def _leaves(expression: Expression[Any]) -> int:
    return sum(1 for _ in leaves_of(expression))


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


def _pair(condition: Expression[bool], own: Sequence[Occurrence], around: Sequence[Occurrence]) -> Pair | None:
    """The values of both statements that a condition says are equal; None for any other condition."""
    if isinstance(condition, Operation) and condition._operator == "==":
        for mine, other in (condition._args, condition._args[::-1]):
            leaves = list(leaves_of(other))
            if leaves and not _others(mine, own) and all(place_of(each, around) is not None for each in leaves):
                return mine, other
    return None


def _refused(leaf: Leaf, whole: Expression[Any], link: Link, inner: Select[Any]) -> QueryError:
    if place_of(leaf, link.around) is None:
        return not_found(leaf, link.own)
    name = link.own[0].name if link.own else "Other"
    return QueryError(
        f"{whole} in {inner}: {leaf} is of the statement around it. Such a field stands in where() alone, compared "
        f"with a field of {name}: where({name}.field == {leaf}). Other conditions on it belong to the statement around"
    )


class Table(NamedTuple):
    """The first values of the rows of a statement, by the values that it depends on.

    A key is a tuple, if it has several values. `missing` are the rows of other keys: an aggregate gives one of no rows.
    `keys` are these values in the statement around it.
    """

    rows: dict[Any, list[Any]]
    missing: list[Any]
    ran: Select[Any]
    keys: Sequence[Expression[Any]]


def correlated(inner: Select[Any], link: Link) -> Table:
    """The rows of a statement for all values that it depends on, with its limit and offset for each of them.

    Raises:
        QueryError: the statement does not fit its rows; such values have no hash.
    """
    by: Sequence[Expression[Any]] = [mine for mine, _ in link.pairs]
    keys: Sequence[Expression[Any]] = [other for _, other in link.pairs]
    alone = inner
    if link.others:
        inner, by, keys = _surrounded(inner, link)
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
            if any(map(is_nan, row[:width])):
                if not link.others:  # equal to nothing
                    continue
                row = tuple([NAN if is_nan(each) else each for each in row[:width]]) + row[width:]
            key = row[0] if width == 1 else row[:width]
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
        none = replace(alone, _where=(*alone._where, Literal(False)))
        missing = [value for part in run(none) for value in part[0].tolist()]
    return Table(found, missing, ran, keys)


def _surrounded(
    inner: Select[Any], link: Link
) -> tuple[Select[Any], Sequence[Expression[Any]], Sequence[Expression[Any]]]:
    """A statement joined to the values around it that it depends on; these there, and in the statement around.

    Raises:
        QueryError: a join of the statement around has a statement in its conditions.
    """
    wanted = [other for _, other in link.pairs]
    wanted += [leaf for each in link.others for leaf in _others(each, link.own)]
    keys = {each._identity(): each for each in wanted}
    values = _values_around(link, list(keys.values()))
    columns = dict(zip(keys, values.c, strict=True))

    def change(leaf: Expression[Any]) -> Expression[Any] | None:
        there = isinstance(leaf, Field | Item | Key) and place_of(leaf, link.own) is None
        return columns[leaf._identity()] if there else None

    on: list[Expression[bool]] = [
        Operation("==", (mine, columns[other._identity()]), bool) for mine, other in link.pairs
    ]
    on += [mapped(each, change) for each in link.others]
    inner = replace(inner, _joins=(*inner._joins, Join(values, tuple(on))))
    return inner, list(values.c), list(map(OneNaN, keys.values()))


def _values_around(link: Link, keys: Sequence[Expression[Any]]) -> Subquery:
    """The different values of expressions in the rows of the statement around, without rows that it leaves out."""
    outer, around = link.outer, link.around
    if any(has(each, Pending) for source in around for each in source.on):
        raise QueryError(
            f"{link.others[0]} is no equality, and the statement around has a join whose conditions have a statement: "
            "ask that in where()"
        )
    where = tuple(filter(is_safe, single(outer._where)))
    first = around[0].alias or around[0].rows
    asked = Select[Any](first, tuple(keys), where, _distinct=True, _joins=_joins(around), _home=outer._home)
    return subquery(asked, "around")


class OneNaN(Computed[Any]):
    """A value by which rows are looked up: each NaN as one object, which a dictionary finds."""

    __slots__ = ("_of", "_tp")

    def __init__(self, of: Expression[Any]) -> None:
        self._of = of
        self._tp = of._tp

    def _parts(self) -> tuple[Expression[Any], ...]:
        return (self._of,)

    def _rebuilt(self, parts: tuple[Expression[Any], ...]) -> Expression[Any]:
        return OneNaN(parts[0])

    def _identity(self) -> Any:
        return OneNaN, self._of._identity()

    def _values(self, frame: Frame) -> Vector:
        found = evaluate(self._of, frame)
        if isinstance(found, Numbers) and (found.kind is not None or found.values.dtype.kind != "f"):
            return found
        return Objects([NAN if is_nan(each) else each for each in found.tolist()])

    def __str__(self) -> str:
        return str(self._of)


def _within(expression: Expression[Any], by: Sequence[Expression[Any]]) -> Expression[Any] | None:
    """A window function of the rows for one value of `by`."""
    if not isinstance(expression, Over) or not expression._placed:
        return None
    return expression.over(
        partition_by=[*by, *expression._partition], order_by=list(expression._order), rows=expression._rows
    )
