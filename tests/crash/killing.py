"""Run as a process of its own: forks children that commit without end, and kills them at any moment.

    python -m tests.crash.killing DIRECTORY KILLS DURABILITY

A child notes each commit that returned in a log (`O_APPEND`, `fsync`). After each kill the file holds the last commit
in the log or the one under way, whole; the next child goes on from it. Prints how many kills met what.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from parcode_orm import Session, save
from parcode_orm.errors import FileMissingError

from .history import World, change

CUT_AT = 8 << 20  # bytes; the file is begun anew


def commit_forever(path: Path, log: Path, durability: Any, number: int) -> None:
    """Commit `number`, and so on."""
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    # Two threads write what is compressed; without, all is done in one.
    session = Session(path, durability=durability, workers=number % 2 * 2, compression="lz4" if number % 2 else None)
    plain = until(number - 1)
    if not session.roots():
        session.add(plain)
    while True:
        change(plain, number)
        if number % 9 == 0:
            session.close()
            save(path, plain, durability=durability)
            session = Session(path, durability=durability)
        else:
            root = session.root(World)
            if root is not plain:
                change(root, number)
            session.commit()
        os.write(fd, b"%d\n" % number)
        os.fsync(fd)
        number += 1


def until(number: int) -> World:
    """What the file holds after so many commits."""
    plain = World()
    for each in range(1, number + 1):
        change(plain, each)
    return plain


def found_in(path: Path) -> World | None:
    try:
        with Session.open(path) as session:
            return session.root(World).model_load()
    except FileMissingError:
        return None


def kill_one(path: Path, log: Path, durability: str, number: int, rng: random.Random) -> None:
    """Let a child begin at `number` and end it at some moment."""
    acknowledged = log.stat().st_size if log.exists() else 0
    child = os.fork()
    if child == 0:
        try:
            commit_forever(path, log, durability, number)
        except BaseException as error:
            print(f"child: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(3)
    if rng.random() < 0.8:  # else it may be killed before its first commit
        while (not log.exists() or log.stat().st_size == acknowledged) and not _ended(child):
            time.sleep(0.0005)
    time.sleep(rng.random() ** 2 * 0.05)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, f"the child ended by itself: {status}"


def _ended(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def main(directory: str, kills: str, durability: str) -> None:
    path, log = Path(directory) / "a.par", Path(directory) / "acknowledged"
    rng = random.Random(int(kills))
    counts: Counter[str] = Counter()
    last = 0
    for _ in range(int(kills)):
        kill_one(path, log, durability, last + 1, rng)
        acknowledged = int(log.read_text().split()[-1]) if log.exists() and log.read_text() else last
        world = found_in(path)
        number = world.n if world is not None else 0
        counts["kills"] += 1
        counts["tails"] += path.exists() and Session.open(path).recovered is not None
        counts["lost"] += number < max(acknowledged, last)
        counts["under way"] += number == max(acknowledged, last) + 1
        counts["other"] += number > max(acknowledged, last) + 1
        counts["wrong"] += world is not None and world != until(number)
        counts["commits"] += number - last
        last = number
        if path.exists() and path.stat().st_size > CUT_AT:
            path.unlink()
            log.unlink()
            last = 0
    print(json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
