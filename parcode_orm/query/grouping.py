"""Groups of rows, and one value of each: counts, sums, means and the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import sqrt
from typing import Any

import numpy as np

from ..errors import QueryError
from .evaluate import Frame, evaluate
from .expressions import Expression
from .nodes import Aggregate
from .sorting import is_nan
from .vectors import Coded, Constant, Numbers, Objects, Rows, Vector, factorized

NAN = float("nan")  # one object, so that all of them are one group


class Groups:
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

    def held(self) -> Rows:
        """All of them are."""
        return range(self.count)

    def bounds(self, path: tuple[str, ...]) -> None:
        """Nothing is known."""

    def size(self, path: tuple[str, ...]) -> int:
        """Nothing is read."""
        return 0


def group(frames: Iterator[Frame], by: Sequence[Expression[Any]], aggregates: Sequence[Aggregate[Any]]) -> Groups:
    """The rows of `frames`, grouped by the values of `by`, in the order in which groups appear; without `by`, as one.

    Raises:
        QueryError: a value to group by has no hash; values that are to be added or compared do not fit.
    """
    known: dict[Any, int] = {} if by else {(): 0}
    states: list[list[Any]] = [[None] * len(known) for _ in aggregates]
    for frame in frames:
        if not len(frame):
            continue
        if by:
            codes, keys, appearing = _codes([evaluate(each, frame) for each in by], by)
            for number in appearing.tolist():
                known.setdefault(keys[number], len(known))
            numbers = [known[key] for key in keys]
        else:
            codes, numbers = None, [0]
        for aggregate, state in zip(aggregates, states, strict=True):
            state += [None] * (len(known) - len(state))
            _add(aggregate, state, codes, numbers, frame)
    columns = [list(column) for column in zip(*known, strict=True)] if known and by else [[] for _ in by]
    for aggregate, state in zip(aggregates, states, strict=True):
        finish = _FINISH[aggregate._function]
        columns.append([finish(each) for each in state])
    return Groups(columns, len(known))


def _codes(vectors: list[Vector], by: Sequence[Expression[Any]]) -> tuple[Any, list[tuple[Any, ...]], Any]:
    """For each row the number of its group among those here, the values that make each, and how they appear."""
    parts = [_coded(vector, each) for vector, each in zip(vectors, by, strict=True)]
    codes, words = parts[0]
    keys: list[tuple[Any, ...]] = [(word,) for word in words]
    for more, others in parts[1:]:
        both = codes.astype(np.int64) * len(others) + more
        used, codes = factorized(both)
        keys = [(*keys[each // len(others)], others[each % len(others)]) for each in used.tolist()]
    first = np.empty(len(keys), np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return codes, keys, np.argsort(first)


def _coded(vector: Vector, of: Expression[Any]) -> tuple[Any, list[Any]]:
    """Codes and words, each of which stands somewhere and once."""
    if isinstance(vector, Constant):
        return np.zeros(len(vector), np.int64), _hashable([vector.value], of)
    if isinstance(vector, Coded):
        used, codes = factorized(vector.codes)
        return _merged(codes, [vector.words[code] for code in used.tolist()], of)
    if isinstance(vector, Numbers) and vector.nulls is None:
        values, codes = factorized(vector.values)
        words = values.tolist() if vector.kind is None else vector.kind.values(values.tolist())
        return codes, _hashable(words, of)
    return _merged(np.arange(len(vector)), vector.tolist(), of)


def _merged(codes: Any, words: list[Any], of: Expression[Any]) -> tuple[Any, list[Any]]:
    words = _hashable(words, of)
    known = dict.fromkeys(words)
    place = dict(zip(known, range(len(known)), strict=True))
    return np.fromiter(map(place.__getitem__, words), np.int64, len(words))[codes], list(known)


def _hashable(words: list[Any], of: Expression[Any]) -> list[Any]:
    try:
        types = set(map(type, set(words)))
    except TypeError as problem:
        raise QueryError(f"{of} cannot be grouped or told apart: {problem}") from None
    return [NAN if is_nan(word) else word for word in words] if float in types else words


def distinct(rows: Sequence[tuple[Any, ...]], of: Sequence[Expression[Any]]) -> list[int]:
    """The places of the rows that do not stand before."""
    known: dict[tuple[Any, ...], int] = {}
    columns = [_hashable(list(column), each) for column, each in zip(zip(*rows, strict=True), of, strict=True)]
    for place, row in enumerate(zip(*columns, strict=True)):
        known.setdefault(row, place)
    return list(known.values())


# -- aggregates -----------------------------------------------------------------------------------------------------


def _add(aggregate: Aggregate[Any], state: list[Any], codes: Any, numbers: list[int], frame: Frame) -> None:
    """Take the rows of `frame` into the states of their groups: row i is of group `numbers[codes[i]]`."""
    function, of = aggregate._function, aggregate._of
    if of is None:
        counts = [len(frame)] if codes is None else np.bincount(codes, minlength=len(numbers)).tolist()
        found = counts
    else:
        vector = evaluate(of, frame)
        codes = np.zeros(len(frame), np.int64) if codes is None else codes
        if isinstance(vector, Numbers) and vector.nulls is not None:
            here = np.flatnonzero(~vector.nulls)
            codes = codes[here]
            vector = Numbers(vector.values[here], None, vector.kind)
        try:
            found = _partial(function, vector, codes, len(numbers))
        except (TypeError, ArithmeticError) as problem:
            raise QueryError(f"{aggregate}: {problem}") from None
    merge = _MERGE[function]
    for number, value in zip(numbers, found, strict=True):
        if value is not None:
            before = state[number]
            try:
                state[number] = value if before is None else merge(before, value)
            except (TypeError, ArithmeticError) as problem:
                raise QueryError(f"{aggregate}: {problem}") from None


def _partial(function: str, vector: Vector, codes: Any, count: int) -> list[Any]:
    """What each group's rows here give; None for no values."""
    if isinstance(vector, Numbers) and function != "count_distinct":
        found = _of_numbers(function, vector, codes, count)
        if found is not None:
            return found
    if isinstance(vector, Coded) and function in ("count_distinct", "min", "max"):
        used, _ = factorized(codes * len(vector.words) + vector.codes)
        codes = used // len(vector.words)
        values = [vector.words[code] for code in (used % len(vector.words)).tolist()]
    else:
        values = vector.tolist()
    parts: list[list[Any]] = [[] for _ in range(count)]
    for code, value in zip(codes.tolist(), values, strict=True):
        if value is not None:
            parts[code].append(value)
    make = _OF_LIST[function]
    return [make(part) if part else None for part in parts]


