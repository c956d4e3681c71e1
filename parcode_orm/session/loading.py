"""Whole objects from files and bytes, without a session."""

from __future__ import annotations

import os
from typing import Any, TypeVar, cast

from ..codec.bulk import gc_paused
from ..codec.types.compile import struct_for
from ..errors import called
from ..lazy.proxy import plain_class
from ..model.base import Model
from ..storage.mapped import Source
from ..storage.parallel import check_workers
from ..storage.paths import AnyPath, Content, is_remote
from .roots import root_group, root_name
from .space import FileSpace

M = TypeVar("M", bound=Model)


def load(
    path: AnyPath | Content,
    cls: type[M],
    *,
    workers: int | None = None,
) -> M:
    """The root of type `cls`, whole: plain objects without ties to the file. Nothing is validated again.

    Args:
        path: a path, a URL or a `Remote` of a file elsewhere, the bytes of a file, or a binary file object.
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
        source = Source.open(cast(Any, path))
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
