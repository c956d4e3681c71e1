"""`Session`: one snapshot to read, one unit of work to commit."""

from __future__ import annotations

import errno
import os
from types import TracebackType
from typing import Any, BinaryIO, NoReturn, Self, TypeVar

from ..codec.compile import struct_for
from ..errors import ClosedError, FileMissingError, NoResultFound, ReadOnlyError, SchemaMismatchError, SessionError
from ..format import compression as compressions
from ..lazy.proxy import is_lazy
from ..model.base import Model
from ..storage.mapped import Source
from ..storage.memory import NAME
from ..storage.parallel import check_workers
from ..storage.recovery import Recovered
from ..storage.stats import Stats
from .medium import Durability, Medium
from .roots import Root, read_root, root_name
from .space import space_of
from .work import Work

M = TypeVar("M", bound=Model)


def _check_options(durability: Any, workers: Any, compression: Any) -> None:
    if compression is not None:
        compressions.check(compression)
    if durability not in ("full", "fast"):
        raise ValueError(f'durability is "full" or "fast", not {durability!r}')
    check_workers(workers)


class Session:
    """Reads one snapshot of a file and commits changes to it.

    Args:
        path: a file's path (created by the first commit where it is missing), `":memory:"` for a file that lives as
            long as the session, or, read-only, bytes or a binary file object.
        read_only: refuse `add` and `commit`, and changes of objects and lazy collections.
        compression: `None`, `"lz4"`, `"zstd"`, `"auto"` or a registered name, for fields that do not name their own.
        workers: threads that compress and checksum, and decompress for `load()`; 0 starts none, `None` chooses.
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
        _check_options(durability, workers, compression)
        self.stats = Stats()
        is_path = isinstance(path, str) or hasattr(path, "__fspath__")
        self.read_only = read_only or not is_path
        self._process = os.getpid()
        self._work = Work(writable=not self.read_only, workers=workers)
        self._medium: Medium | None = None  # None: bytes, to which nothing is ever written
        self._recovery: Recovered | None = None
        if is_path:
            self._begin(path, durability, workers, compression)  # type: ignore[arg-type]
        else:
            self._stand_on(Source.open(path, self.stats))
        self._closed = False

    def _begin(
        self, path: str | os.PathLike[str], durability: Durability, workers: int | None, compression: str | None
    ) -> None:
        memory = path == NAME
        name: Any = os.fspath(path)
        if isinstance(name, bytes):
            name = os.fsdecode(name)
        if memory and self.read_only:
            raise ReadOnlyError('":memory:" is empty at first, so there is nothing to read: use Session(":memory:")')
        if not name:
            raise FileMissingError(errno.ENOENT, "cannot open: the path is empty")
        if name[0] != os.sep and not memory:
            name = os.path.abspath(name)  # the working directory may change
        medium = Medium(name, durability=durability, workers=workers, compression=compression, stats=self.stats)
        self._medium = medium
        self._work.new_spill = medium.spill
        try:
            if not memory:
                self._stand_on(medium.newest())
        except FileMissingError:
            if self.read_only:
                raise

    def _stand_on(self, source: Source) -> None:
        self._recovery = source.recovery
        self._work.stand_on(source)

    @classmethod
    def open(cls, path: str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO) -> Session:
        """A read-only session; raises FileNotFoundError where there is no file."""
        return cls(path, read_only=True)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("this session is closed: open the file again")

    def _check_writable(self) -> Medium:
        self._check_open()
        medium = self._medium
        if self.read_only or medium is None:
            raise ReadOnlyError("this session is read-only: open the file with Session(path) to change it")
        if self._process != os.getpid():
            raise SessionError("this session was opened before this process was forked: open the file again here")
        if medium.broken:
            raise SessionError(f"{medium.path}: {medium.broken}; open the file again")
        return medium

    @property
    def recovered(self) -> str | None:
        """What was found damaged, and left aside, when the file was opened; None after a clean end."""
        return None if self._recovery is None else str(self._recovery)

    def _check_addable(self, obj: Any) -> None:
        if not isinstance(obj, Model):
            what = f"the class {obj.__qualname__} itself" if isinstance(obj, type) else type(obj).__qualname__
            raise TypeError(f"a session stores instances of parcode_orm.Model, not {what}")
        if is_lazy(obj) and space_of(obj) not in self._work.spaces:
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
        known = self._work.roots.get(name)
        if known is None or known.obj is not obj:
            self._work.roots[name] = Root(name, obj, struct_for(obj.__class__))

    def root(self, cls: type[M]) -> M:
        """The root of type `cls`: the object that was added, else a lazy proxy of the one stored.

        Raises:
            NoResultFound: the file holds no such root.
            SchemaMismatchError: it was written with another definition of the class.
            TypeError: `cls` is not a `Model` class.
        """
        self._check_open()
        name = root_name(cls)
        known = self._work.roots.get(name)
        if known is None:
            if self._work.space is None:
                raise NoResultFound(f"no root of type {name}: nothing is stored yet")
            column = struct_for(cls)
            known = Root(name, read_root(self._work.space, name, column), column, read=True)
            self._work.roots[name] = known
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
        stored = self._work.space.source.catalog.roots if self._work.space is not None else {}
        return sorted({*self._work.roots, *stored})

    def __contains__(self, obj: object) -> bool:
        """Whether changes to `obj` are this session's to store: it is a root, or a lazy object that was read here.

        Of a class: whether there is a root of it.
        """
        self._check_open()
        if isinstance(obj, type):
            return obj.__name__ in self.roots()
        if any(root.obj is obj for root in self._work.roots.values()):
            return True
        return is_lazy(obj) and space_of(obj) in self._work.spaces

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
            SyncError: the disk failed while it was waited for, so what it holds is not known; this session takes
                nothing more.
        """
        self._work.commit(self._check_writable())

    def rollback(self) -> None:
        """Forget what was added since the last commit, and every object handed out: `root` reads anew.

        A lazy object that was forgotten takes no more changes: it raises `DetachedError`. A plain one is no longer
        part of the session. After a `ConflictError` the session goes on from the newest commit, else from its own.
        """
        self._check_open()
        self._work.rollback(self._medium)

    def close(self) -> None:
        """End the session. What proxies have decoded stays with them; touching more raises `DetachedError`."""
        if self._closed:
            return
        self._closed = True
        self._work.close()
        if self._medium is not None:
            self._medium.discard()

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
        return f"<Session {'bytes' if self._medium is None else self._medium.path}{state}>"
