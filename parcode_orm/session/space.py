"""`FileSpace` reads one snapshot of a file for views. `Owner` stands for a session: its identity map and its spaces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from sys import modules
from threading import RLock
from typing import Any
from weakref import WeakValueDictionary
from weakref import ref as weak

from ..codec.base import BlobContent, Column, Space, View
from ..codec.columns import poly  # noqa: F401  # here, not in the first read
from ..codec.views import boundary as boundary_view  # noqa: F401  # here, not in the first read
from ..codec.views import build  # noqa: F401  # here, not in the first read
from ..codec.views import struct as structview  # noqa: F401  # here, not in the first read
from ..errors import CorruptionError, DetachedError, ReadOnlyError, SessionError, StorageError
from ..format.chunk import Chunk
from ..format.layout import Reference
from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..lazy.proxy import is_proxy, make_proxy, proxy_state
from ..lazy.rows import TablePairs, TableRows
from ..lazy.spans import SpanPairs, SpanRows
from ..lazy.web import FASTAPI, Encoders, meet_fastapi
from ..stack import home_thread
from ..storage.blob import Blob
from ..storage.mapped import Source
from ..storage.spill import FileOrSpill, Spill, is_spilled
from ..table.row_groups import TableSink
from ..table.table import Table

_watching = RLock()
SWEEP_EVERY = 4096  # proxies handed out
CHANGED_MEANWHILE = (
    "{} was to be changed in one thread while another one commits it, so the change might be lost: change it before "
    "the commit or after, under a lock for both"
)


class Owner:
    """Stands for a session where a reference to it would make a cycle. Its objects belong to families.

    When the `session` has ended, its objects are detached: they read on, and change as plain objects do.
    """

    def __init__(self, session: object = None) -> None:
        self._session = None if session is None else weak(session)
        self.edits = 0  # changes that were begun
        self.committing: int | None = None  # the thread that does
        self._families: list[weak[Family]] = []
        self._views: WeakValueDictionary[Any, Any] = WeakValueDictionary()
        self._groups: WeakValueDictionary[Any, Any] = WeakValueDictionary()

    @property
    def ended(self) -> bool:
        """Whether there is no such session any more."""
        return self._session is None or self._session() is None

    def living(self, group: Any) -> Any:
        """The view of the rows of a row group: that of lazy objects in use whose collection is not, or its own."""
        view = group.items
        key = view.space.source.uuid, view.chunk.where[1], view.at, id(view.column)
        known = self._views.get(key)
        if known is not None and (key in self._groups or known.space.family is not view.space.family):
            return view
        self._groups[key] = group
        return self._views.setdefault(key, view)

    def families(self) -> list[Family]:
        """Those that something still belongs to."""
        found = [family for each in self._families if (family := each()) is not None and family.owner is self]
        with _watching:
            if len(self._families) > 2 * len(found) + 16:
                self._families = list(map(weak, found))
        return found

    def take(self, family: Family) -> None:
        """The objects of `family` are this session's from now on."""
        family.owner = self
        with _watching:
            self._families.append(weak(family))

    def spaces(self) -> list[FileSpace]:
        """Those that something still stands on."""
        return [space for family in self.families() for space in family.spaces()]

    def collections(self) -> list[Any]:
        """The lazy collections that somebody holds, of each family in the order they were handed out."""
        return [each for family in self.families() for each in family.collections()]

    def end(self) -> None:
        """The session ends: each family is detached. What is kept takes no descriptor but one a file."""
        self._session = None
        for family in self.families():
            family.detach()
            for space in family.spaces():
                with suppress(StorageError, CorruptionError):  # a file that was cut: reading says so
                    space.source.settle()


class Family:
    """A root and all that was read below it. A session has families, and takes and gives away whole ones.

    It knows the spaces that its objects stand on, now or before the session let go of them, and the lazy collections
    that it handed out.
    """

    __slots__ = ("__weakref__", "_collections", "_spaces", "_until_spaces", "_until_sweep", "owner")

    def __init__(self, owner: Owner) -> None:
        self._spaces: list[weak[FileSpace]] = []
        self._until_spaces = 16
        self._collections: list[weak[Any]] = []
        self._until_sweep = SWEEP_EVERY
        owner.take(self)

    owner: Owner

    def detach(self) -> None:
        """Belong to no session."""
        Owner().take(self)

    def watch(self, space: FileSpace) -> None:
        """Know a space."""
        with _watching:
            if len(self._spaces) >= self._until_spaces:
                self._spaces = [each for each in self._spaces if each() is not None]
                self._until_spaces = 2 * len(self._spaces) + 16
            self._spaces.append(weak(space))

    def spaces(self) -> list[FileSpace]:
        """Those that something still stands on."""
        return [space for each in self._spaces if (space := each()) is not None and space.family is self]

    def handed(self, collection: Any) -> None:
        """Remember a lazy collection that may be changed."""
        self._collections.append(weak(collection))
        self._until_sweep -= 1
        if not self._until_sweep:
            self._collections = [ref for ref in self._collections if ref() is not None]
            self._until_sweep = max(SWEEP_EVERY, len(self._collections))

    def collections(self) -> list[Any]:
        """Those that somebody holds, in the order they were handed out."""
        return [found for ref in self._collections if (found := ref()) is not None]


