"""`UnitOfWork`: the snapshot that a session reads, the roots attached to it, and their commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ..codec.bulk import gc_paused
from ..codec.columns.struct import StructColumn, outermost
from ..codec.refs import bind
from ..errors import ConflictError, MigrationRequired, NoResultFound, SchemaMismatchError, SessionError
from ..lazy.proxy import is_proxy
from ..model.entity_names import SUFFIX
from ..stack import home_thread
from ..storage.backend import NOT_READ, Backend, Build
from ..storage.mapped import Source
from ..storage.spill import Spill
from ..tuning import TUNING, Tuning
from .dirty import Comparison
from .evict import give_way, release
from .flush import Check, Flush, check_unchanged, seen
from .owner import Family, Owner
from .rebind import moved, rebase, settle, settle_tables
from .refresh import take_on
from .roots import Again, Compared, Root, State, compared, read_root, root_group
from .space import FileSpace, is_detached, owner_of, space_of
from .storing import storing
from .threads import OneThread, runs_within

if TYPE_CHECKING:
    from .savepoint import Savepoint

MANY = 100  # rows: to make so many objects anew without the cycle collector pays
state_of = attrgetter("state")


class UnitOfWork:
    """What is attached to a session, and the snapshot that its changes stand on."""

    def __init__(
        self,
        *,
        writable: bool,
        workers: int | None,
        compression: str | None = None,
        tuning: Tuning = TUNING,
        downgrade: bool = False,
    ) -> None:
        self.roots: dict[str, Root] = {}  # attached, by name
        self.settled: dict[str, Root] = {}  # persisted by the last commit, including any since deleted or replaced
        self.deleted: dict[str, Root] = {}  # stored, until the next commit
        self.named: dict[type, tuple[str, type]] = {}  # by class of entities: name and class of their root
        self.met: dict[type, tuple[str, type]] = {}  # by class: name and class of the root of entities asked for by key
        self.source: Source | None = None  # the snapshot that is read; None: nothing is stored yet
        self.empty: set[str] = set()  # tables that statements asked and the file does not have
        self.owner = Owner(self)
        self._own: Family | None = None  # what belongs to no root
        self._current: dict[Family, FileSpace] = {}  # what reads the snapshot, by what it reads
        self.consumed: list[object] = []  # iterators read by a commit that failed
        self.savepoints: list[Savepoint] = []  # those that are active, each begun within the one before
        self.stale = False  # another session committed since this one's snapshot
        self.released = False  # whether this commit has begun to let go of what is stored
        self.halfway = False  # a rollback, refresh or expire has not ended: it was interrupted
        self.new_spill: Callable[[], Spill] = Spill
        self.writable = writable
        self.downgrade = downgrade
        self.thread = OneThread()
        self._workers = workers
        self._compression = compression
        self.tuning = tuning

    def stand_on(self, source: Source) -> None:
        """Read from `source` from now on, through other spaces than before."""
        if self.source is not None and self.source.cache is not source.cache:
            self.source.retire()
        self.source, self._current = source, {}

    @property
    def space(self) -> FileSpace | None:
        """What reads the snapshot for what belongs to no root; None where nothing is stored yet."""
        if self.source is None:
            return None
        if self._own is None:
            self._own = Family(self.owner)
        return self.space_of(self._own)

    def _go_on(self, source: Source) -> None:
        """Read from `source`, which this session committed, from now on."""
        if self.source is None:
            self.stand_on(source)
            return
        for family, space in self._current.items():
            if not space.go_on(source):
                self._current[family] = self._reading(source, family)
        self.source = source

    def _reading(self, source: Source, family: Family) -> FileSpace:
        return FileSpace(
            source,
            writable=self.writable,
            family=family,
            workers=self._workers,
            compression=self._compression,
            new_spill=self.new_spill,
            tuning=self.tuning,
        )

    def space_of(self, family: Family) -> FileSpace:
        """What reads the snapshot for a family."""
        assert self.source is not None
        found = self._current.get(family)
        return found or self._current.setdefault(family, self._reading(self.source, family))

    def reads_through(self, space: FileSpace) -> bool:
        """Whether objects that `space` gives go on with this session: no refresh left it behind.

        A refresh abandons the spaces of a session that writes. A compaction leaves them to the objects that it moves.
        """
        if space.family is None:
            return False
        return space.writable or self._current.get(space.family, space) is space

    def space_for(self, root: Root) -> FileSpace:
        """What reads the snapshot for the objects of a root."""
        return self.space_of(self._family_of(root))

    def _family_of(self, root: Root) -> Family:
        if root.family is None:
            root.family = Family(self.owner)
        return root.family

    def names(self) -> list[str]:
        """Of the roots that are stored or attached, sorted."""
        stored = {} if self.source is None else self.source.catalog.roots
        return sorted({*self.roots, *stored} - self.deleted.keys())

    def read(self, root: Root) -> Any:
        """A lazy object of the stored root: another one each time, and attached to nothing."""
        return read_root(self.space_for(root), root.name, root.column)

    # -- roots ------------------------------------------------------------------------------------------------------

    def attach(self, added: Iterable[Root]) -> None:
        """Let each of `added` be the root of its name, all at once."""
        roots, deleted = dict(self.roots), dict(self.deleted)
        for root in added:
            for known in (roots.get(root.name), deleted.pop(root.name, None), self.settled.get(root.name), root):
                if known is not None and known.obj is root.obj:
                    roots[root.name] = known
                    break
        self.roots, self.deleted = roots, deleted

    def find(self, name: str, cls: type, column: StructColumn) -> Root:
        """The root of that name, read where it is only stored."""
        known = self.roots.get(name)
        if known is None:
            if self.source is None:
                raise NoResultFound(f"no root of type {name}: nothing is stored yet; add(obj) and commit() store one")
            if name in self.deleted:
                raise NoResultFound(
                    f"no root of type {name}: it was deleted in this session; rollback() or add() of it brings it back"
                )
            if name not in self.source.catalog.roots:
                self._check_kind(name)
            family = Family(self.owner)
            space = self._current[family] = self._reading(self.source, family)
            found = Root(name, read_root(space, name, column), column, read=True, family=family)
            # Of two threads, the first decides.
            known = self.roots.setdefault(name, self.settled.setdefault(name, found))
        elif known.obj.__class__ is not cls:
            other = known.obj.__class__
            used, asked = (f"{each.__module__}.{each.__qualname__}".removesuffix(SUFFIX) for each in (other, cls))
            raise SchemaMismatchError(
                f"{name.removesuffix(SUFFIX)} is in use as {used} in this session, and another class of this name, "
                f"{asked}, was asked for: ask for the first, or in another session"
            )
        return known

    def _check_kind(self, name: str) -> None:
        """Raise MigrationRequired where the file has a root, and the class is of entities now, or the other way round.

        Such a class would find nothing, and what is stored would seem to be gone.
        """
        stored = {} if self.source is None else self.source.catalog.roots
        other = name.removesuffix(SUFFIX) if name.endswith(SUFFIX) else name + SUFFIX
        if name in stored or other not in stored or other in {*self.roots, *self.deleted}:
            return
        was, now = ("a root", "has a Key()") if name.endswith(SUFFIX) else ("entities", "has no Key()")
        cls = name.removesuffix(SUFFIX)
        raise MigrationRequired(
            f"the file has {cls} as {was}, and the class {now} now: a migration must say what becomes of what is "
            "stored (parcode makemigrations)"
        )

    def root_of(self, obj: object) -> Root | None:
        """The attached root that `obj` is."""
        return next((root for root in self.roots.values() if root.obj is obj), None)

    def is_new(self, root: Root) -> bool:
        """Whether the attached root was added since the last commit."""
        return self.settled.get(root.name) is not root

    def delete(self, root: Root) -> None:
        """Take a stored root away at the next commit."""
        roots = {name: each for name, each in self.roots.items() if name != root.name}
        self.roots, self.deleted = roots, {**self.deleted, root.name: root}

    def take_roots(self) -> None:
        """Attached roots that were detached are this session's from now on, with all that is below them.

        Not from `add` on: a rollback before the first commit leaves them as they are.
        """
        for root in self.roots.values():
            if owner_of(root.obj) is not self.owner and is_detached(root.obj):
                root.family = space_of(root.obj).family
                self.owner.take(root.family)

    def check_roots(self) -> None:
        """Raise SessionError where an attached root became another session's."""
        for root in self.roots.values():
            owner = owner_of(root.obj)
            if owner not in (None, self.owner) and not owner.ended:
                raise SessionError(
                    f"the {root.name} that was added became an object of another session before this commit: expunge "
                    "it here, and add a copy of it, obj.model_copy()"
                )

    def expunge(self, root: Root) -> None:
        """Forget a root; what is stored under its name stays."""
        del self.roots[root.name]
        if self.is_new(root):
            settled = self.settled.get(root.name)
            if settled is not None:
                self.roots[root.name] = settled
        else:
            del self.settled[root.name]
        self.detach(root)

    def detach(self, root: Root) -> None:
        """Detach a root that was deleted, expunged or replaced, and all below it: no change of it is stored."""
        if root.family is not None and root.family.owner is self.owner:
            self._current.pop(root.family, None)
            root.family.detach()
        root.family = None

    # -- commit -----------------------------------------------------------------------------------------------------

    def compared(self, compression: str | None, comparison: Comparison) -> list[Compared]:
        """Each attached root with what it is beside the file's."""
        found: list[Compared] = []
        for root in list(self.roots.values()):
            found.append(compared(root, self.space, compression, comparison))
        return found

    def commit(self, backend: Backend, message: str, check: Check) -> None:
        """Store what changed; without a change, write nothing. `check` refuses references that lead to nothing."""
        self.owner.committing = self.thread.ident or home_thread()
        try:
            with outermost():
                self.check_roots()
                storing(self, backend, partial(self._commit, backend, message, check), partial(take_on, self))
        finally:
            self.owner.committing = None

    def is_committing(self) -> bool:
        """Whether a commit of this session runs the code that asks: one that was interrupted may have left its note."""
        return runs_within(UnitOfWork.commit, self)

    def _commit(self, backend: Backend, message: str, check: Check) -> None:
        before = seen(self)
        comparison = Comparison()
        roots = self.compared(backend.compression, comparison)
        if not self.deleted and State.CHANGED not in map(state_of, roots):
            check_unchanged(self, before)
            comparison.forget()
            self.take_roots()
            self._release(roots, {})
            return
        flush = Flush(self, roots, before, comparison, backend.compression, check)
        flush.message = message
        try:
            source = self.append(backend, flush.build)
        except BaseException:
            self.consumed += flush.read
            raise
        self.consumed.clear()
        comparison.forget()
        backend.stats.rows_written += flush.rows_written
        try:
            if flush.rows_written > MANY:
                with gc_paused():
                    self._go_on_from(source, flush, roots)
            else:
                self._go_on_from(source, flush, roots)
        except NOT_READ as problem:
            raise backend.not_read_back(problem) from problem

    def _go_on_from(self, source: Source, flush: Flush, roots: list[Compared]) -> None:
        self.take_roots()
        self._adopt(source, flush)
        self._release(roots, flush.again)

    def _adopt(self, source: Source, flush: Flush) -> None:
        """Stand on what was committed, and let the tables that were written go on from there."""
        for root in self.deleted.values():
            self.detach(root)
        self.deleted.clear()
        self._go_on(source)
        for root in self.roots.values():
            root.settle()
        settle_rows = partial(moved, streamed=bool(flush.read))
        for ref in flush.fresh:
            bind(ref, self.space)
        for stored in flush.stored.values():
            stored.adopt(self._like(stored.table.space), settle_rows)

    def _like(self, space: Any) -> FileSpace:
        """What reads the snapshot for the objects that stand on `space`."""
        family = getattr(space, "family", None)
        if family is not None and family.owner is self.owner:
            return self.space_of(family)
        found = self.space
        assert found is not None
        return found

    def _release(self, roots: list[Compared], again: dict[str, Again]) -> None:
        """Let each root stand for what is stored of it, and go of what need not stay in memory."""
        self.released = True
        self.end_savepoints()  # they hold what is to go
        for root, state, _ in roots:
            found = again.get(root.name)
            if found is not None and found.view.space is self.space_for(root):
                found.adopt()
                settle_tables(root.obj, found.names, self.owner)
            elif state is not State.SAME:
                self._settle(root)
            if owner_of(root.obj) is self.owner:
                release(root.obj)
        for root in self.settled.values():
            if self.roots.get(root.name) is not root:
                self.detach(root)
        self.settled = dict(self.roots)

    def append(self, backend: Backend, build: Build) -> Source:
        """Commit what `build` submits: the new snapshot. After a conflict the session is `stale`."""
        try:
            return backend.write(build, self.source)
        except ConflictError:
            self.stale = True
            raise

    def _settle(self, root: Root) -> None:
        root.read = True
        if not is_proxy(root.obj) or owner_of(root.obj) is self.owner:
            rebase(root.obj, root_group(self.space_for(root), root.name, root.column).items, 0)
            give_way(root.obj)
        settle(root.obj, cache(lambda: self.read(root)), self.owner)

    # -- in memory --------------------------------------------------------------------------------------------------

    def own(self) -> list[FileSpace]:
        """The spaces whose objects are this session's."""
        return self.owner.spaces()

    def lost(self) -> FileSpace:
        """What lazy collections that are part of nothing any more read through; it refuses changes."""
        lost = FileSpace(self.source or self.own()[0].source, writable=True)
        lost.abandon()
        return lost

    def in_memory(self) -> list[object]:
        """The lazy objects and collections of this session that the program holds."""
        return [*self.owner.collections(), *(proxy for space in self.own() for proxy in space.alive())]

    def end_savepoints(self, first: Savepoint | None = None) -> None:
        """End the savepoint `first` and all that began in it; without one, all."""
        at = 0 if first is None else self.savepoints.index(first)
        for savepoint in self.savepoints[at:]:
            savepoint.end()
        del self.savepoints[at:]

    def look_at(self, source: Source) -> FileSpace:
        """A space that reads another commit."""
        return FileSpace(source, writable=False, workers=self._workers)

    def close(self) -> None:
        """Let go of everything."""
        if self.savepoints:
            self.end_savepoints()
        for roots in (self.roots, self.settled, self.deleted):
            roots.clear()
        self.source, self._current = None, {}
        self.owner.end()
