"""What a session reads, and what it keeps: by its own counters and by tracemalloc."""

from __future__ import annotations

import gc
import random
import tracemalloc
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ConfigDict

from parcode_orm import Chunk, Model, Session, ShardedMap, save


class Settings(Model):
    difficulty: int
    history: list[str] = Chunk()


class Player(Model):
    level: int
    name: str
    tags: list[str] = []
    portrait: bytes = Chunk(default=b"")


class World(Model):
    id: int
    name: str
    settings: Settings = Chunk()
    terrain: bytes = Chunk(compression="lz4")
    players: dict[str, Player] = ShardedMap()


PLAYERS, TERRAIN, PORTRAIT = 20_000, 1 << 20, 33 * 1024


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lazy") / "w.par"
    source = random.Random(1)
    portrait = source.randbytes(PORTRAIT)
    save(path, World(
        id=7,
        name="Aria",
        settings=Settings(difficulty=3, history=["a", "b"]),
        terrain=source.randbytes(TERRAIN),
        players={
            f"p{i}": Player(level=i, name=f"name {i}", tags=[f"t{i}"], portrait=portrait if i % 1000 == 7 else b"")
            for i in range(PLAYERS)
        },
    ))  # fmt: skip
    return path


def test_one_field_one_nested_field_and_one_user(path: Path) -> None:
    with Session.open(path) as session:
        stats = session.stats
        world = session.root(World)
        assert world.name == "Aria"
        assert world.settings.difficulty == 3
        assert stats.bytes_read < 20_000
        assert world.players["p12345"].level == 12345
        assert stats.bytes_read < 200_000
        before = stats.bytes_read
        assert len(world.terrain) == TERRAIN
        assert stats.bytes_read > before + TERRAIN - 1000
        before = stats.bytes_read
        assert world.terrain is world.terrain
        assert world.players["p12345"].tags == ["t12345"]
        assert stats.bytes_read < before + 100_000


@pytest.mark.parametrize("read_only", [True, False])
def test_a_blob_just_above_the_threshold_is_not_read_with_its_row(path: Path, read_only: bool) -> None:
    with Session(path, read_only=read_only) as session:
        player = session.root(World).players["p5007"]
        assert (player.level, player.name, player.tags) == (5007, "name 5007", ["t5007"])
        before = session.stats.bytes_read
        assert before < 200_000
        assert len(player.portrait) == PORTRAIT
        assert PORTRAIT <= session.stats.bytes_read - before < PORTRAIT + 6000


def test_a_commit_reads_and_writes_what_changed(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.par"
    copy.write_bytes(path.read_bytes())
    with Session(copy) as session:
        stats = session.stats
        world = session.root(World)
        world.players["p5007"].level = -1
        stats.reset()
        before = copy.stat().st_size
        session.commit()
        assert copy.stat().st_size - before == stats.bytes_written < 64 * 1024
        assert 0 < stats.rows_written <= 3
        assert stats.bytes_read < 150_000
        stats.reset()
        session.commit()
        assert (stats.bytes_written, stats.chunks_written, stats.rows_written) == (0, 0, 0)
        assert stats.bytes_read < 5_000
        stats.reset()
        world.settings.difficulty = 4
        session.commit()
        assert stats.bytes_read < 100_000
        assert stats.bytes_written < 64 * 1024
    with Session.open(copy) as session:
        world = session.root(World)
        assert (world.players["p5007"].level, len(world.players["p5007"].portrait)) == (-1, PORTRAIT)


def test_what_is_written_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.par"
    with Session(path) as session:
        session.add(Settings(difficulty=1, history=[f"line {i}" for i in range(20_000)]))
        session.commit()
        assert session.stats.bytes_written == path.stat().st_size
        assert session.stats.rows_written == 20_001
        session.root(Settings).difficulty = "hard"  # type: ignore[assignment]
        with pytest.raises(ValueError):
            session.commit()
        assert session.stats.rows_written == 20_001


def _grown(path: Path, rows: int) -> int:
    """Bytes that are held after reading `rows` rows, one by one, none of which is kept."""
    with Session.open(path) as session:
        players = session.root(World).players
        assert players["p0"].level == 0
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for i in range(rows):
                assert players[f"p{i}"].level == i
            gc.collect()
            return tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()


def test_reading_row_by_row_keeps_nothing_of_the_rows(path: Path) -> None:
    _grown(path, 100)
    # What is kept are opened columns, index shards and the key texts of the groups, not rows.
    assert _grown(path, PLAYERS) < 2_500_000


def test_dead_proxies_are_forgotten(path: Path) -> None:
    with Session.open(path) as session:
        world = session.root(World)
        kept = [player for i, player in enumerate(world.players.values()) if i % 1000 == 0]
        for _ in range(2):
            assert sum(player.level for player in world.players.values()) == PLAYERS * (PLAYERS - 1) // 2
        alive = sum(len(group.items.live) for group in world.players.rows.table.groups.values())
        assert alive < 2 * 4096
        assert kept[3] is world.players["p3000"]  # those that are held keep their identity


def test_a_writable_session_lets_go_at_the_commit(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.par"
    copy.write_bytes(path.read_bytes())
    with Session(copy) as session:
        world = session.root(World)
        assert len(next(iter(world.players.values())).tags) == 1
        session.commit()  # imports what commits need
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for player in islice(world.players.values(), 5000):
                assert len(player.tags) == 1
            full = tracemalloc.get_traced_memory()[0] - before
            session.commit()
            gc.collect()
            left = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert full > 2_000_000
        assert left < full / 2
        player.tags.append("held")
        session.commit()
    assert Session.open(copy).root(World).players["p4999"].tags[-1] == "held"


class Rows(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    numbers: dict[str, list[int]] = ShardedMap()
    arrays: list[NDArray[np.int64]] = Chunk()


def test_rows_that_are_no_models_are_let_go_as_well(tmp_path: Path) -> None:
    path = tmp_path / "x.par"
    save(path, Rows(
        numbers={f"k{i}": [i, i] for i in range(6000)}, arrays=[np.arange(i % 9) for i in range(2000)]
    ))  # fmt: skip
    with Session(path) as session:
        rows = session.root(Rows)
        before = path.stat().st_size
        assert sum(map(len, rows.numbers.values())) == 12_000
        session.commit()
        assert path.stat().st_size == before
        assert not any(rows.numbers.rows.table.held.values())
