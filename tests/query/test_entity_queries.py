"""Statements over entities give what Python gives over the objects, whether keys, an index or a scan finds them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import Index, IntegrityError, Key, Model, QueryError, Session, delete, func, select, update
from parcode_orm.session.entity import indexes, queries
from tests.effort import half

pytestmark = pytest.mark.once

COUNT = 600  # rows that are stored first


class Rank(Enum):
    LOW = 1
    MIDDLE = 2
    HIGH = 3


class Member(Model):
    id: int = Key(auto=True)
    name: str = Index(unique=True)
    level: int | None = Index(default=None)
    guild: str = Index(default="")
    rank: Rank = Index(default=Rank.LOW)
    text: str = ""


class Seat(Model):
    row: str = Key()
    number: int = Key()
    taken: bool = False


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes are asked for many rows too, and have several runs with fences in them."""
    monkeypatch.setattr(queries, "SHARE", 1)
    monkeypatch.setattr(indexes, "STEP", 4)


def filled(path: Path) -> Session:
    session = Session(path, durability="fast")
    for at in range(COUNT):
        text = f"{at} " * 32  # so that they are many enough for a table
        session.add(Member(name=f"m{at}", level=at % 7 or None, guild=f"g{at % 50}", rank=Rank(at % 3 + 1), text=text))
    session.commit()
    return session


CONDITIONS: list[tuple[Any, Any]] = [
    (lambda v: Member.level == v, lambda m, v: m.level == v),
    (lambda v: Member.level > v, lambda m, v: m.level is not None and m.level > v),
    (lambda v: Member.level <= v, lambda m, v: m.level is not None and m.level <= v),
    (lambda v: Member.level.between(v, v + 1), lambda m, v: m.level is not None and v <= m.level <= v + 1),
    (lambda v: Member.level.in_([v, v + 2]), lambda m, v: m.level in (v, v + 2)),
    (lambda v: (Member.level >= v) & (Member.level < v + 2), lambda m, v: m.level is not None and v <= m.level < v + 2),
    (lambda v: Member.guild == f"g{v}", lambda m, v: m.guild == f"g{v}"),
    (lambda v: Member.guild.startswith(f"g{v}"), lambda m, v: m.guild.startswith(f"g{v}")),
    (lambda v: Member.name == f"m{v}", lambda m, v: m.name == f"m{v}"),
    (lambda v: Member.name.in_([f"m{v}", "other", "none"]), lambda m, v: m.name in (f"m{v}", "other", "none")),
    (lambda v: Member.rank == Rank(v % 3 + 1), lambda m, v: m.rank == Rank(v % 3 + 1)),
    (lambda v: Member.id == v, lambda m, v: m.id == v),
    (lambda v: Member.id.in_([v, v * 50, 10_000]), lambda m, v: m.id in (v, v * 50, 10_000)),
    (lambda v: (Member.guild == f"g{v}") & (Member.level > 3), lambda m, v: m.guild == f"g{v}" and (m.level or 0) > 3),
    (lambda v: Member.level == None, lambda m, v: m.level is None),  # noqa: E711
]

STEPS = st.lists(
    st.tuples(
        st.sampled_from("level guild rank name key delete add commit rollback reopen compact save undo".split()),
        st.integers(0, COUNT + 20),
        st.integers(0, 9),
    ),
    max_size=12,
)


def change(session: Session, step: str, at: int, value: int) -> Session:
    member = session.get(Member, at)
    if step == "add":
        session.add(Member(name=f"new{at}.{value}.{len(session.new)}", level=value, guild=f"g{value}"))
    elif step == "commit":
        session.commit()
    elif step == "rollback":
        session.rollback()
    elif step in ("reopen", "compact"):
        session.commit()
        if step == "compact":
            session.compact()
        path = session._called
        session.close()
        return Session(path, durability="fast")
    elif step in ("save", "undo"):
        with session.begin_nested() as savepoint:
            for each in session.scalars(select(Member).where(Member.guild == f"g{value}")):
                each.level = at
            if step == "undo":
                savepoint.rollback()
    elif member is None:
        return session
    elif step == "level":
        member.level = value or None
    elif step == "guild":
        member.guild = f"g{value}"
    elif step == "rank":
        member.rank = Rank(value % 3 + 1)
    elif step == "name":
        member.name = f"renamed {at}"
    elif step == "key":
        member.id = 10_000 + at
        session.flush()
        session.commit()
    elif step == "delete" and member not in session.new:
        session.delete(member)
    return session


def agree(session: Session, values: list[int]) -> None:
    members = sorted(session.scalars(select(Member)), key=lambda member: member.id)
    for value in values:
        for condition, plain in CONDITIONS:
            found = session.scalars(select(Member).where(condition(value))).all()
            wanted = [member for member in members if plain(member, value)]
            assert sorted(map(id, found)) == sorted(map(id, wanted)), (str(condition(value)), value)


@half(30)
@given(STEPS, st.integers(0, 9))
def test_indexes_and_scans_agree_after_any_changes(tmp_path_factory: Any, steps: list[Any], value: int) -> None:
    path = tmp_path_factory.mktemp("queries") / "members"
    session = filled(path)
    for step in steps:
        session = change(session, *step)
    agree(session, [value])
    session.commit()
    agree(session, [value])
    session.close()
    with Session.open(path) as reader:
        agree(reader, [value])
    if not any(step == "compact" for step, *_ in steps):
        with Session.open(path, at=1) as earlier:
            assert earlier.scalar(select(func.count()).select_from(Member)) == COUNT
            agree(earlier, [value])


