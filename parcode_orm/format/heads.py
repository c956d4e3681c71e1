"""Heads of chunks, taken apart: header, references, and the directory of nodes. What is not as it was written is None:
`Chunk` says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from struct import Struct
from typing import Any, TypeVar

from ..errors import ChecksumError, CorruptionError
from ..native import compiled
from .checksum import checksum
from .layout import CHUNK_ALIGN, CHUNK_HEADER, CHUNK_MAGIC, NODE, REFERENCE, Node, Reference

T = TypeVar("T", bound=tuple[Any, ...])
MAX_NODES = 1 << 20
MAX_REFERENCES = 1 << 24
MAX_DEPTH = 4096  # nodes inside each other: readers recurse
SPAN_AT = 4  # bytes into the entry of a node
span_at: Callable[[Any, int], tuple[int]] = Struct("<I").unpack_from


_node: Any = partial(tuple.__new__, Node)  # `_make` without its Python frame


@compiled
def read_head(data: Any, reference: Reference) -> tuple[int, int, int, list[Reference]] | None:
    """What the head of a chunk says, once it is verified. None if it is not what `reference` says, or is not whole.

    Args:
        data: bytes that begin with the head of the chunk.
        reference: what leads to it.

    Returns:
        the fingerprint of the schema, where in the chunk the directory begins, how many nodes it has, and the
        references, all of which lead to chunks before this one.
    """
    if len(data) < CHUNK_HEADER.size:
        return None
    magic, kind, _, _, references, nodes, length, fingerprint = CHUNK_HEADER.unpack_from(data)
    nodes_at = CHUNK_HEADER.size + references * REFERENCE.size
    size = nodes_at + nodes * NODE.size
    if magic != CHUNK_MAGIC or kind != reference[3] or length != reference[1]:
        return None
    if not 1 <= nodes <= MAX_NODES or references > MAX_REFERENCES or size > length or size > len(data):
        return None
    if checksum(data[:size]) != reference[2]:
        return None
    found: list[Reference] = []
    if references:
        make = partial(tuple.__new__, type(reference))
        found = list(map(make, REFERENCE.iter_unpack(data[CHUNK_HEADER.size : nodes_at])))
        if any(offset + length > reference[0] for offset, length, _, _ in found):
            return None
    return fingerprint, nodes_at, nodes, found


def whole_head(reference: Reference, data: memoryview, head: memoryview, path: str) -> memoryview:
    """All of the head of the chunk `data`, of which `head` is the beginning; raises what is wrong with it."""

    def bad(message: str) -> CorruptionError:
        return CorruptionError(message, path=path, offset=reference.offset)

    if len(head) < CHUNK_HEADER.size:
        head = data
    magic, kind, _, _, references, nodes, length, _ = CHUNK_HEADER.unpack_from(head)
    nodes_at = CHUNK_HEADER.size + references * REFERENCE.size
    size = nodes_at + nodes * NODE.size
    if magic != CHUNK_MAGIC or kind != reference.kind or length != reference.length or size > length:
        raise bad("chunk header does not fit its reference")
    if not 1 <= nodes <= MAX_NODES or references > MAX_REFERENCES:
        raise bad(f"chunk declares {nodes} nodes and {references} references")
    if size > len(head):
        head = data
    found, expected = checksum(head[:size]), reference.checksum
    if found != expected:
        message = "the head of a chunk is damaged"
        raise ChecksumError(message, path=path, offset=reference.offset, expected=expected, found=found)
    for offset, length, _, _ in REFERENCE.iter_unpack(head[CHUNK_HEADER.size : nodes_at]):
        if offset + length > reference.offset:  # so no cycle can be written
            raise bad("chunk refers to one that does not lie before it")
    return head


@compiled
def chunks_of(
    cls: type[Any],
    slots: tuple[Any, ...],
    references: list[Reference],
    data: memoryview,
    path: str,
    observe: Callable[[int], object],
) -> list[Any]:
    """The chunks at `references`, their heads verified; None for each that cannot be read so, or is nested deeply.

    Args:
        cls: `Chunk`, or a class below it.
        slots: the descriptors of what `Chunk` sets when it is made, but for the nodes.
        references: where the chunks lie.
        data: the bytes of the file, from its beginning.
        path: the file's name.
        observe: what the chunks tell of the bytes that are read later. Nothing is told of their heads.
    """
    found: list[Any] = []
    for reference in references:
        offset, length, _, kind = reference
        part = data[offset : offset + length]
        is_place = offset and not offset % CHUNK_ALIGN and len(part) == length
        head = read_head(part, reference) if is_place else None
        if head is None or head[2] > MAX_DEPTH:
            found.append(None)
            continue
        fingerprint, nodes_at, nodes, refs = head
        size = nodes_at + nodes * NODE.size
        buffers: dict[int, memoryview] = {}
        values = ((path, offset), kind, fingerprint, size, 0, refs, nodes, buffers, part, part, nodes_at, observe)
        chunk = object.__new__(cls)
        for slot, value in zip(slots, values, strict=True):
            slot.__set__(chunk, value)
        found.append(chunk)
    return found


@compiled
def nodes_of(cls: type[T], directory: Any) -> list[T]:
    """The entries of nodes, packed end to end, as tuples of the class `cls`.

    Raises:
        ValueError: the last one is cut off.
    """
    if len(directory) % NODE.size:
        raise ValueError(f"a directory has entries of {NODE.size} bytes")
    return list(map(_node if cls is Node else partial(tuple.__new__, cls), NODE.iter_unpack(directory)))


@compiled
def children_of(head: Any, nodes_at: int, nodes: int, index: int) -> list[int] | None:
    """The children of the node `index`, in order; None if their spans do not fit each other.

    Args:
        head: the head of a chunk.
        nodes_at: where in it the directory begins.
        nodes: how many nodes this has.
        index: one of them.

    Raises:
        IndexError: there is no such node.
    """
    if nodes_at < 0 or not 0 <= index < nodes <= (len(head) - nodes_at) // NODE.size:
        raise IndexError(f"there is no node {index}")
    at, unpack = nodes_at + SPAN_AT, span_at
    end = index + unpack(head, at + index * NODE.size)[0]
    if end > nodes:
        return None
    found = []
    child = index + 1
    while child < end:
        found.append(child)
        (span,) = unpack(head, at + child * NODE.size)
        child += span or end  # none is nothing's
    return found if child == end or not found else None


def deeper(spans: Sequence[int]) -> Iterator[int]:
    """The nodes inside more than `MAX_DEPTH` others, found from the spans of all nodes."""
    ends: list[int] = []
    for index, span in enumerate(spans):
        while ends and ends[-1] <= index:
            ends.pop()
        ends.append(index + span)
        if len(ends) > MAX_DEPTH:
            yield index
