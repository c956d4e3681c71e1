"""Values of a column, or of an expression, for many rows at once, in the form that they are stored in.

Numbers stay numpy arrays, text of few kinds codes into distinct words, plain text bytes, a constant one value. What an
operation has no way for in that form goes through `tolist`, which gives Python's own values: so every operation works
on every vector, and gives what Python gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ...native import compiled
from ...table.columns import as_array
from .texts import mark_texts

Rows = Any  # numbers of rows: a range, or an array of ints
EXACT_FLOAT = 1 << 53  # ints up to here are floats of the same value
WIDEST = 1 << 63  # the first int beyond int64


def indices(rows: Rows) -> Any:
    """Numbers of rows as an array."""
    return np.arange(rows.start, rows.stop) if isinstance(rows, range) else rows


def pick(values: Any, rows: Rows) -> Any:
    """The items of an array at `rows`."""
    return values[rows.start : rows.stop] if isinstance(rows, range) else values[rows]


class Vector:
    """Values in order; `len` is their number."""

    __slots__ = ()

    def __len__(self) -> int:
        raise TypeError(f"{type(self).__name__} has no len")

    def tolist(self) -> list[Any]:
        """The values as Python's own objects."""
        raise TypeError(f"{type(self).__name__} has no tolist")

    def take(self, rows: Any) -> Vector:
        """The values at `rows`, an array of places."""
        raise TypeError(f"{type(self).__name__} has no take")


class Kind:
    """A type that is stored as an int of the same order: how to get there, and back in bulk."""

    __slots__ = ("cls", "number", "values")

    def __init__(self, cls: type, number: Callable[[Any], int], values: Callable[[list[int]], list[Any]]) -> None:
        self.cls = cls
        self.number = number
        self.values = values


class Numbers(Vector):
    """Ints, floats or bools in an array; `nulls` marks those that are None. With a `kind` they stand for others."""

    __slots__ = ("kind", "nulls", "values")

    def __init__(self, values: Any, nulls: Any = None, kind: Kind | None = None) -> None:
        self.values = values
        self.nulls = nulls
        self.kind = kind

    def __len__(self) -> int:
        return len(self.values)

    def tolist(self) -> list[Any]:
        make = list if self.kind is None else self.kind.values
        if self.nulls is None:
            return make(self.values.tolist())
        following = iter(make(self.values[~self.nulls].tolist())).__next__
        return [None if null else following() for null in self.nulls.tolist()]

    def take(self, rows: Any) -> Numbers:
        return Numbers(self.values[rows], None if self.nulls is None else self.nulls[rows], self.kind)


class Coded(Vector):
    """Places in `words`, distinct values of any type."""

    __slots__ = ("_counts", "_first", "codes", "groups", "made", "words")

    def __init__(self, codes: Any, words: list[Any], made: dict[Any, Any] | None = None) -> None:
        self.codes = codes
        self.words = words
        self.made = {} if made is None else made  # of the words, by what it is: arrays of them elsewhere
        self._counts: Any = None
        self._first: Any = None
        self.groups: Any = None  # of the words: the keys of groups, and the order in which they appear

    @property
    def counts(self) -> Any:
        """How often each word stands."""
        if self._counts is None:
            self._counts = np.zeros(len(self.words), np.int64)
            count_codes(np.ascontiguousarray(self.codes), self._counts)
        return self._counts

    @property
    def first(self) -> Any:
        """Where each word stands first; that of one that stands nowhere says nothing."""
        if self._first is None:
            self._first = first_places(self.codes, len(self.words))
        return self._first

    def renamed(self, words: list[Any]) -> Coded:
        """The same codes with other words, which may be equal. What is known of the codes stays known."""
        found = Coded(self.codes, words)
        found._counts, found._first = self.counts, self.first
        return found

    def __len__(self) -> int:
        return len(self.codes)

    def tolist(self) -> list[Any]:
        return list(map(self.words.__getitem__, self.codes.tolist()))

    def take(self, rows: Any) -> Coded:
        return Coded(self.codes[rows], self.words, self.made)


class Constant(Vector):
    """One value for all."""

    __slots__ = ("count", "value")

    def __init__(self, value: Any, count: int) -> None:
        self.value = value
        self.count = count

    def __len__(self) -> int:
        return self.count

    def tolist(self) -> list[Any]:
        return [self.value] * self.count

    def take(self, rows: Any) -> Constant:
        return Constant(self.value, len(rows))


class Objects(Vector):
    """Python's own objects."""

    __slots__ = ("values",)

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def tolist(self) -> list[Any]:
        return self.values

    def take(self, rows: Any) -> Objects:
        return Objects(list(map(self.values.__getitem__, rows.tolist())))


