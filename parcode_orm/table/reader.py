"""Tables, read: a table finds its rows, a group opens the columns of one row group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..codec.base import Column, Getter, Space, View
from ..codec.keys import key_hash
from ..codec.physical import accessor
from ..codec.schema import short_fingerprint
from ..errors import CorruptionError, SchemaMismatchError
from ..format.chunk import Chunk
from ..format.layout import TABLE_HEADER, Encoding, Kind, Reference
from .index import Run
from .tree import MAX_HEIGHT, Slice, Tree

OPEN_GROUPS = 64


def _no_key(place: int) -> Any:
    raise TypeError("the rows of a list have no keys")


class Group:
    """A row group, opened: `items` and, where the table is keyed, `keys` are views over its rows.

    `handed` keeps what a writable session has given out of it by row, so that a change in place is found at commit.
    """

    __slots__ = ("get", "handed", "items", "key", "keys", "ref")

    def __init__(self, ref: Reference, table: Table) -> None:
        space = table.space
        if ref.kind != Kind.ROW_GROUP:
            raise CorruptionError(f"a row group is a chunk of kind {ref.kind}", offset=ref.offset)
        chunk = space.chunk(ref)
        columns = (table.items,) if table.keys is None else (table.keys, table.items)
        if chunk.fingerprint != table.fingerprint:
            raise SchemaMismatchError(
                f"row group at byte {ref.offset} was written with schema {chunk.fingerprint:016x}, "
                f"the model has {table.fingerprint:016x}: read it with the class that wrote it"
            )
        root = chunk.nodes[0]
        children = chunk.children(0)
        if root.encoding != Encoding.STRUCT or len(children) != len(columns):
            raise chunk.error(0, f"a row group here has {len(columns)} columns")
        for child in children:
            if chunk.nodes[child].count != root.count:
                raise chunk.error(child, f"expected {root.count} values, found {chunk.nodes[child].count}")
        self.ref = ref
        self.keys: View | None = None if table.keys is None else table.keys.view(chunk, children[0], space)
        self.items: View = table.items.view(chunk, children[-1], space)
        self.get = accessor(self.items)
        self.key: Getter = _no_key if self.keys is None else accessor(self.keys)
        self.handed: dict[int, Any] = {}


class Table:
    """A table of the file: rows by position, by row id and, where it is keyed, by key."""

    __slots__ = (
        "fingerprint",
        "groups",
        "items",
        "keys",
        "next_row",
        "ref",
        "rows",
        "run_refs",
        "runs",
        "space",
        "tree",
    )

    def __init__(self, space: Space, ref: Reference, items: Column, keys: Column | None = None) -> None:
        self.space = space
        self.ref = ref
        self.items = items
        self.keys = keys
        self.fingerprint = short_fingerprint(*((items,) if keys is None else (keys, items)))
        self.rows: int
        self.next_row: int
        self.tree: Tree
        self.runs: list[Run] = []
        self.run_refs: list[Reference] = []
        if ref.kind == Kind.ROW_GROUP and keys is None:
            self.rows = self.next_row = space.chunk(ref).nodes[0].count
            self.tree = Tree(space.chunk, ref, 0, self.rows)
        elif ref.kind == Kind.TABLE:
            self._open_table(space.chunk(ref))
        else:
            raise CorruptionError(f"a table is a chunk of kind {ref.kind}", offset=ref.offset)
        self.groups: dict[int, Group] = {}

    def _open_table(self, chunk: Chunk) -> None:
        data = chunk.buffer(0)
        if chunk.nodes[0].encoding != Encoding.RAW or len(data) != TABLE_HEADER.size:
            raise chunk.error(0, "not the header of a table")
        rows, next_row, height, keyed, runs = TABLE_HEADER.unpack(data)
        trees = 1 if rows else 0
        if (
            keyed != (self.keys is not None)
            or height > MAX_HEIGHT
            or len(chunk.refs) != trees + runs
            or next_row < rows
        ):
            raise chunk.error(0, "the header of a table does not fit its references")
        if bool(runs) != bool(keyed and rows):
            raise chunk.error(0, f"a table of {rows} rows has {runs} index runs")
        self.rows, self.next_row = rows, next_row
        self.tree = Tree(self.space.chunk, chunk.refs[0] if trees else None, height, rows)
        self.run_refs = chunk.refs[trees:]
        self.runs = [Run(self.space.chunk, run) for run in reversed(self.run_refs)]  # the newest first

    def group(self, ref: Reference) -> Group:
        """The opened row group at `ref`; the same object while it is in use."""
        group = self.groups.get(ref.offset)
        if group is None:
            group = self.groups.setdefault(ref.offset, Group(ref, self))
            if len(self.groups) > OPEN_GROUPS:
                self._close_idle(ref.offset)
        return group

    def _close_idle(self, newest: int) -> None:
        for offset in list(self.groups)[: OPEN_GROUPS // 2]:
            group = self.groups[offset]
            if offset != newest and not group.handed and not alive(group.items):
                del self.groups[offset]

    def at(self, position: int) -> tuple[Group, int]:
        """The group of the row at `position` (0 <= position < rows), and the row's place in it."""
        piece, place = self.tree.at(position)
        group = self._open(piece)
        return group, place

    def _open(self, piece: Slice) -> Group:
        assert isinstance(piece.group, Reference)
        group = self.group(piece.group)
        if piece.start + piece.length > group.items.count:
            raise CorruptionError(
                f"{piece.length} rows from row {piece.start} on leave their group of {group.items.count}",
                offset=group.ref.offset,
            )
        return group

    def find(self, key: Any) -> tuple[Group, int] | None:
        """The group and place of the row with this key, or None."""
        hashed = key_hash(key)
        for run in self.runs:
            for row_id in run.rows(hashed):
                found = self.tree.row(row_id)
                if found is None:
                    continue
                ref, place = found
                group = self.groups.get(ref.offset) or self.group(ref)
                if place >= group.items.count:
                    raise CorruptionError("an index names a row beyond its group", offset=group.ref.offset)
                stored = group.key(place)
                if stored is key or stored == key:
                    return group, place
        return None

    def pieces(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[Group, int, int]]:
        """The groups that meet the rows `start` to `stop`, each with the places it gives: (group, first, end)."""
        for piece in self.tree.slices(start, stop):
            yield self._open(piece), piece.start, piece.start + piece.length

    def read(self, start: int = 0, stop: int | None = None) -> list[Any]:
        """Rows `start` to `stop`, plain and whole."""
        found: list[Any] = []
        for group, a, b in self.pieces(start, stop):
            found += group.items.read(a, b)
            self.space.count_rows(b - a)
        return found

    def read_map(self) -> dict[Any, Any]:
        """Every pair, plain and whole, in the order of the rows."""
        found: dict[Any, Any] = {}
        for group, a, b in self.pieces():
            assert group.keys is not None
            self.space.count_rows(b - a)
            found.update(zip(group.keys.read(a, b), group.items.read(a, b), strict=True))
        if len(found) != self.rows:
            raise CorruptionError(f"{self.rows} rows have {len(found)} keys", offset=self.ref.offset)
        return found


def alive(view: View) -> bool:
    """Whether a proxy of this view is held by anyone."""
    live = getattr(view, "live", None)
    return any(ref() is not None for ref in live.values()) if live else False


__all__ = ["Group", "Table"]
