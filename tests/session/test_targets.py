"""References in a session: what they lead to, before and after commits, and in other snapshots."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import ConfigDict, ValidationError, model_validator
from typing_extensions import TypedDict

from parcode_orm import Chunk, Key, Model, Ref, Session, ShardedMap, func, load, save, select, update, verify
from parcode_orm.errors import (
    DanglingError,
    DetachedError,
    EncodeError,
    IntegrityError,
    NoResultFound,
    QueryError,
    UnsupportedTypeError,
)
from parcode_orm.session.entity import targets
from tests.small import tuned


class Airport(Model):
    faa: str = Key()
    name: str = ""


class Plane(Model):
    tail: str = Key()
    year: int | None = None
    last: Ref[Flight] | None = None  # defined below


class Inline(Model):
    gate: Ref[Airport] | None = None


class Flight(Model):
    id: int = Key(default=None, auto=True)
    plane: Ref[Plane] | None = None
    via: list[Ref[Airport]] = []
    pair: tuple[Ref[Airport], int] | None = None
    some: set[Ref[Airport]] = set()
    named: dict[str, Ref[Airport]] = {}
    inside: Inline | None = None
    apart: list[Ref[Airport]] = Chunk(default=[])
    before: Ref[Flight] | None = None


class World(Model):
    best: Ref[Flight] | None = None
    places: dict[str, Ref[Airport]] = ShardedMap(default={})
    rows: list[Inline] = Chunk(default=[])
    inside: Inline = Inline()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "flights.par"
    with Session(path) as session:
        airports = [Airport(faa=f"A{n}", name=f"airport {n}") for n in range(6)]
        planes = [Plane(tail=f"N{n}", year=2000 + n) for n in range(4)]
        session.add_all([*airports, *planes])
        flights = [
            Flight(
                plane=planes[n % 4] if n % 5 else None,
                via=airports[n % 3 : n % 3 + 2],
                pair=(airports[1], n) if n % 2 else None,
                some={Ref(airports[2])},
                named={"a": airports[3]},
                inside=Inline(gate=airports[4]),
                apart=airports[:3],
            )
            for n in range(40)
        ]
        session.add_all(flights)
        for one, other in pairwise(flights):
            other.before = one  # type: ignore[assignment]
        planes[0].last = flights[3]  # type: ignore[assignment]
        session.add(
            World(
                best=flights[2],
                places={"home": "A1"},
                rows=[Inline(gate="A2"), Inline()],
                inside=Inline(gate=airports[5]),
            )
        )
        session.commit()
    return path


@pytest.fixture
def session(path: Path) -> Iterator[Session]:
    with Session(path) as session:
        yield session


def test_references_are_stored_in_every_place(session: Session) -> None:
    flight = session.get_one(Flight, 8)
    assert flight.plane is not None and flight.plane.year == 2003
    assert [each.name for each in flight.via] == ["airport 1", "airport 2"]
    assert flight.pair is not None and flight.pair[0].key == "A1" and flight.pair[1] == 7
    assert flight.some == {Ref(Airport, "A2")} and flight.named["a"].name == "airport 3"
    assert flight.inside is not None and flight.inside.gate.name == "airport 4"  # type: ignore[union-attr]
    assert [each.key for each in flight.apart] == ["A0", "A1", "A2"]
    assert flight.before is not None and flight.before.before.id == 6
    world = session.root(World)
    assert world.best is not None and world.best.target is session.get(Flight, 3)
    assert world.places["home"].name == "airport 1" and world.inside.gate.key == "A5"  # type: ignore[union-attr]
    assert world.rows[0].gate.target is session.get(Airport, "A2") and world.rows[1].gate is None  # type: ignore[union-attr]
    assert not session.dirty


def test_a_key_is_read_without_its_target(session: Session) -> None:
    flight = session.get_one(Flight, 8)
    assert Plane in session  # the table is open
    before = session.stats.rows_read
    assert flight.plane is not None and flight.plane.key == "N3" and repr(flight.plane) == "Ref[Plane]('N3')"
    assert session.stats.rows_read == before
    assert flight.plane.year == 2003
    assert session.stats.rows_read == before + 1


def test_a_target_is_the_object_of_the_session(session: Session) -> None:
    flight = session.get_one(Flight, 8)
    assert flight.plane is not None and flight.plane.target is session.get(Plane, "N3")
    flight.plane.year = 1
    session.commit()
    with Session(session_path(session)) as other:
        assert other.get_one(Plane, "N3").year == 1


def session_path(session: Session) -> Any:
    return session._backend.path  # type: ignore[union-attr]


def test_delete_and_expunge_take_a_reference_for_its_target(session: Session) -> None:
    flight = session.get_one(Flight, 8)
    flight.plane = "N1"  # type: ignore[assignment]
    plane = session.get_one(Plane, "N1")
    session.expunge(flight.plane)  # type: ignore[arg-type]
    assert plane not in session
    again = session.get_one(Plane, "N1")
    session.delete(flight.plane)  # type: ignore[arg-type]
    assert again is not plane and again in session.deleted


def test_pending_and_deleted_targets_are_those_of_the_session(session: Session) -> None:
    flight = session.get_one(Flight, 8)
    new = Plane(tail="N9", year=9)
    session.add(new)
    flight.plane = "N9"  # type: ignore[assignment]
    assert flight.plane.target is new  # type: ignore[union-attr]
    session.delete(session.get_one(Plane, "N1"))
    other = session.get_one(Flight, 2)
    assert other.plane.key == "N1"  # type: ignore[union-attr]
    with pytest.raises(NoResultFound, match="Plane with the key 'N1'"):
        other.plane.year  # type: ignore[union-attr]  # noqa: B018
    session.rollback()
    assert other.plane.year == 2001 and flight.plane.key == "N3"  # type: ignore[union-attr]


def test_what_was_added_finds_its_targets_after_the_commit(session: Session) -> None:
    flight = Flight(plane="N1", via=["A1"])
    with pytest.raises(DetachedError):
        flight.plane.year  # type: ignore[union-attr]  # noqa: B018
    session.add(flight)
    assert flight.plane.year == 2001 and flight.via[0].name == "airport 1"  # type: ignore[union-attr]
    session.commit()
    assert flight.plane.target is session.get(Plane, "N1")  # type: ignore[union-attr]
    assert flight.via[0].name == "airport 1"
    assert not session.dirty


class Based(Model):
    id: int = Key()
    home: Ref[Airport] = Ref(Airport, "A1")
    more: list[Ref[Airport]] = [Ref(Airport, "A1")]


def test_a_default_that_is_a_reference_leads_each_session_to_its_own_objects() -> None:
    found = []
    with Session(":memory:") as one, Session(":memory:") as two:
        for name, session in (("one", one), ("two", two)):
            session.add_all([Airport(faa="A1", name=name), Based(id=1)])
            assert session.get_one(Based, 1).home.name == name
            session.commit()
            found.append(session.get_one(Based, 1))
        for based, name in zip(found, ("one", "two"), strict=True):
            assert based.home.name == based.more[0].name == name
    with pytest.raises(DetachedError):
        Based(id=2).home.name  # noqa: B018


def test_what_was_added_before_the_first_commit_finds_what_is_pending(tmp_path: Path) -> None:
    with Session(tmp_path / "a.par") as session:
        session.add(flight := Flight(plane="N1"))
        with pytest.raises(NoResultFound):
            flight.plane.year  # type: ignore[union-attr]  # noqa: B018
        session.add(plane := Plane(tail="N1", year=1))
        ref = flight.plane
        assert ref is not None and ref.target is plane
        session.commit()
        assert ref.target is plane and flight.plane.target is plane
        with Session(tmp_path / "a.par") as other:
            other.get_one(Plane, "N1").year = 2
            other.commit()
        session.refresh()
        assert flight.plane.year == 2 and ref.key == "N1"


def test_a_reference_stays_equal_when_its_target_is_stored(session: Session) -> None:
    plane = Plane(tail="N8", year=8)
    ref = Ref(plane)
    known = {ref: 1}
    session.add_all([plane, flight := Flight(plane=ref)])
    session.commit()
    assert ref in known and flight.plane == ref and ref.target is plane


def test_snapshots_see_the_targets_of_their_commit(path: Path) -> None:
    with Session(path) as session:
        session.get_one(Plane, "N3").year = 1
        session.commit()
    with Session.open(path, at=1) as then, Session.open(path) as now:
        assert then.get_one(Flight, 8).plane.year == 2003  # type: ignore[union-attr]
        assert now.get_one(Flight, 8).plane.year == 1  # type: ignore[union-attr]


def test_after_a_refresh_a_reference_leads_to_the_newest(path: Path) -> None:
    with Session(path) as session, Session(path) as other:
        flight = session.get_one(Flight, 8)
        ref = flight.plane
        other.get_one(Plane, "N3").year = 1
        other.commit()
        session.refresh()
        assert flight.plane.year == 1 and flight.plane.target is session.get(Plane, "N3")  # type: ignore[union-attr]
        assert ref == flight.plane and ref.year == 2003  # type: ignore[union-attr]  # of the commit before


def test_after_a_compaction_a_reference_leads_to_the_same_object(path: Path) -> None:
    with Session(path) as session:
        flight = session.get_one(Flight, 8)
        ref, plane = flight.plane, session.get_one(Plane, "N3")
        assert ref is not None
        plane.year = 1
        session.commit()
        session.compact()
        assert ref.target is plane and flight.plane.target is plane and flight.via[0].target  # type: ignore[union-attr]
        ref.year = 2
        session.commit()
        assert plane.year == 2 and not session.dirty
    with Session.open(path) as session:
        assert session.get_one(Flight, 8).plane.year == 2  # type: ignore[union-attr]


def test_a_read_only_session_goes_on_by_a_refresh(path: Path) -> None:
    with Session(path) as session, Session.open(path) as reader:
        flight = reader.get_one(Flight, 8)
        assert flight.plane.year == 2003  # type: ignore[union-attr]
        session.get_one(Plane, "N3").year = 1
        session.commit()
        reader.refresh()
        assert flight.plane.year == 1 and flight.plane.target is reader.get(Plane, "N3")  # type: ignore[union-attr]


def test_a_closed_session_leaves_references_that_read_on(path: Path) -> None:
    with Session(path) as session:
        flight = session.get_one(Flight, 8)
        detached = session.get_one(Flight, 7).plane
    assert flight.plane.year == 2003 and flight.plane.target is flight.plane.target  # type: ignore[union-attr]
    flight.plane.year = 1  # type: ignore[union-attr]
    assert flight.plane.year == 1 and detached.year == 2002  # type: ignore[union-attr]


def test_load_gives_references_without_ties_to_the_file(tmp_path: Path) -> None:
    save(tmp_path / "w.par", World(best=Ref(Flight, 1), places={"a": "A1"}))
    world = load(tmp_path / "w.par", World)
    assert world.best == Ref(Flight, 1) and world.places["a"].key == "A1"
    with pytest.raises(DetachedError):
        world.best.id  # type: ignore[union-attr]  # noqa: B018


def test_an_object_that_was_never_added_is_named(session: Session) -> None:
    session.add(Flight(before=Flight()))
    assert not session.dirty
    with pytest.raises(DanglingError, match=r"Flight\[41\]\.before: refers to a Flight that has no key.*session\.add"):
        session.commit()
    session.rollback()
    session.root(World).best = Flight()  # type: ignore[assignment]
    assert session.root(World) in session.dirty
    with pytest.raises(DanglingError, match=r"World\.best"):
        session.flush()


class Validated(Model):
    model_config = ConfigDict(validate_assignment=True)
    id: int = Key()
    plane: Ref[Plane] | None = None
    via: list[Ref[Airport]] = []


class Seen(Validated):
    """A validator that sees other values."""

    @model_validator(mode="before")
    @classmethod
    def _look(cls, values: Any) -> Any:
        return values


@pytest.mark.parametrize("cls", [Validated, Seen])
def test_references_made_by_validated_assignments_find_their_targets(session: Session, cls: type[Validated]) -> None:
    """They raised DetachedError until the commit, unlike those of other classes."""
    session.add(cls(id=1))
    session.commit()
    obj = session.get_one(cls, 1)
    obj.plane, obj.via = "N1", ["A5"]  # type: ignore[assignment, list-item]
    assert obj.plane.year == 2001 and obj.via[0].target is session.get(Airport, "A5")  # type: ignore[union-attr]
    with pytest.raises(ValidationError):
        obj.plane = session.get_one(Airport, "A5")  # type: ignore[assignment]
    assert obj.plane == Ref(Plane, "N1")


def test_references_in_an_assigned_collection_find_their_targets(session: Session) -> None:
    """Those of keys in a list of references alone raised DetachedError until the commit."""
    flight = session.get_one(Flight, 8)
    assigned = [Ref(Airport, "A5"), Ref(session.get_one(Airport, "A0"))]
    flight.via = assigned
    assert flight.via is assigned and flight.via[0].target is session.get(Airport, "A5")


@pytest.mark.parametrize("wrong", [[1], {"tail": "N1"}, {1}])
def test_a_value_that_can_be_no_key_is_named(session: Session, wrong: object) -> None:
    """A list in the place of a key raised a TypeError of sets, without class and field."""
    flight = Flight()
    session.add(flight)
    session.commit()
    for values in (wrong, Ref(Flight, wrong)):
        flight.before = values  # type: ignore[assignment]
        with pytest.raises(
            EncodeError, match=r"Flight\[41\]\.before: expected a Flight, a reference to one, or its key"
        ):
            session.commit()
    flight.before = None
    session.commit()


def counts(session: Session) -> list[Any]:
    def count(condition: Any) -> Any:
        return session.scalar(select(func.count()).select_from(Flight).where(condition))

    plane = session.get_one(Plane, "N1")
    return [
        count(Flight.plane == plane),
        count(Flight.plane == Ref(plane)),
        count(Flight.plane == "N1"),
        count(Flight.plane.key == "N1"),  # type: ignore[union-attr]
        count(Flight.plane != plane),
        count(Flight.plane.in_([plane, "N2", Ref(Plane, "N3")])),  # type: ignore[union-attr]
        count(Flight.plane == None),  # noqa: E711
        count(Flight.plane < "N2"),  # type: ignore[operator]
        count(Flight.via.contains(session.get(Airport, "A1"))),  # type: ignore[attr-defined]
        count(Flight.apart.contains("A1")),  # type: ignore[attr-defined]
        count(Flight.inside.gate == session.get(Airport, "A4")),  # type: ignore[union-attr]
        session.execute(select(Flight.plane, func.count()).group_by(Flight.plane).order_by(Flight.plane)).all(),
        session.execute(select(Flight.via, Flight.pair, Flight.named).where(Flight.id < 4)).all(),
    ]


@pytest.mark.parametrize("held", [False, True])
def test_in_a_query_a_reference_is_its_key(session: Session, held: bool) -> None:
    rows = session.scalars(select(Flight)).all() if held else []
    for row in rows:
        row.via.append(row.via.pop())  # so that it may have changed
    found = counts(session)
    assert found[:11] == [8, 8, 8, 8, 32, 24, 8, 16, 27, 40, 40]
    assert found[11] == [(None, 8), ("N0", 8), ("N1", 8), ("N2", 8), ("N3", 8)]
    assert found[12][0] == (["A0", "A1"], None, {"a": "A3"})


def test_items_of_lazy_collections_are_references(session: Session) -> None:
    world, airport = session.root(World), session.get_one(Airport, "A1")
    world.places.update({f"k{n}": airport if n % 2 else "A2" for n in range(300)})  # type: ignore[misc]
    world.rows.append(Inline(gate="A1"))
    for _ in range(2):
        found = session.scalars(select(world.places).where(func.item() == Ref(airport))).all()
        assert len(found) == 151 and {type(each) for each in found} == {Ref} and airport in found
        assert len(session.scalars(select(world.places).where(func.item().in_(["A2"]))).all()) == 150
        counted = session.execute(select(func.item(), func.count()).select_from(world.places).group_by(func.item()))
        assert dict(map(tuple, counted.all())) == {"A1": 151, "A2": 150}
        assert len(session.scalars(select(world.rows).where(Inline.gate == airport)).all()) == 1
        session.commit()
    assert world.places["k1"].target is airport and world.rows[2].gate.target is airport  # type: ignore[union-attr]


def test_an_update_takes_an_object(session: Session) -> None:
    assert session.execute(update(Flight).where(Flight.plane == "N1").values(plane=session.get(Plane, "N2"))) == 8
    assert session.get_one(Flight, 2).plane.target is session.get(Plane, "N2")  # type: ignore[union-attr]
    session.commit()
    assert counts(session)[0] == 0 and session.get_one(Flight, 2).plane.year == 2002  # type: ignore[union-attr]


@pytest.mark.parametrize("wrong", [3, Airport(faa="A1"), Ref(Airport, "A1"), Flight()])
def test_a_query_refuses_what_no_reference_can_be(wrong: Any) -> None:
    with pytest.raises(QueryError):
        Flight.plane == wrong  # noqa: B015


def test_small_tables_are_rewritten_with_their_references(tmp_path: Path) -> None:
    with tuned().Session(tmp_path / "small.par") as session:
        session.add_all([Airport(faa=f"A{n}") for n in range(30)])
        session.add_all([Flight(via=[f"A{n % 30}", f"A{n % 7}"], before=n or None) for n in range(100)])
        session.commit()
        for n in range(1, 100, 9):
            flight = session.get_one(Flight, n)
            flight.via = [*flight.via, "A5"]  # type: ignore[list-item]
        session.commit()
    with Session.open(tmp_path / "small.par") as session:
        for n in range(1, 100):
            flight = session.get_one(Flight, n)
            expected = [f"A{(n - 1) % 30}", f"A{(n - 1) % 7}", *["A5"] * (n % 9 == 1)]
            assert [each.key for each in flight.via] == expected
            assert (flight.before.key if flight.before else None) == (n - 1 or None)
            assert flight.via[0].target is targets.entities_of(flight.via[0]._space, Airport)[flight.via[0].key]


@dataclasses.dataclass
class Spot:
    port: Ref[Airport]


class Corner(NamedTuple):
    port: Ref[Airport]
    n: int = 0


class Marks(TypedDict):
    port: Ref[Airport]


class Everywhere(Model):
    id: int = Key()
    spot: Spot | None = None
    corner: Corner | None = None
    marks: Marks | None = None
    either: Ref[Airport] | Ref[Plane] | None = None
    keys: dict[Ref[Airport], int] = {}
    tree: list[list[Ref[Airport]]] = []
    below: list[Everywhere] = []
    _hidden: Ref[Airport] | None = None


def everywhere(path: Path) -> None:
    with Session(path) as session:
        airport, plane = session.get_one(Airport, "A1"), session.get_one(Plane, "N1")
        obj = Everywhere(
            id=1,
            spot=Spot(port=airport),  # type: ignore[arg-type]
            corner=Corner(port=airport),  # type: ignore[arg-type]
            marks={"port": airport},  # type: ignore[typeddict-item]
            either=plane,
            keys={Ref(airport): 1},
            tree=[[airport], ["A2", Ref(Airport, "A1")]],
            below=[Everywhere(id=2, tree=[["A3"]])],
        )
        obj._hidden = Ref(airport)
        session.add(obj)
        session.commit()
        assert not session.dirty


def test_references_stand_in_records_unions_keys_and_private_attributes(path: Path) -> None:
    everywhere(path)
    with Session(path) as session:
        obj, airport = session.get_one(Everywhere, 1), session.get_one(Airport, "A1")
        assert obj.spot.port.target is airport and obj.corner.port.target is airport  # type: ignore[union-attr]
        assert obj.marks["port"].target is airport and obj._hidden.target is airport  # type: ignore[index, union-attr]
        assert obj.either.year == 2001 and obj.keys[Ref(airport)] == 1  # type: ignore[union-attr]
        assert [[each.key for each in row] for row in obj.tree] == [["A1"], ["A2", "A1"]]
        assert obj.below[0].tree[0][0].name == "airport 3"
        assert not session.dirty
        obj.either = airport  # type: ignore[assignment]
        session.commit()
        assert obj.either.name == "airport 1" and obj.either == airport  # type: ignore[union-attr]


@pytest.mark.parametrize("held", [False, True])
def test_queries_find_references_in_records(path: Path, held: bool) -> None:
    everywhere(path)
    with Session(path) as session:
        obj = session.get_one(Everywhere, 1) if held else None
        if obj is not None:
            obj.spot = Spot(port=session.get_one(Airport, "A1"))  # type: ignore[arg-type]
        for condition in (
            Everywhere.spot.port == session.get(Airport, "A1"),  # type: ignore[union-attr]
            Everywhere.corner.port == "A1",  # type: ignore[union-attr]
            Everywhere.marks.port == Ref(Airport, "A1"),  # type: ignore[union-attr]
            Everywhere.either == session.get(Plane, "N1"),
        ):
            assert len(session.scalars(select(Everywhere).where(condition)).all()) == 1
        found = session.execute(select(Everywhere.tree, Everywhere.keys)).one()
        assert tuple(found) == ([["A1"], ["A2", "A1"]], {"A1": 1})


class Weather(Model):
    origin: Ref[Airport] = Key()
    hour: int = Key()
    temp: float = 0.0


def test_a_reference_is_a_part_of_a_key(path: Path) -> None:
    with Session(path) as session:
        airport = session.get_one(Airport, "A1")
        session.add_all([Weather(origin=each, hour=n, temp=n) for n in range(300) for each in (airport, "A2")])
        session.commit()
    with Session(path) as session:
        airport = session.get_one(Airport, "A1")
        found = session.get_one(Weather, ("A1", 2))
        assert found.temp == 2.0 and found.origin.target is airport
        assert session.get(Weather, (airport, 2)) is found and session.get(Weather, (Ref(airport), 2)) is found
        statement = select(Weather).where((Weather.origin == airport) & (Weather.hour == 2))
        assert session.scalars(statement).all() == [found] and "by key" in str(session.explain(statement))
        assert session.merge(Weather(origin=airport, hour=2, temp=9.0)) is found and found.temp == 9.0
        with pytest.raises(IntegrityError, match="origin='A1', hour=2"):
            session.add(Weather(origin="A1", hour=2))
        found.origin = "A3"  # type: ignore[assignment]
        session.commit()
        assert session.get(Weather, ("A1", 2)) is None and session.get(Weather, ("A3", 2)) is found
        session.delete(found)
        session.commit()
    assert verify(path, models=[Weather]).ok
    with pytest.raises(UnsupportedTypeError, match=r"Wrong\.at: .*cannot be a key"):

        class Wrong(Model):
            at: dict[Ref[Airport], int] = ShardedMap(default={})


def test_references_of_another_session_of_the_file_are_bound_to_this_one(path: Path) -> None:
    with Session(path) as session, Session.open(path) as other:
        flight = session.get_one(Flight, 8)
        flight.plane = other.get_one(Plane, "N1")  # type: ignore[assignment]
        assert flight.plane.target is session.get(Plane, "N1")  # type: ignore[union-attr]
        flight.via.append(other.get_one(Flight, 7).via[0])
        session.commit()
        assert flight.via[-1].target is session.get(Airport, flight.via[-1].key)
        merged = session.merge(other.get_one(Flight, 9))
        assert merged.plane.target is session.get(Plane, "N0")  # type: ignore[union-attr]


def test_references_to_another_file_are_refused_and_merged(path: Path, tmp_path: Path) -> None:
    with Session(path) as session, Session(tmp_path / "other.par") as other:
        other.add_all([Plane(tail="X1", year=7), Flight(plane="X1", some={"X9"}, via=["X9"]), Airport(faa="X9")])
        other.commit()
        flight = session.get_one(Flight, 8)
        flight.plane = other.get_one(Plane, "X1")  # type: ignore[assignment]
        with pytest.raises(DanglingError, match=r"Flight\[8\]\.plane: refers to .* another file, .*other\.par"):
            session.commit()
        session.rollback()
        for each in (Plane, "X1"), (Airport, "X9"):
            session.merge(other.get_one(*each))  # type: ignore[call-overload]
        foreign = other.get_one(Flight, 1)
        foreign.id = 100
        merged = session.merge(foreign)
        session.commit()
        assert merged.plane.target is session.get(Plane, "X1") and merged.plane.year == 7  # type: ignore[union-attr]
        assert merged.via[0].target is session.get(Airport, "X9")
        other.rollback()


def test_savepoints_and_expiry_take_references_back(session: Session) -> None:
    flight = session.get_one(Flight, 8)
    with pytest.raises(ZeroDivisionError), session.begin_nested():
        flight.plane = "N0"  # type: ignore[assignment]
        flight.via.append(session.get_one(Airport, "A5"))  # type: ignore[arg-type]
        raise ZeroDivisionError
    assert flight.plane == Ref(Plane, "N3") and len(flight.via) == 2
    flight.plane = "N0"  # type: ignore[assignment]
    session.expire(flight)
    assert flight.plane.year == 2003 and not session.dirty  # type: ignore[union-attr]
    flight.plane.year = 1  # type: ignore[union-attr]
    session.rollback()
    assert flight.plane.year == 2003  # type: ignore[union-attr]
    session.expunge(flight)
    assert flight.plane.target is session.get(Plane, "N3")  # type: ignore[union-attr]


def test_threads_of_a_read_only_session_see_one_target(path: Path) -> None:
    with Session.open(path) as session, ThreadPoolExecutor(4) as pool:
        flights = session.scalars(select(Flight).where(Flight.plane == "N1")).all()
        found = list(pool.map(lambda flight: flight.plane.target, flights * 5))  # type: ignore[union-attr]
        assert all(each is found[0] for each in found)


def test_a_reference_in_a_field_of_any_type_is_refused(session: Session) -> None:
    class Loose(Model):
        what: Any = None

    session.add(Loose(what=Ref(Plane, "N1")))
    with pytest.raises(EncodeError, match=r"Loose\.what: .*declare the field as Ref\[Plane\]"):
        session.commit()


class Sector(Model):
    first: Ref[Airport] = Key()
    number: int = Key()
    before: Ref[Sector] | None = None
    by_airport: Ref[Home] | None = None


class Home(Model):
    airport: Ref[Airport] = Key()


def test_keys_with_references_in_their_parts(tmp_path: Path) -> None:
    """A reference by such a key kept a reference in the key, which no commit stored."""
    with Session(tmp_path / "f.par") as session:
        airport = Airport(faa="JFK", name="Kennedy")
        session.add_all([airport, Home(airport="JFK"), Sector(first="JFK", number=1)])
        session.add(Sector(first="JFK", number=2, before=("JFK", 1), by_airport="JFK"))
        session.add(Sector(first="JFK", number=3, before=(airport, 2), by_airport=airport.faa))
        session.add(Sector(first="JFK", number=4, before=Ref(Sector, (Ref(Airport, "JFK"), 3))))
        session.commit()
        last = session.get_one(Sector, ("JFK", 4))
        assert last.before == Ref(Sector, ("JFK", 3)) and last.before.key == ("JFK", 3)
        assert last.before.before.before.first.name == "Kennedy"
        last.before, last.by_airport = (airport, 1), Ref(Home, airport)  # type: ignore[assignment]
        assert last.before.number == 1 and last.by_airport.airport.name == "Kennedy"
        session.commit()
        for key in (("JFK", 1), (airport, 1), (Ref(Airport, "JFK"), 1)):
            assert session.scalars(select(Sector.number).where(Sector.before == key)).all() == [2, 4]
