"""`session.attempts`: a unit of work is repeated where another session committed first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parcode_orm import (
    Chunk,
    ConflictError,
    Model,
    NoResultFound,
    ReadOnlyError,
    Session,
    SessionError,
    load,
    save,
)


class Account(Model):
    balance: int = 0


class Bank(Model):
    total: int = 0
    accounts: list[Account] = Chunk(default_factory=list)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "bank.par"
    save(found, Bank(accounts=[Account() for _ in range(3)]))
    return found


def pay(session: Session) -> None:
    """One unit of work."""
    bank = session.root(Bank)
    bank.total += 1
    bank.accounts[1].balance += 1


def interfere(path: Path) -> None:
    """Another session commits."""
    with Session(path) as other:
        other.root(Bank).total += 100
        other.commit()


@pytest.mark.parametrize("conflicts", [0, 1, 2])
def test_the_unit_is_repeated_until_it_is_stored(path: Path, conflicts: int) -> None:
    seen = []
    with Session(path) as session:
        for attempt in session.attempts(3):
            with attempt:
                pay(session)
                seen.append((attempt.number, attempt.last))
                if len(seen) <= conflicts:
                    interfere(path)
                session.commit()
        pay(session)  # the session goes on
        session.commit()
    found = load(path, Bank)
    assert seen == [(1, False), (2, False), (3, True)][: conflicts + 1]
    assert (found.total, found.accounts[1].balance) == (2 + 100 * conflicts, 2)


def test_the_last_attempt_raises_its_conflict(path: Path) -> None:
    tries = 0
    with Session(path) as session:
        with pytest.raises(ConflictError, match="newest commit"):
            for attempt in session.attempts(2):
                with attempt:
                    pay(session)
                    tries += 1
                    interfere(path)
                    session.commit()
        session.rollback()
        assert session.root(Bank).total == 200
    assert tries == 2 and load(path, Bank).accounts[1].balance == 0


def test_what_is_added_is_added_again(path: Path) -> None:
    class Log(Model):
        lines: list[str]

    with Session(path) as session:
        for attempt in session.attempts():
            with attempt:
                session.add(Log(lines=["a"]))
                if not attempt.last and attempt.number == 1:
                    interfere(path)
                session.commit()
    assert load(path, Log).lines == ["a"] and load(path, Bank).total == 100


def test_the_first_commit_of_two(tmp_path: Path) -> None:
    """The other session created the file."""
    path = tmp_path / "new.par"
    with Session(path) as session:
        for attempt in session.attempts():
            with attempt:
                try:
                    session.root(Bank).total += 1
                except NoResultFound:
                    session.add(Bank(total=1))
                    save(path, Bank(total=100))
                session.commit()
    assert load(path, Bank).total == 101


@pytest.mark.parametrize("problem", [KeyError("x"), KeyboardInterrupt(), ConflictError("of something else")])
def test_other_exceptions_are_raised_at_once(path: Path, problem: BaseException) -> None:
    tries = 0
    with Session(path) as session:
        with pytest.raises(type(problem)):
            for attempt in session.attempts(3):
                with attempt:
                    pay(session)
                    tries += 1
                    raise problem
        assert session.root(Bank).total == 1  # as it was left
    assert tries == 1


def test_unsaved_changes_would_not_be_repeated(path: Path) -> None:
    with Session(path) as session:
        pay(session)
        with pytest.raises(SessionError, match=r"unsaved changes.*commit\(\) or rollback\(\)"):
            session.attempts(3)
        session.rollback()
        session.add(Account())
        with pytest.raises(SessionError, match="unsaved changes"):
            session.attempts(3)


def test_an_attempt_is_entered(path: Path) -> None:
    with Session(path) as session, pytest.raises(SessionError, match="with attempt:"):
        for _ in session.attempts(3):
            pay(session)


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "3"])
def test_how_many(path: Path, count: Any) -> None:
    with Session(path) as session, pytest.raises(ValueError, match="1 or more"):
        session.attempts(count)


def test_a_read_only_session_has_none(path: Path) -> None:
    with Session.open(path) as session, pytest.raises(ReadOnlyError):
        session.attempts(3)
