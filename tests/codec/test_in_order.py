"""Loops over whole columns give what plain Python gives, whichever types and however many values there are."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm.codec.kernels import BULK, picked, sorted_places

pytestmark = pytest.mark.once


class Level(IntEnum):
    LOW = 1
    HIGH = 2


VALUES: st.SearchStrategy[list[Any]] = st.one_of(
    st.lists(st.floats(allow_nan=False), min_size=1, max_size=20),
    st.lists(st.integers(-9, 9), min_size=1, max_size=20),
    st.lists(st.integers(), min_size=1, max_size=20),  # beyond 64 bits, too
    st.lists(st.booleans(), min_size=1, max_size=20),
    st.lists(st.integers(-2, 2) | st.booleans() | st.sampled_from(Level), min_size=1, max_size=20),
    st.lists(st.text(max_size=3), min_size=1, max_size=20),
)


@given(VALUES, st.booleans())
def test_values_are_picked_in_their_order(values: list[Any], many: bool) -> None:
    values = values * (BULK // len(values) + 1) if many else values
    places = sorted_places(values)
    expected = sorted(range(len(values)), key=values.__getitem__)
    assert list(places) == expected
    found = picked(values, places)
    assert list(map(repr, found)) == [repr(values[place]) for place in expected]
    assert list(map(type, found)) == [type(values[place]) for place in expected]
