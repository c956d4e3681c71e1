"""Verifying chunks: the checksum of every buffer, and of every piece of a blob."""

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
    """Counts bytes that are read, and drops their pages now and then, so that a whole file fits small memory."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._size = 0

    def __call__(self, size: int) -> None:
        self._size += size
        if self._size >= SWEEP_BYTES:
            self._size = 0
            self._source.drop_pages()


def check_buffers(chunk: Chunk, *, decompress: bool) -> Iterator[Problem]:
    """The problems of a chunk's buffers. The buffers are read one by one and not kept.

    `decompress`: check also that they decompress to their size. (Raises `UnsupportedVersion` or
    `MissingExtraError` if the compression is not known or not installed.)
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
