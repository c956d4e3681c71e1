"""Appending commits to a file.

Crash safety rests on this order:

1. Write the chunks, and the record behind them, twice. The record has the hash of all bytes of the commit.
2. Wait for the disk.
3. Write the seal of the record, and wait for nothing.

After a power loss before 2 ends, the record may be there without its chunks: the hash tells. After 2 the hash fits, and
the seal spares readers to compute it. A large commit, which takes long to hash, and the first one to a file that was
written whole go other ways:

1. Write the chunks, and zeros in the place of the record.
2. Wait for the disk.
3. Write the record, twice.
4. Wait for the disk.

If anything fails before the last wait ends, the file is cut back to its previous record. The
appender waits for the cut, too. Otherwise a record could come back after the next commit has begun
to write over its chunks, and would be taken for a commit.
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
from ..format.commit import Record
from ..format.encoder import Buffer
from ..format.layout import RECORD, RECORD_ALIGN, RECORD_COPY, RECORD_SEAL, RecordFlag
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
DOUBLED, FAST, SETTLED, WAITED = map(int, (RecordFlag.DOUBLED, RecordFlag.FAST, RecordFlag.SETTLED, RecordFlag.WAITED))
FRESH = int(RecordFlag.WHOLE_FILE | RecordFlag.COPIED)  # the file's name may be as new as such a record
AT_ONCE = 64 * 1024  # bytes of a commit whose record is written with its chunks
KEPT = 2 * AT_ONCE  # bytes that were written last: what the session reads of them it takes from memory
SETTLE_EVERY = 64  # one fast commit in so many waits for the disk: this bounds what recovery verifies


class Appender:
    """Holds the writer lock of a file, from construction to `close`, and appends commits to it.

    After an error in `pipeline.submit` a tail stays behind the last commit until `abort` or `close`. Readers ignore it.

        with Appender(path, source) as appender:
            appender.pipeline.submit(...)
            record = appender.commit(catalog)

    Args:
        path: the file.
        source: the snapshot that the caller has read.
        durability: `"full"` or `"fast"`.
        workers, compression, stats: as for `Pipeline`.
        clock: gives nanoseconds since 1970.
        timeout: seconds to wait for the lock.
        files: the file system.
        lock: acquire this lock; the caller knows it before it is held.

    Raises:
        LockedError: another session is writing.
        ConflictError: the file was replaced, or has another newest commit than `source`.
        ReadOnlyError: the file has features that this version cannot write.
        StorageError: the file cannot be opened, or the tail of a crash cannot be repaired.
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
        self._written = False  # whether there is anything behind the last commit
        self._settle = False
        self._poison: StorageError | None = None
        self._source: Source | None = source  # of the last commit; None: not opened
        self._earlier = source
        self._catalog: CatalogData | None = None  # of the newest commit, if this object wrote it
        self._ending: bytes | None = None  # as the source has it
        self._last: tuple[bytes, int] = b"", 0  # what was written last, if it is short, and where it stands
        self.lock = lock or WriterLock(self.path, files=files)
        try:
            self.lock.acquire(timeout=timeout)
            self.superblock, self.record = self._take_over(source)
        except BaseException:
            self.lock.release()
            raise

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline for the chunks of the next commit; the first access opens it."""
        if self._pipeline is None:
            self._check()
            self._settle = self._fast and self._needs_settling()
            if self._settle:
                self._sync()
            if self.record.flags & FRESH:
                with self._poisoning(), syncing(self.path):
                    self._files.sync_directory(os.path.dirname(os.path.realpath(self.path)))
            self._pipeline = Pipeline(
                self._write,
                self.record.file_length,
                self._workers,
                self._compression,
                stats=self.stats,
                hashed=self._fast or not self.record.flags & FRESH,
            )
            self._position = self.record.file_length
        return self._pipeline

    def commit(self, catalog: CatalogData) -> Record:
        """Commit the submitted chunks.

        Args:
            catalog: the content of the commit.

        Raises:
            StorageError: the disk is full or fails; the file is at its last commit.
            SyncError: waiting for the disk failed. Its content is unknown, and this appender takes nothing more.
        """
        self._check()
        pipeline = self._pipeline or self.pipeline
        try:
            ticket = pipeline.submit(catalogs.encode(catalog, pipeline))
            pipeline.end()
            output, last = pipeline.output, self.record
            chunks_end = output.position
            offset = output.put(align=RECORD_ALIGN)
            at_once = self._fast or (not last.flags & FRESH and offset - last.file_length <= AT_ONCE)
            if not at_once:
                output.put(bytes(RECORD_COPY + RECORD.size))  # the record overwrites these: the file gets no longer
                output.flush()
                self._sync()
            assert ticket.reference is not None
            end = offset + RECORD_COPY + RECORD.size
            earlier = self._source or self.source(Stats())  # the commit before this one
            size, gone = released(earlier, last.catalog, pipeline.referred)
            dead = min(last.dead + record_bytes(last) + size, last.file_length)
            flags = DOUBLED | (FAST if at_once else 0) | (SETTLED if self._settle else 0)
            flags |= WAITED if at_once and not self._fast else 0
            record = Record(
                sequence=last.sequence + 1,
                previous=last.offset,
                offset=offset,
                file_length=end,
                time=self._clock(),
                flags=flags,
                live=end - dead,
                dead=dead,
                catalog=ticket.reference,
                range_start=last.file_length if at_once else 0,
                range_hash=output.digest() if at_once else commit.NO_HASH,
                boot=boot() if at_once else 0,
            )
            if not commit.is_consistent(record, offset, end):
                raise CorruptionError(
                    "the last commit's record leaves no room for another", path=self.path, offset=last.offset
                )
            twice = commit.pack_twice(record, self.superblock.uuid)
            catalog.place()
            if at_once:
                output.put(twice)
                output.flush()
            else:
                self._position = offset
                self._write(twice)
            if not self._fast:
                self._sync()
            # One assignment: an interrupt after it finds the commit stored, one before it cuts it off.
            self.record, self._source, self._catalog, self._pipeline, self._written = record, None, catalog, None, False
            self._ending = twice
        except BaseException:
            self.abort()
            raise
        if flags & WAITED:
            with suppress(OSError):  # the commit is stored: without a seal, readers compute its hash
                self._files.write(self.lock.fd, commit.seal(twice), offset + RECORD_SEAL)
        self.stats.bytes_written += end - chunks_end
        below = self._earlier.below
        for each in gone:  # no later commit asks about these: what it asks about stays longer
            below.pop(each, None)
        below.update(pipeline.below)
        while len(below) > REMEMBERED:
            del below[next(iter(below))]
        return record

    @property
    def poisoned(self) -> bool:
        """Whether a wait for the disk or a cut has failed, so that the content of the file is unknown."""
        return self._poison is not None

    def source(self, stats: Stats | None = None) -> Source:
        """The snapshot of the newest commit."""
        earlier = self._earlier
        file: Descriptor | OpenFile | None = earlier.file
        if file is None:
            with storing("map", self.path):
                file = Descriptor(os.dup(self.lock.fd))
        source = Source(
            file,
            self.record.file_length,
            Found(self.superblock, self.record, None),
            self.path,
            stats or self.stats,
            self.lock.identity,
            *self._last,
            earlier=earlier,
            catalog=self._catalog,
        )
        source.ending = self._ending
        return source

    def abort(self) -> None:
        """Drop the chunks submitted since the last commit, and cut them off the file."""
        pipeline = self._pipeline
        if pipeline is None:
            return
        pipeline.abort()
        if self.lock.fd >= 0 and self._written:
            self._cut(pipeline)
        self._pipeline = None  # last: after an interrupt before this line, `abort` begins again

    def _cut(self, pipeline: Pipeline) -> None:
        fd = self.lock.fd
        try:
            self._files.truncate(fd, self.record.file_length)
            self._files.sync(fd)
            self._written = False
        except OSError as problem:
            self._poison = self._poison or storage_error(problem, "cut", self.path)
            with suppress(OSError):  # if the cut fails, at least no unacknowledged record may stay
                if self._files.stat(fd).st_size > self.record.file_length:
                    record = max(self.record.file_length, pipeline.output.position - RECORD_COPY - RECORD.size)
                    self._files.write(fd, bytes(RECORD_COPY + RECORD.size), record)
                    self._files.sync(fd)

    def close(self) -> None:
        """Drop what was not committed, and release the lock."""
        try:
            if self._pipeline is not None:
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
        """The state of the file, which `source` must read. A file that ends as `source` says is not searched."""
        source.superblock.check_writable(self.path)
        if not self._ends_with(source):
            found, size, read = newest_locked(self.lock, self._files)
            check_stands_on(source, self.lock, found)
            if cut_torn_tail(self.lock, self._files, found, size, read):
                self._sync()
        return source.superblock, source.record

    def _ends_with(self, source: Source) -> bool:
        """Whether the file is that of `source`, and ends with both copies of its record."""
        record, lock = source.record, self.lock
        if lock.identity != source.identity or lock.size != record.file_length or not record.flags & DOUBLED:
            return False
        end = source.ending or commit.pack_twice(record, source.uuid)
        first, second = slice(0, RECORD.size), slice(RECORD_COPY, None)
        try:
            found = self._files.read(lock.fd, len(end), record.offset)
            return found[first] == end[first] and found[second] == end[second]
        except OSError as problem:
            raise storage_error(problem, "read", self.path) from problem

    def _needs_settling(self) -> bool:
        last = self.record
        if last.flags & RecordFlag.FAST:
            return last.boot != boot() or last.sequence % SETTLE_EVERY == 0
        return bool(last.flags & RecordFlag.WHOLE_FILE)  # it has no hash that tells whether all of it is there

    def _write(self, data: Buffer) -> None:
        self._written = True
        try:
            self._files.write(self.lock.fd, data, self._position)
        except OSError as problem:
            raise storage_error(problem, "write", self.path) from problem
        self._last = (data, self._position) if type(data) is bytes and len(data) <= KEPT else (b"", 0)
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
    """The newest commit of the locked file, the length of the file, and a function that reads it."""
    with storing("read", lock.path):
        size = files.stat(lock.fd).st_size
        both = RECORD_COPY + RECORD.size  # copies of a record
        tail_at = max(0, size - both)
        tail = files.read(lock.fd, size - tail_at, tail_at)
        read = with_tail(lambda count, offset: files.read(lock.fd, count, offset), tail, tail_at)
        return newest(read, size, lock.path), size, read


def cut_torn_tail(lock: WriterLock, files: Files, found: Found, size: int, read: Read) -> bool:
    """Cut off the tail of a commit that did not end, and write a damaged copy of the newest record again.

    The good copy is not written: a crash could damage it then. Return whether anything was done, which is to be waited
    for.
    """
    record, uuid = found.record, found.superblock.uuid
    doubled = record.flags & RecordFlag.DOUBLED
    with storing("repair", lock.path):
        good = copies(read, record, uuid) if doubled else (True, True)
        if size == record.file_length and all(good):
            return False
        if size > record.file_length:
            files.truncate(lock.fd, record.file_length)
        for whole, offset in zip(good, (record.offset, record.offset + RECORD_COPY), strict=True):
            if not whole:
                files.write(lock.fd, commit.pack(record, uuid), offset)
    return True


def check_stands_on(source: Source, lock: WriterLock, found: Found) -> None:
    """Raise `ConflictError` unless `source` reads the commit that was `found` to be the newest."""
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
