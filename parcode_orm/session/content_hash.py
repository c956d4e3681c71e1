"""Digests of content: of what would be written, and of what a file holds. Offsets are left out, so they compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..codec.asis import UNREADABLE, to_write
from ..codec.base import Column, Space, View
from ..codec.bulk import gc_paused
from ..codec.columns.boundary import ChunkColumn
from ..codec.columns.mixed import Mixed, Part, encode_parts
from ..codec.stream import is_stream
from ..codec.views.boundary import Unread
from ..codec.views.stretch import Stretch
from ..errors import CorruptionError, EncodeError
from ..format.blob import BlobEncoder
from ..format.checksum import wide_checksum
from ..format.chunk import Chunk
from ..format.chunk_copy import unverified
from ..format.encoder import Buffer, Encoder, Ticket
from ..format.layout import Kind, Reference
from ..stack import roomy
from ..storage.mapped import Source
from ..table.nodes import Piece
from ..table.row_group import Group
from ..table.row_groups import Reuse, TableSink, never_reuse
from ..table.table import Table
from ..tuning import TUNING, Tuning
from .space import FileSpace

MOSTLY = 8  # a row group of which one row in so many was cut out is compared slice by slice


class UnreadStream(Exception):
    """A one-shot stream stands in the object: it can be written, but not read twice. Or rows of one that was read."""


class _Digest(Ticket):
    """The digest of a chunk that would be written, without the chunks below it, and its references to these."""

    __slots__ = ("digest", "refs")

    def __init__(self, digest: bytes, refs: list[Ticket | Reference]) -> None:
        super().__init__()
        self.digest = digest
        self.refs = refs

    def whole(self) -> bytes:
        """The digest of all below, where nothing of a file is referred to."""
        return wide_checksum(self.digest + b"".join([_below(ref) for ref in self.refs]))


@roomy
def _below(ref: Ticket | Reference) -> bytes:
    assert isinstance(ref, _Digest)
    return ref.whole()


def _digest(kind: int, schema: int, directory: bytes | memoryview) -> bytes:
    return wide_checksum(b"".join([b"%d %d " % (kind, schema), directory]))


class _Nothing:
    """An output that writes nothing; its tickets carry digests."""

    def submit(self, chunk: Encoder) -> Ticket:
        """Digest a chunk."""
        directory, _ = chunk.finish()
        return _Digest(_digest(chunk.kind, chunk.fingerprint, directory), list(chunk.refs))

    def blob(self, data: Buffer, compression: str | None, meta: bytes) -> Ticket:
        """Digest a blob."""
        return self.submit(BlobEncoder(data, compression, meta))


class DigestSink(TableSink):
    """Encodes as a file would be written, but only to compare."""

    merges = False

    def __init__(self, compression: str | None = None, reuse: Reuse = never_reuse, tuning: Tuning = TUNING) -> None:
        super().__init__(_Nothing(), compression, reuse, tuning=tuning)

    def copy(self, ref: Reference, space: Space) -> Ticket:
        """What was streamed since the last commit is not in the file."""
        raise UnreadStream

    def refer(self, cls: type[object], keys: Sequence[Any], fresh: Sequence[Any]) -> None:
        """Nothing is written."""

    def list_table(self, items: Column, values: object, compression: str | None) -> Ticket:
        """Digest a table; a stream cannot be."""
        if is_stream(type(values)):
            raise UnreadStream
        return super().list_table(items, values, compression)

    def map_table(self, keys: Column, values: Column, pairs: object, compression: str | None) -> Ticket:
        """Digest a keyed table; a stream cannot be."""
        if is_stream(type(pairs)):
            raise UnreadStream
        return super().map_table(keys, values, pairs, compression)


class CheckSink(DigestSink):
    """Encodes as a file would be written, and notes the keys to which references lead."""

    refer = TableSink.refer

    def copy(self, ref: Reference, space: Space) -> Ticket:
        """As a file would be written: rows that left memory refer to keys, too."""
        for cls, keys in space.referred().items():
            self.refer(cls, list(keys), [])
        return super().copy(ref, space)


def digest_of(column: Column, *values: object) -> bytes:
    """The digest of the encoding of values; raises `UnreadStream` where they hold a stream."""
    return _digest_of(column, [list(values)])


def digest_of_row(column: Column, view: View, row: int) -> bytes:
    """`digest_of` the value that stands in a row of `view`; columns that can are encoded from columns."""
    return _digest_of_rows(column, view, row, row + 1)


def _digest_of_rows(column: Column, view: View, start: int, stop: int) -> bytes:
    return _digest_of(column, [Stretch(view, start, stop, apart=True)])


def _digest_of(column: Column, parts: list[Any]) -> bytes:
    sink = DigestSink()
    out = sink.encoder(Kind.COLUMN)
    encode_parts(column, parts, out)
    return _below(sink.submit(out))


def is_stored(
    column: Column, obj: object, stored: Reference, space: FileSpace, compression: str | None, reuse: Reuse
) -> bool:
    """Whether the table at `stored` is the one that would hold `obj` as its one row.

    What `obj` would share with the file is not looked into: this costs what is held in memory, not what is stored.
    """
    ticket = DigestSink(compression, reuse, space.tuning).list_table(column, [obj], None)
    return _Comparison(space.source).equal(ticket, stored)


def is_stored_apart(column: ChunkColumn, value: Any, stored: Unread) -> bool:
    """Whether `value`, a plain collection, has the rows of the table that `stored` stands for.

    Row groups as they would be written now are compared by their directories. Where earlier commits have cut rows out
    of a row group, these are taken as they stand there. Only if a row group was written in another way, its columns
    are read.
    """
    table = getattr(getattr(stored.read(), "rows", None), "table", None)
    if table is None or table.rows != len(value):
        return False
    keys, rows = (None, value) if table.keys is None else (list(value), list(value.values()))
    slices: dict[int, list[tuple[Piece, int]]] = {}  # of each row group, with their places among the rows
    at = 0
    for piece, _, _ in table.tree.pieces():
        slices.setdefault(piece.offset, []).append((piece, at))
        at += piece.length
    try:
        with gc_paused():
            return all(map(_SameRows(table, column.compression, keys, rows), slices.values()))
    except (UnreadStream, EncodeError):  # what is wrong will be said, with its path, when it is written
        return False


class _SameRows:
    """Tells whether plain rows, and their keys in a keyed table, are stored as the slices of a row group."""

    def __init__(self, table: Table, compression: str | None, keys: list[Any] | None, rows: list[Any]) -> None:
        space: Any = table.space
        self._table = table
        self._compression = compression
        self._keys = keys
        self._rows = rows
        self._sink = DigestSink(space.compression, tuning=space.tuning)
        self._comparison = _Comparison(space.source)

    def __call__(self, slices: list[tuple[Piece, int]]) -> bool:
        groups = [self._table.group(piece) for piece, _ in slices]  # which checks their bounds
        if self._is_written_so(groups[0], slices):
            return True
        table, group = self._table, groups[0]
        for column, view, values in ((table.keys, group.keys, self._keys), (table.items, group.items, self._rows)):
            if column is None or view is None or values is None:
                continue
            for piece, at in slices:
                stored = _digest_of_rows(column, view, piece.start, piece.start + piece.length)
                if digest_of(column, *values[at : at + piece.length]) != stored:
                    return False
        return True

    def _is_written_so(self, group: Group, slices: list[tuple[Piece, int]]) -> bool:
        """Whether the row group with these rows would be written as it is stored, bit by bit.

        Rows that are in no slice come from unverified bytes. The digest fits only if they are right.
        """
        table, count = self._table, group.count
        columns = (table.items,) if table.keys is None else (table.keys, table.items)
        gone = count - sum([piece.length for piece, _ in slices])
        if gone > count // MOSTLY:
            return False
        keys: list[Any] = []
        rows: list[Part] = []
        done = 0
        try:
            if gone:
                group = Group(group.ref, table.space, columns, table.fingerprint, {}, unverified(group.chunk))
            for piece, at in sorted(slices, key=_start_of):
                if done < piece.start:
                    self._add_stored(group, done, piece.start, keys, rows)
                rows.append(self._rows[at : at + piece.length])
                keys += self._keys[at : at + piece.length] if self._keys is not None else ()
                done = piece.start + piece.length
            if done < count:
                self._add_stored(group, done, count, keys, rows)
            pair = None if table.keys is None else (table.keys, keys)
            ticket, _ = self._sink.write_group(table.items, Mixed(rows), pair, self._compression, table.fingerprint)
        except UNREADABLE:
            return False
        return self._comparison.equal(ticket, group.ref)

    def _add_stored(self, group: Group, start: int, stop: int, keys: list[Any], rows: list[Part]) -> None:
        rows.append(Stretch(group.items, start, stop, apart=True))
        if group.keys is not None:
            keys += to_write(group.keys.read, start, stop)


def _start_of(each: tuple[Piece, int]) -> int:
    return each[0].start


class _Comparison:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._equal: set[tuple[int, int]] = set()  # so that what is referred to twice is compared once

    def equal(self, new: Ticket | Reference, old: Reference) -> bool:
        """Whether `new` would be the chunk at `old`; what is damaged is equal to nothing."""
        try:
            return self._equal_below(new, old)
        except CorruptionError:
            return False

    @roomy
    def _equal_below(self, new: Ticket | Reference, old: Reference) -> bool:
        if isinstance(new, _Digest):
            chunk = self._source.chunk(old)
            return new.digest == _stored(chunk) and self._all(new.refs, chunk.refs)
        assert isinstance(new, Reference)
        pair = new.offset, old.offset
        if new.offset == old.offset or pair in self._equal:
            return True
        mine, theirs = self._source.chunk(new), self._source.chunk(old)
        if _stored(mine) != _stored(theirs) or not self._all(mine.refs, theirs.refs):
            return False
        self._equal.add(pair)
        return True

    def _all(self, new: list[Any], old: list[Reference]) -> bool:
        return len(new) == len(old) and all(map(self._equal_below, new, old))


def _stored(chunk: Chunk) -> bytes:
    return _digest(chunk.kind, chunk.fingerprint, chunk.directory)
