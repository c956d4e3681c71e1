"""The `growth` workload: a map grown from nothing in commits of a thousand pairs, beside one written at once.

Both files hold the same pairs, and every round asks each for the same keys in turn, so that a busy minute strikes both.
Lookups are in an open session; cold ones open the file anew each time.
"""

from __future__ import annotations

import gc
import random
import statistics
from pathlib import Path
from typing import Any

from benchmarks import stream
from benchmarks.measure import clock, machine, number, reached, say, sweep, table
from benchmarks.stream import Big
from parcode_orm import Session, lazy, save, verify

STEP = 1_000  # pairs a commit
LOOKUPS = 2_000  # a round, in an open session
COLD = 9  # a round
TIMES = 1.5
FIGURES = (("lookup us", "lookup", 1e-6), ("missing us", "missing", 1e-6), ("cold lookup ms", "cold", 1e-3))
KINDS = ("grown", "at once")


def grow(path: Path, count: int) -> float:
    """Seconds to fill the map."""
    save(path, Big(name="big", rows=[], pairs={}))

    def commits() -> None:
        with Session(path, durability="fast") as session:
            pairs = session.root(Big).pairs
            for first in range(0, count, STEP):
                pairs.update({stream.key(n): stream.row(n) for n in range(first, min(first + STEP, count))})
                session.commit()

    return clock(commits)


def check(path: Path, count: int) -> None:
    """Every pair is there, in order, and found by its key; and no other."""
    with Session.open(path) as session:
        pairs = lazy(session.root(Big).pairs)
        assert verify(path).ok and len(pairs) == count
        assert all(key == stream.key(n) for n, key in enumerate(pairs))
        assert all(pairs[stream.key(n)].level == stream.row(n).level for n in range(count))
        assert not any(stream.key(n) in pairs for n in range(count, count + 10_000))


class Contestant:
    """One of the files, open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.session = Session.open(path)
        self.pairs = self.session.root(Big).pairs
        self.seconds: dict[str, list[float]] = {key: [] for _, key, _ in FIGURES}

    def ask(self, keys: list[str], missing: list[str]) -> None:
        pairs = self.pairs
        self.seconds["lookup"].append(clock(lambda: [pairs[key].level for key in keys]) / len(keys))
        self.seconds["missing"].append(clock(lambda: [key in pairs for key in missing]) / len(missing))

    def ask_cold(self, key: str) -> None:
        def step() -> Any:
            with Session.open(self.path) as session:
                return session.root(Big).pairs[key].level

        gc.collect()
        sweep().count(1)
        self.seconds["cold"].append(clock(step))


def growth(count: int, rounds: int, directory: Path) -> dict[str, Any]:
    paths = {kind: directory / f"{kind.replace(' ', '-')}.par" for kind in KINDS}
    say(f"{count:,} pairs: grow")
    seconds = {"grown": grow(paths["grown"], count)}
    say(f"{count:,} pairs: write at once")
    whole = Big(name="big", rows=[], pairs=stream.pairs(count))
    seconds["at once"] = clock(lambda: save(paths["at once"], whole))
    say(f"{count:,} pairs: find all")
    for path in paths.values():
        check(path, count)
    files = {kind: Contestant(path) for kind, path in paths.items()}
    rng = random.Random(count)
    for turn in range(rounds + 1):
        say(f"lookups: round {turn} of {rounds}")
        keys = [stream.key(rng.randrange(count)) for _ in range(LOOKUPS)]
        missing = [stream.key(count + rng.randrange(count)) for _ in range(LOOKUPS)]
        for kind in (KINDS, KINDS[::-1])[turn % 2]:
            files[kind].ask(keys, missing)
        for key in keys[:COLD]:
            for kind in KINDS:
                files[kind].ask_cold(key)
    figures = {}
    for kind, file in files.items():
        stored = file.pairs.rows.table  # type: ignore[attr-defined]
        figures[kind] = {
            **{key: statistics.median(found[1 if key != "cold" else COLD :]) for key, found in file.seconds.items()},
            "written": seconds[kind],
            "size": file.path.stat().st_size,
            "runs": len(stored.runs),
            "slices": sum(1 for _ in stored.tree.pieces()),
        }
        file.session.close()
    return {"workload": "growth", "pairs": count, "rounds": rounds, "files": figures, **machine()}


def text(result: dict[str, Any]) -> str:
    files = result["files"]
    heads = ["map", *(heading for heading, _, _ in FIGURES), "written s", "file MB", "index runs", "slices"]
    rows = []
    for kind, file in files.items():
        figures = [number(file[key] / unit) for _, key, unit in FIGURES]
        figures += [number(file["written"]), number(file["size"] / 1e6), str(file["runs"]), str(file["slices"])]
        rows.append([kind, *figures])
    ratios = {key: files["grown"][key] / files["at once"][key] for _, key, _ in FIGURES}
    return "\n".join(
        [
            f"growth: {result['pairs']:,} pairs, grown in commits of {STEP:,}; medians of {result['rounds']} rounds",
            f"Python {result['python']}, {result['platform']}",
            "",
            *table(heads, rows),
            "",
            "Reach:",
            *(reached(f"grown / at once: {key}", ratios[key], "<=", TIMES) for key in ratios),
        ]
    )
