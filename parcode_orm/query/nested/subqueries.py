"""Statements inside of others: `in_(select(...))`, `exists`, `scalar_subquery`.

A subquery runs once, before the statement around it, on the same state of the session. One that depends on a row of
the statement around it, by an equality, is run for all such rows at once, and its rows are looked up by these values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from typing import Any, TypeVar

from ...errors import MultipleResultsFound, QueryError, called
from ...model.references import referred_classes
from ..expressions.backrefs import OtherSide
from ..expressions.building import check_kinds
from ..expressions.computed import Pending
from ..expressions.expressions import Expression, builds
from ..expressions.functions import field_of, has_aggregate, row_condition
from ..expressions.nodes import Aggregate, Item, Label, Literal, Operation
from ..expressions.occurrences import key_of
from ..expressions.selectables import is_entity_class
from ..expressions.windows import has_window
from ..rows.sorting import is_nan
from ..running.engine import run
from ..running.subquery_results import MANY, Found, Lookup
from ..statements.statement import Select
from .correlation import correlated, divided

T = TypeVar("T")


class _Nested(Pending[T]):
    """What the nodes of this module have: the statement inside."""

    __slots__ = ("_statement", "_tp")

    _statement: Select[Any]

    def _parts(self) -> tuple[Expression[Any], ...]:
        return ()

    def _identity(self) -> Any:
        return type(self), id(self._statement), tuple(each._identity() for each in self._parts())


@builds
class Scalar(_Nested[T]):
    """The value of the one row of a statement."""

    __slots__ = ()

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        output = _single(statement, "scalar_subquery()")
        if isinstance(output, Item) and output._cls is not None:
            raise QueryError(
                f"{statement}.scalar_subquery() is a value: select a field, or func.key(), and no whole rows"
            )
        self._statement = statement
        self._tp = output._tp if output._tp is Any else output._tp | None

    def _ready(self, outer: Any) -> Expression[Any]:
        inner, link = divided(self._statement, outer)
        if link:
            table = correlated(inner, link)
            found = {key: MANY if len(rows) > 1 else rows[0] if rows else None for key, rows in table.rows.items()}
            missing = table.missing[0] if table.missing else None
            return Lookup(table.keys, found, missing, str(self), table.ran, tp=self._tp)
        limited = replace(inner, _limit=min(2, 2 if inner._limit is None else inner._limit))
        values = _values(limited)
        if len(values) > 1:
            raise MultipleResultsFound(f"{self} gives more than one row: add limit(1), or an aggregate")
        return Found(values[0] if values else None, str(self), limited)

    @property
    def _name(self) -> str:
        return self._statement._outputs[0]._name

    def __str__(self) -> str:
        return f"{self._statement}.scalar_subquery()"


class _OfValue(_Nested[T]):
    """What a statement says of a value of each row."""

    __slots__ = ("_value",)

    def __init__(self, value: Expression[Any], statement: Select[Any]) -> None:
        self._value = value
        self._statement = statement

    def _parts(self) -> tuple[Expression[Any], ...]:
        return (self._value,)

    def _rebuilt(self, parts: tuple[Expression[Any], ...]) -> Expression[Any]:
        return type(self)(parts[0], self._statement)


class Chosen(_OfValue[bool]):
    """Whether a value is among the values that a statement gives."""

    __slots__ = ()
    _tp = bool

    def _among(self, values: list[Any]) -> Any:
        """What the value may be, where the statement gives `values`."""
        return _members(values)

    def _ready(self, outer: Any) -> Expression[Any]:
        inner, link = divided(self._statement, outer)
        if not link:
            values = self._among(_values(inner))
            return Operation("in", (self._value, Found(values, repr(self._statement), inner)), bool)
        if link.others and _is_plain(inner):  # each value once, however many rows have it
            inner = replace(inner, _groups=inner._outputs, _order=())
        table = correlated(inner, link)
        found = {key: self._among(rows) for key, rows in table.rows.items()}
        missing = self._among(table.missing)
        members: Expression[Any] = Lookup(table.keys, found, missing, str(self._statement), table.ran)
        return Operation("contains", (members, self._value), bool)

    def __str__(self) -> str:
        return f"{self._value}.in_({self._statement})"


class Held(Chosen):
    """Whether a value is among the items of the collections that a statement gives."""

    __slots__ = ()

    def _among(self, values: list[Any]) -> Any:
        return frozenset(chain.from_iterable(map(_items, values)))

    def __str__(self) -> str:
        return f"{self._value}.in_(items of {self._statement})"


class Number(_OfValue[int]):
    """How many of the values that a statement gives are the value of a row, or hold it as an item."""

    __slots__ = ()
    _tp = int

    def _ready(self, outer: Any) -> Expression[Any]:
        inner, _ = divided(self._statement, outer)
        if inner._groups:
            key, count = ([value for part in run(inner) for value in part[at].tolist()] for at in (0, 1))
            found: dict[Any, int] = dict(zip(key, count, strict=True))
        else:
            found = Counter(chain.from_iterable(map(set, map(_items, _values(inner)))))
        found.pop(None, None)  # of references that are None
        return Lookup([self._value], found, 0, str(self), inner, tp=int)

    def __str__(self) -> str:
        return f"len_({self._value} in {self._statement})"


class Exists(_Nested[bool]):
    """Whether a statement gives a row."""

    __slots__ = ()
    _tp = bool

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement

    def _ready(self, outer: Any) -> Expression[Any]:
        inner, link = divided(self._statement, outer)
        asked = [*inner._outputs, *inner._having, *(each._of for each in inner._order)]
        if not (inner._distinct or inner._groups or any(map(has_aggregate, asked))):
            inner = replace(inner, _outputs=(Literal(True),))  # no objects are made
        if link.others and _is_plain(inner):  # one row for each value around it, however many fit
            inner = replace(inner, _groups=inner._outputs, _order=())
        if not link:
            limited = replace(inner, _limit=min(1, 1 if inner._limit is None else inner._limit))
            return Found(any(len(part[0]) for part in run(limited)), str(self), limited)
        table = correlated(inner, link)
        keys = {key for key, rows in table.rows.items() if rows}
        if not table.missing and len(table.keys) == 1 and not link.others:  # an index serves it, as it does any in_()
            return Operation("in", (table.keys[0], Found(frozenset(keys), str(self), table.ran)), bool)
        found = dict.fromkeys(table.rows, False) | dict.fromkeys(keys, True)
        return Lookup(table.keys, found, bool(table.missing), str(self), table.ran, tp=bool)

    def __str__(self) -> str:
        return f"exists({self._statement})"


def _is_plain(statement: Select[Any]) -> bool:
    """Whether a statement gives a value of each row, of all rows."""
    asked = [*statement._outputs, *statement._having, *(each._of for each in statement._order)]
    if statement._groups or statement._limit is not None or statement._offset or any(map(has_aggregate, asked)):
        return False
    return not any(map(has_window, asked)) and not any(isinstance(each, Item) for each in statement._outputs)


def _single(statement: Any, name: str) -> Expression[Any]:
    """The only value that a statement gives a row.

    Raises:
        QueryError: there are several.
    """
    outputs = statement._outputs
    if len(outputs) != 1:
        raise QueryError(f"{name} takes a statement with one value a row, and {statement} has {len(outputs)}")
    output: Expression[Any] = outputs[0]
    return output._of if isinstance(output, Label) else output


@builds
def chosen(value: Expression[Any], statement: Select[Any]) -> Expression[bool]:
    """Whether `statement` gives `value`, checked. Entities stand for their keys."""
    output = _single(statement, f"{value}.in_(select(...))")
    if isinstance(output, Item) and is_entity_class(output._cls):
        if value._tp is not Any and output._cls not in referred_classes(value._tp):
            raise QueryError(f"{value}.in_({statement}): {value} is no reference to {called(output._cls)}")
        return Chosen(value, replace(statement, _source=_rows_of(statement, output), _outputs=(key_of(output),)))
    check_kinds("in_()", value, output)
    return Chosen(value, statement)


@builds
def referred_to(side: OtherSide, given: Any) -> Expression[bool]:
    """Whether an object refers for which the condition `given` holds; None: whether any does."""
    cls, place = side._place()
    where = () if given is None else (row_condition(given),)
    statement: Select[Any] = Select(cls, (field_of(cls, place.field),), where)
    statement._check()
    return side._known((Chosen if place.shape == "one" else Held)(side._key, statement))


@builds
def number_of(side: OtherSide) -> Expression[int]:
    """How many objects refer."""
    cls, place = side._place()
    field = field_of(cls, place.field)
    if place.shape == "one":
        return Number(side._key, Select(cls, (field, Aggregate("count", None, int)), _groups=(field,)))
    return Number(side._key, Select(cls, (field,)))


def _items(value: Any) -> Iterable[Any]:
    """The keys in a collection of references."""
    return value.values() if isinstance(value, dict) else value or ()


def _rows_of(statement: Select[Any], output: Item[Any]) -> Any:
    """Where the rows of a statement are, once it does not select them any more."""
    if statement._source is not None or statement._joins:
        return statement._source
    return output._cls if output._source is None else output._source


@builds
def exists(statement: Any) -> Expression[bool]:
    """Whether `statement` gives a row: `exists(select(Flight).where(Flight.plane == Plane.tail))`.

    Conditions of `statement` may compare its fields with fields of the statement around it: then each row of that is
    asked whether there are such rows. Equalities are fast; other conditions are asked of each pair of rows for which
    the equalities hold.

    Args:
        statement: what `select` gives.

    Raises:
        QueryError: `statement` is no statement; when the statement around it runs, a field of that stands elsewhere
            than in where().
    """
    if not isinstance(statement, Select):
        raise QueryError(f"exists(statement) takes what select() gives, not {called(statement)}")
    return Exists(statement)


def _values(statement: Select[Any]) -> list[Any]:
    """The first value of each row."""
    return [value for part in run(statement) for value in part[0].tolist()]


def _members(values: Any) -> Any:
    """Values to look for one among them; NaN, which equals nothing, is left out."""
    known = [each for each in values if not is_nan(each)]
    try:
        return frozenset(known)
    except TypeError:  # some have no hash
        return tuple(known)