def test_the_plan_names_the_index_that_finds_the_rows(tmp_path: Path) -> None:
    with filled(tmp_path / "f") as session:
        assert "by the index of guild" in str(session.explain(select(Member).where(Member.guild == "g7")))
        assert "by the index of name" in str(session.explain(select(Member).where(Member.name == "m7")))
        assert "by key" in str(session.explain(select(Member).where(Member.id == 7)))
        assert "scan" in str(session.explain(select(Member).where(Member.text == "y")))


def test_an_index_reads_a_small_part_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "STEP", 256)
    monkeypatch.setattr(queries, "SHARE", 16)
    path = tmp_path / "f"
    with Session(path) as session:
        session.add_all(Member(name=f"m{at}", guild=f"g{at % 5000}") for at in range(20_000))
        session.commit()
    with Session.open(path) as session:
        session.scalar(select(func.count()).select_from(Member))
        before = session.stats.bytes_read
        assert len(session.scalars(select(Member).where(Member.guild == "g4321")).all()) == 4
        assert session.stats.bytes_read - before < path.stat().st_size / 4  # four row groups, and the index


def test_a_composite_key_is_looked_up_by_all_its_fields(tmp_path: Path) -> None:
    with Session(tmp_path / "f") as session:
        session.add_all([Seat(row=row, number=number) for row in "abcdefghij" for number in range(900)])
        session.commit()
        statement = select(Seat).where(Seat.row == "c", Seat.number == 8)
        assert session.scalars(statement).one() is session.get(Seat, ("c", 8))
        assert "look up 1 rows by key" in str(session.explain(statement))
        assert session.scalar(select(func.count()).select_from(Seat).where(Seat.row == "c")) == 900


def test_update_and_delete_statements_are_undone_by_rollback_and_kept_by_commit(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with filled(path) as session:
        held = session.get_one(Member, 8)
        assert session.execute(update(Member).where(Member.guild == "g7").values(level=70)) == COUNT // 50
        assert held.level == 70
        session.rollback()
        assert held.level == 7 % 7 or held.level is None
        session.execute(update(Member).where(Member.guild == "g7").values(level=70))
        assert session.execute(delete(Member).where(Member.guild == "g8")) == COUNT // 50
        assert len(session.deleted) == COUNT // 50
        session.commit()
    with Session.open(path) as session:
        assert session.scalars(select(Member).where(Member.guild == "g8")).all() == []
        assert {member.level for member in session.scalars(select(Member).where(Member.guild == "g7"))} == {70}


def test_a_statement_that_breaks_a_unique_field_stores_nothing(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with filled(path) as session:
        session.execute(update(Member).where(Member.id <= 2).values(name="same"))
        with pytest.raises(IntegrityError, match=r"Member\.name: 'same' is the value of two objects"):
            session.commit()
        session.rollback()
        assert session.scalars(select(Member).where(Member.name == "m1")).one().id == 2


def test_entities_that_were_never_stored_are_queried(tmp_path: Path) -> None:
    with Session(tmp_path / "f") as session:
        assert session.scalars(select(Member).where(Member.level > 3)).all() == []
        assert session.scalar(select(func.count()).select_from(Member)) == 0
        session.add(member := Member(name="a", level=5))
        assert session.scalars(select(Member).filter_by(level__gt=3)).one() is member
        session.add_all(Member(name=f"b{at}", level=at) for at in range(5000))
        assert session.scalar(select(func.max(Member.level))) == 4999
        assert session.scalars(select(Member).where(Member.level == 4321)).one().name == "b4321"


def test_a_statement_over_a_class_needs_a_session() -> None:
    with pytest.raises(QueryError, match="session"):
        from parcode_orm import explain

        explain(select(Member).where(Member.level > 3))


class Measure(Model):
    id: int = Key(auto=True)
    value: float = 0.0
    good: bool = False
    number: int | None = None


@pytest.mark.parametrize("state", ["new", "stored", "changed"])
def test_numbers_that_are_equal_to_none_are_found_nowhere(state: str) -> None:
    nan = float("nan")
    with Session(":memory:") as session:
        session.add_all([Measure(value=nan if at % 2 else at, good=at % 2 == 0, number=at % 2) for at in range(40)])
        if state != "new":
            session.commit()
        if state == "changed":
            session.execute(update(Measure).values(value=Measure.value))
            for each in session.scalars(select(Measure).where(Measure.good == False)):  # noqa: E712
                each.value = nan
        assert len(session.scalars(select(Measure).where(Measure.value.in_([nan, 2.0]))).all()) == 1
        assert len(session.scalars(select(Measure).where(Measure.value.not_in([nan, 2.0]))).all()) == 39


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**400])
def test_truth_values_compare_with_numbers_of_any_size(number: int) -> None:
    with Session(":memory:") as session:
        session.add_all([Measure(good=at % 2 == 0, number=at % 2) for at in range(40)])
        session.commit()
        for field in (Measure.good, Measure.number):
            assert session.scalar(select(func.count()).select_from(Measure).where(field == number)) == 0
            less = session.scalar(select(func.count()).select_from(Measure).where(field < number))
            assert less == (40 if number > 0 else 0)


class Event(Model):
    id: int = Key(default=None, auto=True)
    at: datetime = Index()


def test_times_with_and_without_zones_are_refused_by_an_index_as_by_a_scan(tmp_path: Path) -> None:
    """The index found no row, where a scan says that the times cannot be compared."""
    with Session(tmp_path / "f") as session:
        session.add_all([Event(at=datetime(2020, 1, 1) + timedelta(days=at)) for at in range(COUNT)])
        session.commit()
        with pytest.raises(QueryError, match="offset-naive and offset-aware"):
            session.scalars(select(Event).where(Event.at >= datetime(2020, 1, 1, tzinfo=UTC))).all()
        assert len(session.scalars(select(Event).where(Event.at < datetime(2020, 1, 11))).all()) == 10
