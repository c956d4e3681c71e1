"""What golden files hold: a feature of the format each, with the models and values that it was written of.

A file is written once, by `python -m tests.golden.write`, and read by every later version. So nothing here changes once
its file is there: a new feature of the format gets a new entry and a new file.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, Flag
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import UUID

import numpy as np
from pydantic import BaseModel, ConfigDict, PrivateAttr
from typing_extensions import TypedDict

from parcode_orm import Chunk, Index, Key, Model, Ref, Session, ShardedMap, load, save, select
from tests.equality import same
from tests.small import tuned

IDENTITY = {"uuid": UUID(int=15), "time_ns": 1_800_000_000_000_000_000}
SMALL = tuned(group_rows=12)  # several row groups and tree nodes in a small file


@dataclass(frozen=True)
class Feature:
    """A golden file: what writes it, and what yields what it holds beside what it must hold."""

    write: Callable[[Path], None]
    read: Callable[[Path], Iterator[tuple[Any, Any]]]


FEATURES: dict[str, Feature] = {}


def root(name: str, obj: Model, **options: Any) -> None:
    """A file of one root."""

    def read(path: Path) -> Iterator[tuple[Any, Any]]:
        with Session.open(path) as session:
            yield session.root(type(obj)).model_load(), obj

    FEATURES[name] = Feature(lambda path: save(path, obj, **options, **IDENTITY), read)


def feature(write: Callable[[Path], None]) -> Callable[[Any], Any]:
    """A file that `write` writes, for the function that reads it and is called after the feature."""

    def take(read: Callable[[Path], Iterator[tuple[Any, Any]]]) -> Any:
        FEATURES[read.__name__] = Feature(write, read)
        return read

    return take


# -- columns -----------------------------------------------------------------------------------------------------------


class Numbers(Model):
    flags: list[bool]
    bytes_wide: list[int]
    wide: list[int]
    huge: list[int]
    floats: list[float]
    decimals: list[Decimal]
    fractions: list[Fraction]
    complex_ones: list[complex]


root(
    "numbers",
    Numbers(
        flags=[True, False, True],
        bytes_wide=[0, 200, 7],
        wide=[-(2**62), 2**62, 5],
        huge=[2**80, -(2**90), 0],
        floats=[0.0, -0.0, float("inf"), float("nan"), 1.1],
        decimals=[Decimal("1.50"), Decimal("-0"), Decimal("1E+10")],
        fractions=[Fraction(1, 3), Fraction(-5)],
        complex_ones=[1 + 2j, complex(-0.0, 0.0)],
    ),
)


class Texts(Model):
    few: list[str]
    many: list[str]
    none: list[str | None]
    data: list[bytes]


root(
    "texts",
    Texts(
        few=["ash", "oak"] * 40,
        many=[f"text {n} \U0001f333" for n in range(40)] + ["", "\x00", "\ud800"],
        none=["a", None, ""] * 5,
        data=[b"", b"\x00\xff", b"a" * 300],
    ),
)


class Times(Model):
    moments: list[dt.datetime]
    days: list[dt.date]
    clocks: list[dt.time]
    spans: list[dt.timedelta]
    keys: list[UUID]


ZONE = dt.timezone(dt.timedelta(hours=5, minutes=45))
root(
    "times",
    Times(
        moments=[
            dt.datetime(2024, 5, 3, 1, 2, 3, 4),
            dt.datetime(1, 1, 1, tzinfo=dt.UTC),
            dt.datetime(2024, 1, 1, tzinfo=ZONE),
        ],
        days=[dt.date(1, 1, 1), dt.date(9999, 12, 31)],
        clocks=[dt.time(1, 2, 3), dt.time(23, 59, tzinfo=dt.UTC)],
        spans=[dt.timedelta(days=-3, microseconds=1)],
        keys=[UUID(int=7), UUID(int=2**128 - 1)],
    ),
)


class Colour(Enum):
    RED = "red"
    GREEN = 2


class Access(Flag):
    READ = 1
    WRITE = 2


class Place(NamedTuple):
    x: int
    y: int = 0


@dataclass(frozen=True)
class Shape:
    name: str
    corners: list[Place] = field(default_factory=list)


class Extra(TypedDict, total=False):
    note: str
    count: int


class Plain(BaseModel):
    n: int = 0
    inner: Plain | None = None


class Composite(Model):
    colours: list[Colour]
    access: Access
    shape: Shape
    extra: Extra
    plain: Plain
    union: list[int | str | Place | None]
    literal: Literal["a", "b"]
    tuples: list[tuple[int, str]]
    sets: set[str]
    frozen: frozenset[int]
    by_place: dict[Place, list[int]]
    anything: list[Any]


root(
    "composites",
    Composite(
        colours=[Colour.RED, Colour.GREEN, Colour.RED],
        access=Access.READ | Access.WRITE,
        shape=Shape("square", [Place(0), Place(1, 1)]),
        extra={"note": "a"},
        plain=Plain(n=1, inner=Plain(n=2, inner=Plain(n=3))),
        union=[1, "a", Place(2, 3), None],
        literal="b",
        tuples=[(1, "a"), (2, "b")],
        sets={"a", "b"},
        frozen=frozenset({3, 1}),
        by_place={Place(1, 2): [1], Place(0): []},
        anything=[None, 1, "a", b"b", [1.5], {"k": (1, 2)}, {3}, dt.date(2024, 1, 1), Decimal("1.5")],
    ),
)


class Animal(Model):
    model_config = ConfigDict(extra="allow")
    name: str = ""
    _seen: int = PrivateAttr(0)


class Dog(Animal):
    tricks: list[str] = []


class Zoo(Model):
    animals: list[Animal] = Chunk()
    best: Animal | None = Chunk(default=None)


def zoo() -> Zoo:
    dog = Dog(name="rex", tricks=["sit"], colour="red")
    dog._seen = 7
    return Zoo(animals=[dog, Animal(name="cat"), Animal()], best=Dog(name="ann"))


root("subclasses", zoo())


class Tree(Model):
    value: int
    below: list[Tree] = Chunk(default_factory=list)
    by: dict[str, Tree] = {}


root("recursion", Tree(value=1, below=[Tree(value=2, below=[Tree(value=3)])], by={"a": Tree(value=4)}))


# -- what is stored apart ----------------------------------------------------------------------------------------------


class Page(Model):
    title: str
    body: str = Chunk()
    numbers: list[int] = Chunk()


class Book(Model):
    pages: list[Page] = Chunk()
    by_title: dict[str, Page] = ShardedMap()
    cover: bytes = Chunk()
    index: dict[int, str] = Chunk()


def page(n: int) -> Page:
    return Page(title=f"page {n}", body=f"body {n} " * (n % 3), numbers=list(range(n % 5)))


root("small_collections", Book(pages=[page(1)], by_title={"a": page(2)}, cover=b"c", index={1: "a"}))


def book() -> Book:
    pages = [page(n) for n in range(24)]
    return Book(pages=pages, by_title={each.title: each for each in pages}, cover=bytes(range(256)), index={})


@feature(lambda path: SMALL.save(path, book()))
def tables(path: Path) -> Iterator[tuple[Any, Any]]:
    """Collections that are tables, with several row groups, a tree, and an index."""
    with Session.open(path) as session:
        found = session.root(Book)
        yield found.by_title["page 13"].model_load(), page(13)
        yield [each.title for each in found.pages[10:13]], ["page 10", "page 11", "page 12"]
        yield found.model_load(), book()


class Large(Model):
    data: bytes = Chunk(compression="lz4")
    text: str = Chunk(compression="lz4")
    grid: np.ndarray = Chunk(compression="lz4")
    model_config = ConfigDict(arbitrary_types_allowed=True)


root("blobs", Large(data=bytes(300_000), text="tree " * 60_000, grid=np.arange(6, dtype=np.int32).reshape(2, 3)))


class Packed(Model):
    texts: list[str] = Chunk(compression="lz4")
    numbers: list[int] = Chunk(compression="none")


root("lz4", Packed(texts=[f"some text {n}" for n in range(500)], numbers=list(range(50))), compression="lz4")


# -- commits -----------------------------------------------------------------------------------------------------------


def _commits(path: Path, durability: Literal["full", "fast"]) -> None:
    with Session(path, durability=durability, workers=0) as session:
        session.add(Book(pages=[page(n) for n in range(9)], by_title={}, cover=b"1", index={}))
        session.commit("first")
        found = session.root(Book)
        found.pages[4].title = "changed"
        found.by_title["new"] = page(3)
        session.commit("second")
        del found.pages[0]
        session.add(Plainly(n=5))
        session.commit("third")


class Plainly(Model):
    n: int = 0


def _history(path: Path) -> Iterator[tuple[Any, Any]]:
    with Session.open(path) as session:
        found = session.root(Book)
        yield [each.message for each in session.history()], ["third", "second", "first"]
        yield [each.title for each in found.pages][:4], ["page 1", "page 2", "page 3", "changed"]
        yield found.by_title["new"].model_load(), page(3)
        yield session.roots(), ["Book", "Plainly"]
    with Session.open(path, at=1) as session:
        yield len(session.root(Book).pages), 9


@feature(lambda path: _commits(path, "full"))
def commits(path: Path) -> Iterator[tuple[Any, Any]]:
    """Appended commits."""
    yield from _history(path)


@feature(lambda path: _commits(path, "fast"))
def fast_commits(path: Path) -> Iterator[tuple[Any, Any]]:
    """Appended commits that did not wait for the disk."""
    yield from _history(path)


# -- entities ----------------------------------------------------------------------------------------------------------


class City(BaseModel):
    name: str


class Seller(Model):
    id: int = Key(auto=True)
    name: str = Index(unique=True)
    rating: int | None = Index()
    city: City
    tags: list[str] = Index(default=[])
    __indexes__ = (Index("city.name", "rating"),)


class Flight(Model):
    carrier: str = Key()
    number: int = Key()
    dest: str = ""


def seller(n: int) -> Seller:
    return Seller(name=f"s{n}", rating=n % 5 or None, city=City(name=f"c{n % 3}"), tags=[f"t{n % 4}"])


def _entities(path: Path) -> None:
    with Session(path, workers=0) as session:
        session.add_all([*map(seller, range(12)), Flight(carrier="AA", number=1, dest="JFK")])
        session.commit()
        session.delete(session.get_one(Seller, 12))
        session.get_one(Seller, 3).name = "three"
        session.commit()
        session.compact()


@feature(_entities)
def entities(path: Path) -> Iterator[tuple[Any, Any]]:
    """Entities with numbered and composite keys, a unique index, and ordered ones."""
    with Session.open(path) as session:
        yield session.get_one(Seller, 3).model_dump(), {**seller(2).model_dump(), "id": 3, "name": "three"}
        yield session.get(Seller, 12), None
        yield session.get_one(Flight, ("AA", 1)).dest, "JFK"
        yield session.scalar(select(Seller.id).where(Seller.name == "three")), 3
        yield (
            session.scalars(select(Seller.id).where(Seller.rating == 4).order_by(Seller.id)).all(),
            [5, 10],
        )
        yield session._work.find("Seller[]", *_table(Seller)).obj.last, 12


def _table(cls: Any) -> tuple[Any, Any]:
    from parcode_orm.codec.types.compile import struct_for
    from parcode_orm.model.entities import table_class

    return table_class(cls), struct_for(table_class(cls))


# -- classes that change -----------------------------------------------------------------------------------------------


def versions() -> tuple[Any, Any]:
    """A class and what became of it: both are called `Hero`."""

    class Hero(Model):
        level: int
        gold: int
        role: Colour = Colour.RED
        items: list[int] = Chunk(default_factory=list)

    old = Hero

    class Hero(Model):  # type: ignore[no-redef]
        name: str = "nobody"
        level: float
        role: Colour = Colour.RED
        things: list[int] = Chunk(default_factory=list, renamed_from="items")

    return old, Hero


def _older(path: Path) -> None:
    old, _ = versions()
    save(path, old(level=3, gold=5, role=Colour.GREEN, items=[1, 2]), **IDENTITY)


@feature(_older)
def older_schema(path: Path) -> Iterator[tuple[Any, Any]]:
    """A root that an earlier class wrote, read by that class and by a later one."""
    old, new = versions()
    yield load(path, old).model_dump(), {"level": 3, "gold": 5, "role": Colour.GREEN, "items": [1, 2]}
    yield load(path, new).model_dump(), {"name": "nobody", "level": 3.0, "role": Colour.GREEN, "things": [1, 2]}


def _teams() -> tuple[Any, Any]:
    found = []
    for hero in versions():
        body = {"__annotations__": {"heroes": dict[str, hero]}, "heroes": ShardedMap(default_factory=dict)}
        found.append(type("Team", (Model,), {**body, "__module__": __name__}))
    return found[0], found[1]


def _mixed(path: Path) -> None:
    old, new = _teams()
    heroes = {f"h{n}": {"level": n, "gold": n} for n in range(8)}
    SMALL.save(path, old.model_validate({"heroes": heroes}))
    with Session(path, workers=0) as session:
        team = session.root(new)
        team.heroes["h3"].name = "ann"
        team.heroes["new"] = new.model_validate({"heroes": {"new": {"level": 1.5}}}).heroes["new"]
        session.commit()


@feature(_mixed)
def rows_of_several_schemas(path: Path) -> Iterator[tuple[Any, Any]]:
    """A table of rows of two schemas."""
    _, new = _teams()
    heroes = load(path, new).heroes
    yield [heroes[name].name for name in ("h3", "h4", "new")], ["ann", "nobody", "nobody"]
    yield [heroes[name].level for name in ("h3", "h7", "new")], [3.0, 7.0, 1.5]
    yield len(heroes), 9


# -- references --------------------------------------------------------------------------------------------------------


class Port(Model):
    name: str = Key()
    near: Ref[Port] | None = None


class Leg(Model):
    start: Ref[Port] = Key()
    number: int = Key()


class Trip(Model):
    id: int = Key(auto=True)
    port: Ref[Port] | None = Index(None)
    legs: list[Ref[Leg]] = Index(default=[])
    either: Ref[Port] | Ref[Leg] | None = None
    apart: list[Ref[Port]] = Chunk(default_factory=list)
    places: dict[str, Ref[Port]] = ShardedMap(default_factory=dict)


def _references(path: Path) -> None:
    with Session(path, workers=0) as session:
        ports = [Port(name=f"p{n}") for n in range(4)]
        legs = [Leg.model_validate({"start": ports[n % 4], "number": n}) for n in range(6)]
        session.add_all([*ports, *legs])
        for n in range(10):
            row = {"port": ports[n % 4] if n % 3 else None, "legs": [legs[n % 6], legs[(n + 1) % 6]]}
            more = {"either": ports[0] if n % 2 else legs[0], "apart": ports[: n % 4], "places": {"a": ports[n % 4]}}
            session.add(Trip.model_validate({**row, **more}))
        session.commit()
        ports[0].near = ports[1]  # type: ignore[assignment]
        session.commit()
        session.compact()


@feature(_references)
def references(path: Path) -> Iterator[tuple[Any, Any]]:
    """Entities that refer to each other: by plain and composite keys, in indexes, unions and tables of their own."""
    with Session.open(path) as session:
        trip = session.get_one(Trip, 6)
        row = {"id": 6, "port": "p1", "legs": [("p1", 5), ("p0", 0)], "either": "p0"}
        yield trip.model_dump(), {**row, "apart": ["p0"], "places": {"a": "p1"}}
        yield trip.port is not None and trip.port.target is session.get(Port, "p1"), True
        yield trip.legs[1].start.near.key, "p1"
        yield len(session.scalars(select(Trip).where(Trip.port == session.get(Port, "p1"))).all()), 2
        yield session.get_one(Leg, ("p1", 5)).start.key, "p1"


def check(name: str, path: Path) -> None:
    """Raise AssertionError where the file does not hold what it must."""
    for found, expected in FEATURES[name].read(path):
        assert same(found, expected), f"{name}: {found!r} is not {expected!r}"
