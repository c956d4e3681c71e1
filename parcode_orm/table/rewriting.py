"""Changed leaves of a table: rows that changed are written, with others, and small neighbours joined by eights."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from itertools import accumulate, chain, pairwise
from typing import Any, NamedTuple

from ..codec import trail
from ..codec.asis import to_write
from ..codec.columns.mixed import Mixed, Part, Stretch
from ..codec.columns.mixed import joined as joined_parts
from ..errors import CorruptionError, EncodeError
from ..format.chunk import Ticket
from ..format.layout import Reference
from ..storage.spill import SPILLED
from .nodes import Known, Piece
from .row_group import Group
from .row_groups import TARGET_BYTES, TARGET_ROWS, Cut, TableSink
from .table import ATOMIC, SMALL_BYTES, Table

MERGED = 8  # so many neighbours of one size class become one row group
WRITTEN = 4  # rows that are written again for each that is gained
CLASSES = (1, 8, 64, 512)  # rows: the largest slice of each class
SHORT = 64  # rows of a stretch of new ones that is written in a row group with others
LARGEST = 2048  # rows of a slice that is joined with others where a commit brings many rows beside it
LARGEST_BYTES = TARGET_BYTES // 2

Changed = Callable[[Table, Piece, dict[int, Any]], Collection[int]]  # which of these rows changed


class _Joined(Piece):
    """Neighbouring pieces, to be written as one; `parts` are they, each with the place of its first row.

    `bytes` is about what they take.
    """

    __slots__ = ("bytes", "parts")
    bytes: float
    parts: list[tuple[int, Piece]]


class Moved(NamedTuple):
    """The rows `start` to `stop` of `piece` are now those from `at` on of the row group of `ticket`."""

    ticket: Ticket
    piece: Piece
    start: int
    stop: int
    at: int = 0

    def in_memory(self, table: Table) -> Known:
        """Those that somebody may hold now: a stream that was read since they were written may have met some."""
        known = _in_memory(table, self.piece)
        return {row - self.start + self.at: known[row] for row in range(self.start, self.stop) if row in known}


class Rewriter:
    """Writes the pieces of changed leaves."""

    def __init__(self, sink: TableSink, table: Table, compression: str | None, changed: Changed) -> None:
        self.moved: list[Moved] = []
        self.left: list[tuple[int, range]] = []
        self.merged: set[int] = set()
        self._sink = sink
        self._table = table
        self._compression = compression
        self._changed = changed

    def leaf(self, pieces: list[Piece]) -> list[Piece]:
        """The pieces of neighbouring leaves as they are to be: cut around changed rows, and small ones joined."""
        held = {offset: sorted(rows) for offset, rows in self._table.rows_held().items()}
        split: list[Piece] = []
        for piece in pieces:
            if piece.rows is not None:
                piece.known = {i: (value, True) for i, value in enumerate(piece.rows) if type(value) not in ATOMIC}
            elif piece.ref.offset in held:  # type: ignore[union-attr]
                rows = held[piece.ref.offset]  # type: ignore[union-attr]
                if bisect_left(rows, piece.start) < bisect_left(rows, piece.start + piece.length):
                    split += self._split(piece)
                    continue
            split.append(piece)
        return self._joined_neighbours(split) if self._sink.merges else split

    def written(self, leaves: list[list[Piece]]) -> Iterator[list[Piece]]:
        """The pieces that `leaf` gave, all written: short ones of all leaves together, so that few row groups come."""
        short = [
            piece
            for pieces in leaves
            for piece in pieces
            if piece.rows is not None and not isinstance(piece, _Joined) and piece.length <= SHORT
        ]
        gathered = self._write_gathered(short) if len(short) > 1 else {}
        for pieces in leaves:
            found: list[Piece] = []
            for piece in pieces:
                if id(piece) in gathered:
                    found += gathered[id(piece)]
                elif piece.rows is None and piece.ref.offset < SPILLED:  # type: ignore[union-attr]
                    found.append(piece)
                else:
                    found += self._write(piece)
            yield found

    def _joined_neighbours(self, pieces: list[Piece]) -> list[Piece]:
        fresh = max([piece.length for piece in pieces if piece.rows is not None], default=0)
        if self._has_small_neighbours(pieces):
            for largest in CLASSES:
                pieces = self._merged(pieces, largest, SMALL_BYTES)
        largest = min(MERGED * fresh, LARGEST)  # so what is written again is bounded by what came
        return self._merged(pieces, largest, LARGEST_BYTES) if largest > CLASSES[-1] else pieces

    def _has_small_neighbours(self, pieces: list[Piece]) -> bool:
        """Whether there are `MERGED` neighbours at all that are small enough for the largest of the size classes."""
        largest = CLASSES[-1]
        count = 0
        for piece in pieces:
            if piece.length > largest:
                count = 0
                continue
            size = piece.size
            count = count + 1 if (self._bytes(piece) if size is None else size) < SMALL_BYTES else 0
            if count == MERGED:
                return True
        return False

    def _merged(self, pieces: list[Piece], largest: int, most_bytes: int) -> list[Piece]:
        """`pieces`, each `MERGED` or more neighbours of at most `largest` rows and less than `most_bytes` joined."""
        small = [i for i, piece in enumerate(pieces) if piece.length <= largest]
        if len(small) < MERGED:
            return pieces
        merged: list[Piece] = []
        done = first = last = -1
        for i in [*(i for i in small if self._bytes(pieces[i]) < most_bytes), -2]:
            if i == last + 1 and last >= 0 and self._adjoin(pieces[last], pieces[i]):
                last = i
                continue
            if last - first + 1 >= MERGED and first >= 0 and _pays(pieces[first : last + 1]):
                merged += pieces[done + 1 : first]
                merged.append(self._joined(pieces[first : last + 1]))
                done = last
            first = last = i
        return [*merged, *pieces[done + 1 :]] if merged else pieces

    def _split(self, piece: Piece) -> Iterator[Piece]:
        """The written piece, cut around the rows that changed in memory; these stand between, to be written."""
        assert isinstance(piece.ref, Reference)
        held: dict[int, Any] = self._table.held.get(piece.ref.offset) or {}
        end = piece.start + piece.length
        here = {row: value for row, value in held.items() if piece.start <= row < end}
        places = sorted(row - piece.start for row in self._changed(self._table, piece, here))
        keys = self._keys(piece) if self._table.keys is not None and len(places) * 4 > piece.length else None
        done = 0
        for first, last in _runs_of(places):
            if done < first:
                yield piece.part(done, first)
            rows = range(piece.start + first, piece.start + last)
            values = [held[row] for row in rows]
            self.left.append((piece.ref.offset, rows))
            fresh = piece.part(first, last)
            fresh.rows, fresh.ref = values, None
            if self._table.keys is not None:
                fresh.keys = keys[first:last] if keys else [self._table.key(piece, i) for i in range(first, last)]
            fresh.known = {i: (value, True) for i, value in enumerate(values)}
            yield fresh
            done = last
        if done < piece.length:
            yield piece if not done else piece.part(done, piece.length)

    def _bytes(self, piece: Piece) -> float:
        """About how many bytes of its row group the piece takes; none, where it is not written yet."""
        if piece.size is None:
            ref = piece.ref
            size = 0.0 if piece.rows is not None or not isinstance(ref, Reference) else float(ref.length)
            if size >= SMALL_BYTES:
                with suppress(CorruptionError):  # it stays where it is
                    size *= piece.length / self._table.group(piece).count
            piece.size = size
        return piece.size

    def _adjoin(self, left: Piece, right: Piece) -> bool:
        return self._table.keys is None or left.first + left.length == right.first

    def _joined(self, pieces: list[Piece]) -> Piece:
        joined = _Joined(None, 0, 0, pieces[0].first, [], None if self._table.keys is None else [])
        joined.parts = []
        joined.bytes = 0.0
        for piece in pieces:
            joined.parts.append((joined.length, piece))
            joined.length += piece.length
            joined.bytes += self._bytes(piece)
            if isinstance(piece.ref, Reference):
                self.left.append((piece.ref.offset, range(piece.start, piece.start + piece.length)))
                self.merged.add(piece.ref.offset)
            if joined.keys is not None:
                joined.keys += self._keys(piece)
        return joined

    def _rows(self, piece: Piece) -> list[Part]:
        """The rows of a piece, to be written again: those in memory, and where the others are stored."""
        if isinstance(piece, _Joined):
            return [part for _, each in piece.parts for part in self._rows(each)]
        if piece.rows is not None:
            return [piece.rows]
        group = self._table.group(piece)
        found: list[Part] = []
        done = 0
        held: dict[int, Any] = self._table.held.get(group.ref.offset) or {}  # what is not held is as it was stored
        for row in sorted(row for row in held if piece.start <= row < piece.start + piece.length):
            found += [self._stretch(group, piece, done, row - piece.start), [held[row]]]
            done = row - piece.start + 1
        found.append(self._stretch(group, piece, done, piece.length))
        return joined_parts(found)

    def _stretch(self, group: Group, piece: Piece, start: int, stop: int) -> Stretch:
        return Stretch(group.items, piece.start + start, piece.start + stop, not group.whole)

    def _keys(self, piece: Piece) -> list[Any]:
        if piece.keys is not None:
            return piece.keys
        keys = self._table.group(piece).keys
        assert keys is not None
        return to_write(keys.read, piece.start, piece.start + piece.length)

    def _write_gathered(self, pieces: list[Piece]) -> dict[int, list[Piece]]:
        """Write the rows of all `pieces` one after the other; of each, by its id, the slices that hold its rows now."""
        found: dict[int, list[Piece]] = {id(piece): [] for piece in pieces}
        ends = list(accumulate([piece.length for piece in pieces]))

        def placed(problem: EncodeError, row: int, value: Any) -> EncodeError:
            piece = pieces[i := bisect_right(ends, row)]
            return self._placed(problem, piece, row - ends[i] + piece.length)

        keys = self._table.keys
        rows = [row for piece in pieces for row in piece.rows or ()]
        pairs: Any = (
            rows if keys is None else zip([key for piece in pieces for key in piece.keys or ()], rows, strict=True)
        )
        groups = self._sink.groups(self._table.items, keys, self._compression)
        done = 0
        for ticket, batch in groups.write(Cut(pairs), placed):
            end = done + len(batch)
            for i in range(bisect_right(ends, done), bisect_left(ends, end) + 1):
                piece, first = pieces[i], ends[i] - pieces[i].length
                start, stop = max(done - first, 0), min(end - first, piece.length)
                at = first + start - done
                self.moved.append(Moved(ticket, piece, start, stop, at))
                row_id = piece.first + start if piece.first >= 0 else piece.first
                found[id(piece)].append(Piece(ticket, at, stop - start, row_id))
            done = end
        return found

    def _write(self, piece: Piece) -> Iterator[Piece]:
        if piece.rows is None:
            yield self._copied(piece)
            return
        if isinstance(piece, _Joined):
            yield from self._write_joined(piece)
            return
        keys = self._table.keys
        pairs = piece.rows if keys is None else zip(piece.keys or (), piece.rows, strict=True)
        groups = self._sink.groups(self._table.items, keys, self._compression)

        def placed(problem: EncodeError, row: int, value: Any) -> EncodeError:
            return self._placed(problem, piece, row)

        done = 0
        for ticket, batch in groups.write(Cut(pairs), placed):
            end = done + len(batch)
            self.moved.append(Moved(ticket, piece, done, end))
            yield Piece(ticket, 0, len(batch), piece.first + done if piece.first >= 0 else piece.first)
            done = end

    def _write_joined(self, piece: _Joined) -> Iterator[Piece]:
        rows = Mixed(self._rows(piece))
        count = max(1, round(piece.bytes / TARGET_BYTES), -(-piece.length // TARGET_ROWS))
        bounds = [piece.length * i // count for i in range(count + 1)]
        for start, stop in pairwise(bounds):
            keys = None if self._table.keys is None else (self._table.keys, (piece.keys or [])[start:stop])
            try:
                ticket, _ = self._sink.write_group(self._table.items, rows.cut(start, stop), keys, self._compression)
            except EncodeError as problem:
                raise self._placed(problem, piece, start + trail.row_of(problem)) from None
            self.moved.append(Moved(ticket, piece, start, stop))
            yield Piece(ticket, 0, stop - start, piece.first + start if piece.first >= 0 else piece.first)

    def _copied(self, piece: Piece) -> Piece:
        """A piece of a spilled row group, which comes along as it is."""
        ref, table = piece.ref, self._table
        assert isinstance(ref, Reference)
        ticket = self._sink.copy(ref, table.space)
        self.moved.append(Moved(ticket, piece, -piece.start, piece.length))
        return Piece(ticket, piece.start, piece.length, piece.first)

    def _placed(self, problem: EncodeError, piece: Piece, row: int) -> EncodeError:
        """The error, with the key or the position of the row that it is about."""
        if piece.keys is not None:
            return trail.below(problem, f"[{piece.keys[row]!r}]", 0)
        value = _in_memory(self._table, piece)[row][0] if isinstance(piece, _Joined) else (piece.rows or [])[row]
        position = 0
        for other, _, _ in self._table.tree.pieces():
            held: Any = self._table.held.get(other.ref.offset, {}) if isinstance(other.ref, Reference) else {}
            known = held.items() if other.rows is None else enumerate(other.rows)
            for found, each in known:
                if each is value:
                    return trail.at(problem, position + found - other.start)
            position += other.length
        return problem


def _in_memory(table: Table, piece: Piece) -> Known:
    """What of the piece's rows somebody may hold: proxies too that are known only to their view."""
    if isinstance(piece, _Joined):
        return {at + row: value for at, part in piece.parts for row, value in _in_memory(table, part).items()}
    if piece.rows is not None or not isinstance(piece.ref, Reference):
        return piece.known
    found: Known = {}
    ours = range(piece.start, piece.start + piece.length)
    group = table.groups.get(piece.ref.offset)
    for row, known in getattr(group and group.items, "live", {}).items():
        proxy = known()
        if proxy is not None and row in ours:
            found[row - piece.start] = (proxy, False)
    for row, value in table.held.get(piece.ref.offset, {}).items():
        if row in ours:
            found[row - piece.start] = (value, True)
    return found


def _pays(pieces: list[Piece]) -> bool:
    """Whether joining these neighbours is worth it: what is gained is a part of what is written again.

    Gained are the rows of row groups that come into one `MERGED` times as large, and the rows of others that are no
    longer there. So a large row group that single changes cut into slices is not written again for each few of them.
    """
    spans: dict[int, list[int]] = {}  # of each row group: its rows here, its first row and its end
    for piece in pieces:
        at = piece.ref.offset if isinstance(piece.ref, Reference) else id(piece)
        span = spans.setdefault(at, [0, piece.start, 0])
        span[0] += piece.length
        span[1] = min(span[1], piece.start)
        span[2] = max(span[2], piece.start + piece.length)
    total = sum([rows for rows, _, _ in spans.values()])
    gained = sum([rows if rows * MERGED <= total else end - start - rows for rows, start, end in spans.values()])
    return total <= WRITTEN * gained


def _runs_of(places: list[int]) -> Iterator[tuple[int, int]]:
    """Consecutive places as (first, end)."""
    first = previous = -2
    for place in chain(places, [-2]):
        if place != previous + 1 or place < 0:
            if previous >= 0:
                yield first, previous + 1
            first = place
        previous = place
