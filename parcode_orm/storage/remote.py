"""`RemoteSource`: one snapshot of a file elsewhere. What a chunk needs is fetched before it is read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from ..errors import CorruptionError, DetachedError, FormatError
from ..format.catalog import CatalogData
from ..format.checksum import checksum
from ..format.chunk import Chunk
from ..format.commit import Record
from ..format.layout import CHUNK_ALIGN, CHUNK_HEADER, NODE, REFERENCE, SUPERBLOCK, Reference
from .kept import KeptChunk
from .mapped import TAIL, Source
from .paths import remote_of
from .pipeline import Pipeline
from .ranges import RemoteFile, put
from .recovery import Found, commit_at, newest, records_from
from .stats import Stats
from .writer import save_path

WHOLE = 128 << 10  # bytes: a chunk of up to so many is fetched at once
HEAD = 16 << 10  # bytes of a larger one that are fetched first


def open_remote(path: Any, stats: Stats | None = None, at: int | None = None) -> RemoteSource:
    """Open a file elsewhere, at its newest commit, or at the one with the sequence number `at`.

    Raises:
        As `RemoteFile`; NotAParcodeFile, UnsupportedVersion, CorruptionError: it cannot be read.
        NoResultFound: there is no commit `at`.
    """
    given = remote_of(path)
    remote = RemoteFile(given.url, given.cache, given.options)
    tail_at = max(0, remote.size - TAIL)
    remote.need(tail_at, remote.size - tail_at)

    def read(size: int, offset: int) -> bytes:
        size = max(0, min(size, remote.size - offset))
        return bytes(remote.need(offset, size))

    with _same(remote):
        found = newest(read, remote.size, given.url) if at is None else commit_at(read, remote.size, given.url, at)
    return RemoteSource(remote, min(found.record.file_length, remote.size), found, stats)


@contextmanager
def _same(remote: RemoteFile) -> Iterator[None]:
    """Say that the file was replaced, if that is why its bytes are damaged."""
    try:
        yield
    except (CorruptionError, FormatError):
        remote.check_same()
        raise


def save_remote(path: Any, build: Callable[[Pipeline], CatalogData], **options: Any) -> None:
    """Write a whole file here, and copy it elsewhere. Raises as `write_whole` and `RemoteFile`."""
    given = remote_of(path)
    with tempfile.TemporaryDirectory() as folder:
        draft = os.path.join(folder, "draft.par")
        save_path(draft, build, durability="fast", **options)
        put(given.url, draft, given.options)


class Ranges:
    """A stretch of a file elsewhere. A slice of it fetches what is missing; `lazily` gives a stretch of it."""

    __slots__ = ("_at", "_remote", "_size")

    def __init__(self, remote: RemoteFile, at: int, size: int) -> None:
        self._remote, self._at, self._size = remote, at, size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, place: slice) -> memoryview:
        start, stop, _ = place.indices(self._size)
        return self._remote.need(self._at + start, max(0, stop - start))

    def lazily(self, start: int, size: int) -> Ranges:
        """A stretch of which nothing is fetched yet."""
        return Ranges(self._remote, self._at + start, max(0, min(size, self._size - start)))


class RemoteChunk(KeptChunk):
    """A chunk whose buffers are fetched one by one, and whose blob is fetched in pieces."""

    __slots__ = ("remote",)
    remote: RemoteFile

    def verify(self, index: int, stored: memoryview, expected: int, at: int = 0) -> None:
        """See `Chunk`."""
        with _same(self.remote):
            super().verify(index, stored, expected, at)

    def stored(self, index: int) -> Any:
        """See `Chunk`. The bytes are fetched when they are sliced."""
        node, data = self.nodes[index], cast(Any, self._data)
        if not isinstance(data, Ranges):
            return super().stored(index)
        found = data.lazily(node.place, node.stored)
        if len(found) != node.stored:
            raise self.error(index, "buffer leaves the chunk")
        return found


class RemoteSource(Source):
    """The bytes of one commit of a file elsewhere. All of its snapshots share what was fetched."""

    __slots__ = ("remote",)

    def __init__(self, remote: RemoteFile, length: int, found: Found, stats: Stats | None) -> None:
        super().__init__(remote.data[:length], length, found, remote.url, stats)
        self.remote: RemoteFile | None = remote

    def chunk(self, ref: Reference) -> Chunk:
        """See `Source`."""
        kept: Any = self.cache.get(ref)
        if kept is None:
            chunk = self.read(ref, self.stats.count_bytes_read)
            self.stats.count_chunk_read()
            kept = self.cache.put(ref, chunk)
        found: Chunk = kept
        return found

    def read(self, ref: Reference, observe: Callable[[int], object]) -> RemoteChunk:
        """See `Source`."""
        offset, length, _, _ = ref
        if offset < SUPERBLOCK.size or offset % CHUNK_ALIGN or not CHUNK_HEADER.size <= length <= self.length - offset:
            raise CorruptionError(f"reference to {length} bytes leads out of the file", path=self.path, offset=offset)
        remote = self._reached()
        with _same(remote):
            if length <= WHOLE:
                chunk = RemoteChunk(ref, remote.need(offset, length), self.path, observe)
            else:
                head = remote.need(offset, HEAD)
                _, _, _, _, refs, nodes, _, _ = CHUNK_HEADER.unpack_from(head)
                size = CHUNK_HEADER.size + refs * REFERENCE.size + nodes * NODE.size
                if HEAD < size <= length:
                    head = remote.need(offset, size)
                data: Any = Ranges(remote, offset, length)
                chunk = RemoteChunk(ref, data, self.path, observe, head)
        chunk.reference, chunk.map, chunk.used, chunk.remote = ref, None, False, remote
        return chunk

    def read_all(self, refs: list[Reference], observe: Callable[[int], object]) -> list[Chunk]:
        """See `Source`."""
        return [self.read(ref, observe) for ref in refs]

    def expect(self, refs: Sequence[Reference]) -> None:
        """See `Source`."""
        self._reached().need_all([(ref.offset, ref.length if ref.length <= WHOLE else HEAD) for ref in refs])

    def fill(self, places: Sequence[tuple[int, int, int]], out: memoryview) -> bool:
        """See `Source`."""
        remote = self._reached()
        if any(offset + size > self.length for offset, size, _ in places):
            return False
        remote.need_all([(offset, size) for offset, size, _ in places])
        done = 0
        for offset, size, expected in places:
            found = remote.need(offset, size)
            if checksum(found) != expected:
                return False
            out[done : done + size] = found
            done += size
        self.stats.count_bytes_read(done)
        return True

    def view(self, offset: int, length: int) -> memoryview:
        """See `Source`."""
        if offset < 0 or length < 0 or offset + length > self.length:
            raise CorruptionError(f"{length} bytes lead out of the file", path=self.path, offset=offset)
        return self._reached().need(offset, length)

    def records(self) -> Iterator[Record]:
        """See `Source`."""
        remote = self._reached()

        def read(size: int, offset: int) -> bytes:
            return bytes(remote.need(offset, max(0, min(size, remote.size - offset))))

        yield from records_from(read, self.record, self.uuid, self.length, self.path)

    def at(self, record: Record) -> Source:
        """See `Source`."""
        found = Found(self.superblock, record, self.recovery)
        return RemoteSource(self._reached(), min(record.file_length, self.length), found, self.stats)

    def content(self, length: int) -> memoryview:
        """See `Source`. All of it is fetched."""
        return self._reached().need(0, length)

    def settle(self) -> None:
        """See `Source`. Objects that are read later fetch what they need."""
        self.retire()

    def close(self) -> None:
        """See `Source`."""
        self.remote = None
        super().close()

    def _reached(self) -> RemoteFile:
        if self.remote is None:
            raise DetachedError(
                f"{self.path} was closed before this was read: read it while the session is open, or take a plain copy "
                "then, by model_load() of an object or load() of a list, a map or a handle"
            )
        return self.remote
