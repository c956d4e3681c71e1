"""Ours. The same fields as the peers' models, with markers; what is not marked is stored inline."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import parcode_orm
from benchmarks.peers.base import Handle, Peer, Writer
from parcode_orm import Chunk, Model, Session, ShardedMap


class Rules(Model):
    permadeath: bool
    friendly_fire: bool
    max_party: int


class Settings(Model):
    difficulty: int
    seed: int
    motto: str
    rules: Rules


class Player(Model):
    id: int
    name: str
    level: int
    score: float
    email: str | None
    items: list[int]


class World(Model):
    id: int
    name: str
    settings: Settings = Chunk()
    terrain: bytes = Chunk()
    players: dict[str, Player] = ShardedMap()


class Parcode(Peer):
    def __init__(self, name: str, durability: Literal["full", "fast"]) -> None:
        self.name, self.durability, self.syncs = name, durability, durability == "full"

    def build(self, data: dict[str, Any]) -> World:
        return World.model_validate(data)

    def save(self, path: Path, world: World) -> None:
        parcode_orm.save(path, world, durability=self.durability)

    def open_field(self, path: Path) -> int:
        with Session.open(path) as session:
            return session.root(World).settings.difficulty

    def open_user(self, path: Path, key: str) -> int:
        with Session.open(path) as session:
            return session.root(World).players[key].level

    def full_load(self, path: Path) -> World:
        return parcode_orm.load(path, World)

    def open(self, path: Path, write: bool = False) -> Handle:
        return ParcodeHandle(Session(path, read_only=not write, durability=self.durability))

    def writers(self) -> list[Writer]:
        return [
            Writer("Parcode ORM, durability=full", True, lambda path: ParcodeHandle(Session(path))),
            Writer("Parcode ORM, durability=fast", False, lambda path: ParcodeHandle(Session(path, durability="fast"))),
        ]


class ParcodeHandle(Handle):
    def __init__(self, session: Session) -> None:
        self.session = session
        self.players = session.root(World).players

    def lookup(self, key: str) -> int:
        return self.players[key].level

    def update(self, key: str) -> None:
        self.players[key].level += 1
        self.session.commit()

    def bytes_written(self) -> int:
        return self.session.stats.bytes_written

    def close(self) -> None:
        self.session.close()


def bytes_read(path: Path, key: str) -> dict[str, int]:
    """Bytes that a fresh session reads for a field of the root, a nested one, a player, and for all three together."""
    reads = {
        "one field": [lambda world: world.name],
        "one nested field": [lambda world: world.settings.rules.max_party],
        "one user": [lambda world: world.players[key].level],
    }
    reads["all three"] = [read for each in reads.values() for read in each]
    found = {}
    for what, steps in reads.items():
        with Session.open(path) as session:
            world = session.root(World)
            for step in steps:
                step(world)
            found[what] = session.stats.bytes_read
    return found


PEER = Parcode("Parcode ORM", "full")
