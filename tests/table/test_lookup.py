"""Many rows by their ids at once: what is found of each alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import Key, Model
from parcode_orm.session.entity.tables import entities, find_table, table_in
from parcode_orm.table.lookup import keys_with, rows_with
from parcode_orm.table.tree import Tree
from tests.small import tuned

pytestmark = pytest.mark.once


def unread(ref: Any) -> Any:
    raise AssertionError("nothing of this tree lies in a file")


@given(
    gaps=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=30),
    cuts=st.lists(st.integers(0, 90), max_size=6),
    wanted=st.sets(st.integers(0, 120)),
)
def test_rows_with_ids_are_found_as_one_by_one(gaps: list[Any], cuts: list[int], wanted: set[int]) -> None:
    tree = Tree(unread, None, 0, 0, keyed=True, fanout=2)
    first = 0
    for gap, count in gaps:
        first += gap
        ids = list(range(first, first + count))
        tree.insert(tree.rows, ids, ids, first)
        first += count
    for at in cuts:
        if at < tree.rows:
            tree.delete(at, at + 1)
    found = list(zip(*rows_with(tree, sorted(wanted)), strict=True))
    one_by_one = [tree.row(each) for each in sorted(wanted)]
    assert found == [each for each in one_by_one if each is not None]
    assert [piece.rows[row] for piece, row in found if piece.rows] == [piece.first + row for piece, row in found]


class Item(Model):
    id: int = Key()


def test_keys_of_stored_rows() -> None:
    with tuned().Session(":memory:") as session:
        session.add_all(Item(id=3 * n) for n in range(200))
        session.commit()
        root = find_table(session._work, Item)
        assert root is not None
        table = table_in(entities(root))
        for _ in range(2):  # the first time it opens the row groups
            assert keys_with(table, list(range(0, 300, 7))) == [3 * n for n in range(0, 200, 7)]
