"""`Backend`: the file, or the memory, to which a session commits. What writes is imported at the first commit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from ..errors import ConflictError, FileMissingError, LockedError, ParcodeError, SessionError, SyncError
from ..format.catalog import CatalogData
from ..format.commit import Record
from .files import FILES
from .lock import WriterLock
from .mapped import Source
from .memory import NAME, MemoryFile
from .pipeline import Pipeline
from .spill import Spill
from .stats import Stats

if TYPE_CHECKING:
    from .compaction import Rewrite

Durability = Literal["full", "fast"]
Build = Callable[[Pipeline], CatalogData]
FOREVER = 1e9  # seconds; an int may be more than a clock can add
NOT_READ = (ParcodeError, MemoryError)
DISK_FAILED = "the disk failed in a commit, so what it holds is not known"


def _nothing() -> None:
    """Nothing was stored."""


class Backend:
    """Commits to the file at the absolute `path`, or to one in memory (`NAME`)."""

    def __init__(
        self,
        path: str,
        *,
        durability: Durability,
        workers: int | None,
        compression: str | None,
        stats: Stats,
        lock_timeout: float = 0.0,
    ) -> None:
        self.memory = MemoryFile() if path == NAME else None
        self.path = path
        self.compression = compression
        self.broken = ""  # why it takes nothing more, if so
        self.stats = stats
        self._durability: Durability = durability
        self._options: dict[str, Any] = {"workers": workers, "compression": compression, "stats": stats}
        self._timeout = min(lock_timeout, FOREVER)
        self._lock: WriterLock | None = None  # of a commit that is being written, or was interrupted
        self._stored: Callable[[], Source | None] = _nothing  # finds the last commit in the file

    def newest(self) -> Source:
        """The newest commit of the file.

        Raises:
            FileMissingError: there is no file.
        """
        if self.memory is not None:
            return self.memory.source(self.stats)
        return Source.of_path(self.path, self.stats)

    def write(self, build: Build, base: Source | None) -> Source:
        """Commit the chunks that `build` submits after `base`, and return the new snapshot.

        `base` must be the newest commit; None means that there is none.

        Raises:
            ConflictError: `base` is not the newest commit; nothing is written.
            LockedError: another session is writing.
            StorageError: the disk is full or fails.
            SyncError: waiting for the disk failed; the backend is `broken`.
            SessionError: the commit is stored, but cannot be read back; the backend is `broken`.
        """
        self.let_go()
        try:
            if base is not None:
                return self._append(build, base)
            if self.memory is not None:
                memory = self.memory
                self._stored = lambda: self.newest() if memory.stat(memory.fd).st_size else None
                return memory.create(build, **self._options)
            return self._create(build)
        except SyncError:
            self.broken = DISK_FAILED
            raise

    def let_go(self) -> None:
        """Release a lock that an interrupt has left."""
        lock, self._lock, self._stored = self._lock, None, _nothing
        if lock is not None and lock.fd >= 0:
            lock.release()
        del lock

    def stored(self) -> Source | None:
        """The commit that an interrupted `write` or `compact` has stored; None if it stored none.

        This releases the lock that the interrupt left.
        """
        find = self._stored
        self.let_go()
        with self.reading_back():
            return find()

    def compact(self, base: Source, keep: int, rewrite: Rewrite) -> Source:
        """Replace the file by its `keep` newest commits, and return the snapshot of the newest.

        `base` must be the newest commit; `rewrite` is as for `storage.compaction.write_compacted`.
        Raises the errors of `compact_file`. After a `SyncError` the backend is `broken`.
        """
        from .compaction import anew_or_copied, compact_file

        self.let_go()
        if self.memory is not None:
            compacted = anew_or_copied(lambda rewrite: _compacted(base, keep, rewrite), rewrite)
            self._stored = lambda: self.newest() if self.memory is compacted else None
            self.memory, before = compacted, self.memory
            before.discard()
            return self.newest()
        uuid = os.urandom(16)
        self._stored = partial(self._newest_of, uuid)
        self._lock = lock = WriterLock(os.path.realpath(self.path))
        try:
            compact_file(self.path, keep, rewrite=rewrite, base=base, uuid=uuid, lock=lock, timeout=self._timeout)
        except SyncError:
            self.broken = DISK_FAILED
            raise
        with self.reading_back():
            return self.newest()

    def _create(self, build: Build) -> Source:
        """Write the first commit. The commit of another session right after it must not pass for it."""
        from .writer import save_path

        uuid = os.urandom(16)
        self._stored = partial(self._newest_of, uuid)
        record = save_path(self.path, build, exclusive=True, uuid=uuid, durability=self._durability, **self._options)
        with self.reading_back():
            source = self.newest()
        if source.uuid != uuid:
            source.close()
            raise ConflictError(f"{self.path} was replaced as soon as it was written: open it again")
        if source.record != record:
            source.close()
            with self.reading_back():
                source = Source.open(self.path, self.stats, at=record.sequence)
        return source

    def _newest_of(self, uuid: bytes) -> Source | None:
        """The newest commit of the file, if the file has this UUID."""
        with suppress(FileMissingError):
            source = self.newest()
            if source.uuid == uuid:
                return source
            source.close()
        return None

    def _append(self, build: Build, base: Source) -> Source:
        from .append import Appender

        files = FILES if self.memory is None else self.memory
        self._lock = lock = WriterLock(self.path, files=files)
        options = {**self._options, "durability": self._durability, "files": files, "timeout": self._timeout}
        appender = Appender(self.path, base, lock=lock, **options)
        try:
            self._stored = lambda: None if appender.record == base.record else self._at(appender.record)
            try:
                appender.commit(build(appender.pipeline))
            except BaseException:
                appender.abort()
                if appender.poisoned:
                    self.broken = DISK_FAILED
                raise
            try:
                return appender.source(self.stats)
            except NOT_READ as problem:
                raise self.not_read_back(problem) from problem
        finally:
            appender.close()

    def _at(self, record: Record) -> Source:
        """The commit of `record`; another session may have committed after it."""
        return self.newest() if self.memory is not None else Source.open(self.path, self.stats, at=record.sequence)

    def compact_if_dead(self, share: float, rewrite: Rewrite) -> None:
        """Compact the file if more than `share` of it is dead and no other session writes.

        The session has ended.
        """
        from .compaction import compact_file

        if self.memory is not None or self.broken:
            return
        with suppress(FileMissingError):
            source = Source.open(self.path)
            record = source.record
            source.close()
            if record.dead > share * record.file_length:
                with suppress(LockedError):
                    compact_file(self.path, rewrite=rewrite)

    @contextmanager
    def reading_back(self) -> Iterator[None]:
        """Report an error in the block as one after the commit: a repeated commit must not seem to conflict."""
        try:
            yield
        except NOT_READ as problem:
            raise self.not_read_back(problem) from problem

    def not_read_back(self, problem: BaseException) -> SessionError:
        """The error where `problem`, one of `NOT_READ`, follows a commit: it must not seem to have failed."""
        self.broken = "the last commit is stored, but could not be read back"
        return SessionError(f"{self.path}: {self.broken} ({problem}); open the file again")

    def spill(self) -> Spill:
        """A temporary file for the rows of streams, beside the file, where there is room for them."""
        directory = os.path.dirname(self.path) if self.memory is None else self.memory.directory
        return Spill(directory, workers=self._options["workers"], compression=self.compression)

    def discard(self) -> None:
        """End with the session: drop a file in memory, and a lock that an interrupt left."""
        if self._lock is not None or self._stored is not _nothing:
            self.let_go()
        if self.memory is not None:
            self.memory.discard()


def _compacted(base: Source, keep: int, rewrite: Rewrite | None) -> MemoryFile:
    from .compaction import write_compacted

    compacted = MemoryFile()
    compacted.fill(lambda write: write_compacted(write, base, keep, rewrite=rewrite))
    return compacted
