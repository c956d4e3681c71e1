"""Entities against a dictionary of plain values: keys, numbers and unique values are what the plain ones say."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Optional

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from parcode_orm import Index, Key, Model, Session, any_, col, func, select, verify
from parcode_orm.errors import ConflictError, EncodeError, IntegrityError, SessionError
from parcode_orm.session.entity import changes, indexes, queries
from parcode_orm.session.entity.tables import entities, find_table
from tests.effort import EXAMPLES, THOROUGH
from tests.small import small_caches, tuned


class Home(Model):
    city: str | None = None


class Unit(Model):
    id: int = Key(auto=True)
    name: Optional[str] = Index(None, unique=True)  # noqa: UP045
    level: int = 0
    tags: list[str] = Index(default=[])
    home: Home = Home()
    __indexes__ = (
        Index("level", "name"),
        Index("home.city"),
        Index("home.city", "level", "id", unique=True),
        Index("tags", text=True),
    )


AT_ONCE = 3  # objects of an iterator that stay in memory
Values = dict[str, Any]
KEYS = st.integers(1, 12)
NAMES = st.none() | st.sampled_from(["a", "b", "c", "d" * 90, "e"])
LEVELS = st.integers(0, 5)


class Entry:
    """What the oracle knows of one entity: its present values, and the session's object, if a variable holds it."""

    def __init__(self, values: Values, obj: Unit | None = None, streamed: bool = False) -> None:
        self.values = values
        self.obj = obj
        self.streamed = streamed


def values_of(unit: Unit) -> Values:
    return unit.model_dump()


def unit_of(key: int | None, name: str | None, level: int) -> Unit:
    """A unit whose fields are all set, but for a key that is to be given."""
    return Unit(**({} if key is None else {"id": key}), name=name, level=level, tags=[], home=Home(city=None))


