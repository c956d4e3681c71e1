"""Tables in memory: rows found by position or key, handed out, changed, and written again at the cost of the change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from ..codec.base import ATOMS, Column, Getter, Space
from ..codec.bulk import gc_paused
from ..codec.refs import Ref
from ..codec.schema import short_fingerprint
from ..codec.unpack import fill_map
from ..errors import CorruptionError
from ..format.chunk import Chunk
from ..format.layout import TABLE_HEADER, Encoding, Kind, Reference
from ..storage.spill import is_spilled
from .index import Run, open_runs
from .lookup import WAY, find_open, search
from .nodes import Piece
from .row_group import Group, Held, HeldRows, KeptGroup
from .scan import Part, changing_rows, lazy_rows, read_parts, walk
from .tree import MAX_HEIGHT, Tree

MAX_ROWS = 1 << 48
EXACT = frozenset({date, datetime, time, timedelta, Decimal, Fraction, UUID})  # their repr tells all
ATOMIC = EXACT | ATOMS | {complex, Ref}
"""Types of values that cannot change in place: handing one out does not oblige a session to keep its row."""
MISSING: Any = object()


class Origin(NamedTuple):
    """Rows `start` to `stop` of a row group took the place of those from `first` on of `ref`, with other `fields`."""

    start: int
    stop: int
    ref: Reference
    first: int
    fields: frozenset[str]


class Table:
    """A table: rows by position and, where it is keyed, by key. Changes stay in memory until they are stored."""

    __slots__ = (
        "added", "fingerprint", "groups", "held", "holding", "items", "keys", "lively", "next_row", "origins", "ref",
        "run_refs", "runs", "space", "spilled", "tree", "version", "__weakref__",
    )  # fmt: skip

    def __init__(self, space: Space, ref: Reference, items: Column, keys: Column | None = None) -> None:
        self.space = space
        self.ref = ref
        self.items = items
        self.keys = keys
        self.fingerprint = short_fingerprint(*((items,) if keys is None else (keys, items)))
        self.groups: dict[int, Group] = {}
        self.held = HeldRows()
        self.holding: set[int] = set()  # offsets of all those that are not empty, and of some that are
        self.spilled = False  # whether row groups were opened that are in no file
        self.origins: dict[int, list[Origin]] = {}  # by the offset of a row group that an update wrote aside
        self.lively: set[int] = set()  # offsets of row groups whose views may know proxies, in a writable session
        self.added: dict[Any, int] = {}  # keys that no stored index knows, and the ids of their rows
        self.version = 0  # rises with every change of the number of rows
        self.run_refs: list[Reference] = []
        self.runs: list[Run] = []
        self._begin()

    def _begin(self) -> None:
        """Take the rows as they are stored."""
        ref, chunk, fanout = self.ref, self.space.chunk, self.space.tuning.fanout
        if ref.kind == Kind.ROW_GROUP and self.keys is None:
            self.next_row = rows = chunk(ref).nodes[0].count
            self.tree = Tree(chunk, ref, 0, rows, keyed=False, fanout=fanout)
        elif ref.kind == Kind.TABLE:
            self._open_table(chunk(ref))
        else:
            raise CorruptionError(f"a table is a chunk of kind {ref.kind}", offset=ref.offset)

    def _open_table(self, chunk: Chunk) -> None:
        data = chunk.buffer(0)
        if chunk.nodes[0].encoding != Encoding.RAW or len(data) != TABLE_HEADER.size:
            raise chunk.error(0, "not the header of a table")
        rows, self.next_row, height, keyed, runs = TABLE_HEADER.unpack(data)
        trees = 1 if rows else 0
        if keyed != (self.keys is not None) or height > MAX_HEIGHT or len(chunk.refs) != trees + runs:
            raise chunk.error(0, "the header of a table does not fit its references")
        if not rows <= self.next_row <= MAX_ROWS or (rows and keyed and not runs):
            raise chunk.error(0, f"a table of {rows} rows with ids to {self.next_row} has {runs} index runs")
        root, fanout = chunk.refs[0] if trees else None, self.space.tuning.fanout
        self.tree = Tree(self.space.chunk, root, height, rows, keyed=bool(keyed), fanout=fanout)
        self.index(chunk.refs[trees:])

    def move(self, space: Space) -> None:
        """Read through `space`, a later snapshot of the same file, from now on."""
        self.space = space
        self.tree.chunk = space.chunk
        self.index(self.run_refs)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.tree.root.length

    # -- reading ----------------------------------------------------------------------------------------------------

    def open(self, ref: Reference, chunk: Chunk | None = None) -> Group:
        """The opened row group at `ref`, whose `chunk` may be given; the same object while it is in use."""
        group = self.groups.get(ref.offset)
        if group is None:
            columns = (self.items,) if self.keys is None else (self.keys, self.items)
            self.spilled |= is_spilled(ref)
            held = Held(ref.offset, self.holding)
            held = self.held.setdefault(ref.offset, held) if self.space.writable else held
            group = Group(ref, self.space, columns, self.fingerprint, held, chunk)
            if group.proxies is not None and self.space.writable:
                group.share(self.space.living(group))
                group.proxies.lively = self.lively
            group = self.groups.setdefault(ref.offset, group)
            cache = self.space.cache
            cache.drop(ref)  # the row group has the chunk now
            kept = KeptGroup(self, group)
            cache.put(kept, kept)
        return group

    def group(self, piece: Piece) -> Group:
        """The opened row group of a written piece."""
        ref = piece.ref
        assert isinstance(ref, Reference)
        group = self.groups.get(ref.offset)
        if group is None:
            group = self.open(ref)
        if piece.start + piece.length > group.count:
            raise CorruptionError(
                f"{piece.length} rows from row {piece.start} on leave their group of {group.count}", offset=ref.offset
            )
        return group

    def close(self, offset: int, *, pages: bool = True) -> bool:
        """Close the row group at `offset` unless one of its rows may be in use. Return whether it was closed.

        Its `pages` leave memory.
        """
        group = self.groups.pop(offset, None)  # threads may share a table that is only read
        if group is None:
            return not self.held.get(offset)
        if not group.idle:
            self.groups[offset] = group
            return False
        self.held.pop(offset, None)
        self.lively.discard(offset)
        if pages or group.refs:
            self.space.release(group.ref, group.refs)
        return True

    def close_small(self, offset: int) -> None:
        """Close a small row group of few rows: a commit opens the one it wrote, to hold a row of it."""
        group, tuning = self.groups.get(offset), self.space.tuning
        if group is not None and group.count <= tuning.merged and group.ref.length < tuning.small_bytes:
            self.close(offset, pages=False)  # others lie on the same

    def value(self, piece: Piece, place: int) -> Any:
        """Row `place` of a piece, lazy; in a writable session the same object each time."""
        if piece.rows is not None:
            return piece.rows[place]
        row = piece.start + place
        group = self.groups.get(piece.ref.offset)  # type: ignore[union-attr]
        if group is None or row >= group.count:
            group = self.group(piece)
        group.used = True
        if not self.space.writable:
            return group.get(row)
        value = group.held.get(row, MISSING)
        if value is MISSING:
            value = group.get(row)
            if group.proxies is None and type(value) not in ATOMIC:
                value = group.held.setdefault(row, value)  # of two threads, the first decides
        return value

    def find(self, key: Any) -> tuple[Piece, int] | None:
        """The piece and place of the row with this key, or None."""
        if self.added:
            row_id = self.added.get(key)
            if row_id is not None:
                return self.tree.row(row_id)
        found = search(self, key)
        return None if found is None else found[:2]

    def lookup(self, key: Any, default: Any) -> Any:
        """The value of a key, lazy, or `default`."""
        if not self.added and self.runs and not self.space.writable:
            found = find_open(key, self.runs[0], self.tree.root, self.groups, WAY)
            if found is not None:
                group, row = found
                return group.get(row)
        return self._lookup(key, default)

    def _lookup(self, key: Any, default: Any) -> Any:
        if self.added or self.space.writable:
            place = self.find(key)
            return default if place is None else self.value(*place)
        found = search(self, key)
        if found is None:
            return default
        piece, at, group = found
        return group.get(piece.start + at) if group is not None else self.value(piece, at)

    def key(self, piece: Piece, place: int) -> Any:
        """The key of row `place` of a piece."""
        if piece.keys is not None:
            return piece.keys[place]
        row = piece.start + place
        group = self.groups.get(piece.ref.offset)  # type: ignore[union-attr]
        if group is None or row >= group.count:
            group = self.group(piece)
        return group.key(row)

    def scan(self, start: int = 0, stop: int | None = None) -> Iterator[Any]:
        """Rows `start` to `stop`, lazy, a row group at a time; rows that change meanwhile come as they are then."""
        if self.space.writable:
            yield from changing_rows(self, start, self.rows if stop is None else stop)
            return
        yield from lazy_rows(self, start, stop)

    def read(self, start: int = 0, stop: int | None = None, plain: Callable[[Any], Any] | None = None) -> list[Any]:
        """Rows `start` to `stop`, whole; what is held or not yet written goes through `plain`."""
        found: list[Any] = []
        for part in read_parts(self, start, stop, plain):
            found += part.rows
        return found

    def read_keys(self) -> Iterator[list[Any]]:
        """The keys of all rows, a row group at a time."""
        for piece, a, b in walk(self, 0, None):
            if piece.keys is not None:
                yield piece.keys[a:b]
            else:
                keys = self.group(piece).keys
                assert keys is not None
                yield keys.read(piece.start + a, piece.start + b)

    def read_map(self, plain: Callable[[Any], Any] | None = None) -> dict[Any, Any]:
        """Every pair, whole, in the order of the rows; values as `read` gives them."""
        found: dict[Any, Any] = {}
        for keys, rows in read_parts(self, plain=plain, keys=True):
            fill_map(found, keys, rows)
        if len(found) != self.rows:
            raise CorruptionError(f"{self.rows} rows have {len(found)} keys", offset=self.ref.offset)
        return found

    def parts(self, plain: Callable[[Any], Any] | None) -> Iterator[Part]:
        """Every row, and its key where the table is keyed, as `read` gives them, a row group at a time."""
        parts = read_parts(self, plain=plain, keys=self.keys is not None, ahead=not self.space.writable)
        while True:
            with gc_paused():
                part = next(parts, None)
            if part is None:
                return
            yield part

    def rows_held(self) -> dict[int, Held]:
        """What is held, by the offsets of the row groups; none that is empty."""
        found = {offset: rows for offset in self.holding if (rows := self.held.get(offset))}
        self.holding.intersection_update(found)
        return found

    def live_groups(self) -> list[Group]:
        """The opened row groups of a writable session whose views know lazy objects."""
        found: list[Group] = []
        for offset in list(self.lively):
            group = self.groups.get(offset)
            if group is not None and group.proxies is not None and group.proxies.live:
                found.append(group)
            else:
                self.lively.discard(offset)
        return found

    def in_memory(self) -> list[Any]:
        """The rows that are held, or not yet written."""
        fresh = [row for piece in self.tree.loaded() if piece.rows is not None for row in piece.rows]
        return [*fresh, *(value for rows in self.rows_held().values() for value in rows.values())]

    # -- changing ---------------------------------------------------------------------------------------------------

    def splice(self, start: int, stop: int, values: list[Any]) -> None:
        """Put `values` in the place of the rows `start` to `stop` of a list."""
        self.tree.delete(start, stop)
        self.tree.insert(start, values)
        self.version += 1

    def put(self, key: Any, value: Any) -> None:
        """Set the value of a key; a new one comes last."""
        found = self.find(key)
        if found is not None:
            piece, place = found
            self.tree.replace(self.tree.position(piece.first + place), value, self.key(piece, place))
            return
        if self.tree.undo is not None:
            self.tree.undo.append(partial(self.added.pop, key, None))
        self.tree.insert(self.rows, [value], [key], self.next_row)
        self.added[key] = self.next_row
        self.next_row += 1
        self.version += 1

    def remove(self, key: Any) -> bool:
        """Remove a key; False where there is none."""
        found = self.find(key)
        if found is None:
            return False
        piece, place = found
        position = self.tree.position(piece.first + place)
        self.tree.delete(position, position + 1)
        if key in self.added:
            if self.tree.undo is not None:
                self.tree.undo.append(partial(self.added.__setitem__, key, self.added[key]))
            del self.added[key]
        self.version += 1
        return True

    def clear(self) -> None:
        """Remove all rows."""
        self.tree.delete(0, self.rows)
        self.added = {}
        self.version += 1

    def reset(self, keep: Callable[[Getter, int, Any], bool]) -> None:
        """Forget every change since the table was stored. Row groups stay open, so that a row stays the same object.

        `keep` is asked of each value that is held, with the getter of its group's rows and its row: whether it is to
        stay held.
        """
        for offset, held in list(self.held.items()):
            for row, value in list(held.items()):
                if not keep(self.groups[offset].items.get, row, value):
                    del held[row]
        self.added.clear()
        self.version += 1
        self._begin()
        if not all(group.idle for group in self.groups.values()):
            self.tree.load()

    def index(self, refs: list[Reference]) -> None:
        """Take `refs`, the oldest first, for the index's runs."""
        self.run_refs = refs
        self.runs = open_runs(self.space.chunk, refs, self.runs)  # the largest first: most keys are there

    def _check(self) -> None:
        """The rules that hold between any two operations; for tests. All keys are read."""
        self.tree._check()
        assert len(self.run_refs) == len(self.runs) <= self.space.tuning.max_runs
        for run in self.runs:
            run._check(self.next_row)
        for piece, start, stop in self.tree.pieces():
            assert (start, stop) == (0, piece.length)
            if piece.rows is None:
                self.group(piece)._check(self.held)
            if self.keys is not None:
                assert piece.first + piece.length <= self.next_row
                for place in range(piece.length):
                    assert self.find(self.key(piece, place)) == (piece, place)
        assert all(self.tree.row(row_id) is not None for row_id in self.added.values())
