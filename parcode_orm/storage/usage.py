"""`live` and `dead` of a commit record: bytes that the newest commit uses, and bytes that only earlier ones use.

The superblock, the chunks below the catalog (each with the gap behind it) and the record are live.
The rest is dead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ..errors import CorruptionError
from ..format.commit import Record
from ..format.layout import CHUNK_ALIGN, SUPERBLOCK, Kind, Reference, aligned
from .mapped import Source

LEADING = frozenset({Kind.CATALOG, Kind.TABLE, Kind.TREE_NODE, Kind.INDEX_RUN, Kind.ROW_GROUP, Kind.COLUMN})
"""Kinds of chunks that may refer to others."""


def released(source: Source, catalog: Reference, kept: Collection[int]) -> tuple[int, list[int]]:
    """What of `source` below `catalog` the next commit does not use: bytes, and offsets of chunks. Its new chunks refer
    to those at `kept`.

    The walk stops at kept chunks, so it costs what is released. The result is an upper bound: a chunk
    that is used only through an old chunk counts as released, unless the session wrote that one and
    knows what it refers to (`below`). An example is a row group with slices in two tree nodes, one of
    which was replaced. The walk does not look below a damaged chunk.
    """
    size = 0
    found: list[int] = []
    seen = set(kept)
    waiting = [catalog]
    looked = False  # below the kept chunks: few walks leave what is in memory
    while waiting:
        ref = waiting.pop()
        offset = ref.offset
        known = source.below.get(offset)
        if known is None and not looked and ref not in source.cache.kept:
            seen |= _known_below(source.below, kept)
            looked = True
        if offset in seen:
            continue
        seen.add(offset)
        found.append(offset)
        size += ref.length + -ref.length % CHUNK_ALIGN
        if ref.kind in LEADING:
            try:
                below = source.peek(ref).refs if known is None else known
                waiting += [each for each in below if each.offset not in seen]
            except CorruptionError:
                continue
    return size, found


def _known_below(below: Mapping[int, Sequence[Reference]], kept: Iterable[int]) -> set[int]:
    """The offsets of chunks that are in use, as those at `kept` refer to them, as far as `below` tells."""
    found: set[int] = set()
    fresh = set(kept)
    while fresh:  # a level at a time
        fresh = {ref[0] for offset in fresh if offset in below for ref in below[offset]} - found
        found |= fresh
    return found


def record_bytes(record: Record) -> int:
    """The bytes of a commit record with the gaps around it."""
    end, catalog_end = record.file_length, record.catalog.offset + record.catalog.length
    return end + -end % CHUNK_ALIGN - catalog_end - -catalog_end % CHUNK_ALIGN


def live_bytes(record: Record, chunks: int) -> int:
    """The live bytes of a commit whose chunks have a footprint of `chunks` bytes together."""
    return SUPERBLOCK.size + chunks + record.file_length - record.catalog.offset - footprint(record.catalog)


def footprint(ref: Reference) -> int:
    """The bytes of a chunk with the gap behind it."""
    return aligned(ref.length, CHUNK_ALIGN)
