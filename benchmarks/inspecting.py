"""The `inspecting` workload: a large file of several collections, inspected in a process of its own.

``python -m benchmarks.inspecting PATH`` inspects a file and prints the figures as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import memory
from benchmarks.measure import machine, number, reached, say, table
from parcode_orm import Chunk, Index, Key, Model, Report, Session, ShardedMap, inspect

VALUE = 100  # bytes
SECONDS, BYTES = 1, 60e6  # to inspect a file of a gigabyte; peak of the process's own memory
RUNS = 3  # processes, of which the fastest counts


class Note(Model):
    day: int
    text: str


class Author(Model):
    name: str
    notes: list[Note] = Chunk()


class Event(Model):
    id: int = Key()
    kind: int = Index()
    text: str


class Archive(Model):
    notes: list[Note] = Chunk()
    texts: dict[str, str] = ShardedMap()
    authors: list[Author] = Chunk()


def value(number: int) -> str:
    """A text of `VALUE` bytes that looks like chance."""
    return f"{number * 2654435761 % (1 << 61):x}".rjust(VALUE, "v")


def notes(start: int, count: int) -> Iterator[Note]:
    return (Note(day=n % 365, text=value(n)) for n in range(start, start + count))


def authors(count: int) -> Iterator[Author]:
    return (Author(name=f"author {n}", notes=list(notes(n, 10))) for n in range(count // 10))


def write(path: Path, size: int) -> None:
    """A file of about `size` bytes: a quarter each in a list, a dictionary, lists in a list, and entities."""
    count = size // 4 // (VALUE + 10) or 1
    texts = ((f"key {n}", value(n)) for n in range(count))
    with Session(path) as session:
        session.add(Archive(notes=notes(0, count), texts=texts, authors=authors(count)))  # type: ignore[arg-type]
        session.add_all(Event(id=n, kind=n % 1000, text=value(n)) for n in range(count))
        session.commit()


def figures(report: Report, seconds: float) -> dict[str, float]:
    """The figures of a report that took so many seconds."""
    rows = sum(entry.rows or 0 for root in report.entries[:2] for entry in (root, *root.children))
    return {
        "seconds": seconds,
        "size": report.size,
        "bytes_read": report.bytes_read,
        "chunks": sum(entry.chunks for entry in report.entries),
        "rows": rows,
        "anonymous": memory.status("RssAnon") or 0,
        "peak": memory.peak(),
    }


def inspected(path: Path) -> dict[str, float]:
    """Inspect a file in this process."""
    before = memory.status("RssAnon") or 0
    cpu = time.process_time()
    start = time.perf_counter()
    report = inspect(path)
    found = figures(report, time.perf_counter() - start)
    assert report.ok, report
    return {**found, "cpu": time.process_time() - cpu, "before": before}


def inspecting(megabytes: int, directory: Path) -> dict[str, Any]:
    path = directory / "archive.par"
    say(f"write {megabytes:,} MB")
    write(path, megabytes * 1_000_000)
    runs = []
    for _ in range(RUNS):
        printed, parts = memory.child("benchmarks.inspecting", str(path))
        runs.append({**json.loads(printed), **parts})
    best = min(runs, key=lambda each: each["seconds"])
    most = max(max(run["anonymous"], run.get("RssAnon", 0)) for run in runs)
    return {"workload": "inspecting", **best, "anonymous": most, **machine()}


def text(result: dict[str, Any]) -> str:
    heads = ["MB", "chunks", "rows", "s", "s of CPU", "kB read", "own MB before", "own MB at most", "peak MB"]
    keys = [("size", 1e6), ("chunks", 1), ("rows", 1), ("seconds", 1), ("cpu", 1), ("bytes_read", 1e3)]
    keys += [("before", 1e6), ("anonymous", 1e6), ("peak", 1e6)]
    share = result["bytes_read"] / result["size"]
    return "\n".join(
        [
            f"inspecting: the fastest of {RUNS} processes; their own memory at most",
            f"Python {result['python']}, {result['platform']}",
            "",
            *table(heads, [[number(result[key] / unit) for key, unit in keys]]),
            f"{result['bytes_read']:,.0f} bytes were read, {share:.2%} of the file. Before: with all imported.",
            "",
            "Reach:" if result["size"] > 0.9e9 else "Reach (meant for a gigabyte):",
            reached("seconds", result["seconds"], "<=", SECONDS),
            reached("own memory at most, MB", result["anonymous"] / 1e6, "<=", BYTES / 1e6),
        ]
    )


if __name__ == "__main__":
    print(json.dumps(inspected(Path(sys.argv[1]))))
