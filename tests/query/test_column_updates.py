"""Statements that change rows a column at a time do what assignments to each object do, in every state of a table."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import (
    Chunk,
    EncodeError,
    Field,
    Index,
    IntegrityError,
    Key,
    Model,
    QueryError,
    Session,
    ShardedMap,
    delete,
    select,
    update,
    verify,
)
from tests.effort import half
from tests.small import SMALL, small_caches, tuned

pytestmark = pytest.mark.once

COUNT = 60


class Home(Model):
    rooms: int


class Row(Model):
    id: int = Key()
    level: int = Index()
    code: str | None = Index(None, unique=True)
    name: str = ""
    share: float = 0.5
    home: Home | None = None
    tags: list[int] = []
    notes: list[str] = Chunk(default_factory=list)


class Plain(Model):
    level: int
    name: str
    share: float = 0.5
    notes: list[str] = Chunk(default_factory=list)


class World(Model):
    by_name: dict[str, Plain] = ShardedMap()
    rows: list[Plain] = Chunk()


def row(number: int) -> Row:
    set_too = {"share": number / 2} if number % 3 else {}
    home = Home(rooms=number) if number % 4 else None
    notes = [f"note {number}" * (number % 30)] * (number % 3)
    return Row(
        id=number,
        level=number % 10,
        code=f"c{number}",
        name=f"n{number % 5}",
        home=home,
        tags=[number],
        notes=notes,
        **set_too,
    )


def contents(rows: Any) -> dict[int, Any]:
    return {each.id: (each.model_dump(), sorted(each.model_fields_set)) for each in rows}


CHANGES: dict[str, Any] = {
    "level": ({"level": Row.level + 3}, lambda each: {"level": each.level + 3}),
    "both": ({"level": 7, "name": "x" * 200}, lambda each: {"level": 7, "name": "x" * 200}),
    "share": ({"share": Row.share * Row.level}, lambda each: {"share": each.share * each.level}),
    "none": ({"code": None}, lambda each: {"code": None}),
    "tags": ({"tags": [1, 2]}, lambda each: {"tags": [1, 2]}),
    "notes": ({"notes": ["a", "b"]}, lambda each: {"notes": ["a", "b"]}),
    "home": ({Row.home: Home(rooms=1)}, lambda each: {"home": Home(rooms=1)}),
}
CONDITIONS: dict[str, Any] = {
    "all": (True, lambda each: True),
    "few": (Row.id % 17 == 3, lambda each: each.id % 17 == 3),
    "half": (Row.id % 2 == 0, lambda each: each.id % 2 == 0),
    "stretch": (Row.id.between(10, 33), lambda each: 10 <= each.id <= 33),  # type: ignore[attr-defined]
    "level": (Row.level == 7, lambda each: each.level == 7),
    "none": (Row.level > 1_000, lambda each: each.level > 1_000),
}
CHANGE = st.tuples(st.just("update"), st.sampled_from(sorted(CONDITIONS)), st.sampled_from(sorted(CHANGES)))
DELETE = st.tuples(st.just("delete"), st.sampled_from(sorted(CONDITIONS)), st.just(""))
OTHER = st.tuples(
    st.sampled_from(["commit", "rollback", "reopen", "hold", "touch", "add", "stream", "savepoint"]),
    st.just(""),
    st.just(""),
)


class Twin:
    """Entities in a session, and the plain objects that they should be equal to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.Session = tuned(SMALL).Session
        self.session = self.Session(path)
        self.session.add_all([row(number) for number in range(COUNT)])
        self.session.commit()
        self.session.close()
        self.session = self.Session(path)
        self.plain = {number: row(number) for number in range(COUNT)}
        self.stored = self.copy()
        self.held: list[Any] = []
        self.next = COUNT

    def copy(self) -> dict[int, Row]:
        return {key: each.model_copy(deep=True) for key, each in self.plain.items()}

    def where(self, name: str) -> tuple[list[Any], Any]:
        condition, plainly = CONDITIONS[name]
        return [] if condition is True else [condition], plainly

    def update(self, where: str, change: str) -> None:
        (conditions, fulfils), (values, computed) = self.where(where), CHANGES[change]
        statement = update(Row).where(*conditions)
        statement = statement.values(values) if change == "home" else statement.values(**values)
        wanted = [each for each in self.plain.values() if fulfils(each)]
        assert self.session.execute(statement) == len(wanted)
        for each, new in [(each, computed(each)) for each in wanted]:
            for name, value in new.items():
                setattr(each, name, value)

    def delete(self, where: str, _: str) -> None:
        conditions, fulfils = self.where(where)
        wanted = [key for key, each in self.plain.items() if fulfils(each)]
        stored = [key for key in wanted if key in self.stored]
        before = {each.id for each in self.session.deleted}
        assert self.session.execute(delete(Row).where(*conditions)) == len(wanted)
        for key in wanted:
            del self.plain[key]
        assert {each.id for each in self.session.deleted} == before | set(stored)

    def commit(self, *_: str) -> None:
        self.session.commit()
        self.stored = self.copy()

    def rollback(self, *_: str) -> None:
        self.session.rollback()
        self.plain = self.stored
        self.stored = self.copy()

    def reopen(self, *_: str) -> None:
        self.held.clear()
        self.session.close()
        self.session = self.Session(self.path)
        self.plain = self.stored
        self.stored = self.copy()

    def hold(self, *_: str) -> None:
        self.held += self.session.scalars(select(Row).where(Row.id % 5 == 1)).all()

    def touch(self, *_: str) -> None:
        for key in [key for key in self.plain if key % 7 == 2]:
            obj = self.session.get_one(Row, key)
            obj.tags.append(-key)
            self.plain[key].tags.append(-key)
            self.held.append(obj)

    def add(self, *_: str) -> None:
        self._add([row(self.next + at) for at in range(3)])

    def stream(self, *_: str) -> None:
        self._add(row(self.next + at) for at in range(7))

    def _add(self, rows: Any) -> None:
        self.session.add_all(rows)
        count = len(self.session.scalars(select(Row)).all()) - len(self.plain)
        self.plain.update((self.next + at, row(self.next + at)) for at in range(count))
        self.next += count

    def savepoint(self, *_: str) -> None:
        with pytest.raises(ZeroDivisionError), self.session.begin_nested():
            self.session.execute(update(Row).where(Row.id % 3 == 0).values(level=Row.level + 50))
            self.session.execute(delete(Row).where(Row.id % 3 == 1))
            raise ZeroDivisionError

    def check(self) -> None:
        found = self.session.scalars(select(Row)).all()
        assert contents(found) == contents(self.plain.values())
        for obj in self.held:
            if obj.id in self.plain and obj in self.session:
                assert self.session.get(Row, obj.id) is obj
        levels = {each.level for each in self.plain.values()}
        for level in sorted(levels)[:3]:
            wanted = {each.id for each in self.plain.values() if each.level == level}
            assert {each.id for each in self.session.scalars(select(Row).where(Row.level == level))} == wanted
        for each in list(self.plain.values())[:3]:
            if each.code is not None:
                assert self.session.scalars(select(Row).where(Row.code == each.code)).one().id == each.id


