"""The `world` workload: what a user could pick, measured side by side on this machine.

Every round visits every peer, so that a busy minute of the machine strikes all alike; a figure is the median over the
rounds of each round's median. "Cold" is a newly opened handle in a running process that was busy with something else:
nothing of an earlier handle is kept and the processor's caches are swept before each; the page cache is warm and
modules are imported. "Again" is the same in a tight loop. Garbage is collected before each measurement and collection
stays on during it; what the runner itself holds is frozen.
"""

from __future__ import annotations

import gc
import random
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks import memory, peers
from benchmarks.measure import clock, cold, machine, repeated, say
from benchmarks.peers.base import Peer, file_size
from benchmarks.worlds import player_keys, world_data

LOOKUPS = 10_000


class Contestant:
    """One peer with its world, its directory and what was measured so far."""

    def __init__(self, module: str, data: dict[str, Any], directory: Path) -> None:
        self.module, self.peer = module, peers.find(module)
        self.world = self.peer.build(data)
        self.directory = directory / module
        self.saves = self.runs = 0
        self.samples: dict[str, list[float]] = {}
        self.figures: dict[str, Any] = {}
        self.path = self.save()
        self.check(self.peer)

    def check(self, peer: Peer) -> None:
        """A peer that gives back something else is not measured."""
        if peer.full_load(self.path) != self.world:
            raise AssertionError(f"{peer.name}: the loaded world differs from the saved one")
        self.figures["size"] = file_size(self.path.parent)

    def save(self) -> Path:
        """Each save in a directory of its own: peers write more than one file."""
        self.saves += 1
        path = self.directory / f"save{self.saves}" / "world"
        path.parent.mkdir(parents=True)
        gc.collect()
        self.samples.setdefault("save", []).append(clock(lambda: self.peer.save(path, self.world)))
        return path

    def round(self, keys: list[str], rng: random.Random) -> None:
        shutil.rmtree(self.save().parent)
        self.add("field", cold(lambda: self.peer.open_field(self.path)))
        self.add("user", cold(lambda: self.peer.open_user(self.path, rng.choice(keys))))
        self.add("again", repeated(lambda: self.peer.open_field(self.path)))
        self.add("load", repeated(lambda: self.peer.full_load(self.path)))
        self.lookups(rng.sample(keys, min(LOOKUPS, len(keys))))
        self.updates(keys, rng)

    def add(self, what: str, seconds: float) -> None:
        self.samples.setdefault(what, []).append(seconds)

    def lookups(self, keys: list[str], budget: float = 0.5) -> None:
        handle = self.peer.open(self.path)
        gc.collect()
        done, spent, lookup = 0, 0.0, handle.lookup
        while done < len(keys) and spent < budget:
            part = keys[done : done + 1_000]
            start = time.perf_counter()
            for key in part:
                lookup(key)
            spent += time.perf_counter() - start
            done += len(part)
        self.add("lookup", spent / done)
        handle.close()

    def updates(self, keys: list[str], rng: random.Random) -> None:
        copy = self.directory / "updated"
        shutil.copytree(self.path.parent, copy)
        handle = self.peer.open(copy / self.path.name, write=True)
        self.add("update", repeated(lambda: handle.update(rng.choice(keys))))
        handle.close()
        shutil.rmtree(copy)

    def memory(self, players: int) -> None:
        for what in ("save", "load"):
            path = self.path
            if what == "save":
                path = self.directory / "memory" / "world"
                path.parent.mkdir()
            self.figures[f"{what}_peak"] = memory.in_subprocess(self.module, what, path, players)

    def result(self) -> dict[str, Any]:
        medians = {what: statistics.median(samples) for what, samples in self.samples.items()}
        return {"name": self.peer.name, "syncs": self.peer.syncs, **medians, **self.figures, "samples": self.samples}


def contestants(modules: list[str], data: dict[str, Any], directory: Path) -> tuple[list[Contestant], dict[str, str]]:
    found, skipped = [], {}
    for module in modules:
        say(f"{module}: build, save and check")
        try:
            found.append(Contestant(module, data, directory))
        except ModuleNotFoundError as error:
            skipped[module] = str(error)
    return found, skipped


def world(modules: list[str], players: int, repeat: int, with_memory: bool, directory: Path) -> dict[str, Any]:
    data = world_data(players)
    keys, rng = player_keys(players), random.Random(players)
    found, skipped = contestants(modules, data, directory)
    for each in found:  # the first save of all is a warm-up
        each.samples.clear()
    gc.collect()
    gc.freeze()
    for number in range(repeat):
        for each in found:
            say(f"round {number + 1} of {repeat}: {each.peer.name}")
            each.round(keys, rng)
    gc.unfreeze()
    result: dict[str, Any] = {"workload": "world", "users": players, "repeat": repeat, "skipped": skipped, **machine()}
    ours = next((each for each in found if each.module == peers.OURS), None)
    if ours is not None:
        from benchmarks.peers.parcode import bytes_read

        result["bytes_read"] = bytes_read(ours.path, keys[len(keys) // 2])
    if with_memory:
        for each in found:
            say(f"memory: {each.peer.name}")
            each.memory(players)
    return {**result, "peers": {each.module: each.result() for each in found}}
