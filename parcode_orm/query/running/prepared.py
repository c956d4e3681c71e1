"""A statement made ready to run: which rows it asks, what they must fulfil, what is given of them, in which order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

from ...codec.base import Column
from ...errors import QueryError
from ...model.annotations import present
from ...model.keys import key_fields
from ..columns.places import is_number_or_text, is_scalar
from ..expressions.distances import Distance
from ..expressions.expressions import Expression, found_in, has
from ..expressions.functions import has_aggregate
from ..expressions.negation import without_not
from ..expressions.nodes import (
    Aggregate,
    Field,
    Item,
    Key,
    Label,
    Literal,
    Logical,
    Of,
    Operation,
    Ordering,
    Quantified,
    Slot,
)
from ..expressions.occurrences import occurrences_of
from ..expressions.rewriting import ready
from ..expressions.scope import check_scope
from ..expressions.selectables import Asked, Derived, Entities, First, Narrowed
from ..expressions.simple import fact, is_nearly_simple, is_simple, placed, varied
from ..expressions.windows import Over, has_window
from ..joins.join_planning import alone, joined, reached
from ..rows.grouped_entities import GroupedEntities
from ..rows.rows_by_id import SelectedSource
from ..rows.sorting import beyond
from ..rows.sources import MemorySource, Source, TableSource, source_of
from ..statements.statement import Select
from .subquery_results import Found
from .text_lookup import Search, Selection, bound, given_of, has_search, weighted

FEW = 1000  # rows that a text search found: no other index is asked


class Query(NamedTuple):
    """A statement made ready: what each batch must fulfil, what is given of its rows, and in which order."""

    where: tuple[Expression[bool], ...]
    outputs: tuple[Expression[Any], ...]
    order: tuple[Ordering, ...]
    first: int
    stop: int | None
    distinct: bool
    windows: tuple[Over[Any], ...] = ()
    """The window functions that are asked of the rows."""
    later: tuple[Expression[bool], ...] = ()
    """Conditions on rows that have their window functions."""
    searched: bool = False
    """Whether words are looked for, in a statement that is simple but for that."""
    keys: bool = False
    """Whether nothing is given but the keys of the rows that fulfil the conditions, in the order of the rows."""


class Grouping(NamedTuple):
    """What a statement's rows are grouped by, what is aggregated, and which rows take part."""

    where: tuple[Expression[bool], ...]
    by: tuple[Expression[Any], ...]
    aggregates: tuple[Aggregate[Any], ...]


def prepared(statement: Select[Any], *, counted: bool = False) -> tuple[Source, Query, Grouping | None]:
    """The rows that a statement asks, and what is asked of them; with a grouping, of the groups.

    Args:
        statement: the statement.
        counted: whether only the number of rows of its result is asked.

    Raises:
        QueryError: it names no collection, or a field of another class; it mixes rows and groups.
    """
    simple = fact(statement, "quick", is_nearly_simple)
    rows = [each.rows for each in occurrences_of(statement)] if statement._groups and not simple else []
    if simple and statement._source is None:  # what is selected first says where the rows are
        sources = occurrences_of(statement)
        statement = placed(statement, _source=sources[0].rows) if sources else statement
    if not simple:
        statement, source = _located(reached(ready(statement)), counted)
    if statement._groups:
        query, grouping = _divided(statement, rows or [statement._source], simple=simple)
    else:
        query, grouping = fact(statement, "divided", partial(_divided, rows=(), simple=simple))
    if simple:  # no others to run first, to reach, or to join
        found = None
        if query.searched:
            query, grouping, found = _searched(query, grouping, Search(statement, given_of(statement)))
        source = _source(statement, found, partial(_asked, statement, counted), simple=True)
    first, limit = statement._offset, statement._limit
    if first or limit is not None:
        query = query._replace(first=first, stop=None if limit is None else first + limit)
    return source, query, grouping


