from __future__ import annotations

import pickle
from pathlib import Path

from benchmarks.peers.base import WholeFile
from benchmarks.worlds import World


class Pickle(WholeFile):
    name = "pickle"

    def save(self, path: Path, world: World) -> None:
        with path.open("wb") as file:
            pickle.dump(world, file, protocol=pickle.HIGHEST_PROTOCOL)

    def full_load(self, path: Path) -> World:
        with path.open("rb") as file:
            world: World = pickle.load(file)
        return world


PEER = Pickle()
