"""Writing a chunk: `Encoder` collects its nodes and buffers, and puts them together as `chunk` describes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from struct import error, pack
from typing import Any

from ..errors import EncodeError
from ..native import compiled
from . import compression
from .checksum import checksum
from .heads import MAX_DEPTH, MAX_NODES, MAX_REFERENCES, deeper
from .layout import (
    BUFFER_ALIGN,
    CHUNK_HEADER,
    CHUNK_MAGIC,
    NODE,
    REFERENCE,
    WIDE_ALIGN,
    WIDE_BUFFER,
    Encoding,
    Kind,
    Reference,
)

Buffer = bytes | bytearray | memoryview


class Ticket:
    """A chunk on its way to the file. The writer sets `reference` when it has placed the chunk."""

    reference: Reference | None = None


class Encoder:
    """Builds one chunk: nodes in pre-order, their buffers, references to chunks submitted before it."""

    __slots__ = ("kind", "compression", "sink", "fingerprint", "refs", "entries", "buffers", "small")

    def __init__(self, kind: Kind, compression: str | None, sink: Any, fingerprint: int = 0) -> None:
        self.kind = kind
        self.compression = compression
        self.sink = sink
        self.fingerprint = fingerprint
        self.refs: list[Ticket | Reference | Any] = []  # Any: chunks to be written right before this one
        self.entries: list[list[Any]] = []
        self.buffers: list[Buffer] = []
        self.small = False  # whether every value in it is too small to be stored alone

    def open(
        self,
        encoding: Encoding,
        count: int,
        data: Buffer = b"",
        *,
        width: int = 0,
        flags: int = 0,
        param: int = 0,
        low: bytes = b"",
        high: bytes = b"",
        ints: Sequence[tuple[int, bytes, int]] = (),
    ) -> int:
        """Append a node and return its index; its children follow until `close`.

        Of `ints`, each is a child that is an INT node: how many values, these, and their width. No others follow then.
        """
        entries = self.entries
        at = len(entries)
        entries.append([encoding, width, flags, 1 + len(ints), count, param, low, high])
        self.buffers.append(data)
        for below, values, each_width in ints:
            entries.append([Encoding.INT, each_width, 0, 1, below, 0, b"", b""])
            self.buffers.append(values)
        return at

    def close(self, index: int) -> None:
        """End the node opened as `index`."""
        self.entries[index][3] = len(self.entries) - index

    leaf = open  # a node without children

    def ref(self, target: Encoder | Ticket | Reference) -> int:
        """Add `target` to the reference table and return its ordinal. An unsubmitted chunk goes before this one."""
        self.refs.append(target)
        return len(self.refs) - 1

    def mark(self) -> tuple[int, int]:
        """The present end of the chunk, for `back`."""
        return len(self.entries), len(self.refs)

    def back(self, mark: tuple[int, int]) -> None:
        """Forget what was appended since `mark`."""
        entries, refs = mark
        del self.entries[entries:], self.buffers[entries:], self.refs[refs:]

    @property
    def size(self) -> int:
        """Bytes of the buffers before compression."""
        return sum(map(len, self.buffers))

    def finish(self) -> tuple[bytes, list[Buffer]]:
        """Compress and checksum the buffers. Return the directory, and the parts behind the head in order.

        This touches nothing shared, so any thread may run it. The result depends on the chunk alone.
        """
        if len(self.entries) > MAX_NODES or len(self.refs) > MAX_REFERENCES:
            raise EncodeError(f"{len(self.entries)} columns and {len(self.refs)} references do not fit one chunk")
        if len(self.entries) > MAX_DEPTH and next(deeper([entry[3] for entry in self.entries]), None) is not None:
            raise EncodeError(f"the value's columns are nested more than {MAX_DEPTH} deep: nest less in each other")
        end = CHUNK_HEADER.size + len(self.refs) * REFERENCE.size + len(self.entries) * NODE.size
        end += -end % BUFFER_ALIGN
        directory: list[bytes] = []
        parts: list[Buffer] = []
        pack, compress, name = NODE.pack, compression.compress, self.compression
        for (encoding, width, flags, span, count, param, low, high), data in zip(
            self.entries, self.buffers, strict=True
        ):
            method = place = size = digest = 0
            raw = len(data) if type(data) is bytes else memoryview(data).nbytes
            if raw:
                stored, size = data, raw
                if name is not None:
                    method, stored = compress(name, data)
                    size = memoryview(stored).nbytes
                gap = -end % (WIDE_ALIGN if size >= WIDE_BUFFER else BUFFER_ALIGN)
                if gap:
                    parts.append(bytes(gap))
                parts.append(stored)
                place = end + gap
                end = place + size
                digest = checksum(stored)
            directory.append(  # `low` and `high` are cut to 16 bytes
                pack(encoding, method, width, flags, span, count, param, place, size, raw, digest, low, high)
            )
        return b"".join(directory), parts

    def head(self, directory: bytes, parts: Sequence[Buffer], refs: Sequence[Reference]) -> bytes:
        """Assemble the head. The offsets of the chunks referred to are known now."""
        table = pack(f"<{4 * len(refs)}Q", *chain.from_iterable(refs))  # a kind and the gap behind it: eight bytes
        size = CHUNK_HEADER.size + len(table) + len(directory)
        length = size
        for part in parts:
            length += len(part) if type(part) is bytes else memoryview(part).nbytes
        header = CHUNK_HEADER.pack(CHUNK_MAGIC, self.kind, 0, 0, len(refs), len(self.entries), length, self.fingerprint)
        return header + table + directory

    def whole(self, refs: Sequence[Reference]) -> list[Buffer]:
        """The parts of the finished chunk, the head first. The chunks referred to lie at `refs`."""
        directory, parts = self.finish()
        return [self.head(directory, parts, refs), *parts]

    def at_once(self, refs: list[Reference], limit: int) -> tuple[bytes, int] | None:
        """The bytes of the finished chunk, and the checksum of its head; None unless it is uncompressed and shorter
        than `limit`.
        """
        if self.compression is not None or sum(map(len, self.buffers)) >= limit:
            return None
        header = CHUNK_HEADER.pack(CHUNK_MAGIC, self.kind, 0, 0, 0, 0, 0, self.fingerprint)
        return small_chunk(header, self.entries, self.buffers, refs, checksum, limit)


@compiled
def small_chunk(
    header: bytes,
    entries: list[list[Any]],
    buffers: list[Buffer],
    refs: list[Reference],
    digest: Callable[[Buffer], int],
    limit: int,
) -> tuple[bytes, int] | None:
    """An uncompressed chunk as it lies in the file, and the checksum of its head, which `digest` computes.

    `header` has its kind and fingerprint. None where it takes `limit` bytes or more, a number does not fit, or a buffer
    is no bytes: `Encoder.whole` takes any, and says what is wrong.
    """
    if not entries or len(entries) != len(buffers) or not {bytes}.issuperset(map(type, buffers)):
        return None
    _, kind, _, _, _, _, _, fingerprint = CHUNK_HEADER.unpack(header)
    chunk = Encoder(Kind(kind), None, None, fingerprint)
    chunk.entries, chunk.buffers, chunk.refs = entries, buffers, [*refs]
    try:
        head, *parts = chunk.whole(refs)
    except (error, TypeError, ValueError):
        return None
    found = b"".join([head, *parts])
    return (found, digest(head)) if len(found) < limit else None


@compiled
def references_of(refs: list[Any], ticket: type[Ticket], first: int, older: set[int]) -> list[Reference] | None:
    """What a chunk refers to: a reference for each ticket in `refs`, all others as they are; None if one has none yet.

    `older` gets the offsets below `first`, where the chunks of earlier commits lie. `ticket` is the class of tickets.
    """
    found: list[Any] = [ref.reference if type(ref) is ticket else ref for ref in refs]
    if None in found:
        return None
    older.update([ref[0] for ref in found if ref[0] < first])
    return found
