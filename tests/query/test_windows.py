"""Window functions give what plain Python computes of each row's partition and frame."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cmp_to_key
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from parcode_orm import Key, Model, QueryError, Session, case, cast, col, desc, func, select, update
from parcode_orm.query.expressions import rewriting, windows
from parcode_orm.query.rows import picked as picked_rows
from parcode_orm.query.running import window_values as windowed
from tests.query import plainly
from tests.query.models import Row
from tests.query.plainly import AGGREGATES, NUMERIC, OTHERS, TEXTUAL, Both, Order, Pair, alike, compared, in_order
from tests.query.test_random import limits, picked, tables, tries

pytestmark = pytest.mark.once

SCALARS = [*NUMERIC, *TEXTUAL, *OTHERS]
MODULES = [windows, windowed, picked_rows, rewriting]


class Window(NamedTuple):
    """A window function, and what it gives of rows that Python holds, one value for each."""

    said: Any
    plain: Callable[[list[Pair]], list[Any]]


class Spec(NamedTuple):
    by: list[Both]
    order: list[Order]
    rows: tuple[int | None, int | None] | None

    def over(self, said: Any) -> Any:
        return said.over(
            partition_by=[each.said for each in self.by],
            order_by=[each.said for each in self.order],
            rows=self.rows,
        )

    def compare(self, a: Pair, b: Pair) -> int:
        return next((found for each in self.order if (found := compared(each, each.plain(*a), each.plain(*b)))), 0)

    def partitions(self, pairs: list[Pair]) -> list[list[int]]:
        """The places of the rows of each partition, in its order."""
        found: dict[Any, list[int]] = {}
        for place, pair in enumerate(pairs):
            found.setdefault(tuple(each.plain(*pair) for each in self.by), []).append(place)
        key = cmp_to_key(lambda a, b: self.compare(pairs[a], pairs[b]))
        return [sorted(places, key=key) for places in found.values()]

    def frame(self, pairs: list[Pair], places: list[int], at: int) -> list[int]:
        """The places of the rows in the frame of the row `places[at]`."""
        if self.rows is not None:
            first, last = self.rows
            low = 0 if first is None else max(at + first, 0)
            high = len(places) if last is None else max(at + last + 1, 0)
            return places[low:high]
        if not self.order:
            return places
        return [other for other in places if self.compare(pairs[other], pairs[places[at]]) <= 0]

    def values(self, pairs: list[Pair], value: Callable[[list[int], int], Any]) -> list[Any]:
        found: list[Any] = [None] * len(pairs)
        for places in self.partitions(pairs):
            for at, place in enumerate(places):
                found[place] = value(places, at)
        return found


@st.composite
def specs(draw: Any) -> Spec:
    by = draw(st.lists(st.sampled_from(SCALARS), max_size=2))
    order = draw(st.lists(plainly.orders(), max_size=2))
    first, last = draw(st.none() | st.integers(-3, 3)), draw(st.none() | st.integers(-3, 3))
    if first is not None and last is not None and first > last:
        first, last = last, first
    return Spec(by, order, draw(st.sampled_from([None, None, (first, last)])))


@st.composite
def functions(draw: Any) -> Window:
    spec: Spec = draw(specs())
    kind = draw(st.sampled_from(["number", "rank", "dense", "shift", "end", "aggregate", "aggregate", "count"]))
    one: Both = draw(st.sampled_from(SCALARS))
    if kind == "number":
        return Window(spec.over(func.row_number()), lambda pairs: spec.values(pairs, lambda places, at: at + 1))
    if kind == "rank":
        return Window(spec.over(func.rank()), lambda pairs: spec.values(pairs, lambda *row: _rank(spec, pairs, *row)))
    if kind == "dense":
        return Window(
            spec.over(func.dense_rank()), lambda pairs: spec.values(pairs, lambda *row: _dense(spec, pairs, *row))
        )
    if kind == "shift":
        return draw(shifts(spec, one))
    if kind == "end":
        said, place = draw(st.sampled_from([(func.first_value, 0), (func.last_value, -1)]))

        def end(pairs: list[Pair], places: list[int], at: int) -> Any:
            frame = spec.frame(pairs, places, at)
            return one.plain(*pairs[frame[place]]) if frame else None

        return Window(spec.over(said(one.said)), lambda pairs: spec.values(pairs, lambda *row: end(pairs, *row)))
    if kind == "count":
        return Window(
            spec.over(func.count()),
            lambda pairs: spec.values(pairs, lambda places, at: len(spec.frame(pairs, places, at))),
        )
    said, plain, of = AGGREGATES[draw(st.sampled_from(list(AGGREGATES)))]
    each: Both = draw(st.sampled_from(of))

    def aggregate(pairs: list[Pair], places: list[int], at: int) -> Any:
        return plain(plainly.known(each.plain(*pairs[place]) for place in spec.frame(pairs, places, at)))

    return Window(spec.over(said(each.said)), lambda pairs: spec.values(pairs, lambda *row: aggregate(pairs, *row)))


@st.composite
def shifts(draw: Any, spec: Spec, one: Both) -> Window:
    said, sign = draw(st.sampled_from([(func.lag, -1), (func.lead, 1)]))
    count, default = draw(st.integers(0, 3)), draw(st.sampled_from([None, 0, "x"]))

    def shift(pairs: list[Pair], places: list[int], at: int) -> Any:
        other = at + sign * count
        return one.plain(*pairs[places[other]]) if 0 <= other < len(places) else default

    return Window(
        spec.over(said(one.said, count, default)),
        lambda pairs: spec.values(pairs, lambda *row: shift(pairs, *row)),
    )


def _rank(spec: Spec, pairs: list[Pair], places: list[int], at: int) -> int:
    return 1 + sum(spec.compare(pairs[other], pairs[places[at]]) < 0 for other in places)


def _dense(spec: Spec, pairs: list[Pair], places: list[int], at: int) -> int:
    before = places[:at]
    return 1 + sum(spec.compare(pairs[a], pairs[b]) != 0 for a, b in zip(before, places[1:], strict=False))


@tries
@given(st.data())
def test_values_are_those_that_python_computes_of_partitions(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with tables(draw, tmp_path / "world.par") as (session, world):
        for _ in range(2):
            collection, all_pairs = picked(draw, world)
            asked: list[Window] = draw(st.lists(functions(), min_size=1, max_size=3))
            wanted = draw(st.lists(plainly.conditions(), max_size=1))
            order = draw(st.lists(plainly.orders(), max_size=1))
            count, skip = limits(draw)
            statement = select(func.key(), *(each.said for each in asked)).select_from(collection).offset(skip)
            statement = statement.where(*(each.said for each in wanted)).order_by(*(each.said for each in order))
            if count is not None:
                statement = statement.limit(count)
            pairs = [pair for pair in all_pairs() if all(each.plain(*pair) for each in wanted)]
            computed = [each.plain(pairs) for each in asked]
            rows = [(place, *pair) for place, pair in enumerate(pairs)]
            by_row = in_order([((place, key), row) for place, key, row in rows], _of_second(order))
            expected = [(key, *(each[place] for each in computed)) for (place, key), _ in by_row]
            expected = expected[skip:][: None if count is None else count]
            result = session.execute(statement)
            found = [tuple(row) for row in result]
            assert result.count() == len(found) == len(expected)
            for a, b in zip(found, expected, strict=True):
                assert a[0] == b[0] and all(map(alike, a[1:], b[1:])), (statement, found, expected)


def _of_second(order: list[Order]) -> list[Order]:
    """The orders of pairs of (place, key) and row."""
    return [each._replace(plain=lambda pair, row, each=each: each.plain(pair[1], row)) for each in order]


@tries
@given(st.data())
def test_rows_are_put_in_the_order_of_a_window_function(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with tables(draw, tmp_path / "world.par") as (session, world):
        collection, all_pairs = picked(draw, world)
        spec: Spec = draw(specs())
        pairs = all_pairs()
        ranks = spec.values(pairs, lambda *row: _rank(spec, pairs, *row))
        rank = spec.over(func.rank())
        statement = select(collection).order_by(rank.desc())
        found = session.scalars(statement).all()
        expected = [pairs[place][1] for place in sorted(range(len(pairs)), key=lambda place: -ranks[place])]
        assert found == expected
        if collection.__class__ not in (dict, list):
            assert all(a is b for a, b in zip(found, expected, strict=True))
        assert session.scalars(statement).count() == len(pairs)
        bands = select(case((rank > 2, "late"), else_="early")).select_from(collection).distinct()
        assert session.scalars(bands).all() == list(dict.fromkeys("late" if each > 2 else "early" for each in ranks))
        if pairs:
            keyed = select(func.key(), rank).select_from(collection).order_by(rank)
            whole = [tuple(row) for row in session.execute(keyed)]
            last = draw(st.sampled_from(whole))[1]
            page = session.execute(keyed.limit(3, after=last))
            later = [row for row in whole if row[1] > last]
            assert page.count() == len(later[:3]) and [tuple(row) for row in page] == later[:3]


@tries
@given(st.data())
def test_groups_have_window_functions(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with tables(draw, tmp_path / "world.par") as (session, world):
        collection, all_pairs = picked(draw, world)
        by = draw(st.sampled_from([*TEXTUAL, *OTHERS]))
        least = draw(st.integers(0, 2))
        total = func.sum(Row.number)
        rank = func.rank().over(order_by=total.desc())
        statement = (
            select(by.said, total, rank, total - func.lag(total).over(), func.sum(total).over())
            .select_from(collection)
            .group_by(by.said)
            .having(func.count() >= least)
        )  # fmt: skip
        groups = plainly.grouped(all_pairs(), [by])
        sums = [(key, sum(row.number for _, row in rows)) for (key,), rows in groups.items() if len(rows) >= least]
        expected = [
            (
                key,
                found,
                1 + sum(other > found for _, other in sums),
                found - sums[place - 1][1] if place else None,
                sum(each for _, each in sums),
            )
            for place, (key, found) in enumerate(sums)
        ]
        assert [tuple(row) for row in session.execute(statement)] == expected


class Sale(Model):
    id: int = Key(auto=True)
    shop: str = ""
    amount: float | None = None
    tags: list[str] = []


NUMBERS = st.sampled_from([None, 0.0, -0.0, 1.5, 2.0, 1e17, -1e17, float("nan"), float("inf")])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), NUMBERS), max_size=12),
    st.sampled_from([None, (None, 0), (-1, 0), (None, -1), (0, None), (None, None), (1, 2), (-(10**30), 10**30)]),
    st.booleans(),
)
@example([("a", float("nan")), ("b", 1.5), ("b", None)], (None, 0), True)
@example([("a", None), ("a", float("nan"))], None, True)
def test_nan_and_large_numbers_stay_in_their_partition(rows: Any, frame: Any, ordered: bool) -> None:
    sales = [Sale(id=place, shop=shop, amount=amount) for place, (shop, amount) in enumerate(rows)]
    over = {"partition_by": Sale.shop, "order_by": Sale.id if ordered else None, "rows": frame}
    asked = [each(Sale.amount).over(**over) for each in (func.sum, func.min, func.max, func.count, func.avg)]
    with Session(":memory:") as session:
        found = [tuple(row) for row in session.execute(select(*asked).select_from(sales))]
    first, last = frame or (None, 0 if ordered else None)
    for place, sale in enumerate(sales):
        shop = [(other, each.amount) for other, each in enumerate(sales) if each.shop == sale.shop]
        at = [other for other, _ in shop].index(place)
        low = 0 if first is None else max(at + first, 0)
        high = len(shop) if last is None else max(at + last + 1, 0)
        known = [amount for _, amount in shop[low:high] if amount is not None]
        total = sum(known) if known else 0
        key = lambda value: (value != value, value)
        expected = (
            total,
            min(known, key=key, default=None),
            max(known, key=key, default=None),
            len(known),
            total / len(known) if known else None,
        )
        assert all(a == b or (a != a and b != b) for a, b in zip(found[place], expected, strict=True)), (
            found,
            expected,
        )


def test_pending_changes_count_and_lists_are_those_of_the_objects(tmp_path: Path) -> None:
    with Session(tmp_path / "s.par") as session:
        session.add_all([Sale(shop=f"s{place % 3}", amount=place, tags=[f"t{place}"]) for place in range(20)])
        session.commit()
        best = func.row_number().over(partition_by=Sale.shop, order_by=desc(Sale.amount))
        statement = select(Sale.id, best.label("best")).order_by(best, Sale.id).limit(3)
        assert [tuple(row) for row in session.execute(statement)] == [(18, 1), (19, 1), (20, 1)]
        session.get_one(Sale, 1).amount = 50
        session.delete(session.get_one(Sale, 20))
        session.add(Sale(shop="s2", amount=70))
        assert [tuple(row) for row in session.execute(statement)] == [(1, 1), (17, 1), (21, 1)]
        before = session.scalars(select(func.lag(Sale.tags).over(order_by=Sale.id)).order_by(Sale.id)).all()
        assert before[0] is None and before[1] is session.get_one(Sale, 1).tags
        before[1].append("seen")
        session.commit()
    with Session.open(tmp_path / "s.par") as session:
        assert session.get_one(Sale, 1).tags == ["t0", "seen"]
        names = session.execute(select(func.sum(Sale.amount).over(), func.rank().over(order_by=Sale.id))).keys()
        assert names == ["sum_amount", "rank"]
        column = session.scalars(select(Sale)).column(func.row_number().over(order_by=desc(Sale.id)))
        assert column.dtype == "int64" and column.tolist() == list(range(20, 0, -1))


def test_the_plan_says_what_is_computed(tmp_path: Path) -> None:
    with Session(tmp_path / "s.par") as session:
        session.add_all([Sale(shop="a", amount=place) for place in range(20)])
        session.commit()
        rank = func.rank().over(partition_by=Sale.shop, order_by=[Sale.amount.desc(), Sale.id])
        plan = session.explain(select(Sale.id, rank).where(Sale.id > 3).order_by(rank).limit(3))
        text = "func.rank().over(partition_by=Sale.shop, order_by=[Sale.amount.desc(), Sale.id])"
        assert f"compute {text}" in plan.steps and f"sort by {text}, the first 3 alone" in plan.steps
        assert "Sale.amount: for window functions" in str(plan)
        assert repr(select(Sale.id, rank)) == f"select(Sale.id, {text})"
        shifted = func.lag(Sale.amount, 2, 0).over(rows=(None, 0), order_by=Sale.id)
        assert str(shifted) == "func.lag(Sale.amount, 2, 0).over(order_by=Sale.id, rows=(None, 0))"


ROWS = select([Sale()])
NUMBER = func.row_number().over(order_by=Sale.id)
MISTAKES: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "in where": (lambda: ROWS.where(NUMBER < 3), ["where(func.row_number()", "subquery()"]),
    "in group_by": (lambda: ROWS.group_by(NUMBER), ["group_by(func.row_number()", "subquery()"]),
    "in having": (lambda: ROWS.having(NUMBER < 3), ["having(func.row_number()", "subquery()"]),
    "in an aggregate": (lambda: func.sum(NUMBER), ["func.sum(func.row_number()", "subquery()"]),
    "in a window function": (lambda: func.lag(NUMBER).over(), ["window function of a window function", "subquery()"]),
    "in an order of one": (lambda: func.rank().over(order_by=NUMBER), ["window function of a window function"]),
    "in an update": (lambda: update([Sale()]).values(id=NUMBER), ["values(func.row_number()", "subquery()"]),
    "an order by a text": (lambda: func.rank().over(order_by="id"), ["order_by", "'id'", "Player.level"]),
    "a partition by a number": (lambda: func.rank().over(partition_by=3), ["partition_by", "3"]),
    "an order as a partition": (lambda: func.rank().over(partition_by=desc(Sale.id)), ["partition_by", "Sale.id.desc"]),
    "a frame of a number": (lambda: func.sum(Sale.id).over(rows=3), ["rows", "(-2, 0)", "3"]),
    "a frame that ends before": (lambda: func.sum(Sale.id).over(rows=(0, -2)), ["rows=(0, -2)"]),
    "a negative distance": (lambda: func.lag(Sale.id, -1), ["func.lag(Sale.id, rows)", "-1"]),
    "a field of another class": (
        lambda: select(Sale).where(Sale.id > 3).order_by(func.rank().over(order_by=col(Row.number))),
        ["Row.number", "Sale"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_where_it_is_written(name: str) -> None:
    build, words = MISTAKES[name]
    with pytest.raises(QueryError) as caught:
        build()
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (func.rank(), ["func.rank() is a window function", "func.rank().over(order_by="]),
        (func.rank().over(order_by=Sale.tags), []),
        (func.rank().over(partition_by=Sale.tags), ["Sale.tags", "hash"]),
        (func.sum(cast(Sale.shop, Decimal)).over(order_by=Sale.id), ["cast(Sale.shop, Decimal)"]),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_named(asked: Any, words: list[str]) -> None:
    with Session(":memory:") as session:
        result = session.execute(select(asked).select_from([Sale(tags=["a"]), Sale(shop="x", tags=["b"])]))
        if not words:
            assert [tuple(row) for row in result] == [(1,), (2,)]
            return
        with pytest.raises(QueryError) as caught:
            result.all()
    assert all(word in str(caught.value) for word in words), caught.value
