"""Few rows of large tables touched at random between commits, some of them held: a session against plain objects.

Trees are read in part, and small row groups are written again with their neighbours, so that most commits move rows of
which somebody holds some, and of those some were never looked at.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ConfigDict, PrivateAttr

from parcode_orm import Chunk, Model, ShardedMap, load
from tests.small import Tuned, small_caches, tuned
from tests.strategies import same

pytestmark = pytest.mark.once


class Fixed(Model):
    n: int = 0


class Open(Model):
    model_config = ConfigDict(extra="allow")
    n: int = 0
    tags: list[int] = []
    below: list[Fixed] = Chunk(default=[])
    _notes: list[int] = PrivateAttr(default_factory=list)


class World(Model):
    fixed: list[Fixed] = Chunk(default=[])
    rows: list[Open] = Chunk(default=[])
    by_name: dict[str, Fixed] = ShardedMap(default={})
    open_by_name: dict[str, Open] = ShardedMap(default={})
    mixed: list[Fixed | Open] = Chunk(default=[])
    lists: list[list[int]] = Chunk(default=[])


COUNT = 60
FIELDS = sorted(World.__pydantic_fields__)
CHANGES: dict[type, list[Callable[[Any, int], Any]]] = {
    list: [lambda x, n: x.append(n)],
    Fixed: [lambda x, n: setattr(x, "n", n)],
    Open: [
        lambda x, n: setattr(x, "n", n),
        lambda x, n: x.tags.append(n),
        lambda x, n: x._notes.append(n),
        lambda x, n: x.more.append(n),
        lambda x, n: x.below.append(Fixed(n=n)),
        lambda x, n: [setattr(each, "n", n) for each in x.below[:1]],
    ],
}


def _open(i: int) -> Open:
    return Open(n=i, tags=[i], more=[i], below=[Fixed(n=i)] * (i % 3))


def _world() -> World:
    return World(
        fixed=[Fixed(n=i) for i in range(COUNT)],
        rows=[_open(i) for i in range(COUNT)],
        by_name={f"k{i}": Fixed(n=i) for i in range(COUNT)},
        open_by_name={f"k{i}": _open(i) for i in range(COUNT)},
        mixed=[_open(i) if i % 2 else Fixed(n=i) for i in range(COUNT)],
        lists=[[i] for i in range(COUNT)],
    )


class Pair:
    """The root of a session, the plain one that it is compared with, and pairs of rows that variables hold."""

    def __init__(self, path: Path, sizes: Tuned, chance: random.Random) -> None:
        self.path = path
        self.sizes = sizes
        self.chance = chance
        self.open()

    def open(self) -> None:
        self.session = self.sizes.Session(self.path, durability="fast", workers=0)
        self.mine, self.plain = self.session.root(World), load(self.path, World)
        pairs = zip(self.mine.rows, self.plain.rows, strict=True)
        self.held: list[tuple[Any, Any]] = [pair for pair in pairs if self.chance.random() < 0.5]

    def touch(self) -> None:
        chance = self.chance
        if self.held and chance.random() < 0.4:
            mine, plain = chance.choice(self.held)
        else:
            name = chance.choice(FIELDS)
            theirs = getattr(self.plain, name)
            key = chance.choice(list(theirs) if isinstance(theirs, dict) else range(len(theirs)))
            mine, plain = getattr(self.mine, name)[key], theirs[key]
            if chance.random() < 0.5:
                self.held.append((mine, plain))
                return
        change, n = chance.choice(CHANGES[type(plain)]), chance.randrange(1000)
        change(mine, n)
        change(plain, n)

    def move(self) -> None:
        """A row of one collection goes to another place in it; not a list, which is copied as it is validated."""
        name = self.chance.choice([name for name in FIELDS if name != "lists"])
        for each in (getattr(self.mine, name), getattr(self.plain, name)):
            if isinstance(each, dict) or hasattr(each, "keys"):
                each["moved"] = each.pop(next(iter(each)))
            else:
                each.append(each.pop(len(each) // 2))

    def let_go(self) -> None:
        del self.held[: self.chance.randrange(len(self.held) + 1) // 4]

    def commit(self) -> None:
        self.session.commit()
        size = self.path.stat().st_size
        self.session.commit()
        assert self.path.stat().st_size == size
        assert same(load(self.path, World), self.plain)
        if self.chance.random() < 0.1:
            self.session.close()
            self.open()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("large", [64, 1 << 15])
def test_touches(tmp_path: Path, large: int, seed: int) -> None:
    sizes = tuned(large=large)
    sizes.save(tmp_path / "w.par", _world())
    with small_caches():
        pair = Pair(tmp_path / "w.par", sizes, random.Random(seed))
        for _ in range(16):
            for _ in range(pair.chance.choice([1, 2, 8])):
                pair.chance.choice([pair.touch] * 12 + [pair.move, pair.let_go])()
            pair.commit()
        pair.session.close()
