"""Indexes of fields whose type became narrower: one entry that does not fit had made the whole index unreadable."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Index, Key, SchemaMismatchError, Session, delete, func, select, verify

from .versions import model

pytestmark = pytest.mark.once

ODD = 77  # the entity whose value does not fit
COUNT = 5_000


class Old(enum.Enum):
    A, B, GONE = 1, 2, 3


class New(enum.Enum):
    A, B = 1, 2


for each in (Old, New):
    each.__name__ = each.__qualname__ = "Mood"


def classes(kind: str) -> tuple[Any, Any, Any]:
    """The class that wrote, the one that reads, and the values of its field `level`, by number."""
    old, new, value = {
        "ordered": ((float, Index()), (int, Index()), lambda n: n + (0.5 if n == ODD else 0.0)),
        "unique": ((float, Index(unique=True)), (int, Index(unique=True)), lambda n: n + (0.5 if n == ODD else 0.0)),
        "enum": ((Old, Index()), (New, Index()), lambda n: Old.GONE if n == ODD else Old.A if n < 50 else Old.B),
    }[kind]
    made = [
        model("P", {"id": int, "level": tp, "n": int}, id=Key(), level=mark, n=0, __indexes__=(Index("n", "level"),))
        for tp, mark in (old, new)
    ]
    return *made, value


@pytest.fixture(params=["ordered", "unique", "enum"])
def kept(request: Any, tmp_path: Path) -> tuple[Path, Any, Any]:
    path = tmp_path / "a.par"
    old, new, value = classes(request.param)
    with Session(path) as session:
        session.add_all(old(id=n, level=value(n), n=n) for n in range(COUNT))
        session.commit()
    return path, new, New.A if request.param == "enum" else 5


def test_other_entries_are_found_and_assignment_mends(kept: tuple[Path, Any, Any]) -> None:
    path, cls, value = kept
    found = select(cls.id).where(cls.level == value)
    several = select(cls.id).where(cls.n == 5, cls.level == value)
    odd = select(func.max(cls.level)).where(cls.n.between(70, 80))
    with Session(path) as session:
        assert session.scalars(several).all() == ([5] if value in (5, New.A) else [])
        assert "by the index of" in str(session.explain(several))
        if value == 5:
            assert session.scalars(found).all() == [5] and "by the index of level" in str(session.explain(found))
        with pytest.raises(SchemaMismatchError, match=r"^P\.level|Mood"):  # not as it is stored
            session.scalar(odd)
        session.get_one(cls, 5).n = 9_000
        session.get_one(cls, ODD).level = value if value != 5 else 9_000
        session.commit()
        assert session.get_one(cls, ODD).level in (value, 9_000)
    assert verify(path, models=[cls]).ok
    with Session(path) as session:
        assert session.scalar(select(func.count()).where(cls.level == session.get_one(cls, ODD).level)) in (1, 51)
        session.get_one(cls, 3).n = 9_001
        session.commit()
    assert verify(path, models=[cls]).ok


def test_a_row_whose_value_does_not_fit_is_deleted(kept: tuple[Path, Any, Any]) -> None:
    path, cls, _ = kept
    for remove in (
        lambda session: session.delete(session.get_one(cls, ODD)),
        lambda session: session.execute(delete(cls).where(cls.id == ODD)),
    ):
        data = path.read_bytes()
        with Session(path) as session:
            remove(session)
            session.commit()
        assert verify(path, models=[cls]).ok
        path.write_bytes(data)


def test_an_index_that_is_written_again_says_what_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    old = model("P", {"id": int, "level": float}, id=Key(), level=Index())
    new = model("P", {"id": int, "level": int}, id=Key(), level=Index())
    with Session(path) as session:
        session.add_all(old(id=n, level=n / 2) for n in range(4))
        session.commit()
    found = [
        (each.where, each.what) for each in verify(path, models=[new]).problems
    ]  # the index fits, two values do not
    assert [where for where, _ in found] == ["the P id=1", "the P id=3"]
    assert all(what.startswith("P.level: ") and "is not what the class declares now" in what for _, what in found)
    with Session(path) as session:
        session.add(new(id=9, level=9))
        with pytest.raises(SchemaMismatchError, match=r"^P.level: 0.5, .* AlterField\('P', 'level', \.\.\.\)"):
            session.commit()
        session.get_one(new, 1).level = 1
        with pytest.raises(SchemaMismatchError, match=r"the index of P.level"):
            session.commit()
        session.get_one(new, 3).level = 3
        session.commit()
        assert sorted(session.scalars(select(new.level)).all()) == [0, 1, 1, 3, 9]
    assert verify(path, models=[new]).ok
