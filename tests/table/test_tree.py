"""The tree by itself, against a list: positions, ids, changes that are taken back, and what is written of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm.table.nodes import NO_ID, Piece, without
from parcode_orm.table.tree import Tree

pytestmark = pytest.mark.once


def unread(ref: Any) -> Any:
    raise AssertionError("nothing of this tree lies in a file")


def tree(*, keyed: bool = False) -> Tree:
    return Tree(unread, None, 0, 0, keyed=keyed, fanout=2)


def content(found: Tree) -> list[Any]:
    rows: list[Any] = []
    for piece, start, stop in found.pieces():
        assert piece.rows is not None
        rows += piece.rows[start:stop]
    return rows


STEPS = st.lists(
    st.tuples(st.sampled_from(["insert", "insert", "delete", "replace"]), st.integers(0, 1000), st.integers(1, 7)),
    max_size=40,
)


def change(found: Tree, expected: list[Any], steps: list[Any]) -> None:
    for what, place, count in steps:
        at = place % (len(expected) + 1)
        if what == "insert":
            rows = [(place, i) for i in range(count)]
            found.insert(at, rows)
            expected[at:at] = rows
        elif what == "delete":
            stop = min(at + count, len(expected))
            found.delete(at, stop)
            del expected[at:stop]
        elif at < len(expected):
            found.replace(at, count)
            expected[at] = count
        found._check()
    assert content(found) == expected and found.rows == len(expected)
    for at in range(0, len(expected), 3):
        piece, row = found.at(at)
        assert piece.rows is not None and piece.rows[row] == expected[at]
        assert content_of(found, at, at + 4) == expected[at : at + 4]


@given(STEPS, STEPS)
def test_rows_are_those_of_a_list_and_changes_are_taken_back(first: list[Any], second: list[Any]) -> None:
    found, expected = tree(), []
    change(found, expected, first)
    root, before = found.root, list(expected)
    found.undo = []
    change(found, expected, second)
    for step in reversed(found.undo):
        step()
    found.root, found.undo = root, None
    found._check()
    assert content(found) == before


def content_of(found: Tree, start: int, stop: int) -> list[Any]:
    return [row for piece, a, b in found.pieces(start, stop) for row in (piece.rows or [])[a:b]]


@given(st.sets(st.integers(0, 60)), st.integers(0, 60))
def test_rows_that_are_left_are_found_by_their_ids(gone: set[int], asked: int) -> None:
    found = tree(keyed=True)
    for first in range(0, 61, 4):
        rows = list(range(first, min(first + 4, 61)))
        found.insert(found.rows, rows, [f"k{row}" for row in rows], first)
    for row in sorted(gone, reverse=True):
        position = found.position(row)
        found.delete(position, position + 1)
    left = [row for row in range(61) if row not in gone]
    assert content(found) == left
    place = found.row(asked)
    assert (place is None) == (asked in gone)
    if place is not None:
        piece, row = place
        assert piece.rows is not None and piece.keys is not None
        assert (piece.rows[row], piece.keys[row]) == (asked, f"k{asked}")
        assert found.position(asked) == left.index(asked)
    assert found.row(61) is None


def test_a_state_that_was_remembered_comes_back() -> None:
    found = tree()
    found.insert(0, list(range(20)))
    for at in (3, 9, 15):
        found.replace(at, -at)
    before, (root, stored) = content(found), found.remember()
    generation = found.generation
    found.delete(2, 18)
    found.insert(1, ["new"])
    found.go_back(root, stored=stored)
    assert content(found) == before and found.generation > generation
    found._check()


def test_what_is_left_of_a_piece_without_some_rows() -> None:
    piece = Piece(None, 0, 6, 10, list("abcdef"), list(range(6)))
    left = list(without(piece, [3, 10, 12, 13, 99]))
    assert [(part.first, part.rows) for part in left] == [(11, ["b"]), (14, ["e", "f"])]
    assert list(without(piece, [])) == [piece] and list(without(piece, range(10, 16))) == []
    assert piece.part(2, 4).keys == [2, 3] and Piece(None, 0, 3, NO_ID).part(1, 2).first == NO_ID
