"""Tokens stand for stored values: equal ones for the same value, whatever rows are asked for and however these lie."""

from __future__ import annotations

from typing import Any

import pytest
from harness import MemorySink, MemorySpace
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm.codec.base import View
from parcode_orm.codec.columns.physical import open_child
from parcode_orm.codec.types.compile import column_for
from parcode_orm.codec.views.tokens import as_rows, holds_atoms, is_canonical, take, tokens
from parcode_orm.format.layout import Kind
from tests.session.changing import alike
from tests.strategies import types


def view_of(annotation: Any, values: list[Any]) -> View:
    sink = MemorySink()
    out = sink.encoder(Kind.COLUMN)
    column = column_for(annotation, "Owner", "field")
    column.encode(values, out)
    space = MemorySpace(sink)
    return open_child(column, space.chunk(sink.submit(out).reference), 0, space, len(values))


@given(st.data())
def test_values_of_equal_tokens_are_the_same(data: st.DataObject) -> None:
    typed = data.draw(types(2))
    some = data.draw(st.lists(typed.values, min_size=1, max_size=4))
    values = data.draw(st.lists(st.sampled_from(some) | typed.values, min_size=1, max_size=20))
    others = data.draw(st.lists(st.sampled_from(values) | typed.values, min_size=1, max_size=20))
    mine, theirs = view_of(typed.annotation, values), view_of(typed.annotation, others)
    a, b = tokens(mine, range(len(values))), tokens(theirs, range(len(others)))
    if a is None or b is None:
        return
    sharp = all(holds_atoms(view) or is_canonical(view) for view in (mine, theirs))
    left, right = mine.read(0, len(values)), theirs.read(0, len(others))
    for token, value in zip(a, left, strict=True):
        for against, other in zip(b, right, strict=True):
            assert token != against or alike(value, other)
            assert not sharp or token == against or not alike(value, other)


@given(st.data())
def test_rows_in_any_order_have_the_tokens_that_they_have_in_order(data: st.DataObject) -> None:
    typed = data.draw(types(2))
    values = data.draw(st.lists(typed.values, min_size=1, max_size=50))
    view = view_of(typed.annotation, values)
    every = tokens(view, range(len(values)))
    rows = data.draw(st.lists(st.integers(0, len(values) - 1), max_size=20))
    found = tokens(view, as_rows(rows))
    if every is not None and found is not None:
        assert list(found) == [every[row] for row in rows]


def test_rows_that_lie_apart_are_taken_one_by_one() -> None:
    view = view_of(list[int], [[i] for i in range(1_000)])
    assert take(view, [3, 999, 0]) == [[3], [999], [0]]
    assert tokens(view, [0, 999]) is None  # so much in between need not be read
    assert tokens(view, [4, 2]) == [(4,), (2,)]
    assert take(view, range(2, 4)) == [[2], [3]] and take(view, []) == [] and tokens(view, []) == []


@pytest.mark.parametrize(
    ("values", "annotation", "expected"),
    [
        ([1, 2], int, [1, 2]),
        ([1, True], int | bool, [1, (bool, True)]),
        ([0.0, -0.0], float, [(float, 0), (float, 1 << 63)]),
        ([1, 0.0], int | float, [1, (float, 0)]),
        ([None, "a"], str | None, [None, "a"]),
    ],
)
def test_tokens_of_atoms(values: list[Any], annotation: Any, expected: list[Any]) -> None:
    assert tokens(view_of(annotation, values), range(len(values))) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [([1, 2, 3], range(1, 4)), ([1, 3, 2], [1, 3, 2]), ([1, 1, 3], [1, 1, 3]), ([], []), ([5], range(5, 6))],
)
def test_rows_as_a_range(rows: list[int], expected: Any) -> None:
    assert as_rows(rows) == expected
