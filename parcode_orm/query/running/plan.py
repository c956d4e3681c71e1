"""`explain`: what a statement will do, before it does it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ...errors import QueryError, called
from ..expressions.computed import Searched
from ..expressions.expressions import Expression, found_in
from ..expressions.nodes import Field, Item, Key, Of
from ..expressions.occurrences import occurrences_of
from ..expressions.selectables import Derived, Entities
from ..joins.hash_join import JoinedSource, Step
from ..rows.pruning import candidates
from ..rows.sources import Batch
from ..statements.statement import Select
from .prepared import Grouping, Query, are_arrays, prepared
from .subquery_results import Found, Lookup


@dataclass
class Column:
    """One field that a statement reads: `why`, and how many bytes of the file its values take in the groups read."""

    name: str
    path: tuple[str, ...]
    why: str
    bytes: int = 0


@dataclass
class Plan:
    """What a statement does, as `explain` finds it; its `str` is a tree.

    Attributes:
        statement: the statement as text.
        steps: what is done to the rows, the last step first.
        rows: how many rows the collection has.
        groups: how many stored row groups it has.
        groups_read: how many of them the statement looks into; the bounds of the others say that no row can match.
        how: how the rows are found, where they are not scanned.
        unbuilt: the indexes of the class that the file does not have, so that they find nothing.
        rows_in_memory: how many rows are not stored as they are now, and are looked at one by one.
        columns: the fields that are read, each with its reason and its bytes in the row groups that are read.
        bytes: what the columns take that must be read of every row; those of rows that are found come on top.
        inner: the plans of statements inside of the statement, which run first.
        sources: the plans of the sources of a join, each for its own conditions; the first gives the order.
    """

    statement: str
    steps: list[str]
    rows: int
    groups: int = 0
    groups_read: int = 0
    rows_in_memory: int = 0
    how: str = ""
    unbuilt: Sequence[str] = ()
    columns: list[Column] = field(default_factory=list)
    bytes: int = 0
    inner: list[Plan] = field(default_factory=list)
    sources: list[Plan] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [self.statement]
        for depth, step in enumerate(self.steps):
            lines.append(f"{'   ' * depth}└─ {step}")
        indent = "   " * len(self.steps)
        lines.append(f"{indent}└─ {f'join {len(self.sources)} sources' if self.sources else self._scanned()}")
        for source in self.sources:
            first, *others = str(source).splitlines()
            branch, below = ("└─", "   ") if source is self.sources[-1] else ("├─", "│  ")
            lines.append(f"{indent}   {branch} {first}")
            lines += [f"{indent}   {below}{line}" for line in others]
        for place, column in enumerate(self.columns):
            last = "└─" if place == len(self.columns) - 1 else "├─"
            size = f", {_size(column.bytes)}" if column.bytes else ""
            lines.append(f"{indent}   {last} {column.name}: {column.why}{size}")
        for plan in self.inner:
            lines += [f"   {line}" for line in f"first: {plan}".splitlines()]
        return "\n".join(lines)

    def _scanned(self) -> str:
        found = f"{self.how or 'scan '}{self.rows:,} rows"
        if self.groups:
            found += f": {self.groups_read:,} of {self.groups:,} row groups"
            if self.groups_read < self.groups:
                found += ", the others cannot match by their smallest and largest values"
            found += f", {_size(self.bytes)}"
        if self.rows_in_memory and not self.how:
            found += f"; {self.rows_in_memory:,} in memory"
        if self.unbuilt:
            found += f"; the file has no index of {' and '.join(self.unbuilt)}: a migration builds it"
        return found

    def __repr__(self) -> str:
        return str(self)


def _size(count: int) -> str:
    return f"{count:,} bytes" if count < 10_000 else f"{count / 1000:,.0f} KB"


def explain(statement: Select[Any]) -> Plan:
    """What `statement` will do: which row groups and columns it reads, how many bytes, and why.

    No value is read, except by statements inside of it: their results decide how the rows are found, so they run.

    Returns:
        A `Plan`, whose text is a tree: `print(explain(statement))`.

    Raises:
        QueryError: `statement` is no statement, or does not fit its rows.
    """
    if not isinstance(statement, Select):
        raise QueryError(f"explain(statement) takes what select() gives, not {called(statement)}")
    source, query, grouping = prepared(statement)
    where = query.where if grouping is None else grouping.where
    plan = Plan(
        repr(statement),
        _steps(query, grouping),
        len(source),
        how=source.how,
        unbuilt=given.unbuilt if isinstance(given := statement._source, Entities) else (),
        columns=_columns_of(_asked(query, grouping)),
        inner=[explain(each) for each in _inner(statement, query, grouping)],
    )
    if isinstance(source, JoinedSource):
        plan.columns = []
        plan.sources = list(_sources(source, query, grouping))
        return plan
    for batch in source.batches(arrays=partial(are_arrays, query, grouping)):
        _count(plan, batch, candidates(where, batch))
    return plan


def _sources(joined: JoinedSource, query: Query, grouping: Grouping | None) -> Iterator[Plan]:
    steps = {step.number: step for step in joined.steps}
    asked = [(each, JOIN) for step in joined.steps for each in (*step.keys, *step.on, *step.where)]
    asked += [(each, why) for expressions, why in _asked(query, grouping) for each in expressions]
    for number in [joined.first, *steps]:
        given, step = joined.given[number], steps.get(number)
        own = [(each, FILTER) for each in given.where]
        own += [] if step is None else [(each, JOIN) for each in step.others]
        own += [(leaf._of, why) for each, why in asked for leaf in found_in(each, Of) if leaf._number == number]
        plan = Plan(
            given.name if step is None else _joined_by(given.name, step),
            [f"filter: {' and then '.join(map(str, given.where))}"] if given.where else [],
            len(given.source),
            how=given.source.how,
            columns=_columns_of([([each], why) for each, why in own]),
        )
        for batch in given.source.batches(arrays=given.arrays):
            _count(plan, batch, candidates(given.where, batch))
        yield plan


def _joined_by(name: str, step: Step) -> str:
    """How a source is joined, as text."""
    found = f"{name}, or None," if step.outer else name
    by = f" by {' and '.join(step.said)}" if step.said else ", each with each"
    if step.inside is not None:
        by = f" by the items of {step.inside.key if step.inside.lists else step.inside.other}"
    on = f" and where {' and then '.join(map(str, step.on))}" if step.on else ""
    return found + by + on


def _inner(statement: Select[Any], query: Query, grouping: Grouping | None) -> list[Select[Any]]:
    """The statements that run before a statement."""
    asked = [*query.where, *query.outputs, *(each._of for each in query.order)]
    if grouping is not None:
        asked += [*grouping.where, *grouping.by, *grouping.aggregates]
    ran = [found._ran for each in asked for kind in (Found, Lookup) for found in found_in(each, kind)]
    found = {id(each): each for each in ran}
    rows = [each.rows for each in occurrences_of(statement) if isinstance(each.rows, Derived)]
    derived = [replace(each, _home=statement._home) for of in rows for each in of.statements]
    return [*derived, *found.values()]


def _count(plan: Plan, batch: Batch, read: Any) -> None:
    if read is None:
        read = [True] * batch.parts
    plan.groups += batch.parts
    plan.groups_read += sum(map(bool, read)) if batch.parts else 0
    plan.rows_in_memory += batch.held()
    for column in plan.columns if batch.parts else ():
        size = batch.size(column.path, read)
        column.bytes += size
        if column.why not in (GIVEN, LAZY):
            plan.bytes += size


JOIN = "to join"
FILTER, SORT, GROUP, GIVEN = "to filter", "to sort", "to group and add up", "to give, of the rows found alone"
WINDOWS = "for window functions"
LAZY = "lazy objects of the rows found, nothing of them is read"


def _asked(query: Query, grouping: Grouping | None) -> list[tuple[Sequence[Expression[Any]], str]]:
    """What is asked of rows, and why."""
    if grouping is not None:
        return [(grouping.where, FILTER), ((*grouping.by, *grouping.aggregates), GROUP)]
    return [
        (query.where, FILTER),
        (query.windows, WINDOWS),
        ([each._of for each in query.order], SORT),
        (query.outputs, GIVEN),
    ]


def _columns_of(asked: Iterable[tuple[Iterable[Expression[Any]], str]]) -> list[Column]:
    found: dict[tuple[str, ...] | str, Column] = {}
    for expressions, why in asked:
        for expression in expressions:
            for leaf in _leaves(expression):
                if isinstance(leaf, Item):
                    found.setdefault("", Column(str(leaf), (), LAZY if why == GIVEN else why))
                elif isinstance(leaf, Field):
                    found.setdefault(leaf._path, Column(str(leaf), leaf._path, why))
                else:
                    found.setdefault("key", Column("keys", (), why))
    return list(found.values())


def _leaves(expression: Expression[Any]) -> Iterable[Expression[Any]]:
    if isinstance(expression, Field | Item | Key):
        yield expression
    if not isinstance(expression, Searched) or expression._reads():
        for part in expression._parts():
            yield from _leaves(part)


def _steps(query: Query, grouping: Grouping | None) -> list[str]:
    found = []
    if query.stop is not None or query.first:
        upto = "all" if query.stop is None else f"{query.stop - query.first:,}"
        found.append(f"give {upto} rows" + (f", after the first {query.first:,}" if query.first else ""))
    if query.distinct:
        found.append("drop rows that came before")
    if query.order:
        best = "" if query.stop is None or query.distinct else f", the first {query.stop:,} alone"
        found.append(f"sort by {', '.join(map(str, query.order))}{best}")
    if query.later:
        found.append(f"filter: {' and then '.join(map(str, query.later))}")
    if query.windows:
        found.append(f"compute {', '.join(map(str, query.windows))}")
    if grouping is not None:
        if query.where:
            found.append(f"choose groups: {' and '.join(map(str, query.where))}")
        by = f"group by {', '.join(map(str, grouping.by))}: " if grouping.by else ""
        found.append(by + ", ".join(map(str, grouping.aggregates)))
    where = query.where if grouping is None else grouping.where
    if where:
        found.append(f"filter: {' and then '.join(map(str, where))}")
    return found
