"""References and their keys: one becomes the other without a rewrite; what leads to another class needs a migration."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from parcode_orm import (
    Chunk,
    Index,
    Key,
    MigrationRequired,
    Model,
    Ref,
    Session,
    ShardedMap,
    dumps,
    load,
    renamed_from,
    schema,
    select,
    verify,
)
from tests.evolution import versions


def model(called: str, /, **fields: tuple[Any, Any]) -> Any:
    """A Model called so: the types of its fields, and their defaults (... for none)."""
    defaults = {name: default for name, (_, default) in fields.items() if default is not ...}
    return versions.model(called, {name: tp for name, (tp, _) in fields.items()}, **defaults)


class Plane(Model):
    tail: str = Key()
    year: int = 0


class Leg(Model):
    carrier: str = Key()
    number: int = Key()


class Token(Model):
    id: UUID = Key()


@renamed_from("Plane")
class Aircraft(Model):
    tail: str = Key()
    year: int = 0


U = UUID(int=5)
WAYS: list[tuple[Any, Any, Any, Any]] = [
    (str, Ref[Plane], "N1", Ref(Plane, "N1")),
    (Ref[Plane], str, "N1", "N1"),
    (str | None, Ref[Plane] | None, None, None),
    (str, Ref[Plane] | None, "N1", Ref(Plane, "N1")),
    (Ref[Plane], Ref[Plane] | None, "N1", Ref(Plane, "N1")),
    (list[str], list[Ref[Plane]], ["N1", "N2"], [Ref(Plane, "N1"), Ref(Plane, "N2")]),
    (list[Ref[Plane]], tuple[str, ...], ["N1", "N2"], ("N1", "N2")),
    (dict[str, str], dict[str, Ref[Plane]], {"a": "N1"}, {"a": Ref(Plane, "N1")}),
    (tuple[str, int], Ref[Leg], ("AA", 1), Ref(Leg, ("AA", 1))),
    (Ref[Leg], tuple[str, int], ("AA", 1), ("AA", 1)),
    (UUID, Ref[Token], U, Ref(Token, U)),
    (str, Ref[Token], str(U), Ref(Token, U)),
    (Ref[Plane], Any, "N1", "N1"),
    (Ref[Plane], int | str, "N1", "N1"),
    (Ref[Plane], Ref[Aircraft], "N1", Ref(Aircraft, "N1")),
]


@pytest.mark.parametrize(("old", "new", "value", "found"), WAYS)
@pytest.mark.parametrize("mark", ["inline", "chunk", "nested"])
def test_keys_become_references_and_references_keys(mark: str, old: Any, new: Any, value: Any, found: Any) -> None:
    def made(tp: Any) -> Any:
        if mark == "nested":
            return model("Root", inside=(model("Inside", x=(tp, ...)), ...))
        return model("Root", x=(tp, Chunk() if mark == "chunk" else ...))

    before, after = made(old), made(new)
    obj = before(inside={"x": value}) if mark == "nested" else before(x=value)
    data = dumps(obj)
    with Session.open(data) as session:
        root = session.root(after)
        got = root.inside.x if mark == "nested" else root.x
        got = got.load() if hasattr(got, "load") and type(got) is not Ref else got
        assert got == found and type(got) is type(found)
    plain = load(data, after)
    assert (plain.inside.x if mark == "nested" else plain.x) == found
    assert verify(data).ok


def test_a_reference_to_another_class_needs_a_migration() -> None:
    before, after = model("Root", x=(Ref[Plane], ...)), model("Root", x=(Ref[Leg], ...))
    data = dumps(before(x="N1"))
    with Session.open(data) as session, pytest.raises(MigrationRequired, match=r"Ref\[Plane\], declared as Ref\[Leg\]"):
        session.root(after).x  # noqa: B018


def test_entities_and_their_indexes_go_on(tmp_path: Path) -> None:
    path = tmp_path / "flights.par"
    was = model("Flight", id=(int, Key()), plane=(str, Index()), only=(str | None, Index(None, unique=True)))
    now = model(
        "Flight", id=(int, Key()), plane=(Ref[Plane], Index()), only=(Ref[Plane] | None, Index(None, unique=True))
    )
    with Session(path) as session:
        session.add_all([Plane(tail=f"N{n}", year=n) for n in range(10)])
        session.add_all([was(id=n, plane=f"N{n % 10}", only=f"N{n}" if n < 10 else None) for n in range(300)])
        session.commit()
    written = path.stat().st_size
    with Session(path) as session:
        flight = session.get_one(now, 13)
        assert flight.plane.year == 3
        found = session.scalars(select(now).where(now.plane == session.get(Plane, "N3")))
        assert [each.id for each in found] == list(range(3, 300, 10))
        assert not session.dirty
        session.commit()
        assert path.stat().st_size == written
        flight.plane = "N4"
        session.add(now(id=300, plane=session.get(Plane, "N3")))
        session.commit()
        found = session.scalars(select(now).where(now.plane == "N3")).all()
        assert [each.id for each in found] == [3, *range(23, 300, 10), 300]
    with Session(path) as session:
        flight = session.get_one(was, 13)
        assert flight.plane == "N4" and session.get_one(was, 300).plane == "N3"
        assert session.scalars(select(was).where(was.only == "N5")).one().id == 5
    assert verify(path, models=[now, Plane]).ok


def test_a_renamed_target_is_found(tmp_path: Path) -> None:
    path = tmp_path / "planes.par"
    was = model("Flight", id=(int, Key()), plane=(Ref[Plane], ...), more=(dict[str, Ref[Plane]], ShardedMap()))
    now = model("Flight", id=(int, Key()), plane=(Ref[Aircraft], ...), more=(dict[str, Ref[Aircraft]], ShardedMap()))
    with Session(path) as session:
        session.add_all([Plane(tail="N1", year=1), was(id=1, plane="N1", more={"a": "N1"})])
        session.commit()
    with Session(path) as session:
        flight = session.get_one(now, 1)
        assert flight.plane.year == 1 and flight.more["a"].target is session.get(Aircraft, "N1")
        flight.plane.year = 2
        session.commit()
    with Session.open(path) as session:
        assert session.get_one(now, 1).plane.year == 2


def test_a_class_made_of_a_schema_has_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "planes.par"
    was = model("Flight", id=(int, Key()), plane=(Ref[Plane], Index()), via=(list[Ref[Leg]], Chunk()))
    with Session(path) as session:
        session.add_all([Plane(tail="N1"), Leg(carrier="AA", number=1), was(id=1, plane="N1", via=[("AA", 1)])])
        session.commit()
    with Session(path) as session:
        cls = session.models()["Flight"]
        flight = session.get_one(cls, 1)
        assert flight.plane == "N1" and list(flight.via) == [("AA", 1)]
        assert session.scalars(select(cls).where(cls.plane == "N1")).all() == [flight]
    source = schema(path).source()
    assert "plane: Ref[Plane] = Index()" in source and "via: list[Ref[Leg]] = Chunk()" in source
    monkeypatch.setitem(sys.modules, "made_of_source", ModuleType("made_of_source"))
    made = vars(sys.modules["made_of_source"])
    exec(source, made)
    with Session(path) as session:
        assert session.get_one(made["Flight"], 1).plane.target is session.get(made["Plane"], "N1")
    assert schema(path)["$defs"]["Flight"]["properties"]["plane"] == {"type": "string", "title": "Ref[Plane]"}


def test_a_reference_that_older_rows_lack_finds_its_target(tmp_path: Path) -> None:
    """The default of a new field raised DetachedError on stored objects."""
    path = tmp_path / "f.par"
    old = model("Trip", id=(int, Key()))
    with Session(path) as session:
        session.add_all([Plane(tail="N1", year=1998), *(old(id=n) for n in range(3))])
        session.commit()
    new = model(
        "Trip", id=(int, Key()), plane=(Ref[Plane], Ref(Plane, "N1")), before=(list[Ref[Plane]], [Ref(Plane, "N1")])
    )
    with Session(path) as session:
        trips = [session.get_one(new, 0), *session.scalars(select(new).where(new.id > 0))]
        assert [trip.plane.year for trip in trips] == [1998] * 3
        assert all(trip.before[0].target is session.get(Plane, "N1") for trip in trips)
    with Session(path) as session:
        assert session.get_one(new, 1).plane.target is session.get(Plane, "N1")  # each session finds its own


def test_indexes_of_composite_keys_are_read_without_classes(tmp_path: Path) -> None:
    """The class that is made of the schema has tuples there, which its indexes refused."""
    path = tmp_path / "f.par"
    trip = model(
        "Trip",
        id=(int, Key()),
        leg=(Ref[Leg] | None, Index(default=None)),
        legs=(list[Ref[Leg]], Index(default=[])),
        last=(Ref[Leg] | None, None),
        __indexes__=(tuple, (Index("last", "id"),)),
    )
    with Session(path) as session:
        session.add_all([Leg(carrier="AA", number=1), trip(id=1, leg=("AA", 1), legs=[("AA", 1)], last=("AA", 1))])
        session.add_all([trip(id=n) for n in range(2, 300)])
        session.commit()
    with Session(path) as session:
        made = session.models()["Trip"]
        for condition in (made.leg == ("AA", 1), made.legs.contains(("AA", 1)), made.last == ("AA", 1)):  # type: ignore[attr-defined]
            assert [each.id for each in session.scalars(select(made).where(condition))] == [1]  # type: ignore[attr-defined]
            assert "by the index" in str(session.explain(select(made).where(condition)))
        session.get_one(made, 2).legs = [("AA", 1)]  # type: ignore[attr-defined]
        session.commit()
    assert verify(path, models=[trip, Leg]).ok
