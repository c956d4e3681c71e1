"""Running a statement: batches are skipped, filtered, grouped, put in order, and give their values last of all."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from enum import Enum
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from ..errors import QueryError
from ..table.table import ATOMIC
from .building import check_scope
from .evaluate import Frame, InMemory, evaluate, matching
from .expressions import Expression
from .functions import has_aggregate
from .given import Entities
from .grouping import Groups, distinct, group
from .kinds import kinds_of
from .nodes import Aggregate, Field, Item, Key, Label, Literal, Logical, Operation, Ordering, Slot
from .pruning import by_best, candidates
from .sorting import is_nan, order, sortable
from .sources import Batch, Source, source_of
from .statement import Select
from .vectors import Numbers, Objects, Vector, joined

PART = 4096  # rows of an ordered result that are made at once
SPARE = 8192  # candidates for the first rows, besides four times as many as are wanted


class Query(NamedTuple):
    """A statement made ready: what each batch must fulfil, what is given of its rows, and in which order."""

    where: tuple[Expression[bool], ...]
    outputs: tuple[Expression[Any], ...]
    order: tuple[Ordering, ...]
    first: int
    stop: int | None
    distinct: bool


Part = list[Vector]  # neighbouring rows of a result: a vector for each output


def run(statement: Select[Any]) -> Iterator[Part]:
    """The result of a statement, a few thousand rows at a time.

    Raises:
        QueryError: the statement names no collection, or what it says does not fit the rows.
    """
    source, query, grouped = prepared(statement)
    batches: Iterator[Batch] = source.batches()
    if grouped is not None:
        batches = iter([_grouped(batches, grouped)])
    parts = _parts(batches, query)
    return _distinct(parts, query) if query.distinct else parts


def count(statement: Select[Any]) -> int:
    """How many rows the result of a statement has. No row is made."""
    source, query, grouped = prepared(statement)
    if query.distinct or grouped is not None:
        return sum(len(part[0]) for part in run(statement))
    total = sum(len(found(batch, query.where)) for batch in source.batches())
    return max(min(total, total if query.stop is None else query.stop) - query.first, 0)


def found(batch: Batch, where: Sequence[Expression[bool]]) -> Frame:
    """The rows of a batch that fulfil the conditions."""
    rows = candidates(where, batch)
    frame = Frame(batch) if rows is None else Frame(batch, np.asarray(rows, np.int64))
    matched = matching(where, frame)
    return frame if matched is None else frame.at(matched)


class Grouping(NamedTuple):
    """What a statement's rows are grouped by, what is aggregated, and which rows take part."""

    where: tuple[Expression[bool], ...]
    by: tuple[Expression[Any], ...]
    aggregates: tuple[Aggregate[Any], ...]


def prepared(statement: Select[Any]) -> tuple[Source, Query, Grouping | None]:
    """The rows that a statement asks, and what is asked of them; with a grouping, of the groups.

    Raises:
        QueryError: it names no collection, or a field of another class; it mixes rows and groups.
    """
    source = _source(statement)
    first = statement._offset
    stop = None if statement._limit is None else first + statement._limit
    outputs = statement._outputs
    where, ordering = statement._where, statement._order
    if not statement._groups and not any(map(has_aggregate, [*outputs, *(each._of for each in ordering)])):
        if statement._having:
            raise QueryError("having() chooses groups, and the statement makes none: use where(), or group_by()")
        if statement._after is not None:
            where = (*where, beyond(ordering, statement._after))
        return source, Query(where, outputs, ordering, first, stop, statement._distinct), None
    by = statement._groups
    asked = [*outputs, *statement._having, *(each._of for each in ordering)]
    aggregates = list({each._identity(): each for whole in asked for each in _aggregates(whole)}.values())
    slots = {each._identity(): place for place, each in enumerate([*by, *aggregates])}
    having = tuple(_of_group(each, slots) for each in statement._having)
    ordering = tuple(
        Ordering(_of_group(each._of, slots), descending=each._descending, first=each._first) for each in ordering
    )
    if statement._after is not None:
        having = (*having, beyond(ordering, statement._after))
    query = Query(having, tuple(_of_group(each, slots) for each in outputs), ordering, first, stop, statement._distinct)
    return source, query, Grouping(where, by, tuple(aggregates))


