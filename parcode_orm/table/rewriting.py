"""Changed leaves of a table: rows that changed are written, with others, and small neighbours joined by eights."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import partial
from itertools import accumulate, pairwise, takewhile
from operator import itemgetter
from typing import Any, NamedTuple

from ..codec import trail
from ..codec.asis import to_write
from ..codec.columns.mixed import Mixed, Part
from ..codec.columns.mixed import joined as joined_parts
from ..codec.views.stretch import Stretch
from ..errors import EncodeError
from ..format.encoder import Ticket
from ..format.layout import Reference
from ..storage.spill import SPILLED
from .cuts import Cut
from .merging import Merger
from .nodes import Known, Node, Piece, ref_of
from .row_group import Group
from .row_groups import TARGET_BYTES, TableSink
from .table import ATOMIC, Table


class Changes(NamedTuple):
    """What a table in memory has that the stored one has not: nodes, and rows by the offsets of
    their row groups.
    """

    nodes: set[Node]
    rows: dict[int, dict[int, Any]]


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
        """Those that the program may hold now: a stream that was read since they were written may have met some."""
        piece = self.piece
        if piece.rows is not None and not isinstance(piece, _Joined):
            values = piece.rows[self.start : self.stop]
            rows = list(range(self.at, self.at + len(values)))
            if not ATOMIC.isdisjoint(map(type, values)):
                rows = [row for row, value in zip(rows, values, strict=True) if type(value) not in ATOMIC]
                values = [value for value in values if type(value) not in ATOMIC]
            return Known(rows, values, [True] * len(rows))
        found = _in_memory(table, piece, self.start, self.stop)
        values = [value for value, _ in found.values()]
        return Known([row - self.start + self.at for row in found], values, [must for _, must in found.values()])


def known_of(moved: list[Moved], table: Table) -> list[tuple[Ticket, Known]]:
    """What is in memory of the rows that moved, by the row groups where they are now."""
    found: dict[int, tuple[Ticket, Known]] = {}
    for each in moved:
        rows, values, must = each.in_memory(table)
        if values:
            known = found.setdefault(id(each.ticket), (each.ticket, Known([], [], [])))[1]
            known.rows.extend(rows)
            known.values.extend(values)
            known.must.extend(must)
    return list(found.values())


class Rewriter:
    """Writes the pieces of changed leaves."""

    def __init__(self, sink: TableSink, table: Table, compression: str | None, changes: Changes) -> None:
        self.moved: list[Moved] = []
        self.left: list[tuple[int, range]] = []
        self.merged: set[int] = set()
        self._sink = sink
        self._tuning = sink.tuning
        self._table = table
        self._compression = compression
        self._changed = changes.rows
        self._places = dict(zip(changes.rows, map(sorted, changes.rows.values()), strict=True))
        self._merger = Merger(table, sink.tuning, sink.newest)

    def tree(self, changed: set[Node]) -> Node:
        """Write the `changed` nodes and their rows: the root of the tree that results."""
        tree = self._table.tree
        leaves = list(map(self.leaf, tree.changed_leaves(changed)))
        return tree.write(self._sink, changed, self.written(leaves))

    def leaf(self, pieces: list[Piece]) -> list[Piece]:
        """The pieces of neighbouring leaves as they are to be: cut around changed rows, and small ones joined."""
        changed = self._places
        split: list[Piece] = []
        for piece in pieces:
            if piece.rows is None and isinstance(piece.ref, Reference) and piece.ref.offset in changed:
                rows = changed[piece.ref.offset]
                first, end = bisect_left(rows, piece.start), bisect_left(rows, piece.start + piece.length)
                if first < end:
                    split += self._split(piece, rows[first:end])
                    continue
            split.append(piece)
        return self._merger.merge(split, self._joined) if self._sink.merges else split

    def written(self, leaves: list[list[Piece]]) -> Iterator[list[Piece]]:
        """The pieces that `leaf` gave, all written: short ones of all leaves together, so that few row groups come."""
        most = self._tuning.short
        short = [
            piece
            for pieces in leaves
            for piece in pieces
            if piece.rows is not None and type(piece) is Piece and piece.length <= most
        ]
        gathered = self._write_gathered(short) if len(short) > 1 else {}
        for pieces in leaves:
            found: list[Piece] = []
            done = 0
            for i in [i for i, ref in enumerate(map(ref_of, pieces)) if ref is None or ref[0] >= SPILLED]:
                piece = pieces[i]
                found += pieces[done:i]
                found += gathered[id(piece)] if id(piece) in gathered else self._write(piece)
                done = i + 1
            found += pieces[done:]
            yield found

    def _split(self, piece: Piece, changed: list[int]) -> list[Piece]:
        """The written piece, cut around its rows that changed in memory; these stand between, to
        be written.
        """
        table = self._table
        assert isinstance(piece.ref, Reference)
        held = self._changed[piece.ref.offset]
        keys = self._keys(piece) if table.keys is not None and len(changed) * 4 > piece.length else None
        self._check_lost(piece, changed)
        parts: list[Piece] = []
        done = 0
        for first, last in _runs_of(changed, piece.start):
            if done < first:
                parts.append(piece.part(done, first))
            rows = range(piece.start + first, piece.start + last)
            self.left.append((piece.ref.offset, rows))
            fresh = piece.part(first, last)
            fresh.rows, fresh.ref = list(map(held.__getitem__, rows)), None
            if table.keys is not None:
                fresh.keys = keys[first:last] if keys else [table.key(piece, i) for i in range(first, last)]
            parts.append(fresh)
            done = last
        if done < piece.length:
            parts.append(piece.part(done, piece.length))
        return parts

    def _check_lost(self, piece: Piece, rows: list[int]) -> None:
        """Raise `DowngradeError` where rows that are written again have more than today's class knows."""
        newest, table = self._sink.newest, self._table
        if newest is None:
            return
        name, items = getattr(table.items, "expected", "a row"), table.group(piece).items

        def told(row: int) -> str:
            if table.keys is not None:
                return f"{name}[{table.key(piece, row - piece.start)!r}]"
            before = takewhile(lambda other: other is not piece, (each for each, _, _ in table.tree.pieces()))
            return f"{name}, item {sum(each.length for each in before) + row - piece.start} of its list,"

        for row in rows:
            newest.check(items, row, partial(told, row))

    def _joined(self, pieces: list[Piece]) -> Piece:
        joined = _Joined(None, 0, 0, pieces[0].first, [], None if self._table.keys is None else [])
        joined.parts = []
        joined.bytes = 0.0
        joined.judged = True
        for piece in pieces:
            joined.parts.append((joined.length, piece))
            joined.length += piece.length
            joined.bytes += self._merger.bytes_of(piece)
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
        for row, value in sorted(piece.among(held), key=itemgetter(0)):
            found += [self._stretch(group, piece, done, row - piece.start), [value]]
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
        groups = self._sink.groups(self._table.items, keys, self._compression, self._table.fingerprint)
        done = 0
        for ticket, batch in groups.write(Cut(pairs), placed):
            end = done + len(batch)
            for i in range(bisect_right(ends, done), bisect_left(ends, end) + 1):
                piece, first = pieces[i], ends[i] - pieces[i].length
                start, stop = max(done - first, 0), min(end - first, piece.length)
                at = first + start - done
                self.moved.append(Moved(ticket, piece, start, stop, at))
                row_id = piece.first + start if piece.first >= 0 else piece.first
                part = Piece(ticket, at, stop - start, row_id)
                part.judged = piece.judged
                found[id(piece)].append(part)
            done = end
        return found

    def _write(self, piece: Piece) -> list[Piece]:
        if piece.rows is None:
            return [self._copied(piece)]
        joined = isinstance(piece, _Joined)
        if not joined and piece.length > min(self._tuning.few_rows, self._tuning.group_rows):
            return self._write_many(piece)
        count = 1  # row groups
        rows: Any = piece.rows
        if isinstance(piece, _Joined):
            rows = Mixed(self._rows(piece))
            count = max(1, round(piece.bytes / TARGET_BYTES), -(-piece.length // self._tuning.group_rows))
        bounds = [piece.length * i // count for i in range(count + 1)]
        found: list[Piece] = []
        for start, stop in pairwise(bounds):
            keys = None if self._table.keys is None else (self._table.keys, (piece.keys or [])[start:stop])
            part = rows.cut(start, stop) if count > 1 else rows
            try:
                ticket, _ = self._sink.write_group(
                    self._table.items, part, keys, self._compression, self._table.fingerprint
                )
            except EncodeError as problem:
                raise self._placed(problem, piece, start + trail.row_of(problem)) from None
            found.append(self._moved(ticket, piece, start, stop))
        return found

    def _write_many(self, piece: Piece) -> list[Piece]:
        keys = self._table.keys
        pairs = piece.rows if keys is None else zip(piece.keys or (), piece.rows or (), strict=True)
        groups = self._sink.groups(self._table.items, keys, self._compression, self._table.fingerprint)

        def placed(problem: EncodeError, row: int, value: Any) -> EncodeError:
            return self._placed(problem, piece, row)

        found: list[Piece] = []
        done = 0
        for ticket, batch in groups.write(Cut(pairs or ()), placed):
            found.append(self._moved(ticket, piece, done, done + len(batch)))
            done += len(batch)
        return found

    def _moved(self, ticket: Ticket, piece: Piece, start: int, stop: int) -> Piece:
        """The rows `start` to `stop` of a piece are those of the row group of `ticket` now: that slice."""
        self.moved.append(Moved(ticket, piece, start, stop))
        found = Piece(ticket, 0, stop - start, piece.first + start if piece.first >= 0 else piece.first)
        found.judged = piece.judged
        found.full = False if found.length <= self._tuning.short else None  # it came by a few changes
        return found

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
        value = _in_memory(self._table, piece, row, row + 1)[row][0]
        position = 0
        for other, _, _ in self._table.tree.pieces():
            known = dict(enumerate(other.rows or ()))
            if isinstance(other.ref, Reference):
                at = other.ref.offset
                known = {**self._table.held.get(at, {}), **self._changed.get(at, {})}
            for found, each in known.items():
                if each is value:
                    return trail.at(problem, position + found - other.start)
            position += other.length
        return problem


def _in_memory(table: Table, piece: Piece, start: int, stop: int) -> dict[int, tuple[Any, bool]]:
    """What of the rows `start` to `stop` of a piece the program may hold, by row, and whether it must be held.

    Proxies that are known only to their view are among it.
    """
    if isinstance(piece, _Joined):
        parts = piece.parts
        first, end = bisect_right(parts, start, key=itemgetter(0)) - 1, bisect_left(parts, stop, key=itemgetter(0))
        return {
            at + row: value
            for at, part in parts[max(first, 0) : end]
            for row, value in _in_memory(table, part, max(start - at, 0), min(stop - at, part.length)).items()
        }
    if piece.rows is not None or not isinstance(piece.ref, Reference):
        rows = enumerate((piece.rows or ())[start:stop], start)
        return {row: (value, True) for row, value in rows if type(value) not in ATOMIC}
    found: dict[int, tuple[Any, bool]] = {}
    group = table.groups.get(piece.ref.offset)
    ours = piece.part(max(start, 0), min(stop, piece.length)) if (start, stop) != (0, piece.length) else piece
    for row, known in ours.among({} if group is None else group.live):
        proxy = known()
        if proxy is not None:
            found[row - piece.start] = (proxy, False)
    for row, value in ours.among(table.held.get(piece.ref.offset, {})):
        found[row - piece.start] = (value, True)
    return found


def _runs_of(rows: list[int], start: int) -> list[tuple[int, int]]:
    """Consecutive `rows`, which rise, as (first, end), counted from `start`."""
    if rows[-1] - rows[0] == len(rows) - 1:
        return [(rows[0] - start, rows[-1] + 1 - start)]
    runs: list[tuple[int, int]] = []
    for row in rows:
        place = row - start
        if runs and runs[-1][1] == place:
            runs[-1] = runs[-1][0], place + 1
        else:
            runs.append((place, place + 1))
    return runs
