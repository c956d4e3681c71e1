"""`blocks`: the rows of a table as blocks, which the leaves of its tree keep until they change."""

from __future__ import annotations

from collections.abc import Iterator
from operator import is_

from ...table.nodes import Node as Leaf
from ...table.nodes import Piece
from ...table.tree import Tree
from .blocks import Block

ROWS = 1 << 18  # of a block, at most: a mask of them fits the processor's cache
FIRST = 8  # times as many row groups as the one before has a block at the beginning of a table
_STORED, _TOGETHER = -2, -3  # what a leaf keeps beside its own blocks


def blocks(tree: Tree, rows: int, *, growing: bool = True) -> Iterator[Block | Piece]:
    """The rows of a tree in order: blocks of about `rows` rows (0: of one piece), and pieces in memory.

    With `growing`, the first blocks are smaller: the first rows come fast.
    """
    first = growing
    together: list[Leaf] = []
    count = 0
    for leaf in leaves(tree):
        if not leaf.length:  # the only one, of an empty table
            continue
        alone = (first and rows > 0) or not rows or not _is_stored(leaf)
        if together and (alone or count + leaf.length > rows):
            yield _joined(together)
            together, count = [], 0
        if not alone:
            together.append(leaf)
            count += leaf.length
            continue
        mode = -1 if first and rows else rows
        found = leaf.blocks.get(mode)
        if found is None:
            found = leaf.blocks[mode] = list(_cut(leaf.children or [], rows, FIRST if first else 0))
        yield from found
        first = False
    if together:
        yield _joined(together)


def _is_stored(leaf: Leaf) -> bool:
    known = leaf.blocks.get(_STORED)
    if known is None:
        known = leaf.blocks[_STORED] = all(piece.rows is None for piece in leaf.children or ())
    return bool(known)


def _joined(together: list[Leaf]) -> Block:
    """The block of several leaves, as the first of them keeps it; a leaf that changed has another dictionary."""
    kept, *others = [leaf.blocks for leaf in together]
    known = kept.get(_TOGETHER)
    if known is not None and len(known[0]) == len(others) and all(map(is_, known[0], others)):
        found: Block = known[1]
        return found
    found = Block([piece for leaf in together for piece in leaf.children or ()])
    kept[_TOGETHER] = others, found
    return found


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
