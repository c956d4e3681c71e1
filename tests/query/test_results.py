"""What statements give: the objects of the collection, read as late as can be, and named rows of values."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import reduce
from operator import and_, or_
from pathlib import Path
from typing import Any, NotRequired

import numpy as np
import pytest
from typing_extensions import TypedDict

from parcode_orm import Chunk, Model, Session, ShardedMap, asc, col, desc, explain, func, len_, select
from parcode_orm.codec.views.containers import ListView
from parcode_orm.codec.views.nodes import OptionalView
from parcode_orm.codec.views.scalars import NumbersView
from parcode_orm.codec.views.text import TextView
from parcode_orm.codec.views.wrappers import ConvertView

pytestmark = pytest.mark.once

ROWS = 10_000


class Place(Model):
    x: int
    y: float | None = None


class Player(Model):
    name: str
    level: int
    guild: str
    born: date
    score: float | None
    place: Place
    tags: list[str]


class Captain(Player):
    crew: int = 0


class World(Model):
    players: dict[str, Player] = ShardedMap()
    rows: list[Player] = Chunk()
    numbers: list[int] = Chunk()
    prices: dict[str, float] = ShardedMap()


def player(place: int) -> Player:
    return Player(
        name=f"player {place}",
        level=place,
        guild=f"g{place % 5}",
        born=date.fromordinal(730_000 + place % 300),
        score=None if place % 4 == 0 else place / 2,
        place=Place(x=place % 10),
        tags=["a"] * (place % 3),
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("results") / "world.par"
    with Session(path) as session:
        made = [player(place) for place in range(ROWS)]
        world = World(
            players={f"k{row.level}": row for row in made},
            rows=made[:9_000],
            numbers=list(range(9_000)),
            prices={f"p{place}": place / 4 for place in range(20)},
        )
        session.add(world)
        session.commit()
    return path


@pytest.fixture
def session(path: Path) -> Iterator[Session]:
    with Session.open(path) as session:
        yield session


def test_what_is_found_is_what_the_collection_has(path: Path) -> None:
    with Session(path) as session:
        players = session.root(World).players
        held = players["k4200"]
        (found,) = session.scalars(select(players).where(Player.name == "player 4200"))
        assert found is held
        found.level = -5
        found.tags.append("new")
        assert session.is_modified(players)
        assert session.scalars(select(players).where(Player.level < 0)).one() is held
        assert session.scalar(select(Player.tags).select_from(players).where(Player.level < 0)) is held.tags
        session.rollback()
        assert session.scalars(select(players).where(Player.level < 0)).all() == []


def test_a_filter_reads_its_columns_and_no_objects(session: Session) -> None:
    players = session.root(World).players
    len(players)
    before = session.stats.rows_read, session.stats.bytes_read
    found = session.scalars(select(players).where(Player.guild == "g3", Player.place.x == 3)).all()
    assert len(found) == ROWS // 10
    assert session.stats.rows_read - before[0] == len(found)
    plan = explain(select(players).where(Player.guild == "g3", Player.place.x == 3))
    assert session.stats.bytes_read - before[1] < plan.bytes + 40_000  # and the heads of row groups
    assert {column.name for column in plan.columns if column.bytes} == {"Player.guild", "Player.place.x"}


def test_row_groups_that_cannot_match_are_skipped(session: Session) -> None:
    players = session.root(World).players
    groups = explain(select(players)).groups
    assert groups > 2
    for condition, read in [
        (Player.level == 17, 1),
        (Player.level.between(5_000, 5_010), 1),
        ((Player.level == 17) | (Player.level > ROWS - 3), 2),
        (Player.level.in_([1, ROWS - 1]), 2),
        (Player.level > ROWS, 0),
        (Player.level == None, 0),  # noqa: E711
        (Player.born > date(2020, 1, 1), 0),
        (Player.guild == "g9", 0),
        (Player.guild.startswith("x"), 0),
        (~(Player.level == 17), groups),
    ]:
        plan = explain(select(players).where(condition))
        assert plan.groups_read == read, str(condition)
    before = session.stats.bytes_read
    assert session.scalars(select(players).where(Player.level == 17)).one().level == 17
    assert session.stats.bytes_read - before < 60_000


def test_the_first_rows_are_found_without_looking_at_all(session: Session) -> None:
    players = session.root(World).players
    before = session.stats.bytes_read
    found = session.scalars(select(players).order_by(desc(Player.level)).limit(3)).all()
    assert [each.level for each in found] == [ROWS - 1, ROWS - 2, ROWS - 3]
    whole = explain(select(players).order_by(desc(Player.level))).bytes
    assert session.stats.bytes_read - before < whole + 20_000
    assert [each.level for each in session.scalars(select(players).order_by(Player.level).offset(2).limit(2))] == [2, 3]


def test_keys_are_looked_up_in_the_index(session: Session) -> None:
    players = session.root(World).players
    assert session.scalars(select(players).where(func.key() == "k77")).one() is players["k77"]
    found = session.execute(select(func.key(), Player.level).select_from(players).where(
        func.key().in_(["k9", "k3", "none"]))).all()  # fmt: skip
    assert found == [("k3", 3), ("k9", 9)]
    assert "look up" in str(explain(select(players).where(func.key() == "k77")))
    assert explain(select(players).where(func.key() == "none")).groups == 0
    assert session.scalars(select(players).where(func.key() == ["k77"])).all() == []
    rows = session.root(World).rows
    assert session.scalars(select(rows).where(func.key() == 8_500)).one().level == 8_500


def test_rows_are_named_by_their_fields_and_labels(session: Session) -> None:
    players = session.root(World).players
    statement = select(Player.name, Player.place.x, (Player.level * 2).label("twice"), Player.born.year, func.key())
    row = session.execute(statement.select_from(players).where(Player.level == 5)).one()
    assert row == ("player 5", 5, 10, 1999, "k5")
    assert (row.name, row.x, row.twice, row.year, row.key) == row
    assert session.execute(statement.select_from(players)).keys() == ["name", "x", "twice", "year", "key"]
    both = session.execute(select(players, func.key()).where(Player.level == 5)).one()
    assert both[0] is players["k5"] and both.key == "k5"


def test_results_come_whole_in_parts_and_as_arrays(session: Session) -> None:
    rows = session.root(World).rows
    result = session.scalars(select(rows).where(Player.guild == "g1"))
    assert result.count() == len(result.all()) == 1_800
    assert [len(part) for part in result.yield_per(1_000).partitions()] == [1_000, 800]
    assert [len(part) for part in result.partitions(900)] == [900, 900]
    first = result.first()
    assert first is not None and first.level == 1
    level, score = result.columns(Player.level, Player.score)
    assert level.dtype == np.int64 and level[:3].tolist() == [1, 6, 11]
    assert score.dtype == object and score[:4].tolist() == [0.5, 3.0, 5.5, None]
    assert result.column(Player.place.x).sum() == sum(each.place.x for each in result)
    guilds = session.scalars(select(Player.guild).select_from(rows))
    assert guilds.unique().all() == session.scalars(select(Player.guild).select_from(rows).distinct()).all()
    assert len(session.scalars(select(rows).limit(5)).unique().all()) == 5


def test_items_that_are_no_models(session: Session) -> None:
    world = session.root(World)
    big = session.scalars(select(world.numbers).where(func.item() > 8_997)).all()
    assert big == [8_998, 8_999]
    assert session.scalar(select(func.sum(func.item())).select_from(world.numbers)) == sum(range(9_000))
    dearest = select(func.key(), func.item()).select_from(world.prices).order_by(desc(func.item())).limit(1)
    assert session.execute(dearest).one() == ("p19", 4.75)
    assert session.scalars(select([3, 1, 2]).where(func.item() > 1).order_by(func.item())).all() == [2, 3]


def test_django_spellings(session: Session) -> None:
    rows = session.root(World).rows

    def levels(**conditions: Any) -> list[int]:
        return [each.level for each in session.scalars(select(rows).filter_by(**conditions))]

    assert levels(level=3) == [3]
    assert levels(level__gt=8_997) == [8_998, 8_999]
    assert levels(level__range=(1, 3), place__x__ne=2) == [1, 3]
    assert levels(name__startswith="player 899", level__in=[8_991, 8_999, 5]) == [8_991, 8_999]
    assert levels(name__icontains="PLAYER 8999") == levels(name__iexact="PLAYER 8999") == [8_999]
    assert levels(score__isnull=True, level__lt=5) == [0, 4]
    assert levels(born__year=1999, born__month__gte=12, level__lt=200)[:2] == [89, 90]
    assert levels(tags__len=2, level__lte=5) == [2, 5]
    assert levels(name__regex=r"^player 1[12]$") == [11, 12]


def test_none_comes_first_and_nan_last() -> None:
    rows = [Place(x=1, y=2.0), Place(x=2), Place(x=3, y=float("nan")), Place(x=4, y=-1.0)]
    with Session(":memory:") as session:

        def order(*keys: Any) -> list[int]:
            return [each.x for each in session.scalars(select(rows).order_by(*keys))]

        assert order(Place.y) == [2, 4, 1, 3]
        assert order(desc(Place.y)) == [3, 1, 4, 2]
        assert order(col(Place.y).nulls_last()) == [4, 1, 3, 2]
        assert order(desc(Place.y).nulls_first(), asc(Place.x)) == [2, 3, 1, 4]
        assert session.scalars(select(rows).where(Place.y == None)).one().x == 2  # noqa: E711
        assert [each.x for each in session.scalars(select(rows).where(~(col(Place.y) > 0)))] == [2, 3, 4]
        key = select(rows).order_by(Place.y, Place.x)
        assert [each.x for each in session.scalars(key.limit(9, after=(2.0, 1)))] == [3]
        assert [each.x for each in session.scalars(key.limit(9, after=(None, 2)))] == [4, 1, 3]
        best = session.execute(
            select(func.min(Place.y), func.max(Place.x), func.count(Place.y)).select_from(rows)
        ).one()
        assert best == (-1.0, 4, 3)


def test_aggregates_of_nothing() -> None:
    with Session(":memory:") as session:
        asked = func.count(), func.sum(Place.x), func.avg(Place.x), func.min(Place.x), func.stddev(Place.x)
        assert session.execute(select(*asked).select_from([])).one() == (0, 0, None, None, None)
        assert session.execute(select(*asked).select_from([]).group_by(Place.x)).all() == []
        one = session.execute(select(func.avg(Place.x) + func.count()).select_from([Place(x=3)])).one()
        assert one == (4.0,)


def test_rows_of_several_classes_and_rows_that_lack_a_field() -> None:
    common = player(1).model_dump()
    bare = Player.model_construct(**{name: value for name, value in common.items() if name != "level"})
    bare.place = Place(x=1)
    rows = [player(1), Captain(**common, crew=7), bare]
    with Session(":memory:") as session:
        session.add(World(players={}, rows=rows, numbers=[], prices={}))
        session.commit()
        stored = session.root(World).rows
        for collection in (rows, stored):
            assert session.scalars(select(collection).where(Captain.crew == 7)).one().name == "player 1"
            assert session.scalars(select(collection).where(Player.level == None)).count() == 1  # noqa: E711
            assert session.scalars(select(collection).where(Player.level == 1)).count() == 2


def test_conditions_are_joined_in_chains_of_any_length(session: Session) -> None:
    rows = session.root(World).rows
    many = [Player.level == place for place in range(0, 9_000, 3)]
    some = reduce(or_, many)
    assert session.scalars(select(rows).where(some)).count() == 3_000
    none = reduce(and_, [~each for each in many])
    assert session.scalars(select(rows).where(none)).count() == 6_000
    level = Player.level
    assert session.scalars(select(rows).where((level != 0) & (90 / level > 30) | (level == 0))).count() == 3


def refuse(*values: Any) -> Any:
    raise AssertionError("a value was made")


def test_columns_are_compared_as_they_are_stored(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = session.root(World).rows
    conditions: list[Any] = [
        Player.name == "player 8000",
        col(Player.name).in_(["player 8000", "player 1"]),
        col(Player.name).startswith("player 80"),
        Player.level >= 8_000,
        Player.born < date(2000, 1, 1),
        col(Player.score) != None,  # noqa: E711
        len_(Player.tags) == 2,
        Player.level * 2 + 1 > 16_000,
        Player.born - date(1999, 1, 1) > timedelta(days=1),
    ]
    expected = [len(session.scalars(select(rows).where(condition)).all()) for condition in conditions]
    for cls in (NumbersView, TextView, ListView, ConvertView, OptionalView):
        for name in ("get", "read"):
            monkeypatch.setattr(cls, name, refuse)
    monkeypatch.setattr(TextView, "decode", refuse)
    for condition, count in zip(conditions, expected, strict=True):
        assert session.scalars(select(rows).where(condition)).count() == count > 0


def test_an_old_snapshot_answers_in_the_same_words(tmp_path: Path) -> None:
    path = tmp_path / "past.par"
    with Session(path) as session:
        session.add(World(players={"a": player(1), "b": player(2)}, rows=[], numbers=[], prices={}))
        session.commit()
        world = session.root(World)
        world.players["a"].level = 50
        del world.players["b"]
        session.commit()
        with Session.open(path, at=1) as past:
            statement = select(Player.level).select_from(past.root(World).players).order_by(Player.level)
            assert past.scalars(statement).all() == [1, 2]
        assert session.scalars(select(Player.level).select_from(world.players)).all() == [50]


def test_a_plan_is_a_tree(session: Session) -> None:
    players = session.root(World).players
    statement = (
        select(Player.guild, func.avg(Player.level).label("mean"))
        .select_from(players)
        .where(Player.level >= 9_000)
        .group_by(Player.guild)
        .order_by(desc(func.avg(Player.level)))
        .limit(2)
    )
    assert [row.mean for row in session.execute(statement)] == [9_501.5, 9_500.5]
    text = str(explain(statement))
    for part in ("give 2 rows", "sort by", "group by Player.guild", "filter: Player.level >= 9000", "1 of 3 row groups",
                 "cannot match", "to filter"):  # fmt: skip
        assert part in text, text


class Reading(Model):
    value: float
    extra: dict[str, Any]
    kind: Kind


class Kind(TypedDict):
    name: str
    grade: NotRequired[int]


class Readings(Model):
    rows: list[Reading] = Chunk()


@pytest.mark.parametrize("stored", [False, True])
def test_nan_is_the_largest_number_and_one_group(stored: bool) -> None:
    values = [1.0, float("nan"), 3.0, float("nan"), -2.0]
    rows = [Reading(value=value, extra={}, kind={"name": "a"}) for value in values]
    with Session(":memory:") as session:
        readings = Readings(rows=rows)
        session.add(readings)
        if stored:
            session.commit()
        value = Reading.value
        asked = select(func.min(value), func.max(value), func.count(value), func.count_distinct(value))
        least, most, count, different = session.execute(asked.select_from(readings.rows)).one()
        assert least == -2.0 and most != most and (count, different) == (5, 4)
        groups = session.execute(select(value, func.count()).select_from(readings.rows).group_by(value)).all()
        assert [each.count for each in groups] == [1, 2, 1, 1]
        ordered = session.scalars(select(value).select_from(readings.rows).order_by(desc(value))).all()
        assert all(each != each for each in ordered[:2]) and ordered[2:] == [3.0, 1.0, -2.0]
        assert session.scalars(select(readings.rows).where(value == float("nan"))).all() == []
        assert session.scalars(select(readings.rows).where(value != float("nan"))).count() == 5
        assert session.scalars(select(readings.rows).where(~(col(value) > 0))).count() == 3


@pytest.mark.parametrize("stored", [False, True])
def test_fields_of_typed_dictionaries_and_of_values_of_any_type(stored: bool) -> None:
    rows = [
        Reading(value=1.0, extra={"a": 1, "b": [3]}, kind={"name": "x"}),
        Reading(value=2.0, extra={"a": "text"}, kind={"name": "y", "grade": 3}),
    ]
    with Session(":memory:") as session:
        readings = Readings(rows=rows)
        session.add(readings)
        if stored:
            session.commit()
        reading: Any = Reading

        def found(condition: Any) -> list[float]:
            return [each.value for each in session.scalars(select(readings.rows).where(condition))]

        assert found(reading.kind.grade == 3) == found(reading.kind["name"] == "y") == [2.0]
        assert found(reading.kind.grade == None) == [1.0]  # noqa: E711
        assert found(reading.extra["a"] == 1) == found(reading.extra["b"].contains(3)) == [1.0]
        assert found(reading.extra.contains("b")) == [1.0]
        assert found(reading.extra["c"] == None) == [1.0, 2.0]  # noqa: E711