def _source(statement: Select[Any]) -> Source:
    if statement._source is None:
        named = statement._outputs[0]
        raise QueryError(
            f"select({named}) does not say where its rows are: write select(collection), as in select(world.players), "
            f"or .select_from(collection)"
        )
    given = statement._source
    if isinstance(given, type):
        raise QueryError(f"the objects of {given.__qualname__} are in a session's file: session.scalars(statement)")
    source = source_of(given)
    keys, how = _keys(statement._where), "by key"
    if keys is None and isinstance(given, Entities):
        keys, how = given.narrowed(statement._where) or (None, "")
    if keys is not None:
        source = source.at_keys(keys, how) or source
    if source.model is not None:
        for each in statement._expressions():
            check_scope(each, [source.model], "the collection")
    return source


def _keys(where: Sequence[Expression[bool]]) -> Collection[Any] | None:
    """Keys one of which each row must have; None where the conditions name none."""
    for condition in where:
        if not isinstance(condition, Operation) or condition._operator not in ("==", "in"):
            continue
        one, other = condition._args
        if isinstance(one, Literal):
            one, other = other, one
        if isinstance(one, Key) and isinstance(other, Literal):
            return other._value if condition._operator == "in" else [other._value]
    return None


def _aggregates(expression: Expression[Any]) -> Iterator[Aggregate[Any]]:
    if isinstance(expression, Aggregate):
        yield expression
        return
    for part in expression._parts():
        yield from _aggregates(part)


def _of_group(expression: Expression[Any], slots: dict[Any, int]) -> Expression[Any]:
    """`expression` with the columns of groups in place of aggregates and of what the rows are grouped by."""
    if isinstance(expression, Label):
        return Label(_of_group(expression._of, slots), expression._called)
    place = slots.get(expression._identity())
    if place is not None:
        return Slot(place, expression)
    if isinstance(expression, Field | Item | Key):
        raise QueryError(
            f"{expression} is of each row, and the result has groups: group_by({expression}), or aggregate it"
        )
    return expression._rebuilt(tuple(_of_group(each, slots) for each in expression._parts()))


def _grouped(batches: Iterator[Batch], grouping: Grouping) -> Groups:
    if not grouping.where and not grouping.by and all(each._of is None for each in grouping.aggregates):
        total = sum(batch.count for batch in batches)
        return Groups([[total] for _ in grouping.aggregates], 1)

    def frames() -> Iterator[Frame]:
        for batch in batches:
            yield found(batch, grouping.where)

    return group(frames(), grouping.by, grouping.aggregates)


# -- rows -------------------------------------------------------------------------------------------------------------


def _parts(batches: Iterator[Batch], query: Query) -> Iterator[Part]:
    whole = query.distinct  # rows are left out afterwards
    if query.order:
        hits = _ordered(list(batches), query, None if whole else query.stop)
        for at in range(0 if whole else query.first, hits.count, PART):
            yield hits.part(query.outputs, at, min(at + PART, hits.count))
        return
    passed, first = 0, 0 if whole else query.first
    stop = None if whole else query.stop
    for batch in batches:
        if stop is not None and passed >= stop:
            return
        frame = found(batch, query.where)
        count = len(frame)
        begin, end = max(first - passed, 0), count if stop is None else min(stop - passed, count)
        passed += count
        if begin < end:
            yield outputs(query.outputs, batch, frame if end - begin == count else frame.at(np.arange(begin, end)))