@contextmanager
def short_streams() -> Iterator[None]:
    """Iterators of more than three objects leave memory as they come, and indexes have fences."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in (
            (changes, "AT_ONCE", AT_ONCE),
            (queries, "SHARE", 1),
            (indexes, "STEP", 2),
        ):
            patch.setattr(module, name, value)
        yield


class EntityMachine(RuleBasedStateMachine):
    """`rows`: what the session has, by the keys it knows; `stored`: what the last commit has, `held` its objects."""

    def __init__(self) -> None:
        super().__init__()
        self.undo = ExitStack()
        self.undo.enter_context(small_caches())
        self.Session = tuned(large=320).Session
        self.undo.enter_context(short_streams())
        self.directory = Path(tempfile.mkdtemp())
        self.path = self.directory / "e.par"
        self.session = self.Session(self.path)
        self.rows: dict[int, Entry] = {}
        self.stored: dict[int, Values] = {}
        self.held: dict[int, Unit] = {}  # objects of stored rows
        self.gone: dict[int, Unit] = {}
        self.last = self.stored_last = 0
        self.past: dict[int, dict[int, Values]] = {}
        self.savepoints: list[tuple[Any, Any]] = []

    # -- reaching things -----------------------------------------------------------------------------------------------

    def entry(self, at: int) -> tuple[int, Entry]:
        """A known key and its entity, whose object a variable holds from now on."""
        key = list(self.rows)[at % len(self.rows)]
        entry = self.rows[key]
        obj = self.session.get(Unit, key)
        assert obj is not None and values_of(obj) == entry.values
        assert entry.obj is None or entry.obj is obj
        if entry.obj is None and not entry.streamed:
            self.held[key] = obj
        entry.obj = obj
        return key, entry

    def number(self, unit: Unit) -> int:
        if unit.id is None:
            return self.last + 1
        return unit.id

    # -- adding --------------------------------------------------------------------------------------------------------

    @rule(key=st.none() | KEYS, name=NAMES, level=LEVELS, replace=st.booleans())
    def add(self, key: int | None, name: str | None, level: int, replace: bool) -> None:
        unit = unit_of(key, name, level)
        number = self.number(unit)
        if number in self.rows and not replace:
            with pytest.raises(IntegrityError):
                self.session.add(unit)
            assert unit.id == key
            return
        self.session.add(unit, replace=replace)
        self.put(number, unit)

    def put(self, key: int, unit: Unit, streamed: bool = False) -> None:
        assert unit.id == key
        self.rows[key] = Entry(values_of(unit), None if streamed else unit, streamed)
        self.gone.pop(key, None)
        self.last = max(self.last, key)

    @rule(keys=st.lists(st.none() | KEYS, max_size=8), long=st.booleans(), replace=st.booleans(), fails=st.booleans())
    def add_all(self, keys: list[int | None], long: bool, replace: bool, fails: bool) -> None:
        units = [unit_of(key, None, at) for at, key in enumerate(keys)]
        last, numbers = self.last, []
        if not (long or fails) or len(keys) < AT_ONCE:  # of a list, numbers begin above the keys that are given
            last = max([last, *(key for key in keys if key)])
        for key in keys:
            last = max(last, key or last + 1)
            numbers.append(key or last)
        taken = len(set(numbers)) < len(numbers) or any(number in self.rows for number in numbers)

        def giving() -> Iterator[Unit]:
            yield from units
            if fails:
                raise ZeroDivisionError

        try:
            self.session.add_all(giving() if long or fails else units, replace=replace)
        except ZeroDivisionError:
            assert fails
        except IntegrityError:
            assert taken and not replace
        else:
            assert not fails and (replace or not taken)
            for number, unit in zip(numbers, units, strict=True):
                known = self.session.get(Unit, number) is unit
                assert known or long or numbers.count(number) > 1
                self.put(number, unit, streamed=not known)
            return
        self.look_at_all()

    @rule(key=st.none() | KEYS, name=NAMES, level=LEVELS)
    def merge(self, key: int | None, name: str | None, level: int) -> None:
        if key in self.rows:
            _, entry = self.entry(list(self.rows).index(key))  # type: ignore[arg-type]
            assert self.session.merge(unit_of(key, name, level)) is entry.obj
            entry.values = {"id": key, "name": name, "level": level, "tags": [], "home": {"city": None}}
            return
        unit = self.session.merge(unit_of(key, name, level))
        self.put(key or self.last + 1, unit)

    @rule(name=NAMES.filter(bool), level=LEVELS)
    def get_or_create(self, name: str, level: int) -> None:
        named = [key for key, entry in self.rows.items() if entry.values["name"] == name]
        if len(named) > 1:
            return
        unit, made = self.session.get_or_create(Unit, {"level": level, "tags": [], "home": Home(city=None)}, name=name)
        assert made is not bool(named)
        if made:
            self.put(self.last + 1, unit)
        else:
            assert values_of(unit) == self.rows[named[0]].values

    # -- changing ------------------------------------------------------------------------------------------------------

    @rule(
        at=st.integers(0, 99),
        field=st.sampled_from(["level", "tags", "name", "id", "city", "home"]),
        level=LEVELS,
        name=NAMES,
        key=KEYS,
    )
    @precondition(lambda self: self.rows)
    def change(self, at: int, field: str, level: int, name: str | None, key: int) -> None:
        _, entry = self.entry(at)
        assert entry.obj is not None
        if field == "tags":
            entry.obj.tags.append(str(level))
            entry.values["tags"] = [*entry.values["tags"], str(level)]
        elif field in ("city", "home"):
            if field == "city":
                entry.obj.home.city = name
            else:
                entry.obj.home = Home(city=name)
            entry.values["home"] = {"city": name}
        else:
            value = {"level": level, "name": name, "id": key}[field]
            setattr(entry.obj, field, value)
            entry.values[field] = value

    @rule(one=st.integers(0, 99), other=st.integers(0, 99), field=st.sampled_from(["name", "id"]))
    @precondition(lambda self: self.rows)
    def swap(self, one: int, other: int, field: str) -> None:
        a, b = self.entry(one)[1], self.entry(other)[1]
        setattr(a.obj, field, b.values[field])
        setattr(b.obj, field, a.values[field])
        a.values[field], b.values[field] = b.values[field], a.values[field]

    @rule(at=st.integers(0, 99))
    @precondition(lambda self: self.rows)
    def delete(self, at: int) -> None:
        key, entry = self.entry(at)
        assert entry.obj is not None
        if key not in self.stored:
            with pytest.raises(SessionError):
                self.session.delete(entry.obj)
            return
        self.session.delete(entry.obj)
        del self.rows[key]
        self.gone[key] = entry.obj

    @rule(at=st.integers(0, 99))
    @precondition(lambda self: self.gone)
    def add_again(self, at: int) -> None:
        key = list(self.gone)[at % len(self.gone)]
        unit = self.gone[key]
        if unit.id in self.rows or unit.id is None:
            return
        self.session.add(unit)
        if unit.id != key:  # it stands there beside the one that is deleted
            self.gone[key] = unit
        self.put(unit.id, unit)

    @rule(at=st.integers(0, 99))
    @precondition(lambda self: self.rows)
    def expunge(self, at: int) -> None:
        key, entry = self.entry(at)
        assert entry.obj is not None
        self.session.expunge(entry.obj)
        assert entry.obj not in self.session
        if self.held.get(key) is entry.obj:
            del self.held[key]
        if key in self.stored:
            self.rows[key] = Entry(copy.deepcopy(self.stored[key]))
            self.rows[key].obj = self.session.get(Unit, key)
            assert self.rows[key].obj is not entry.obj
        else:
            del self.rows[key]
            if not self.rows and not self.session.entities():
                self.last = self.stored_last = 0

    # -- the session ---------------------------------------------------------------------------------------------------

    def is_whole(self) -> bool:
        """Whether the keys and names are each the one entity's."""
        keys = [entry.values["id"] for entry in self.rows.values()]
        names = [name for entry in self.rows.values() if (name := entry.values["name"]) is not None]
        return None not in keys and len(set(keys)) == len(keys) and len(set(names)) == len(names)

    @rule(broken=st.booleans(), at=st.integers(0, 99))
    def commit(self, broken: bool, at: int) -> None:
        if broken and self.rows:
            _, entry = self.entry(at)
            assert entry.obj is not None
            entry.obj.level = "x"  # type: ignore[assignment]
            with pytest.raises((EncodeError, IntegrityError)):
                self.session.commit()
            entry.obj.level = entry.values["level"]
        self.store()

    def store(self) -> bool:
        """Commit; whether that was to be, and was, stored."""
        if not self.is_whole():
            before = self.path.read_bytes() if self.path.exists() else b""
            with pytest.raises(IntegrityError):
                self.session.commit()
            assert (self.path.read_bytes() if self.path.exists() else b"") == before
            self.look_at_all()
            return False
        self.session.commit()
        if self.stored == {entry.values["id"]: entry.values for entry in self.rows.values()}:
            if self.session.snapshot is not None and self.session.snapshot.sequence not in self.past:
                self.past[self.session.snapshot.sequence] = copy.deepcopy(self.stored)
                self.stored_last = self.last  # a number was given to an object that was expunged
            self.session.rollback()  # no entity was stored: which of equal objects stands for a row is not promised
            self.held = {}
            self.back()
            return True
        self.rows = {entry.values["id"]: Entry(entry.values, entry.obj) for entry in self.rows.values()}
        self.stored = {key: copy.deepcopy(entry.values) for key, entry in self.rows.items()}
        self.held = {key: entry.obj for key, entry in self.rows.items() if entry.obj is not None}
        self.gone = {}
        self.last = self.stored_last = max([self.last, *self.rows])
        if self.session.snapshot is not None:
            self.past[self.session.snapshot.sequence] = copy.deepcopy(self.stored)
        self.check_file()
        return True

    def check_file(self) -> None:
        if not self.path.exists():
            return
        report = verify(self.path, models=[Unit])
        assert report.ok, report
        with Session.open(self.path) as reader:
            root = find_table(reader._work, Unit)
            if root is None:
                assert not self.stored
                return
            entities(root)._check()
            assert {key: values_of(unit) for key, unit in entities(root).items()} == self.stored
            names = {values["name"]: key for key, values in self.stored.items() if values["name"] is not None}
            assert dict(root.obj.by_name.items()) == names

    def back(self) -> None:
        """What is pending is gone; objects of stored rows are the same."""
        self.rows = {key: Entry(copy.deepcopy(values), self.held.get(key)) for key, values in self.stored.items()}
        self.gone = {}
        self.last = self.stored_last
        self.look_at_all()

    @rule(how=st.sampled_from(["rollback", "expire_all"]))
    def rollback(self, how: str) -> None:
        fresh = [entry.obj for key, entry in self.rows.items() if entry.obj is not None and key not in self.stored]
        getattr(self.session, how)()
        self.back()
        assert not any(unit in self.session for unit in fresh)

    @rule(at=st.integers(0, 99))
    @precondition(lambda self: self.rows)
    def expire(self, at: int) -> None:
        key, entry = self.entry(at)
        if self.held.get(key) is not entry.obj or key not in self.stored:
            return
        self.session.expire(entry.obj)
        entry.values = copy.deepcopy(self.stored[key])
        assert values_of(entry.obj) == entry.values  # type: ignore[arg-type]

    def state(self) -> Any:
        entries = {key: Entry(copy.deepcopy(each.values), each.obj, each.streamed) for key, each in self.rows.items()}
        gone = {key: (unit, values_of(unit)) for key, unit in self.gone.items()}
        return entries, gone, dict(self.held), self.last

    @rule()
    def begin_nested(self) -> None:
        self.savepoints.append((self.session.begin_nested(), self.state()))

    @rule(which=st.integers(0, 2), back=st.booleans())
    @precondition(lambda self: self.savepoints)
    def end_nested(self, which: int, back: bool) -> None:
        which %= len(self.savepoints)
        savepoint, state = self.savepoints[which]
        del self.savepoints[which:]
        if not savepoint.is_active:
            return
        if not back:
            savepoint.commit()
            return
        savepoint.rollback()
        self.rows, gone, self.held, self.last = state
        for unit, values in gone.values():
            assert values_of(unit) == values
        self.gone = {key: unit for key, (unit, _) in gone.items()}
        self.look_at_all()

    @rule(conflict=st.booleans(), key=KEYS, level=LEVELS)
    def another_commits(self, conflict: bool, key: int, level: int) -> None:
        if not conflict and not self.store():
            return
        with self.Session(self.path) as other:
            unit = other.get(Unit, key)
            if unit is None:
                other.add(unit_of(key, None, level))
            elif level == 0:
                other.delete(unit)
            else:
                unit.level += level
                unit.name = None
            other.commit()
        if conflict:
            self.session.add(unit_of(None, None, level))
            with pytest.raises((ConflictError, IntegrityError)):
                self.session.commit()
            self.session.rollback()
            self.session.refresh()
        else:
            self.session.refresh()
        self.gone_on()

    def gone_on(self) -> None:
        """The session stands on another commit, and its objects with it."""
        with Session.open(self.path) as reader:
            root = find_table(reader._work, Unit)
            assert root is not None
            self.stored = {key: values_of(unit) for key, unit in entities(root).items()}
            self.stored_last = root.obj.last
            assert reader.snapshot is not None
            self.past[reader.snapshot.sequence] = copy.deepcopy(self.stored)
        self.held = {key: unit for key, unit in self.held.items() if key in self.stored}
        self.back()

    @rule()
    def compact(self) -> None:
        if self.store() and self.session.snapshot is not None:
            self.session.compact()
            self.past = {each.sequence: self.past[each.sequence] for each in self.session.history()}
            self.look_at_all()

    @rule(at=st.integers(0, 99))
    @precondition(lambda self: self.past)
    def look_back(self, at: int) -> None:
        sequence = list(self.past)[at % len(self.past)]
        with Session.open(self.path, at=sequence) as past:
            for key in range(1, 14):
                unit = past.get(Unit, key)
                assert (None if unit is None else values_of(unit)) == self.past[sequence].get(key)

    @rule(commit=st.booleans())
    def reopen(self, commit: bool) -> None:
        if commit:
            self.store()
        self.session.close()
        self.session = self.Session(self.path)
        self.held, self.savepoints = {}, []
        self.back()

    @rule(level=LEVELS, name=NAMES)
    def ask(self, level: int, name: str | None) -> None:
        """What indexes find is what the oracle has, changes in memory included."""
        for condition, plain in (
            (Unit.level == level, lambda row: row["level"] == level),
            (
                (Unit.level == level) & (Unit.name > "b"),
                lambda row: row["level"] == level and (row["name"] or "") > "b",
            ),
            (Unit.home.city == name, lambda row: row["home"]["city"] == name),
            (any_(Unit.tags, func.item() <= str(level)), lambda row: any(tag <= str(level) for tag in row["tags"])),
            (col(Unit.tags).contains(str(level)), lambda row: str(level) in row["tags"]),
            (col(Unit.tags).matches(str(level)), lambda row: str(level) in row["tags"]),
        ):
            found = self.session.execute(select(func.key()).select_from(Unit).where(condition))
            assert {row.key for row in found} == {key for key, each in self.rows.items() if plain(each.values)}

    def look_at_all(self) -> None:
        for key, entry in self.rows.items():
            unit = self.session.get(Unit, key)
            assert unit is not None and values_of(unit) == entry.values
            assert entry.obj is None or unit is entry.obj

    @invariant()
    def state_is_exact(self) -> None:
        session = self.session
        for key in range(1, 14):
            assert (session.get(Unit, key) is not None) is (key in self.rows)
        fresh = {key for key, entry in self.rows.items() if key not in self.stored and not entry.streamed}
        assert set(map(id, session.new)) == {id(session.get(Unit, key)) for key in fresh}
        assert set(map(id, session.deleted)) == set(map(id, self.gone.values()))
        for key, entry in self.rows.items():
            if entry.obj is not None:
                assert entry.obj in session
                if not entry.streamed:
                    assert session.is_modified(entry.obj) is (entry.values != self.stored.get(key))

    def teardown(self) -> None:
        try:
            self.store()
            self.session.close()
            shutil.rmtree(self.directory)
        finally:
            self.undo.close()


TestEntities = EntityMachine.TestCase
TestEntities.settings = settings(
    max_examples=EXAMPLES // 2 if THOROUGH else 25, stateful_step_count=60 if THOROUGH else 25, deadline=None
)
