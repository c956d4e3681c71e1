"""Looking at lazy objects: their texts are bounded, and what they do not show is not read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from parcode_orm import Chunk, Model, Session, ShardedMap, save


class Note(Model):
    text: str = ""
    tags: list[str] = []


class World(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    name: str = ""
    terrain: bytes = Chunk(default=b"")
    story: str = Chunk(default="")
    grid: NDArray[np.int64] = Chunk(default=np.arange(0))
    notes: list[Note] = Chunk(default=[])
    by: dict[str, Note] = ShardedMap(default={})


def shown(path: Path, world: World) -> tuple[str, str, str, int]:
    save(path, world)
    with Session.open(path) as session:
        found = session.root(World)
        return repr(found), repr(found.notes), repr(found.by), session.stats.bytes_read


def test_small_objects_are_shown_as_the_plain_ones(tmp_path: Path) -> None:
    world = World(name="a", notes=[Note(text="b", tags=["c"])] * 3, by={"k": Note()}, terrain=b"x", story="y")
    assert shown(tmp_path / "a.par", world)[:3] == (repr(world), repr(world.notes), repr(world.by))


def test_large_values_are_neither_shown_nor_read(tmp_path: Path) -> None:
    world = World(terrain=b"t" * 1_000_000, story="s" * 900_000, grid=np.arange(100_000))
    text, *_, read = shown(tmp_path / "a.par", world)
    assert "terrain=<1000000 bytes, not read>" in text and "story=<text of 900000 bytes, not read>" in text
    assert "grid=<array of 800000 bytes, not read>" in text and read < 20_000


def test_many_and_long_items_are_cut(tmp_path: Path) -> None:
    long = Note(text="x" * 30_000, tags=["y" * 5_000])
    many = World(name="n" * 50_000, notes=[Note(text=f"note {n}") for n in range(50_000)], by={"k" * 3_000: long})
    text, notes, by, read = shown(tmp_path / "many.par", many)
    assert len(text) < 15_000 and len(by) < 10_000 and "<49990 more>" in notes and read < 300_000
    assert "name='nnnn" in text and "<49500 more characters>" in text and "<2500 more characters>" in by
    text, notes, by, _ = shown(tmp_path / "long.par", World(notes=[long] * 90, by={f"k{n}": long for n in range(90)}))
    assert max(len(text), len(notes), len(by)) < 40_000 and " more>" in notes and " more>" in by
