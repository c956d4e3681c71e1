"""What two trees have in common, found without reading a row: the same slices of the same row groups.

A reference has the checksum of all that is below it. So trees of two files are compared in the same way.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..format.layout import Reference
from .tree import Tree

Stored = tuple[Reference | None, int]
Places = list[tuple[int, Any]]  # nodes or pieces, each with the position of its first row


class Gap(NamedTuple):
    """Rows `start` to `stop` of one tree, and `other_start` to `other_stop` of another, between rows they share."""

    start: int
    stop: int
    other_start: int
    other_stop: int


class _Shared(NamedTuple):
    """`length` rows that lie in the same place of the file, by their positions in both trees."""

    position: int
    other: int
    length: int


def gaps(tree: Tree, other: Tree) -> Iterator[Gap]:
    """The stretches between the rows that two stored tables share, in order.

    Nodes and slices of row groups that both refer to are not read: this costs what differs. Rows that both have, but
    in another order, count as shared only as far as the order is the same.
    """
    here = there = 0
    for shared in sorted(_common(tree, other)):
        if shared.position < here or shared.other < there:
            continue
        if here < shared.position or there < shared.other:
            yield Gap(here, shared.position, there, shared.other)
        here, there = shared.position + shared.length, shared.other + shared.length
    if here < tree.rows or there < other.rows:
        yield Gap(here, tree.rows, there, other.rows)


def _common(tree: Tree, other: Tree) -> list[_Shared]:
    found: list[_Shared] = []
    mine: Places = [(0, tree.root)]
    theirs: Places = [(0, other.root)]
    for height in range(max(tree.root.height, other.root.height), 0, -1):
        known = {_stored(node): at for at, node in theirs if node.height == height}
        shared: set[Stored] = set()
        for at, node in mine:
            if node.height == height and node.length and _stored(node) in known:
                shared.add(_stored(node))
                found.append(_Shared(at, known[_stored(node)], node.length))
        mine = _below(tree, mine, height, shared)
        theirs = _below(other, theirs, height, shared)
    return found + list(_overlaps(mine, theirs))


def _place(node: Any) -> Reference | None:
    return node.ref if isinstance(node.ref, Reference) else None


def _stored(node: Any) -> Stored:
    """What two nodes have in common that are one: a table of one row group may be as much of it as another, or less."""
    return _place(node), node.length


def _below(tree: Tree, nodes: Places, height: int, shared: set[Stored]) -> Places:
    """The nodes, those of `height` replaced by their children, or left out where they are shared."""
    found: Places = []
    for at, node in nodes:
        if node.height < height:
            found.append((at, node))
        elif _stored(node) not in shared:
            for child in tree.children(node):
                found.append((at, child))
                at += child.length
    return found


def _overlaps(mine: Places, theirs: Places) -> Iterator[_Shared]:
    """The rows that slices of the same row group share."""
    groups: dict[Reference | None, list[tuple[int, int, int]]] = {}  # (first row, end, position) of each slice
    for at, piece in theirs:
        groups.setdefault(_place(piece), []).append((piece.start, piece.start + piece.length, at))
    for slices in groups.values():
        slices.sort()
    for at, piece in mine:
        slices = groups.get(_place(piece), [])
        end = piece.start + piece.length
        for start, stop, other in slices[max(bisect_right(slices, (piece.start + 1,)) - 1, 0) :]:
            if start >= end:
                break
            first, last = max(start, piece.start), min(stop, end)
            if first < last:
                yield _Shared(at + first - piece.start, other + first - start, last - first)
