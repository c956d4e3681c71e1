"""`prefetch` and `raise_lazy`: targets come with the objects, in a few reads; others load nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field as PlainField

from parcode_orm import (
    Chunk,
    Key,
    Model,
    NoResultFound,
    QueryError,
    Ref,
    Session,
    ShardedMap,
    delete,
    func,
    prefetch,
    raise_lazy,
    select,
)
from parcode_orm.query.rows.target_lookup import Fetched
from parcode_orm.query.running.loader_options import Refused
from parcode_orm.query.statements.options import Loading
from tests.effort import half
from tests.small import tuned

pytestmark = pytest.mark.once
Small = tuned().Session


class Plane(Model):
    tail: str = Key()
    year: int = 0


class Airport(Model):
    country: str = Key()
    code: str = Key()
    name: str = ""


class Flight(Model):
    id: int = Key()
    plane: Ref[Plane] | None = None
    origin: Ref[Airport] | None = None
    via: list[Ref[Airport]] = []
    by_name: dict[str, Ref[Plane]] = {}
    either: Ref[Plane] | Ref[Airport] | None = None
    far: list[Ref[Plane]] = Chunk([])


class Desk(Model):
    flights: dict[str, Flight] = ShardedMap({})


PLANES, PORTS, FLIGHTS = 12, 5, 60


def flight(n: int) -> Flight:
    return Flight(
        id=n,
        plane=None if n % 10 == 9 else f"N{n % PLANES}",
        origin=("US", f"A{n % PORTS}"),
        via=[("US", f"A{each}") for each in range(n % 3)],
        by_name={"x": f"N{n % 4}"},
        either=Ref(Plane, f"N{n % 3}") if n % 2 else Ref(Airport, ("US", "A1")),
        far=["N1"],
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "flights.par"
    with Small(found) as session:
        session.add_all([Plane(tail=f"N{n}", year=1990 + n) for n in range(PLANES)])
        session.add_all([Airport(country="US", code=f"A{n}", name=f"port {n}") for n in range(PORTS)])
        session.add_all(map(flight, range(FLIGHTS)))
        session.add(Desk(flights={str(n): flight(n) for n in range(8)}))
        session.commit()
    return found


@pytest.fixture(params=["read", "write"])
def session(path: Path, request: Any) -> Iterator[Session]:
    with Small(path, read_only=request.param == "read") as session:
        yield session


def space_of(ref: Any) -> Any:
    return ref._space


def test_targets_come_with_the_objects(session: Session) -> None:
    found = session.scalars(select(Flight).options(prefetch(Flight.plane, Flight.origin))).all()
    plane = session.get(Plane, "N3")
    before = session.stats.rows_read
    for each in found:
        assert (each.plane is None) == (each.id % 10 == 9)
        if each.plane is not None:
            assert isinstance(space_of(each.plane), Fetched) and each.plane.year == 1990 + each.id % PLANES
        assert each.origin is not None and each.origin.name == f"port {each.id % PORTS}"
    assert session.stats.rows_read == before
    assert found[3].plane is not None and found[3].plane.target is plane  # the one object of the session
    assert not isinstance(space_of(session.get_one(Flight, 1).either), Fetched)


def test_two_reads_not_one_for_each(path: Path) -> None:
    with Session.open(path) as session:
        for each in session.scalars(select(Flight)).all():
            assert each.plane is None or each.plane.year
        lazily = session.stats.chunks_read
    with Session.open(path) as session:
        found = session.scalars(select(Flight).options(prefetch(Flight.plane))).all()
        assert session.stats.chunks_read <= lazily
        planes = [each.plane for each in found if each.plane is not None]
        before = session.stats.chunks_read, session.stats.rows_read
        assert len({id(plane.target) for plane in planes}) == PLANES
        assert (session.stats.chunks_read, session.stats.rows_read) == before


def test_collections_of_references(session: Session) -> None:
    options = prefetch(Flight.via, Flight.by_name, Flight.either)
    for each in session.scalars(select(Flight).options(options)).all():
        refs = [*each.via, *each.by_name.values(), each.either]
        assert all(isinstance(space_of(ref), Fetched) for ref in refs)
        assert [ref.name for ref in each.via] == [f"port {n}" for n in range(each.id % 3)]
        assert each.by_name["x"].year == 1990 + each.id % 4
        assert not session.dirty if not session.read_only else True


def test_raise_lazy_refuses_what_was_not_prefetched(session: Session) -> None:
    statement = select(Flight).options(prefetch(Flight.plane), raise_lazy())
    found = session.scalars(statement.where(Flight.id == 5)).one()
    assert found.plane is not None and found.plane.year == 1995
    assert found.origin is not None and found.origin.key == ("US", "A0") and isinstance(space_of(found.origin), Refused)
    with pytest.raises(
        QueryError, match=r"Flight\.origin refers to Airport\[\('US', 'A0'\)\].*raise_lazy\(\): add pref"
    ):
        _ = found.origin.name
    with pytest.raises(QueryError, match=r"Flight\.via refers to"):
        _ = found.via[0].name
    assert session.scalars(select(Flight).options(prefetch(Flight.origin)).where(Flight.id == 5)).one() is found
    assert found.origin.name == "port 0"


def test_it_follows_limits_orders_and_other_outputs(session: Session) -> None:
    statement = select(Flight, Flight.id).options(prefetch(Flight.plane)).order_by(Flight.id.desc()).limit(3)
    rows = session.execute(statement).all()
    assert [row.id for row in rows] == [59, 58, 57] and len(rows[0]) == 2
    assert isinstance(space_of(rows[1][0].plane), Fetched)
    assert session.scalars(statement).first() is rows[0][0] and session.scalars(statement).count() == 3
    assert session.scalars(statement).column(Flight.id).tolist() == [59, 58, 57]
    iterated = list(session.scalars(select(Flight).options(prefetch(Flight.plane))))
    assert len(iterated) == FLIGHTS and isinstance(space_of(iterated[0].plane), Fetched)


def test_rows_of_collections(session: Session) -> None:
    flights = session.root(Desk).flights
    for each in session.scalars(select(flights).options(prefetch(Flight.plane))).all():
        assert each.plane is not None and isinstance(space_of(each.plane), Fetched) and each.plane.year >= 1990


def test_references_notice_what_becomes_of_their_targets(path: Path) -> None:
    with Small(path) as session:
        found = session.scalars(select(Flight).options(prefetch(Flight.plane))).all()
        ref = found[5].plane
        assert ref is not None and ref.year == 1995
        session.delete(session.get_one(Plane, "N5"))
        with pytest.raises(NoResultFound):
            _ = ref.year
        new = Plane(tail="N5", year=7)
        session.add(new)
        assert ref.target is new
        session.rollback()
        assert ref.year == 1995
        session.execute(delete(Plane).where(Plane.tail == "N5"))
        with pytest.raises(NoResultFound):
            _ = ref.year
        session.rollback()
        ref.year = 3  # type: ignore[misc]
        session.commit()
        assert ref.year == 3 and session.get_one(Plane, "N5").year == 3
        with Small(path) as other:
            other.get_one(Plane, "N5").year = 4
            other.commit()
        session.refresh()
        assert session.get_one(Flight, 5).plane.year == 4  # type: ignore[union-attr]
    assert ref.year in (3, 4)


def test_such_references_are_stored_as_others_are(path: Path) -> None:
    with Small(path) as session:
        options = prefetch(Flight.plane), raise_lazy()
        found = session.scalars(select(Flight).options(*options).where(Flight.id < 3)).all()
        found[0].plane, found[1].via = found[2].plane, [*found[2].via, *found[1].via]
        session.add(Flight(id=100, plane=found[1].plane, origin=found[1].origin))
        session.commit()
        assert found[0].plane is not None and found[0].plane.year == 1992
        assert session.get_one(Flight, 100).origin.name == "port 1"  # type: ignore[union-attr]
    with Small(path) as session:
        assert [each.key for each in session.get_one(Flight, 1).via] == [("US", "A0"), ("US", "A1"), ("US", "A0")]
        assert session.get_one(Flight, 0).plane.year == 1992  # type: ignore[union-attr]


def test_new_objects_take_part(path: Path) -> None:
    with Small(path) as session:
        session.add_all([Plane(tail="new", year=8), Flight(id=100, plane="new")])
        last = session.scalars(select(Flight).options(prefetch(Flight.plane)).where(Flight.id == 100)).one()
        assert last.plane is not None and last.plane.year == 8


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: prefetch(), "prefetch() takes fields that hold references, such as Flight.plane, and not None"),
        (lambda: prefetch(Plane.year), "and not Plane.year"),
        (lambda: prefetch(Flight.plane.year), "and not Flight.plane.year"),  # type: ignore[union-attr]
        (lambda: prefetch("plane"), "and not 'plane'"),
        (lambda: select(Flight).options("plane"), "options() takes prefetch(Flight.plane) and raise_lazy(), and not"),
    ],
)
def test_bad_options(make: Any, problem: str) -> None:
    with pytest.raises(QueryError) as caught:
        make()
    assert problem in str(caught.value)


def test_options_need_the_objects(session: Session) -> None:
    assert isinstance(raise_lazy(), Loading)
    for statement in (select(Plane), select(func.count()).select_from(Flight)):
        with pytest.raises(QueryError, match=r"prefetch\(Flight\.plane\): the statement gives no objects of Flight"):
            session.scalars(statement.options(prefetch(Flight.plane))).all()


@half()
@given(
    st.lists(st.none() | st.integers(0, 9), min_size=1, max_size=30),
    st.sets(st.integers(0, 9), min_size=1),
    st.sets(st.integers(0, 29)),
)
def test_prefetched_targets_are_those_found_one_by_one(
    keys: list[int | None], planes: set[int], held: set[int]
) -> None:
    with Small(":memory:") as session:
        session.add_all([Plane(tail=str(n), year=n) for n in range(10)])
        session.add_all([Flight(id=at, plane=None if key is None else str(key)) for at, key in enumerate(keys)])
        session.commit()
        kept = [each for at in held if (each := session.get(Flight, at)) is not None]
        for each in kept[::2]:
            each.plane = str(min(planes))  # type: ignore[assignment]
        found = session.scalars(select(Flight).options(prefetch(Flight.plane))).all()
        for each in found:
            assert each.plane is None or each.plane.target is session.get(Plane, each.plane.key)
        assert {id(each) for each in kept} <= {id(each) for each in found}
        session.commit()
        assert all(each.plane is None or each.plane.year == int(each.plane.key) for each in found)


class Person(Model):
    id: int = Key()
    boss: Ref[Person] | None = None
    friends: list[Ref[Person]] = []


@given(
    st.lists(st.tuples(st.none() | st.integers(0, 7), st.lists(st.integers(0, 7), max_size=3)), min_size=8, max_size=8)
)
def test_targets_of_targets_are_prefetched(rows: list[tuple[int | None, list[int]]]) -> None:
    with Small(":memory:") as session:
        session.add_all(Person(id=n, boss=boss, friends=friends) for n, (boss, friends) in enumerate(rows))
        session.commit()
        session.expire_all()
        boss: Any = Person.boss
        statement = select(Person).options(prefetch(boss.boss.friends, boss.friends), raise_lazy()).where(Person.id < 4)
        found = session.scalars(statement).all()
        before = session.stats.rows_read, session.stats.chunks_read
        for each in found:
            number = rows[each.id][0]
            if number is None or each.boss is None:
                assert number is None and each.boss is None
                continue
            chief = each.boss.target
            assert [friend.target.id for friend in chief.friends] == rows[number][1]
            if chief.boss is not None:
                assert [friend.target.id for friend in chief.boss.target.friends] == rows[chief.boss.target.id][1]
        assert before == (session.stats.rows_read, session.stats.chunks_read)
        assert not session.dirty


class Old(Model):
    id: int = Key()
    plane: Ref[Plane] = PlainField(deprecated="ask for the flight")


@pytest.mark.filterwarnings("ignore:ask for the flight")
def test_fields_that_are_deprecated() -> None:
    with Small(":memory:") as session:
        session.add_all([Plane(tail="x", year=3), Old(id=1, plane="x")])
        session.commit()
        (old,) = session.scalars(select(Old).options(prefetch(Old.plane))).all()
        assert isinstance(space_of(old.plane), Fetched) and old.plane.year == 3
