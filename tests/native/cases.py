"""Arguments for each function that is compiled: what the tests give to it and to its specification."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.native.decoding import DECODING
from tests.native.encoding import ENCODING


def float32s(of: st.SearchStrategy[float], count: int) -> st.SearchStrategy[Any]:
    """Arrays of `count` numbers, many of them equal."""
    few = st.lists(of, min_size=1, max_size=12)
    return st.builds(lambda values, seed: np.random.default_rng(seed).choice(np.array(values, "f4"), count), few, SEEDS)


@st.composite
def products(draw: st.DrawFn) -> tuple[Any, ...]:
    """Matrices of small ints, whose sums are exact in any order."""
    width, heights = draw(st.integers(1, 200)), draw(st.lists(st.integers(0, 5), max_size=4))
    ints = np.random.default_rng(draw(SEEDS)).integers(-9, 9, (sum(heights), width)).astype("f4")
    room = np.zeros(len(ints), "f4")
    cuts = np.cumsum(heights)[:-1] if heights else 0
    matrices = tuple(np.split(ints, cuts)) if heights else ()
    unit = draw(float32s(st.integers(-9, 9).map(float), width))
    return matrices, unit, room, draw(st.sampled_from([None, room])), draw(st.integers(0, 3))


@st.composite
def measured(draw: st.DrawFn) -> tuple[Any, ...]:
    count = draw(st.integers(0, 70))
    one, other = (draw(float32s(st.floats(width=32), count)) for _ in range(2))
    metric, length = draw(st.sampled_from(["cosine", "dot", "l2"])), draw(st.sampled_from([0.0, 1.5, 1e17]))
    return metric, one, other, length, draw(st.sampled_from([1e-6, 0.05])), np.zeros(count, "f4"), np.zeros(count, "f4")


@st.composite
def candidates(draw: st.DrawFn) -> tuple[Any, ...]:
    count, values = draw(st.integers(0, 70)), st.floats(width=32) | st.sampled_from([1.0, 2.0, 3.0, np.nan])
    low, high = (draw(float32s(values, count)) for _ in range(2))
    return low, high, draw(st.integers(0, 75)), draw(st.floats() | st.just(np.inf)), draw(st.booleans())


SEEDS = st.integers(0, 1 << 30)
CASES: dict[str, st.SearchStrategy[tuple[Any, ...]]] = {
    "bounds_around": measured(),
    "inner_products": products(),
    "nearest_rows": candidates(),
    **DECODING,
    **ENCODING,
}
