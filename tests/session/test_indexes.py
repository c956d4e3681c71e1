"""Ordered indexes take every value that their field can store, and no other value stays in them."""

from __future__ import annotations

import operator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag, StrEnum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ConfigDict

from parcode_orm import EncodeError, Index, Key, Model, QueryError, Session, select
from parcode_orm.session.entity import indexes, queries
from parcode_orm.session.unit_of_work import UnitOfWork

pytestmark = pytest.mark.once


class Mixed(Enum):
    NOTHING = None
    NUMBER = 1
    TEXT = "x"


class Shade(StrEnum):
    DARK = "dark"
    LIGHT = "light"


class Grade(IntEnum):
    LOW = 2
    HIGH = 1


class Right(IntFlag):
    READ = 1
    WRITE = 2


class Sample(Model):
    id: int = Key(auto=True)
    mixed: Mixed | None = Index(None)
    shade: Shade | None = Index(None)
    grade: Grade | None = Index(None)
    right: Right | None = Index(None)
    at: time | None = Index(None)
    when: datetime | None = Index(None)
    day: date | None = Index(None)
    number: int | None = Index(None)
    price: Decimal | None = Index(None)
    text: str | None = Index(None)
    pair: tuple[int, ...] | None = Index(None, unique=True)


class Bare(Model):
    model_config = ConfigDict(use_enum_values=True)

    id: int = Key(auto=True)
    shade: Shade | None = Index(None)
    mixed: Mixed | None = Index(None)


