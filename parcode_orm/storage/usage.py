"""What of a file its newest commit uses, and what only earlier ones do: `live` and `dead` of a commit record.

Live are the superblock, the chunks below the catalog, each with the gap behind it, and the record; the rest is dead.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from ..errors import CorruptionError
from ..format.commit import Record
from ..format.layout import CHUNK_ALIGN, SUPERBLOCK, Kind, Reference, aligned

LEADING = frozenset({Kind.CATALOG, Kind.TABLE, Kind.TREE_NODE, Kind.INDEX_RUN, Kind.ROW_GROUP, Kind.COLUMN})
"""Kinds of chunks that may refer to others."""


def released(refs_of: Callable[[Reference], list[Reference]], catalog: Reference, kept: Collection[int]) -> int:
    """Bytes of chunks below `catalog` that the next commit does not use, if its new chunks refer to those at `kept`.

    The walk stops at what is kept, so that it costs what is released. What is kept only by way of a chunk that nothing
    new refers to (a row group, slices of which stand in two tree nodes of which one was replaced) is taken for
    released, so this is an upper bound. A chunk that is damaged is released without what lies below it.
    """
    size = 0
    seen = set(kept)
    waiting = [catalog]
    while waiting:
        ref = waiting.pop()
        if ref.offset in seen:
            continue
        seen.add(ref.offset)
        size += ref.length + -ref.length % CHUNK_ALIGN
        if ref.kind in LEADING:
            try:
                waiting += refs_of(ref)
            except CorruptionError:
                continue
    return size


def record_bytes(record: Record) -> int:
    """Of a commit record, with the gaps around it."""
    return aligned(record.file_length, CHUNK_ALIGN) - _end(record.catalog)


def live_bytes(record: Record, chunks: int) -> int:
    """Of a commit whose chunks have a footprint of `chunks` bytes together."""
    return SUPERBLOCK.size + chunks + record.file_length - _end(record.catalog)


def footprint(ref: Reference) -> int:
    """Bytes of a chunk with the gap behind it."""
    return aligned(ref.length, CHUNK_ALIGN)


def _end(ref: Reference) -> int:
    return ref.offset + footprint(ref)
