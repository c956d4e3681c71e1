"""Rows to row groups, and row groups to a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

from ..codec.base import Column
from ..codec.bulk import gc_paused
from ..codec.keys import hash_keys
from ..codec.schema import short_fingerprint
from ..format.chunk import Buffer, Encoder, Ticket
from ..format.layout import TABLE_HEADER, Encoding, Kind, Reference
from .index import write_run
from .tree import Slice, write_tree

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

    def __init__(self, output: Output, compression: str | None, reuse: Reuse = never_reuse) -> None:
        self.compression = compression
        self._reuse = reuse
        self.rows_written = 0
        self._output = output
        self._largest = 0

    def reuse(self, value: Any, column: Column) -> Ticket | Reference | None:
        """Where `value` lies already, if what is written may refer to it."""
        return self._reuse(self, value, column)

    def encoder(self, kind: Kind, compression: str | None = None, fingerprint: int = 0) -> Encoder:
        """A new chunk, compressed as the session says unless `compression` is given."""
        return Encoder(kind, self.compression if compression is None else compression, self, fingerprint)

    def submit(self, chunk: Encoder) -> Ticket:
        """Hand over a finished chunk."""
        if chunk.kind == Kind.COLUMN:
            self._largest = max(self._largest, chunk.size)
        return self._output.submit(chunk)

    def blob(self, data: Buffer, compression: str | None, meta: bytes) -> Ticket:
        """Write one value as an extent of its own."""
        return self._output.blob(data, self.compression if compression is None else compression, meta)

    def list_table(self, items: Column, values: Iterable[Any], compression: str | None) -> Ticket:
        """Write a table whose rows are `values`, taken as they come. One row group is such a table by itself."""
        groups = _Groups(self, items, None, compression)
        for rows in groups.batches(values):
            groups.write(rows, None)
        if len(groups.slices) == 1:
            ticket = groups.slices[0].group
            assert isinstance(ticket, Ticket)
            return ticket
        return self.table(groups.slices, groups.rows, keyed=False, runs=[])

    def map_table(
        self, keys: Column, values: Column, pairs: Iterable[tuple[Any, Any]], compression: str | None
    ) -> Ticket:
        """Write a table of key and value with a hash index. Of pairs with equal keys the last one wins."""
        if isinstance(pairs, dict):
            pairs = pairs.items()
        elif not hasattr(type(pairs), "mapping"):  # a stream; the views of a dict have unequal keys
            pairs = dict(pairs).items()
        groups = _Groups(self, values, keys, compression)
        hashes: list[int] = []
        for batch in groups.batches(pairs):
            batch_keys = [key for key, _ in batch]
            hashes += hash_keys(batch_keys)
            groups.write([value for _, value in batch], batch_keys)
        runs = [write_run(self, hashes, range(len(hashes)))] if hashes else []
        return self.table(groups.slices, groups.rows, keyed=True, runs=runs)

    def table(
        self,
        slices: list[Slice],
        next_row: int,
        *,
        keyed: bool,
        runs: Sequence[Ticket | Reference],
    ) -> Ticket:
        """Write the tree over `slices` and the chunk that says what the table is made of."""
        root, height = write_tree(self, slices)
        out = self.encoder(Kind.TABLE)
        if root is not None:
            out.ref(root)
        for run in runs:
            out.ref(run)
        rows = sum(piece.length for piece in slices)
        header = TABLE_HEADER.pack(rows, next_row, height, keyed, len(runs))
        out.leaf(Encoding.RAW, 1, header)
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
        size = max(out.size, self._largest)
        self._largest = outer
        self.rows_written += len(rows)
        return self.submit(out), size


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


class _Groups:
    """The row groups of one table, as they are written: each of about `TARGET_BYTES`, at most `TARGET_ROWS` rows.

    How many rows fit is estimated from the rows before them, so it depends on the rows alone.
    """

    def __init__(self, sink: TableSink, items: Column, keys: Column | None, compression: str | None) -> None:
        self.slices: list[Slice] = []
        self.rows = 0
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
            self._sample(pending)
        pending += more
        while pending:
            room = min(TARGET_ROWS, max(1, int(TARGET_BYTES / max(self._row_bytes, 1.0))))
            if len(pending) < room:
                pending += islice(iterator, room - len(pending))
            yield pending[:room]
            pending = pending[room:] or list(islice(iterator, 1))

    def _sample(self, batch: list[Any]) -> None:
        sampler = _Sampler(_Nowhere(), None)
        if self._keys is None:
            size = sampler.write_group(self._items, batch, None, None)[1]
        else:
            keys = [key for key, _ in batch]
            size = sampler.write_group(self._items, [value for _, value in batch], (self._keys, keys), None)[1]
        self._row_bytes = size / len(batch)

    def write(self, rows: Sequence[Any], keys: Sequence[Any] | None) -> None:
        """Write `rows` as the next row group."""
        pair = None if self._keys is None or keys is None else (self._keys, keys)
        ticket, size = self._sink.write_group(self._items, rows, pair, self._compression)
        self.slices.append(Slice(ticket, 0, len(rows), self.rows))
        self.rows += len(rows)
        self._row_bytes = size / len(rows)
