"""Backups: as a file grows at its end only, a copy of it is brought up to date by copying the tail that it lacks.

The copy holds whole commits at any time. Crash safety rests on this order, as for a commit:

1. Write the tail behind what the copy has, with zeros in the places of its records, and wait for the disk.
2. Verify the chunks of the tail as they stand in the copy.
3. Write the records, the oldest first, and wait for the disk after each.

A process that ends before the last step leaves the copy at an earlier commit, and the next backup goes on from there.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from stat import S_IMODE
from typing import Any

from ..errors import ConflictError, FileMissingError, TruncatedError
from ..format import commit
from ..format.commit import Record
from ..format.layout import RECORD, RECORD_COPY, RecordFlag, Reference
from .append import cut_torn_tail, newest_locked
from .check import Sweep, check_buffers
from .files import FILES, Descriptor, Files, check_regular, storing, syncing
from .lock import WriterLock
from .mapped import Source
from .progress import Done, Progress, untold
from .recovery import Found, newest, records_from, with_tail
from .stats import Stats
from .writer import Write, replace_file

BLOCK = 1 << 20  # bytes that are copied at a time
TAIL = 1 << 12  # bytes at the end of a file, where its newest record stands
DOUBLED = int(RecordFlag.DOUBLED)


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup did.

    Attributes:
        path: the file, a str.
        to: its copy, a str.
        sequence: the newest commit that the copy has now, an int.
        commits: how many commits were copied, an int.
        copied: how many bytes were copied, an int.
        size: bytes of the copy.
        whole: why all of the file was copied, a str; "" if the tail was, or nothing.
    """

    path: str
    to: str
    sequence: int
    commits: int
    copied: int
    size: int
    whole: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The attributes by name."""
        return asdict(self)

    def __str__(self) -> str:
        what = f"{self.commits:,} commit{'s' * (self.commits != 1)}, {self.copied:,} bytes"
        done = f"copied {what}" if self.commits else "nothing to copy"
        why = f" (all of the file: {self.whole})" if self.whole else ""
        return f"{self.to}: {done}{why}; it is at commit {self.sequence}"


def backup_file(
    path: str, to: str, since: int | None = None, *, files: Files = FILES, progress: Progress = untold
) -> BackupReport:
    """Make `to` a copy of the newest commit of the file at `path`, and all before it.

    Args:
        path: the file.
        to: the copy; it need not exist.
        since: a commit that the copy must have: then all of the file is never copied.
        files: the file system.
        progress: called with `"backup"`, how many bytes are copied, and how many there are.

    Raises:
        ConflictError: the copy has a commit that the file lacks, or lacks `since`.
        LockedError: something else writes to the copy.
        CorruptionError: what is to be copied is damaged, or the copy is; the copy is as it was.
        StorageError, SyncError: the system refuses; the copy is at the earlier commit.
        ValueError: both paths lead to one file.
    """
    original = _Original(path, files)
    target = os.path.realpath(to)
    lock = WriterLock(target, files=files)
    try:
        try:
            lock.acquire()
        except FileMissingError as problem:
            if since is not None:
                raise ConflictError(f"{to} lacks commit {since}, as there is no such file: {_HOW}") from problem
            return original.copy_whole(to, target, "there was no copy", True, progress)
        if lock.identity == original.identity:
            raise ValueError(f"backup(path, to): {to} is the file itself")
        copy, size, read = newest_locked(lock, files)
        if copy.superblock.uuid != original.found.superblock.uuid:
            _check_replaceable(original, copy, to, since)
            reason = "it was compacted or saved anew since the last backup"
            return original.copy_whole(to, target, reason, False, progress)
        later = original.commits_after(copy.record, to)
        if since is not None and copy.record.sequence < since:
            raise ConflictError(f"{to} lacks commit {since}: its newest is {copy.record.sequence}: {_HOW}")
        cut_torn_tail(lock, files, copy, size, read)
        with syncing(target):  # an earlier backup may have ended before it waited for this, and for the name
            files.sync(lock.fd)
            files.sync_directory(os.path.dirname(target))
        if later:
            _Tail(original, lock, files, copy.record, later, progress).copy()
        end = original.found.record
        copied = end.file_length - copy.record.file_length
        return BackupReport(path, to, end.sequence, len(later), copied, end.file_length)
    finally:
        lock.release()


_HOW = "without `since`, a backup copies what is missing, or all of the file"


def _check_replaceable(original: _Original, copy: Found, to: str, since: int | None) -> None:
    """Refuse to replace a copy of another file if it is later than the file, or if `since` says so."""
    if since is not None:
        raise ConflictError(f"{to} is no copy of {original.path} as it is now, so its tail alone is of no use: {_HOW}")
    newest = original.found.record
    if copy.record.time > newest.time:
        raise ConflictError(
            f"{to} is another file than {original.path}, and its commit {copy.record.sequence} is later than all "
            f"commits of that. Nothing was copied: remove {to} if it may go, or name another file"
        )


class _Original:
    """The file, as its newest commit has it: a writer may go on, or replace it, meanwhile."""

    def __init__(self, path: str, files: Files) -> None:
        self.path = path
        with storing("open", path):
            self._descriptor = Descriptor(files.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)))
            status = files.stat(self._descriptor)
        check_regular(status, path)
        self.identity = status.st_dev, status.st_ino
        self._mode = S_IMODE(status.st_mode)
        self._files = files
        self._size = status.st_size
        tail_at = max(0, self._size - TAIL)
        self._known = with_tail(self.read, self.read(self._size - tail_at, tail_at), tail_at)
        self.found = newest(self._known, self._size, path)

    def read(self, size: int, offset: int) -> bytes:
        """Bytes of the file; fewer only at its end."""
        with storing("read", self.path):
            return self._files.read(self._descriptor, size, offset)

    def commits(self) -> Iterator[Record]:
        """The records from the newest to the first one."""
        found = self.found
        return records_from(self._known, found.record, found.superblock.uuid, self._size, self.path)

    def commits_after(self, record: Record, to: str) -> list[Record]:
        """The records after `record`, in their order; raises `ConflictError` if the file does not have that commit."""
        later: list[Record] = []
        for each in self.commits():
            if each == record:
                return later[::-1]
            if each.sequence <= record.sequence:
                break
            later.append(each)
        raise ConflictError(
            f"{to} has commit {record.sequence}, which {self.path} does not have: something else wrote to one of "
            f"them, or they are the wrong way round. Nothing was copied: remove {to} if it may go, or name another file"
        )

    def blocks(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` to `stop`."""
        while start < stop:
            data = self.read(min(BLOCK, stop - start), start)
            if not data:
                raise TruncatedError("the file shrank while it was copied", path=self.path, offset=start)
            yield data
            start += len(data)

    def copy_whole(self, to: str, target: str, reason: str, is_new: bool, progress: Progress) -> BackupReport:
        """Put a copy of all of the file in the place of `target`."""
        last = self.found.record
        commits = list(self.commits())
        done = Done(progress, "backup", last.file_length)

        def produce(write: Write) -> Record:
            for data in self.blocks(0, last.offset):
                write(data)
                done.add(len(data))
            write(ending(last, self.found.superblock.uuid))
            done.end()
            return last

        def check(fd: int) -> None:
            self.verify(fd, commits, 0)

        replace_file(target, produce, exclusive=is_new, check=check, new_mode=self._mode, files=self._files)
        return BackupReport(self.path, to, last.sequence, len(commits), last.file_length, last.file_length, reason)

    def verify(self, fd: int, commits: list[Record], start: int) -> None:
        """Verify the chunks of commits, as far as they lie behind `start`, in the copy behind the descriptor `fd`.

        Raises:
            CorruptionError: one is damaged.
        """
        last = self.found.record
        with storing("map", self.path):
            map = mmap.mmap(fd, last.file_length, access=mmap.ACCESS_READ)
        found = Found(self.found.superblock, last, None)
        source = Source(memoryview(map), last.file_length, found, self.path, Stats(), map=map)
        sweep = Sweep(source)
        met: set[Reference] = set()
        for record in commits:
            waiting = [record.catalog]
            while waiting:
                ref = waiting.pop()
                if ref in met or ref.offset < start:
                    continue
                met.add(ref)
                chunk = source.read(ref, sweep)
                for problem in check_buffers(chunk, decompress=False):
                    raise problem
                waiting += chunk.refs