def _of_numbers(function: str, vector: Numbers, codes: Any, count: int) -> list[Any] | None:
    values = vector.values
    counts = np.bincount(codes, minlength=count)
    if function == "count":
        return [each or None for each in counts.tolist()]
    if not len(values):
        return [None] * count
    if function in ("min", "max"):
        return _extremes(function, vector, codes, count, counts)
    if vector.kind is not None:
        return None
    sums = _sums(values, codes, count)
    if sums is None:
        return None
    if function == "sum":
        return [each if there else None for each, there in zip(sums, counts.tolist(), strict=True)]
    if function == "avg":
        return [(each, there) if there else None for each, there in zip(sums, counts.tolist(), strict=True)]
    with np.errstate(all="ignore"):
        means = np.array(sums, float) / counts
        squares = np.bincount(codes, (values.astype(float) - means[codes]) ** 2, count)
    parts = zip(counts.tolist(), means.tolist(), squares.tolist(), strict=True)
    return [part if part[0] else None for part in parts]


def _sums(values: Any, codes: Any, count: int) -> list[Any] | None:
    if values.dtype.kind == "f":
        if count == 1:
            return [float(values.sum())]
        return np.bincount(codes, values, count).tolist()  # type: ignore[no-any-return]
    low, high = int(values.min()), int(values.max())
    if max(-low, high) * len(values) >= 1 << 53:
        return None
    if count == 1:
        return [int(values.sum(dtype=np.int64))]
    return np.bincount(codes, values, count).astype(np.int64).tolist()  # type: ignore[no-any-return]


def _extremes(function: str, vector: Numbers, codes: Any, count: int, counts: Any) -> list[Any] | None:
    values = vector.values
    if values.dtype.kind == "f" and np.isnan(values).any():
        return None
    if values.dtype == bool:
        values = values.astype(np.uint8)
    smallest = function == "min"
    if count == 1:
        found = np.array([values.min() if smallest else values.max()])
    else:
        found = np.full(count, values.max() if smallest else values.min())
        (np.minimum if smallest else np.maximum).at(found, codes, values)
    if vector.values.dtype == bool:
        found = found.astype(bool)
    listed = found.tolist() if vector.kind is None else vector.kind.values(found.tolist())
    return [each if there else None for each, there in zip(listed, counts.tolist(), strict=True)]


def _smaller(a: Any, b: Any) -> Any:
    """The smaller of two values; NaN counts as the largest."""
    if is_nan(a) or is_nan(b):
        return b if is_nan(a) else a
    return b if b < a else a


def _larger(a: Any, b: Any) -> Any:
    if is_nan(a) or is_nan(b):
        return a if is_nan(a) else b
    return b if a < b else a


def _fold(function: Callable[[Any, Any], Any]) -> Callable[[list[Any]], Any]:
    def folded(values: list[Any]) -> Any:
        found = values[0]
        for value in values[1:]:
            found = function(found, value)
        return found

    return folded


def _plus(a: Any, b: Any) -> Any:
    return a + b


def _spread(values: list[Any]) -> tuple[int, float, float]:
    numbers = list(map(float, values))
    mean = sum(numbers) / len(numbers)
    return len(numbers), mean, sum((value - mean) ** 2 for value in numbers)


def _joined(a: tuple[int, float, float], b: tuple[int, float, float]) -> tuple[int, float, float]:
    """Count, mean and sum of squared differences of two parts together."""
    count = a[0] + b[0]
    apart = b[1] - a[1]
    return count, a[1] + apart * b[0] / count, a[2] + b[2] + apart * apart * a[0] * b[0] / count


def _distinct(values: list[Any]) -> set[Any]:
    return {NAN if is_nan(value) else value for value in values}


def _same(value: Any) -> Any:
    return value


_OF_LIST: dict[str, Callable[[list[Any]], Any]] = {
    "count": len,
    "count_distinct": _distinct,
    "sum": _fold(_plus),
    "min": _fold(_smaller),
    "max": _fold(_larger),
    "avg": lambda values: (_fold(_plus)(values), len(values)),
    "stddev": _spread,
}
_MERGE: dict[str, Callable[[Any, Any], Any]] = {
    "count": _plus,
    "count_distinct": set.union,
    "sum": _plus,
    "min": _smaller,
    "max": _larger,
    "avg": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "stddev": _joined,
}
_FINISH: dict[str, Callable[[Any], Any]] = {
    "count": lambda state: state or 0,
    "count_distinct": lambda state: len(state or ()),
    "sum": lambda state: 0 if state is None else state,
    "min": _same,
    "max": _same,
    "avg": lambda state: None if state is None else state[0] / state[1],
    "stddev": lambda state: None if state is None or state[0] < 2 else sqrt(state[2] / (state[0] - 1)),
}
