"""`Versions`: the methods of a session that go back to what is stored, or to earlier commits, and look at these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from ..errors import NoResultFound, SessionError
from ..format.commit import Record
from ..model.base import Model
from ..model.entity_names import SUFFIX
from ..storage.backend import Backend
from ..storage.mapped import Source
from .adding import this
from .history.commits import At, content_of, find, snapshots
from .history.snapshot import Snapshot, check_message
from .hooks import Hooks
from .refresh import expire, go_on, refresh, rollback
from .space import FileSpace, owner_of
from .storing import storing
from .unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from .history.diff import Diff
    from .history.feed import Asked, CommitChanges


POLL = 0.5  # seconds from one look at the file to the next, where nothing tells of a change


class Versions(Hooks):
    """The methods of a `Session` that go back to what is stored, or to other commits, look at these, or drop them."""

    def history(self) -> Iterator[Snapshot]:
        """The commits of the file up to the one that this session reads, the newest first.

        They are read one by one, as they are asked for. A file that was saved or compacted begins anew.

        Raises:
            CorruptionError: the next one is damaged; those that came before it can be read.
        """
        self._check_open()
        return iter(()) if self._work.source is None else snapshots(self._work.source)

    def _stored(self) -> Source:
        self._check_open()
        if self._work.source is None:
            raise NoResultFound("nothing is stored yet, so there is no commit")
        return self._work.source

    def _check_leaving(self, what: str) -> None:
        """Refuse to go on to another commit where that would lose something."""
        from . import pending

        self._check_idle(what)
        if not self.read_only and pending.has_changes(self._work, self._compression):
            raise SessionError(f"there are unsaved changes, which a {what} would lose: commit() or rollback() first")
        if self._work.savepoints:
            raise SessionError("a savepoint is active, and what it goes back to is of this commit: end it first")

    def diff(self, a: At | Versions, b: At | Versions | None = None, /, *classes: type[Model]) -> Diff:
        """What changed from commit `a` to commit `b`, field by field, found while the result is iterated.

        What both commits share is not read. Changes that are not committed are not seen.

        Args:
            a: a sequence number, a snapshot, or a datetime with a time zone (the newest commit not later); or a
                session, of this file or of another: the commit that it reads.
            b: the same; without it, the commit that this session reads. Either may be the later one.
            classes: of the roots to compare. Without them all roots are, as the classes that this session uses or, by
                name and schema, as those that this program defines.

        Raises:
            NoResultFound: there is no such commit up to the one that this session reads; the message says which are.
            CorruptionError: damage on the way there.
            SchemaMismatchError: while iterating: a root was written with another definition of its class, or no class
                has its name.
            TypeError, ValueError: `a` or `b` is none of these; a datetime without a time zone.
        """
        from .history.diff import Diff

        in_use = {name: root.obj.__class__ for name, root in self._work.roots.items()}
        return Diff(self._looked_at(a), self._looked_at(self if b is None else b), classes, in_use)

    def changes(
        self, since: At, until: At | None = None, *, classes: Asked | Iterable[Asked] = ()
    ) -> Iterator[CommitChanges]:
        """The commits after `since`, the oldest first, and for each the rows that it inserted, changed and deleted.

        Rows are roots, entities, and rows of lazy collections in these. A commit is compared with the one before it
        while it is iterated, and what both share is not read. An entity whose key changed is a deleted and an inserted
        one. Classes need not be defined here: rows are then objects of classes made of the stored schemas.

        Args:
            since: the commit to go on from: its sequence number, 0 for the state before the first commit; its snapshot,
                which also tells a file that was replaced; or a datetime with a time zone (the newest commit not later).
            until: the last commit to report, in the same way; without it, the one that this session reads. `refresh()`
                goes on to commits of other sessions.
            classes: report these alone: a class, the name of one, or several of them.

        Returns:
            An iterator of `CommitChanges`, each of which gives `RowChange` objects. A commit that changed nothing in
            `classes` comes too, and is empty.

        Raises:
            CommitGone: the file does not hold `since` any more. Read all of it again, and go on from there.
            NoResultFound: there is no commit `until`.
            CorruptionError: damage on the way there.
            TypeError, ValueError: an argument is none of these; a datetime without a time zone.
        """
        from .history.feed import Readers, commits_after, feed, names_of_asked

        source = self._stored()
        names, asked = names_of_asked(classes)
        base, records = commits_after(source, since, source.record if until is None else find(source, until))
        newest = self._work.look_at(source.at(source.record))
        in_use = {name: root.obj.__class__ for name, root in self._work.roots.items()}
        readers = Readers({**in_use, **asked}, newest)
        return feed(base, records, newest, self._work.look_at, readers, names, self._check_open)

    def watch(self, *, timeout: float | None = None, poll: float = POLL) -> Iterator[Snapshot]:
        """Wait for commits of other sessions, in this process or another: the newest one, whenever there is another.

            for snapshot in session.watch():
                session.refresh()

        This session stays on its commit until `refresh()`: a refresh changes what your objects show, so it is yours to
        call. If several commits come between two looks, only the newest is given: `changes()` tells all. What this
        session reads or commits itself is not given, nor is a compaction, which makes no commit. A file that is
        replaced by `save` is, and so is the first commit of a file that does not exist yet.

        Args:
            timeout: how many seconds without a commit end the iteration; 0 looks once. None: it does not end.
            poll: how many seconds at most pass between two looks at the file. Where the system tells of changes
                (inotify), a commit is found at once; elsewhere, and on network file systems, after so long.

        Returns:
            An iterator of `Snapshot`, which waits. `next(session.watch(timeout=5), None)` is one of them, or None.

        Raises:
            SessionError: the session was opened `at` an earlier commit, or reads bytes or `":memory:"`: nobody commits
                to these.
            ClosedError: while waiting: the session was closed.
            NotAParcodeFile, UnsupportedVersion, CorruptionError, StorageError: while waiting: what is there now cannot
                be read.
            ValueError: an argument is no number of seconds.
        """
        from .watching import check_seconds, watched

        self._check_open()
        if timeout is not None:
            check_seconds("timeout", timeout, at_least=0)
        check_seconds("poll", poll, at_least=0.001)
        backend = self._backend
        if backend is None or backend.memory is not None:
            raise SessionError(f"nobody else commits to {self._called}: only a file can be watched")
        if self._pinned:
            raise SessionError(
                f"this session of {self._called} was opened at a commit, which does not change: refresh() goes on to "
                "the newest, or open the file without at="
            )
        return watched(backend.path, lambda: self.snapshot, timeout, poll)

    def _looked_at(self, given: At | Versions) -> FileSpace:
        """A space that reads a commit, or what a session reads."""
        if isinstance(given, Versions):
            source = given._stored()
            return given._work.look_at(source.at(source.record))
        source = self._stored()
        return self._work.look_at(source.at(find(source, given)))

    def revert(self, to: At, /, *, message: str | None = None) -> None:
        """Commit what an earlier commit held. Only a catalog and a record are written: the rest is in the file.

        Objects of the session show it then, as after `refresh()`. Nothing is lost: the commits in between stay, and
        `revert` can go back to them. Where the content is the same already, nothing is written.

        Args:
            to: a sequence number, a snapshot, or a datetime with a time zone (the newest commit not later).
            message: kept with the commit; without one it says which commit this goes back to.

        Raises:
            ReadOnlyError: the session was opened read-only.
            SessionError: there are unsaved changes, or a savepoint is active: commit or roll back first.
            NoResultFound, CorruptionError, TypeError, ValueError: as `diff`.
            LockedError, ConflictError, StorageError, SyncError: as `commit`.
        """
        backend = self._check_writable()
        if message is not None:
            check_message(message)
        record = find(self._stored(), to)
        self._check_leaving("revert()")
        before = self._work.source
        _revert(self._work, backend, record, f"revert to commit {record.sequence}" if message is None else message)
        if self._work.source is not before:
            self._call("after_commit")

    def compact(self, *, keep: int = 1) -> None:
        """Replace the file by one of its `keep` newest commits, without the bytes that only earlier ones use.

        Whoever reads the old file goes on reading it; another session that writes to it gets `ConflictError`. This
        session goes on in the new one, and so do all its objects. A single commit is written anew, so that the file is
        as large as one that `save` writes; the chunks of several are copied as they stand. All that stays is verified.

        Args:
            keep: how many commits stay, with their numbers, times and messages.

        Raises:
            ReadOnlyError: the session was opened read-only.
            SessionError: there are unsaved changes, or a savepoint: commit or roll back first.
            LockedError, ConflictError: another session is writing, or has committed since this one opened.
            CorruptionError: something that would be copied is damaged; the file is as it was.
            StorageError: the disk is full or fails; the file is as it was.
            SyncError: waiting for the disk failed; this session takes nothing more.
        """
        from ..storage.compaction import check_keep
        from .shrinking import compact

        backend = self._check_writable()
        check_keep(keep)
        self._check_leaving("compact()")
        compact(self._work, backend, keep)

    def rollback(self) -> None:
        """Drop every change since the last commit: objects show again what is stored of them, and stay attached.

        A root that was added and never committed leaves the session and stays as it is. Plain lists, sets, dictionaries
        and arrays are replaced by new ones, as are models inside a plain list or dictionary in a marked field; earlier
        ones no longer belong to the session. Lazy objects stay. A lazy collection that is not part of what is stored
        takes no more changes: `DetachedError`.

        After a `ConflictError` the session goes on from the newest commit, as with `refresh()`.
        """
        self._check_idle("rollback()")
        self._check_open()
        rollback(self._work, self._backend)
        self._call("after_rollback")

    def expire(self, obj: object) -> None:
        """Drop what was read of, and assigned to, a stored object and all inside it: it shows again what is stored.

        Args:
            obj: a root, or a lazy object or collection. Unsaved changes are lost.

        Raises:
            SessionError: `obj` is not part of this session, or was not committed yet.
        """
        self._check_open()
        root = self._work.root_of(obj)
        if root is not None and self._work.is_new(root):
            raise SessionError(f"the root {root.name} was not committed yet: to take it back, expunge it")
        if root is None and owner_of(obj) is not self._work.owner:
            raise SessionError(
                f"{this(obj)} is neither a root nor a lazy object of this session, so nothing is known to be stored "
                "of it: expire the object that holds it"
            )
        expire(self._work, obj)

    def expire_all(self) -> None:
        """`expire` every stored root and entity. Unsaved changes are lost, and so is which entities came or went."""
        self._check_open()
        for root in list(self._work.roots.values()):
            if not self._work.is_new(root):
                expire(self._work, root.obj)
            elif root.name.endswith(SUFFIX):
                root.drop_pending()
                self._work.expunge(root)

    def refresh(self, obj: object = None) -> None:
        """With `obj`: as `expire`. Without: go on to the newest commit of the file, whoever wrote it.

        Roots stay the same objects, as do the models and lazy collections that are fields of them, directly or below;
        all show the newest commit. Rows that were taken from lazy collections before take no more changes
        (`DetachedError`): take them from their collection again.

        Args:
            obj: what to expire, as of `expire`.

        Raises:
            SessionError: there are unsaved changes, or a savepoint is active: commit or roll back first.
            StorageError: the file cannot be opened any more.
        """
        if obj is not None:
            self.expire(obj)
            return
        self._check_idle("refresh()")
        self._check_open()
        self._check_leaving("refresh()")
        if self._backend is not None:
            refresh(self._work, self._backend)
            self._pinned = False


def _revert(work: UnitOfWork, backend: Backend, record: Record, message: str) -> None:
    """Commit the content of `record`, an earlier commit, and stand on it; without a difference, write nothing."""
    assert work.source is not None
    content = content_of(work.source, record, message)
    if content is not None:
        storing(
            work, backend, lambda: go_on(work, work.append(backend, lambda pipeline: content)), partial(go_on, work)
        )
