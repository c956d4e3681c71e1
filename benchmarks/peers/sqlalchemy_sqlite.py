from __future__ import annotations

import json
import sqlite3
from itertools import product
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from benchmarks.peers.base import Handle, Peer, Writer
from benchmarks.worlds import Player, World


class Base(DeclarativeBase):
    pass


class WorldRow(Base):
    __tablename__ = "world"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class SettingsRow(Base):
    __tablename__ = "settings"
    world_id: Mapped[int] = mapped_column(primary_key=True)
    difficulty: Mapped[int]
    seed: Mapped[int]
    motto: Mapped[str]
    rules: Mapped[dict[str, Any]] = mapped_column(JSON)


class TerrainRow(Base):
    __tablename__ = "terrain"
    world_id: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes]


class PlayerRow(Base):
    __tablename__ = "players"
    key: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int]
    name: Mapped[str]
    level: Mapped[int]
    score: Mapped[float]
    email: Mapped[str | None]
    items: Mapped[list[int]] = mapped_column(JSON)


class SqlHandle(Handle):
    def __init__(self, path: Path, pragmas: tuple[str, ...] = ()) -> None:
        self.engine = create_engine(f"sqlite:///{path}")
        event.listen(self.engine, "connect", lambda connection, _: run_pragmas(connection, pragmas))
        self.session = Session(self.engine)

    def lookup(self, key: str) -> int:
        return Player.model_validate(self.session.get_one(PlayerRow, key), from_attributes=True).level

    def update(self, key: str) -> None:
        self.session.get_one(PlayerRow, key).level += 1
        self.session.commit()

    def close(self) -> None:
        self.session.close()
        self.engine.dispose()


class Sqlite3Handle(Handle):
    """The same table by SQL written by hand, a model validated from each row that is read."""

    def __init__(self, path: Path, pragmas: tuple[str, ...] = ()) -> None:
        self.connection = sqlite3.connect(path)
        run_pragmas(self.connection, pragmas)
        self.fields = tuple(Player.model_fields)
        self.select = f"SELECT {', '.join(self.fields)} FROM players WHERE key = ?"
        self.change = f"UPDATE players SET {', '.join(f'{name} = ?' for name in self.fields)} WHERE key = ?"

    def player(self, key: str) -> Player:
        values = dict(zip(self.fields, self.connection.execute(self.select, (key,)).fetchone(), strict=True))
        return Player.model_validate({**values, "items": json.loads(values["items"])})

    def lookup(self, key: str) -> int:
        return self.player(key).level

    def update(self, key: str) -> None:
        with self.connection:
            player = self.player(key)
            player.level += 1
            values = {**player.__dict__, "items": json.dumps(player.items)}
            self.connection.execute(self.change, (*values.values(), key))

    def close(self) -> None:
        self.connection.close()


def run_pragmas(connection: Any, pragmas: tuple[str, ...]) -> None:
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}").fetchall()


class SqlAlchemy(Peer):
    """A row a player, through the ORM both ways."""

    name = "SQLAlchemy + SQLite"
    syncs = True

    def save(self, path: Path, world: World) -> None:
        handle = SqlHandle(path)
        Base.metadata.create_all(handle.engine)
        settings = world.settings.model_dump()
        handle.session.add(WorldRow(id=world.id, name=world.name))
        handle.session.add(SettingsRow(world_id=world.id, **settings))
        handle.session.add(TerrainRow(world_id=world.id, data=world.terrain))
        handle.session.add_all(PlayerRow(key=key, **player.__dict__) for key, player in world.players.items())
        handle.session.commit()
        handle.close()

    def open_field(self, path: Path) -> int:
        handle = SqlHandle(path)
        difficulty = handle.session.scalars(select(SettingsRow.difficulty)).one()
        handle.close()
        return difficulty

    def open_user(self, path: Path, key: str) -> int:
        handle = SqlHandle(path)
        level = handle.lookup(key)
        handle.close()
        return level

    def full_load(self, path: Path) -> World:
        handle = SqlHandle(path)
        session = handle.session
        row = session.scalars(select(WorldRow)).one()
        data = {
            "id": row.id,
            "name": row.name,
            "settings": session.get_one(SettingsRow, row.id),
            "terrain": session.get_one(TerrainRow, row.id).data,
            "players": {player.key: player for player in session.scalars(select(PlayerRow))},
        }
        world = World.model_validate(data, from_attributes=True)
        handle.close()
        return world

    def open(self, path: Path, write: bool = False) -> Handle:
        return SqlHandle(path)

    def writers(self) -> list[Writer]:
        return [
            Writer(
                f"{name}, {journal}, synchronous={synchronous}",
                synchronous == "FULL",
                lambda path, handle=handle, pragmas=(f"journal_mode={journal}", f"synchronous={synchronous}"): handle(
                    path, pragmas
                ),
            )
            for (name, handle), journal, synchronous in product(
                (("sqlite3", Sqlite3Handle), ("SQLAlchemy + SQLite", SqlHandle)), ("DELETE", "WAL"), ("FULL", "OFF")
            )
        ]


PEER = SqlAlchemy()
