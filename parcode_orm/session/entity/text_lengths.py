"""The rows that runs of a text index cover, and the number of words of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import CorruptionError
from .postings import Array

FEW = 16  # rows whose numbers of words are read one by one
GONE = -1  # stands for the number of words: the row has no text any more


class Rows(NamedTuple):
    """Row ids that rise, and the number of words of each, or GONE."""

    ids: Array
    lengths: Array


NONE = np.empty(0, np.int64)
NO_ROWS = Rows(NONE, NONE)


def spans_of(ids: Array) -> Array:
    """Rising ids as pairs: the first id of each run of neighbours, and their number."""
    cuts = np.flatnonzero(np.diff(ids, prepend=-2) != 1)
    return np.stack([ids[cuts], np.diff(cuts, append=len(ids))], 1).astype("<u8")


def packed(lengths: Array) -> bytes:
    """Numbers of words, one more each so that GONE is 0, all in the width that the largest one needs."""
    most = int(lengths.max(initial=0)) + 1
    width = next(width for width in (1, 2, 4, 8) if most < 1 << 8 * width)
    data: bytes = (lengths + 1).astype(f"<u{width}").tobytes()
    return data


_WRONG = "the rows of a text index are damaged"


class Lengths:
    """The rows that a stored run covers: the number of words of each, by ids."""

    __slots__ = ("_all", "_before", "_counts", "_firsts", "_packed", "_width", "count")

    def __init__(self, run: Any) -> None:
        spans, self._packed = run.spans, run.lazy("lengths")
        if len(spans) % 16:
            raise CorruptionError(_WRONG)
        pairs = np.frombuffer(spans, "<u8").astype(np.int64).reshape(-1, 2)
        self._firsts, self._counts = pairs[:, 0].copy(), pairs[:, 1]
        ends = np.cumsum(self._counts)
        self._before = ends - self._counts
        self._all: Array = None
        self.count = int(ends[-1]) if len(ends) else 0
        self._width = len(self._packed) // self.count if self.count > 0 else 1
        wrong = (self._firsts < 0).any() or (self._counts <= 0).any() or self._width not in (1, 2, 4, 8)
        wrong = wrong or self.count * self._width != len(self._packed)
        if wrong or (self._firsts[1:] <= (self._firsts + self._counts)[:-1]).any():
            raise CorruptionError(_WRONG)

    @property
    def nbytes(self) -> int:
        """The bytes that they take in memory."""
        return int(self._firsts.nbytes * 3) + self.count * self._width

    def places(self, ids: Array) -> tuple[Array, Array]:
        """Where rows are among those covered, and which are: the other places say nothing."""
        if not len(self._firsts):
            return np.zeros(len(ids), np.int64), np.zeros(len(ids), bool)
        if len(self._firsts) == 1:
            places = ids - self._firsts[0]
            there = (places >= 0) & (places < self._counts[0])
        else:
            at = np.maximum(np.searchsorted(self._firsts, ids, side="right") - 1, 0)
            within = ids - self._firsts[at]
            there = (within >= 0) & (within < self._counts[at])
            places = within + self._before[at]
        return places, there

    def of(self, ids: Array, unknown: Array) -> Array:
        """The number of words of rows, or GONE; for rows that are not covered, what `unknown` has."""
        places, there = self.places(ids)
        if there.all():
            return self._at(places)
        found = unknown.copy()
        found[there] = self._at(places[there])
        return found

    def _at(self, places: Array) -> Array:
        """The numbers of words at some places. If they are few, only the pieces of the value around them are read."""
        if len(places) > FEW or self._all is not None:
            found = self._whole()[places]
        else:
            spots = [self._width * place for place in places.tolist()]
            found = np.frombuffer(b"".join([self._packed[at : at + self._width] for at in spots]), self._type)
        return found.astype(np.int64) - 1

    @property
    def _type(self) -> str:
        return f"<u{self._width}"

    def _whole(self) -> Array:
        if self._all is None:
            self._all = np.frombuffer(self._packed.view(), self._type)
        return self._all

    def every(self) -> Rows:
        """All rows."""
        ids = np.arange(self.count) + np.repeat(self._firsts - self._before, self._counts)
        return Rows(ids, self._whole().astype(np.int64) - 1)


def rows_in(run: object) -> Rows:
    """The rows that a run covers."""
    return Lengths(run).every()


def known_length(runs: Iterable[object], ids: Array) -> Array:
    """The number of words of rows, as the newest run that covers them has it; GONE if none does."""
    found = np.full(len(ids), GONE)
    for run in runs:
        found = Lengths(run).of(ids, found)
    return found


def newest(parts: Sequence[Rows]) -> tuple[Rows, list[Array]]:
    """The rows of parts, the newest part deciding; and for each part the ids that newer ones cover."""
    if len(parts) == 1:
        return parts[0], [NONE]
    ids = np.concatenate([each.ids for each in parts])
    lengths = np.concatenate([each.lengths for each in parts])
    ages = np.repeat(np.arange(len(parts)), [len(each.ids) for each in parts])
    order = np.lexsort((ages, ids))
    ids, lengths, ages = ids[order], lengths[order], ages[order]
    last = np.diff(ids, append=-1) != 0
    void = [ids[~last & (ages == age)] for age in range(len(parts))]
    return Rows(ids[last], lengths[last]), void
