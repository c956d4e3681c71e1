from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel

from benchmarks.peers.base import WholeFile
from benchmarks.worlds import World


def fields(model: Any) -> dict[str, Any]:
    """For msgspec: a model is what its `__dict__` holds."""
    if isinstance(model, BaseModel):
        return model.__dict__
    raise TypeError(type(model))


class Msgpack(WholeFile):
    name = "msgspec msgpack of __dict__"

    def save(self, path: Path, world: World) -> None:
        path.write_bytes(msgspec.msgpack.encode(world.__dict__, enc_hook=fields))

    def full_load(self, path: Path) -> World:
        return World.model_validate(msgspec.msgpack.decode(path.read_bytes()))


PEER = Msgpack()
