"""Sessions and compaction: who goes on, who is told, and when it happens by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import parcode_orm
from parcode_orm import Chunk, Model, Session, ShardedMap, compact, save, verify
from parcode_orm.errors import (
    ConflictError,
    FileMissingError,
    LockedError,
    ReadOnlyError,
    SessionError,
    StorageError,
    SyncError,
)
from parcode_orm.lazy.rows import TablePairs
from parcode_orm.storage.files import Files
from parcode_orm.storage.lock import WriterLock
from tests.crash.disk import installed
from tests.small import tuned

pytestmark = pytest.mark.once


class Hero(Model):
    level: int = 1
    tags: list[str] = []


class World(Model):
    n: int = 0
    hero: Hero = Chunk(default_factory=Hero)
    heroes: dict[str, Hero] = ShardedMap(default_factory=dict)
    names: list[str] = Chunk(default_factory=list)
    blob: bytes = Chunk(default=b"")


class Other(Model):
    heroes: dict[str, Hero] = ShardedMap(default_factory=dict)


def world() -> World:
    heroes = {f"h{number}": Hero(level=number, tags=["a", "b"]) for number in range(3000)}
    return World(heroes=heroes, names=[f"name {number}" for number in range(5000)], blob=os.urandom(50_000))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of five commits, most of whose bytes are dead."""
    path = tmp_path / "a.par"
    save(path, world(), workers=0)
    with Session(path) as session:
        for number in range(1, 5):
            session.root(World).n = number
            session.root(World).blob = os.urandom(50_000)
            session.commit(message=f"m{number}")
    return path


def test_a_session_goes_on(path: Path) -> None:
    with Session(path) as session:
        found = session.root(World)
        hero, heroes, names = found.hero, found.heroes, found.names
        row = heroes["h7"]
        before, snapshot = path.stat(), session.snapshot
        session.compact()
        assert path.stat().st_ino != before.st_ino and path.stat().st_size < before.st_size - 200_000
        assert snapshot is not None and session.snapshot is not None
        assert session.snapshot.dead == 0 < snapshot.dead and session.snapshot.live == path.stat().st_size
        assert session.snapshot.message == "m4" and session.snapshot.sequence == snapshot.sequence == 5
        assert session.snapshot.time == snapshot.time
        assert session.root(World) is found and found.hero is hero and found.heroes is heroes and found.names is names
        assert row is heroes["h7"] and row.level == 7
        hero.level = 5
        hero.tags.append("x")
        row.level = 70
        names.append("last")
        session.commit(message="after")
        assert path.stat().st_size - session.snapshot.size == 0
        session.compact(keep=2)
        heroes["h8"].tags.append("y")
        session.commit()
    with Session.open(path) as session:
        found = session.root(World)
        assert (found.n, found.hero.level, found.hero.tags) == (4, 5, ["x"])
        assert (found.heroes["h7"].level, found.heroes["h8"].tags, found.names[-1]) == (70, ["a", "b", "y"], "last")
    report = verify(path)
    assert report.ok and report.commits == 3


def test_a_compaction_writes_with_the_sizes_of_its_session(tmp_path: Path) -> None:
    """A collection lay inline then that the session's commits store as a table, and looked changed after one."""
    path = tmp_path / "a.par"
    sizes = tuned(large=300)
    sizes.save(path, World(heroes={f"h{number}": Hero(level=number) for number in range(60)}))
    with sizes.Session(path) as session:
        heroes = session.root(World).heroes
        for _ in range(2):
            assert isinstance(heroes.rows, TablePairs)  # type: ignore[attr-defined]
            session.compact()
        session.add(Other(heroes=heroes))
        session.commit()
        assert not session.dirty
    with sizes.Session(path, compact_above=0.0) as session:
        session.root(World).n = 1
        session.commit()
    with sizes.Session(path) as session:
        assert isinstance(session.root(World).heroes.rows, TablePairs)  # type: ignore[attr-defined]


def test_a_commit_after_it_shares_what_did_not_change(path: Path) -> None:
    with Session(path) as session:
        session.compact()
        size = path.stat().st_size
        session.root(World).n = 9
        session.commit()
        assert path.stat().st_size - size < 9000


def test_without_changes_to_lose(path: Path) -> None:
    with Session(path) as session:
        session.root(World).n = 9
        with pytest.raises(SessionError, match=r"unsaved changes.*compact\(\)"):
            session.compact()
        session.rollback()
        with session.begin_nested(), pytest.raises(SessionError, match="savepoint"):
            session.compact()
        with pytest.raises(ValueError, match="1 or more"):
            session.compact(keep=0)
        session.compact()
    with Session(path, read_only=True) as session, pytest.raises(ReadOnlyError):
        session.compact()
    with Session(path.with_name("none.par")) as session:
        session.compact()  # nothing is stored yet
    assert not path.with_name("none.par").exists()


