"""Weights that are bounded without encoding are no less than what the encoding takes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import Model
from parcode_orm.codec.columns import weights
from parcode_orm.codec.columns.weights import LEVELS, weigh
from parcode_orm.codec.types.compile import struct_for

pytestmark = pytest.mark.once

NUMBERS = st.integers(1, 45).flatmap(lambda bits: st.lists(st.integers(0, (1 << bits) - 1), max_size=40))
TEXTS = st.lists(st.text(max_size=9), max_size=20)


class Row(Model):
    numbers: list[int] = []
    few: list[bool | None] = []
    texts: list[str] = []
    by: dict[str, list[int]] = {}
    rows: list[dict[str, float]] = []
    anything: Any = None


PAIRS = st.dictionaries(st.sampled_from("abc"), st.floats(), max_size=3)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "numbers": NUMBERS,
    "few": st.lists(st.booleans() | st.none()),
    "texts": TEXTS,
    "by": st.dictionaries(st.text(max_size=5), NUMBERS, max_size=4),
    "rows": st.lists(PAIRS, max_size=20),
    "anything": NUMBERS | TEXTS | st.lists(NUMBERS, max_size=3),
}


@pytest.mark.parametrize("name", VALUES)
@given(data=st.data())
def test_a_bound_is_no_less_than_the_weight(name: str, data: st.DataObject) -> None:
    value = data.draw(VALUES[name])
    bound = weights._plain_at_most([value], LEVELS)
    assert bound is not None
    assert weigh(struct_for(Row).places[name][1], [value])[0] <= bound + 8


def test_a_row_with_lists_is_weighed_without_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed row with a plain list or dictionary was encoded once to weigh it, and once to write it."""
    monkeypatch.delattr(weights, "weigh")
    row = Row(numbers=[1, 2, 3], by={"a": [1] * 100}, texts=["x"] * 20)
    assert 100 < weights.weigh_parts(struct_for(Row), [[row]]) < 1000


@pytest.mark.parametrize("value", [[1 << 70], {"a": [-(1 << 70)]}, [[[[[1]]]]], [[1], "a"], {(1, 2): 3}, [{1}]])
def test_values_of_which_no_bound_is_known_are_encoded(value: Any) -> None:
    assert weights._at_most(struct_for(Row), [Row(anything=value)], LEVELS) is None
