"""Whole objects to files, bytes and writers, and back, without a session."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, BinaryIO, Literal, TypeVar
from uuid import UUID

from ..codec.bulk import gc_paused
from ..codec.columns.struct import outermost
from ..codec.types.compile import struct_for
from ..errors import EncodeError, called, told
from ..format.catalog import CatalogData
from ..lazy.proxy import plain_class
from ..model.base import Model
from ..storage.backup import BackupReport, backup_file
from ..storage.compaction import compact_file
from ..storage.files import file_name, is_remote, stream_writer
from ..storage.mapped import Source
from ..storage.parallel import check_workers
from ..storage.pipeline import Pipeline
from ..storage.progress import Progress, untold
from ..storage.writer import save_path, whole_bytes, write_whole
from ..table.row_groups import TableSink
from ..tuning import TUNING, Tuning
from .adding import check_model
from .compacting import rewriting
from .flush import CHANGED, sizes
from .roots import Compared, Root, State, root_group, root_name, write_roots
from .space import FileSpace

M = TypeVar("M", bound=Model)


def build_root(
    obj: Any, compression: str | None, call: str, tuning: Tuning = TUNING
) -> Callable[[Pipeline], CatalogData]:
    """Writes a file with `obj` as its one root; `call` is what the user called.

    Raises:
        TypeError: `obj` is no model.
    """
    check_model(obj, call)
    root = Root(root_name(obj.__class__), obj, struct_for(obj.__class__))

    def build(pipeline: Pipeline) -> CatalogData:
        before = sizes(obj)
        with outermost():
            sink = TableSink(pipeline, compression, tuning=tuning)
            catalog, _ = write_roots(sink, [Compared(root, State.CHANGED)], (), None)
        if sizes(obj) != before:
            raise EncodeError(CHANGED.format(f"this {root.name}"))
        return catalog

    return build


def _identity(uuid: UUID | None, time_ns: int | None) -> dict[str, Any]:
    if uuid is not None and not isinstance(uuid, UUID):
        raise TypeError(f"uuid is a uuid.UUID or None, not {told(uuid)}")
    if time_ns is not None and (type(time_ns) is not int or not -(1 << 63) <= time_ns < 1 << 63):
        raise ValueError(f"time_ns is an int of 64 bits, nanoseconds since 1970, or None, not {told(time_ns)}")
    return {
        "uuid": None if uuid is None else uuid.bytes,
        "clock": None if time_ns is None else lambda: time_ns,
    }


def save(
    path: str | os.PathLike[str],
    obj: Model,
    *,
    compression: str | None = None,
    workers: int | None = None,
    durability: Literal["full", "fast"] = "full",
    uuid: UUID | None = None,
    time_ns: int | None = None,
) -> None:
    """Write `obj` as the one root of a new file that takes the place of `path` at once; open readers keep the old one.

    Args:
        path: where to; what is there stays as it is if anything fails. A text such as `s3://bucket/key`, or a
            `Remote`, is written here first, and then copied there.
        obj: the root; streams in its marked fields are read as they are written.
        compression: `None`, `"lz4"`, `"zstd"`, `"auto"` or a registered name, for fields that do not name their own.
        workers: threads that compress and checksum; 0 starts none, `None` chooses.
        durability: `"full"` returns when the file is on the disk, `"fast"` earlier.
        uuid: the file's identity. With this and `time_ns`, equal input gives equal files.
        time_ns: the time of its commit, in nanoseconds since 1970.

    Raises:
        EncodeError: a value does not fit its field; the message names the path to it.
        LockedError: a session is committing to the file.
        StorageError: the disk is full, the directory is missing, the path is no file.
        TypeError: `obj` is no `Model`, `path` is no path; TypeError, ValueError: another argument is none of these.
        CompressionError, MissingExtraError: the compression is not known, or not installed.
    """
    build = build_root(obj, compression, "save(path, obj)")
    if is_remote(path):
        from ..storage.remote import save_remote

        save_remote(path, build, workers=workers, compression=compression, **_identity(uuid, time_ns))
        return
    path = file_name(path, "save(path, obj)")
    save_path(path, build, durability=durability, workers=workers, compression=compression, **_identity(uuid, time_ns))


def dumps(
    obj: Model,
    *,
    compression: str | None = None,
    workers: int | None = None,
    uuid: UUID | None = None,
    time_ns: int | None = None,
) -> bytes:
    """The bytes of the file that `save` would write.

    Args:
        obj: the root.
        compression: as for `save`.
        workers: as for `save`.
        uuid: as for `save`.
        time_ns: as for `save`.

    Raises:
        EncodeError, TypeError, ValueError: as `save`.
    """
    build = build_root(obj, compression, "dumps(obj)")
    return whole_bytes(build, workers=workers, compression=compression, **_identity(uuid, time_ns))


def write(
    file: object,
    obj: Model,
    *,
    compression: str | None = None,
    workers: int | None = None,
    uuid: UUID | None = None,
    time_ns: int | None = None,
) -> None:
    """Write the file that `save` would write to a binary writer. Nothing is sought, flushed or closed.

    Args:
        file: an object with `write` (a file object, pipe, gzip file) or `sendall` (a socket), or a descriptor.
        obj: the root.
        compression: as for `save`.
        workers: as for `save`.
        uuid: as for `save`.
        time_ns: as for `save`.

    Raises:
        StorageError: for an `OSError` of `file`; its other errors are raised as they are.
        EncodeError, TypeError, ValueError: as `save`; `file` takes text.
    """
    build = build_root(obj, compression, "write(file, obj)")
    write_whole(stream_writer(file), build, workers=workers, compression=compression, **_identity(uuid, time_ns))


def compact(path: str | os.PathLike[str], keep: int = 1, *, progress: Progress | None = None) -> None:
    """Replace a file by one of its `keep` newest commits, without the bytes that only earlier ones use.

    Sessions that read the old file go on reading it; a session that writes to it gets `ConflictError`. The commits keep
    their numbers, times and messages. A single commit is written anew, as large as `save` writes it, where the classes
    of its roots are defined in this program. Otherwise chunks are copied as they are. All that stays is verified.

    Args:
        path: the file's.
        keep: how many commits stay, 1 or more.
        progress: is called now and then with what is done, how many bytes are, and about how many there are: a str and
            two ints.

    Raises:
        LockedError: a session is committing to the file.
        NotAParcodeFile, UnsupportedVersion, CorruptionError: it cannot be read; it is as it was.
        StorageError: the disk is full or fails; the file is as it was.
        SyncError: waiting for the disk failed; the file is the old one or the new one.
        TypeError, ValueError: an argument is none of these.
    """
    compact_file(file_name(path, "compact(path)"), keep, rewrite=rewriting(None), progress=progress or untold)


def backup(
    path: str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    since: int | None = None,
    progress: Progress | None = None,
) -> BackupReport:
    """Make `to` a copy of the file: copy the commits that it lacks, or all of the file if there is no copy yet.

    Others may read and write the file meanwhile: the copy gets the commit that is the newest when the backup begins.
    It holds whole commits at any time, and others may read it. After a crash, the next backup goes on. What is copied
    is verified before it counts. A file that was compacted, or saved anew, is copied whole again, and takes the place
    of the copy at once.

    Args:
        path: the file's.
        to: the copy's. Nothing else may write to it.
        since: the number of a commit that the copy must have: a backup that would copy more than the commits after it
            raises `ConflictError`. Without it, whatever is missing is copied.
        progress: is called now and then with what is done, how many bytes are, and how many there are: a str and two
            ints.

    Returns:
        A `BackupReport`: how many commits and bytes were copied, and why all of the file was.

    Raises:
        ConflictError: the copy has a commit that the file lacks, or is a later, other file; or it lacks `since`.
        LockedError: another backup, or a session, writes to the copy.
        FileMissingError, AccessDeniedError, NotAFileError: one of the two cannot be opened.
        NotAParcodeFile, UnsupportedVersion, CorruptionError: one of the two cannot be read, or a commit to be copied is
            damaged; the copy is as it was.
        StorageError: the disk is full or fails; the copy holds an earlier commit.
        SyncError: waiting for the disk failed; what it holds is not known.
        TypeError, ValueError: an argument is none of these; both paths lead to one file.
    """
    if since is not None and (type(since) is not int or since < 0):
        raise ValueError(f"backup(since=...) is the number of a commit, an int, or None, not {told(since)}")
    source, target = file_name(path, "backup(path, to)"), file_name(to, "backup(path, to)")
    return backup_file(source, target, since, progress=progress or untold)


def load(
    path: str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO,
    cls: type[M],
    *,
    workers: int | None = None,
) -> M:
    """The root of type `cls`, whole: plain objects without ties to the file. Nothing is validated again.

    Args:
        path: a path, the bytes of a file, or a binary file object.
        cls: the root's class.
        workers: threads that decompress row groups ahead (on a free-threaded interpreter they decode them); 0 starts
            none, `None` chooses.

    Raises:
        StorageError: there is no file, or it cannot be opened.
        NotAParcodeFile, UnsupportedVersion, CorruptionError: the file cannot be read.
        NoResultFound: it holds no such root.
        SchemaMismatchError: it holds one of another definition of the class; nothing is lost, see the message.
        DecodeError: a value cannot be built here.
        TypeError, ValueError: an argument is none of these.
    """
    check_workers(workers)
    cls = plain_class(cls)
    if is_remote(path):
        from ..storage.remote import open_remote

        source: Source = open_remote(path)
    else:
        source = Source.open(path)
    try:
        with gc_paused():
            space = FileSpace(source, writable=False, workers=workers, finds_targets=False)
            group = root_group(space, root_name(cls), struct_for(cls))
            obj: M = group.items.read(0, 1)[0]
            return obj
    finally:
        source.close()


def loads(data: bytes | bytearray | memoryview, cls: type[M], *, workers: int | None = None) -> M:
    """The root of type `cls` in `data`, the bytes of a file, as `dumps` gives them.

    `workers` is as for `load`. Raises as `load`, and TypeError where `data` is no bytes.
    """
    given: Any = data
    if not isinstance(given, bytes | bytearray | memoryview):
        hint = ": load(path, cls) reads a path" if isinstance(given, str | os.PathLike) else ""
        raise TypeError(f"loads(data, cls): data is the bytes of a file, not {called(given)}{hint}")
    return load(data, cls, workers=workers)
