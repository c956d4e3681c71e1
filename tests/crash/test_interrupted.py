"""Ctrl-C at every line of opening, committing and closing: no lock outlives its session, a commit is either stored and
known to the session or not stored, and the next one tells of no conflict.

Quick runs take a sample of the lines, `--torture 0.5` each line once, `--torture 1` each up to three times.
"""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Chunk, ClosedError, Model, Session, SessionError, ShardedMap, load, save, verify
from tests.crash.interrupting import chosen, run

QUICK = 60  # lines


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


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    found = Files(tmp_path)
    yield found
    assert gc.isenabled()


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
    # CPython 3.11 keeps the traceback of an exception that a trace function raises at the end of an `except` block.
    assert descriptors() - before <= (count + 1) // 20


@pytest.mark.once
@pytest.mark.parametrize("durability", ["full", "fast"])
def test_an_interrupted_commit(files: Files, durability: Any, length: float) -> None:
    def scenario(at: int | None, goes_on: bool) -> Any:
        files.renew()
        session = Session(files.path, durability=durability)
        log = session.root(Log)
        change(log)
        session.delete(session.root(Gone))
        places = run(session.commit, at)
        if not goes_on:
            session.close()
            del session, log
            assert files.content() in (files.before, files.after)
            files.check_unlocked()
            return places
        change_again(log)
        session.commit()
        assert files.content() == files.later == log.model_dump()
        assert Gone not in session and log is session.root(Log)
        session.commit()
        session.close()
        return places

    at_every_line(scenario, length)


@pytest.mark.once
def test_an_interrupted_first_commit(files: Files, length: float) -> None:
    def scenario(at: int | None, goes_on: bool) -> Any:
        files.path.unlink(missing_ok=True)
        session = Session(files.path)
        log = make_log()
        log.lines.append("b")
        inner, rows = log.inner, log.rows
        change(log)
        session.add(log)
        places = run(session.commit, at)
        if not goes_on:
            session.close()
            assert files.content() in (None, files.after)
            files.check_unlocked()
            return places
        change_again(log)
        session.commit()
        assert files.content() == files.later == log.model_dump()
        assert log.inner is inner
        inner.x = 1000  # whoever held something goes on to hold it
        rows.append(Row(n=1000, tags=[]))
        session.commit()
        session.close()
        found = load(files.path, Log)
        assert found.inner.x == 1000 and found.rows[-1].n == 1000
        return places

    at_every_line(scenario, length)


@pytest.mark.once
def test_an_interrupted_commit_of_nothing(files: Files, length: float) -> None:
    """It lets go of rows in memory."""

    def scenario(at: int | None, goes_on: bool) -> Any:
        files.renew()
        session = Session(files.path)
        log = session.root(Log)
        assert [row.tags for row in log.rows] and log.by_name["k1"].tags == [] and log.lines[0]
        places = run(session.commit, at)
        if goes_on:
            change(log)
            change_again(log)
            session.commit()
            assert files.content() == files.later
        session.close()
        files.check_unlocked()
        return places

    at_every_line(scenario, length)


@pytest.mark.once
def test_an_interrupted_commit_in_memory(length: float) -> None:
    wanted = make_log()
    change(wanted)
    change_again(wanted)

    def scenario(at: int | None, first: bool) -> Any:
        with Session(":memory:") as session:
            log = make_log()
            session.add(log)
            if not first:
                session.commit()
            change(log)
            places = run(session.commit, at)
            change_again(log)
            session.commit()
            session.expire_all()
            assert session.root(Log).model_load() == wanted
        return places

    at_every_line(scenario, length)


@pytest.mark.once
@pytest.mark.parametrize("what", ["compact", "revert"])
def test_an_interrupted_compaction_or_revert(files: Files, what: str, length: float) -> None:
    def scenario(at: int | None, goes_on: bool) -> Any:
        files.renew()
        session = Session(files.path)
        log = session.root(Log)
        change(log)
        session.commit()
        places = run(session.compact if what == "compact" else lambda: session.revert(2), at)
        assert files.content() in ((files.after,) if what == "compact" else (files.after, files.before))
        if goes_on:
            log.plain.append(5)
            wanted = {**files.content(), "plain": [*files.content()["plain"], 5]}
            session.commit()
            assert files.content() == wanted == log.model_dump()
        session.close()
        files.check_unlocked()
        return places

    at_every_line(scenario, length)


