"""`Source`: one snapshot of a file. It gives chunks, and maps the file when that is needed."""

from __future__ import annotations

import io
import mmap
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from operator import index
from stat import S_ISREG
from typing import Any

from ..errors import CorruptionError, DetachedError, StorageError, TruncatedError, called
from ..format import catalog as catalogs
from ..format.catalog import CatalogData
from ..format.checksum import checksum
from ..format.chunk import Chunk, read_chunks
from ..format.commit import Record
from ..format.layout import CHUNK_ALIGN, CHUNK_HEADER, SUPERBLOCK, Kind, Reference
from .cache import Cache
from .files import CLOEXEC, FILES, Descriptor, check_regular, file_name, storage_error, storing
from .kept import DONTNEED, KeptChunk, drop_pages
from .maps import OpenFile, known_map, map_file, mapping, open_file
from .paths import Content, LocalPath
from .recovery import Found, Read, at_end, commit_at, newest, records_from, with_tail
from .stats import Stats

TAIL = 16 << 10  # bytes
APART = 32 << 10  # bytes: a smaller chunk behind the map is read by itself
MANY = 4  # chunks: fewer may lie in what was read of the file when it was opened
BEHIND = 16 << 20  # bytes behind a map from which on the file is mapped anew
FLAGS = os.O_RDONLY | CLOEXEC | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Source:
    """The bytes of one commit. The source maps only as much as the record of that commit covers.

    Opening reads the last bytes of the file: a writer puts there what is read first. The first access
    to anything else maps the file. All snapshots of a file share one map in a process (`maps`). Small
    chunks that were appended behind the map are read each by itself.

    Views own the map. They stay readable after `close`, and the last of them ends the map. `identity`
    is (device, inode) for a file, None for bytes.
    """

    __slots__ = (
        "path",
        "file",
        "identity",
        "ending",
        "superblock",
        "uuid",
        "record",
        "recovery",
        "length",
        "stats",
        "below",
        "cache",
        "catalog",
        "_data",
        "_map",
        "_tail",
        "_tail_at",
    )

    def __init__(
        self,
        data: memoryview | Descriptor | OpenFile,
        length: int,
        found: Found,
        path: str,
        stats: Stats | None = None,
        identity: tuple[int, int] | None = None,
        tail: bytes = b"",
        tail_at: int = 0,
        earlier: Source | None = None,
        catalog: CatalogData | None = None,
        map: mmap.mmap | None = None,
    ) -> None:
        self.file: OpenFile | None = None  # of a file, until the session ends
        if not isinstance(data, memoryview):
            assert identity is not None
            self.file = open_file(data, identity)
        self._data = data if isinstance(data, memoryview) else None if map is None else memoryview(map)
        self._map = map
        if earlier is not None:
            self._data = earlier._data or earlier._bytes()
            self._map = earlier._map
        self.below: dict[int, list[Reference]] = {} if earlier is None else earlier.below  # of some chunks, by offset
        self.path = path
        self.identity = identity
        self.superblock, self.record, self.recovery = found
        self.uuid = found.superblock.uuid  # the file's own 16 bytes
        self.length = length
        self.stats = Stats() if stats is None else stats
        self.cache: Cache = Cache() if earlier is None else earlier.cache
        if catalog is not None:
            self.catalog = catalog
        self.ending: bytes | None = None  # the copies of the record, where a writer knows them
        self._tail = memoryview(tail) if earlier is None else tail  # else each chunk has bytes of its own
        self._tail_at = tail_at if tail else length

    @classmethod
    def open(
        cls,
        path: LocalPath | Content,
        stats: Stats | None = None,
        *,
        at: int | None = None,
    ) -> Source:
        """Open a path, the bytes of a file, or a binary file object (from where it stands; it stays open).

        Args:
            path: what to read.
            stats: counts what is read.
            at: the sequence number of an earlier commit; the newest without it.

        Raises:
            FileMissingError, AccessDeniedError, NotAFileError, StorageError: the file cannot be opened.
            NotAParcodeFile, UnsupportedVersion, CorruptionError: it cannot be read.
            NoResultFound: there is no commit `at`.
            TypeError: `path` is none of these.
        """
        if isinstance(path, str | os.PathLike):
            return cls.of_path(file_name(path, "the file to read"), stats, at)
        if isinstance(path, bytes | bytearray | memoryview):
            return _from_bytes(memoryview(path).cast("B").toreadonly(), "", stats, at)
        return _from_object(path, stats, at)

    @classmethod
    def of_path(cls, path: str, stats: Stats | None = None, at: int | None = None) -> Source:
        """As `open`, for a path that is known to be one."""
        doing = "open"
        try:
            descriptor = Descriptor(os.open(path, FLAGS))
            doing = "read"
            return _of_file(descriptor, path, stats, at)
        except StorageError:
            raise
        except OSError as problem:
            raise storage_error(problem, doing, path) from problem

    catalog: CatalogData

    def __getattr__(self, name: str) -> Any:
        """`catalog`, the content of the commit, when it is first asked for. All its targets are references."""
        if name != "catalog":
            raise AttributeError(name)
        self.catalog = found = catalogs.decode(self.chunk(self.record.catalog))
        return found

    def chunk(self, ref: Reference) -> Chunk:
        """The chunk at `ref`, with its head verified. The source keeps it for a while.

        Raises:
            CorruptionError: `ref` leaves the file, or the chunk is damaged.
            DetachedError: the source is closed.
        """
        kept: Any = self.cache.kept.get(ref)
        if kept is not None:
            kept.used = True
        else:
            stats = self.stats
            kept = KeptChunk(ref, self._bytes_at(ref), self.path, stats.count_bytes_read, None, whole=True)
            kept.reference, kept.map, kept.used = ref, self._map, False
            with stats.lock:
                stats.chunks_read += 1
                stats.bytes_read += kept.head_size
            kept = self.cache.put(ref, kept)
        found: Chunk = kept
        return found

    def read(self, ref: Reference, observe: Callable[[int], object]) -> Chunk:
        """As `chunk`, but do not keep the chunk, and report the bytes read to `observe` alone."""
        return Chunk(ref, self._bytes_at(ref), self.path, observe)

    def read_all(self, refs: list[Reference], observe: Callable[[int], object]) -> list[Chunk]:
        """As `read`, of many chunks."""
        data = None
        if len(refs) >= MANY:
            data = self._data or self._bytes()
        if data is None or len(data) < self.length:
            return [self.read(ref, observe) for ref in refs]
        chunks = read_chunks(refs, data[: self.length], self.path, observe)
        observe(sum([chunk.head_size for chunk in chunks if chunk is not None]))
        return [chunk or self.read(ref, observe) for chunk, ref in zip(chunks, refs, strict=True)]

    def _bytes_at(self, ref: Reference) -> memoryview:
        """The bytes of the chunk at `ref`, not verified; raises as `chunk` where it leaves the file."""
        offset, length, _, _ = ref
        if offset < SUPERBLOCK.size or offset % CHUNK_ALIGN or not CHUNK_HEADER.size <= length <= self.length - offset:
            raise CorruptionError(f"reference to {length} bytes leads out of the file", path=self.path, offset=offset)
        at = offset - self._tail_at
        if at >= 0:
            return memoryview(self._tail[at : at + length])
        mapped = self._data
        if mapped is not None and offset + length <= len(mapped):
            return mapped[offset : offset + length]
        if mapped is not None and length <= APART and self.length - len(mapped) <= BEHIND:
            return self._apart(length, offset)
        return self._bytes()[offset : offset + length]

    def expect(self, refs: Sequence[Reference]) -> None:
        """Say that the heads of these chunks are read next: a file elsewhere fetches them together."""

    def fill(self, places: Sequence[tuple[int, int, int]], out: memoryview) -> bool:
        """Read into `out`, one after the other, bytes of the file: offset, size and checksum of each.

        False, and an `out` that means nothing, if one is not as it should be, or the file is not one to read from.
        """
        file = self.file
        if file is None:
            return False
        done, fd, read = 0, file.fd, FILES.read_into
        for offset, size, expected in places:
            here = out[done : done + size]
            if offset + size > self.length or not read(fd, here, offset) or checksum(here) != expected:
                return False
            done += size
        self.stats.count_bytes_read(done)
        return True

    def _apart(self, length: int, offset: int) -> memoryview:
        file = self.file
        if file is None:  # another thread mapped or closed the file
            return self._bytes()[offset : offset + length]
        with storing("read", self.path):
            data = FILES.read(file.fd, length, offset)
        if len(data) < length:
            raise TruncatedError("the file shrank since it was opened", path=self.path, offset=offset)
        return memoryview(data)

    def peek(self, ref: Reference) -> Chunk:
        """As `chunk`, for walks over the graph: a chunk that is not kept already is neither kept nor counted."""
        kept: Any = self.cache.get(ref)
        # `index` of a size does nothing, in no time.
        return self.read(ref, index) if kept is None else kept

    def release(self, ref: Reference, refs: Iterable[Reference] = ()) -> None:
        """Drop the pages of the closed chunk at `ref` and of its columns, which are among `refs`.

        Views into them stay readable.
        """
        drop_pages(self._map, ref)
        for target in refs:
            if target.kind == Kind.COLUMN and self.cache.drop(target):
                drop_pages(self._map, target)

    def drop_pages(self) -> None:
        """Take all pages out of this process's memory. A reader of a whole file does so now and then."""
        if self._map is not None and DONTNEED is not None:
            with suppress(OSError, ValueError):  # as in `kept.drop_pages`
                self._map.madvise(DONTNEED)

    def view(self, offset: int, length: int) -> memoryview:
        """Bytes of the file as they stand, neither verified nor counted. Checks the bounds."""
        data = self._bytes()
        if offset < 0 or length < 0 or offset + length > self.length:
            raise CorruptionError(f"{length} bytes lead out of the file", path=self.path, offset=offset)
        return data[offset : offset + length]

    def records(self) -> Iterator[Record]:
        """The commit records from this source's own back to the first.

        Raises:
            CorruptionError: one of them is damaged in both copies.
        """
        yield from records_from(_reader(self._bytes()), self.record, self.uuid, self.length, self.path)

    def at(self, record: Record) -> Source:
        """The snapshot of `record`, one of `records()`: the same bytes, as far as that commit goes."""
        length = min(record.file_length, self.length)
        found = Found(self.superblock, record, self.recovery)
        earlier = Source(self._bytes()[:length], length, found, self.path, self.stats, self.identity)
        earlier._map = self._map
        return earlier

    def content(self, length: int) -> memoryview:
        """The first bytes of the file, which is mapped for them: it may be replaced meanwhile."""
        return self._bytes()[:length]

    def retire(self) -> None:
        """Keep no chunks: the session goes on with another snapshot. Objects may still read this one."""
        self.cache.clear()

    def close(self) -> None:
        """Read no more. The map ends with the last view into it."""
        self.cache.clear()
        self._data = self._map = None
        self._tail_at = self.length
        self.file = None

    def settle(self) -> None:
        """Keep no chunks, and map the file unless it is mapped: the session ended, and objects still read."""
        self.retire()
        if self.file is not None and self.identity is not None:
            map = known_map(self.identity)
            if map is None or len(map) >= self.length:
                self._bytes()
                self.file = None

    def _bytes(self) -> memoryview:
        data = self._data
        if data is None or len(data) < self.length:
            with mapping:
                data = self._data
                if data is None or len(data) < self.length:
                    if self._map is not None:
                        self.cache.clear(Reference)  # chunks would keep the former map
                    self._map = self._mapped()
                    data = self._data = memoryview(self._map)
        return data

    def _mapped(self) -> mmap.mmap:
        file = self.file
        if file is None:
            raise DetachedError(
                f"{self.path or 'the file'} was closed before this was read: read it while the session is open, or "
                "take a plain copy then, by model_load() of an object or load() of a list, a map or a handle"
            )
        assert self.identity is not None
        # Never closed by hand: an array made from a view refers to the map, not to the view.
        return map_file(file.fd, self.length, self.identity, self.path)


