"""`Vectors`: the arrays of a field for many rows, in place: a 2-d array for each row group that is stored as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import numpy as np

from .vectors import Vector

MATRIX = 1 << 17  # numbers that are taken together to one array


class Alike(NamedTuple):
    """Values of some rows as one array, whose first axis is the row. `places`: which rows of a part; None for all."""

    places: Any
    array: Any


class Part:
    """Rows beside each other. `alike` is None where it is loaded for each use; rows that no array has are None.

    `matrix` is the array of all rows, where they are vectors of float32.
    """

    __slots__ = ("alike", "count", "matrix")

    def __init__(self, count: int, alike: Sequence[Alike] | None = None) -> None:
        self.count = count
        self.alike = alike
        whole = alike[0].array if alike is not None and len(alike) == 1 and alike[0].places is None else None
        self.matrix = whole if whole is not None and whole.dtype == np.float32 and whole.ndim == 2 else None


class InPlace(NamedTuple):
    """Rows of neighbouring parts, from `first` to `last`, and their matrices; none if they do not lie in place.

    `numbers` are those of the parts.
    """

    matrices: tuple[Any, ...]
    first: int
    last: int
    numbers: range


def _is_in_place(matrix: Any, width: int) -> bool:
    return matrix is not None and matrix.shape[1] == width and matrix.flags.c_contiguous and matrix.flags.aligned


class Stack:
    """Parts one after the other. `norms` are the lengths of the vectors of the first rows, float32.

    `base`: the stack that this one has at its beginning.
    """

    __slots__ = ("_in_place", "base", "begins", "norms", "parts")

    def __init__(self, parts: Sequence[Part], base: Stack | None = None) -> None:
        self._in_place: dict[int, list[InPlace]] = {}
        self.parts = parts
        self.base = base
        self.norms: Any = np.empty(0, np.float32) if base is None else base.norms
        self.begins = np.cumsum([0, *(part.count for part in parts)])

    @property
    def count(self) -> int:
        """The number of rows."""
        return int(self.begins[-1])

    def in_place(self, width: int) -> list[InPlace]:
        """Neighbouring parts together: those whose vectors lie in place as float32 of this width, and the others."""
        known = self._in_place.get(width)
        if known is None:
            flags = [_is_in_place(part.matrix, width) for part in self.parts]
            known = self._in_place[width] = []
            for here, together in groupby(range(len(self.parts)), flags.__getitem__):
                run = list(together)
                matrices = tuple([self.parts[number].matrix for number in run]) if here else ()
                first, last = self.begins[[run[0], run[-1] + 1]].tolist()
                known.append(InPlace(matrices, first, last, range(run[0], run[-1] + 1)))
        return known

    def keep(self, norms: Any) -> None:
        """Keep the lengths of the vectors of all rows."""
        self.norms = norms
        if self.base is not None:
            self.base.keep(norms[: self.base.count])


Piece = tuple[Any, Any]
"""Some rows of `Vectors`: their places, a slice or an array, and their values."""


class Vectors(Vector):
    """Arrays, each row's own; row i is row `index[i]` of a stack. `load` gives what a part does not keep.

    `workers`: threads for passes over all rows; 0 none, None as many as pay.
    """

    __slots__ = ("index", "load", "stack", "workers")

    def __init__(
        self,
        stack: Stack,
        index: Any = None,
        load: Callable[[int], Sequence[Alike]] | None = None,
        workers: int | None = 0,
    ) -> None:
        self.stack = stack
        self.index = index
        self.load = load
        self.workers = workers

    def __len__(self) -> int:
        return self.stack.count if self.index is None else len(self.index)

    def take(self, rows: Any) -> Vectors:
        """The values at `rows`; nothing is copied."""
        return Vectors(self.stack, rows if self.index is None else self.index[rows], self.load, self.workers)

    def tolist(self) -> list[Any]:
        """A one-dimensional array for each row, None for None."""
        found: list[Any] = [None] * len(self)
        places = np.arange(len(self))
        for here, array in self.pieces():
            for place, value in zip(places[here].tolist(), array, strict=True):
                found[place] = value
        return found

    def patched(self, places: Any, values: list[Any]) -> Vectors:
        """These vectors with `values` at `places`."""
        stack = self.stack
        index = np.arange(len(self)) if self.index is None else self.index.astype(np.int64)
        index[places] = np.arange(len(values)) + stack.count
        new = Part(len(values), alike(values))
        return Vectors(Stack([*stack.parts, new], stack), index, self.load, self.workers)

    @property
    def norms(self) -> Any:
        """The lengths of the vectors as far as they are known, NaN elsewhere: a new array of float32."""
        known = self.stack.norms
        found = np.full(self.stack.count, np.nan, np.float32)
        found[: len(known)] = known
        return found if self.index is None else found[self.index]

    def pieces(self) -> Iterator[Piece]:
        """The rows that are not None, as arrays of values that are alike."""
        if self.index is not None:
            yield from self._chosen(self.index)
            return
        for number in range(len(self.stack.parts)):
            yield from self.pieces_of(number)

    def pieces_of(self, number: int) -> Iterator[Piece]:
        """As `pieces`, of one part of all rows."""
        a, b = self.stack.begins[number : number + 2].tolist()
        for places, array in self.part(number):
            yield (slice(a, b) if places is None else places + a), array

    def part(self, number: int) -> Sequence[Alike]:
        """The arrays of a part."""
        found = self.stack.parts[number].alike
        if found is None:
            assert self.load is not None
            found = self.load(number)
        return found

    def _chosen(self, index: Any) -> Iterator[Piece]:
        if not len(index):
            return
        begins, parts = self.stack.begins, self.stack.parts
        of = np.searchsorted(begins, index, side="right") - 1
        order = np.argsort(of, kind="stable")
        of, sorted_index = of[order], index[order]
        cuts = np.concatenate([[0], np.flatnonzero(np.diff(of)) + 1, [len(of)]])
        within = sorted_index - begins[of]
        together: list[Any] = []  # rows of neighbouring parts of one width, from `start` on
        start = 0
        for number, (a, b) in zip(of[cuts[:-1]].tolist(), pairwise(cuts.tolist()), strict=True):
            matrix = parts[number].matrix
            if together and (
                matrix is None or matrix.shape[1] != together[0].shape[1] or a - start > MATRIX // matrix.shape[1]
            ):
                yield order[start:a], np.concatenate(together)
                together = []
            if matrix is None:
                yield from self._some(number, within[a:b], order[a:b])
                continue
            if not together:
                start = a
            together.append(matrix[within[a:b]])
        if together:
            yield order[start:], np.concatenate(together)

    def _some(self, number: int, within: Any, to: Any) -> Iterator[Piece]:
        """The rows `within` of a part, which are at the places `to`."""
        for places, array in self.part(number):
            if places is None:
                yield to, array[within]
                continue
            at = np.minimum(np.searchsorted(places, within), len(places) - 1)
            there = places[at] == within
            if there.any():
                yield to[there], array[at[there]]


def alike(values: Sequence[Any]) -> list[Alike]:
    """Values of any types as arrays, a list or a tuple as its numbers; None is left out.

    Values that are no arrays of numbers come as an array of objects of one axis.
    """
    found: dict[Any, tuple[list[int], list[Any]]] = {}
    for place, value in enumerate(values):
        if value is None:
            continue
        array = _as_array(value)
        mark = None if array is None else (array.shape, array.dtype)
        places, arrays = found.setdefault(mark, ([], []))
        places.append(place)
        arrays.append(array)
    whole = []
    for mark, (places, arrays) in found.items():
        array = np.empty(len(places), object) if mark is None else np.stack(arrays)
        whole.append(Alike(None if len(places) == len(values) else np.array(places), array))
    return whole


def _as_array(value: Any) -> Any:
    """An array of numbers; None for anything else."""
    try:
        found = np.asarray(value if isinstance(value, list | tuple) or hasattr(value, "__array__") else list(value))
    except (TypeError, ValueError):
        return None
    return found if found.dtype.kind in "biuf" else None


def one_after_the_other(given: Sequence[Vectors]) -> Vectors:
    """The vectors of all, and behind them one row that is None."""
    parts: list[Part] = []
    indexes = [np.empty(0, np.int64)]
    loads: list[tuple[int, Vectors]] = []  # by the number of the first part
    count = 0
    for each in given:
        loads.append((len(parts), each))
        parts += each.stack.parts
        indexes.append((np.arange(len(each)) if each.index is None else each.index) + count)
        count += each.stack.count

    def load(number: int) -> Sequence[Alike]:
        first, vectors = next(each for each in reversed(loads) if each[0] <= number)
        return vectors.part(number - first)

    workers = given[0].workers if given else 0
    return Vectors(Stack([*parts, Part(1, [])]), np.concatenate([*indexes, [count]]), load, workers)


def vectors_in(values: Sequence[Any]) -> Vectors:
    """Values in memory."""
    return Vectors(Stack([Part(len(values), alike(values))]))
