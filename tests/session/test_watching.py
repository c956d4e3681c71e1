"""`session.watch`: commits of other processes and sessions, found at once, whatever becomes of the file."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from parcode_orm import Chunk, Model, Session, Snapshot, dumps, save
from parcode_orm.errors import ClosedError, NotAParcodeFile, SessionError
from parcode_orm.session import watching
from parcode_orm.storage.mapped import Source
from parcode_orm.storage.notify import Notifier

pytestmark = pytest.mark.once

LONG = 30.0  # seconds that no test waits


class World(Model):
    n: int = 0
    blob: bytes = Chunk(default=b"")


OTHER = """
import sys
from pathlib import Path
from parcode_orm import Session, compact, save
from tests.session.test_watching import World
print("ready", flush=True)
for line in sys.stdin:
    name, *words = line.split()
    path = Path(name)
    match words:
        case ["commit", n]:
            with Session(path) as session:
                if "World" not in session.roots():
                    session.add(World())
                session.root(World).n = int(n)
                session.commit(f"n is {n}")
        case ["save", n]:
            save(path, World(n=int(n)))
        case ["compact"]:
            compact(path)
    print("done", flush=True)
"""


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", OTHER], stdin=pipe, stdout=pipe, text=True)
    assert process.stdin is not None and process.stdout is not None and process.stdout.readline()
    yield process
    process.stdin.close()
    process.wait(LONG)
    process.stdout.close()


class Other:
    """Another process, which does to a file what it is told."""

    def __init__(self, process: subprocess.Popen[str], path: Path) -> None:
        self.process = process
        self.path = path

    def start(self, what: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{self.path} {what}\n")
        self.process.stdin.flush()

    def end(self) -> None:
        assert self.process.stdout is not None and self.process.stdout.readline() == "done\n"

    def do(self, *what: str) -> None:
        for each in what:
            self.start(each)
            self.end()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.par"
    save(path, World())
    return path


@pytest.fixture
def other(process: subprocess.Popen[str], path: Path) -> Other:
    return Other(process, path)


@pytest.fixture(params=["inotify", "polling"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "polling":
        monkeypatch.setattr(watching, "Notifier", Deaf)
    return str(request.param)


class Deaf(Notifier):
    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.close()


def soon(commits: Iterator[Snapshot]) -> Snapshot:
    start = time.monotonic()
    found = next(commits)
    assert time.monotonic() - start < LONG
    return found


def test_commits_of_another_process(path: Path, other: Other, way: str) -> None:
    """It waits at each, and the session goes on when it refreshes."""
    with Session.open(path) as session:
        commits = session.watch(timeout=LONG, poll=LONG if way == "inotify" else 0.02)
        for n in range(1, 4):
            other.start(f"commit {n}")
            found = soon(commits)
            assert (found.sequence, found.message) == (n + 1, f"n is {n}")
            assert session.root(World).n == n - 1 and session.snapshot != found
            session.refresh()
            assert session.root(World).n == n and session.snapshot == found
            other.end()


def test_only_the_newest_of_several_is_given(path: Path, other: Other) -> None:
    with Session(path) as session:
        commits = session.watch(timeout=0)
        other.do("commit 1", "commit 2", "commit 3")
        assert soon(commits).sequence == 4
        assert next(commits, None) is None  # it is given once, though the session stays where it is
        session.refresh()
        assert [commit.message for commit in session.changes(1)] == ["n is 1", "n is 2", "n is 3"]


def test_own_commits_are_no_news(path: Path) -> None:
    with Session(path) as session, Session(path) as second:
        session.root(World).n = 1
        session.commit()
        assert next(session.watch(timeout=0), None) is None
        assert next(second.watch(timeout=0)).sequence == 2
        second.refresh()
        second.root(World).n = 2
        second.commit()
        assert next(session.watch(timeout=0)).sequence == 3


def test_a_file_that_is_replaced(path: Path, other: Other, way: str) -> None:
    with Session.open(path) as session:
        commits = session.watch(timeout=LONG, poll=LONG if way == "inotify" else 0.02)
        other.do("commit 1")
        assert soon(commits).sequence == 2
        session.refresh()
        other.do("compact")
        other.start("commit 2")
        assert soon(commits).message == "n is 2"  # the compaction is no commit
        other.end()
        session.refresh()
        assert session.root(World).n == 2
        other.start("save 7")
        assert soon(commits).sequence == 1  # numbers begin again
        other.end()
        session.refresh()
        assert session.root(World).n == 7


def test_a_compaction_is_no_news(path: Path, other: Other) -> None:
    with Session.open(path) as session:
        other.do("commit 1")
        session.refresh()
        other.do("compact")
        assert next(session.watch(timeout=0.1), None) is None


def test_a_file_that_does_not_exist_yet(tmp_path: Path, process: subprocess.Popen[str], way: str) -> None:
    path = tmp_path / "new.par"
    other = Other(process, path)
    with Session(path) as session:
        commits = session.watch(timeout=LONG, poll=LONG if way == "inotify" else 0.02)
        other.start("commit 5")
        assert soon(commits).sequence == 1
        session.refresh()
        assert session.root(World).n == 5
        other.end()
    with Session(tmp_path / "other.par") as session:
        assert next(session.watch(timeout=0), None) is None
        (tmp_path / "other.par").write_bytes(b"")  # the name is claimed
        assert next(session.watch(timeout=0), None) is None
        (tmp_path / "other.par").write_bytes(b"a letter")
        with pytest.raises(NotAParcodeFile):
            next(session.watch(timeout=0))


def test_a_file_that_goes_and_comes_again(path: Path) -> None:
    with Session.open(path) as session:
        path.unlink()
        commits = session.watch(timeout=LONG, poll=0.02)
        threading.Timer(0.1, lambda: save(path, World(n=3))).start()
        assert soon(commits).sequence == 1
        session.refresh()
        assert session.root(World).n == 3


def test_a_timeout_ends_it(path: Path) -> None:
    with Session.open(path) as session:
        start = time.monotonic()
        assert list(session.watch(timeout=0.2)) == []
        assert 0.2 <= time.monotonic() - start < LONG
        with Session(path) as writer:
            for n in range(3):
                writer.root(World).n = n + 1
                writer.commit()
        assert [each.sequence for each in session.watch(timeout=0.05)] == [4]


def test_a_half_written_commit_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The length of the file is final before its record is written, and the clock may be too coarse to tell."""
    known = os.stat

    def coarse(path: Any) -> Any:
        found = known(path)
        sizes = {name: getattr(found, name) for name in ("st_dev", "st_ino", "st_size")}
        return SimpleNamespace(**sizes, st_mtime_ns=0, st_ctime_ns=0)

    with Session(path) as writer:
        writer.root(World).n = 1
        writer.root(World).blob = bytes(100_000)
        writer.commit()
    whole = path.read_bytes()
    with Session.open(path, at=1) as first:
        before = first.snapshot.size  # type: ignore[union-attr]
    path.write_bytes(whole[:before])
    with Session.open(path) as session:
        commits = session.watch(timeout=0.05, poll=0.01)
        file = os.open(path, os.O_RDWR)
        os.pwrite(file, whole[before : len(whole) - 672] + bytes(672), before)
        assert next(commits, None) is None
        commits = session.watch(timeout=LONG / 2, poll=0.01)
        monkeypatch.setattr(watching, "os", SimpleNamespace(stat=coarse))
        threading.Timer(0.1, lambda: os.pwrite(file, whole[-672:], len(whole) - 672)).start()
        assert soon(commits).sequence == 2
        os.close(file)


