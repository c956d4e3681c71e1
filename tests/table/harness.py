"""Tables in memory: chunks are written to a bytearray and read back from it."""

from __future__ import annotations

from typing import Any

from parcode_orm.codec.base import Column
from parcode_orm.format.blob import BlobEncoder
from parcode_orm.format.checksum import checksum
from parcode_orm.format.chunk import Chunk
from parcode_orm.format.encoder import Buffer, Encoder, Ticket
from parcode_orm.format.layout import Reference
from parcode_orm.storage.cache import Cache
from parcode_orm.table.persister import store
from parcode_orm.table.rewriting import Changes
from parcode_orm.table.row_groups import TableSink
from parcode_orm.table.table import Table
from parcode_orm.tuning import TUNING, Tuning


class Disk:
    """Where chunks go, and the space that tables are read through."""

    writable = True
    workers = 0

    def __init__(self, tuning: Tuning = TUNING) -> None:
        self.tuning = tuning
        self.data = bytearray(64)
        self.chunks_read = 0
        self.released: list[Reference] = []
        self.cache = Cache()

    def submit(self, chunk: Encoder) -> Ticket:
        ticket = Ticket()
        refs = [ref.reference if isinstance(ref, Ticket) else ref for ref in chunk.refs]
        directory, parts = chunk.finish()
        head = chunk.head(directory, parts, refs)
        self.data += bytes(-len(self.data) % 64)
        offset = len(self.data)
        self.data += head + b"".join(map(bytes, parts))
        ticket.reference = Reference(offset, len(self.data) - offset, checksum(head), chunk.kind)
        return ticket

    def blob(self, data: Buffer, compression: str | None, meta: bytes) -> Ticket:
        return self.submit(BlobEncoder(data, compression, meta))

    def chunk(self, ref: Reference) -> Chunk:
        self.chunks_read += 1
        data = memoryview(bytes(self.data[ref.offset : ref.offset + ref.length]))
        return Chunk(ref, data, "disk", lambda size: None)

    def release(self, ref: Reference, refs: list[Reference]) -> None:
        self.released.append(ref)

    def count_rows(self, count: int) -> None:
        pass

    def sink(self) -> TableSink:
        return TableSink(self, None, tuning=self.tuning)

    def list_table(self, column: Column, values: Any) -> Table:
        return Table(self, self.sink().list_table(column, values, None).reference, column)

    def map_table(self, keys: Column, column: Column, pairs: Any) -> Table:
        return Table(self, self.sink().map_table(keys, column, pairs, None).reference, column, keys)

    def commit(self, table: Table) -> int:
        """Store and adopt; the bytes written."""
        before = len(self.data)
        sink = self.sink()
        store(sink, table, None, Changes(table.tree.changed({}, lambda piece, rows: False), {}))
        for stored in sink.stored.values():
            stored.adopt(self, lambda table, moved: None)
        return len(self.data) - before
