"""References stay right: what is deleted, moved or missing is followed, cut, or refused with both ends named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from annotated_types import Len

from parcode_orm import (
    Chunk,
    DanglingError,
    Field,
    Index,
    IntegrityError,
    Key,
    Model,
    Ref,
    Session,
    ShardedMap,
    UnsupportedTypeError,
    delete,
    renamed_from,
    select,
    update,
    verify,
)
from parcode_orm.codec.classes.names import name_of
from parcode_orm.model.on_delete import rule_of
from parcode_orm.model.referring import places_of
from parcode_orm.session import renamed
from parcode_orm.session.entity.dangling import check_targets
from parcode_orm.session.entity.holders import holders
from parcode_orm.session.entity.integrity import follow_deletes
from parcode_orm.table.table import Table
from tests.small import tuned

pytestmark = pytest.mark.once
Small = tuned().Session


class Plane(Model):
    tail: str = Key()
    year: int = 0


class Flight(Model):
    id: int = Key(default=None, auto=True)
    plane: Ref[Plane] | None = Field(None, on_delete="null")
    number: int | None = Index(None, unique=True)


class Seat(Model):
    id: int = Key(default=None, auto=True)
    flight: Ref[Flight] = Field(on_delete="cascade")


class Ticket(Model, frozen=True):
    id: int = Key(default=None, auto=True)
    seat: Ref[Seat] | None = Field(None, on_delete="null")


class Pilot(Model):
    name: str = Key()
    likes: Ref[Plane] | None = None
    boss: Ref[Pilot] | None = Field(None, on_delete="cascade")


class Wing(Model):
    id: int = Key(default=None, auto=True)
    plane: Ref[Plane] | None = Index(None, on_delete="cascade")
    number: int | None = Index(None, unique=True)


class Hangar(Model):
    place: Ref[Plane] | None = None
    planes: list[Ref[Plane]] = Chunk([], on_delete="null")
    by_name: dict[str, Ref[Plane]] = ShardedMap({}, on_delete="null")


MODELS = [Plane, Flight, Seat, Ticket, Pilot, Wing, Hangar]


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Four planes; flights 1 to 8, two a plane; seats 1 to 16, two a flight; tickets for them."""
    found = tmp_path / "flights.par"
    with Small(found) as session:
        session.add_all([Plane(tail=f"N{n}") for n in range(4)])
        session.add_all([Flight(plane=f"N{n // 2}", number=n) for n in range(8)])
        session.add_all([Seat(flight=n // 2 + 1) for n in range(16)])
        session.add_all([Ticket(seat=n + 1) for n in range(16)])
        session.commit()
    yield found
    assert verify(found, models=MODELS).ok


def refs(session: Session, cls: Any, name: str) -> list[Any]:
    found = [getattr(obj, name) for obj in session.scalars(select(cls).order_by(cls.id))]
    return [None if ref is None else ref.key for ref in found]


def test_a_dangling_reference_names_both_ends(path: Path) -> None:
    with Small(path) as session:
        flight = Flight(plane="N9")
        session.add(flight)
        for attempt in (session.flush, session.commit):
            with pytest.raises(DanglingError) as problem:
                attempt()
            assert str(problem.value) == (
                "Flight[9].plane refers to Plane['N9'], which is not stored: add that object, session.add(plane), or "
                "assign another one"
            )
        session.add(Plane(tail="N9"))
        session.commit()
        assert flight.plane.year == 0
    with Session.open(path) as session:
        assert session.snapshot is not None and session.snapshot.sequence == 2


def test_an_object_that_is_not_added_is_named(path: Path) -> None:
    with Small(path) as session:
        seat = Seat(flight=Flight(number=100))
        session.add(seat)
        with pytest.raises(IntegrityError, match=r"Seat\[17\]\.flight"):
            session.commit()
        session.add(seat.flight.target)
        session.commit()
        assert refs(session, Seat, "flight")[-1] == 9


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Hangar(place="N9"), "Hangar.place"),
        (lambda: Hangar(planes=["N1", "N9"]), "Hangar.planes[1]"),
        (lambda: Hangar(by_name={"x": "N1", "y": "N9"}), "Hangar.by_name['y']"),
        (lambda: Pilot(name="ann", likes="N9"), "Pilot['ann'].likes"),
    ],
)
def test_dangling_references_of_roots_and_collections(path: Path, make: Any, named: str) -> None:
    with Small(path) as session:
        session.add(make())
        with pytest.raises(DanglingError) as problem:
            session.commit()
        assert str(problem.value).startswith(f"{named} refers to Plane['N9'], which is not stored")


