"""Storing a changed table: row groups for changed rows, small slices merged by eights, a run more for the index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain
from typing import Any, NamedTuple

from ..codec import trail
from ..codec.base import Space
from ..codec.keys import hash_keys
from ..errors import EncodeError
from ..format.chunk import Ticket
from ..format.layout import Reference
from ..storage.spill import FIRST, SPAN_BITS, is_spilled
from .index import Run, sorted_run, write_run, write_sorted_run
from .nodes import Node, Piece, Target
from .table import ATOMIC, MAX_RUNS, Table
from .writer import TARGET_BYTES, Cut, TableSink

MERGED = 8  # so many neighbours of one size class become one row group
CLASSES = (1, 8, 64, 512)  # rows: the largest slice of each class
SMALL_BYTES = TARGET_BYTES // 64  # of a slice that may be joined with its neighbours
LARGEST = 2048  # rows of a slice that is joined with others where a commit brings many rows beside it
LARGEST_BYTES = TARGET_BYTES // 2

Changed = Callable[[Table, Piece, int, Any], bool]


class Moved(NamedTuple):
    """Values in memory whose rows are now in the row group of `ticket`: by row, with whether they must be held."""

    ticket: Ticket
    values: dict[int, tuple[Any, bool]]


class Stored(NamedTuple):
    """A table as it was written; `adopt` makes the table in memory go on from there, once that is committed."""

    table: Table
    ticket: Ticket
    root: Node
    runs: list[Target]
    moved: list[Moved]

    def adopt(self, space: Space, settle: Callable[[Table, Moved], None]) -> None:
        """The commit is done: the references are known, and `space` reads them."""
        table = self.table
        table.move(space)
        assert self.ticket.reference is not None
        table.ref = self.ticket.reference
        table.tree.adopt(self.root)
        table.added.clear()
        for known in (table.groups, table.held):
            for offset in [offset for offset in known if offset >> SPAN_BITS >= FIRST]:
                del known[offset]
        table.index([found for run in self.runs if (found := _reference(run)) is not None])
        for moved in self.moved:
            settle(table, moved)


def _reference(target: Target) -> Reference | None:
    return target.reference if isinstance(target, Ticket) else target


def is_changed(table: Table, changed: Changed) -> bool:
    """Whether rows came, went or changed since the table was stored."""
    held = {offset: rows for offset, rows in table.held.items() if rows}

    def piece_changed(piece: Piece) -> bool:
        rows = held[piece.ref.offset]  # type: ignore[union-attr]
        return any(
            piece.start <= row < piece.start + piece.length and changed(table, piece, row, value)
            for row, value in list(rows.items())
        )

    return table.tree.mark(held, piece_changed)


def store(sink: TableSink, table: Table, compression: str | None, changed: Changed) -> Target:
    """Where the table lies: in place when nothing changed, else written anew at the cost of what changed."""
    known: Stored | None = sink.stored.get(id(table))
    if known is not None:  # it stands in two places
        return known.ticket
    if not is_changed(table, changed):
        return table.ref
    writer = _Writer(sink, table, compression, changed)
    root = table.tree.write(sink, writer.leaf)
    runs = _write_runs(sink, table) if root.length else []
    ticket = sink.table(root, table.next_row, keyed=table.keys is not None, runs=runs)
    sink.stored[id(table)] = Stored(table, ticket, root, runs, writer.moved)
    return ticket


class _Writer:
    """Writes the pieces of changed leaves."""

    def __init__(self, sink: TableSink, table: Table, compression: str | None, changed: Changed) -> None:
        self.moved: list[Moved] = []
        self._sink = sink
        self._table = table
        self._compression = compression
        self._changed = changed

    def leaf(self, pieces: list[Piece]) -> list[Piece]:
        """`pieces`, all written."""
        held = self._table.held
        split: list[_Part] = []
        for piece in pieces:
            if piece.rows is None and not held.get(piece.ref.offset):  # type: ignore[union-attr]
                split.append(_Part(piece))
            else:
                split += self._split(piece)
        written: list[Piece] = []
        for part in self._joined_neighbours(split) if self._sink.merges else split:
            if part.piece.rows is None and not is_spilled(part.piece.ref):
                written.append(part.piece)
            else:
                written += self._write(part)
        return written

    def _joined_neighbours(self, parts: list[_Part]) -> list[_Part]:
        fresh = max((part.piece.length for part in parts if part.piece.rows is not None), default=0)
        for largest in CLASSES:
            parts = self._merged(parts, largest, SMALL_BYTES)
        largest = min(MERGED * fresh, LARGEST)  # so what is written again is bounded by what came
        return self._merged(parts, largest, LARGEST_BYTES) if largest > CLASSES[-1] else parts

    def _merged(self, parts: list[_Part], largest: int, most_bytes: int) -> list[_Part]:
        if sum([part.piece.length <= largest for part in parts]) < MERGED:
            return parts
        return list(self._merge(parts, largest, most_bytes))

    def _split(self, piece: Piece) -> Iterator[_Part]:
        """The piece, cut around the rows that changed in memory; these stand between as rows to be written."""
        if piece.rows is not None:
            yield _Part(piece, {i: (value, True) for i, value in enumerate(piece.rows) if type(value) not in ATOMIC})
            return
        assert isinstance(piece.ref, Reference)
        held = self._table.held.get(piece.ref.offset, {})
        places = sorted(
            row - piece.start
            for row, value in held.items()
            if piece.start <= row < piece.start + piece.length and self._changed(self._table, piece, row, value)
        )
        done = 0
        for first, last in _runs_of(places):
            if done < first:
                yield _Part(piece.part(done, first))
            values = [held[piece.start + place] for place in range(first, last)]
            fresh = piece.part(first, last)
            fresh.rows, fresh.ref = values, None
            if self._table.keys is not None:
                fresh.keys = [self._table.key(piece, place) for place in range(first, last)]
            yield _Part(fresh, {i: (value, True) for i, value in enumerate(values)})
            done = last
        if done < piece.length:
            yield _Part(piece if not done else piece.part(done, piece.length))

    def _merge(self, parts: list[_Part], largest: int, size: int) -> Iterator[_Part]:
        """Join each `MERGED` or more neighbours of at most `largest` rows and less than `size` bytes."""
        waiting: list[_Part] = []
        for part in parts:
            small = part.piece.length <= largest and self._is_small(part.piece, size)
            if waiting and not (small and self._adjoin(waiting[-1].piece, part.piece)):
                yield from self._joined(waiting)
                waiting = []
            if small:
                waiting.append(part)
            else:
                yield part
        yield from self._joined(waiting)

    def _is_small(self, piece: Piece, size: int) -> bool:
        """Whether the piece takes less than `size` bytes of its row group, or is not written yet."""
        if piece.rows is not None:
            return True
        ref = piece.ref
        if not isinstance(ref, Reference) or ref.length < size:
            return True
        return ref.length * piece.length < size * self._table.group(piece).count

    def _adjoin(self, left: Piece, right: Piece) -> bool:
        return self._table.keys is None or left.first + left.length == right.first

    def _joined(self, parts: list[_Part]) -> Iterator[_Part]:
        if len(parts) < MERGED:
            yield from parts
            return
        rows: list[Any] = []
        keys: list[Any] | None = None if self._table.keys is None else []
        values: dict[int, tuple[Any, bool]] = {}
        for part in parts:
            at = len(rows)
            part = part._replace(values=self._in_memory(part))
            values.update({at + row: value for row, value in part.values.items()})
            rows += self._rows(part)
            if keys is not None:
                keys += self._keys(part.piece)
        yield _Part(Piece(None, 0, len(rows), parts[0].piece.first, rows, keys), values)

    def _rows(self, part: _Part) -> list[Any]:
        """The part's rows, to be written again: plain copies, but for those in memory.

        Rows with marked fields are taken lazily, so that what these lead to is referred to where it is.
        """
        piece = part.piece
        if piece.rows is not None:
            return piece.rows
        group = self._table.group(piece)
        if not group.whole:
            return [self._table.value(piece, place) for place in range(piece.length)]
        rows = group.items.read(piece.start, piece.start + piece.length)
        for place, (value, _) in part.values.items():
            rows[place] = value
        return rows

    def _keys(self, piece: Piece) -> list[Any]:
        if piece.keys is not None:
            return piece.keys
        keys = self._table.group(piece).keys
        assert keys is not None
        return keys.read(piece.start, piece.start + piece.length)

    def _in_memory(self, part: _Part) -> dict[int, tuple[Any, bool]]:
        """What of the part's rows somebody may hold: proxies too that are known only to their view."""
        piece = part.piece
        if piece.rows is not None:
            return part.values
        group = self._table.group(piece)
        found: dict[int, tuple[Any, bool]] = {}
        for row, known in getattr(group.items, "live", {}).items():
            proxy = known()
            if proxy is not None and piece.start <= row < piece.start + piece.length:
                found[row - piece.start] = (proxy, False)
        for row, value in group.held.items():
            if piece.start <= row < piece.start + piece.length:
                found[row - piece.start] = (value, True)
        return found

    def _write(self, part: _Part) -> Iterator[Piece]:
        piece = part.piece
        if piece.rows is None:
            yield self._copied(piece)
            return
        keys = self._table.keys
        pairs = piece.rows if keys is None else zip(piece.keys or (), piece.rows, strict=True)
        groups = self._sink.groups(self._table.items, keys, self._compression)

        def placed(problem: EncodeError, row: int, value: Any) -> EncodeError:
            return self._placed(problem, piece, row)

        done = 0
        with closing(groups.write(Cut(pairs), placed)) as written:
            for ticket, batch in written:
                end = done + len(batch)
                values = {row - done: part.values[row] for row in range(done, end) if row in part.values}
                if values:
                    self.moved.append(Moved(ticket, values))
                yield Piece(ticket, 0, len(batch), piece.first + done if piece.first >= 0 else piece.first)
                done = end

    def _copied(self, piece: Piece) -> Piece:
        """A piece of a spilled row group, which comes along as it is."""
        ref, table = piece.ref, self._table
        assert isinstance(ref, Reference)
        ticket = self._sink.copy(ref, table.space)
        if ref.offset in table.groups:  # else nobody holds rows of it
            found = self._in_memory(_Part(piece))
            self.moved.append(Moved(ticket, {piece.start + row: value for row, value in found.items()}))
        return Piece(ticket, piece.start, piece.length, piece.first)

    def _placed(self, problem: EncodeError, piece: Piece, row: int) -> EncodeError:
        """The error, with the key or the position of the row that it is about."""
        if piece.keys is not None:
            return trail.below(problem, f"[{piece.keys[row]!r}]", 0)
        assert piece.rows is not None
        value = piece.rows[row]
        position = 0
        for other, _, _ in self._table.tree.pieces():
            held = self._table.held.get(other.ref.offset, {}) if isinstance(other.ref, Reference) else {}
            known = held.items() if other.rows is None else enumerate(other.rows)
            for found, each in known:
                if each is value:
                    return trail.at(problem, position + found - other.start)
            position += other.length
        return problem


