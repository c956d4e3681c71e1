"""A mistake in a statement is a QueryError that names class, field and value, and says what to write."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest
from pydantic import HttpUrl, SecretStr

from parcode_orm import (
    Chunk,
    ClosedError,
    Model,
    MultipleResultsFound,
    NoResultFound,
    QueryError,
    Session,
    ShardedMap,
    all_,
    and_,
    any_,
    col,
    desc,
    explain,
    func,
    len_,
    not_,
    or_,
    select,
    update,
)


class Color(Enum):
    RED = "red"


class Place(Model):
    x: int = 0


class Player(Model):
    level: int = 0
    name: str = ""
    color: Color = Color.RED
    born: date = date(2000, 1, 1)
    seen: datetime = datetime(2000, 1, 1)
    money: Decimal = Decimal(0)
    place: Place = Place()
    tags: list[str] = []
    mixed: int | str = 0
    places: list[Place] = []
    site: HttpUrl | None = None
    file: Path = Path("a")
    ip: IPv4Address | IPv6Address = IPv4Address(1)
    secret: SecretStr = SecretStr("")


class World(Model):
    players: dict[str, Player] = ShardedMap()
    rows: list[Player] = Chunk()


P: Any = Player
WORLD = World(players={"a": Player(), "b": Player(level=1, mixed="x")}, rows=[])
select_all: Any = select(WORLD.players)

UNKNOWN = Player.model_construct(money=Decimal("NaN"))

MISTAKES: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "text compared with a number": (lambda: P.level > "high", ["Player.level", "int", "'high'"]),
    "equality of a number and a text": (lambda: P.level == "3", ["Player.level", "int", "'3'"]),
    "a number compared with a text": (lambda: P.name == 3, ["Player.name", "str", "3"]),
    "two fields that never fit": (lambda: P.name == P.level, ["Player.name", "Player.level"]),
    "a plain value for an enum": (lambda: P.color == "red", ["Player.color", "Color", "'red'", "give a member"]),
    "an order of enums": (lambda: P.color < Color.RED, ["Player.color", ".value"]),
    "a date compared with a datetime": (lambda: P.seen > date(2000, 1, 1), ["Player.seen", "datetime", ".date()"]),
    "an order of None": (lambda: P.level > None, ["None", "is_(None)"]),
    "a nested field that is not there": (lambda: P.place.y, ["Player.place", "Place", "'y'", "it has x"]),
    "a part that is not there": (lambda: P.born.hour, ["Player.born", "date", "'hour'"]),
    "a field that is not there, in words": (lambda: col(Player, "levle"), ["Player", "'levle'"]),
    "a model compared with a number": (lambda: P.place == 3, ["Player.place", "Place", "3"]),
    "a list compared with a number": (lambda: P.tags > 3, ["Player.tags", "list[str]", "3"]),
    "a sum of text and number": (lambda: P.name + 3, ["Player.name", "3"]),
    "an item of another type": (lambda: P.level.in_([1, "a"]), ["Player.level", "'a'"]),
    "a text for a list of values": (lambda: P.name.in_("abc"), ["in_", "'abc'"]),
    "a pattern on a number": (lambda: P.level.like("1%"), ["Player.level", "like"]),
    "no pattern": (lambda: P.name.startswith(3), ["Player.name", "startswith", "3"]),
    "a pattern that is none": (lambda: P.name.regexp("("), ["Player.name", "'('"]),
    "a length of a number": (lambda: len_(P.level), ["Player.level", "length"]),
    "contains of a number": (lambda: P.level.contains(1), ["Player.level", "contains"]),
    "a sum of texts": (lambda: func.sum(P.name), ["Player.name", "sum"]),
    "an aggregate of an aggregate": (lambda: select(func.sum(func.count())), ["func.sum", "over()"]),
    "any of no list": (lambda: any_(P.level, P.level > 1), ["Player.level"]),
    "a condition of another class in any": (lambda: any_(P.places, P.level > 1), ["Player.level", "Place"]),
    "all of no condition": (lambda: all_(P.tags, True), ["condition", "True"]),
    "a truth": (lambda: bool(P.level > 1), ["Player.level > 1", "&", "in_"]),
    "a chain": (lambda: 0 < P.level < 3, ["between"]),
    "and": (lambda: (P.level > 1) and P.name, ["&"]),
    "no conditions for or_": (lambda: or_(), ["or_()", "none is given"]),
    "a number for and_": (lambda: and_(P.level > 1, 3), ["3", "condition"]),
    "a field for not_": (lambda: not_(P.level), ["Player.level", "no condition"]),
    "no condition": (lambda: select_all.where(P.level), ["Player.level", "int", "no condition"]),
    "a truth for a condition": (lambda: select_all.where(WORLD.players["a"].level > 3), ["not False", "of the class"]),
    "a field of another class": (lambda: select_all.where(Place.x > 3), ["Place.x", "Player"]),
    "an order of a text": (lambda: select_all.order_by("level"), ["order_by", "'level'", "what label() gives"]),
    "a label to order by": (lambda: desc("n"), ["desc()", "'n'", "what label() gives"]),
    "comparisons without parentheses": (lambda: select_all.where(P.level == 1 | P.level), ["1", "in parentheses"]),
    "SQL for a condition": (lambda: select_all.where("level > 3"), ["'level > 3'", "Player.level > 3"]),
    "a class to count": (lambda: func.count(Player), ["class", "func.count() without an argument counts rows"]),
    "an item for a list": (lambda: P.tags == "a", ["Player.tags", "'a'", "contains() finds an item"]),
    # These found no row, and get_or_create(site="https://...") made another object each time.
    "a text for a URL": (lambda: P.site == "https://a.org/", ["Player.site", "HttpUrl | None", "give a HttpUrl"]),
    "texts for a URL": (lambda: P.site.in_(["https://a.org/"]), ["Player.site", "give a HttpUrl"]),
    "a text for a URL, in words": (lambda: select_all.filter_by(site="https://a.org/"), ["Player.site", "HttpUrl"]),
    "a text for a path": (lambda: P.file == "a", ["Player.file", "Path", "'a'"]),
    "a number for an address": (lambda: P.ip == 1, ["Player.ip", "IPv4Address", "1"]),
    "a text for a secret": (lambda: P.secret != "x", ["Player.secret", "give a SecretStr"]),
    "a pattern on a URL": (lambda: P.site.startswith("https"), ["cast(Player.site, str).startswith('https')"]),
    "a text to set a URL to": (
        lambda: update(WORLD.players).values({P.site: "x"}),
        ["Player.site", "cannot be set to"],
    ),
    "a text to set a list to": (
        lambda: update(WORLD.players).values({P.tags: "x"}),
        ["Player.tags", "cannot be set to"],
    ),
    "a limit that is none": (lambda: select_all.limit(-1), ["limit", "-1"]),
    "an offset that is none": (lambda: select_all.offset("a"), ["offset", "'a'"]),
    "a page without an order": (lambda: select_all.limit(3, after=1), ["order_by", "after"]),
    "a label that is none": (lambda: P.level.label("a b"), ["label", "'a b'"]),
    "nothing to select": (lambda: select(), ["select()"]),
    "a number to select": (lambda: select(3), ["select()", "3"]),
    "rows of no collection": (lambda: select_all.select_from(3), ["select_from", "int"]),
    "rows of a class": (lambda: select(Player).select_from(Player), ["select_from", "Player"]),
    "a lookup that is not there": (
        lambda: select_all.filter_by(level__above=3),
        ["level__above", "Player.level", "gt"],
    ),
    "a field that a lookup does not find": (lambda: select_all.filter_by(levle=3), ["levle", "Player"]),
    "a lookup of a wrong type": (lambda: select_all.filter_by(level__gt="x"), ["Player.level", "'x'"]),
    "isnull of a number": (lambda: select_all.filter_by(level__isnull=1), ["isnull", "1"]),
    "a range of one": (lambda: select_all.filter_by(level__range=[1]), ["range"]),
    "a statement for a truth": (lambda: bool(select_all), ["session.scalar"]),
    "rows of a statement": (lambda: list(select_all), ["session.scalars"]),
    "a key to order by as a value": (lambda: P.level > desc(P.level), ["order_by"]),
    "a class as a value": (lambda: P.level == Player, ["class Player"]),
    "an explanation of nothing": (lambda: explain(3), ["select()", "int"]),  # type: ignore[arg-type]
}

RUNS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "no collection": (lambda: select(Player), ["Player", "select_from"]),
    "an order of mixed types": (lambda: select_all.order_by(P.mixed), ["Player.mixed", "order"]),
    "a comparison of mixed types": (lambda: select_all.where(P.mixed > 3), ["Player.mixed > 3"]),
    "a division by zero": (lambda: select_all.where(1 / P.level > 3), ["1 / Player.level", "division"]),
    "having without groups": (lambda: select_all.having(P.level > 3), ["having", "group_by"]),
    "a row among groups": (
        lambda: select(P.name, func.count()).select_from(WORLD.players),
        ["Player.name", "group_by"],
    ),
    "groups of lists": (
        lambda: select(P.tags, func.count()).select_from(WORLD.players).group_by(P.tags),
        ["Player.tags", "hash"],
    ),
    "a decimal and a float": (lambda: select_all.where(P.money * 2.5 > 1), ["Player.money * 2.5"]),
    "a naive time and an aware one": (
        lambda: select_all.where(P.seen > datetime.fromisoformat("2000-01-01T00:00:00+00:00")),
        ["Player.seen", "offset"],
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_where_it_is_written(name: str) -> None:
    build, words = MISTAKES[name]
    with pytest.raises(QueryError) as caught:
        build()
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("stored", [False, True])
def test_a_mistake_that_shows_with_the_rows_is_named(name: str, stored: bool) -> None:
    build, words = RUNS[name]
    with Session(":memory:") as session:
        statement = build()
        if stored:
            world = WORLD.model_copy(deep=True)
            session.add(world)
            session.commit()
            if statement._source is not None:
                statement = statement.select_from(session.root(World).players)
        with pytest.raises(QueryError) as caught:
            session.scalars(statement).all()
        assert all(word in str(caught.value) for word in words), caught.value


def test_decimals_that_are_no_numbers_have_no_order() -> None:
    rows = [UNKNOWN, Player()]
    with Session(":memory:") as session:
        for statement in (select(rows).order_by(P.money), select(func.min(P.money)).select_from(rows)):
            with pytest.raises(QueryError, match=r"Player\.money"):
                session.execute(statement).all()


def test_results_of_another_number_are_refused() -> None:
    with Session(":memory:") as session:
        result = session.scalars(select_all)
        with pytest.raises(MultipleResultsFound, match="more than one"):
            result.one()
        with pytest.raises(MultipleResultsFound, match="more than one"):
            result.one_or_none()
        nothing = session.scalars(select_all.where(P.level > 5))
        with pytest.raises(NoResultFound, match=r"Player\.level > 5"):
            nothing.one()
        assert nothing.one_or_none() is None and nothing.first() is None and session.scalar(select_all.where(
            P.level > 5)) is None  # fmt: skip
        for name in ("yield_per", "partitions"):
            with pytest.raises(QueryError, match=name):
                list(getattr(result, name)(0))
        with pytest.raises(TypeError, match="select"):
            session.scalars("select")  # type: ignore[arg-type]
        with pytest.raises(QueryError, match="columns"):
            result.column("level")


def test_a_closed_session_runs_nothing(tmp_path: Path) -> None:
    with Session(tmp_path / "world.par") as session:
        session.add(WORLD.model_copy(deep=True))
        session.commit()
        statement = select(session.root(World).players)
        result = session.scalars(statement)
        assert result.count() == 2
    with pytest.raises(ClosedError):
        session.scalars(statement)
    with pytest.raises(ClosedError):
        result.all()


def test_a_collection_that_changes_under_a_result_is_named(tmp_path: Path) -> None:
    with Session(tmp_path / "world.par") as session:
        session.add(World(players={f"k{n}": Player(level=n) for n in range(9_000)}, rows=[]))
        session.commit()
        players = session.root(World).players
        with pytest.raises(QueryError, match=r"all\(\)"):
            for place, _ in enumerate(session.scalars(select(players))):
                if place == 3:
                    players["new"] = Player()
        for player in session.scalars(select(players).where(Player.level > 8_000)):
            player.level += 1  # in place: that is no other collection
        assert session.scalars(select(players).where(Player.level == 9_000)).count() == 1


def test_an_aggregate_is_no_condition_of_a_row() -> None:
    """It met an assertion without a text."""
    with pytest.raises(QueryError, match=r"having\(\) choose groups"):
        select(Player).where(func.max(Player.level) > 3)
