"""Backups: the tail of a file goes to its copy, which holds whole commits; anything else is refused or copied whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import BackupReport, Chunk, Model, Session, ShardedMap, backup, compact, save, verify
from parcode_orm.errors import (
    AccessDeniedError,
    ConflictError,
    CorruptionError,
    FileMissingError,
    LockedError,
    NotAFileError,
    NotAParcodeFile,
)
from parcode_orm.storage.backup import ending
from parcode_orm.storage.lock import WriterLock
from parcode_orm.storage.mapped import Source

pytestmark = pytest.mark.once


class World(Model):
    n: int = 0
    blob: bytes = Chunk(default=b"")
    rows: dict[str, int] = ShardedMap(default={})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add(World(blob=os.urandom(2_000_000), rows={f"k{n}": n for n in range(2_000)}))
        session.commit("first")
    return path


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "copy.par"


def commit(path: Path, count: int = 1, **options: Any) -> None:
    with Session(path, **options) as session:
        for _ in range(count):
            world = session.root(World)
            world.n += 1
            world.rows["k7"] = world.n
            session.commit(f"n is {world.n}")


def shown(report: BackupReport) -> tuple[int, int, bool]:
    return report.sequence, report.commits, bool(report.whole)


def test_the_tail_is_copied(path: Path, to: Path) -> None:
    first = backup(path, to)
    assert shown(first) == (1, 1, True) and first.copied == path.stat().st_size and first.whole == "there was no copy"
    assert to.read_bytes() == path.read_bytes()
    commit(path)
    report = backup(path, to)
    assert shown(report) == (2, 1, False) and report.copied < 40_000 < report.size == path.stat().st_size
    assert to.read_bytes() == path.read_bytes()
    commit(path, 3)
    report = backup(str(path), str(to))
    assert shown(report) == (5, 3, False) and to.read_bytes() == path.read_bytes()
    assert str(report) == f"{to}: copied 3 commits, {report.copied:,} bytes; it is at commit 5"
    again = backup(path, to)
    assert shown(again) == (5, 0, False) and again.copied == 0 and "nothing to copy; it is at" in str(again)
    assert again.to_dict()["sequence"] == 5
    assert verify(to).ok
    with Session.open(to) as session:
        assert session.recovered is None and next(each.message for each in session.history()) == "n is 4"


def test_commits_that_did_not_wait_for_the_disk(path: Path, to: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(path, 3, durability="fast")
    backup(path, to)
    commit(path, 70, durability="fast")
    assert shown(backup(path, to)) == (74, 70, False) and to.read_bytes() == path.read_bytes()
    monkeypatch.setattr("parcode_orm.storage.recovery.boot", lambda: 7)  # another machine verifies them
    with Session.open(to) as session:
        assert session.root(World).n == 73


def test_since_names_a_commit_that_the_copy_has(path: Path, to: Path) -> None:
    with pytest.raises(ConflictError, match="lacks commit 1, as there is no such file: without `since`"):
        backup(path, to, since=1)
    backup(path, to)
    commit(path, 2)
    with pytest.raises(ConflictError, match="lacks commit 2: its newest is 1"):
        backup(path, to, since=2)
    assert shown(backup(path, to, since=1)) == (3, 2, False)
    assert shown(backup(path, to, since=1)) == (3, 0, False)  # what a torn backup finished
    compact(path)
    with pytest.raises(ConflictError, match=r"no copy of .* as it is now"):
        backup(path, to, since=3)
    for wrong in ("1", True, -1, 1.0):
        with pytest.raises(ValueError, match=r"backup\(since=...\) is the number of a commit"):
            backup(path, to, since=wrong)  # type: ignore[arg-type]


def test_a_compacted_file_is_copied_whole(path: Path, to: Path) -> None:
    commit(path, 3)
    backup(path, to)
    with Session.open(to) as before:
        with Session(path) as session:
            session.compact(keep=2)
        report = backup(path, to)
        assert shown(report) == (4, 2, True) and "compacted or saved anew" in str(report)
        assert before.root(World).n == 3  # who reads the old copy goes on reading it
    assert to.read_bytes() == path.read_bytes()
    save(path, World(n=9))
    assert shown(backup(path, to)) == (1, 1, True)


def test_a_copy_that_has_more_is_not_touched(path: Path, to: Path, tmp_path: Path) -> None:
    backup(path, to)
    commit(path)
    commit(to)
    data = to.read_bytes()
    with pytest.raises(ConflictError, match=r"copy.par has commit 2, which .*a.par does not have.*Nothing was copied"):
        backup(path, to)
    commit(to, 2)
    data = to.read_bytes()
    with pytest.raises(ConflictError, match=r"has commit 4, which"):
        backup(path, to)
    assert to.read_bytes() == data
    older, newer = tmp_path / "older.par", tmp_path / "newer.par"
    save(older, World(), time_ns=1)
    save(newer, World(), time_ns=2)
    with pytest.raises(ConflictError, match=r"is another file than .* is later than all commits of that"):
        backup(older, newer)
    assert shown(backup(newer, older)) == (1, 1, True)
    with pytest.raises(ConflictError, match="the wrong way round"):
        backup(to, path) if to.stat().st_size < path.stat().st_size else backup(path, to)


def test_what_is_no_copy(path: Path, to: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.par"
    link.symlink_to(path)
    with pytest.raises(ValueError, match="is the file itself"):
        backup(path, link)
    to.write_bytes(b"a letter")
    with pytest.raises(NotAParcodeFile):
        backup(path, to)
    assert to.read_bytes() == b"a letter"
    with pytest.raises(NotAFileError):
        backup(path, tmp_path)
    with pytest.raises(FileMissingError, match="there is no directory"):
        backup(path, tmp_path / "none" / "copy.par")
    with pytest.raises(FileMissingError):
        backup(tmp_path / "none.par", to)
    with pytest.raises(NotAParcodeFile):
        backup(to, tmp_path / "x.par")
    assert not (tmp_path / "x.par").exists()


def test_a_locked_copy(path: Path, to: Path) -> None:
    backup(path, to)
    lock = WriterLock.take(str(to))
    with pytest.raises(LockedError):
        backup(path, to)
    lock.release()
    source = WriterLock.take(str(path))  # a live writer does not stop a backup
    assert shown(backup(path, to)) == (1, 0, False)
    source.release()


def test_a_new_copy_has_the_permissions_of_the_file(path: Path, to: Path) -> None:
    path.chmod(0o600)
    backup(path, to)
    assert to.stat().st_mode & 0o777 == 0o600
    to.chmod(0o640)
    compact(path)
    backup(path, to)
    assert to.stat().st_mode & 0o777 == 0o640
    if os.geteuid():
        to.chmod(0o444)
        with pytest.raises(AccessDeniedError):
            backup(path, to)


def test_a_torn_tail_on_either_side(path: Path, to: Path) -> None:
    commit(path)
    backup(path, to)
    commit(path)
    whole = path.read_bytes()
    path.write_bytes(whole + b"what a broken commit left" * 1000)
    to.write_bytes(to.read_bytes() + whole[to.stat().st_size : -5000])  # what a broken backup left
    with Session.open(to) as session:
        assert session.root(World).n == 1 and session.recovered
    assert shown(backup(path, to)) == (3, 1, False)
    assert to.read_bytes() == whole
    to.write_bytes(whole[:-1])  # the second copy of the record is torn
    assert shown(backup(path, to)) == (3, 0, False) and to.read_bytes() == whole
    path.write_bytes(whole[:-1])
    to.unlink()
    backup(path, to)
    assert to.read_bytes() == whole  # and whole in the copy


def test_damage_is_not_copied(path: Path, to: Path) -> None:
    backup(path, to)
    start = path.stat().st_size
    commit(path, 2)
    copied, good = to.read_bytes(), path.read_bytes()
    source = Source.open(path)
    offset = source.record.catalog.offset
    source.close()
    for at in (start + 70, offset + 100):
        bad = bytearray(good)
        bad[at] ^= 1
        path.write_bytes(bad)
        with pytest.raises(CorruptionError) as caught:
            backup(path, to)
        assert "a.par" in str(caught.value) and to.read_bytes() == copied
    for at in (200_000, len(good) - 6_000):
        bad = bytearray(good)
        bad[at] ^= 1
        path.write_bytes(bad)
        fresh = to.with_name("fresh.par")
        with pytest.raises(CorruptionError):
            backup(path, fresh)
        assert not fresh.exists() and len(list(to.parent.iterdir())) == 2


WRITER = """
import sys
from parcode_orm import Session
from tests.storage.test_backup import World
with Session(sys.argv[1], durability="fast") as session:
    print("ready", flush=True)
    for n in range(400):
        session.root(World).n = n
        session.root(World).rows[f"k{n % 50}"] = n
        session.commit()
"""


def test_a_live_writer_is_never_caught_in_the_middle(path: Path, to: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline()
    seen = 0
    while process.poll() is None or not seen:
        report = backup(path, to)
        assert report.sequence >= seen
        seen = report.sequence
        with Session.open(to) as session:
            assert session.recovered is None and session.snapshot is not None and session.snapshot.sequence == seen
            n = session.root(World).n
            assert seen == 1 or (session.root(World).rows[f"k{n % 50}"] == n and n == seen - 2)
    assert process.wait() == 0
    process.stdout.close()
    assert backup(path, to).sequence == 401 and verify(to).ok and to.read_bytes() == path.read_bytes()


def test_progress_and_the_end_of_a_commit(path: Path, to: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    backup(path, to, progress=lambda *what: seen.append(what))
    size = path.stat().st_size
    assert seen[-1] == ("backup", size, size)
    commit(path)
    source = Source.open(path)
    assert path.read_bytes().endswith(ending(source.record, source.uuid))
    source.close()
