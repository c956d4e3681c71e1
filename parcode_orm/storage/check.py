"""Whether the bytes of chunks are those that were written: every buffer's checksum, every piece's of a blob."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import CorruptionError, MissingExtraError, UnsupportedVersion
from ..format.chunk import Chunk
from ..format.layout import Kind
from .blob import Blob
from .mapped import Source

SWEEP_BYTES = 16 << 20
Problem = CorruptionError | UnsupportedVersion | MissingExtraError


class Sweep:
    """Told of bytes that are read or written; keeps what is mapped of a file that is read from end to end small."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._size = 0

    def __call__(self, size: int) -> None:
        self._size += size
        if self._size >= SWEEP_BYTES:
            self._size = 0
            self._source.drop_pages()


def check_buffers(chunk: Chunk, *, decompress: bool) -> Iterator[Problem]:
    """What is wrong with the buffers of a chunk, one by one; nothing is kept of them.

    `decompress`: also whether they decompress to their size. (`UnsupportedVersion`, `MissingExtraError`: it is not
    known how.)
    """
    if chunk.kind == Kind.BLOB:
        try:
            blob = Blob(chunk)
        except (CorruptionError, UnsupportedVersion, MissingExtraError) as problem:
            yield problem
            return
        for piece in range(blob.pieces):
            try:
                blob.check(piece, decompress=decompress)
            except (CorruptionError, UnsupportedVersion, MissingExtraError) as problem:
                yield problem
        return
    for index, node in enumerate(chunk.nodes):
        try:
            if decompress or not node.stored:
                chunk.read(index)
            else:
                chunk.verify(index, chunk.stored(index), node.checksum)
        except (CorruptionError, UnsupportedVersion, MissingExtraError) as problem:
            yield problem
