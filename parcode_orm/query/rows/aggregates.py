"""Aggregates: what each has of the groups so far, and one value of each group in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import sqrt
from typing import Any

import numpy as np

from ...errors import QueryError, told
from ...native import compiled
from ..columns.vectors import Coded, Numbers, Vector, factorized
from ..expressions.evaluate import Frame, evaluate
from ..expressions.expressions import Expression
from ..expressions.group_concat import Concat
from ..expressions.nodes import Aggregate
from .sorting import is_nan

NAN = float("nan")  # one object, so that all of them are one group


class Grouped:
    """Rows and their groups: row i is of group `codes[i]` among those here; without `codes`, all are of one."""

    __slots__ = ("_counts", "codes", "count", "rows")

    def __init__(self, codes: Any, count: int, rows: int, counts: Any = None) -> None:
        self.codes = codes
        self.count = count
        self.rows = rows
        self._counts = counts

    @property
    def counts(self) -> Any:
        """How many rows each group has."""
        if self._counts is None:
            one = self.codes is None
            self._counts = np.array([self.rows]) if one else np.bincount(self.codes, minlength=self.count)
        return self._counts

    def at(self, rows: Any) -> Grouped:
        """The groups of some of the rows."""
        return Grouped(None if self.codes is None else self.codes[rows], self.count, len(rows))

    def listed(self) -> list[int]:
        """The group of each row."""
        found: list[int] = [0] * self.rows if self.codes is None else self.codes.tolist()
        return found


class State:
    """What an aggregate has of each group so far: sums and counts in arrays while that is enough, else Python's.

    Where all rows are one group, `_alone` is its sum and count instead.
    """

    __slots__ = ("_aggregate", "_alone", "_counts", "_sums", "_values")

    def __init__(self, aggregate: Aggregate[Any]) -> None:
        self._aggregate = aggregate
        self._values: list[Any] = []
        self._counts: Any = np.zeros(0, np.int64) if aggregate._function in _SUMMED else None
        self._sums: Any = None
        self._alone: tuple[Any, int] = 0, 0

    def take(self, frame: Frame, grouped: Grouped, numbers: Any, known: int) -> None:
        """Take the rows of `frame` into their groups: group i here is number `numbers[i]` of the `known` ones."""
        aggregate = self._aggregate
        if aggregate._of is None:
            if grouped.codes is None:
                self._alone = 0, self._alone[1] + grouped.rows
            else:
                self._add(None, grouped.counts, numbers, known)
            return
        vector = evaluate(aggregate._of, frame)
        if isinstance(vector, Numbers) and vector.nulls is not None:
            here = np.flatnonzero(~vector.nulls)
            grouped = grouped.at(here)
            vector = Numbers(vector.values[here], None, vector.kind)
        try:
            if self._counts is not None and isinstance(vector, Numbers):
                if grouped.codes is None and self._add_alone(vector):
                    return
                found = sums_of(aggregate._function, vector, grouped)
                if found is not None:
                    self._add(*found, numbers, known)
                    return
            self._merge(_partial(aggregate._function, vector, grouped), numbers.tolist(), known)
        except (TypeError, ArithmeticError) as problem:
            if aggregate._function == "count_distinct" and isinstance(problem, TypeError):
                raise without_hash(aggregate, vector.tolist(), "counted once each") from None
            raise QueryError(f"{aggregate}: {problem}") from None

    def _add(self, sums: Any, counts: Any, numbers: Any, known: int) -> None:
        more = known - len(self._counts)
        if more:
            self._counts = np.concatenate([self._counts, np.zeros(more, np.int64)])
        if sums is not None:
            if self._sums is None:
                self._sums = np.zeros(0, sums.dtype)
            if self._sums.dtype != sums.dtype or (sums.dtype.kind == "i" and _is_large(self._sums)):
                self._sums = self._sums.astype(object)
            if more := known - len(self._sums):
                self._sums = np.concatenate([self._sums, np.zeros(more, self._sums.dtype)])
            sums = sums if self._sums.dtype == sums.dtype else np.array(sums.tolist(), object)
            _add_at(self._sums, numbers, sums)
        _add_at(self._counts, numbers, counts)

    def _add_alone(self, vector: Numbers) -> bool:
        """Take all values into the only group; False where they are no numbers to add."""
        total, count = self._alone
        if self._aggregate._function != "count":
            if vector.kind is not None:
                return False
            if len(vector.values):
                total += _total(vector.values)
        self._alone = total, count + len(vector.values)
        return True

    def _merge(self, found: list[Any], numbers: list[int], known: int) -> None:
        if self._counts is not None:
            self._values, self._counts = self._summed(len(self._counts)), None
        values = self._values
        values += [None] * (known - len(values))
        merge = MERGE[self._aggregate._function]
        for number, value in zip(numbers, found, strict=True):
            if value is not None:
                before = values[number]
                values[number] = value if before is None else merge(before, value)

    def _summed(self, known: int) -> list[Any]:
        """The states of groups that are kept in arrays."""
        counts = self._counts.tolist()
        sums = [] if self._sums is None else self._sums.tolist()
        sums += [0] * (len(counts) - len(sums))
        if self._alone[1]:
            sums, counts = [self._alone[0]], [self._alone[1]]
        function = self._aggregate._function
        if function == "count":
            return [count or None for count in counts]
        if function == "sum":
            return [each if there else None for each, there in zip(sums, counts, strict=True)]
        return [(each, there) if there else None for each, there in zip(sums, counts, strict=True)]

    def finished(self, known: int) -> list[Any]:
        """The value of each of the `known` groups."""
        values = self._values if self._counts is None else self._summed(known)
        values += [None] * (known - len(values))
        aggregate = self._aggregate
        return list(map(aggregate.finished if isinstance(aggregate, Concat) else FINISH[aggregate._function], values))


def without_hash(of: Expression[Any], values: Iterable[Any], what: str) -> QueryError:
    """The error that some of the `values` of an expression cannot be told apart fast, as keys of a dictionary are."""
    for value in values:
        try:
            hash(value)
        except TypeError:
            kind = type(value).__name__
            hint = {"list": "a tuple", "set": "a frozenset"}.get(kind, "")
            instead = f"declare the field as {hint}, which has one, or " if hint else ""
            return QueryError(
                f"{of}: values of the type {kind} have no hash, so they cannot be {what}: {instead}use what can be a "
                "key of a dictionary, such as a field of a simple type or len_() of a collection"
            )
    return QueryError(f"{of}: its values cannot be {what}")


def _add_at(sums: Any, numbers: Any, values: Any) -> None:
    """Add values to the sums with these numbers. Several may have one number, which `+=` would add once."""
    if len(numbers) == 1:
        sums[numbers] += values
    else:
        np.add.at(sums, numbers, values)


_SUMMED = frozenset({"count", "sum", "avg"})


def _is_large(sums: Any) -> bool:
    return bool(len(sums)) and max(-int(sums.min()), int(sums.max())) >= 1 << 62


def sums_of(function: str, vector: Numbers, grouped: Grouped) -> tuple[Any, Any] | None:
    """The sum of each group's values (None where they are only counted) and their number; None if Python must add."""
    if function == "count":
        return None, grouped.counts
    if vector.kind is not None:
        return None
    sums = _sums(vector.values, grouped)
    return None if sums is None else (sums, grouped.counts)


