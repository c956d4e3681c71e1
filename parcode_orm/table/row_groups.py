"""Rows to row groups, and row groups to a table."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from itertools import count
from typing import Any, NamedTuple, Protocol

from ..codec import trail
from ..codec.base import Column, Space
from ..codec.bulk import gc_paused
from ..codec.columns.arrays import vector_bytes
from ..codec.columns.mixed import Mixed, MixedPairs, encode_parts
from ..codec.schema import known, short_fingerprint
from ..errors import EncodeError, StreamConsumedError
from ..format.chunk import Chunk
from ..format.chunk_copy import Copy
from ..format.encoder import Buffer, Encoder, Ticket
from ..format.layout import TABLE_HEADER, Encoding, Kind, Reference
from ..storage.spill import is_spilled
from ..tuning import TUNING, Tuning
from .cuts import Batch, Cut, DictCut, Pairs, keys_of
from .key_sort import KeyHashes
from .mixed_groups import write_mixed
from .nodes import NO_ID, Node, Piece, Target, build, stored_height, without

TARGET_BYTES = 192 * 1024  # of its largest chunk: who reads one row reads whole columns
LAG = 8  # row groups: how far back the one lies that tells how many rows the next one gets
COLUMN = Kind.COLUMN
ROWS = frozenset({Kind.ROW_GROUP, COLUMN})  # kinds of chunks that may refer to some that are to lie beside them

Reuse = Callable[["TableSink", Any, Column], Ticket | Reference | None]


class Newest(Protocol):
    """What the newest classes know. `older`: the one of the root that is written knows less."""

    older: bool

    def lost(self, view: Any, start: int, stop: int) -> list[str]:
        """What stored rows would lose of that."""

    def check(self, view: Any, row: int, what: Callable[[], str] | None = None) -> None:
        """Raise `DowngradeError` if a stored row, which messages call `what()`, would lose some of that."""

    def check_rows(self, view: Any, start: int, stop: int) -> None:
        """As `check`, of rows that go elsewhere as they are stored."""


class Output(Protocol):
    """Where chunks go: the storage pipeline."""

    def submit(self, chunk: Encoder) -> Ticket:
        """Write a chunk after all that were submitted before it. Returns its ticket, which will say where it lies."""

    def blob(self, data: Buffer, compression: str | None, meta: bytes) -> Ticket:
        """Write one large value."""


def never_reuse(sink: TableSink, value: Any, column: Column) -> None:
    """Nothing is there yet."""


def never_fresh(space: Any) -> bool:
    """No session writes."""
    return False


class TableSink:
    """The codec's sink: gives encoders, passes finished chunks on, writes tables of their own.

    `reuse(value, column)` tells where an unchanged lazy collection already lies in the file that is written. `consumed`
    are iterators that were read before, by a commit that failed; `read` those that this sink has read.
    """

    merges = True  # what is only compared need not be

    def __init__(
        self,
        output: Output,
        compression: str | None,
        reuse: Reuse = never_reuse,
        consumed: Sequence[Any] = (),
        tuning: Tuning = TUNING,
    ) -> None:
        self.compression = compression
        self.tuning = tuning
        self.reusing = reuse
        self.rows_written = 0
        self.stored: dict[int, Any] = {}  # by id, tables that were written anew, to go on from there after the commit
        self._output = output
        self._copied: dict[Reference, Ticket] = {}
        self._consumed = consumed
        self.read: list[Any] = []
        self.learned: dict[str, bytes] = {}  # schemas by their fingerprints
        self.referred: dict[type[Any], set[Any]] = {}  # keys to which what is written refers, by the targets' class
        self.fresh: list[Any] = []  # references in what is written that are not bound to the session that writes
        self.is_fresh: Callable[[Any], bool] = never_fresh
        self.newest: Newest | None = None  # where stored rows may not lose what the class does not know
        self._largest = 0

    def reuse(self, value: Any, column: Column) -> Ticket | Reference | None:
        """Where `value` lies already, if what is written may refer to it."""
        return self.reusing(self, value, column)

    def learn(self, column: Column) -> None:
        """Note a column whose schema the file must have, though that of no root leads to it."""
        schema = known(column)
        self.learned[schema.long] = schema.schema

    def refer(self, cls: type[Any], keys: Sequence[Any], fresh: Sequence[Any]) -> None:
        """Note keys of entities of `cls` to which values that are written refer, and references to be bound."""
        self.referred.setdefault(cls, set()).update(keys)
        self.fresh += fresh

    def encoder(self, kind: Kind, compression: str | None = None, fingerprint: int = 0) -> Encoder:
        """A new chunk, compressed as the session says unless `compression` is given."""
        return Encoder(kind, self.compression if compression is None else compression, self, fingerprint)

    def submit(self, chunk: Encoder) -> Ticket:
        """Hand over a finished chunk, those first that it refers to and that are to lie beside it."""
        if chunk.kind in ROWS:
            if chunk.kind == COLUMN:
                self._largest = max(self._largest, chunk.size)
            for at, ref in enumerate(chunk.refs):
                if isinstance(ref, Encoder):
                    chunk.refs[at] = self.submit(ref)
        return self._output.submit(chunk)

    def blob(self, data: Buffer, compression: str | None, meta: bytes) -> Ticket:
        """Write one value as an extent of its own."""
        return self._output.blob(data, self.compression if compression is None else compression, meta)

    def copy(self, ref: Reference, space: Space) -> Ticket:
        """Write the spilled chunk at `ref`, and those below it, as they are; each is written once."""
        ticket = self._copied.get(ref)
        if ticket is None:
            self.learned.update(space.learned())
            for cls, keys in space.referred().items():
                self.refer(cls, list(keys), [])
            chunk = space.chunk(ref)
            refs: list[Ticket | Reference] = [
                self.copy(each, space) if is_spilled(each) else each for each in chunk.refs
            ]
            ticket = self._copied[ref] = self.write_again(chunk, refs)
        return ticket

    def write_again(self, chunk: Chunk, refs: list[Ticket | Reference]) -> Ticket:
        """Write a chunk as it stands, with other references."""
        if chunk.kind == Kind.ROW_GROUP:
            self.rows_written += chunk.nodes[0].count
        return self._output.submit(Copy(chunk, refs))

    def list_table(self, items: Column, values: Any, compression: str | None) -> Ticket:
        """Write a table whose rows are `values`: an iterable, taken as it comes, or `Mixed`.

        One row group is such a table by itself.
        """

        def placed(problem: EncodeError, row: int, value: Any) -> EncodeError:
            return trail.at(problem, row)

        self._note(values)
        pieces: list[Piece] = []
        if type(values) is Mixed:
            for ticket, start, stop in write_mixed(self, items, values, None, compression):
                pieces.append(Piece(ticket, 0, stop - start, NO_ID))
        else:
            for ticket, batch in self.groups(items, None, compression).write(Cut(values), placed):
                pieces.append(Piece(ticket, 0, len(batch), NO_ID))
        if len(pieces) == 1:
            only = pieces[0].ref
            assert isinstance(only, Ticket)
            return only
        return self.table(build(self, pieces), 0, keyed=False, runs=[])

    def map_table(self, keys: Column, values: Column, pairs: Any, compression: str | None) -> Ticket:
        """Write a table of key and value with a hash index: of a dictionary, an iterable of pairs, or `MixedPairs`.

        Of pairs with equal keys the last one wins.
        """

        def placed(problem: EncodeError, row: int, pair: Any) -> EncodeError:
            return trail.below(problem, f"[{pair[0]!r}]", 0)

        self._note(pairs)
        pieces: list[Piece] = []
        mixed = type(pairs) is MixedPairs
        # A stream may hold a key twice, a dict never.
        with KeyHashes(repeated=not (mixed or isinstance(pairs, dict) or hasattr(type(pairs), "mapping"))) as hashes:
            if mixed:
                for ticket, start, stop in write_mixed(self, values, pairs.mixed, (keys, pairs.keys), compression):
                    pieces.append(Piece(ticket, 0, stop - start, start))
                hashes.add(pairs.keys)
            else:
                cut = (
                    DictCut(pairs) if type(pairs) is dict else Cut(pairs.items() if isinstance(pairs, dict) else pairs)
                )
                for ticket, batch in self.groups(values, keys, compression).write(cut, placed):
                    pieces.append(Piece(ticket, 0, len(batch), len(hashes)))
                    hashes.add(keys_of(batch))
            gone, run = hashes.finish(self)
        if gone:
            pieces = [part for piece in pieces for part in without(piece, gone)]
        return self.table(build(self, pieces), len(hashes), keyed=True, runs=[] if run is None else [run])

    def _note(self, values: Any) -> None:
        """Note an iterator, which can be read but once."""
        if hasattr(type(values), "__next__"):
            if any(each is values for each in self._consumed):
                raise StreamConsumedError("this iterator was read by a commit that failed: assign a new one")
            self.read.append(values)

    def groups(self, items: Column, keys: Column | None, compression: str | None, schema: int = 0) -> RowGroups:
        """Where to write rows (pairs of key and item, where there are keys), a row group at a time.

        `schema` is the fingerprint of both columns, where it is known.
        """
        schema = schema or short_fingerprint(*((items,) if keys is None else (keys, items)))
        return RowGroups(self, items, keys, compression, schema)

    def table(self, root: Node, next_row: int, *, keyed: bool, runs: Sequence[Target]) -> Ticket:
        """Write the chunk that says what a table is made of: the written tree `root`, and the index's `runs`."""
        out = self.encoder(Kind.TABLE)
        out.refs = [root.ref, *runs] if root.length else [*runs]
        height = stored_height(root)
        out.leaf(Encoding.RAW, 1, TABLE_HEADER.pack(root.length, max(next_row, root.length), height, keyed, len(runs)))
        return self._output.submit(out)

    def write_group(
        self, items: Column, rows: Any, keys: tuple[Column, Sequence[Any]] | None, compression: str | None, schema: int
    ) -> tuple[Ticket, int]:
        """Write one row group: its ticket, and the size in bytes of its largest chunk before compression.

        A chunk of a marked field counts twice, and a field that is declared as a `Vector` a quarter: a search goes over
        the vectors of all row groups, and takes as long for each of them as for forty vectors.
        """
        outer, self._largest = self._largest, 0
        out = self.encoder(Kind.ROW_GROUP, compression, schema)
        root = out.open(Encoding.STRUCT, len(rows))
        if keys is not None:
            keys[0].encode(keys[1], out)
        if type(rows) is Mixed:
            encode_parts(items, rows.parts, out)
        else:
            items.encode(rows, out)
        out.close(root)
        ticket = self.submit(out)
        size = sum(map(len, out.buffers)) - len(rows) * vector_bytes(items) * 3 // 4
        size = max(size, 2 * self._largest)  # an edit of a nested collection reads the row, too
        self._largest = outer
        self.rows_written += len(rows)
        return ticket, size