class FileSpace:
    """Reads one snapshot of a file through `source`; `writable`: what is handed out may be changed.

    `family`: what it reads belongs to that. Its objects lie on the snapshots of all commits, each a space of its own.
    `workers`: threads for what is read whole; 0 none, None as many as pay. `compression`: that of the session.
    """

    def __init__(
        self,
        source: Source,
        *,
        writable: bool,
        family: Family | None = None,
        workers: int | None = None,
        compression: str | None = None,
        new_spill: Callable[[], Spill] = Spill,
    ) -> None:
        self.source = source
        self.compression = compression
        self.chunk: Callable[[Reference], Chunk] = source.chunk
        self.writable = writable
        self.workers = workers
        self.family = family
        if family is not None:
            family.watch(self)
        self._lives: dict[Any, dict[int, weak[Any]]] = {}
        self._shared = not writable  # whether views of the same rows know the same proxies
        self._until_sweep = SWEEP_EVERY
        self._stats = source.stats
        self._meeting = source.stats.lock  # held where a row becomes an object, which is counted, or ceases to be one
        self._new_spill = new_spill
        self._spills: dict[int, Spill] = {}

    @property
    def owner(self) -> Owner | None:
        """The session, or what stands for none."""
        return None if self.family is None else self.family.owner

    @contextmanager
    def spill(self) -> Iterator[TableSink]:
        """A sink for rows that a commit will take: what is written can be read when the block ends."""
        spill = next((each for each in self._spills.values() if not each.busy), None)
        if spill is None:
            spill = self._new_spill()
            self._take([spill])
        with spill.writing() as pipeline:
            yield TableSink(pipeline, pipeline.compression)

    def _take(self, spills: Iterable[Spill]) -> None:
        self._spills.update((spill.number, spill) for spill in spills)
        self.chunk = FileOrSpill(self.source, self._spills)

    def share(self, other: Space) -> None:
        """Read what was spilled in `other`, an earlier space of the session, as well: a commit came in between."""
        if other is not self and isinstance(other, FileSpace):
            self._take(other._spills.values())

    def check_change(self, what: str) -> None:
        """Raise `ReadOnlyError`, `DetachedError` or `SessionError` where `what` may not be changed."""
        if not self.writable:
            raise ReadOnlyError(f"{what} was opened read-only: open the file with Session(path) to change it")
        owner = self.owner
        if owner is not None:
            if owner.committing is not None and owner.committing != home_thread():
                raise SessionError(CHANGED_MEANWHILE.format(what))
            owner.edits += 1

    def release(self, ref: Reference) -> None:
        """A scan has passed the chunk at `ref`."""
        if not is_spilled(ref):  # spilled chunks are no part of the map
            self.source.release(ref)

    def living(self, group: Any) -> Any:
        """The view of the rows of an opened row group that the session knows already, or the group's own."""
        return group.items if self.family is None else self.family.owner.living(group)

    def count_rows(self, count: int) -> None:
        """Told of rows that are read."""
        self.source.stats.count_rows_read(count)

    def proxy(self, view: Any, row: int) -> Any:
        """The proxy of a row: the same object while anyone holds it, whichever thread asks."""
        known = view.live.get(row)
        found = None if known is None else known()
        if found is None:
            found = make_proxy(view, row)
            ref = weak(found)  # before the lock is taken, as making it may run the cycle collector, and that any code
            with self._meeting:
                live = view.live or self._first(view)
                known = live.setdefault(row, ref)
                if known is not ref:
                    other = known()
                    if other is not None:  # another thread was first
                        return other
                    live[row] = ref
                self._stats.rows_read += 1
                self._until_sweep -= 1
                if not self._until_sweep:
                    self._sweep()
        return found

    def know(self, view: Any, row: int, proxy: Any) -> None:
        """From now on `proxy` is the proxy of this row."""
        ref = weak(proxy)
        with self._meeting:
            live = view.live or self._first(view)
            live[row] = ref

    def _first(self, view: Any) -> dict[int, weak[Any]]:
        """Where the first proxy of a view is to be known.

        In a read-only session all views of the same rows know the same proxies: one thread may close a row group while
        another has yet to take a row of it. In a writable one, two collections that were stored once have rows each.
        """
        live: dict[int, weak[Any]] = view.live
        key = (view.chunk.where[1], view.at) if self._shared else id(live)
        view.live = live = self._lives.setdefault(key, live)
        if view.lively is not None:
            view.lively.add(view.chunk.where[1])
        return live

    def alive(self) -> list[Any]:
        """The proxies that somebody holds; those that stand for another row than they were read from are forgotten."""
        found = []
        with self._meeting:
            for live in self._lives.values():
                for row, ref in list(live.items()):
                    proxy = ref()
                    if proxy is None:
                        continue
                    view, at = proxy_state(proxy)
                    if at == row and view.live is live:
                        found.append(proxy)
                    else:
                        del live[row]
        return found

    def _sweep(self) -> None:
        """Forget the proxies that are gone: else a scan would leave a dead reference for every row it met."""
        alive = 0
        for live in self._lives.values():
            for row in [row for row, ref in live.items() if ref() is None]:
                del live[row]
            alive += len(live)
        self._lives = {key: live for key, live in self._lives.items() if live}
        self._until_sweep = max(SWEEP_EVERY, alive)

    def pin(self, proxy: Any) -> None:
        """Called when a proxy hands out what may change in place, or is changed: its row group keeps it alive.

        A proxy within another object is kept by that one.
        """
        view, row = proxy_state(proxy)
        held = getattr(view, "held", None)
        if held is not None:
            held[row] = proxy

    def lazy_list(self, column: Any, items: View, start: int, stop: int) -> Any:
        """A lazy list over the items `start` to `stop`."""
        return self._handed(LazyList(SpanRows(self, items, start, stop), column))

    def lazy_map(self, column: Any, keys: View, values: View, start: int, stop: int) -> Any:
        """A lazy map over the keys and values `start` to `stop`."""
        return self._handed(LazyMap(SpanPairs(self, keys, values, start, stop), column))

    def lazy_list_table(self, column: Any, ref: Reference) -> Any:
        """A lazy list over a table."""
        return self._handed(LazyList(TableRows(Table(self, ref, column.shape.item)), column))

    def lazy_map_table(self, column: Any, ref: Reference) -> Any:
        """A lazy map over a table."""
        return self._handed(LazyMap(TablePairs(Table(self, ref, column.shape.value, column.shape.key)), column))

    def _handed(self, collection: Any) -> Any:
        if FASTAPI in modules and not Encoders.known:
            meet_fastapi()
        if self.family is not None and self.writable:
            self.family.handed(collection)
        return collection

    def read_list_table(self, ref: Reference, items: Column) -> list[Any]:
        """All rows of a table, plain."""
        return Table(self, ref, items).read()

    def read_map_table(self, ref: Reference, keys: Column, values: Column) -> dict[Any, Any]:
        """All pairs of a table, plain."""
        return Table(self, ref, values, keys).read_map()

    def blob(self, ref: Reference) -> BlobContent:
        """The blob at `ref`, of which nothing is read yet."""
        return Blob(self.chunk(ref))

    def abandon(self) -> None:
        """The session forgets what it handed out: from now on its changes would be lost, so they are refused."""
        self.family = None
        self.__class__ = _Abandoned