@half()
@given(st.lists(CHANGE | DELETE | OTHER, max_size=6))
def test_statements_do_what_assignments_would_do(steps: list[tuple[str, str, str]]) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setattr("parcode_orm.session.entity.changes.AT_ONCE", 4)
        twin = Twin(Path(directory, "rows.par"))
        for step, where, change in steps:
            getattr(twin, step)(where, change)
            twin.check()
        twin.commit()
        twin.check()
        twin.reopen()
        twin.check()
        twin.session.close()
        assert verify(twin.path).ok


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.par"


def filled(path: Path, count: int = 1_000) -> Session:
    with Session(path) as session:
        session.add_all(row(number) for number in range(count))
        session.commit()
    return Session(path)


def test_no_object_is_made_of_the_rows_that_a_statement_changes(path: Path) -> None:
    with filled(path) as session:
        assert session.execute(update(Row).where(Row.level < 5).values(level=Row.level + 50)) == 500
        assert session.execute(delete(Row).where(Row.level == 9)) == 100
        session.commit()
        assert session.stats.rows_read < 10  # rows of the root that has the table
        assert session.scalar(select(Row.level).where(Row.id == 3)) == 53
        assert session.get(Row, 9) is None and session.get_one(Row, 3).level == 53


def test_objects_that_are_held_see_the_change_and_stay_the_same(path: Path) -> None:
    with filled(path) as session:
        held = [session.get_one(Row, key) for key in (1, 500, 999)]
        new = Row(id=5_000, level=1, code="new")
        session.add(new)
        assert session.execute(update(Row).values(level=77, name=Row.name + "!")) == 1_001
        assert [(each.level, each.name) for each in (*held, new)] == [(77, "n1!"), (77, "n0!"), (77, "n4!"), (77, "!")]
        session.commit()
        assert [session.get(Row, key) for key in (1, 500, 999, 5_000)] == [*held, new]
        held[0].level = 3
        session.commit()
        assert [each.id for each in session.scalars(select(Row).where(Row.level == 3))] == [1]


