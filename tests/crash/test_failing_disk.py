"""Each call to the file system fails in turn: a typed error, the last commit still there, and another one possible."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Session, save
from parcode_orm.errors import ConflictError, SessionError, StorageError, SyncError
from parcode_orm.storage import append
from parcode_orm.storage.append import Appender
from parcode_orm.storage.files import Files
from parcode_orm.storage.mapped import Source
from tests.small import tuned

from .disk import CALLS, installed
from .history import World, change

pytestmark = pytest.mark.once

Action = Callable[[Path, World], Any]


class Failing(Files):
    """Calls are counted; the one numbered `at` fails, and with `stuck` all of its kind after it. Writes come short."""

    def __init__(self, at: int = -1, code: int = errno.EIO, stuck: bool = False) -> None:
        self.at, self.code, self.stuck = at, code, stuck
        self.calls: list[str] = []
        self.failed = ""
        self.waited = 0  # syncs that failed

    def __getattribute__(self, name: str) -> Any:
        method = super().__getattribute__(name)
        return method if name not in CALLS else lambda *args: self.call(name, method, args)

    def call(self, name: str, method: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        self.calls.append(name)
        if len(self.calls) - 1 == self.at or (self.stuck and name == self.failed):
            self.failed = name
            if name == "write":
                fd, data, offset = args
                method(fd, memoryview(data)[: len(data) // 3], offset)
            if name == "close":
                method(*args)  # a descriptor is gone even where closing it fails
            raise OSError(self.code, os.strerror(self.code))
        return method(*args)


def append_to(path: Path, plain: World) -> Session:
    session = Session(path, workers=0)
    change(session.root(World), plain.n)
    session.commit()
    return session


def append_fast(path: Path, plain: World) -> Session:
    session = Session(path, workers=0, durability="fast")
    change(session.root(World), plain.n)
    session.commit()
    return session


def repair(path: Path, plain: World) -> Session:
    with open(path, "r+b") as file:
        data = bytearray(file.read())
        data[-100] ^= 1  # within the second copy of the record
        file.seek(0)
        file.write(data + b"a tail" * 1000)
    return append_to(path, plain)


def create(path: Path, plain: World) -> Session:
    session = Session(path, workers=0)
    session.add(plain.model_copy(deep=True))
    session.commit()
    return session


def compact_and_append(path: Path, plain: World) -> Session:
    session = Session(path, workers=0)
    session.compact()
    change(session.root(World), plain.n)
    session.commit()
    return session


def save_to(path: Path, plain: World) -> None:
    save(path, plain, workers=0)


ACTIONS: dict[str, tuple[Action, int]] = {
    "append": (append_to, 2),
    "append to a new file": (append_to, 1),
    "append fast": (append_fast, 1),
    "repair": (repair, 2),
    "create": (create, 0),
    "save": (save_to, 2),
    "compact": (compact_and_append, 2),
}


def prepared(path: Path, commits: int) -> World:
    """A file of so many commits, and what it holds."""
    path.unlink(missing_ok=True)
    plain = World()
    for number in range(1, commits + 1):
        change(plain, number)
        (create if number == 1 else append_to)(path, plain).close()
    return plain


def stored(path: Path) -> World | None:
    if not path.exists():
        return None
    with Session.open(path) as session:
        return session.root(World).model_load()


@pytest.mark.parametrize("name", ACTIONS)
def test_every_call_fails(name: str, tmp_path: Path) -> None:
    action, commits = ACTIONS[name]
    path = tmp_path / "a.par"
    plain = prepared(path, commits)
    counting = Failing()
    after = plain.model_copy(deep=True)
    change(after, 3)  # with a blob
    with installed(counting):
        action(path, after)
    assert stored(path) == after
    counts: Counter[str] = Counter()
    for at in range(len(counting.calls)):
        for code in (errno.EIO, errno.ENOSPC):
            for stuck in (False, True):
                counts[fail(path, action, commits, after, at, code, stuck)] += 1
    print(name, dict(counts))
    assert counts["failed"] > 8
    assert {"write", "sync"} <= set(counting.calls)


def fail(path: Path, action: Action, commits: int, after: World, at: int, code: int, stuck: bool) -> str:
    before = prepared(path, commits) if commits else None
    disk = Failing(at, code, stuck)
    assert commits or not path.exists() or path.unlink() is None
    problem = None
    read_back = True
    with installed(disk):
        try:
            action(path, after)
        except StorageError as raised:
            problem = raised
        except SessionError as raised:
            assert "is stored, but could not be read back" in str(raised) and disk.failed == "read"
            read_back = False
    where = f"{disk.failed} {at} {errno.errorcode[code]}"
    if problem is not None:
        assert problem.errno == code and str(path) in str(problem), where
    found = stored(path)
    # What is not known to be on the disk may be seen where a name could not be waited for: the file is whole.
    seen = disk.failed == "sync_directory" and action in (create, save_to)
    assert found == (after if problem is None or seen else before), where
    if disk.failed == "sync" or disk.failed == "sync_directory":
        assert isinstance(problem, SyncError), where
    if found is not None:
        append_to(path, change_of(found)).close()
        assert stored(path) == change_of(found), where
    left = [each for each in path.parent.iterdir() if each.suffix == ".tmp"]
    assert not left or disk.failed == "remove", where
    for each in left:
        each.unlink()
    return "failed" if problem is not None else "harmless" if read_back else "stored"


def change_of(found: World) -> World:
    changed = found.model_copy(deep=True)
    change(changed, 6)
    return changed


@pytest.mark.parametrize(("durability", "kept"), [("full", 0), ("fast", 0), ("fast", append.KEPT)])
def test_a_session_goes_on_or_says_that_it_does_not(
    durability: Any, kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that is kept in memory need not be read back."""
    monkeypatch.setattr(append, "KEPT", kept)
    path = tmp_path / "a.par"
    failed: Counter[str] = Counter()
    for at in range(40):
        prepared(path, 1)
        with Session(path, workers=0, durability=durability) as session:
            change(session.root(World), 3)
            disk = Failing(at)
            stands = False
            with installed(disk):
                try:
                    session.commit()
                except SessionError as problem:
                    stands = "is stored, but could not be read back" in str(problem)
                    assert stands and disk.failed == "read"
                except StorageError:
                    pass
            failed["reading back" if stands else disk.failed] += 1
            if stands:
                with pytest.raises(SessionError, match=r"is stored, but could not be read back.*open the file again"):
                    session.commit()
                assert [root.n for root in [stored(path)] if root] == [3]
            elif disk.failed in ("sync", "sync_directory"):
                for refused in (session.commit, lambda session=session: session.add(World())):
                    with pytest.raises(SessionError, match=r"disk failed in a commit.*open the file again"):
                        refused()
                assert stored(path) == prepared(tmp_path / "b.par", 1)
            else:
                session.commit()
                assert [root.n for root in [stored(path)] if root] == [3]
    print(durability, dict(failed))
    assert {"open", "write", "sync", "sync_directory", ""} <= set(failed)
    assert kept or "reading back" in failed


