"""The tree over a table's rows: a copy-on-write B+tree whose leaf entries are slices of row groups.

A slice is (row group, start, count); a node holds columns of counts, first row ids and starts, and refers to its
children in the chunk's reference table. A table of one whole row group has no node at all: height 0.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import NamedTuple

from ..codec.base import Sink
from ..errors import CorruptionError
from ..format.chunk import Chunk, Ticket
from ..format.layout import Encoding, Kind, Reference
from .ints import get_ints, put_ints

FANOUT = 128
MAX_HEIGHT = 12


class Slice(NamedTuple):
    """Rows `start` to `start + length` of a row group; the first of them has the row id `first`."""

    group: Ticket | Reference
    start: int
    length: int
    first: int


def write_tree(sink: Sink, slices: list[Slice]) -> tuple[Ticket | Reference | None, int]:
    """Write the nodes over `slices`, in order of their rows: the root and its height."""
    if not slices:
        return None, 0
    if len(slices) == 1 and slices[0].start == 0 and slices[0].first == 0:
        return slices[0].group, 0
    level, height = slices, 0
    while height == 0 or len(level) > 1:
        height += 1
        level = [_write_node(sink, level[i : i + FANOUT], height) for i in range(0, len(level), FANOUT)]
    return level[0].group, height


def _write_node(sink: Sink, entries: list[Slice], height: int) -> Slice:
    out = sink.encoder(Kind.TREE_NODE)
    for entry in entries:
        out.ref(entry.group)
    counts = [entry.length for entry in entries]
    root = out.open(Encoding.STRUCT, len(entries), param=height)
    put_ints(out, counts)
    put_ints(out, [entry.first for entry in entries])
    put_ints(out, [entry.start for entry in entries])
    out.close(root)
    return Slice(sink.submit(out), 0, sum(counts), entries[0].first)


class TreeNode:
    """A node, decoded: `ends[i]` is the number of rows up to the end of entry `i`."""

    __slots__ = ("refs", "ends", "firsts", "starts", "height", "counts")

    def __init__(self, chunk: Chunk, height: int, count: int) -> None:
        root = chunk.nodes[0]
        entries = len(chunk.refs)
        if root.encoding != Encoding.STRUCT or root.param != height or root.count != entries or not entries:
            raise chunk.error(0, f"expected a tree node of height {height}")
        children = chunk.children(0)
        if len(children) != 3:
            raise chunk.error(0, "a tree node has three columns")
        self.height = height
        self.refs = chunk.refs
        self.counts = list(get_ints(chunk, children[0], entries))
        self.firsts = list(get_ints(chunk, children[1], entries))
        self.starts = list(get_ints(chunk, children[2], entries))
        self.ends = list(accumulate(self.counts))
        if self.ends[-1] != count or 0 in self.counts:
            raise chunk.error(children[0], f"expected {count} rows, found {self.ends[-1]}")


class Tree:
    """Finds slices by position or by row id. `chunk(ref)` gives the chunks."""

    __slots__ = ("_chunk", "_height", "_nodes", "_root", "rows")

    def __init__(self, chunk: Callable[[Reference], Chunk], root: Reference | None, height: int, rows: int) -> None:
        self._chunk = chunk
        self._root = root
        self._height = height
        self._nodes: dict[int, TreeNode] = {}
        self.rows = rows

    def _node(self, ref: Reference, height: int, count: int) -> TreeNode:
        node = self._nodes.get(ref.offset)
        if node is None:
            expected = Kind.TREE_NODE
            if ref.kind != expected:
                raise CorruptionError(
                    f"a tree node of height {height} is a chunk of kind {ref.kind}", offset=ref.offset
                )
            node = self._nodes.setdefault(ref.offset, TreeNode(self._chunk(ref), height, count))
        return node

    def at(self, position: int) -> tuple[Slice, int]:
        """The slice that holds the row at `position` (0 <= position < rows), and the row's place in its group."""
        ref, count = self._root, self.rows
        assert ref is not None
        for height in range(self._height, 0, -1):
            node = self._node(ref, height, count)
            i = bisect_right(node.ends, position)
            if i:
                position -= node.ends[i - 1]
            ref, count = node.refs[i], node.counts[i]
            if height == 1:
                start = node.starts[i]
                return Slice(ref, start, count, node.firsts[i]), start + position
        return Slice(ref, 0, count, 0), position

    def row(self, row_id: int) -> tuple[Reference, int] | None:
        """The row group and place of the row with this id, or None where it is no longer in the table."""
        ref, count = self._root, self.rows
        if ref is None:
            return None
        for height in range(self._height, 0, -1):
            node = self._nodes.get(ref.offset) or self._node(ref, height, count)
            i = bisect_right(node.firsts, row_id) - 1
            if i < 0:
                return None
            ref, count = node.refs[i], node.counts[i]
            if height == 1:
                place = row_id - node.firsts[i]
                return (ref, node.starts[i] + place) if place < count else None
        return (ref, row_id) if row_id < count else None

    def slices(self, start: int = 0, stop: int | None = None) -> Iterator[Slice]:
        """The slices that meet the rows `start` to `stop`, cut to them, in order."""
        stop = self.rows if stop is None else min(stop, self.rows)
        while start < stop:
            found, place = self.at(start)
            group, first, length, row_id = found
            take = min(first + length - place, stop - start)
            yield Slice(group, place, take, row_id + place - first)
            start += take
