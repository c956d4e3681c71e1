"""The classes of `main.rs` in Python, and the objects that it writes."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal

from pydantic import BaseModel

from parcode_orm import Chunk, Model, ShardedMap
from parcode_orm.interop.rust import (
    F32,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    Array,
    Char,
    Variants,
)


class Hue(enum.Enum):
    RED = "red"
    GREEN = "green"
    BLUE = "blue"


class Circle(BaseModel):
    radius: float


class Flat(BaseModel):
    width: Annotated[int, U16]
    height: Annotated[int, U16]


Path = list[Annotated[int, I8]]
Line = tuple[Annotated[int, U8], Annotated[str, Char]]
Shape = Annotated[
    Circle | Flat | Path | Line | Literal["nothing"], Variants(Literal["nothing"], Circle, Flat, Path, Line)
]


class Tree(BaseModel):
    name: str
    below: list[Tree]


class Settings(Model):
    difficulty: Annotated[int, U8]
    history: list[str] = Chunk()


class Player(Model):
    level: Annotated[int, U32]
    inventory: list[Annotated[int, U16]] = Chunk()
    name: str


class World(Model):
    id: Annotated[int, U64]
    name: str
    mark: Annotated[str, Char]
    tilt: Annotated[int, I16]
    deep: Annotated[int, I128]
    huge: Annotated[int, U128]
    ratio: Annotated[float, F32]
    mass: float
    alive: bool
    hue: Hue
    shapes: list[Shape]
    pair: tuple[Annotated[int, U8], Annotated[int, I8]]
    grid: tuple[Annotated[int, U16], Annotated[int, U16], Annotated[int, U16]]
    code: Annotated[bytes, Array(4)]
    some: Annotated[int, I64] | None
    none: str | None
    tags: set[str]
    raw: bytes
    ids: list[Annotated[int, U64]]
    heights: list[Annotated[float, F32]]
    by: dict[Annotated[int, U8], bool | None]
    tree: Tree
    settings: Settings = Chunk()
    terrain: bytes = Chunk()
    players: list[Player] = Chunk()
    heroes: dict[str, Player] = ShardedMap()
    scores: dict[tuple[Annotated[int, U8], str], Annotated[int, I32]] = Chunk()
    nobody: dict[Annotated[int, U64], Annotated[int, U64]] = ShardedMap()
    nowhere: list[str] = Chunk()


class Map(Model):
    pairs: dict[Annotated[int, U8], Annotated[int, U16]] = ShardedMap()


class Wide(Model):
    pairs: dict[Annotated[int, I32], Annotated[int, I64]] = ShardedMap()


def player(level: int, items: int, name: str) -> Player:
    return Player(level=level, inventory=[100 * n for n in range(items)], name=name)


PLAYERS = [player(1, 2, "ann"), player(4_000_000_000, 0, "bob"), player(300, 1, "cid")]
MAP = Map(pairs={n: 300 * n for n in range(200)})
WIDE = Wide(pairs={n - 3000: n * n for n in range(6100)})


def world() -> World:
    leaf = Tree(name="leaf", below=[])
    return World(
        id=2**64 - 1, name="Aldermöor", mark="€", tilt=-300, deep=-(2**127), huge=2**128 - 1, ratio=0.5, mass=1e300,
        alive=True, hue=Hue.BLUE, pair=(255, -128), grid=(1, 250, 65535), code=bytes([0, 1, 254, 255]),
        shapes=["nothing", Circle(radius=2.5), Flat(width=300, height=2), [-1, 0, 127], (7, "x")],
        some=-5_000_000_000, none=None, tags={"old", "wet"}, raw=bytes([9, 251, 0]), heights=[1.5, -0.25],
        ids=[0, 250, 251, 65536, 2**40], by={3: True, 200: None}, tree=Tree(name="root", below=[leaf, leaf]),
        settings=Settings(difficulty=3, history=["founded", "flooded"]), terrain=bytes([7] * 60), players=PLAYERS,
        heroes={"dora": player(24, 3, "Dora"), "eve": player(25, 0, "Eve")}, scores={(1, "a"): -70_000}, nobody={},
        nowhere=[],
    )  # fmt: skip


CONTENT: dict[str, tuple[Any, Any]] = {
    "world": (World, world()),
    "world-lz4": (World, world()),
    "map": (Map, MAP),
    "wide": (Wide, WIDE),
    "players": (list[Player], PLAYERS),
}
"""What each kind of file holds: the type of its root, and its value."""
