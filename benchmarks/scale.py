"""The `scale` workload: the same steps in files of a thousand rows up to millions; their cost should not follow.

Every file holds a list and a map of that many models. Cold is a newly opened session, the processor's caches swept, the
page cache warm. Every append and insert is committed by itself.
"""

from __future__ import annotations

import gc
import random
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from benchmarks import stream
from benchmarks.measure import clock, cold, machine, number, reached, repeated, say, table
from benchmarks.stream import Big
from parcode_orm import Session, save

READ_BYTES, WRITTEN_BYTES = 200e3, 64e3  # of a cold lookup, and of an append with its commit
FLAT = 3.0  # times as long in the largest file as in the smallest one passes for noise and one more tree level
# heading, key in a file's figures, unit
COLUMNS = (
    ("open+field ms", "field", 1e-3),
    ("open+lookup ms", "cold lookup", 1e-3),
    ("open+row ms", "cold row", 1e-3),
    ("lookup us", "lookup", 1e-6),
    ("row us", "row", 1e-6),
    ("append full ms", "append full", 1e-3),
    ("append fast ms", "append fast", 1e-3),
    ("insert full ms", "insert full", 1e-3),
    ("insert fast ms", "insert fast", 1e-3),
    ("KB read, lookup", "lookup bytes", 1e3),
    ("KB read, row", "row bytes", 1e3),
    ("KB written, append", "append bytes", 1e3),
    ("KB written, insert", "insert bytes", 1e3),
    ("file MB", "size", 1e6),
)
FLAT_COLUMNS = ("field", "cold lookup", "cold row", "lookup", "row", "append full", "append fast")


class File:
    """A file of `count` rows in a list and as many in a map, and what was measured of it."""

    def __init__(self, path: Path, count: int) -> None:
        self.path, self.count, self.rng = path, count, random.Random(count)
        save(path, Big(name="big", rows=stream.rows(count), pairs=stream.pairs(count)))
        self.figures: dict[str, float] = {"size": path.stat().st_size}

    def some_key(self) -> str:
        return stream.key(self.rng.randrange(self.count))

    def opened(self, step: Callable[[Big], Any]) -> int:
        """Open, do one step, close: the bytes that were read."""
        with Session.open(self.path) as session:
            step(session.root(Big))
            return session.stats.bytes_read

    def read(self) -> None:
        def lookup(big: Big) -> Any:
            return big.pairs[self.some_key()].level

        def row(big: Big) -> Any:
            return big.rows[self.rng.randrange(self.count)].level

        self.figures["field"] = cold(lambda: self.opened(lambda big: big.name))
        for what, step in (("lookup", lookup), ("row", row)):
            self.figures[f"cold {what}"] = cold(lambda step=step: self.opened(step))
            self.figures[f"{what} bytes"] = max(self.opened(step) for _ in range(9))
            with Session.open(self.path) as session:
                self.figures[what] = self.warm(session.root(Big), step)

    def warm(self, big: Big, step: Callable[[Big], Any], steps: int = 1_000) -> float:
        """Seconds a step, once the places that are met have been met."""

        def all_steps() -> None:
            self.rng.seed(1)
            for _ in range(steps):
                step(big)

        all_steps()
        return repeated(all_steps) / steps

    def write(self, durability: Literal["full", "fast"], commits: int) -> None:
        with Session(self.path, durability=durability) as session:
            big = session.root(Big)

            def append() -> None:
                big.rows.append(stream.row(len(big.rows)))
                session.commit()

            def insert() -> None:
                big.pairs[stream.key(len(big.pairs))] = stream.row(len(big.pairs))
                session.commit()

            for what, step in (("append", append), ("insert", insert)):
                self.commits(session, what, durability, step, commits)
        self.check()

    def commits(self, session: Session, what: str, durability: str, step: Callable[[], None], commits: int) -> None:
        step()  # the first one opens and reads what those after it find in memory
        gc.collect()
        seconds, written = [], []
        for _ in range(commits):
            before = session.stats.bytes_written
            seconds.append(clock(step))
            written.append(session.stats.bytes_written - before)
        self.figures[f"{what} {durability}"] = statistics.median(seconds)
        self.figures[f"{what} bytes"] = max([*written, self.figures.get(f"{what} bytes", 0)])

    def check(self) -> None:
        """What was committed last is there."""
        with Session.open(self.path) as session:
            big = session.root(Big)
            last = len(big.rows) - 1, len(big.pairs) - 1
            if big.rows[-1] != stream.row(last[0]) or big.pairs[stream.key(last[1])] != stream.row(last[1]):
                raise AssertionError(f"the rows that were added last to {self.count:,} are not the ones read again")


def scale(smallest: int, largest: int, commits: int, directory: Path) -> dict[str, Any]:
    files = {}
    count = smallest
    while count <= largest:
        say(f"{count:,} rows: write")
        file = File(directory / "big", count)
        say(f"{count:,} rows: read")
        file.read()
        say(f"{count:,} rows: append and insert")
        file.write("full", commits)
        file.write("fast", commits)
        file.path.unlink()
        files[count] = file.figures
        count *= 10
    return {"workload": "scale", "commits": commits, "files": files, **machine()}


def text(result: dict[str, Any]) -> str:
    files = result["files"]
    heads = ["rows", *(heading for heading, _, _ in COLUMNS)]
    rows = [[f"{count:,}", *(number(file[key] / unit) for _, key, unit in COLUMNS)] for count, file in files.items()]
    ratios = {key: files[max(files)][key] / files[min(files)][key] for _, key, _ in COLUMNS}
    rows.append(["last / first", *(f"{number(ratios[key])}x" for _, key, _ in COLUMNS)])
    return "\n".join(
        [
            f"scale: medians of {result['commits']} commits; bytes are the most of any",
            f"Python {result['python']}, {result['platform']}",
            "",
            *table(heads, rows),
            "",
            "Reach:",
            *(reached(f"largest / smallest file: {key}", ratios[key], "<=", FLAT) for key in FLAT_COLUMNS),
            reached(
                "KB read by a cold lookup", max(f["lookup bytes"] for f in files.values()) / 1e3, "<=", READ_BYTES / 1e3
            ),
            reached(
                "KB written by an append",
                max(f["append bytes"] for f in files.values()) / 1e3,
                "<=",
                WRITTEN_BYTES / 1e3,
            ),
        ]
    )
