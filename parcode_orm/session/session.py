"""`Session`: one snapshot to read, one unit of work to commit."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self, TypeVar

from ..codec.compile import struct_for
from ..errors import ClosedError, NoResultFound, ReadOnlyError
from ..format.catalog import CatalogData
from ..model.base import Model
from ..storage.append import Appender
from ..storage.mapped import Source
from ..storage.pipeline import Pipeline
from ..storage.stats import Stats
from ..storage.writer import save_path
from ..table.writer import TableSink, never_reuse
from .reuse import reuse_from
from .roots import Root, attach_streams, holds_stream, read_root, root_changed, root_name, write_roots
from .space import FileSpace

M = TypeVar("M", bound=Model)
Durability = Literal["full", "fast"]


class Session:
    """Reads one snapshot of a file and commits changes to it.

    Args:
        path: a file's path (created by the first commit where it is missing), `":memory:"` for a file that lives as
            long as the session, or, read-only, bytes or a binary file object.
        read_only: refuse `add` and `commit`, and changes through lazy collections.
        compression: `None`, `"lz4"`, `"zstd"`, `"auto"` or a registered name, for fields that do not name their own.
        workers: threads that compress and checksum; 0 writes without any thread, `None` chooses.
        durability: `"full"` waits for the disk at each commit, `"fast"` does not.

    Raises:
        NotAParcodeFile, UnsupportedVersion, CorruptionError: the file cannot be read.
        OSError: the path cannot be opened.

    Not thread-safe: one session a thread.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO,
        *,
        read_only: bool = False,
        compression: str | None = None,
        workers: int | None = None,
        durability: Durability = "full",
    ) -> None:
        self.stats = Stats()
        self._temporary: str | None = None
        self._closed = False
        self._compression = compression
        self._workers = workers
        self._durability: Durability = durability
        self._roots: dict[str, Root] = {}
        self._space: FileSpace | None = None
        named = isinstance(path, str | os.PathLike)
        self.read_only = read_only or not named
        if path == ":memory:":
            descriptor, self._temporary = tempfile.mkstemp(suffix=".par")
            os.close(descriptor)
            os.unlink(self._temporary)
            path = self._temporary
        self._path: str | None = os.fspath(path) if isinstance(path, str | os.PathLike) else None
        if self.read_only or (self._path is not None and os.path.lexists(self._path)):
            self._space = FileSpace(Source.open(path, self.stats), writable=not self.read_only)

    @classmethod
    def open(cls, path: str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO) -> Session:
        """A read-only session; raises FileNotFoundError where there is no file."""
        return cls(path, read_only=True)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("this session is closed: open the file again")

    @property
    def recovered(self) -> str | None:
        """What was found damaged, and left aside, when the file was opened; None after a clean end."""
        return self._space.source.recovered if self._space is not None else None

    def add(self, obj: Model) -> None:
        """Make `obj` the root of its type; `commit` stores it. It stays attached: later changes are stored, too.

        Raises:
            ReadOnlyError: the session was opened read-only.
            TypeError: `obj` is not a `Model`.
        """
        self._check_open()
        self._check_writable()
        if not isinstance(obj, Model):
            raise TypeError(f"a session stores instances of parcode_orm.Model, not {type(obj).__qualname__}")
        name = root_name(type(obj))
        known = self._roots.get(name)
        if known is None or known.obj is not obj:
            self._roots[name] = Root(name, obj, struct_for(obj.__class__))

    def _check_writable(self) -> None:
        if self.read_only:
            raise ReadOnlyError("this session is read-only: open the file with Session(path) to change it")

    def root(self, cls: type[M]) -> M:
        """The root of type `cls`: the object that was added, else a lazy proxy of the one stored.

        Raises:
            NoResultFound: the file holds no such root.
            SchemaMismatchError: it was written with another definition of the class.
        """
        self._check_open()
        name = root_name(cls)
        known = self._roots.get(name)
        if known is None:
            if self._space is None:
                raise NoResultFound(f"no root of type {name}: nothing is stored yet")
            column = struct_for(cls)
            known = Root(name, read_root(self._space, name, column), column)
            self._roots[name] = known
        obj: M = known.obj
        return obj

    def _names(self) -> set[str]:
        stored = self._space.source.catalog.roots if self._space is not None else {}
        return {*self._roots, *stored}

    def roots(self) -> list[str]:
        """The names of the root types that are stored or added, sorted."""
        self._check_open()
        return sorted(self._names())

    def commit(self) -> None:
        """Store every change to every attached object; without one, write nothing.

        Raises:
            ReadOnlyError: the session was opened read-only.
            EncodeError: a value does not fit its field; nothing is stored, the message names the path to it.
            LockedError: another process is writing.
            ConflictError: another session committed since this one opened; nothing is stored.
            StorageError: the disk is full or fails; the file stays at its last commit.
        """
        self._check_open()
        self._check_writable()
        changed = [root for root in self._roots.values() if root_changed(root, self._space, self._compression)]
        if not changed:
            return
        source = self._write(changed)
        if self._space is not None:
            self._space.source.retire()
        self._space = FileSpace(source, writable=True)
        for root in changed:
            if holds_stream(root.obj):
                attach_streams(root.obj, read_root(self._space, root.name, root.column))

    def _write(self, changed: list[Root]) -> Source:
        assert self._path is not None
        options: dict[str, Any] = {
            "durability": self._durability,
            "workers": self._workers,
            "compression": self._compression,
            "stats": self.stats,
        }
        if self._space is None:
            save_path(self._path, self._build(changed), exclusive=True, **options)
            return Source.open(self._path, self.stats)
        with Appender(self._path, self._space.source, **options) as appender:
            appender.commit(self._build(changed)(appender.pipeline))
            return appender.source(self.stats)

    def _build(self, changed: list[Root]) -> Callable[[Pipeline], CatalogData]:
        source = None if self._space is None else self._space.source

        def build(pipeline: Pipeline) -> CatalogData:
            reuse = never_reuse if source is None else reuse_from(source)
            sink = TableSink(pipeline, self._compression, reuse)
            catalog = write_roots(sink, changed, None if source is None else source.catalog)
            self.stats.rows_written += sink.rows_written
            return catalog

        return build

    def rollback(self) -> None:
        """Forget what was added since the last commit, and every object handed out: `root` reads anew."""
        self._check_open()
        self._roots.clear()

    def close(self) -> None:
        """End the session. What proxies have decoded stays with them; touching more raises `DetachedError`."""
        if self._closed:
            return
        self._closed = True
        self._roots.clear()
        if self._space is not None:
            self._space.source.close()
        if self._temporary is not None:
            with suppress(OSError):
                os.unlink(self._temporary)

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[str]:
        return iter(self.roots())

    def __repr__(self) -> str:
        where = ":memory:" if self._temporary else self._path or "bytes"
        return f"<Session {where}{' read-only' if self.read_only else ''}{' closed' if self._closed else ''}>"
