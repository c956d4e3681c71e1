"""The `stream` workload: collections larger than memory, written from generators and scanned, each in its own process.

``python -m benchmarks.stream STEP PATH ROWS PAIRS`` does one step and prints its figures as JSON.
"""

from __future__ import annotations

import json
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import memory
from benchmarks.measure import machine, number, reached, say, table
from parcode_orm import Chunk, Model, Session, ShardedMap, save

MILLION = 1_000_000
WRITE_BYTES, SCAN_BYTES = 300e6, 150e6  # of peak memory, interpreter and imports included
STEPS = ("write", "pickle", "scan list", "scan map", "columns")
PICKLE_TIME, PICKLE_MEMORY = 0.5, 0.1  # of writing a list from a generator, beside `pickle.dump` of the list


class Row(Model):
    id: int
    level: int
    score: float
    name: str


class Big(Model):
    name: str
    rows: list[Row] = Chunk()
    pairs: dict[str, Row] = ShardedMap()


def level(number: int) -> int:
    """A level from 0 to 127 that looks like chance: cheap, and the same on every machine."""
    return (number * 2654435761 >> 16) & 127


def row(number: int) -> Row:
    return Row(id=number, level=level(number), score=number * 0.25, name=f"hero-{number}")


def key(number: int) -> str:
    return f"player-{number:09d}"


def rows(count: int) -> Iterator[Row]:
    return map(row, range(count))


def pairs(count: int) -> Iterator[tuple[str, Row]]:
    return ((key(number), row(number)) for number in range(count))


class Progress:
    """Hands `items` on and says every million; `seconds` is when the last one had been taken, from the start on."""

    def __init__(self, what: str, items: Iterator[Any]) -> None:
        self.what, self.items, self.seconds, self.start = what, items, 0.0, time.perf_counter()

    def __iter__(self) -> Iterator[Any]:
        done = 0
        while True:
            before = done
            for item in islice(self.items, MILLION):
                done += 1
                yield item
            self.seconds = time.perf_counter() - self.start
            if done - before < MILLION:
                return
            held = (memory.status("VmRSS") or 0) // MILLION
            say(f"{self.what}: {done:,} in {self.seconds:.0f} s, {held} MB in memory")


