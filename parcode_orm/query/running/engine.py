"""Running a statement: batches are skipped, filtered, grouped, put in order, and give their values last of all."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from ..columns.vectors import Objects, joined
from ..expressions.evaluate import Frame
from ..expressions.nodes import Item, Of
from ..expressions.rewriting import ready
from ..expressions.simple import fact, is_simple
from ..rows.filtering import found, matched
from ..rows.grouping import Groups, distinct, group
from ..rows.ordered import Best, Hits, Part, outputs
from ..rows.pruning import candidates
from ..rows.rows_by_id import SelectedSource
from ..rows.sources import Batch, Source
from ..statements.statement import Select
from .prepared import Grouping, Query, are_arrays, prepared
from .window_values import windowed

PART = 4096  # rows of a result that are made at once


def run(statement: Select[Any]) -> Iterator[Part]:
    """The result of a statement, a few thousand rows at a time.

    Raises:
        QueryError: the statement names no collection, or what it says does not fit the rows.
    """
    return run_prepared(*prepared(statement))


def run_prepared(source: Source, query: Query, grouped: Grouping | None = None) -> Iterator[Part]:
    """As `run`, of a statement that is prepared."""
    keys = source.keys_alone(query.where) if query.keys and isinstance(source, SelectedSource) else None
    if keys is not None:
        keys = keys[query.first : query.stop]
        return iter([[Objects(keys)] * len(query.outputs)] if keys else ())
    batches: Iterator[Batch] = source.batches(arrays=partial(are_arrays, query, grouped))
    if grouped is not None:
        batches = iter([_grouped(batches, grouped)])
    if query.windows:
        picked, query = windowed(((batch, found(batch, query.where)) for batch in batches), query)
        batches = iter([picked])
    parts = _parts(batches, query)
    return _distinct(parts, query) if query.distinct else parts


def hits(statement: Select[Any]) -> Hits:
    """Where the rows that a statement gives are, if it gives rows without groups and window functions, each once."""
    source, query, grouped = prepared(statement)
    batches: Iterator[Batch] = source.batches(arrays=partial(are_arrays, query, grouped))
    if query.order:
        whole = _ordered(list(batches), query, query.stop)
    else:
        whole = Hits.of((batch, found(batch, query.where)) for batch in batches)
    return Hits(whole.batches, whole.which[query.first : query.stop], whole.rows[query.first : query.stop])


def count(statement: Select[Any]) -> int:
    """How many rows the result of a statement has. No row is made."""
    if not fact(statement, "simple", is_simple):
        statement = ready(statement)  # once, if it runs below
    source, query, grouped = prepared(statement, counted=True)
    if query.distinct or query.later or grouped is not None:
        return sum(len(part[0]) for part in run(statement))
    batches = source.batches(arrays=partial(are_arrays, query, grouped))
    total = sum(len(found(batch, query.where)) for batch in batches)
    return max(min(total, total if query.stop is None else query.stop) - query.first, 0)


def _grouped(batches: Iterator[Batch], grouping: Grouping) -> Groups:
    if not grouping.where and not grouping.by and all(each._of is None for each in grouping.aggregates):
        total = sum(batch.count for batch in batches)
        return Groups([[total] for _ in grouping.aggregates], 1)

    def frames() -> Iterator[Frame]:
        for batch in batches:
            yield found(batch, grouping.where)

    return group(frames(), grouping.by, grouping.aggregates)


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
        for at in range(begin, end, PART):
            upto = min(at + PART, end)
            yield outputs(query.outputs, batch, frame if upto - at == count else frame.at(np.arange(at, upto)))


def _distinct(parts: Iterator[Part], query: Query) -> Iterator[Part]:
    every = list(parts)
    if not every:
        return
    vectors = [joined([part[place] for part in every]) for place in range(len(query.outputs))]
    if any(isinstance(each, Item) for each in query.outputs):  # rows are objects, each of them another one
        rows = list(range(len(vectors[0])))
    else:
        columns = [vector.tolist() for vector in vectors]
        for place, each in enumerate(query.outputs):
            if isinstance(each, Of) and each._is_row:  # one object for all rows of a join that have it
                columns[place] = list(map(id, columns[place]))
        values = list(zip(*columns, strict=True))
        rows = distinct(values, query.outputs) if values else []
    rows = list(islice(rows, query.first, query.stop))
    yield [vector.take(np.array(rows, np.int64)) for vector in vectors]


def _ordered(batches: list[Batch], query: Query, stop: int | None) -> Hits:
    """The rows that fulfil the conditions, in order; no more than the first `stop`."""
    best = Best(batches, query.order, stop)
    for place, parts in best.visit():
        batch = batches[place]
        may = candidates(query.where, batch)
        if may is not None and parts is not None:
            may = may & parts
        best.take(place, matched(query.where, batch, parts if may is None else may))
    return best.hits()
