"""What is in a file without a whole commit: chunks found by their first bytes, added up by kind."""

from __future__ import annotations

from collections.abc import Iterator

from ..format.heads import MAX_NODES, MAX_REFERENCES
from ..format.layout import CHUNK_HEADER, CHUNK_MAGIC, NODE, REFERENCE
from ..storage.recovery import BLOCK, Read
from .owners import Owner
from .walk import KINDS

MAGIC = CHUNK_MAGIC.to_bytes(4, "little")


def chunks(read: Read, size: int, *, inside: bool = False) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The chunks of a file that lie whole in it, found by their first bytes: their places and headers.

    They may stand anywhere, as bytes may be missing. `inside`: also those that begin within others.
    """
    data, start, at = b"", 0, 0
    while at < size:
        if not start <= at <= start + len(data) - CHUNK_HEADER.size:
            data, start = read(BLOCK, at), at
        place = data.find(MAGIC, at - start)
        if place < 0:
            at = max(start + len(data) - len(MAGIC) + 1, at + 1)
            continue
        at = start + place
        if len(data) - place < CHUNK_HEADER.size and start + len(data) < size:
            continue
        header = _header(data[place : place + CHUNK_HEADER.size], size - at)
        if header:
            yield at, header
        at += header[6] if header and not inside else 1


def chunks_by_kind(read: Read, size: int) -> list[Owner]:
    """An owner for each kind of chunk, and one for the other bytes."""
    found: dict[str, Owner] = {}
    known = 0
    for at, header in chunks(read, size):
        name, length = KINDS[header[1]], header[6]
        owner = found.setdefault(name, Owner(name, f"{name}s", ""))
        owner.chunks += 1
        owner.stored += length
        owner.offset = at if owner.offset is None else owner.offset
        known += length
    rest = Owner("gaps", "other bytes", "")
    rest.stored = size - known
    return [*found.values(), rest]


def _header(header: bytes, most: int) -> tuple[int, ...]:
    """The header of a chunk; empty if it is none."""
    if len(header) < CHUNK_HEADER.size:
        return ()
    found = CHUNK_HEADER.unpack(header)
    _, kind, *reserved, refs, nodes, length, _ = found
    size = CHUNK_HEADER.size + refs * REFERENCE.size + nodes * NODE.size
    sound = kind in KINDS and not any(reserved) and 0 < nodes <= MAX_NODES and refs <= MAX_REFERENCES
    return found if sound and size <= length <= most else ()
