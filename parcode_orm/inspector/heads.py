"""Reading chunks for `inspect`: their heads, and those buffers alone that are asked for.

Bytes come by reads of their own, not through a map of the file, of which the system would bring in whole stretches.
"""

from __future__ import annotations

from typing import Any, cast

from ..errors import CorruptionError
from ..format.chunk import Chunk
from ..format.layout import CHUNK_ALIGN, CHUNK_HEADER, NODE, REFERENCE, SUPERBLOCK, Reference
from ..storage.recovery import Read

HEAD = 512  # bytes of the first head of a kind; later ones are as long as the one before


class Heads:
    """Reads chunks of a file of `size` bytes. `bytes_read` counts what was read."""

    def __init__(self, read: Read, size: int, path: str) -> None:
        self._pread = read
        self._size = size
        self._path = path
        self._heads: dict[int, int] = {}  # bytes of the last head of each kind of chunk
        self.bytes_read = 0

    def read(self, size: int, offset: int) -> bytes:
        """Bytes of the file; fewer only at its end."""
        data = self._pread(size, offset)
        self.bytes_read += len(data)
        return data

    def chunk(self, ref: Reference) -> Chunk:
        """The chunk at `ref`, with its head verified.

        Raises:
            CorruptionError: `ref` leaves the file, or the head is damaged.
        """
        offset, length, _, kind = ref
        if offset < SUPERBLOCK.size or offset % CHUNK_ALIGN or not CHUNK_HEADER.size <= length <= self._size - offset:
            raise CorruptionError(f"reference to {length} bytes leads out of the file", path=self._path, offset=offset)
        head = self.read(min(self._heads.get(kind, HEAD), length), offset)
        if len(head) >= CHUNK_HEADER.size:
            _, _, _, _, refs, nodes, _, _ = CHUNK_HEADER.unpack_from(head)
            size = min(CHUNK_HEADER.size + refs * REFERENCE.size + nodes * NODE.size, length)
            self._heads[kind] = size
            if size > len(head):
                head += self.read(size - len(head), offset + len(head))
        data = cast(memoryview, _Stretch(self, offset, length))
        return Chunk(ref, data, self._path, _ignore, memoryview(head))


def _ignore(size: int) -> None:
    """What is read is counted where it is read."""


class _Stretch:
    """Bytes of a file. A slice is read when it is taken."""

    __slots__ = ("_heads", "_length", "_offset")

    def __init__(self, heads: Heads, offset: int, length: int) -> None:
        self._heads = heads
        self._offset = offset
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, part: Any) -> memoryview:
        start, stop, _ = part.indices(self._length)
        return memoryview(self._heads.read(max(stop - start, 0), self._offset + start))