LATER = timezone(timedelta(hours=3))
VALUES: list[tuple[str, list[Any]]] = [
    ("mixed", list(Mixed)),
    ("shade", [*Shade]),
    ("grade", [*Grade]),
    ("right", [Right.READ, Right.WRITE, Right.READ | Right.WRITE, Right(0)]),
    ("at", [time(1), time(2), time(1, tzinfo=UTC), time(4, tzinfo=LATER)]),
    ("when", [datetime(2020, 1, 1), datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, 3, tzinfo=LATER)]),
    ("number", [0, True, -(10**400), 10**400]),
    ("price", [Decimal("-Infinity"), Decimal("-0"), Decimal("1.50"), Decimal("Infinity")]),
    ("text", ["", "a", "a\ud800", "a\U0010ffff", "\udfff"]),
]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes are asked for many rows too, and have several runs with fences in them."""
    monkeypatch.setattr(queries, "SHARE", 1)
    monkeypatch.setattr(indexes, "STEP", 4)


def filled(name: str, values: list[Any], cls: Any = Sample) -> Session:
    session = Session(":memory:")
    for at in range(40):
        added = cls()
        setattr(added, name, values[at % len(values)])
        session.add(added)
        if at % 13 == 0:
            session.commit()
    session.commit()
    return session


@pytest.mark.parametrize(("name", "values"), VALUES, ids=[name for name, _ in VALUES])
def test_every_value_that_is_stored_is_found(name: str, values: list[Any]) -> None:
    with filled(name, values) as session:
        for value in values:
            found = session.scalars(select(Sample).where(getattr(Sample, name) == value)).all()
            assert [each.id for each in found] == [at + 1 for at in range(40) if values[at % len(values)] == value]
            if value is not None:
                plan = str(session.explain(select(Sample).where(getattr(Sample, name) == value)))
                assert f"by the index of {name}" in plan


def test_values_of_enums_that_stand_bare_are_found() -> None:
    with filled("shade", ["dark", "light"], Bare) as session:
        assert len(session.scalars(select(Bare).where(Bare.shade == Shade.DARK)).all()) == 20
        assert len(session.scalars(select(Bare).where(Bare.shade == "light")).all()) == 20
    with filled("mixed", [1, "x"], Bare) as session:
        assert len(session.scalars(select(Bare).where(Bare.mixed != None)).all()) == 40  # noqa: E711


CONDITIONS: list[tuple[str, Any, int]] = [
    ("shade", Sample.shade == "dark", 20),
    ("shade", Sample.shade > "dark", 20),
    ("shade", Sample.shade.startswith("l"), 20),
    ("shade", Sample.shade.in_(["dark", "none"]), 20),
    ("shade", (Sample.shade >= Shade.DARK) & (Sample.shade <= "light"), 40),
    ("grade", Sample.grade == 1, 20),
    ("grade", Sample.grade > 1, 20),
    ("grade", Sample.grade < Grade.LOW, 20),
    ("grade", (Sample.grade >= Grade.HIGH) & (Sample.grade >= Grade.LOW), 20),
    ("grade", (Sample.grade == 1.0) & (Sample.grade == 1), 20),
    ("number", Sample.number > float("nan"), 0),
    ("price", Sample.price == Decimal("NaN"), 0),
    ("price", Sample.price == float("nan"), 0),
    ("pair", Sample.pair == [1, 2], 0),
    ("pair", Sample.pair == ([],), 0),
]


@pytest.mark.parametrize(("name", "condition", "count"), CONDITIONS)
def test_values_that_an_index_cannot_look_for(name: str, condition: Any, count: int) -> None:
    values = [None] if name == "pair" else next(values for each, values in VALUES if each == name)[:4]
    with filled(name, values) as session:
        assert len(session.scalars(select(Sample).where(condition)).all()) == count


@pytest.mark.parametrize("number", [Sample.price > Decimal("NaN"), Sample.price == Decimal("sNaN")])
def test_what_python_cannot_compare_is_an_error_of_the_query(number: Any) -> None:
    with filled("price", [Decimal(1), Decimal(2)]) as session, pytest.raises(QueryError):
        session.scalars(select(Sample).where(number)).all()


@pytest.mark.parametrize("stored", [0, 30])
@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        ("shade", "other", Shade.DARK),
        ("mixed", 1, Mixed.NUMBER),
        ("grade", "x", Grade.LOW),
        ("when", date(2020, 1, 1), datetime(2020, 1, 1)),
        ("day", 5, date(2020, 1, 1)),
        ("number", "x", 5),
        ("number", 1.5, 5),
        ("price", "x", Decimal(5)),
    ],
)
def test_a_value_that_does_not_fit_is_told_by_its_place_and_leaves_no_trace(
    tmp_path: Path, stored: int, name: str, value: Any, good: Any
) -> None:
    with Session(tmp_path / "s.par", durability="fast") as session:
        session.add_all([Sample(**{name: good}) for _ in range(stored)])
        session.commit()
        other, wrong = Sample(**{name: good}), Sample()
        session.add_all([other, wrong])
        setattr(wrong, name, value)
        with pytest.raises(EncodeError, match=rf"^Sample\[{stored + 2}\]\.{name}: expected"):
            session.commit()
        setattr(wrong, name, good)
        session.commit()
        assert len(session.scalars(select(Sample).where(getattr(Sample, name) == good)).all()) == stored + 2


def test_renumbering_an_enum_is_harmless(tmp_path: Path) -> None:
    def define(**members: int) -> tuple[Any, Any]:
        level: Any = IntEnum("Level", members)  # type: ignore[misc]
        body = {
            "__annotations__": {"id": int, "level": level},
            "__module__": __name__,
            "__qualname__": "Numbered",
            "id": Key(auto=True),
            "level": Index(),
            "__indexes__": (Index("level", "id"),),
        }
        return type(Model)("Numbered", (Model,), body), level

    cls, level = define(A=1, B=2, C=3, D=4)
    with Session(tmp_path / "s.par") as session:
        session.add_all([cls(level=level(at % 4 + 1)) for at in range(40)])
        session.commit()
    cls, level = define(A=4, B=1, C=3, D=2)
    with Session(tmp_path / "s.par") as session:
        for member in level:
            assert len(session.scalars(select(cls).where(cls.level == member)).all()) == 10
            statement = select(cls).where(cls.level == member, cls.id > 20)
            assert len(session.scalars(statement).all()) == 5 and "level, id" in str(session.explain(statement))
        assert len(session.scalars(select(cls).where(cls.level > level.C)).all()) == 10


@pytest.mark.parametrize("change", [False, True])
def test_an_index_goes_on_after_an_interrupt_of_its_first_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: bool
) -> None:
    """The commit was stored, and the next one emptied the index."""
    session = Session(tmp_path / "s.par", durability="fast")
    session.add_all([Sample(number=at % 5) for at in range(40)])
    commit = UnitOfWork.commit

    def interrupted(*args: Any) -> None:
        commit(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(UnitOfWork, "commit", interrupted)
        session.commit()
    if change:
        session.get_one(Sample, 1).number = 3
    session.commit()
    for found in (session, Session(tmp_path / "s.par")):
        assert len(found.scalars(select(Sample).where(Sample.number == 4)).all()) == 8
        assert len(found.scalars(select(Sample).where(Sample.number == 3)).all()) == 8 + change
        found.close()


def test_times_of_a_zone_whose_clock_is_set_are_found_as_python_compares_them() -> None:
    clocks = (ZoneInfo("Europe/Berlin"), UTC, ZoneInfo("America/New_York"))
    values = [
        datetime(2024, 10, 27, hour, minute, tzinfo=zone, fold=fold)
        for hour in range(4)
        for minute in (10, 50)
        for zone in clocks
        for fold in (0, 1)
    ]
    values += [datetime.min.replace(tzinfo=LATER), datetime.max.replace(tzinfo=timezone(-timedelta(hours=3)))]
    with Session(":memory:") as session:
        session.add_all([Sample(when=value) for value in values])
        session.commit()
        for value in values:
            for compare in (operator.eq, operator.lt, operator.le, operator.gt, operator.ge):
                found = session.scalars(select(Sample.id).where(compare(Sample.when, value))).all()
                assert found == [at for at, each in enumerate(values, 1) if compare(each, value)]
