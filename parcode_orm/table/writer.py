"""Rows to row groups, and row groups to a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

from ..codec import trail
from ..codec.base import Column, Space
from ..codec.bulk import gc_paused
from ..codec.schema import short_fingerprint
from ..errors import EncodeError
from ..format.chunk import Buffer, Copy, Encoder, Ticket
from ..format.layout import TABLE_HEADER, Encoding, Kind, Reference
from ..storage.spill import is_spilled
from .hashes import KeyHashes
from .nodes import NO_ID, Node, Piece, Target, build, stored_height, without

TARGET_ROWS = 4096
TARGET_BYTES = 512 * 1024
SAMPLE_ROWS = 64


class Output(Protocol):
    """Where chunks go: the storage pipeline."""

    def submit(self, chunk: Encoder) -> Ticket:
        """Write a chunk after all that were submitted before it."""

    def blob(self, data: Buffer, compression: str | None, meta: bytes) -> Ticket:
        """Write one large value."""


Reuse = Callable[["TableSink", Any, Column], Ticket | Reference | None]


def never_reuse(sink: TableSink, value: Any, column: Column) -> None:
    """Nothing is there yet."""


class TableSink:
    """The codec's sink: gives encoders, passes finished chunks on, writes tables of their own.

    `reuse(value, column)` tells where an unchanged lazy collection already lies in the file that is written.
    """

    merges = True  # what is only compared need not be

    def __init__(self, output: Output, compression: str | None, reuse: Reuse = never_reuse) -> None:
        self.compression = compression
        self._reuse = reuse
        self.rows_written = 0
        self.stored: dict[int, Any] = {}  # by id, tables that were written anew, to go on from there after the commit
        self._output = output
        self._copied: dict[Reference, Ticket] = {}
        self._largest = 0

    def reuse(self, value: Any, column: Column) -> Ticket | Reference | None:
        """Where `value` lies already, if what is written may refer to it."""
        return self._reuse(self, value, column)

    def encoder(self, kind: Kind, compression: str | None = None, fingerprint: int = 0) -> Encoder:
        """A new chunk, compressed as the session says unless `compression` is given."""
        return Encoder(kind, self.compression if compression is None else compression, self, fingerprint)

    def submit(self, chunk: Encoder) -> Ticket:
        """Hand over a finished chunk, those first that it refers to and that are to lie beside it."""
        if chunk.kind == Kind.COLUMN:
            self._largest = max(self._largest, chunk.size)
        chunk.refs = [self.submit(ref) if isinstance(ref, Encoder) else ref for ref in chunk.refs]
        return self._output.submit(chunk)

    def blob(self, data: Buffer, compression: str | None, meta: bytes) -> Ticket:
        """Write one value as an extent of its own."""
        return self._output.blob(data, self.compression if compression is None else compression, meta)

    def copy(self, ref: Reference, space: Space) -> Ticket:
        """Write the spilled chunk at `ref`, and those below it, as they are; each is written once."""
        ticket = self._copied.get(ref)
        if ticket is None:
            chunk = space.chunk(ref)
            refs: list[Ticket | Reference] = [
                self.copy(each, space) if is_spilled(each) else each for each in chunk.refs
            ]
            ticket = self._copied[ref] = self._output.submit(Copy(chunk, refs))
            if chunk.kind == Kind.ROW_GROUP:
                self.rows_written += chunk.nodes[0].count
        return ticket

    def list_table(self, items: Column, values: Iterable[Any], compression: str | None) -> Ticket:
        """Write a table whose rows are `values`, taken as they come. One row group is such a table by itself."""
        groups = self.groups(items, None, compression)
        pieces: list[Piece] = []
        rows = 0
        for batch in groups.batches(values):
            try:
                pieces.append(Piece(groups.write_batch(batch), 0, len(batch), NO_ID))
            except EncodeError as problem:
                raise trail.at(problem, rows + trail.row_of(problem)) from None
            rows += len(batch)
        if len(pieces) == 1:
            ticket = pieces[0].ref
            assert isinstance(ticket, Ticket)
            return ticket
        return self.table(build(self, pieces), 0, keyed=False, runs=[])

    def map_table(
        self, keys: Column, values: Column, pairs: Iterable[tuple[Any, Any]], compression: str | None
    ) -> Ticket:
        """Write a table of key and value with a hash index. Of pairs with equal keys the last one wins."""
        if isinstance(pairs, dict):
            pairs = pairs.items()
        groups = self.groups(values, keys, compression)
        pieces: list[Piece] = []
        # A stream may hold a key twice, a dict never.
        with KeyHashes(repeated=not hasattr(type(pairs), "mapping")) as hashes:
            for batch in groups.batches(pairs):
                try:
                    pieces.append(Piece(groups.write_batch(batch), 0, len(batch), len(hashes)))
                except EncodeError as problem:
                    raise trail.below(problem, f"[{batch[trail.row_of(problem)][0]!r}]", 0) from None
                hashes.add([key for key, _ in batch])
            gone, run = hashes.finish(self)
        if gone:
            pieces = [part for piece in pieces for part in without(piece, gone)]
        return self.table(build(self, pieces), len(hashes), keyed=True, runs=[] if run is None else [run])

    def groups(self, items: Column, keys: Column | None, compression: str | None) -> RowGroups:
        """Where to write rows (pairs of key and item, where there are keys), a row group at a time."""
        return RowGroups(self, items, keys, compression)

    def table(self, root: Node, next_row: int, *, keyed: bool, runs: Sequence[Target]) -> Ticket:
        """Write the chunk that says what a table is made of: the written tree `root`, and the index's `runs`."""
        out = self.encoder(Kind.TABLE)
        if root.length:
            assert root.ref is not None
            out.ref(root.ref)
        for run in runs:
            out.ref(run)
        height = stored_height(root)
        out.leaf(Encoding.RAW, 1, TABLE_HEADER.pack(root.length, max(next_row, root.length), height, keyed, len(runs)))
        return self.submit(out)

    def write_group(
        self, items: Column, rows: Sequence[Any], keys: tuple[Column, Sequence[Any]] | None, compression: str | None
    ) -> tuple[Ticket, int]:
        """Write one row group: its ticket, and the size in bytes of its largest chunk before compression."""
        outer, self._largest = self._largest, 0
        schema = short_fingerprint(*((items,) if keys is None else (keys[0], items)))
        out = self.encoder(Kind.ROW_GROUP, compression, schema)
        root = out.open(Encoding.STRUCT, len(rows))
        with gc_paused():
            if keys is not None:
                keys[0].encode(keys[1], out)
            items.encode(rows, out)
        out.close(root)
        ticket = self.submit(out)
        size = max(out.size, self._largest)
        self._largest = outer
        self.rows_written += len(rows)
        return ticket, size


