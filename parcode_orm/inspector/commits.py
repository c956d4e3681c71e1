"""The commit records of a file, with problems for the damaged ones."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import CorruptionError
from ..format.commit import Record
from ..format.layout import RECORD, RECORD_ALIGN, RECORD_COPY, RECORD_MAGIC, RecordFlag
from ..storage.recovery import BLOCK, Read, copies, record_at, search
from .report import Problem

RECORD_NAME = "commit record"


def records(read: Read, uuid: bytes, newest: Record, problems: list[Problem]) -> Iterator[Record]:
    """The records from `newest` back to the first. Behind a damaged record the last whole one before it follows."""
    record: Record | None = newest
    while record is not None:
        yield record
        if record.flags & RecordFlag.DOUBLED:
            good = copies(read, record, uuid)
            for whole, at in zip(good, (record.offset, record.offset + RECORD_COPY), strict=True):
                if not whole:
                    problems.append(Problem(at, "one of its two copies is damaged", RECORD_NAME, record.sequence))
        record = _before(read, uuid, record, problems) if record.previous else None


def _before(read: Read, uuid: bytes, record: Record, problems: list[Problem]) -> Record | None:
    at = record.previous
    try:
        earlier = record_at(read, uuid, at, record.offset, "")
    except CorruptionError:
        problems.append(Problem(at, "the commit record is damaged", RECORD_NAME, 0))
        return next((found for found in search(read, uuid, at) if found.sequence < record.sequence), None)
    if earlier.sequence != record.sequence - 1:
        what = f"commit {earlier.sequence} stands before commit {record.sequence}"
        problems.append(Problem(at, what, RECORD_NAME, earlier.sequence))
    return earlier if earlier.sequence < record.sequence else None


def lost_records(read: Read, start: int, size: int) -> Iterator[int]:
    """Places of former records behind the newest commit: their commits are lost."""
    for block in range(start - start % BLOCK, size, BLOCK):
        data = read(BLOCK + RECORD.size, block)
        at = data.find(RECORD_MAGIC)
        while 0 <= at < BLOCK:
            if block + at >= start and (block + at) % RECORD_ALIGN in (0, RECORD_COPY):
                yield block + at
            at = data.find(RECORD_MAGIC, at + 1)
