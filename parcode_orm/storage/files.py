"""The system calls of writing, in one object, so that a test can replace the file system.

Every `OSError` becomes a `StorageError` that says what was being done, and to which file.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import AccessDeniedError, FileMissingError, NotAFileError, StorageError, SyncError, called
from ..format.encoder import Buffer

CLOEXEC = getattr(os, "O_CLOEXEC", 0)
BINARY = getattr(os, "O_BINARY", 0)

_KINDS: dict[int | None, type[StorageError]] = {
    errno.ENOENT: FileMissingError,
    errno.EACCES: AccessDeniedError,
    errno.EPERM: AccessDeniedError,
    errno.EISDIR: NotAFileError,
}


def storage_error(problem: OSError, doing: str, path: str = "") -> StorageError:
    """The typed error for `problem`, raised while `doing` something ("write", "open", ...) to `path`."""
    kind = _KINDS.get(problem.errno, StorageError)
    reason = problem.strerror or str(problem) or type(problem).__name__
    if isinstance(problem, io.UnsupportedOperation):
        reason = "it is not open for that"
    elif kind is FileMissingError and path:
        reason = _missing(path)
    return kind(problem.errno or errno.EIO, f"cannot {doing}: {reason}", path or None)


def _missing(path: str) -> str:
    if path.partition("/")[0].endswith(":"):  # a URL, of which a `Path` keeps one slash
        return (
            "only Session.open, AsyncSession.open, load, save, schema, dataset and scan_parcode take a URL: "
            "copy the file here"
        )
    directory = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(directory):
        return "there is no such file (Session(path) creates one at its first commit)"
    return f"there is no directory {directory}: create it first"


def check_directory(path: str) -> None:
    """Raise `FileMissingError` if the directory of a new file is missing."""
    if not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        raise FileMissingError(errno.ENOENT, f"cannot create: {_missing(path)}", path)


def file_name(path: Any, call: str) -> str:
    """`path` as text. `call` spells the public function whose argument it is.

    Raises:
        TypeError, ValueError: `path` is no path.
        FileMissingError: `path` is empty.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{call}: path is a str or an os.PathLike, not {called(path)}")
    name = os.fsdecode(path)
    if not name:
        raise FileMissingError(errno.ENOENT, f"{call}: the path is empty")
    if "\0" in name:
        raise ValueError(f"{call}: the path {name!r} holds a null character, which no path may")
    return name


class storing:  # a class, not a generator as below: every read and write goes through it
    """Turn an `OSError` in the block into a `StorageError`."""

    __slots__ = ("doing", "path")

    def __init__(self, doing: str, path: str = "") -> None:
        self.doing = doing
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, StorageError):
            raise storage_error(error, self.doing, self.path) from error


@contextmanager
def syncing(path: str) -> Iterator[None]:
    """Turn an `OSError` in the block into a `SyncError`."""
    try:
        yield
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise SyncError(problem.errno or errno.EIO, f"cannot wait for the disk: {reason}", path or None) from problem


def check_regular(status: os.stat_result, path: str) -> None:
    """Raise `NotAFileError` for a directory, a device or a pipe."""
    if stat.S_ISDIR(status.st_mode):
        raise NotAFileError(errno.EISDIR, "cannot open: it is a directory", path)
    if not stat.S_ISREG(status.st_mode):
        raise NotAFileError(errno.EISDIR, "cannot open: it is no regular file (write() takes any binary writer)", path)


class Descriptor(int):
    """The descriptor of a file, shared by the sources that have yet to map it. The last one closes it.

    Making one runs no Python code, in which an interrupt could lose the number.
    """

    @property
    def fd(self) -> int:
        """The number."""
        return int(self)

    def __del__(self) -> None:
        os.close(self)


