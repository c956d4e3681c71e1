"""Reading a blob: any part of it, each piece verified at first touch."""

from __future__ import annotations

from struct import unpack

from ..errors import CorruptionError
from ..format import compression
from ..format.blob import CHECKSUMS, DATA, ENDS
from ..format.chunk import Chunk
from ..format.encoder import Buffer
from ..format.layout import BLOB_HEADER, BLOB_PIECE, Encoding, Kind, NodeFlag


class Blob:
    """The value in a chunk of kind BLOB. `meta` is its writer's description, `len` its size in bytes.

    Raises:
        CorruptionError: the chunk is no blob, or contradicts itself.
    """

    __slots__ = ("meta", "_checksums", "_chunk", "_data", "_ends", "_last", "_length", "_verified")

    def __init__(self, chunk: Chunk) -> None:
        self._chunk = chunk
        self._check_shape()
        header = chunk.buffer(0)
        if len(header) < BLOB_HEADER.size:
            raise chunk.error(0, "blob shorter than its header")
        piece, count, length = BLOB_HEADER.unpack_from(header)
        self._length: int = length
        if piece != BLOB_PIECE or count != -(-self._length // BLOB_PIECE) or self._length != chunk.nodes[DATA].raw:
            raise chunk.error(0, f"blob of {self._length} bytes in {count} pieces of {piece}")
        self.meta = bytes(header[BLOB_HEADER.size :])
        self._checksums = self._table(CHECKSUMS, count)
        self._data = chunk.stored(DATA)
        self._ends = self._table(ENDS, count) if chunk.nodes[DATA].compression else None
        self._check_ends()
        self._verified = bytearray(count)
        self._last: tuple[int, Buffer] = (
            -1,
            b"",
        )  # the piece decompressed last: small reads often follow each other

    def __len__(self) -> int:
        return self._length

    def read(self, start: int = 0, stop: int | None = None) -> memoryview:
        """Bytes `start` to `stop` (clipped to the blob): a view of the file, or, when compressed, of fresh memory.

        Raises:
            ChecksumError: a piece that is touched is damaged.
        """
        stop = self._length if stop is None else max(0, min(stop, self._length))
        start = max(0, start)
        if start >= stop:
            return memoryview(b"")
        first, last = start // BLOB_PIECE, -(-stop // BLOB_PIECE)
        if self._ends is None:
            for piece in range(first, last):
                self._stored(piece)
            return self._data[start:stop]
        skip = first * BLOB_PIECE
        if last - first == 1:
            return memoryview(self._piece(first)).toreadonly()[start - skip : stop - skip]
        whole = bytearray()  # grows by verified pieces: a forged length must not cost memory
        for piece in range(first, last):
            whole += self._piece(piece)
        return memoryview(whole).toreadonly()[start - skip : stop - skip]

    @property
    def pieces(self) -> int:
        """The number of pieces; each is verified by itself."""
        return len(self._verified)

    def check(self, piece: int, *, decompress: bool) -> None:
        """Raise `CorruptionError` if a piece is damaged."""
        self._stored(piece)
        if decompress and self._ends is not None:
            self._piece(piece)

    def error(self, message: str) -> CorruptionError:
        """The error for content that does not fit `meta`."""
        return self._chunk.error(DATA, message)

    def _check_shape(self) -> None:
        chunk = self._chunk
        nodes = chunk.nodes
        if chunk.kind != Kind.BLOB or len(nodes) != 4 or not nodes[DATA].flags & NodeFlag.PIECES:
            raise chunk.error(0, "this chunk is no blob")
        data = nodes[DATA]
        if data.compression == 0 and data.stored != data.raw:
            raise chunk.error(DATA, "uncompressed data of two sizes")

    def _table(self, node: int, count: int) -> tuple[int, ...]:
        entry = self._chunk.nodes[node]
        if entry.encoding != Encoding.INT or entry.width != 8 or entry.count != count or entry.raw != 8 * count:
            raise self._chunk.error(node, f"not a table of {count} numbers")
        return unpack(f"<{count}Q", self._chunk.buffer(node))

    def _check_ends(self) -> None:
        if self._ends is None:
            return
        lz4 = self._chunk.nodes[DATA].compression == compression.LZ4
        most = compression.LZ4_EXPANSION if lz4 else compression.MAX_EXPANSION
        before = 0
        for piece, end in enumerate(self._ends):
            raw = self._raw(piece)
            if not before < end <= before + raw:
                raise self._chunk.error(ENDS, "pieces are out of order")
            if raw > (end - before) * most:
                raise self._chunk.error(ENDS, f"a piece of {end - before} bytes claims to expand to {raw}")
            before = end
        if before != len(self._data):
            raise self._chunk.error(ENDS, f"pieces end at {before}, the data at {len(self._data)}")

    def _raw(self, piece: int) -> int:
        return min(BLOB_PIECE, self._length - piece * BLOB_PIECE)

    def _stored(self, piece: int) -> memoryview:
        if self._ends is None:
            start, stop = piece * BLOB_PIECE, (piece + 1) * BLOB_PIECE
        else:
            start, stop = self._ends[piece - 1] if piece else 0, self._ends[piece]
        stored = self._data[start:stop]
        if not self._verified[piece]:
            self._chunk.verify(DATA, stored, self._checksums[piece], start)
            self._verified[piece] = 1
        return stored

    def _piece(self, piece: int) -> Buffer:
        last, found = self._last
        if last != piece:
            stored = self._stored(piece)
            raw = self._raw(piece)
            found = stored if len(stored) == raw else self._chunk.decompress(DATA, stored, raw)
            self._last = piece, found
        return found
