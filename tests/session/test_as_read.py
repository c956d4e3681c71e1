"""Many rows that a program holds: which of them changed is found a column at a time, and none is missed."""

from __future__ import annotations

import sys
import tempfile
from datetime import date, datetime
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import Index, Key, Model, Session, ShardedMap, accelerated, save, select
from parcode_orm.lazy.proxy import proxy_state
from parcode_orm.session import as_read, dirty, equality
from tests.effort import half
from tests.small import tuned

pytestmark = pytest.mark.once


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.par"


class Grade(IntEnum):
    LOW = 1
    HIGH = 2


class Row(Model):
    id: int = Key()
    number: int | float | bool
    text: str | None = Index()
    share: float
    day: date
    when: datetime
    price: Decimal
    grade: Grade
    tags: list[int | float | bool]
    notes: dict[str, int]


VALUES: dict[str, list[Any]] = {
    "number": [1, True, 1.0, 0, False, 0.0, -0.0, float("nan"), 10**30],
    "text": ["", "a", None, "\ud800"],
    "share": [0.0, -0.0, 1.0, float("nan"), float("inf")],
    "day": [date(2020, 1, 1), date(2020, 1, 2)],
    "when": [datetime(2020, 1, 1), datetime(2020, 1, 1, fold=1)],
    "price": [Decimal("1.0"), Decimal("1.00"), Decimal("NaN")],
    "grade": [Grade.LOW, Grade.HIGH],
    "tags": [[], [1], [True], [1.0], [0.0], [-0.0], [1, 2]],
    "notes": [{}, {"a": 1}, {"a": 2}, {"a": 1, "b": 2}],
}
COUNT = 100


def row(number: int) -> Row:
    values = {name: each[number % len(each)] for name, each in VALUES.items()}
    return Row.model_construct(id=number, **{name: copied(value) for name, value in values.items()})


def copied(value: Any) -> Any:
    return value.copy() if isinstance(value, list | dict) else value


def contents(session: Any) -> dict[int, str]:
    """All rows, by their texts, which tell `1` from `True` and `0.0` from `-0.0`."""
    return {each.id: repr(each.model_dump()) for each in session.scalars(select(Row)).all()}


STEP = st.sampled_from(sorted(VALUES)).flatmap(
    lambda name: st.tuples(
        st.integers(0, COUNT - 1),
        st.just(name),
        st.sampled_from(VALUES[name]),
        st.sampled_from(["assign", "past", "dict", "in place"]),
    )
)


def change(obj: Any, name: str, value: Any, way: str) -> None:
    if way == "in place" and isinstance(value, list):
        getattr(obj, name)[:] = value
    elif way == "in place" and isinstance(value, dict):
        getattr(obj, name).clear()
        getattr(obj, name).update(value)
    elif way == "past":
        object.__setattr__(obj, name, copied(value))
    elif way == "dict":
        obj.__dict__[name] = copied(value)
    else:
        setattr(obj, name, copied(value))


