"""Reading a text index: the postings of words in all of its runs, and the rows that it knows."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...codec.views.text import TextView
from ...codec.views.tuples import TupleView
from ...errors import CorruptionError
from ...lazy.list import LazyList
from ...table.index import text_place
from .indexes import STEP
from .long_runs import part
from .postings import EMPTY, Array, decoded, of_word
from .text_lengths import GONE, NO_ROWS, Lengths, newest
from .text_merging import Entry


class OpenRun:
    """A run that is read."""

    __slots__ = ("_entries", "_fences", "_size", "lengths")

    def __init__(self, run: Any) -> None:
        self._entries = run.entries
        self._fences: list[str] = list(run.fences)
        self._size = len(self._entries)
        self.lengths = Lengths(run)
        if len(self._fences) != -(-self._size // STEP):
            raise CorruptionError(f"a text index run of {self._size} words has {len(self._fences)} fences")

    @property
    def size(self) -> int:
        """About the bytes that it takes in memory."""
        return self.lengths.nbytes + 128 * len(self._fences)

    def find(self, word: str) -> list[bytes]:
        """The postings of a word, if it is there."""
        at = bisect_right(self._fences, word) - 1
        if at < 0:
            return []
        start, stop = at * STEP, min((at + 1) * STEP, self._size)
        while start < stop:  # the entries may lie in several row groups
            place = self._entries.rows.stretch(start) if isinstance(self._entries, LazyList) else None
            if place is None or not isinstance(place.view, TupleView):
                near: list[Entry] = part(self._entries, start, stop)
                return [block for known, block in near if known == word]
            words, blocks = place.view.items
            end = place.row + min(stop - start, place.after + 1)
            if isinstance(words, TextView):
                sought = word.encode("utf-8", "surrogatepass")
                row = text_place(sought, words.data, words.offsets, words.gap, place.row, end)
            else:
                row = bisect_left(range(end), word, place.row, key=words.get)
                row = row if row < end and words.get(row) == word else ~row
            if row >= 0:
                return [blocks.get(row)]
            if ~row < end:
                return []
            start += end - place.row
        return []

    def beginning(self, prefix: str) -> list[bytes]:
        """The postings of the words that begin with `prefix`."""
        start = max(bisect_left(self._fences, prefix) - 1, 0) * STEP
        found: list[bytes] = []
        for first in range(start, self._size, STEP):
            entries: list[Entry] = part(self._entries, first, min(first + STEP, self._size))
            found += [block for word, block in entries if word.startswith(prefix)]
            if entries[-1][0] > prefix and not entries[-1][0].startswith(prefix):
                break
        return found

    def every(self) -> Iterator[list[Entry]]:
        """All entries, some hundred at a time."""
        for first in range(0, self._size, STEP):
            yield part(self._entries, first, min(first + STEP, self._size))


class Stack:
    """The runs of a text index, the older ones first. `rows` and `words` are the numbers of all."""

    used = True  # of what a cache keeps

    def __init__(self, runs: Sequence[Any]) -> None:
        self._runs = [OpenRun(run) for run in runs]
        self.rows = sum(run.texts for run in runs)
        self.words = sum(run.words for run in runs)
        self._void = [self._covered(at) for at in range(len(self._runs))]

    @property
    def size(self) -> int:
        """About the bytes that it takes."""
        return sum(run.size for run in self._runs) + sum(int(each.nbytes) for each in self._void)

    def close(self) -> bool:
        """It may go."""
        return True

    def _covered(self, at: int) -> Array:
        """The rows of a run that newer runs cover."""
        newer = [run.lengths.every().ids for run in self._runs[at + 1 :]]
        if not newer:
            return EMPTY.rows
        ids = np.unique(np.concatenate(newer))
        return ids[self._runs[at].lengths.places(ids)[1]]

    def postings(self, word: str, *, prefix: bool) -> tuple[Array, Array]:
        """The ids of the rows with a word, rising, and how often each has it; or with words that begin with it."""
        if len(self._runs) == 1 and not prefix:
            blocks = self._runs[0].find(word)
            return of_word(blocks[0]) if blocks else (EMPTY.rows, EMPTY.times)
        rows, times = [], []
        for run, void in zip(self._runs, self._void, strict=True):
            found = decoded(run.beginning(word) if prefix else run.find(word))
            keep = np.isin(found.rows, void, invert=True) if len(void) and len(found.rows) else slice(None)
            rows.append(found.rows[keep])
            times.append(found.times[keep])
        several = [each for each in rows if len(each)]
        if not prefix and len(several) <= 1:
            return (several[0], next(each for each in times if len(each))) if several else (EMPTY.rows, EMPTY.times)
        return summed(np.concatenate([EMPTY.rows, *rows]), np.concatenate([EMPTY.times, *times]))

    def live(self) -> int:
        """How many rows have a text."""
        rows, _ = newest([NO_ROWS, *[run.lengths.every() for run in self._runs]])
        return int((rows.lengths != GONE).sum())

    def pairs(self) -> Iterator[tuple[str, int, int]]:
        """Each word with the id of a row that has it, and how often, in no order."""
        for run, void in zip(self._runs, self._void, strict=True):
            for entries in run.every():
                found = decoded([block for _, block in entries])
                keep = np.isin(found.rows, void, invert=True)
                of = np.repeat(np.arange(len(entries)), found.counts)[keep].tolist()
                yield from zip(
                    [entries[at][0] for at in of], found.rows[keep].tolist(), found.times[keep].tolist(), strict=True
                )

    def lengths(self, ids: Array) -> Array:
        """The number of words of rows; GONE where one has no text."""
        found = np.full(len(ids), GONE)
        for run in self._runs:
            found = run.lengths.of(ids, found)
        return found


def summed(rows: Array, times: Array) -> tuple[Array, Array]:
    """Each row once, in order, with the sum of its times."""
    order = np.argsort(rows, kind="stable")
    rows, times = rows[order], times[order]
    firsts = np.flatnonzero(np.diff(rows, prepend=-1))
    return (rows[firsts], np.add.reduceat(times, firsts)) if len(firsts) else (rows, times)


class StackKey(NamedTuple):
    """What a cache knows a stack by: the file, where the table of its entities lies, and the field."""

    file: Hashable
    offset: int
    field: str
