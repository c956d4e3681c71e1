"""`union`, `union_all`, `intersect`, `except_`: the rows of several statements as those of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel

from ...errors import QueryError, called
from ...lazy.list import LazyList
from ...lazy.map import LazyMap
from ..columns.merging import merged
from ..columns.vectors import Vector
from ..expressions.building import type_of_one
from ..expressions.expressions import Expression, builds
from ..expressions.functions import has_aggregate
from ..expressions.nodes import Item, Label, Ordering
from ..expressions.occurrences import key_of, occurrences_of
from ..expressions.rewriting import reordered, rewritten
from ..expressions.selectables import Derived, Entities
from ..expressions.windows import has_window
from ..rows.aggregates import NAN
from ..rows.ordered import Hits
from ..rows.picked import Picked, PickedSource
from ..rows.sorting import is_nan
from ..rows.sources import MemorySource, Source
from ..running.engine import hits
from ..statements.statement import Select
from .derived import Subquery, columnar, columns_of, names_of

T = TypeVar("T")


class Combined(Derived):
    """The rows of `statements`, combined by `operator`. `cls`: their class, if they are all objects of one class."""

    def __init__(self, operator: str, statements: Sequence[Select[Any]]) -> None:
        self.operator = operator
        self.statements = statements
        self.names = names_of(statements[0])
        classes = {_class_of(each) for each in statements}
        self.cls = classes.pop() if len(classes) == 1 else None

    def source(self, home: Any) -> Source:
        """See `Derived`."""
        statements = [replace(each, _home=home) for each in self.statements]
        how = f"the rows of {self.operator}(): "
        if self.cls is not None and _is_of_one_collection(statements):
            return self._by_key([hits(each) for each in statements], how)
        if self.cls is None:
            vectors = self._combined([columns_of(each) for each in statements], len(self.names))
            return columnar(self.names, vectors, how)
        keyed = [columns_of(replace(each, _outputs=(*each._outputs, key_of(each._outputs[0])))) for each in statements]
        objects, keys = self._combined(keyed, 1)
        return MemorySource(objects.tolist(), keys.tolist(), self.cls, how)

    def _by_key(self, parts: Sequence[Hits], how: str) -> PickedSource:
        """Rows of one collection, which their keys tell apart: no object is made."""
        keys = [Picked(each).keys(range(each.count)).tolist() for each in parts]
        places = self._places(keys)
        starts = accumulate((len(each.batches) for each in parts), initial=0)
        which = np.concatenate([each.which + start for each, start in zip(parts, starts, strict=False)])
        rows = np.concatenate([each.rows for each in parts])
        batches = [batch for each in parts for batch in each.batches]
        return PickedSource(Hits(batches, which[places], rows[places]), self.cls, how)

    def _combined(self, parts: Sequence[Sequence[Vector]], width: int) -> list[Vector]:
        """The rows that are given; their first `width` values say which rows are the same."""
        every = [merged([part[place] for part in parts]) for place in range(len(parts[0]))]
        if self.operator == "union_all":
            return every
        places = self._places([_marks(part[:width]) for part in parts])
        return [vector.take(places) for vector in every]

    def _places(self, marks: Sequence[list[Any]]) -> Any:
        """The places of the rows that are given among those of all statements; equal marks are of one row."""
        every = [mark for each in marks for mark in each]
        if self.operator == "union_all":
            return np.arange(len(every))
        if self.operator == "union":
            return np.array(_first_places(every), np.int64)
        wanted = self.operator == "intersect"
        others = [set(each) for each in marks[1:]]
        test: Callable[[Iterable[bool]], bool] = all if wanted else any
        first = _first_places(marks[0])
        rows = [place for place in first if test(every[place] in each for each in others) is wanted]
        return np.array(rows, np.int64)

    def __repr__(self) -> str:
        return f"{self.operator}({', '.join(map(repr, self.statements))})"


def _class_of(statement: Select[Any]) -> Any:
    """The class of the objects that a statement gives; None if it gives other values."""
    outputs = statement._outputs
    return outputs[0]._cls if len(outputs) == 1 and isinstance(outputs[0], Item) else None


def _is_of_one_collection(statements: Sequence[Select[Any]]) -> bool:
    """Whether statements give rows of one stored collection as they are, so that their keys tell them apart."""
    found = []
    for each in statements:
        sources = occurrences_of(each)
        asked = [ordering._of for ordering in each._order]
        if len(sources) != 1 or each._groups or each._having or any(map(_is_of_many, asked)):
            return False
        found.append(sources[0].rows)
    if all(isinstance(each, type | Entities) for each in found):
        return len({each.cls if isinstance(each, Entities) else each for each in found}) == 1
    return isinstance(found[0], LazyList | LazyMap) and all(each is found[0] for each in found)


def _is_of_many(expression: Expression[Any]) -> bool:
    return has_aggregate(expression) or has_window(expression)


def _marks(vectors: Sequence[Vector]) -> list[tuple[Any, ...]]:
    """What is equal for rows that are the same: values, and of objects which ones they are."""
    try:
        found = list(zip(*map(_comparable, vectors), strict=True))
        set(found)
    except TypeError as problem:
        raise QueryError(f"the rows have no union, because some values cannot be told apart: {problem}") from None
    return found


def _comparable(vector: Vector) -> list[Any]:
    values = vector.tolist()
    types = set(map(type, values))
    if float in types:
        values = [NAN if is_nan(value) else value for value in values]
    if any(issubclass(cls, BaseModel) for cls in types):
        values = [(BaseModel, id(value)) if isinstance(value, BaseModel) else value for value in values]
    return values


def _first_places(marks: Sequence[Any]) -> list[int]:
    known: dict[Any, int] = {}
    for place, mark in enumerate(marks):
        known.setdefault(mark, place)
    return list(known.values())


@dataclass(frozen=True, eq=False, repr=False)
class Compound(Select[T]):
    """A statement whose rows are those of several others."""

    def _with(self, **changes: Any) -> Any:
        rows = getattr(self._source, "_rows", None)
        if isinstance(rows, Combined):
            named = zip(rows.statements[0]._outputs, self._source.c, strict=True)
            columns = {each._identity(): column for each, column in named}
            changes = {name: _of_columns(value, columns) for name, value in changes.items()}
        return super()._with(**changes)

    def _begun(self) -> str:
        rows = getattr(self._source, "_rows", self._source)
        if isinstance(rows, Combined) and _identities(self._outputs) == _identities(_outputs(self._source)):
            return repr(rows)
        return f"{super()._begun()}.select_from({rows!r})"


def _outputs(source: Any) -> tuple[Expression[Any], ...]:
    """What a compound gives of the rows of its source."""
    return source._outputs if isinstance(source, Subquery) else (Item(source.cls),)


def _identities(expressions: Sequence[Expression[Any]]) -> list[Any]:
    return [each._identity() for each in expressions]


def _of_columns(value: Any, columns: dict[Any, Expression[Any]]) -> Any:
    """A clause of a statement, with columns instead of the values that the first statement gives in them."""
    if isinstance(value, Expression):
        if isinstance(value, Label):
            return Label(_of_columns(value._of, columns), value._called)
        return rewritten(value, lambda each: columns.get(each._identity()))
    if isinstance(value, Ordering):
        return reordered(value, lambda each: columns.get(each._identity()))
    return tuple(_of_columns(each, columns) for each in value) if type(value) is tuple else value


def _compound(operator: str, statements: Sequence[Any]) -> Compound[Any]:
    for each in statements:
        if not isinstance(each, Select):
            raise QueryError(f"{operator}() takes what select() gives, not {called(each)}")
    if len(statements) < 2:
        raise QueryError(f"{operator}() takes two statements at least")
    counts = [len(each._outputs) for each in statements]
    if len(set(counts)) > 1:
        raise QueryError(
            f"{operator}() takes statements with one number of values a row, and these have "
            f"{', '.join(map(str, counts))}: {', '.join(map(repr, statements))}"
        )
    rows = Combined(operator, statements)
    if rows.cls is not None:
        return Compound(rows, _outputs(rows))
    types = [type_of_one([each._outputs[place] for each in statements]) for place in range(counts[0])]
    source = Subquery(rows, rows.names, types, operator)
    return Compound(source, _outputs(source))


@builds
def union(first: Select[T], *others: Select[Any]) -> Select[T]:
    """The rows that one at least of the statements gives, each row once: `union(select(A.x), select(B.y)).limit(3)`.

    The rows are those of the first statement, then those of the next. `where`, `order_by`, `limit` and the others are
    of the whole. In them, what the first statement selects stands for the values of all: `union(...).order_by(A.x)`.
    Objects are the same if they are one object; None equals None.

    Args:
        first: a statement, as `select` gives it.
        others: one or more, with as many values a row.

    Raises:
        QueryError: they have others; when the statement runs, rows have values without a hash.
    """
    return _compound("union", (first, *others))


@builds
def union_all(first: Select[T], *others: Select[Any]) -> Select[T]:
    """All rows of `first` and `others`, as often as they give them; else as `union(first, *others)`."""
    return _compound("union_all", (first, *others))


@builds
def intersect(first: Select[T], *others: Select[Any]) -> Select[T]:
    """The rows of `first` that each of `others` gives too, each row once; else as `union(first, *others)`."""
    return _compound("intersect", (first, *others))


@builds
def except_(first: Select[T], *others: Select[Any]) -> Select[T]:
    """The rows of `first` that none of `others` gives, each row once; else as `union(first, *others)`."""
    return _compound("except_", (first, *others))
