"""`Connection`: how a session opens and closes a file, and the snapshot that it reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, cast

from ..errors import ClosedError, FileMissingError, ReadOnlyError, SessionError, told
from ..format import compression as compressions
from ..lazy.display import table
from ..lazy.shown import visible
from ..model.entity_names import SUFFIX
from ..storage.backend import Backend, Durability
from ..storage.files import check_directory, file_name
from ..storage.mapped import Source
from ..storage.memory import NAME
from ..storage.parallel import check_workers
from ..storage.paths import AnyPath, Content, is_remote
from ..storage.recovery import Recovered
from ..storage.stats import Stats
from ..tuning import TUNING
from .history.commits import At, check_at, earlier
from .history.snapshot import Snapshot, snapshot_of
from .unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from .shrinking import Shrinking

SHOWN, MANY = 5, 50  # names of roots and entities in a line, and in a table
LOCK_TIMEOUT = 5.0  # seconds; what sqlite3 waits


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_options(
    read_only: object,
    durability: object,
    workers: object,
    compression: Any,
    compact_above: Any,
    lock_timeout: Any,
    downgrade: object,
) -> None:
    if not isinstance(downgrade, bool):
        raise TypeError(f"downgrade is True or False, not {told(downgrade)}")
    if not isinstance(read_only, bool):
        raise TypeError(f"read_only is True or False, not {told(read_only)}")
    if compression is not None:
        compressions.check(compression)
    if durability not in ("full", "fast"):
        raise ValueError(f'durability is "full" or "fast", not {told(durability)}')
    check_workers(workers)
    if compact_above is not None and not (_is_number(compact_above) and 0 <= compact_above <= 1):
        raise ValueError(f"compact_above is a share of dead bytes, 0 to 1, or None, not {told(compact_above)}")
    if not (_is_number(lock_timeout) and lock_timeout >= 0):
        raise ValueError(
            f"lock_timeout is how many seconds to wait for another writer, 0 or more, not {told(lock_timeout)}"
        )


def _full_path(path: object, read_only: bool) -> str:
    if path == NAME:
        if read_only:
            raise ReadOnlyError('":memory:" is empty at first, so there is nothing to read: use Session(":memory:")')
        return NAME
    name = path if type(path) is str and path and "\0" not in path else file_name(path, "Session(path)")
    return name if name[0] == os.sep else os.path.abspath(name)  # the working directory may change


class Connection:
    """The opening, the state and the end of a `Session`, which says what the arguments mean.

    A subclass with another `_tuning` writes with other sizes.
    """

    _tuning = TUNING

    def __init__(
        self,
        path: AnyPath | Content,
        *,
        read_only: bool = False,
        at: At | None = None,
        compression: str | None = None,
        workers: int | None = None,
        durability: Durability = "full",
        compact_above: float | None = None,
        lock_timeout: float = LOCK_TIMEOUT,
        downgrade: bool = False,
    ) -> None:
        self._closed = self._ended = True  # until it is open
        self._hooks: dict[str, list[Callable[[Any], object]]] = {}  # functions by event
        self._calling = ""  # the event whose functions are being called
        usual = read_only is True and durability == "full" and workers is None and compression is None
        usual = usual and compact_above is None and lock_timeout is LOCK_TIMEOUT and downgrade is False
        if not usual:  # those of `open` need no check
            _check_options(read_only, durability, workers, compression, compact_above, lock_timeout, downgrade)
        if at is not None:
            check_at(at)
        self._pinned = at is not None  # to that commit, until a refresh
        self.stats = Stats()
        elsewhere = is_remote(path)
        is_path = not elsewhere and (isinstance(path, str) or hasattr(path, "__fspath__"))
        self.read_only = read_only or at is not None or not is_path
        self._compression = compression
        self._compact_above = None if self.read_only else compact_above
        self._shrinking: Shrinking | None = None
        if self._compact_above is not None:
            from .shrinking import Shrinking

            self._shrinking = Shrinking(self._compact_above)
        self._process = os.getpid()
        self._work = UnitOfWork(
            writable=not self.read_only,
            workers=workers,
            compression=compression,
            tuning=self._tuning,
            downgrade=downgrade,
        )
        self._backend: Backend | None = None  # None: bytes, to which nothing is ever written
        self._recovery: Recovered | None = None
        if is_path:
            backend = Backend(
                _full_path(path, self.read_only),
                durability=durability,
                workers=workers,
                compression=compression,
                stats=self.stats,
                lock_timeout=lock_timeout,
            )
            self._backend = backend
            self._work.new_spill = backend.spill
            source = self._newest(backend) if not self.read_only else Source.of_path(backend.path, self.stats)
        elif elsewhere:
            from ..storage.remote import open_remote

            source = open_remote(path, self.stats)
        else:
            source = Source.open(cast(Any, path), self.stats)
        if source is not None:
            self._recovery = source.recovery
            self._work.stand_on(source if at is None else earlier(source, at))
        self._closed = self._ended = False

    def _newest(self, backend: Backend) -> Source | None:
        """The newest commit of a file that may have none yet."""
        if backend.memory is not None:
            return None
        try:
            return backend.newest()
        except FileMissingError:
            check_directory(backend.path)
            return None

    @classmethod
    def open(cls, path: AnyPath | Content, *, at: At | None = None) -> Self:
        """A read-only session.

        Args:
            path: a file's path, a URL or a `Remote` of a file elsewhere, the bytes of a file, or a binary file object.
            at: an earlier commit to read, as in `Session(path, at=...)`; without it the newest.

        Raises:
            FileMissingError: (a `FileNotFoundError`) there is no file.
            NotAParcodeFile, UnsupportedVersion, CorruptionError: the file cannot be read.
            StorageError: it cannot be opened.
            NoResultFound: there is no commit `at`.
            TypeError, ValueError: an argument is none of these.
        """
        return cls(path, read_only=True, at=at)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"this session of {self._called} is closed: open the file again")
        if not self.read_only and self._work.thread.ident != get_ident():
            self._work.thread.check()

    def _check_idle(self, what: str) -> None:
        """Refuse `what` in code that a commit of this session runs, and in functions that it calls at events."""
        if self._calling:
            raise SessionError(
                f"{what} was called by a function that this session calls at {self._calling}: call it before the "
                "commit or rollback, or after"
            )
        if self._work.owner.committing is not None and self._work.is_committing():
            raise SessionError(
                f"{what} was called while this session commits, by code that the commit runs (of a stream, a generator "
                "or a serializer): call it before the commit, or after"
            )

    def _check_writable(self) -> Backend:
        self._check_open()
        backend = self._backend
        if self.read_only or backend is None:
            where = "write them to a file, and open that" if backend is None else "open the file"
            if self._work.source is not None and is_remote(self._work.source.path):
                where = "save(url, obj) replaces the file there; or copy it here, and open the copy"
            raise ReadOnlyError(
                f"this session of {self._called} is read-only: to store changes, {where} with Session(path)"
            )
        if self._process != os.getpid():
            raise SessionError("this session was opened before this process was forked: open the file again here")
        if backend.broken:
            raise SessionError(f"{backend.path}: {backend.broken}; open the file again")
        if self._work.halfway:
            raise SessionError(
                "a rollback(), refresh() or expire() of this session did not end, so its objects may show what was "
                "never stored: call rollback() first"
            )
        return backend

    def hand_over(self) -> None:
        """Let another thread go on with this session: the next one that uses it.

        A session that writes belongs to the first thread that uses it; in any other one its methods raise
        `SessionError`. Making, entering and closing it does not count as use. All threads may read a read-only session:
        there this does nothing.

        Raises:
            SessionError: the session belongs to another thread.
        """
        self._check_open()
        if not self.read_only:
            self._work.thread.hand_over()

    @property
    def recovered(self) -> str | None:
        """What was found damaged, and left aside, when the file was opened: a str; None after a clean end."""
        return None if self._recovery is None else str(self._recovery)

    @property
    def snapshot(self) -> Snapshot | None:
        """The commit that this session reads, a `Snapshot`; None where nothing is stored yet."""
        self._check_open()
        source = self._work.source
        return None if source is None else snapshot_of(source)

    def close(self) -> None:
        """End the session. Its objects are detached: they read on, and change as plain objects do.

        With `compact_above` the file is compacted if more of it is dead, and no other session is writing to it.

        Raises:
            CorruptionError, StorageError: compacting failed; the session is closed, and the file as it was.
        """
        if self._ended:
            return
        if self._calling or self._work.owner.committing is not None:
            self._check_idle("close()")
        try:
            self._close()
        except BaseException:
            self._close()  # after an interrupt, as nobody would call it again
            raise
        if self._backend is not None and self._compact_above is not None and self._process == os.getpid():
            from .compacting import rewriting

            self._backend.compact_if_dead(self._compact_above, rewriting(self._compression, self._tuning))

    def _close(self) -> None:
        self._closed = True
        if not self._ended:
            self._work.close()
            if self._backend is not None:
                self._backend.discard()
            self._ended = True

    def __enter__(self) -> Self:
        if self._closed:
            self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a session cannot be copied or pickled: it holds an open file; open the path again")

    def __repr__(self) -> str:
        if self._closed:
            return f"<Session {self._called} closed>"
        state = " read-only" if self.read_only else ""
        return f"<Session {self._called}{state}, {self._commit_shown}: {self._names_shown(SHOWN)}>"

    def _repr_html_(self) -> str:
        if self._closed:
            return table(["session"], [[repr(self)]], "closed")
        state = "read-only" if self.read_only else "writes"
        rows = [("commit", self._commit_shown), ("access", state), ("holds", self._names_shown(MANY))]
        return table(["session", self._called], rows, "Session")

    def __rich_repr__(self) -> Iterator[Any]:
        yield self._called
        yield "read_only", self.read_only
        if self._closed:
            yield "closed", True
        else:
            yield "commit", None if self._work.source is None else self._work.source.record.sequence
            yield "holds", self._names_shown(SHOWN)

    @property
    def _commit_shown(self) -> str:
        source = self._work.source
        return "no commit" if source is None else f"commit {source.record.sequence}"

    def _names_shown(self, most: int) -> str:
        """The first names of what the session holds: "nothing", "World, Trade entities and 3 more"."""
        names = self._work.names()
        shown = [f"{name.removesuffix(SUFFIX)} entities" if name.endswith(SUFFIX) else name for name in names[:most]]
        more = f" and {len(names) - most} more" if len(names) > most else ""
        return (visible(", ".join(shown), MANY * 80) or "nothing") + more

    @property
    def _called(self) -> str:
        source = self._work.source
        if self._backend is None and source is not None and is_remote(source.path):
            return source.path
        return "bytes" if self._backend is None else self._backend.path