def write(path: Path, row_count: int, pair_count: int) -> dict[str, float]:
    made = min(row_count, MILLION // 5) or 1
    start = time.perf_counter()
    for _ in rows(made):
        pass
    generator = (time.perf_counter() - start) / made
    listed, mapped = Progress("write list", rows(row_count)), Progress("write map", pairs(pair_count))
    start = time.perf_counter()
    save(path, Big(name="big", rows=iter(listed), pairs=iter(mapped)))
    seconds = time.perf_counter() - start
    return {
        "generator": generator,
        "list": listed.seconds / max(row_count, 1),
        "map": (seconds - listed.seconds) / max(pair_count, 1),
        "seconds": seconds,
    }


def pickled(path: Path, row_count: int) -> dict[str, float]:
    """What a program does without a database: all models in a list, and that in a file. A million at most."""
    count = min(row_count, MILLION)
    start = time.perf_counter()
    models = list(rows(count))
    made = time.perf_counter() - start
    with open(path.with_suffix(".pickle"), "wb") as file:
        pickle.dump(models, file, pickle.HIGHEST_PROTOCOL)
    seconds = time.perf_counter() - start
    return {"generator": made / max(count, 1), "list": seconds / max(count, 1), "seconds": seconds}


def scan_list(big: Big, row_count: int, pair_count: int) -> dict[str, float]:
    return _scan("scan list", (each.level for each in big.rows), row_count)


def scan_map(big: Big, row_count: int, pair_count: int) -> dict[str, float]:
    return _scan("scan map", (each.level for _, each in big.pairs.items()), pair_count)


def _scan(what: str, levels: Iterator[int], count: int) -> dict[str, float]:
    progress = Progress(what, levels)
    _expect(what, sum(progress), count)
    return {what.split()[-1]: progress.seconds / max(count, 1), "seconds": progress.seconds}


def columns(big: Big, row_count: int, pair_count: int) -> dict[str, float]:
    found: dict[str, float] = {}
    start = time.perf_counter()
    for what, collection, count in (("list", big.rows, row_count), ("map", big.pairs, pair_count)):
        begin = time.perf_counter()
        _expect(f"column of the {what}", int(collection.column("level").sum()), count)  # type: ignore[attr-defined]
        found[what] = (time.perf_counter() - begin) / max(count, 1)
    return {**found, "seconds": time.perf_counter() - start}


def _expect(what: str, total: int, count: int) -> None:
    expected = sum(map(level, range(count)))
    if total != expected:
        raise AssertionError(f"{what}: the levels add up to {total}, not to {expected}")


SCANS: dict[str, Callable[[Big, int, int], dict[str, float]]] = {
    "scan list": scan_list,
    "scan map": scan_map,
    "columns": columns,
}


def step(what: str, path: Path, row_count: int, pair_count: int) -> dict[str, float]:
    """One of `STEPS`: seconds in all and an item, peak memory, and what was held when everything was imported."""
    before = memory.held()
    if what == "write":
        figures = write(path, row_count, pair_count)
    elif what == "pickle":
        figures = pickled(path, row_count)
    else:
        with Session.open(path) as session:
            figures = SCANS[what](session.root(Big), row_count, pair_count)
    return {**figures, "peak": memory.peak(), "before": before}


def stream(row_count: int, pair_count: int, directory: Path) -> dict[str, Any]:
    path = directory / "big"
    steps = {}
    for what in STEPS:
        say(what)
        printed, parts = memory.child("benchmarks.stream", what, str(path), str(row_count), str(pair_count))
        steps[what] = {**json.loads(printed), **parts}
    size = path.stat().st_size
    return {"workload": "stream", "rows": row_count, "pairs": pair_count, "size": size, "steps": steps, **machine()}


def text(result: dict[str, Any]) -> str:
    def cell(figures: dict[str, float], what: str, unit: float) -> str:
        return number(figures[what] / unit) if what in figures else ""

    steps = result["steps"]
    heads = ["", "s", "list, s a million", "map, s a million", "peak MB", "of it before", "own MB", "mapped MB"]
    keys = [("seconds", 1), ("list", 1e-6), ("map", 1e-6), *((part, 1e6) for part in ("peak", "before", *memory.PARTS))]
    lines = table(heads, [[what, *(cell(figures, *each) for each in keys)] for what, figures in steps.items()])
    grown = {what: steps[what]["peak"] - steps[what]["before"] for what in ("write", "pickle")}
    scanned = max(steps[what]["peak"] for what in STEPS if what.startswith("scan"))
    alone = number(steps["write"]["generator"] * 1e6)
    return "\n".join(
        [
            f"stream: a list of {result['rows']:,} and a map of {result['pairs']:,}, {number(result['size'] / 1e6)} MB",
            f"Python {result['python']}, {result['platform']}",
            "",
            *lines,
            f"Of writing, the generator takes {alone} s a million models. Before: what the interpreter holds when",
            "all is imported. Own and mapped: the most of the process's own pages, and of those of files, as sampled.",
            "",
            "Reach:",
            reached("peak MB, writing", steps["write"]["peak"] / 1e6, "<=", WRITE_BYTES / 1e6),
            reached("peak MB, scanning", scanned / 1e6, "<=", SCAN_BYTES / 1e6),
            reached(
                "a list from a generator / made and pickled: time",
                steps["write"]["list"] / steps["pickle"]["list"],
                "<=",
                PICKLE_TIME,
            ),
            reached("the same: memory, without imports", grown["write"] / grown["pickle"], "<=", PICKLE_MEMORY),
        ]
    )


if __name__ == "__main__":
    print(json.dumps(step(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
