"""The `churn` workload: very many random edits in one file, each committed, without waiting for the disk.

In the end the file must hold what plain objects do that took the same edits. Its whole load is timed beside that of a
compacted copy, in turn.
"""

from __future__ import annotations

import gc
import random
import shutil
import statistics
from pathlib import Path
from typing import Any

from benchmarks.measure import clock, machine, number, reached, say, table
from benchmarks.trees.ours import Fast
from benchmarks.trees.plain import OPERATIONS, Edit, Plain
from benchmarks.trees.shapes import world
from parcode_orm import compact, load, verify

MEGABYTES, TIMES = 300, 1.5
EDGE = 100  # commits at each end
LOADS = 5


def churn(owners: int, items: int, edits: int, directory: Path) -> dict[str, Any]:
    store = Fast(world("map", "lists", owners, items), directory / "churned.par")
    store.build()
    result = {"workload": "churn", "owners": owners, "items": items, "first size": store.path.stat().st_size}
    plain, rng, seconds = Plain(store.world), random.Random(edits), []
    operations = OPERATIONS["lists"]
    written = read = 0
    store.open()
    for count in range(edits):
        if count % 1_000 == 0:
            say(f"edit {count:,} of {edits:,}")
        owner = rng.randrange(owners)
        # An owner whose list is empty gets a leaf, whatever was to come.
        operation = rng.choice(operations) if plain.owner(owner)[1] else "append"
        step = plain.step(Edit(operation, owner, rng.random(), rng.randrange(1 << 30)))
        value, start = store.prepare(step), store.bytes()
        seconds.append(clock(lambda step=step, value=value: store.edit(step, value)))
        end = store.bytes()
        written, read = max(written, end.written - start.written), max(read, end.read - start.read)
        plain.apply(step)
    store.close()
    say("load")
    store.check(plain)
    compacted = directory / "compacted.par"
    shutil.copy(store.path, compacted)
    compact(compacted)
    assert verify(store.path).ok and verify(compacted).ok
    loads: dict[Path, list[float]] = {store.path: [], compacted: []}
    for _ in range(LOADS):
        for path, found in loads.items():
            gc.collect()
            found.append(clock(lambda path=path: load(path, store.cls)))
    return {
        **result,
        "edits": edits,
        "seconds": sum(seconds),
        "first": statistics.median(seconds[:EDGE]),
        "last": statistics.median(seconds[-EDGE:]),
        "worst": max(seconds),
        "written": written,
        "read": read,
        "size": store.path.stat().st_size,
        "compacted size": compacted.stat().st_size,
        "load": statistics.median(loads[store.path]),
        "compacted load": statistics.median(loads[compacted]),
        **machine(),
    }


def text(result: dict[str, Any]) -> str:
    heads = ["file", "MB", "load ms"]
    rows = [
        ["before the edits", number(result["first size"] / 1e6), ""],
        ["after", number(result["size"] / 1e6), number(result["load"] * 1e3)],
        ["compacted", number(result["compacted size"] / 1e6), number(result["compacted load"] * 1e3)],
    ]
    edges = [number(result[key] * 1e3) for key in ("first", "last", "worst")]
    return "\n".join(
        [
            f"churn: {result['edits']:,} edits in a map of {result['owners']:,} with lists of {result['items']:,}",
            f"Python {result['python']}, {result['platform']}",
            "",
            *table(heads, rows),
            f"an edit: {edges[0]} ms (median of the first {EDGE}), {edges[1]} ms (of the last), {edges[2]} ms (worst)",
            f"all edits: {number(result['seconds'])} s; at most {number(result['written'] / 1e3)} KB written"
            f" and {number(result['read'] / 1e3)} KB read by any",
            "",
            "Reach:",
            reached("file MB", result["size"] / 1e6, "<=", MEGABYTES),
            reached(f"last {EDGE} commits / first {EDGE}", result["last"] / result["first"], "<=", TIMES),
            reached("whole load / compacted", result["load"] / result["compacted load"], "<=", TIMES),
        ]
    )