def test_a_file_as_it_was_is_not_opened_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    known = Source.open

    def count(*args: Any, **options: Any) -> Source:
        opened.append(args)
        return known(*args, **options)

    with Session.open(path) as session:
        monkeypatch.setattr(Source, "open", count)
        assert list(session.watch(timeout=0.3, poll=0.01)) == [] and len(opened) == 1
        with open(path, "ab") as file:
            file.write(b"a tail" * 100)
        assert list(session.watch(timeout=0.1, poll=0.01)) == [] and len(opened) > 2


def test_what_cannot_be_watched(path: Path) -> None:
    with Session.open(path, at=1) as session:
        with pytest.raises(SessionError, match=r"opened at a commit, which does not change: refresh\(\) goes on"):
            session.watch()
        session.refresh()
        assert list(session.watch(timeout=0)) == []
    for given in (":memory:", dumps(World())):
        with Session(given) as session, pytest.raises(SessionError, match="nobody else commits to"):
            session.watch()
    with Session.open(path) as session:
        for wrong in ({"timeout": -1}, {"timeout": "1"}, {"poll": 0}, {"poll": None}, {"poll": float("nan")}):
            with pytest.raises(ValueError, match="is a number of seconds"):
                session.watch(**wrong)  # type: ignore[arg-type]
        commits = session.watch(timeout=LONG)
    with pytest.raises(ClosedError):
        next(commits)
    with pytest.raises(ClosedError):
        session.watch()


def test_a_session_that_is_closed_while_it_waits(path: Path) -> None:
    session = Session.open(path)
    threading.Timer(0.1, session.close).start()
    start = time.monotonic()
    with pytest.raises(ClosedError):
        next(session.watch(poll=0.02))
    assert time.monotonic() - start < LONG


INTERRUPTED = """
import os, signal, sys, threading, time
from parcode_orm import Session
from tests.session.test_watching import World
with Session(sys.argv[1]) as session:
    assert next(session.watch(timeout=0), None) is None  # an interrupt while modules are imported may get lost
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    start = time.monotonic()
    try:
        next(session.watch(poll=60.0))
    except KeyboardInterrupt:
        assert time.monotonic() - start < 30
        session.root(World).n = 9
        session.commit()
        print("interrupted")
"""


def test_an_interrupt_ends_the_wait(path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", INTERRUPTED, str(path)], capture_output=True, text=True, timeout=60)
    assert run.stdout == "interrupted\n", run.stderr
    with Session.open(path) as session:
        assert session.root(World).n == 9


def test_the_descriptor_of_a_watch_is_closed(path: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0

    def one(end: Callable[[Any], object]) -> None:
        with Session.open(path) as session:
            commits: Any = session.watch(timeout=0)
            end(commits)

    one(list)
    before = count()
    for _ in range(5):
        one(list)
        one(lambda commits: next(commits, None))
        one(lambda commits: commits.close())
    assert count() == before
