"""The runs of an index are opened once, and give what a scan gives, whatever a session does in between."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from parcode_orm import Index, Key, Model, Session, func, select
from parcode_orm.model.indexes import indexes_of
from parcode_orm.session.entity import opened_runs
from parcode_orm.session.entity.opened_runs import OpenRuns, RunsKey, runs_of
from parcode_orm.session.entity.tables import find_table

pytestmark = pytest.mark.once


class Lamp(Model):
    id: int = Key()
    watt: int = Index(0)
    room: str = ""


def opened(session: Session) -> list[Any]:
    cache = session._work.space.cache  # type: ignore[union-attr]
    return [kept for key, kept in cache.kept.items() if isinstance(key, RunsKey)]


def test_a_second_statement_opens_nothing() -> None:
    session = Session(":memory:")
    session.add_all(Lamp(id=n, watt=n // 3) for n in range(3000))
    session.commit()
    statement = select(Lamp).where(Lamp.watt == 500)
    assert [lamp.id for lamp in session.scalars(statement)] == [1500, 1501, 1502]
    (kept,) = opened(session)
    before = session.stats.chunks_read
    assert [lamp.id for lamp in session.scalars(select(Lamp).where(Lamp.watt == 501))] == [1503, 1504, 1505]
    assert session.stats.chunks_read == before
    assert opened(session) == [kept] and kept.close() and kept.size > 0


@pytest.mark.parametrize("most", [0, 1 << 16])
def test_statements_see_each_commit_rollback_and_flush(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(opened_runs, "MOST_FENCES", most)
    random, session = Random(5), Session(":memory:")
    session.add_all(Lamp(id=n, watt=n % 40) for n in range(600))
    session.commit()
    for turn in range(30):
        for lamp in session.scalars(select(Lamp).where(Lamp.watt == turn)).all()[:3]:
            lamp.watt = random.randrange(40)
        if turn % 4 == 0:
            session.add(Lamp(id=1000 + turn, watt=random.randrange(40)))
        if turn % 7 == 0:
            session.flush()
        (session.commit, session.rollback)[random.random() < 0.3]()
        watts = [lamp.watt for lamp in session.scalars(select(Lamp))]
        for low, high in ((turn, turn), (3, 9)):
            where = (Lamp.watt >= low, Lamp.watt <= high)
            expected = sum(low <= each <= high for each in watts)
            assert len(session.scalars(select(Lamp).where(*where)).all()) == expected
            assert session.scalar(select(func.count()).select_from(Lamp).where(*where)) == expected
        assert session.scalar(select(func.max(Lamp.watt))) == max(watts)
    assert len(opened(session)) == bool(most)  # earlier ones do not stay


def test_runs_that_changed_in_memory_are_given_as_they_are() -> None:
    session = Session(":memory:")
    session.add_all(Lamp(id=n, watt=n) for n in range(600))
    root = find_table(session._work, Lamp)
    assert root is not None
    (spec,) = indexes_of(Lamp)
    assert len(runs_of(root.obj, spec)) == 0  # nothing is flushed yet
    session.commit()
    root = find_table(session._work, Lamp)
    assert root is not None
    (run,) = runs_of(root.obj, spec)
    assert isinstance(run, opened_runs.OpenRun) and isinstance(opened(session)[0], OpenRuns)
    assert len(run.entries) == 600 and run.fences == [0, 256, 512]
