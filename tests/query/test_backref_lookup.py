"""`prefetch(Hub.routes)`: what refers comes with the objects, and is what a statement would find, whatever happens."""

from __future__ import annotations

import copy
import gc
import pickle
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from parcode_orm import Backref, Index, Key, Model, QueryError, Ref, Session, delete, prefetch, select, update
from parcode_orm.lazy.state import get_dict
from parcode_orm.query.running.backref_lookup import FoundRelated, known_related

pytestmark = pytest.mark.once


class Hub(Model):
    code: int = Key()
    name: str = ""
    routes: Sequence["Route"] = Backref("hub")  # noqa: UP037
    passed: Sequence["Route"] = Backref("over")  # noqa: UP037
    named: Sequence["Route"] = Backref("by_name")  # noqa: UP037


class Route(Model):
    number: int = Key()
    hub: Ref[Hub] | None = Index(None)
    over: list[Ref[Hub]] = []
    by_name: dict[str, Ref[Hub]] = {}


WITH = select(Hub).options(prefetch(Hub.routes, Hub.passed)).order_by(Hub.code)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "hubs.par"
    with Session(found) as session:
        session.add_all([Hub(code=n) for n in range(8)])
        session.add_all([Route(number=n, hub=n % 5 or None, over=[n % 7, n % 3, n % 3]) for n in range(60)])
        session.commit()
    return found


def told(hubs: Any) -> list[Any]:
    return [([each.number for each in hub.routes], [each.number for each in hub.passed]) for hub in hubs]


def test_all_is_read_at_once(path: Path) -> None:
    with Session.open(path) as plain, Session.open(path) as session:
        expected = told(plain.scalars(select(Hub).order_by(Hub.code)))
        hubs = session.scalars(WITH).all()
        before = session.stats.chunks_read, session.stats.rows_read
        assert told(hubs) == expected and [len(hub.routes) for hub in hubs] == [len(each) for each, _ in expected]
        assert [bool(hub.routes) for hub in hubs] == [bool(each) for each, _ in expected]
        assert hubs[1].routes[-1].number == expected[1][0][-1] and hubs[1].routes[:2][1] is hubs[1].routes[1]
        assert (session.stats.chunks_read, session.stats.rows_read) == before
        with pytest.raises(IndexError):
            hubs[1].routes[100]
        pairs = session.execute(
            select(Hub, Route.number).join(Route, Route.hub == Hub.code).options(prefetch(Hub.routes))
        )
        assert all(number in [each.number for each in hub.routes] for hub, number in pairs)


def test_an_object_shows_nothing_of_it(path: Path) -> None:
    with Session(path) as session:
        hub = session.scalars(WITH).all()[1]
        assert known_related(hub, "routes") is not None
        assert hub.model_dump() == dict(hub) == {"code": 1, "name": ""} and hub == Hub(code=1) == hub.model_copy()
        for each in (pickle.loads(pickle.dumps(hub)), copy.deepcopy(hub), hub.model_load()):
            assert each == hub and not any(isinstance(value, FoundRelated) for value in vars(each).values())
        assert not session.is_modified(hub)
        hub.name = "one"
        session.commit()
    with Session.open(path) as session:
        found = session.get_one(Hub, 1)
        assert found.name == "one" and "routes" not in str(list(get_dict(found)))


def test_changes_count(path: Path) -> None:
    random = Random(4)
    with Session(path) as session:
        known = 0
        for turn in range(24):
            hubs: Any = session.scalars(WITH).all()
            known += known_related(hubs[0], "routes") is not None
            route: Any = session.get_one(Route, random.randrange(20))
            if turn % 8 == 0:
                route.hub = random.randrange(8)
            elif turn % 8 == 1:
                route.over.append(random.choice(hubs))
            elif turn % 8 == 2:
                session.add(Route(number=100 + turn, hub=3))
            elif turn % 8 == 3:
                session.execute(update(Route).where(Route.number > 30).values(hub=random.randrange(8)))
            elif turn % 8 == 4:
                session.execute(delete(Route).where(Route.number == random.randrange(20, 60)))
            elif turn % 8 == 5:
                del route, hubs
                gc.collect()  # rows that the program holds may be changed again
                session.commit()
                hubs = session.scalars(WITH).all()
            elif turn % 8 == 6:
                session.rollback()
            some: Any = random.sample(hubs, 3)
            expected = [
                tuple(
                    [each.number for each in session.scalars(related.statement)] for related in (hub.routes, hub.passed)
                )
                for hub in some
            ]
            assert told(some) == expected
            route = hubs = some = None
        assert known > 3


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: prefetch(Hub.named), "of a reference, or of a list or set of references in the row"),
        (lambda: prefetch(Route.hub.routes), "a Backref of the class that is selected"),  # type: ignore[union-attr]
        (
            lambda: Session(":memory:").scalars(select(Route).options(prefetch(Hub.routes))).all(),
            "gives no objects of Hub",
        ),
    ],
)
def test_what_is_refused(make: Any, problem: str) -> None:
    with pytest.raises(QueryError, match=problem):
        make()
