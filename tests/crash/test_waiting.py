"""What is waited for, and in which order. Each test tells of what the simulation found: a commit lost, or come back."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest

from parcode_orm import Session, save
from parcode_orm.errors import StorageError

from .disk import Recorder, failing, installed
from .history import Durability, World, change

pytestmark = pytest.mark.once


def kinds(disk: Recorder) -> list[str]:
    """What was done, in short: the two copies of a commit's record are one write, its chunks and its seal others."""
    names = {672: "record", 8: "seal"}
    done = [names.get(len(op.data), op.kind) if op.kind == "write" else op.kind for op in disk.log]
    return [kind for kind, _ in groupby(done)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.par"
    with Session(path, workers=0) as session:
        session.add(World(n=1))
        session.commit()
        session.root(World).n = 2
        session.commit()
    return path


@pytest.mark.parametrize("durability", ["full", "fast"])
def test_a_commit_that_was_given_up_does_not_come_back(path: Path, durability: Durability) -> None:
    """The disk was full amid the record. The file was cut, the next commit wrote over the chunks, and power failed: the
    cut was lost, the record's first copy was not, and it stood for chunks that were gone. With `fast`, where nothing
    had to be written over, a commit was back that had raised an error."""
    disk = Recorder(str(path))
    with installed(disk), Session(path, workers=0, durability=durability) as session:
        change(session.root(World), 3)
        disk.fail = failing("record", 0)
        with pytest.raises(StorageError):
            session.commit()
    assert kinds(disk)[-2:] == ["truncate", "sync"]


def test_what_a_crash_left_is_cut_off_before_it_is_written_over(path: Path) -> None:
    """As above, the tail being that of another process."""
    with open(path, "ab") as file:
        file.write(b"a tail")
    disk = Recorder(str(path))
    with installed(disk), Session(path, workers=0) as session:
        session.root(World).n = 3
        session.commit()
    assert kinds(disk) == ["truncate", "sync", "write", "record", "sync", "seal"]


def test_a_large_commit_waits_twice(path: Path) -> None:
    """Its hash would take long to compute where the seal is lost."""
    disk = Recorder(str(path))
    with installed(disk), Session(path, workers=0) as session:
        session.root(World).blob = bytes(70_000)
        session.commit()
    assert kinds(disk) == ["write", "sync", "record", "sync"]


def test_a_file_that_is_replaced_without_waiting_is_not_lost_with_the_new_one(path: Path) -> None:
    """`save(durability="fast")` renamed a file over another before its content was on the disk: neither was left."""
    disk = Recorder(str(path))
    with installed(disk):
        save(path, World(n=3), workers=0, durability="fast")
    assert kinds(disk) == ["create", "write", "sync", "rename"]


def test_a_full_commit_waits_for_the_name_of_a_new_file(tmp_path: Path) -> None:
    """A file was created with `fast`, and committed to with `full`; power failed, and the file had no name."""
    path = tmp_path / "a.par"
    disk = Recorder()
    with installed(disk):
        save(path, World(n=1), workers=0, durability="fast")
        created = len(kinds(disk))
        with Session(path, workers=0) as session:
            session.root(World).n = 2
            session.commit()
            first = len(kinds(disk))
            session.root(World).n = 3
            session.commit()
    assert kinds(disk)[created:first] == ["names", "write", "sync", "record", "sync"]
    assert kinds(disk)[first:] == ["write", "record", "sync", "seal"]


def test_the_first_fast_commit_settles_the_file(tmp_path: Path) -> None:
    """A file was created with `fast`, and the record of a commit after it was trusted: that of the first has no hash,
    and its chunks were gone."""
    path = tmp_path / "a.par"
    disk = Recorder()
    with installed(disk), Session(path, workers=0, durability="fast") as session:
        session.add(World(n=1))
        session.commit()
        created = len(kinds(disk))
        session.root(World).n = 2
        session.commit()
        session.root(World).n = 3
        session.commit()
    assert kinds(disk)[created:] == ["sync", "names", "write", "record", "write", "record"]