class Nowhere:
    """Measures what rows would take: chunks are counted by their sink and dropped."""

    def submit(self, chunk: Encoder) -> Ticket:
        return Ticket()

    def blob(self, data: Buffer, compression: str | None, meta: bytes) -> Ticket:
        return Ticket()


class Sampler(TableSink):
    """Encodes rows without writing; tables within them are left alone, so that no stream is consumed."""

    def list_table(self, items: Column, values: Any, compression: str | None) -> Ticket:
        return Ticket()

    def map_table(self, keys: Column, values: Column, pairs: Any, compression: str | None) -> Ticket:
        return Ticket()


class Written(NamedTuple):
    """A row group that is on its way, and its rows, or pairs of key and row."""

    ticket: Ticket
    batch: Batch


Placed = Callable[[EncodeError, int, Any], EncodeError]  # told which row, and its value, the error is about


class RowGroups:
    """The row groups of one table, as they are written: each of about `TARGET_BYTES`, at most `group_rows` rows.

    The rows of an earlier row group tell how many rows fit, so the number depends on the rows alone.
    """

    def __init__(
        self, sink: TableSink, items: Column, keys: Column | None, compression: str | None, schema: int
    ) -> None:
        self._sink = sink
        self._tuning = sink.tuning
        self._items = items
        self._keys = keys
        self._compression = compression
        self._schema = schema
        self._sizes: deque[tuple[float, int]] = deque(maxlen=LAG)  # bytes a row, and rows, of the last ones written
        self._written = 0
        self._rows = 0

    def write(self, cut: Cut, placed: Placed) -> Generator[Written, None, None]:
        """Write all rows, a row group at a time. An error about a row goes through `placed`."""
        tuning = self._tuning
        few = cut.peek(tuning.sample_rows + 1)
        if 0 < len(few) <= min(tuning.few_rows, tuning.group_rows):  # one row group, whatever they take
            yield self._write_batch(few, placed)
            return
        for number in count():
            batch = cut.take(self.room(cut, placed, number))
            if not batch:
                return
            yield self._write_batch(batch, placed)
            del batch

    def room(self, cut: Cut, placed: Placed, number: int = 0) -> int:
        """How many rows row group `number` gets; of the first one, as a sample of the rows to come says."""
        most = self._tuning.group_rows
        if number:  # values that repeat take less together than in parts, so that few rows say little of many
            size, rows = self._sizes[_basis(number) - self._written]
            most = min(most, 2 * rows)
        else:
            few = self._tuning.sample_rows
            sample = cut.peek(few + 1)
            size = self._sample(sample[:few], placed) if len(sample) > self._tuning.few_rows else 0.0
        return min(most, max(1, int(TARGET_BYTES / max(size, 1.0))))

    def _sample(self, rows: Batch, placed: Placed) -> float:
        try:
            return self._write(Sampler(Nowhere(), None, tuning=self._tuning), rows, None)[1] / len(rows)
        except EncodeError as problem:
            row = trail.row_of(problem)
            raise placed(problem, row, rows[row]) from None

    def _write_batch(self, batch: Batch, placed: Placed) -> Written:
        try:
            with gc_paused():
                ticket, size = self._write(self._sink, batch, self._compression)
        except EncodeError as problem:
            row = trail.row_of(problem)
            raise placed(problem, self._rows + row, batch[row]) from None
        self._sizes.append((size / len(batch), len(batch)))
        self._written += 1
        self._rows += len(batch)
        return Written(ticket, batch)

    def _write(self, sink: TableSink, batch: Batch, compression: str | None) -> tuple[Ticket, int]:
        if self._keys is None:
            return sink.write_group(self._items, batch, None, compression, self._schema)
        keys, values = (batch.left, batch.right) if isinstance(batch, Pairs) else zip(*batch, strict=True)
        return sink.write_group(self._items, values, (self._keys, keys), compression, self._schema)


def _basis(number: int) -> int:
    """The row group whose rows tell how many row group `number` gets. Near the start it is not so far back."""
    return max(number - LAG, (number - 1) // 2)
