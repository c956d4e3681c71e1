"""`UnitOfWork`: the snapshot that a session reads, the roots attached to it, and their commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from ..codec.bulk import gc_paused
from ..codec.columns.struct import outermost
from ..errors import ConflictError, FileMissingError, NoResultFound, SchemaMismatchError, SessionError
from ..format.catalog import CatalogData
from ..lazy.proxy import is_proxy, proxy_state
from ..model.entities import SUFFIX
from ..stack import home_thread
from ..storage.backend import Backend, Build
from ..storage.mapped import Source
from ..storage.pipeline import Pipeline
from ..storage.spill import Spill
from ..table.row_groups import TableSink
from ..table.state import known_rows
from ..tuning import TUNING, Tuning
from .dirty import Comparison
from .evict import give_way, release, release_below
from .expire import Follow, Reset
from .flush import Seen, check_unchanged, flush, seen
from .interrupts import storing, take_on
from .rebind import attach, moved, rebase, settle
from .reuse import reuse_from
from .roots import Compared, Root, State, compared, read_root, root_group
from .space import Family, FileSpace, Owner, is_detached, owner_of, space_of
from .threads import OneThread, runs_within
from .traversal import walk

if TYPE_CHECKING:
    from .savepoint import Savepoint


class UnitOfWork:
    """What is attached to a session, and the snapshot that its changes stand on."""

    def __init__(
        self, *, writable: bool, workers: int | None, compression: str | None = None, tuning: Tuning = TUNING
    ) -> None:
        self.roots: dict[str, Root] = {}  # attached, by name
        self.settled: dict[str, Root] = {}  # persisted by the last commit, including any since deleted or replaced
        self.deleted: dict[str, Root] = {}  # stored, until the next commit
        self.space: FileSpace | None = None  # None: nothing is stored yet
        self.source: Source | None = None  # the snapshot that `space` reads
        self.owner = Owner(self)
        self._own = Family(self.owner)  # what belongs to no root
        self._current: dict[Family, FileSpace] = {}  # what reads the snapshot, by what it reads
        self.consumed: list[Any] = []  # iterators read by a commit that failed
        self.savepoints: list[Savepoint] = []  # those that are active, each begun within the one before
        self.stale = False  # another session committed since this one's snapshot
        self.released = False  # whether this commit has begun to let go of what is stored
        self.halfway = False  # a rollback, refresh or expire has not ended: it was interrupted
        self.new_spill: Callable[[], Spill] = Spill
        self.writable = writable
        self.thread = OneThread()
        self._workers = workers
        self._compression = compression
        self.tuning = tuning

    def stand_on(self, source: Source) -> None:
        """Read from `source` from now on."""
        if self.source is not None and self.source.cache is not source.cache:
            self.source.retire()
        self._current = {}
        self.space, self.source = self._reading(source, self._own), source

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
        assert self.space is not None
        if family is self._own:
            return self.space
        if family not in self._current:
            self._current.setdefault(family, self._reading(self.space.source, family))
        return self._current[family]

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
        return read_root(self.space_of(self._family_of(root)), root.name, root.column)

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

    def find(self, name: str, cls: type[Any], column: Any) -> Root:
        """The root of that name, read where it is only stored."""
        known = self.roots.get(name)
        if known is None:
            if self.space is None:
                raise NoResultFound(f"no root of type {name}: nothing is stored yet; add(obj) and commit() store one")
            if name in self.deleted:
                raise NoResultFound(
                    f"no root of type {name}: it was deleted in this session; rollback() or add() of it brings it back"
                )
            family = Family(self.owner)
            found = Root(name, read_root(self.space_of(family), name, column), column, read=True, family=family)
            # Of two threads, the first decides.
            known = self.roots.setdefault(name, self.settled.setdefault(name, found))
        elif known.obj.__class__ is not cls:
            other = known.obj.__class__
            raise SchemaMismatchError(
                f"the root {name} is in use as a {other.__module__}.{other.__qualname__}, and another class of this "
                f"name, {cls.__module__}.{cls.__qualname__}, was asked for: ask for the first, or in another session"
            )
        return known

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
        return [compared(each, self.space, compression, comparison) for each in list(self.roots.values())]

    def commit(self, backend: Backend, message: str) -> None:
        """Store what changed; without a change, write nothing."""
        self.owner.committing = home_thread()
        try:
            with outermost():
                self.check_roots()
                storing(self, backend, partial(self._commit, backend, message), partial(take_on, self))
        finally:
            self.owner.committing = None

    def is_committing(self) -> bool:
        """Whether a commit of this session runs the code that asks: one that was interrupted may have left its note."""
        return self.owner.committing is not None and runs_within(UnitOfWork.commit, self)

    def _commit(self, backend: Backend, message: str) -> None:
        before = seen(self)
        comparison = Comparison()
        roots = self.compared(backend.compression, comparison)
        changed = [each for each in roots if each.state is State.CHANGED]
        if not self.deleted and not changed:
            check_unchanged(self, before)
            comparison.forget()
            self.take_roots()
            self._go_on_from(roots)
            return
        source, sink = self._write(changed, before, comparison, backend, message)
        with backend.reading_back(), gc_paused():
            self.take_roots()
            self._adopt(source, sink)
            self._go_on_from(roots)

    def _go_on_from(self, roots: list[Compared]) -> None:
        self.released = True
        self.end_savepoints()  # they hold what `release` is to let go of
        for root, state, _ in roots:
            if state is not State.SAME:
                self._settle(root)
            if owner_of(root.obj) is self.owner:
                (release if state is State.SAME else release_below)(root.obj)
        replaced = [root for root in self.settled.values() if self.roots.get(root.name) is not root]
        self.settled = dict(self.roots)
        for root in replaced:
            self.detach(root)

    def _write(
        self, changed: list[Compared], before: Seen, comparison: Comparison, backend: Backend, message: str
    ) -> tuple[Source, TableSink]:
        sinks: list[TableSink] = []

        def build(pipeline: Pipeline) -> CatalogData:
            reuse = reuse_from(base, self.owner, comparison)
            sinks.append(TableSink(pipeline, backend.compression, reuse, self.consumed, self.tuning))
            catalog = flush(self, sinks[-1], changed, message)
            check_unchanged(self, before)
            return catalog

        base = self.source
        try:
            source = self.append(backend, build)
        except BaseException:
            self.consumed += [each for sink in sinks for each in sink.read]
            raise
        self.consumed.clear()
        comparison.forget()
        backend.stats.rows_written += sinks[-1].rows_written
        return source, sinks[-1]

    def _adopt(self, source: Source, sink: TableSink) -> None:
        """Stand on what was committed, and let the tables that were written go on from there."""
        for root in self.deleted.values():
            self.detach(root)
        self.deleted.clear()
        self.stand_on(source)
        for root in self.roots.values():
            root.settle()
        settle_rows = partial(moved, streamed=bool(sink.read))
        for stored in sink.stored.values():
            stored.adopt(self._like(stored.table.space), settle_rows)

    def _like(self, space: object) -> FileSpace:
        """What reads the snapshot for the objects that stand on `space`."""
        family = space.family if isinstance(space, FileSpace) else None
        return self.space_of(self._own if family is None or family.owner is not self.owner else family)

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
            rebase(root.obj, root_group(self.space_of(self._family_of(root)), root.name, root.column).items, 0)
            give_way(root.obj)
        settle(root.obj, cache(lambda: self.read(root)), self.owner)

    # -- going back and on ------------------------------------------------------------------------------------------

    def rollback(self, backend: Backend | None) -> None:
        """Everything is again as it was committed; after a conflict, as in the newest commit."""
        self.halfway = True
        self.end_savepoints()
        for root in self.roots.values():
            if self.is_new(root):  # a savepoint took it
                self.detach(root)
        for root in [*self.roots.values(), *self.settled.values()]:
            root.drop_pending()
        self.roots = dict(self.settled)
        self.deleted.clear()
        if self.stale and backend is not None:
            self.go_on(backend.newest())
        elif self.space is not None:
            for root in self.roots.values():
                self._make_lazy(root)
            Reset(self.owner).everything([root.obj for root in self.roots.values()], self.own(), self.lost())
        self.halfway = False

    def own(self) -> list[FileSpace]:
        """The spaces whose objects are this session's."""
        return self.owner.spaces()

    def lost(self) -> FileSpace:
        """What lazy collections that are part of nothing any more read through; it refuses changes."""
        lost = FileSpace(self.source or self.own()[0].source, writable=True)
        lost.abandon()
        return lost

    def in_memory(self) -> list[Any]:
        """The lazy objects and collections of this session that somebody holds."""
        return [*self.owner.collections(), *(proxy for space in self.own() for proxy in space.alive())]

    def end_savepoints(self, first: Savepoint | None = None) -> None:
        """End the savepoint `first` and all that began in it; without one, all."""
        at = 0 if first is None else self.savepoints.index(first)
        for savepoint in self.savepoints[at:]:
            savepoint.end()
        del self.savepoints[at:]

    def _make_lazy(self, root: Root) -> None:
        """A root that was added plain, and is stored: from now on it is the lazy object of what is stored."""
        if not is_proxy(root.obj) or owner_of(root.obj) is not self.owner:
            attach(root.obj, *proxy_state(self.read(root)))
            root.read = True

    def expire(self, obj: Any) -> None:
        """Drop what was read and assigned of a stored root, or of a lazy object or collection."""
        self.halfway = True
        root = self.root_of(obj)
        if root is not None:
            root.drop_pending()
            self._make_lazy(root)
        reset = Reset(self.owner)
        alive: list[Any] = []
        if root is not None:  # rows that somebody holds may be in no collection any more, which was replaced
            others = {id(each) for other in self.roots.values() if other is not root for each in walk(other.obj)}
            alive = [proxy for space in self.own() for proxy in space.alive() if id(proxy) not in others]
        if is_proxy(obj):
            reset.object(obj)
        else:
            reset.collection(obj)
        for proxy in alive:
            reset.object(proxy)
        self.halfway = False

    def go_on_to_newest(self, backend: Backend) -> None:
        """Stand on the newest commit; without another one, all stays as it is."""
        if self.space is None and backend.memory is not None:
            return
        try:
            source = backend.newest()
        except FileMissingError:
            if self.space is not None:
                raise
            return  # nothing is stored yet
        here = self.source
        if here is not None and (here.uuid, here.record) == (source.uuid, source.record):
            source.close()
        else:
            self.go_on(source)

    def go_on(self, source: Source) -> None:
        """Stand on another commit: roots, and the models and collections that are their fields, show it in place."""
        self.stale = self.halfway = True  # until all is done: a rollback finishes what an interrupt leaves
        self.end_savepoints()  # their objects stood on the commit before
        before = self.own()
        self.stand_on(source)
        self.owner.forget_views()
        roots: dict[str, Root] = {}
        follow = Follow(self.owner)
        for root in self.roots.values():
            try:
                found = self.read(root)
            except (NoResultFound, SchemaMismatchError):  # `root` will say so when it is asked for
                continue
            in_use = self._entities_in_use(root)
            follow.object(root.obj, found)
            for key, obj in in_use:
                if (there := root.obj.rows.get(key)) is not None:
                    follow.object(obj, there)
            root.read = True
            root.settle()
            roots[root.name] = root
        self.roots, self.settled = roots, dict(roots)
        if self.writable:
            for space in before:
                space.abandon()
        self.stale = self.halfway = False

    def _entities_in_use(self, root: Root) -> list[tuple[Any, Any]]:
        """The lazy entities of a root that somebody holds, with their keys. What is pending is dropped."""
        if not root.name.endswith(SUFFIX) or not is_proxy(root.obj):
            return []
        rows = root.obj.rows
        Reset(self.owner).collection(rows)
        return [(key, obj) for key, obj in known_rows(rows.rows.table) if is_proxy(obj)]

    def look_at(self, source: Source) -> FileSpace:
        """A space that reads another commit."""
        return FileSpace(source, writable=False, workers=self._workers)

    def close(self) -> None:
        """Let go of everything."""
        self.end_savepoints()
        for roots in (self.roots, self.settled, self.deleted):
            roots.clear()
        self.space, self.source, self._current = None, None, {}
        self.owner.end()