class _Nowhere:
    """Measures what rows would take: chunks are counted by their sink and dropped."""

    def submit(self, chunk: Encoder) -> Ticket:
        return Ticket()

    def blob(self, data: Buffer, compression: str | None, meta: bytes) -> Ticket:
        return Ticket()


class _Sampler(TableSink):
    """Encodes rows without writing; tables within them are left alone, so that no stream is consumed."""

    def list_table(self, items: Column, values: Iterable[Any], compression: str | None) -> Ticket:
        return Ticket()

    def map_table(
        self, keys: Column, values: Column, pairs: Iterable[tuple[Any, Any]], compression: str | None
    ) -> Ticket:
        return Ticket()


class RowGroups:
    """The row groups of one table, as they are written: each of about `TARGET_BYTES`, at most `TARGET_ROWS` rows.

    How many rows fit is estimated from the rows before them, so it depends on the rows alone.
    """

    def __init__(self, sink: TableSink, items: Column, keys: Column | None, compression: str | None) -> None:
        self._sink = sink
        self._items = items
        self._keys = keys
        self._compression = compression
        self._row_bytes = 0.0

    def batches(self, source: Iterable[Any]) -> Iterator[list[Any]]:
        """Cut `source` into batches of one row group each."""
        iterator = iter(source)
        pending = list(islice(iterator, SAMPLE_ROWS))
        if not pending:
            return
        more = list(islice(iterator, 1))
        if more:
            sampler = _Sampler(_Nowhere(), None)
            self._row_bytes = self._write(sampler, pending, None)[1] / len(pending)
        pending += more
        while pending:
            room = min(TARGET_ROWS, max(1, int(TARGET_BYTES / max(self._row_bytes, 1.0))))
            if len(pending) < room:
                pending += islice(iterator, room - len(pending))
            yield pending[:room]
            pending = pending[room:] or list(islice(iterator, 1))

    def write_batch(self, batch: list[Any]) -> Ticket:
        """Write `batch` as one row group."""
        ticket, size = self._write(self._sink, batch, self._compression)
        self._row_bytes = size / len(batch)
        return ticket

    def _write(self, sink: TableSink, batch: list[Any], compression: str | None) -> tuple[Ticket, int]:
        if self._keys is None:
            return sink.write_group(self._items, batch, None, compression)
        keys, values = zip(*batch, strict=True)
        return sink.write_group(self._items, values, (self._keys, keys), compression)
