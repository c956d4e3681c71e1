"""A blob's chunk: one value as one extent, with a checksum for each piece of 256 KiB.

Node 0 (RAW) holds `BLOB_HEADER` and the value's `meta`; its children are the pieces' checksums (INT), the ends of the
stored pieces (INT, EMPTY where nothing is compressed) and the data (RAW, flag PIECES). A stored piece as long as the
piece itself is not compressed.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import pack

from . import compression
from .checksum import checksum
from .encoder import Buffer, Encoder
from .layout import (
    BLOB_HEADER,
    BLOB_PIECE,
    CHUNK_HEADER,
    NODE,
    REFERENCE,
    WIDE_ALIGN,
    Encoding,
    Kind,
    NodeFlag,
    aligned,
)

CHECKSUMS, ENDS, DATA = 1, 2, 3  # the nodes


class BlobEncoder(Encoder):
    """Builds the chunk of one blob. It is submitted as any other chunk."""

    __slots__ = ("data", "meta")

    def __init__(self, data: Buffer, compression_name: str | None, meta: bytes = b"") -> None:
        super().__init__(Kind.BLOB, compression_name, None)
        self.data = memoryview(data).cast("B") if memoryview(data).nbytes else memoryview(b"")
        self.meta = meta
        self.entries = [[]] * 4  # the number is known, the content is not

    @property
    def size(self) -> int:
        """Bytes before compression."""
        return len(self.data) + len(self.meta)

    def finish(self) -> tuple[bytes, list[Buffer]]:
        """As `Encoder.finish`."""
        method, pieces = self._pieces()
        length = len(self.data)
        inner = Encoder(self.kind, None, None)
        root = inner.open(Encoding.RAW, 1, BLOB_HEADER.pack(BLOB_PIECE, len(pieces), length) + self.meta)
        inner.leaf(Encoding.INT, len(pieces), _u64(map(checksum, pieces)), width=8)
        if method:
            ends = []
            end = 0
            for piece in pieces:
                end += len(piece)
                ends.append(end)
            inner.leaf(Encoding.INT, len(ends), _u64(ends), width=8)
        else:
            inner.leaf(Encoding.EMPTY, 0)
        inner.leaf(Encoding.RAW, 1)
        inner.close(root)
        directory, parts = inner.finish()
        end = CHUNK_HEADER.size + len(self.refs) * REFERENCE.size + len(directory) + sum(map(len, parts))
        place = aligned(end, WIDE_ALIGN) if length else 0
        if length:
            parts.append(bytes(place - end))
            parts.extend(pieces if method else [self.data])
        stored = sum(map(len, pieces))
        last = NODE.pack(Encoding.RAW, method, 0, NodeFlag.PIECES, 1, 1, 0, place, stored, length, 0, b"", b"")
        return directory[: -NODE.size] + last, parts

    def _pieces(self) -> tuple[int, list[Buffer]]:
        data = self.data
        raw: list[Buffer] = [data[start : start + BLOB_PIECE] for start in range(0, len(data), BLOB_PIECE)]
        name = compression.choose(self.compression, data)
        if name is None or len(data) < compression.SMALLEST:
            return compression.NONE, raw
        method = compression.NONE
        packed: list[Buffer] = []
        for piece in raw:
            used, stored = compression.compress(name, piece)
            method = method or used
            packed.append(stored)
        if sum(map(len, packed)) > len(data) - (len(data) >> 4):
            return compression.NONE, raw
        return method, packed


def _u64(values: Iterable[int]) -> bytes:
    numbers = list(values)
    return pack(f"<{len(numbers)}Q", *numbers)
