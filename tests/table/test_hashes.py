"""Maps written from streams whose key hashes do not fit memory: the same tables, and no more memory for more keys."""

from __future__ import annotations

import errno
import tracemalloc
from typing import Any
from unittest.mock import patch

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from parcode_orm.codec.columns.scalars import FloatColumn, IntColumn
from parcode_orm.errors import StorageError
from parcode_orm.table import key_sort as hashes
from parcode_orm.table.key_sort import KeyHashes
from parcode_orm.table.row_groups import TableSink
from parcode_orm.table.table import Table
from tests.table.harness import Disk

INT = IntColumn()


def spilling(keys: int) -> Any:
    return patch.object(hashes, "SPILL_KEYS", keys)


def check(table: Table, expected: dict[Any, Any]) -> None:
    table._check()
    assert table.read_map() == expected
    assert all(table.value(*table.find(key)) == value for key, value in expected.items())


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30_000), st.integers(1, 30_000), st.integers(1, 9_000))
def test_a_map_is_the_same_whether_it_spilled_or_not(count: int, distinct: int, spill: int) -> None:
    pairs = [(i * 7919 % distinct, i) for i in range(count)]
    whole, spilled = Disk(), Disk()
    whole.map_table(INT, INT, iter(pairs))
    with spilling(spill):
        check(spilled.map_table(INT, INT, iter(pairs)), dict(pairs))
    assert spilled.data == whole.data


def test_a_dictionary_spills_too() -> None:
    expected = {i: -i for i in range(20_000)}
    whole, spilled = Disk(), Disk()
    whole.map_table(INT, INT, expected)
    with spilling(1_000):
        check(spilled.map_table(INT, INT, expected), expected)
    assert spilled.data == whole.data


def test_few_keys_again_and_again() -> None:
    disk = Disk()
    with spilling(4_000):
        check(disk.map_table(INT, INT, ((i % 3, i) for i in range(50_000))), {0: 49_998, 1: 49_999, 2: 49_997})


def test_nan_equals_nothing_in_a_spilled_stream() -> None:
    with spilling(10):
        table = Disk().map_table(FloatColumn(), INT, ((float("nan"), i) for i in range(9_000)))
    assert table.rows == 9_000


def peak(keys: int) -> int:
    """Bytes that the hashes of so many keys take, at most, with the index that is made of them."""
    disk = Disk()
    disk.submit = lambda chunk, ticket=None: chunk.finish() and None  # type: ignore[assignment, method-assign, return-value]
    tracemalloc.start()
    try:
        with KeyHashes(repeated=True) as found:
            for first in range(0, keys, 1_000):
                found.add(range(first, first + 1_000))
            found.finish(TableSink(disk, None))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_keys() -> None:
    with spilling(10_000):
        peak(20_000)  # imports
        small, large = peak(40_000), peak(160_000)
    assert large < small + 500_000 < peak(160_000) / 4


def test_no_room_for_spilling_is_a_storage_error() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with spilling(10), patch.object(hashes, "TemporaryFile", side_effect=full), pytest.raises(StorageError) as caught:
        Disk().map_table(INT, INT, ((i, i) for i in range(9_000)))
    assert caught.value.errno == errno.ENOSPC and "temporary directory" in str(caught.value)
