"""The values of an expression, for many rows at once.

A condition after `&` is asked of those rows alone that fulfil what stands before it, and one after `|` of the others,
as Python's `and` and `or` do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from ...codec.base import EXACT_ATOMS
from ...codec.refs import Ref
from ...errors import ParcodeError, QueryError, told
from ...model.references import targets_in
from ..columns.arrays import Vectors, vectors_in
from ..columns.columns import Lists, read
from ..columns.distance_kernels import Bounds, bounds, decided, distances, distances_between, target
from ..columns.kernels import KERNELS
from ..columns.operators import FUNCTIONS, dig_all, keyed
from ..columns.vectors import Coded, Constant, Numbers, Objects, Rows, Vector, apply, pick, truths
from .computed import Computed
from .distances import Distance, distance_test
from .expressions import Expression
from .nodes import Field, Item, Key, Label, Literal, Logical, Of, Operation, Quantified, Slot


class Columns(Protocol):
    """Rows that expressions are evaluated on: one stretch of a source, or the groups of a query."""

    @property
    def count(self) -> int:
        """How many rows there are."""

    def column(self, path: tuple[str, ...], rows: Rows) -> Vector:
        """The field at `path` of `rows`; without a path, the rows themselves."""

    def keys(self, rows: Rows) -> Vector:
        """The keys of `rows`, or their positions."""


class HasVectors(Protocol):
    """Columns that give arrays in place."""

    def vectors(self, path: tuple[str, ...], rows: Rows) -> Vectors:
        """The arrays at `path` of `rows`, as they are now."""


class Frame:
    """Some rows of `columns`: all of them, or those at `rows`. What was read of all rows is kept."""

    __slots__ = ("_read", "columns", "rows")

    def __init__(self, columns: Columns, rows: Any = None, read: dict[Any, Vector] | None = None) -> None:
        self.columns = columns
        self.rows = rows
        self._read: dict[Any, Vector] = {} if read is None else read

    def __len__(self) -> int:
        return self.columns.count if self.rows is None else len(self.rows)

    def at(self, rows: Any) -> Frame:
        """The rows at the places `rows` of this frame."""
        return Frame(self.columns, rows if self.rows is None else self.rows[rows], self._read)

    def get(self, path: Any, find: Callable[[Rows], Vector]) -> Vector:
        """The values that `find` gives for these rows."""
        known = self._read.get(path)
        if known is not None:
            return known if self.rows is None else known.take(self.rows)
        if self.rows is None:
            found = self._read[path] = find(range(self.columns.count))
            return found
        return find(self.rows)


def evaluate(expression: Expression[Any], frame: Frame) -> Vector:
    """The values of `expression` for each row of `frame`.

    Raises:
        QueryError: the values of a row do not fit the expression, as in a division by zero.
    """
    if isinstance(expression, (Field, Of)):
        path = expression._path
        column = frame.get(path, partial(frame.columns.column, path))
        return _keyed(column, expression._tp) if isinstance(column, (Objects, Coded)) else column
    if isinstance(expression, Literal):
        return Constant(expression._value, len(frame))
    if isinstance(expression, Label):
        return evaluate(expression._of, frame)
    if isinstance(expression, Item):
        items = frame.get((), lambda rows: frame.columns.column((), rows))
        return _without_references(items) if isinstance(items, Objects) else items
    if isinstance(expression, Key):
        return frame.get(Key, frame.columns.keys)
    if isinstance(expression, Slot):
        place = (str(expression._place),)
        return frame.get(place, lambda rows: frame.columns.column(place, rows))
    if isinstance(expression, Logical):
        return Numbers(_logical(expression, frame))
    if isinstance(expression, Quantified):
        return Numbers(_quantified(expression, frame))
    if isinstance(expression, Computed):
        found: Vector = expression._values(frame)
        return found
    if isinstance(expression, Distance):
        return measured(expression, frame)
    assert isinstance(expression, Operation)
    if (test := distance_test(expression)) is not None:
        return Numbers(_of_distance(*test, frame))
    args = [evaluate(each, frame) for each in expression._args]
    if expression._operator == "contains" and isinstance(args[0], Lists) and _is_looked_for(args[1]):
        return Numbers(_of_stored(Operation("==", (Item(), expression._args[1]), bool), args[0], True))
    return _operation(expression, args, len(frame))


def measured(expression: Distance, frame: Frame) -> Numbers:
    """The exact distances of each row of `frame`.

    Raises:
        QueryError: a vector has another length, or a number that is not finite.
    """
    left = _vectors(expression._of, frame)
    if expression._other is not None:
        right = _vectors(expression._other, frame)
        return distances_between(expression._metric, left, right, partial(_named, expression, frame))
    to = target(expression._metric, expression._vector)
    return distances(left, to, partial(_named, expression, frame))


def bounds_of(expression: Distance, frame: Frame) -> Bounds:
    """Bounds of the distances to a vector, of each row of `frame`."""

    def find(rows: Rows) -> Vector:
        to = target(expression._metric, expression._vector)
        return bounds(_vectors(expression._of, frame), to, partial(_named, expression, frame))

    found = frame.get(expression._identity(), find)
    assert isinstance(found, Bounds)
    return found


def _vectors(expression: Expression[Any], frame: Frame) -> Vectors:
    """The values of `expression`, which are vectors."""
    if isinstance(expression, Field | Of) and hasattr(frame.columns, "vectors"):
        return vectors_at(frame, expression._path)
    return vectors_in(evaluate(expression, frame).tolist())


def vectors_at(frame: Frame, path: tuple[str, ...]) -> Vectors:
    """The arrays at `path` of the rows of `frame`."""
    columns: Any = frame.columns
    if not hasattr(columns, "vectors"):  # a check of the protocol takes longer than all else here
        return vectors_in(frame.get(path, lambda rows: columns.column(path, rows)).tolist())
    having: HasVectors = columns
    found = frame.get((Vectors, path), lambda rows: having.vectors(path, rows))
    assert isinstance(found, Vectors)
    return found


def _named(expression: Distance, frame: Frame, place: int) -> str:
    """What messages call the vector of a row."""
    row = place if frame.rows is None else int(frame.rows[place])
    try:
        (key,) = frame.columns.keys(np.array([row])).tolist()
    except QueryError:  # the items of a field have no keys
        return f"{expression._of} of an item"
    return f"{expression._of} of the row {told(key)}"


def _of_distance(distance: Distance, operator: str, value: float, frame: Frame) -> Any:
    """Whether each distance compares with `value` so. Bounds decide most rows, and the others are measured."""
    near = bounds_of(distance, frame)
    true, false = decided(operator, near.low, near.high, value)
    rows = np.flatnonzero(~(true | false))
    if len(rows):
        exact = [measured(distance, frame.at(rows)), Constant(value, len(rows))]
        true[rows] = truths(_operation(Operation(operator, (distance, Literal(value)), bool), exact, len(rows)))
    return true


def _without_references(found: Objects) -> Objects:
    """The rows of a collection, with keys instead of references."""
    return Objects(list(map(keyed, found.values))) if Ref in set(map(type, found.values)) else found


def _keyed(found: Vector, tp: Any) -> Vector:
    """Values in memory of a field that holds references, with keys in their place, and in that of objects."""
    values = found.words if isinstance(found, Coded) else found.values if isinstance(found, Objects) else []
    if EXACT_ATOMS.issuperset(map(type, values)) or not (targets := targets_in(tp)):
        return found
    return Objects([keyed(value, targets, deep=True) for value in found.tolist()])


def holds(condition: Expression[bool], frame: Frame) -> Any:
    """Whether `condition` is true for each row, as an array of bools."""
    if isinstance(condition, Logical):
        return _logical(condition, frame)
    return truths(evaluate(condition, frame))


def matching(conditions: Sequence[Expression[bool]], frame: Frame) -> Any:
    """The places in `frame` of the rows that fulfil all `conditions`; None for all rows."""
    found: Any = None
    for condition in conditions:
        here = frame if found is None else frame.at(found)
        if not len(here):
            break
        mask = holds(condition, here)
        found = np.flatnonzero(mask) if found is None else found[mask]
    return found


def _logical(expression: Logical, frame: Frame) -> Any:
    if expression._operator == "not":
        return ~holds(expression._args[0], frame)
    first, *others = expression._args
    found = holds(first, frame)
    for condition in others:
        rows = np.flatnonzero(found if expression._operator == "and" else ~found)
        if not len(rows):
            break
        found = found.copy()
        found[rows] = holds(condition, frame if len(rows) == len(found) else frame.at(rows))
    return found


def _quantified(expression: Quantified, frame: Frame) -> Any:
    lists = evaluate(expression._items, frame)
    wanted = expression._operator == "any"
    if isinstance(lists, Lists):
        return _of_stored(expression._condition, lists, wanted)
    found = np.full(len(frame), not wanted)
    items: list[Any] = []
    ends = []
    for value in lists.tolist():
        if value is not None:
            try:
                items += value.values() if hasattr(value, "values") else value
            except TypeError:
                raise QueryError(f"{expression}: {value!r} has no items") from None
        ends.append(len(items))
    if not items:
        return found
    true = holds(expression._condition, Frame(InMemory(items)))
    return _per_list(true, np.array([0, *ends[:-1]]), np.array(ends), wanted)


def _is_looked_for(part: Vector) -> bool:
    """Whether `part` is a constant that a list or set contains if an item is equal to it."""
    return isinstance(part, Constant) and type(part.value) in EXACT_ATOMS


def _of_stored(condition: Expression[bool], lists: Lists, wanted: bool) -> Any:
    counts = lists.ends - lists.begins
    total = int(counts.sum())
    if not total:
        return np.full(len(lists), not wanted)
    ends = np.cumsum(counts)
    begins = ends - counts
    rows = np.repeat(lists.begins - begins, counts) + np.arange(total)
    true = holds(condition, Frame(Stored(lists.items, rows)))
    return _per_list(true, begins, ends, wanted)


def _per_list(true: Any, begins: Any, ends: Any, wanted: bool) -> Any:
    sums = np.concatenate([[0], np.cumsum(true)])
    counts = sums[ends] - sums[begins]
    return counts > 0 if wanted else counts == ends - begins


class Unparted:
    """What a query asks of rows that are in memory, and in no row groups: nothing is known of them unread."""

    __slots__ = ()

    count: int
    parts = 0

    def bounds(self, path: tuple[str, ...]) -> None:
        """Nothing is known."""

    def inside(self, parts: Any) -> Any:
        """All of them."""
        return np.ones(self.count, bool)

    def size(self, path: tuple[str, ...], parts: Any) -> int:
        """Nothing is read."""
        return 0

    def held(self) -> int:
        """All of them are."""
        return self.count


class InMemory:
    """Objects in memory as columns."""

    __slots__ = ("count", "first", "known", "values")

    def __init__(self, values: list[Any], known: Sequence[Any] | None = None, first: int = 0) -> None:
        self.values = values
        self.count = len(values)
        self.known = known  # their keys
        self.first = first

    def column(self, path: tuple[str, ...], rows: Rows) -> Vector:
        """See `Columns`."""
        values = self.values
        if isinstance(rows, range):
            found = values[rows.start : rows.stop]
        else:
            found = [values[row] for row in rows.tolist()]
        return Objects(dig_all(found, path) if path else found)

    def keys(self, rows: Rows) -> Vector:
        """See `Columns`."""
        numbers = rows if isinstance(rows, range) else rows.tolist()
        if self.known is None:
            return Objects([self.first + row for row in numbers])
        known = self.known
        return Objects([known[row] for row in numbers])


class Stored:
    """Rows of a view as columns: the items of stored lists."""

    __slots__ = ("count", "rows", "view")

    def __init__(self, view: Any, rows: Any) -> None:
        self.view = view
        self.rows = rows
        self.count = len(rows)

    def column(self, path: tuple[str, ...], rows: Rows) -> Vector:
        """See `Columns`."""
        return read(self.view, path, pick(self.rows, rows))

    def keys(self, rows: Rows) -> Vector:
        """See `Columns`."""
        raise QueryError("the items of a field have no func.key()")


def _operation(expression: Operation[Any], args: list[Vector], count: int) -> Vector:
    if not count:
        return Objects([])
    kernel = KERNELS.get(expression._operator)
    found = None if kernel is None else kernel(expression._operator, *args)
    if found is not None:
        return found
    try:
        return apply(FUNCTIONS[expression._operator], args, count)
    except ParcodeError:
        raise
    except (TypeError, ValueError, ArithmeticError, AttributeError) as problem:
        more = ": one has a time zone, as 2013-01-31T00:00:00Z has, the other none" * ("offset-naive" in str(problem))
        raise QueryError(f"{expression}: {problem}{more}") from problem
