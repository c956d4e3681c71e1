"""Ctrl-C at every line of what a session does between commits: whole or not at all, or the session says what to do.

As in `test_interrupted.py`, quick runs take a sample of the lines.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import parcode_orm
from parcode_orm import Session, SessionError, dumps, load, loads, save
from tests.crash.interrupting import Files, Gone, Log, Row, at_every_line, change, change_again, make_log, run

pytestmark = pytest.mark.once


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    found = Files(tmp_path)
    yield found
    assert gc.isenabled()


def commit_or_roll_back(session: Session) -> None:
    """Commit; where that says that a rollback must come first, this is one."""
    try:
        session.commit()
    except SessionError as problem:
        assert "call rollback() first" in str(problem)
        session.rollback()


@pytest.mark.parametrize("end", ["begin", "commit", "rollback", "exception"])
def test_an_interrupted_savepoint(files: Files, end: str, length: float) -> None:
    """The file holds what was before the savepoint or what came after, never a part of it."""
    between = {**files.before, "lines": ["a", "b", "x"], "plain": [1, 9]}

    def scenario(at: int | None, nested: bool) -> Any:
        files.renew()
        session = Session(files.path, durability="fast")
        log = session.root(Log)
        assert log.rows[1].tags == ["1"] and log.inner.x == 1
        log.lines.append("x")
        log.plain.append(9)
        outer = session.begin_nested() if nested else None
        if end == "begin":
            places = run(session.begin_nested, at)
            allowed = [between]
        elif end == "exception":

            def block() -> None:
                with session.begin_nested():
                    change(log)
                    raise KeyboardInterrupt

            places = run(block, at)
            # The last is the whole block: an interrupt at the first lines of its end comes before all that they do.
            allowed = [between, files.before, {**files.after, "lines": ["a", "b", "x", "c"], "plain": [1, 9, 2]}]
        else:
            savepoint = session.begin_nested()
            change(log)
            after = log.model_dump()
            places = run(getattr(savepoint, end), at)
            allowed = [after] if end == "commit" else [between, after, files.before]
        if outer is not None and outer.is_active:
            outer.commit()
        commit_or_roll_back(session)
        assert files.content() in allowed
        session.rollback()
        assert log.model_dump() == files.content() and log is session.root(Log)
        log.plain.append(77)
        session.commit()
        assert files.content()["plain"][-1] == 77
        session.close()
        files.check_unlocked()
        return places

    at_every_line(scenario, length)


@pytest.mark.parametrize("what", ["expire", "expire_all", "expire a row", "expire a list"])
def test_an_interrupted_expire(files: Files, what: str, length: float) -> None:
    """Some objects may show what is stored and some what was assigned; that is not stored."""

    def scenario(at: int | None, commits: bool) -> Any:
        files.renew()
        session = Session(files.path, durability="fast")
        log = session.root(Log)
        row = log.rows[2]
        change(log)
        after = log.model_dump()
        works: dict[str, Callable[[], None]] = {
            "expire": lambda: session.expire(log),
            "expire_all": session.expire_all,
            "expire a row": lambda: session.refresh(row),
            "expire a list": lambda: session.refresh(log.rows),
        }
        places = run(works[what], at)
        partly = {**after, "rows": [*after["rows"][:2], files.before["rows"][2], *after["rows"][3:]]}
        some = {**after, "rows": files.before["rows"]}
        if commits:
            commit_or_roll_back(session)
            assert files.content() in (files.before, after, partly if what == "expire a row" else some)
        session.rollback()
        assert log.model_dump() == files.content() and log.rows[2] is row and log is session.root(Log)
        session.close()
        files.check_unlocked()
        return places

    at_every_line(scenario, length)


@pytest.mark.parametrize("what", ["add", "add_all", "replace", "delete", "expunge", "merge"])
def test_interrupted_changes_of_roots(files: Files, what: str, length: float) -> None:
    def scenario(at: int | None, goes_on: bool) -> Any:
        files.renew()
        session = Session(files.path, durability="fast")
        log, gone, row = session.root(Log), session.root(Gone), Row(n=3, tags=["new"])
        new = make_log()
        works: dict[str, Callable[[], Any]] = {
            "add": lambda: session.add(row),
            "add_all": lambda: session.add_all([row, Other(n=4)]),
            "replace": lambda: session.add(new, replace=True),
            "delete": lambda: session.delete(gone),
            "expunge": lambda: session.expunge(gone),
            "merge": lambda: session.merge(new),
        }
        places = run(works[what], at)
        log.plain.append(5)
        if goes_on:
            session.rollback()
            log.plain.append(5)
        session.commit()
        wanted = [{**files.before, "plain": [1, 5]}, new.model_dump(), {**new.model_dump(), "plain": [1, 5]}]
        with Session(files.path, lock_timeout=0) as other:
            assert other.root(Log).model_dump() in (wanted if what in ("replace", "merge") else wanted[:1])
            assert Log in other and (Gone in other or what == "delete")
            assert (Row in other) == (Other in other) or what == "add"
        session.close()
        files.check_unlocked()
        return places

    at_every_line(scenario, 1 if what == "add_all" else length)  # each object runs the same lines


class Other(parcode_orm.Model):
    n: int


@pytest.mark.parametrize("read_only", [False, True])
def test_interrupted_looks(files: Files, read_only: bool, length: float) -> None:
    """Reading, comparing and history change nothing; what is read afterwards is right, and one object a row."""
    files.renew()
    with Session(files.path) as session:
        change(session.root(Log))
        session.commit()
    stored = files.path.read_bytes()

    def scenario(at: int | None, reads: bool) -> Any:
        files.path.write_bytes(stored)
        session = Session(files.path, read_only=read_only)
        log = session.root(Log)

        def read() -> None:
            assert [row.tags for row in log.rows][1] == ["1"]
            assert [row.n for row in log.by_name.values()][1] == 50 and "new" in log.by_name
            assert log == log.model_load() and log.inner.x == 7

        def look() -> None:
            assert len(list(session.history())) == 3 and session.snapshot is not None
            assert len(list(session.diff(2))) > 5
            assert not session.dirty and not session.is_modified(log)
            with Session.open(files.path, at=2) as earlier:
                assert earlier.root(Log).inner.x == 1
            if not read_only:
                session.flush()

        places = run(read if reads else look, at)
        read()
        look()
        assert log.rows[3] is log.rows[3] and log.by_name["k1"] is log.by_name["k1"]
        assert log.model_dump() == files.after
        if not read_only:
            change_again(log)
            session.commit()
            assert files.content() == files.later
        session.close()
        return places

    at_every_line(scenario, length)


@pytest.mark.parametrize("what", ["save", "compact", "dumps"])
def test_interrupted_functions(files: Files, what: str, length: float) -> None:
    """The file is the one before or the one after, and nothing lies beside it."""
    log = make_log()
    wanted = log.model_dump()

    def scenario(at: int | None, from_nothing: bool) -> Any:
        files.renew()
        before = files.before
        if from_nothing and what == "save":
            files.path.unlink()
            before = None
        works: dict[str, Callable[[], Any]] = {
            "save": lambda: save(files.path, log),
            "compact": lambda: parcode_orm.compact(files.path, keep=1 + from_nothing),
            "dumps": lambda: loads(dumps(log), Log),
        }
        places = run(works[what], at)
        assert files.content() in (before, wanted) and log.model_dump() == wanted
        files.check_unlocked()
        save(files.path, log)
        assert load(files.path, Log) == log
        return places

    at_every_line(scenario, length)
