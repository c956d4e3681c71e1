"""`python -m tests.native.worlds` prints digests of files, and of what is read from them.

They are equal with and without the native core."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import parcode_orm
from benchmarks.peers.parcode import World
from benchmarks.worlds import world_data
from parcode_orm import Chunk, Key, Model, Session, ShardedMap
from tests.native.encoding import KEYS, SCALARS, TEXTS, WIDE


class Item(Model):
    number: int = 0
    text: str = ""
    real: float | None = None
    flag: bool | None = None
    tags: list[str] = []
    pair: tuple[int, str] = (0, "")


class Holder(Model):
    items: list[Item] = Chunk(default_factory=list)
    by_key: dict[str | int, Item] = ShardedMap(default_factory=dict)
    numbers: list[int] = Chunk(default_factory=list)
    words: list[str | None] = []
    anything: dict[str, Any] = {}


class Entity(Model):
    id: int = Key()
    name: str


ITEMS = st.builds(
    Item,
    number=WIDE,
    text=TEXTS,
    real=st.none() | st.floats(),
    flag=st.none() | st.booleans(),
    tags=st.lists(TEXTS, max_size=3),
) | st.builds(Item, text=TEXTS)
HOLDERS = st.builds(
    Holder,
    items=st.lists(ITEMS, max_size=40),
    by_key=st.dictionaries(KEYS, ITEMS, max_size=40),
    numbers=st.lists(WIDE),
    words=st.lists(st.none() | st.sampled_from(["a", "b"]) | TEXTS),
    anything=st.dictionaries(st.text(max_size=2), SCALARS, max_size=4),
)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@settings(max_examples=60, derandomize=True, database=None, deadline=None)
@given(HOLDERS)
def random_worlds(holder: Holder) -> None:
    data = parcode_orm.dumps(holder)
    found = parcode_orm.loads(data, Holder)
    print(digest(data), digest(repr(found.model_dump()).encode("utf-8", "surrogatepass")))


def many_entities() -> bytes:
    """A file of a commit of many entities, one of some changed ones, and one of a stream."""
    with TemporaryDirectory() as directory:
        path = Path(directory, "entities")
        with Session(path, durability="fast") as session:
            session.add_all([Entity(id=number * 7 % 5003, name=f"n{number % 300}") for number in range(5000)])
            session.commit()
            for number in range(0, 5000, 50):
                session.get_one(Entity, number).name += "\u00e9"
            session.commit()
            session.add_all(Entity(id=number, name=f"m{number}") for number in range(6000, 9000))
            session.commit()
        return path.read_bytes()


if __name__ == "__main__":
    os.urandom = lambda size: b"u" * size
    time.time_ns = lambda: 1
    print(parcode_orm.accelerated)
    print(digest(parcode_orm.dumps(World.model_validate(world_data(5000)))))
    print(digest(many_entities()))
    random_worlds()
