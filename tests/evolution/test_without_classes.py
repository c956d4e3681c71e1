"""A file opened without the classes that wrote it, and what it says about them."""

from __future__ import annotations

import collections
import dataclasses
import enum
import sys
import types
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pydantic
import pytest
from hypothesis import assume, given
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PrivateAttr, RootModel
from pydantic_core import core_schema
from typing_extensions import TypedDict

import parcode_orm
from parcode_orm import (
    ChecksumError,
    Chunk,
    Index,
    Key,
    MigrationRequired,
    Model,
    NoResultFound,
    Session,
    ShardedMap,
    select,
)
from parcode_orm.codec.schema import canonical_schema, describe
from parcode_orm.codec.stored import parsed
from parcode_orm.codec.types.compile import struct_for
from parcode_orm.model.entities import table_class
from parcode_orm.model.generated import Generated
from parcode_orm.storage.mapped import Source
from tests.effort import half
from tests.strategies import classes, objects

from .test_matrix import CONFIG, TYPES


class Hue(enum.Enum):
    RED = 1
    DEEP = (1, 2)


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Item(BaseModel):
    n: int
    below: list[Item] = []


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]
    a: int = 0


class Words(RootModel[list[str]]):
    """A root model."""


@dataclasses.dataclass
class Crate:
    size: int


class Spot(NamedTuple):
    x: int


class Card(TypedDict, total=False):
    title: str


