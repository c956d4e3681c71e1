"""A table whose fields are of every kind that queries have a way for, and values for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, NamedTuple

from hypothesis import strategies as st

from parcode_orm import Chunk, Model, ShardedMap


class Color(Enum):
    RED = "red"
    GREEN = "green"
    BLUE = "blue"


class Rank(IntEnum):
    LOW = 1
    HIGH = 2


class Place(Model):
    x: int
    y: float | None = None
    note: str | None = None


class Item(Model):
    price: int
    kind: str = ""
    where: Place | None = None


@dataclass
class Shape:
    sides: int
    label: str | None = None


class Point(NamedTuple):
    x: int
    y: float


class Row(Model):
    number: int
    name: str
    guild: str
    level: int
    big: int
    score: float
    bonus: float | None
    alias: str | None
    active: bool
    money: Decimal
    born: date
    died: date | None
    seen: datetime
    told: datetime
    played: timedelta
    color: Color
    rank: Rank | None
    place: Place
    home: Place | None
    tags: list[str]
    kinds: set[int]
    notes: dict[str, int]
    items: list[Item]
    spare: list[Item] | None
    shape: Shape
    point: Point | None
    visits: list[int] = Chunk()
    base: Place = Chunk()


class World(Model):
    by: dict[str, Row] = ShardedMap()
    rows: list[Row] = Chunk()


TEXTS = ["", "a", "ab", "Abc", "abcdefghij", "abcdefghijk", "b%", "b_c", "éa", "zz", "zz\0", "ab\nc"]
NUMBERS = [-3, -1, 0, 1, 2, 5, 7, 100, 300, 70_000]
FLOATS = [-2.5, -0.0, 0.0, 0.25, 1.0, 3.5, 100.0, 1e-9]
BIG = [
    0,
    1,
    -(1 << 62),
    (1 << 62) + 1,
    (1 << 63) - 1,
    -(1 << 63),
    1 << 63,
    (1 << 64) - 1,
    1 << 70,
    1 << 53,
    (1 << 53) + 1,
]
DAYS = [date(1999, 12, 31), date(2000, 1, 1), date(2000, 2, 29), date(2024, 6, 1)]
MOMENTS = [datetime(2000, 1, 1), datetime(2000, 1, 1, 12, 30), datetime(2024, 6, 1, 23, 59, 59, 5)]
DURATIONS = [timedelta(0), timedelta(seconds=90), timedelta(days=3, microseconds=1)]
MONEY = [Decimal("0"), Decimal("1.10"), Decimal("1.1"), Decimal("-3"), Decimal("99.99")]


def of(values: list[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def maybe(values: list[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, None, *values])


places = st.builds(Place, x=of(NUMBERS), y=maybe(FLOATS), note=maybe(TEXTS))
items = st.builds(Item, price=of(NUMBERS), kind=of(TEXTS[:3]), where=st.none() | places)
rows = st.builds(
    Row,
    number=of(NUMBERS),
    name=of(TEXTS),
    guild=of(["red", "blue"]),
    level=of(NUMBERS[:6]),
    big=of(BIG),
    score=of(FLOATS),
    bonus=maybe(FLOATS),
    alias=maybe(TEXTS),
    active=st.booleans(),
    money=of(MONEY),
    born=of(DAYS),
    died=maybe(DAYS),
    seen=of(MOMENTS),
    told=of([moment.replace(tzinfo=UTC) for moment in MOMENTS]),
    played=of(DURATIONS),
    color=of(list(Color)),
    rank=maybe(list(Rank)),
    place=places,
    home=st.none() | places,
    tags=st.lists(of(TEXTS), max_size=2),
    kinds=st.sets(of(NUMBERS), max_size=2),
    notes=st.dictionaries(of(TEXTS[1:4]), of(NUMBERS), max_size=2),
    items=st.lists(items, max_size=2),
    spare=st.none() | st.lists(items, max_size=2),
    shape=st.builds(Shape, sides=of(NUMBERS), label=maybe(TEXTS)),
    point=st.none() | st.builds(Point, x=of(NUMBERS), y=of(FLOATS)),
    visits=st.lists(of(NUMBERS), max_size=3),
    base=places,
)
