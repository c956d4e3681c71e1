"""Earlier commits: the list of them, reading one, and going back to one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from pathlib import Path

import pytest

from parcode_orm import Chunk, Model, Session, ShardedMap, dumps, load, open, save
from parcode_orm.errors import (
    ClosedError,
    ConflictError,
    CorruptionError,
    NoResultFound,
    ReadOnlyError,
    SessionError,
)
from parcode_orm.session.history.snapshot import Snapshot
from parcode_orm.storage import append

pytestmark = pytest.mark.once


class Item(Model):
    level: int = 0
    tags: list[str] = []


class World(Model):
    n: int = 0
    big: dict[str, Item] = ShardedMap(default={})
    rows: list[Item] = Chunk(default=[])


class Score(Model):
    best: int = 0


START = datetime(2024, 5, 1, 12, tzinfo=UTC)
FIVE = 5


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One commit an hour, from 13:00 on."""
    now = iter(range(1, 1000))
    start = int(START.timestamp())
    monkeypatch.setattr(append.time, "time_ns", lambda: (start + 3600 * next(now)) * 10**9 + 999)
    yield


@pytest.fixture
def path(tmp_path: Path, clock: None) -> Path:
    """Commit i has n == i, for i up to 5."""
    path = tmp_path / "w.par"
    with Session(path) as session:
        rows = [Item(level=i, tags=["x" * 300]) for i in range(200)]
        session.add(World(n=1, rows=rows, big={f"k{i}": item for i, item in enumerate(rows)}))
        session.commit(message="first")
    with Session(path) as session:
        for n in range(2, FIVE + 1):
            session.root(World).n = n
            session.root(World).rows[n].level = -n
            session.commit(message=f"number {n}")
    return path


def test_history_is_newest_first(path: Path) -> None:
    with Session.open(path) as session:
        found = list(session.history())
        assert [each.sequence for each in found] == [5, 4, 3, 2, 1]
        assert [each.message for each in found] == ["number 5", "number 4", "number 3", "number 2", "first"]
        assert [each.time - found[4].time for each in found[:4]] == [timedelta(hours=n) for n in (4, 3, 2, 1)]
        assert all(each.time.tzinfo is UTC for each in found)
        assert [each.size for each in found] == sorted((each.size for each in found), reverse=True)
        assert found[0] == session.snapshot and found[0].size == path.stat().st_size
        with pytest.raises(AttributeError):
            found[0].message = "x"  # type: ignore[misc]


def test_history_is_read_as_it_is_asked_for(path: Path) -> None:
    with Session.open(path) as session:
        assert [each.sequence for each in islice(session.history(), 2)] == [5, 4]
        assert session.stats.chunks_read == 2  # catalogs
        history = session.history()
    with pytest.raises(ClosedError):
        session.history()
    assert [each.sequence for each in history] == [5, 4, 3, 2, 1]


def test_history_of_what_was_never_committed_or_written_whole(tmp_path: Path) -> None:
    with Session(":memory:") as session:
        assert list(session.history()) == []
        session.add(Score())
        session.commit(message="one")
        assert [each.message for each in session.history()] == ["one"]
    with open(dumps(Score())) as session:
        assert [each.sequence for each in session.history()] == [1]


def test_history_ends_where_the_file_was_saved(path: Path) -> None:
    save(path, load(path, World))
    with Session(path) as session:
        assert [each.sequence for each in session.history()] == [1]
        session.root(World).n = 0
        session.commit()
        assert [each.sequence for each in session.history()] == [2, 1]


@pytest.mark.parametrize("n", range(1, FIVE + 1))
def test_every_way_to_name_a_commit(path: Path, n: int) -> None:
    with Session.open(path) as session:
        snapshot = next(each for each in session.history() if each.sequence == n)
    time = snapshot.time
    local = time.astimezone(timezone(timedelta(hours=-7)))
    for at in (n, snapshot, time, local, time + timedelta(minutes=59)):
        for session in (Session(path, at=at), Session.open(path, at=at), open(path.read_bytes(), at=at)):
            with session:
                assert session.snapshot == snapshot
                world = session.root(World)
                assert world.n == n and [row.level < 0 for row in world.rows[2:6]] == [i <= n for i in range(2, 6)]
                assert [each.sequence for each in session.history()] == list(range(n, 0, -1))


def test_an_earlier_commit_is_read_only(path: Path) -> None:
    with Session(path, at=3) as session:
        assert session.read_only
        with pytest.raises(ReadOnlyError):
            session.root(World).n = 5
        with pytest.raises(ReadOnlyError):
            session.commit()
        with pytest.raises(ReadOnlyError):
            session.revert(1)
        world = session.root(World)
        session.refresh()  # to the newest
        assert world.n == FIVE and session.snapshot and session.snapshot.sequence == FIVE


