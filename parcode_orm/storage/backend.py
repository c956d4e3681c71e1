"""`Backend`: where a session's commits lie, a file or memory, and how they get there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Literal

from ..errors import ConflictError, FileMissingError, LockedError, ParcodeError, SessionError, SyncError
from ..format.catalog import CatalogData
from ..format.commit import Record
from .append import Appender
from .compaction import Rewrite, anew_or_copied, compact_file, write_compacted
from .files import FILES
from .lock import WriterLock
from .mapped import Source
from .memory import NAME, MemoryFile
from .pipeline import Pipeline
from .spill import Spill
from .stats import Stats
from .writer import save_path

Durability = Literal["full", "fast"]
Build = Callable[[Pipeline], CatalogData]
FOREVER = 1e9  # seconds; an int may be more than a clock can add
DISK_FAILED = "the disk failed in a commit, so what it holds is not known"


def _nothing() -> None:
    """Nothing was stored."""


class Backend:
    """The file at the absolute `path`, or one in memory (`NAME`), to which commits go."""

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
        self.broken = ""  # why it takes nothing more
        self.stats = stats
        self._durability: Durability = durability
        self._options: dict[str, Any] = {"workers": workers, "compression": compression, "stats": stats}
        self._timeout = min(lock_timeout, FOREVER)
        self._lock: WriterLock | None = None  # of the commit that is being written, or was until it was interrupted
        self._stored: Callable[[], Source | None] = _nothing  # what the last commit stored, looked for in the file

    def newest(self) -> Source:
        """The newest commit of the file; raises `FileMissingError` where there is none."""
        if self.memory is not None:
            return self.memory.source(self.stats)
        return Source.open(self.path, self.stats)

    def write(self, build: Build, base: Source | None) -> Source:
        """Commit what `build` submits after `base`, the newest commit (None: there is none). Returns the new snapshot.

        Raises:
            ConflictError: `base` is not the newest commit; nothing is written.
            LockedError, StorageError: somebody else writes; the disk is full or fails.
            SyncError: the disk failed while it was waited for; the backend is `broken`.
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
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        self._stored = _nothing

    def stored(self) -> Source | None:
        """What the last `write` or `compact` stored, where it was interrupted after that; None where it stored nothing.

        Its lock is released.
        """
        find = self._stored
        self.let_go()
        with self.reading_back():
            return find()

    def compact(self, base: Source, keep: int, rewrite: Rewrite) -> Source:
        """Replace the file by its `keep` newest commits, `base` being the newest. Returns the newest one's snapshot.

        `rewrite`: as for `storage.compaction.write_compacted`.

        Raises:
            as `storage.compaction.compact_file`; after a `SyncError` the backend is `broken`.
        """
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
        """The first commit. What somebody else commits right after it must not pass for it."""
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
        """The newest commit of the file, if it has this number."""
        with suppress(FileMissingError):
            source = self.newest()
            if source.uuid == uuid:
                return source
            source.close()
        return None

    def _append(self, build: Build, base: Source) -> Source:
        files = FILES if self.memory is None else self.memory
        self._lock = lock = WriterLock(self.path, files=files)
        options = {**self._options, "durability": self._durability, "files": files, "timeout": self._timeout}
        with Appender(self.path, base, lock=lock, **options) as appender:
            self._stored = lambda: None if appender.record == base.record else self._at(appender.record)
            try:
                appender.commit(build(appender.pipeline))
            except BaseException:
                appender.abort()
                if appender.poisoned:
                    self.broken = DISK_FAILED
                raise
            with self.reading_back():
                return appender.source(self.stats)

    def _at(self, record: Record) -> Source:
        """The commit of `record`, which may not be the newest any more."""
        return self.newest() if self.memory is not None else Source.open(self.path, self.stats, at=record.sequence)

    def compact_if_dead(self, share: float, rewrite: Rewrite) -> None:
        """Compact the file where more than `share` of it is dead and nobody else writes; the session has ended."""
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
        """What fails here fails after the commit, which is stored: another attempt must not seem to conflict."""
        try:
            yield
        except (ParcodeError, MemoryError) as problem:
            self.broken = "the last commit is stored, but could not be read back"
            raise SessionError(f"{self.path}: {self.broken} ({problem}); open the file again") from problem

    def spill(self) -> Spill:
        """A file for what streams bring before a commit: beside the file, where there is room for it."""
        directory = os.path.dirname(self.path) if self.memory is None else None
        return Spill(directory, workers=self._options["workers"], compression=self.compression)

    def discard(self) -> None:
        """The session ended: a file in memory is not needed any more, nor is a lock that an interrupt left."""
        self.let_go()
        if self.memory is not None:
            self.memory.discard()


def _compacted(base: Source, keep: int, rewrite: Rewrite | None) -> MemoryFile:
    compacted = MemoryFile()
    compacted.fill(lambda write: write_compacted(write, base, keep, rewrite=rewrite))
    return compacted
