"""Small constants: collections of a few dozen rows get trees of several levels, merges, large indexes, full caches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from parcode_orm.codec.columns import boundary
from parcode_orm.storage import mapped
from parcode_orm.table import index, nodes, rewriting, table
from parcode_orm.table import row_groups as writer

SMALL = (
    (nodes, "FANOUT", 3),
    (writer, "TARGET_ROWS", 6),
    (writer, "SAMPLE_ROWS", 2),
    (writer, "FEW_ROWS", 2),
    (rewriting, "MERGED", 3),
    (rewriting, "TARGET_ROWS", 6),
    (boundary, "COPIED_BELOW", 700),
    (boundary, "FEW", 3),
    (rewriting, "CLASSES", (1, 3)),
    (rewriting, "LARGEST", 5),
    (rewriting, "SHORT", 2),
    (table, "OPEN_GROUPS", 4),
    (table, "OPEN_BYTES", 1),
    (table, "SWEEP_EVERY", 1),
    (table, "PARKED_BYTES", 20_000),
    (table, "MAX_RUNS", 3),
    (index, "MAX_RUNS", 3),
    (index, "SHARD_ROWS", 4),
    (index, "DIRECTORY_BITS", 2),
    (index, "ARRAYS_FROM", 5),
    (mapped, "CACHED", 3),
)


@contextmanager
def small_constants(large: int = 64) -> Iterator[None]:
    """With these constants; values of more than `large` bytes are stored alone."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in (*SMALL, (boundary, "LARGE", large)):
            assert hasattr(module, name)
            patch.setattr(module, name, value)
        yield