def test_streams_and_statements_do_not_dangle(path: Path) -> None:
    with Small(path) as session:
        session.add_all(Flight(plane=f"N{n % 4}") for n in range(5000))
        session.commit()
        session.add_all(Flight(plane="N9" if n == 4999 else "N1") for n in range(5000))
        for attempt in (session.flush, session.commit):
            with pytest.raises(DanglingError, match=r"Flight\[10008\]\.plane refers to Plane\['N9'\]"):
                attempt()
        session.rollback()
        session.execute(update(Flight).where(Flight.id > 4000).values(plane="N9"))
        for attempt in (session.flush, session.commit):
            with pytest.raises(DanglingError, match=r"Flight\[4001\]\.plane refers to Plane\['N9'\]"):
                attempt()
        session.rollback()
        session.add_all(Flight(plane="N1") for n in range(5000))
        session.commit()  # what was taken back no longer counts
        assert len(session.scalars(select(Flight)).all()) == 10_008


def test_restricted_deletes_are_refused_and_change_nothing(path: Path) -> None:
    with Small(path) as session:
        session.add(Pilot(name="ann", likes="N1"))
        session.commit()
        session.delete(session.get_one(Plane, "N1"))
        for attempt in (session.flush, session.commit):
            with pytest.raises(IntegrityError) as problem:
                attempt()
            assert str(problem.value) == (
                "Pilot['ann'].likes refers to Plane['N1'], which this commit would delete: assign another object "
                "there, or delete what refers, or declare the field with on_delete='null' or 'cascade'"
            )
        assert refs(session, Flight, "plane")[:4] == ["N0", "N0", "N1", "N1"]  # as it was
        session.get_one(Pilot, "ann").likes = "N2"
        session.commit()
        assert refs(session, Flight, "plane")[:4] == ["N0", "N0", None, None]


def test_what_refers_may_be_deleted_in_the_same_commit(path: Path) -> None:
    with Small(path) as session:
        session.add(Pilot(name="ann", likes="N1"))
        session.commit()
        session.delete(session.get_one(Plane, "N1"))
        session.delete(session.get_one(Pilot, "ann"))
        session.commit()
        assert session.get(Pilot, "ann") is None


def test_cascades_go_on_and_cycles_end(path: Path) -> None:
    with Small(path) as session:
        session.delete(session.get_one(Flight, 2))
        session.commit()
        assert [seat.id for seat in session.scalars(select(Seat))] == [1, 2, *range(5, 17)]
        assert refs(session, Ticket, "seat") == [1, 2, None, None, *range(5, 17)]
        session.add_all([Pilot(name="a", boss="c"), Pilot(name="b", boss="a"), Pilot(name="c", boss="b")])
        session.add(Pilot(name="d"))
        session.commit()
        session.delete(session.get_one(Pilot, "b"))
        session.commit()
        assert [pilot.name for pilot in session.scalars(select(Pilot))] == ["d"]


def test_a_delete_takes_the_classes_beside_those_in_use(path: Path) -> None:
    others = [type(cls.__name__, (cls,), {"__module__": "elsewhere"}) for cls in (Seat, Ticket)]
    assert {name_of(cls) for cls in others} == {"Seat", "Ticket"}  # younger ones, with the same names and schemas
    with Small(path) as session:
        session.delete(session.get_one(Flight, 2))
        session.commit()
        assert refs(session, Ticket, "seat") == [1, 2, None, None, *range(5, 17)]
        assert session.get_one(Seat, 1).flight.key == 1


def test_bulk_deletes_follow_the_rules_of_tables_that_are_not_in_use(path: Path) -> None:
    with Small(path) as session:
        assert session.execute(delete(Flight).where(Flight.number < 4)) == 4
        session.commit()
        assert [seat.id for seat in session.scalars(select(Seat))] == list(range(9, 17))
    with Small(path) as session:
        assert refs(session, Ticket, "seat") == [None] * 8 + list(range(9, 17))
        assert session.execute(delete(Plane)) == 4
        session.commit()
    with Small(path) as session:
        assert refs(session, Flight, "plane") == [None] * 4
        assert session.execute(delete(Seat)) == 8
        session.rollback()
        session.commit()
        assert len(session.scalars(select(Seat)).all()) == 8


