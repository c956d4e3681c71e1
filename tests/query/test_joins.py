"""Joins: what a statement of several sources takes, gives and refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Index, Key, Model, Session, ShardedMap, aliased, col, func, select
from parcode_orm.errors import QueryError
from parcode_orm.query.joins import hash_join as joined

pytestmark = pytest.mark.once


class Plane(Model):
    tail: str = Key()
    year: int | None = None
    maker: str = ""


class Flight(Model):
    id: int = Key(auto=True)
    tail: str | None = Index(default=None)
    dest: str = ""
    tags: list[str] = []


class Guild(Model):
    motto: str


class World(Model):
    guilds: dict[str, Guild] = ShardedMap()
    levels: list[int] = []


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(tmp_path / "joins.par", durability="fast") as session:
        session.add_all([Plane(tail=f"N{n}", year=1990 + n, maker="AB"[n % 2]) for n in range(6)])
        session.add_all([Flight(tail=f"N{n % 4}" if n % 5 else None, dest="XYZ"[n % 3]) for n in range(20)])
        session.add(World(guilds={"X": Guild(motto="one"), "Y": Guild(motto="two")}, levels=[1, 2]))
        session.commit()
        yield session


def test_entities_come_in_pairs_that_are_the_objects_of_the_session(session: Session) -> None:
    statement = select(Flight, Plane).join(Plane, Flight.tail == Plane.tail).order_by(Flight.id)
    rows = session.execute(statement).all()
    assert [(row.Flight.id, row.Plane.tail) for row in rows] == [(n + 1, f"N{n % 4}") for n in range(20) if n % 5]
    flight, plane = rows[0]
    assert plane is session.get(Plane, flight.tail)
    flight.tags.append("late")
    flight.tail = plane.tail = "N9"
    session.commit()
    assert session.execute(statement).first() == (flight, plane)


def test_a_list_that_a_join_gives_is_that_of_the_object(session: Session) -> None:
    statement = select(Flight.tags).join(Plane, Flight.tail == Plane.tail).where(Flight.id == 2)
    session.scalars(statement).one().append("late")
    session.commit()
    assert session.get_one(Flight, 2).tags == ["late"]


def test_a_class_stands_twice_under_an_alias(session: Session) -> None:
    Other = aliased(Plane, "other")
    statement = select(Plane.tail, Other.tail.label("newer")).where(Plane.maker == Other.maker, Plane.year < Other.year)
    rows = session.execute(statement.order_by(Plane.tail, Other.tail)).all()
    assert [tuple(row) for row in rows] == [
        ("N0", "N2"), ("N0", "N4"), ("N1", "N3"), ("N1", "N5"), ("N2", "N4"), ("N3", "N5"),
    ]  # fmt: skip
    assert rows[0].newer == "N2"
    assert session.execute(select(Plane, Other).where(Plane.year == Other.year)).first()._fields == ("Plane", "other")


def test_collections_and_entities_are_joined_by_keys(session: Session) -> None:
    world = session.root(World)
    statement = select(Flight.id, Guild.motto).join(world.guilds, Flight.dest == func.key(world.guilds))
    assert session.execute(statement.where(Flight.id < 4)).all() == [(1, "one"), (2, "two")]
    levels = aliased(world.levels, "levels")
    statement = select(Flight.id).join(levels, Flight.id == func.item(levels) + 1)
    assert session.scalars(statement).all() == [2, 3]


def test_rows_of_the_other_side_are_none_where_nothing_fits(session: Session) -> None:
    statement = select(Flight, Plane).outerjoin(Plane, Flight.tail == Plane.tail, Plane.year > 1991)
    assert [row[1] and row[1].tail for row in session.execute(statement)][:5] == [None, None, "N2", "N3", None]
    assert session.execute(statement).count() == 20
    assert session.execute(statement.where(Plane.year == None)).count() == 12  # noqa: E711
    assert session.execute(statement.where(Plane.year > 1992)).count() == 4


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (lambda: select(Flight, Plane), "nothing says which rows of Plane belong to those of Flight"),
        (lambda: select(Flight).where(Plane.year > 3), "Plane.year is a field of Plane, and the rows"),
        (lambda: select(Flight).join(Plane, Flight.id == 3), "nothing says which rows of Plane"),
        (lambda: select(Flight, Plane).join(Plane, Flight.tail == Plane.tail).where(aliased(Plane).year > 3),
         "Plane_alias.year is a field of Plane, and the rows"),
    ],
)  # fmt: skip
def test_what_is_not_joined_is_named(session: Session, statement: Any, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        session.execute(statement()).all()


def test_what_cannot_be_joined_is_refused_where_it_is_written(session: Session) -> None:
    for wrong, message in [
        (lambda: select(Flight).join(3), "join\\(\\) takes a list, a dictionary, or a class with a Key"),
        (lambda: select(Flight).outerjoin(Plane), "needs the conditions"),
        (lambda: select(Flight).join(Plane, 3), "a condition is an expression"),
        (lambda: aliased(3), "aliased\\(\\) takes a class with a Key"),
        (lambda: aliased(Plane, "a b"), "a name is such as"),
        (lambda: func.item(Plane), "takes what aliased\\(\\) gives"),
        (lambda: select(Flight).join(Plane, Flight.tail == Plane.year), "cannot be compared"),
    ]:
        with pytest.raises(QueryError, match=message):
            wrong()
    assert repr(aliased(Plane, "a")) == "<a: alias of Plane>" and str(col(aliased(Plane, "a"), "year")) == "a.year"


def test_few_rows_of_one_side_are_looked_up_in_the_index_of_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Session(tmp_path / "large.par", durability="fast") as session:
        session.add_all(Plane(tail=f"N{n}", year=n % 50) for n in range(6_000))
        session.add_all(Flight(tail=f"N{n % 6_000}", dest="XYZ"[n % 3]) for n in range(18_000))
        session.commit()
    found: list[str] = []
    frames = joined.Given.frames

    def noted(given: Any) -> Any:
        found.append(f"{given.name}: {given.source.how}")
        return frames(given)

    monkeypatch.setattr(joined.Given, "frames", noted)
    pairs = select(Flight.id, Plane.tail).join(Plane, Flight.tail == Plane.tail)
    grouped = select(Plane.year, func.count()).join(Flight, Flight.tail == Plane.tail).group_by(Plane.year)
    by_index, by_key = "by the index of tail (tail == 'N7')", "Plane: look up 2 rows by key"
    with Session.open(tmp_path / "large.par") as session:
        for statement, wanted, way in [
            (pairs.where(Plane.tail == "N7"), [(8, "N7"), (6_008, "N7"), (12_008, "N7")], by_index),
            (pairs.where(Flight.id.in_([5, 6])), [(5, "N4"), (6, "N5")], by_key),
            (grouped.where(Plane.tail == "N7"), [(7, 3)], by_index),
        ]:
            found.clear()
            assert session.execute(statement).all() == wanted
            assert any(way in how for how in found), found


def test_the_plan_says_what_each_source_is_asked(session: Session) -> None:
    statement = select(Plane.maker, func.count()).outerjoin(Flight, Flight.tail == Plane.tail, Flight.id > 3)
    statement = statement.where(Plane.year > 1990).group_by(Plane.maker)
    plan = session.explain(statement)
    first, second = plan.sources
    assert (first.statement, first.rows, second.rows) == ("Plane", 6, 20)
    assert second.statement == "Flight, or None, by Flight.tail == Plane.tail"
    assert [column.name for column in first.columns] == ["Plane.year", "Plane.tail", "Plane.maker"]
    assert second.steps == ["filter: Flight.id > 3"]
    assert str(plan).startswith(
        "select(Plane.maker, func.count()).outerjoin(Flight, Flight.tail == Plane.tail, Flight.id > 3)"
        ".where(Plane.year > 1990).group_by(Plane.maker)\n└─ group by Plane.maker: func.count()\n   └─ join 2 sources\n"
        "      ├─ Plane\n      │  └─ filter: Plane.year > 1990\n"
    )
