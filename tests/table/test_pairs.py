"""Many keys at once: a table knows which of them it has, and takes new ones, as it would one by one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm.codec.columns.packed import PackedColumn
from parcode_orm.codec.columns.scalars import IntColumn
from parcode_orm.table.pairs import known_keys, put_new
from parcode_orm.table.state import begin, end, undo
from parcode_orm.table.table import Table
from parcode_orm.tuning import Tuning
from tests.effort import half
from tests.table.harness import Disk

pytestmark = pytest.mark.once

SMALL = Tuning(arrays_from=2, shard_rows=3, directory_bits=2)
KEYS = st.integers(-3, 40) | st.sampled_from(["", "a", "b", "\ud800", 2.5, b"a", (1, "a"), None, 10**30])


def table_of(disk: Disk, keys: list[Any]) -> Table:
    return disk.map_table(PackedColumn(), IntColumn(), dict.fromkeys(keys, 0))


@half()
@given(st.sets(KEYS), st.sets(KEYS), st.sets(KEYS), st.sets(KEYS))
def test_the_keys_that_a_table_has_are_found(
    stored: set[Any], added: set[Any], removed: set[Any], asked: set[Any]
) -> None:
    disk = Disk(SMALL)
    table = table_of(disk, list(stored))
    for key in added:
        table.put(key, 1)
    for key in removed:
        table.remove(key)
    has = (stored | added) - removed
    assert known_keys(table, list(asked)) == [key for key in asked if key in has]


class Local:
    """Equal to nothing but itself, so no table stores it."""


def test_a_key_that_cannot_be_stored_is_not_known() -> None:
    table = table_of(Disk(SMALL), [1, 2])
    assert known_keys(table, [Local(), 2, Local()]) == [2]


@half()
@given(st.sets(KEYS), st.lists(st.sets(KEYS, min_size=1), max_size=3))
def test_new_pairs_come_last_and_can_be_taken_back(stored: set[Any], more: list[set[Any]]) -> None:
    disk = Disk(SMALL)
    table = table_of(disk, list(stored))
    expected = dict.fromkeys(stored, 0)
    for number, keys in enumerate(more, 1):
        new = [key for key in keys if key not in expected]
        for whole in (False, True):
            state = begin(table)
            put_new(table, new, [number] * len(new))
            if whole:
                end(table, state)
            else:
                undo(table, state)
                assert dict(zip(read_keys(table), table.scan(), strict=True)) == expected
        expected.update(dict.fromkeys(new, number))
        assert list(zip(read_keys(table), table.scan(), strict=True)) == list(expected.items())
        table._check()
    disk.commit(table)
    again = Table(disk, table.ref, IntColumn(), PackedColumn())
    again._check()
    assert dict(zip(read_keys(again), again.scan(), strict=True)) == expected


def read_keys(table: Table) -> list[Any]:
    return [key for keys in table.read_keys() for key in keys]
