"""Values that the cases of all topics share."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

FLOATS = st.floats(allow_nan=True)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), FLOATS, st.text(), st.binary())


def sequences(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Lists and tuples, short and of more rows than a bound of the kernels."""
    short = st.lists(of, min_size=1, max_size=20)
    many = st.builds(lambda values, times: (values * times)[:3000], st.lists(of, min_size=1, max_size=8), st.just(400))
    return st.one_of(short, short.map(tuple), many)