def test_new_objects_cascade_too(path: Path) -> None:
    with Small(path) as session:
        seat = Seat(flight=session.get_one(Flight, 1))
        session.add(seat)
        ticket = Ticket(seat=seat)
        session.add(ticket)
        session.delete(session.get_one(Flight, 1))
        session.commit()
        assert ticket.seat is None and session.get(Seat, seat.id) is None and seat not in session
        assert refs(session, Ticket, "seat")[-1] is None


def test_a_cascade_through_rows_in_memory_changes_the_tree_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that a program held were removed one by one, which took minutes for some ten thousand."""
    calls: list[int] = []
    monkeypatch.setattr(Table, "remove", lambda *_: calls.append(1))
    with Small(path) as session:
        held = session.scalars(select(Seat)).all()
        new = Seat(flight=1)
        session.add(new)
        assert session.execute(delete(Flight).where(Flight.number < 4)) == 4
        session.commit()
        assert not calls and [seat.id for seat in session.scalars(select(Seat))] == list(range(9, 17))
        assert held[0] not in session and new not in session and held[8] in session
        held = session.scalars(select(Seat)).all()
        assert session.execute(delete(Seat).where(Seat.id < 12)) == 3
        session.rollback()
        assert len(session.scalars(select(Seat)).all()) == 8 and held[0] in session and not calls


def test_an_object_that_changed_and_is_deleted_leaves_the_indexes(path: Path) -> None:
    """Which entities changed is found before the cascades, and has to be found again after them."""
    with Small(path) as session:
        session.add_all([Wing(plane="N1", number=1), Wing(plane="N2", number=2)])
        session.commit()
        session.get_one(Wing, 1).number = 77
        session.delete(session.get_one(Plane, "N1"))
        session.commit()
        session.add(Wing(plane="N2", number=77))
        session.commit()
        assert [wing.id for wing in session.scalars(select(Wing).where(Wing.plane == "N2"))] == [2, 3]


def test_a_failed_commit_takes_all_of_it_back(path: Path) -> None:
    """A unique value that comes twice is found after the cascades."""
    with Small(path) as session:
        session.add(Hangar(planes=["N0", "N1", "N0"], by_name={"x": "N0", "y": "N2"}))
        new = Seat(flight=1)
        session.add(new)
        session.commit()
        ticket, hangar = session.get_one(Ticket, 1), session.root(Hangar)
        planes = hangar.planes
        before = list(planes)
        session.delete(session.get_one(Flight, 1))
        session.delete(session.get_one(Plane, "N0"))
        session.add(Flight(number=7))
        with pytest.raises(IntegrityError, match="number"):
            session.commit()
        assert list(planes) == before and hangar.planes is planes and hangar.by_name["x"].key == "N0"
        assert ticket.seat is not None and ticket.seat.key == 1 and session.get(Seat, 1) is not None
        assert new in session and session.get(Seat, new.id) is new
        assert [obj for obj in session.dirty if not isinstance(obj, Hangar)] == []
        session.rollback()
        session.delete(session.get_one(Plane, "N0"))
        session.commit()
        assert [ref.key for ref in planes] == ["N1"] and list(hangar.by_name) == ["y"]
        assert ticket.seat.key == 1


def test_a_changed_key_is_refused_while_something_refers_to_it(path: Path) -> None:
    with Small(path) as session:
        plane, other = session.get_one(Plane, "N1"), session.get_one(Plane, "N2")
        plane.tail, other.tail = "N2", "N1"
        with pytest.raises(IntegrityError, match=r"Flight\[\d\]\.plane refers to Plane\['N.'\], whose key was changed"):
            session.commit()
        plane.tail, other.tail = "M1", "N2"
        with pytest.raises(IntegrityError, match=r"Flight\[3\]\.plane refers to Plane\['N1'\], whose key was changed"):
            session.commit()
        for flight in session.scalars(select(Flight).where(Flight.plane == "N1")).all():
            flight.plane = plane  # by its new key
        session.commit()
        assert refs(session, Flight, "plane")[2:4] == ["M1", "M1"]


def test_another_object_under_the_key_keeps_the_reference(path: Path) -> None:
    with Small(path) as session:
        session.delete(session.get_one(Plane, "N1"))
        session.add(Plane(tail="N1", year=1999))
        session.add(Plane(tail="N2", year=2000), replace=True)
        flight = session.get_one(Flight, 3)
        session.commit()
        assert flight.plane.year == 1999
        assert [each.plane.year for each in session.scalars(select(Flight).where(Flight.id > 4).limit(1))] == [2000]


def test_savepoints_and_rollbacks_leave_references_alone(path: Path) -> None:
    with Small(path) as session:
        with pytest.raises(KeyError), session.begin_nested():
            session.delete(session.get_one(Flight, 1))
            raise KeyError
        session.commit()
        assert len(session.scalars(select(Seat)).all()) == 16
        session.delete(session.get_one(Flight, 1))
        session.rollback()
        session.commit()
        assert len(session.scalars(select(Seat)).all()) == 16


def test_references_of_classes_that_the_program_lacks_restrict(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Small(path) as session:
        session.add_all([Hangar(planes=["N2"]), Plane(tail="N9")])
        session.commit()
    monkeypatch.setattr("parcode_orm.session.entity.holders.classes_named", lambda name: [])
    with Small(path) as session:
        for key, named in (("N1", r"Flight\[3\]\.plane"), ("N2", r"(Flight\[5\]\.plane|Hangar\.planes\[0\])")):
            session.delete(session.get_one(Plane, key))
            with pytest.raises(IntegrityError, match=rf"{named} refers to Plane\['{key}'\].*is not defined here"):
                session.commit()
            session.rollback()
        session.delete(session.get_one(Plane, "N9"))
        session.commit()


def test_a_class_that_was_renamed_is_known_by_its_present_rules(tmp_path: Path) -> None:
    path = tmp_path / "parts.par"

    def write() -> None:
        class Piece(Model):
            id: int = Key()

        class Engine(Model):
            id: int = Key()
            piece: Ref[Piece]

        with Small(path) as session:
            session.add_all([Piece(id=1), Piece(id=2), Engine(id=7, piece=1)])
            session.commit()

    write()

    @renamed_from("Piece")
    class Part(Model):
        id: int = Key()

    @renamed_from("Engine")
    class Motor(Model):
        id: int = Key()
        piece: Ref[Part] = Field(on_delete="cascade")

    with Small(path) as session:
        session.delete(session.get_one(Part, 1))
        with pytest.MonkeyPatch.context() as patch:  # the classes of `write` are defined still
            known = renamed.classes_named
            patch.setattr(
                "parcode_orm.session.entity.holders.classes_named",
                lambda name: known(name) if "Engine" not in name else [],
            )
            session.commit()
        assert session.get(Motor, 7) is None and session.get(Part, 2) is not None


@pytest.mark.parametrize(
    ("annotation", "rule", "problem"),
    [
        (int, "null", r"Bad\.x: on_delete='null' is for fields that hold references"),
        (Ref[Plane], "null", r"Bad\.x: on_delete='null' sets the field to None"),
        (tuple[Ref[Plane], int], "null", r"Bad\.x: on_delete='null' sets the field to None"),
        (Annotated[list[Ref[Plane]], Field(min_length=1)], "null", r"Bad\.x: .* min_length keeps some"),
        (dict[str, Annotated[set[Ref[Plane]], Len(1)]], "null", r"Bad\.x: .* min_length keeps some"),
        (Ref[Plane], "cascade", r"Bad\.x: on_delete='cascade' deletes the entity .* Bad has no Key\(\)"),
    ],
)
def test_rules_that_do_not_fit_are_refused(annotation: Any, rule: Any, problem: str) -> None:
    with pytest.raises(UnsupportedTypeError, match=problem):
        type(
            "Bad", (Model,), {"__annotations__": {"x": annotation}, "x": Field(on_delete=rule), "__module__": __name__}
        )


def test_a_least_length_of_keys_is_no_length_of_a_collection() -> None:
    class Fine(Model):
        names: dict[Annotated[str, Field(min_length=1)], Ref[Plane]] = Field({}, on_delete="null", max_length=9)

    assert rule_of(Fine, "names") == "null"


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(TypeError, match="on_delete is 'restrict', 'cascade', 'null', and not 'delete'"):
        Field(on_delete="delete")  # type: ignore[arg-type]


def test_places_and_rules() -> None:
    assert rule_of(Seat, "flight") == "cascade" and rule_of(Pilot, "likes") == "restrict"
    assert [(each.field, each.called, each.shape) for each in places_of(Hangar)] == [
        ("place", "Plane", "one"),
        ("planes", "Plane", "below"),
        ("by_name", "Plane", "below"),
    ]


def test_commits_without_deletes_look_at_no_other_class(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    for function in (holders, follow_deletes, check_targets):
        assert callable(function)
    monkeypatch.setattr("parcode_orm.session.entity.integrity.holders", lambda work: called.append("holders") or [])
    with Small(path) as session:
        session.get_one(Flight, 1).plane = "N2"
        session.commit()
        assert not called and session.get_one(Flight, 1).plane.key == "N2"