class _Abandoned(FileSpace):
    """Code that hands out what may change, or takes a change, asks for `writable`; here, asking raises."""

    @property
    def writable(self) -> bool:  # type: ignore[override]
        raise DetachedError(
            "the session has let go of this object in a rollback() or refresh(), so a change to it would not be "
            "stored: take it from session.root(...) again"
        )


def disown(collection: LazyList[Any] | LazyMap[Any, Any], lost: FileSpace) -> None:
    """Let a lazy collection that is part of nothing any more read through `lost`, which refuses changes."""
    rows = collection.rows
    if isinstance(rows, TableRows):
        rows.table.space = lost
    elif isinstance(rows, SpanRows):
        rows.space = lost


def is_detached(value: Any) -> bool:
    """Whether a lazy value was of a session that has ended, and is nobody's now."""
    space = space_of(value)
    if not isinstance(space, FileSpace) or space.owner is None:
        return False
    return space.owner.ended and space.writable


def file_of(space: Any) -> Any:
    """The file that a space reads, None for bytes: two that are equal are one file."""
    if not isinstance(space, FileSpace) or space.source.identity is None:
        return None
    return space.source.identity, space.source.uuid


def space_of(value: Any) -> Any:
    """What a lazy value is read through; None for a plain one."""
    if is_proxy(value):
        return proxy_state(value)[0].space
    return value.rows.space if isinstance(value, LazyList | LazyMap) else None


def owner_of(value: Any) -> Any:
    """The `Owner` of a lazy value, None without one."""
    return getattr(space_of(value), "owner", None)