@half()
@given(st.sets(st.sampled_from(sorted(VALUES))), st.lists(st.lists(STEP, max_size=4), max_size=4), st.booleans())
def test_each_change_of_rows_that_are_held_is_stored(
    read: set[str], commits: list[list[tuple[int, str, Any, str]]], added: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setattr(dirty, "MANY", 1)
        path = Path(directory, "rows.par")
        with tuned(group_rows=16).Session(path) as session:
            made = [row(number) for number in range(COUNT)]
            session.add_all(made if added else iter(made))
            session.commit()
            held = made if added else session.scalars(select(Row).order_by(Row.id)).all()
            for name in read:
                assert [getattr(each, name) for each in held]
            for steps in commits:
                for at, name, value, way in steps:
                    change(held[at], name, value, way)
                expected = {each.id: repr(each.model_dump()) for each in held}
                session.commit()
                with Session.open(path) as again:
                    assert contents(again) == expected
                written = session.stats.bytes_written
                session.commit()
                assert session.stats.bytes_written == written
                assert contents(session) == expected


def test_rows_that_are_held_are_not_compared_one_by_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit compared each of them, field by field, and so did each query by an index."""
    compared = []
    plain = dirty.Comparison.object
    monkeypatch.setattr(dirty.Comparison, "object", lambda *given: compared.append(given) or plain(*given))
    with Session(path) as session:
        made = [row(number) for number in range(1_000)]
        session.add_all(made)
        session.commit()
        session.commit()
        for number in (300, 700):
            made[number].text = "changed"
            made[number + 1].tags.append(number)
        session.commit()
        session.commit()
        assert len(compared) < 10
        assert session.scalars(select(Row).where(Row.text == "changed")).all() == [made[300], made[700]]
    with Session.open(path) as session:
        assert session.get_one(Row, 701).tags == made[701].tags


def test_an_object_that_left_its_row_is_looked_at(path: Path) -> None:
    with Session(path) as session:
        made = [row(number) for number in range(COUNT)]
        session.add_all(made)
        session.commit()
        view, at = proxy_state(made[5])
        assert as_read.elsewhere(view, [at], [made[5]]) == []
        made[5].text = "moves"
        session.commit()
        assert as_read.elsewhere(view, [at], [made[5]]) == [0]


OTHERS: dict[str, Any] = {
    "number": 77,
    "text": None,
    "share": 0.75,
    "day": date(1999, 1, 1),
    "when": datetime(1999, 1, 1),
    "price": Decimal("7.50"),
    "grade": Grade(2),
    "tags": [1, 2, 3],
    "notes": {"a": 3},
}


@pytest.mark.parametrize("name", OTHERS)
def test_rows_that_surely_changed_are_not_encoded_to_compare_them(
    name: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Floats, dates and times that changed were encoded row by row, twice each. 40,000 took 1.2 s, and ints 0.1."""
    digests, plain = [], equality.digest_of
    monkeypatch.setattr(equality, "digest_of", lambda *given: digests.append(given) or plain(*given))
    with Session(path) as session:
        session.add_all(iter([row(number) for number in range(COUNT)]))
        session.commit()
        held = session.scalars(select(Row).order_by(Row.id)).all()
        for each in held:
            setattr(each, name, copied(OTHERS[name]))
        session.commit()
        assert not digests
    with Session.open(path) as session:
        assert {repr(each) for each in session.scalars(select(getattr(Row, name)))} == {repr(OTHERS[name])}


class Bag(Model):
    name: str
    items: list[int]
    notes: list[list[int]]


class Bags(Model):
    bags: dict[str, Bag] = ShardedMap()


@pytest.mark.skipif(not accelerated, reason="the specification of a comparison in C calls itself for each value")
def test_a_commit_of_many_rows_that_changed_in_place_calls_nothing_for_each(path: Path) -> None:
    """Each list was compared by calls of its own, twice, and each row was dropped by one: eleven calls a row."""
    count = 2_000
    save(path, Bags(bags={str(n): Bag(name="", items=[n], notes=[[n]]) for n in range(count)}))
    with Session(path) as session:
        bags = session.root(Bags).bags
        for number, bag in enumerate(bags.values()):
            bag.items.append(1) if number % 2 else bag.notes[0].append(1)
        calls = 0

        def count_call(frame: object, event: str, argument: object) -> None:
            nonlocal calls
            calls += event == "call"

        sys.setprofile(count_call)
        try:
            session.commit()
        finally:
            sys.setprofile(None)
        assert calls < count
    with Session.open(path) as session:
        bags = session.root(Bags).bags
        assert [bag.items for bag in bags.values()] == [[n, 1] if n % 2 else [n] for n in range(count)]
        assert [bag.notes[0] for bag in bags.values()] == [[n] if n % 2 else [n, 1] for n in range(count)]
