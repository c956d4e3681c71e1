"""Run as a process of its own: one of those that write to, or read, a file that all use at once.

    python -m tests.crash.reading write|read PATH SECONDS

The writer moves amounts between accounts, adds a line to a list for each move, and compacts now and then; whatever
commit a reader finds, the amounts sum to nothing and the list is as long as its counter says. Prints its counts.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from pathlib import Path

from parcode_orm import Chunk, Model, Session, ShardedMap


class Line(Model):
    number: int
    text: str


class Book(Model):
    moves: int = 0
    accounts: dict[str, int] = ShardedMap(default={})
    lines: list[Line] = Chunk(default=[])


def begin(path: Path) -> None:
    """The file that all begin with."""
    with Session(path) as session:
        session.add(Book(accounts={f"account {n}": 0 for n in range(2_000)}))
        session.commit()


def write(path: Path, end: float) -> Counter[str]:
    counts: Counter[str] = Counter()
    rng = random.Random(5)
    with Session(path, durability="fast") as session:
        while time.monotonic() < end or not counts["compactions"]:  # a first commit imports what it needs
            book = session.root(Book)
            a, b = (f"account {rng.randrange(2_000)}" for _ in range(2))
            amount = rng.randrange(100)
            book.accounts[a] -= amount
            book.accounts[b] += amount
            book.moves += 1
            book.lines.append(Line(number=book.moves, text="x" * (book.moves % 50)))
            session.commit()
            counts["commits"] += 1
            if counts["commits"] % 10 == 0:
                session.compact(keep=2)
                counts["compactions"] += 1
    return counts


def read(path: Path, end: float) -> Counter[str]:
    counts: Counter[str] = Counter()
    last = 0
    session = Session.open(path)
    while time.monotonic() < end or counts["reads"] <= 2:
        if counts["reads"] % 3:
            session.refresh()
        else:
            session.close()
            session = Session.open(path)
        book = session.root(Book)
        moves = book.moves
        assert moves >= last, "a reader never goes back"
        counts["commits seen"] += moves > last
        last = moves
        assert sum(book.accounts.values()) == 0
        assert len(book.lines) == moves == session.root(Book).moves
        assert [line.number for line in book.lines[-5:]] == list(range(max(1, moves - 4), moves + 1))
        counts["reads"] += 1
    session.close()
    return counts


if __name__ == "__main__":
    what, path, seconds = sys.argv[1:]
    until = time.monotonic() + float(seconds)
    print(json.dumps((write if what == "write" else read)(Path(path), until)))