def _reader(data: memoryview) -> Read:
    return lambda size, offset: bytes(data[offset : offset + size])


def _of_file(descriptor: Descriptor, path: str, stats: Stats | None, at: int | None) -> Source:
    fd: int = descriptor
    status = os.fstat(fd)
    if not S_ISREG(status.st_mode):
        check_regular(status, path)
    size = status.st_size
    tail_at = size - TAIL if size > TAIL else 0
    tail = os.pread(fd, size - tail_at, tail_at)
    found = at_end(os.pread(fd, SUPERBLOCK.size, 0), tail, size, path)
    if found is None or (at is not None and found.record.sequence != at):
        read = with_tail(lambda count, offset: os.pread(fd, count, offset), tail, tail_at)
        found = newest(read, size, path) if at is None else commit_at(read, size, path, at)
    length = found.record.file_length
    identity = status.st_dev, status.st_ino
    map = known_map(identity)
    return Source(descriptor, length if length < size else size, found, path, stats, identity, tail, tail_at, map=map)


def _from_bytes(data: memoryview, path: str, stats: Stats | None, at: int | None) -> Source:
    found = newest(_reader(data), len(data), path) if at is None else commit_at(_reader(data), len(data), path, at)
    length = min(found.record.file_length, len(data))
    return Source(data[:length], length, found, path, stats)


