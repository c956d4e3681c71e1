"""Random joins: whatever one answers is what nested loops in Python find over the objects."""

from __future__ import annotations

from functools import cmp_to_key
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import func
from parcode_orm.query.joins import hash_join as joined
from parcode_orm.session.entity import indexes, queries
from tests.query import related
from tests.query.plainly import Order, alike, compared
from tests.query.related import KEYS, Joined, Row, Said
from tests.query.test_random import limits, tries

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes are asked for many rows too, and pairs come in several batches."""
    monkeypatch.setattr(queries, "SHARE", 1)
    monkeypatch.setattr(indexes, "STEP", 3)
    monkeypatch.setattr(joined, "PAIRS", 7)
    monkeypatch.setattr(joined, "FEW", 4)
    monkeypatch.setattr(joined, "LARGE", 0)


def given_of(join: Joined, *outputs: Any) -> Any:
    """The statement, which gives other values."""
    return join.statement._with(_outputs=tuple(outputs))


def mark(value: Any) -> Any:
    """What tells a value of a row from others."""
    return f"object {id(value)}" if hasattr(value, "model_fields_set") else "nan" if value != value else value


def marks(rows: Any) -> list[Any]:
    """Rows as values that can be compared, whatever their order."""
    return sorted([tuple(map(mark, row)) for row in rows], key=repr)


@tries
@given(st.data())
def test_pairs_are_those_that_nested_loops_find(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with related.tables(draw, tmp_path / "related.par") as at:
        for _ in range(2):
            join = related.joins(draw, at)
            statement = given_of(
                join,
                *[each.stands._item if hasattr(each.stands, "_item") else func_item(each) for each in join.sources],
            )
            found = at.session.execute(statement).all()
            assert marks(found) == marks(join.rows)
            assert [mark(row[0]) for row in found] == [mark(row[0]) for row in join.rows]  # in its order
            assert at.session.execute(statement).count() == len(join.rows)
            fields = draw(st.lists(st.sampled_from(join.fields()), min_size=1, max_size=3))
            values = [tuple(each.plain(row) for each in fields) for row in join.rows]
            statement = given_of(join, *[each.said for each in fields])
            assert marks(at.session.execute(statement)) == marks(values)
            assert marks(at.session.execute(statement.distinct())) == marks({tuple(map(mark, row)) for row in values})
            found = at.session.execute(statement).columns(*[each.said for each in fields])
            assert marks(zip(*[column.tolist() for column in found], strict=True)) == marks(values)


def func_item(source: related.Source) -> Any:
    from parcode_orm.query.expressions.nodes import Item

    return Item(source.stands)


def total_order(join: Joined) -> list[Said]:
    """Fields that tell any two rows apart but equal spare parts."""
    return [
        each
        for source in join.sources
        for each in ([source.field(name) for name in KEYS.get(source.name, [])] or source.fields())
    ]


def in_order(rows: list[Row], orders: list[Order]) -> list[Row]:
    def compare(a: Row, b: Row) -> int:
        for order in orders:
            found = compared(order, order.plain(0, a), order.plain(0, b))
            if found:
                return found
        return 0

    return sorted(rows, key=cmp_to_key(compare))


@tries
@given(st.data())
def test_rows_of_a_join_are_put_in_order(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with related.tables(draw, tmp_path / "related.par") as at:
        join = related.joins(draw, at)
        keys = [*draw(st.lists(st.sampled_from(join.fields()), max_size=2)), *total_order(join)]
        orders = [
            Order(each.said, lambda _, row, each=each: number(each.plain(row)), descending, not descending)
            for each, descending in zip(
                keys, draw(st.lists(st.booleans(), min_size=len(keys), max_size=len(keys))), strict=True
            )
        ]
        count, skip = limits(draw)
        statement = given_of(join, *[each.said for each in keys])
        statement = statement.order_by(*[each.said.desc() if each.descending else each.said for each in orders]).offset(
            skip
        )
        statement = statement if count is None else statement.limit(count)
        rows = in_order(join.rows, orders)[skip:]
        rows = rows if count is None else rows[:count]
        wanted = [tuple(mark(each.plain(row)) for each in keys) for row in rows]
        assert [tuple(map(mark, row)) for row in at.session.execute(statement)] == wanted


def number(value: Any) -> Any:
    """NaN as the largest number."""
    return float("inf") if value != value else value


@tries
@given(st.data())
def test_rows_of_a_join_are_grouped(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with related.tables(draw, tmp_path / "related.par") as at:
        join = related.joins(draw, at)
        by = draw(st.lists(st.sampled_from(join.fields()), max_size=2))
        of = draw(st.sampled_from(join.fields("number")))
        other = draw(st.sampled_from(join.fields()))
        statement = given_of(
            join,
            *[each.said for each in by],
            func.count(),
            func.sum(of.said),
            func.count(other.said),
            func.max(other.said),
        ).group_by(*[each.said for each in by])
        least = draw(st.sampled_from([0, 0, 1, 2]))
        if least:
            statement = statement.having(func.count() > least)
        groups: dict[Any, list[Row]] = {} if by else {(): []}
        for row in join.rows:
            groups.setdefault(tuple(mark(each.plain(row)) for each in by), []).append(row)
        wanted = []
        for key, rows in groups.items():
            if len(rows) <= least and least:
                continue
            numbers = [value for row in rows if (value := of.plain(row)) is not None]
            others = [value for row in rows if (value := other.plain(row)) is not None]
            largest = max(others, key=number) if others else None
            wanted.append((*key, len(rows), sum(numbers), len(others), largest))
        found = [(*map(mark, row[: len(by)]), *row[len(by) :]) for row in at.session.execute(statement)]
        assert len(found) == len(wanted)
        for row, expected in zip(
            sorted(found, key=repr_of(len(by))), sorted(wanted, key=repr_of(len(by))), strict=True
        ):
            assert all(a == b or alike(a, b) or (a != a and b != b) for a, b in zip(row, expected, strict=True))


def repr_of(count: int) -> Any:
    return lambda row: repr(row[:count])
