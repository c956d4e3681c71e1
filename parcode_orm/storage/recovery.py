"""Finding the newest commit of a file: in its last bytes, or in the last record before them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, NamedTuple

from ..errors import ChecksumError, CorruptionError, NoResultFound, TruncatedError
from ..format import commit, superblock
from ..format.checksum import WideChecksum, checksum
from ..format.commit import Record
from ..format.layout import CHUNK_ALIGN, RECORD, RECORD_COPY, RECORD_MAGIC, RECORD_SEAL, SUPERBLOCK, RecordFlag
from ..format.superblock import Superblock

BLOCK = 1 << 20
FAST = int(RecordFlag.FAST)

Read = Callable[[int, int], bytes]
"""`read(size, offset)`: that many bytes, fewer only at the file's end."""


def with_tail(read: Read, tail: bytes, tail_at: int) -> Read:
    """A `read` of a file that need not read its last bytes again, `tail`, which begin at `tail_at`."""

    def knowing(count: int, offset: int) -> bytes:
        at = offset - tail_at
        return tail[at : at + count] if at >= 0 else read(count, offset)

    return knowing


class Recovered(NamedTuple):
    """What stood behind the newest whole commit.

    `ignored` bytes do not belong to it. `copy` is "first" or "last" if that copy of its record is
    damaged.
    """

    ignored: int
    copy: str

    def __str__(self) -> str:
        told = []
        if self.ignored:
            told.append(f"{self.ignored} bytes after the newest whole commit were ignored")
        if self.copy:
            told.append(f"the {self.copy} copy of its record is damaged")
        return "; ".join(told)


class Found(NamedTuple):
    """The state of a file: `recovered` is None after a clean end."""

    superblock: Superblock
    record: Record
    recovered: Recovered | None


# `_make` without its Python frame
_found: Callable[[Any], Found] = partial(tuple.__new__, Found)


def at_end(head: bytes, tail: bytes, size: int, path: str) -> Found | None:
    """The commit whose record ends a file of `size` bytes, if nothing else need be known of it; else None.

    `head` are the first bytes of the file, and `tail` the last ones.

    Raises:
        NotAParcodeFile, UnsupportedVersion, TruncatedError, ChecksumError: from the superblock.
    """
    block = superblock.unpack(head, path)
    record = commit.unpack(tail[-RECORD.size :], block.uuid, size - RECORD.size, size)
    if record is None or record.file_length != size or record.flags & FAST:
        return None
    return _found((block, record, None))


def newest(read: Read, size: int, path: str) -> Found:
    """Find the newest commit of a file of `size` bytes.

    Raises:
        NotAParcodeFile, UnsupportedVersion, ChecksumError: from the superblock.
        TruncatedError: the file holds no whole commit.
        ChecksumError: its one commit record is damaged.
    """
    head, last = read(SUPERBLOCK.size, 0), size - RECORD.size
    tail = read(RECORD.size, last) if last > 0 else b""
    found = at_end(head, tail, size, path)
    if found is not None:
        return found
    block = superblock.unpack(head, path)
    record = commit.unpack(tail, block.uuid, last, size) if tail else None
    trusted = Trust(read, block.uuid, size, path)
    if record is not None and trusted(record):
        whole = record.file_length == size  # otherwise the file ends with the first copy
        return Found(block, record, None if whole else Recovered(0, "last"))
    for record in search(read, block.uuid, size):
        if trusted(record):
            return Found(block, record, _recovered(read, record, block.uuid, size))
    raise _no_record(read, size, path)


