"""Chunks that a cache keeps, and the pages of the map that they lie in."""

from __future__ import annotations

import mmap

from ..format.chunk import Chunk
from ..format.layout import Reference
from .cache import NODE_BYTES

DONTNEED: int | None = getattr(mmap, "MADV_DONTNEED", None)


class KeptChunk(Chunk):
    """A chunk in a cache. `Source.chunk` says where it lies: its `reference`, in which `map`."""

    __slots__ = ("map", "reference", "used")
    map: mmap.mmap | None
    reference: Reference
    used: bool

    @property
    def size(self) -> int:
        """Its buffers that were read, and its nodes."""
        return self.held + NODE_BYTES * self.node_count

    def close(self) -> bool:
        """Let its pages go."""
        drop_pages(self.map, self.reference)
        return True


def drop_pages(map: mmap.mmap | None, ref: Reference) -> None:
    """Take the pages of a chunk out of this process's memory.

    Only pages of our own map are dropped. The map is of a file and never written to, so the next
    access reads the pages from the file again.
    """
    if map is None or DONTNEED is None:
        return
    start = ref.offset & -mmap.PAGESIZE
    try:
        map.madvise(DONTNEED, start, min(ref.offset + ref.length, len(map)) - start)
    except (OSError, ValueError):  # pages locked into memory, or a system with other page sizes
        pass
