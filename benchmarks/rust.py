"""The `rust` workload: the same steps here and in a release build of the Rust crate `parcode`, in one run.

`benchmarks/peers/parcode_rust` is a program of ours. It is built with cargo, gets the world as MessagePack, and keeps
it in memory. Then it does one step for each line that it reads, and measures inside its own process. Every round
visits both, step by step. Neither waits for the disk. What both tell of a step must be equal: levels, or rows.

This process collects garbage before each step, and freezes no objects: after a load in a program that has frozen some,
the cycle collector walks all that is new (`docs/decisions/0201`).
"""

from __future__ import annotations

import gc
import random
import shutil
import statistics
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import msgspec

import parcode_orm
from benchmarks.measure import clock, cold, machine, number, reached, repeated, say, table
from benchmarks.peers.parcode import PEER, Player, World
from benchmarks.peers.parcode_fast import PEER as FAST
from benchmarks.worlds import player_keys, world_data
from parcode_orm import Chunk, Model, Session

PROJECT = Path(__file__).parent / "peers" / "parcode_rust"
LOOKUPS = 10_000


class Step(NamedTuple):
    """What a step is called in the report, the unit of its figure, the file that it is about, and what to reach."""

    text: str
    unit: str
    file: str
    reach: float


STEPS = {
    "save": Step("save the world", "ms", "world", 1.0),
    "field": Step("open, one field", "us", "world", 3.0),
    "swept": Step("the same, caches swept", "us", "world", 3.0),
    "lookup": Step("look up one player", "us", "world", 2.0),
    "load": Step("load the world", "ms", "world", 2.0),
    "write": Step("write the list", "ms", "roster", 4.0),
    "read": Step("read all of the list", "ms", "roster", 5.0),
    "stream": Step("stream the list", "ms", "roster", 4.0),
}
UNITS = {"ms": 1e-3, "us": 1e-6}
WRITING = ("save", "write")


class Roster(Model):
    name: str
    players: list[Player] = Chunk()


class Contestant(Protocol):
    def step(self, what: str, path: Path, keys: list[str]) -> tuple[float, int]:
        """Seconds of one of `STEPS`, and the number that it tells."""


class Ours:
    """The steps in this process."""

    def __init__(self, data: dict[str, Any], rows: int) -> None:
        self.world = World.model_validate(data)
        players = islice(cycle(self.world.players.values()), rows)
        copies = (player.model_copy(update={"id": id}) for id, player in enumerate(players))
        self.roster = Roster(name="roster", players=list(copies))

    def step(self, what: str, path: Path, keys: list[str]) -> tuple[float, int]:
        told: list[int] = []
        gc.collect()
        steps: dict[str, Callable[[], float]] = {
            "save": lambda: clock(lambda: told.append(self._saved(path, self.world))),
            "field": lambda: repeated(lambda: told.append(PEER.open_field(path))),
            "swept": lambda: cold(lambda: told.append(PEER.open_field(path))),
            "lookup": lambda: self._lookups(path, keys, told),
            "load": lambda: self._loaded(path, self.world, told),
            "write": lambda: clock(lambda: told.append(self._saved(path, self.roster))),
            "read": lambda: self._loaded(path, self.roster, told),
            "stream": lambda: clock(lambda: told.append(self._streamed(path))),
        }
        seconds = steps[what]()
        return seconds, told[-1]

    def _saved(self, path: Path, model: World | Roster) -> int:
        parcode_orm.save(path, model, durability="fast")
        return len(model.players)

    def _loaded(self, path: Path, model: World | Roster, told: list[int]) -> float:
        found: list[Any] = []
        seconds = clock(lambda: found.append(parcode_orm.load(path, type(model))))
        told.append(len(model.players) if found[0] == model else 0)
        return seconds

    def _lookups(self, path: Path, keys: list[str], told: list[int]) -> float:
        handle = FAST.open(path)
        seconds = clock(lambda: told.append(sum(map(handle.lookup, keys))))
        handle.close()
        return seconds / len(keys)

    def _streamed(self, path: Path) -> int:
        with Session.open(path) as session:
            return sum(player.level for player in session.root(Roster).players)


class Rust:
    """The steps in the Rust program."""

    def __init__(self, program: subprocess.Popen[str]) -> None:
        assert program.stdin is not None and program.stdout is not None
        self.program, self.asked, self.answers = program, program.stdin, program.stdout

    def step(self, what: str, path: Path, keys: list[str]) -> tuple[float, int]:
        ask(self.asked, what, path, keys)
        return answer(self.answers.readline())


