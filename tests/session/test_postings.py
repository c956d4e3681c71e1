"""Postings come back from their bytes, one word or many; damaged bytes are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm.errors import CorruptionError
from parcode_orm.session.entity.postings import EMPTY, Postings, decoded, encoded

pytestmark = pytest.mark.once

WIDE = [1, 255, 256, 65_535, 65_536, (1 << 32) - 1, 1 << 32, 1 << 47]
numbers = st.integers(0, 300) | st.sampled_from(WIDE) | st.integers(0, 1 << 48)
word = st.dictionaries(numbers, st.integers(1, 3) | st.sampled_from(WIDE), min_size=1, max_size=40)


def postings(words: list[dict[int, int]]) -> Postings:
    pairs = [pair for each in words for pair in sorted(each.items())]
    counts, rows, times = [len(each) for each in words], [row for row, _ in pairs], [count for _, count in pairs]
    return Postings(*(np.array(each, np.int64) for each in (counts, rows, times)))


@given(st.lists(word, max_size=8))
def test_what_is_encoded_comes_back(words: list[dict[int, int]]) -> None:
    given = postings(words)
    blocks = encoded(given)
    for mine, theirs in zip(decoded(blocks), given, strict=True):
        assert mine.tolist() == theirs.tolist()
    for block, each in zip(blocks, words, strict=True):
        found = decoded([block])
        assert dict(zip(found.rows.tolist(), found.times.tolist(), strict=True)) == each
        assert found.rows.tolist() == sorted(each) and found.starts().tolist() == [0]


def test_frequent_words_take_little() -> None:
    (block,) = encoded(postings([dict.fromkeys(range(0, 30_000, 3), 1)]))
    assert len(block) == 2 + 9_999
    assert encoded(EMPTY) == [] and len(decoded([]).rows) == 0


@given(st.lists(st.binary(max_size=12) | st.just(b"\x00\x05\x00"), min_size=1, max_size=3))
def test_other_bytes_are_refused_or_are_postings(blocks: list[bytes]) -> None:
    try:
        found = decoded(blocks)
    except CorruptionError:
        return
    ends = np.cumsum(found.counts)
    for end, count in zip(ends.tolist(), found.counts.tolist(), strict=True):
        rows = found.rows[end - count : end]
        assert count and (np.diff(rows) > 0).all() and (found.times > 0).all()


@pytest.mark.parametrize(
    "block", [b"", b"\x00", b"\x00\x05\x00", b"\x50\x05\x01", b"\x10\x05\x00", b"\x03" + b"\xff" * 8]
)
def test_damage(block: bytes) -> None:
    for blocks in ([block], [block, b"\x00\x05"]):
        with pytest.raises(CorruptionError):
            decoded(blocks)
