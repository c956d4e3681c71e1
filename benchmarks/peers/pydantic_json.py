from __future__ import annotations

from pathlib import Path

from benchmarks.peers.base import WholeFile
from benchmarks.worlds import World


class PydanticJson(WholeFile):
    """The blob as base64, the only way in which JSON takes any bytes."""

    name = "Pydantic JSON"

    def save(self, path: Path, world: World) -> None:
        path.write_bytes(world.model_dump_json().encode())

    def full_load(self, path: Path) -> World:
        return World.model_validate_json(path.read_bytes())


PEER = PydanticJson()
