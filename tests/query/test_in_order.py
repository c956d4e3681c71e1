"""An index gives its order: the first entities, and the smallest and largest values, are read from one end of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from parcode_orm import Index, Key, Model, QueryError, Session, col, desc, func, select, update
from parcode_orm.query.expressions.nodes import Ordering
from parcode_orm.session.entity import in_order
from tests.query.plainly import Order
from tests.query.plainly import in_order as sorted_plainly

pytestmark = pytest.mark.once

COUNT = 6_000
NAN = float("nan")


class Place(Model):
    height: int | None = None


class Trade(Model):
    id: int = Key(auto=True)
    price: int = Index(default=0)
    score: float = Index(default=0.0)
    note: str | None = Index(default=None)
    level: int = Index(default=0)
    at: datetime = Index(default=datetime(2020, 1, 1))
    money: Decimal = Index(default=Decimal(0))
    place: Place | None = None
    guild: str = ""
    rank: int | None = None
    weight: float | None = None
    text: str = ""
    __indexes__ = (
        Index("guild", "rank", "price"),
        Index("guild", "weight"),
        Index("level", "score", "price"),
        Index("guild", "at"),
        Index("place.height"),
    )


def trade(n: int) -> Trade:
    return Trade(
        price=n * 7919 % 10_007, score=n * 31 % 997 / 4, note=None if n % 3 else f"note {n}", level=n % 5,
        at=datetime(2020, 1, 1) + timedelta(minutes=n * 37 % COUNT), money=Decimal(n % 4_999) / 4,
        place=Place(height=n) if n % 2 else None, guild=f"g{n % 20}", rank=n % 50 or None,
        weight=n % 45 / 2 if n % 9 else None, text="x" * 60,
    )  # fmt: skip


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("order") / "t.par"
    with Session(path, durability="fast") as session:
        session.add_all(map(trade, range(COUNT)))
        session.commit()
    return path


@pytest.fixture
def session(stored: Path, tmp_path: Path) -> Iterator[Session]:
    path = tmp_path / "t.par"
    path.write_bytes(stored.read_bytes())
    with Session(path, durability="fast") as session:
        yield session


def by(*keys: Any) -> list[Order]:
    """Orders of fields, for the plain evaluation."""
    found = [each if isinstance(each, Ordering) else Ordering(each) for each in keys]
    return [Order(each, plain(each._of._path), each._descending, each._first) for each in found]


def plain(path: tuple[str, ...]) -> Any:
    def value(key: Any, row: Any) -> Any:
        for name in path:
            row = None if row is None else getattr(row, name)
        return row

    return value


def check(session: Session, keys: list[Any], *where: Any, holds: Any = lambda row: True, taken: bool = True) -> None:
    """The first rows, those of a page in the middle, and with an offset are what Python sorts first."""
    rows = [(row.id, row) for row in session.scalars(select(Trade)) if holds(row)]
    expected = [row for _, row in sorted_plainly(rows, by(*keys))]
    del rows
    statement = select(Trade).where(*where).order_by(*keys)
    told = str(session.explain(statement.limit(10)))
    assert (" in the order of the index of " in told) == taken, told
    assert session.scalars(statement.limit(10)).all() == expected[:10]
    assert session.scalars(statement.limit(3).offset(9)).all() == expected[9:12]
    assert session.scalars(statement).first() is (expected[0] if expected else None)
    if len(expected) > 20:
        marks = tuple(order.plain(0, expected[14]) for order in by(*keys))
        rest = [row for row in expected[14:] if tuple(order.plain(0, row) for order in by(*keys)) != marks]
        page = statement.limit(5, after=marks)
        assert session.scalars(page).all() == rest[:5], session.explain(page)


TAKEN: list[tuple[list[Any], list[Any], Any]] = [
    ([Trade.price], [], lambda row: True),
    ([desc(Trade.price)], [], lambda row: True),
    ([desc(Trade.price), Trade.id], [Trade.price < 5_000], lambda row: row.price < 5_000),
    ([Trade.price], [Trade.price > 70, Trade.price <= 5_000], lambda row: 70 < row.price <= 5_000),
    ([Trade.score, desc(Trade.text), Trade.level], [], lambda row: True),
    ([desc(Trade.score)], [], lambda row: True),
    ([desc(Trade.note)], [], lambda row: True),
    ([col(Trade.note).asc().nulls_last()], [], lambda row: True),
    ([Trade.note], [Trade.note.startswith("note 4")], lambda row: (row.note or "").startswith("note 4")),
    ([Trade.note], [], lambda row: True),
    ([desc(Trade.place.height)], [], lambda row: True),
    ([desc(Trade.at)], [], lambda row: True),
    ([Trade.money], [], lambda row: True),
    ([Trade.rank, Trade.price], [Trade.guild == "g7"], lambda row: row.guild == "g7"),
    ([desc(Trade.rank), desc(Trade.price)], [Trade.guild == "g7"], lambda row: row.guild == "g7"),
    (
        [Trade.guild, Trade.rank, Trade.price], [Trade.guild == "g7", Trade.rank > 9],
        lambda row: row.guild == "g7" and (row.rank or 0) > 9,
    ),
    ([Trade.price], [Trade.guild == "g7", Trade.rank == 7], lambda row: row.guild == "g7" and row.rank == 7),
    ([Trade.at], [Trade.guild == "g7"], lambda row: row.guild == "g7"),
    ([Trade.score], [Trade.level == 2], lambda row: row.level == 2),  # the price does not tell rows of one score apart
    (
        [desc(Trade.weight)], [Trade.guild == "g7", Trade.weight < 9],
        lambda row: row.guild == "g7" and row.weight is not None and row.weight < 9,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "where", "holds"), TAKEN, ids=lambda each: "" if callable(each) else str(each)[:50])
def test_the_first_rows_are_read_in_the_order_of_an_index(
    session: Session, keys: list[Any], where: list[Any], holds: Any
) -> None:
    check(session, keys, *where, holds=holds)


LEFT: list[tuple[list[Any], list[Any], Any]] = [
    ([Trade.text], [], lambda row: True),
    ([Trade.level], [], lambda row: True),  # 1,200 rows have the first value
    ([Trade.price], [Trade.level == 2], lambda row: row.level == 2),
    ([Trade.price], [Trade.price != 5], lambda row: row.price != 5),
    ([Trade.price], [(Trade.price < 5_000) | (Trade.level == 2)], lambda row: row.price < 5_000 or row.level == 2),
    ([Trade.price], [Trade.note != None], lambda row: row.note is not None),  # noqa: E711
    ([Trade.weight], [Trade.guild == "g7"], lambda row: row.guild == "g7"),  # None and NaN stand in one place
    ([col(Trade.rank).asc().nulls_last()], [Trade.guild == "g10"], lambda row: row.guild == "g10"),
    ([Trade.price], [Trade.price.in_([1, 2, 3])], lambda row: row.price in (1, 2, 3)),  # type: ignore[attr-defined]
]


@pytest.mark.parametrize(("keys", "where", "holds"), LEFT, ids=lambda each: "" if callable(each) else str(each)[:50])
def test_other_orders_and_conditions_are_not(session: Session, keys: list[Any], where: list[Any], holds: Any) -> None:
    check(session, keys, *where, holds=holds, taken=False)


def test_many_rows_are_sorted_and_not_looked_up(session: Session) -> None:
    assert "scan" in str(session.explain(select(Trade).order_by(Trade.price).limit(500)))
    assert "scan" in str(session.explain(select(Trade).order_by(Trade.price)))
    assert "scan" in str(session.explain(select(Trade.price).distinct().order_by(Trade.price).limit(5)))
    assert (
        session.scalars(select(Trade.price).distinct().order_by(Trade.price).limit(3)).all()
        == (sorted(session.scalars(select(Trade.price)))[:3])
    )


@pytest.mark.parametrize("committed", [False, True])
def test_changes_stand_where_they_belong(session: Session, committed: bool) -> None:
    lowest = session.scalars(select(Trade).order_by(Trade.price).limit(9)).all()
    highest = session.scalars(select(Trade).order_by(desc(Trade.price)).limit(4)).all()
    for each in (lowest[0], *lowest[3:]):
        session.delete(each)
    lowest[1].price = 20_000
    lowest[2].id = 90_000
    highest[0].price = -1
    highest[1].note = "changed"
    session.add_all([Trade(price=-2, note="a"), Trade(price=5_000), Trade(price=30_000, note="zz")])
    if committed:
        session.commit()
    del lowest, highest
    for keys in ([Trade.price], [desc(Trade.price)], [desc(Trade.note)], [desc(Trade.price), Trade.id]):
        check(session, keys)
    check(session, [Trade.price], Trade.price >= 4_999, holds=lambda row: row.price >= 4_999)
    assert tuple(session.execute(select(func.min(Trade.price), func.max(Trade.price))).one()) == (-2, 30_000)
    session.execute(update(Trade).where(Trade.level == 3).values(price=Trade.price - 50_000))
    check(session, [Trade.price], taken=False)
    session.commit()
    check(session, [Trade.price])
    session.rollback()


def test_indexes_of_many_runs_are_merged(session: Session) -> None:
    draw = random.Random(5)
    for size in (3_000, 1_000, 300, 90, 20, 1):
        for key in draw.sample(range(1, COUNT), size):
            one = session.get_one(Trade, key)
            one.price, one.note, one.score = draw.randrange(10_007), draw.choice([None, f"note {key}"]), key / 8
        session.commit()
    for keys in ([Trade.price], [desc(Trade.price)], [desc(Trade.note)], [Trade.note], [desc(Trade.score)]):
        check(session, keys)
    assert session.scalar(select(func.max(Trade.price))) == max(session.scalars(select(Trade.price)))


def test_none_and_nan_that_come_first_are_found_beside_the_index(session: Session) -> None:
    for key, score in ((70, NAN), (5_000, NAN), (5_001, 5_000.0)):
        session.get_one(Trade, key).score = score
    session.commit()
    found = session.scalars(select(Trade).order_by(desc(Trade.score)).limit(4))
    assert [row.id for row in found][:3] == [70, 5_000, 5_001]
    assert "in the order of the index of score" in str(
        session.explain(select(Trade).order_by(desc(Trade.score)).limit(4))
    )
    assert str(session.scalar(select(func.max(Trade.score)))) == "nan"
    assert session.scalar(select(func.min(Trade.score))) == 0.0
    session.get_one(Trade, 70).score = 0.5
    session.get_one(Trade, 5_000).score = 0.5
    assert session.scalar(select(func.max(Trade.score))) == 5_000.0
    session.rollback()
    session.get_one(Trade, 8).weight = NAN
    session.commit()
    heavy = select(Trade).where(Trade.guild == "g7").order_by(desc(Trade.weight)).limit(2)
    assert session.scalars(heavy).first() is session.get_one(Trade, 8)
    assert str(session.scalar(select(func.max(Trade.weight)).where(Trade.guild == "g7"))) == "nan"


ENDS: list[tuple[list[Any], list[Any], str]] = [
    ([func.min(Trade.price), func.max(Trade.price)], [], "read 2 values of the index of price alone"),
    ([func.max(Trade.score)], [], "rows at the ends of the index of score"),
    ([func.min(Trade.score)], [Trade.score > 7], "rows at the ends of the index of score (score > 7)"),
    ([func.max(Trade.price), func.min(Trade.note)], [], "rows at the ends of the index of price and the index of note"),
    ([func.max(Trade.price)], [Trade.price < 77], "read 1 values of the index of price (price < 77) alone"),
    (
        [func.min(Trade.rank)],
        [Trade.guild == "g10"],
        "read 1 values of the index of guild, rank, price (guild == 'g10')",
    ),
    ([func.max(Trade.at)], [Trade.guild == "g7"], "at the ends of the index of guild, at (guild == 'g7')"),
    ([func.min(Trade.level)], [], "read 1 values of the index of level alone"),
    ([func.min(Trade.place.height)], [], "read 1 values of the index of place.height alone"),
    ([func.max(Trade.price), func.count()], [], "scan"),
    ([func.max(Trade.price), func.max(Trade.text)], [], "scan"),
    ([func.max(Trade.price)], [Trade.level == 2], "scan"),
    ([func.min(Trade.weight)], [Trade.guild == "g7"], "scan"),
]


@pytest.mark.parametrize(("asked", "where", "named"), ENDS, ids=lambda each: "" if callable(each) else str(each)[:50])
def test_the_smallest_and_the_largest_value_are_at_the_ends_of_an_index(
    session: Session, asked: list[Any], where: list[Any], named: str
) -> None:
    statement = select(*asked).select_from(Trade).where(*where)
    assert named in str(session.explain(statement)), session.explain(statement)
    plain = select(*asked).select_from(list(session.scalars(select(Trade)))).where(*where)
    assert tuple(session.execute(statement).one()) == tuple(session.execute(plain).one())


class Event(Model):
    id: int = Key(auto=True)
    at: datetime = Index()
    __indexes__ = ()


BERLIN = ZoneInfo("Europe/Berlin")
CHANGE = datetime(2024, 10, 27, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("zone", [None, UTC, timezone(timedelta(hours=2)), BERLIN, "mixed"])
def test_times_are_in_the_order_in_which_they_compare(tmp_path: Path, zone: Any) -> None:
    """In one zone, clocks are compared: they go back in October, and moments do not."""
    moments = [CHANGE + timedelta(minutes=7 * n) for n in range(900)]
    if zone is None:
        moments = [moment.replace(tzinfo=None) for moment in moments]
    elif zone != "mixed":
        moments = [moment.astimezone(zone) for moment in moments]
    else:
        moments[100] = moments[100].replace(tzinfo=None)
    with Session(tmp_path / "e.par") as session:
        session.add_all([Event(at=moment) for moment in moments])
        session.commit()
        for descending in (False, True):
            key: Any = desc(Event.at) if descending else Event.at
            statement = select(Event.at).order_by(key).limit(12)
            if zone == "mixed":
                with pytest.raises(QueryError, match="no order"):
                    session.scalars(statement).all()
                continue
            assert session.scalars(statement).all() == sorted(moments, reverse=descending)[:12]
            assert ("scan" in str(session.explain(statement))) == (zone is BERLIN)
        if zone != "mixed":
            assert session.scalar(select(func.max(Event.at))) == max(moments)


def test_few_entries_are_read(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0
    real = in_order.entries_of

    def counted(*args: Any) -> Iterator[Any]:
        nonlocal count
        for entry in real(*args):
            count += 1
            yield entry

    monkeypatch.setattr(in_order, "entries_of", counted)
    assert len(session.scalars(select(Trade).order_by(desc(Trade.price)).limit(10)).all()) == 10
    assert count <= 20
    count = 0
    session.scalars(select(Trade).order_by(Trade.level).limit(10)).all()
    assert count <= 200  # then a scan is as fast


def test_entities_without_a_value_fill_a_page_that_ends_with_them(session: Session) -> None:
    for row in session.scalars(select(Trade).where(Trade.note != None)):  # noqa: E711
        row.note = "a" if row.id < 8 else None
    session.commit()
    check(session, [desc(Trade.note)], taken=False)
    check(session, [col(Trade.note).asc().nulls_last(), Trade.price], taken=False)
    check(session, [Trade.note], taken=False)
    assert session.scalar(select(func.max(Trade.note))) == "a"
