"""Statements that find a few entities: the short ways that they take give what the long ones give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Index, Key, Model, QueryError, Session, delete, func, select, update
from parcode_orm.codec.base import ATOMS
from parcode_orm.query.expressions.evaluate import Frame
from parcode_orm.query.rows import filtering
from parcode_orm.query.rows.sources import InMemoryBatch
from parcode_orm.query.running import engine, update_delete
from parcode_orm.session import as_read, dirty
from parcode_orm.session.entity import points, queries
from parcode_orm.table.row_group import Group

pytestmark = pytest.mark.once

COUNT = 3_000


class Account(Model):
    id: int = Key()
    email: str = Index(unique=True)
    group: int = Index()
    city: str = Index()
    open: bool = Index(default=True)
    level: int | None = Index(default=None)
    score: float = 0.0
    tags: list[str] = []
    __indexes__ = (Index("city", "group"),)


def account(n: int) -> Account:
    level = None if n % 3 else n % 50
    return Account(id=n, email=f"a{n}@b", group=n % 700, city=f"c{n % 900}", open=n % 900 > 1, level=level, score=n / 4)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    path = tmp_path / "accounts.par"
    with Session(path, durability="fast") as session:
        session.add_all(map(account, range(COUNT)))
        session.commit()
    with Session(path, durability="fast") as session:
        yield session


def conditions() -> list[tuple[Any, ...]]:
    A: Any = Account
    return [
        (A.id == 7,), (A.id == -1,), (A.id.is_(None),), (A.id.is_(True),), (A.email == "a9@b",), (A.email == "none",),
        (A.email.is_(None),), (A.group == 5,), (A.group == 5, A.city == "c5"), (A.group == 5, A.score < 300),
        (A.id == 7, A.group == 7), (A.id == 7, A.group == 8), (A.email == "a9@b", A.level.is_(None)),
        (A.score > 1, A.email == "a9@b"), (A.city == "c7",), (A.open.is_(False),), (A.open.is_(True),), (A.level == 9,),
        (A.level.is_(None),), (A.group == 5.0,), (A.group.is_(True),), (A.score == 4,), ((A.id == 7) | (A.group == 3),),
        (A.group != 5, A.id == 6), (A.tags == ["x"], A.id == 6),
    ]  # fmt: skip


def asked(session: Session) -> list[Any]:
    """What statements with these conditions give, and how they find it."""
    found: list[Any] = []
    for where in conditions():
        statement = select(Account).where(*where)
        found.append(sorted(each.id for each in session.scalars(statement)))
        found.append(session.scalars(statement).count())
        found.append(session.scalar(select(func.count()).select_from(Account).where(*where)))
        found.append(session.scalars(select(Account.id).where(*where).order_by(Account.score.desc()).limit(2)).all())
        found.append(str(session.explain(statement)))
    return found


@pytest.mark.parametrize("changed", [False, True])
def test_the_short_way_to_one_value_is_the_one_that_planning_finds(
    session: Session, monkeypatch: pytest.MonkeyPatch, changed: bool
) -> None:
    if changed:
        session.get_one(Account, 5).group = 8
        session.get_one(Account, 8).email = "a9@b+"
        session.delete(session.get_one(Account, 705))
        session.add(Account(id=COUNT, email="new", group=5, city="c5"))
        session.get_one(Account, 9).tags.append("x")
    asked(session)  # some rows are held from then on
    short = asked(session)
    monkeypatch.setattr(queries, points.point_way.__name__, lambda *given: None)
    assert asked(session) == short


def test_the_short_way_is_taken(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "best_way", None)
    assert [each.id for each in session.scalars(select(Account).where(Account.group == 5))] == [
        5,
        705,
        1405,
        2105,
        2805,
    ]
    assert session.scalars(select(Account).where(Account.email == "a9@b")).one().id == 9
    assert session.scalars(select(Account).where(Account.id == 9, Account.score > 2)).one().id == 9


def test_a_statement_looks_at_no_object_that_is_as_it_was_read(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It compared all objects that the program had with their rows: each small statement cost as much as a commit."""
    kept = session.scalars(select(Account)).all()
    assert sum(each.group for each in kept) and len(kept) == COUNT
    looked: list[Group] = []
    alive = Group.alive
    monkeypatch.setattr(Group, "alive", lambda group: looked.append(group) or alive(group))
    assert session.scalars(select(Account).where(Account.group == 5)).count() == 5
    assert session.scalars(select(Account).where(Account.email == "a9@b")).one() is kept[9]
    kept[9].group = 5
    assert session.scalars(select(Account).where(Account.group == 5)).count() == 6
    assert not looked
    session.commit()
    assert looked


def test_the_index_of_a_few_entities_is_not_read(tmp_path: Path) -> None:
    """The short way opened the runs of the index before it was known that a scan is as fast."""
    with Session(tmp_path / "few.par") as session:
        session.add_all(map(account, range(9)))
        session.commit()
    with Session(tmp_path / "few.par") as session:
        session.scalars(select(Account)).first()
        before = session.stats.chunks_read
        assert session.scalars(select(Account).where(Account.group == 5)).count() == 1
        assert session.stats.chunks_read == before


