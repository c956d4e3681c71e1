"""How a statement of several sources is run: which conditions each source has, what joins them, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from ...codec.base import Column
from ...errors import QueryError
from ...model.annotations import arms
from ...model.kinds import fields_of
from ..columns.places import is_scalar
from ..expressions.computed import Computed, Searched
from ..expressions.distances import Distance
from ..expressions.expressions import Expression, found_in
from ..expressions.functions import has_aggregate
from ..expressions.nodes import Field, Item, Key, Logical, Of, Operation
from ..expressions.occurrences import Occurrence, bare, not_found, place_of
from ..expressions.rewriting import changed, mapped, remade
from ..rows.sources import Source
from ..statements.statement import Select
from .hash_join import Given, JoinedSource, Step
from .item_joins import inside
from .reference_paths import Reached, Reaching, holds_of_none, reaches

Conditions = list[Expression[bool]]
Find = Callable[[Select[Any]], tuple[tuple[Expression[bool], ...], Source]]

_SAFE = frozenset(
    "== != < <= > >= in like ilike startswith endswith contains + - * neg abs len attribute coalesce".split()
)  # operations that fail for no value of the type that a field has


def reached(statement: Select[Any]) -> Select[Any]:
    """A statement whose fields through references can be evaluated."""
    if not reaches(statement._expressions()):
        return statement
    reaching = Reaching(statement._home)
    found = remade(statement, reaching.value)
    return replace(found, _where=tuple(map(reaching.condition, statement._where)))


def joined(statement: Select[Any], sources: Sequence[Occurrence], find: Find) -> tuple[Select[Any], JoinedSource]:
    """A statement of several sources as one of their join, and its rows.

    Args:
        statement: the statement.
        sources: what `occurrences_of` finds in it.
        find: gives the conditions and the rows of a statement of one source.

    Raises:
        QueryError: a field is of none of the sources, or nothing says which rows of a source belong to the others.
    """
    found = changed(statement, lambda each: _placed(each, sources))
    plan = _Plan(sources, found._where)
    asked = [*found._outputs, *found._groups, *found._having, *(each._of for each in found._order)]
    given = [_given(statement, each, place, plan.own[place], asked, find) for place, each in enumerate(sources)]
    first = 0
    if not any(plan.outer) and (found._groups or any(map(has_aggregate, asked))):
        # Groups have no order, so the largest source may come first. It may not be what connects the others if one of
        # them is None where nothing fits.
        first = max(range(len(sources)), key=lambda place: (len(given[place].source), -place))
    steps = plan.ordered(first)
    where = tuple(plan.pool)
    asked += where
    for step in steps:
        asked += [*step.keys, *step.others, *step.on, *step.where]
    return replace(found, _where=where, _source=None, _joins=()), JoinedSource(first, given, steps)


def alone(statement: Select[Any], source: Occurrence) -> Select[Any]:
    """A statement of one source, with its fields free of the alias."""

    def change(leaf: Expression[Any]) -> Expression[Any] | None:
        if isinstance(leaf, Field | Item | Key):
            if place_of(leaf, [source]) is None:
                raise not_found(leaf, [source])
            return bare(leaf)
        return None

    return replace(changed(statement, change), _source=source.rows)


def _placed(leaf: Expression[Any], sources: Sequence[Occurrence]) -> Expression[Any] | None:
    if not isinstance(leaf, Field | Item | Key):
        return None
    place = place_of(leaf, sources)
    if place is None:
        raise not_found(leaf, sources)
    return Of(place, leaf)


def _of_source(expression: Expression[Any]) -> Expression[Any]:
    """An expression of one source of a join as one of the rows of that source."""
    return mapped(expression, lambda each: bare(each._of) if isinstance(each, Of) else None)


def _used(expression: Expression[Any]) -> set[int]:
    """The numbers of the sources whose fields stand in an expression."""
    return {each._number for each in found_in(expression, Of)}


def single(conditions: Iterable[Expression[bool]]) -> Conditions:
    """Conditions that all hold, each alone."""
    found: Conditions = []
    for each in conditions:
        found += single(each._args) if isinstance(each, Logical) and each._operator == "and" else [each]
    return found


def is_safe(expression: Expression[Any]) -> bool:
    """Whether an expression fails for no row, so that it may be asked of rows that other conditions leave out."""
    if isinstance(expression, Operation) and expression._operator not in _SAFE:
        return False
    if isinstance(expression, Computed) and not isinstance(expression, Reached | Searched):
        return False
    return all(map(is_safe, expression._parts()))


def _taken(conditions: Conditions, wanted: Callable[[Expression[bool]], bool]) -> Conditions:
    """Take the conditions that are `wanted` out of `conditions`."""
    flags = list(map(wanted, conditions))
    found = [each for each, flag in zip(conditions, flags, strict=True) if flag]
    conditions[:] = [each for each, flag in zip(conditions, flags, strict=True) if not flag]
    return found


class _Plan:
    """What is known of a join while it is put in order.

    `own` are the conditions of each source, asked of its rows before they are joined. `pool` are the conditions that
    must hold of the rows of the join and that no step asks yet.
    """

    def __init__(self, sources: Sequence[Occurrence], where: Iterable[Expression[bool]]) -> None:
        self.sources = sources
        self.pool = single(where)
        self.own: list[Conditions] = [[] for _ in sources]
        self.on = [
            [mapped(each, lambda leaf: _placed(leaf, sources)) for each in single(source.on)] for source in sources
        ]
        self.outer = [place > 0 and each.outer for place, each in enumerate(sources)]
        for place, outer in enumerate(self.outer):
            if outer and any(_used(each) == {place} and holds_of_none(_of_source(each)) is False for each in self.pool):
                self.outer[place] = False
        for place, conditions in enumerate(self.on):
            if not self.outer[place]:
                self.pool += conditions
                self.on[place] = []
            else:
                self._divide(conditions, place)
        for place in range(len(sources)):
            if not self.outer[place]:
                self._divide(self.pool, place)

    def _divide(self, conditions: Conditions, place: int) -> None:
        """Take the conditions on source `place` alone out of `conditions`."""
        mine = _taken(conditions, lambda each: _used(each) == {place} and is_safe(each))
        self.own[place] += map(_of_source, mine)

    def ordered(self, first: int) -> list[Step]:
        """The steps after source `first`. Each joins a source that conditions connect to the sources before it."""
        steps: list[Step] = []
        placed = {first}
        left = [place for place in range(len(self.sources)) if place != first]
        while left:
            place = self._next(placed, left)
            left.remove(place)
            outer = self.outer[place]
            conditions = self.on[place] if outer else self.pool
            equal = _taken(conditions, lambda each: _equality(each, placed, place) is not None)  # noqa: B023
            keys = [pair for each in equal if (pair := _equality(each, placed, place)) is not None]
            found = [each for condition in conditions if (each := inside(condition, placed, place)) is not None]
            placed.add(place)
            where = _taken(self.pool, lambda each: _used(each) <= placed) if left else []
            mine, others = tuple([one for one, _ in keys]), tuple([_of_source(other) for _, other in keys])
            on = tuple(conditions) if outer else ()
            said = tuple(map(str, equal))
            items = found[0]._replace(other=_of_source(found[0].other)) if found and not keys else None
            steps.append(Step(place, mine, others, on, outer, tuple(where), said, items))
        return steps

    def _next(self, placed: set[int], left: Sequence[int]) -> int:
        for place in left:
            if self.outer[place]:
                if all(_used(each) <= placed | {place} for each in self.on[place]):
                    return place
            elif any(_equality(each, placed, place) is not None for each in self.pool):
                return place
        for place in left:
            near = [used for each in self.pool if place in (used := _used(each)) and used <= placed | {place}]
            if not self.outer[place] and any(len(used) > 1 for used in near):
                return place
        names = " and ".join(self.sources[place].name for place in placed)
        name = self.sources[left[0]].name
        raise QueryError(
            f"nothing says which rows of {name} belong to those of {names}: join them on a condition, such as an "
            "equality of two fields"
        )


def _equality(
    condition: Expression[bool], placed: set[int], place: int
) -> tuple[Expression[Any], Expression[Any]] | None:
    """The values of the sources `placed`, and of source `place`, that a condition says are equal."""
    if not isinstance(condition, Operation) or condition._operator != "==":
        return None
    for one, other in (condition._args, condition._args[::-1]):
        used = _used(one)
        if used and used <= placed and _used(other) == {place} and _has_hash(one) and _has_hash(other):
            return one, other
    return None


def _has_hash(expression: Expression[Any]) -> bool:
    """Whether values can be looked up; those of a list, a dictionary or a model are compared one by one."""
    for arm in arms(expression._tp):
        origin = getattr(arm, "__origin__", arm)
        if origin in (list, dict, set, bytearray) or fields_of(arm) is not None:
            return False
    return True


def _given(
    statement: Select[Any],
    source: Occurrence,
    place: int,
    own: Conditions,
    asked: Iterable[Expression[Any]],
    find: Find,
) -> Given:
    def rows(more: tuple[Expression[bool], ...]) -> tuple[tuple[Expression[bool], ...], Source]:
        return find(Select(source.rows, (Item(),), (*own, *more), _home=statement._home))

    where, here = rows(())

    def arrays(items: Column) -> bool:  # called when the join runs, and all that is asked is known
        fields = [leaf for each in asked for leaf in _fields(each) if isinstance(leaf, Of) and leaf._number == place]
        paths = {leaf._path[1:] for leaf in fields if isinstance(leaf._of, Field)}
        paths |= {leaf._path for each in where for leaf in _fields(each) if isinstance(leaf, Field)}
        return all(is_scalar(items, path) for path in paths)

    return Given(source.name, here, where, arrays, rows)


def _fields(expression: Expression[Any]) -> list[Expression[Any]]:
    """The fields that are read as columns; vectors are read in place."""
    if isinstance(expression, Of | Field):
        return [expression]
    if isinstance(expression, Distance) and all(isinstance(each, Of | Field) for each in expression._parts()):
        return []
    return [leaf for part in expression._parts() for leaf in _fields(part)]