def test_a_value_that_does_not_fit_names_the_row_and_changes_nothing(path: Path) -> None:
    with filled(path) as session:
        with pytest.raises(EncodeError, match=r"Row\[\d+\]\.name"):
            session.execute(update(Row).where(Row.id > 100).values(name=None))
        assert not list(session.dirty) and session.scalar(select(Row.name).where(Row.id == 101)) == "n1"
        session.commit()
        assert len(list(session.history())) == 1


@pytest.mark.parametrize("held", [0, 1, 200])
@pytest.mark.parametrize(("field", "value"), [("home", {"rooms": 3}), ("level", 1.5), ("tags", ["x"]), ("notes", [1])])
def test_a_value_that_does_not_fit_changes_nothing_whatever_is_in_memory(
    path: Path, held: int, field: str, value: Any
) -> None:
    """Rows in memory took any value, and the commit refused it, with all other changes."""
    with filled(path, 200) as session:
        objects = [session.get_one(Row, key) for key in range(held)]
        before = [each.model_copy() for each in objects]
        for change in (update(Row), update(Row).where(Row.id < 3)):  # the few rows become objects
            with pytest.raises(EncodeError, match=rf"^Row\[\d+\]\.{field}"):
                session.execute(change.values({field: value, "name": "changed"}))
            assert not list(session.dirty)
            assert session.scalars(select(Row).where(Row.name == "changed")).count() == 0
        assert objects == before
        session.commit()
        assert len(list(session.history())) == 1


def test_a_value_that_does_not_fit_a_nested_field_changes_nothing(path: Path) -> None:
    with Session(path) as session:
        session.add_all([row(1), Row(id=2, level=1, home=Home(rooms=2))])
        session.commit()
        with pytest.raises(EncodeError, match=r"^Row\[2\]\.home\.rooms: expected int, found 1\.5"):
            session.execute(update(Row).where(Row.id == 2).values({Row.home.rooms: 1.5}))  # type: ignore[union-attr]
        assert session.get_one(Row, 2).home == Home(rooms=2)


@pytest.mark.parametrize("way", ["objects", "update"])
def test_rows_of_more_row_groups_than_the_cache_keeps_are_all_changed(path: Path, way: str) -> None:
    """The cache closed row groups while a query opened the next ones, before it had made their objects.

    Objects of a closed row group were part of nothing: no commit stored what was assigned to them.
    """
    small = tuned(SMALL).Session
    with small_caches():
        with small(path) as session:
            session.add_all(row(number) for number in range(60))
            session.commit()
        with small(path) as session:
            session.scalars(select(Row.level)).all()  # the block of the query is known, and the row groups are closed
            if way == "objects":
                for each in session.scalars(select(Row)).all():
                    each.name = "changed"
            else:
                assert session.execute(update(Row).where(Row.id.in_([1, 20, 50])).values(name="changed")) == 3  # type: ignore[attr-defined]
            session.commit()
        with small(path) as session:
            count = session.scalars(select(Row).where(Row.name == "changed")).count()
            assert count == (60 if way == "objects" else 3)


