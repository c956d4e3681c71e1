from __future__ import annotations

from pathlib import Path
from typing import Any

import lmdb
import msgspec

from benchmarks.peers.base import Handle, Peer, Writer
from benchmarks.peers.msgspec_msgpack import fields
from benchmarks.worlds import Player, Settings, World

PLAYERS = b"players/"
encode = msgspec.msgpack.Encoder(enc_hook=fields).encode
decode = msgspec.msgpack.Decoder().decode


def environment(path: Path, write: bool = False, sync: bool = True) -> Any:
    return lmdb.open(str(path), subdir=False, readonly=not write, map_size=4 << 30, sync=sync, metasync=sync)


class Lmdb(Peer):
    """A record a player; settings, blob and the rest of the root are records too."""

    name = "LMDB + msgpack + validation"
    syncs = True

    def save(self, path: Path, world: World) -> None:
        with environment(path, write=True) as env, env.begin(write=True) as txn:
            txn.put(b"root", encode({"id": world.id, "name": world.name}))
            txn.put(b"settings", encode(world.settings))
            txn.put(b"terrain", world.terrain)
            for key, player in world.players.items():
                txn.put(PLAYERS + key.encode(), encode(player.__dict__))

    def open_field(self, path: Path) -> int:
        with environment(path) as env, env.begin(buffers=True) as txn:
            return Settings.model_validate(decode(txn.get(b"settings"))).difficulty

    def open_user(self, path: Path, key: str) -> int:
        with environment(path) as env, env.begin(buffers=True) as txn:
            return Player.model_validate(decode(txn.get(PLAYERS + key.encode()))).level

    def full_load(self, path: Path) -> World:
        with environment(path) as env, env.begin(buffers=True) as txn:
            data = decode(txn.get(b"root"))
            data["settings"] = decode(txn.get(b"settings"))
            data["terrain"] = bytes(txn.get(b"terrain"))
            data["players"] = players = {}
            cursor = txn.cursor()
            cursor.set_range(PLAYERS)
            for key, value in cursor:
                if key[: len(PLAYERS)] != PLAYERS:
                    break
                players[str(key[len(PLAYERS) :], "utf-8")] = decode(value)
            return World.model_validate(data)

    def open(self, path: Path, write: bool = False) -> Handle:
        return LmdbHandle(environment(path, write))

    def writers(self) -> list[Writer]:
        return [
            Writer(f"LMDB, sync={sync}", sync, lambda path, sync=sync: LmdbHandle(environment(path, True, sync)))
            for sync in (True, False)
        ]


class LmdbHandle(Handle):
    def __init__(self, env: Any) -> None:
        self.env = env
        self.snapshot = env.begin(buffers=True)

    def lookup(self, key: str) -> int:
        return Player.model_validate(decode(self.snapshot.get(PLAYERS + key.encode()))).level

    def update(self, key: str) -> None:
        where = PLAYERS + key.encode()
        with self.env.begin(write=True) as txn:
            player = Player.model_validate(decode(txn.get(where)))
            player.level += 1
            txn.put(where, encode(player.__dict__))

    def close(self) -> None:
        self.snapshot.abort()
        self.env.close()


PEER = Lmdb()
