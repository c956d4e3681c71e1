"""Objects of ended sessions in other sessions: each root goes as a whole, when a commit has stored it, and no other."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Chunk, Model, Session, ShardedMap, load, save
from parcode_orm.errors import ConflictError, DetachedError, EncodeError, SessionError

SMALL, LARGE = 3, 9000


class Row(Model):
    n: int = 0


class A(Model):
    v: int = 0
    ns: list[int] = Chunk(default=[])
    rows: list[Row] = Chunk(default=[])
    by: dict[str, Row] = ShardedMap(default={})


class B(A):
    pass


class Other(Model):
    z: int = 0


def make(cls: Any, count: int) -> Any:
    rows = [Row(n=n) for n in range(count)]
    return cls(v=1, ns=[1], rows=rows, by={str(n): Row(n=n) for n in range(count)})


@pytest.fixture(params=[SMALL, LARGE])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    found = tmp_path / "x.par"
    with Session(found) as session:
        session.add_all([make(A, request.param), make(B, request.param)])
        session.commit()
    return found


def detached(path: Path) -> tuple[Any, Any]:
    with Session(path) as session:
        found = session.root(A), session.root(B)
        for each in found:
            assert each.rows[1].n == each.by["1"].n == 1
    return found


def edit(obj: Any, n: int) -> None:
    obj.v = n
    obj.ns.append(n)
    obj.rows[1].n = n
    obj.by["1"].n = n


def state(obj: Any) -> list[Any]:
    return [obj.v, list(obj.ns), obj.rows[1].n, obj.by["1"].n]


def test_a_conflict_leaves_it_as_it_was(path: Path) -> None:
    a, _ = detached(path)
    edit(a, 2)
    with Session(path) as session:
        session.add(a, replace=True)
        with Session(path) as other:
            other.add(Other())
            other.commit()
        with pytest.raises(ConflictError):
            session.commit()
        session.rollback()
        assert a not in session and state(a) == [2, [1, 2], 2, 2]
        edit(a, 3)
        session.add(a, replace=True)
        session.commit()
    assert state(load(path, A)) == [3, [1, 2, 3], 3, 3]


def test_attempts_add_it_again(path: Path) -> None:
    a, _ = detached(path)
    edit(a, 2)
    with Session(path) as session:
        for attempt in session.attempts(2):
            with attempt:
                session.add(a, replace=True)
                if attempt.number == 1:
                    with Session(path) as other:
                        other.add(Other())
                        other.commit()
                session.commit()
    assert state(load(path, A)) == [2, [1, 2], 2, 2]


@pytest.mark.parametrize("leave", [Session.rollback, lambda session: session.expunge(session.root(A))])
def test_a_commit_that_fails_leaves_it_as_it_was(path: Path, tmp_path: Path, leave: Callable[[Session], Any]) -> None:
    a, _ = detached(path)
    with Session(tmp_path / "y.par") as session:
        session.add(Other())
        session.commit()
        session.add(a)
        edit(a, 9)
        a.v = "no"
        with pytest.raises(EncodeError):
            session.commit()
        leave(session)
        assert a not in session and state(a) == ["no", [1, 9], 9, 9]
        a.v = 9
        with Session(tmp_path / "z.par") as other:
            other.add(a)
            other.commit()
    assert state(load(tmp_path / "z.par", A)) == [9, [1, 9], 9, 9]


@pytest.mark.parametrize("then", [Session.rollback, Session.compact, Session.refresh, Session.expire_all])
def test_what_a_session_was_not_given_stays(path: Path, tmp_path: Path, then: Callable[[Session], Any]) -> None:
    a, b = detached(path)
    edit(b, 5)
    with Session(tmp_path / "y.par") as session:
        session.add(a)
        session.commit()
        then(session)
        assert b not in session and state(b) == [5, [1, 5], 5, 5]
        edit(b, 6)
    assert state(b) == [6, [1, 5, 6], 6, 6]


@pytest.mark.parametrize("then", [Session.rollback, Session.compact])
def test_two_roots_of_one_session_go_to_two(path: Path, tmp_path: Path, then: Callable[[Session], Any]) -> None:
    a, b = detached(path)
    first, second = Session(tmp_path / "y.par"), Session(tmp_path / "z.par")
    with first, second:
        first.add(a)
        second.add(b)
        first.commit()
        second.commit()
        assert (a in first, b in first, a in second, b in second) == (True, False, False, True)
        edit(b, 8)
        then(first)
        second.commit()
        edit(a, 4)
        first.commit()
    assert state(load(tmp_path / "z.par", B)) == [8, [1, 8], 8, 8]
    assert state(load(tmp_path / "y.par", A)) == [4, [1, 4], 4, 4]


def test_one_root_cannot_go_to_two(path: Path, tmp_path: Path) -> None:
    a, _ = detached(path)
    with Session(tmp_path / "y.par") as first, Session(tmp_path / "z.par") as second:
        first.add(a)
        second.add(a)
        first.commit()
        with pytest.raises(SessionError, match="became an object of another session"):
            second.commit()
        second.rollback()
        edit(a, 2)
        first.commit()
    assert state(load(tmp_path / "y.par", A)) == [2, [1, 2], 2, 2]


@pytest.mark.parametrize("how", ["expunge", "delete", "replace"])
def test_all_below_a_root_that_leaves_is_detached(path: Path, tmp_path: Path, how: str) -> None:
    with Session(path) as session:
        a = session.root(A)
        ns, row, pair = a.ns, a.rows[1], a.by["1"]
        if how == "expunge":
            session.expunge(a)
        elif how == "delete":
            session.delete(a)
            session.commit()
        else:
            session.add(A(v=77), replace=True)
            session.commit()
        assert a not in session
        ns.append(5)
        row.n = pair.n = 5
        session.rollback()
        assert state(a) == [1, [1, 5], 5, 5]
        with Session(tmp_path / "y.par") as other:
            other.add(a)
            other.commit()
            ns.append(6)
            row.n = pair.n = 6
            other.commit()
            assert a.ns is ns and a.rows[1] is row
    assert state(load(tmp_path / "y.par", A)) == [1, [1, 5, 6], 6, 6]


@pytest.mark.parametrize("stored", [False, True])
def test_a_savepoint_restores_it(path: Path, tmp_path: Path, stored: bool) -> None:
    a, _ = detached(path)
    with Session(tmp_path / "y.par") as session:
        if stored:
            session.add(Other())
            session.commit()
        session.add(a)
        row = a.rows[1]
        savepoint = session.begin_nested()
        edit(a, 7)
        savepoint.rollback()
        assert state(a) == [1, [1], 1, 1] and a.rows[1] is row
        outer = session.begin_nested()
        edit(a, 8)
        session.begin_nested().rollback()
        assert state(a) == [8, [1, 8], 8, 8]
        outer.commit()
        session.commit()
    assert state(load(tmp_path / "y.par", A)) == [8, [1, 8], 8, 8]


def test_a_rollback_gives_back_what_a_savepoint_took(path: Path, tmp_path: Path) -> None:
    a, _ = detached(path)
    with Session(tmp_path / "y.par") as session:
        session.add(Other())
        session.commit()
        session.add(a)
        session.begin_nested()
        edit(a, 7)
        session.rollback()
        assert a not in session and state(a) == [7, [1, 7], 7, 7]
        with Session(tmp_path / "z.par") as other:
            other.add(a)
            other.commit()
    assert state(load(tmp_path / "z.par", A)) == [7, [1, 7], 7, 7]


def test_it_is_stored_at_the_cost_of_what_changed(path: Path) -> None:
    a, _ = detached(path)
    for n in range(3):
        edit(a, n)
        with Session(path) as session:
            session.add(a)
            session.commit()
            assert session.stats.rows_written <= (4000 if len(a.rows) == SMALL else 60)
    save(path.with_name("copy.par"), a)
    assert state(load(path, A)) == state(load(path.with_name("copy.par"), A))


def test_a_session_that_was_never_closed(path: Path, tmp_path: Path) -> None:
    session = Session(path)
    a = session.root(A)
    edit(a, 3)
    del session
    gc.collect()
    with Session(tmp_path / "y.par") as other:
        other.add(a)
        other.commit()
    assert state(load(tmp_path / "y.par", A)) == [3, [1, 3], 3, 3]


def test_a_savepoint_restores_a_detached_row_inside_an_object_of_the_session(path: Path, tmp_path: Path) -> None:
    a, _ = detached(path)
    row = a.rows[1]
    with Session(tmp_path / "y.par") as session:
        root = A(rows=[Row(n=9)])
        session.add(root)
        session.commit()
        root.rows.append(row)
        savepoint = session.begin_nested()
        row.n = 5
        savepoint.rollback()
        assert root.rows[-1].n == 1
        session.commit()
    assert [each.n for each in load(tmp_path / "y.par", A).rows] == [9, 1]


def test_a_row_that_handed_out_nothing_goes_to_the_other_file(path: Path, tmp_path: Path) -> None:
    """The session knew such rows by weak references alone, and took them for rows that the program does not hold."""
    with Session(path) as session:
        a = session.root(A)
        first, second = a.rows[2], a.by["2"]
    with Session(tmp_path / "y.par") as session:
        session.add(a)
        session.commit()
        assert a.rows[2] is first and a.by["2"] is second
        first.n = second.n = 77
        session.commit()
    found = load(tmp_path / "y.par", A)
    assert found.rows[2].n == found.by["2"].n == 77


def test_a_row_that_a_revert_let_go_of_says_so(path: Path) -> None:
    with Session(path) as session:
        row = session.root(A).rows[1]
        session.root(A).v = 2
        session.commit()
        session.revert(1)
        with pytest.raises(DetachedError, match=r"rollback\(\), refresh\(\) or revert\(\)"):
            row.n = 5
        session.root(A).rows[1].n = 6
        session.commit()
    assert load(path, A).rows[1].n == 6