def _from_object(file: Any, stats: Stats | None, at: int | None) -> Source:
    file = getattr(file, "file", file)  # the file that tempfile wraps
    name = getattr(file, "name", "")
    path = name if isinstance(name, str) else ""
    check_binary(file)
    # Only these descriptors are known to hold the bytes that read() gives (a GzipFile's does not).
    plain = isinstance(file, io.FileIO) or (
        isinstance(file, io.BufferedReader | io.BufferedRandom) and isinstance(file.raw, io.FileIO)
    )
    if plain and file.seekable() and file.tell() == 0:
        with storing("read", path):
            if file.writable():
                file.flush()
            return _of_file(Descriptor(os.dup(file.fileno())), path, stats, at)
    with storing("read", path):
        data = content_of(file)
    return _from_bytes(data, path, stats, at)


def check_binary(file: Any) -> None:
    """Raise `TypeError` if `file`, an argument of a public function, cannot be read as a file."""
    if isinstance(file, io.TextIOBase):
        raise TypeError(
            f"{called(file)} gives text, and what is read is a path, bytes or a binary file: open it with mode 'rb'"
        )
    if not hasattr(file, "read") or isinstance(file, type):
        raise TypeError(f"what is read is a path (str or os.PathLike), bytes or a binary file, not {called(file)}")


def content_of(file: Any) -> memoryview:
    """The bytes that `file.read()` gives; raises `TypeError` if it gives none."""
    data = file.read()
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"what is read is a binary file, and read() of {called(file)} gives {called(data)}")
    return memoryview(data).cast("B").toreadonly()
