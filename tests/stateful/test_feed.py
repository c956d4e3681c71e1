"""A copy that follows `changes()` equals the file after each of many random commits: a thousand in long runs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from parcode_orm import Chunk, Index, Key, Model, Session, ShardedMap, delete, select, update
from parcode_orm.errors import IntegrityError, SessionError
from tests.effort import THOROUGH
from tests.session.changing import alike
from tests.session.following import Copy, content, follow
from tests.small import small_caches, tuned

pytestmark = pytest.mark.once

COMMITS = 1000 if THOROUGH else 40


@dataclass
class Point:
    x: int = 0
    y: float = 0.0


class Home(Model):
    city: str = ""
    point: Point = Point()
    log: list[int] = Chunk(default=[])


class Item(Model):
    level: int = 0
    name: str = ""
    tags: list[str] = []
    kids: list[int] = Chunk(default=[])
    home: Home = Home()
    below: dict[str, Home] = ShardedMap(default={})


class World(Model):
    model_config = {"extra": "allow"}
    n: int = 0
    one: Item = Chunk(default=Item())
    maybe: Item | None = Chunk(default=None)
    blob: bytes = Chunk(default=b"")
    numbers: list[int] = Chunk(default=[])
    rows: list[Item] = Chunk(default=[])
    texts: list[str | None] = Chunk(default=[])
    points: list[Point] = Chunk(default=[])
    items: dict[str, Item] = ShardedMap(default={})
    ints: dict[int, int] = Chunk(default={})
    small: dict[str, Home] = {}


class Other(Model):
    text: str = ""


class Unit(Model):
    id: int = Key(auto=True)
    name: str = Index("")
    level: int = 0
    home: Home = Home()
    kids: list[Item] = Chunk(default=[])
    tags: list[str] = Index(default=[])


CLASSES = (World, Other, Unit)


class Author:
    """Makes random changes and commits them."""

    def __init__(self, random: Random, path: Path) -> None:
        self.random = random
        self.session: Any = tuned().Session(path)
        self.session.add(World())
        self.session.commit()
        self.edits = [
            self.root, self.field, self.numbers, self.rows, self.items, self.entities, self.entities, self.entities,
            self.bulk, self.blob, self.other, self.texts,
        ]  # fmt: skip

    def small(self, most: int = 9) -> int:
        return self.random.randrange(most)

    def text(self) -> str:
        return self.random.choice("abcdef") * self.random.choice((1, 1, 3, 90))

    def home(self) -> Home:
        return Home(city=self.text(), point=Point(self.small(), self.random.choice((0.0, -0.0, float("nan")))), log=[1])

    def item(self) -> Item:
        kids = list(range(self.small(12)))
        return Item(level=self.small(), name=self.text(), kids=kids, below={self.text(): self.home()})

    def commit(self) -> None:
        try:
            for _ in range(self.random.choice((1, 1, 2, 5))):
                self.random.choice(self.edits)()
            self.session.commit(message=self.text())
        except (IntegrityError, SessionError):  # two edits that do not go together
            self.session.rollback()

    @property
    def world(self) -> Any:
        if "World" not in self.session.roots():
            self.session.add(World())
        return self.session.root(World)

    def root(self) -> None:
        step = self.small(12)
        if step == 0 and self.world not in self.session.new:
            self.session.delete(self.world)
        elif step == 1:
            self.session.add(World(rows=[self.item()], one=self.item()), replace=True)
        elif step == 2 and self.session.snapshot.sequence > 3:
            self.session.commit()
            self.session.revert(self.session.snapshot.sequence - self.random.randrange(1, 3))
        elif step == 3:
            self.world.some_extra = self.text()
        elif step == 4 and (self.world.__pydantic_extra__ or {}):
            del self.world.some_extra

    def field(self) -> None:
        world = self.world
        world.n = self.small()
        step = self.small(7)
        if step == 0:
            world.one.level = self.small()
        elif step == 1:
            world.one.home.city = self.text()
            world.one.home.log.append(self.small())
        elif step == 2:
            world.one = self.item()
        elif step == 3:
            world.small[self.text()] = self.home()
        elif step == 4:
            world.maybe = self.random.choice((None, self.item()))
        elif step == 5:
            world.ints[self.small(30)] = self.small()
        else:
            world.points.append(Point(self.small()))

    def blob(self) -> None:
        self.world.blob = bytes([self.small()]) * self.random.choice((1, 500, 5000))

    def splice(self, rows: Any, make: Any) -> None:
        at = self.random.randint(0, len(rows))
        step = self.small(7)
        if step == 0:
            rows.insert(at, make())
        elif step == 1:
            rows.append(make())
        elif step == 2:
            rows.extend([make() for _ in range(self.small(20))])
        elif step == 3:
            del rows[at : at + self.small(5)]
        elif step == 4 and rows:
            rows[at - 1] = make()
        elif step == 5:
            rows[at : at + self.small(4)] = [make() for _ in range(self.small(4))]
        elif step == 6 and len(rows) > 1:
            rows.insert(at, rows[0])

    def numbers(self) -> None:
        self.splice(self.world.numbers, self.small)

    def texts(self) -> None:
        self.splice(self.world.texts, lambda: self.random.choice((None, self.text())))

    def rows(self) -> None:
        rows = self.world.rows
        if len(rows) and self.small() < 5:
            row = rows[self.random.randrange(len(rows))]
            row.level = self.small()
            self.splice(row.kids, self.small)
            row.home.log.append(self.small())
            row.below[self.text()] = self.home()
        else:
            self.splice(rows, self.item)

    def items(self) -> None:
        items, key = self.world.items, self.text()
        step = self.small(5)
        if step == 0:
            items.pop(key, None)
        elif step < 3 or key not in items:
            items[key] = self.item()
        else:
            items[key].name = self.text()
            items[key].tags.append("more")
            for home in items[key].below.values():
                home.city = self.text()

    def entities(self) -> None:
        found = self.session.scalars(select(Unit)).all()
        one = self.random.choice(found) if found else None
        step = self.small(8)
        if one is None or step < 2:
            self.session.add(Unit(name=self.text(), kids=[self.item()], home=self.home()))
        elif step == 2:
            self.session.delete(one)
        elif step == 3:
            one.id = max(unit.id or 0 for unit in found) + 1 + self.small()
        elif step == 4:
            one.home.city, one.level = self.text(), self.small()
            one.home.log.insert(0, 5)
        elif step == 5:
            self.splice(one.kids, self.item)
        elif step == 6:
            other = self.random.choice(found)
            one.id, other.id = other.id, one.id
        else:
            self.session.add_all(Unit(name=self.text(), level=self.small()) for _ in range(self.small(30)))

    def bulk(self) -> None:
        if self.small() < 3:
            self.session.execute(delete(Unit).where(Unit.level == self.small()))
        else:
            self.session.execute(update(Unit).where(Unit.level < self.small()).values(level=Unit.level + 1))

    def other(self) -> None:
        stored = "Other" in self.session.roots() and self.session.root(Other) not in self.session.new
        if stored and self.small() < 4:
            self.session.delete(self.session.root(Other))
        else:
            self.session.add(Other(text=self.text()), replace=True)


@settings(max_examples=2 if THOROUGH else 3, deadline=None, phases=[Phase.generate])  # a shorter run says no more
@given(st.integers(0, 1 << 32))
def test_a_copy_that_follows_equals_the_file_after_each_commit(seed: int) -> None:
    random = Random(seed)
    with tempfile.TemporaryDirectory() as directory, small_caches():
        path = Path(directory) / "a.par"
        author = Author(random, path)
        with author.session, Session.open(path) as reader:
            copy: Copy = {}
            position = 0
            for commit in range(COMMITS):
                author.commit()
                if random.randrange(50) == 0 and position == author.session.snapshot.sequence:
                    author.session.compact()
                if random.randrange(4) == 0 and commit < COMMITS - 1:
                    continue  # several commits come at once then
                reader.refresh()
                for changes in reader.changes(since=position, classes=CLASSES):
                    assert changes.sequence == position + 1
                    follow(copy, changes)
                    position = changes.sequence
                with Session.open(path) as now:
                    assert alike(copy, content(now, *CLASSES))
            assert position == author.session.snapshot.sequence
