"""Statements inside of others: what they give is what nested loops in Python find."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import (
    Key,
    Model,
    MultipleResultsFound,
    QueryError,
    Ref,
    Session,
    aliased,
    any_,
    case,
    delete,
    exists,
    func,
    select,
    update,
)
from parcode_orm.query.expressions import rewriting
from parcode_orm.query.nested import correlation, subqueries
from parcode_orm.query.running import subquery_results as subresults
from tests.query.families import (
    AGGREGATES,
    VALUES,
    Owner,
    Pet,
    change,
    comparisons,
    conditions,
    equalities,
    everything,
    families,
    field,
    rows,
    same,
)
from tests.query.test_random import tries

pytestmark = pytest.mark.once

MODULES = [subqueries, correlation, subresults, rewriting]


class Inner:
    """A random statement over pets, and the pets that it gives for an owner."""

    def __init__(self, draw: Any) -> None:
        self.pairs = draw(st.lists(equalities(Owner, Pet), max_size=2))
        if draw(st.booleans()):
            self.pairs = [*self.pairs[:1], draw(comparisons(Owner, Pet))]
        self.where = draw(st.lists(conditions(Pet), max_size=1))
        self.order = draw(st.sampled_from([None, Pet.id.desc()]))
        self.limit = draw(st.sampled_from([None, None, 0, 1, 2]))
        self.offset = draw(st.sampled_from([0, 0, 1]))

    def restrict(self, statement: Any) -> Any:
        found = statement.where(*(said for said, _ in self.pairs), *(each.said for each in self.where))
        if self.order is not None:
            found = found.order_by(self.order)
        if self.limit is not None:
            found = found.limit(self.limit)
        return found.offset(self.offset)

    def all(self, owner: Any, pets: list[Pet]) -> list[Pet]:
        return [
            pet
            for pet in pets
            if all(plain(owner, pet) for _, plain in self.pairs) and all(each.plain(pet) for each in self.where)
        ]

    def rows(self, owner: Any, pets: list[Pet]) -> list[Pet]:
        found = self.all(owner, pets)
        if self.order is not None:
            found = found[::-1]
        return found[self.offset :][: self.limit]


def ids(result: Any) -> list[Any]:
    return [each.id for each in result]


@tries
@given(st.data())
def test_exists_and_in_are_what_nested_loops_find(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with families(draw, tmp_path / "f.par") as session:
        owners, pets = everything(session)
        for _ in range(2):
            inner, other = Inner(draw), Inner(draw)
            name = draw(st.sampled_from(list(VALUES)))
            there = exists(inner.restrict(select(Pet)))
            chosen = getattr(Owner, name).in_(other.restrict(select(getattr(Pet, name))))

            def is_there(owner: Owner, inner: Inner = inner) -> bool:
                return bool(inner.rows(owner, pets))

            def is_chosen(owner: Owner, other: Inner = other, name: str = name) -> bool:
                value = getattr(owner, name)
                return any(value == getattr(pet, name) for pet in other.rows(owner, pets))

            none = getattr(Owner, name).not_in(other.restrict(select(getattr(Pet, name))))
            for said, plain in [
                (there, is_there),
                (chosen, is_chosen),
                (~there, lambda owner, f=is_there: not f(owner)),
                (none, lambda owner, f=is_chosen: not f(owner)),
                (there & chosen, lambda owner, f=is_there, g=is_chosen: f(owner) and g(owner)),
                (there | (Owner.id < 3), lambda owner, f=is_there: f(owner) or owner.id < 3),
            ]:
                statement = select(Owner).where(said)
                expected = [owner for owner in owners if plain(owner)]
                found = session.scalars(statement).all()
                assert ids(found) == ids(expected), session.explain(statement)
                assert all(map(lambda a, b: a is b, found, expected))
                assert session.scalars(statement).count() == len(expected)
            flags = session.execute(select(Owner.id, there.label("there"), case((chosen, 1), else_=0))).all()
            assert [tuple(row) for row in flags] == [(o.id, is_there(o), int(is_chosen(o))) for o in owners]


@tries
@given(st.data())
def test_scalars_are_what_nested_loops_find(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with families(draw, tmp_path / "f.par") as session:
        owners, pets = everything(session)
        for _ in range(2):
            inner = Inner(draw)
            said, plain = draw(st.sampled_from(AGGREGATES))
            least = draw(st.sampled_from([None, None, 0, 1, 2]))
            statement = select(said).select_from(Pet).where(
                *(each for each, _ in inner.pairs), *(each.said for each in inner.where)
            )  # fmt: skip
            if least is not None:
                statement = statement.having(func.count() <= least)
            value = statement.scalar_subquery()
            expected = [(owner.id, _aggregated(inner.all(owner, pets), plain, least)) for owner in owners]
            found = [tuple(row) for row in session.execute(select(Owner.id, value.label("value")))]
            assert same(found, expected)
            if str(said) == "func.count()":
                wanted = draw(st.integers(0, 2))
                result = session.scalars(select(Owner).where(value > wanted).order_by(value.desc(), Owner.id))
                big = [(-count, key) for key, count in expected if count is not None and count > wanted]
                assert ids(result) == [key for _, key in sorted(big)]


def _aggregated(pets: list[Pet], plain: Callable[[list[Pet]], Any], least: int | None) -> Any:
    return None if least is not None and len(pets) > least else plain(pets)


@tries
@given(st.data())
def test_the_value_of_the_one_row_is_looked_up(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with families(draw, tmp_path / "f.par") as session:
        owners, pets = everything(session)
        for _ in range(2):
            inner = Inner(draw)
            name = draw(st.sampled_from(list(VALUES)))
            said, plain = field(Pet, name)
            value = inner.restrict(select(said)).scalar_subquery()
            given = [inner.rows(owner, pets) for owner in owners]
            statement = select(Owner.id, value)
            if any(len(each) > 1 for each in (given if inner.pairs else [inner.rows(None, pets)])):
                with pytest.raises(MultipleResultsFound, match=r"scalar_subquery\(\) gives more than one row"):
                    session.execute(statement).all()
                continue
            expected = [(owner.id, plain(each[0]) if each else None) for owner, each in zip(owners, given, strict=True)]
            found = [tuple(row) for row in session.execute(statement)]
            assert same(found, expected)


@tries
@given(st.data())
def test_groups_inside_of_a_statement(tmp_path: Path, data: st.DataObject) -> None:
    """Owners whose number is one that at least two pets have; of each of these, the number of pets by name."""
    draw = data.draw
    with families(draw, tmp_path / "f.par") as session:
        owners, pets = everything(session)
        often = select(Pet.number).group_by(Pet.number).having(func.count() >= 2)
        pair, plain = draw(equalities(Owner, Pet))
        biggest = select(func.count()).select_from(Pet).where(pair).group_by(Pet.name).order_by(func.count().desc())
        value = biggest.limit(1).scalar_subquery()
        statement = select(Owner.id, value).where(Owner.number.in_(often))
        numbers = [pet.number for pet in pets]
        expected = []
        for owner in owners:
            if numbers.count(owner.number) >= 2:
                names = [pet.name for pet in pets if plain(owner, pet)]
                expected.append((owner.id, max(map(names.count, names), default=None)))
        assert [tuple(row) for row in session.execute(statement)] == expected
        first = select(Pet.id, func.row_number().over(order_by=Pet.id.desc()).label("place")).where(pair)
        there = exists(first.order_by(Pet.id).limit(1))
        assert ids(session.scalars(select(Owner).where(there))) == [
            owner.id for owner in owners if any(plain(owner, pet) for pet in pets)
        ]
        last = select(func.row_number().over(order_by=Pet.id.desc())).where(pair).order_by(Pet.id).limit(1)
        found = session.execute(select(Owner.id, last.scalar_subquery())).all()
        counts = [(owner.id, sum(plain(owner, pet) for pet in pets) or None) for owner in owners]
        assert [tuple(row) for row in found] == counts


@tries
@given(st.data())
def test_updates_and_deletes_ask_other_rows(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    path = tmp_path / "f.par"
    path.unlink(missing_ok=True)
    with Session(path, durability="fast") as session:
        session.add_all(draw(st.lists(rows(Owner), max_size=8)))
        session.add_all(draw(st.lists(rows(Pet), max_size=14)))
        session.commit()
        if draw(st.booleans()):
            change(draw, session)
        owners, pets = everything(session)
        inner = Inner(draw)
        counted = [(owner.id, len(inner.all(owner, pets))) for owner in owners]
        n = select(func.count()).select_from(Pet)
        n = n.where(*(said for said, _ in inner.pairs), *(each.said for each in inner.where)).scalar_subquery()
        there = [owner.id for owner in owners if inner.rows(owner, pets)]
        numbers = {owner.id: owner.number for owner in owners}
        del owners, pets
        change_ = update(Owner).where(exists(inner.restrict(select(Pet)))).values(number=n)
        assert session.execute(change_) == len(there)
        expected = {**numbers, **{key: count for key, count in counted if key in there}}
        assert {owner.id: owner.number for owner in session.scalars(select(Owner))} == expected
        session.commit()
        assert {owner.id: owner.number for owner in session.scalars(select(Owner))} == expected
        most = select(func.max(Owner.number)).scalar_subquery()
        known = [number for number in expected.values() if number is not None]
        assert session.execute(delete(Owner).where(Owner.number == most, Owner.number != None)) == (  # noqa: E711
            known.count(max(known)) if known else 0
        )


@tries
@given(st.data())
def test_joins_have_statements_inside_and_are_inside_of_others(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with families(draw, tmp_path / "f.par") as session:
        owners, pets = everything(session)
        P, Q = aliased(Pet, "other_pet"), aliased(Owner, "other_owner")
        meet, plain = draw(equalities(Owner, Pet))
        there = exists(select(P).where(P.name == Owner.name, Pet.born == P.born))
        lonely = P.number.not_in(select(Q.number).where(Q.born == Owner.born))
        joined = select(Owner.id, Pet.id).join(Pet, meet).where(there).order_by(Owner.id, Pet.id)
        expected = [
            (owner.id, pet.id)
            for owner in owners
            for pet in pets
            if plain(owner, pet) and any(p.name == owner.name and pet.born == p.born for p in pets)
        ]
        assert [tuple(row) for row in session.execute(joined)] == expected, session.explain(joined)
        assert session.execute(joined).count() == len(expected)
        on = select(Owner.id, P.id).outerjoin(P, P.name == Owner.name, lonely).order_by(Owner.id, P.id)
        fitting = {
            owner.id: [
                p.id
                for p in pets
                if p.name == owner.name and all(o.number != p.number for o in owners if o.born == owner.born)
            ]
            for owner in owners
        }
        assert [tuple(row) for row in session.execute(on)] == [
            (owner.id, found) for owner in owners for found in fitting[owner.id] or [None]
        ]
        couples = select(func.count()).select_from(P).join(Q, Q.number == P.number).where(Q.name == Owner.name)
        found = session.execute(select(Owner.id, couples.scalar_subquery()).order_by(Owner.id)).all()
        assert [tuple(row) for row in found] == [
            (owner.id, sum(o.name == owner.name and o.number == p.number for o in owners for p in pets))
            for owner in owners
        ]
        place = func.row_number().over(partition_by=Owner.id, order_by=P.id.desc())
        places = select(Owner.id, P.id, place).join(P, P.name == Owner.name).order_by(Owner.id, P.id)
        names = [(o.id, p.id, o.name) for o in owners for p in pets if p.name == o.name]
        assert [tuple(row) for row in session.execute(places)] == [
            (o, p, sum(other == o and later >= p for other, later, _ in names)) for o, p, _ in names
        ]


def test_nan_and_none_around_are_compared_as_in_python(tmp_path: Path) -> None:
    scores = [None, 1.0, float("nan"), 2.0, float("nan")]
    with Session(tmp_path / "n.par") as session:
        session.add_all(Owner(id=n, score=score, number=n % 2) for n, score in enumerate(scores))
        session.add_all(Pet(id=n, score=score, number=n % 2) for n, score in enumerate([1.0, 2.0, None, float("nan")]))
        session.commit()
        owners, pets = everything(session)
        other = select(Pet.id).where(Pet.score != Owner.score, Pet.number == Owner.number)
        count = select(func.count()).select_from(Pet).where(Pet.score != Owner.score).scalar_subquery()
        found = [tuple(row) for row in session.execute(select(Owner.id, count, exists(other)))]
        assert found == [
            (
                owner.id,
                sum(pet.score != owner.score for pet in pets),
                any(pet.score != owner.score and pet.number == owner.number for pet in pets),
            )
            for owner in owners
        ]
        below = select(Owner.id).where(exists(select(Pet).where(Pet.score < Owner.score)), Owner.id < 10)
        assert session.scalars(below).all() == [3]
        numbers = select(Pet.score).where(Pet.score > Owner.number)
        assert session.scalars(select(Owner.id).where(Owner.score.in_(numbers))).all() == [3]


class Plane(Model):
    tail: str = Key()
    year: int = 0


class Flight(Model):
    id: int = Key(auto=True)
    plane: Ref[Plane] | None = None
    delay: int = 0
    stops: list[str] = []
    via: list[Ref[Plane]] = []


@pytest.fixture
def session(tmp_path: Path) -> Any:
    with Session(tmp_path / "p.par") as session:
        planes = [Plane(tail=f"N{n}", year=2000 + n) for n in range(6)]
        session.add_all(planes)
        session.add_all(
            Flight(plane=planes[n % 4] if n % 5 else None, delay=n, stops=[f"N{n % 7}"], via=planes[n - 2 : 2])
            for n in range(20)
        )
        session.commit()
        yield session


def test_references_are_the_keys_of_the_entities_that_a_statement_gives(session: Any) -> None:
    old = select(Plane).where(Plane.year < 2002)
    found = ids(session.scalars(select(Flight).where(Flight.plane.in_(old))))
    assert found == [
        flight.id for flight in session.scalars(select(Flight)) if flight.plane and flight.plane.year < 2002
    ]
    assert found
    flown = exists(select(Flight).where(Flight.plane == Plane.tail, Flight.delay > 16))
    assert session.scalars(select(Plane.tail).where(flown)).all() == ["N1", "N2", "N3"]
    there = exists(select(Flight).where(Flight.plane == func.key(Plane)))
    assert session.scalars(select(Plane.tail).where(~there)).all() == ["N4", "N5"]


def test_the_rows_of_a_class_are_compared_with_others_of_it(session: Any) -> None:
    Other = aliased(Flight, "other")
    worst = select(func.max(Other.delay)).where(Other.plane == Flight.plane).scalar_subquery()
    flights = session.scalars(select(Flight)).all()
    latest = {flight.plane: flight.id for flight in flights}
    found = ids(session.scalars(select(Flight).where(Flight.delay == worst)))
    assert found == sorted(latest.values()) and len(found) == 5


def test_one_nan_is_not_among_others_nor_looked_up() -> None:
    nan = float("nan")
    owners, pets = [Owner(score=nan), Owner(score=1.0), Owner()], [Pet(score=nan), Pet(score=1.0), Pet()]
    Q, P = aliased(owners), aliased(pets)
    with Session(":memory:") as session:
        for said in [
            Q.score.in_(select(P.score)),
            Q.score.in_(select(P.score).where(P.name == Q.name)),
            exists(select(P).where(P.score == Q.score)),
            select(func.count()).where(P.score == Q.score).scalar_subquery() > 0,
        ]:
            assert session.scalars(select(Q.score).where(said)).all() == [1.0, None], said


def test_conditions_on_items_ask_statements(session: Any) -> None:
    tails = select(Plane.tail).where(Plane.year > 2004)
    found = session.scalars(select(Flight).where(any_(Flight.stops, func.item().in_(tails)))).all()
    assert [flight.delay for flight in found] == [5, 12, 19]
    one = select(Plane).where(Plane.tail == "N1")
    assert ids(session.scalars(select(Flight).where(any_(Flight.via, func.item().in_(one))))) == [3, 4]


def test_plain_and_stored_collections_are_asked_by_an_alias() -> None:
    planes = [Plane(tail=f"N{n}", year=n) for n in range(5)]
    flights = [Flight(plane="N1", delay=3), Flight(plane="N1", delay=5), Flight(plane="N3", delay=1)]
    P, F = aliased(planes), aliased(flights)
    with Session(":memory:") as session:
        total = select(func.sum(F.delay)).where(F.plane == P.tail).scalar_subquery()
        assert session.scalars(select(total).select_from(P)).all() == [0, 8, 0, 1, 0]
        assert session.scalars(select(P.tail).where(exists(select(F).where(F.plane == P.tail)))).all() == ["N1", "N3"]
        assert session.scalars(select([1, 2, 3]).where(func.item().in_(select([2, 3, 4])))).all() == [2, 3]


def test_an_index_finds_what_a_statement_gives(tmp_path: Path) -> None:
    with Session(tmp_path / "i.par") as session:
        session.add_all(Pet(number=n, name=f"n{n % 50}") for n in range(3_000))
        session.add_all(Owner(number=n, name=f"n{n}") for n in range(5))
        session.commit()
        statement = select(Pet).where(Pet.number.in_(select(Owner.number).where(Owner.id < 3)))
        plan = session.explain(statement)
        assert "by the index of number" in str(plan)
        assert [str(each.statement) for each in plan.inner] == ["select(Owner.number).where(Owner.id < 3)"]
        assert "first: select(Owner.number).where(Owner.id < 3)" in str(plan)
        assert len(session.scalars(statement).all()) == 2
        highest = select(func.max(Owner.number)).scalar_subquery()
        assert "by the index of number" in str(session.explain(select(Pet).where(Pet.number == highest)))
        there = select(Pet).where(exists(select(Owner).where(Owner.number == Pet.number)))
        plan = session.explain(there)
        assert "by the index of number" in str(plan)
        assert str(plan.inner[0].statement) == "select(Owner.number, True)"
        assert [pet.number for pet in session.scalars(there)] == [0, 1, 2, 3, 4]
        assert repr(there) == "select(Pet).where(exists(select(Owner).where(Owner.number == Pet.number)))"


def test_a_statement_inside_runs_once_and_sees_the_same_state(session: Any) -> None:
    longest = select(func.max(Flight.delay)).scalar_subquery()
    statement = select(Flight.id, longest).where(Flight.delay == longest).order_by(longest)
    assert [tuple(row) for row in session.execute(statement)] == [(20, 19)]
    session.get_one(Flight, 3).delay = 40
    assert [tuple(row) for row in session.execute(statement)] == [(3, 40)]
    session.rollback()
    assert [tuple(row) for row in session.execute(statement)] == [(20, 19)]
    assert len(session.explain(statement).inner) == 1


def test_results_of_statements_need_no_rows(session: Any) -> None:
    late = select(Flight).where(Flight.delay > 18)
    longest = select(func.max(Flight.delay)).scalar_subquery()
    assert session.scalar(select(exists(late))) is True
    assert session.scalar(select(~exists(late.where(Flight.delay > 30)))) is True
    assert session.execute(select(late.exists().label("late"), longest + 1)).all() == [(True, 20)]
    assert session.execute(select(longest)).count() == 1
    assert "no collection: 1 rows" in str(session.explain(select(longest)))


COUNT = select(func.count()).select_from(Flight)
MISTAKES: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "two values": (lambda: select(Plane.tail, Plane.year).scalar_subquery(), ["one value a row", "has 2"]),
    "two values of a choice": (
        lambda: Plane.tail.in_(select(Plane.tail, Plane.year)),
        ["Plane.tail.in_", "one value a row", "has 2"],
    ),
    "whole rows as a value": (lambda: select(Plane).scalar_subquery(), ["func.key()", "select(Plane)"]),
    "rows of another class": (lambda: Flight.plane.in_(select(Flight)), ["Flight.plane", "no reference", "Flight"]),
    "rows among texts": (lambda: Plane.tail.in_(select(Plane)), ["Plane.tail", "no reference to the class Plane"]),
    "values of another type": (lambda: Plane.tail.in_(select(Plane.year)), ["Plane.tail", "Plane.year"]),
    "a statement as a value": (lambda: Plane.year == COUNT, ["scalar_subquery()", "in_()"]),
    "an existence of nothing": (lambda: exists(Plane), ["exists(statement)", "Plane"]),
    "a comparison of other types": (
        lambda: Plane.tail == select(func.max(Plane.year)).scalar_subquery(),
        ["Plane.tail", "scalar_subquery()"],
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_where_it_is_written(name: str) -> None:
    build, words = MISTAKES[name]
    with pytest.raises(QueryError) as caught:
        build()
    assert all(word in str(caught.value) for word in words), caught.value


RUNS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "a condition on the statement around it alone": (
        lambda: select(Plane).where(exists(select(Flight).where(Plane.year > 2002))),
        ["Plane.year > 2002", "Plane.year is of the statement around it", "where(Flight.field == Plane.year)"],
    ),
    "an order by the statement around it": (
        lambda: select(Plane).where(
            select(Flight.delay).order_by(Plane.year).limit(1).scalar_subquery() > 3
        ),
        ["Plane.year is of the statement around it", "where() alone"],
    ),
    "rows of neither": (
        lambda: select(Plane).where(exists(select(Flight).where(Flight.delay == Owner.number))),
        ["Owner.number is a field of Owner", "Flight"],
    ),
    "a statement two levels around": (
        lambda: select(Plane).where(
            exists(select(Flight).where(exists(select(Owner).where(Owner.name == Plane.tail))))
        ),
        ["Plane.tail is a field of Plane", "Owner"],
    ),
    "lists that are looked up": (
        lambda: select(Flight).where(exists(select(F2).where(F2.stops == Flight.stops))),
        ["F2.stops", "cannot be looked up", "unhashable"],
    ),
    "several values": (
        lambda: select(Plane).where(select(Flight.delay).scalar_subquery() > 3),
        ["select(Flight.delay).scalar_subquery() gives more than one row", "limit(1)"],
    ),
    "several values of a row": (
        lambda: select(select(Flight.delay).where(Flight.plane == Plane.tail).scalar_subquery()).select_from(Plane),
        ["gives more than one row for 'N0'", "limit(1)"],
    ),
    "an outer field where nothing is around": (
        lambda: select(Flight).where(Flight.plane == Plane.tail),
        ["Plane.tail is a field of Plane", "Flight"],
    ),
}  # fmt: skip
F2 = aliased(Flight, "F2")


@pytest.mark.parametrize("name", RUNS)
def test_a_statement_that_does_not_fit_says_so(name: str, session: Any) -> None:
    build, words = RUNS[name]
    with pytest.raises(QueryError) as caught:
        session.scalars(build()).all()
    assert all(word in str(caught.value) for word in words), caught.value
