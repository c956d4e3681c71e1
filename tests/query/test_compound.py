"""Unions, intersections and differences of statements, and statements as the rows of others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import (
    QueryError,
    Session,
    case,
    delete,
    desc,
    except_,
    exists,
    func,
    intersect,
    select,
    union,
    union_all,
    update,
)
from parcode_orm.query.expressions import nesting
from parcode_orm.query.nested import compound, derived
from parcode_orm.query.rows import columnar
from tests.query import plainly
from tests.query.families import VALUES, Owner, Pet, conditions, everything, families, same
from tests.query.test_random import limits, tables, tries

pytestmark = pytest.mark.once

MODULES = [compound, derived, columnar, nesting]
COMBINED: dict[str, Callable[..., Any]] = {
    "union": union,
    "union_all": union_all,
    "intersect": intersect,
    "except_": except_,
}


def marked(row: Any) -> Any:
    """A row as what is equal to itself: NaN is one value."""
    return tuple("nan" if value != value else value for value in row)


def combined(name: str, parts: list[list[Any]], mark: Callable[[Any], Any]) -> list[Any]:
    """What a set operation of SQL gives, by loops."""
    first, *others = parts
    if name == "union_all":
        return [row for part in parts for row in part]
    found: dict[Any, Any] = {}
    for row in [row for part in parts for row in part] if name == "union" else first:
        there = [any(mark(row) == mark(each) for each in part) for part in others]
        if name == "union" or (all(there) if name == "intersect" else not any(there)):
            found.setdefault(mark(row), row)
    return list(found.values())


@tries
@given(st.data())
def test_rows_of_values_are_those_that_loops_combine(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with families(draw, tmp_path / "f.par") as session:
        owners, pets = everything(session)
        for _ in range(2):
            names = draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=2, unique=True))
            statements, parts = [], []
            for _ in range(draw(st.integers(2, 3))):
                cls, rows = draw(st.sampled_from([(Owner, owners), (Pet, pets)]))
                where = draw(st.lists(conditions(cls), max_size=1))
                count, skip = limits(draw)
                statement = select(*(getattr(cls, name) for name in names)).where(*(each.said for each in where))
                statement = statement.order_by(cls.id.desc()).offset(skip)
                if count is not None:
                    statement = statement.limit(count)
                found = [row for row in reversed(rows) if all(each.plain(row) for each in where)]
                parts.append(
                    [
                        tuple(getattr(row, name) for name in names)
                        for row in found[skip:][: None if count is None else count]
                    ]
                )
                statements.append(statement)
            name = draw(st.sampled_from(list(COMBINED)))
            whole = COMBINED[name](*statements)
            expected = combined(name, parts, marked)
            found = [tuple(row) for row in session.execute(whole)]
            assert same(found, expected) and session.execute(whole).count() == len(expected)
            assert session.execute(whole).keys() == names
            key = statements[0]._outputs[0]
            ordered = whole.where(key != None).order_by(key.desc())  # noqa: E711
            known = [row for row in expected if row[0] is not None]
            nans = [row for row in known if row[0] != row[0]]
            by_value = nans + sorted([row for row in known if row[0] == row[0]], key=lambda row: row[0], reverse=True)
            count, skip = limits(draw)
            if count is not None:
                ordered = ordered.limit(count)
            found = [tuple(row) for row in session.execute(ordered.offset(skip))]
            assert same(found, by_value[skip:][: None if count is None else count])
            groups = select(func.count()).select_from(whole.subquery())
            assert session.scalar(groups) == len(expected)


@tries
@given(st.data())
def test_objects_are_told_apart_by_identity(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with families(draw, tmp_path / "f.par") as session:
        _, pets = everything(session)
        for _ in range(2):
            arms = draw(st.lists(conditions(Pet), min_size=2, max_size=3))
            name = draw(st.sampled_from(list(COMBINED)))
            whole = COMBINED[name](*(select(Pet).where(arm.said) for arm in arms))
            expected = combined(name, [[pet for pet in pets if arm.plain(pet)] for arm in arms], lambda pet: pet.id)
            found = session.scalars(whole).all()
            assert len(found) == len(expected) and all(map(lambda a, b: a is b, found, expected))
            assert session.scalars(whole).count() == len(expected)
            more = draw(conditions(Pet))
            statement = whole.where(more.said).order_by(Pet.born, Pet.id.desc()).limit(3)
            kept = [pet for pet in expected if more.plain(pet)]
            kept.sort(key=lambda pet: -pet.id)
            kept.sort(key=lambda pet: (pet.born is not None, pet.born))
            assert session.scalars(statement).all() == kept[:3]
            assert session.scalars(statement).column(Pet.id).tolist() == [pet.id for pet in kept[:3]]
            numbers = select(func.sum(Pet.number), func.count()).select_from(whole.subquery("pets"))
            with pytest.raises(QueryError):  # a column of objects has no fields of its own
                session.execute(numbers).all()
            inside = select(Pet.id).where(Pet.id.in_(COMBINED[name](*(select(Pet.id).where(a.said) for a in arms))))
            assert set(session.scalars(inside)) == {pet.id for pet in expected}


@tries
@given(st.data())
def test_objects_of_collections_are_told_apart(tmp_path: Path, data: st.DataObject) -> None:
    """Of one stored collection by their keys, of plain lists and of several collections by identity."""
    draw = data.draw
    with tables(draw, tmp_path / "world.par") as (session, world):
        listed = list(world.rows)
        for _ in range(2):
            one = draw(st.sampled_from([world.by, world.rows, listed]))
            other = draw(st.sampled_from([one, one, listed, world.rows]))
            if not (len(one) and len(other)):
                continue  # a plain list that is empty has no class
            conditions = draw(st.lists(plainly.conditions(), min_size=2, max_size=2))
            statements, parts = [], []
            for collection, wanted in zip((one, other), conditions, strict=True):
                pairs = list(collection.items() if hasattr(collection, "items") else enumerate(collection))
                statements.append(select(collection).where(wanted.said))
                parts.append([row for key, row in pairs if wanted.plain(key, row)])
            name = draw(st.sampled_from(list(COMBINED)))
            whole = COMBINED[name](*statements)
            expected = combined(name, parts, id)
            found = session.scalars(whole).all()
            assert [id(row) for row in found] == [id(row) for row in expected]
            nested = union(whole, statements[0])
            assert session.scalars(nested).count() == len({id(row) for row in [*expected, *parts[0]]})
            order = draw(plainly.orders())
            ordered = session.scalars(whole.order_by(order.said).limit(4)).all()
            assert list(map(id, ordered)) == [id(row) for _, row in plainly.in_order(enumerate(expected), [order])][:4]


@tries
@given(st.data())
def test_rows_of_a_statement_are_asked_by_another(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with families(draw, tmp_path / "f.par") as session:
        owners, pets = everything(session)
        place = func.row_number().over(partition_by=Pet.name, order_by=Pet.number.desc().nulls_last()).label("place")
        best = select(Pet.id, Pet.name, Pet.number, place).subquery("best")
        top: dict[Any, list[Pet]] = {}
        for pet in sorted(pets, key=lambda pet: (pet.number is None, -(pet.number or 0))):
            top.setdefault(pet.name, []).append(pet)
        count = draw(st.integers(0, 3))
        chosen = {pet.id for group in top.values() for pet in group[:count]}
        statement = select(best.c.id).where(best.c.place <= count).order_by(desc(best.c.id))
        assert session.scalars(statement).all() == sorted(chosen, reverse=True)
        pairs = (
            select(Owner.id, best.c.id)
            .join(best, best.c.name == Owner.name)
            .where(best.c.place == 1)
            .order_by(Owner.id, best.c.id)
        )
        expected = [(o.id, top[o.name][0].id) for o in owners if o.name in top]
        assert [tuple(row) for row in session.execute(pairs)] == expected
        per = (
            select(Pet.name, func.count().label("n"), func.max(Pet.number).label("most")).group_by(Pet.name).subquery()
        )
        sizes = select(per.c.n, func.count(), func.max(per.c.most)).group_by(per.c.n).order_by(per.c.n)
        by_size: dict[int, list[list[Pet]]] = {}
        for group in top.values():
            by_size.setdefault(len(group), []).append(group)
        most = lambda groups: max(
            (pet.number for group in groups for pet in group if pet.number is not None), default=None
        )
        assert [tuple(row) for row in session.execute(sizes)] == [
            (size, len(groups), most(groups)) for size, groups in sorted(by_size.items())
        ]
        share = select(per.c.n).where(per.c.name == Owner.name).scalar_subquery()
        assert [tuple(row) for row in session.execute(select(Owner.id, share))] == [
            (owner.id, len(top[owner.name]) if owner.name in top else None) for owner in owners
        ]


@pytest.fixture
def session(tmp_path: Path) -> Any:
    with Session(tmp_path / "p.par") as session:
        session.add_all(Pet(number=n, name="ab"[n % 2], score=n / 2) for n in range(6))
        session.add_all(Owner(number=n, name="bc"[n % 2]) for n in range(4))
        session.commit()
        yield session


def test_columns_and_rows_of_a_subquery(session: Any) -> None:
    pets = select(Pet.name, (Pet.number + 1).label("next"), Pet.number * 2, Pet).where(Pet.number < 2).subquery()
    assert [each._name for each in pets.c] == ["name", "next", "_2", "Pet"] and len(pets.c) == 4
    found = session.execute(select(pets)).all()
    assert [tuple(row)[:3] for row in found] == [("a", 1, 0), ("b", 2, 2)]
    assert found[0].Pet is session.get_one(Pet, 1)
    assert session.execute(select(pets.c["next"], pets.c.Pet.score)).all() == [(1, 0.0), (2, 0.5)]
    assert session.scalars(select(pets.c.Pet).where(pets.c.next > 1)).one() is session.get_one(Pet, 2)
    assert repr(select(pets.c.name).where(pets.c.next > 1)) == "select(subquery.name).where(subquery.next > 1)"
    session.get_one(Pet, 1).number = 7
    session.add(Pet(number=-5, name="c"))
    assert session.scalars(select(pets.c.name)).all() == ["b", "c"]
    nested = select(pets.c.next).where(pets.c.next < 2).subquery("low")
    assert session.scalars(select(nested.c.next)).all() == [-4]


def test_a_subquery_gives_objects_that_are_tracked(session: Any, tmp_path: Path) -> None:
    found = select(Pet, func.rank().over(order_by=Pet.score.desc()).label("rank")).subquery()
    best = session.scalars(select(found.c.Pet).where(found.c.rank == 1)).one()
    best.name = "best"
    session.commit()
    assert session.scalars(select(Pet.id).where(Pet.name == "best")).one() == best.id


def test_statements_of_statements(session: Any) -> None:
    a, b = select(Pet.name, Pet.number), select(Owner.name, Owner.number)
    whole = a.union(b)
    text = "union(select(Pet.name, Pet.number), select(Owner.name, Owner.number))"
    assert repr(whole) == text
    assert repr(whole.order_by(Pet.name).limit(2)) == f"{text}.order_by(union.name).limit(2)"
    assert (
        repr(whole.order_by(case((Pet.number > 2, 1)))) == f"{text}.order_by(case((union.number > 2, 1), else_=None))"
    )
    assert session.execute(whole).count() == 10 and session.execute(a.intersect(b)).count() == 0
    assert session.execute(a.union_all(a, a)).count() == 18 and session.execute(a.except_(a)).all() == []
    names = select(Pet.name).intersect(select(Owner.name))
    assert session.scalars(names).all() == ["b"]
    assert sorted(session.scalars(union(names, select(Owner.name)))) == ["b", "c"]
    assert session.execute(whole.order_by(Pet.number.desc(), Pet.name)).first() == ("b", 5)
    first = whole.order_by(Pet.number, Pet.name).limit(3)
    rows = session.execute(first).all()
    assert rows == [("a", 0), ("b", 0), ("b", 1)]
    later = whole.order_by(Pet.number, Pet.name).limit(2, after=rows[1][::-1])
    assert session.execute(later).all() == [("b", 1), ("c", 1)]
    counts = whole.group_by(Pet.name)._with(_outputs=(Pet.name, func.count()))
    assert dict(map(tuple, session.execute(counts).all())) == {"a": 3, "b": 5, "c": 2}
    highest, lowest = session.execute(whole).columns(Pet.number, -Pet.number)
    assert highest.dtype == "int64" and (highest == -lowest).all()
    assert session.scalars(union(select([3, 1, 1]), select([1, 2]))).all() == [3, 1, 2]
    assert session.scalars(select(Pet.id).where(exists(names))).all() == list(range(1, 7))


def test_rows_of_a_union_are_no_rows_to_change(session: Any) -> None:
    pets = union(select(Pet.id).where(Pet.number < 2), select(Pet.id).where(Pet.number > 4))
    wanted = Pet.id.in_(pets)
    assert session.execute(update(Pet).where(wanted).values(name="end")) == 3
    assert session.execute(delete(Pet).where(wanted)) == 3
    assert session.scalars(select(Pet.number)).all() == [2, 3, 4]
    for change in (update, delete):
        with pytest.raises(QueryError, match="takes a list"):
            change(pets.subquery())


def test_the_plan_has_those_of_the_statements_inside(session: Any) -> None:
    whole = union(select(Pet).where(Pet.number == 3), select(Pet).where(Pet.score > 1)).order_by(Pet.id)
    plan = session.explain(whole)
    assert [each.statement for each in plan.inner] == [
        "select(Pet).where(Pet.number == 3)",
        "select(Pet).where(Pet.score > 1)",
    ]
    assert "the rows of union(): 3 rows" in str(plan) and "first: select(Pet).where(Pet.number == 3)" in str(plan)
    best = select(Pet.id, Pet.number).where(Pet.score > 1).subquery("best")
    plan = session.explain(select(best.c.id).where(best.c.number > 4))
    assert "filter: best.number > 4" in plan.steps and "the rows of a subquery: 3 rows" in str(plan)


OTHER = select(Pet.id).subquery("other")
BEST = select(Pet.name, Pet.number).subquery("best")
MISTAKES: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "one statement": (lambda: union(select(Pet)), ["union()", "two statements"]),
    "no statement": (lambda: intersect(select(Pet), Pet), ["intersect()", "Pet"]),
    "other numbers of values": (
        lambda: except_(select(Pet.id), select(Pet.id, Pet.name)),
        ["except_()", "1, 2", "select(Pet.id, Pet.name)"],
    ),
    "a column that is not there": (lambda: BEST.c.rank, ["best", "'rank'", "name, number"]),
    "a column of the subquery itself": (lambda: BEST.name, ["best.c.name"]),
    "a name that is none": (lambda: select(Pet).subquery("a b"), ["subquery(name)", "'a b'"]),
    "a column of another type": (lambda: BEST.c.number == "x", ["best.number", "'x'"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_where_it_is_written(name: str) -> None:
    build, words = MISTAKES[name]
    with pytest.raises(QueryError) as caught:
        build()
    assert all(word in str(caught.value) for word in words), caught.value


RUNS: dict[str, tuple[Any, list[str]]] = {
    "an order by what is not given": (
        union(select(Pet.name), select(Owner.name)).order_by(Pet.number),
        ["Pet.number", "union"],
    ),
    "values without a hash": (
        union(select(func.item()).select_from([[1]]), select(func.item()).select_from([[1]])),
        ["cannot be told apart", "unhashable"],
    ),
    "a column of another subquery": (select(BEST.c.name).where(OTHER.c.id > 3), ["other.id"]),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_a_statement_that_does_not_fit_says_so(name: str, session: Any) -> None:
    statement, words = RUNS[name]
    with pytest.raises(QueryError) as caught:
        session.scalars(statement).all()
    assert all(word in str(caught.value) for word in words), caught.value
