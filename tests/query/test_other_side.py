"""`Plane.flights` in statements: conditions on what refers, its number and joins, as plain Python finds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import (
    Backref,
    Index,
    Key,
    Model,
    QueryError,
    Ref,
    Session,
    UnsupportedTypeError,
    aliased,
    all_,
    any_,
    col,
    delete,
    exists,
    func,
    len_,
    prefetch,
    select,
    update,
)
from parcode_orm.model.other_side import referring
from parcode_orm.query.expressions.backrefs import OtherSide
from tests.effort import half
from tests.small import tuned

pytestmark = pytest.mark.once
Small = tuned().Session


class Plane(Model):
    tail: str = Key()
    year: int = 0
    flights: Sequence["Flight"] = Backref("plane")  # noqa: UP037
    either: Sequence["Flight"] = Backref("either")  # noqa: UP037


class Jet(Plane):
    engines: int = 2


class Port(Model):
    country: str = Key()
    code: int = Key()
    passing: Sequence["Flight"] = Backref("via")  # noqa: UP037
    named: Sequence["Flight"] = Backref("by_name")  # noqa: UP037


class Flight(Model):
    id: int = Key(default=None, auto=True)
    delay: int | None = 0
    plane: Ref[Plane] | None = Index(None, on_delete="null")
    via: list[Ref[Port]] = []
    by_name: dict[str, Ref[Port]] = {}
    either: Ref[Plane] | Ref[Port] | None = None
    meals: Sequence["Meal"] = Backref("flight")  # noqa: UP037


class Meal(Model):
    id: int = Key()
    flight: Ref[Flight]


class Employee(Model):
    id: int = Key()
    pay: int = 0
    boss: Ref[Employee] | None = None
    under: Sequence[Employee] = Backref("boss")


TAILS, CODES = "abcd", range(3)


def flight(n: int) -> Flight:
    return Flight(
        delay=None if n % 5 == 4 else n * 10,
        plane=TAILS[n % 3] if n % 4 else None,
        via=[("x", code) for code in range(n % 3)] * 2,  # a port twice is one flight
        by_name={"a": ("x", n % 2)},
    )


def filled() -> Session:
    session = Small(":memory:")
    session.add_all([*(Plane(tail=tail) for tail in TAILS), *(Port(country="x", code=code) for code in CODES)])
    session.add_all([*map(flight, range(9)), *(Meal(id=n, flight=n + 1) for n in range(4))])
    session.add_all([Employee(id=n, pay=n, boss=(n - 1) // 2 if n else None) for n in range(9)])
    session.commit()
    return session


def late(flight: Flight, limit: int = 30) -> bool:
    return flight.delay is not None and flight.delay > limit


def check(session: Session) -> None:
    """Compare what statements say of the other sides with the objects."""
    flights = session.scalars(select(Flight)).all()
    planes = session.scalars(select(Plane.tail)).all()
    of = {tail: [each for each in flights if each.plane is not None and each.plane.key == tail] for tail in planes}
    through = {code: [each for each in flights if Ref(Port, ("x", code)) in each.via] for code in CODES}
    named = {code: [each for each in flights if Ref(Port, ("x", code)) in each.by_name.values()] for code in CODES}

    def tails(condition: Any) -> list[str]:
        return session.scalars(select(Plane.tail).where(condition)).all()

    def codes(condition: Any) -> list[int]:
        return session.scalars(select(Port.code).where(condition)).all()

    assert tails(col(Plane.flights).any()) == [tail for tail in planes if of[tail]]
    assert tails(~col(Plane.flights).any()) == [tail for tail in planes if not of[tail]]
    assert tails(any_(Plane.flights, col(Flight.delay) > 30)) == [tail for tail in planes if any(map(late, of[tail]))]
    assert tails(all_(Plane.flights, col(Flight.delay) > 30)) == [tail for tail in planes if all(map(late, of[tail]))]
    assert tails(len_(Plane.flights) == 2) == [tail for tail in planes if len(of[tail]) == 2]
    assert codes(col(Port.passing).any(col(Flight.delay) > 30)) == [
        code for code in CODES if any(map(late, through[code]))
    ]
    assert codes(~col(Port.passing).any()) == [code for code in CODES if not through[code]]
    assert codes(col(Port.named).all(col(Flight.delay) > 30)) == [code for code in CODES if all(map(late, named[code]))]
    counts = select(Port.code, len_(Port.passing).label("a"), len_(Port.named).label("b"))
    assert session.execute(counts).all() == [(code, len(through[code]), len(named[code])) for code in CODES]

    def pairs(statement: Any) -> set[Any]:
        found = session.execute(statement).all()
        assert len(set(found)) == len(found)
        return {tuple(row) for row in found}

    wanted: set[Any] = {(tail, each.id) for tail in planes for each in of[tail]}
    assert pairs(select(Plane.tail, Flight.id).join(Plane.flights)) == wanted
    wanted |= {(tail, None) for tail in planes if not of[tail]}
    assert pairs(select(Plane.tail, Flight.id).outerjoin(Plane.flights)) == wanted
    assert pairs(select(Port.code, Flight.id).join(Port.passing)) == {
        (code, each.id) for code in CODES for each in through[code]
    }


STEP = st.tuples(
    st.sampled_from(["plane", "delay", "via", "add", "delete", "bulk", "commit", "rollback"]),
    st.integers(1, 9),
    st.integers(0, 2),
)


@half()
@given(st.lists(STEP, max_size=8))
def test_it_is_what_plain_python_finds(steps: list[Any]) -> None:
    with filled() as session:
        check(session)
        for step, number, which in steps:
            found = session.get(Flight, number)
            if step == "add":
                session.add(flight(number))
            elif step == "delete" and number > 4:  # no meal refers to it
                session.execute(delete(Flight).where(Flight.id == number))
            elif step == "bulk":
                session.execute(update(Flight).where(Flight.id > number).values(plane=TAILS[which + 1]))
            elif step in ("commit", "rollback"):
                getattr(session, step)()
            elif found is not None and step == "plane":
                found.plane = TAILS[which + 1] if which else None  # type: ignore[assignment]
            elif found is not None and step == "delay":
                found.delay = 100 * which
            elif found is not None and step == "via":
                found.via.append(Ref(Port, ("x", which)))
        check(session)


@pytest.fixture
def session() -> Any:
    with filled() as session:
        yield session


def test_it_is_an_expression_of_the_class(session: Session) -> None:
    side = col(Plane.flights)
    assert isinstance(side, OtherSide) and str(side) == "Plane.flights" and isinstance(col(Plane, "flights"), OtherSide)
    assert referring(Plane.__dict__["flights"], Plane)[0] is Flight
    plan = str(session.explain(select(Plane).where(side.any(col(Flight.delay) > 30))))
    assert "Plane.tail.in_(select(Flight.plane).where(Flight.delay > 30))" in plan and "first: " in plan


def test_a_class_of_the_same_module_is_found_by_its_name(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every statement walked over all classes of the program."""
    monkeypatch.delattr("parcode_orm.model.other_side.subclasses")
    assert session.scalars(select(Plane.tail).where(col(Plane.flights).any())).all() == ["a", "b", "c"]
    assert len(session.get_one(Plane, "b").flights) == 2


