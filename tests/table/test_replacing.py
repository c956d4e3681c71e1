"""Rows anywhere in a table are replaced and taken out at once, and all of it can be taken back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm.codec.columns.scalars import IntColumn
from parcode_orm.table.nodes import Piece
from parcode_orm.table.replacing import remove_keys, replace_pieces, without_rows
from parcode_orm.table.state import begin, end, undo
from parcode_orm.table.table import Table
from parcode_orm.tuning import Tuning
from tests.effort import half
from tests.table.harness import Disk

pytestmark = pytest.mark.once

INT = IntColumn()
SMALL = Tuning(group_rows=7, sample_rows=2, few_rows=2, fanout=3, arrays_from=2, shard_rows=5)
COUNT = 90


def rows_of(table: Table) -> dict[int, int]:
    keys = [key for keys in table.read_keys() for key in keys]
    return dict(zip(keys, table.scan(), strict=True))


def chosen(table: Table, wanted: set[int]) -> list[tuple[Piece, list[int]]]:
    """The stored pieces with some of the keys, and the rows of their row groups that have them."""
    found = []
    for piece, _, _ in list(table.tree.pieces()):
        rows = [piece.start + place for place in range(piece.length) if table.key(piece, place) in wanted]
        if rows:
            found.append((piece, rows))
    return found


def replaced(table: Table, wanted: set[int], other: Any) -> None:
    """Put the rows of another table, in which each key has its place as row, in the place of those of `wanted`."""
    parts: dict[int, list[Piece]] = {}
    for piece, rows in chosen(table, wanted):
        fresh: list[Piece] = []
        for place in range(piece.length):
            if piece.start + place in rows:
                there, at = other.find(table.key(piece, place))
                fresh.append(Piece(there.ref, there.start + at, 1, piece.first + place))
            else:
                fresh.append(piece.part(place, place + 1))
        parts[id(piece)] = fresh
    replace_pieces(table, parts)


KEYS = st.sets(st.integers(0, COUNT - 1)) | st.just(set(range(COUNT)))


@half()
@given(st.lists(st.tuples(st.booleans(), KEYS, st.booleans()), max_size=4))
def test_rows_are_replaced_and_taken_out(steps: list[tuple[bool, set[int], bool]]) -> None:
    disk = Disk(SMALL)
    table = disk.map_table(INT, INT, {key: key for key in range(COUNT)})
    other = disk.map_table(INT, INT, {key: -key for key in range(COUNT)})
    expected = {key: key for key in range(COUNT)}
    for deletes, keys, whole in steps:
        state, known = begin(table), dict(expected)
        if deletes:
            parts = {id(piece): without_rows(piece, rows) for piece, rows in chosen(table, keys)}
            replace_pieces(table, parts)
            expected = {key: value for key, value in expected.items() if key not in keys}
        else:
            replaced(table, keys, other)
            expected = {key: -key if key in keys else value for key, value in expected.items()}
        assert rows_of(table) == expected
        table._check()
        if whole:
            end(table, state)
        else:
            undo(table, state)
            expected = known
            assert rows_of(table) == expected
            table._check()
    disk.commit(table)
    again = Table(disk, table.ref, INT, INT)
    again._check()
    assert rows_of(again) == expected


@half()
@given(st.sets(st.integers(COUNT, COUNT + 20)), st.lists(st.tuples(st.sets(st.integers(0, COUNT + 20)), st.booleans())))
def test_keys_are_removed_at_once(added: set[int], steps: list[tuple[set[int], bool]]) -> None:
    disk = Disk(SMALL)
    table = disk.map_table(INT, INT, {key: key for key in range(COUNT)})
    for key in added:
        table.put(key, key)
    expected = {key: key for key in (*range(COUNT), *added)}
    for keys, whole in steps:
        state, version = begin(table), table.version
        remove_keys(table, keys)
        left = {key: key for key in expected if key not in keys}
        assert rows_of(table) == left and (table.version > version) is (len(left) < len(expected))
        assert all(table.find(key) is None for key in keys)
        table._check()
        if whole:
            expected = left
            end(table, state)
        else:
            undo(table, state)
            assert rows_of(table) == expected and all(table.find(key) is not None for key in expected)
    disk.commit(table)
    assert rows_of(Table(disk, table.ref, INT, INT)) == expected


class Rows(dict[int, str]):
    """Says how many of its items were looked at one after the other."""

    passed = 0

    def items(self) -> Any:
        self.passed += len(self)
        return super().items()


def test_a_short_piece_of_a_long_row_group_looks_at_no_other_rows() -> None:
    """A commit with thousands of slices of one row group, and thousands of its rows held, took minutes."""
    rows = Rows({row: f"row {row}" for row in range(0, 5_000, 2)})
    one = Piece(None, 40, 3, 0)
    assert one.among(rows) == [(40, "row 40"), (42, "row 42")] and rows.passed == 0
    few = Rows({7: "before", 41: "within", 99: "behind"})
    assert Piece(None, 40, 3_000, 0).among(few) == [(41, "within"), (99, "behind")] and few.passed == 3
