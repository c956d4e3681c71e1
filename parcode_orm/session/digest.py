"""Digests of content: of what would be written, and of what a file holds. Offsets are left out, so they compare."""

from __future__ import annotations

from typing import Any

from ..codec.base import Column
from ..codec.stream import is_stream
from ..format.blob import BlobEncoder
from ..format.checksum import wide_checksum
from ..format.chunk import Buffer, Chunk, Encoder, Ticket
from ..format.layout import Kind, Reference
from ..storage.mapped import Source
from ..table.writer import Reuse, TableSink


class UnreadStream(Exception):
    """A one-shot stream stands in the object: it can be written, but not read twice."""


class _Digest(Ticket):
    __slots__ = ("digest",)

    def __init__(self, digest: bytes) -> None:
        super().__init__()
        self.digest = digest


def _combine(kind: int, schema: int, directory: bytes | memoryview, refs: list[bytes]) -> bytes:
    return wide_checksum(b"".join([b"%d %d %d " % (kind, schema, len(refs)), *refs, directory]))


class Digester:
    """An output that writes nothing; its tickets carry digests. References are digested through `source`."""

    def __init__(self, source: Source | None) -> None:
        self._source = source
        self._known: dict[int, bytes] = {}

    def submit(self, chunk: Encoder) -> Ticket:
        """Digest a chunk."""
        directory, _ = chunk.finish()
        return _Digest(_combine(chunk.kind, chunk.fingerprint, directory, [self.of(ref) for ref in chunk.refs]))

    def blob(self, data: Buffer, compression: str | None, meta: bytes) -> Ticket:
        """Digest a blob."""
        return self.submit(BlobEncoder(data, compression, meta))

    def of(self, target: Ticket | Reference) -> bytes:
        """The digest of a chunk, to be written or in the file."""
        if isinstance(target, _Digest):
            return target.digest
        assert isinstance(target, Reference) and self._source is not None
        known = self._known.get(target.offset)
        if known is None:
            chunk = self._source.chunk(target)
            known = _stored(chunk, [self.of(ref) for ref in chunk.refs])
            self._known[target.offset] = known
        return known


def _stored(chunk: Chunk, refs: list[bytes]) -> bytes:
    return _combine(chunk.kind, chunk.fingerprint, chunk.directory, refs)


class DigestSink(TableSink):
    """Encodes as a file would be written, but only to compare."""

    def list_table(self, items: Column, values: Any, compression: str | None) -> Ticket:
        """Digest a table; a stream cannot be."""
        if is_stream(type(values)):
            raise UnreadStream
        return super().list_table(items, values, compression)

    def map_table(self, keys: Column, values: Column, pairs: Any, compression: str | None) -> Ticket:
        """Digest a keyed table; a stream cannot be."""
        if is_stream(type(pairs)):
            raise UnreadStream
        return super().map_table(keys, values, pairs, compression)


def digest_of(column: Column, value: Any) -> bytes:
    """The digest of one value's encoding; raises `UnreadStream` where it holds a stream."""
    digester = Digester(None)
    sink = DigestSink(digester, None)
    out = sink.encoder(Kind.COLUMN)
    column.encode([value], out)
    return digester.of(sink.submit(out))


def root_digests(
    column: Column, obj: Any, stored: Reference, source: Source, compression: str | None, reuse: Reuse
) -> tuple[bytes, bytes]:
    """The digests of the table that would hold `obj` as its one row, and of the one that is `stored`."""
    digester = Digester(source)
    ticket = DigestSink(digester, compression, reuse).list_table(column, [obj], None)
    return digester.of(ticket), digester.of(stored)
