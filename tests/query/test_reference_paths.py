"""Fields through references: whatever a statement finds is what Python finds by following them, object by object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import Index, Key, Model, Session, aliased, all_, any_, delete, func, select, update
from parcode_orm.codec.refs import Ref
from parcode_orm.errors import QueryError
from parcode_orm.query.joins import reference_paths as reaching
from parcode_orm.query.running.engine import run
from parcode_orm.session.entity import queries
from parcode_orm.tuning import TUNING
from tests.query.plainly import COMPARE, alike
from tests.query.test_random import tries
from tests.small import SMALL, small_caches, tuned

pytestmark = pytest.mark.once

YEARS = [1, 2, 3, 300, None]
NAMES = ["a", "b", "a longer name than others", None]


class Maker(Model):
    name: str = Key()
    country: str | None


class Spot(Model):
    """Its key has two fields."""

    code: str = Key()
    zone: int = Key()
    height: int | None


class Plane(Model):
    tail: int = Key(auto=True)
    year: int | None
    maker: Ref[Maker] | None = None
    twin: Ref[Plane] | None = None
    tags: list[str] = []


class Flight(Model):
    id: int = Key(auto=True)
    plane: Ref[Plane] | None = Index(default=None)
    stops: list[Ref[Plane]] = []
    spot: Ref[Spot] | None = None
    delay: int | None = None


class Said(NamedTuple):
    """An expression, and its value as a function of a flight."""

    said: Any
    plain: Callable[[Any], Any]
    values: list[Any]


def follow(session: Session, obj: Any, *names: str) -> Any:
    """What lies at the end of references and fields; None where one of them leads nowhere."""
    for name in names:
        if type(obj) is Ref:
            obj = session.get(obj._cls, obj.key)
        if obj is None:
            return None
        obj = getattr(obj, name)
    return obj.key if type(obj) is Ref else obj


def paths(session: Session) -> list[Said]:
    def path(said: Any, *names: str, values: list[Any]) -> Said:
        return Said(said, lambda flight: follow(session, flight, *names), values)

    plane: Any = Flight.plane
    return [
        path(plane.year, "plane", "year", values=YEARS),
        path(plane.maker.country, "plane", "maker", "country", values=NAMES),
        path(plane.maker.name, "plane", "maker", "name", values=NAMES),
        path(plane.twin.year, "plane", "twin", "year", values=YEARS),
        path(plane.twin.maker.country, "plane", "twin", "maker", "country", values=NAMES),
        path(plane.key, "plane", values=[1, 2, None]),
        path(Flight.spot.height, "spot", "height", values=YEARS),
        path(Flight.delay, "delay", values=YEARS),
    ]


def compared(draw: Any, one: Said, values: list[Any] | None = None) -> Said:
    value = draw(st.sampled_from(values or one.values))
    name = draw(st.sampled_from(list(COMPARE) if value is not None else ["==", "!="]))
    said, plain = COMPARE[name]
    return Said(said(one.said, value), lambda row: plain(one.plain(row), value), [])


def condition(draw: Any, session: Session) -> Said:
    kind = draw(st.integers(0, 7))
    known = paths(session)
    if kind < 3:
        return compared(draw, draw(st.sampled_from(known)))
    if kind == 3:
        one, other = known[0], draw(st.sampled_from([known[3], known[6], known[7]]))
        said, plain = COMPARE[draw(st.sampled_from(list(COMPARE)))]
        return Said(said(one.said, other.said), lambda row: plain(one.plain(row), other.plain(row)), [])
    if kind == 4:
        said, plain = COMPARE[draw(st.sampled_from(list(COMPARE)))]
        value, every = draw(st.sampled_from(YEARS[:3])), draw(st.booleans())
        quantified = (all_ if every else any_)(Flight.stops, said(Plane.year, value))

        def holds(flight: Any) -> bool:
            test = all if every else any
            return test(plain(follow(session, ref, "year"), value) for ref in flight.stops)

        return Said(quantified, holds, [])
    a, b = condition(draw, session), condition(draw, session)
    if kind == 5:
        return Said(a.said & b.said, lambda row: a.plain(row) and b.plain(row), [])
    if kind == 6:
        return Said(a.said | b.said, lambda row: a.plain(row) or b.plain(row), [])
    return Said(~a.said, lambda row: not a.plain(row), [])


def fill(draw: Any, session: Session) -> None:
    names = draw(st.lists(st.sampled_from(NAMES[:3]), unique=True, max_size=3))
    session.add_all([Maker(name=name, country=draw(st.sampled_from(NAMES))) for name in names])
    zones = draw(st.lists(st.tuples(st.sampled_from("xy"), st.integers(1, 2)), unique=True, max_size=3))
    session.add_all([Spot(code=a, zone=b, height=draw(st.sampled_from(YEARS))) for a, b in zones])
    count = draw(st.integers(1, 6))
    planes = [
        Plane(year=draw(st.sampled_from(YEARS)), maker=draw(st.sampled_from([None, *names])), tags=["t"])
        for _ in range(count)
    ]
    session.add_all(planes)
    for plane in planes:
        plane.twin = draw(st.sampled_from([None, *planes]))
    few = draw(st.lists(st.tuples(st.integers(0, count), st.sampled_from([None, *zones])), max_size=8))
    session.add_all(
        [
            Flight(
                plane=(planes[at] if at < count else None),
                spot=spot,
                stops=planes[at:],
                delay=draw(st.sampled_from(YEARS)),
            )
            for at, spot in few * draw(st.sampled_from([1, 1, 5]))
        ]
    )


def change(draw: Any, session: Session, *, whole: bool) -> None:
    """Changes that a commit may store if `whole`; else objects that others refer to go as well."""
    planes, flights = session.scalars(select(Plane)).all(), session.scalars(select(Flight)).all()
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.integers(0, 4))
        if kind == 0:
            planes.append(Plane(year=draw(st.sampled_from(YEARS))))
            session.add(planes[-1])
        elif kind == 1 and flights:
            flight = draw(st.sampled_from(flights))
            flight.plane, flight.delay = draw(st.sampled_from([None, *planes])), draw(st.sampled_from(YEARS))
        elif kind == 2 and planes:
            draw(st.sampled_from(planes)).year = draw(st.sampled_from(YEARS))
        elif kind == 3 and planes and not whole:
            session.delete(planes.pop(draw(st.integers(0, len(planes) - 1))))
        else:
            session.execute(update(Plane).where(Plane.year == 1).values(year=2))


@contextmanager
def sessions(draw: Any, path: Path) -> Iterator[Session]:
    path.unlink(missing_ok=True)
    state = draw(st.sampled_from(["added", "stored", "read-only", "changed", "past"]))
    small = draw(st.booleans())
    Session = tuned(SMALL if small else TUNING).Session
    with small_caches() if small else nullcontext():
        with Session(path, durability="fast") as session:
            fill(draw, session)
            if state == "added":
                yield session
                return
            session.commit()
            if state == "past":
                change(draw, session, whole=True)
                session.commit()
        if state in ("read-only", "past"):
            with Session.open(path, at=1 if state == "past" else None) as session:
                yield session
            return
        with Session(path, durability="fast") as session:
            if state == "changed":
                change(draw, session, whole=False)
            yield session


@tries
@given(st.data())
def test_references_lead_where_python_follows_them(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with pytest.MonkeyPatch.context() as patch, sessions(draw, tmp_path / "reaching.par") as session:
        patch.setattr(reaching, "FEW", draw(st.sampled_from([1, 1000])))
        patch.setattr(reaching, "SHARE", draw(st.sampled_from([0, 64])))
        patch.setattr(queries, "SHARE", 1)
        flights = session.scalars(select(Flight)).all()
        for _ in range(2):
            where = condition(draw, session)
            wanted = [flight for flight in flights if where.plain(flight)]
            assert session.scalars(select(Flight).where(where.said)).all() == wanted
            assert session.scalars(select(Flight).where(where.said)).count() == len(wanted)
            value, key = (draw(st.sampled_from(paths(session))) for _ in range(2))
            rows = session.execute(select(value.said, key.said).where(where.said)).all()
            assert [tuple(row) for row in rows] == [(value.plain(flight), key.plain(flight)) for flight in wanted]
            groups: dict[Any, list[Any]] = {}
            for flight in wanted:
                groups.setdefault(key.plain(flight), []).append(flight)
            years = paths(session)[0]
            grouped = select(key.said, func.count(), func.avg(years.said)).where(where.said).group_by(key.said)
            for row in session.execute(grouped):
                known = [each for flight in groups[row[0]] if (each := years.plain(flight)) is not None]
                assert row[1] == len(groups[row[0]])
                assert alike(row[2], sum(known) / len(known) if known else None)
            ordered = session.scalars(select(Flight).where(where.said).order_by(years.said, Flight.id)).all()
            assert ordered == sorted(wanted, key=lambda flight: (years.plain(flight) or -1, flight.id))


@tries
@given(st.data())
def test_statements_change_the_rows_that_references_choose(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    path = tmp_path / "reaching.par"
    path.unlink(missing_ok=True)
    with Session(path, durability="fast") as session:
        fill(draw, session)
        if draw(st.booleans()):
            session.commit()
        change(draw, session, whole=True)
        where = condition(draw, session)
        flights = session.scalars(select(Flight)).all()
        chosen = [flight.id for flight in flights if where.plain(flight)]
        years = {flight.id: follow(session, flight, "plane", "year") for flight in flights}
        del flights
        assert session.execute(update(Flight).where(where.said).values(delay=Flight.plane.year)) == len(chosen)
        for flight in session.scalars(select(Flight)):
            assert flight.id not in chosen or flight.delay == years[flight.id]
        where = condition(draw, session)
        left = [flight.id for flight in session.scalars(select(Flight)) if not where.plain(flight)]
        session.execute(delete(Flight).where(where.said))
        assert session.scalars(select(Flight.id)).all() == left


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(tmp_path / "a.par", durability="fast") as session:
        session.add_all([Maker(name=name, country=name.upper()) for name in "ab"])
        session.add_all([Plane(year=n, maker="ab"[n % 2], tags=["new"]) for n in range(40)])
        session.add_all([Flight(plane=n % 50 + 1 if n % 50 < 39 else None, delay=n) for n in range(40_000)])
        session.add_all([Flight(plane=40, delay=n) for n in range(2)])
        session.commit()
        yield session


def test_an_index_answers_a_condition_on_the_target(session: Session) -> None:
    many = select(Flight).where(Flight.plane.year == 3, Flight.delay < 10)
    assert "filter: Flight.plane.in_({4})" in str(session.explain(many))
    few = select(Flight).where(Flight.plane.year == 39)
    assert "by the index of plane (plane == 40)" in str(session.explain(few))
    assert session.scalars(few.filter_by(plane__maker__country="B")).count() == 2


def test_a_list_of_the_target_is_its_own(session: Session) -> None:
    tags = session.scalars(select(Flight.plane.tags).where(Flight.plane == 1).limit(1)).one()
    tags.append("seen")
    session.commit()
    assert session.get_one(Plane, 1).tags == ["new", "seen"]


def test_joins_go_along_references(session: Session) -> None:
    M = aliased(Maker, "m")
    wanted = [(1, 0, "A"), (2, 1, "B")]
    for statement in [
        select(Flight.id, Plane.year, M.country).join(Flight.plane).join(M, Plane.maker),
        select(Flight.id, Plane.year, M.country).join(Plane).join(M),
        select(Flight.id, Plane.year, M.country).outerjoin(Plane).outerjoin(M, Plane.maker == M.name),
        select(Flight.id, Plane.year, Plane.maker.country).select_from(Plane).join(Flight.plane),
        select(Flight.id, Plane.year, Flight.plane.maker.country).join(Flight.plane),
    ]:
        assert session.execute(statement.where(Flight.id < 3)).all() == wanted
    assert session.execute(select(Flight).outerjoin(Flight.plane)).count() == 40_002
    assert session.execute(select(Flight).join(Flight.plane)).count() == 31_202


def test_what_leads_nowhere_is_named(session: Session) -> None:
    for wrong, message in [
        (lambda: Flight.plane.nothing, "has no field 'nothing': it has key, tail, year"),
        (lambda: select(Flight).join(Flight.delay), "takes a class, a collection, or a field Ref"),
        (lambda: select(Flight).join(Spot, Plane.maker), "leads to Maker, and not from or to the class Spot"),
        (lambda: Flight.plane.year > "x", "cannot be compared"),
    ]:
        with pytest.raises(QueryError, match=message):
            wrong()
    with pytest.raises(QueryError, match="a field of other objects, which a session finds"):
        list(run(select([Flight(id=1)]).where(Flight.plane.year > 3)))


def test_joins_go_along_references_to_composite_keys_and_to_the_same_class(tmp_path: Path) -> None:
    with Session(tmp_path / "b.par", durability="fast") as session:
        session.add_all([Spot(code=code, zone=zone, height=zone * 10) for code in "xy" for zone in (1, 2)])
        first, second = Plane(year=1), Plane(year=2)
        session.add_all([first, second, Flight(spot=("x", 1)), Flight(spot=("y", 2)), Flight()])
        second.twin = first
        session.commit()
        wanted = [(1, 10), (2, 20)]
        assert session.execute(select(Flight.id, Spot.height).join(Flight.spot)).all() == wanted
        assert session.execute(select(Flight.id, Spot.height).outerjoin(Spot)).all() == [*wanted, (3, None)]
        spot, twin = aliased(Spot, "spot"), aliased(Plane, "twin")
        assert session.execute(select(Flight.id, spot.height).join(spot, Flight.spot)).all() == wanted
        pairs = select(Plane.tail, twin.tail).outerjoin(twin, Plane.twin)
        assert session.execute(pairs).all() == [(1, None), (2, 1)]
        assert "twin, or None, by Plane.twin == twin.tail" in str(session.explain(pairs))