def test_a_key_leads_to_its_entity_however_few_there_are(tmp_path: Path) -> None:
    with Session(tmp_path / "few.par") as session:

        def by_key(n: int, how: str = "by key") -> Any:
            statement = select(Account).where(Account.id == n)
            assert how in str(session.explain(statement))
            return session.scalars(statement).one_or_none()

        session.add_all(map(account, range(5)))
        session.commit()
        held = by_key(3)
        assert held.email == "a3@b" and by_key(5) is None
        assert session.scalars(select(Account).where(Account.id == 3, Account.score > 9)).all() == []
        held.score = 7.0
        assert session.execute(update(Account).where(Account.id == 3).values(score=Account.score + 1)) == 1
        assert by_key(3) is held and held.score == 8
        session.add(account(7))
        assert by_key(7, "scan").email == "a7@b"  # who is in memory is looked at beside those that a key finds
        assert session.execute(delete(Account).where(Account.id == 4)) == 1 and by_key(4, "scan") is None
        session.commit()
        held.id = 9  # under its former key until the commit
        assert session.scalars(select(Account.email).where(Account.id == 9)).all() == ["a3@b"]
        assert session.scalars(select(Account.email).where(Account.id == 3)).all() == []
        session.commit()
        assert by_key(9) is held and by_key(3) is None


def test_a_change_compares_no_row_anew_that_was_changed_before(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each update compared all rows that earlier ones had changed with what is stored, and was prepared twice."""
    read: list[int] = []
    prepared: list[Any] = []
    for n in range(40):
        session.execute(update(Account).where(Account.group == n).values(score=1.0))
    first, last = update_delete.prepared, as_read.unlike
    monkeypatch.setattr(update_delete, "prepared", lambda given: prepared.append(given) or first(given))
    monkeypatch.setattr(engine, "prepared", lambda given: prepared.append(given) or first(given))
    monkeypatch.setattr(dirty, "unlike", lambda *given, **names: read.append(1) or last(*given, **names))
    assert session.execute(update(Account).where(Account.group == 41).values(score=1.0)) == 5
    assert session.execute(delete(Account).where(Account.id == 42)) == 1
    assert not read
    assert len(prepared) == 2


def test_a_value_that_goes_back_and_forth_is_found_each_time(session: Session) -> None:
    obj, other = session.get_one(Account, 5), session.get_one(Account, 6)

    def of_group(group: int) -> list[int]:
        return sorted(each.id for each in session.scalars(select(Account).where(Account.group == group)))

    whole = [5, 705, 1405, 2105, 2805]
    for group in (699, 5, True, 698, 5):
        obj.group, other.score = group, 0.0 * group
        assert of_group(5) == (whole if obj.group == 5 else whole[1:])
        assert (5 in of_group(group)) and other.id in of_group(6)
    session.commit()
    assert of_group(5) == whole
    obj.group = 6
    assert of_group(5) == whole[1:] and 5 in of_group(6)
    session.rollback()
    assert of_group(5) == whole


VALUES: list[Any] = [None, 1, 2, True, 2.0, -0.0, float("nan"), 1 << 70]


@pytest.mark.parametrize("operator", ["==", "!=", "<", "<=", ">", ">="])
@pytest.mark.parametrize("value", [1, 1.5, True, float("nan"), 1 << 70])
def test_objects_that_are_compared_one_by_one_are_those_that_arrays_find(operator: str, value: Any) -> None:
    A: Any = Account
    rows = [Account.model_construct(id=n, level=each, tags=[]) for n, each in enumerate(VALUES)]
    assert ATOMS.issuperset(map(type, VALUES))
    compare = {"==": "__eq__", "!=": "__ne__", "<": "__lt__", "<=": "__le__", ">": "__gt__", ">=": "__ge__"}[operator]
    for where in ([getattr(A.level, compare)(value)], [A.id < 6, getattr(A.level, compare)(value)]):
        batch = InMemoryBatch(rows)
        short, long = filtering.found(batch, where), filtering.matched(where, batch, None)
        assert places(short) == places(long)


def places(frame: Frame) -> list[int]:
    return list(range(len(frame))) if frame.rows is None else frame.rows.tolist()


def test_what_cannot_be_compared_is_told_as_arrays_tell_it() -> None:
    rows = [Account.model_construct(id=1, level="high", tags=[])]
    with pytest.raises(QueryError, match=r"Account\.level > 3"):
        filtering.found(InMemoryBatch(rows), [Account.level > 3])  # type: ignore[operator, list-item]


def test_the_sum_of_one_bool_is_a_number_everywhere(session: Session) -> None:
    rows = [account(n) for n in (0, 1, 2, 5)]
    for source in (rows, Account):
        sums = select(Account.id, func.sum(Account.open)).select_from(source).where(Account.id < 3)
        for found in (
            session.execute(sums.group_by(Account.id)).all(),
            session.execute(sums.group_by(Account.id)).all(),
        ):
            assert [type(row[1]) for row in found] == [int] * 3 and [row[1] for row in found] == [0, 0, 1]
        assert type(session.scalar(select(func.sum(Account.open)).select_from(source).where(Account.id == 2))) is int
