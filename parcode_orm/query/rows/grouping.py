"""Groups of rows: which rows are of which group, and the groups as rows of a result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...errors import QueryError
from ..columns.vectors import Coded, Constant, Numbers, Objects, Rows, Vector, factorized, first_places
from ..expressions.evaluate import Frame, Unparted, evaluate
from ..expressions.expressions import Expression
from ..expressions.nodes import Aggregate
from .aggregates import NAN, Grouped, State, without_hash
from .sorting import is_nan


class Groups(Unparted):
    """The groups of a query as rows: columns of what they are grouped by, then of aggregates."""

    __slots__ = ("columns", "count")

    def __init__(self, columns: list[list[Any]], count: int) -> None:
        self.columns = columns
        self.count = count

    def column(self, path: tuple[str, ...], rows: Rows) -> Vector:
        """Column `path[0]`, a number."""
        values = self.columns[int(path[0])]
        return Objects([values[row] for row in (rows if isinstance(rows, range) else rows.tolist())])

    def keys(self, rows: Rows) -> Vector:
        """Groups have none."""
        raise QueryError("func.key() is of a row, and not of a group: group by it, or aggregate it")

    def objects(self, rows: Rows) -> list[Any]:
        """Groups have none."""
        raise QueryError("a row is not of a group: select what the rows are grouped by, and aggregates")


def group(frames: Iterator[Frame], by: Sequence[Expression[Any]], aggregates: Sequence[Aggregate[Any]]) -> Groups:
    """The rows of `frames`, grouped by the values of `by`, in the order in which groups appear; without `by`, as one.

    Raises:
        QueryError: a value to group by has no hash; values that are to be added or compared do not fit.
    """
    known: dict[Any, int] = {} if by else {(): 0}
    states = [State(each) for each in aggregates]
    for frame in frames:
        if not len(frame):
            continue
        if by:
            grouped, keys, appearing = numbered([evaluate(each, frame) for each in by], by)
            try:
                numbers = np.array([known[key] for key in keys])
            except KeyError:
                for number in appearing:
                    known.setdefault(keys[number], len(known))
                numbers = np.array([known[key] for key in keys])
        else:
            grouped, numbers = Grouped(None, 1, len(frame)), np.zeros(1, np.int64)
        for state in states:
            state.take(frame, grouped, numbers, len(known))
    columns = [list(column) for column in zip(*known, strict=True)] if known and by else [[] for _ in by]
    columns += [state.finished(len(known)) for state in states]
    return Groups(columns, len(known))


def numbered(vectors: list[Vector], by: Sequence[Expression[Any]]) -> tuple[Grouped, list[tuple[Any, ...]], list[int]]:
    """The groups of rows, the values that make each, and the order in which they appear."""
    if len(vectors) == 1 and isinstance(vectors[0], Coded) and vectors[0].counts.all():
        only = vectors[0]
        if only.groups is None:
            words = _hashable(only.words, by[0])  # equal ones are of one group, whose parts are put together later
            only.groups = [(word,) for word in words], np.argsort(only.first).tolist()
        return Grouped(only.codes, len(only.words), len(only), only.counts), *only.groups
    parts = [_coded(vector, each) for vector, each in zip(vectors, by, strict=True)]
    codes, words = parts[0]
    keys: list[tuple[Any, ...]] = [(word,) for word in words]
    for more, others in parts[1:]:
        both = codes.astype(np.int64) * len(others) + more
        used, codes = factorized(both)
        keys = [(*keys[each // len(others)], others[each % len(others)]) for each in used.tolist()]
    return Grouped(codes, len(keys), len(codes)), keys, np.argsort(first_places(codes, len(keys))).tolist()


def _coded(vector: Vector, of: Expression[Any]) -> tuple[Any, list[Any]]:
    """Codes and words, each of which stands somewhere and once."""
    if isinstance(vector, Constant):
        return np.zeros(len(vector), np.int64), _hashable([vector.value], of)
    if isinstance(vector, Coded):
        there = vector.counts > 0
        used = np.flatnonzero(there)
        codes, words = _merged(np.cumsum(there) - 1, [vector.words[code] for code in used.tolist()], of)
        return codes[vector.codes], words
    if isinstance(vector, Numbers) and vector.nulls is None:
        values, codes = factorized(vector.values)
        words = values.tolist() if vector.kind is None else vector.kind.values(values.tolist())
        return codes, _hashable(words, of)
    return _merged(np.arange(len(vector)), vector.tolist(), of)


def _merged(codes: Any, words: list[Any], of: Expression[Any]) -> tuple[Any, list[Any]]:
    words = _hashable(words, of)
    known = dict.fromkeys(words)
    if len(known) == len(words):
        return codes, words
    place = dict(zip(known, range(len(known)), strict=True))
    return np.fromiter(map(place.__getitem__, words), np.int64, len(words))[codes], list(known)


def _hashable(words: list[Any], of: Expression[Any]) -> list[Any]:
    try:
        types = set(map(type, set(words)))
    except TypeError:
        raise without_hash(of, words, "grouped or told apart") from None
    return [NAN if is_nan(word) else word for word in words] if float in types else words


def distinct(rows: Sequence[tuple[Any, ...]], of: Sequence[Expression[Any]]) -> list[int]:
    """The places of the rows that do not stand before."""
    known: dict[tuple[Any, ...], int] = {}
    columns = [_hashable(list(column), each) for column, each in zip(zip(*rows, strict=True), of, strict=True)]
    for place, row in enumerate(zip(*columns, strict=True)):
        known.setdefault(row, place)
    return list(known.values())