def ending(record: Record, uuid: bytes) -> bytes:
    """What a commit ends with: its record, and the copy of that, sealed if the commit waited for the disk."""
    if not record.flags & DOUBLED:
        return commit.pack(record, uuid)
    return commit.pack_twice(record, uuid, sealed=bool(record.flags & RecordFlag.WAITED))


class _Tail:
    """The commits that a copy lacks, on their way into it."""

    def __init__(
        self, original: _Original, lock: WriterLock, files: Files, base: Record, later: list[Record], progress: Progress
    ) -> None:
        self._original = original
        self._lock = lock
        self._files = files
        self._base = base
        self._later = later
        self._done = Done(progress, "backup", later[-1].file_length - base.file_length)

    def copy(self) -> None:
        """Copy them, or leave the copy as it was."""
        start = self._base.file_length
        try:
            self._write_chunks(start)
            self._sync()
            self._original.verify(self._lock.fd, self._later, start)
            for record in self._later:  # one by one: a commit whose earlier ones are not there would have no history
                self._write(ending(record, self._original.found.superblock.uuid), record.offset)
                self._sync()
        except BaseException:
            with suppress(OSError):
                self._files.truncate(self._lock.fd, start)
                self._files.sync(self._lock.fd)
            raise
        self._done.end()

    def _write_chunks(self, position: int) -> None:
        for record in self._later:
            for data in self._original.blocks(position, record.offset):
                self._write(data, position)
                position += len(data)
                self._done.add(len(data))
            self._write(bytes(RECORD_COPY + RECORD.size), position)
            position = record.file_length

    def _write(self, data: bytes, position: int) -> None:
        with storing("write", self._lock.path):
            self._files.write(self._lock.fd, data, position)

    def _sync(self) -> None:
        with syncing(self._lock.path):
            self._files.sync(self._lock.fd)
