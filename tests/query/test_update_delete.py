"""`update` and `delete` change what assignments would change, in every state of a collection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import (
    Chunk,
    Field,
    Model,
    QueryError,
    ReadOnlyError,
    Session,
    ShardedMap,
    delete,
    func,
    select,
    update,
)


class Home(Model):
    rooms: int


class Player(Model):
    level: int
    name: str
    home: Home | None = None


class Medal(Model, frozen=True):
    year: int


@dataclass(frozen=True)
class Badge:
    year: int


class Officer(Model):
    medal: Medal
    badge: Badge
    rank: int = Field(0, frozen=True)
    name: str = ""


class World(Model):
    players: dict[str, Player] = ShardedMap()
    rows: list[Player] = Chunk()


def world() -> World:
    made = [Player(level=n, name=f"n{n}", home=Home(rooms=n) if n % 2 else None) for n in range(6_000)]
    return World(players={row.name: row for row in made}, rows=[row.model_copy(deep=True) for row in made])


def test_an_update_sets_what_was_computed_before(tmp_path: Path) -> None:
    path = tmp_path / "world.par"
    with Session(path) as session:
        session.add(world())
        session.commit()
        found = session.root(World)
        held = found.players["n5999"]
        for collection in (found.players, found.rows):
            change = update(collection).where(Player.level >= 5_990).values(level=Player.level + 1, name="top")
            assert session.execute(change) == 10
        assert held.level == 6_000 and held.name == "top"
        odd = update(found.rows).filter_by(home__rooms__lt=4).values({Player.home.rooms: Player.level * 2})  # type: ignore[union-attr]
        assert session.execute(odd) == 2 and found.rows[3].home == Home(rooms=6)
        assert session.scalar(select(func.max(Player.level)).select_from(found.rows)) == 6_000
        session.commit()
    with Session.open(path) as reader:
        found = reader.root(World)
        levels = reader.scalars(select(Player.level).select_from(found.players).where(Player.name == "top")).all()
        assert levels == list(range(5_991, 6_001))


def test_a_delete_takes_rows_out_and_a_rollback_brings_them_back(tmp_path: Path) -> None:
    with Session(tmp_path / "world.par") as session:
        session.add(world())
        session.commit()
        found = session.root(World)
        for collection in (found.players, found.rows):
            assert session.execute(delete(collection).where(Player.level.between(10, 4_999))) == 4_990  # type: ignore[attr-defined]
            assert len(collection) == 1_010
        assert [row.level for row in found.rows[8:12]] == [8, 9, 5_000, 5_001]
        session.rollback()
        assert len(found.players) == len(found.rows) == 6_000
        assert session.execute(delete(found.rows)) == 6_000 and len(found.rows) == 0


def test_plain_collections_change_as_well() -> None:
    plain = world()
    with Session(":memory:") as session:
        assert session.execute(update(plain.players).where(Player.level == 3).values(name="x")) == 1
        assert plain.players["n3"].name == "x"
        assert session.execute(delete(plain.rows).where(Player.level > 2)) == 5_997 and len(plain.rows) == 3


PLAYERS = world().players
OFFICER = Officer(medal=Medal(year=1), badge=Badge(1))
MISTAKES: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "no collection": (lambda: update(3), ["update", "int"]),
    "nothing to delete from": (lambda: delete(Player), ["delete", "Player"]),
    "a tuple to delete from": (lambda: delete((1, 2)), ["delete", "tuple"]),
    "a field that is not there": (lambda: update(PLAYERS).values(levle=3), ["Player", "levle"]),
    "a value of another type": (
        lambda: update(PLAYERS).values(level="high"),
        ["Player.level", "cannot be set to", "'high'"],
    ),
    "values by no field": (lambda: update(PLAYERS).values(3), ["values()", "level=3", "not 3"]),  # type: ignore[arg-type]
    "a field of another class": (lambda: update(PLAYERS).values({Home.rooms: 3}), ["Home.rooms", "Player"]),
    "a condition of another class": (lambda: delete(PLAYERS).where(Home.rooms == 3), ["Home.rooms", "Player"]),
    "a frozen class": (lambda: update([Medal(year=1)]).values(year=3), ["Medal.year", "the class Medal is frozen"]),
    "a frozen field": (lambda: update([OFFICER]).values(rank=3), ["Officer.rank", "is frozen"]),
    "a frozen model inside": (lambda: update([OFFICER]).values({Officer.medal.year: 3}), ["Medal is frozen"]),
    "a frozen dataclass inside": (lambda: update([OFFICER]).values({Officer.badge.year: 3}), ["Badge is frozen"]),
    "no field": (lambda: update(PLAYERS).values({3: 3}), ["3"]),
    "no values": (lambda: update(PLAYERS).run(), ["values"]),
    "a field of None": (lambda: update(PLAYERS).values({Player.home.rooms: 3}).run(), ["home.rooms", "None"]),  # type: ignore[union-attr]
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(name: str) -> None:
    build, words = MISTAKES[name]
    with pytest.raises(QueryError) as caught:
        build()
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_session_that_reads_refuses(tmp_path: Path) -> None:
    path = tmp_path / "world.par"
    with Session(path) as session:
        session.add(World(players={"a": Player(level=1, name="a")}, rows=[]))
        session.commit()
    with Session.open(path) as session, pytest.raises(ReadOnlyError):
        session.execute(update(session.root(World).players).values(level=3))
