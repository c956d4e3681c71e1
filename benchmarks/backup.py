"""The `backup` workload: a large file copied whole, and then after one commit: bytes that are copied, and time."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import machine, number, reached, say, table
from parcode_orm import BackupReport, Chunk, Model, Session, ShardedMap, backup, verify

PART = 50_000_000  # bytes of a blob
BYTES = 1e6  # that a backup after one commit of a row copies, at most


class Player(Model):
    level: int
    name: str


class World(Model):
    players: dict[str, Player] = ShardedMap()
    terrain: list[bytes] = Chunk()


def write(path: Path, size: int) -> None:
    """A file of about `size` bytes: blobs that do not compress, and 100,000 players."""
    chance = random.Random(1)

    def blobs(left: int) -> Iterator[bytes]:
        while left > 0:
            yield chance.randbytes(min(PART, left))
            left -= PART

    players = ((f"hero {n}", Player(level=n % 99, name=f"hero {n}")) for n in range(100_000))
    with Session(path) as session:
        session.add(World(players=players, terrain=blobs(size)))  # type: ignore[arg-type]
        session.commit()


def timed(path: Path, to: Path) -> tuple[float, BackupReport]:
    start = time.perf_counter()
    report = backup(path, to)
    return time.perf_counter() - start, report


def backups(megabytes: int, directory: Path) -> dict[str, Any]:
    path, to = directory / "world.par", directory / "copy.par"
    say(f"write {megabytes:,} MB")
    write(path, megabytes * 1_000_000)
    steps: dict[str, dict[str, float]] = {}

    def step(name: str) -> None:
        say(name)
        seconds, report = timed(path, to)
        steps[name] = {"seconds": seconds, "copied": report.copied, "commits": report.commits, "size": report.size}

    step("whole")
    with Session(path) as session:
        session.root(World).players["hero 77"].level = 100
        session.commit()
        step("after one commit")
        for n in range(100):
            session.root(World).players[f"hero {n * 731}"].level = 101
            session.commit()
    step("after 100 commits")
    step("after none")
    with Session.open(to) as session:
        assert session.root(World).players["hero 77"].level == 100 and session.snapshot is not None
        assert session.snapshot.sequence == 102
    say("verify")
    assert verify(to).ok
    return {"workload": "backup", "steps": steps, "verified": True, **machine()}


def text(result: dict[str, Any]) -> str:
    steps = result["steps"]
    rows = [
        [
            name,
            number(each["commits"]),
            number(each["copied"] / 1e3),
            number(each["size"] / 1e6),
            number(each["seconds"]),
        ]
        for name, each in steps.items()
    ]
    return "\n".join(
        [
            f"backup: Python {result['python']}, {result['platform']}",
            "",
            *table(["backup", "commits", "kB copied", "MB of the copy", "s"], rows),
            "The copy opens, and verifies.",
            "",
            reached("bytes copied after one commit", steps["after one commit"]["copied"], "<=", BYTES),
        ]
    )