def _searched(
    query: Query, grouping: Grouping | None, search: Search
) -> tuple[Query, Grouping | None, Selection | None]:
    """What is asked of rows, with what indexes found for the text searches, and the rows that these leave."""
    told = search.informed
    where, outputs, order, first, stop, distinct, windows, later, searched, keys = query
    where, outputs = tuple(map(told, where)), tuple(map(told, outputs))
    if order:
        order = tuple([Ordering(told(each._of), descending=each._descending, first=each._first) for each in order])
    query = Query(where, outputs, order, first, stop, distinct, windows, later, searched, keys)
    if grouping is not None:
        groups: Any = [tuple(map(told, part)) for part in grouping]
        grouping = Grouping(*groups)
        where = grouping.where
    return query, grouping, search.selection(where)


def _divided(statement: Select[Any], rows: Sequence[Any], *, simple: bool) -> tuple[Query, Grouping | None]:
    """What is asked of the rows of a statement, without its limit; with a grouping, of the groups."""
    outputs = statement._outputs
    where, ordering, searched = statement._where, statement._order, simple and has_search(statement)
    if not statement._groups and not _aggregated(statement):
        if statement._having:
            raise QueryError("having() chooses groups, and the statement makes none: use where(), or group_by()")
        windows = () if simple else _windows(outputs, ordering)
        keys = simple and not ordering and not statement._distinct and all(map(_is_key, outputs))
        query = Query(where, outputs, ordering, 0, None, statement._distinct, windows, (), searched, keys)
        return _after(query, statement), None
    by = statement._groups
    entities = GroupedEntities(by, rows, statement._home)
    asked = [*outputs, *statement._having, *(each._of for each in ordering)]
    aggregates = list({each._identity(): each for whole in asked for each in found_in(whole, Aggregate)}.values())
    slots = {each._identity(): place for place, each in enumerate([*by, *aggregates])}
    having = tuple(_of_group(each, slots, entities) for each in statement._having)
    ordering = tuple(
        Ordering(_of_group(each._of, slots, entities), descending=each._descending, first=each._first)
        for each in ordering
    )
    outputs = tuple(_of_group(each, slots, entities) for each in outputs)
    windows = () if simple else _windows(outputs, ordering)
    query = Query(having, outputs, ordering, 0, None, statement._distinct, windows, (), searched)
    return _after(query, statement), Grouping(where, entities.by, tuple(aggregates))


def _is_key(output: Expression[Any]) -> bool:
    """Whether a value is the key of its row, of a type whose values never change."""
    is_plain = isinstance(output, Field) and present(output._tp) in (int, str, bytes)
    return is_plain and output._path == key_fields(output._cls)


def _aggregated(statement: Select[Any]) -> bool:
    return not fact(statement, "simple", is_simple) and fact(statement, "aggregates", _has_aggregates)


def _has_aggregates(statement: Select[Any]) -> bool:
    """Whether a value of all rows is given, or orders the result."""
    return any(map(has_aggregate, [*statement._outputs, *(each._of for each in statement._order)]))


def _windows(outputs: Sequence[Expression[Any]], ordering: Sequence[Ordering]) -> tuple[Over[Any], ...]:
    """The window functions in expressions, each once."""
    asked = [*outputs, *(each._of for each in ordering)]
    return tuple({each._identity(): each for whole in asked for each in found_in(whole, Over)}.values())


def _after(query: Query, statement: Select[Any]) -> Query:
    """What a statement asks of the rows that come after those of the pages before."""
    if statement._after is None:
        return query
    condition = beyond(query.order, statement._after)
    if query.windows:  # these are computed of all rows
        return query._replace(later=(condition,))
    return query._replace(where=(*query.where, condition))


