"""`RemoteFile`: a file elsewhere, of which ranges of bytes are fetched when they are needed, and kept in a local one.

The local file is sparse: it has the size of the whole, and blocks where something was fetched. It is mapped, so what
was fetched is read as any file is. `present` tells which blocks are there.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import (
    AccessDeniedError,
    FileMissingError,
    FileReplacedError,
    MissingExtraError,
    NotAFileError,
    ParcodeError,
    StorageError,
    TruncatedError,
)
from .files import storing

BLOCK = 16 << 10  # bytes that are there, or not, together
GAP = 8  # blocks: fetching so many between two that are missing costs less than another request
AHEAD = 8 << 20  # bytes that are fetched at most beyond what is needed, when a file is read from front to back
GROWTH = 4  # times as much is fetched ahead as before, while a file is read from front to back
THREADED = 32  # blocks ahead: so many are fetched by a thread meanwhile
TOGETHER = 128  # blocks of a request: a longer range is fetched by several at once, since stores limit each one's pace


class RemoteFile:
    """A file that fsspec reads.

    Args:
        url: where it is: `s3://bucket/key`, `https://host/path`, and so on.
        folder: where fetched blocks are kept from one program to the next; None: in a temporary file, as for a file
            of which the server tells no version.
        options: what fsspec takes for the protocol: credentials, an endpoint.

    Attributes:
        size: its size in bytes, an int.
        requests: how many ranges were fetched, an int.

    Raises:
        MissingExtraError: fsspec, or what it needs for this protocol, is not installed.
        FileMissingError, AccessDeniedError: there is no such file, or it may not be read.
        StorageError: the file cannot be reached. FileReplacedError: by reads: another file took its place.
    """

    def __init__(self, url: str, folder: str | None, options: dict[str, Any]) -> None:
        self.url = url
        self.requests = 0
        self._lock = threading.RLock()
        with _reaching(url, "open"):
            self._files, self._name = _file_system(url, options)
            info = self._info()
        if info.get("type") == "directory":
            raise NotAFileError(errno.EISDIR, "cannot open: it is a directory", url)
        size = info.get("size")
        if not isinstance(size, int):
            raise StorageError(f"{url} cannot be read in parts: the server does not tell its size")
        self.size = size
        count, version = -(-size // BLOCK), _version(info)
        self._version = version
        self._kept: list[Path] = []  # local files that stay
        self._present: bytearray | mmap.mmap = bytearray(count)  # 1 for each block that is there
        self._local: Any
        with storing("write", url if folder is None else folder):
            if folder is None or not version:  # a file that took its place could not be told from this one
                self._local = tempfile.TemporaryFile()
            else:
                path = _kept(folder, f"{url}\0{version}\0{size}")
                self._kept = [path, path.with_suffix(".blocks")]
                self._local = _opened(path)
                if count:
                    self._present = _marks(path.with_suffix(".blocks"), count)
            self._local.truncate(size)
        self._map = mmap.mmap(self._local.fileno(), size, access=mmap.ACCESS_READ) if size else b""
        self.data = memoryview(self._map)
        self._begin = self._last = 0  # the blocks from the first fetch to the last of those that follow each other
        self._window = 0  # how many were fetched ahead then
        self._ahead = (0, 0)  # the blocks that a thread fetches or fetched; touching one, it goes on to the next
        self._thread: threading.Thread | None = None

    def need(self, offset: int, size: int) -> memoryview:
        """Bytes of the file, fetched where they are missing. The caller knows that they lie within the file."""
        first, stop = offset // BLOCK, -(-(offset + size) // BLOCK)
        if self._present.find(b"\0", first, stop) >= 0:
            self._fetch([(first, stop)])
        elif self._ahead[0] < stop <= self._ahead[1]:
            self._go_on()
        return self.data[offset : offset + size]

    def need_all(self, places: list[tuple[int, int]]) -> None:
        """Fetch stretches, offset and size of each, where they are missing: neighbours together."""
        self._fetch(sorted((offset // BLOCK, -(-(offset + size) // BLOCK)) for offset, size in places if size))

    def check_same(self) -> None:
        """Raise `FileReplacedError` if the server has another file there than when it was opened.

        Blocks that a folder keeps are removed then, since some may be of the other file.
        """
        try:
            now = self._info()
        except FileNotFoundError:
            now = {}
        except Exception:  # the server does not answer: nothing is known
            return
        if (_version(now), now.get("size")) == (self._version, self.size):
            return
        for path in self._kept:
            path.unlink(missing_ok=True)
        raise FileReplacedError(
            errno.ESTALE, "the file was replaced since it was opened, and what was read does not fit it: open it again",
            self.url,
        )  # fmt: skip

    def _info(self) -> dict[str, Any]:
        self._files.invalidate_cache(self._name)  # a listing that it keeps may be of an older file
        found: dict[str, Any] = self._files.info(self._name)
        return found

    def _fetch(self, wanted: list[tuple[int, int]]) -> None:
        thread = self._thread
        if thread is not None and any(first < self._ahead[1] and self._ahead[0] < stop for first, stop in wanted):
            thread.join()  # what is missing is on its way
        with self._lock:
            ranges = self._missing(wanted)
            if not ranges:  # another thread was here
                self._go_on()
                return
            first, stop = ranges[0][0], ranges[-1][1]
            if self._begin <= first and stop <= self._last:  # a hole in what was read
                self._fetch_all(ranges)
                return
            follows = len(ranges) == 1 and self._last and -GAP <= first - self._last <= GAP + self._window
            self._window = min(max(self._window * GROWTH, stop - first), AHEAD // BLOCK) if follows else 0
            if follows:
                ranges[0][0] = min(first, self._last)
            else:
                self._begin = first
            if self._window < THREADED:
                ranges[-1][1] = min(stop + self._window, len(self._present))
            self._fetch_all(ranges)
            self._last = ranges[-1][1]
            if self._window >= THREADED:
                self._ahead = (self._last, self._last)
                self._go_on()

    def _missing(self, wanted: list[tuple[int, int]]) -> list[list[int]]:
        """The blocks of stretches that rise which are missing, as ranges: neighbours together."""
        joined: list[list[int]] = []
        for first, stop in wanted:
            first = self._present.find(b"\0", first, stop)
            if first < 0:
                continue
            stop = self._present.rfind(b"\0", first, stop) + 1
            if joined and first <= joined[-1][1] + GAP:
                joined[-1][1] = max(joined[-1][1], stop)
            else:
                joined.append([first, stop])
        return joined

    def _go_on(self) -> None:
        """Let a thread fetch what follows the blocks that were fetched ahead, since these are being read."""
        with self._lock:
            start = self._ahead[1]
            stop = min(start + self._window, len(self._present))
            if start >= stop or (self._thread is not None and self._thread.is_alive()):
                return
            self._ahead, self._last = (start, stop), stop
            self._window = min(self._window * GROWTH, AHEAD // BLOCK)
            self._thread = threading.Thread(target=self._fetch_ahead, args=(start, stop), daemon=True)
            self._thread.start()

    def _fetch_ahead(self, first: int, stop: int) -> None:
        try:
            self._fetch_all(self._missing([(first, stop)]))
        except ParcodeError:  # who needs these blocks fetches them, and is told
            pass

    def _fetch_all(self, ranges: list[list[int]]) -> None:
        if not ranges:
            return
        ranges = [
            [start, min(start + TOGETHER, stop)] for first, stop in ranges for start in range(first, stop, TOGETHER)
        ]
        starts = [first * BLOCK for first, _ in ranges]
        ends = [min(stop * BLOCK, self.size) for _, stop in ranges]
        self.requests += len(ranges)
        try:
            with _reaching(self.url, "read"):
                if len(ranges) == 1:
                    found = [self._files.cat_file(self._name, start=starts[0], end=ends[0])]
                else:
                    found = self._files.cat_ranges([self._name] * len(ranges), starts, ends, on_error="raise")
        except StorageError:
            self.check_same()
            raise
        with storing("write", self.url):
            for (first, stop), start, end, data in zip(ranges, starts, ends, found, strict=True):
                if len(data) == self.size:  # all of it, maybe from a server that does not know ranges
                    first, stop, start, end = 0, len(self._present), 0, self.size
                if len(data) != end - start:
                    self.check_same()
                    raise TruncatedError("the file shrank since it was opened", path=self.url, offset=start)
                _write(self._local.fileno(), data, start)
                self._present[first:stop] = b"\1" * (stop - first)


def _version(info: dict[str, Any]) -> str:
    """What tells a file from one that took its place; nothing if the server does not tell."""
    return next((str(info[name]) for name in _VERSIONS if info.get(name)), "")


_VERSIONS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "Last-Modified", "created")


def _kept(folder: str, identity: str) -> Path:
    """The local file that has the blocks of a version of a file."""
    os.makedirs(folder, exist_ok=True)
    return Path(folder, f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.par")


def _opened(path: Path) -> BinaryIO:
    """A local file to read and write; programs that make it at once have the same."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")


