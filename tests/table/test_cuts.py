"""Rows taken some at a time: none are lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm.table.cuts import Cut, DictCut, PartsCut, cut_of, keys_of

pytestmark = pytest.mark.once

STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 7)))


@given(st.dictionaries(st.integers(), st.text()), STEPS)
def test_a_dictionary_gives_what_its_pairs_give(source: dict[int, str], steps: list[tuple[bool, int]]) -> None:
    one, other = DictCut(source), Cut(source.items())
    for peeking, count in steps:
        got, expected = (cut.peek(count) if peeking else cut.take(count) for cut in (one, other))
        assert list(got)[:count] == expected[:count]
        assert keys_of(got)[:count] == keys_of(expected)[:count] == [key for key, _ in expected][:count]


@given(st.lists(st.lists(st.integers(), min_size=1, max_size=5)), STEPS)
def test_a_stream_in_parts_gives_what_its_pairs_give(parts: list[list[int]], steps: list[tuple[bool, int]]) -> None:
    asked = iter([(part, [-key for key in part]) for part in parts])
    one, other = PartsCut(asked), Cut((key, -key) for part in parts for key in part)
    taken = 0
    for peeking, count in steps:
        got, expected = (cut.peek(count) if peeking else cut.take(count) for cut in (one, other))
        assert [got[at] for at in range(len(got))][:count] == expected[:count]
        taken += 0 if peeking else len(got)
    left = other.take(taken + sum(map(len, parts)))
    assert keys_of(one.take(len(left) + 1)) == [key for key, _ in left]


def test_only_a_dictionary_itself_is_taken_without_pairs() -> None:
    class Own(dict[Any, Any]):
        def items(self) -> Any:
            return [("a", 1)]

    assert type(cut_of({})) is DictCut
    assert list(cut_of(Own(b=2)).take(9)) == [("a", 1)]
    assert list(cut_of(iter([("c", 3)])).take(9)) == [("c", 3)]


def test_a_dictionary_that_changes_meanwhile_is_taken_as_it_was() -> None:
    source = dict.fromkeys(range(5))
    cut = cut_of(source)
    cut.take(3)
    source[11] = None
    assert keys_of(cut.take(9)) == [3, 4]
