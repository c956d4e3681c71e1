"""`Session`: one snapshot to read, one unit of work to commit."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from types import TracebackType
from typing import Any, BinaryIO, NoReturn, Self, TypeVar

from ..codec.compile import struct_for
from ..errors import ClosedError, FileMissingError, NoResultFound, ReadOnlyError, SessionError
from ..format import compression as compressions
from ..lazy.proxy import is_lazy
from ..model.base import Model
from ..storage.mapped import Source
from ..storage.memory import NAME
from ..storage.parallel import check_workers
from ..storage.recovery import Recovered
from ..storage.stats import Stats
from . import changes
from .identity import IdentitySet
from .medium import Durability, Medium
from .merge import check_model, overwrite
from .roots import Root, root_name
from .snapshot import Snapshot, snapshot_of
from .space import owner_of
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
        self._compression = compression
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

    @property
    def snapshot(self) -> Snapshot | None:
        """The commit that this session reads; None where nothing is stored yet."""
        self._check_open()
        source = self._work.source
        return None if source is None else snapshot_of(source)

    @property
    def new(self) -> IdentitySet:
        """The objects that were added since the last commit."""
        self._check_open()
        return IdentitySet(root.obj for root in self._work.roots.values() if self._work.is_new(root))

    @property
    def dirty(self) -> IdentitySet:
        """The stored objects that changed: roots, and lazy objects below any root.

        An object counts as changed if something inside it did. Plain objects inside others are not told apart: ask
        `is_modified`. What is held in memory is compared with the file, so this costs as much as a commit's search.
        """
        self._check_open()
        return IdentitySet(changes.dirty(self._work, self._compression))

    @property
    def deleted(self) -> IdentitySet:
        """The roots that the next commit takes away."""
        self._check_open()
        return IdentitySet(root.obj for root in self._work.deleted.values())

    def is_modified(self, obj: Any) -> bool:
        """Whether the next commit would store `obj`, or anything inside it, other than it is stored.

        Args:
            obj: a root, a lazy object or collection, or a plain object inside one.

        Raises:
            SessionError: `obj` is not of this session.
        """
        self._check_open()
        found = changes.is_modified(self._work, obj, self._compression)
        if found is None:
            raise SessionError(f"this {type(obj).__qualname__} is not part of this session: add it first")
        return found

    def add(self, obj: Model) -> None:
        """Make `obj` the root of its type; `commit` stores it. It stays attached: later changes are stored, too.

        Raises:
            ReadOnlyError: the session was opened read-only.
            TypeError: `obj` is not a `Model`.
            SessionError: `obj` is a lazy object of another session; a copy of it can be added.
        """
        self._check_writable()
        check_model(obj)
        if is_lazy(obj) and owner_of(obj) is not self._work.owner:
            raise SessionError(
                f"this {type(obj).__qualname__} is a lazy object of another session, or one that this session has let "
                "go of (rollback, refresh, expunge, delete): add a copy of it, obj.model_copy(), whose collections "
                "are copied when this session commits"
            )
        self._work.attach(Root(root_name(obj.__class__), obj, struct_for(obj.__class__)))

    def add_all(self, objs: Iterable[Model]) -> None:
        """`add` each of `objs`."""
        for obj in objs:
            self.add(obj)

    def merge(self, obj: M) -> M:
        """Copy the state of `obj` onto the root of its type and return that; without one, a copy of `obj` is added.

        `obj` stays as it is, and part of nothing; lazy objects in it, of any session, are copied whole. Private
        attributes and `model_fields_set` come along; nothing is validated.

        Raises:
            ReadOnlyError, TypeError: as `add`.
        """
        self._check_writable()
        check_model(obj)
        cls: type[M] = obj.__class__
        try:
            root = self.root(cls)
        except NoResultFound:
            new = obj.model_load()
            self.add(new)
            return new
        if root is not obj:
            overwrite(root, obj.model_load())
        return root

    def delete(self, obj: Model) -> None:
        """Take the root `obj` away at the next commit. From now on `root` does not find it; `add` undoes this.

        Raises:
            ReadOnlyError: the session was opened read-only.
            SessionError: `obj` is no root that is stored. One that was added and not committed: `expunge` it.
        """
        self._check_writable()
        root = self._root_of(obj, "deleted")
        if self._work.is_new(root):
            raise SessionError(f"the root {root.name} was not committed yet: to take it back, expunge it")
        self._work.delete(root)

    def expunge(self, obj: Model) -> None:
        """Forget the root `obj`: what becomes of it, and of what is inside it, is not stored. What is stored stays.

        A lazy root drops its unsaved changes, and takes no more (`DetachedError`); one that was added stays as it is.
        `root` then reads anew.

        Raises:
            SessionError: `obj` is no root of this session.
        """
        self._check_open()
        self._work.expunge(self._root_of(obj, "expunged"))

    def _root_of(self, obj: Any, what: str) -> Root:
        root = self._work.root_of(obj)
        if root is None:
            raise SessionError(
                f"only a root of this session can be {what}, and this {type(obj).__qualname__} is none: what lies "
                "inside a root is taken out of the object that holds it"
            )
        return root

    def root(self, cls: type[M]) -> M:
        """The root of type `cls`: the object that was added, else a lazy proxy of the one stored.

        Raises:
            NoResultFound: the file holds no such root, or it was deleted.
            SchemaMismatchError: it was written with another definition of the class.
            TypeError: `cls` is not a `Model` class.
        """
        self._check_open()
        obj: M = self._work.find(root_name(cls), cls, struct_for(cls)).obj
        return obj

    def roots(self) -> list[str]:
        """The names of the root types that are stored or added, and not deleted; sorted."""
        self._check_open()
        return self._work.names()

    def __contains__(self, obj: object) -> bool:
        """Whether changes to `obj` are this session's to store: it is a root, or a lazy object that was read here.

        Of a class: whether there is a root of it.
        """
        self._check_open()
        if isinstance(obj, type):
            return obj.__name__ in self.roots()
        if self._work.root_of(obj) is not None or obj in self.deleted:
            return True
        return is_lazy(obj) and owner_of(obj) is self._work.owner

    def flush(self) -> None:
        """Encode what the next commit would write, and write nothing: a value that does not fit raises here.

        What nobody can know before the commit (a conflict, a full disk) is not found; streams are not read.

        Raises:
            ReadOnlyError: the session was opened read-only.
            EncodeError: a value does not fit its field; the message names the path to it.
        """
        self._check_writable()
        changes.check(self._work, self._compression)

    def commit(self, *, message: str = "") -> None:
        """Store every change to every attached object; without one, write nothing.

        Streams in the objects are read, and lazy values of other sessions copied; in their place stand lazy
        collections of this file afterwards.

        Args:
            message: kept with the commit, and found in `snapshot`.

        Raises:
            ReadOnlyError: the session was opened read-only.
            EncodeError: a value does not fit its field; nothing is stored, the message names the path to it.
            LockedError: another process is writing.
            ConflictError: another session committed since this one opened; nothing is stored.
            StorageError: the disk is full or fails; the file stays at its last commit.
            SyncError: the disk failed while it was waited for, so what it holds is not known; this session takes
                nothing more.
        """
        medium = self._check_writable()
        if not isinstance(message, str):
            raise TypeError(f"the message of a commit is a str, not {message!r:.80}")
        self._work.commit(medium, message)

    def rollback(self) -> None:
        """Drop every change since the last commit: objects show again what is stored of them, and stay attached.

        A root that was added and never committed is no longer part of the session, and stays as it is. Plain lists,
        sets, dictionaries and arrays that were handed out are part of nothing any more: objects give out new ones. So
        are plain models inside a root that was added plain; the root itself, and lazy ones, stay. A lazy
        collection that has no place in what is stored takes no more changes: `DetachedError`.

        After a `ConflictError` the session goes on from the newest commit, as with `refresh()`.
        """
        self._check_open()
        self._work.rollback(self._medium)

    def expire(self, obj: Any) -> None:
        """Drop what was read and assigned of a stored object and all inside it: it shows what is stored.

        Args:
            obj: a root, or a lazy object or collection. Unsaved changes are lost.

        Raises:
            SessionError: `obj` is none of this session, or was not committed yet.
        """
        self._check_open()
        root = self._work.root_of(obj)
        if root is not None and self._work.is_new(root):
            raise SessionError(f"the root {root.name} was not committed yet: there is nothing to read it from")
        if root is None and owner_of(obj) is not self._work.owner:
            raise SessionError(
                f"this {type(obj).__qualname__} is neither a root nor a lazy object of this session, so nothing is "
                "known to be stored of it: expire the object that holds it"
            )
        self._work.expire(obj)

    def expire_all(self) -> None:
        """`expire` every stored root."""
        self._check_open()
        for root in list(self._work.roots.values()):
            if not self._work.is_new(root):
                self._work.expire(root.obj)

    def refresh(self, obj: Any = None) -> None:
        """With `obj`: as `expire`. Without: go on to the newest commit of the file, whoever wrote it.

        Then roots stay the same objects, as do the models and lazy collections that are fields of them, directly or
        below; all show the newest commit. Rows that were taken from lazy collections before are let go of: they take
        no more changes (`DetachedError`), so take them from their collection again.

        Raises:
            SessionError: there are unsaved changes: commit or roll back first.
            StorageError: the file cannot be opened any more.
        """
        if obj is not None:
            self.expire(obj)
            return
        self._check_open()
        if not self.read_only and changes.has_changes(self._work, self._compression):
            raise SessionError("there are unsaved changes, which a refresh() would lose: commit() or rollback() first")
        if self._medium is not None:
            self._work.go_on_to_newest(self._medium)

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
