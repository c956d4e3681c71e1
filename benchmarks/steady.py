"""The `steady` workload: very many commits in one session, which are to take the same time and memory all along.

Entities with two indexes are added a thousand a commit; messages are appended to conversations, ten a commit. Nothing
waits for the disk. Each runs in a process of its own, and its figures are those of each tenth of the commits. At last
one indexed field of one entity is changed.
"""

from __future__ import annotations

import gc
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import conversations
from benchmarks.before import before as earlier_version
from benchmarks.measure import machine, number, reached, say, table
from benchmarks.memory import child as process
from benchmarks.memory import status
from parcode_orm import Index, Key, Model, Session, save

TIMES, KILOBYTES, MEGABYTES = 2, 64, 64
STEP = 1_000  # entities a commit
APPENDS = 10  # messages a commit
TENTHS = 10
KINDS = ("entities", "conversations")


class Trade(Model):
    id: int = Key(default=None, auto=True)
    buyer: str = Index()
    price: float = Index()
    note: str


def trade(rng: random.Random, place: int) -> Trade:
    return Trade(buyer=f"buyer {rng.randrange(50_000)}", price=rng.randrange(1 << 30) / 8, note=f"trade {place}")


def add_entities(session: Session, count: int) -> Iterator[None]:
    """Add `count` entities; what is asked for next commits them."""
    rng = random.Random(count)
    for first in range(0, count, STEP):
        session.add_all([trade(rng, place) for place in range(first, min(first + STEP, count))])
        yield


def append_messages(session: Session, owners: int, count: int) -> Iterator[None]:
    """Append `count` messages to conversations; what is asked for next commits them."""
    stored = session.root(conversations.Archive).conversations
    for place, (owner, text) in enumerate(conversations.script(owners, count), 1):
        stored[conversations.key(owner)].messages.append(conversations.Message(n=place, text=text))
        if place % APPENDS == 0 or place == count:
            yield


def tenths(session: Session, path: Path, steps: Iterator[None], commits: int) -> list[dict[str, float]]:
    """The figures of each tenth of the commits: seconds, bytes written, anonymous memory and maps after it."""
    found: list[dict[str, float]] = []
    ends = {commits * (turn + 1) // TENTHS for turn in range(TENTHS)}
    seconds, written = 0.0, session.stats.bytes_written
    for done, _ in enumerate(steps, 1):
        start = time.perf_counter()
        session.commit()
        seconds += time.perf_counter() - start
        if done in ends:
            figures = {"seconds": seconds, "written": session.stats.bytes_written - written}
            found.append({**figures, "memory": status("RssAnon") or 0, "maps": maps_of(path)})
            seconds, written = 0.0, session.stats.bytes_written
    return found


def maps_of(path: Path) -> int:
    """How many maps of the file this process has; 0 where the system does not say."""
    try:
        return Path("/proc/self/maps").read_text().count(str(path))
    except OSError:
        return 0


def entities(path: Path, count: int) -> dict[str, Any]:
    with Session(path, durability="fast") as session:
        found = tenths(session, path, add_entities(session, count), -(-count // STEP))
        written = session.stats.bytes_written
        trade = session.get_one(Trade, count // 2)
        trade.price += 1
        session.commit()
        return {"tenths": found, "changed": session.stats.bytes_written - written, "size": path.stat().st_size}


def messages(path: Path, count: int, owners: int) -> dict[str, Any]:
    named = {conversations.key(n): conversations.Conversation(title=f"about {n}") for n in range(owners)}
    save(path, conversations.Archive(conversations=named))
    with Session(path, durability="fast") as session:
        found = tenths(session, path, append_messages(session, owners, count), -(-count // APPENDS))
        return {"tenths": found, "size": path.stat().st_size}


def child(kind: str, path: str, count: str, owners: str) -> dict[str, Any]:
    gc.collect()
    return entities(Path(path), int(count)) if kind == "entities" else messages(Path(path), int(count), int(owners))


def steady(rows: int, count: int, owners: int, before: Path | None, directory: Path) -> dict[str, Any]:
    counts = {"entities": rows, "conversations": count}
    versions: dict[str, Callable[..., Any]] = {"ours": own_process}
    if before:
        versions["before"] = lambda *arguments: earlier_version(before, "steady", *arguments)
    runs: dict[str, Any] = {}
    for kind in KINDS:
        for version, run in versions.items():
            say(f"{kind}: {version}")
            path = directory / f"{kind}.{version}.par"
            runs[f"{kind}, {version}"] = run(kind, path, counts[kind], owners)
            path.unlink()
    return {"workload": "steady", "rows": rows, "messages": count, "conversations": owners, "runs": runs, **machine()}


def own_process(*arguments: object) -> Any:
    return json.loads(process("benchmarks.steady", *map(str, arguments))[0])


def text(result: dict[str, Any]) -> str:
    lines = [
        f"steady: {result['rows']:,} entities in commits of {STEP:,}, {result['messages']:,} messages to"
        f" {result['conversations']:,} conversations in commits of {APPENDS}",
        f"Python {result['python']}, {result['platform']}",
    ]
    reach = []
    for name, run in result["runs"].items():
        tenths = run["tenths"]
        rows = [
            [
                str(turn),
                number(each["seconds"]),
                number(each["written"] / 1e6),
                number(each["memory"] / 1e6),
                str(each["maps"]),
            ]
            for turn, each in enumerate(tenths, 1)
        ]
        lines += ["", f"{name}:", *table(["tenth", "s", "MB written", "MB of memory", "maps"], rows)]
        if name.endswith("ours"):
            first, last = tenths[0], tenths[-1]
            grown = (last["memory"] - first["memory"]) / 1e6
            reach += [
                reached(f"{name}: last tenth / first", last["seconds"] / first["seconds"], "<=", TIMES),
                reached(f"{name}: MB of memory more after the last tenth", grown, "<=", MEGABYTES),
            ]
            if "changed" in run:
                reach.append(reached("KB written for one changed indexed field", run["changed"] / 1e3, "<=", KILOBYTES))
    return "\n".join([*lines, "", "Reach:", *reach])


if __name__ == "__main__":
    print(json.dumps(child(*sys.argv[1:])))
