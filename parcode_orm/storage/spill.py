"""A file without a name for streamed chunks. They can be read at once. A commit copies them.

The chunks refer to each other as in any file, but no address in a real file is as high as theirs.
Each spill has a range of its own. So one reader serves both, and no address of a spill passes for a
place in the database.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any
from weakref import finalize

from ..errors import CorruptionError, SessionError
from ..format.chunk import Chunk
from ..format.encoder import Buffer, Ticket
from ..format.layout import Reference
from .files import FILES, storing
from .mapped import Source
from .pipeline import Pipeline
from .stats import Stats

SPAN_BITS = 42  # bits of an address that are the place within a spill
FIRST = 1 << 63 - SPAN_BITS  # the number of the first spill
SPILLED = FIRST << SPAN_BITS  # the first address in a spill
NUMBERS = 1 << 20
_numbers = count()


def is_spilled(target: Ticket | Reference | None) -> bool:
    """Whether a chunk lies in a spill."""
    return isinstance(target, Reference) and target.offset >= SPILLED


class Spill:
    """One such file. The first write makes it, in `directory` or else in the system's temporary directory.

    `number` is part of its addresses: `reference.offset >> SPAN_BITS`. The file ends with this object.
    """

    def __init__(
        self, directory: str | None = None, *, workers: int | None = None, compression: str | None = None
    ) -> None:
        self.number = FIRST + next(_numbers) % NUMBERS
        self.busy = False  # whether a stream is being written
        self.schemas: dict[str, bytes] = {}  # that its chunks were written with, though those of no root lead to them
        self.referred: dict[type, set[Any]] = {}  # keys to which its rows refer, by the class of the targets
        self._directory = directory
        self._workers = workers
        self._compression = compression
        self._end = self._position = 0
        self._fd = -1
        self._process = os.getpid()
        self._stats = Stats()  # not the session's, which count its own file

    @contextmanager
    def writing(self) -> Iterator[Pipeline]:
        """A pipeline for chunks. They can be read after the block; an error in it drops them."""
        if self._process != os.getpid():
            raise SessionError("this session was opened before this process was forked: open the file again here")
        base = self.number << SPAN_BITS
        self._position = self._end
        pipeline = Pipeline(
            self._write,
            base + self._end,
            workers=self._workers,
            compression=self._compression,
            stats=self._stats,
        )
        self.busy = True
        try:
            yield pipeline
            pipeline.close()
            self._end = pipeline.output.position - base
        except BaseException:
            pipeline.abort()
            self._cut()
            raise
        finally:
            self.busy = False

    def _cut(self) -> None:
        """Give back the disk space of a stream that failed: it may be what filled the disk."""
        if self._fd >= 0:
            with suppress(OSError):
                os.ftruncate(self._fd, self._end)

    def chunk(self, ref: Reference) -> Chunk:
        """The chunk at `ref`, read into memory: mapped pages would count as memory, too."""
        place = ref.offset - (self.number << SPAN_BITS)
        if place + ref.length > self._end:
            raise CorruptionError(f"reference to {ref.length} bytes leads out of a spill", offset=ref.offset)
        with storing("read", "a temporary file"):
            data = FILES.read(self._fd, ref.length, place)
        return Chunk(ref, memoryview(data), "a temporary file", self._stats.count_bytes_read)

    def _write(self, data: Buffer) -> None:
        with storing("write", "a temporary file"):
            if self._fd < 0:
                self._fd = _nameless(self._directory)
                finalize(self, os.close, self._fd)
            size = memoryview(data).nbytes
            if self._position + size > 1 << SPAN_BITS:
                raise OSError(errno.EFBIG, "more than 4 TB of streams wait for a commit")
            FILES.write(self._fd, data, self._position)
            self._position += size


def _nameless(directory: str | None) -> int:
    import tempfile

    try:
        file = tempfile.TemporaryFile(dir=directory)
    except OSError:  # we may write to the file and not to its directory
        file = tempfile.TemporaryFile()
    with file:
        return os.dup(file.fileno())


class FileOrSpill:
    """Reads chunks of a file and of its spills. It is no method of their space: that would be a cycle."""

    __slots__ = ("_source", "_spills")

    def __init__(self, source: Source, spills: dict[int, Spill]) -> None:
        self._source = source
        self._spills = spills

    def __call__(self, ref: Reference) -> Chunk:
        spill = self._spills.get(ref.offset >> SPAN_BITS)
        return self._source.chunk(ref) if spill is None else spill.chunk(ref)
