"""Ctrl-C at every line of a commit of entities: keys and indexes go on as the entities do.

As in `test_interrupted.py`, quick runs take a sample of the lines.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Field, Index, Key, Model, Ref, Session, col, delete, select, verify
from parcode_orm.session.entity import queries
from tests.crash.interrupting import at_every_line, run

pytestmark = pytest.mark.once


class Seat(Model):
    id: int = Key(auto=True)
    name: str | None = Index(None, unique=True)
    level: int = Index(default=0)


Content = dict[int, tuple[str | None, int]]


def by_indexes(session: Session) -> Content:
    """The seats as the index of levels finds them; as that of names, where they have one."""
    found = content(session)
    for level in range(10):
        seats = session.scalars(select(Seat).where(Seat.level == level)).all()
        assert [seat.id for seat in seats] == [key for key, each in found.items() if each[1] == level]
    for key, (name, _) in found.items():
        if name is not None:
            assert session.scalars(select(Seat.id).where(Seat.name == name)).all() == [key]
    return found


@pytest.mark.parametrize("again", [False, True])
def test_an_interrupted_commit_of_entities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: float, again: bool
) -> None:
    monkeypatch.setattr(queries, "SHARE", 1)
    path = tmp_path / "s.par"

    def scenario(at: int | None, stored: bool) -> Any:
        path.unlink(missing_ok=True)
        session = Session(path, durability="fast")
        session.add_all([Seat(name=f"s{number}", level=number % 7) for number in range(30)])
        if stored:
            session.commit()
            one, two, gone = session.get_one(Seat, 1), session.get_one(Seat, 2), session.get_one(Seat, 3)
            one.name, two.name = two.name, one.name
            two.level = 9
            session.get_one(Seat, 4).id = 100
            session.delete(gone)
            session.add(Seat(name=gone.name, level=8))
        after = content(session)
        places = run(session.commit, at)
        assert by_indexes(session) == after
        if again:
            session.get_one(Seat, 5).level = 9
            after[5] = after[5][0], 9
        session.commit()
        assert by_indexes(session) == after
        session.close()
        with Session(path) as other:
            assert by_indexes(other) == after
        assert verify(path).ok
        return places

    at_every_line(scenario, length)


class Ticket(Model):
    id: int = Key(default=None, auto=True)
    seat: Ref[Seat] | None = Index(None, on_delete="cascade")
    beside: Ref[Seat] | None = Index(None, on_delete="null")
    near: list[Ref[Seat]] = Field([], on_delete="null")


def tickets(session: Session) -> dict[int, list[Any]]:
    """The keys to which tickets refer, as the tickets have them; the indexes must have the same."""
    every = session.scalars(select(Ticket)).all()
    for seat in range(1, 8):
        for field, name in ((Ticket.seat, "seat"), (Ticket.beside, "beside")):
            found = {each.id for each in session.scalars(select(Ticket).where(col(field) == seat))}
            assert found == {each.id for each in every if getattr(each, name) == Ref(Seat, seat)}
    return {each.id: [each.seat, each.beside, list(each.near)] for each in every}


def test_an_interrupted_commit_of_deletes_that_go_on(tmp_path: Path, length: float) -> None:
    """Entities that refer are deleted and changed, all of them or none."""
    path = tmp_path / "s.par"

    def scenario(at: int | None, stored: bool) -> Any:
        path.unlink(missing_ok=True)
        session = Session(path, durability="fast")
        session.add_all([Seat(name=f"s{number}") for number in range(7)])
        session.add_all([Ticket(seat=n % 7 + 1, beside=n % 3 + 1, near=[1, n % 7 + 1]) for n in range(20)])
        session.commit()
        held = session.get_one(Ticket, 2)
        session.delete(session.get_one(Seat, 1))
        if stored:
            session.execute(delete(Seat).where(Seat.id == 3))
        gone = [Ref(Seat, 1), Ref(Seat, 3)] if stored else [Ref(Seat, 1)]
        before = tickets(session)
        after = {
            key: [seat, None if beside in gone else beside, [each for each in near if each not in gone]]
            for key, (seat, beside, near) in before.items()
            if seat not in gone
        }
        places = run(session.commit, at)
        assert tickets(session) in (before, after)
        session.commit()
        assert tickets(session) == after and held.near == after[2][2]
        session.close()
        with Session(path) as other:
            assert tickets(other) == after
        assert verify(path, models=[Seat, Ticket]).ok
        return places

    at_every_line(scenario, length)


def content(session: Session) -> Content:
    return {seat.id: (seat.name, seat.level) for seat in session.scalars(select(Seat))}
