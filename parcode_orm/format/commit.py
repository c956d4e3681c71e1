"""The commit record. It makes everything before it the content of the file.

The one record of a whole-file write stands at the end of the file. The record of an appended commit
starts at a multiple of 4096 and is written twice, 512 bytes apart. Both copies are alike: `offset` is
that of the first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from .checksum import checksum
from .layout import (
    CHUNK_ALIGN,
    CHUNK_HEADER,
    RECORD,
    RECORD_ALIGN,
    RECORD_COPY,
    RECORD_MAGIC,
    RECORD_SEAL,
    REFERENCE,
    SUPERBLOCK,
    Kind,
    RecordFlag,
    Reference,
)

NO_HASH = bytes(16)
# Plain numbers: looking up a member of an enum goes through five classes.
WHOLE_FILE, DOUBLED, FAST, CATALOG = map(
    int, (RecordFlag.WHOLE_FILE, RecordFlag.DOUBLED, RecordFlag.FAST, Kind.CATALOG)
)
MAX_NUMBER = 1 << 62  # `sequence` and `live` + `dead` are less, so later commits have room


class Record(NamedTuple):
    """One commit. `time` counts nanoseconds since 1970 (UTC); lengths and offsets are bytes."""

    sequence: int
    previous: int
    offset: int
    file_length: int
    time: int
    flags: int
    live: int
    dead: int
    catalog: Reference
    range_start: int = 0
    range_hash: bytes = NO_HASH
    boot: int = 0

    @property
    def end(self) -> int:
        """The end of the first copy: a file that reaches it holds the commit."""
        return self.offset + RECORD.size


# `_make` without its Python frame
_record: Callable[[Any], Record] = partial(tuple.__new__, Record)
_reference: Callable[[Any], Reference] = partial(tuple.__new__, Reference)


def pack(record: Record, uuid: bytes) -> bytes:
    """One copy of the record, `RECORD.size` bytes."""
    body = RECORD.pack(
        RECORD_MAGIC,
        record.sequence,
        record.previous,
        record.offset,
        record.file_length,
        record.time,
        record.flags,
        0,
        record.live,
        record.dead,
        REFERENCE.pack(*record.catalog),
        record.range_start,
        record.range_hash,
        record.boot,
        0,
    )[:-8]
    return body + checksum(body, checksum(uuid + record.offset.to_bytes(8, "little"))).to_bytes(8, "little")


def pack_twice(record: Record, uuid: bytes, *, sealed: bool = False) -> bytes:
    """Both copies of the record, with zeros between, or the seal: the last bytes of an appended commit."""
    copy = pack(record, uuid)
    between = bytes(RECORD_SEAL - len(copy)) + seal(copy) if sealed else b""
    return copy + between.ljust(RECORD_COPY - len(copy), b"\0") + copy


def seal(packed: bytes) -> bytes:
    """What stands `RECORD_SEAL` bytes behind a record if the disk has all of its commit; `packed` begins with it."""
    return checksum(packed[: RECORD.size]).to_bytes(8, "little")


def unpack(data: bytes | memoryview, uuid: bytes, position: int, size: int) -> Record | None:
    """The record in `data`, which stands at `position` of a file of `size` bytes; None if it is not valid."""
    if len(data) != RECORD.size or data[:8] != RECORD_MAGIC:
        return None
    _, sequence, previous, offset, length, time, flags, _, live, dead, catalog, start, digest, boot, stored = (
        RECORD.unpack(data)
    )
    if position != offset and position != offset + RECORD_COPY:
        return None
    if checksum(data[:-8], checksum(uuid + offset.to_bytes(8, "little"))) != stored:
        return None
    reference = _reference(REFERENCE.unpack(catalog))
    record = _record((sequence, previous, offset, length, time, flags, live, dead, reference, start, digest, boot))
    return record if is_consistent(record, position, size) else None


def is_consistent(record: Record, position: int, size: int) -> bool:
    """Whether a writer of this format can have written a record with these values."""
    flags, offset, catalog = record.flags, record.offset, record.catalog
    end = offset + RECORD.size
    if flags & DOUBLED:
        placed = offset % RECORD_ALIGN == 0 and record.file_length == end + RECORD_COPY
    else:
        placed = offset % CHUNK_ALIGN == 0 and record.file_length == end and position == offset
    return (
        placed
        and bool(flags & WHOLE_FILE) != bool(flags & DOUBLED)
        and end <= size
        and 0 < record.sequence < MAX_NUMBER
        and record.live + record.dead < MAX_NUMBER
        and record.previous < offset
        and (not flags & FAST or (bool(flags & DOUBLED) and SUPERBLOCK.size <= record.range_start <= offset))
        and catalog.kind == CATALOG
        and catalog.offset >= SUPERBLOCK.size
        and catalog.length >= CHUNK_HEADER.size
        and catalog.offset + catalog.length <= offset
    )
