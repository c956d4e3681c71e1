"""Opening what `verify` and `inspect` look at."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..storage.files import check_regular, file_name, storing
from ..storage.mapped import FLAGS, check_binary, content_of
from ..storage.paths import Content, LocalPath
from ..storage.recovery import Read


class Opened(NamedTuple):
    """A file to look at: its name, how its bytes are read, its size, and what a `Source` opens."""

    name: str
    read: Read
    size: int
    file: Any


@contextmanager
def opened(path: LocalPath | Content, call: str) -> Iterator[Opened]:
    """Open a path, the bytes of a file, or a binary file object. `call` spells the public function.

    Raises:
        FileMissingError, AccessDeniedError, NotAFileError, StorageError: the file cannot be opened or read.
        TypeError: `path` is none of these.
    """
    if not isinstance(path, str | os.PathLike):
        if isinstance(path, bytes | bytearray | memoryview):
            view = memoryview(path).cast("B").toreadonly()
        else:
            check_binary(path)
            view = content_of(path)
        yield Opened("", lambda size, offset: bytes(view[offset : offset + size]), len(view), view)
        return
    name = file_name(path, call)
    with storing("open", name):
        fd = os.open(name, FLAGS)
    try:
        with storing("read", name):
            status = os.fstat(fd)
            check_regular(status, name)
            file = io.FileIO(fd, "rb", closefd=False)
            file.name = name  # messages name it
            yield Opened(name, lambda size, offset: os.pread(fd, size, offset), status.st_size, file)
    finally:
        os.close(fd)
