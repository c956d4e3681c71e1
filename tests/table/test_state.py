"""`begin`, `end` and `undo`: changes of a table are taken back, also inside one another."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm.codec.columns.scalars import IntColumn
from parcode_orm.table.pairs import put_new
from parcode_orm.table.state import begin, end, undo
from parcode_orm.table.table import Table
from parcode_orm.tuning import Tuning
from tests.table.harness import Disk

pytestmark = pytest.mark.once

SMALL = Tuning(arrays_from=2, shard_rows=3, directory_bits=2, fanout=2)
EDITS = st.sampled_from(["put", "put", "remove", "new", "clear"]), st.integers(0, 30)
STEPS = st.recursive(
    st.lists(st.tuples(*EDITS), max_size=5),
    lambda inner: st.lists(st.tuples(*EDITS) | st.tuples(st.booleans(), inner), max_size=5),
    max_leaves=12,
)


def edit(table: Table, expected: dict[int, int], kind: str, key: int) -> None:
    if kind == "put":
        table.put(key, key + 1)
        expected[key] = key + 1
    elif kind == "remove":
        assert table.remove(key) is (expected.pop(key, None) is not None)
    elif kind == "new":
        new = [each for each in range(key, key + 3) if each not in expected]
        put_new(table, new, new)
        expected.update(zip(new, new, strict=True))
    else:
        table.clear()
        expected.clear()


def run(table: Table, expected: dict[int, int], steps: list[Any]) -> dict[int, int]:
    """Make the edits of `steps`; a bool says whether those inside it stay."""
    for kind, rest in steps:
        if isinstance(kind, str):
            edit(table, expected, kind, rest)
            continue
        state = begin(table)
        inner = run(table, dict(expected), rest)
        if kind:
            end(table, state)
            expected = inner
        else:
            undo(table, state)
        check(table, expected)
    return expected


def check(table: Table, expected: dict[int, int]) -> None:
    keys = [key for keys in table.read_keys() for key in keys]
    assert dict(zip(keys, table.scan(), strict=True)) == expected and len(keys) == len(expected)
    table.tree._check()


@given(st.sets(st.integers(0, 30)), STEPS)
def test_changes_inside_changes_are_taken_back(stored: set[int], steps: list[Any]) -> None:
    disk = Disk(SMALL)
    table = disk.map_table(IntColumn(), IntColumn(), {key: key + 1 for key in stored})
    before = {key: key + 1 for key in stored}
    state = begin(table)
    run(table, dict(before), steps)
    undo(table, state)
    assert table.tree.undo is None
    check(table, before)
    expected = run(table, dict(before), steps)
    check(table, expected)
    table._check()
