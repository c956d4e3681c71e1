"""Plain values that are compared without encoding them: by type and value, at every depth."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm.session import equality
from parcode_orm.session.equality import LEVELS, plainly_differ

pytestmark = pytest.mark.once

PLAIN = st.one_of(st.integers(0, 2), st.booleans(), st.none(), st.sampled_from(["", "0", "1"]), st.just(b"1"))
NESTED = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(0, 2) | st.booleans(), inner, max_size=2),
    max_leaves=12,
)
BELOW = {"lists": st.lists(st.lists(PLAIN, max_size=3), max_size=3)}
BELOW["dictionaries"] = st.dictionaries(st.sampled_from("abc"), BELOW["lists"], max_size=3)
BELOW["rows"] = st.lists(st.dictionaries(st.sampled_from("ab"), PLAIN, max_size=2), max_size=3)


def swapped(value: Any) -> Any:
    """The same with 1 for True and True for 1, which are equal and stored otherwise."""
    if isinstance(value, list):
        return list(map(swapped, value))
    if isinstance(value, dict):
        return {swapped(key): swapped(each) for key, each in value.items()}
    return int(value) if isinstance(value, bool) else bool(value) if value in (0, 1) else value


@given(st.lists(NESTED, max_size=3) | st.dictionaries(st.integers(0, 2), NESTED, max_size=3), st.data())
def test_values_of_any_depth(value: Any, data: st.DataObject) -> None:
    """What text tells apart differs; None may come for what has values of several kinds beside each other."""
    other = data.draw(st.just(copy.deepcopy(value)) | NESTED)
    for each in (other, swapped(value)):
        if type(each) is type(value):
            assert plainly_differ(value, each) in (None, repr(value) != repr(each))


@pytest.mark.parametrize("kind", BELOW)
@given(data=st.data())
def test_values_of_one_kind_a_level(kind: str, data: st.DataObject) -> None:
    value, other = data.draw(BELOW[kind]), data.draw(BELOW[kind])
    assert plainly_differ(value, other) is (repr(value) != repr(other))
    assert plainly_differ(value, copy.deepcopy(value)) is False
    assert plainly_differ(value, swapped(value)) is (repr(value) != repr(swapped(value)))


def test_deep_and_cyclic_values_are_left_to_the_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def deep(levels: int) -> Any:
        found: Any = [1]
        for _ in range(levels):
            found = [found]
        return found

    assert plainly_differ(deep(LEVELS), deep(LEVELS)) is False
    assert plainly_differ(deep(LEVELS + 1), deep(LEVELS + 1)) is None
    own: list[Any] = []
    own.append(own)
    assert plainly_differ(own, own) is None
    assert plainly_differ([1.0], [1.0]) is None
    assert equality.items_differ([[0.0], [-0.0]], [[0.0], [0.0]]) is None