def test_a_commit_that_compacts_the_file_is_stored(tmp_path: Path) -> None:
    """A disk that fails in the compaction is no error of the commit. The session goes on, or the next commit raises."""
    path = tmp_path / "a.par"
    failed: Counter[str] = Counter()
    for at in range(60):
        prepared(path, 2)
        inode = path.stat().st_ino
        with tuned(compact_from=1).Session(path, workers=0, durability="fast", compact_above=0.0) as session:
            players = session.root(World).players
            change(session.root(World), 3)
            disk = Failing(at)
            with installed(disk):
                try:
                    session.commit()
                except (StorageError, SessionError):
                    assert path.stat().st_ino == inode  # the commit itself failed, or could not be read back
                    continue
            assert stored(path) == session.root(World).model_load()
            failed[disk.failed] += 1
            players["more"] = 1
            if disk.failed in ("sync", "sync_directory"):
                with pytest.raises(SessionError, match="open the file again"):
                    session.commit()
            else:
                session.commit()
                assert stored(path) == session.root(World).model_load()
                assert "more" in stored(path).players  # type: ignore[union-attr]
        left = [each for each in path.parent.iterdir() if each.suffix == ".tmp"]
        assert not left or disk.failed == "remove"
        for each in left:
            each.unlink()
    print(dict(failed))
    assert {"write", "sync", "sync_directory", "rename", ""} <= set(failed)


