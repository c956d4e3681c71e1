"""`Block`: row groups of a table beside each other, whose columns are read at once, as arrays over all their rows.

What a query costs is Python's work for each array, not its bytes, so a few large arrays replace many small ones. A leaf
of the table's tree keeps its blocks until it changes; the cache of the file bounds what they keep.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, repeat
from typing import Any

import numpy as np

from ...codec.columns.scalars import FloatColumn, IntColumn
from ...codec.columns.text import TextColumn
from ...codec.views.nodes import open_child
from ...codec.views.struct import StructView
from ...format.layout import Encoding, Reference
from ...storage.cache import NODE_BYTES
from ...table.nodes import NO_ID, Piece
from ...table.row_group import MAPPED, Group
from ...table.table import Table
from .array_parts import size_of, stack_of, vectors_of
from .arrays import Vectors
from .bounds import Bounds, bounds_of
from .columns import read
from .heads import SIGNED, Heads, dictionaries
from .merging import Kept, kept_bytes, merged
from .parts import by_part
from .places import Place, bare, column_of, is_scalar, place_in, place_of
from .vectors import Coded, Numbers, Vector

SPARSE = 8  # times as many rows as are wanted need not be joined to one array for that
Path = tuple[str, ...]
KEYS: Path = ("",)  # in the place of a path: the keys of the rows, where the table has such
_HEADS = ()  # in the place of a path: the heads of the row groups,
_ROWS: Path = ("", "")  # and the rows by position
_ARRAYS: Path = ("", "", "")  # before a path: its arrays
_IS_WIDTH = np.isin(np.arange(256), (1, 2, 4, 8))
_DTYPES = {(kind, size): np.dtype(f"<{code}{size}") for kind, code in enumerate("ui") for size in (1, 2, 4, 8)}
_DTYPES[2, 8] = np.dtype("<f8")
_CODES = {(int(Encoding.INT), 0, size): _DTYPES[0, size] for size in (1, 2, 4, 8)}
_NUMBERS = {
    **{(int(Encoding.INT), signed, size): _DTYPES[signed, size] for signed in (0, 1) for size in (1, 2, 4, 8)},
    (int(Encoding.FLOAT), 0, 8): _DTYPES[2, 8],
}
SOME = 4  # row groups: fewer are read through the map of the file


class Block:
    """Written pieces of a table beside each other.

    `parts` are its row groups, each once, with the rows from the first to the last that pieces have of it: positions
    count all of these, the ones of part `i` up to `ends[i]`. Where pieces are parts, row and position are the same.
    """

    __slots__ = (
        "__weakref__", "_asked", "_before", "_begins", "_bounds", "_firsts", "_index", "_kept", "_lengths", "_starts",
        "count", "ends", "numbers", "parts", "pieces", "_piece_ends",
    )  # fmt: skip

    def __init__(self, pieces: Sequence[Piece]) -> None:
        numbers: dict[int, int] = {}  # of parts, by the offsets of their row groups
        refs: list[Reference] = []
        of = []
        for piece in pieces:
            ref = piece.ref
            assert isinstance(ref, Reference)
            number = numbers.setdefault(ref.offset, len(numbers))
            if number == len(refs):
                refs.append(ref)
            of.append(number)
        lengths = np.array([piece.length for piece in pieces])
        starts = np.array([piece.start for piece in pieces])
        self.pieces = pieces
        self._piece_ends = np.cumsum(lengths)
        self.count = int(self._piece_ends[-1])
        self.numbers = numbers
        self._index: Any = None
        self._firsts: Any = None  # ids of the first rows of the pieces
        if len(refs) < len(pieces):
            low, high = np.full(len(refs), 1 << 62), np.zeros(len(refs), np.int64)
            np.minimum.at(low, of, starts)
            np.maximum.at(high, of, starts + lengths)
            begins = np.cumsum(high - low) - (high - low)
            shifts = begins[of] + starts - low[of] - (self._piece_ends - lengths)
            self._index = (np.arange(self.count) + np.repeat(shifts, lengths)).astype(np.uint32)
            lengths, starts = high - low, low
        self.ends = np.cumsum(lengths)
        self._begins, self._starts, self._lengths = self.ends - lengths, starts, lengths
        self._before = self._begins - starts  # what to take from a position for the row of the row group
        self.parts = list(map(Piece, refs, starts.tolist(), lengths.tolist(), repeat(NO_ID)))
        self._asked: set[Path] = set()
        self._bounds: dict[Path, Bounds | None] = {}
        self._kept: dict[Path, tuple[Kept, Any]] = {}

    @property
    def is_in_order(self) -> bool:
        """Whether the rows are those of the parts, one part after the other."""
        return self._index is None

    def places(self, rows: Any) -> tuple[Any, Any]:
        """In which part each of `rows` is, and which row of its row group it is."""
        positions = self._positions(rows)
        of = np.searchsorted(self.ends, positions, side="right")
        return of, positions - self._before[of]

    def by_part(self, rows: Any) -> tuple[list[tuple[int, list[int]]], Any]:
        """Parts with the rows of their row groups that are some of `rows`; where each has its place in `rows`.

        The latter is None where they come in the order of `rows`.
        """
        return by_part(self._positions(rows), self.ends, self._before)

    def _positions(self, rows: Any) -> Any:
        return rows if self._index is None else self._index[rows].astype(np.int64)

    def by_piece(self, rows: Any) -> Iterator[tuple[int, int, list[int]]]:
        """The pieces with some of `rows`, which rise: number, place of the first of them, rows of the row group."""
        of, (_, within) = np.searchsorted(self._piece_ends, rows, side="right"), self.places(rows)
        cuts = [0, *(np.flatnonzero(np.diff(of)) + 1).tolist(), len(rows)] if len(rows) else [0]
        found = within.tolist()
        for a, b in pairwise(cuts):
            yield int(of[a]), a, found[a:b]

    def ids(self, rows: Any) -> Any:
        """The ids of rows, in a keyed table."""
        of = np.searchsorted(self._piece_ends, rows, side="right")
        return self._shifts()[of] + rows

    def _shifts(self) -> Any:
        """What to add to the rows of each piece for their ids."""
        if self._firsts is None:
            firsts = np.array([piece.first for piece in self.pieces], np.int64)
            self._firsts = firsts - self._piece_ends + np.diff(self._piece_ends, prepend=0)
        return self._firsts

    def with_ids(self, ids: Any) -> tuple[Any, Any]:
        """The rows with some of `ids`, which rise as those of a keyed table do, and the places in `ids`."""
        shifts, ends = self._shifts(), self._piece_ends
        low, high = np.searchsorted(ids, (shifts[0], shifts[-1] + ends[-1])).tolist()
        ids = ids[low:high]
        if len(shifts) == 1:
            return ids - shifts[0], np.arange(low, high)
        of = np.searchsorted(shifts + ends, ids, side="right")
        rows = ids - shifts[of]
        there = np.flatnonzero(rows >= np.concatenate([[0], ends[:-1]])[of])
        return rows[there], there + low

    def rows(self, table: Table, part: int, held: Sequence[int]) -> Any:
        """The rows of the block for the rows `held` of a part's row group; -1 for a row that the block lacks."""
        found = np.array(held, np.int64) - self._starts[part]
        inside = (found >= 0) & (found < self._lengths[part])
        found = np.where(inside, found + self._begins[part], 0)
        if self._index is not None:
            back = self._get(table, _ROWS)
            if back is None:
                back = np.full(int(self.ends[-1]), -1)
                back[self._index] = np.arange(self.count)
                self._keep(table, _ROWS, back, back.nbytes)
            found = back[found]
        return np.where(inside, found, -1)

    def inside(self, parts: Any) -> Any:
        """Which rows are in parts for which `parts`, an array of bools, is true: a new array of bools."""
        positions = np.repeat(parts, self._lengths)
        return positions if self._index is None else positions[self._index]

    def group(self, table: Table, part: int) -> Group:
        """The row group of a part, opened."""
        piece, heads = self.parts[part], self._kept.get(_HEADS)
        ref = piece.ref
        if heads is not None and isinstance(ref, Reference) and ref.offset not in table.groups:
            table.open(ref, heads[1].chunks[part])
        return table.group(piece)

    def view(self, table: Table, part: int) -> StructView | None:
        """The items of a part of a table that is only read, without its row group; None where that is to be opened."""
        piece, known = self.parts[part], self._kept.get(_HEADS)
        if known is None or piece.offset in table.groups:
            return None
        is_new = part not in known[1].views
        found: StructView | None = known[1].view(table, part, piece.start + piece.length)
        if is_new and found is not None:
            known[0].grow(len(found.chunk.body) // MAPPED)
        return found

    def column(self, table: Table, path: Path) -> Vector:
        """The field at `path` of all rows, as it is stored."""
        known = self._get(table, path)
        if known is None:
            known = self._whole(table, path)
            if known is None:
                known = merged(self._read(table, path, range(len(self.parts))))
            if self._index is not None:
                known = known.take(self._index)
            size = kept_bytes(known)
            if size:
                self._keep(table, path, known, size)
        found: Vector = known
        return found

    def some(self, table: Table, path: Path, rows: Any) -> Vector:
        """The field at `path` of some rows, an array of their numbers; the column is joined only where that pays."""
        if self._get(table, path) is None:
            of, within = self.places(rows)
            touched = np.flatnonzero(np.bincount(of, minlength=len(self.parts))).tolist()
            few = len(touched) * 2 <= len(self.parts)
            if few or (len(rows) * SPARSE <= self.count and path not in self._asked):
                if not few:
                    self._asked.add(path)  # who asks again is given an array of all rows
                order = np.argsort(of, kind="stable")
                within = (within - self._starts[of])[order]
                cuts = [*np.searchsorted(of[order], touched).tolist(), len(rows)]
                parts = self._read(table, path, touched)
                found = merged([part.take(within[a:b]) for part, (a, b) in zip(parts, pairwise(cuts), strict=True)])
                back = np.empty(len(rows), np.int64)
                back[order] = np.arange(len(rows))
                return found.take(back)
        return self.column(table, path).take(rows)

    def vectors(self, table: Table, path: Path) -> Vectors:
        """The arrays of the field at `path` of all rows, in place where they are alike."""
        stack = self._get(table, (*_ARRAYS, *path))
        if stack is None:
            stack = stack_of(self, table, path)
            self._keep(table, (*_ARRAYS, *path), stack, size_of(stack))
        found = vectors_of(self, table, path, stack)
        return found if self._index is None else found.take(self._index)

    def size(self, table: Table, path: Path, part: int) -> int:
        """The bytes of the file that the values of a field take in the rows of a part; 0 where that is not known."""
        place = self.place(table, path, part)
        if place is None:
            return 0
        chunk, at = place.chunk, place.at
        nodes = chunk.nodes[at : at + chunk.nodes[at].span]
        apart = sum(chunk.refs[node.param].length for node in nodes if node.encoding == Encoding.REFERENCE)
        return (sum(node.stored for node in nodes) + apart) * self.parts[part].length // max(place.rows, 1)

    def bounds(self, table: Table, path: Path) -> Bounds | None:
        """The bounds of a field, a row group after the other; None where nothing is known of them."""
        if path not in self._bounds:
            heads = self._heads(table)
            self._bounds[path] = bounds_of(heads, heads.find(table, path), column_of(table.items, path))
        return self._bounds[path]

    def place(self, table: Table, path: Path, part: int) -> Place | None:
        """Where a field stands in the row group of a part; None where it has no node of its own there."""
        head = self._heads(table).chunks[part]
        found = None if head is None else place_of(head, table, path)
        return found or place_in(self.group(table, part).items, path)

    def _heads(self, table: Table) -> Heads:
        known = self._get(table, _HEADS)
        if known is None:
            open_groups, refs = table.groups, [part.ref for part in self.parts]
            unknown = [ref for ref in refs if isinstance(ref, Reference) and ref.offset not in open_groups]
            read_now = iter(table.space.heads(unknown))
            chunks = []
            for ref in refs:
                assert isinstance(ref, Reference)
                group = open_groups.get(ref.offset)
                chunks.append(next(read_now) if group is None else group.chunk)
            known = Heads(chunks)
            self._keep(table, _HEADS, known, len(known.nodes) * NODE_BYTES)
        found: Heads = known
        return found

    def _whole(self, table: Table, path: Path) -> Vector | None:
        """The field at `path` of all rows, read at once into one array; None where it is not stored so."""
        column = column_of(table.items, path)
        if len(self.parts) < SOME or column is None or not is_scalar(table.items, path):
            return None
        heads, column = self._heads(table), bare(column)
        at = heads.find(table, path)
        if isinstance(column, IntColumn | FloatColumn):
            found = heads.filled(table, at, self._lengths, _NUMBERS)
            return None if found is None else Numbers(found)
        if isinstance(column, TextColumn) and len(heads.nodes):
            codes, values, marks = dictionaries(heads, at, range(len(self.parts)))
            if len(set(marks)) == 1 and (codes >= 0).all():
                found = heads.filled(table, codes, self._lengths, _CODES)
                words = self._words(heads, values, 0, 0, table, column)
                if found is not None and int(found.max()) < len(words):
                    return Coded(found, words)
        return None

    def _words(self, heads: Heads, values: Any, place: int, part: int, table: Table, column: TextColumn) -> list[Any]:
        """The words of the dictionary of a part."""
        chunk, node = heads.chunks[part], int(values[place] - heads.begins[part])
        assert chunk is not None
        count = chunk.node(node).count
        return open_child(column, chunk, node, table.space, count).read(0, count)

    def _read(self, table: Table, path: Path, parts: Sequence[int]) -> list[Vector]:
        """The field at `path` of each of some parts."""
        found: list[Vector | None] = [None] * len(parts)
        column = column_of(table.items, path)
        if column is not None and is_scalar(table.items, path):  # else the views that others read through are asked
            heads = self._heads(table)
            numbers = list(parts)
            at = heads.find(table, path)[numbers]
            column = bare(column)
            if isinstance(column, IntColumn | FloatColumn):
                self._put_numbers(heads, at, numbers, (Encoding.INT, Encoding.FLOAT), found)
            elif isinstance(column, TextColumn):
                self._put_words(heads, at, numbers, table, column, found)
        every = zip(parts, found, strict=True)
        return [self._part(table, path, part) if known is None else known for part, known in every]

    def _part(self, table: Table, path: Path, number: int) -> Vector:
        """The field at `path` of a part, by the views that there are for every encoding."""
        part, head = self.parts[number], self._heads(table).chunks[number]
        rows = range(part.start, part.start + part.length)
        place = None
        if head is not None and path is not KEYS and is_scalar(table.items, path):
            place = place_of(head, table, path)
        if place is not None and rows.stop <= place.rows:
            view = place.owner.open_field(place.name, place.chunk, place.at, table.space, place.rows)
            return read(view, (), rows)
        group = self.group(table, number)
        if path is KEYS:
            assert group.keys is not None
            return read(group.keys, (), rows)
        return read(group.items, path, rows)

    def _put_numbers(
        self, heads: Heads, at: Any, parts: Sequence[int], wanted: Sequence[Encoding], found: list[Any]
    ) -> None:
        """Put the arrays of those nodes `at` that are numbers, one for each of `parts`, to their places in `found`."""
        if not len(heads.nodes):
            return
        nodes = heads.nodes[at]
        encodings, width, count = nodes["encoding"], nodes["width"], nodes["count"]
        floats = encodings == Encoding.FLOAT
        fits = (at >= 0) & (floats if Encoding.FLOAT in wanted else False) & (width == 8)
        fits |= (at >= 0) & (encodings == Encoding.INT) & _IS_WIDTH[width]
        fits &= (nodes["raw"] == count.astype(np.uint64) * width) & (count >= (self._starts + self._lengths)[parts])
        places = range(len(at)) if fits.all() else np.flatnonzero(fits).tolist()
        kinds = np.where(floats, 2, nodes["flags"] & SIGNED)[places].tolist()
        buffers = heads.buffers(at[places], [parts[place] for place in places])
        for place, kind, size, buffer in zip(places, kinds, width[places].tolist(), buffers, strict=True):
            part = self.parts[parts[place]]
            array = np.frombuffer(buffer, _DTYPES[kind, size])
            if part.length < len(array):
                array = array[part.start : part.start + part.length]
            found[place] = Numbers(array)

    def _put_words(
        self,
        heads: Heads,
        at: Any,
        parts: Sequence[int],
        table: Table,
        column: TextColumn,
        found: list[Any],
    ) -> None:
        """Put codes and words of those nodes `at` that are dictionaries. Words that are the same are read once."""
        if not len(heads.nodes):
            return
        words: dict[Any, list[Any]] = {}
        codes, values, marks = dictionaries(heads, at, parts)
        self._put_numbers(heads, codes, parts, (Encoding.INT,), found)
        for place, mark in enumerate(marks):
            if found[place] is None:
                continue
            known = words.get(mark)
            if known is None:
                known = words[mark] = self._words(heads, values, place, parts[place], table, column)
            values_here = found[place].values
            if int(values_here.max()) >= len(known):
                found[place] = None  # for who says what is wrong
            else:
                found[place] = Coded(values_here, known)

    # -- what is kept -----------------------------------------------------------------------------------------------

    def _get(self, table: Table, path: Path) -> Any:
        known = self._kept.get(path)
        if known is None:
            return None
        kept, value = known
        cache = table.space.cache
        if cache.get(kept) is None:  # the session went on to another commit, with a cache that does not know it
            cache.put(kept, kept)
        return value

    def _keep(self, table: Table, path: Path, value: Any, size: int) -> None:
        kept = Kept(self, path, size)
        self._kept[path] = kept, value
        table.space.cache.put(kept, kept)

    def forget(self, path: Path) -> None:
        """Forget a column, or the heads: the pages of the rows that are read through them leave memory."""
        _, known = self._kept.pop(path, (None, None))
        if path == _HEADS and known is not None:
            for part, view in known.views.items():
                view.space.release(self.parts[part].ref, view.chunk.refs)
