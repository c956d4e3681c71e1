"""A file that has no name: what `":memory:"` is kept in. It ends with its last descriptor and map, crash or not."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from typing import Any
from weakref import finalize

from ..format.chunk import Buffer
from .files import Files, storing
from .mapped import Source
from .stats import Stats
from .writer import Build, Write, write_whole

NAME = ":memory:"


class MemoryFile(Files):
    """A file system of one file: whatever path is asked for, this is it.

    On Linux it lies in memory alone; elsewhere, in a temporary file whose name is removed at once.
    """

    def __init__(self) -> None:
        with storing("create", NAME):
            self.fd = os.memfd_create("parcode") if hasattr(os, "memfd_create") else _nameless()
        self.discard = finalize(self, os.close, self.fd)

    def open(self, path: str, flags: int, mode: int = 0o666) -> int:
        """Another descriptor of the file."""
        return os.dup(self.fd)

    def look(self, path: str) -> os.stat_result:
        """The file's own status."""
        return os.fstat(self.fd)

    def sync(self, fd: int) -> None:
        """There is nothing to wait for."""

    def sync_directory(self, path: str) -> None:
        """It has no name."""

    def create(self, build: Build, stats: Stats, **options: Any) -> Source:
        """Write the file's first commit and return it, mapped; where that fails the file is empty again."""
        try:
            self.fill(lambda write: write_whole(write, build, stats=stats, **options))
            return self.source(stats)
        except BaseException:
            self.truncate(self.fd, 0)
            raise

    def fill(self, produce: Callable[[Write], object]) -> None:
        """Let `produce` write the content of this empty file through the function that it is given."""
        position = 0

        def write(data: Buffer) -> None:
            nonlocal position
            with storing("write", NAME):
                self.write(self.fd, data, position)
            position += memoryview(data).nbytes

        produce(write)

    def source(self, stats: Stats) -> Source:
        """The newest commit, mapped."""
        with io.FileIO(os.dup(self.fd)) as file:
            return Source.open(file, stats)


def _nameless() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
