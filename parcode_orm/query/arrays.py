"""`Vectors`: the arrays of a field for many rows, in place: a 2-d array for each row group that is stored as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from .vectors import Vector


class Alike(NamedTuple):
    """Values of some rows as one array, whose first axis is the row. `places`: which rows of a part; None for all."""

    places: Any
    array: Any


class Part:
    """Rows beside each other. `alike` is None where it is loaded for each use; rows that no array has are None.

    `squares` are the squared lengths of all rows, once they are known: float32.
    """

    __slots__ = ("alike", "count", "squares")

    def __init__(self, count: int, alike: Sequence[Alike] | None = None) -> None:
        self.count = count
        self.alike = alike
        self.squares: Any = None


class Piece(NamedTuple):
    """Some rows of `Vectors`: their places, a slice or an array, and their values. `part`, if they are all it has."""

    places: Any
    array: Any
    part: Part | None


class Vectors(Vector):
    """Arrays, each row's own; row i is row `index[i]` of all parts. `load` gives what a part does not keep."""

    __slots__ = ("index", "load", "parts", "_begins")

    def __init__(
        self, parts: Sequence[Part], index: Any = None, load: Callable[[int], Sequence[Alike]] | None = None
    ) -> None:
        self.parts = parts
        self.index = index
        self.load = load
        self._begins = np.cumsum([0, *(part.count for part in parts)])

    def __len__(self) -> int:
        return int(self._begins[-1]) if self.index is None else len(self.index)

    def take(self, rows: Any) -> Vectors:
        """The values at `rows`; nothing is copied."""
        return Vectors(self.parts, rows if self.index is None else self.index[rows], self.load)

    def tolist(self) -> list[Any]:
        """A one-dimensional array for each row, None for None."""
        found: list[Any] = [None] * len(self)
        places = np.arange(len(self))
        for piece in self.pieces():
            for place, value in zip(places[piece.places].tolist(), piece.array, strict=True):
                found[place] = value
        return found

    def patched(self, places: Any, values: list[Any]) -> Vectors:
        """These vectors with `values` at `places`."""
        index = np.arange(len(self)) if self.index is None else self.index.astype(np.int64)
        index[places] = np.arange(len(values)) + self._begins[-1]
        return Vectors([*self.parts, Part(len(values), alike(values))], index, self.load)

    def pieces(self) -> Iterator[Piece]:
        """The rows that are not None, as arrays of values that are alike."""
        return self._whole() if self.index is None else self._chosen(self.index)

    def _of(self, number: int) -> Sequence[Alike]:
        found = self.parts[number].alike
        if found is None:
            assert self.load is not None
            found = self.load(number)
        return found

    def _whole(self) -> Iterator[Piece]:
        for number, (a, b) in enumerate(pairwise(self._begins.tolist())):
            part = self.parts[number]
            for places, array in self._of(number):
                if places is None:
                    yield Piece(slice(a, b), array, part)
                else:
                    yield Piece(places + a, array, None)

    def _chosen(self, index: Any) -> Iterator[Piece]:
        if not len(index):
            return
        of = np.searchsorted(self._begins, index, side="right") - 1
        order = np.argsort(of, kind="stable")
        of, sorted_index = of[order], index[order]
        cuts = [0, *(np.flatnonzero(np.diff(of)) + 1).tolist(), len(of)]
        for a, b in pairwise(cuts):
            number = int(of[a])
            within, to = sorted_index[a:b] - self._begins[number], order[a:b]
            for places, array in self._of(number):
                if places is None:
                    yield Piece(to, array[within], None)
                    continue
                at = np.minimum(np.searchsorted(places, within), len(places) - 1)
                there = places[at] == within
                if there.any():
                    yield Piece(to[there], array[at[there]], None)


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


def vectors_in(values: Sequence[Any]) -> Vectors:
    """Values in memory."""
    return Vectors([Part(len(values), alike(values))])