def test_other_sessions(path: Path) -> None:
    with Session.open(path) as reader, Session(path) as writer, Session(path) as compacting:
        expected = reader.root(World).names.load()
        writer.root(World).n = 50
        compacting.compact()
        assert reader.root(World).names.load() == expected
        assert reader.root(World).heroes["h9"].level == 9
        with pytest.raises(ConflictError, match="was replaced"):
            writer.commit()
        writer.rollback()
        writer.root(World).n = 51
        writer.commit()
        reader.refresh()
        assert reader.root(World).n == 51
        with pytest.raises(ConflictError, match="newest commit is 6"):
            compacting.compact()
        compacting.rollback()
        compacting.compact()
        assert compacting.root(World).n == 51
        compact(path)
        with pytest.raises(ConflictError, match="was replaced"):  # nor is an older state put in the place of a newer
            compacting.compact()


def test_the_function(path: Path) -> None:
    size = path.stat().st_size
    compact(path, keep=3)
    assert verify(path).commits == 3 and path.stat().st_size < size
    compact(str(path))
    assert verify(path).commits == 1
    with pytest.raises(FileMissingError):
        compact(path.with_name("none.par"))
    lock = WriterLock.take(str(path))
    with pytest.raises(LockedError):
        compact(path)
    lock.release()


def test_a_reader_in_another_process(path: Path) -> None:
    code = (
        "import sys\nfrom parcode_orm import Session\nfrom tests.session.test_compacting import World\n"
        "with Session.open(sys.argv[1]) as session:\n"
        "    found = session.root(World)\n    print(found.n, flush=True)\n    sys.stdin.readline()\n"
        "    print(found.n, len(found.blob), found.heroes['h2999'].level, found.names[4999])\n"
        "    session.refresh()\n    print(found.n, found.heroes['h2999'].level, found.names[-1])\n"
    )
    options: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": Path(__file__).parents[2]}
    with subprocess.Popen([sys.executable, "-c", code, str(path)], **options) as process:
        assert process.stdout is not None and process.stdout.readline() == "4\n"
        with Session(path) as session:
            for number in range(5, 8):
                session.root(World).n = number
                session.root(World).names.append(f"more {number}")
                session.commit()
                session.compact()
        told, _ = process.communicate("\n")
    assert told == "4 50000 2999 name 4999\n7 2999 more 7\n"


def test_in_memory() -> None:
    with Session(":memory:") as session:
        session.add(world())
        session.commit()
        found = session.root(World)
        blob = found.blob
        for number in range(4):
            found.n = number
            found.blob = os.urandom(50_000)
            session.commit()
        snapshot = session.snapshot
        session.compact()
        assert snapshot is not None and session.snapshot is not None
        assert session.snapshot.size < snapshot.size - 150_000 and len(blob) == 50_000
        found.names.append("more")
        session.commit()
        assert session.root(World).n == 3 and session.root(World).names[-1] == "more"


def dead_share(path: Path) -> float:
    report = verify(path)
    return report.dead / report.size


def test_when_a_session_closes(path: Path) -> None:
    assert 0.3 < dead_share(path) < 0.9
    inode = path.stat().st_ino
    Session(path).close()
    Session(path, compact_above=0.9).close()
    Session(path, compact_above=0.1, read_only=True).close()
    lock = WriterLock.take(str(path))
    Session(path, compact_above=0.1).close()  # somebody writes: another time
    lock.release()
    with pytest.raises(KeyError), Session(path, compact_above=0.1):
        raise KeyError
    assert path.stat().st_ino == inode
    with Session(path, compact_above=0.1) as session:
        found = session.root(World)
        found.n = 7
        session.commit()
        assert path.stat().st_ino == inode
    assert path.stat().st_ino != inode and dead_share(path) == 0
    assert parcode_orm.load(path, World).n == 7
    assert found.n == 7
    Session(path.with_name("none.par"), compact_above=0.1).close()
    Session(":memory:", compact_above=0).close()


def test_a_forked_child_only_closes(path: Path) -> None:
    inode = path.stat().st_ino
    session = Session(path, compact_above=0.1)
    pid = os.fork()
    if not pid:
        try:
            session.close()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert path.stat().st_ino == inode
    session.close()
    assert path.stat().st_ino != inode


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_what_is_no_share(path: Path, share: float) -> None:
    with pytest.raises(ValueError, match="share of dead bytes"):
        Session(path, compact_above=share)


def test_a_full_disk(path: Path) -> None:
    class Full(Files):
        def write(self, fd: int, data: Any, offset: int) -> None:
            raise OSError(28, "No space left on device")

    before = path.read_bytes()
    with Session(path) as session:
        with installed(Full()), pytest.raises(StorageError, match="No space left"):
            session.compact()
        assert path.read_bytes() == before and os.listdir(path.parent) == ["a.par"]
        session.root(World).n = 8
        session.commit()
    with installed(Full()), pytest.raises(StorageError, match="No space left"):
        Session(path, compact_above=0.1).close()


def test_a_disk_that_fails(path: Path) -> None:
    class Failing(Files):
        def sync_directory(self, path: str) -> None:
            raise OSError(5, "Input/output error")

    with Session(path) as session:
        with installed(Failing()), pytest.raises(SyncError):
            session.compact()
        with pytest.raises(SessionError, match="open the file again"):
            session.commit()
    assert verify(path).ok
