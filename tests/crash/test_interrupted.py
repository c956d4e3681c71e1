"""Ctrl-C at every line of opening, committing and closing: no lock outlives its session, a commit is either stored and
known to the session or not stored, and the next one tells of no conflict.

Quick runs take a sample of the lines, `--torture 0.5` each line once, `--torture 1` each up to three times.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import ClosedError, Session, SessionError, load
from parcode_orm.storage import mapped, maps
from tests.crash.interrupting import Files, Gone, Log, Row, at_every_line, change, change_again, make_log, run
from tests.locks import renew_locks
from tests.small import tuned


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    found = Files(tmp_path)
    yield found
    assert gc.isenabled()


@pytest.mark.once
@pytest.mark.parametrize("durability", ["full", "fast", "compacting"])
def test_an_interrupted_commit(files: Files, durability: Any, length: float) -> None:
    def scenario(at: int | None, goes_on: bool) -> Any:
        files.renew()
        if durability == "compacting":
            session = tuned(compact_from=1).Session(files.path, compact_above=0.0)
        else:
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


def test_modules_that_share_a_lock_share_the_new_one() -> None:
    """Each got a lock of its own after an interrupt, also for the tests of threads that the process ran later."""
    before = maps.mapping
    renew_locks()
    assert maps.mapping is mapped.mapping is not before


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
        patched.setattr("parcode_orm.storage.append.Appender.close", interrupted)
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
    monkeypatch.setattr("parcode_orm.session.unit_of_work.UnitOfWork._adopt", interrupted)
    monkeypatch.setattr("parcode_orm.session.refresh.Follow", interrupted)
    with pytest.raises(KeyboardInterrupt):
        session.commit()
    with pytest.raises(SessionError, match=r"an interrupt came.*open the file again"):
        session.commit()
    session.close()
    monkeypatch.undo()
    assert files.content() == files.after
    files.check_unlocked()