def test_a_class_that_refers_to_itself(session: Session) -> None:
    boss = select(Employee.id).where(col(Employee.under).any(Employee.pay > 6))
    assert session.scalars(boss).all() == [3]
    assert session.scalars(select(Employee.id).where(len_(Employee.under) == 2)).all() == [0, 1, 2, 3]
    Below = aliased(Employee, "below")
    rows = session.execute(select(Employee.id, Below.id.label("below")).join(Below, Employee.under)).all()  # type: ignore[attr-defined]
    assert rows == [((n - 1) // 2, n) for n in range(1, 9)]
    assert session.scalars(select(Below.id).where(~col(Below.under).any())).all() == [4, 5, 6, 7, 8]
    with pytest.raises(QueryError, match=r"join\(Other, Employee\.under\)"):
        select(Employee.id).join(Employee.under)


def test_through_aliases_references_and_other_sides(session: Session) -> None:
    Other = aliased(Plane, "other")
    found = select(Other.tail, func.count(Flight.id)).outerjoin(Other.flights).group_by(Other.tail).order_by(Other.tail)
    assert session.execute(found).all() == [("a", 2), ("b", 2), ("c", 2), ("d", 0)]
    same = select(Flight.id).where(col(Flight.plane).flights.any(col(Flight.delay) > 60))
    assert session.scalars(same).all() == [2, 8]  # none of those whose plane is None
    Sister = aliased(Flight, "sister")
    pairs = select(Flight.id, Sister.id.label("sister")).join(Sister, col(Flight.plane).flights)  # type: ignore[union-attr]
    assert session.execute(pairs.where(Flight.id < 3)).all() == [(2, 2), (2, 8)]
    assert session.execute(select(len_(col(Flight.plane).flights)).where(Flight.id < 3)).all() == [(0,), (2,)]
    fed = select(Plane.tail).where(col(Plane.flights).any(col(Flight.meals).any(Meal.id > 1)))
    assert session.scalars(fed).all() == ["a", "c"]
    assert session.scalars(select(Meal.id).where(len_(col(Meal.flight).plane.flights) == 2)).all() == [1, 2, 3]


def test_conditions_of_the_statement_around_it(session: Session) -> None:
    session.execute(update(Plane).where(Plane.tail == "b").values(year=10))
    equal = select(Plane.tail).where(col(Plane.flights).any(Flight.delay == Plane.year))
    assert session.scalars(equal).all() == ["b"]
    later = session.scalars(select(Plane.tail).where(col(Plane.flights).any(col(Flight.delay) > Plane.year))).all()
    planes = session.scalars(select(Plane)).all()
    late = [each for each in planes if any(f.delay is not None and f.delay > each.year for f in each.flights)]
    assert later == [each.tail for each in late] and 0 < len(late) < len(planes)
    inside = exists(select(Plane).where(Plane.tail == Flight.plane, len_(Plane.flights) > 5))
    assert session.scalars(select(Flight.id).where(inside)).all() == []


def test_updates_and_deletes_take_it(session: Session) -> None:
    assert session.execute(update(Plane).values(year=len_(Plane.flights))) == 4
    assert session.scalars(select(Plane.year)).all() == [2, 2, 2, 0]
    assert session.execute(delete(Plane).where(~col(Plane.flights).any())) == 1


def test_any_of_a_list(session: Session) -> None:
    flights = session.scalars(select(Flight)).all()
    found = session.scalars(select(Flight.id).where(col(Flight.via).any())).all()
    assert found == [each.id for each in flights if each.via]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (
            lambda: select(Plane.flights),
            "Plane.flights are the objects that refer to one, and no value: write",
        ),
        (lambda: select(func.count(Plane.flights)), "len_(Plane.flights) for their number"),
        (
            lambda: prefetch(Flight.plane.flights),
            "prefetch(Plane.flights): it takes a Backref of the class that is selected",
        ),
        (lambda: select(Plane).where(Plane.flights), "no condition"),
        (lambda: select(Plane).where(col(Plane.flights).delay > 1), "has no field 'delay'"),
        (lambda: select(Plane).where(col(Plane.flights).any(Meal.id > 1)), "Meal.id is a field of Meal"),
        (lambda: select(Plane).where(col(Plane.flights).any(3)), "a condition is an expression"),
        (lambda: select(Jet).where(col(Jet.flights).any()), "Flight.plane refers to Plane, and to no Jet"),
        (lambda: select(Port.code).join(Port.named), "Flight.by_name is no reference and no list of references"),
        (lambda: select(Plane).join(Meal, Plane.flights), "Plane.flights are objects of Flight, and not of"),
    ],
)
def test_what_is_refused(session: Session, make: Any, problem: str) -> None:
    with pytest.raises(QueryError) as caught:
        session.execute(make()).all()
    assert problem in str(caught.value)


def test_keys_of_several_classes_are_not_told_apart(session: Session) -> None:
    """`Ref[Plane] | Ref[Port]` is a key in a query, whichever class it is of."""
    for give in (lambda: select(Plane).where(col(Plane.either).any()), lambda: session.get_one(Plane, "a").either):
        with pytest.raises(UnsupportedTypeError, match=r"Flight\.either is no Ref\[Plane\], and no list"):
            give()
