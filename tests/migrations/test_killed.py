"""A migration that is killed, loses power or meets a failing disk at every write: the file is before it or after it."""

from __future__ import annotations

import errno
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Session, StorageError, verify
from parcode_orm.migrations import migrate
from tests.crash.disk import Recorder, failing, images, installed, killed, left_of
from tests.crash.history import Boot, boots

from .project import Project

pytestmark = pytest.mark.once

BEFORE = """
class Player(Model):
    level: int
    items: list[int] = Chunk()
class World(Model):
    name: str
    players: dict[str, Player] = ShardedMap()
class Trade(Model):
    id: int = Key(auto=True)
    buyer: str = Index()
"""
AFTER = """
class Hero(Model):
    rank: int
    items: list[float] = Chunk()
    mana: float = 1.5
class World(Model):
    name: str
    players: dict[str, Hero] = ShardedMap()
class Trade(Model):
    id: int = Key(auto=True)
    buyer: str = Index()
    price: int = Index(default=3)
"""


class Story:
    """A file before and after a migration, and what the disk was told meanwhile."""

    def __init__(self, directory: Path) -> None:
        self.project = project = Project(directory)
        self.old = old = project.define(BEFORE)
        project.make()
        players = {f"p{n}": old.Player(level=n, items=[n]) for n in range(40)}
        project.store(old.World(name="w", players=players), *(old.Trade(buyer=f"b{n}") for n in range(9)))
        project.migrate()
        self.before = project.path.read_bytes()
        self.new = project.define(AFTER)
        project.make(renames={"Player": "Hero", "Hero.level": "rank"})

    def state(self, content: bytes | Path) -> str:
        """Whether a file is before the migration or after it. All of it is read, by the classes that it says."""
        with Session.open(content) as session:
            assert session._work.source is not None
            after = "0002" in list(session._work.source.catalog.migrations)[-1]
            models: Any = self.new if after else self.old
            world = session.root(models.World).model_load()
            trades = [session.get_one(models.Trade, n).model_load() for n in range(1, 10)]
            if after:
                assert world.players["p7"].model_dump() == {"rank": 7, "items": [7.0], "mana": 1.5}
                assert [each.price for each in trades] == [3] * 9
            else:
                assert world.players["p7"].model_dump() == {"level": 7, "items": [7]}
            assert len(world.players) == 40
        return "after" if after else "before"


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with boots():
        yield Story(tmp_path)


def test_every_point_of_a_migration(story: Story, length: float) -> None:
    path, rng = story.project.path, random.Random(1)
    disk = Recorder(str(path))
    with installed(disk):
        story.project.migrate()
    seen: Counter[str] = Counter()
    known: dict[tuple[bytes, int], str] = {}
    here = Boot.now
    for point in range(len(disk.log) + 1):
        log = disk.log[:point]
        found = [(content, here + 1) for _, content in images(left_of(log, 0, story.before), rng, round(30 * length))]
        found += [(each, here) for each in killed(log, str(path), story.before) if each is not None]
        for content, Boot.now in found:  # the system starts anew after a power loss, and only then
            if (content, Boot.now) not in known:
                known[content, Boot.now] = story.state(content)
            seen[known[content, Boot.now]] += 1
    print(len(disk.log), len(known), dict(seen))
    assert seen["before"] > 20 and seen["after"] > 5


def test_what_a_crash_left_is_migrated(story: Story) -> None:
    path, rng = story.project.path, random.Random(2)
    disk = Recorder(str(path))
    with installed(disk):
        story.project.migrate()
    Boot.now += 1
    for point in range(len(disk.log) + 1):
        for _, content in images(left_of(disk.log[:point], 0, story.before), rng, 0):
            if rng.random() < 0.1:
                path.write_bytes(content)
                migrate(path, migrations=story.project.migrations)
                assert story.state(path) == "after" and verify(path).ok


@pytest.mark.parametrize("call", ["write", "record", "sync"])
def test_a_failing_disk(story: Story, call: str) -> None:
    path, number = story.project.path, 0
    while True:
        path.write_bytes(story.before)
        disk = Recorder(str(path))
        disk.fail = failing(call, number, errno.ENOSPC)
        with installed(disk):
            try:
                story.project.migrate()
            except StorageError:
                pass
            else:
                break
        assert story.state(path) == "before" and len(path.read_bytes()) == len(story.before)
        number += 1
    assert number > 0 and story.state(path) == "after"
