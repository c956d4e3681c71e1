"""Statements of fields of one class take a short way. They give what the long one gives."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, cast

import pytest

from parcode_orm import (
    Chunk,
    Index,
    Key,
    Model,
    QueryError,
    Ref,
    Session,
    aliased,
    delete,
    desc,
    exists,
    func,
    select,
    update,
)
from parcode_orm.query.expressions import simple
from parcode_orm.query.expressions.computed import Searched
from parcode_orm.query.expressions.nodes import Aggregate
from parcode_orm.query.expressions.simple import is_simple, varied
from parcode_orm.query.rows import rows_by_id as selected
from parcode_orm.query.running import engine, prepared, text_lookup, update_delete

pytestmark = pytest.mark.once


class Owner(Model):
    id: int = Key()
    name: str = ""


class Boat(Model):
    id: int = Key()
    feet: int = Index(0)
    name: str = Index("", text=True)
    owner: Ref[Owner] | None = None


class Yacht(Boat):
    cabins: int = 0


def test_what_is_simple() -> None:
    simple = select(Boat).where(Boat.feet > 3, (Boat.name == "Ann") | ~(Boat.feet + 1 == 4)).order_by(desc(Boat.id))
    assert (
        is_simple(simple)
        and is_simple(select(Boat.id, Boat.feet).select_from(Boat))
        and is_simple(select(Boat.id, Boat.feet).where(Boat.feet > 3))
        and is_simple(select(Boat).where(Boat.owner == 3))
        and is_simple(select(cast(Any, Boat.feet).label("size"), Boat.id).where(Boat.feet > 3))
    )
    others: list[Any] = [
        select(Boat).where(Boat.owner.name == "Ann"),
        select(Boat).where(func.key() == 3),
        select(Boat).join(Owner, Boat.owner == Owner.id),
        select(Boat).where(exists(select(Owner).where(Owner.id == Boat.id))),
        select(aliased(Boat)),
        select(Boat.id, Owner.id),
        select(Boat.id).where(Owner.id == 3),
        select(Boat, func.rank().over(order_by=Boat.feet)),
        select(Yacht).where(Boat.feet > 3),
        select(Boat.feet).select_from([Boat(id=1)]),
    ]
    assert not any(map(is_simple, others))
    assert not is_simple(select(func.max(Boat.feet)).select_from(Boat))
    assert is_simple(select(func.max(Boat.feet)).select_from(Boat), Aggregate)
    assert not is_simple(select(Boat).where(Boat.name.matches("a")))
    assert is_simple(select(Boat).where(Boat.name.matches("a")), (Aggregate, Searched))
    assert varied(simple, _limit=3)._limit == 3 and simple._limit is None


@pytest.mark.parametrize("looked_up", [64, 2])
def test_both_ways_give_the_same(monkeypatch: pytest.MonkeyPatch, looked_up: int) -> None:
    monkeypatch.setattr(selected, "LOOKED_UP", looked_up)
    random, session = Random(3), Session(":memory:")
    words = ["red", "blue", "sea", "gull", "wind", "rare"]
    session.add_all(
        Boat(id=n, feet=random.randrange(50), name=" ".join(random.choices(words, (9, 9, 9, 9, 9, 1), k=2)))
        for n in range(400)
    )
    session.commit()
    Boats: Any = Boat
    search = Boats.name.matches("rare -sea")
    statements: list[Any] = [
        select(Boat).where(Boat.feet == 7),
        select(Boat.id).where(Boat.feet == 7, Boat.id > 20).order_by(desc(Boat.id)).limit(3),
        select(func.count(), func.max(Boat.id)).select_from(Boat).where(Boat.feet.in_([3, 4])),  # type: ignore[attr-defined]
        select(Boat.feet, func.count()).group_by(Boat.feet).having(func.count() > 8).order_by(Boat.feet),
        select(Boat).where(search),
        select(Boat.id).where(search),
        select(Boat.id, Boat.id).where(search & Boats.name.matches("rare")).offset(1).limit(2),
        select(Boat.id).where(search, Boat.feet > 3),
        select(Boat.id).where(search).distinct(),
        select(Boat.id, Boats.name.bm25("rare gull"))
        .where(search)
        .order_by(desc(Boats.name.bm25("rare gull")), Boat.id),
        select(func.count()).select_from(Boat).where(search),
        select(Boat).order_by(Boat.feet, Boat.id).limit(4),
        select(Boat.feet).distinct().order_by(Boat.feet).limit(5),
        select(func.sum(Boat.feet), func.count(Boat.name)).where(Boat.id > 9),
        select(func.max(Boats.name.bm25("rare"))).where(search),
        select(Boat.name, func.max(Boat.feet)).where(Boat.feet < 40).group_by(Boat.name).order_by(Boat.name),
        select(func.avg(Boat.feet)).group_by(Boat.name).order_by(Boat.name),
        select(Boats.feet.label("size"), Boat.id, func.key().label("key")).where(Boat.feet == 7),
        select(Boats.feet.label("size"), (Boat.id + 1).label("next")).order_by(desc(Boats.feet.label("size")), Boat.id),
        select(Boats.feet.label("size"), func.count().label("number")).group_by(Boats.feet.label("size")),
        select(Boats.id.label("key"), Boats.name.bm25("rare").label("score")).where(search).order_by(Boat.id),
        select(func.max(Boat.feet).label("most"), (func.sum(Boat.feet) + 1).label("all")),
    ]
    for turn in range(4):
        for statement in statements:
            found = session.execute(statement).all()
            count = session.execute(statement).count()
            with pytest.MonkeyPatch.context() as patch:
                for module in (simple, engine, prepared, text_lookup):
                    patch.setattr(module, "is_simple", lambda *_: False)
                long = varied(statement)  # nothing is known of it yet
                assert session.execute(long).all() == found and len(found) == count > 0
                assert session.execute(long).count() == count and not long._facts["quick"]
        for boat in session.scalars(select(Boat).where(Boat.id < 40).limit(5 * turn)):
            boat.name = random.choice(words)
            boat.feet = random.randrange(50)
        session.add(Boat(id=1000 + turn, feet=7, name="rare gull"))
        (session.commit, session.flush)[turn % 2]()


def test_changes_by_both_ways_are_the_same() -> None:
    random = Random(5)
    boats = [Boat(id=n, feet=random.randrange(9), name=random.choice(["red", "blue"])) for n in range(300)]
    changes: list[Any] = [
        update(Boat).where(Boat.id == 7).values(feet=Boat.feet + 1),
        update(Boat).where(Boat.feet > 6, Boat.id < 200).values(name=Boat.name + "!", feet=Boat.feet * 2),
        delete(Boat).where(Boat.id == 8),
        delete(Boat).where((Boat.feet == 3) | (Boat.id == 9)),
        update(Boat).values(owner=None, feet=Boat.id),
        delete(Boat).where(Boat.id > 290),
        delete(Boat),
    ]

    def states(session: Session) -> Iterator[Any]:
        session.add_all(boat.model_copy() for boat in boats)
        session.commit()
        held = session.scalars(select(Boat).where(Boat.id.in_([7, 30, 31]))).all()  # type: ignore[attr-defined]
        for change in changes:
            yield session.execute(change), [(each.id, each.feet) for each in held]
            yield session.execute(select(Boat.id, Boat.feet, Boat.name).order_by(Boat.id)).all()
            session.commit()

    with Session(":memory:") as one, Session(":memory:") as other, pytest.MonkeyPatch.context() as patch:
        short = list(states(one))
        patch.setattr(update_delete, "is_simple", lambda _: False)
        assert short == list(states(other))


def test_keys_of_stored_rows_that_words_find_are_all_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    session, Boats = Session(":memory:"), cast(Any, Boat)
    session.add_all(Boat(id=n, name="rare" if n % 40 == 3 else "gull") for n in range(400))
    session.commit()
    statement = select(Boat.id).where(Boats.name.matches("rare"))
    expected = list(range(3, 400, 40))
    with monkeypatch.context() as patch:
        patch.setattr(selected.SelectedSource, "batches", None)
        assert session.scalars(statement).all() == list(session.scalars(statement)) == expected
        assert session.execute(statement.offset(2).limit(3)).all() == [(83,), (123,), (163,)]
        assert session.scalars(statement.offset(50)).all() == [] and session.scalars(statement).first() == 3
        assert session.scalars(statement).column(Boat.id).tolist() == expected
    session.get_one(Boat, 43).name = "gull"
    session.get_one(Boat, 44).name = "rare"
    session.delete(session.get_one(Boat, 83))
    session.add(Boat(id=500, name="rare"))
    expected = sorted({*expected, 44, 500} - {43, 83})
    assert session.scalars(statement).all() == expected
    session.commit()
    assert session.scalars(statement).all() == expected


def test_errors_are_those_of_the_long_way() -> None:
    session = Session(":memory:")
    with pytest.raises(QueryError, match=r"having\(\) chooses groups"):
        session.execute(select(Boat).having(Boat.feet > 3)).all()
    with pytest.raises(QueryError, match="is of each row, and the result has groups"):
        session.execute(select(Boat.id, func.count())).all()
    assert session.scalars(select(Boat).where(Boat.feet == 3)).all() == []


class Fleet(Model):
    boats: list[Boat] = Chunk()


def test_what_is_known_of_a_statement_goes_with_no_other() -> None:
    boats = [Boat(id=n, feet=n % 7) for n in range(40)]
    with Session(":memory:") as one, Session(":memory:") as other:
        one.add_all(boats[:20])
        other.add_all(Boat(id=each.id, feet=each.feet) for each in boats)
        asked = select(Boat.id).where(Boat.feet == 3).order_by(Boat.id)
        for _ in range(2):
            assert one.scalars(asked).all() == [3, 10, 17]
            assert other.scalars(asked).all() == [3, 10, 17, 24, 31, 38]
            assert one.scalar(asked) == 3
            assert other.scalars(asked.limit(2).offset(1)).all() == [10, 17]
            assert other.scalars(asked.where(Boat.id > 20)).all() == [24, 31, 38]
            assert other.scalars(asked.limit(2, after=10)).all() == [17, 24]
        one.add(Boat(id=24, feet=3))  # a statement that ran before sees what is pending
        assert one.scalars(asked).all() == [3, 10, 17, 24]
        least = select(func.min(Boat.id)).select_from(Boat).where(Boat.feet > 4)
        assert one.scalar(least) == other.scalar(least) == 5


def test_statements_over_lazy_collections_of_models_are_simple() -> None:
    with Session(":memory:") as session:
        session.add(Fleet(boats=[Boat(id=n, feet=n % 7) for n in range(3000)]))
        session.commit()
        session.expire_all()
        boats = session.root(Fleet).boats
        asked = select(boats).where(Boat.id == 777)
        assert is_simple(asked) and not is_simple(select(boats).where(func.key() == 777))
        assert [boat.feet for boat in session.scalars(asked)] == [0]
        boats[777].id = 5
        assert [boat.feet for boat in session.scalars(select(boats.load()).where(Boat.id == 777))] == []
        assert session.scalars(asked).all() == []
