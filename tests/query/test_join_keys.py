"""Keys of joins: equal values find each other as Python's `==` says, whatever form their vectors have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm.errors import QueryError
from parcode_orm.query.columns import hashed
from parcode_orm.query.columns.vectors import Coded, Constant, Numbers, Objects, Texts, Vector
from parcode_orm.query.expressions.nodes import Literal
from parcode_orm.query.joins.join_keys import KeyIndex

pytestmark = pytest.mark.once
INTS = [0, 1, 2, -1, 300, 1 << 40, (1 << 53) + 1, (1 << 62) + 1, (1 << 63) - 1, -(1 << 63)]
FLOATS = [0.0, -0.0, 1.0, 1.5, 300.0, float(1 << 53), float(1 << 62), 1e300, float("inf"), float("nan")]
TEXTS = ["", "a", "b", "\0", "a\0", "abcdefgh", "abcdefghi", "abcdefgh\0", "ä" * 9, "a longer text, and some more"]
ANY = [*INTS, *FLOATS, 1 << 63, *TEXTS[:6], None, True, (1,)]


def texts(words: list[str]) -> Texts:
    parts = [word.encode() for word in words]
    ends = np.cumsum([0, *map(len, parts)])
    return Texts(memoryview(b"".join(parts)), ends[:-1], ends[1:], lambda part: bytes(part).decode())


@st.composite
def vectors(draw: Any) -> Vector:
    kind = draw(st.integers(0, 7))
    if kind == 7:
        return texts(draw(st.lists(st.sampled_from(TEXTS), max_size=12)))
    if kind < 2:
        values = draw(st.lists(st.sampled_from(INTS if kind else INTS[:5]), max_size=12))
        nulls = np.array(draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))), bool)
        return Numbers(np.array(values, np.int64), draw(st.sampled_from([None, nulls])))
    if kind == 2:
        return Numbers(np.array(draw(st.lists(st.sampled_from(FLOATS), max_size=12)), np.float64))
    if kind == 3:
        return Numbers(np.array(draw(st.lists(st.booleans(), max_size=12)), bool))
    if kind == 4:
        return Constant(draw(st.sampled_from(ANY)), draw(st.integers(0, 3)))
    if kind == 5:
        words = draw(st.lists(st.sampled_from(ANY), min_size=1, max_size=5))
        return Coded(np.array(draw(st.lists(st.integers(0, len(words) - 1), max_size=12)), np.int64), words)
    return Objects(draw(st.lists(st.sampled_from(ANY), max_size=12)))


def found(index: KeyIndex, vectors: list[Vector]) -> list[list[int]]:
    """The rows that fit each row."""
    matches = index.find(vectors)
    if matches.rows is not None:
        rows = matches.rows if matches.coded is None else matches.rows[matches.coded.codes]
        return [[row] if row >= 0 else [] for row in rows.tolist()]
    return [
        matches.order[start : start + count].tolist()
        for start, count in zip(matches.starts.tolist(), matches.counts.tolist(), strict=True)
    ]


@given(st.integers(1, 3).flatmap(lambda n: st.tuples(*[st.tuples(vectors(), vectors()) for _ in range(n)])))
def test_equal_values_find_each_other(pairs: Any) -> None:
    least = [min(len(pair[side]) for pair in pairs) for side in (0, 1)]
    kept, asked = ([pair[side].take(np.arange(least[side])) for pair in pairs] for side in (0, 1))
    index = KeyIndex(kept, [Literal("x")] * len(kept))
    rows, others = (
        [list(row) for row in zip(*[each.tolist() for each in side], strict=True)] for side in (kept, asked)
    )
    wanted = [[place for place, row in enumerate(rows) if same(row, other)] for other in others]
    assert found(index, asked) == wanted


def same(row: list[Any], other: list[Any]) -> bool:
    """Equal, and no value is NaN: lists would find that by its identity."""
    return all(a == b for a, b in zip(row, other, strict=True))


def test_values_without_a_hash_are_named() -> None:
    with pytest.raises(QueryError, match=r"'x' cannot be joined by its values: .*unhashable"):
        KeyIndex([Objects([[1]])], [Literal("x")])
    with pytest.raises(QueryError, match=r"'x' cannot be joined by its values: .*unhashable"):
        KeyIndex([Objects([1])], [Literal("x")]).find([Objects([[1]])])


def test_texts_with_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashed, "_STEP", np.uint64(0))  # then all texts have the bits 0
    index = KeyIndex([texts(["a", "b", "a", "abcdefghi"])], [Literal("x")])
    assert found(index, [texts(["abcdefghi", "c", "a", ""])]) == [[3], [], [0, 2], []]
