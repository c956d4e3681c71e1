"""Appending commits to a file.

The order is the whole of crash safety: chunks, and zeros where the record will stand; wait for the disk; the record,
twice; wait for the disk. Whatever goes wrong before the second wait ends, the file is cut back to the record it had. A
cut is waited for, too: a record that came back after the next commit has begun to write over its chunks would be taken
for a commit.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from ..errors import ConflictError, CorruptionError, SessionError, StorageError, SyncError
from ..format import catalog as catalogs
from ..format import commit
from ..format.catalog import CatalogData
from ..format.chunk import Buffer
from ..format.commit import Record
from ..format.layout import RECORD, RECORD_ALIGN, RECORD_COPY, RecordFlag
from ..format.superblock import Superblock
from .files import FILES, Descriptor, Files, storage_error, storing, syncing
from .lock import WriterLock
from .mapped import Source
from .maps import OpenFile
from .pipeline import Pipeline
from .recovery import Found, Read, boot, copies, newest, with_tail
from .stats import Stats
from .usage import record_bytes, released
from .writer import Clock

REMEMBERED = 1024  # chunks: what they refer to
SETTLE_EVERY = 64  # fast commits; one of so many waits for the disk, so that recovery has no more to verify


class Appender:
    """Holds the writer lock of a file, from construction to `close`, and appends commits to it.

    An error in `pipeline.submit` leaves a tail behind the last commit until `abort` or `close`; readers ignore it.

        with Appender(path, source) as appender:
            appender.pipeline.submit(...)
            record = appender.commit(catalog)

    Args:
        path: the file.
        source: the snapshot that the caller's changes stand on.
        durability: `"full"` or `"fast"`.
        workers, compression, stats: as for `Pipeline`.
        clock: gives nanoseconds since 1970.
        timeout: seconds to wait for the lock.
        files: the file system.
        lock: the one to acquire, where the caller is to know it from the beginning.

    Raises:
        LockedError: another session is writing.
        ConflictError: the file was replaced, or has another newest commit than `source`.
        ReadOnlyError: the file has features that this version cannot write.
        StorageError: the file cannot be opened, or what a crash left cannot be repaired.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        source: Source,
        *,
        durability: str = "full",
        workers: int | None = None,
        compression: str | None = None,
        stats: Stats | None = None,
        clock: Clock | None = None,
        timeout: float = 0.0,
        files: Files = FILES,
        lock: WriterLock | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self.stats = stats if stats is not None else source.stats
        self._fast = durability == "fast"
        self._workers = workers
        self._compression = compression
        self._clock = clock or time.time_ns
        self._files = files
        self._pipeline: Pipeline | None = None
        self._position = 0
        self._written = False  # anything behind the last commit
        self._settle = False
        self._poison: StorageError | None = None
        self._source: Source | None = source  # of the last commit; None: not opened
        self._earlier = source
        self._catalog: CatalogData | None = None  # what the newest commit holds, where it is this object's
        self.lock = lock or WriterLock(self.path, files=files)
        try:
            self.lock.acquire(timeout=timeout)
            self.superblock, self.record = self._take_over(source)
        except BaseException:
            self.lock.release()
            raise

    @property
    def pipeline(self) -> Pipeline:
        """Where the chunks of the next commit go; opened when first asked for."""
        if self._pipeline is None:
            self._check()
            self._settle = self._fast and self._needs_settling()
            if self._settle:
                self._sync()
            if self.record.flags & (RecordFlag.WHOLE_FILE | RecordFlag.COPIED):  # its name may be as new as its content
                with self._poisoning(), syncing(self.path):
                    self._files.sync_directory(os.path.dirname(os.path.realpath(self.path)))
            self._pipeline = Pipeline(
                self._write,
                self.record.file_length,
                self._workers,
                self._compression,
                stats=self.stats,
                hashed=self._fast,
            )
            self._position = self.record.file_length
        return self._pipeline

    def commit(self, catalog: CatalogData) -> Record:
        """Make what was submitted the content of the file.

        Args:
            catalog: what it holds.

        Raises:
            StorageError: the disk is full or fails; the file is at its last commit.
            SyncError: waiting for the disk failed, so nobody knows what it holds; this appender takes nothing more.
        """
        self._check()
        pipeline = self.pipeline
        try:
            ticket = pipeline.submit(catalogs.encode(catalog, pipeline))
            pipeline.close()
            output, last = pipeline.output, self.record
            chunks_end = output.position
            offset = output.align(RECORD_ALIGN)
            if not self._fast:
                output.put(bytes(RECORD_COPY + RECORD.size))  # so that the record itself does not make the file longer
                output.flush()
                self._sync()
            assert ticket.reference is not None
            end = offset + RECORD_COPY + RECORD.size
            gone = record_bytes(last) + released(self._base().refs_of, last.catalog, pipeline.referred)
            dead = min(last.dead + gone, last.file_length)
            record = Record(
                sequence=last.sequence + 1,
                previous=last.offset,
                offset=offset,
                file_length=end,
                time=self._clock(),
                flags=self._flags(),
                live=end - dead,
                dead=dead,
                catalog=ticket.reference,
                range_start=last.file_length if self._fast else 0,
                range_hash=output.digest() if self._fast else commit.NO_HASH,
                boot=boot() if self._fast else 0,
            )
            uuid = self.superblock.uuid
            copy = commit.pack(record, uuid)
            if commit.unpack(copy, uuid, offset, end) is None:
                raise CorruptionError(
                    "the last commit's record leaves no room for another", path=self.path, offset=last.offset
                )
            twice = commit.doubled(copy)
            placed = catalog.placed()
            if self._fast:
                output.put(twice)
                output.flush()
            else:
                self._position = offset
                self._write(twice)
                self._sync()
            # All at once: from here on it is stored, whatever comes, and before that, cut off.
            self.record, self._source, self._catalog, self._pipeline, self._written = record, None, placed, None, False
        except BaseException:
            self.abort()
            raise
        self.stats.bytes_written += end - chunks_end
        below = self._earlier.below
        below.update(pipeline.below)
        while len(below) > REMEMBERED:
            del below[next(iter(below))]
        return record

    @property
    def poisoned(self) -> bool:
        """Whether waiting for the disk, or cutting a commit off, has failed: what the file holds is not known."""
        return self._poison is not None

    def _base(self) -> Source:
        if self._source is None:
            self._source = self.source(Stats())
        return self._source

    def source(self, stats: Stats | None = None) -> Source:
        """The snapshot of the newest commit."""
        self._check()
        earlier = self._earlier
        file: Descriptor | OpenFile | None = earlier.file
        if file is None:
            with storing("map", self.path):
                file = Descriptor(os.dup(self.lock.fd))
        return Source(
            file,
            self.record.file_length,
            Found(self.superblock, self.record, None),
            self.path,
            stats or self.stats,
            self.lock.identity,
            earlier=earlier,
            catalog=self._catalog,
        )

    def abort(self) -> None:
        """Drop what was submitted since the last commit, and cut it off the file."""
        pipeline = self._pipeline
        if pipeline is None:
            return
        pipeline.abort()
        if self.lock.fd >= 0 and self._written:
            self._cut(pipeline)
        self._pipeline = None  # last: who is interrupted here begins again

    def _cut(self, pipeline: Pipeline) -> None:
        fd = self.lock.fd
        try:
            self._files.truncate(fd, self.record.file_length)
            self._files.sync(fd)
            self._written = False
        except OSError as problem:
            self._poison = self._poison or storage_error(problem, "cut", self.path)
            with suppress(OSError):  # else, at the least, no record may stay that was not acknowledged
                if self._files.stat(fd).st_size > self.record.file_length:
                    record = max(self.record.file_length, pipeline.output.position - RECORD_COPY - RECORD.size)
                    self._files.write(fd, bytes(RECORD_COPY + RECORD.size), record)
                    self._files.sync(fd)

    def close(self) -> None:
        """Drop what is not committed and release the lock."""
        try:
            self.abort()
        finally:
            self.lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self) -> None:
        self.lock.check()
        if self._poison is not None:
            raise SessionError(
                f"{self.path}: waiting for the disk failed, so what it holds is not known; open the file again"
            ) from self._poison

    def _take_over(self, source: Source) -> tuple[Superblock, Record]:
        found, size, read = newest_locked(self.lock, self._files)
        check_stands_on(source, self.lock, found)
        found.superblock.check_writable(self.path)
        self._repair(found.record, found.superblock.uuid, size, read)
        return found.superblock, found.record

    def _repair(self, record: Record, uuid: bytes, size: int, read: Read) -> None:
        """Cut off the tail of a commit that did not end, and write a copy of the record that is damaged; not the other
        one, which a crash could damage then."""
        fd, files = self.lock.fd, self._files
        doubled = record.flags & RecordFlag.DOUBLED
        with storing("repair", self.path):
            good = copies(read, record, uuid) if doubled else (True, True)
            if size == record.file_length and all(good):
                return
            if size > record.file_length:
                files.truncate(fd, record.file_length)
            for whole, offset in zip(good, (record.offset, record.offset + RECORD_COPY), strict=True):
                if not whole:
                    files.write(fd, commit.pack(record, uuid), offset)
        self._sync()

    def _needs_settling(self) -> bool:
        last = self.record
        if last.flags & RecordFlag.FAST:
            return last.boot != boot() or last.sequence % SETTLE_EVERY == 0
        return bool(last.flags & RecordFlag.WHOLE_FILE)  # which has no hash to tell whether all of it is there

    def _flags(self) -> int:
        flags = int(RecordFlag.DOUBLED)
        if self._fast:
            flags |= RecordFlag.FAST
        if self._settle:
            flags |= RecordFlag.SETTLED
        return flags

    def _write(self, data: Buffer) -> None:
        self._written = True
        try:
            self._files.write(self.lock.fd, data, self._position)
        except OSError as problem:
            raise storage_error(problem, "write", self.path) from problem
        self._position += memoryview(data).nbytes

    def _sync(self) -> None:
        with self._poisoning(), syncing(self.path):
            self._files.sync(self.lock.fd)

    @contextmanager
    def _poisoning(self) -> Iterator[None]:
        try:
            yield
        except SyncError as problem:
            self._poison = problem
            raise


def newest_locked(lock: WriterLock, files: Files) -> tuple[Found, int, Read]:
    """The newest commit of the file that `lock` holds, how long the file is, and what reads it."""
    with storing("read", lock.path):
        size = files.stat(lock.fd).st_size
        both = RECORD_COPY + RECORD.size  # copies of a record
        _, _, read = with_tail(lambda count, offset: files.read(lock.fd, count, offset), size, both)
        return newest(read, size, lock.path), size, read


def check_stands_on(source: Source, lock: WriterLock, found: Found) -> None:
    """Raise `ConflictError` unless `source` reads what was `found` as the newest commit of the locked file."""
    if source.identity != lock.identity or found.superblock.uuid != source.uuid:
        raise ConflictError(
            f"{lock.path} was replaced by another file since it was opened; nothing was written. "
            "Call rollback(), which goes on in the new file, and repeat the change"
        )
    if found.record != source.record:
        raise ConflictError(
            f"{lock.path} was changed since it was opened: its newest commit is {found.record.sequence}, and this "
            f"session stands on {source.record.sequence}; nothing was written. Call rollback(), which goes "
            "on from the newest commit, and repeat the change"
        )
