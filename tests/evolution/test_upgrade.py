"""`@upgrade`: code of a class that reads objects of its earlier versions, wherever they stand."""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Callable
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, field_validator

import parcode_orm
from parcode_orm import (
    Chunk,
    Index,
    Key,
    MigrationError,
    MigrationRequired,
    Model,
    SchemaMismatchError,
    ShardedMap,
    UnsupportedTypeError,
    desc,
    func,
    register,
    select,
    update,
    upgrade,
    verify,
)
from parcode_orm.codec.upgrades import version_of
from parcode_orm.migrations import diff_schema
from parcode_orm.migrations.models import state_of
from tests.effort import half
from tests.equality import same
from tests.small import tuned

from .versions import model

Session, save, _ = tuned(large=600, group_rows=64)
COUNT = 200


class Counted:
    """Splits a name, and counts how often it did."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, stored: dict[str, Any]) -> dict[str, Any]:
        self.calls += 1
        first, _, last = stored.pop("name").partition(" ")
        return {**stored, "first": first, "last": last}

    def method(self) -> Any:
        def split(stored: dict[str, Any]) -> dict[str, Any]:
            return self(stored)

        return upgrade(from_version=1)(staticmethod(split))


def step(version: int, function: Callable[[dict[str, Any]], Any]) -> Any:
    """The method of a class for objects of a version."""
    return upgrade(from_version=version)(staticmethod(lambda stored: function(stored)))


BASES: dict[str, Any] = {"model": Model, "base model": BaseModel}


def old_of(base: str = "model") -> Any:
    fields = {"name": str, "level": int, "tags": list[str], "bag": list[int], "note": bytes}
    marks = {"bag": Chunk(), "note": Chunk()} if base == "model" else {}
    return _class(base, fields, marks)


def new_of(base: str = "model", counted: Counted | None = None) -> Any:
    fields = {
        "level": float,
        "first": str,
        "bag": list[int],
        "last": str,
        "tags": list[str],
        "note": bytes,
        "mana": int,
    }
    marks = {"bag": Chunk(), "note": Chunk()} if base == "model" else {}
    return _class(base, fields, {**marks, "mana": 7, "split": (counted or Counted()).method()})


def _class(base: str, fields: dict[str, Any], body: dict[str, Any]) -> Any:
    if base == "dataclass":
        found = dataclasses.make_dataclass("Hero", list(fields.items()), namespace=body)
        found.__module__ = "app"
        return found
    return model("Hero", fields, BASES[base], **body)


def values(n: int) -> dict[str, Any]:
    return {"name": f"F{n} L{n}", "level": n, "tags": [f"t{n}"] * (n % 3), "bag": [n] * (n % 300), "note": b"x" * n}


def expected(cls: Any, n: int) -> Any:
    kept = {key: each for key, each in values(n).items() if key != "name"}
    return cls(**{**kept, "level": float(n)}, first=f"F{n}", last=f"L{n}")


PLACES: dict[str, tuple[Callable[[Any], Any], Any, Callable[[list[Any]], Any]]] = {
    "field": (lambda cls: cls, None, lambda items: items[0]),
    "optional": (lambda cls: cls | None, None, lambda items: items[0]),
    "chunk": (lambda cls: cls, Chunk, lambda items: items[1]),
    "list": (lambda cls: list[cls], None, lambda items: items[:5]),
    "long list": (lambda cls: list[cls], None, list),
    "chunk list": (lambda cls: list[cls], Chunk, list),
    "map": (lambda cls: dict[str, cls], ShardedMap, lambda items: {str(n): each for n, each in enumerate(items)}),
    "inline map": (lambda cls: dict[str, cls], None, lambda items: {str(n): each for n, each in enumerate(items)}),
    "tuple": (lambda cls: tuple[cls, int], None, lambda items: (items[3], 5)),
    "union": (lambda cls: cls | int, None, lambda items: items[2]),
    "any": (lambda cls: Any, None, lambda items: items[4]),
    "any in a list": (lambda cls: list[Any], None, lambda items: items[:3]),
}


@pytest.mark.parametrize("base", ["model", "base model", "dataclass"])
@pytest.mark.parametrize("place", PLACES)
def test_wherever_objects_stand(tmp_path: Path, place: str, base: str) -> None:
    annotation, mark, some = PLACES[place]
    marks = {} if mark is None else {"it": mark()}
    path = tmp_path / "a.par"
    old = register(old_of(base))
    root = model("World", {"it": annotation(old), "n": int}, **marks)
    save(path, root(it=some([old(**values(n)) for n in range(COUNT)]), n=1))
    new = register(new_of(base))
    root = model("World", {"it": annotation(new), "n": int}, **marks)
    before = path.read_bytes()
    wanted = root(it=some([expected(new, n) for n in range(COUNT)]), n=1)
    assert same(parcode_orm.load(path, root), wanted)
    with Session.open(path) as session:
        assert same(session.root(root).model_load(), wanted)
    assert path.read_bytes() == before
    with Session(path) as session:
        world = session.root(root)
        repr(world)
        world.model_load()
        session.commit()
        assert session.snapshot.sequence == 1  # nothing changed by reading
        world.n = 2
        session.commit()
        assert same(world.model_load(), wanted.model_copy(update={"n": 2}))
    assert same(parcode_orm.load(path, root), wanted.model_copy(update={"n": 2}))
    assert verify(path).ok


class Hero(Model):
    first: str
    last: str
    level: float
    tags: list[str]
    bag: list[int] = Chunk()
    note: bytes = Chunk()
    mana: int = 7
    split = Counted().method()


class Realm(Model):
    heroes: dict[str, Hero] = ShardedMap()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    old = old_of()
    realm = model("Realm", {"heroes": dict[str, old]}, heroes=ShardedMap())
    save(tmp_path / "a.par", realm(heroes={f"h{n}": old(**values(n)) for n in range(COUNT)}))
    return tmp_path / "a.par"


def test_a_session_reads_asks_and_changes(path: Path) -> None:
    wanted = {f"h{n}": expected(Hero, n) for n in range(COUNT)}
    with Session(path) as session:
        heroes = session.root(Realm).heroes
        hero = heroes["h7"]
        assert (hero.first, hero.level, hero.mana) == ("F7", 7.0, 7) and hero.bag.load() == [7] * 7
        assert hero.model_fields_set == {"first", "last", "level", "tags", "bag", "note"}
        found = select(heroes).where(Hero.last == "L9", Hero.level < 10)
        assert session.scalars(found).one() is heroes["h9"]
        best = select(heroes).order_by(desc(Hero.level)).limit(2)
        assert [each.first for each in session.scalars(best)] == [f"F{COUNT - 1}", f"F{COUNT - 2}"]
        assert session.execute(update(heroes).where(Hero.first == "F3").values(mana=Hero.mana + 1)) == 1
        wanted["h3"].mana = 8
        for each in (heroes, wanted):
            each["h4"].tags.append("x")  # type: ignore[index]
            each["h5"].bag.append(1)  # type: ignore[index]
            each["h6"].last = "changed"  # type: ignore[index]
        session.commit()
        assert {key: each.model_load() for key, each in heroes.items()} == wanted
        changes = session.diff(1, 2)
        assert {str(each) for each in changes} == {
            "~ Realm.heroes['h3'].mana: 7 -> 8", "+ Realm.heroes['h4'].tags[1]: 'x'",
            "+ Realm.heroes['h5'].bag[5]: 1", "~ Realm.heroes['h6'].last: 'L6' -> 'changed'",
        }  # fmt: skip
        assert "Hero: version 1 became version 2" in changes.schemas
        hero.first = "y"
        session.rollback()
        assert hero.first == "F7"
    with Session.open(path, at=1) as session:
        assert session.root(Realm).heroes["h6"].last == "L6"
    parcode_orm.compact(path)
    assert parcode_orm.load(path, Realm).heroes == wanted and verify(path).ok


def test_only_what_is_touched_is_read_and_only_older_rows_run_code(path: Path) -> None:
    counted = Counted()
    hero = new_of("model", counted)
    realm = model("Realm", {"heroes": dict[str, hero]}, heroes=ShardedMap())
    with Session(path) as session:
        heroes = session.root(realm).heroes
        assert len(heroes) == COUNT and counted.calls == 0
        one = heroes["h120"]
        read = session.stats.bytes_read
        assert (one.first, one.last, one.level, one.tags) == ("F120", "L120", 120.0, [])
        assert counted.calls == 1 and session.stats.bytes_read - read < 3_000  # `note` and `bag` are apart
        for each in heroes.values():
            each.mana = 9
        session.commit()
    counted.calls = 0
    assert parcode_orm.load(path, realm).heroes["h5"].first == "F5" and counted.calls == 0


def test_code_of_a_root_reads_no_row_of_its_tables(path: Path) -> None:
    fields = {"heroes": dict[str, Hero], "title": str}
    realm = model("Realm", fields, heroes=ShardedMap(), name=step(1, lambda stored: {**stored, "title": "t"}))
    with Session(path) as session:
        root = session.root(realm)
        assert (root.title, len(root.heroes), session.stats.rows_read) == ("t", COUNT, 1)
        root.title = "changed"
        session.commit()
        assert session.stats.rows_written == 1 and root.heroes["h3"].first == "F3"


def test_versions_follow_each_other(tmp_path: Path) -> None:
    """Each row was written by one of four versions; the functions run one after another from there."""
    path = tmp_path / "a.par"
    steps = {
        "to_cents": step(1, lambda stored: {**stored, "price": stored["price"] * 100}),  # of the same structure
        "to_list": step(2, lambda stored: {"prices": [stored.pop("price")], **stored}),
        "to_sum": step(3, lambda stored: {**stored, "total": sum(stored["prices"])}),
    }
    names = list(steps)
    fields: list[dict[str, Any]] = [
        {"price": int}, {"price": int}, {"prices": list[int]}, {"prices": list[int], "total": int},
    ]  # fmt: skip
    given: list[dict[str, Any]] = [{"price": 1}, {"price": 100}, {"prices": [100]}, {"prices": [100], "total": 100}]
    for version in range(4):
        item = model("Item", {"n": int, **fields[version]}, **{name: steps[name] for name in names[:version]})
        shop = model("Shop", {"items": dict[int, item]}, items=ShardedMap(default={}))
        with Session(path) as session:
            root = session.root(shop) if version else shop()
            if not version:
                session.add(root)
            root.items |= {n: item(n=n, **given[version]) for n in range(version * COUNT, (version + 1) * COUNT)}
            session.commit()
        found = parcode_orm.load(path, shop).items
        assert len(found) == (version + 1) * COUNT
        assert all(each == item(n=n, **given[version]) for n, each in found.items())
    late = {name: steps[name] for name in names[1:]}  # the first function is gone
    item = model("Item", {"n": int, **fields[3]}, **late)
    shop = model("Shop", {"items": dict[int, item]}, items=ShardedMap(default={}))
    with Session.open(path) as session:
        assert session.root(shop).items[COUNT + 2].total == 100
        with pytest.raises(
            SchemaMismatchError, match=r"Item was stored in version 1 and is of version 4.*from_version=1"
        ):
            _ = session.root(shop).items[2].total
    earlier = model("Item", {"n": int, "price": int}, **{names[0]: steps[names[0]]})
    shop = model("Shop", {"items": dict[int, earlier]}, items=ShardedMap(default={}))
    with Session.open(path) as session, pytest.raises(SchemaMismatchError, match=r"version 4 and is of version 2"):
        _ = session.root(shop).items


class Colour(Enum):
    RED = "r"
    BLUE = "b"


KINDS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "int": (int, st.integers(-99, 99)),
    "text": (str, st.text(max_size=4)),
    "list": (list[int], st.lists(st.integers(0, 9), max_size=4)),
    "colour": (Colour, st.sampled_from(Colour)),
    "time": (timedelta, st.integers(0, 99).map(lambda n: timedelta(seconds=n))),
    "map": (dict[str, int], st.dictionaries(st.text(max_size=2), st.integers(0, 9), max_size=3)),
    "object": (None, st.integers(0, 9)),
}


@half(120)
@given(st.data())
def test_random_code_equals_the_same_on_dictionaries(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Random fields; the code drops, moves, adds or changes some; the others have a changed type or none."""
    path = tmp_path_factory.mktemp("random") / "a.par"
    part = model("Part", {"n": int})
    newer = model("Part", {"n": float, "more": int}, more=1)
    names = data.draw(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=5, unique=True))
    kinds = {name: data.draw(st.sampled_from(sorted(KINDS))) for name in names}
    what = {name: data.draw(st.sampled_from(["keep", "drop", "move", "change", "widen", "in place"])) for name in names}
    marks = {name: Chunk() for name in names if kinds[name] in ("list", "map", "text") and data.draw(st.booleans())}
    old_fields = {name: KINDS[kinds[name]][0] or part for name in names}
    rows = data.draw(
        st.lists(st.fixed_dictionaries({name: KINDS[kinds[name]][1] for name in names}), min_size=1, max_size=6)
    )
    new_fields: dict[str, Any] = {"added": int}
    moved = {name: name + "2" for name in names if what[name] == "move"}
    for name in names:
        tp = KINDS[kinds[name]][0] or newer
        if what[name] == "change":
            new_fields[name] = str
        elif what[name] == "widen" and kinds[name] == "int":
            new_fields[name] = float
        elif what[name] != "drop":
            new_fields[moved.get(name, name)] = tp

    def change(stored: dict[str, Any]) -> dict[str, Any]:
        found = dict(stored) if data_copies else stored
        for name in names:
            if what[name] == "drop":
                found.pop(name)
            elif what[name] == "move":
                found[name + "2"] = stored[name]
                found.pop(name)
            elif what[name] == "change":
                found[name] = "changed"
            elif what[name] == "in place" and kinds[name] == "list":
                found[name] = stored[name]
                found[name].append(5)
        return found

    data_copies = data.draw(st.booleans())
    cls = model("Row", new_fields, added=3, change=step(1, change), **{n: Chunk() for n in marks if n in new_fields})
    before = model("Row", old_fields, **marks)
    world = model("World", {"rows": list[before]}, rows=Chunk())
    save(
        path,
        world(rows=[before(**{n: part(n=v) if kinds[n] == "object" else v for n, v in row.items()}) for row in rows]),
    )

    def now(row: dict[str, Any]) -> Any:
        found = {n: newer(n=v) if kinds[n] == "object" else v for n, v in row.items() if what[n] != "drop"}
        found |= {n: "changed" for n in found if what[n] == "change"}
        found |= {n: [*v, 5] for n, v in found.items() if what[n] == "in place" and kinds[n] == "list"}
        return cls(**{moved.get(n, n): v for n, v in found.items()})

    root = model("World", {"rows": list[cls]}, rows=Chunk())
    wanted = root(rows=[now(row) for row in rows])
    assert parcode_orm.load(path, root) == wanted
    with Session(path) as session:
        lazily = session.root(root)
        assert [{name: getattr(each, name) for name in new_fields} for each in lazily.rows] == [
            {name: getattr(each, name) for name in new_fields} for each in wanted.rows
        ]
        assert not session.dirty
        lazily.rows[0].added = 4
        session.commit()
    wanted.rows[0].added = 4
    assert parcode_orm.load(path, root) == wanted and verify(path).ok


