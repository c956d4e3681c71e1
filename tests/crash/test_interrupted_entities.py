"""Ctrl-C at every line of a commit of entities: keys and indexes go on as the entities do.

As in `test_interrupted.py`, quick runs take a sample of the lines.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Index, Key, Model, Session, select, verify
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


def content(session: Session) -> Content:
    return {seat.id: (seat.name, seat.level) for seat in session.scalars(select(Seat))}
