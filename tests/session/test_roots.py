"""One root a class: nothing is put in the place of another object unless `replace=True` says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Chunk, Model, Session, SessionError, load, save


class Account(Model):
    balance: int = 0
    entries: list[int] = Chunk(default=[])
    below: Account | None = None


class World(Model):
    n: int = 0


Namesake: Any = type("Account", (Model,), {"__annotations__": {"email": str}, "__module__": "users"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.par"


def test_two_objects_of_one_class(path: Path) -> None:
    with Session(path) as session:
        first = Account(balance=1)
        session.add(first)
        session.add(first)
        with pytest.raises(SessionError, match=r"another Account .*list\[Account\] = Chunk\(\).*replace=True"):
            session.add(Account(balance=2))
        session.commit()
        with pytest.raises(SessionError, match="another Account"):
            session.add(Account(balance=3))
        assert session.root(Account) is first
        session.add(second := Account(balance=4), replace=True)
        session.commit()
        assert session.root(Account) is second
    assert load(path, Account).balance == 4


@pytest.mark.parametrize("replace", [False, True])
def test_add_all_is_all_or_nothing(path: Path, replace: bool) -> None:
    with Session(path) as session:
        for objs in ([Account(), Account()], [World(), Account(), Namesake(email="a@b.c")]):
            with pytest.raises(SessionError, match=r"another Account|two classes named Account"):
                session.add_all(objs, replace=replace)
            assert session.roots() == []
        session.add_all([World(n=1), account := Account(), account])
        session.commit()
        with pytest.raises(SessionError):
            session.add_all([World(n=2), Account()])
        assert session.root(World).n == 1
        session.add_all([World(n=2), Account()], replace=True)
        assert session.root(World).n == 2


def test_two_classes_of_one_name(path: Path) -> None:
    with Session(path) as session:
        session.add(Account(balance=1))
        with pytest.raises(SessionError, match=r"two classes named Account .*test_roots\.Account and users\.Account"):
            session.add(Namesake(email="ann@example.org"))
        session.commit()
        session.add(Namesake(email="ann@example.org"), replace=True)
        session.commit()
    assert load(path, Namesake).email == "ann@example.org"


def test_a_stored_root(path: Path) -> None:
    save(path, Account(balance=1))
    with Session(path) as session:
        for obj in (Account(balance=2), Namesake(email="x")):
            with pytest.raises(SessionError, match=r"holds a root Account already: .*merge\(obj\).*replace=True"):
                session.add(obj)
        session.add(session.root(Account))
        session.merge(Account(balance=3))
        session.commit()
        session.expunge(session.root(Account))
        with pytest.raises(SessionError, match="holds a root Account"):
            session.add(Account(balance=4))
        session.delete(session.root(Account))
        session.add(Account(balance=5))
        session.commit()
    assert load(path, Account).balance == 5


def test_the_object_that_was_added_before_is_no_other(path: Path) -> None:
    account = Account(balance=1, entries=list(range(10)), below=Account(balance=2))
    with Session(path) as session:
        session.add(account)
        session.commit()
    account.entries.append(10)
    with Session(path) as session:
        below = account.below
        with pytest.raises(SessionError, match="holds a root Account"):
            session.add(below)  # type: ignore[arg-type]  # of the same class, and stored beside it
        session.add(account)
        session.commit()
    assert load(path, Account).entries[-1] == 10
    with Session(path) as session:
        session.root(Account).balance = 7
        session.commit()
    with Session(path) as session:
        with pytest.raises(SessionError, match="holds a root Account"):
            session.add(account)  # it stands on an earlier commit
        session.add(account, replace=True)
        session.commit()
    assert load(path, Account).balance == 1


def test_a_rollback_gives_the_stored_root_back(path: Path) -> None:
    with Session(path) as session:
        session.add(first := World(n=1))
        session.commit()
        session.add(World(n=2), replace=True)
        session.rollback()
        assert session.root(World) is first
        with pytest.raises(SessionError):
            session.add(World(n=3))
        with pytest.raises(KeyError), session.begin_nested():
            session.add(World(n=4), replace=True)
            raise KeyError
        assert session.root(World).n == 1
