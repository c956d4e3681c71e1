from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _nothing_is_collected_before_each_measurement() -> Iterator[None]:
    """The benchmarks collect garbage before each step, so that no step pays for another; no time is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "collect", lambda generation=2: 0)
        yield
