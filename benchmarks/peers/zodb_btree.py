from __future__ import annotations

from pathlib import Path
from typing import Any

import BTrees.OOBTree
import persistent
import ZODB
import ZODB.FileStorage

from benchmarks.peers.base import Handle, Peer, Writer
from benchmarks.worlds import World


class Terrain(persistent.Persistent):  # type: ignore[misc]
    """Persistent, so that the blob is a record of its own and not loaded with the root."""

    def __init__(self, data: bytes) -> None:
        self.data = data


class ZodbHandle(Handle):
    def __init__(self, path: Path, write: bool = False) -> None:
        storage = ZODB.FileStorage.FileStorage(str(path), read_only=not write)
        self.db = ZODB.DB(storage, large_record_size=1 << 30)
        self.connection = self.db.open()
        self.root: Any = self.connection.root()

    def lookup(self, key: str) -> int:
        level: int = self.root["players"][key].level
        return level

    def update(self, key: str) -> None:
        player = self.root["players"][key]
        player.level += 1
        self.root["players"][key] = player
        self.connection.transaction_manager.commit()

    def close(self) -> None:
        self.connection.close()
        self.db.close()


class Zodb(Peer):
    """A BTree of plain Pydantic models, some tens of them a record."""

    name = "ZODB"
    syncs = True

    def save(self, path: Path, world: World) -> None:
        handle = ZodbHandle(path, write=True)
        handle.root.update(
            {
                "id": world.id,
                "name": world.name,
                "settings": world.settings,
                "terrain": Terrain(world.terrain),
                "players": BTrees.OOBTree.OOBTree(world.players),
            }
        )
        handle.connection.transaction_manager.commit()
        handle.close()

    def open_field(self, path: Path) -> int:
        handle = ZodbHandle(path)
        difficulty: int = handle.root["settings"].difficulty
        handle.close()
        return difficulty

    def open_user(self, path: Path, key: str) -> int:
        handle = ZodbHandle(path)
        level = handle.lookup(key)
        handle.close()
        return level

    def full_load(self, path: Path) -> World:
        handle = ZodbHandle(path)
        root = handle.root
        inline = {name: root[name] for name in ("id", "name", "settings")}
        world = World.model_construct(**inline, terrain=root["terrain"].data, players=dict(root["players"]))
        handle.close()
        return world

    def open(self, path: Path, write: bool = False) -> Handle:
        return ZodbHandle(path, write)

    def writers(self) -> list[Writer]:
        return [Writer("ZODB, FileStorage", True, lambda path: ZodbHandle(path, write=True))]


PEER = Zodb()
