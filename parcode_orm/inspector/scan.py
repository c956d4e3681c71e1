"""What is in a file without a whole commit: chunks found by their first bytes, added up by kind."""

from __future__ import annotations

from ..format.chunk import MAX_NODES, MAX_REFERENCES
from ..format.layout import CHUNK_HEADER, CHUNK_MAGIC, NODE, REFERENCE
from ..storage.recovery import BLOCK, Read
from .owners import Owner
from .walk import KINDS

MAGIC = CHUNK_MAGIC.to_bytes(4, "little")


def chunks_by_kind(read: Read, size: int) -> list[Owner]:
    """An owner for each kind of chunk, and one for the other bytes. Chunks may stand anywhere: bytes may be missing."""
    found: dict[str, Owner] = {}
    at = known = 0
    while at < size:
        data = read(BLOCK + CHUNK_HEADER.size, at)
        place = data.find(MAGIC)
        if not 0 <= place < BLOCK:
            at += BLOCK
            continue
        at += place
        header = data[place : place + CHUNK_HEADER.size]
        length = _length(header, size - at)
        if not length:
            at += 1
            continue
        name = KINDS[header[4]]
        owner = found.setdefault(name, Owner(name, f"{name}s", ""))
        owner.chunks += 1
        owner.stored += length
        owner.offset = at if owner.offset is None else owner.offset
        known += length
        at += length
    rest = Owner("gaps", "other bytes", "")
    rest.stored = size - known
    return [*found.values(), rest]


def _length(header: bytes, most: int) -> int:
    """The length that the header of a chunk says; 0 if it is none."""
    if len(header) < CHUNK_HEADER.size:
        return 0
    _, kind, *reserved, refs, nodes, length, _ = CHUNK_HEADER.unpack(header)
    size = CHUNK_HEADER.size + refs * REFERENCE.size + nodes * NODE.size
    sound = kind in KINDS and not any(reserved) and 0 < nodes <= MAX_NODES and refs <= MAX_REFERENCES
    return length if sound and size <= length <= most else 0
