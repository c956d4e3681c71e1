"""Postings: which rows have a word, and how often, as bytes.

    kind | first row | differences to the row before ... | times ...

`kind` is a byte: its bits 0 and 1 say how wide the first row is, bits 2 and 3 how wide a difference is (0 to 3: 1, 2, 4
or 8 bytes), and bits 4 to 6 how wide a number of times is (1 to 4: 1, 2, 4 or 8 bytes; 0: there are none, as each row
has the word once). All are little-endian and without a sign. The rows rise, so no difference is 0. The number of rows
follows from the length.

Many words are encoded and decoded at once, as arrays over all of their postings.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...errors import CorruptionError
from ...native import compiled

Array = Any  # a numpy array


class Postings(NamedTuple):
    """The postings of several words: how many each has, and the rows and the times of all, one word after the other."""

    counts: Array
    rows: Array
    times: Array

    def starts(self) -> Array:
        """Where the postings of each word begin."""
        return np.cumsum(self.counts) - self.counts


EMPTY = Postings(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64))


def encoded(given: Postings) -> list[bytes]:
    """The bytes of each word's postings. Each word has one at least."""
    counts, rows, times = given
    if not len(counts):
        return []
    starts = given.starts()
    differences = np.diff(rows, prepend=0)
    firsts = rows[starts]
    differences[starts] = 1
    most = np.maximum.reduceat(times, starts)
    of_first, of_rest = _code(firsts), _code(np.maximum.reduceat(differences, starts))
    of_times = np.where(most == 1, 0, 1 + _code(most))
    head, wide, times_wide = 1 << of_first, 1 << of_rest, (1 << of_times) >> 1
    sizes = 1 + head + (counts - 1) * wide + counts * times_wide
    ends = np.cumsum(sizes)
    begins = ends - sizes
    out = np.zeros(int(ends[-1]), np.uint8)
    out[begins] = of_first | of_rest << 2 | of_times << 4
    place = np.arange(len(rows)) - np.repeat(starts, counts)  # of a posting within its word
    later = place > 0
    for code in range(4):
        here = of_first == code
        _put(out, begins[here] + 1, firsts[here], code)
        here = np.repeat(of_rest == code, counts) & later
        begin = np.repeat(begins + 1 + head, counts)[here]
        _put(out, begin + ((place[here] - 1) << code), differences[here], code)
        here = np.repeat(of_times == code + 1, counts)
        begin = np.repeat(begins + 1 + head + (counts - 1) * wide, counts)[here]
        _put(out, begin + (place[here] << code), times[here], code)
    data = out.tobytes()
    return [data[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]


def _code(values: Array) -> Array:
    """How wide each value is: 0 to 3 for 1, 2, 4 and 8 bytes."""
    return (values > 0xFF).astype(np.int64) + (values > 0xFFFF) + (values > 0xFFFF_FFFF)


def _put(out: Array, at: Array, values: Array, code: int) -> None:
    """Write values of one width to their places."""
    width = 1 << code
    data = values.astype(f"<u{width}").view(np.uint8).reshape(-1, width)
    for byte in range(width):
        out[at + byte] = data[:, byte]


def _get(data: Array, at: Array, code: int) -> Array:
    """Read values of one width from their places."""
    width = 1 << code
    found = np.empty((len(at), width), np.uint8)
    for byte in range(width):
        found[:, byte] = data[at + byte]
    return found.reshape(-1).view(f"<u{width}").astype(np.int64)


def decoded(blocks: list[bytes]) -> Postings:
    """The postings of several words, of the bytes of each.

    Raises:
        CorruptionError: the bytes are no postings.
    """
    if len(blocks) == 1:
        rows, times = of_word(blocks[0])
        return Postings(np.array([len(rows)]), rows, times)
    if not blocks:
        return EMPTY
    sizes = np.fromiter(map(len, blocks), np.int64, len(blocks))
    if not sizes.all():
        raise CorruptionError(_WRONG)
    data = np.frombuffer(b"".join(blocks), np.uint8)
    begins = np.cumsum(sizes) - sizes
    kinds = data[begins].astype(np.int64)
    of_first, of_rest, of_times = kinds & 3, kinds >> 2 & 3, kinds >> 4
    head, wide, times_wide = 1 << of_first, 1 << of_rest, (1 << of_times) >> 1
    counts = (sizes - 1 - head + wide) // (wide + times_wide)
    if (
        (of_times > 4).any()
        or (counts < 1).any()
        or (1 + head + (counts - 1) * wide + counts * times_wide != sizes).any()
    ):
        raise CorruptionError(_WRONG)
    total = int(counts.sum())
    starts = np.cumsum(counts) - counts
    place = np.arange(total) - np.repeat(starts, counts)
    later = place > 0
    differences, times = np.empty(total, np.int64), np.ones(total, np.int64)
    for code in range(4):
        here = of_first == code
        differences[starts[here]] = _get(data, begins[here] + 1, code)
        here = np.repeat(of_rest == code, counts) & later
        begin = np.repeat(begins + 1 + head, counts)[here]
        differences[here] = _get(data, begin + ((place[here] - 1) << code), code)
        here = np.repeat(of_times == code + 1, counts)
        begin = np.repeat(begins + 1 + head + (counts - 1) * wide, counts)[here]
        times[here] = _get(data, begin + (place[here] << code), code)
    if (differences < later).any() or (times <= 0).any():
        raise CorruptionError(_WRONG)
    sums = np.cumsum(differences)
    return Postings(counts, sums - np.repeat((sums - differences)[starts], counts), times)


_WRONG = "the postings of a text index are damaged"


def of_word(data: bytes) -> tuple[Array, Array]:
    """The rows that have one word, and how often each has it: what a query of the word reads.

    Raises:
        CorruptionError: the bytes are no postings.
    """
    found = word_postings(data)
    if found is None:
        raise CorruptionError(_WRONG)
    return np.frombuffer(found[0], np.int64), np.frombuffer(found[1], np.int64)


@compiled
def word_postings(data: bytes) -> tuple[bytes, bytes] | None:
    """The rows that have a word and how often each has it, as int64; None where the bytes are no postings."""
    kind = data[0] if data else 0xFF
    head, wide, times_wide = 1 << (kind & 3), 1 << (kind >> 2 & 3), 1 << (kind >> 4) >> 1
    count = (len(data) - 1 - head + wide) // (wide + times_wide)
    end = 1 + head + (count - 1) * wide
    if kind >> 4 > 4 or count < 1 or end + count * times_wide != len(data):
        return None
    rows = np.empty(count, np.int64)
    rows[:1] = np.frombuffer(data, f"<u{head}", 1, 1)
    rows[1:] = np.frombuffer(data, f"<u{wide}", count - 1, 1 + head)
    if rows[0] < 0 or (count > 1 and int(rows[1:].min()) <= 0):
        return None
    np.cumsum(rows, out=rows)
    times = np.ones(count, np.int64)
    if times_wide:
        times[:] = np.frombuffer(data, f"<u{times_wide}", count, end)
    return (rows.tobytes(), times.tobytes()) if int(times.min()) > 0 else None
