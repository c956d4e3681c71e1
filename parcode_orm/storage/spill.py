"""A file without a name, for chunks on their way: they can be read at once, and are copied when a commit takes them.

Its chunks refer to each other as those of any file do, but its addresses begin where no file's reach, each spill's in a
range of its own. So one reader serves both, and nothing of it can be taken for a place in the file that is committed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from weakref import finalize

from ..errors import CorruptionError, SessionError
from ..format.chunk import Buffer, Chunk, Ticket
from ..format.layout import Reference
from .files import FILES, storing
from .mapped import Source
from .pipeline import Pipeline
from .stats import Stats

SPAN_BITS = 42  # of an address: the place within a spill
FIRST = 1 << 63 - SPAN_BITS  # the number of the first spill
SPILLED = FIRST << SPAN_BITS  # the first of their addresses
NUMBERS = 1 << 20
_numbers = count()


def is_spilled(target: Ticket | Reference | None) -> bool:
    """Whether a chunk lies in a spill."""
    return isinstance(target, Reference) and target.offset >= SPILLED


class Spill:
    """One such file, made in `directory` (the system's for temporary files where it cannot be) at the first write.

    `number` is that of its addresses, `reference.offset >> SPAN_BITS`. It ends with this object.
    """

    def __init__(
        self, directory: str | None = None, *, workers: int | None = None, compression: str | None = None
    ) -> None:
        self.number = FIRST + next(_numbers) % NUMBERS
        self.busy = False  # while one stream is written
        self._directory = directory
        self._workers = workers
        self._compression = compression
        self._end = self._position = 0
        self._fd = -1
        self._process = os.getpid()
        self._stats = Stats()  # a session's are about its file

    @contextmanager
    def writing(self) -> Iterator[Pipeline]:
        """A pipeline for chunks that can be read once the block ends; after an error in it they are dropped."""
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
            raise
        finally:
            self.busy = False

    def chunk(self, ref: Reference) -> Chunk:
        """The chunk at `ref`, read into memory: mapped pages would count as memory just as well."""
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
    except OSError:  # the directory may not be ours to write to, as its file is
        file = tempfile.TemporaryFile()
    with file:
        return os.dup(file.fileno())


class FileOrSpill:
    """Chunks of a file, and of what was streamed since; no method of the space that has them: that would be a cycle."""

    __slots__ = ("_source", "_spills")

    def __init__(self, source: Source, spills: dict[int, Spill]) -> None:
        self._source = source
        self._spills = spills

    def __call__(self, ref: Reference) -> Chunk:
        spill = self._spills.get(ref.offset >> SPAN_BITS)
        return self._source.chunk(ref) if spill is None else spill.chunk(ref)
