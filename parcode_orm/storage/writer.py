"""Writing a file whole: to any binary writer, or over a path by rename."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..errors import ConflictError, FileMissingError
from ..format import catalog as catalogs
from ..format import commit, superblock
from ..format.catalog import CatalogData
from ..format.commit import Record
from ..format.encoder import Buffer
from ..format.layout import CHUNK_ALIGN, RECORD, SUPERBLOCK, RecordFlag
from .files import FILES, Files, check_regular, storage_error, storing, syncing
from .lock import WriterLock
from .pipeline import Pipeline
from .stats import Stats

Build = Callable[[Pipeline], CatalogData]
Clock = Callable[[], int]
Write = Callable[[Buffer], None]


def write_whole(
    write: Callable[[Buffer], None],
    build: Build,
    *,
    uuid: bytes | None = None,
    clock: Clock | None = None,
    workers: int | None = None,
    compression: str | None = None,
    stats: Stats | None = None,
) -> Record:
    """Write a file of one commit through `write`, from first to last byte.

    Args:
        write: writes all bytes it gets (see `files.stream_writer`).
        build: submits the chunks to the pipeline and returns the catalog.
        uuid: 16 bytes for the new file; random by default.
        clock: gives nanoseconds since 1970; the system's by default.
        workers: as for `Pipeline`.
        compression: for chunks that name none.
        stats: counts what is written.

    Raises the errors of `build` and `write`. All threads have ended then.
    """
    if uuid is None:
        uuid = os.urandom(16)
    pipeline = Pipeline(write, 0, workers, compression, stats=stats)
    output = pipeline.output
    try:
        output.put(superblock.pack(uuid))
        ticket = pipeline.submit(catalogs.encode(build(pipeline), pipeline))
        pipeline.close()
        chunks_end = output.position
        offset = output.put(align=CHUNK_ALIGN)
        length = offset + RECORD.size
        assert ticket.reference is not None
        record = Record(
            sequence=1,
            previous=0,
            offset=offset,
            file_length=length,
            time=(clock or time.time_ns)(),
            flags=int(RecordFlag.WHOLE_FILE),
            live=length,
            dead=0,
            catalog=ticket.reference,
        )
        output.put(commit.pack(record, uuid))
        output.flush()
        pipeline.stats.bytes_written += SUPERBLOCK.size + output.position - chunks_end
    finally:
        pipeline.abort()
    return record


def whole_bytes(
    build: Build,
    *,
    uuid: bytes | None = None,
    clock: Clock | None = None,
    workers: int | None = None,
    compression: str | None = None,
    stats: Stats | None = None,
) -> bytes:
    """The bytes of a file of one commit; arguments as for `write_whole`."""
    parts: list[bytes] = []
    write_whole(
        lambda part: parts.append(bytes(part)),
        build,
        uuid=uuid,
        clock=clock,
        workers=workers,
        compression=compression,
        stats=stats,
    )
    return b"".join(parts)


def save_path(
    path: str | os.PathLike[str],
    build: Build,
    *,
    durability: str = "full",
    exclusive: bool = False,
    lock: WriterLock | None = None,
    files: Files = FILES,
    **options: Any,
) -> Record:
    """Write a new file of one commit, which replaces `path` at once.

    `path`, `durability`, `exclusive`, `lock`, `files` and the errors are those of `replace_file`. `build`
    and the other `options` are those of `write_whole`.
    """
    own: WriterLock | None = None
    target = os.path.realpath(os.fspath(path))
    if lock is None and not exclusive:
        with suppress(FileMissingError):
            own = WriterLock.take(target, write=False, files=files)
    try:
        return replace_file(
            target,
            lambda write: write_whole(write, build, **options),
            durability=durability,
            exclusive=exclusive,
            files=files,
        )
    finally:
        if own is not None:
            own.release()


def replace_file(
    target: str,
    produce: Callable[[Write], Record],
    *,
    durability: str = "full",
    exclusive: bool = False,
    check: Callable[[int], object] | None = None,
    new_mode: int | None = None,
    files: Files = FILES,
) -> Record:
    """Replace the file at the real path `target` by the one that `produce` writes. Readers keep the old file.

    If anything fails, the old file stays as it was. The new file gets its permission bits. If there is
    an old file, the caller holds its lock.

    Args:
        target: the file to write or replace.
        produce: writes a whole file through the function that it gets, and returns its newest record.
        durability: `"full"` waits until file and name are on the disk. `"fast"` waits for the content if it
            replaces a file: otherwise a crash could leave neither. Without an old file it does not wait.
        exclusive: raise `ConflictError` if the path exists by the time the file is complete.
        files: the file system.

    Raises:
        LockedError: another session writes to the file.
        StorageError: the disk is full, the directory is missing or not writable, the path is no file.
        SyncError: waiting for the disk failed. If it was the wait for the directory, the new file is there,
            and may be gone after a crash.
    """
    temporary = ""
    fd = -1
    try:
        mode = _mode(target)
        temporary = _beside(target)  # named before it is made, so that no interrupt leaves it behind
        with storing("create a file beside it", target):
            fd = files.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            bits = new_mode if mode is None else mode
            if bits is not None:
                files.chmod(fd, bits)

        position = 0

        def write(data: Buffer) -> None:
            nonlocal position
            with storing("write", target):
                files.write(fd, data, position)
            position += memoryview(data).nbytes

        record = produce(write)
        if check is not None:
            check(fd)
        if durability == "full" or mode is not None:
            with syncing(target):
                files.sync(fd)
        with storing("write", target):
            closing, fd = fd, -1
            files.close(closing)
        _publish(temporary, target, exclusive, files)
        temporary = ""
        if durability == "full":
            with syncing(target):
                files.sync_directory(os.path.dirname(target))
        return record
    finally:
        if fd >= 0:
            with suppress(OSError):
                files.close(fd)
        if temporary:
            with suppress(OSError):
                files.remove(temporary)


def _mode(target: str) -> int | None:
    """The permission bits of the old file; None if there is none."""
    try:
        status = os.stat(target)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise storage_error(problem, "write", target) from problem
    check_regular(status, target)
    return stat.S_IMODE(status.st_mode)


def _beside(target: str) -> str:
    directory, name = os.path.split(target)
    return os.path.join(directory, f".{name[:100]}.{os.urandom(6).hex()}.tmp")


def _publish(temporary: str, target: str, exclusive: bool, files: Files) -> None:
    if not exclusive:
        with storing("write", target):
            files.rename(temporary, target)
        return
    try:
        files.link(temporary, target)
    except OSError as problem:
        if isinstance(problem, FileExistsError) or os.path.lexists(target):
            raise _taken(target) from problem
        _claim_and_rename(temporary, target, files)
        return
    with suppress(OSError):  # the file is in place, even if its other name stays
        files.remove(temporary)


def _claim_and_rename(temporary: str, target: str, files: Files) -> None:
    """Publish without hard links: an empty file takes the name, and is replaced under its lock."""
    with storing("write", target):
        try:
            claim = files.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError as problem:
            raise _taken(target) from problem
        files.close(claim)
    lock = WriterLock.take(target, files=files)
    try:
        with storing("write", target):
            if files.stat(lock.fd).st_size:
                raise _taken(target)
            try:
                files.rename(temporary, target)
            except OSError:
                files.remove(target)
                raise
    finally:
        lock.release()


def _taken(target: str) -> ConflictError:
    return ConflictError(f"{target} was created by another program in between; nothing was written")
