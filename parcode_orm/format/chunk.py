"""A chunk: header | reference table | node directory | buffers.

The directory is a pre-order tree of nodes, so a chunk can be walked without its schema. A node's first
child follows it, and `span` (entries in the subtree) leads to its next sibling. A reference's checksum
covers the head: header, references and directory. The directory has a checksum for each buffer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from struct import error, pack
from typing import Any

from ..errors import ChecksumError, CorruptionError, EncodeError, MissingExtraError, UnsupportedVersion
from ..native import compiled
from . import compression
from .checksum import checksum
from .heads import (
    MAX_DEPTH,
    MAX_NODES,
    MAX_REFERENCES,
    SPAN_AT,
    children_of,
    chunks_of,
    deeper,
    nodes_of,
    read_head,
    span_at,
    whole_head,
)
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
    Node,
    NodeFlag,
    Reference,
)

Buffer = bytes | bytearray | memoryview
PIECES = int(NodeFlag.PIECES)

# `_make` without its Python frame
_node: Callable[[Any], Node] = partial(tuple.__new__, Node)


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


class Chunk:
    """A chunk read from `data`, the bytes of exactly this chunk. It verifies its head now, buffers at first touch.

    It calls `observe(stored_bytes)` for every buffer that is read. `head_size` is the size in bytes of its head, `held`
    that of the buffers that `buffer` keeps, `node_count` the number of nodes. The first bytes of it may be given apart
    as `head`. Of a `whole` chunk all nodes are read at once, and the caller counts the head.
    """

    __slots__ = (
        "where", "kind", "fingerprint", "head_size", "held", "refs", "nodes", "node_count",
        "_buffers", "_data", "_head", "_nodes_at", "_observe",
    )  # fmt: skip

    def __init__(
        self,
        reference: Reference,
        data: memoryview,
        path: str,
        observe: Callable[[int], object],
        head: memoryview | None = None,
        whole: bool = False,
    ) -> None:
        self.where = (path, reference.offset)
        if len(data) < CHUNK_HEADER.size or len(data) != reference.length:
            raise CorruptionError("chunk shorter than its header", path=path, offset=reference.offset)
        if head is None:
            head = data
        known = read_head(head, reference)
        if known is None:
            head = whole_head(reference, data, head, path)
            known = read_head(head, reference)
            assert known is not None
        self.fingerprint, self._nodes_at, self.node_count, self.refs = known
        self.kind = reference.kind
        self.head_size = size = self._nodes_at + self.node_count * NODE.size
        self.held = 0
        self._data = data
        self._head = head
        self._buffers: dict[int, memoryview] = {}
        self._observe = observe
        if self.node_count > MAX_DEPTH:
            self._check_depth()
        if whole:
            self.nodes = nodes_of(Node, head[self._nodes_at : size])
        else:
            observe(size)

    refs: list[Reference]
    node_count: int
    nodes: list[Node]

    def __getattr__(self, name: str) -> Any:
        """`nodes` when they are first asked for: who reads one column of many chunks needs few of them."""
        if name != "nodes":
            raise AttributeError(name)
        self.nodes = found = nodes_of(Node, self.directory)
        return found

    def node(self, index: int) -> Node:
        """Node `index`, without the others."""
        return _node(NODE.unpack_from(self._head, self._nodes_at + index * NODE.size))

    def child(self, index: int, place: int) -> int:
        """The index of child `place` of the node `index`, found without the nodes themselves."""
        data, at = self._head, self._nodes_at + SPAN_AT
        (span,) = span_at(data, at + index * NODE.size)
        found, end = index + 1, index + span
        if end > self.node_count:
            raise self.error(index, "subtree leaves the directory")
        for _ in range(place):
            if found >= end:
                break
            (span,) = span_at(data, at + found * NODE.size)
            found += span or end  # none is nothing's
        if found >= end:
            raise self.error(index, f"no child {place}")
        return found

    def again(self, ref: Reference, refs: list[Reference], buffers: dict[int, memoryview] | None = None) -> Chunk:
        """This chunk as it was written again at `ref`, with other references, and the same buffers or others."""
        found: Chunk = object.__new__(Chunk)
        found.where, found.kind, found.fingerprint = (self.where[0], ref.offset), self.kind, self.fingerprint
        found.refs, found.nodes, found.node_count = refs, self.nodes, self.node_count
        found.held, found.head_size = self.held, self.head_size
        found._data, found._head, found._nodes_at = self._data, self._head, self._nodes_at
        found._buffers, found._observe = self._buffers if buffers is None else buffers, self._observe
        return found

    def _check_depth(self) -> None:
        index = next(deeper([node.span for node in self.nodes]), None)
        if index is not None:
            raise self.error(index, f"nodes are nested more than {MAX_DEPTH} deep")

    def _bad(self, message: str) -> CorruptionError:
        return CorruptionError(message, path=self.where[0], offset=self.where[1])

    @property
    def directory(self) -> memoryview:
        """The packed entries of all nodes."""
        return self._head[self._nodes_at : self._nodes_at + self.node_count * NODE.size]

    @property
    def body(self) -> memoryview:
        """The bytes behind the head."""
        return self._data[self._nodes_at + self.node_count * NODE.size :]

    def error(self, index: int, message: str) -> CorruptionError:
        """A `CorruptionError` that names this chunk and its node `index`."""
        return self._bad(f"node {index}: {message}")

    def children(self, index: int) -> list[int]:
        """Indexes of the node's children, in order."""
        found = children_of(self._head, self._nodes_at, self.node_count, index)
        if found is None:
            end, child = index + self.node(index).span, index + 1
            if end > self.node_count:
                raise self.error(index, "subtree leaves the directory")
            while span := self.node(child).span:
                if child + span > end:
                    break
                child += span
            raise self.error(child, "subtree leaves its parent")
        return found

    def buffer(self, index: int) -> memoryview:
        """The buffer of a node, verified at first touch and decompressed.

        Raises:
            ChecksumError: the stored bytes are not those that were written.
            CorruptionError: the buffer leaves the chunk, or does not decompress to its size.
        """
        view = self._buffers.get(index)
        if view is None:
            view = self._buffers.setdefault(index, self.read(index))
        return view

    def read(self, index: int) -> memoryview:
        """As `buffer`, but keep nothing."""
        node = self.nodes[index]
        size = node.stored
        stored = self._data[node.place : node.place + size]
        if len(stored) != size:
            raise self.error(index, "buffer leaves the chunk")
        if node.flags & PIECES:
            raise self.error(index, "the data of a blob is read in pieces")
        if not size:
            if node.raw:
                raise self.error(index, "buffer is missing")
            return stored
        if checksum(stored) != node.checksum:
            self.verify(index, stored, node.checksum)  # which says what is wrong
        self._observe(size)
        self.held += node.raw
        if node.compression == 0:
            if node.raw != node.stored:
                raise self.error(index, "uncompressed buffer of two sizes")
            return stored
        return memoryview(self.decompress(index, stored, node.raw))

    def uncompressed(self, index: int, place: int, size: int, expected: int) -> memoryview:
        """As `buffer`, for a node that is not compressed and whose place, size and checksum the caller knows."""
        view = self._buffers.get(index)
        if view is None:
            view = self._data[place : place + size]
            if len(view) != size or not size or checksum(view) != expected:
                return self.buffer(index)  # which says what is wrong
            self._observe(size)
            self.held += size
            view = self._buffers.setdefault(index, view)
        return view

    def stored(self, index: int) -> memoryview:
        """The node's bytes as they stand in the file, neither verified nor decompressed."""
        node = self.nodes[index]
        stored = self._data[node.place : node.place + node.stored]
        if len(stored) != node.stored:
            raise self.error(index, "buffer leaves the chunk")
        return stored

    def verify(self, index: int, stored: memoryview, expected: int, at: int = 0) -> None:
        """Compare the checksum of bytes that begin `at` bytes into the node's buffer, and count them as read."""
        found = checksum(stored)
        if found != expected:
            path, offset = self.where
            offset += self.node(index).place + at
            raise ChecksumError(
                f"buffer {index} of a chunk is damaged", path=path, offset=offset, expected=expected, found=found
            )
        self._observe(len(stored))

    def decompress(self, index: int, stored: memoryview, raw: int) -> Buffer:
        """Decompress `stored` to `raw` bytes, by the node's compression."""
        try:
            return compression.decompress(self.nodes[index].compression, stored, raw)
        except (UnsupportedVersion, MissingExtraError):
            raise
        except Exception as problem:
            raise self.error(
                index, f"buffer does not decompress: {str(problem) or type(problem).__name__}"
            ) from problem


_MADE = tuple(
    Chunk.__dict__[name]
    for name in (
        "where", "kind", "fingerprint", "head_size", "held", "refs", "node_count", "_buffers", "_data", "_head",
        "_nodes_at", "_observe",
    )
)  # fmt: skip


def read_chunks(
    references: list[Reference], data: memoryview, path: str, observe: Callable[[int], object]
) -> list[Chunk | None]:
    """The chunks at `references` in the file whose bytes are `data`; None for each that `Chunk` is to look at.

    The caller counts the heads.
    """
    return chunks_of(Chunk, _MADE, references, data, path, observe)
