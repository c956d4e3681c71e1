"""The session: what is added comes back, what changes is stored, what is untouched is not read."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

import parcode_orm
from parcode_orm import Chunk, LazyList, LazyMap, Model, Session, ShardedMap, lazy, load
from parcode_orm.errors import (
    ClosedError,
    ConflictError,
    EncodeError,
    NoResultFound,
    ReadOnlyError,
    SchemaMismatchError,
)


class Settings(Model):
    difficulty: int
    history: list[str] = Chunk()


class Player(Model):
    level: int
    tags: list[str] = []
    inventory: list[int] = Chunk(default=[])


class World(Model):
    id: int
    name: str
    settings: Settings = Chunk()
    terrain: bytes = Chunk(compression="lz4")
    players: dict[str, Player] = ShardedMap()


class Score(Model):
    best: int


def world(players: int = 3000) -> World:
    return World(
        id=7,
        name="Aria",
        settings=Settings(difficulty=3, history=["a", "b"]),
        terrain=random.Random(1).randbytes(1 << 20),
        players={f"p{i}": Player(level=i, tags=[f"t{i}"], inventory=[i, i + 1]) for i in range(players)},
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Session(tmp_path / "w.par") as session:
        session.add(world())
        session.commit()
    return tmp_path / "w.par"


def test_a_root_comes_back(path: Path) -> None:
    read = parcode_orm.session.open(path).root(World)
    assert isinstance(read, World)
    assert read == world()
    assert read.settings.difficulty == 3
    assert isinstance(read.players, LazyMap)
    assert isinstance(read.settings.history, LazyList)
    assert lazy(read.settings.history).load() == ["a", "b"]
    assert load(path, World) == world()
    assert type(load(path, World).players["p1"]) is Player


def test_reading_one_thing_leaves_the_rest(path: Path) -> None:
    size = path.stat().st_size
    with Session.open(path) as session:
        read = session.root(World)
        assert read.settings.difficulty == 3
        few = session.stats.bytes_read
        assert few < 8_000
        assert read.players["p1234"].level == 1234
        assert few < session.stats.bytes_read < 100_000 < size
        assert read.players["p1234"].inventory == [1234, 1235]


def test_an_object_that_is_added_stays_attached(tmp_path: Path) -> None:
    path = tmp_path / "w.par"
    with Session(path) as session:
        mine = world()
        hero = mine.players["p5"]
        session.add(mine)
        session.commit()
        assert session.root(World) is mine
        hero.level = 500
        mine.players["p6"].tags.append("new")
        mine.settings.history.append("c")
        session.commit()
        hero.tags.append("kept")
        session.commit()
    read = Session.open(path).root(World)
    assert read.players["p5"].level == 500
    assert read.players["p5"].tags == ["t5", "kept"]
    assert read.players["p6"].tags == ["t6", "new"]
    assert read.settings.history == ["a", "b", "c"]
    assert len(read.players) == 3000


def test_changes_through_lazy_objects_are_stored(path: Path) -> None:
    with Session(path) as session:
        read = session.root(World)
        read.name = "Brno"
        read.players["p1"].tags.append("x")
        read.players["p2"].level = 222
        read.players["p2999"].inventory.append(9)
        read.settings.difficulty = 9
        session.commit()
        session.root(World).players["p3"].tags.append("y")
        session.commit()
        read.settings.history.append("later")
        session.commit()
    expected = world()
    expected.name = "Brno"
    expected.players["p1"].tags.append("x")
    expected.players["p2"].level = 222
    expected.players["p2999"].inventory.append(9)
    expected.settings.difficulty = 9
    expected.players["p3"].tags.append("y")
    expected.settings.history.append("later")
    assert load(path, World) == expected
    assert Session.open(path).root(World) == expected


def test_a_change_in_one_row_of_a_nested_collection_is_seen(path: Path) -> None:
    with Session(path) as session:
        item = session.root(World).players["p7"]
        del session  # nothing else is held
    with Session(path) as session:
        session.root(World).players["p7"].tags.append("alone")
        session.commit()
    assert load(path, World).players["p7"].tags == ["t7", "alone"]
    del item


def test_lazy_collections_change_as_plain_ones(path: Path) -> None:
    with Session(path) as session:
        read = session.root(World)
        read.players["new"] = Player(level=1)
        del read.players["p0"]
        read.players["p1"].level = 11
        lazy(read.settings.history).insert(0, "first")
        session.commit()
    again = load(path, World)
    assert list(again.players)[:2] == ["p1", "p2"]
    assert list(again.players)[-1] == "new"
    assert again.players["p1"].level == 11
    assert again.settings.history == ["first", "a", "b"]


def test_a_commit_without_changes_writes_nothing(path: Path) -> None:
    before = path.read_bytes()
    with Session(path) as session:
        session.commit()
        read = session.root(World)
        assert read.players["p1"].tags == ["t1"]
        assert read.settings.history[0] == "a"
        read.name = "Aria"
        session.commit()
        session.add(world(), replace=True)
        session.commit()
    assert path.read_bytes() == before


def test_changes_that_compare_equal_are_changes(tmp_path: Path) -> None:
    class Box(Model):
        a: list[object]
        x: float

    path = tmp_path / "b.par"
    with Session(path) as session:
        session.add(Box(a=[1], x=0.0))
        session.commit()
    with Session(path) as session:
        box = session.root(Box)
        box.a[0] = True
        session.commit()
        box.x = -0.0
        session.commit()
    again = load(path, Box)
    assert again.a[0] is True
    assert str(again.x) == "-0.0"


def test_one_row_is_one_object(path: Path) -> None:
    with Session(path) as session:
        read = session.root(World)
        assert read is session.root(World)
        assert read.players["p1"] is read.players["p1"]
        assert read.settings is read.settings
        assert next(iter(read.players.values())) is read.players["p0"]
    read = Session.open(path).root(World)
    held = read.players["p1"]
    assert read.players["p1"] is held


def test_several_roots_in_one_file(path: Path) -> None:
    with Session(path) as session:
        session.add(Score(best=3))
        session.commit()
    with Session(path) as session:
        assert session.roots() == ["Score", "World"]
        session.root(Score).best += 1
        session.commit()
    assert load(path, Score).best == 4
    assert load(path, World) == world()


def test_a_root_is_replaced_by_another_of_its_type(path: Path) -> None:
    with Session(path) as session:
        session.add(world(3), replace=True)
        session.commit()
    assert load(path, World) == world(3)


def test_wrong_root_types(path: Path) -> None:
    class Other(Model):
        a: int

    with Session.open(path) as session, pytest.raises(NoResultFound, match=r"Other.*World"):
        session.root(Other)
    with pytest.raises(NoResultFound):
        load(path, Other)
    changed = type("World", (Model,), {"__annotations__": {"id": str}, "__module__": __name__})
    with Session.open(path) as session, pytest.raises(SchemaMismatchError, match=r"World\.id"):
        _ = session.root(changed).id
    with pytest.raises(SchemaMismatchError, match=r"World\.id"):
        load(path, changed)


def test_read_only_sessions_refuse_changes(path: Path) -> None:
    with Session.open(path) as session:
        read = session.root(World)
        with pytest.raises(ReadOnlyError):
            session.add(world(1))
        with pytest.raises(ReadOnlyError):
            session.commit()
        with pytest.raises(ReadOnlyError):
            read.players["x"] = Player(level=1)
        with pytest.raises(ReadOnlyError):
            lazy(read.settings.history).append("x")


def test_objects_read_on_after_close(path: Path) -> None:
    with Session.open(path) as session:
        read = session.root(World)
        assert read.name == "Aria"
        players = read.players
    plain = load(path, World)
    assert read.settings == plain.settings and players["p1"] == plain.players["p1"] and read == plain
    with pytest.raises(ReadOnlyError):
        read.name = "other"
    with pytest.raises(ClosedError):
        session.root(World)
    with pytest.raises(ClosedError):
        session.commit()


def test_a_conflict_writes_nothing(path: Path) -> None:
    with Session(path) as one, Session(path) as two:
        one.root(World).name = "one"
        two.root(World).name = "two"
        one.commit()
        before = path.read_bytes()
        with pytest.raises(ConflictError):
            two.commit()
        assert path.read_bytes() == before
        two.rollback()
        assert two.root(World).name == "one"
        two.root(World).id = 8
        two.commit()
    assert (load(path, World).name, load(path, World).id) == ("one", 8)


def test_readers_keep_their_snapshot(path: Path) -> None:
    with Session.open(path) as reader, Session(path) as writer:
        read = reader.root(World)
        writer.root(World).players["p1"].level = -1
        writer.commit()
        assert read.players["p1"].level == 1
        assert Session.open(path).root(World).players["p1"].level == -1


def test_an_error_leaves_the_file(path: Path) -> None:
    before = path.read_bytes()
    with Session(path) as session:
        session.root(World).players["p9"].level = "high"  # type: ignore[assignment]
        with pytest.raises(EncodeError, match=r"players\[.p9.\]\.level|level"):
            session.commit()
    assert path.read_bytes() == before


def test_rollback_forgets(path: Path) -> None:
    with Session(path) as session:
        session.root(World).name = "changed"
        session.rollback()
        assert session.root(World).name == "Aria"
        session.commit()
    assert load(path, World).name == "Aria"


def test_streams_are_written_and_become_lazy(tmp_path: Path) -> None:
    class Log(Model):
        lines: list[str] = Chunk()
        by_name: dict[str, Player] = ShardedMap()

    path = tmp_path / "log.par"
    with Session(path) as session:
        log = Log(
            lines=(f"line {i}" for i in range(20_000)),  # type: ignore[arg-type]
            by_name=((f"n{i}", {"level": i}) for i in range(2_000)),  # type: ignore[arg-type]
        )
        session.add(log)
        session.commit()
        assert log.lines[19_999] == "line 19999"
        assert log.by_name["n7"].level == 7
        log.by_name["n7"].level = 8
        session.commit()
    again = load(path, Log)
    assert len(again.lines) == 20_000
    assert again.by_name["n7"] == Player(level=8)


def test_a_stream_that_raises_leaves_the_file(path: Path) -> None:
    before = path.read_bytes()

    def broken():  # type: ignore[no-untyped-def]
        for i in range(10_000):
            yield f"k{i}", Player(level=i)
        raise ZeroDivisionError("half-way")

    with Session(path) as session:
        session.root(World).players = broken()
        with pytest.raises(ZeroDivisionError, match="half-way"):
            session.commit()
    assert path.read_bytes() == before
    assert load(path, World) == world()


def test_sources_other_than_paths(path: Path) -> None:
    data = path.read_bytes()
    assert Session(data).root(World).name == "Aria"
    assert Session(io.BytesIO(data)).root(World).players["p1"].level == 1
    with open(path, "rb") as file:
        assert Session(file).root(World).name == "Aria"
    with pytest.raises(ReadOnlyError):
        Session(data).add(world(1))


def test_an_exception_in_the_block_stores_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.par"
    with pytest.raises(ZeroDivisionError), Session(path) as session:
        session.add(Score(best=1))
        raise ZeroDivisionError
    assert not path.exists()


@pytest.mark.once
def test_an_error_names_the_row_of_a_large_collection(tmp_path: Path) -> None:
    class Big(Model):
        rows: list[Player] = Chunk()
        by_key: dict[str, Player] = ShardedMap()

    path = tmp_path / "b.par"
    players = [Player(level=i * 1000) for i in range(30_000)]
    with Session(path) as session:
        big = Big(rows=players, by_key={f"k{i}": player for i, player in enumerate(players)})
        big.rows[20_000] = "bad"  # type: ignore[call-overload]
        session.add(big)
        with pytest.raises(EncodeError, match=r"rows\[20000\]"):
            session.commit()
        big.rows[20_000] = Player(level=1)
        big.by_key["k25000"].level = "bad"  # type: ignore[assignment]
        with pytest.raises(EncodeError, match=r"(rows\[25000\]|by_key\['k25000'\])\.level"):
            session.commit()
        big.by_key["k25000"].level = 1
        session.commit()
    with Session(path) as session:
        read = session.root(Big)
        read.rows.append(Player.model_construct(level="bad"))
        with pytest.raises(EncodeError, match=r"rows\[30000\]\.level"):
            session.commit()
        read.rows.pop()
        read.by_key["new"] = Player.model_construct(level="bad")
        with pytest.raises(EncodeError, match=r"by_key\['new'\]\.level"):
            session.commit()
        del read.by_key["new"]
        read.rows[7].level = "bad"  # type: ignore[assignment]
        with pytest.raises(EncodeError, match=r"rows\[7\]\.level"):
            session.commit()
