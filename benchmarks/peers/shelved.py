from __future__ import annotations

import shelve
from pathlib import Path
from typing import Any

from benchmarks.peers.base import Handle, Peer
from benchmarks.worlds import World

PLAYERS = "players/"


def shelf(path: Path, flag: str = "r") -> shelve.Shelf[Any]:
    return shelve.open(str(path), flag=flag, protocol=5)  # type: ignore[arg-type]


class Shelve(Peer):
    """With whichever dbm module this Python prefers; its file names tell them apart."""

    name = "shelve"
    syncs = False

    def save(self, path: Path, world: World) -> None:
        with shelf(path, "n") as db:
            db["id"], db["name"], db["settings"], db["terrain"] = world.id, world.name, world.settings, world.terrain
            for key, player in world.players.items():
                db[PLAYERS + key] = player

    def open_field(self, path: Path) -> int:
        with shelf(path) as db:
            difficulty: int = db["settings"].difficulty
        return difficulty

    def open_user(self, path: Path, key: str) -> int:
        with shelf(path) as db:
            level: int = db[PLAYERS + key].level
        return level

    def full_load(self, path: Path) -> World:
        with shelf(path) as db:
            players = {key.removeprefix(PLAYERS): db[key] for key in db if key.startswith(PLAYERS)}
            inline = {name: db[name] for name in ("id", "name", "settings", "terrain")}
        return World.model_construct(**inline, players=players)

    def open(self, path: Path, write: bool = False) -> Handle:
        return ShelveHandle(shelf(path, "w" if write else "r"))


class ShelveHandle(Handle):
    def __init__(self, db: shelve.Shelf[Any]) -> None:
        self.db = db

    def lookup(self, key: str) -> int:
        level: int = self.db[PLAYERS + key].level
        return level

    def update(self, key: str) -> None:
        player = self.db[PLAYERS + key]
        player.level += 1
        self.db[PLAYERS + key] = player
        self.db.sync()

    def close(self) -> None:
        self.db.close()


PEER = Shelve()
