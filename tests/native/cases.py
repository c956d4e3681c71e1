"""Arguments for each function that is compiled: what the tests give to it and to its specification."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.native.chunks import CHUNKS
from tests.native.decoding import DECODING
from tests.native.encoding import ENCODING
from tests.native.lookups import LOOKUPS
from tests.native.querying import QUERYING

CASES: dict[str, st.SearchStrategy[tuple[Any, ...]]] = {**CHUNKS, **DECODING, **ENCODING, **LOOKUPS, **QUERYING}
