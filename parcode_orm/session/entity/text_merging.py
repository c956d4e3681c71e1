"""Merging the words of runs of a text index: a part of each is in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .long_runs import part
from .postings import EMPTY, Array, Postings, decoded, encoded

AT_ONCE = 1 << 20  # bytes of postings of a run that are read at once
FEW = 64  # entries of a run that are read at once, at least
Entry = tuple[str, bytes]


def merged(runs: Sequence[Sequence[Entry]], void: Sequence[Array]) -> Iterator[list[Entry]]:
    """The entries of runs in order, some thousand at a time, without the rows of each run that are `void`."""
    heads = list(map(_Head, runs))
    while sum(map(_Head.fill, heads)):
        ends = [head.words[-1] for head in heads if head.more]
        taken = [head.take(min(ends) if ends else None) for head in heads]
        known: dict[str, list[tuple[int, bytes]]] = {}
        for at, entries in enumerate(taken):
            for word, block in entries:
                known.setdefault(word, []).append((at, block))
        whole = {word: found[0][1] for word, found in known.items() if len(found) == 1 and not len(void[found[0][0]])}
        others = sorted(known.keys() - whole.keys())
        whole.update(_joined([known[word] for word in others], others, void))
        yield sorted(whole.items())


def _joined(found: list[list[tuple[int, bytes]]], words: list[str], void: Sequence[Array]) -> Iterator[Entry]:
    """The postings of words that several runs have, or one that has void rows."""
    blocks: list[list[bytes]] = [[] for _ in void]
    of: list[list[int]] = [[] for _ in void]
    for at, each in enumerate(found):
        for number, block in each:
            blocks[number].append(block)
            of[number].append(at)
    rows, times, places = [EMPTY.rows], [EMPTY.times], [EMPTY.rows]
    for here, here_are, gone in zip(blocks, of, void, strict=True):
        postings = decoded(here)
        place = np.repeat(np.array(here_are, np.int64), postings.counts)
        keep = np.isin(postings.rows, gone, invert=True) if len(gone) else slice(None)
        rows.append(postings.rows[keep])
        times.append(postings.times[keep])
        places.append(place[keep])
    place, row = np.concatenate(places), np.concatenate(rows)
    order = np.lexsort((row, place))
    counts = np.bincount(place, minlength=len(words))
    there = np.flatnonzero(counts)
    joined = Postings(counts[there], row[order], np.concatenate(times)[order])
    return zip([words[at] for at in there.tolist()], encoded(joined), strict=True)


class _Head:
    """The entries of a run that were read and not taken yet."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._next = 0
        self._size = len(entries)
        self.words: list[str] = []
        self._blocks: list[bytes] = []

    @property
    def more(self) -> bool:
        """Whether there are entries that were not read yet."""
        return self._next < self._size

    def fill(self) -> bool:
        """Whether there are entries; some are read if none are known."""
        size = 0
        while (not self.words and self.more) or (size and size < AT_ONCE and self.more):
            stop = min(self._next + FEW, self._size)
            found: list[Any] = part(self._entries, self._next, stop)
            self._next = stop
            self.words += [word for word, _ in found]
            self._blocks += [block for _, block in found]
            size += sum(len(block) + 16 for _, block in found)
        return bool(self.words)

    def take(self, end: str | None) -> list[Entry]:
        """The entries up to the word `end`, or all, which are known no longer."""
        count = len(self.words) if end is None else bisect_right(self.words, end)
        taken = list(zip(self.words[:count], self._blocks[:count], strict=True))
        self.words, self._blocks = self.words[count:], self._blocks[count:]
        return taken