class _Part(NamedTuple):
    """A piece on its way; `values` are those of its rows, if unwritten, that somebody may hold."""

    piece: Piece
    values: dict[int, tuple[Any, bool]] = {}


def _runs_of(places: list[int]) -> Iterator[tuple[int, int]]:
    """Consecutive places as (first, end)."""
    first = previous = -2
    for place in chain(places, [-2]):
        if place != previous + 1 or place < 0:
            if previous >= 0:
                yield first, previous + 1
            first = place
        previous = place


def _write_runs(sink: TableSink, table: Table) -> list[Target]:
    """The index's runs, the oldest first: those that are there, and one for the keys that were added.

    Small runs, and those of streams, are merged into the new one, so that each is at least twice as large as the next
    and there are few.
    """
    runs: list[Target] = [ref for ref in table.run_refs if not is_spilled(ref)]
    spilled = [ref for ref in table.run_refs if is_spilled(ref)]
    hashes = hash_keys(list(table.added))
    rows = list(table.added.values())
    old = [Run(table.space.chunk, ref) for ref in table.run_refs[: len(runs)]]
    merged = [Run(table.space.chunk, ref) for ref in reversed(spilled)]
    size = len(rows) + sum(run.count for run in merged)
    while size and old and (len(old) >= MAX_RUNS or old[-1].count <= 2 * size):
        run = old.pop()
        runs.pop()
        size += run.count
        merged.append(run)
    if not merged:
        return [*runs, write_run(sink, hashes, rows)] if rows else runs
    if not rows and len(merged) == len(spilled) == 1:
        return [*runs, sink.copy(spilled[0], table.space)]
    import numpy as np

    parts = [(np.array(hashes, np.uint64), np.array(rows, np.uint64))]
    parts += [run.entries() for run in reversed(merged)]
    keys, ids = (np.concatenate(each) for each in zip(*parts, strict=True))
    if table.rows < table.next_row:  # some rows are gone, and their entries stale
        there = np.array([table.tree.row(row) is not None for row in ids.tolist()], bool)
        keys, ids = keys[there], ids[there]
    return [*runs, write_sorted_run(sink, *sorted_run(keys, ids))] if len(keys) else runs
