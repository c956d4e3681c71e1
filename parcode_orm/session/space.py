"""`FileSpace` reads one snapshot of a file for views, and is the identity map of what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from sys import modules
from typing import Any
from weakref import ref as weak

from ..codec.base import BlobContent, Column, Space, View
from ..codec.columns.boundary import ChunkColumn
from ..codec.evolution.defaults import GENERATED
from ..errors import DetachedError, NoResultFound, ReadOnlyError, SessionError, told
from ..format.chunk import Chunk
from ..format.layout import Reference
from ..lazy.handles import COLLECTIONS
from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..lazy.proxy import STATE, VALUES, enter_proxy, forget_dead, is_proxy, make_proxies, make_proxy, meet, proxy_state
from ..lazy.rows import TablePairs, TableRows
from ..lazy.spans import SpanPairs, SpanRows
from ..lazy.state import RowView
from ..lazy.web import FASTAPI, Encoders, meet_fastapi
from ..model.plain import LazyModel
from ..model.references import entities_seen
from ..native import accelerated
from ..stack import home_thread
from ..storage.blob import Blob
from ..storage.mapped import Source
from ..storage.spill import SPILLED, FileOrSpill, Spill, is_spilled
from ..storage.stats import Stats
from ..table.row_group import Group
from ..table.row_groups import TableSink
from ..table.table import Table
from ..tuning import TUNING, Tuning
from .owner import SWEEP_EVERY, Family, Owner

ROWS_READ = Stats.__dict__["rows_read"]
CHANGED_MEANWHILE = (
    "{} was to be changed in one thread while another one commits it, so the change might be lost: change it before "
    "the commit or after, under a lock for both"
)


class FileSpace:
    """Reads one snapshot of a file through `source`; `writable`: what is handed out may be changed.

    `family`: what it reads belongs to that. It goes on with the commits of its session; a refresh makes another one.
    `workers`: threads for what is read whole; 0 none, None as many as pay. `compression`, `tuning`: the session's.
    `finds_targets`: references that are read here find their targets, and so keep the file open.
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
        tuning: Tuning = TUNING,
        finds_targets: bool = True,
    ) -> None:
        self.finds_targets = finds_targets
        self.source = source
        self.cache = source.cache
        self.compression = compression
        self.tuning = tuning
        self.chunk: Callable[[Reference], Chunk] = source.chunk
        self.writable = writable
        self.workers = workers
        self.family = family
        if family is not None:
            family.watch(self)
        self.tables: dict[type[object], Any] = {}  # entities by key, as this commit has them, for objects on it
        self._lives: dict[object, dict[int, weak[object]]] = {}
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
        from .schemas import subclasses_known

        spill = next((each for each in self._spills.values() if not each.busy), None)
        if spill is None:
            spill = self._new_spill()
            self._take([spill])
        with spill.writing() as pipeline:
            sink = TableSink(pipeline, pipeline.compression, tuning=self.tuning)
            sink.newest = subclasses_known(self.source)
            yield sink
        spill.schemas.update(sink.learned)
        for cls, keys in sink.referred.items():
            spill.referred.setdefault(cls, set()).update(keys)

    def _take(self, spills: Iterable[Spill]) -> None:
        self._spills.update((spill.number, spill) for spill in spills)
        self.chunk = FileOrSpill(self.source, self._spills)

    def end_spills(self) -> None:
        """Let the temporary files end after a rollback, unless the program holds an object that lies in one."""
        if self._spills and not any(proxy_state(each)[0].chunk.where[1] >= SPILLED for each in self.alive()):
            self._spills, self.chunk = {}, self.source.chunk

    def go_on(self, source: Source) -> bool:
        """Read `source` from now on, a later commit of the same file. Return whether it does.

        Not if it has spilled: its temporary files are to end with what refers to them.
        """
        if self._spills:
            return False
        self.source, self.chunk = source, source.chunk
        return True

    def share(self, other: Space) -> None:
        """Read what was spilled in `other`, an earlier space of the session, as well: a commit came in between."""
        if other is not self and isinstance(other, FileSpace):
            self._take(other._spills.values())

    def upgraded(self, schema: int | str, columns: Sequence[Column]) -> Sequence[Column]:
        """The columns that read rows of another schema, named by a row group or a fingerprint, as those of `columns`.

        Raises:
            SchemaMismatchError: the file does not have the schema, or a migration must say how.
        """
        from .schemas import schemas_of

        return schemas_of(self.source).upgraded(schema, columns)

    def made(self, fingerprint: str, base: type) -> type | None:
        """A class made of the stored schema with this fingerprint, where `base` was made of one, too; else None."""
        if base.__module__ != GENERATED:
            return None
        from ..model.generated import derived_class
        from .schemas import schemas_of

        stored = schemas_of(self.source).stored(fingerprint)
        return None if stored is None else derived_class(stored[0], base)

    def learned(self) -> dict[str, bytes]:
        """The schemas, by their fingerprints, that sinks of spills have learned."""
        found: dict[str, bytes] = {}
        for spill in self._spills.values():
            found.update(spill.schemas)
        return found

    def referred(self) -> dict[type[object], set[Any]]:
        """The keys of entities, by class, to which what was spilled refers."""
        found: dict[type[object], set[Any]] = {}
        for spill in self._spills.values():
            for cls, keys in spill.referred.items():
                found.setdefault(cls, set()).update(keys)
        return found

    def check_change(self, what: str) -> None:
        """Raise `ReadOnlyError`, `DetachedError` or `SessionError` where `what` ("list") may not be changed."""
        if not self.writable:
            raise ReadOnlyError(f"this {what} was opened read-only: open the file with Session(path) to change it")
        if self.family is not None and (owner := self.family.owner) is not None:
            if owner.committing is not None and owner.committing != home_thread():
                raise SessionError(CHANGED_MEANWHILE.format(f"this {what}"))
            owner.edits += 1

    def release(self, ref: Reference, refs: Iterable[Reference]) -> None:
        """The row group at `ref`, which refers to `refs`, was closed."""
        if ref.offset < SPILLED:  # spilled chunks are no part of the map
            self.source.release(ref, refs)

    def heads(self, refs: Sequence[Reference]) -> list[Chunk | None]:
        """The chunks at `refs`, for a caller that keeps them; None for those that were spilled."""
        stored = [ref for ref in refs if not is_spilled(ref)]
        self.source.expect(stored)
        chunks: list[Any] = self.source.read_all(stored, self._stats.count_bytes_read)
        self._stats.count_chunk_read(len(chunks))
        following = iter(chunks).__next__
        return chunks if len(chunks) == len(refs) else [None if is_spilled(ref) else following() for ref in refs]

    def fill(self, places: Sequence[tuple[int, int, int]], out: memoryview) -> bool:
        """Read stretches of the file into `out`: offset, size, checksum of each. False if one is not as it is to be."""
        return self.source.fill(places, out)

    def living(self, group: Group) -> View:
        """The view of the rows of an opened row group that the session knows already, or the group's own."""
        return group.items if self.family is None else self.family.owner.living(group)

    def entity(self, cls: type[object], key: Any) -> object:
        """The entity of `cls` with this key, to which a reference that was read here leads.

        Raises:
            NoResultFound: there is none.
        """
        if (found := self.entities(cls).get(key)) is None:
            raise NoResultFound(f"a reference leads to the {cls.__qualname__} with the key {told(key)}: there is none")
        return found

    def is_of_file(self, other: Any) -> bool:
        """Whether this space and `other` read one file, perhaps at different commits."""
        return bool(self.source.uuid == other.source.uuid)

    def entities(self, cls: type[object]) -> Mapping[Any, object]:
        """The entities of `cls` by key, as the objects that are read here see them."""
        found: Mapping[Any, object] = entities_seen[0](self, cls)
        return found

    def count_rows(self, count: int) -> None:
        """Told of rows that are read."""
        self.source.stats.count_rows_read(count)

    def proxy(self, view: Any, row: int) -> object:
        """The proxy of a row: the same object while anyone holds it, whichever thread asks."""
        live = view.live
        if (known := live.get(row)) is not None and (found := known()) is not None:
            return found
        if accelerated and live and (made := view.made) is not None:
            found = enter_proxy(live, view, row, made, STATE, VALUES, self._stats, ROWS_READ, self._meeting)
            if found is not None:
                self._until_sweep -= 1
                if self._until_sweep <= 0:
                    self._sweep()
                return found
        found = make_proxy(view, row)
        ref = weak(found)  # before the lock is taken, as making it may run the cycle collector, and that any code
        with self._meeting:
            live = view.live or self._first(view)
            if (other := live.setdefault(row, ref)()) is not None and other is not found:  # another thread was first
                return other
            live[row] = ref
            self._count(1)
        return found

    def proxies(self, wanted: Sequence[tuple[Any, list[int]]]) -> list[object]:
        """As `proxy`, of rows of several views of one class: each view with its rows."""
        found, refs = make_proxies(wanted)  # before the lock is taken, as `proxy` says
        done = 0
        with self._meeting:
            for view, rows in wanted:
                self._count(meet(view.live or self._first(view), rows, found, refs, done))
                done += len(rows)
        return found

    def _count(self, fresh: int) -> None:
        """There are so many proxies more."""
        self._stats.rows_read += fresh
        self._until_sweep -= fresh
        if self._until_sweep <= 0:
            self._sweep()

    def know(self, view: RowView, row: int, proxy: LazyModel) -> None:
        """From now on `proxy` is the proxy of this row."""
        self.know_all(view, [row], [proxy])

    def know_all(self, view: RowView, rows: Sequence[int], proxies: Sequence[object]) -> None:
        """From now on `proxies` are the proxies of these rows."""
        refs = list(map(weak, proxies))  # before the lock is taken, as `proxy` says
        with self._meeting:
            live = view.live or self._first(view)
            live.update(zip(rows, refs, strict=True))

    def _first(self, view: RowView) -> dict[int, weak[object]]:
        """Where the first proxy of a view is to be known.

        In a read-only session all views of the same rows know the same proxies: one thread may close a row group while
        another has yet to take a row of it. In a writable one, two collections that were stored once have rows each.
        """
        live: dict[int, weak[object]] = view.live
        key = (view.chunk.where[1], view.at) if self._shared else id(live)
        view.live = live = self._lives.setdefault(key, live)
        if view.lively is not None:
            view.lively.add(view.chunk.where[1])
        return live

    def alive(self) -> list[object]:
        """The proxies that the program holds. One that stands for another row than it was read from is forgotten."""
        found = []
        with self._meeting:
            for live in self._lives.values():
                for row, ref in list(live.items()):
                    proxy = ref()
                    if proxy is None:
                        continue
                    view, at = proxy_state(proxy) if is_proxy(proxy) else (None, 0)  # it was expunged
                    if view is not None and at == row and view.live is live:
                        found.append(proxy)
                    else:
                        del live[row]
        return found

    def _sweep(self) -> None:
        """Forget the proxies that are gone: else a scan would leave a dead reference for every row it met."""
        with self._meeting:
            self._until_sweep = max(SWEEP_EVERY, forget_dead(self._lives))

    def pin(self, proxy: LazyModel) -> None:
        """Called when a proxy hands out what may change in place, or is changed: its row group keeps it alive.

        A proxy within another object is kept by that one.
        """
        view, row = proxy_state(proxy)
        held = getattr(view, "held", None)
        if held is not None:
            held[row] = proxy

    def lazy_list(self, column: ChunkColumn, items: View, start: int, stop: int, row: int) -> object:
        """A lazy list, value of `column` in its row `row`, over the items `start` to `stop`."""
        return self._handed(LazyList(SpanRows(self, items, start, stop, row), column))

    def lazy_map(self, column: ChunkColumn, keys: View, values: View, start: int, stop: int, row: int) -> object:
        """A lazy map, value of `column` in its row `row`, over the keys and values `start` to `stop`."""
        return self._handed(LazyMap(SpanPairs(self, keys, values, start, stop, row), column))

    def lazy_list_table(self, column: ChunkColumn, ref: Reference) -> object:
        """A lazy list over a table."""
        return self._handed(LazyList(TableRows(Table(self, ref, column.shape.item)), column))

    def lazy_map_table(self, column: ChunkColumn, ref: Reference) -> object:
        """A lazy map over a table."""
        return self._handed(LazyMap(TablePairs(Table(self, ref, column.shape.value, column.shape.key)), column))

    def _handed(self, collection: object) -> object:
        if FASTAPI in modules and not Encoders.known:
            meet_fastapi()
        if self.family is not None and self.writable:
            self.family.handed(collection)
        return collection

    def read_list_table(self, ref: Reference, items: Column) -> list[object]:
        """All rows of a table, plain."""
        return Table(self, ref, items).read()

    def read_map_table(self, ref: Reference, keys: Column, values: Column) -> dict[object, object]:
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
            "the session has let go of this object in a rollback(), refresh() or revert(), so a change to it would not "
            "be stored: take it from the session again"
        )


def is_detached(value: object) -> bool:
    """Whether a lazy value was of a session that has ended, and is nobody's now."""
    space = space_of(value)
    if not isinstance(space, FileSpace) or space.owner is None:
        return False
    return space.owner.ended and space.writable


def file_of(space: object) -> object:
    """The file that a space reads, None for bytes: two that are equal are one file."""
    if not isinstance(space, FileSpace) or space.source.identity is None:
        return None
    return space.source.identity, space.source.uuid


def space_of(value: object) -> Any:
    """What a lazy value is read through; None for a plain one."""
    if isinstance(value, LazyModel):
        return proxy_state(value)[0].space
    collection: Any = value
    return collection.rows.space if type(value) in COLLECTIONS else None


def owner_of(value: object) -> Any:
    """The `Owner` of a lazy value, None without one."""
    collection: Any = value
    if isinstance(value, LazyModel):
        space: Any = proxy_state(value)[0].space
    elif type(value) in COLLECTIONS:
        space = collection.rows.space
    else:
        return None
    family = getattr(space, "family", None)
    return None if family is None else family.owner