def are_arrays(query: Query, grouping: Grouping | None, items: Column) -> bool:
    """Whether all that is asked of rows, stored as `items`, comes as arrays: then many rows are taken at once."""
    asked: list[Expression[Any]]
    if grouping is None:
        values = [each._of if isinstance(each, Label) else each for each in query.outputs]
        asked = [*query.where, *(each._of for each in query.order)]
        if not (query.order and query.stop is not None and isinstance(query.order[0]._of, Distance)):
            asked += [each for each in values if not isinstance(each, Item)]  # else they are read of the nearest alone
    else:
        asked = [*grouping.where, *grouping.by, *grouping.aggregates]
    return all(_is_array(each, items) for each in asked)


def _is_array(expression: Expression[Any], items: Column) -> bool:
    if isinstance(expression, Field):
        return is_scalar(items, expression._path)
    if isinstance(expression, Distance):
        return all(isinstance(each, Field) for each in expression._parts())
    return not isinstance(expression, Item | Quantified) and all(_is_array(each, items) for each in expression._parts())


def is_quick(condition: Expression[Any], items: Column) -> bool:
    """Whether a condition compares numbers or text, as arrays, with constants."""
    if isinstance(condition, Logical):
        return all(is_quick(each, items) for each in condition._args)
    if not isinstance(condition, Operation) or condition._operator not in _COMPARED:
        return False
    fields = [each for each in condition._args if not isinstance(each, Literal)]
    return len(fields) == 1 and isinstance(fields[0], Field) and is_number_or_text(items, fields[0]._path)


_COMPARED = frozenset({"==", "!=", "<", "<=", ">", ">=", "in", "startswith"})


def _alone(statement: Select[Any], counted: bool) -> list[Expression[Any]] | None:
    """What a statement asks of rows, if neither the rows themselves nor their order are asked; else None."""
    if statement._groups or statement._after is not None:
        return None
    aggregates = _aggregates(statement)
    if aggregates:
        return [*statement._where, *aggregates]
    return None if statement._distinct or not counted else [*statement._where]


def _aggregates(statement: Select[Any]) -> Sequence[Aggregate[Any]]:
    """The aggregates that a statement has."""
    return () if fact(statement, "simple", is_simple) else fact(statement, "all aggregates", _found_aggregates)


def _found_aggregates(statement: Select[Any]) -> list[Aggregate[Any]]:
    return [each for whole in _after_where(statement) for each in found_in(whole, Aggregate)]


def _after_where(statement: Select[Any]) -> list[Expression[Any]]:
    """What a statement asks of the rows or groups that it has chosen."""
    return [*statement._outputs, *statement._having, *(each._of for each in statement._order)]


def _first(statement: Select[Any]) -> tuple[First, ...]:
    """The rows that are first in an order, if no others count: those up to a limit, or with an extreme value."""
    aggregates = _aggregates(statement)
    if statement._groups or statement._distinct or not (aggregates or statement._limit is not None):
        return ()
    if any(map(has_window, _after_where(statement))):  # of all rows
        return ()
    if aggregates:
        ends = [(each._of, each._function == "max") for each in aggregates if each._function in ("min", "max")]
        orders = [Ordering(of, descending=last, first=False) for of, last in ends if isinstance(of, Field)]
        return tuple([First((each,), 1, extreme=True) for each in orders]) if len(orders) == len(aggregates) else ()
    if not statement._order or statement._limit is None:
        return ()
    return (First(statement._order, statement._offset + statement._limit, statement._after),)


def _located(statement: Select[Any], counted: bool) -> tuple[Select[Any], Source]:
    """A statement as it is asked of its rows, and these."""
    sources = occurrences_of(statement)
    if len(sources) > 1:
        return joined(weighted(statement, sources), sources, _filtered)
    if sources and sources[0].alias is not None:
        statement = alone(statement, sources[0])
    elif sources and statement._source is None:
        statement = varied(statement, _source=sources[0].rows)
    statement, found = bound(statement)
    return statement, _source(statement, found, partial(_asked, statement, counted))


def _asked(statement: Select[Any], counted: bool) -> Asked:
    return Asked(statement._where, _alone(statement, counted), _first(statement))


