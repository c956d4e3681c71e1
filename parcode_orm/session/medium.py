"""`Medium`: where a session's commits lie, a file or memory, and how they get there."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal

from ..errors import ConflictError
from ..format.catalog import CatalogData
from ..storage.append import Appender
from ..storage.files import FILES
from ..storage.mapped import Source
from ..storage.memory import NAME, MemoryFile
from ..storage.pipeline import Pipeline
from ..storage.stats import Stats
from ..storage.writer import save_path

Durability = Literal["full", "fast"]
Build = Callable[[Pipeline], CatalogData]


class Medium:
    """The file at the absolute `path`, or one in memory (`NAME`), to which commits go."""

    def __init__(
        self, path: str, *, durability: Durability, workers: int | None, compression: str | None, stats: Stats
    ) -> None:
        self.memory = MemoryFile() if path == NAME else None
        self.path = path
        self.compression = compression
        self.poisoned = False  # the disk failed in a commit: nobody knows what the file holds
        self.stats = stats
        self._durability: Durability = durability
        self._options: dict[str, Any] = {"workers": workers, "compression": compression, "stats": stats}

    def newest(self) -> Source:
        """The newest commit of the file; raises `FileMissingError` where there is none."""
        return Source.open(self.path, self.stats)

    def write(self, build: Build, base: Source | None) -> Source:
        """Commit what `build` submits after `base`, the newest commit (None: there is none). Returns the new snapshot.

        Raises:
            ConflictError: `base` is not the newest commit; nothing is written.
            LockedError, StorageError: somebody else writes; the disk is full or fails.
        """
        if base is not None:
            return self._append(build, base)
        if self.memory is not None:
            return self.memory.create(build, **self._options)
        return self._create(build)

    def _create(self, build: Build) -> Source:
        """The first commit. What somebody else commits right after it must not pass for it."""
        uuid = os.urandom(16)
        record = save_path(self.path, build, exclusive=True, uuid=uuid, durability=self._durability, **self._options)
        source = self.newest()
        if source.uuid != uuid:
            source.close()
            raise ConflictError(f"{self.path} was replaced as soon as it was written: open it again")
        if source.record != record:
            source.close()
            source = Source.open(self.path, self.stats, at=record.sequence)
        return source

    def _append(self, build: Build, base: Source) -> Source:
        files = FILES if self.memory is None else self.memory
        with Appender(self.path, base, durability=self._durability, files=files, **self._options) as appender:
            try:
                appender.commit(build(appender.pipeline))
                return appender.source(self.stats)
            except BaseException:
                appender.abort()
                self.poisoned = appender.poisoned
                raise

    def discard(self) -> None:
        """The session ended: a file in memory is not needed any more."""
        if self.memory is not None:
            self.memory.discard()
