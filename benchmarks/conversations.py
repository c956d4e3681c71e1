"""The `conversations` workload: messages appended one by one to conversations chosen at random, in so many commits.

Each number of commits makes a file of its own, without waiting for the disk, by a session with `compact_above`: its
size is taken after each commit and after the close. The file must hold every message in the end, and is compared with
its compacted copy. An earlier version (`--before`) does the first number of commits.
"""

from __future__ import annotations

import gc
import random
import shutil
from pathlib import Path
from typing import Any

from benchmarks.before import before as earlier_version
from benchmarks.measure import clock, machine, number, reached, say, table
from parcode_orm import Chunk, Model, Session, ShardedMap, compact, load, save

TIMES_FASTER, TIMES_LARGER = 20, 3
COMPACT_ABOVE = 0.5  # dead share of the file
SHORTEST, LONGEST = 20, 400  # characters of a message
WORDS = "what is written stays until nobody reads it and then a little longer because disks are large".split()


class Message(Model):
    n: int
    text: str


class Conversation(Model):
    title: str
    messages: list[Message] = Chunk(default_factory=list)


class Archive(Model):
    conversations: dict[str, Conversation] = ShardedMap()


def key(conversation: int) -> str:
    return f"conversation-{conversation:06d}"


def script(conversations: int, messages: int) -> list[tuple[int, str]]:
    """Which conversation gets which message; the same every time."""
    rng = random.Random(messages)
    found = []
    for _ in range(messages):
        length = rng.randint(SHORTEST, LONGEST)
        words = " ".join(rng.choices(WORDS, k=length // 3))
        found.append((rng.randrange(conversations), words[:length]))
    return found


def write(path: Path, conversations: int, lines: list[tuple[int, str]], commits: int) -> tuple[float, int]:
    """Seconds for all appends, commits and the close; bytes of the file after the commit that left it largest."""
    save(path, Archive(conversations={key(n): Conversation(title=f"about {n}") for n in range(conversations)}))
    ends = {len(lines) * (turn + 1) // commits for turn in range(commits)}

    largest = 0

    def appends() -> None:
        nonlocal largest
        with Session(path, durability="fast", compact_above=COMPACT_ABOVE) as session:
            stored = session.root(Archive).conversations
            for count, (conversation, text) in enumerate(lines, 1):
                stored[key(conversation)].messages.append(Message(n=count, text=text))
                if count in ends:
                    session.commit()
                    largest = max(largest, path.stat().st_size)

    gc.collect()
    return clock(appends), largest


def check(path: Path, conversations: int, lines: list[tuple[int, str]]) -> None:
    """Every message is there, in order; a file that lost one is not measured."""
    expected: dict[str, list[tuple[int, str]]] = {key(n): [] for n in range(conversations)}
    for count, (conversation, text) in enumerate(lines, 1):
        expected[key(conversation)].append((count, text))
    stored = load(path, Archive).conversations
    found = {name: [(each.n, each.text) for each in value.messages] for name, value in stored.items()}
    if found != expected or list(found) != list(expected):
        raise AssertionError(f"{path.name}: the messages are not those that were appended")


def measure(conversations: int, messages: int, commits: int, path: Path) -> dict[str, float]:
    lines = script(conversations, messages)
    seconds, largest = write(path, conversations, lines, commits)
    check(path, conversations, lines)
    compacted = path.with_suffix(".compacted")
    shutil.copy(path, compacted)
    compact(compacted)
    check(compacted, conversations, lines)
    sizes = {"largest": largest, "size": path.stat().st_size, "compacted": compacted.stat().st_size}
    return {"seconds": seconds, **sizes}


def child(conversations: str, messages: str, commits: str, path: str) -> dict[str, float]:
    return measure(int(conversations), int(messages), int(commits), Path(path))


def conversations(
    conversations: int, messages: int, commits: list[int], before: Path | None, directory: Path
) -> dict[str, Any]:
    files = {}
    for count in commits:
        say(f"{count:,} commits")
        files[str(count)] = measure(conversations, messages, count, directory / f"{count}.par")
    result = {"workload": "conversations", "conversations": conversations, "messages": messages, "files": files}
    if before:
        say(f"{commits[0]:,} commits by the version before")
        path = directory / "before.par"
        result["before"] = earlier_version(before, "conversations", conversations, messages, commits[0], path)
    return {**result, **machine()}


def text(result: dict[str, Any]) -> str:
    files = result["files"]
    first = next(iter(files))
    named = {f"{int(count):,} commits": file for count, file in files.items()}
    if "before" in result:
        named[f"{int(first):,} commits, the version before"] = result["before"]
    rows = [
        [name, number(file["seconds"]), *(number(file[size] / 1e6) for size in ("largest", "size", "compacted"))]
        for name, file in named.items()
    ]
    lines = [
        f"conversations: {result['messages']:,} messages appended to {result['conversations']:,} conversations",
        f"Python {result['python']}, {result['platform']}",
        "",
        *table(["", "s", "MB at most", "MB", "MB compacted"], rows),
        "",
        "Reach:",
    ]
    if "before" in result:
        times = result["before"]["seconds"] / files[first]["seconds"]
        lines.append(reached(f"before / ours, {int(first):,} commits", times, ">=", TIMES_FASTER))
    for count, file in files.items():
        for size, what in (("largest", "largest file"), ("size", "file")):
            larger = file[size] / file["compacted"]
            lines.append(reached(f"{what} / compacted, {int(count):,} commits", larger, "<=", TIMES_LARGER))
    return "\n".join(lines)
