"""`Session`: one snapshot to read, one unit of work to commit."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import cache
from types import TracebackType
from typing import Any, BinaryIO, Literal, NoReturn, Self, TypeVar
from weakref import WeakSet

from ..codec.compile import struct_for
from ..errors import (
    ClosedError,
    ConflictError,
    FileMissingError,
    NoResultFound,
    ReadOnlyError,
    SchemaMismatchError,
    SessionError,
)
from ..format import compression as compressions
from ..format.catalog import CatalogData
from ..lazy.proxy import is_lazy, is_proxy, proxy_state
from ..model.base import Model
from ..storage.append import Appender
from ..storage.files import FILES
from ..storage.mapped import Source
from ..storage.memory import NAME, MemoryFile
from ..storage.pipeline import Pipeline
from ..storage.stats import Stats
from ..storage.writer import save_path
from ..table.writer import TableSink, never_reuse
from .attach import moved, rebase, settle
from .release import release
from .reuse import reuse_from
from .roots import Root, State, read_root, root_name, root_state, write_roots
from .space import FileSpace, owner_of, space_of

M = TypeVar("M", bound=Model)
Durability = Literal["full", "fast"]


def _check_options(durability: Any, workers: Any) -> None:
    if durability not in ("full", "fast"):
        raise ValueError(f'durability is "full" or "fast", not {durability!r}')
    if workers is not None and (not isinstance(workers, int) or workers < 0):
        raise ValueError(f"workers is None or a number from 0 on, not {workers!r}")


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
        self._closed = True  # until it is open
        compressions.check(compression)
        _check_options(durability, workers)
        self.stats = Stats()
        self._options: dict[str, Any] = {"workers": workers, "compression": compression, "stats": self.stats}
        self._compression = compression
        self._durability: Durability = durability
        self._process = os.getpid()
        self._poisoned = False
        self._stale = False  # another session committed since this one's snapshot
        self._roots: dict[str, Root] = {}
        self._space: FileSpace | None = None
        self._spaces: WeakSet[FileSpace] = WeakSet()  # of all snapshots that objects of this session stand on
        self._owner = object()  # stands for the session where a reference to it would make a cycle
        self._memory: MemoryFile | None = None
        self._path: str | None = None
        self.read_only = read_only or not isinstance(path, str | os.PathLike)
        self._recovered: str | None = None
        if isinstance(path, str) and path == NAME:
            self._open_memory()
        elif isinstance(path, str | os.PathLike):
            self._open_path(os.fsdecode(path))
        else:
            self._stand_on(Source.open(path, self.stats))
        self._closed = False

    def _open_memory(self) -> None:
        if self.read_only:
            raise ReadOnlyError('":memory:" is empty at first, so there is nothing to read: use Session(":memory:")')
        self._path = NAME
        self._memory = MemoryFile()

    def _open_path(self, path: str) -> None:
        if not path:
            raise FileMissingError(errno.ENOENT, "cannot open: the path is empty")
        self._path = os.path.abspath(path)  # the working directory may change
        try:
            self._stand_on(Source.open(self._path, self.stats))
        except FileMissingError:
            if self.read_only:
                raise

    def _stand_on(self, source: Source) -> None:
        """Read from `source` from now on."""
        if self._space is None:
            self._recovered = source.recovered
        else:
            self._space.source.retire()
        self._space = FileSpace(source, writable=not self.read_only, owner=self._owner)
        self._spaces.add(self._space)

    @classmethod
    def open(cls, path: str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO) -> Session:
        """A read-only session; raises FileNotFoundError where there is no file."""
        return cls(path, read_only=True)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("this session is closed: open the file again")

    def _check_writable(self) -> None:
        self._check_open()
        if self.read_only:
            raise ReadOnlyError("this session is read-only: open the file with Session(path) to change it")
        if self._process != os.getpid():
            raise SessionError("this session was opened before this process was forked: open the file again here")
        if self._poisoned:
            raise SessionError(
                f"{self._path}: the disk failed in a commit, so what it holds is not known; open the file again"
            )

    @property
    def recovered(self) -> str | None:
        """What was found damaged, and left aside, when the file was opened; None after a clean end."""
        return self._recovered

    def _check_addable(self, obj: Any) -> None:
        if not isinstance(obj, Model):
            what = f"the class {obj.__qualname__} itself" if isinstance(obj, type) else type(obj).__qualname__
            raise TypeError(f"a session stores instances of parcode_orm.Model, not {what}")
        if is_lazy(obj) and space_of(obj) not in self._spaces:
            raise SessionError(
                f"this {type(obj).__qualname__} is a lazy object of another session, or of before a rollback: add a "
                "copy of it, obj.model_copy(), whose collections are copied when this session commits"
            )

    def add(self, obj: Model) -> None:
        """Make `obj` the root of its type; `commit` stores it. It stays attached: later changes are stored, too.

        Raises:
            ReadOnlyError: the session was opened read-only.
            TypeError: `obj` is not a `Model`.
            SessionError: `obj` is a lazy object of another session; a copy of it can be added.
        """
        self._check_writable()
        self._check_addable(obj)
        name = root_name(obj.__class__)
        known = self._roots.get(name)
        if known is None or known.obj is not obj:
            self._roots[name] = Root(name, obj, struct_for(obj.__class__))

    def root(self, cls: type[M]) -> M:
        """The root of type `cls`: the object that was added, else a lazy proxy of the one stored.

        Raises:
            NoResultFound: the file holds no such root.
            SchemaMismatchError: it was written with another definition of the class.
            TypeError: `cls` is not a `Model` class.
        """
        self._check_open()
        name = root_name(cls)
        known = self._roots.get(name)
        if known is None:
            if self._space is None:
                raise NoResultFound(f"no root of type {name}: nothing is stored yet")
            column = struct_for(cls)
            known = Root(name, read_root(self._space, name, column), column, read=True)
            self._roots[name] = known
        elif known.obj.__class__ is not cls:
            other = known.obj.__class__
            raise SchemaMismatchError(
                f"the root {name} is in use as a {other.__module__}.{other.__qualname__}, and another class of this "
                f"name, {cls.__module__}.{cls.__qualname__}, was asked for"
            )
        obj: M = known.obj
        return obj

    def roots(self) -> list[str]:
        """The names of the root types that are stored or added, sorted."""
        self._check_open()
        stored = self._space.source.catalog.roots if self._space is not None else {}
        return sorted({*self._roots, *stored})

    def __contains__(self, obj: object) -> bool:
        """Whether changes to `obj` are this session's to store: it is a root, or a lazy object that was read here.

        Of a class: whether there is a root of it.
        """
        self._check_open()
        if isinstance(obj, type):
            return obj.__name__ in self.roots()
        if any(root.obj is obj for root in self._roots.values()):
            return True
        return is_lazy(obj) and space_of(obj) in self._spaces

    def commit(self) -> None:
        """Store every change to every attached object; without one, write nothing.

        Streams in the objects are read, and lazy values of other sessions copied; in their place stand lazy
        collections of this file afterwards.

        Raises:
            ReadOnlyError: the session was opened read-only.
            EncodeError: a value does not fit its field; nothing is stored, the message names the path to it.
            LockedError: another process is writing.
            ConflictError: another session committed since this one opened; nothing is stored.
            StorageError: the disk is full or fails; the file stays at its last commit.
        """
        self._check_writable()
        roots = list(self._roots.values())
        states = [root_state(root, self._space, self._compression) for root in roots]
        changed = [root for root, state in zip(roots, states, strict=True) if state is State.CHANGED]
        if changed:
            sinks: list[TableSink] = []
            try:
                self._stand_on(self._write(changed, sinks))
            except ConflictError:
                self._stale = True
                raise
            self._adopt(sinks)
        for root, state in zip(roots, states, strict=True):
            if state is not State.SAME:
                self._settle(root)
            release(root.obj)

    def _adopt(self, sinks: list[TableSink]) -> None:
        assert self._space is not None
        for sink in sinks:
            for stored in sink.stored:
                stored.adopt(self._space, moved)

    def _settle(self, root: Root) -> None:
        space = self._space
        assert space is not None
        if is_proxy(root.obj) and owner_of(root.obj) is self._owner:
            rebase(root.obj, *proxy_state(read_root(space, root.name, root.column)))
        settle(root.obj, cache(lambda: read_root(space, root.name, root.column)), self._owner)

    def _write(self, changed: list[Root], sinks: list[TableSink]) -> Source:
        assert self._path is not None
        build = self._build(changed, sinks)
        if self._space is not None:
            source = self._append(build, self._space.source)
        elif self._memory is not None:
            source = self._memory.create(build, **self._options)
        else:
            source = self._create(build)
        self.stats.rows_written += sum(sink.rows_written for sink in sinks)
        return source

    def _create(self, build: Callable[[Pipeline], CatalogData]) -> Source:
        """The first commit. What somebody else commits right after it must not pass for it."""
        assert self._path is not None
        uuid = os.urandom(16)
        record = save_path(self._path, build, exclusive=True, uuid=uuid, durability=self._durability, **self._options)
        source = Source.open(self._path, self.stats)
        if source.uuid != uuid:
            source.close()
            raise ConflictError(f"{self._path} was replaced as soon as it was written: open it again")
        if source.record != record:
            source.close()
            source = Source.open(self._path, self.stats, at=record.sequence)
        return source

    def _append(self, build: Callable[[Pipeline], CatalogData], base: Source) -> Source:
        assert self._path is not None
        files = FILES if self._memory is None else self._memory
        with Appender(self._path, base, durability=self._durability, files=files, **self._options) as appender:
            try:
                appender.commit(build(appender.pipeline))
                return appender.source(self.stats)
            except BaseException:
                appender.abort()
                self._poisoned = appender.poisoned
                raise

    def _build(self, changed: list[Root], sinks: list[TableSink]) -> Callable[[Pipeline], CatalogData]:
        source = None if self._space is None else self._space.source

        def build(pipeline: Pipeline) -> CatalogData:
            reuse = never_reuse if source is None else reuse_from(source)
            sink = TableSink(pipeline, self._compression, reuse)
            sinks.append(sink)
            return write_roots(sink, changed, None if source is None else source.catalog)

        return build

    def rollback(self) -> None:
        """Forget what was added since the last commit, and every object handed out: `root` reads anew.

        A lazy object that was forgotten takes no more changes: it raises `DetachedError`. A plain one is no longer
        part of the session. After a `ConflictError` the session goes on from the newest commit, else from its own.
        """
        self._check_open()
        self._roots.clear()
        for space in list(self._spaces):
            space.abandon()
        self._spaces.clear()
        if self._space is not None:
            source = self._space.source
            if self._stale and self._path is not None:
                source = Source.open(self._path, self.stats)
                self._stale = False
            self._stand_on(source)

    def close(self) -> None:
        """End the session. What proxies have decoded stays with them; touching more raises `DetachedError`."""
        if self._closed:
            return
        self._closed = True
        self._roots.clear()
        for space in list(self._spaces):
            space.source.close()
        if self._memory is not None:
            self._memory.discard()

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a session cannot be copied or pickled: it holds an open file; open the path again")

    def __repr__(self) -> str:
        state = " closed" if self._closed else " read-only" if self.read_only else ""
        return f"<Session {self._path or 'bytes'}{state}>"