def test_a_unique_value_that_a_statement_repeats_is_refused_by_the_commit(path: Path) -> None:
    with filled(path) as session:
        session.execute(update(Row).where(Row.id < 900).values(code="same"))
        with pytest.raises(IntegrityError, match=r"Row\.code: 'same' is the value of two objects, id=0 and id=1"):
            session.commit()
        session.rollback()
        session.execute(update(Row).where(Row.id < 900).values(code=Row.code + "x"))
        session.commit()
        assert session.scalars(select(Row).where(Row.code == "c5x")).one().id == 5
        assert session.scalars(select(Row).where(Row.code == "c5")).all() == []


def test_keys_that_a_statement_changes_are_found_by(path: Path) -> None:
    with filled(path) as session:
        assert session.execute(update(Row).where(Row.id >= 500).values(id=Row.id + 1, level=3)) == 500
        session.commit()
        assert session.get(Row, 500) is None and session.get_one(Row, 1_000).id == 1_000
        with pytest.raises(IntegrityError, match=r"another Row has the key id=499"):
            session.execute(update(Row).where(Row.id > 500).values(id=499))
            session.commit()
    with Session.open(path) as session:
        assert [session.get_one(Row, key).code for key in (499, 501, 1_000)] == ["c499", "c500", "c999"]
        assert session.scalars(select(Row).where(Row.id == 1_000)).one().level == 3
    assert verify(path, models=[Row]).ok


@pytest.mark.parametrize("name", ["by_name", "rows"])
def test_collections_of_a_root_are_changed_by_columns_as_well(path: Path, name: str) -> None:
    made = [Plain(level=n, name=f"n{n}", notes=["x" * 50] * (n % 3)) for n in range(2_000)]
    with Session(path) as session:
        session.add(World(by_name={each.name: each for each in made}, rows=made))
        session.commit()
    plain = [each.model_copy(deep=True) for each in made]
    with Session(path) as session:
        rows = getattr(session.root(World), name)
        held = rows["n6"] if name == "by_name" else rows[6]
        before = session.stats.rows_read
        assert session.execute(update(rows).where(Plain.level % 3 == 0).values(share=Plain.level / 2, name="x")) == 667
        assert session.execute(delete(rows).where(Plain.level % 2 == 1)) == 1_000
        assert session.stats.rows_read == before
        assert (held.share, held.name) == (3.0, "x")
        session.execute(delete(rows).where(Plain.level == 6))
        session.commit()
    for each in plain[::3]:
        each.share, each.name = each.level / 2, "x"
    with Session.open(path) as session:
        rows = getattr(session.root(World), name)
        found = list(rows.values() if name == "by_name" else rows)
        assert found == [each for each in plain if each.level % 2 == 0 and each.level != 6]


class Careful(Model):
    model_config = {"validate_assignment": True}

    id: int = Key()
    level: int


class Noted(Model):
    id: int = Key()
    level: int

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, -value if name == "level" else value)


@pytest.mark.parametrize(("cls", "expected"), [(Careful, 7), (Noted, -7)])
def test_what_a_class_does_at_an_assignment_is_done(path: Path, cls: Any, expected: int) -> None:
    with Session(path) as session:
        session.add_all([cls(id=n, level=1) for n in range(200)])
        session.commit()
        session.execute(update(cls).values(level=7.0 if cls is Careful else 7))
        session.commit()
        assert {repr(each.level) for each in session.scalars(select(cls))} == {repr(expected)}


class Limited(Model):
    model_config = {"validate_assignment": True}

    id: int = Key()
    level: int = Field(0, le=6)
    home: Home | None = None


def test_an_update_changes_all_rows_or_none(path: Path) -> None:
    """A row that refuses its value left those before it changed: the next commit stored them."""
    with Session(path) as session:
        session.add_all([Limited(id=n, level=n, home=Home(rooms=1) if n else None) for n in (3, 1, 4, 0, 5)])
        session.commit()
        held = session.get_one(Limited, 3)
        held.level = 2
        before = [each.model_dump() for each in session.scalars(select(Limited))]
        for values, error in (({Limited.level: Limited.level + 2}, ValueError), ({Limited.home.rooms: 2}, QueryError)):
            with pytest.raises(error):
                session.execute(update(Limited).values(values))
            assert [each.model_dump() for each in session.scalars(select(Limited))] == before
            assert list(session.dirty) == [held] and held.model_fields_set == {"id", "level", "home"}
        assert session.execute(update(Limited).where(Limited.level < 5).values(level=Limited.level + 2)) == 4
        session.commit()
        assert [each.level for each in session.scalars(select(Limited))] == [4, 3, 6, 2, 5]