def search(read: Read, uuid: bytes, size: int) -> Iterator[Record]:
    """The valid records of a file from the last to the first, found by their bytes.

    Appended records stand at multiples of 4096, the record of a whole-file write at a multiple of 64.
    Reading in large blocks costs no more than reading one page at each multiple.
    """
    seen = -1
    for start in range((size - 1) // BLOCK * BLOCK, -1, -BLOCK):
        stop = min(BLOCK, size - start)
        data = read(stop + RECORD.size, start)
        at = data.rfind(RECORD_MAGIC, 0, stop)
        while at >= 0:
            if at % CHUNK_ALIGN == 0:
                record = commit.unpack(data[at : at + RECORD.size], uuid, start + at, size)
                if record is not None and record.offset != seen:
                    seen = record.offset
                    yield record
            at = data.rfind(RECORD_MAGIC, 0, at)


def record_at(read: Read, uuid: bytes, offset: int, size: int, path: str) -> Record:
    """The record whose first copy stands at `offset`, from either copy.

    Raises:
        CorruptionError: both copies are damaged, or there is none.
    """
    for position in (offset, offset + RECORD_COPY):
        record = commit.unpack(read(RECORD.size, position), uuid, position, size)
        if record is not None and record.offset == offset:
            return record
    raise CorruptionError("commit record is damaged", path=path, offset=offset)


def records_from(read: Read, record: Record, uuid: bytes, size: int, path: str) -> Iterator[Record]:
    """The records of a file from `record` back to the first; raises `CorruptionError` at a damaged one."""
    yield record
    while record.previous:  # each record lies before the record that names it
        earlier = record_at(read, uuid, record.previous, size, path)
        if earlier.sequence >= record.sequence:
            raise CorruptionError("commit records are out of order", path=path, offset=record.previous)
        record = earlier
        yield record


def commit_at(read: Read, size: int, path: str, at: int) -> Found:
    """The commit with the sequence number `at`; raises `NoResultFound` if there is none."""
    found = newest(read, size, path)
    if at == found.record.sequence:
        return found
    for record in records_from(read, found.record, found.superblock.uuid, size, path):
        if record.sequence == at:
            return Found(found.superblock, record, None)
    raise NoResultFound(f"{path or 'the file'} holds no commit {at}: its newest is {found.record.sequence}")


def copies(read: Read, record: Record, uuid: bytes) -> tuple[bool, bool]:
    """Which of the two copies of a doubled record are sound."""
    expected = commit.pack(record, uuid)
    return (
        read(RECORD.size, record.offset) == expected,
        read(RECORD.size, record.offset + RECORD_COPY) == expected,
    )


class Trust:
    """Decides for the records of one file whether the content of their commits is there.

    A record that is written with its chunks can reach the disk before them. Its seal, written when the
    disk had both, tells that it did not. Without a seal, and within one run of the system, no reader
    can see it. After another start the hash of the commit's bytes decides, and so for each earlier
    commit back to one that is known to be on the disk. Each record is judged once. The
    commits of a writer do not overlap, so no more than the file is hashed. Forged ones may overlap.
    """

    def __init__(self, read: Read, uuid: bytes, size: int, path: str) -> None:
        self._read = read
        self._uuid = uuid
        self._size = size
        self._path = path
        self._left = 2 * size
        self._known: dict[Record, bool] = {}

    def __call__(self, record: Record) -> bool:
        """Whether the content of `record` is there.

        Raises:
            CorruptionError: the records overlap so much that no writer can have written them.
        """
        relying = []
        verdict = True
        while record.flags & FAST and not self._is_sealed(record) and (record.boot == 0 or record.boot != boot()):
            known = self._known.get(record)
            if known is not None:
                verdict = known
                break
            relying.append(record)
            last = bool(record.flags & RecordFlag.SETTLED) or not record.previous
            earlier = record if last else self._earlier(record)
            if earlier is None or not self._fits(record):
                verdict = False
                break
            if last:
                break
            record = earlier
        self._known.update(dict.fromkeys(relying, verdict))
        return verdict

    def _is_sealed(self, record: Record) -> bool:
        return self._read(8, record.offset + RECORD_SEAL) == commit.seal(commit.pack(record, self._uuid))

    def _earlier(self, record: Record) -> Record | None:
        """The record before `record`; None if `record` was not written behind it."""
        try:
            earlier = record_at(self._read, self._uuid, record.previous, self._size, self._path)
        except CorruptionError:
            return None
        return earlier if earlier.sequence < record.sequence and earlier.file_length == record.range_start else None

    def _fits(self, record: Record) -> bool:
        self._left -= record.offset - record.range_start
        if self._left < 0:
            raise CorruptionError("commit records overlap", path=self._path, offset=record.offset)
        return _hash(self._read, record.range_start, record.offset) == record.range_hash


@cache
def boot() -> int:
    """A number for this run of the operating system; 0 if the system gives none."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return checksum(file.read()) or 1
    except OSError:
        return 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=boot.cache_clear)  # a process may be restored on another machine


def _hash(read: Read, start: int, stop: int) -> bytes:
    state = WideChecksum()
    while start < stop:
        data = read(min(BLOCK, stop - start), start)
        if not data:
            break
        state.update(data)
        start += len(data)
    return state.digest()


def _recovered(read: Read, record: Record, uuid: bytes, size: int) -> Recovered | None:
    copy = ""
    if record.flags & RecordFlag.DOUBLED:
        first, last = copies(read, record, uuid)
        copy = "" if first and last else "last" if first else "first"
    ignored = max(0, size - record.file_length)
    return Recovered(ignored, copy) if ignored or copy else None


def _no_record(read: Read, size: int, path: str) -> CorruptionError:
    last = size - RECORD.size
    tail = read(RECORD.size, last) if last >= SUPERBLOCK.size else b""
    if tail[:8] == RECORD_MAGIC or int.from_bytes(tail[24:32], "little") == last > 0:
        return ChecksumError("the commit record is damaged", path=path, offset=last)
    return TruncatedError("the file ends before its first commit does", path=path, offset=size)
