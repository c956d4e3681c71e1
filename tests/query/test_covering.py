"""An index that has all that a statement asks answers it alone; where it may not, the rows are read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Index, Key, Model, Session, any_, func, select, update
from parcode_orm.session.entity.tables import entities, find_table, table_in

pytestmark = pytest.mark.once


class Tint(Enum):
    RED = "red"
    BLUE = "blue"


class Home(Model):
    city: str | None = None


class Member(Model):
    id: int = Key(auto=True)
    guild: str = ""
    level: int | None = None
    tint: Tint = Tint.RED
    price: float = Index(0.0)
    at: datetime = Index(datetime(2020, 1, 1))
    home: Home | None = None
    tags: list[str] = Index(default=[])
    text: str = ""
    __indexes__ = (Index("guild", "level", "tint"), Index("home.city"))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("covering") / "m.par"
    with Session(path, durability="fast") as session:
        session.add_all([
            Member(
                guild=f"g{at % 40}", level=at % 9 or None, tint=Tint.BLUE if at % 2 else Tint.RED, price=-0.0,
                home=Home(city=f"c{at % 90}"), tags=["a"], text="x" * 200,
            )
            for at in range(12_000)
        ])  # fmt: skip
        session.commit()
    return path


@pytest.fixture
def session(stored: Path, tmp_path: Path) -> Iterator[Session]:
    with Session(shutil.copy(stored, tmp_path), durability="fast") as session:
        yield session


COUNT: Any = func.count()


def of(at: int) -> int | None:
    return at % 9 or None


HERE = [at for at in range(12_000) if at % 40 == 7]
COVERED: list[tuple[Any, list[Any], list[Any]]] = [
    (Member.guild == "g7", [COUNT], [300]),
    (Member.guild == "g7", [func.max(Member.level), func.min(Member.guild)], [8, "g7"]),
    (
        (Member.guild == "g7") & (Member.level > 5),
        [COUNT, func.sum(Member.level)],
        [sum((of(at) or 0) > 5 for at in HERE), sum(of(at) or 0 for at in HERE if (of(at) or 0) > 5)],
    ),
    ((Member.guild == "g7") & (Member.level == None), [COUNT], [sum(of(at) is None for at in HERE)]),  # noqa: E711
    (
        (Member.guild == "g7") & (Member.tint == Tint.BLUE),
        [COUNT, func.count(Member.level)],
        [300, sum(of(at) is not None for at in HERE)],
    ),
    (Member.home.city == "c5", [COUNT, func.max(Member.home.city)], [134, "c5"]),
    ((Member.home.city == "c5") & Member.home.city.startswith("c"), [COUNT], [134]),
]
READ: list[tuple[Any, list[Any]]] = [
    (Member.guild == "g7", [func.count(Member.text)]),
    ((Member.guild == "g7") & (Member.text == "x"), [COUNT]),
    ((Member.guild == "g7") & any_(Member.tags, func.item() == "a"), [COUNT]),
    ((Member.guild == "g7") & (func.key() > 5), [COUNT]),
    (Member.tags.contains("b"), [COUNT]),  # type: ignore[attr-defined]
    (Member.price > 5, [func.max(Member.price)]),
    (Member.at > datetime(2021, 1, 1), [func.max(Member.at)]),
    (Member.id == 5, [COUNT]),
]


def plan(session: Session, *conditions: Any) -> str:
    return str(session.explain(select(COUNT).select_from(Member).where(*conditions)))


@pytest.mark.parametrize(("condition", "asked", "values"), COVERED, ids=lambda each: str(each)[:40])
def test_an_index_that_has_all_that_is_asked_answers_alone(
    session: Session, condition: Any, asked: list[Any], values: list[Any]
) -> None:
    statement = select(*asked).select_from(Member).where(condition)
    assert " alone: " in str(session.explain(statement))
    assert list(session.execute(statement).one()) == values
    root = find_table(session._work, Member)
    assert root is not None and not table_in(entities(root)).groups  # no row group of entities was opened
    assert session.scalars(select(Member).where(condition)).count() == len(
        session.scalars(select(Member).where(condition)).all()
    )


@pytest.mark.parametrize(("condition", "asked"), READ, ids=lambda each: str(each)[:40])
def test_what_an_index_does_not_have_is_read_from_the_rows(session: Session, condition: Any, asked: list[Any]) -> None:
    assert " alone: " not in str(session.explain(select(*asked).select_from(Member).where(condition)))


def test_rows_their_order_and_their_groups_are_read(session: Session) -> None:
    here = Member.guild == "g7"
    for statement in (
        select(Member).where(here),
        select(Member.level).where(here),
        select(Member.level).where(here).distinct(),
        select(Member.level, COUNT).where(here).group_by(Member.level),
    ):
        assert " alone: " not in str(session.explain(statement))
    assert session.execute(select(Member.level, COUNT).where(here).group_by(Member.level)).count() == 9
    assert session.scalars(select(Member.level).where(here).distinct()).count() == 9
    assert session.scalars(select(Member).where(here).limit(7).offset(295)).count() == 5


@pytest.mark.parametrize("change", ["value", "added", "deleted", "moved", "statement"])
def test_changes_in_memory_are_counted(session: Session, change: str) -> None:
    one = session.get_one(Member, 8)
    before = session.scalar(select(COUNT).select_from(Member).where(Member.guild == "g7"))
    assert before == 300
    if change == "value":
        one.guild = "other"
    elif change == "added":
        session.add(Member(guild="g7"))
    elif change == "deleted":
        session.delete(one)
    elif change == "moved":
        one.id = 99_999
    else:
        session.execute(update(Member).where(Member.id <= 8).values(guild="new"))
    expected = {"value": 299, "added": 301, "deleted": 299, "moved": 300, "statement": 299}[change]
    statement = select(COUNT).select_from(Member).where(Member.guild == "g7")
    assert session.scalar(statement) == expected
    session.commit()
    assert session.scalar(statement) == expected
    session.rollback()
    assert " alone: " in plan(session, Member.guild == "g7")


def test_a_value_that_took_the_place_of_an_equal_one_is_given_as_it_is(session: Session) -> None:
    """The index keeps the value that was there before."""
    later = datetime(2021, 1, 1, tzinfo=timezone(timedelta(hours=3)))
    session.get_one(Member, 1).at = later.astimezone(UTC)
    session.get_one(Member, 1).price = 7.0
    session.commit()
    session.get_one(Member, 1).at = later
    session.commit()
    found = session.scalar(select(func.max(Member.at)).where(Member.price > 1))
    assert found is not None and found.utcoffset() == timedelta(hours=3)