def test_creating_a_file_whose_name_may_be_lost(tmp_path: Path) -> None:
    """The first commit was there, and a second attempt called it somebody else's: now the session says that it is not
    known to be on the disk."""
    path = tmp_path / "a.par"
    with Session(path, workers=0) as session:
        session.add(World(n=1))
        disk = Failing()
        disk.failed, disk.stuck = "sync_directory", True
        with installed(disk), pytest.raises(SyncError):
            session.commit()
        with pytest.raises(SessionError, match="disk failed in a commit"):
            session.commit()
    assert stored(path) == World(n=1)


def test_a_commit_that_cannot_be_mapped_is_no_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit was stored, then mapping it failed; the session's next commit raised ConflictError against its own."""
    path = tmp_path / "a.par"
    prepared(path, 1)
    for create_it in (False, True):
        if create_it:
            path.unlink()
        with Session(path, workers=0) as session:
            session.add(World(n=7), replace=True)
            with monkeypatch.context() as patch:

                def fail(*_: Any, **__: Any) -> None:
                    raise StorageError(errno.EMFILE, "cannot map: Too many open files", str(path))

                patch.setattr(Appender, "source", fail)
                patch.setattr(Source, "of_path", fail)
                with pytest.raises(SessionError, match="the last commit is stored, but could not be read back"):
                    session.commit()
            with pytest.raises(SessionError, match="open the file again"):
                session.commit()
        assert stored(path) == World(n=7)


def no_links(source: str, target: str) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def test_a_file_system_without_hard_links(tmp_path: Path) -> None:
    """Publishing fell back to a rename, which replaced a file that somebody else had created in between."""
    path = tmp_path / "a.par"
    disk = Files()
    disk.link = no_links  # type: ignore[method-assign]
    with installed(disk):
        create(path, World(n=1)).close()
        assert stored(path) == World(n=1)
        append_to(path, change_of(World(n=1))).close()
    path.unlink()

    class Raced(Files):
        """Between the look and the claim, another session creates the file."""

        link = staticmethod(no_links)

        def open(self, name: str, flags: int, mode: int = 0o666) -> int:
            if name == str(path) and flags & os.O_EXCL:
                path.write_bytes(b"somebody else's")
            return super().open(name, flags, mode)

    with installed(Raced()), pytest.raises(ConflictError, match="created by another program"):
        create(path, World(n=1))
    assert path.read_bytes() == b"somebody else's"
    assert os.listdir(tmp_path) == ["a.par"]
    path.unlink()
    disk.rename = no_links  # type: ignore[method-assign]
    with installed(disk), pytest.raises(StorageError):
        create(path, World(n=1))
    assert os.listdir(tmp_path) == []


def test_a_second_name_that_stays(tmp_path: Path) -> None:
    """The file was published, its temporary name could not be removed, and the commit was reported as failed."""
    path = tmp_path / "a.par"
    disk = Failing()
    disk.failed, disk.stuck = "remove", True
    with installed(disk), create(path, World(n=1)) as session:
        session.root(World).n = 2
        session.commit()
    assert stored(path) == World(n=2)


def test_repairing_leaves_the_good_copy_alone(tmp_path: Path) -> None:
    """Both copies of the record were written anew, so that a crash in the repair could damage the only good one."""
    path = tmp_path / "a.par"
    prepared(path, 2)
    whole = path.read_bytes()
    record = Source.open(path).record
    for at in (record.offset, record.offset + 512):
        data = bytearray(whole)
        data[at + 20] ^= 1
        path.write_bytes(data)
        written: list[int] = []

        class Noting(Files):
            def write(self, fd: int, data: Any, offset: int) -> None:
                written.append(offset)  # noqa: B023
                super().write(fd, data, offset)

        source = Source.open(path)
        Appender(str(path), source, files=Noting()).close()
        assert written == [at] and path.read_bytes() == whole


def test_writes_that_come_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may write less than it was given, without an error."""
    true = os.pwrite
    short = 0

    def pwrite(fd: int, data: Any, offset: int) -> int:
        nonlocal short
        view = memoryview(data).cast("B")
        short += len(view) > 1000
        return true(fd, view[: min(len(view), 1000)], offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    path = tmp_path / "a.par"
    plain = prepared(path, 3)
    assert short > 70 and stored(path) == plain
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: 0)
    with pytest.raises(StorageError, match="nothing more is written"):
        append_to(path, change_of(plain))
    monkeypatch.setattr(os, "pwrite", true)
    assert stored(path) == plain
