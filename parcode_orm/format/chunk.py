"""A chunk: header | reference table | node directory | buffers.

The directory is a pre-order tree of nodes, so a chunk can be walked without its schema. A node's first
child follows it, and `span` (entries in the subtree) leads to its next sibling. A reference's checksum
covers the head: header, references and directory. The directory has a checksum for each buffer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import ChecksumError, CorruptionError, MissingExtraError, UnsupportedVersion
from . import compression
from .checksum import checksum
from .encoder import Buffer
from .heads import (
    MAX_DEPTH,
    SPAN_AT,
    children_of,
    chunks_of,
    deeper,
    nodes_of,
    read_head,
    span_at,
    whole_head,
)
from .layout import CHUNK_HEADER, NODE, Node, NodeFlag, Reference

PIECES = int(NodeFlag.PIECES)

# `_make` without its Python frame
_node: Callable[[Any], Node] = partial(tuple.__new__, Node)


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
