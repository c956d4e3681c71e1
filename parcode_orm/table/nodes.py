"""The nodes of a table's tree and the slices of row groups in its leaves: in memory, and as they lie in the file.

In the file a node holds columns of counts, first row ids and starts, and refers to its children in the chunk's
reference table; a table of one whole row group has no node at all (height 0).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate, pairwise
from operator import add, attrgetter, gt
from typing import Any, NamedTuple, TypeVar

from ..codec.base import Sink
from ..format.chunk import Chunk
from ..format.encoder import Ticket
from ..format.layout import Encoding, Kind, Reference
from .ints import get_ints, pack_field

NO_ID = -1  # lists: rows are known by their position alone
ref_of, _length_of, _first_of = map(attrgetter, ("ref", "length", "first"))
Target = Ticket | Reference
T = TypeVar("T")


class Known(NamedTuple):
    """What is in memory for some `rows`; `must` says of each value whether it must be held."""

    rows: list[int]
    values: list[Any]
    must: list[bool]


class Piece:
    """Rows `start` to `start + length` of the row group `ref`; or, where `ref` is None, `rows` not yet written.

    The first row has the id `first` (`NO_ID` in lists). `keys` go with `rows` in keyed tables. While a table is
    written, `size` is about what the piece takes in bytes. `judged`: a commit looked whether it merges with neighbours.
    `full`: whether its row group is, if a commit looked.
    """

    __slots__ = ("first", "full", "judged", "keys", "length", "ref", "rows", "size", "start")

    def __init__(
        self,
        ref: Target | None,
        start: int,
        length: int,
        first: int,
        rows: list[Any] | None = None,
        keys: list[Any] | None = None,
    ) -> None:
        self.ref = ref
        self.start = start
        self.length = length
        self.first = first
        self.rows = rows
        self.keys = keys
        self.size: float | None = None
        self.judged = False
        self.full: bool | None = None

    @property
    def offset(self) -> int:
        """Where the row group of a written piece lies."""
        ref = self.ref
        assert isinstance(ref, Reference)
        return ref.offset

    def part(self, start: int, stop: int) -> Piece:
        """The rows `start` to `stop` of this piece, as a piece."""
        rows = None if self.rows is None else self.rows[start:stop]
        keys = None if self.keys is None else self.keys[start:stop]
        first = self.first + start if self.first >= 0 else NO_ID
        return Piece(self.ref, self.start + start, stop - start, first, rows, keys)

    def among(self, rows: Mapping[int, T]) -> list[tuple[int, T]]:
        """What `rows`, known by the rows of the row group, has for those of the piece."""
        ours = range(self.start, self.start + self.length)
        if self.length < len(rows):  # the piece may be one of thousands of the row group
            return [(row, rows[row]) for row in ours if row in rows]
        return [(row, value) for row, value in list(rows.items()) if row in ours]

    def shrink(self, offset: int, length: int) -> None:
        """Take out the unwritten rows that came in at `offset`, so that `length` are left."""
        for values in (self.rows, self.keys):
            if values is not None:
                del values[offset : offset + len(values) - length]
        self.length = length


class Node:
    """A node of height `height` with `length` rows below it; `children` are pieces (height 1) or nodes, None unloaded.

    `ref` is where the node lies in the file as it is; None once it changed. `blocks` is what queries keep of the
    children of a leaf, and `groups` has these by the offsets of their row groups, once that was asked for.
    """

    __slots__ = ("blocks", "children", "ends", "first", "firsts", "groups", "height", "length", "ref")

    def __init__(self, height: int, length: int, first: int, ref: Target | None, children: list[Any] | None) -> None:
        self.height = height
        self.length = length
        self.first = first
        self.ref = ref
        self.children = children
        self.ends: list[int] | None = None
        self.firsts: list[int] = []
        self.groups: dict[int, list[Piece]] | None = None
        self.blocks: dict[int, Any] = {}

    def sum_up(self) -> list[int]:
        """`ends[i]`: rows up to the end of child `i`; `firsts[i]`: the id of its first row."""
        children = self.children
        assert children is not None
        self.firsts = list(map(_first_of, children))
        ends = list(accumulate(map(_length_of, children)))
        self.ends = ends  # last: another thread that sees it finds the rest as well
        return ends

    def meets(self, offsets: Collection[int]) -> bool:
        """Whether pieces of this leaf, as far as it is loaded, are rows of the row groups at some of these offsets."""
        groups = self.groups
        if groups is None:
            if self.children is None or not offsets:
                return False
            groups = {}
            for piece in self.children:
                if type(piece.ref) is Reference:
                    groups.setdefault(piece.ref[0], []).append(piece)
            self.groups = groups
        return not groups.keys().isdisjoint(offsets)

    def change(self, rows: int) -> None:
        """Say that the node has other children, and `rows` more rows than before."""
        self.length += rows
        self.ref = None
        self._forget()

    def _forget(self) -> None:
        """Forget what follows from the children."""
        self.ends = None
        self.groups = None
        self.blocks = {}

    def put_back(self, children: list[Any], length: int, first: int, ref: Target | None) -> None:
        """Take on a former state."""
        self.children, self.length, self.first, self.ref = children, length, first, ref
        self._forget()

    def halve(self, fanout: int) -> Node | None:
        """Where a changed node has more than twice `fanout` children, its right half, taken off it."""
        children = self.children or []
        if len(children) <= 2 * fanout:
            return None
        taken = children[len(children) // 2 :]
        right = Node(self.height, sum(child.length for child in taken), taken[0].first, None, taken)
        del children[len(children) // 2 :]
        self.length -= right.length
        return right


def copied(node: Node) -> Node:
    """A node with copies of what is loaded below it, down to the pieces."""
    children: list[Any] | None = node.children
    if children is not None:
        children = [copied(child) if node.height > 1 else child.part(0, child.length) for child in children]
    return Node(node.height, node.length, node.first, node.ref, children)


def insert_piece(pieces: list[Piece], i: int, offset: int, fresh: Piece, undo: list[Any] | None) -> None:
    """Insert rows at `offset` of piece `i`; pieces of unwritten rows grow, so that appending makes no new one."""
    if not pieces:
        pieces.append(fresh)
        return
    piece = pieces[i]
    rows, keys = fresh.rows, fresh.keys
    if rows is not None and keys is None and offset == piece.length:
        if i + 1 < len(pieces) and pieces[i + 1].rows is not None:
            piece, offset = pieces[i + 1], 0
    adjoins = keys is None or (offset == piece.length and piece.first + piece.length == fresh.first)
    if rows is not None and piece.rows is not None and adjoins:
        if undo is not None:
            undo.append(partial(piece.shrink, offset, piece.length))
        piece.rows[offset:offset] = rows
        if keys is not None and piece.keys is not None:
            piece.keys[offset:offset] = keys
        piece.length += len(rows)
        return
    before = piece if offset == piece.length else piece.part(0, offset)
    parts = (before, fresh, piece.part(offset, piece.length))
    pieces[i : i + 1] = [part for part in parts if part.length]


def without(piece: Piece, rows: Sequence[int]) -> Iterator[Piece]:
    """The parts of a piece that are left when the rows of these ids, in order, are taken out."""
    done = 0
    end = piece.first + piece.length
    for row in rows[bisect_left(rows, piece.first) : bisect_left(rows, end)]:
        if row - piece.first > done:
            yield piece.part(done, row - piece.first)
        done = row - piece.first + 1
    if done < piece.length:
        yield piece.part(done, piece.length) if done else piece


def build(sink: Sink, pieces: list[Piece]) -> Node:
    """Write the tree over `pieces`, which are written: its root. One whole row group is a tree without a node."""
    if len(pieces) == 1 and pieces[0].start == 0 and pieces[0].first <= 0:
        return Node(1, pieces[0].length, 0, pieces[0].ref, pieces)
    return grow(sink, write_level(sink, pieces, 1))


def grow(sink: Sink, level: list[Node]) -> Node:
    """The root over the nodes of one level, which are written."""
    while len(level) > 1:
        level = write_level(sink, level, level[0].height + 1)
    if not level:
        return Node(1, 0, 0, None, [])
    root = level[0]
    while root.height > 1 and root.children is not None and len(root.children) == 1:
        root = root.children[0]
    return root


def stored_height(root: Node) -> int:
    """The height of a written tree in the file: 0 for a row group by itself."""
    return 0 if root.height == 1 and root.children and root.ref is root.children[0].ref else root.height


def write_level(sink: Sink, entries: list[Any], height: int) -> list[Node]:
    """Nodes of `height` over `entries`, of even size."""
    count = -(-len(entries) // sink.tuning.fanout)
    if count <= 1:
        return [_write_node(sink, entries, height)] if entries else []
    bounds = [len(entries) * i // count for i in range(count + 1)]
    return [_write_node(sink, entries[a:b], height) for a, b in pairwise(bounds)]


def _write_node(sink: Sink, entries: list[Any], height: int) -> Node:
    out = sink.encoder(Kind.TREE_NODE)
    out.refs = list(map(ref_of, entries))
    count, first = len(entries), entries[0].first
    lengths, width, rows = pack_field(entries, "length")
    ints = [(count, lengths, width)]
    for name, stored in (("first", first != NO_ID), ("start", height == 1)):
        data, width, _ = pack_field(entries, name) if stored else (bytes(count), 1, 0)
        ints.append((count, data, width))
    out.open(Encoding.STRUCT, count, param=height, ints=ints)
    return Node(height, rows, first, sink.submit(out), entries)


def read_node(chunk: Chunk, height: int, rows: int, keyed: bool) -> list[Any]:
    """The children of a stored node of `height` with `rows` rows below it."""
    root = chunk.nodes[0]
    entries = len(chunk.refs)
    if root.encoding != Encoding.STRUCT or root.param != height or root.count != entries or not entries:
        raise chunk.error(0, f"expected a tree node of height {height}")
    columns = chunk.children(0)
    if len(columns) != 3:
        raise chunk.error(0, "a tree node has three columns")
    counts, firsts, starts = [get_ints(chunk, column, entries).tolist() for column in columns]
    if not keyed:
        firsts = [NO_ID] * entries
    if sum(counts) != rows or 0 in counts:
        raise chunk.error(columns[0], f"expected {rows} rows, found {sum(counts)}")
    if keyed and any(map(gt, map(add, firsts, counts), firsts[1:])):
        raise chunk.error(columns[1], "row ids do not rise")
    if height == 1:
        return list(map(Piece, chunk.refs, starts, counts, firsts))
    if len(set(chunk.refs)) != entries:
        raise chunk.error(0, "a tree node that names a child twice")
    return [
        Node(height - 1, count, first, ref, None) for ref, count, first in zip(chunk.refs, counts, firsts, strict=True)
    ]