class Texts(Vector):
    """Text as it is stored: value i is `data[begins[i]:ends[i]]` in UTF-8; `decode` makes text of such bytes.

    `whole` gives all values at once, where that is faster. `lenient`: lone surrogates may be among them.
    """

    __slots__ = ("begins", "data", "decode", "ends", "lenient", "whole")

    def __init__(
        self,
        data: memoryview,
        begins: Any,
        ends: Any,
        decode: Callable[[Any], str],
        whole: Callable[[], list[Any]] | None = None,
        lenient: bool = False,
    ) -> None:
        self.whole = whole
        self.lenient = lenient
        self.data = data
        self.begins = begins
        self.ends = ends
        self.decode = decode

    def __len__(self) -> int:
        return len(self.begins)

    def tolist(self) -> list[Any]:
        if self.whole is not None:
            return self.whole()
        count = len(self)
        apart = self._apart() if count else ()
        if len(apart) * 8 > count:
            return self._one_by_one(0, count)
        found: list[Any] = []
        for first, last in pairwise([0, *(place + 1 for place in apart), count] if count else []):
            # A NUL lies between neighbours. Where no value has one, all are decoded together.
            values = self.decode(self.data[int(self.begins[first]) : int(self.ends[last - 1])]).split("\0")
            found += values if len(values) == last - first else self._one_by_one(first, last)
        return found

    def _apart(self) -> Any:
        """The places of values between which and the next one there is more or less than a NUL.

        Values that have a NUL are stored without one between them. Then it may be a value of one byte.
        """
        ends = self.ends[:-1]
        near = self.begins[1:] - ends == 1
        if near.any():
            near[near] = np.frombuffer(self.data, np.uint8)[ends[near]] == 0
        return (~near).nonzero()[0]

    def _one_by_one(self, first: int, last: int) -> list[Any]:
        data, decode = self.data, self.decode
        begins, ends = self.begins[first:last].tolist(), self.ends[first:last].tolist()
        return [decode(data[a:b]) for a, b in zip(begins, ends, strict=True)]

    def take(self, rows: Any) -> Texts:
        return Texts(self.data, self.begins[rows], self.ends[rows], self.decode, None, self.lenient)

    def equal(self, wanted: bytes) -> Any:
        """Which values are `wanted`."""
        found = np.zeros(len(self), bool)
        mark_texts(self.data, self.begins, self.ends, wanted, True, found)
        return found

    def starting(self, wanted: bytes) -> Any:
        """Which values begin with `wanted`."""
        found = np.zeros(len(self), bool)
        mark_texts(self.data, self.begins, self.ends, wanted, False, found)
        return found


def vector_of(values: Sequence[Any]) -> Vector:
    """Values of any types."""
    types = set(map(type, values))
    if types == {bool}:
        return Numbers(np.array(values, bool))
    return Objects(list(values))


def packed(values: list[Any]) -> Vector:
    """Values in the narrowest form: as an array if all are ints of 64 bits or floats, None among them too."""
    types = set(map(type, values)) - {type(None)}
    if types not in ({int}, {float}):
        return vector_of(values)
    nulls = np.fromiter((value is None for value in values), bool, len(values))
    try:
        array = np.array([0 if value is None else value for value in values], np.int64 if types == {int} else float)
    except OverflowError:
        return vector_of(values)
    return Numbers(array, nulls if nulls.any() else None)


def apply(function: Callable[..., Any], args: Sequence[Vector], count: int) -> Vector:
    """`function` of each row's values, by Python; of values that repeat, once where that is as good."""
    constants = [each for each in args if isinstance(each, Constant)]
    if len(constants) == len(args):
        return Constant(function(*[each.value for each in constants]), count) if count else Objects([])
    varying = [each for each in args if not isinstance(each, Constant)]
    if len(varying) == 1:
        (one,) = varying
        few = distinct(one)
        if few is not None:
            codes, words = few
            found = [function(*[each.value if isinstance(each, Constant) else word for each in args]) for word in words]
            if set(map(type, found)) == {bool}:
                return Numbers(np.array(found, bool)[codes])
            return Coded(codes, found)
    return vector_of([function(*row) for row in zip(*[each.tolist() for each in args], strict=True)])


