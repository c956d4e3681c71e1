"""Whole objects to files, bytes and writers, without a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal
from uuid import UUID

from ..codec.columns.struct import outermost
from ..codec.types.compile import struct_for
from ..errors import EncodeError, told
from ..format.catalog import CatalogData
from ..model.base import Model
from ..storage.files import file_name, stream_writer
from ..storage.paths import AnyPath, is_remote
from ..storage.pipeline import Pipeline
from ..storage.writer import save_path, whole_bytes, write_whole
from ..table.row_groups import TableSink
from ..tuning import TUNING, Tuning
from .adding import check_model
from .flush import CHANGED, sizes
from .roots import Compared, Root, State, root_name, write_roots


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
    path: AnyPath,
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
