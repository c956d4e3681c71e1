"""`Block`: row groups of a table beside each other, whose columns are read at once, as arrays over all their rows.

What a query costs is Python's work for each array, not its bytes, so a few large arrays replace many small ones. A leaf
of the table's tree keeps its blocks until it changes; the cache of the file bounds what they keep.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any
from weakref import ref as weak

import numpy as np

from ..codec.columns.scalars import FloatColumn, IntColumn
from ..codec.columns.text import TextColumn
from ..codec.views.nodes import open_child
from ..format.layout import Encoding, NodeFlag, Reference
from ..storage.cache import NODE_BYTES
from ..table.nodes import Node as Leaf
from ..table.nodes import Piece
from ..table.row_group import Group
from ..table.table import Table
from ..table.tree import Tree
from .bounds import Bounds, bounds_of
from .columns import read
from .heads import NOWHERE, Heads
from .merging import kept_bytes, merged
from .places import Place, bare, column_of, is_scalar, place_in, place_of
from .vectors import Coded, Numbers, Vector

ROWS = 1 << 18  # of a block, at most: a mask of them fits the processor's cache
FIRST = 8  # times as many row groups as the one before has a block at the beginning of a table
SPARSE = 8  # times as many rows as are wanted need not be joined to one array for that
Path = tuple[str, ...]
KEYS: Path = ("",)  # in the place of a path: the keys of the rows, where the table has such
_HEADS = ()  # in the place of a path: the heads of the row groups
_IS_WIDTH = np.isin(np.arange(256), (1, 2, 4, 8))
_DTYPES = {(kind, size): np.dtype(f"<{code}{size}") for kind, code in enumerate("ui") for size in (1, 2, 4, 8)}
_DTYPES[2, 8] = np.dtype("<f8")


class Block:
    """Written pieces of a table beside each other. `ends` says up to which row of the block each reaches."""

    __slots__ = (
        "__weakref__",
        "_asked",
        "_begins",
        "_bounds",
        "_kept",
        "_stops",
        "count",
        "ends",
        "offsets",
        "pieces",
        "shifts",
    )

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces
        lengths = np.array([piece.length for piece in pieces])
        self.ends = np.cumsum(lengths)
        self.count = int(self.ends[-1])
        starts = np.array([piece.start for piece in pieces])
        self._begins = self.ends - lengths
        self.shifts = starts - self._begins
        self._stops = starts + lengths
        self.offsets = frozenset([piece.ref.offset for piece in pieces])  # type: ignore[union-attr]
        self._asked: set[Path] = set()
        self._bounds: dict[Path, Bounds | None] = {}
        self._kept: dict[Path, tuple[Kept, Any]] = {}

    def start(self, piece: int) -> int:
        """The row of the block with which a piece begins."""
        return int(self.ends[piece - 1]) if piece else 0

    def group(self, table: Table, piece: int) -> Group:
        """The row group of a piece, opened."""
        ref, heads = self.pieces[piece].ref, self._kept.get(_HEADS)
        if heads is not None and isinstance(ref, Reference) and ref.offset not in table.groups:
            table.open(ref, heads[1].chunks[piece])
        return table.group(self.pieces[piece])

    def column(self, table: Table, path: Path) -> Vector:
        """The field at `path` of all rows, as it is stored."""
        known = self._get(table, path)
        if known is None:
            known = merged(self._parts(table, path, range(len(self.pieces)), {}))
            size = kept_bytes(known)
            if size:
                self._keep(table, path, known, size)
        found: Vector = known
        return found

    def stretch(self, table: Table, path: Path, start: int, stop: int) -> Vector:
        """The field at `path` of the rows `start` to `stop`."""
        first, last = np.searchsorted(self.ends, (start, stop - 1), side="right").tolist()
        if self._get(table, path) is not None or (last + 1 - first) * 2 > len(self.pieces):
            return self.column(table, path).take(np.arange(start, stop))
        before = self.start(first)
        found = merged(self._parts(table, path, range(first, last + 1), {}))
        whole = len(found) == stop - start
        return found if whole else found.take(np.arange(start - before, stop - before))

    def size(self, table: Table, path: Path, piece: int) -> int:
        """The bytes of the file that the values of a field take in the rows of a piece; 0 where that is not known."""
        place = self.place(table, path, piece)
        if place is None:
            return 0
        chunk, at = place.chunk, place.at
        nodes = chunk.nodes[at : at + chunk.nodes[at].span]
        apart = sum(chunk.refs[node.param].length for node in nodes if node.encoding == Encoding.REFERENCE)
        return (sum(node.stored for node in nodes) + apart) * self.pieces[piece].length // max(place.rows, 1)

    def some(self, table: Table, path: Path, rows: Any) -> Vector:
        """The field at `path` of some rows, an array of their numbers; the column is joined only where that pays."""
        if self._get(table, path) is None:
            of = np.searchsorted(self.ends, rows, side="right")
            touched = np.flatnonzero(np.bincount(of, minlength=len(self.pieces))).tolist()
            few = len(touched) * 2 <= len(self.pieces)
            if few or (len(rows) * SPARSE <= self.count and path not in self._asked):
                if not few:
                    self._asked.add(path)  # who asks again is given an array of all rows
                order = np.argsort(of, kind="stable")
                within = (rows - self._begins[of])[order]
                cuts = [*np.searchsorted(of[order], touched).tolist(), len(rows)]
                parts = self._parts(table, path, touched, {})
                found = merged([part.take(within[a:b]) for part, (a, b) in zip(parts, pairwise(cuts), strict=True)])
                back = np.empty(len(rows), np.int64)
                back[order] = np.arange(len(rows))
                return found.take(back)
        return self.column(table, path).take(rows)

    def bounds(self, table: Table, path: Path) -> Bounds | None:
        """The bounds of a field, a row group after the other; None where nothing is known of them."""
        if path not in self._bounds:
            heads = self._heads(table)
            self._bounds[path] = bounds_of(heads, heads.find(table, path), column_of(table.items, path))
        return self._bounds[path]

    def place(self, table: Table, path: Path, piece: int) -> Place | None:
        """Where a field stands in the row group of a piece; None where it has no node of its own there."""
        head = self._heads(table).chunks[piece]
        found = None if head is None else place_of(head, table, path)
        return found or place_in(self.group(table, piece).items, path)

    def _heads(self, table: Table) -> Heads:
        known = self._get(table, _HEADS)
        if known is None:
            open_groups, refs = table.groups, [piece.ref for piece in self.pieces]
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

    def _parts(self, table: Table, path: Path, pieces: Sequence[int], words: dict[Any, Any]) -> list[Vector]:
        """The field at `path` of each of some pieces; `words` are those of dictionaries met before."""
        found: list[Vector | None] = [None] * len(pieces)
        column = column_of(table.items, path)
        if column is not None and is_scalar(table.items, path):  # else the views that others read through are asked
            heads = self._heads(table)
            numbers = list(pieces)
            at = heads.find(table, path)[numbers]
            column = bare(column)
            if isinstance(column, IntColumn | FloatColumn):
                self._put_numbers(heads, at, numbers, (Encoding.INT, Encoding.FLOAT), found)
            elif isinstance(column, TextColumn):
                self._put_words(heads, at, numbers, table, column, found, words)
        return [
            self._part(table, path, piece) if known is None else known
            for piece, known in zip(pieces, found, strict=True)
        ]

    def _part(self, table: Table, path: Path, number: int) -> Vector:
        """The field at `path` of a piece, by the views that there are for every encoding."""
        piece, head = self.pieces[number], self._heads(table).chunks[number]
        rows = range(piece.start, piece.start + piece.length)
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
        self, heads: Heads, at: Any, pieces: Sequence[int], wanted: Sequence[Encoding], found: list[Any]
    ) -> None:
        """Put the arrays of those nodes `at` that are numbers, one for each of `pieces`, to their places in `found`."""
        if not len(heads.nodes):
            return
        nodes = heads.nodes[at]
        encodings, width, count = nodes["encoding"], nodes["width"], nodes["count"]
        floats = encodings == Encoding.FLOAT
        fits = (at >= 0) & (floats if Encoding.FLOAT in wanted else False) & (width == 8)
        fits |= (at >= 0) & (encodings == Encoding.INT) & _IS_WIDTH[width]
        fits &= (nodes["raw"] == count.astype(np.uint64) * width) & (count >= self._stops[pieces])
        places = range(len(at)) if fits.all() else np.flatnonzero(fits).tolist()
        kinds = np.where(floats, 2, nodes["flags"] & NodeFlag.SIGNED)[places].tolist()
        buffers = heads.buffers(at[places], [pieces[place] for place in places])
        for place, kind, size, buffer in zip(places, kinds, width[places].tolist(), buffers, strict=True):
            piece = self.pieces[pieces[place]]
            array = np.frombuffer(buffer, _DTYPES[kind, size])
            if piece.length < len(array):
                array = array[piece.start : piece.start + piece.length]
            found[place] = Numbers(array)

    def _put_words(
        self,
        heads: Heads,
        at: Any,
        pieces: Sequence[int],
        table: Table,
        column: TextColumn,
        found: list[Any],
        words: dict[Any, Any],
    ) -> None:
        """Put codes and words of those nodes `at` that are dictionaries. Words that are the same are read once."""
        if not len(heads.nodes):
            return
        nodes = heads.nodes
        coded = np.where(nodes["encoding"][at] == Encoding.DICTIONARY, at, NOWHERE)
        codes, values = (heads.child(coded, place, pieces) for place in (0, 1))
        ends = heads.child(values, 0, pieces)
        values = np.where(nodes["encoding"][values] == Encoding.TEXT, values, NOWHERE)
        codes = np.where((ends >= 0) & (values >= 0) & (nodes["flags"][codes] & NodeFlag.SIGNED == 0), codes, NOWHERE)
        self._put_numbers(heads, codes, pieces, (Encoding.INT,), found)
        marked = [
            nodes[name][node].tolist()
            for node in (values, ends)
            for name in ("encoding", "width", "flags", "count", "stored", "checksum")
        ]
        for place, mark in enumerate(zip(*marked, strict=True)):  # checksums tell words that are the same
            if found[place] is None:
                continue
            known = words.get(mark)
            if known is None:
                chunk = heads.chunks[pieces[place]]
                assert chunk is not None
                node = int(values[place] - heads.begins[pieces[place]])
                known = words[mark] = open_child(column, chunk, node, table.space, mark[3]).read(0, mark[3])
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
        """Keep a column no longer."""
        self._kept.pop(path, None)


class Kept:
    """A column of a block in the cache of its file."""

    __slots__ = ("_block", "_path", "_size", "used")

    def __init__(self, block: Block, path: Path, size: int) -> None:
        self._block = weak(block)
        self._path = path
        self._size = size
        self.used = False

    @property
    def size(self) -> int:
        """What it takes; 0 once its block is gone."""
        return 0 if self._block() is None else self._size

    def close(self) -> bool:
        """Let the block forget it."""
        block = self._block()
        if block is not None:
            block.forget(self._path)
        return True


def blocks(tree: Tree, rows: int) -> Iterator[Block | Piece]:
    """The rows of a tree in order: blocks of at most `rows` rows (0: of one row group), and pieces in memory."""
    first = True
    for leaf in leaves(tree):
        mode = -1 if first and rows else rows
        found = leaf.blocks.get(mode)
        if found is None:
            found = leaf.blocks[mode] = list(_cut(leaf.children or [], rows, FIRST if first else 0))
        first = False
        yield from found


def leaves(tree: Tree) -> Iterator[Leaf]:
    """The leaves of a tree, in order, each read when it is its turn."""
    nodes = [tree.root]
    while nodes:
        node = nodes.pop()
        children = tree.children(node)
        if node.height == 1:
            yield node
        else:
            nodes.extend(reversed(children))


def _cut(pieces: list[Piece], rows: int, growth: int) -> Iterator[Block | Piece]:
    """`pieces` as blocks. With `growth`, the first is small and the next ones larger: the first rows come fast."""
    most = 1 if growth or not rows else len(pieces)
    found: list[Piece] = []
    count = 0
    for piece in pieces:
        if found and (piece.rows is not None or len(found) >= most or count + piece.length > rows):
            yield Block(found)
            found, count, most = [], 0, most * (growth or 1) if rows else 1
        if piece.rows is not None:
            yield piece
        else:
            found.append(piece)
            count += piece.length
    if found:
        yield Block(found)
