"""Random statements, each beside a plain Python evaluation of it over objects, which shares no code with queries."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Iterable
from datetime import UTC, date, timedelta
from functools import cmp_to_key
from typing import Any, NamedTuple

from hypothesis import strategies as st

from parcode_orm import all_, any_, col, func, len_
from tests.query.models import (
    BIG,
    DAYS,
    DURATIONS,
    FLOATS,
    MOMENTS,
    MONEY,
    NUMBERS,
    TEXTS,
    Color,
    Item,
    Rank,
    Row,
)

Pair = tuple[Any, Any]  # key and object
Plain = Callable[[Any, Any], Any]  # of key and object


class Both(NamedTuple):
    """An expression, and what it says as a function of key and object; `values` are some to compare it with."""

    said: Any
    plain: Plain
    values: list[Any]
    ordered: bool = True


def at(*names: str) -> Plain:
    def find(key: Any, value: Any) -> Any:
        for name in names:
            value = None if value is None else getattr(value, name)
        return value

    return find


def field(path: str, values: list[Any], *, ordered: bool = True) -> Both:
    return Both(col(Row, path), at(*path.split(".")), values, ordered)


NUMERIC = [
    field("number", NUMBERS),
    field("level", [*NUMBERS, 2.5]),
    field("big", [*BIG, 0.5, 1e30]),
    field("score", [*FLOATS, 3, 1 << 60, float("inf")]),
    field("bonus", [*FLOATS, float("nan")]),
    field("active", [True, False]),
    field("money", [*MONEY, 1, 2.5]),
    field("rank", [*Rank, 2]),
    field("place.x", NUMBERS),
    field("place.y", FLOATS),
    field("home.x", NUMBERS),
    field("home.y", FLOATS),
    field("base.x", NUMBERS),
    field("shape.sides", NUMBERS),
    field("point.x", NUMBERS),
    Both(len_(Row.spare), lambda key, row: None if row.spare is None else len(row.spare), [0, 1, 2]),
    Both(Row.told.minute, lambda key, row: row.told.minute, [0, 30, 59]),
    Both(func.coalesce(Row.bonus, Row.score), lambda key, row: row.score if row.bonus is None else row.bonus, FLOATS),
    Both(func.abs(Row.number), lambda key, row: abs(row.number), NUMBERS),
    Both(-col(Row.level), lambda key, row: -row.level, NUMBERS),
    Both(func.round(Row.score), lambda key, row: round(row.score), NUMBERS),
    Both(Row.items[0].price, lambda key, row: row.items[0].price if row.items else None, NUMBERS),
    Both(len_(Row.tags), lambda key, row: len(row.tags), [0, 1, 2]),
    Both(len_(Row.kinds), lambda key, row: len(row.kinds), [0, 1, 2]),
    Both(len_(Row.visits), lambda key, row: len(row.visits), [0, 1, 2]),
    Both(len_(Row.name), lambda key, row: len(row.name), [0, 1, 2]),
    Both(Row.born.year, lambda key, row: row.born.year, [1999, 2000, 2024]),
    Both(Row.died.month, lambda key, row: row.died and row.died.month, [1, 2, 6, 12]),
    Both(Row.seen.hour, lambda key, row: row.seen.hour, [0, 12, 23]),
    Both(Row.born.weekday(), lambda key, row: row.born.weekday(), [0, 3, 5]),
    Both(Row.played.days, lambda key, row: row.played.days, [0, 3]),
    Both(Row.notes["a"], lambda key, row: row.notes.get("a"), NUMBERS),
]
TEXTUAL = [
    field("name", TEXTS),
    field("guild", ["red", "blue", "x"]),
    field("alias", TEXTS),
    field("place.note", TEXTS),
    field("home.note", TEXTS),
    field("shape.label", TEXTS),
    Both(Row.color.value, lambda key, row: row.color.value, ["red", "green"]),
    Both(Row.name.lower(), lambda key, row: row.name.lower(), TEXTS),
]
OTHERS = [
    field("born", DAYS),
    field("died", DAYS),
    field("seen", MOMENTS),
    field("played", DURATIONS),
    field("told", [moment.replace(tzinfo=UTC) for moment in MOMENTS]),
    Both(Row.seen - Row.seen, lambda key, row: row.seen - row.seen, DURATIONS),
    Both(date(2024, 6, 1) - Row.born, lambda key, row: date(2024, 6, 1) - row.born, DURATIONS),
    Both(Row.died + timedelta(days=1), lambda key, row: row.died and row.died + timedelta(days=1), DAYS),
    Both(Row.seen.date(), lambda key, row: row.seen.date(), DAYS),
    field("color", list(Color), ordered=False),
    Both(func.key(), lambda key, row: key, ["k1", "k2", 3], False),
]


def less(a: Any, b: Any) -> bool:
    return a is not None and b is not None and a < b


COMPARE: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "==": (lambda a, b: a == b, lambda a, b: a == b),
    "!=": (lambda a, b: a != b, lambda a, b: a != b),
    "<": (lambda a, b: a < b, less),
    ">": (lambda a, b: a > b, lambda a, b: less(b, a)),
    "<=": (lambda a, b: a <= b, lambda a, b: a is not None and b is not None and a <= b),
    ">=": (lambda a, b: a >= b, lambda a, b: a is not None and b is not None and a >= b),
}
TESTS: dict[str, tuple[Callable[[Any, str], Any], Callable[[str, str], bool]]] = {
    "startswith": (lambda a, b: a.startswith(b), lambda a, b: a.startswith(b)),
    "endswith": (lambda a, b: a.endswith(b), lambda a, b: a.endswith(b)),
    "contains": (lambda a, b: a.contains(b), lambda a, b: b in a),
    "regexp": (lambda a, b: a.regexp(b), lambda a, b: re.search(b, a) is not None),
    "like": (lambda a, b: a.like(b), lambda a, b: like(a, b)),
    "ilike": (lambda a, b: a.ilike(b), lambda a, b: like(a.lower(), b.lower())),
}


def like(text: str, pattern: str) -> bool:
    """As SQL says, by trying each place."""
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(like(text[at:], pattern[1:]) for at in range(len(text) + 1))
    return bool(text) and pattern[0] in ("_", text[0]) and like(text[1:], pattern[1:])


@st.composite
def numbers(draw: Any) -> Both:
    """A number: a field, or computed of two."""
    one = draw(st.sampled_from(NUMERIC))
    if draw(st.integers(0, 3)):
        return one
    simple = [each for each in NUMERIC if each.said is not NUMERIC[6].said]
    one, other = draw(st.sampled_from(simple)), draw(st.sampled_from(simple))
    sign = draw(st.sampled_from("+-*"))

    def plain(key: Any, row: Any) -> Any:
        a, b = one.plain(key, row), other.plain(key, row)
        if a is None or b is None:
            return None
        return a + b if sign == "+" else a - b if sign == "-" else a * b

    said = one.said + other.said if sign == "+" else one.said - other.said if sign == "-" else one.said * other.said
    return Both(said, plain, [*NUMBERS, 0.5])


def values() -> st.SearchStrategy[Both]:
    return numbers() | st.sampled_from([*TEXTUAL, *OTHERS])


@st.composite
def comparisons(draw: Any) -> Both:
    one = draw(values())
    value = draw(st.sampled_from(one.values))
    how = draw(st.integers(0, 6))
    if how == 0:
        found = draw(st.lists(st.sampled_from([*one.values, None]), max_size=3))
        return Both(one.said.in_(found), lambda key, row: one.plain(key, row) in found, [])
    if how == 1:
        return Both(one.said == None, lambda key, row: one.plain(key, row) is None, [])  # noqa: E711
    if how == 2 and one.ordered:
        low, high = sorted([value, draw(st.sampled_from(one.values))])
        inside = COMPARE[">="][1], COMPARE["<="][1]
        return Both(
            one.said.between(low, high),
            lambda key, row: inside[0](one.plain(key, row), low) and inside[1](one.plain(key, row), high),
            [],
        )
    said, plain = COMPARE[draw(st.sampled_from(list(COMPARE) if one.ordered else ["==", "!="]))]
    if how == 3:
        return Both(said(value, one.said), lambda key, row: plain(value, one.plain(key, row)), [])
    return Both(said(one.said, value), lambda key, row: plain(one.plain(key, row), value), [])


@st.composite
def comparisons_of_two(draw: Any) -> Both:
    group = draw(st.sampled_from([NUMERIC, TEXTUAL, OTHERS[:2]]))
    one, other = draw(st.sampled_from(group)), draw(st.sampled_from(group))
    said, plain = COMPARE[draw(st.sampled_from(list(COMPARE)))]
    return Both(said(one.said, other.said), lambda key, row: plain(one.plain(key, row), other.plain(key, row)), [])


@st.composite
def text_tests(draw: Any) -> Both:
    one = draw(st.sampled_from(TEXTUAL))
    name = draw(st.sampled_from(list(TESTS)))
    said, plain = TESTS[name]
    part = draw(st.sampled_from(["", "a", "b", "ab", "abcdefghij", "%", "a%", "_b%", "%c", "z_"]))
    return Both(
        said(one.said, part),
        lambda key, row: one.plain(key, row) is not None and plain(one.plain(key, row), part),
        [],
    )


ITEMS = [
    Both(Item.price, lambda item: item.price, NUMBERS),
    Both(Item.kind, lambda item: item.kind, TEXTS[:3]),
    Both(Item.where.x, lambda item: item.where and item.where.x, NUMBERS),
]


@st.composite
def quantified(draw: Any) -> Both:
    said, plain = COMPARE[draw(st.sampled_from(list(COMPARE)))]
    every = draw(st.booleans())
    kind = draw(st.integers(0, 3))
    if kind in (1, 2):
        names, one = ("tags", TEXTS) if kind == 1 else ("visits", NUMBERS)
        value = draw(st.sampled_from(one))
        condition = said(func.item(), value)
        test = lambda item: plain(item, value)
    else:
        names = "items" if kind == 0 else "spare"
        each = draw(st.sampled_from(ITEMS))
        value = draw(st.sampled_from(each.values))
        condition = said(each.said, value)
        test = lambda item: plain(each.plain(item), value)
    joined = (all_ if every else any_)(col(Row, names), condition)
    return Both(joined, lambda key, row: (all if every else any)(test(item) for item in getattr(row, names) or ()), [])


def memberships() -> st.SearchStrategy[Both]:
    return st.sampled_from(NUMBERS).map(
        lambda value: Both(Row.kinds.contains(value), lambda key, row: value in row.kinds, [])
    ) | st.sampled_from(TEXTS).map(lambda value: Both(Row.tags.contains(value), lambda key, row: value in row.tags, []))


def _and(pair: tuple[Both, Both]) -> Both:
    a, b = pair
    return Both(a.said & b.said, lambda key, row: a.plain(key, row) and b.plain(key, row), [])


def _or(pair: tuple[Both, Both]) -> Both:
    a, b = pair
    return Both(a.said | b.said, lambda key, row: a.plain(key, row) or b.plain(key, row), [])


def conditions() -> st.SearchStrategy[Both]:
    leaves = comparisons() | comparisons_of_two() | text_tests() | quantified() | memberships()
    leaves |= st.just(Both(Row.active, lambda key, row: row.active, []))
    return st.recursive(
        leaves,
        lambda inner: (
            st.tuples(inner, inner).map(_and)
            | st.tuples(inner, inner).map(_or)
            | inner.map(lambda a: Both(~a.said, lambda key, row: not a.plain(key, row), []))
        ),
        max_leaves=4,
    )


# -- order ------------------------------------------------------------------------------------------------------------


class Order(NamedTuple):
    said: Any
    plain: Plain
    descending: bool
    first: bool


@st.composite
def orders(draw: Any) -> Order:
    one = draw(st.sampled_from([each for each in [*NUMERIC, *TEXTUAL, *OTHERS] if each.ordered]))
    said, descending = one.said, draw(st.booleans())
    if descending:
        said = said.desc()
    first = not descending
    nulls = draw(st.integers(0, 2))
    if nulls:
        first = nulls == 1
        said = said.nulls_first() if first else said.nulls_last()
    return Order(said, one.plain, descending, first)


def compared(order: Order, a: Any, b: Any) -> int:
    if a is None or b is None:
        if a is None and b is None:
            return 0
        return -1 if (a is None) == order.first else 1
    if a == b or a is b:
        return 0
    return -1 if (a < b) != order.descending else 1


def in_order(pairs: Iterable[Pair], orders: list[Order]) -> list[Pair]:
    def compare(a: Pair, b: Pair) -> int:
        for order in orders:
            found = compared(order, order.plain(*a), order.plain(*b))
            if found:
                return found
        return 0

    return sorted(pairs, key=cmp_to_key(compare))


# -- groups ------------------------------------------------------------------------------------------------------------


def known(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def added(values: list[Any]) -> Any:
    total = values[0] if values else 0
    for value in values[1:]:
        total = total + value
    return total


def mean(values: list[Any]) -> Any:
    return added(values) / len(values) if values else None


AGGREGATES: dict[str, tuple[Callable[[Any], Any], Callable[[list[Any]], Any], list[Both]]] = {
    "count": (func.count, len, [*NUMERIC, *TEXTUAL, *OTHERS]),
    "count_distinct": (func.count_distinct, lambda values: len(set(values)), [*NUMERIC, *TEXTUAL, *OTHERS]),
    "sum": (func.sum, added, NUMERIC),
    "avg": (func.avg, mean, NUMERIC),
    "min": (func.min, lambda values: min(values, default=None), [*NUMERIC, *TEXTUAL, *OTHERS[:4]]),
    "max": (func.max, lambda values: max(values, default=None), [*NUMERIC, *TEXTUAL, *OTHERS[:4]]),
    "stddev": (
        func.stddev,
        lambda values: statistics.stdev(map(float, values)) if len(values) > 1 else None,
        [*NUMERIC[:2], *NUMERIC[3:]],
    ),
}


@st.composite
def aggregates(draw: Any) -> tuple[Any, Callable[[list[Pair]], Any]]:
    said, plain, of = AGGREGATES[draw(st.sampled_from(list(AGGREGATES)))]
    one = draw(st.sampled_from(of))
    return said(one.said), lambda pairs: plain(known(one.plain(*pair) for pair in pairs))


def grouped(pairs: Iterable[Pair], by: list[Both]) -> dict[tuple[Any, ...], list[Pair]]:
    found: dict[tuple[Any, ...], list[Pair]] = {} if by else {(): []}
    for pair in pairs:
        found.setdefault(tuple(each.plain(*pair) for each in by), []).append(pair)
    return found


def alike(a: Any, b: Any) -> bool:
    """Equal, but for the last digits of floats."""
    if isinstance(a, float) or isinstance(b, float):
        if a is None or b is None:
            return a is b
        return bool(a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9))
    return bool(a == b) and (type(a) is type(b) or isinstance(a, int))
