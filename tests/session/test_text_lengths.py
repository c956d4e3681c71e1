"""The rows that runs of a text index cover: the newest run that covers one decides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import Chunk, Model
from parcode_orm.session.entity.postings import Postings, decoded, encoded
from parcode_orm.session.entity.text_lengths import GONE, Lengths, Rows, known_length, newest, packed, rows_in, spans_of
from parcode_orm.session.entity.text_merging import merged

pytestmark = pytest.mark.once

ids = st.integers(0, 30) | st.integers(0, 1 << 47)
lengths = st.integers(GONE, 3) | st.sampled_from([254, 255, 65_534, 65_535, 1 << 33])
runs = st.lists(st.dictionaries(ids, lengths, max_size=20), max_size=4)


class Run(Model):
    spans: bytes = Chunk()
    lengths: bytes = Chunk()


def rows(run: dict[int, int]) -> Rows:
    pairs = sorted(run.items())
    return Rows(*(np.array([pair[at] for pair in pairs], np.int64) for at in (0, 1)))


@given(runs, st.lists(ids, max_size=20))
def test_the_newest_run_decides(given: list[dict[int, int]], asked: list[int]) -> None:
    known = {row: length for run in given for row, length in run.items()}
    stored = [Run(spans=spans_of(run.ids).tobytes(), lengths=packed(run.lengths)) for run in map(rows, given)]
    assert [dict(zip(*map(list, rows_in(run)), strict=True)) for run in stored] == given
    found = known_length(stored, np.array(asked, np.int64))
    assert found.tolist() == [known.get(row, GONE) for row in asked]
    for run, plain in zip(stored, given, strict=True):
        places, there = Lengths(run).places(np.array(asked, np.int64))
        assert there.tolist() == [row in plain for row in asked]
        assert [sorted(plain)[place] for place in places[there].tolist()] == [row for row in asked if row in plain]
    if given:
        joined, void = newest(list(map(rows, given)))
        assert dict(zip(joined.ids.tolist(), joined.lengths.tolist(), strict=True)) == known
        assert joined.ids.tolist() == sorted(known)
        for at, run in enumerate(given):
            assert void[at].tolist() == sorted(row for row in run if any(row in newer for newer in given[at + 1 :]))


words = st.dictionaries(st.sampled_from("abcdefgh"), st.dictionaries(st.integers(0, 9), st.integers(1, 3), min_size=1))


@given(st.lists(words, min_size=1, max_size=4), st.data())
def test_merged_words_have_the_rows_that_are_not_void(
    given: list[dict[str, dict[int, int]]], data: st.DataObject
) -> None:
    taken: dict[int, int] = {row: data.draw(st.integers(0, len(given) - 1)) for row in range(10)}
    void = [np.array([row for row, run in taken.items() if run != at], np.int64) for at in range(len(given))]
    expected: dict[str, dict[int, int]] = {}
    runs = []
    for at, run in enumerate(given):
        entries = []
        for word, times in sorted(run.items()):
            pairs = sorted(times.items())
            columns = [[len(pairs)], [row for row, _ in pairs], [count for _, count in pairs]]
            entries.append((word, encoded(Postings(*(np.array(each, np.int64) for each in columns)))[0]))
            for row, count in pairs:
                if taken[row] == at:
                    expected.setdefault(word, {})[row] = count
        runs.append(entries)
    found = [pair for part in merged(runs, void) for pair in part]
    assert [word for word, _ in found] == sorted(expected)
    for word, block in found:
        postings = decoded([block])
        assert dict(zip(postings.rows.tolist(), postings.times.tolist(), strict=True)) == expected[word]
