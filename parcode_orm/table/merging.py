"""Which neighbouring pieces of a table are merged into one row group: small ones, by eights, where that pays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from ..errors import CorruptionError
from ..format.layout import Reference
from ..tuning import Tuning
from .nodes import Piece
from .row_groups import TARGET_BYTES, Newest
from .table import Table

WRITTEN = 4  # rows that are written again for each that is gained
LARGEST_BYTES = TARGET_BYTES // 2
FULL = TARGET_BYTES // 4  # bytes of a row group, with the columns stored apart, that is not merged with others
LOOKED_AT = 3  # row groups of those that may be merged, to see whether they are full

Join = Callable[[list[Piece]], Piece]


class Merger:
    """Chooses the pieces of a table to merge."""

    def __init__(self, table: Table, tuning: Tuning, newest: Newest | None = None) -> None:
        self._table = table
        self._newest = newest
        self._tuning = tuning
        self._near: tuple[list[Piece], list[bool], list[bool]] | None = None  # of the pieces looked at last

    def merge(self, pieces: list[Piece], join: Join) -> list[Piece]:
        """The pieces of neighbouring leaves, small neighbours merged; `join` makes one piece of them.

        It looks at all of them only if `merged` are new, or if as many neighbours have few rows: else what an earlier
        commit decided stands, and a commit of one row among thousands takes no time for it.
        """
        if not self._may_merge(pieces):
            return pieces
        tuning = self._tuning
        for piece in pieces:
            piece.judged = True
        fresh = 0
        for piece in pieces:
            if piece.rows is not None:
                fresh = max(fresh, piece.length)
        if self._has_small_neighbours(pieces):
            for largest in tuning.classes:
                pieces = self._merged(pieces, largest, tuning.small_bytes, join)
        largest = min(tuning.merged * fresh, tuning.largest)  # so what is written again is bounded by what came
        return self._merged(pieces, largest, LARGEST_BYTES, join) if largest > tuning.classes[-1] else pieces

    def _may_merge(self, pieces: list[Piece]) -> bool:
        merged = few = self._tuning.merged
        new = run = 0
        for piece in pieces:
            new += not piece.judged
            run = run + 1 if piece.length <= few else 0
            if run == merged or new == merged:
                return True
        return False

    def _has_small_neighbours(self, pieces: list[Piece]) -> bool:
        """Whether there are `merged` neighbours at all that are small enough for the largest of the size classes."""
        merged, small_bytes, largest = self._tuning.merged, self._tuning.small_bytes, self._tuning.classes[-1]
        count = 0
        for piece in pieces:
            if piece.length > largest:
                count = 0
                continue
            size = piece.size
            count = count + 1 if (self.bytes_of(piece) if size is None else size) < small_bytes else 0
            if count == merged:
                return True
        return False

    def _merged(self, pieces: list[Piece], largest: int, most_bytes: int, join: Join) -> list[Piece]:
        """`pieces`, each `merged` or more neighbours of at most `largest` rows and less than `most_bytes` joined.

        Neighbours far from any change stay, and so do row groups that are full by what is stored apart from them: else
        the first change in a leaf that was written at once would read and write all that is there.
        """
        small = [i for i, piece in enumerate(pieces) if piece.length <= largest]
        count = self._tuning.merged
        if not _has_run(small, count):
            return pieces
        if self._near is None or self._near[0] is not pieces:
            self._near = pieces, *_near_changes(pieces, count)
        _, near, changed = self._near
        small = [i for i in small if near[i] and self.bytes_of(pieces[i]) < most_bytes]
        if not _has_run(small, count):
            return pieces
        merged: list[Piece] = []
        done = first = last = -1
        for i in [*self._without_full(small, pieces, changed), -2]:
            if i == last + 1 and last >= 0 and self._adjoin(pieces[last], pieces[i]):
                last = i
                continue
            if last - first + 1 >= count and first >= 0 and _pays(pieces[first : last + 1], count):
                for start, stop in self._current(pieces, first, last + 1):
                    merged += pieces[done + 1 : start]
                    merged.append(join(pieces[start:stop]))
                    done = stop - 1
            first = last = i
        return [*merged, *pieces[done + 1 :]] if merged else pieces

    def _current(self, pieces: list[Piece], start: int, stop: int) -> list[tuple[int, int]]:
        """Runs of the pieces that are long enough to be merged, without rows of another schema.

        Written by today's class, such rows would lose what it does not know, though nobody touched them.
        """
        found: list[tuple[int, int]] = []
        first = start
        for i in [*[i for i in range(start, stop) if self._is_older(pieces[i])], stop]:
            if i - first >= self._tuning.merged:
                found.append((first, i))
            first = i + 1
        return found

    def _is_older(self, piece: Piece) -> bool:
        if piece.rows is not None or not isinstance(piece.ref, Reference):
            return False
        try:
            group, newest = self._table.group(piece), self._newest
            loses = newest is not None and newest.lost(group.items, piece.start, piece.start + piece.length)
            return bool(group.older or loses)
        except CorruptionError:  # writing it again says so
            return False

    def _without_full(self, small: list[int], pieces: list[Piece], changed: list[bool]) -> list[int]:
        """`small` without the places of full row groups. The longest of them tell from how many rows on one is full."""
        whole = sorted([i for i in small if not changed[i]], key=lambda i: -pieces[i].length)
        for i in whole[:LOOKED_AT]:
            if self._is_full(pieces[i]):
                return [j for j in small if changed[j] or 2 * pieces[j].length < pieces[i].length]
        return small

    def _is_full(self, piece: Piece) -> bool:
        if piece.full is None:
            piece.full = False
            with suppress(CorruptionError):  # it stays where it is
                group = self._table.group(piece)
                piece.full = group.count == piece.length and group.packed >= FULL
        return piece.full

    def bytes_of(self, piece: Piece) -> float:
        """About how many bytes of its row group the piece takes; none, where it is not written yet."""
        if piece.size is None:
            ref = piece.ref
            size = 0.0 if piece.rows is not None or not isinstance(ref, Reference) else float(ref.length)
            if size >= self._tuning.small_bytes:
                with suppress(CorruptionError):  # it stays where it is
                    size *= piece.length / self._table.group(piece).count
            piece.size = size
        return piece.size

    def _adjoin(self, left: Piece, right: Piece) -> bool:
        return self._table.keys is None or left.first + left.length == right.first


def _has_run(places: list[int], count: int) -> bool:
    """Whether `count` of the rising places follow one another."""
    return any(last - first == count - 1 for first, last in zip(places, places[count - 1 :], strict=False))


def _near_changes(pieces: list[Piece], merged: int) -> tuple[list[bool], list[bool]]:
    """Of each piece whether a changed one is at most `merged` away, and whether it is one itself.

    Changed are those that are not written yet, and those that are parts of a row group.
    """
    parts = Counter([piece.ref.offset for piece in pieces if isinstance(piece.ref, Reference)])
    changed = [
        not isinstance(piece.ref, Reference) or piece.start > 0 or parts[piece.ref.offset] > 1 for piece in pieces
    ]
    near = [False] * len(pieces)
    for places in (range(len(pieces)), range(len(pieces) - 1, -1, -1)):
        left = 0
        for i in places:
            left = merged + 1 if changed[i] else max(left - 1, 0)
            near[i] |= left > 0
    return near, changed


def _pays(pieces: list[Piece], merged: int) -> bool:
    """Whether joining these neighbours is worth it: what is gained is a part of what is written again.

    Gained are the rows of row groups that come into one `merged` times as large, and the rows of others that are no
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
    gained = sum([rows if rows * merged <= total else end - start - rows for rows, start, end in spans.values()])
    return total <= WRITTEN * gained
