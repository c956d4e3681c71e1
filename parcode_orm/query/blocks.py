"""`Block`: row groups of a table beside each other, whose columns are read at once, as arrays over all their rows.

What a query costs is Python's work for each array, not its bytes, so a few large arrays replace many small ones. A leaf
of the table's tree keeps its blocks until it changes; the cache of the file bounds what they keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from weakref import ref as weak

import numpy as np

from ..codec.columns.scalars import FloatColumn, IntColumn
from ..codec.columns.text import TextColumn
from ..codec.views.nodes import CODES, open_child
from ..format.chunk import Chunk
from ..format.layout import Encoding, Node, NodeFlag, Reference
from ..storage.cache import NODE_BYTES
from ..table.nodes import Node as Leaf
from ..table.nodes import Piece
from ..table.row_group import Group
from ..table.table import Table
from ..table.tree import Tree
from .bounds import Bounds, bounds_of
from .columns import read
from .merging import kept_bytes, merged
from .places import Place, bare, is_scalar, place_in, place_of
from .vectors import Coded, Numbers, Vector

ROWS = 1 << 18  # of a block, at most: a mask of them fits the processor's cache
FIRST = 8  # times as many row groups as the one before has a block at the beginning of a table
Path = tuple[str, ...]
KEYS: Path = ("",)  # in the place of a path: the keys of the rows, where the table has such
_HEADS = ()  # in the place of a path: the heads of the row groups


class Block:
    """Written pieces of a table beside each other. `ends` says up to which row of the block each reaches."""

    __slots__ = ("__weakref__", "_bounds", "_kept", "count", "ends", "offsets", "pieces", "shifts")

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces
        lengths = np.array([piece.length for piece in pieces])
        self.ends = np.cumsum(lengths)
        self.count = int(self.ends[-1])
        self.shifts = np.array([piece.start for piece in pieces]) - (self.ends - lengths)
        self.offsets = frozenset([piece.ref.offset for piece in pieces])  # type: ignore[union-attr]
        self._bounds: dict[Path, Bounds | None] = {}
        self._kept: dict[Path, tuple[Kept, Any]] = {}

    def start(self, piece: int) -> int:
        """The row of the block with which a piece begins."""
        return int(self.ends[piece - 1]) if piece else 0

    def group(self, table: Table, piece: int) -> Group:
        """The row group of a piece, opened."""
        ref, heads = self.pieces[piece].ref, self._kept.get(_HEADS)
        if heads is not None and isinstance(ref, Reference) and ref.offset not in table.groups:
            table.open(ref, heads[1][piece])
        return table.group(self.pieces[piece])

    def column(self, table: Table, path: Path) -> Vector:
        """The field at `path` of all rows, as it is stored."""
        known = self._get(table, path)
        if known is None:
            known = merged(list(self._parts(table, path, range(len(self.pieces)), {})))
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
        found = merged(list(self._parts(table, path, range(first, last + 1), {})))
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
        """The field at `path` of some rows, an array of their numbers; few row groups are read where that is enough."""
        if self._get(table, path) is None:
            of = np.searchsorted(self.ends, rows, side="right")
            touched = np.flatnonzero(np.bincount(of, minlength=len(self.pieces))).tolist()
            if len(touched) * 2 <= len(self.pieces):
                order = np.argsort(of, kind="stable")
                of, back = of[order], np.empty(len(rows), np.int64)
                back[order] = np.arange(len(rows))
                within = np.split(rows[order], np.searchsorted(of, touched[1:]))
                parts = self._parts(table, path, touched, {})
                taken = [
                    part.take(here - self.start(piece))
                    for piece, here, part in zip(touched, within, parts, strict=True)
                ]
                return merged(taken).take(back) if taken else merged([])
        return self.column(table, path).take(rows)

    def bounds(self, table: Table, path: Path) -> Bounds | None:
        """The bounds of a field, a row group after the other; None where nothing is known of them."""
        if path not in self._bounds:
            self._bounds[path] = bounds_of([self.place(table, path, piece) for piece in range(len(self.pieces))])
        return self._bounds[path]

    def place(self, table: Table, path: Path, piece: int) -> Place | None:
        """Where a field stands in the row group of a piece; None where it has no node of its own there."""
        head = self._heads(table)[piece]
        found = None if head is None else place_of(head, table, path)
        return found or place_in(self.group(table, piece).items, path)

    def _heads(self, table: Table) -> list[Chunk | None]:
        known = self._get(table, _HEADS)
        if known is None:
            open_groups, refs = table.groups, [piece.ref for piece in self.pieces]
            unknown = [ref for ref in refs if isinstance(ref, Reference) and ref.offset not in open_groups]
            read_now = iter(table.space.heads(unknown))
            known = []
            for ref in refs:
                assert isinstance(ref, Reference)
                group = open_groups.get(ref.offset)
                known.append(next(read_now) if group is None else group.chunk)
            size = sum([head.node_count for head in known if head is not None]) * NODE_BYTES
            self._keep(table, _HEADS, known, size)
        found: list[Chunk | None] = known
        return found

    def _parts(self, table: Table, path: Path, pieces: Iterable[int], words: dict[Any, Any]) -> Iterator[Vector]:
        """The field at `path` of each of some pieces; `words` are those of dictionaries met before."""
        heads = self._heads(table)
        plain = path is not KEYS and is_scalar(table.items, path)  # else the views that others read through are asked
        for number in pieces:
            piece, head = self.pieces[number], heads[number]
            rows = range(piece.start, piece.start + piece.length)
            place = None if head is None or not plain else place_of(head, table, path)
            if place is None or rows.stop > place.rows:
                group = self.group(table, number)
                if path is KEYS:
                    assert group.keys is not None
                    yield read(group.keys, (), rows)
                else:
                    yield read(group.items, path, rows)
                continue
            node, column = place.chunk.node(place.at), bare(place.column)
            if node.encoding in (Encoding.INT, Encoding.FLOAT) and isinstance(column, IntColumn | FloatColumn):
                yield _numbers(place, node, rows)
            elif node.encoding == Encoding.DICTIONARY and isinstance(column, TextColumn):
                yield _words(place, column, table, rows, words)
            else:
                view = place.owner.open_field(place.name, place.chunk, place.at, table.space, place.rows)
                yield read(view, (), rows)

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


def _numbers(place: Place, node: Node, rows: range) -> Numbers:
    code = "d" if node.encoding == Encoding.FLOAT else CODES.get((node.width, bool(node.flags & NodeFlag.SIGNED)))
    buffer = _buffer(place.chunk, place.at, node)
    if code is None or (code == "d" and node.width != 8) or buffer.nbytes != node.count * node.width:
        raise place.chunk.error(place.at, f"{buffer.nbytes} bytes for {node.count} numbers of width {node.width}")
    return Numbers(np.frombuffer(buffer, f"<{_KIND[code]}{node.width}")[rows.start : rows.stop])


_KIND = {"d": "f", **dict.fromkeys("bhiq", "i"), **dict.fromkeys("BHIQ", "u")}


def _words(place: Place, column: TextColumn, table: Table, rows: range, words: dict[Any, Any]) -> Coded:
    """Codes of a dictionary, and its words: of row groups with the same words, one list, which is read once."""
    chunk = place.chunk
    codes, values = chunk.child(place.at, 0), chunk.child(place.at, 1)
    node, inner = chunk.node(codes), chunk.node(values)
    ends = chunk.node(chunk.child(values, 0)) if inner.span > 1 else inner
    mark = (*inner[:7], *inner[8:], *ends[:7], *ends[8:])  # all but where they lie; checksums among it
    known = words.get(mark)
    if known is None:
        known = words[mark] = open_child(column, chunk, values, table.space, inner.count).read(0, inner.count)
    if node.encoding != Encoding.INT or node.count != place.rows:
        raise chunk.error(codes, f"not {place.rows} codes")
    found = _numbers(place._replace(at=codes), node, rows).values
    if int(found.max()) >= len(known):
        raise chunk.error(place.at, f"a code beyond {len(known)} distinct values")
    return Coded(found, known)


def _buffer(chunk: Chunk, at: int, node: Node) -> memoryview:
    """The bytes of a node. Pages of the file are kept as seen; what was decompressed is not."""
    return chunk.read(at, node) if node.compression else chunk.buffer(at, node)


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
