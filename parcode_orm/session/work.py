"""`Work`: the unit of work of a session. The snapshot it stands on, the roots attached to it, and their commit."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from weakref import ref as weak

from ..errors import ConflictError
from ..format.catalog import CatalogData
from ..lazy.proxy import is_proxy, proxy_state
from ..storage.mapped import Source
from ..storage.pipeline import Pipeline
from ..storage.spill import Spill
from ..table.writer import TableSink, never_reuse
from .attach import moved, rebase, settle
from .medium import Build, Medium
from .release import release
from .reuse import reuse_from
from .roots import Root, State, read_root, root_state, write_roots
from .space import FileSpace, owner_of


class Work:
    """What is attached to a session, and the snapshot that its changes stand on."""

    def __init__(self, *, writable: bool, workers: int | None) -> None:
        self.roots: dict[str, Root] = {}
        self.space: FileSpace | None = None  # None: nothing is stored yet
        self._lives: list[weak[FileSpace]] = []
        self.owner = object()  # stands for the session where a reference to it would make a cycle
        self.stale = False  # another session committed since this one's snapshot
        self.new_spill: Callable[[], Spill] = Spill
        self._writable = writable
        self._workers = workers

    def stand_on(self, source: Source) -> None:
        """Read from `source` from now on."""
        if self.space is not None:
            self.space.source.retire()
        self.space = FileSpace(
            source, writable=self._writable, owner=self.owner, workers=self._workers, new_spill=self.new_spill
        )
        if self._lives:
            self._lives = [life for life in self._lives if life() is not None]
        self._lives.append(weak(self.space))

    @property
    def spaces(self) -> list[FileSpace]:
        """Those of all snapshots that objects of this session stand on."""
        return [space for life in self._lives if (space := life()) is not None]

    def commit(self, medium: Medium) -> None:
        """Store what changed; without a change, write nothing."""
        roots = list(self.roots.values())
        states = [root_state(root, self.space, medium.compression) for root in roots]
        changed = [root for root, state in zip(roots, states, strict=True) if state is State.CHANGED]
        if changed:
            self._write(changed, medium)
        for root, state in zip(roots, states, strict=True):
            if state is not State.SAME:
                self._settle(root)
            release(root.obj)

    def _write(self, changed: list[Root], medium: Medium) -> None:
        sinks: list[TableSink] = []
        base = None if self.space is None else self.space.source
        try:
            source = medium.write(_build(changed, sinks, base, medium.compression), base)
        except ConflictError:
            self.stale = True
            raise
        medium.stats.rows_written += sum(sink.rows_written for sink in sinks)
        self.stand_on(source)
        assert self.space is not None
        for sink in sinks:
            for stored in sink.stored:
                stored.adopt(self.space, moved)

    def _settle(self, root: Root) -> None:
        space = self.space
        assert space is not None
        if is_proxy(root.obj) and owner_of(root.obj) is self.owner:
            rebase(root.obj, *proxy_state(read_root(space, root.name, root.column)))
        settle(root.obj, cache(lambda: read_root(space, root.name, root.column)), self.owner)

    def rollback(self, medium: Medium | None) -> None:
        """Forget what is attached and handed out; after a conflict, go on from the newest commit."""
        self.roots.clear()
        for space in self.spaces:
            space.abandon()
        self._lives.clear()
        if self.space is not None:
            source = self.space.source
            if self.stale and medium is not None:
                source = medium.newest()
                self.stale = False
            self.stand_on(source)

    def close(self) -> None:
        """Let go of everything."""
        self.roots.clear()
        for space in self.spaces:
            space.close()


def _build(changed: list[Root], sinks: list[TableSink], base: Source | None, compression: str | None) -> Build:
    def build(pipeline: Pipeline) -> CatalogData:
        sink = TableSink(pipeline, compression, never_reuse if base is None else reuse_from(base))
        sinks.append(sink)
        return write_roots(sink, changed, None if base is None else base.catalog)

    return build