def _partial(function: str, vector: Vector, grouped: Grouped) -> list[Any]:
    """What each group's rows here give; None for no values."""
    if isinstance(vector, Numbers) and function != "count_distinct":
        found = _of_numbers(function, vector, grouped)
        if found is not None:
            return found
    if isinstance(vector, Coded) and function in ("count_distinct", "min", "max"):
        rows = vector.codes.astype(np.int64)
        if grouped.codes is not None:
            rows += grouped.codes.astype(np.int64) * len(vector.words)
        used, _ = factorized(rows)
        codes = (used // len(vector.words)).tolist()
        values = [vector.words[code] for code in (used % len(vector.words)).tolist()]
    else:
        codes, values = grouped.listed(), vector.tolist()
    parts: list[list[Any]] = [[] for _ in range(grouped.count)]
    for code, value in zip(codes, values, strict=True):
        if value is not None:
            parts[code].append(value)
    make = OF_LIST[function]
    return [make(part) if part else None for part in parts]


def _of_numbers(function: str, vector: Numbers, grouped: Grouped) -> list[Any] | None:
    values = vector.values
    if not len(values):
        return [None] * grouped.count
    if function in ("min", "max"):
        return _extremes(function, vector, grouped)
    if vector.kind is not None or function != "stddev":
        return None
    sums = _sums(values, grouped)
    if sums is None:
        return None
    counts, codes = grouped.counts, grouped.codes
    with np.errstate(all="ignore"):
        means = sums.astype(float) / counts
        apart = (values.astype(float) - (means[0] if codes is None else means[codes])) ** 2
        squares = np.array([apart.sum()]) if codes is None else np.bincount(codes, apart, grouped.count)
    parts = zip(counts.tolist(), means.tolist(), squares.tolist(), strict=True)
    return [part if part[0] else None for part in parts]


def _sums(values: Any, grouped: Grouped) -> Any:
    """The sum of each group, of ints exact; None where they are too large for that."""
    codes, count = grouped.codes, grouped.count
    if not len(values):
        return np.zeros(count, np.float64 if values.dtype.kind == "f" else np.int64)
    kind, width = values.dtype.kind, values.dtype.itemsize
    if codes is None:
        total = _total(values)
        return np.array([total]) if kind == "f" or -1 << 62 < total < 1 << 62 else None
    if kind == "f":
        return _by_code(codes, values.astype(float, copy=False), count)
    largest = len(values) << 16 if width < 4 else max(-int(values.min()), int(values.max())) * len(values)
    if largest >= 1 << 62:
        return None
    return _by_code(codes, values, count, largest < 1 << 53)


def _total(values: Any) -> int | float:
    """The sum of an array of numbers, of ints exact."""
    return float(values.sum()) if values.dtype.kind == "f" else int_sum(np.ascontiguousarray(values))


@compiled
def int_sum(values: Any) -> int:
    """The sum of an array of ints or bools, however large it is."""
    if values.dtype.itemsize < 8:
        return int(values.sum(dtype=np.int64))
    return (int((values >> 32).sum(dtype=np.int64)) << 32) + int((values & 0xFFFFFFFF).sum(dtype=np.int64))


def _by_code(codes: Any, values: Any, count: int, small: bool = True) -> Any:
    sums = np.zeros(count, np.float64 if values.dtype.kind == "f" else np.int64)
    group_sums(codes, values, sums, small)
    return sums


@compiled
def group_sums(codes: Any, values: Any, sums: Any, small: bool) -> None:
    """Fill `sums` with the sum of the values of each code, added in order.

    Arrays of ints, of float64 or ints (with sums of int64), and of zeros. `small`: floats hold all sums of the ints.

    Raises:
        ValueError: a code is beyond the sums.
    """
    if small:
        sums[:] = np.bincount(codes, values, len(sums))
        return
    wide = values.astype(np.int64)  # as two halves, whose sums floats hold exactly
    high = np.bincount(codes, wide >> 32, len(sums)).astype(np.int64)
    sums[:] = (high << 32) + np.bincount(codes, wide & 0xFFFFFFFF, len(sums)).astype(np.int64)


def _extremes(function: str, vector: Numbers, grouped: Grouped) -> list[Any] | None:
    values, codes, count = vector.values, grouped.codes, grouped.count
    if values.dtype.kind == "f" and np.isnan(values).any():
        return None
    if values.dtype == bool:
        values = values.astype(np.uint8)
    smallest = function == "min"
    if codes is None:
        found = np.array([values.min() if smallest else values.max()])
    else:
        found = np.full(count, values.max() if smallest else values.min())
        (np.minimum if smallest else np.maximum).at(found, codes, values)
    if vector.values.dtype == bool:
        found = found.astype(bool)
    listed = found.tolist() if vector.kind is None else vector.kind.values(found.tolist())
    return [each if there else None for each, there in zip(listed, grouped.counts.tolist(), strict=True)]


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


def _texts(values: list[Any]) -> list[str]:
    for each in values:
        if not isinstance(each, str):
            raise TypeError(f"{told(each)} is no text: cast(..., str) makes texts")
    return values


def _more(a: list[str], b: list[str]) -> list[str]:
    a += b
    return a


def _same(value: Any) -> Any:
    return value


OF_LIST: dict[str, Callable[[list[Any]], Any]] = {
    "count": len,
    "count_distinct": _distinct,
    "group_concat": _texts,
    "sum": _fold(_plus),
    "min": _fold(_smaller),
    "max": _fold(_larger),
    "avg": lambda values: (_fold(_plus)(values), len(values)),
    "stddev": _spread,
}
MERGE: dict[str, Callable[[Any, Any], Any]] = {
    "count": _plus,
    "count_distinct": set.union,
    "group_concat": _more,
    "sum": _plus,
    "min": _smaller,
    "max": _larger,
    "avg": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "stddev": _joined,
}
FINISH: dict[str, Callable[[Any], Any]] = {
    "count": lambda state: state or 0,
    "count_distinct": lambda state: len(state or ()),
    "sum": lambda state: 0 if state is None else int(state) if type(state) is bool else state,
    "min": _same,
    "max": _same,
    "avg": lambda state: None if state is None else state[0] / state[1],
    "stddev": lambda state: None if state is None or state[0] < 2 else sqrt(state[2] / (state[0] - 1)),
}
