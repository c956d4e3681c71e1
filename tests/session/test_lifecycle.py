"""Opening, closing, paths, memory, forks, other programs: what happens around a session."""

from __future__ import annotations

import gc
import io
import os
import signal
import subprocess
import sys
import textwrap
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import parcode_orm
from parcode_orm import Chunk, Model, Session, ShardedMap, load, save
from parcode_orm.errors import (
    ClosedError,
    CompressionError,
    ConflictError,
    FileMissingError,
    LockedError,
    NoResultFound,
    ReadOnlyError,
    SchemaMismatchError,
    SessionError,
    StorageError,
)
from parcode_orm.storage.files import FILES
from parcode_orm.storage.lock import WriterLock


class Item(Model):
    level: int
    tags: list[str] = []


class World(Model):
    name: str = ""
    settings: Item = Chunk(default=Item(level=0))
    items: dict[str, Item] = ShardedMap(default={})


class Score(Model):
    best: int


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save(tmp_path / "w.par", World(name="one", items={"a": Item(level=1)}))
    return tmp_path / "w.par"


# -- paths -------------------------------------------------------------------------------------------------------------


class Named:
    """A path-like object."""

    def __init__(self, path: Any) -> None:
        self._path = path

    def __fspath__(self) -> Any:
        return self._path


@pytest.mark.parametrize("form", [str, Path, Named, lambda path: Named(os.fsencode(path))])
def test_a_path_in_any_form(tmp_path: Path, form: Callable[[Any], Any]) -> None:
    path = form(str(tmp_path / "ü.par"))
    with Session(path) as session:
        session.add(Score(best=1))
        session.commit()
        session.root(Score).best = 2
        session.commit()
    with Session.open(path) as session:
        assert session.root(Score).best == 2
    assert os.listdir(tmp_path) == ["ü.par"]


def test_a_relative_path_means_what_it_meant_when_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("here", "there", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with Session("s.par") as session:
        session.add(Score(best=1))
        monkeypatch.chdir(tmp_path / "there")
        session.commit()
        monkeypatch.chdir(tmp_path / "elsewhere")
        session.root(Score).best = 2
        session.commit()
    assert load(tmp_path / "here" / "s.par", Score).best == 2
    assert not os.listdir(tmp_path / "there")


def test_a_link_to_a_file_that_is_yet_to_be_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real.par")
    for best in (1, 2):
        with Session(tmp_path / "link") as session:
            session.add(Score(best=best), replace=True)
            session.commit()
    assert (tmp_path / "link").is_symlink()
    assert load(tmp_path / "real.par", Score).best == 2


@pytest.mark.parametrize("bad", [None, 5, 1.5, object(), ["x.par"], io.StringIO("x")])
def test_what_is_no_path(bad: Any) -> None:
    with pytest.raises(TypeError, match="path"):
        Session(bad)
    with pytest.raises(TypeError, match="path"):
        Session.open(bad)


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match="empty"):
        Session("")
    with pytest.raises(FileNotFoundError):
        Session.open(tmp_path / "x.par")
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(StorageError):
        Session(tmp_path / "file" / "x.par")
    path = tmp_path / "missing" / "x.par"
    for write in (Session, Session.open, lambda path: save(path, Score(best=1)), lambda path: load(path, Score)):
        with pytest.raises(FileNotFoundError, match=r"there is no directory .*missing: create it first"):
            write(path)
    path.parent.mkdir()
    with Session(path) as session:
        session.add(Score(best=1))
        path.parent.rmdir()
        with pytest.raises(FileNotFoundError, match=r"there is no directory .*missing: create it first"):
            session.commit()
        path.parent.mkdir()
        session.commit()
    assert load(path, Score).best == 1


def test_options_are_checked_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.par"
    with pytest.raises(ValueError, match="fats"):
        Session(path, durability="fats")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="-1"):
        Session(path, workers=-1)
    with pytest.raises(CompressionError, match="lz5"):
        Session(path, compression="lz5")


# -- memory ------------------------------------------------------------------------------------------------------------


