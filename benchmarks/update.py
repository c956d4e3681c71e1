"""The `update` workload: one changed row of many and a commit, again and again, beside other stores.

Each store is measured once waiting for the disk and once not, where it can do without (`Peer.writers` names how). All
stay open; every round visits each, so that a busy minute of the machine strikes all alike; figures are medians over all
commits. Written are the bytes that the process gave to the system in write calls, and how much the files grew.
"""

from __future__ import annotations

import gc
import random
import shutil
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.measure import clock, machine, number, reached, say, table
from benchmarks.peers.base import Peer, Writer, file_size
from benchmarks.worlds import player_keys, world_data

TIMES_LMDB, WRITTEN_BYTES = 3, 64e3


def bytes_written() -> int | None:
    """Bytes of all write calls of this process so far; None where the system does not tell."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return None
    return int(dict(line.split(": ") for line in lines)["wchar"])


class Contestant:
    """One way of one store to commit, with a copy of the world of its own."""

    def __init__(self, module: str, peer: Peer, writer: Writer, saved: Path, directory: Path) -> None:
        self.module, self.peer, self.writer = module, peer, writer
        shutil.copytree(saved.parent, directory)
        self.path = directory / saved.name
        self.handle = writer.open(self.path)
        self.counts: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.written: list[int] = []
        self.counted: list[int] = []
        self.grown = 0
        self.handle.update(player_keys(1)[0])  # opens and reads what all commits need
        self.counts[player_keys(1)[0]] += 1

    def round(self, keys: list[str]) -> None:
        gc.collect()
        size = file_size(self.path.parent)
        for key in keys:
            before, counter = bytes_written(), self.handle.bytes_written()
            self.seconds.append(clock(lambda key=key: self.handle.update(key)))
            if before is not None:
                self.written.append((bytes_written() or 0) - before)
            if counter is not None:
                self.counted.append((self.handle.bytes_written() or 0) - counter)
        self.counts.update(keys)
        self.grown += file_size(self.path.parent) - size

    def close(self, levels: dict[str, int]) -> None:
        """A store that lost a commit is not measured."""
        self.handle.close()
        handle = self.writer.open(self.path)
        wrong = [key for key, count in self.counts.items() if handle.lookup(key) != levels[key] + count]
        handle.close()
        if wrong:
            raise AssertionError(f"{self.writer.name}: commits to {len(wrong)} players are not there")

    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = {"module": self.module, "barriers": self.writer.barriers}
        found |= {"commit": statistics.median(self.seconds), "grown": self.grown / len(self.seconds)}
        if self.written:
            found["written"] = statistics.median(self.written)
        if self.counted:
            found["counted"] = max(self.counted)
        return {**found, "samples": self.seconds}


def contestants(modules: list[str], data: dict[str, Any], directory: Path) -> tuple[list[Contestant], dict[str, str]]:
    found: list[Contestant] = []
    skipped = {}
    for module in modules:
        say(f"{module}: build and save")
        try:
            peer = peers.find(module)
        except ModuleNotFoundError as error:
            skipped[module] = str(error)
            continue
        saved = directory / module / "saved" / "world"
        saved.parent.mkdir(parents=True)
        peer.save(saved, peer.build(data))
        for place, writer in enumerate(peer.writers()):
            found.append(Contestant(module, peer, writer, saved, directory / module / str(place)))
        shutil.rmtree(saved.parent)
    return found, skipped


def update(modules: list[str], users: int, commits: int, repeat: int, directory: Path) -> dict[str, Any]:
    data = world_data(users)
    keys, rng = player_keys(users), random.Random(users)
    levels = {key: player["level"] for key, player in data["players"].items()}
    found, skipped = contestants(modules, data, directory)
    gc.collect()
    gc.freeze()
    for round in range(repeat):
        chosen = rng.choices(keys, k=commits)
        for each in found:
            say(f"round {round + 1} of {repeat}: {each.writer.name}")
            each.round(chosen)
    gc.unfreeze()
    for each in found:
        each.close(levels)
    result = {"workload": "update", "users": users, "commits": commits * repeat, "skipped": skipped, **machine()}
    return {**result, "stores": {each.writer.name: each.result() for each in found}}


def text(result: dict[str, Any]) -> str:
    heads = ["", "waits", "commit ms", "KB written", "KB grown"]
    rows = [
        [name, "yes" if store["barriers"] else "no", number(store["commit"] * 1e3)]
        + [number(store[key] / 1e3) if key in store else "" for key in ("written", "grown")]
        for name, store in result["stores"].items()
    ]
    return "\n".join(
        [
            f"update: one of {result['users']:,} players changed and committed, medians of {result['commits']} commits",
            f"Python {result['python']}, {result['platform']}",
            "",
            *table(heads, rows),
            "",
            "Reach:",
            *_reach(result["stores"]),
            *(f"skipped: {module} ({why})" for module, why in result["skipped"].items()),
        ]
    )


def _reach(stores: dict[str, dict[str, Any]]) -> list[str]:
    lines = []
    for barriers, how in ((True, "waiting for the disk"), (False, "not waiting")):
        found = {store["module"]: store for store in stores.values() if store["barriers"] is barriers}
        ours, lmdb = found.get(peers.OURS), found.get("lmdb_msgpack")
        if ours and lmdb:
            lines.append(reached(f"a commit / LMDB's, {how}", ours["commit"] / lmdb["commit"], "<=", TIMES_LMDB))
    ours = [store["counted"] for store in stores.values() if "counted" in store]
    if ours:
        lines.append(reached("KB written by any commit of ours", max(ours) / 1e3, "<=", WRITTEN_BYTES / 1e3))
    return lines
