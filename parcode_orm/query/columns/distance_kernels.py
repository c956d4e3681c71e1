"""Distances of vectors: exact ones in float64, and bounds for them that cost one pass over the stored numbers.

An exact distance is computed from its row alone, in one order of additions, so it is the same wherever the row stands.
Bounds come from inner products in float32. The error of such a product of n numbers, in any order of additions, is
n u / (1 - n u) times the product of both lengths at most, where u is 2**-24 (Higham, "Accuracy and Stability of
Numerical Algorithms", 3.1). Rows that the bounds do not decide are measured exactly.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np

from ...errors import QueryError
from ...native import compiled
from ...storage.parallel import in_order, worker_count
from .arrays import Vectors
from .vectors import Numbers, Vector

_AT_ONCE = 1 << 16  # numbers that are converted to float64 at once: they stay in the processor's cache
_ROWS_AT_ONCE = 1 << 14  # whose bounds are computed at once, for the same reason
_MANY = 1 << 22  # numbers of a pass that several threads share
_SHARES = 4  # of a pass for each of them
_UNIT = 2.0**-24  # of float32
_SLACK = 16  # roundings beyond the additions
_SMALLEST = 2.0**-40  # length of a vector whose direction float32 tells
_TINY = 2.0**-100  # products that are too small for float32 add up to less
_SAFE = 1e18  # a longer query, or one shorter than the inverse, is measured exactly
_NARROW = frozenset(map(np.dtype, ("f4", "f2", "i1", "u1", "i2", "u2", "bool")))  # float32 has their values

Naming = Callable[[int], str]
"""What messages call the vector of a row, by its place: "Doc.embedding of the row 17"."""


class Target(NamedTuple):
    """A vector to measure from: `vector` is `length` times `unit`."""

    metric: str
    vector: Any
    length: float
    unit: Any


class Bounds(Vector):
    """`low` <= distance <= `high` for each row; NaN where that is not known. `nulls`: the rows without a vector."""

    __slots__ = ("high", "low", "nulls")

    def __init__(self, low: Any, high: Any, nulls: Any) -> None:
        self.low = low
        self.high = high
        self.nulls = nulls

    def __len__(self) -> int:
        return len(self.low)

    def take(self, rows: Any) -> Bounds:
        return Bounds(self.low[rows], self.high[rows], self.nulls[rows])


def target(metric: str, vector: Any) -> Target:
    """A vector of float64 to measure from, which is not all zeros if the metric is "cosine"."""
    largest = float(np.abs(vector).max())
    if not largest:
        return Target(metric, vector, 0.0, vector)
    scaled = vector / largest
    length = float(np.sqrt(np.add.reduce(scaled * scaled)))
    return Target(metric, vector, length * largest, scaled / length)


def distances(vectors: Vectors, to: Target, naming: Naming) -> Numbers:
    """The exact distances, None for None.

    Raises:
        QueryError: a vector has another length, or a number that is not finite.
    """
    found = np.zeros(len(vectors))
    nulls = np.ones(len(vectors), bool)
    step = max(1, _AT_ONCE // len(to.vector))
    every = np.arange(len(vectors))
    for where, array in vectors.pieces():
        places = every[where]
        _check(places, array, len(to.vector), naming)
        nulls[places] = False
        for at in range(0, len(places), step):
            here, numbers = places[at : at + step], array[at : at + step].astype(np.float64, order="C")
            found[here] = _measured(to.metric, numbers, to.vector, here, naming)
    return Numbers(found, nulls if nulls.any() else None)


def distances_between(metric: str, left: Vectors, right: Vectors, naming: Naming) -> Numbers:
    """The exact distances of the vectors of each row, None where one of both is None.

    Raises:
        QueryError: as `distances`.
    """
    found = np.zeros(len(left))
    nulls = np.ones(len(left), bool)
    for at in range(0, len(left), 256):
        rows = np.arange(at, min(at + 256, len(left)))
        ones, others = (each.take(rows).tolist() for each in (left, right))
        together: dict[int, list[int]] = {}
        for place, (one, other) in enumerate(zip(ones, others, strict=True)):
            if one is None or other is None:
                continue
            if np.shape(one) != np.shape(other) or np.ndim(one) != 1 or not len(one):
                raise QueryError(
                    f"{naming(at + place)} has the shape {np.shape(one)}, and the other vector {np.shape(other)}"
                )
            together.setdefault(len(one), []).append(place)
        for places in together.values():
            one, other = (
                np.array([values[place] for place in places]).astype(np.float64, order="C") for values in (ones, others)
            )
            here = rows[places]
            nulls[here] = False
            found[here] = _measured(metric, one, other, here, naming)
    return Numbers(found, nulls if nulls.any() else None)


def bounds(vectors: Vectors, to: Target, naming: Naming) -> Bounds:
    """Bounds of the distances, by one pass over the vectors.

    Raises:
        QueryError: a vector has another length.
    """
    count, numbers = len(vectors), len(to.vector)
    if vectors.index is not None and 2 * count > vectors.stack.count:  # so many rows are not copied for that
        if all(part.matrix is not None and part.matrix.shape[1] == numbers for part in vectors.stack.parts):
            return bounds(Vectors(vectors.stack, workers=vectors.workers), to, naming).take(vectors.index)
    dots, norms, nulls = np.full(count, np.nan, np.float32), vectors.norms, np.ones(count, bool)
    unit, vecdot = to.unit.astype(np.float32), np.vecdot

    def measure(places: Any, array: Any) -> None:
        if array.shape[1:] != (numbers,):
            _check(np.arange(count)[places], array, numbers, naming)
        nulls[places] = False
        narrow = array.dtype in _NARROW
        array = array.astype(np.float32 if narrow else np.float64, copy=False)
        dots[places] = vecdot(array, unit if narrow else to.unit)
        if np.isnan(norms[places]).any():
            norms[places] = np.sqrt(vecdot(array, array))

    with np.errstate(all="ignore"):
        if vectors.index is not None:
            for piece in vectors.pieces():
                measure(*piece)
        else:
            for number in _multiplied(vectors, unit, dots, norms, nulls):
                for piece in vectors.pieces_of(number):
                    measure(*piece)
            vectors.stack.keep(norms)
        low, high = np.empty(count, np.float32), np.empty(count, np.float32)
        error = (numbers + _SLACK) * _UNIT * 1.1
        if (1 / _SAFE < to.length < _SAFE or not to.length) and error <= 0.1:
            bounds_around(to.metric, dots, norms, to.length, error, low, high)
        else:
            low[:] = high[:] = np.nan
    return Bounds(low, high, nulls)


def _multiplied(vectors: Vectors, unit: Any, dots: Any, norms: Any, nulls: Any) -> list[int]:
    """Fill in the inner products with `unit` and the lengths of all vectors that lie in place as float32.

    Returns the numbers of the other parts.
    """
    stack, known = vectors.stack, len(vectors.stack.norms)
    left: list[int] = []
    workers = worker_count(vectors.workers) if stack.count * len(unit) >= _MANY else 0
    for matrices, a, b, numbers in stack.in_place(len(unit)):
        if not matrices:
            left += numbers
            continue
        nulls[a:b] = False
        inner_products(matrices, unit, dots[a:b], norms[a:b] if b > known else None, workers)
    return left


@compiled
def inner_products(matrices: tuple[Any, ...], unit: Any, dots: Any, norms: Any, workers: int) -> None:
    """Fill `dots` with the inner products of the rows of all `matrices` with `unit`, one matrix after the other.

    `norms` are filled with the lengths of the rows, unless that is None. All are aligned arrays of float32 in C order.
    The order of the additions is not fixed. As many as `workers` threads share the work.

    Raises:
        ValueError: the arrays do not fit each other.
    """
    ends = np.cumsum([0, *map(len, matrices)]).tolist()

    def multiply(numbers: range) -> None:
        for number in numbers:
            a, b = ends[number : number + 2]
            np.vecdot(matrices[number], unit, out=dots[a:b])
            if norms is not None:
                np.vecdot(matrices[number], matrices[number], out=norms[a:b])
                np.sqrt(norms[a:b], out=norms[a:b])

    cuts = np.linspace(0, len(matrices), max(_SHARES * workers, 1) + 1).astype(int).tolist()
    with closing(in_order(multiply, itertools.starmap(range, itertools.pairwise(cuts)), workers)) as done:
        for _ in done:
            pass


def decided(operator: str, low: Any, high: Any, value: float) -> tuple[Any, Any]:
    """The rows whose comparison with `value` surely holds by the bounds, and the rows where it surely does not."""
    below, above = high < np.float64(value), low > np.float64(value)
    if operator in ("==", "!="):
        apart, nowhere = below | above, np.zeros(len(low), bool)
        return (nowhere, apart) if operator == "==" else (apart, nowhere)
    return (below, above) if operator[0] == "<" else (above, below)


@compiled
def bounds_around(metric: str, dots: Any, norms: Any, length: float, error: float, low: Any, high: Any) -> None:
    """Fill `low` and `high` with bounds of the distances to a vector.

    `dots` are the inner products with the unit vector, `norms` the lengths of the vectors, `error` that of a product.
    """
    for at in range(0, len(dots), _ROWS_AT_ONCE):
        here = slice(at, at + _ROWS_AT_ONCE)
        with np.errstate(all="ignore"):
            low[here], high[here] = _around(metric, dots[here], norms[here], np.float32(length), np.float32(error))


def _around(metric: str, dots: Any, norms: Any, length: Any, error: Any) -> tuple[Any, Any]:
    """Bounds of some distances; all is float32."""
    if metric == "cosine":
        found = dots / norms
        np.subtract(1, found, out=found)
        found[~(norms > _SMALLEST)] = np.nan
        low, high = found - 2 * error, found + 2 * error
    elif metric == "dot":
        found, margin = dots * length, norms * (error * length)
        margin += np.float32(_TINY)
        low, high = found - margin, found + margin
    else:
        found, margin = norms * norms, norms + length
        found -= (2 * length) * dots
        found += length * length
        margin *= margin
        margin *= error
        margin += np.float32(_TINY)
        low, high = np.sqrt(np.maximum(found - margin, 0)), np.sqrt(np.maximum(found, 0) + margin)
    unknown = ~np.isfinite(high - low)
    if unknown.any():
        low[unknown] = high[unknown] = np.nan
    return low, high


def _measured(metric: str, array: Any, to: Any, places: Any, naming: Naming) -> Any:
    """The distances of the rows of `array`, float64 in C order, to a vector or to the rows of another array."""
    with np.errstate(all="ignore"):
        if metric == "dot":
            found = np.add.reduce(array * to, axis=-1)
        elif metric == "l2":
            apart = array - to
            found = np.sqrt(np.add.reduce(apart * apart, axis=-1))
        else:
            found = _cosines(array, to)
        odd = np.flatnonzero(~np.isfinite(found))
    for at in odd.tolist():
        for row in (array[at], to if to.ndim == 1 else to[at]):
            wrong = np.flatnonzero(~np.isfinite(row))
            if len(wrong):
                number = int(wrong[0])
                raise QueryError(
                    f"{naming(int(places[at]))}: number {number} of the vector is {row[number]}, so it has no "
                    "distance: correct it, or leave the row out by a condition that stands before"
                )
    return found


def _cosines(array: Any, to: Any) -> Any:
    """Cosine distances, NaN for a vector of zeros. Each vector is scaled, as squares may be too large or too small."""
    one, other = (each / np.max(np.abs(each), axis=-1, keepdims=True) for each in (array, to))
    lengths = np.sqrt(np.add.reduce(one * one, axis=-1) * np.add.reduce(other * other, axis=-1))
    return np.clip(1 - np.add.reduce(one * other, axis=-1) / lengths, 0, 2)


def _check(places: Any, array: Any, numbers: int, naming: Naming) -> None:
    """Refuse vectors of another length, and what is no vector."""
    shape = array.shape[1:]
    if shape == (numbers,):
        return
    if array.dtype == object:
        what = "is no vector of numbers"
    else:
        what = f"has {shape[0]} numbers" if len(shape) == 1 else f"is an array of shape {shape}"
    raise QueryError(f"{naming(int(np.min(places)))} {what}, and the distance is to a vector of {numbers}")
