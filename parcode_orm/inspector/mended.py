"""A copy of a file in which a commit can be read again: bytes that are missing are put in, or a record is written.

Two kinds of files have no commit that can be read. A file of the first kind lacks bytes in the middle: its record does
not stand at its offset, and references to chunks behind the gap lead too far. The copy has zeros in place of the gap.
The gap lies behind the last chunk that stands where a reference says, and before the first one that does not. A file of
the second kind lacks its end, with the record. The copy gets a record for the last catalog, if there is one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import BinaryIO

from ..errors import CorruptionError
from ..format import commit, superblock
from ..format.checksum import checksum
from ..format.commit import Record
from ..format.layout import (
    CHUNK_ALIGN,
    CHUNK_HEADER,
    NODE,
    RECORD,
    RECORD_COPY,
    RECORD_MAGIC,
    REFERENCE,
    SUPERBLOCK,
    Kind,
    RecordFlag,
    Reference,
    aligned,
)
from ..storage.recovery import BLOCK, Read
from .scan import chunks

BY_ONE = 1 << 20  # bytes that are copied at once


def mended(read: Read, size: int, draft: BinaryIO, path: str) -> str:
    """Write a copy of the file to `draft`, and tell what was mended.

    Raises:
        CorruptionError: neither a record nor a catalog is found.
        NotAParcodeFile, UnsupportedVersion: from the superblock.
    """
    uuid = superblock.unpack(read(SUPERBLOCK.size, 0), path).uuid
    for place, record in _records(read, uuid, size):
        missing = record.offset - place
        if missing > 0:
            last, first = _gap(read, size, missing)
            _copy(read, 0, last, draft)
            draft.seek(first + missing)
            _copy(read, first, size - first, draft)
            return f"{missing:,} bytes are missing between the offsets {last} and {first + missing}"
    found = None
    for at, header in chunks(read, size):
        if header[1] == Kind.CATALOG:
            found = _reference(read, at, header)
    if found is None:
        raise CorruptionError(
            "neither a commit record nor a catalog is found, so nothing in it has a name", path=path, offset=size
        )
    offset = aligned(max(size, found.offset + found.length), CHUNK_ALIGN)
    record = Record(1, 0, offset, offset + RECORD.size, time.time_ns(), int(RecordFlag.WHOLE_FILE), offset, 0, found)
    _copy(read, 0, size, draft)
    draft.seek(offset)
    draft.write(commit.pack(record, uuid))
    return "the commit record is missing, and so may be what was written before it"


def _copy(read: Read, start: int, size: int, draft: BinaryIO) -> None:
    for at in range(start, start + size, BY_ONE):
        draft.write(read(min(BY_ONE, start + size - at), at))


def _records(read: Read, uuid: bytes, size: int) -> Iterator[tuple[int, Record]]:
    """The records of the file from the last to the first, with their places, which need not be their offsets."""
    for block in range(size - size % BLOCK, -1, -BLOCK):
        data = read(BLOCK + RECORD_COPY + RECORD.size, block)
        at = data.rfind(RECORD_MAGIC, 0, BLOCK + len(RECORD_MAGIC) - 1)
        while at >= 0:
            one = data[at : at + RECORD.size]
            offset = int.from_bytes(one[24:32], "little")
            record = commit.unpack(one, uuid, offset, offset + RECORD_COPY + RECORD.size)
            if record is not None and (not record.flags & RecordFlag.DOUBLED or _is_first(data, at)):
                yield block + at, record
            at = data.rfind(RECORD_MAGIC, 0, at)


def _is_first(data: bytes, at: int) -> bool:
    """Whether the copy of a record at `at` is the first one, so another follows."""
    return data[at + RECORD_COPY : at + RECORD_COPY + RECORD.size] == data[at : at + RECORD.size]


def _gap(read: Read, size: int, missing: int) -> tuple[int, int]:
    """Where bytes are missing: the end of the last chunk before, and the place of the first one behind."""
    places = {at: _reference(read, at, header) for at, header in chunks(read, size, inside=True)}
    last, first = SUPERBLOCK.size, size
    for at, found in places.items():
        head = read(CHUNK_HEADER.size + found.length, at)
        count = CHUNK_HEADER.unpack_from(head)[4]
        for number in range(count):
            ref = Reference(*REFERENCE.unpack_from(head, CHUNK_HEADER.size + number * REFERENCE.size))
            if _is_at(places, ref, ref.offset):
                last = max(last, ref.offset + ref.length)
            elif _is_at(places, ref, ref.offset - missing):
                first = min(first, ref.offset - missing)
    return min(last, first), first  # the last chunk before may have lost its end


def _is_at(places: dict[int, Reference], ref: Reference, place: int) -> bool:
    found = places.get(place)
    return found is not None and (found.length, found.checksum, found.kind) == (ref.length, ref.checksum, ref.kind)


def _reference(read: Read, at: int, header: tuple[int, ...]) -> Reference:
    _, kind, _, _, refs, nodes, length, _ = header
    size = CHUNK_HEADER.size + refs * REFERENCE.size + nodes * NODE.size
    return Reference(at, length, checksum(read(size, at)), kind)
