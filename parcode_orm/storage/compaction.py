"""Compaction: a new file with the newest commits replaces a file. It lacks what only earlier commits use.

Chunks are copied as they stand. Only their references change, and so the checksums of their heads.
Chunks that several commits share are copied once. A single commit may be written anew instead: a
`Rewrite` gives its catalog.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import islice
from typing import TypeVar

from ..errors import ParcodeError, StorageError, told
from ..format import catalog as catalogs
from ..format import commit, superblock
from ..format.catalog import CatalogData
from ..format.commit import Record
from ..format.encoder import Buffer
from ..format.layout import CHUNK_ALIGN, RECORD, RECORD_ALIGN, RECORD_COPY, RecordFlag, Reference
from .append import check_stands_on, newest_locked
from .copier import Copier
from .files import FILES, Descriptor, Files, storing
from .lock import WriterLock
from .mapped import Source
from .pipeline import Pipeline
from .progress import Done, Progress, untold
from .stats import Stats
from .usage import record_bytes, released
from .writer import Write, replace_file

T = TypeVar("T")
Rewrite = Callable[[Source, Pipeline, Callable[[Reference], Reference]], CatalogData]
"""Writes what a source holds anew: told where to, and what copies a chunk with all below it as they stand."""


def check_keep(keep: int) -> None:
    """Raise `ValueError` unless `keep` is a number of commits."""
    if type(keep) is not int or not 1 <= keep < 1 << 62:
        raise ValueError(f"keep is how many commits are kept, 1 or more, not {told(keep)}")


def compact_file(
    path: str | os.PathLike[str],
    keep: int = 1,
    *,
    rewrite: Rewrite | None = None,
    base: Source | None = None,
    uuid: bytes | None = None,
    lock: WriterLock | None = None,
    timeout: float = 0.0,
    files: Files = FILES,
    progress: Progress = untold,
) -> Record:
    """Replace the file at `path` by one of its `keep` newest commits, or of all if there are fewer.

    Readers of the old file go on reading it. If anything fails, the file stays as it was.

    Args:
        path: the file.
        keep: how many commits.
        rewrite: as for `write_compacted`.
        base: the snapshot that the caller has read, if any: it must be the newest.
        uuid: of the new file; random by default.
        lock: acquire this lock; the caller knows it before it is held.
        timeout: seconds to wait for the lock.
        files: the file system.
        progress: called with `"compact"`, how many bytes are written, and about how many there will be.

    Raises:
        LockedError: a session is committing to the file.
        ConflictError: `base` is not its newest commit.
        CorruptionError: a chunk to be copied is damaged.
        ReadOnlyError: the file has features that this version cannot write.
        StorageError, SyncError: as for `save_path`.
    """
    check_keep(keep)
    target = os.path.realpath(os.fspath(path))
    lock = lock or WriterLock(target, files=files)
    try:
        lock.acquire(write=False, timeout=timeout)
        found, _, _ = newest_locked(lock, files)
        if base is not None:
            check_stands_on(base, lock, found)
        found.superblock.check_writable(target)
        with storing("map", target):
            descriptor = Descriptor(os.dup(lock.fd))
        source = Source(descriptor, found.record.file_length, found, target, Stats(), lock.identity)
        try:
            return anew_or_copied(
                lambda rewrite: replace_file(
                    target, lambda write: write_compacted(write, source, keep, uuid, rewrite, progress), files=files
                ),
                rewrite,
            )
        finally:
            source.close()
    finally:
        lock.release()


class NotRewritten(Exception):
    """A commit cannot be written anew here; it can be copied."""


def anew_or_copied(produce: Callable[[Rewrite | None], T], rewrite: Rewrite | None) -> T:
    """The result of `produce` with `rewrite`, or without it if the commit cannot be written anew."""
    if rewrite is not None:
        try:
            return produce(rewrite)
        except NotRewritten:
            pass
    return produce(None)


def write_compacted(
    write: Write,
    source: Source,
    keep: int,
    uuid: bytes | None = None,
    rewrite: Rewrite | None = None,
    progress: Progress = untold,
) -> Record:
    """Write the `keep` newest commits, up to that of `source`, as a file; return the newest record.

    With `rewrite` a single commit is written anew.

    Raises:
        NotRewritten: the commit cannot be written anew; the bytes written so far are of no use.
    """
    check_keep(keep)
    records = list(islice(source.records(), keep))
    done = Done(progress, "compact", source.record.live if keep == 1 else source.record.file_length)
    return _Compaction(write, source, uuid or os.urandom(16), done).commits(records[::-1], rewrite)


class _Compaction:
    def __init__(self, write: Write, source: Source, uuid: bytes, done: Done) -> None:
        self._source = source
        self._write = write
        self._uuid = uuid  # another one: places in the old file must not pass for places in this one
        self._pipeline = Pipeline(self._put, 0, 0)
        self._copier = Copier(source, self._pipeline)
        self._done = done

    def commits(self, records: list[Record], rewrite: Rewrite | None) -> Record:
        """Write the whole file; `records` are in order, the oldest first."""
        old = self._source.superblock
        output = self._pipeline.output
        output.put(superblock.pack(self._uuid, compatible=old.compatible))
        if rewrite is not None and len(records) == 1:
            self._anew(rewrite)
        last: Record | None = None
        before: Record | None = None
        for record in records:
            referred = self._copier.copy_below(record.catalog)
            dead = 0
            if last is not None and before is not None:
                size, _ = released(self._source, before.catalog, referred)
                dead = last.dead + record_bytes(last) + size
            last, before = self._record(record, last, dead), record
        self._pipeline.close()
        self._done.end()
        assert last is not None
        return last

    def _anew(self, rewrite: Rewrite) -> None:
        try:
            data = rewrite(self._source, self._pipeline, self._copier.copy)
        except StorageError:
            raise
        except ParcodeError as problem:
            raise NotRewritten from problem
        ticket = self._pipeline.submit(catalogs.encode(data, self._pipeline))
        assert ticket.reference is not None
        self._copier.places[self._source.record.catalog] = ticket.reference

    def _record(self, old: Record, last: Record | None, dead: int) -> Record:
        output = self._pipeline.output
        first = last is None
        offset = output.put(align=CHUNK_ALIGN if first else RECORD_ALIGN)
        end = offset + RECORD.size + (0 if first else RECORD_COPY)
        record = Record(
            sequence=old.sequence,
            previous=0 if last is None else last.offset,
            offset=offset,
            file_length=end,
            time=old.time,
            flags=int(RecordFlag.WHOLE_FILE if first else RecordFlag.DOUBLED | RecordFlag.COPIED),
            live=end - dead,
            dead=dead,
            catalog=self._copier.places[old.catalog],
        )
        output.put((commit.pack if first else commit.pack_twice)(record, self._uuid))
        return record

    def _put(self, data: Buffer) -> None:
        self._write(data)
        size = memoryview(data).nbytes
        self._copier.sweep(size)
        self._done.add(size)