def _filtered(statement: Select[Any]) -> tuple[tuple[Expression[bool], ...], Source]:
    """The conditions of a source of a join, and its rows."""
    statement, found = bound(statement)
    return statement._where, _source(statement, found, partial(Asked, statement._where, None, ()))


def _source(
    statement: Select[Any], found: Selection | None, asked: Callable[[], Asked], *, simple: bool = False
) -> Source:
    """The rows of a statement. A `simple` one names no keys, and has fields of its rows alone."""
    if statement._source is None:
        if any(has(each, Found) for each in statement._outputs):  # select(exists(...)): values of no rows, once
            return MemorySource([None], None, None, "no collection: ")
        named = statement._outputs[0]
        raise QueryError(
            f"select({named}) does not say where its rows are: write select(collection), as in select(world.players), "
            f"or .select_from(collection)"
        )
    given = given_of(statement)
    if isinstance(given, type):
        raise QueryError(f"the objects of {given.__qualname__} are in a session's file: session.scalars(statement)")
    source: Source = given.source(statement._home) if isinstance(given, Derived) else source_of(given)
    keys = None if simple else _keys(statement._where)
    narrowed = None if keys is None else Narrowed(keys, "by key")
    if keys is None and isinstance(given, Entities) and (found is None or len(found.ids) > FEW):
        narrowed = given.narrowed(asked())
    if narrowed is None and found is not None and isinstance(source, TableSource):
        source = SelectedSource(source, found.ids, found.parts, f"by the text index of {found.name}: ")
    if narrowed is not None:
        source = _narrowed(source, narrowed)
    if source.model is not None and not simple:
        for each in statement._expressions():
            check_scope(each, [source.model], "the collection")
    return source


def _narrowed(source: Source, narrowed: Narrowed) -> Source:
    """Those rows of a source that were found by keys or indexes."""
    keys, how, rows = narrowed
    found = MemorySource(rows, list(keys), source.model, how) if rows is not None else source.at_keys(keys, how)
    return source if found is None else found  # an empty one is false


def _keys(where: Iterable[Expression[bool]]) -> Collection[Any] | None:
    """Keys one of which each row must have; None where the conditions name none."""
    return next((keys for each in where if (keys := _keys_of(without_not(each))) is not None), None)


def _keys_of(condition: Expression[bool]) -> Collection[Any] | None:
    if isinstance(condition, Logical) and condition._operator == "and":
        return _keys(condition._args)
    if isinstance(condition, Logical) and condition._operator == "or":
        arms = list(map(_keys_of, condition._args))
        return None if any(keys is None for keys in arms) else [key for keys in arms for key in keys or ()]
    if not isinstance(condition, Operation) or condition._operator not in ("==", "in"):
        return None
    one, other = condition._args
    if isinstance(one, Literal):
        one, other = other, one
    if isinstance(one, Key) and isinstance(other, Literal):
        found: Collection[Any] = other._value if condition._operator == "in" else [other._value]
        return found
    return None


def _of_group(expression: Expression[Any], slots: dict[Any, int], entities: GroupedEntities) -> Expression[Any]:
    """`expression` with the columns of groups in place of aggregates and of what the rows are grouped by."""
    if isinstance(expression, Label):
        return Label(_of_group(expression._of, slots, entities), expression._called)
    of_entity = entities.of(expression)
    if of_entity is not None:
        return of_entity
    place = slots.get(expression._identity())
    if place is not None:
        return Slot(place, expression)
    if isinstance(expression, Item) or (isinstance(expression, Of) and isinstance(expression._of, Item)):
        raise QueryError(
            f"{expression} is a whole row, and the result has groups: group_by({expression}) if it has a Key(), or "
            "select the fields of group_by()"
        )
    if isinstance(expression, Field | Key | Of):
        raise QueryError(
            f"{expression} is of each row, and the result has groups: group_by({expression}), or aggregate it"
        )
    return expression._rebuilt(tuple(_of_group(each, slots, entities) for each in expression._parts()))