class Part(Model):
    n: int = 0
    marks: list[int] = []


class Player(Model):
    id: int = Key()
    level: int = 0
    home: Part = Part()
    apart: Part = Chunk(default=Part())
    parts: list[Part] = Chunk(default=[])
    named: dict[str, Part] = ShardedMap(default={})


class Players(Model):
    by_key: dict[str, Player] = ShardedMap(default={})
    listed: list[Player] = Chunk(default=[])


def player(n: int, parts: int) -> Player:
    made = {f"p{i}": Part(n=i) for i in range(parts)}
    return Player(id=n, parts=list(made.values()), named=made)


@pytest.mark.parametrize("how", ["rollback", "expire_all", "savepoint", "second savepoint"])
@pytest.mark.parametrize("where", ["entities", "map", "list"])
@pytest.mark.parametrize("parts", [2, 30])  # in columns of the players, and in tables of their own
@pytest.mark.parametrize("whole", [False, True])
def test_objects_of_updated_rows_are_those_of_the_rows_that_come_back(
    tmp_path: Path, how: str, where: str, parts: int, whole: bool
) -> None:
    """An object that was read after an update stands for a row that was written aside, which a rollback drops."""
    small = tuned().Session
    numbers = range(20)
    with small(tmp_path / "a.par") as session:
        session.add_all([player(n, parts) for n in numbers])
        by_key = {f"k{n}": player(n, parts) for n in numbers}
        session.add(Players(by_key=by_key, listed=[player(n, parts) for n in numbers]))
        session.commit()

    def source(session: Session) -> Any:
        root = session.root(Players)
        return {"entities": Player, "map": root.by_key, "list": root.listed}[where]

    def get(session: Session, n: int) -> Player:
        found = source(session)
        return session.get_one(Player, n) if where == "entities" else found[f"k{n}" if where == "map" else n]

    def inside(one: Player) -> list[Any]:
        return [one, one.home, one.apart, one.parts[1], one.named["p1"], one.parts, one.named]

    with small(tmp_path / "a.par") as session:
        first = session.begin_nested() if how == "savepoint" else None
        change = update(source(session)).where(Player.level >= 0).values(level=Player.level + 1, home=Part(n=50))
        session.execute(change if whole else change.where(Player.id % 5 == 2))
        held = inside(get(session, 2))
        if how == "second savepoint":
            first = session.begin_nested()
        session.execute(update(source(session)).where(Player.id >= 5).values(level=Player.level + 10))
        other = inside(get(session, 7))
        assert [held[0].level, other[0].level] == [1, 11]
        for each in (held, other):
            each[0].level += 100
            each[3].marks.append(7)
            each[5].pop(0)
            each[6].clear()
        if first is None:
            getattr(session, how)()
        else:
            first.rollback()
        kept = 1 if how == "second savepoint" else 0
        for n, each in ((2, held), (7, other)):
            now = inside(get(session, n))
            for place, (one, known) in enumerate(zip(now, each, strict=True)):
                if place != 1 or (n == 7 and kept):  # it was put there by an update that is undone
                    assert one is known
            assert now[0].level == kept and len(now[5]) == len(now[6]) == parts
            assert now[1].n == 50 * kept and now[3].marks == []
            each[0].level = n
            for part in each[2:5]:
                part.n = 900 + n
            each[5].append(Part(n=1))
        session.commit()
    with small(tmp_path / "a.par") as session:
        for n in (2, 7):
            one = get(session, n)
            assert one.level == n and len(one.parts) == parts + 1
            assert [each.n for each in inside(one)[2:5]] == [900 + n] * 3
        assert {get(session, n).level for n in (3, 4)} == {1 if how == "second savepoint" and whole else 0}
    assert verify(tmp_path / "a.par", models=[Player, Players]).ok