def ask(asked: IO[str], what: str, path: Path, keys: list[str]) -> None:
    asked.write("\t".join([what, str(path), *(keys if what == "lookup" else [])]) + "\n")
    asked.flush()


def answer(line: str) -> tuple[float, int]:
    """Seconds, and what the program tells of the step.

    Raises:
        RuntimeError: the program ended, and its error stands on stderr.
    """
    if not line.endswith("\n"):
        raise RuntimeError("the Rust program ended before it answered")
    seconds, told = line.split()
    return float(seconds), int(told)


def built() -> Path | str:
    """The program, or why there is none."""
    cargo = shutil.which("cargo")
    if cargo is None:
        return "cargo is not installed"
    say("parcode_rust: cargo build --release")
    command = [cargo, "build", "--release", "--target-dir", str(PROJECT / "target")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("error")]
        return f"cargo build failed: {(lines or ['no message'])[0]}"
    return PROJECT / "target" / "release" / "parcode-rust-peer"


@contextmanager
def running(program: Path, data: dict[str, Any], rows: int, directory: Path) -> Iterator[Rust]:
    handed = directory / "world.msgpack"
    handed.write_bytes(msgspec.msgpack.encode(data))
    pipe = subprocess.PIPE
    with subprocess.Popen([program, handed, str(rows)], stdin=pipe, stdout=pipe, text=True) as process:
        yield Rust(process)


def rounds(sides: dict[str, Contestant], users: int, repeat: int, directory: Path) -> dict[str, Any]:
    """The samples of each side and step. The files of the first, unmeasured round are those that are read."""
    samples: dict[str, dict[str, list[float]]] = {side: {what: [] for what in STEPS} for side in sides}
    size: dict[str, dict[str, int]] = {side: {} for side in sides}
    rng = random.Random(users)
    for turn in range(repeat + 1):
        say(f"round {turn} of {repeat}" if turn else "warm-up")
        keys = rng.sample(player_keys(users), min(users, LOOKUPS))
        for what, step in STEPS.items():
            told = {}
            for side, contestant in sides.items():
                path = kept = directory / f"{side}.{step.file}"
                if turn and what in WRITING:
                    path = kept.with_suffix(".again")
                seconds, told[side] = contestant.step(what, path, keys)
                if turn:
                    samples[side][what].append(seconds)
                if what in WRITING:
                    size[side][what] = path.stat().st_size
                if path != kept:
                    path.unlink()
            if len(set(told.values())) > 1 or 0 in told.values():
                raise AssertionError(f"{what}: the sides differ: {told}")
    figures = {side: {what: statistics.median(each) for what, each in found.items()} for side, found in samples.items()}
    return {"figures": figures, "samples": samples, "size": size}


def rust(users: int, rows: int, repeat: int, directory: Path) -> dict[str, Any]:
    data = world_data(users)
    sides: dict[str, Contestant] = {"ours": Ours(data, rows)}
    about = {"workload": "rust", "users": users, "rows": rows, "repeat": repeat, "skipped": {}, **machine()}
    program = built()
    if isinstance(program, str):
        return {**about, "skipped": {"parcode_rust": program}, **rounds(sides, users, repeat, directory)}
    with running(program, data, rows, directory) as peer:
        return {**about, **rounds({**sides, "rust": peer}, users, repeat, directory)}


def text(result: dict[str, Any]) -> str:
    ours, theirs = result["figures"]["ours"], result["figures"].get("rust")
    heads = ["", "unit", "Parcode ORM", *(["Rust", "ours / Rust"] if theirs else [])]
    lines = []
    for what, step in STEPS.items():
        cells = [step.text, step.unit, number(ours[what] / UNITS[step.unit])]
        if theirs:
            cells += [number(theirs[what] / UNITS[step.unit]), number(ours[what] / theirs[what])]
        lines.append(cells)
    sizes = (
        "{} {} MB".format(side, "/".join(number(each / 1e6) for each in found.values()))
        for side, found in result["size"].items()
    )
    return "\n".join(
        [
            f"rust: {result['users']:,} users, a list of {result['rows']:,}, medians of {result['repeat']} rounds",
            f"Python {result['python']}, {result['platform']}",
            "",
            *table(heads, lines),
            f"Files of the world and of the list: {', '.join(sizes)}.",
            *(["", "Reach:"] if theirs else []),
            *(
                reached(f"{step.text}, ours / Rust", ours[what] / theirs[what], "<=", step.reach)
                for what, step in STEPS.items()
                if theirs
            ),
            *(f"skipped: {peer} ({why})" for peer, why in result["skipped"].items()),
        ]
    )
