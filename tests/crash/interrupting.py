"""Ctrl-C at a chosen line of the package, and at each of them; a file to interrupt work with."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Callable
from functools import cache
from linecache import getline
from pathlib import Path
from types import FrameType
from typing import Any

import parcode_orm
from parcode_orm import Chunk, Model, Session, ShardedMap, load, save, verify
from tests.locks import renew_locks

PACKAGE = str(Path(parcode_orm.__file__).parent)
QUICK = 60  # lines
FINALIZERS = ("__del__", "_forget")
Place = tuple[str, int]


class _Trace:
    """Notes the lines of the package that run, and raises KeyboardInterrupt at the one numbered `at`."""

    def __init__(self, at: int | None) -> None:
        self.places: list[Place] = []
        self._at = at

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        # What a finalizer raises is ignored: no interrupt is lost there, but comes a little later.
        if not code.co_filename.startswith(PACKAGE) or code.co_name in FINALIZERS:
            return None
        if event == "line" and not _closes(code.co_filename, frame.f_lineno):
            self.places.append((frame.f_code.co_filename, frame.f_lineno))
            if len(self.places) - 1 == self._at:
                raise KeyboardInterrupt
        return self


@cache
def _closes(file: str, line: int) -> bool:
    """Whether a descriptor is closed here: an interrupt may leave it open, as to close it again could close another."""
    return "close(" in getline(file, line) and Path(file).parent.name == "storage"


def run(work: Callable[[], object], at: int | None = None) -> list[Place]:
    """Run `work`, interrupted at the line with the number `at`; returns the lines that ran."""
    trace = _Trace(at)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
        renew_locks()
    return trace.places


def chosen(places: list[Place], length: float, quick: int) -> list[int]:
    """The numbers of the lines to interrupt at: the first time that each line runs; in quick runs `quick` of these.

    With a `length` of 1 each line is met up to three times: at first, at last, and in between.
    """
    found: dict[Place, list[int]] = {}
    for number, place in enumerate(places):
        found.setdefault(place, []).append(number)
    if length >= 1:
        return sorted({times[at] for times in found.values() for at in (0, len(times) // 2, -1)})
    first = sorted(times[0] for times in found.values())
    return first[:: 1 if length else max(1, len(first) // quick)]


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0


Scenario = Callable[[int | None, bool], Any]


def at_every_line(scenario: Scenario, length: float) -> None:
    """Run `scenario(at, odd)` for each number of a line `at`, in turn the one way and the other."""
    scenario(None, False)  # what is imported, compiled or cached once
    scenario(None, True)
    places = scenario(None, True)
    before, count = descriptors(), 0
    for count, at in enumerate(chosen(places, length, QUICK)):
        for odd in (False, True) if length >= 1 else (bool(count % 2),):
            try:
                scenario(at, odd)
            except BaseException as problem:
                file, line = places[at]
                problem.add_note(f"interrupted at {file}:{line}, the line number {at} that ran")
                raise
    print(f"{count + 1} interrupts in {len(places)} lines that ran")
    # CPython 3.11 keeps the traceback of an exception that a trace function raises at the end of an `except` block, and
    # so the objects of its session, which read on after that: up to four maps and files.
    assert descriptors() - before <= 4 * ((count + 1) // 20)


# -- a file ------------------------------------------------------------------------------------------------------------


class Row(Model):
    n: int
    tags: list[str] = Chunk()


class Inner(Model):
    x: int


class Log(Model):
    lines: list[str] = Chunk()
    rows: list[Row] = Chunk()
    by_name: dict[str, Row] = ShardedMap()
    inner: Inner = Chunk()
    plain: list[int]


class Gone(Model):
    n: int = 0


def make_log() -> Log:
    return Log(
        lines=["a"],
        rows=[Row(n=n, tags=[str(n)]) for n in range(5)],
        by_name={f"k{n}": Row(n=n, tags=[]) for n in range(5)},
        inner=Inner(x=1),
        plain=[1],
    )


def change(log: Log) -> None:
    """What the interrupted commit is to store."""
    log.lines.append("c")
    log.rows[2].n = 100
    log.rows[3].tags.append("t")
    log.by_name["new"] = Row(n=9, tags=["z"])
    log.by_name["k1"].n = 50
    log.inner.x = 7
    log.plain.append(2)


def change_again(log: Log) -> None:
    """What the next one is to store, besides."""
    log.lines.append("d")
    log.inner.x += 1
    log.plain.append(3)
    log.rows[2].n += 1
    log.rows[3].tags.append("u")
    log.by_name["k1"].n += 1


class Files:
    """A file to open, again as it was for each interrupt, and what it holds before and after the changes."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "work" / "log.par"
        self.path.parent.mkdir()
        self._stored = directory / "stored.par"
        log = make_log()
        save(self._stored, log)
        with Session(self._stored) as session:
            session.root(Log).lines.append("b")
            session.add(Gone())
            session.commit()
        log.lines.append("b")
        self.before = log.model_dump()
        change(log)
        self.after = log.model_dump()
        change_again(log)
        self.later = log.model_dump()

    def renew(self) -> None:
        """The file as it was."""
        shutil.copy(self._stored, self.path)

    def content(self) -> Any:
        """What the file holds, if it is right, with nothing beside it."""
        assert [each.name for each in self.path.parent.iterdir()] in ([], [self.path.name])
        if not self.path.exists():
            return None
        assert verify(self.path).ok
        return load(self.path, Log).model_dump()

    def check_unlocked(self) -> None:
        """Somebody else can write."""
        with Session(self.path, lock_timeout=0) as other:
            if Log in other:
                other.root(Log).plain.append(0)
            else:
                other.add(make_log())
            other.commit()