def _marks(path: Path, count: int) -> mmap.mmap:
    """The map of the file that says which blocks are there. A program that reads the same file meanwhile shares it."""
    with _opened(path) as file:
        if os.fstat(file.fileno()).st_size not in (0, count):
            file.truncate(0)
        file.truncate(count)  # keeps what another program marked since it had no size
        return mmap.mmap(file.fileno(), count)


def put(url: str, path: str, options: dict[str, Any]) -> None:
    """Copy the local file at `path` to `url`. Raises as `RemoteFile`."""
    with reached(url, options, "write") as (files, name):
        files.put_file(path, name)


@contextmanager
def reached(url: str, options: dict[str, Any], doing: str) -> Iterator[tuple[Any, str]]:
    """The file system of fsspec for `url`, and the name there. Errors in the block are those of `RemoteFile`."""
    with _reaching(url, doing):
        yield _file_system(url, options)


def _file_system(url: str, options: dict[str, Any]) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as problem:
        raise MissingExtraError(
            f"{url} is read by fsspec: install it with pip install 'parcode-orm[remote]'"
        ) from problem
    try:
        files, name = fsspec.core.url_to_fs(url, **options)
    except ImportError as problem:
        raise MissingExtraError(f"{url} needs another package: {problem}") from problem
    except ValueError as problem:
        raise StorageError(f"{url}: {problem}") from problem
    return files, name