def test_memory_does_all_that_a_file_does() -> None:
    before = set(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else set()
    with Session(":memory:") as session, Session(":memory:") as other:
        assert "memory" in repr(session)
        session.add(World(name="x", items={f"k{i}": Item(level=i) for i in range(9000)}))
        session.commit()
        session.root(World).items["k7"].tags.append("a")
        session.commit()
        del session.root(World).items["k0"]
        session.commit()
        session.rollback()
        world = session.root(World)
        assert world.items["k7"].tags == ["a"]
        assert len(world.items) == 8999
        world.name = 5  # type: ignore[assignment]
        with pytest.raises(ValueError):
            session.commit()
        world.name = "y"
        session.commit()
        session.add(Score(best=1))
        session.commit()
        assert session.roots() == ["Score", "World"]
        assert other.roots() == []
        other.add(Score(best=2))
        other.commit()
        assert session.root(Score).best == 1
    assert world.items["k5000"].level == 5000  # it was added here
    with pytest.raises(ClosedError):
        session.commit()
    del world, session, other
    gc.collect()
    if before:
        assert len(os.listdir("/proc/self/fd")) <= len(before)


def test_a_failed_first_commit_in_memory_can_be_repeated() -> None:
    with Session(":memory:") as session:
        score = Score(best=1)
        score.best = "x"  # type: ignore[assignment]
        session.add(score)
        with pytest.raises(ValueError):
            session.commit()
        score.best = 3
        session.commit()
        session.rollback()
        assert session.root(Score).best == 3


def test_memory_is_never_on_the_disk(tmp_path: Path) -> None:
    script = """
        import os, signal
        from parcode_orm import Model, Session
        class Score(Model):
            best: int
        session = Session(":memory:")
        session.add(Score(best=1))
        session.commit()
        session.root(Score).best = 2
        session.commit()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    package = str(Path(parcode_orm.__file__).parents[1])
    env = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": package}
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=env, cwd=tmp_path)
    assert run.returncode == -signal.SIGKILL
    assert os.listdir(tmp_path) == []


def test_memory_cannot_be_opened_to_read() -> None:
    for opening in (lambda: Session.open(":memory:"), lambda: Session(":memory:", read_only=True)):
        with pytest.raises(ReadOnlyError, match="memory"):
            opening()


def test_a_path_that_is_called_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Session(Path(":memory:")) as session:
        session.add(Score(best=1))
        session.commit()
    assert os.listdir(tmp_path) == [":memory:"]


# -- closing -----------------------------------------------------------------------------------------------------------


def test_every_method_after_close(path: Path) -> None:
    session = Session(path)
    session.root(World).name = "two"
    session.close()
    session.close()
    for use in (
        session.commit,
        session.rollback,
        session.roots,
        session.__enter__,
        lambda: session.add(Score(best=1)),
        lambda: session.root(World),
        lambda: World in session,
    ):
        with pytest.raises(ClosedError, match="closed"):
            use()
    assert "closed" in repr(session)
    assert session.recovered is None
    assert session.stats.chunks_read > 0
    assert load(path, World).name == "one"


def test_what_was_read_through_earlier_snapshots_reads_on_after_the_session(path: Path) -> None:
    with Session(path) as session:
        session.add(World(items={f"k{i}": Item(level=i) for i in range(9000)}), replace=True)
        session.commit()
    with Session(path) as session:
        world = session.root(World)
        items = world.items
        for name in ("two", "three"):
            world.name = name
            session.commit()
    assert world.name == "three"
    assert items["k1"].level == 1 and world.items is items


def test_a_session_that_is_dropped(path: Path) -> None:
    session = Session(path)
    world = session.root(World)
    world.name = "two"
    gone = weakref.ref(session)
    del session
    assert gone() is None
    assert world.items["a"].level == 1
    del world
    gc.collect()
    with Session(path) as session:  # nothing is locked
        assert session.root(World).name == "one"
        session.root(World).name = "three"
        session.commit()


def test_an_exception_in_the_block(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Session(path) as session:
        session.root(World).name = "two"
        session.commit()
        session.root(World).name = "three"
        raise ZeroDivisionError
    assert load(path, World).name == "two"
    with pytest.raises(ClosedError):
        session.commit()


def test_many_commits_hold_few_descriptors(path: Path) -> None:
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("counts descriptors in /proc")
    with Session(path, durability="fast") as session:
        world = session.root(World)
        before = len(os.listdir("/proc/self/fd"))
        for number in range(200):
            world.name = str(number)
            world.items[f"n{number % 7}"] = Item(level=number)
            session.commit()
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) < before + 5
    assert load(path, World).name == "199"


# -- others ------------------------------------------------------------------------------------------------------------


def test_a_file_that_was_deleted(path: Path) -> None:
    with Session(path) as session:
        world = session.root(World)
        world.name = "two"
        path.unlink()
        with pytest.raises(FileMissingError):
            session.commit()
        assert not path.exists()
        assert world.items["a"].level == 1


def test_a_file_that_was_replaced(path: Path) -> None:
    with Session(path) as session:
        session.root(World).name = "two"
        save(path, World(name="theirs"))
        with pytest.raises(ConflictError, match="replaced"):
            session.commit()
        path.write_bytes(b"something else")
        with pytest.raises(parcode_orm.ParcodeError):
            session.commit()
    assert path.read_bytes() == b"something else"


def test_a_file_that_somebody_else_created(tmp_path: Path) -> None:
    path = tmp_path / "x.par"
    with Session(path) as one, Session(path) as two:
        one.add(Score(best=1))
        two.add(Score(best=2))
        one.commit()
        with pytest.raises(ConflictError, match="created"):
            two.commit()
    assert load(path, Score).best == 1
    assert os.listdir(tmp_path) == ["x.par"]


def test_a_commit_of_somebody_else_right_after_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else this session would stand on their commit, find its object different, and store it over theirs."""
    path = tmp_path / "x.par"
    publish = FILES.link

    def link(source: str, target: str) -> None:
        publish(source, target)
        monkeypatch.undo()
        with Session(path) as other:
            other.root(Score).best = 100
            other.commit()

    monkeypatch.setattr(FILES, "link", link)
    with Session(path) as session:
        score = Score(best=1)
        session.add(score)
        session.commit()
        score.best = 2
        with pytest.raises(ConflictError):
            session.commit()
    assert load(path, Score).best == 100


def test_a_file_that_is_locked(path: Path) -> None:
    with Session(path, lock_timeout=0.01) as session:
        session.root(World).name = "two"
        lock = WriterLock.take(str(path))
        try:
            with pytest.raises(LockedError, match="this process") as raised:
                session.commit()
            assert raised.value.holder == os.getpid()
        finally:
            lock.release()
        session.commit()
    assert load(path, World).name == "two"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anything")
def test_a_file_that_may_only_be_read(path: Path) -> None:
    path.chmod(0o444)
    with Session(path) as session:
        session.root(World).name = "two"
        with pytest.raises(PermissionError):
            session.commit()
    assert load(path, World).name == "one"


def test_after_the_disk_failed_nothing_more_is_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fd: int) -> None:
        raise OSError(5, "Input/output error")

    with Session(path) as session:
        session.root(World).name = "two"
        with monkeypatch.context() as patch:
            patch.setattr(FILES, "sync", fail)
            with pytest.raises(StorageError):
                session.commit()
        with pytest.raises(SessionError, match="open the file again"):
            session.commit()
        assert session.root(World).settings.level == 0
    assert load(path, World).name == "one"


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("memory", [True, False])
def test_a_forked_child_reads_and_closes_but_does_not_write(path: Path, memory: bool) -> None:
    session = Session(":memory:" if memory else path)
    session.add(World(name="one", items={"a": Item(level=1)}), replace=True)
    session.commit()
    world = session.root(World)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert world.items["a"].level == 1
            world.name = "child"
            for use in (session.commit, lambda: session.add(Score(best=1))):
                try:
                    use()
                except SessionError as problem:
                    assert "fork" in str(problem)
                else:
                    raise AssertionError("a child wrote")
            session.close()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    world.name = "parent"
    session.commit()
    session.rollback()
    assert session.root(World).name == "parent"
    session.close()