@pytest.mark.once
@pytest.mark.parametrize("what", ["rollback", "refresh"])
def test_an_interrupted_rollback_or_refresh(files: Files, what: str, length: float) -> None:
    """The objects may show this and that; what they show is not stored."""

    def scenario(at: int | None, commits: bool) -> Any:
        files.renew()
        session = Session(files.path)
        log = session.root(Log)
        assert log.rows[1].tags == ["1"] and log.inner.x == 1 and log.plain == [1]
        if what == "rollback":
            change(log)
        else:
            with Session(files.path) as other:
                change(other.root(Log))
                other.commit()
        stored = files.before if what == "rollback" else files.after
        places = run(getattr(session, what), at)
        if commits:
            try:
                session.commit()
            except SessionError as problem:
                assert "call rollback() first" in str(problem)
                assert files.content() == stored
            except Exception as problem:  # it was not begun, and somebody else has committed
                assert what == "refresh" and "newest commit" in str(problem)
        session.rollback()
        if what == "refresh":
            session.refresh()
            assert files.content() == stored
        assert log.model_dump() == files.content() and log is session.root(Log)
        session.close()
        return places

    at_every_line(scenario, length)


@pytest.mark.once
@pytest.mark.parametrize("read_only", [False, True])
def test_an_interrupted_opening(files: Files, read_only: bool, length: float) -> None:
    def scenario(at: int | None, touches: bool) -> Any:
        files.renew()

        def open_and_read() -> None:
            session = Session(files.path, read_only=read_only)
            if touches:
                assert session.root(Log).rows[1].tags == ["1"]

        places = run(open_and_read, at)
        assert files.content() == files.before
        files.check_unlocked()
        return places

    at_every_line(scenario, length)


@pytest.mark.once
def test_an_interrupted_closing(files: Files, length: float) -> None:
    def scenario(at: int | None, compacts: bool) -> Any:
        files.renew()
        session = Session(files.path, compact_above=0.0 if compacts else None)
        log = session.root(Log)
        change(log)
        session.commit()
        unread, row = log.by_name, log.rows[4]
        log.plain.append(5)
        places = run(session.close, at)
        session.close()  # at the first lines, nothing has been done
        assert files.content() == files.after
        files.check_unlocked()
        with pytest.raises(ClosedError):
            session.commit()
        stored = files.content()
        row.n = 5
        unread["k3"].tags.append("more")
        assert row.n == 5 and unread["k3"].tags[-1] == "more"
        assert files.content() == stored
        return places

    at_every_line(scenario, length)


def test_no_lock_outlives_its_session(files: Files) -> None:
    """The lock of an interrupted commit ends with the session, though the traceback holds all that was in the way."""
    files.renew()
    session = Session(files.path)
    change(session.root(Log))

    def interrupted(self: Any, *args: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched, pytest.raises(KeyboardInterrupt) as held:
        patched.setattr("parcode_orm.storage.append.Appender.__exit__", interrupted)
        session.commit()
    files.check_unlocked()
    session.close()
    files.check_unlocked()
    assert held.traceback


def test_a_second_interrupt_leaves_a_session_that_says_so(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.renew()

    def interrupted(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    session = Session(files.path)
    change(session.root(Log))
    monkeypatch.setattr("parcode_orm.session.work.Work._adopt", interrupted)
    monkeypatch.setattr("parcode_orm.session.interrupts.Follow", interrupted)
    with pytest.raises(KeyboardInterrupt):
        session.commit()
    with pytest.raises(SessionError, match=r"an interrupt came.*open the file again"):
        session.commit()
    session.close()
    monkeypatch.undo()
    assert files.content() == files.after
    files.check_unlocked()
