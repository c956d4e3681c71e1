"""Many numbers or texts looked up at once, in tables of their hashes.

A table has four places at least for each value. A value whose place is taken goes to the next free one (linear probing:
Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithm L), for all values together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .vectors import Texts

_MIX, _STEP = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_WIDE = 64  # bytes of data a text, beyond which most data is of other texts
Same = Callable[[Any, Any], Any]  # of places of values that are looked up, and of those in the table


class Hashed:
    """Values by 64 bits of each: `codes` are numbers of the different ones, `first` where each stands first."""

    __slots__ = ("_bits", "_mask", "_shift", "_table", "codes", "first")

    def __init__(self, bits: Any, same: Same) -> None:
        size = max(int(4 * len(bits)).bit_length(), 4)
        self._bits, self._shift, self._mask = bits, np.uint64(64 - size), (1 << size) - 1
        self._table = np.full(1 << size, -1)
        first = np.empty(len(bits), np.int64)
        rows, places = np.arange(len(bits)), self._places(bits)
        while len(rows):
            free = self._table[places] < 0
            self._table[places[free]] = rows[free]
            owners = self._table[places]
            found = (bits[owners] == bits[rows]) & same(rows, owners)
            first[rows[found]] = owners[found]
            rows, places = rows[~found], (places[~found] + 1) & self._mask
        is_first = first == np.arange(len(bits))
        self.first = np.flatnonzero(is_first)
        self.codes = (np.cumsum(is_first) - 1)[first]

    def _places(self, bits: Any) -> Any:
        return ((bits * _MIX) >> self._shift).astype(np.int64)

    def find(self, bits: Any, same: Same) -> Any:
        """The number of each of some values; -1 for one that is not there."""
        found = np.full(len(bits), -1)
        if not len(self._bits):
            return found
        rows, places = np.arange(len(bits)), self._places(bits)
        while len(rows):
            owners = self._table[places]
            there = owners >= 0
            hit = there & (self._bits[owners] == bits[rows])
            hit[hit] = same(rows[hit], owners[hit])
            found[rows[hit]] = self.codes[owners[hit]]
            left = there & ~hit
            rows, places = rows[left], (places[left] + 1) & self._mask
        return found


def exactly(rows: Any, owners: Any) -> Any:
    """`Same` for values that are their bits."""
    return np.ones(len(rows), bool)


class TextBits:
    """Texts as words of eight bytes: a hash of each, and whether two are the same."""

    __slots__ = ("_begins", "_lengths", "_words", "bits")

    def __init__(self, texts: Texts) -> None:
        data = np.zeros(len(texts.data) + 8, np.uint8)  # so that a word may begin at each byte
        data[:-8] = np.frombuffer(texts.data, np.uint8)
        self._words = np.ndarray((len(data) - 7,), "<u8", data, strides=(1,))
        self._begins = texts.begins.astype(np.int64)
        self._lengths = texts.ends.astype(np.int64) - self._begins
        bits = self._lengths.astype(np.uint64)
        rows = np.flatnonzero(self._lengths > 0)
        at = 0
        while len(rows):
            mixed = (bits[rows] ^ self._word(rows, at)) * _STEP
            bits[rows] = mixed ^ (mixed >> np.uint64(29))
            at += 8
            rows = rows[self._lengths[rows] > at]
        self.bits = bits

    def _word(self, rows: Any, at: int) -> Any:
        """The eight bytes of some texts from `at` on, with zeros behind their ends."""
        left = np.minimum(self._lengths[rows] - at, 8)
        return self._words[self._begins[rows] + at] & (
            np.uint64(0xFFFFFFFFFFFFFFFF) >> ((8 - left) * 8).astype(np.uint64)
        )

    def same(self, other: TextBits) -> Same:
        """Whether texts of this are those of another."""

        def same(rows: Any, others: Any) -> Any:
            found = self._lengths[rows] == other._lengths[others]
            left, at = np.flatnonzero(found & (self._lengths[rows] > 0)), 0
            while len(left):
                equal = self._word(rows[left], at) == other._word(others[left], at)
                found[left[~equal]] = False
                at += 8
                left = left[equal]
                left = left[self._lengths[rows[left]] > at]
            return found

        return same


def text_bits(texts: Texts) -> TextBits | None:
    """The bits of texts; None where these are few among many that are not asked."""
    return TextBits(texts) if len(texts.data) <= _WIDE * len(texts) + (1 << 16) else None


class TextTable:
    """Texts looked up: `codes` are numbers of the different ones, `first` where each stands first."""

    __slots__ = ("_bits", "_hashed", "codes", "first")

    def __init__(self, bits: TextBits) -> None:
        self._bits = bits
        self._hashed = Hashed(bits.bits, bits.same(bits))
        self.codes, self.first = self._hashed.codes, self._hashed.first

    def find(self, bits: TextBits) -> Any:
        """The number of each of some texts; -1 for one that is not there."""
        return self._hashed.find(bits.bits, bits.same(self._bits))


def encoded(words: list[str]) -> TextBits:
    """The bits of texts of Python."""
    parts = [word.encode("utf-8", "surrogatepass") for word in words]
    ends = np.cumsum([0, *map(len, parts)])
    return TextBits(Texts(memoryview(b"".join(parts)), ends[:-1], ends[1:], str))
