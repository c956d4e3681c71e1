"""A stored table written anew, as if its rows were saved now: in full row groups, column by column, as no objects.

`[slice of 3 rows, slice of 500, slice of 1]` of three row groups become one row group of 504 rows. Each column reads
its slices as lists of values and encodes these. The rows get new ids, and the index is made of their keys.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..codec.asis import to_write
from ..codec.base import Column, Space
from ..codec.columns.mixed import Mixed
from ..codec.views.boundary import ExternalView, Unread
from ..codec.views.stretch import Stretch
from ..errors import EncodeError
from ..format import compression as compressions
from ..format.encoder import Ticket
from ..format.layout import Kind
from .cuts import Cut, keys_of
from .key_sort import KeyHashes
from .nodes import NO_ID, Piece, build
from .row_group import Group
from .row_groups import Nowhere, Placed, RowGroups, Sampler, TableSink
from .table import Table


class _Slice(NamedTuple):
    """The rows `start` to `stop` of a row group."""

    group: Group
    start: int
    stop: int


class _Rows:
    """Stored rows that are written together."""

    __slots__ = ("_count", "_keys", "slices")

    def __init__(self, slices: list[_Slice]) -> None:
        self.slices = slices
        self._keys: list[Any] = []
        self._count = sum([stop - start for _, start, stop in slices])

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, at: int | slice) -> Any:
        """The rows up to `at.stop`; None for a single one, which an error is about: nobody needs its value."""
        return self.cut(at.stop)[0] if isinstance(at, slice) else None

    def cut(self, count: int) -> tuple[_Rows, list[_Slice]]:
        """The first `count` rows, and the slices of the others."""
        for at, (group, start, stop) in enumerate(self.slices):
            if stop - start > count:
                first = [_Slice(group, start, start + count)] if count else []
                left = [_Slice(group, start + count, stop), *self.slices[at + 1 :]]
                return _Rows(self.slices[:at] + first), left
            count -= stop - start
        return self, []

    def items(self) -> Mixed:
        """The rows for their column."""
        return Mixed([Stretch(group.items, start, stop, not group.whole) for group, start, stop in self.slices])

    def keys(self) -> list[Any]:
        """The keys of the rows."""
        if not self._keys:
            for group, start, stop in self.slices:
                assert group.keys is not None
                self._keys += to_write(group.keys.read, start, stop)
        return self._keys

    def compression(self, space: Space) -> str | None:
        """What the first of the rows were compressed by, where any were."""
        for group, _, _ in self.slices:
            chunk = space.chunk(group.ref)
            for each in [chunk, *(space.chunk(ref) for ref in set(chunk.refs) if ref.kind == Kind.COLUMN)]:
                for node in each.nodes:
                    if node.compression:
                        return compressions.name_of(node.compression)
        return None


class _StoredCut(Cut):
    """Takes the rows of a table, some at a time."""

    def __init__(self, table: Table) -> None:
        super().__init__(())
        self._table = table
        self._pieces = table.tree.pieces()
        self._waiting: list[_Slice] = []
        self._count = 0

    def peek(self, count: int) -> Any:
        """The next `count` rows at least, fewer at the end; they stay."""
        while self._count < count and (found := next(self._pieces, None)) is not None:
            piece, _, _ = found
            self._waiting.append(_Slice(self._table.group(piece), piece.start, piece.start + piece.length))
            self._count += piece.length
        return _Rows(self._waiting)

    def take(self, count: int) -> Any:
        """The next `count` rows, fewer at the end."""
        taken, self._waiting = self.peek(count).cut(count)
        self._count -= len(taken)
        return taken


class _StoredGroups(RowGroups):
    """The row groups that the rows of a stored table are written to, compressed as they were."""

    def __init__(self, sink: TableSink, table: Table, compression: str | None) -> None:
        super().__init__(sink, table.items, table.keys, compression, table.fingerprint)
        self._space = table.space

    def _sample(self, rows: Any, placed: Placed) -> float:
        return self._write(Sampler(Nowhere(), None, _apart, tuning=self._tuning), rows, None)[1] / len(rows)

    def _write(self, sink: TableSink, batch: Any, compression: str | None) -> tuple[Ticket, int]:
        keys = None if self._keys is None else (self._keys, batch.keys())
        before = sink.compression
        sink.compression = before or batch.compression(self._space)
        try:
            return sink.write_group(self._items, batch.items(), keys, compression, self._schema)
        finally:
            sink.compression = before


def _apart(sink: TableSink, value: Any, column: Column) -> Ticket | None:
    """Tables and blobs of their own take no room where they are referred to."""
    return Ticket() if isinstance(value, Unread) and isinstance(value.view, ExternalView) else None


def write_anew(sink: TableSink, table: Table, compression: str | None) -> Ticket:
    """Write the rows of `table`, which has no changes, to a table of their own.

    Raises:
        EncodeError, CorruptionError, DecodeError, SchemaMismatchError: some rows cannot be read, or written.
    """

    def placed(problem: EncodeError, row: int, value: Any) -> EncodeError:
        return problem

    keyed = table.keys is not None
    pieces: list[Piece] = []
    with KeyHashes(repeated=False) as hashes:
        for ticket, rows in _StoredGroups(sink, table, compression).write(_StoredCut(table), placed):
            pieces.append(Piece(ticket, 0, len(rows), len(hashes) if keyed else NO_ID))
            if keyed:
                hashes.add(keys_of(rows))
        if len(pieces) == 1 and not keyed:
            return ticket
        _, run = hashes.finish(sink)
    return sink.table(build(sink, pieces), len(hashes), keyed=keyed, runs=[] if run is None else [run])
