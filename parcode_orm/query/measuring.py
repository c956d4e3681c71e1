"""Distances of vectors: exact ones in float64, and bounds for them that cost one pass over the stored numbers.

An exact distance is computed from its row alone, in one order of additions, so it is the same wherever the row stands.
Bounds come from inner products in float32. The error of such a product of n numbers, in any order of additions, is
n u / (1 - n u) times the product of both lengths at most, where u is 2**-24 (Higham, "Accuracy and Stability of
Numerical Algorithms", 3.1). Rows that the bounds do not decide are measured exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..errors import QueryError
from .arrays import Piece, Vectors
from .vectors import Numbers, Vector

_AT_ONCE = 1 << 16  # numbers that are converted to float64 at once: they stay in the processor's cache
_UNIT = 2.0**-24  # of float32
_SLACK = 16  # roundings besides those of the additions
_SMALLEST = 2.0**-80  # squared length of a vector whose direction float32 tells
_TINY = 2.0**-100  # what products that are too small for float32 add up to is less
_SAFE = 1e18  # a longer query, or one shorter than the inverse, is measured exactly
_NARROW = frozenset(map(np.dtype, ("float16", "int8", "uint8", "int16", "uint16", "bool")))  # float32 has their values
_FLOAT32 = np.dtype(np.float32)

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
    for piece in vectors.pieces():
        _check(piece, len(to.vector), naming)
        places = _places(piece, len(found))
        nulls[places] = False
        for at in range(0, len(places), step):
            here, array = places[at : at + step], piece.array[at : at + step].astype(np.float64, order="C")
            found[here] = _measured(to.metric, array, to.vector, here, naming)
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
    dots, squares = np.full(count, np.nan, np.float32), np.full(count, np.nan, np.float32)
    nulls = np.ones(count, bool)
    units = {True: to.unit.astype(np.float32), False: to.unit}
    vecdot = np.vecdot
    with np.errstate(all="ignore"):
        for piece in vectors.pieces():
            places, array, part = piece
            if array.ndim != 2 or array.shape[1] != numbers:
                _check(piece, numbers, naming)
            narrow = array.dtype == _FLOAT32
            if not narrow:
                narrow = array.dtype in _NARROW
                array = array.astype(np.float32 if narrow else np.float64)
            nulls[places] = False
            if part is None:
                dots[places] = vecdot(array, units[narrow])
                squares[places] = vecdot(array, array)
                continue
            vecdot(array, units[narrow], out=dots[places], casting="same_kind")
            if part.squares is None:
                vecdot(array, array, out=squares[places], casting="same_kind")
                part.squares = squares[places]
            else:
                squares[places] = part.squares
        low, high = _around(to, dots, squares)
        unknown = ~(np.isfinite(low) & np.isfinite(high))
    if unknown.any():
        low[unknown] = high[unknown] = np.nan
    return Bounds(low, high, nulls)


def decided(operator: str, low: Any, high: Any, value: float) -> tuple[Any, Any]:
    """For which rows a distance within bounds surely compares with `value` so, and for which it surely does not."""
    below, above = high < np.float64(value), low > np.float64(value)
    if operator in ("==", "!="):
        apart, nowhere = below | above, np.zeros(len(low), bool)
        return (nowhere, apart) if operator == "==" else (apart, nowhere)
    return (below, above) if operator[0] == "<" else (above, below)


def _around(to: Target, dots: Any, squares: Any) -> tuple[Any, Any]:
    """Bounds of the distances, by inner products with the unit vector and squared lengths."""
    error, length = np.float32((len(to.vector) + _SLACK) * _UNIT * 1.1), np.float32(to.length)
    if (not 1 / _SAFE < to.length < _SAFE and to.length) or error > 0.1:
        unknown = np.full(len(dots), np.nan, np.float32)
        return unknown, unknown.copy()
    norms = np.sqrt(squares)
    if to.metric == "cosine":
        norms[squares < _SMALLEST] = np.nan
        found = 1 - dots / norms
        return found - 2 * error, found + 2 * error
    if to.metric == "dot":
        found, margin = dots * length, norms * (error * length) + np.float32(_TINY)
        return found - margin, found + margin
    found = squares - (2 * length) * dots + length * length
    norms += length
    margin = norms * norms * error + np.float32(_TINY)
    return np.sqrt(np.maximum(found - margin, 0)), np.sqrt(np.maximum(found, 0) + margin)


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


def _places(piece: Piece, count: int) -> Any:
    found = piece.places
    return np.arange(*found.indices(count)) if isinstance(found, slice) else found


def _check(piece: Piece, numbers: int, naming: Naming) -> None:
    """Refuse vectors of another length, and what is no vector."""
    shape = piece.array.shape[1:]
    if shape == (numbers,):
        return
    first = piece.places.start if isinstance(piece.places, slice) else int(np.min(piece.places))
    if piece.array.dtype == object:
        what = "is no vector of numbers"
    else:
        what = f"has {shape[0]} numbers" if len(shape) == 1 else f"is an array of shape {shape}"
    raise QueryError(f"{naming(first)} {what}, and the distance is to a vector of {numbers}")
