"""Maps of files, and open files: one for all snapshots of a file that this process reads.

A map lives as long as any view into it, and before CPython 3.13 each map has a descriptor. So a
program that keeps a row of each of a thousand closed sessions would have a thousand files open.

Commits are appended, and a map shows the file as it is. So the map of one snapshot serves every
other snapshot that ends within it. The snapshots of sessions that are open share one descriptor.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
from functools import partial
from typing import Any
from weakref import ref as weak

from ..errors import TruncatedError
from .files import Descriptor, storing

Identity = tuple[int, int]  # device and inode: no other file gets them while the map or the descriptor lives


class OpenFile:
    """A file that snapshots read, by its `descriptor`. The last of them closes it."""

    __slots__ = ("__weakref__", "descriptor")
    descriptor: Descriptor

    @property
    def fd(self) -> int:
        """The number of its descriptor."""
        return int(self.descriptor)


_OPTIONS: dict[str, Any] = {"trackfd": False} if sys.version_info >= (3, 13) else {}
_known: dict[Identity, weak[mmap.mmap]] = {}  # the longest map of each file
_open: dict[Identity, weak[OpenFile]] = {}  # some of files that are closed again
MANY = 64  # files that are open, or were: from here on the closed ones are forgotten
mapping = threading.RLock()  # reentrant: the cycle collector may run any code in the thread that maps


def known_map(identity: Identity) -> mmap.mmap | None:
    """The map of a file that this process still reads, or None."""
    found = _known.get(identity)
    return None if found is None else found()


def open_file(file: Descriptor | OpenFile, identity: Identity) -> OpenFile:
    """The open file of `identity` in this process; without one, a new one from `file`."""
    if isinstance(file, OpenFile):
        return file
    known = _open.get(identity)
    found = None if known is None else known()
    if found is not None:
        return found
    if len(_open) >= MANY:
        for each, ref in list(_open.items()):
            if ref() is None:
                _forget(_open, each, ref)
    found = OpenFile()
    found.descriptor = file
    _open[identity] = weak(found)
    return found


def map_file(fd: int, length: int, identity: Identity, path: str) -> mmap.mmap:
    """A map of at least the first `length` bytes of the file behind `fd`. Do not close it.

    Raises:
        TruncatedError: the file is shorter.
        StorageError: it cannot be mapped.
    """
    with mapping, storing("map", path):
        known = known_map(identity)
        if known is not None and len(known) >= length and os.fstat(fd).st_size >= length:
            return known
        try:
            map = mmap.mmap(fd, length, access=mmap.ACCESS_READ, **_OPTIONS)
        except ValueError as problem:
            raise TruncatedError("the file shrank since it was opened", path=path, offset=length) from problem
        if known is None or len(known) < length:
            _known[identity] = weak(map, partial(_forget, _known, identity))
        return map


def _forget(known: dict[Identity, Any], identity: Identity, gone: Any) -> None:
    if known.get(identity) is gone:
        known.pop(identity, None)
