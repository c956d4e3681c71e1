"""`group_by(Plane)`: a group for each object, which the result gives."""

from __future__ import annotations

from typing import Any

import pytest

from parcode_orm import Chunk, Key, Model, QueryError, Ref, Session, ShardedMap, aliased, desc, func, prefetch, select
from parcode_orm.query.expressions import nodes
from parcode_orm.query.rows.grouped_entities import GroupedEntities

pytestmark = pytest.mark.once


class Maker(Model):
    name: str = Key()


class Plane(Model):
    row: int = Key()
    tail: str = Key()
    maker: Ref[Maker] | None = None
    seats: int = 0


class Flight(Model):
    id: int = Key()
    plane: Ref[Plane] | None = None
    delay: int = 0


P: Any = Plane
F: Any = Flight


@pytest.fixture
def session() -> Session:
    found = Session(":memory:")
    found.add_all([Maker(name="A"), Maker(name="B")])
    found.add_all([Plane(row=n % 2, tail=f"N{n}", maker="AB"[n % 2], seats=n) for n in range(5)])
    planes = [(n % 2, f"N{n}") for n in range(4)]
    found.add_all([Flight(id=n, plane=planes[n % 4] if n % 3 else None, delay=n) for n in range(24)])
    found.commit()
    return found


@pytest.mark.parametrize("pending", [False, True])
def test_each_object_is_a_group(session: Session, pending: bool) -> None:
    if pending:
        session.get_one(Flight, 1).delay = 1000
        session.add_all([Plane(row=9, tail="new"), Flight(id=100, plane=(9, "new"), delay=5)])
    flights = session.scalars(select(Flight)).all()
    expected: dict[Any, list[int]] = {}
    for flight in flights:
        if flight.plane is not None:
            expected.setdefault(flight.plane.key[1], []).append(flight.delay)
    total = func.sum(Flight.delay)
    statement = select(Plane, func.count(), total).join(Flight, Flight.plane).group_by(Plane)
    rows = session.execute(statement).all()
    assert {row.Plane.tail: (row.count, row.sum_delay) for row in rows} == {
        tail: (len(delays), sum(delays)) for tail, delays in expected.items()
    }
    assert all(row.Plane is session.get_one(Plane, (row.Plane.row, row.Plane.tail)) for row in rows)
    best = session.execute(statement.having(func.count() > 3).order_by(desc(total), P.tail).limit(2)).all()
    assert [row.sum_delay for row in best] == sorted(sum(each) for each in expected.values() if len(each) > 3)[:-3:-1]
    with_fields = select(Plane.tail, P.maker.name, func.max(Flight.delay)).join(Flight, Flight.plane).group_by(Plane)
    makers = {plane.tail: plane.maker and plane.maker.name for plane in session.scalars(select(Plane))}
    assert {tuple(row) for row in session.execute(with_fields)} == {
        (tail, makers[tail], max(delays)) for tail, delays in expected.items()
    }
    Other = aliased(Plane)
    named = session.execute(select(Other, func.count()).join(Flight, Flight.plane).group_by(Other)).all()
    assert {row[0].tail: row[1] for row in named} == {tail: len(delays) for tail, delays in expected.items()}


def test_outer_joins_options_and_several_keys(session: Session) -> None:
    found = session.execute(select(Plane, func.count(Flight.id)).outerjoin(Flight, Flight.plane).group_by(Plane)).all()
    assert {row[0].tail: row[1] for row in found}["N4"] == 0 and len(found) == 5
    found = session.execute(
        select(Plane, func.count()).select_from(Flight).outerjoin(Plane, Flight.plane).group_by(Plane)
    ).all()
    assert sum(row[1] for row in found) == 24 and None in [row[0] for row in found]
    both = select(Plane, F.delay % 2, func.count()).join(Flight, Flight.plane).group_by(Plane, F.delay % 2)
    assert sum(row[2] for row in session.execute(both)) == 16
    statement = select(Plane, func.count()).join(Flight, Flight.plane).group_by(Plane).options(prefetch(Plane.maker))
    assert {row[0].maker.name for row in session.execute(statement)} <= {"A", "B"}
    assert session.execute(select(Flight, func.count()).group_by(Flight)).first()[0] is session.get(Flight, 0)  # type: ignore[index]
    assert "group" in str(session.explain(statement))


def test_what_makes_no_groups_is_refused(session: Session) -> None:
    class Bare(Model):
        n: int = 0

    with pytest.raises(QueryError, match=r"Plane is a whole row, and the result has groups: group_by\(Plane\)"):
        session.execute(select(Plane, func.count()).join(Flight, Flight.plane).group_by(Plane.tail)).all()
    with pytest.raises(QueryError, match=r"group_by\(\) takes fields"):
        select(Flight).group_by(Bare)


class Yard(Model):
    planes: dict[str, Plane] = ShardedMap()
    numbers: list[int] = Chunk()


def test_rows_of_collections_are_values(session: Session) -> None:
    session.add(Yard(planes={"x": Plane(row=7, tail="y")}, numbers=[1, 2, 1]))
    session.commit()
    yard = session.root(Yard)
    counted = select(func.item(), func.count()).select_from(yard.numbers).group_by(func.item())
    assert sorted(map(tuple, session.execute(counted))) == [(1, 2), (2, 1)]
    with pytest.raises(QueryError, match="cannot be grouped"):  # not the entities that have these keys
        session.execute(select(Plane, func.count()).select_from(yard.planes).group_by(Plane)).all()
    row: Any = nodes.Item(Plane)
    grouped = GroupedEntities([row, F.delay], [yard.planes], None)
    assert grouped.by[0] is row and grouped.of(row) is None
