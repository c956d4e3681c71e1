"""Indexes of several fields, of nested fields and of items: unique values, None on the way, changes of every kind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from parcode_orm import (
    EncodeError,
    Index,
    IntegrityError,
    Key,
    Model,
    QueryError,
    Session,
    any_,
    col,
    func,
    select,
    verify,
)
from parcode_orm.model.indexes import indexes_of
from parcode_orm.session.entity import indexes, queries
from parcode_orm.session.entity.tables import find_table
from parcode_orm.session.entity.values import field_values, index_column
from tests.small import tuned

pytestmark = pytest.mark.once


class Tint(Enum):
    RED = "red"
    BLUE = "blue"


class Place(Model):
    city: str | None = None
    zip: int | None = None


@dataclass
class Size:
    height: float
    tint: Tint | None = None


class Point(NamedTuple):
    x: int
    places: list[Place] = []


class Marks(TypedDict):
    best: int


class Bill(BaseModel):
    price: int
    lines: list[str] = []


class Hero(Model):
    id: int = Key(auto=True)
    name: str = ""
    realm: str | None = None
    level: int | None = None
    score: float | None = None
    home: Place | None = None
    size: Size | None = None
    point: Point | None = None
    marks: Marks | None = None
    bills: list[Bill] = []
    tags: list[str] = Index(default=[])
    kinds: frozenset[Tint] | None = Index(default=None)
    pair: tuple[str, ...] = Index(default=())
    seen: list[datetime] = Index(default=[])
    __indexes__ = (
        Index("name", "realm", unique=True),
        Index("realm", "level"),
        Index("realm", "score", "level"),
        Index("home.city"),
        Index("home.city", "level"),
        Index("size.tint", "size.height"),
        Index("point.places[].zip"),
        Index("marks.best"),
        Index("bills[].price"),
        Index("bills[].lines[]"),
    )


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "SHARE", 1)
    monkeypatch.setattr(indexes, "STEP", 4)


def ids(session: Session, *conditions: Any, by: str = "") -> list[int]:
    statement = select(Hero).where(*conditions)
    if by:
        assert f"by the index of {by} (" in str(session.explain(statement))
    return sorted(session.scalars(select(Hero.id).where(*conditions)))


# -- unique values of several fields -----------------------------------------------------------------------------------


def test_values_that_are_unique_together_may_each_occur_again(tmp_path: Path) -> None:
    with Session(tmp_path / "h.par") as session:
        session.add_all([Hero(name="a", realm="x"), Hero(name="a", realm="y"), Hero(name="b", realm="x")])
        session.add_all([Hero(name="a", realm=None), Hero(name="a", realm=None)])
        session.commit()
        one = session.scalars(select(Hero).where(Hero.name == "a", Hero.realm == "y"))
        assert one.one().id == 2
        session.add(Hero(name="a", realm="x"))
        with pytest.raises(
            IntegrityError,
            match=r"Hero\.\(name, realm\): \('a', 'x'\) is the value of two objects, id=1 and id=6, and the fields are "
            "unique together: change one of them, or delete it",
        ):
            session.commit()
        session.get_one(Hero, 1).realm = "z"
        session.commit()
        assert session.get_or_create(Hero, name="a", realm="x")[0].id == 6
        assert [session.get_or_create(Hero, name="a", realm=realm)[1] for realm in ("z", "w")] == [False, True]


def test_values_that_are_unique_together_may_be_swapped(tmp_path: Path) -> None:
    with Session(tmp_path / "h.par") as session:
        session.add_all([one := Hero(name="a", realm="x"), other := Hero(name="b", realm="y")])
        session.commit()
        one.realm, other.realm = other.realm, one.realm
        one.name, other.name = other.name, one.name
        session.commit()
        assert ids(session, Hero.name == "a", Hero.realm == "x") == [2]
        session.delete(other)
        one.name, one.realm = "a", "x"
        session.commit()
        assert ids(session, Hero.name == "a", Hero.realm == "x") == [1]


class Account(Model):
    id: int = Key(auto=True)
    owner: Place | None = None
    __indexes__ = (Index("owner.zip", unique=True), Index("id", "owner.city", unique=True))


def test_a_nested_field_may_be_unique(tmp_path: Path) -> None:
    with Session(tmp_path / "a.par") as session:
        session.add_all([Account(owner=Place(zip=1)), Account(), Account(owner=Place()), Account(owner=Place(zip=2))])
        session.commit()
        one = session.get_one(Account, 1)
        one.owner = Place(zip=2)
        with pytest.raises(IntegrityError, match=r"Account\.owner\.zip: 2 is the value of two objects, .*the field is"):
            session.commit()
        session.get_one(Account, 4).owner.zip = 1  # type: ignore[union-attr]
        session.commit()
        statement = select(Account).where(Account.owner.zip == 2)
        assert session.scalars(statement).one() is one
        assert "by the index of owner.zip" in str(session.explain(statement))
        assert session.get_or_create(Account, owner__zip=1) == (session.get_one(Account, 4), False)


def test_streamed_entities_that_are_not_unique_together_are_refused_whole(tmp_path: Path) -> None:
    path = tmp_path / "h.par"
    with Session(path) as session:
        session.add_all(Hero(name=f"n{at % 5_000}", realm="x") for at in range(5_001))
        with pytest.raises(IntegrityError, match=r"Hero\.\(name, realm\): \('n0', 'x'\)"):
            session.commit()
    assert not path.exists()


def test_reading_nested_values_and_items_of_streamed_entities_hides_none_of_them(tmp_path: Path) -> None:
    """Lists that the first index read were held from then on, and the next index took their rows for changed ones."""
    with Session(tmp_path / "h.par") as session:
        bills = [Bill(price=1)]
        session.add_all(Hero(name=f"n{at}", realm="x", home=Place(city="Rome"), bills=bills) for at in range(5_000))
        session.add(Hero(name="last", realm="x", bills=[Bill(price=8)]))
        held = session.get_one(Hero, 7)
        held.bills[0].price = 9
        session.commit()
        table = find_table(session._work, Hero)
        assert table is not None
        assert len(getattr(table.obj, "by_name, realm")) == 5_001
        assert sum(len(run.entries) for run in getattr(table.obj, "index_bills[].price")) == 5_001
        assert sum(len(run.entries) for run in getattr(table.obj, "index_home.city")) == 5_000
        assert ids(session, any_(Hero.bills, col(Bill, "price") > 8), by="bills[].price") == [7]


# -- None on the way ---------------------------------------------------------------------------------------------------


def test_none_on_the_way_is_no_value_of_an_index_and_hides_no_entity(tmp_path: Path) -> None:
    with Session(tmp_path / "h.par") as session:
        session.add_all(each.model_copy(update={"name": str(at)}) for at, each in enumerate([
            Hero(realm="x", level=None), Hero(realm="x", level=3, home=Place()), Hero(realm=None, level=3),
            Hero(realm="x", score=float("nan"), level=1), Hero(realm="x", score=1.0, home=Place(city="Rome")),
            Hero(home=Place(city="Rome"), level=4),
        ]))  # fmt: skip
        session.commit()
        assert ids(session, Hero.realm == "x") == [1, 2, 4, 5]
        assert ids(session, Hero.realm == "x", Hero.level < 9, by="realm, level") == [2, 4]
        assert ids(session, Hero.realm == "x", Hero.level == None) == [1, 5]  # noqa: E711
        assert ids(session, Hero.realm == "x", Hero.score > 0, by="realm, score, level") == [5]
        assert ids(session, Hero.realm == "x", Hero.score != Hero.score) == [4]
        assert ids(session, Hero.home.city == "Rome", by="home.city") == [5, 6]
        assert ids(session, Hero.home.city == "Rome", Hero.level >= 4, by="home.city, level") == [6]
        assert ids(session, Hero.home.city == None) == [1, 2, 3, 4]  # noqa: E711


# -- values of every kind of object ------------------------------------------------------------------------------------


def test_paths_lead_through_every_kind_of_object(tmp_path: Path) -> None:
    with Session(tmp_path / "h.par") as session:
        session.add_all([
            Hero(size=Size(2.0, Tint.RED), marks={"best": 5}, bills=[Bill(price=1, lines=["a", "b"]), Bill(price=1)]),
            Hero(size=Size(3.0, Tint.RED), point=Point(1, [Place(zip=7), Place()]), bills=[Bill(price=9, lines=["b"])]),
            Hero(size=Size(3.0), point=Point(1), kinds=frozenset({Tint.BLUE}), pair=("p", "q", "p")),
        ])  # fmt: skip
        session.commit()
        asked: list[tuple[Any, str, list[int]]] = [
            ((Hero.size.tint == Tint.RED) & (Hero.size.height > 2), "size.tint, size.height", [2]),
            (Hero.size.tint == Tint.RED, "size.tint, size.height", [1, 2]),
            (Hero.marks.best == 5, "marks.best", [1]),
            (any_(Hero.point.places, Place.zip == 7), "point.places[].zip", [2]),
            (any_(Hero.bills, col(Bill, "price") == 1), "bills[].price", [1]),
            (any_(Hero.bills, any_(col(Bill, "lines"), func.item() == "b")), "bills[].lines[]", [1, 2]),
            (any_(Hero.bills, col(Bill, "lines").contains("a")), "bills[].lines[]", [1]),
            (col(Hero.kinds).contains(Tint.BLUE), "kinds[]", [3]),
            (any_(Hero.kinds, func.item() == Tint.BLUE), "kinds[]", [3]),
            (any_(Hero.pair, func.item() > "o"), "pair[]", [3]),
            (any_(Hero.pair, func.item().startswith("q")), "pair[]", [3]),
        ]
        for condition, name, found in asked:
            assert ids(session, condition, by=name) == found
        assert "index" not in str(session.explain(select(Hero).where(any_(Hero.kinds, func.item() != Tint.RED))))
        assert [each.id for each in session.scalars(select(Hero).filter_by(marks__best__gte=5))] == [1]
        assert [each.id for each in session.scalars(select(Hero).filter_by(pair__contains="q"))] == [3]


@pytest.mark.parametrize("state", ["held", "committed", "rolled back", "reopened"])
def test_changes_of_nested_values_and_items_reach_their_indexes(tmp_path: Path, state: str) -> None:
    with Session(tmp_path / "h.par") as session:
        session.add_all([
            Hero(home=Place(city="Rome"), tags=["a", "b"], bills=[Bill(price=at)], point=Point(1, [Place(zip=at)]))
            for at in range(30)
        ])  # fmt: skip
        session.commit()
    session = Session(tmp_path / "h.par")
    one, two, three, four, five, six = (session.get_one(Hero, key) for key in range(1, 7))
    one.home.city = "Oslo"  # type: ignore[union-attr]
    two.home = Place(city="Oslo")
    two.tags.remove("a")
    three.home = None
    three.tags.append("c")
    four.tags = ["c", "c"]
    five.bills[0].price = 100
    five.bills.append(Bill(price=101))
    six.point.places[0].zip = 200  # type: ignore[union-attr]
    session.delete(session.get_one(Hero, 7))
    if state == "committed":
        session.commit()
    elif state == "rolled back":
        session.rollback()
    elif state == "reopened":
        session.commit()
        session.compact()
        session.close()
        session = Session.open(tmp_path / "h.par")
    changed = state != "rolled back"
    assert ids(session, Hero.home.city == "Oslo", by="home.city") == ([1, 2] if changed else [])
    assert ids(session, Hero.home.city == "Rome", Hero.id < 9) == ([4, 5, 6, 8] if changed else [*range(1, 9)])
    assert ids(session, col(Hero.tags).contains("c"), by="tags[]") == ([3, 4] if changed else [])
    assert len(ids(session, col(Hero.tags).contains("a"))) == (27 if changed else 30)
    assert ids(session, any_(Hero.bills, col(Bill, "price") >= 100), by="bills[].price") == ([5] if changed else [])
    assert ids(session, any_(Hero.bills, col(Bill, "price") == 4)) == ([] if changed else [5])
    assert ids(session, any_(Hero.point.places, Place.zip == 200), by="point.places[].zip") == ([6] if changed else [])
    session.close()
    with Session.open(tmp_path / "h.par", at=1 if state == "committed" else None) as past:
        assert len(ids(past, Hero.home.city == "Oslo")) == (2 if state == "reopened" else 0)


def test_two_conditions_on_items_are_of_one_item_only_within_one_any(tmp_path: Path) -> None:
    with Session(tmp_path / "h.par") as session:
        session.add_all([Hero(tags=["a", "z"]), Hero(tags=["m"]), *(Hero() for _ in range(9))])
        session.commit()
        item: Any = func.item()
        assert ids(session, any_(Hero.tags, (item > "b") & (item < "y")), by="tags[]") == [2]
        assert ids(session, any_(Hero.tags, item > "b"), any_(Hero.tags, item < "b"), by="tags[]") == [1]
        assert ids(session, col(Hero.tags).contains("a"), col(Hero.tags).contains("z"), by="tags[]") == [1]
        assert ids(session, ~any_(Hero.tags, item == "a")) == [*range(2, 12)]


def test_times_of_items_with_and_without_zones_are_refused_by_an_index_as_by_a_scan(tmp_path: Path) -> None:
    with Session(tmp_path / "h.par") as session:
        session.add_all([Hero(seen=[datetime(2020, 1, 1) + timedelta(days=at)]) for at in range(40)])
        session.commit()
        assert ids(session, any_(Hero.seen, func.item() < datetime(2020, 1, 3)), by="seen[]") == [1, 2]
        with pytest.raises(QueryError, match="offset-naive and offset-aware"):
            ids(session, any_(Hero.seen, func.item() > datetime(2020, 1, 3, tzinfo=UTC)))


def test_a_nested_value_that_does_not_fit_is_told_by_its_place_and_leaves_no_trace(tmp_path: Path) -> None:
    with Session(tmp_path / "h.par") as session:
        session.add_all(
            [Hero(name=str(at), realm="x", level=1, home=Place(city="Rome"), tags=["a"]) for at in range(10)]
        )
        session.commit()
        hero = session.get_one(Hero, 3)
        for name, wrong, good in (("level", "x", 2), ("home", 5, None), ("tags", [5], ["b"]), ("tags", None, ["b"])):
            setattr(hero, name, wrong)
            with pytest.raises(EncodeError, match=rf"^Hero\[3\]\.{name}"):
                session.commit()
            setattr(hero, name, good)
        session.commit()
        assert ids(session, col(Hero.tags).contains("b"), by="tags[]") == [3]
        assert ids(session, Hero.realm == "x", Hero.level == 2, by="realm, level") == [3]
        assert len(ids(session, Hero.home.city == "Rome")) == 9


@pytest.mark.parametrize("large", [320, 1 << 20])
def test_a_commit_that_fails_leaves_an_index_of_many_runs_as_it_was(tmp_path: Path, large: int) -> None:
    """Where the runs were a table, what a failed commit changed of them stayed, and the next commit stored it."""
    path = tmp_path / "h.par"
    with tuned(large=large).Session(path) as session:
        for level in range(8):
            session.add_all([Hero(name=f"{level} {at}", realm="x", level=level) for at in range(20 - 2 * level)])
            session.commit()
        session.close()
        session = tuned(large=large).Session(path)
        hero = session.get_one(Hero, 1)
        hero.level = "x"  # type: ignore[assignment]
        session.add(Hero(name="new", realm="x", level=9))
        with pytest.raises(EncodeError):
            session.commit()
        hero.level = 0
        session.commit()
        assert ids(session, Hero.realm == "x", Hero.level == 0, by="realm, level") == [*range(1, 21)]
        session.close()
    report = verify(path, models=[Hero])
    assert report.ok, report


class Shade(StrEnum):
    DARK = "dark"
    LIGHT = "light"


class Coded(Model):
    model_config = ConfigDict(use_enum_values=True)

    id: int = Key(auto=True)
    shade: Shade | None = None
    shades: list[Shade] = Index(default=[])
    level: int = 0
    __indexes__ = (Index("shade", "level"),)


def test_values_of_enums_that_stand_bare_are_found(tmp_path: Path) -> None:
    with Session(tmp_path / "c.par") as session:
        session.add_all([Coded(shade=Shade.DARK, level=at, shades=[Shade.LIGHT] * (at % 2)) for at in range(20)])
        session.commit()
        for dark, light in ((Shade.DARK, Shade.LIGHT), ("dark", "light")):
            statement = select(Coded).where(Coded.shade == dark, Coded.level < 3)
            assert [each.level for each in session.scalars(statement)] == [0, 1, 2]
            assert "by the index of shade, level" in str(session.explain(statement))
            assert len(session.scalars(select(Coded).where(col(Coded.shades).contains(light))).all()) == 10


def test_values_are_each_one_value_of_an_index() -> None:
    specs = {spec.name: spec for spec in indexes_of(Hero)}
    hero = Hero(name="a", realm="x", tags=["b", "a", "b"], score=float("nan"), level=3)
    hero.bills = [Bill(price=1, lines=["a"])]

    def value(name: str, obj: Hero = hero) -> Any:
        (found,) = index_column(specs[name], partial(field_values, [obj]))
        return list(found) if specs[name].of_items else found

    assert value("tags[]") == ["b", "a"]
    assert value("realm, score, level") == ("x", None, 3)
    assert value("bills[].lines[]") == ["a"]
    assert value("home.city") is None
    assert value("home.city, level") is None
    assert value("name, realm") == ("a", "x")
    assert value("name, realm", Hero(name="a")) is None