@contextmanager
def _reaching(url: str, doing: str) -> Iterator[None]:
    """Turn what file systems raise into a `StorageError`."""
    try:
        with storing(doing, url):
            yield
    except (StorageError, MissingExtraError, TruncatedError) as problem:
        unreached = _unreached(problem.__cause__)
        if unreached is not None:
            reason = str(unreached) or type(unreached).__name__
            if getattr(unreached, "status", None) in (401, 403):
                raise AccessDeniedError(errno.EACCES, f"cannot {doing}: {reason}", url) from unreached
            raise StorageError(f"cannot {doing} {url}: {reason}") from unreached
        if isinstance(problem.__cause__, FileNotFoundError):
            raise FileMissingError(errno.ENOENT, f"cannot {doing}: there is no such file", url) from problem.__cause__
        if isinstance(problem.__cause__, PermissionError):
            raise AccessDeniedError(errno.EACCES, f"cannot {doing}: {problem.__cause__}", url) from problem.__cause__
        raise
    except Exception as problem:
        raise StorageError(f"cannot {doing} {url}: {str(problem) or type(problem).__name__}") from problem


def _unreached(problem: BaseException | None) -> BaseException | None:
    """Why a web server did not answer. fsspec says of every failure there that the file is missing."""
    cause = problem.__cause__ if isinstance(problem, FileNotFoundError) else None
    is_web = type(cause).__module__.startswith("aiohttp") or isinstance(cause, TimeoutError | TypeError)
    return cause if is_web and getattr(cause, "status", None) not in (404, 410) else None


def _write(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written