def _distinct(parts: Iterator[Part], query: Query) -> Iterator[Part]:
    every = list(parts)
    if not every:
        return
    vectors = [joined([part[place] for part in every]) for place in range(len(query.outputs))]
    if any(isinstance(each, Item) for each in query.outputs):  # rows are objects, each of them another one
        rows = list(range(len(vectors[0])))
    else:
        values = list(zip(*[vector.tolist() for vector in vectors], strict=True))
        rows = distinct(values, query.outputs) if values else []
    rows = list(islice(rows, query.first, query.stop))
    yield [vector.take(np.array(rows, np.int64)) for vector in vectors]


def outputs(expressions: Sequence[Expression[Any]], batch: Batch, frame: Frame) -> Part:
    """What is given of the rows of `frame`, which are rows of `batch`."""
    rows = range(batch.count) if frame.rows is None else frame.rows
    objects: Objects | None = None
    found = []
    for expression in expressions:
        bare = expression._of if isinstance(expression, Label) else expression
        if not isinstance(bare, Item):
            vector = evaluate(bare, frame)
            if isinstance(batch, Groups) or not _may_change(vector):
                found.append(vector)
                continue
        if objects is None:
            objects = Objects(batch.objects(rows))
        if isinstance(bare, Item):
            found.append(objects)
        else:  # a list, say: that of the object, so that a change of it is found
            found.append(evaluate(bare, Frame(InMemory(objects.values, batch.keys(rows).tolist()))))
    return found


def _may_change(vector: Vector) -> bool:
    """Whether values of a vector can change in place."""
    if isinstance(vector, Numbers):
        return False
    values = getattr(vector, "words", None) or ([vector.value] if hasattr(vector, "value") else None)
    if values is None:
        if not isinstance(vector, Objects):
            return hasattr(vector, "items")
        values = vector.values
    return any(not issubclass(cls, _IMMUTABLE) for cls in set(map(type, values)))


_IMMUTABLE: Any = (*ATOMIC, Enum)


class Hits:
    """Rows of several batches in order: row `rows[i]` of `batches[which[i]]`."""

    __slots__ = ("batches", "rows", "which")

    def __init__(self, batches: Sequence[Batch], which: Any, rows: Any) -> None:
        self.batches = batches
        self.which = which
        self.rows = rows

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.rows)

    def part(self, expressions: Sequence[Expression[Any]], start: int, stop: int) -> Part:
        """What is given of the rows `start` to `stop`."""
        which, rows = self.which[start:stop], self.rows[start:stop]
        places = np.argsort(which, kind="stable")
        ends = np.flatnonzero(np.diff(which[places])) + 1
        back = np.empty(len(places), np.int64)
        back[places] = np.arange(len(places))
        parts = []
        for here in np.split(places, ends):
            batch = self.batches[int(which[here[0]])]
            parts.append(outputs(expressions, batch, Frame(batch, rows[here])))
        return [joined([part[at] for part in parts]).take(back) for at in range(len(expressions))]


def _ordered(batches: list[Batch], query: Query, stop: int | None) -> Hits:
    """The rows that fulfil the conditions, in order; no more than the first `stop`."""
    best = _Best(batches, query.order, stop)
    for place in best.visit():
        best.take(place, found(batches[place], query.where))
    return best.hits()