class World(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    title: str
    hue: Hue
    access: Access
    kind: Literal["a", 5]
    item: Item
    loose: Loose
    words: Words
    crate: Crate
    spot: Spot
    card: Card
    array: NDArray[np.int32]
    log: list[int] = Chunk()
    items: dict[str, Item] = ShardedMap()
    maybe: int | str | None = None
    _note: str = PrivateAttr("x")


def world() -> World:
    return World(
        title="t", hue=Hue.RED, access=Access.READ, kind="a", item=Item(n=1, below=[Item(n=2)]), loose=Loose(a=1, b=2),
        words=Words(["w"]), crate=Crate(3), spot=Spot(4), card={"title": "c"}, array=np.array([1], np.int32),
        log=list(range(100)), items={"a": Item(n=5)}, maybe="m",
    )  # fmt: skip


def test_a_root_without_its_class(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    parcode_orm.save(path, world())
    with Session.open(path) as session:
        for found in (session.root("World"), session.root()):
            assert not isinstance(found, World) and found.__class__.__name__ == "World"
            assert (found.title, found.kind, found.maybe) == ("t", "a", "m")
            assert (found.hue.name, found.hue.value, found.access.name) == ("RED", 1, "READ")
            assert found.item.below[0].n == 2 and found.loose.b == 2 and found.words.root == ["w"]
            assert (found.crate.size, found.spot.x, found.card) == (3, 4, {"title": "c"})
            assert found.array.tolist() == [1] and found.log[99] == 99 and found.items["a"].n == 5
        assert session.models().keys() == {"World"}
        with pytest.raises(NoResultFound, match="no root of type 'Nothing': the file holds World"):
            session.root("Nothing")
    with Session.open(path) as session:
        assert session.root(World) == world()
        assert session.root("World") is session.root(World)
    with Session(path) as session:
        session.root().title = "changed"
        session.commit()
    assert parcode_orm.load(path, World).title == "changed"


class Player(Model):
    id: int = Key(default=None, auto=True)
    name: str = Index(unique=True)
    level: int = Index()


def test_entities_without_their_class(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add_all(Player(name=f"n{n}", level=n % 10) for n in range(100))
        session.commit()
    with Session(path) as session:
        player: Any = session.models()["Player"]
        assert player is not Player and session.get(player, 5).name == "n4"
        assert len(session.scalars(select(player).where(player.level == 3)).all()) == 10
        session.add(player(name="new", level=3))
        session.commit()
    with Session.open(path) as session:
        assert session.get(Player, 101).name == "new"


@half()
@given(classes())
def test_the_class_of_a_schema_has_that_schema(cls: type[Model]) -> None:
    data = canonical_schema(struct_for(cls))
    assume(b"custom " not in data)  # which are read as what they are stored as
    assert canonical_schema(struct_for(Generated(parsed(data)).root())) == data


@half()
@given(objects())
def test_values_are_read_without_their_class(obj: Model) -> None:
    with Session.open(parcode_orm.dumps(obj)) as session:
        found = session.root().model_load()
    described = describe(struct_for(type(obj)))
    nodes = dict(described["structs"][described["root"]["struct"]]["fields"])
    for name in type(obj).model_fields:
        if name in obj.__dict__ and "'custom " not in str(nodes[name]):  # custom types are read as they are stored
            assert type(getattr(found, name)).__name__ == type(getattr(obj, name)).__name__


@pytest.mark.parametrize("place", range(len(TYPES)))
def test_the_class_of_each_type(place: int) -> None:
    tp, values = TYPES[place]
    for wrapped, put in ((tp, values[0]), (list[tp], values), (dict[str, tp], {"k": values[0]})):
        for marker in (None, Chunk):
            body = {"__annotations__": {"v": wrapped}, "__module__": "app", "model_config": CONFIG}
            if marker is not None:
                body["v"] = marker()
            cls: Any = type(Model)("Root", (Model,), body)
            data = canonical_schema(struct_for(cls))
            made = Generated(parsed(data)).root()
            assert canonical_schema(struct_for(made)) == data
            found = parcode_orm.loads(parcode_orm.dumps(cls(v=put)), made).v
            if isinstance(put, list) and tp in (int, str, bytes):
                assert found == put


def test_the_schema_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add(world())
        session.add(Player(name="a", level=1))
        session.commit()
    found = parcode_orm.schema(path)
    assert found["roots"] == ["World"] and found["entities"] == {"Player": {"key": {"type": "integer"}}}
    assert found["$defs"]["World"]["properties"]["log"] == {
        "type": "array",
        "items": {"type": "integer"},
        "stored": "Chunk",
    }
    assert found["$defs"].keys() == {"World", "Item", "Loose", "Words", "Crate", "Spot", "Card", "Player"}
    source = found.source()
    module = types.ModuleType("generated_by_the_test")
    sys.modules[module.__name__] = module
    exec(source, module.__dict__)
    assert "class Player(Model):" in source and "id: int = Key(default=None, auto=True)" in source
    again = parcode_orm.load(path, module.World)
    assert (again.title, again.items["a"].n, again.hue.name) == ("t", 5, "RED")
    listed = {each["name"]: each for each in found.classes()}
    assert listed.keys() == found["$defs"].keys()
    assert [(name, listed[name]["kind"], listed[name]["stored"]) for name in ("World", "Player", "Crate")] == [
        ("World", "model", "root"), ("Player", "model", "entities"), ("Crate", "dataclass", ""),
    ]  # fmt: skip
    assert {"name": "id", "type": "int", "mark": "Key(default=None, auto=True)"} in listed["Player"]["fields"]
    assert {"name": "log", "type": "list[int]", "mark": "Chunk()"} in listed["World"]["fields"]


class Address(BaseModel):
    city: str


class Member(Model):
    mail: str = Key()
    tags: list[str] = Index()
    guild: str
    level: int = Index()
    address: Address
    items: list[Item] = []
    __indexes__ = (
        Index("guild", "level"), Index("address.city"), Index("items[].n"), Index("guild", "mail", unique=True),
        Index("guild"),
    )  # fmt: skip


class Team(Model):
    captain: Member  # an entity's class within a root


@pytest.mark.parametrize("cls", [table_class(Member), table_class(Player), Team])
def test_keys_and_indexes_without_their_class(cls: Any) -> None:
    data = canonical_schema(struct_for(cls))
    made = Generated(parsed(data))
    found = made.root() if cls is Team else table_class(made.entity())
    assert canonical_schema(struct_for(found)) == data


def test_a_commit_without_the_class_keeps_the_indexes(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add_all(
            Member(mail=f"m{n}", tags=["a", f"t{n}"], guild=f"g{n % 7}", level=n, address=Address(city=f"c{n % 9}"))
            for n in range(500)
        )
        session.commit()
    with Session(path) as session:
        member: Any = session.models()["Member"]
        session.get_one(member, "m5").guild = "moved"
        session.commit()
    with Session(path) as session:
        assert [each.guild for each in session.scalars(select(Member).where(Member.guild == "moved"))] == ["moved"]
        session.get_one(Member, "m5").level = 1000
        session.commit()  # by the class that wrote the file: no DowngradeError, as the schema is the same
    source = Source.open(str(path))
    assert len(source.catalog.schemas) == 1
    source.close()
    assert parcode_orm.verify(path).ok


@dataclasses.dataclass
class Node:
    below: list[Node]


class Leaf(TypedDict):
    inner: list[Leaf]


class Pair(NamedTuple):
    rest: list[Pair]


class Trees(Model):
    node: Node
    leaf: Leaf
    pair: Pair


def recursive(name: str) -> Any:
    """A class of any name that holds objects of its own."""
    cls = type(Model)(name, (Model,), {"__annotations__": {"below": "list[Me]"}, "__module__": "app"})
    cls.model_rebuild(_types_namespace={"Me": cls})
    return cls


def test_classes_of_confusing_names() -> None:
    names = ["A", "A", "A#2", "A_2", "class", "1x", "", "a b", "A.B", "_struct_0"]
    fields = {f"f{at}": recursive(name) for at, name in enumerate(names)}
    every: Any = type(Model)("Every", (Model,), {"__annotations__": fields, "__module__": "app"})
    for cls in (every, Trees):
        data = canonical_schema(struct_for(cls))
        assert canonical_schema(struct_for(Generated(parsed(data)).root())) == data


def test_a_root_and_entities_of_one_name(tmp_path: Path) -> None:
    root: Any = type(Model)("Player", (Model,), {"__annotations__": {"title": str}, "__module__": "app"})
    with Session(tmp_path / "a.par") as session:
        session.add(Player(name="a", level=3))
        session.add(root(title="t"))
        session.commit()
    with Session.open(tmp_path / "a.par") as session:
        models = session.models()
        assert list(models) == ["Player", "Player[]"] and session.root("Player").title == "t"
        assert isinstance(session.root(), models["Player"])
        assert session.get(models["Player[]"], 1).level == 3  # type: ignore[union-attr]
        with pytest.raises(KeyError):
            models["Nothing"]


def test_a_damaged_schema_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add(Player(name="a", level=3))
        session.add(Team(captain=Member(mail="m", tags=[], guild="g", level=1, address=Address(city="c"))))
        session.commit()
    data = bytearray(path.read_bytes())
    at = data.index(b'"Team"')
    data[at + 1] ^= 1
    with Session.open(bytes(data)) as session:
        models = session.models()
        assert list(models) == ["Player", "Team"]
        assert session.get(models["Player"], 1).level == 3  # type: ignore[union-attr]
        with pytest.raises(ChecksumError):
            models["Team"]
        with pytest.raises(ChecksumError):
            session.root("Team")


def named(name: str, **fields: Any) -> Any:
    """A class of a module, with fields that may have defaults."""
    made: Any = pydantic.create_model(name, __base__=Model, **fields)
    return made


def test_rows_of_an_older_class_without_the_fields_that_it_did_not_have(tmp_path: Path) -> None:
    """They could not be read at all, not even the fields that they have: the stored schema has no defaults."""
    key, path = Key(auto=True), tmp_path / "a.par"
    for more in ({}, {"mana": (float, 1.5), "guild": (str | None, None)}):
        card = named("Card", n=(int, ...), **more)
        hero = named("Hero", id=(int, key), level=(int, ...), card=(card, ...), **more)
        home = named("Home", heroes=(dict[str, card], ShardedMap()), title=(str, ""))
        with Session(path) as session:
            if not more:
                session.add(home(heroes={f"h{n}": card(n=n) for n in range(5_000)}))
                session.add_all(hero(level=n, card=card(n=1)) for n in range(500))
            else:
                session.get_one(hero, 3).mana = 5.0
                session.root(home).heroes["h7"].mana = 2.5
            session.commit()
    with Session.open(path) as session:
        home, heroes = session.root(), session.models()["Hero"]
        assert [home.heroes[name].n for name in ("h7", "h8")] == [7, 8] and home.heroes["h7"].mana == 2.5
        assert home.heroes["h8"].model_dump() == {"n": 8} and not hasattr(home.heroes["h8"], "mana")
        assert session.get_one(heroes, 400).card.model_load().n == 1
        found = session.execute(select(heroes.id, heroes.mana).where(heroes.level < 4)).all()
        assert found == [(1, None), (2, None), (3, 5.0), (4, None)]
    with Session(path) as session, pytest.raises(MigrationRequired, match="a stored schema has no defaults"):
        session.root().heroes["h8"].n  # noqa: B018  # written again, it would lack them for ever


class Tag(str):
    """A text of a class of its own."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: pydantic.GetCoreSchemaHandler) -> Any:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


@pytest.mark.parametrize(("kind", "key"), [(pydantic.ByteSize, pydantic.ByteSize(5)), (Tag, Tag("a"))])
def test_keys_of_classes_that_are_not_there(kind: Any, key: Any) -> None:
    """The root could not be read at all: a migration was asked for, as if the keys had another type now."""
    made = named("Keyed", m=(dict[kind, int], ShardedMap()))
    with Session.open(parcode_orm.dumps(made(m={key: 1}))) as session:
        found = session.root().m
        assert list(found) == [key] and found[key] == 1 and type(next(iter(found))) in (int, str)


def test_dictionaries_of_a_kind_beside_classes_that_are_not_there() -> None:
    """An OrderedDict of them was read as a dictionary, which no OrderedDict is made of."""
    size = pydantic.ByteSize
    made = named(
        "Ordered", m=(collections.OrderedDict[str, size], ...), d=(collections.defaultdict[str, list[size]], ...)
    )
    sizes = collections.OrderedDict(b=size(5), a=size(3))
    with Session.open(parcode_orm.dumps(made(m=sizes, d=collections.defaultdict(list, x=[size(1)])))) as session:
        found = session.root()
        assert type(found.m) is collections.OrderedDict and list(found.m.items()) == [("b", 5), ("a", 3)]
        assert type(found.d) is collections.defaultdict and found.d == {"x": [1]}


class Animal(Model):
    name: str = ""


class Lion(Animal):
    mane: float = 0.5


class Zoo(Model):
    star: Animal
    all: list[Animal] = Chunk(default=[])


def test_subclasses_without_their_classes() -> None:
    data = parcode_orm.dumps(Zoo(star=Lion(name="a"), all=[Animal(name="b"), Lion(mane=2.5)]))
    with Session.open(data) as session:
        zoo = session.root()
        assert (zoo.star.mane, zoo.star.name, zoo.star.__class__.__name__) == (0.5, "a", "Lion")
        assert [each.model_dump() for each in zoo.all] == [{"name": "b"}, {"name": "", "mane": 2.5}]
        assert zoo.star.__class__ is zoo.all[1].__class__
