"""Writing whole files: any binary writer, and paths that keep what they had when anything fails."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import os
import socket
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parcode_orm.errors import (
    AccessDeniedError,
    ConflictError,
    FileMissingError,
    LockedError,
    NotAFileError,
    StorageError,
)
from parcode_orm.format.catalog import CatalogData
from parcode_orm.storage.files import Files, stream_writer
from parcode_orm.storage.lock import WriterLock
from parcode_orm.storage.mapped import Source
from parcode_orm.storage.pipeline import Pipeline
from parcode_orm.storage.stats import Stats
from parcode_orm.storage.writer import save_path, write_whole

from .sample import UUID, build, content, leaf, small

pytestmark = pytest.mark.once


def write_to(target: Any) -> None:
    write_whole(stream_writer(target), build, uuid=UUID, clock=lambda: 1, workers=0)


def test_writers_that_cannot_seek(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    write_to(buffer)
    assert buffer.getvalue() == small()
    for module in (gzip, bz2):
        path = tmp_path / module.__name__
        with module.open(path, "wb") as file:
            write_to(file)
        with module.open(path, "rb") as file:
            source = Source.open(file)
            assert content(source) == content(Source.open(small()))
    with open(tmp_path / "raw", "wb", buffering=0) as raw:
        write_to(raw)
    assert (tmp_path / "raw").read_bytes() == small()
    fd = os.open(tmp_path / "fd", os.O_WRONLY | os.O_CREAT)
    write_to(fd)
    os.close(fd)
    assert (tmp_path / "fd").read_bytes() == small()


@pytest.mark.parametrize("kind", ["pipe", "socket", "makefile"])
def test_pipe_and_socket(kind: str) -> None:
    got = bytearray()
    if kind == "pipe":
        reading, writing = os.pipe()
        receive, target, end = lambda: os.read(reading, 1000), writing, lambda: os.close(writing)
    else:
        here, there = socket.socketpair()
        receive = lambda: there.recv(1000)
        target = here if kind == "socket" else here.makefile("wb", buffering=0)
        end = lambda: here.shutdown(socket.SHUT_WR)

    def read() -> None:
        while part := receive():
            got.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    data = os.urandom(3_000_000)
    write_whole(stream_writer(target), lambda p: CatalogData(roots={"b": p.blob(data, None, b"")}), workers=0)
    end()
    reader.join()
    assert Source.open(bytes(got)).catalog.roots


def test_short_writes_and_writers_that_return_nothing() -> None:
    class Short(io.RawIOBase):
        def __init__(self, most: int) -> None:
            self.got = bytearray()
            self.most = most

        def write(self, data: Any) -> int:
            self.got += data[: self.most]
            return min(self.most, len(data))

    for most in (1, 7, 1 << 20):
        short = Short(most)
        write_to(short)
        assert bytes(short.got) == small()

    class Silent:
        def __init__(self) -> None:
            self.got = bytearray()

        def write(self, data: Any) -> None:
            self.got += data

    silent = Silent()
    write_to(silent)
    assert bytes(silent.got) == small()


def test_writers_that_fail() -> None:
    class Blocked(io.RawIOBase):
        def write(self, data: Any) -> None:
            return None

    class Full:
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match="block"):
        write_to(Blocked())
    with pytest.raises(StorageError, match="No space") as problem:
        write_to(Full())
    assert problem.value.errno == errno.ENOSPC
    for text in (io.StringIO(), tempfile.TemporaryFile("w"), object()):
        with pytest.raises(TypeError):
            write_to(text)


def test_save_and_replace(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    stats = Stats()
    save_path(path, build, stats=stats)
    assert stats.bytes_written == path.stat().st_size
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()
    path.chmod(0o640)
    link = tmp_path / "link.par"
    link.symlink_to(path)
    old = Source.open(path)
    save_path(str(link), build, durability="fast")
    assert link.is_symlink() and stat.S_IMODE(path.stat().st_mode) == 0o640
    new = Source.open(path)
    assert new.uuid != old.uuid
    assert content(old)[1] != content(new)[1]  # readers keep the old file
    assert sorted(os.listdir(tmp_path)) == ["a.par", "link.par"]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_exclusive(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    save_path(path, build, exclusive=True)
    before = path.read_bytes()
    with pytest.raises(ConflictError):
        save_path(path, build, exclusive=True)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a.par"]


def failing(pipeline: Pipeline) -> CatalogData:
    pipeline.submit(leaf(pipeline, bytes(1_000_000)))
    raise KeyboardInterrupt


def test_an_exception_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    with pytest.raises(KeyboardInterrupt):
        save_path(path, failing)
    assert os.listdir(tmp_path) == []
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        save_path(path, failing)
    assert os.listdir(tmp_path) == ["a.par"] and path.read_bytes() == b"old"


CALLS = ["open", "write", "sync", "close", "rename", "chmod", "stat"]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("call", CALLS)
def test_a_system_call_that_fails(tmp_path: Path, call: str, workers: int) -> None:
    path = tmp_path / "a.par"
    path.write_bytes(b"old")

    class Failing(Files):
        pass

    def fail(self: Files, *args: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    setattr(Failing, call, fail)
    with pytest.raises(StorageError) as problem:
        save_path(path, build, files=Failing(), compression="lz4", workers=workers)
    assert problem.value.errno == errno.EIO and problem.value.path == str(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.par"]


def test_paths_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(NotAFileError):
        save_path(tmp_path, build)
    with pytest.raises(FileNotFoundError):
        save_path(tmp_path / "no" / "a.par", build)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(NotAFileError):
        save_path(tmp_path / "fifo", build)
    with pytest.raises(StorageError):
        save_path(tmp_path / ("x" * 300), build)
    if os.getuid():
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o500)
        with pytest.raises(AccessDeniedError):
            save_path(closed / "a.par", build)


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match=r"no\.par") as problem:
        Source.open(tmp_path / "no.par")
    assert isinstance(problem.value, FileNotFoundError) and problem.value.errno == errno.ENOENT
    with pytest.raises(IsADirectoryError):
        Source.open(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(NotAFileError):
        Source.open(tmp_path / "fifo")
    for wrong in (io.StringIO("x"), 5, None):
        with pytest.raises(TypeError):
            Source.open(wrong)  # type: ignore[arg-type]


def test_replacing_a_locked_file(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    save_path(path, build)
    lock = WriterLock.take(str(path))
    with pytest.raises(LockedError, match="this process"):
        save_path(path, build)
    save_path(path, build, lock=lock)
    lock.release()
    save_path(path, build)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "tiny"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting takes root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.parametrize("workers", [0, 2])
def test_full_disk(tiny_disk: Path, workers: int) -> None:
    path = tiny_disk / "a.par"
    save_path(path, build)
    before = path.read_bytes()
    noise = os.urandom(3_000_000)
    with pytest.raises(StorageError) as problem:
        save_path(path, lambda p: CatalogData(roots={"b": p.blob(noise, "lz4", b"")}), workers=workers)
    assert problem.value.errno == errno.ENOSPC and "a.par" in str(problem.value)
    assert path.read_bytes() == before and os.listdir(tiny_disk) == ["a.par"]
    from parcode_orm.storage.append import Appender

    with Appender(path, Source.open(path), workers=workers) as appender:
        with pytest.raises(StorageError):
            appender.commit(CatalogData(roots={"b": appender.pipeline.blob(noise, "lz4", b"")}))
        appender.abort()
        assert path.read_bytes() == before
        appender.commit(CatalogData(message="still works"))
    assert Source.open(path).catalog.message == "still works"


def test_file_objects(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    path.write_bytes(b"head" + small())
    good = content(Source.open(small()))
    with open(path, "rb") as file:
        file.seek(4)
        assert content(Source.open(file)) == good
    path.write_bytes(small())
    with open(path, "rb") as file:
        source = Source.open(file)
        assert source.identity and source.path == str(path)
    assert content(source) == good
    with tempfile.NamedTemporaryFile() as temporary:
        write_to(temporary)
        temporary.seek(0)
        assert content(Source.open(temporary)) == good  # type: ignore[arg-type]
    assert content(Source.open(io.BytesIO(small()))) == good
    assert content(Source.open(bytearray(small()))) == good
    assert content(Source.open(memoryview(small()))) == good
