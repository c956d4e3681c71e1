"""The `fresh` workload: whole processes that read one field of a file, beside processes that only import Pydantic.

The programs take turns, so that a busy minute of the machine strikes all alike. A figure is the median over the rounds.
Bytecode is compiled before. `ratio` is that to a process that defines the same classes with Pydantic alone, and does
not open anything: no program that reads objects of such classes can do less.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import parcode_orm
from benchmarks.measure import clock, machine, number, reached, say, table
from benchmarks.peers import parcode
from benchmarks.worlds import world_data

RATIO = 1.25  # at most, to the classes alone
CLASSES = """
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
    settings: Settings {marker}
    terrain: bytes {marker}
    players: dict[str, Player] {shards}
"""
OURS = "from parcode_orm import Chunk, Model, Session, ShardedMap" + CLASSES.format(
    marker="= Chunk()", shards="= ShardedMap()"
)
PLAIN = "from pydantic import BaseModel as Model" + CLASSES.format(marker="", shards="")
FIELD = """
with Session.open({path!r}) as session:
    session.root(World).settings.difficulty
"""
BASE = "the classes, with Pydantic alone"


def programs(path: Path) -> dict[str, str]:
    """The programs by name."""
    return {
        "nothing": "",
        "import pydantic": "import pydantic",
        BASE: PLAIN,
        "import parcode_orm, and the classes": OURS,
        "and open, and one field": OURS + FIELD.format(path=str(path)),
    }


def fresh(rounds: int, directory: Path) -> dict[str, Any]:
    path = directory / "world"
    peer = parcode.PEER
    peer.save(path, peer.build(world_data(1_000)))
    found = programs(path)
    samples: dict[str, list[float]] = {name: [] for name in found}
    at = os.pathsep.join([str(Path(parcode_orm.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": at, "PYTHONPYCACHEPREFIX": str(directory / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    for each in range(rounds + 1):  # the first round compiles
        say(f"round {each} of {rounds}")
        for name, program in found.items():
            command = [sys.executable, "-c", program]
            seconds = clock(lambda command=command: subprocess.run(command, check=True, env=environment))  # type: ignore[misc]
            if each:
                samples[name].append(seconds)
    return {
        "workload": "fresh",
        "seconds": {name: statistics.median(times) for name, times in samples.items()},
        "samples": samples,
        **machine(),
    }


def text(result: dict[str, Any]) -> str:
    seconds = result["seconds"]
    rows = [[name, number(time * 1e3), number(time / seconds[BASE])] for name, time in seconds.items()]
    last = list(seconds.values())[-1]
    lines = [
        "whole processes",
        f"Python {result['python']}, {result['platform']}",
        "",
        *table(["program", "ms", "ratio"], rows),
        "",
        "Reach:",
        reached("import, open and one field / the classes with Pydantic alone", last / seconds[BASE], "<=", RATIO),
        reached("import, open and one field / import pydantic", last / seconds["import pydantic"], "<=", RATIO),
    ]
    return "\n".join(lines)