# -- what is asked of it -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [Score(best=1), int, dict, list[int], 5])
def test_a_root_is_asked_for_by_its_class_or_name(path: Path, bad: Any) -> None:
    with Session(path) as session, pytest.raises(TypeError, match="Model"):
        session.root(bad)
    with pytest.raises(TypeError, match="Model"):
        load(path, bad)


@pytest.mark.parametrize("bad", ["World", None])
def test_a_root_is_loaded_by_its_class_alone(path: Path, bad: Any) -> None:
    with Session(path) as session:
        assert type(session.root(bad)).__name__ == "World"
    with pytest.raises(TypeError, match="Model"):
        load(path, bad)


@pytest.mark.parametrize("bad", ["World", Score, 5, None, {"a": 1}])
def test_only_models_are_added(path: Path, bad: Any) -> None:
    with Session(path) as session, pytest.raises(TypeError, match="Model"):
        session.add(bad)


def test_two_classes_of_one_name(path: Path) -> None:
    def another() -> type[Model]:
        class World(Model):
            title: str = ""

        return World

    with Session(path) as session:
        session.root(World)
        with pytest.raises(SchemaMismatchError, match="another class of this name"):
            session.root(another())
        session.add(another()(title="t"), replace=True)
        session.commit()
        with pytest.raises(SchemaMismatchError):
            session.root(World)


def test_in_and_roots(path: Path) -> None:
    with Session(path) as session, Session.open(path) as other:
        world = session.root(World)
        score = Score(best=1)
        assert world in session
        assert world.settings in session
        assert world.items in session
        assert world.items["a"] in session
        assert World in session
        assert Score not in session
        assert score not in session
        assert other.root(World) not in session
        assert "World" not in session
        session.add(score)
        assert score in session
        assert Score in session
        assert session.roots() == ["Score", "World"]
        session.commit()
        assert world in session
        session.rollback()
        assert world in session
        session.expunge(world)
        assert world not in session
        assert other.roots() == ["World"]
        with pytest.raises(NoResultFound, match="World"):
            other.root(Score)


def test_what_was_recovered_is_told_after_a_commit_as_well(path: Path) -> None:
    with Session(path) as session:
        session.root(World).name = "two"
        session.commit()
        assert session.recovered is None
    with open(path, "ab") as file:
        file.write(b"torn" * 1000)
    with Session(path) as session:
        told = session.recovered
        assert told
        session.root(World).name = "three"
        session.commit()
        assert session.recovered == told
    assert load(path, World).name == "three"
