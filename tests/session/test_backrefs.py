"""`Backref`: the objects that refer, asked of the session each time, with its changes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from parcode_orm import (
    Backref,
    DetachedError,
    Field,
    Index,
    Key,
    Model,
    Ref,
    Session,
    UnsupportedTypeError,
    delete,
    desc,
    func,
    select,
    update,
)
from parcode_orm.model.backrefs import BackrefProperty
from parcode_orm.query.expressions.backrefs import OtherSide
from parcode_orm.session.entity.related import Related
from tests.effort import half
from tests.small import tuned

Small = tuned().Session


class Plane(Model):
    """A plane."""

    tail: int = Key()
    year: int = 0
    flights: Sequence["Flight"] = Backref("plane")  # noqa: UP037


class Airport(Model):
    faa: int = Key()
    passing: Sequence[Flight] = Backref("via")
    named: list[Flight] = Backref("by_name")


class Flight(Model):
    id: int = Key(default=None, auto=True)
    plane: Ref[Plane] | None = Index(None, on_delete="null")
    via: list[Ref[Airport]] = Field([], on_delete="null")
    by_name: dict[str, Ref[Airport]] = Field({}, on_delete="null")


class Jet(Plane):
    engines: int = 2


class Lost(Model):
    id: int = Key()
    nothing: Sequence["Nowhere"] = Backref("lost")  # type: ignore[name-defined]  # noqa: F821, UP037
    wrong: Sequence[Flight] = Backref("via")
    bare: Any = Backref("via")


def filled(path: Any) -> Session:
    session = Small(path)
    session.add_all([Plane(tail=n) for n in range(3)] + [Airport(faa=n) for n in range(3)])
    session.add_all([Flight(plane=n % 2, via=list(range(n % 3)), by_name={"x": n % 3}) for n in range(8)])
    session.commit()
    return session


def ids(found: Any) -> list[int]:
    return [flight.id for flight in found]


def test_a_backref_is_a_sequence_of_what_refers(tmp_path: Path) -> None:
    with filled(tmp_path / "a.par") as session:
        plane = session.get_one(Plane, 1)
        flights = plane.flights
        assert isinstance(flights, Related) and isinstance(flights, Sequence)
        assert ids(flights) == [2, 4, 6, 8] and len(flights) == 4 and flights
        assert flights[0] is session.get(Flight, 2) and flights[-1].id == 8 and ids(flights[1:3]) == [4, 6]
        assert session.get(Flight, 2) in flights and session.get(Flight, 1) not in flights and 3 not in flights
        assert flights == session.scalars(select(Flight).where(Flight.plane == 1)).all() and flights != []
        assert repr(flights) == "<Related Flight.plane == 1>"
        with pytest.raises(IndexError):
            flights[4]
        assert not session.get_one(Plane, 2).flights and next(reversed(flights)).id == 8


def test_it_has_no_copy_and_takes_positions_alone(tmp_path: Path) -> None:
    """A pickle failed for a private class, and a text as a position was compared with 0."""
    with Session(tmp_path / "f.par") as session:
        session.add(Plane(tail=1))
        session.commit()
        flights: Any = session.get_one(Plane, 1).flights
        for way in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError, match=r"Related Flight\.plane == 1> is asked anew .* list\(\.\.\.\) gives"):
                way(flights)
        with pytest.raises(TypeError, match="interpreted as an integer"):
            flights["x"]


def test_it_sees_changes_and_follows_rollbacks(tmp_path: Path) -> None:
    with filled(tmp_path / "a.par") as session:
        flights = session.get_one(Plane, 1).flights
        session.get_one(Flight, 1).plane = session.get_one(Plane, 1)  # type: ignore[assignment]
        session.delete(session.get_one(Flight, 2))
        new = Flight(plane=1)
        session.add(new)
        assert sorted(ids(flights)) == [1, 4, 6, 8, 9] and new in flights
        session.execute(update(Flight).where(Flight.id == 4).values(plane=0))
        assert sorted(ids(flights)) == [1, 6, 8, 9]
        session.rollback()
        assert ids(flights) == [2, 4, 6, 8]


def test_many_to_many(tmp_path: Path) -> None:
    with filled(tmp_path / "a.par") as session:
        airport = session.get_one(Airport, 0)
        assert ids(airport.passing) == [2, 3, 5, 6, 8] and ids(airport.named) == [1, 4, 7]
        session.get_one(Flight, 1).via.append(airport)  # type: ignore[arg-type]
        assert 1 in ids(airport.passing)
        session.commit()
        assert ids(airport.passing) == [1, 2, 3, 5, 6, 8]


def test_statements_take_it(tmp_path: Path) -> None:
    with filled(tmp_path / "a.par") as session:
        flights = session.get_one(Plane, 1).flights
        later = select(flights).where(Flight.id > 2).order_by(desc(Flight.id))
        assert ids(session.scalars(later)) == [8, 6, 4]
        assert session.scalar(select(func.count()).select_from(flights)) == 4
        assert session.scalar(select(func.max(Flight.id)).where(Flight.id < 7).select_from(flights)) == 6
        assert ids(session.scalars(flights.statement.limit(2))) == [2, 4]
        assert "by the index of plane" in str(session.explain(flights.statement)) or len(flights) < 63
        assert session.execute(update(flights).where(Flight.id > 5).values(plane=0)) == 2
        assert session.execute(delete(flights)) == 2 and not flights


def test_it_works_on_snapshots(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    with filled(path) as session:
        session.get_one(Flight, 2).plane = None
        session.commit()
        plane = session.get_one(Plane, 1)
        flights = plane.flights
    assert ids(flights) == [4, 6, 8] and flights[0] in flights  # of a closed session
    with Session.open(path, at=1) as session:
        assert ids(session.get_one(Plane, 1).flights) == [2, 4, 6, 8]


def test_it_is_no_field(tmp_path: Path) -> None:
    assert isinstance(Plane.__dict__["flights"], BackrefProperty) and isinstance(Plane.flights, OtherSide)
    assert list(Plane.model_fields) == ["tail", "year"] and "flights" not in Plane(tail=1).model_dump()
    assert list(Plane.model_json_schema()["properties"]) == ["tail", "year"]
    with pytest.raises(TypeError, match=r"Plane\(flights=\.\.\.\): flights is a Backref"):
        Plane(tail=1, flights=[])  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"Jet\(flights=\.\.\.\)"):
        Jet(tail=1, flights=[])  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        Plane(tail="x")  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="assign the object to their field 'plane'"):
        Plane(tail=1).flights = []
    with pytest.raises(TypeError, match="is the name of the field"):
        Backref("a b")
    assert Plane.model_validate({"tail": 3}).tail == 3 and Plane.__doc__ == "A plane."


def test_classes_of_a_function_find_each_other() -> None:
    class Stop(Model):
        name: str

    class Hub(Model):
        id: int = Key()
        routes: Sequence[Route] = Backref("hub")
        others: Sequence[Route] = Backref("over")

    class Route(Model):
        id: int = Key()
        hub: Ref[Hub]
        over: list[Ref[Hub]] = []
        next: list[Stop] = []

    assert list(Hub.model_fields) == ["id"] and Route.model_fields["next"].annotation == list[Stop]
    with pytest.raises(TypeError, match=r"Hub\(others=\.\.\.\)"):
        Hub(id=1, others=[])  # type: ignore[call-arg]
    with Small(":memory:") as session:
        session.add_all([Hub(id=1), Route(id=2, hub=1, next=[Stop(name="a")])])
        session.commit()
        assert ids(session.get_one(Hub, 1).routes) == [2]


def test_what_no_session_knows_is_detached(tmp_path: Path) -> None:
    with Small(tmp_path / "a.par") as session:
        plane = Plane(tail=5)
        session.add(plane)
        with pytest.raises(DetachedError, match="commit first"):
            _ = plane.flights
        session.commit()
        assert list(plane.flights) == []


def test_a_subclass_has_none_and_wrong_backrefs_are_named(tmp_path: Path) -> None:
    with filled(tmp_path / "a.par") as session:
        session.add_all([Jet(tail=1), Lost(id=1)])
        session.commit()
        assert list(session.get_one(Jet, 1).flights) == [] and len(session.get_one(Plane, 1).flights) == 4
        lost = session.get_one(Lost, 1)
        for name, problem in [
            ("nothing", r"Lost\.nothing = Backref\('lost'\): Nowhere is no class of entities"),
            ("wrong", r"Lost\.wrong = Backref\('via'\): Flight has no field 'via' that refers to Lost"),
            ("bare", r"Lost\.bare: the annotation of a Backref names the class that refers"),
        ]:
            with pytest.raises(UnsupportedTypeError, match=problem):
                getattr(lost, name)


STEP = st.one_of(
    st.tuples(st.just("assign"), st.integers(1, 8), st.none() | st.integers(0, 2)),
    st.tuples(st.just("via"), st.integers(1, 8), st.integers(0, 2)),
    st.tuples(st.sampled_from(["add", "delete", "commit", "rollback"]), st.integers(1, 8), st.integers(0, 2)),
)


@half()
@given(st.lists(STEP, max_size=10))
def test_both_sides_agree(steps: list[Any]) -> None:
    with filled(":memory:") as session:
        for step, flight, key in steps:
            found = session.get(Flight, flight)
            if step == "assign" and found is not None:
                found.plane = key
            elif step == "via" and found is not None:
                found.via.append(Ref(Airport, key))
            elif step == "add":
                session.add(Flight(plane=key, via=[key]))
            elif step == "delete":
                session.execute(delete(Flight).where(Flight.id == flight))
            elif step in ("commit", "rollback"):
                getattr(session, step)()
            every = list(session.scalars(select(Flight)))
            for number in range(3):
                mine = session.get_one(Plane, number).flights
                assert set(ids(mine)) == {
                    each.id for each in every if each.plane is not None and each.plane.key == number
                }
                assert len(mine) == len(ids(mine)) and all(each in mine for each in mine)
                passing = session.get_one(Airport, number).passing
                assert set(ids(passing)) == {each.id for each in every if Ref(Airport, number) in each.via}