def test_what_the_code_leaves_is_read_as_without_it(tmp_path: Path) -> None:
    """A number does not become a moment, and a member of an enum is one, though the code sees its value."""
    path = tmp_path / "a.par"
    old = model("Thing", {"name": str, "colour": Colour, "when": int, "list": list[Colour], "title": str})
    save(path, old(name="a", colour=Colour.RED, when=5, list=[Colour.BLUE], title="t"))
    seen: list[Any] = []

    def change(stored: dict[str, Any]) -> dict[str, Any]:
        seen.append(stored["colour"])
        return {**stored, "name": 5}

    fields = {"name": int, "colour": Colour, "list": list[Colour], "called": str, "when": timedelta}
    new = model("Thing", fields, called=parcode_orm.Field(renamed_from="title"), change=step(1, change))
    with Session.open(path) as session:
        thing = session.root(new)
        assert (thing.name, thing.colour, thing.list, thing.called) == (5, Colour.RED, [Colour.BLUE], "t")
        assert seen[0] == "r"
        with pytest.raises(MigrationRequired, match=r"Thing\.when: stored as int.*a number is no time"):
            _ = thing.when


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "an exception": (lambda stored: stored["nothing"], r"@upgrade\(from_version=1\), raised KeyError\('nothing'\)"),
    "no dictionary": (lambda stored: None, "returned None"),
    "a missing field": (lambda stored: {"name": "a"}, "its code gives no 'level', and it has no default"),
    "a wrong value": (
        lambda stored: {**stored, "level": "x"},
        "its code gives 'x' for 'level': Input should be a valid",
    ),
    "a validator": (lambda stored: {**stored, "level": -1}, "gives -1 for 'level': Value error, below zero"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("lazily", [True, False])
def test_code_that_fails(tmp_path: Path, fault: str, lazily: bool) -> None:
    path = tmp_path / "a.par"
    old = model("Hero", {"name": str, "level": int})
    save(
        path,
        model("World", {"heroes": dict[int, old]}, heroes=ShardedMap())(
            heroes={n: old(name="a", level=1) for n in range(COUNT)}
        ),
    )

    def check(cls: Any, value: int) -> int:
        if value < 0:
            raise ValueError("below zero")
        return value

    code, message = FAULTS[fault]
    body = {"change": step(1, code), "check": field_validator("level")(check)}
    new = model("Hero", {"name": str, "level": int}, **body)
    world = model("World", {"heroes": dict[int, new], "n": int}, heroes=ShardedMap(), n=1)
    where = rf"Hero: an object of version 1, row 3 of the chunk at byte \d+ of {path}"
    if not lazily:
        with pytest.raises(SchemaMismatchError, match=message):
            parcode_orm.load(path, world)
        return
    with Session(path) as session:
        heroes = session.root(world).heroes
        with pytest.raises(SchemaMismatchError, match=message) as caught:
            _ = heroes[3].level
        assert caught.match(where) and caught.match(
            "correct the code, put another object in its place, or write a migr"
        )
        heroes[3] = new(name="b", level=5)
        session.commit()
        assert (heroes[3].name, heroes[3].level) == ("b", 5)
        with pytest.raises(SchemaMismatchError, match=message):
            _ = heroes[4].level


def test_extras_and_private_attributes(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    options: dict[str, Any] = {"model_config": {"extra": "allow"}}
    old = model("Hero", {"name": str, "gone": int, "_secret": int}, _secret=0, **options)
    hero = old(name="a b", gone=3, other=[1])
    hero._secret = 42
    save(path, hero)
    new = model("Hero", {"first": str, "last": str, "_secret": int}, _secret=0, split=Counted().method(), **options)
    for found in (parcode_orm.load(path, new), Session.open(path).root(new)):
        assert (found.first, found.last, found._secret) == ("a", "b", 42)
        assert found.model_extra == {"gone": 3, "other": [1]} and found.other == [1]
    closed = model("Hero", {"first": str, "last": str}, split=Counted().method())
    assert parcode_orm.load(path, closed) == closed(first="a", last="b")


def test_entities(tmp_path: Path) -> None:
    """Their code may change what nothing is found by; keys and indexed fields it must leave."""
    path = tmp_path / "a.par"
    fields: dict[str, Any] = {"id": int, "buyer": str, "price": int}
    marks: dict[str, Any] = {"id": Key(), "buyer": Index()}
    old = model("Trade", fields, **marks)
    with Session(path) as session:
        session.add_all(old(id=n, buyer=f"b{n % 9}", price=n) for n in range(COUNT))
        session.commit()
    new = model("Trade", fields, **marks, cents=step(1, lambda stored: {**stored, "price": stored["price"] * 100}))
    with Session(path) as session:
        assert session.get(new, 5).price == 500
        assert session.scalars(select(new).where(new.price == 700)).one() is session.get(new, 7)
        assert len(session.scalars(select(new).where(new.buyer == "b3")).all()) == len(range(3, COUNT, 9))
        session.get(new, 5).buyer = "other"
        session.delete(session.get(new, 6))
        session.add(new(id=1_000, buyer="b3", price=1))
        session.commit()
        assert session.scalar(select(func.sum(new.price))) == (sum(range(COUNT)) - 6) * 100 + 1
        assert session.scalars(select(new).where(new.buyer == "other")).one().id == 5
    assert verify(path, models=[new]).ok
    for change in ({"buyer": "x"}, {"id": 7_000}):
        wrong = model("Trade", fields, **marks, move=step(1, lambda stored, change=change: {**stored, **change}))
        with Session.open(path) as session, pytest.raises(SchemaMismatchError, match="is a key or has an index"):
            _ = session.get(wrong, 8).price


def test_an_index_below_an_object_with_code(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    old = model("Address", {"city": str})
    indexes = (Index("address.city"),)
    person = model("Person", {"id": int, "address": old}, id=Key(), __indexes__=indexes)
    with Session(path) as session:
        session.add_all(person(id=n, address=old(city=f"c{n}")) for n in range(9))
        session.commit()
    new = model("Address", {"city": str}, up=step(1, lambda stored: {"city": stored["city"].upper()}))
    person = model("Person", {"id": int, "address": new}, id=Key(), __indexes__=indexes)
    with (
        Session.open(path) as session,
        pytest.raises(MigrationRequired, match=r"Person\.address is a key or has an ind"),
    ):
        _ = session.get(person, 3).address
    person = model("Person", {"id": int, "address": new}, id=Key())
    with Session.open(path) as session:
        assert session.get(person, 3).address.city == "C3"


def test_without_the_classes(path: Path) -> None:
    with Session(path) as session:
        session.root(Realm).heroes["h1"].mana = 8
        session.commit()
    with Session.open(path) as session:
        heroes = session.root("Realm").heroes
        assert heroes["h1"].first == "F1"
        with pytest.raises(SchemaMismatchError, match="the code is not here"):
            _ = heroes["h2"].first
    said = parcode_orm.schema(path)
    assert said["$defs"]["Hero"]["description"] == "a model, version 2"
    names: dict[str, Any] = {}
    exec(compile(said.source(), "made", "exec", dont_inherit=True), names)
    assert names["Hero"].__name__ == "Hero" and parcode_orm.schema(path)["roots"] == ["Realm"]
    (compared,) = diff_schema(path, [Realm])
    assert compared.verdict == "opens"


def test_how_a_class_declares_it() -> None:
    class Base(Model):
        n: int

        @upgrade(from_version=2)
        @classmethod
        def double(cls, stored: dict[str, Any]) -> dict[str, Any]:
            return {"n": stored["n"] * 2}

    class Below(Base):
        pass

    assert Base.double({"n": 2}) == {"n": 4}  # a method, to be tested as one
    with pytest.raises(UnsupportedTypeError, match="other and double are both @upgrade"):
        model("Both", {"n": int}, Base, other=step(2, dict))
    with pytest.raises(UnsupportedTypeError, match="none from version 3: number them without gaps"):
        model("Gap", {"n": int}, Base, other=step(4, dict))
    assert model("Overridden", {"n": int}, Base, double=step(2, dict)).double({"n": 2}) == {"n": 2}
    for wrong in (0, "1", True, 1.0):
        with pytest.raises(TypeError, match="takes an int from 1 on"):
            upgrade(from_version=wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="stands above @staticmethod or @classmethod"):
        upgrade(from_version=1)(lambda stored: stored)  # type: ignore[type-var]
    with pytest.raises(MigrationError, match=r"Below has @upgrade.*RunPython\(\.\.\., model='Below'\)"):
        state_of([Below])


def test_a_class_that_is_not_complete_is_left_as_it_is() -> None:
    """Asking Pydantic's stand-ins for an attribute completed the class while its attributes were looked through."""

    module = types.ModuleType("waiting")
    source = "class Waits(Model):\n    other: 'Other | None' = None\nclass Other(Model):\n    n: int\n"
    sys.modules["waiting"] = module
    exec("from parcode_orm import Model\n" + source, module.__dict__)
    cls: Any = module.Waits
    assert version_of(cls) == 1 and not cls.__pydantic_complete__
    del sys.modules["waiting"]
