"""Many texts as numbers for their words: where a text is ASCII, its bytes are taken apart as arrays.

A word of at most eight bytes is a number itself, `"red"` is `0x646572`, and two words are equal if their numbers are.
So no string is made of most words of most texts. Longer words, and those of other texts, are counted in a dictionary.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from ...model.words import words_of

Array = Any  # a numpy array
SHORT = 8  # bytes of a word that is a number
_LOWER = np.arange(256, dtype=np.uint8)
_LOWER[ord("A") : ord("Z") + 1] += 32
_IN_WORDS = np.zeros(256, bool)
_IN_WORDS[np.frombuffer(b"0123456789abcdefghijklmnopqrstuvwxyz", np.uint8)] = True
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(SHORT + 1)], np.uint64)


class WordCodes:
    """Takes texts, and gives each of their words a number."""

    def __init__(self) -> None:
        self.count = 0  # words that were taken
        self._shorts: list[Array] = []  # numbers of short words of ASCII, 0 for all others
        self._others: list[Array] = []  # places in `_known`, those of the words that are 0 there
        self._known: defaultdict[str, int] = defaultdict()
        self._known.default_factory = self._known.__len__

    def take(self, texts: Sequence[str]) -> Array:
        """Take texts: how many words each has."""
        joined = "\n".join(texts)
        lengths = self._take_ascii(joined.encode(), texts) if joined.isascii() else self._take_others(texts)
        self.count += int(lengths.sum())
        return lengths

    def _take_others(self, texts: Sequence[str]) -> Array:
        words = list(map(words_of, texts))
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        self._others.append(self._codes(list(chain.from_iterable(words))))
        self._shorts.append(np.zeros(int(lengths.sum()), np.uint64))
        return lengths

    def _take_ascii(self, joined: bytes, texts: Sequence[str]) -> Array:
        data = _LOWER[np.frombuffer(joined + bytes(SHORT), np.uint8)]
        edges = np.flatnonzero(np.diff(_IN_WORDS[data].view(np.int8), prepend=np.int8(0)))
        begins, ends = edges[::2], edges[1::2]  # no word reaches the end, where zeros stand
        sizes = ends - begins
        eights = np.ndarray((len(data) - SHORT + 1,), "<u8", data, strides=(1,))
        long = sizes > SHORT
        shorts = np.where(long, np.uint64(0), eights[begins] & _MASKS[np.minimum(sizes, SHORT)])
        self._shorts.append(shorts)
        lower = data.tobytes().decode("ascii")
        pairs = zip(begins[long].tolist(), ends[long].tolist(), strict=True)
        self._others.append(self._codes([lower[begin:end] for begin, end in pairs]))
        starts = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
        return np.bincount(np.searchsorted(starts, begins, side="right"), minlength=len(texts))

    def _codes(self, words: list[str]) -> Array:
        return np.fromiter(map(self._known.__getitem__, words), np.int64, len(words))

    def finish(self) -> tuple[list[str], Array]:
        """The different words, sorted, and for each word that was taken its place among them, in their order."""
        shorts = np.concatenate([np.empty(0, np.uint64), *self._shorts])
        others = np.concatenate([np.empty(0, np.int64), *self._others])
        used, codes = np.unique(shorts, return_inverse=True)
        padded = used.astype("<u8").tobytes()
        words = [padded[at : at + SHORT].rstrip(b"\0").decode("ascii") for at in range(0, len(padded), SHORT)]
        every = sorted({*words, *self._known} - {""})
        places = dict(zip(every, range(len(every)), strict=True))
        found = np.array([places.get(word, 0) for word in words], np.int64)[codes] if len(codes) else codes
        if len(others):
            found[shorts == 0] = np.array([places[word] for word in self._known], np.int64)[others]
        return every, found