def distinct(vector: Vector) -> tuple[Any, list[Any]] | None:
    """Codes and the words that they name, each of which stands somewhere; None where they are not far fewer."""
    if isinstance(vector, Coded) and len(vector.words) * 2 <= len(vector):
        used, codes = factorized(vector.codes)
        return codes, [vector.words[code] for code in used.tolist()]
    if isinstance(vector, Numbers) and vector.kind is not None and vector.nulls is None and len(vector) > 16:
        used, codes = factorized(vector.values)
        if len(used) * 2 <= len(vector):
            return codes, vector.kind.values(used.tolist())
    return None


def factorized(values: Any) -> tuple[Any, Any]:
    """The different values of an array, which has one at least, and for each value its place among them."""
    if values.dtype.kind in "iu" and values.dtype != np.uint64:
        low, high = int(values.min()), int(values.max())
        if high - low <= 2 * len(values):  # without sorting
            shifted = values.astype(np.int64) - low
            there = np.zeros(high - low + 1, bool)
            there[shifted] = True
            return np.flatnonzero(there) + low, (np.cumsum(there) - 1)[shifted]
    used, codes = np.unique(values, return_inverse=True)
    return used, codes


@compiled
def count_codes(codes: Any, counts: Any) -> None:
    """Add to `counts`, an array of int64, how often each code stands in an array of ints.

    Raises:
        ValueError: a code is beyond the counts.
    """
    found = np.bincount(codes, minlength=len(counts))
    if len(found) > len(counts):
        raise ValueError("a code is beyond the counts")
    counts += found


def first_places(codes: Any, count: int) -> Any:
    """Where each of `count` codes stands first; that of one that stands nowhere says nothing."""
    found = np.zeros(count, np.int64)
    for stop in (16 * count, len(codes)):  # often all stand near the beginning
        part = codes[:stop]
        found[part[::-1]] = np.arange(len(part))[::-1]
        if stop >= len(codes) or (codes[found] == np.arange(count)).all():
            break
    return found


def spread(vector: Vector, there: Any) -> Vector:
    """The values in the places where `there` is true, None elsewhere."""
    count = len(there)
    if isinstance(vector, Constant):
        return Coded(there.astype(np.uint8), [None, vector.value])
    if isinstance(vector, Numbers):
        values = np.zeros(count, vector.values.dtype)
        values[there] = vector.values
        nulls = ~there
        if vector.nulls is not None:
            nulls[there] = vector.nulls
        return Numbers(values, nulls, vector.kind)
    if isinstance(vector, Coded):
        codes = np.full(count, len(vector.words), np.int64)
        codes[there] = vector.codes
        return Coded(codes, [*vector.words, None])
    following = iter(vector.tolist()).__next__
    return Objects([following() if flag else None for flag in there.tolist()])


def joined(vectors: Sequence[Vector]) -> Vector:
    """The values of all, one after the other."""
    parts = [vector for vector in vectors if len(vector)]
    if not parts:
        return Objects([])
    if len(parts) == 1:
        return parts[0]
    numbers = [each for each in parts if isinstance(each, Numbers)]
    if len(numbers) == len(parts):
        kinds = {each.kind for each in numbers}
        dtypes = {_wide(each.values.dtype) for each in numbers}
        if len(kinds) == len(dtypes) == 1:
            values = np.concatenate([each.values for each in numbers], dtype=dtypes.pop())
            nulls = None
            if any(each.nulls is not None for each in numbers):
                nulls = np.concatenate([nulls_of(each) for each in numbers])
            return Numbers(values, nulls, kinds.pop())
    return Objects([value for each in parts for value in each.tolist()])


def nulls_of(vector: Numbers) -> Any:
    """Which values are None."""
    return np.zeros(len(vector), bool) if vector.nulls is None else vector.nulls


def _wide(dtype: Any) -> Any:
    """The full width of the kind of numbers."""
    return np.dtype(np.int64) if dtype.kind in "iu" and dtype != np.uint64 else dtype


def to_numpy(vector: Vector) -> Any:
    """An array: of int64, uint64, float64 or bool where all are such numbers, else of objects."""
    if isinstance(vector, Numbers) and vector.kind is None and (vector.nulls is None or not vector.nulls.any()):
        return vector.values.astype(_wide(vector.values.dtype), copy=False)
    return as_array(vector.tolist())


def truths(vector: Vector) -> Any:
    """Which values are true, as Python says."""
    if isinstance(vector, Numbers) and vector.kind is None:
        found = vector.values if vector.values.dtype == bool else vector.values != 0
        return found if vector.nulls is None else found & ~vector.nulls
    if isinstance(vector, Constant):
        return np.full(len(vector), bool(vector.value))
    if isinstance(vector, Coded):
        return np.array(list(map(bool, vector.words)), bool)[vector.codes]
    return np.fromiter(map(bool, vector.tolist()), bool, len(vector))