class _Best:
    """Candidates for the first rows of an ordered result. Those that cannot be among them are dropped now and then."""

    def __init__(self, batches: list[Batch], ordering: Sequence[Ordering], stop: int | None) -> None:
        self.batches = batches
        self.ordering = ordering
        self.stop = stop
        self.worst: Any = None  # of the first key of the last row that counts, as a number that ascends
        self._kind = "i"  # of those numbers
        self._keys: list[list[Vector]] = [[] for _ in ordering]
        self._which: list[Any] = []
        self._rows: list[Any] = []
        self._count = 0

    def visit(self) -> Iterator[int]:
        """The places of the batches: with a limit those that may hold the first rows first, and not all."""
        first = self.ordering[0]
        known = None
        if self.stop is not None and isinstance(first._of, Field):
            known = by_best(self.batches, first._of._path, first._descending)
        if known is None:
            yield from range(len(self.batches))
            return
        for place, value in known:
            if self.worst is not None and self._ascending(value) > self.worst:
                return
            yield place

    def take(self, place: int, here: Frame) -> None:
        """Take rows of batch `place`."""
        if not len(here):
            return
        keys = [evaluate(self.ordering[0]._of, here)]
        if self.worst is not None:
            ascending = self._first(keys[0])
            if ascending is not None and ascending.dtype.kind == self._kind:
                better = np.flatnonzero(ascending <= self.worst)
                if not len(better):
                    return
                here, keys = here.at(better), [keys[0].take(better)]
        keys += [evaluate(each._of, here) for each in self.ordering[1:]]
        numbers = np.arange(len(here)) if here.rows is None else here.rows
        for vector, known in zip(keys, self._keys, strict=True):
            known.append(vector)
        self._which.append(np.full(len(here), place, np.int32))
        self._rows.append(numbers)
        self._count += len(here)
        if self.stop is not None and self._count > 4 * self.stop + (SPARE if self.worst is None else 0):
            self._cut()

    def _cut(self) -> None:
        """Put the candidates in order and keep the first."""
        keys = [joined(known) for known in self._keys]
        which, rows = np.concatenate(self._which), np.concatenate(self._rows)
        places = order(list(zip(keys, self.ordering, strict=True)), which.astype(np.int64) << 32 | rows)
        places = places[: self.stop]
        self._keys = [[vector.take(places)] for vector in keys]
        self._which, self._rows, self._count = [which[places]], [rows[places]], len(places)
        ascending = self._first(self._keys[0][0])
        if ascending is not None and self.stop is not None and 0 < self.stop <= len(places):
            self.worst, self._kind = ascending[-1].item(), ascending.dtype.kind

    def _first(self, vector: Vector) -> Any:
        """The first key as numbers that ascend in order; None where it is more than numbers."""
        if not isinstance(vector, Numbers) or vector.values.dtype == np.uint64 or vector.kind is not None:
            return None
        found = sortable(vector, self.ordering[0])
        return found[0] if len(found) == 1 else None

    def _ascending(self, value: Any) -> Any:
        if not self.ordering[0]._descending:
            return value
        return ~value if self._kind == "i" and isinstance(value, int) else -value

    def hits(self) -> Hits:
        """The first rows, in order."""
        if not self._count:
            return Hits(self.batches, np.empty(0, np.int32), np.empty(0, np.int64))
        self._cut()
        return Hits(self.batches, self._which[0], self._rows[0])


# -- pages ------------------------------------------------------------------------------------------------------------


def beyond(ordering: Sequence[Ordering], values: Sequence[Any]) -> Expression[bool]:
    """The condition that a row comes after the one whose keys have these values."""
    found: Expression[bool] = Literal(False)
    for each, value in reversed(list(zip(ordering, values, strict=True))):
        same = _is_nan(each._of) if is_nan(value) else _test("==", each._of, value)
        found = Logical("or", (_later(each, value), Logical("and", (same, found))))
    return found


def _test(operator: str, of: Expression[Any], value: Any) -> Expression[bool]:
    return Operation(operator, (of, Literal(value)), bool)


def _is_nan(of: Expression[Any]) -> Expression[bool]:
    return Operation("!=", (of, of), bool)


def _later(ordering: Ordering, value: Any) -> Expression[bool]:
    """The condition that a key comes after `value` in its order."""
    of, descending, none = ordering._of, ordering._descending, _test("==", ordering._of, None)
    if value is None:
        return Logical("not", (none,)) if ordering._first else Literal(False)
    later: Expression[bool]
    if is_nan(value):
        later = Logical("not", (Logical("or", (none, _is_nan(of))),)) if descending else Literal(False)
    elif descending:
        later = _test("<", of, value)
    elif (kinds_of(of._tp) or {"number"}) & {"number"}:
        later = Logical("or", (_test(">", of, value), _is_nan(of)))
    else:
        later = _test(">", of, value)
    return later if ordering._first else Logical("or", (none, later))