def test_commits_that_are_not_there(path: Path) -> None:
    there = r"the commits 1 to 5, of 2\S+ \S+ to 2\S+ \S+"
    with Session.open(path) as session:
        first, *_ = reversed(list(session.history()))
    for at, named in (
        (6, "6"),
        (0, "0"),
        (-1, "-1"),
        (first.time - timedelta(microseconds=1), "of 2.* or before"),
        (Snapshot(1, first.time, "", 77, 77, 0), "1 of .*, 77 bytes"),
    ):
        with pytest.raises(NoResultFound, match=rf"w\.par holds no commit {named}: what is read here has {there}"):
            Session(path, at=at)
    for wrong in ("1", 1.0, True, b"1"):
        with pytest.raises(TypeError, match="sequence number, its snapshot or a datetime"):
            Session(path, at=wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has no time zone"):
        Session(path, at=datetime(2024, 5, 1))
    with pytest.raises(ReadOnlyError):
        Session(":memory:", at=1)
    with pytest.raises(FileNotFoundError):
        Session(path.with_name("none"), at=1)
    assert not path.with_name("none").exists()


def test_a_clock_that_went_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest commit not later, be there a later one before it."""
    times = iter([100, 300, 200])
    monkeypatch.setattr(append.time, "time_ns", lambda: next(times) * 10**9)
    path = tmp_path / "f"
    for n in range(3):
        with Session(path) as session:
            session.add(Score(best=n), replace=True)
            session.commit()
    at = datetime.fromtimestamp(250, UTC)
    with Session(path, at=at) as session:
        assert session.root(Score).best == 2
    with Session(path, at=at - timedelta(seconds=100)) as session:
        assert session.root(Score).best == 0


def test_what_a_torn_tail_says_is_said_of_an_earlier_commit_too(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"torn")
    with Session(path, at=2) as session:
        assert session.recovered and session.root(World).n == 2


def test_damage_in_the_chain_of_records(path: Path) -> None:
    with Session.open(path) as session:
        third = next(each for each in session.history() if each.sequence == 3)
    data = bytearray(path.read_bytes())
    for at in (third.size - 100, third.size - 600):  # both copies
        data[at] ^= 1
    path.write_bytes(data)
    with Session.open(path) as session:
        history = session.history()
        assert [next(history).sequence, next(history).sequence] == [5, 4]
        with pytest.raises(CorruptionError):
            next(history)
        assert session.root(World).n == FIVE and [each.where for each in session.diff(4)]
        for use in (lambda: session.diff(2), lambda: Session(path, at=1), lambda: Session(path, at=START)):
            with pytest.raises(CorruptionError):
                use()
    with Session(path, at=4) as session:
        assert session.root(World).n == 4


# -- revert -------------------------------------------------------------------------------------------------------


def test_revert_is_a_commit_of_what_was(path: Path) -> None:
    with Session(path) as session:
        world, rows = session.root(World), session.root(World).rows
        assert world.n == FIVE and rows[3].level == -3
        before, size = session.stats.chunks_written, path.stat().st_size
        session.revert(2, message="back")
        assert session.stats.chunks_written - before == 1 and path.stat().st_size - size < 10_000  # the catalog
        assert session.snapshot and (session.snapshot.sequence, session.snapshot.message) == (6, "back")
        assert session.root(World) is world and world.rows is rows
        assert world.n == 2 and [row.level for row in rows[:4]] == [0, 1, -2, 3]
        assert not session.dirty and not session.diff(2, 6) and session.diff(5, 6)
        world.rows[7].level = 70  # and on from there
        world.big["new"] = Item()
        session.commit()
        session.revert(5)
        assert session.snapshot.message == "revert to commit 5" and world.n == FIVE
        assert rows[7].level == 7 and "new" not in world.big
        session.revert(7)
        assert rows[7].level == 70 and "new" in world.big
        world.big["newer"] = Item(level=5)
        session.commit()
    again = load(path, World)
    assert again.n == 2 and again.big["newer"].level == 5 and again.rows[7].level == 70
    with Session.open(path) as session:
        assert [each.where for each in session.diff(7)] == ["World.big['newer']"]
        session.root(World).big._check()


def test_revert_to_what_is_there_writes_nothing(path: Path) -> None:
    size = path.stat().st_size
    with Session(path) as session:
        session.revert(5)
        session.revert(datetime.max.replace(tzinfo=UTC))
        assert path.stat().st_size == size and session.snapshot and session.snapshot.sequence == 5


def test_roots_come_and_go_with_a_revert(path: Path) -> None:
    with Session(path) as session:
        score = Score(best=3)
        session.add(score)
        session.delete(session.root(World))
        session.commit()
        assert session.roots() == ["Score"]
        session.revert(5)
        assert session.roots() == ["World"] and score not in session
        with pytest.raises(NoResultFound):
            session.root(Score)
        session.revert(6)
        assert session.root(Score).best == 3 and session.roots() == ["Score"]


def test_revert_refuses_what_it_would_lose(path: Path) -> None:
    with Session(path) as session, Session(path) as other:
        session.root(World).n = 70
        with pytest.raises(SessionError, match="unsaved changes, which a revert"):
            session.revert(1)
        session.rollback()
        with pytest.raises(NoResultFound, match="no commit 9"):
            session.revert(9)
        with pytest.raises(TypeError, match="message of a commit is a str"):
            session.revert(1, message=5)  # type: ignore[arg-type]
        with session.begin_nested(), pytest.raises(SessionError, match="a savepoint is active"):
            session.revert(1)
        other.root(World).n = 80
        other.commit()
        with pytest.raises(ConflictError):
            session.revert(1)
        session.rollback()
        assert session.root(World).n == 80
        session.revert(1)
        assert session.root(World).n == 1
        with Session.open(path) as reader:
            assert reader.root(World).n == 1
        other.refresh()
        assert other.root(World).n == 1


def test_revert_in_memory_and_before_the_first_commit() -> None:
    with Session(":memory:", compression="lz4") as session:
        with pytest.raises(NoResultFound, match="nothing is stored yet"):
            session.revert(1)
        session.add(Score(best=1))
        session.commit()
        score = session.root(Score)
        score.best = 2
        session.commit()
        session.revert(1)
        assert score.best == 1
        score.best = 4
        session.commit()
        assert [str(each) for each in session.diff(1)] == ["~ Score.best: 1 -> 4"]
