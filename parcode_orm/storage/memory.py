"""A file without a name for `":memory:"`. It ends with its last descriptor and map, also in a crash."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import finalize

from ..format.encoder import Buffer
from .files import Files, storing
from .mapped import Source
from .stats import Stats

if TYPE_CHECKING:
    from .writer import Build, Write

NAME = ":memory:"


class MemoryFile(Files):
    """A file system of one file, which every path leads to.

    On Linux the file lies in memory alone. Elsewhere, or where `directory` says that it may be larger than memory, it
    is a temporary file whose name is removed at once.
    """

    def __init__(self, directory: str | None = None) -> None:
        self.directory = directory
        with storing("create", directory or NAME):
            in_memory = directory is None and hasattr(os, "memfd_create")
            self.fd = os.memfd_create("parcode") if in_memory else _nameless(directory)
        self.discard = finalize(self, os.close, self.fd)

    def open(self, path: str, flags: int, mode: int = 0o666) -> int:
        """Another descriptor of the file."""
        return os.dup(self.fd)

    def look(self, path: str) -> os.stat_result:
        """The file's own status."""
        return os.fstat(self.fd)

    def sync(self, fd: int) -> None:
        """Do nothing: there is no disk to wait for."""

    def sync_directory(self, path: str) -> None:
        """Do nothing: the file has no name."""

    def create(self, build: Build, stats: Stats, **options: Any) -> Source:
        """Write the first commit and return it, mapped. If this fails, the file is empty again."""
        try:
            from .writer import write_whole

            self.fill(lambda write: write_whole(write, build, stats=stats, **options))
            return self.source(stats)
        except BaseException:
            self.truncate(self.fd, 0)
            raise

    def fill(self, produce: Callable[[Write], object]) -> None:
        """Fill this empty file: `produce` gets a function that writes."""
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


def _nameless(directory: str | None) -> int:
    with tempfile.TemporaryFile(dir=directory) as file:
        return os.dup(file.fileno())