class Files:
    """The system's files. Methods raise plain `OSError`; writing methods write everything."""

    close = staticmethod(os.close)
    stat = staticmethod(os.fstat)
    truncate = staticmethod(os.ftruncate)  # to a size
    chmod = staticmethod(os.fchmod)
    rename = staticmethod(os.replace)  # at once
    link = staticmethod(os.link)  # a second name; fails if there is one
    remove = staticmethod(os.unlink)

    def look(self, path: str) -> os.stat_result:
        """`stat`."""
        return os.stat(path)

    def open(self, path: str, flags: int, mode: int = 0o666) -> int:
        """A descriptor that no child process inherits."""
        return os.open(path, flags | CLOEXEC | BINARY, mode)

    def read(self, fd: int, size: int, offset: int) -> bytes:
        """Up to `size` bytes at `offset`; fewer only at the end of the file."""
        data = os.pread(fd, size, offset)
        while len(data) < size:
            more = os.pread(fd, size - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data

    def read_into(self, fd: int, buffer: memoryview, offset: int) -> bool:
        """Read bytes at `offset` into all of `buffer`; False if there are fewer, or a signal came."""
        return os.preadv(fd, [buffer], offset) == len(buffer)

    def write(self, fd: int, data: Buffer, offset: int) -> None:
        """Write all of `data` at `offset`."""
        done = os.pwrite(fd, data, offset)
        size = memoryview(data).nbytes
        if done < size:
            view = memoryview(data).cast("B")
            while done < size:
                count = os.pwrite(fd, view[done:], offset + done)
                if not count:
                    raise OSError(errno.EIO, "nothing more is written")
                done += count

    def sync(self, fd: int) -> None:
        """Wait until content and length are on the disk."""
        getattr(os, "fdatasync", os.fsync)(fd)

    def sync_directory(self, path: str) -> None:
        """Wait until the names in a directory are on the disk. Does nothing where directories cannot be opened."""
        try:
            descriptor = Descriptor(os.open(path, os.O_RDONLY | CLOEXEC))
        except OSError:
            return
        os.fsync(descriptor)


FILES = Files()


def stream_writer(target: Any) -> Callable[[Buffer], None]:
    """A function that writes everything it gets to `target`: an object with `write`, a socket, or a descriptor.

    It never seeks, flushes or closes.

    Raises:
        TypeError: `target` takes text, or has neither `write` nor `sendall`.
    """
    if isinstance(target, int) and not isinstance(target, bool):
        return _raw_writer(lambda data: os.write(target, data))
    if isinstance(target, io.TextIOBase) or isinstance(getattr(target, "encoding", None), str):
        raise TypeError(
            f"write(file, obj): file is a binary writer, and {called(target)} takes text: open it with mode 'wb'"
        )
    write = getattr(target, "write", None)
    if write is None:
        sendall = getattr(target, "sendall", None)
        if sendall is None:
            hint = ": to write to a path, use save(path, obj)" if isinstance(target, str | os.PathLike) else ""
            raise TypeError(
                f"write(file, obj): file is a binary writer with write() or sendall(), not {called(target)}{hint}"
            )
        return _whole_writer(sendall)
    return _raw_writer(write) if isinstance(target, io.RawIOBase) else _whole_writer(write)


def _raw_writer(write: Callable[[Any], Any]) -> Callable[[Buffer], None]:
    """For writers that may take a part of the bytes, and return how much."""

    def everything(data: Buffer) -> None:
        view = memoryview(data).cast("B")
        while len(view):
            with storing("write to the stream"):
                count = write(view)
            if not count:
                raise StorageError(errno.EAGAIN, "cannot write to the stream: it would block, and must not")
            view = view[count:]

    return everything


def _whole_writer(write: Callable[[Any], Any]) -> Callable[[Buffer], None]:
    """For writers that take everything. Some return nothing, others the count; a few come short."""

    def everything(data: Buffer) -> None:
        view = memoryview(data).cast("B")
        while len(view):
            with storing("write to the stream"):
                count = write(view)
            if count is None or not isinstance(count, int) or count >= len(view):
                return
            if count <= 0:
                raise StorageError(errno.EIO, "cannot write to the stream: it takes nothing more")
            view = view[count:]

    return everything
