"""The tree over a table's rows: a copy-on-write B+tree whose leaf entries are slices of row groups.

In memory nodes are loaded as they are met, and change in place: rows that are not written yet stand in pieces of their
own. `write` writes the nodes that changed and gives the tree that they make; the tree in memory stays as it is until
`adopt`.

Rows are found by position, or by row id where the ids rise with the position (keyed tables).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ..codec.base import Sink
from ..errors import CorruptionError
from ..format.chunk import Chunk
from ..format.encoder import Ticket
from ..format.layout import Kind, Reference
from ..storage.spill import SPILLED
from ..tuning import TUNING
from .nodes import NO_ID, Node, Piece, build, copied, grow, insert_piece, read_node, write_level

MAX_HEIGHT = 12
Differ = Callable[[Piece, Sequence[int]], bool]
"""Whether any of the rows (of a piece, in its row group) differs from what is stored."""


class Tree:
    """The rows of a table, in order; in a `keyed` one they have ids. `chunk(ref)` gives the chunks of the present
    snapshot.

    A node that changes has at most twice `fanout` children.
    """

    __slots__ = ("chunk", "fanout", "_stored", "generation", "keyed", "root", "stored_rows", "undo")

    def __init__(
        self,
        chunk: Callable[[Reference], Chunk],
        root: Reference | None,
        height: int,
        rows: int,
        *,
        keyed: bool,
        fanout: int = TUNING.fanout,
    ) -> None:
        self.chunk = chunk
        self.fanout = fanout
        self.generation = 0  # rises whenever pieces that a caller walks over may be others now
        self.keyed = keyed
        first = 0 if keyed else NO_ID
        if root is None:
            self.root = Node(1, 0, first, None, [])
        elif height == 0:
            self.root = Node(1, rows, first, root, [Piece(root, 0, rows, first)])
        else:
            self.root = Node(height, rows, first, root, None)
        self._stored = self.root
        self.stored_rows = rows  # in the file
        self.undo: list[Callable[[], object]] | None = None  # steps that take back what was changed since it was begun

    # -- finding ----------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.root.length

    def children(self, node: Node) -> list[Any]:
        """The node's children, read at first use."""
        if node.children is None:
            ref = node.ref
            assert isinstance(ref, Reference)
            if ref.kind != Kind.TREE_NODE:
                raise CorruptionError(
                    f"a tree node of height {node.height} is a chunk of kind {ref.kind}", offset=ref.offset
                )
            node.children = read_node(self.chunk(ref), node.height, node.length, self.keyed)
        return node.children

    def at(self, position: int) -> tuple[Piece, int]:
        """The piece with the row at `position` (0 <= position < rows), and the row's place in the piece."""
        node = self.root
        while True:
            children = node.children if node.children is not None else self.children(node)
            ends = node.ends or node.sum_up()
            i = bisect_right(ends, position)
            if i:
                position -= ends[i - 1]
            if node.height == 1:
                return children[i], position
            node = children[i]

    def row(self, row_id: int) -> tuple[Piece, int] | None:
        """The piece with the row of this id, and the row's place in it; None where it is no longer in the table."""
        node = self.root
        while True:
            children = node.children if node.children is not None else self.children(node)
            if not (node.ends or node.sum_up()):
                return None
            i = bisect_right(node.firsts, row_id) - 1
            if i < 0:
                return None
            child = children[i]
            if node.height == 1:
                place = row_id - child.first
                return (child, place) if place < child.length else None
            node = child

    def position(self, row_id: int) -> int:
        """The position of the row with this id, which must be there."""
        node, before = self.root, 0
        while True:
            children = self.children(node)
            ends = node.ends or node.sum_up()
            i = bisect_right(node.firsts, row_id) - 1
            before += ends[i - 1] if i else 0
            if node.height == 1:
                first: int = children[i].first
                return before + row_id - first
            node = children[i]

    def pieces(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[Piece, int, int]]:
        """The pieces that meet the rows `start` to `stop`, each with the part that is met: (piece, first, end)."""
        stop = self.rows if stop is None else min(stop, self.rows)
        while start < stop:
            piece, place = self.at(start)
            end = min(piece.length, place + stop - start)
            yield piece, place, end
            start += end - place

    def loaded_of(self, groups: Collection[int]) -> list[tuple[int, Piece]]:
        """The loaded pieces of the stored row groups at these offsets, each with its row group's."""
        if not groups:
            return []
        found: list[tuple[int, Piece]] = []
        for leaf in self._leaves():
            if leaf.meets(groups):
                known = leaf.groups or {}
                found += [(offset, piece) for offset in known.keys() & groups for piece in known[offset]]
        return found

    def loaded(self) -> Iterator[Piece]:
        """The pieces of all leaves that were read or changed so far."""
        return (piece for leaf in self._leaves() for piece in leaf.children or ())

    def _leaves(self) -> Iterator[Node]:
        """The leaves that were read or changed so far."""
        nodes = [self.root]
        while nodes:
            node = nodes.pop()
            if node.children is None:
                continue
            if node.height == 1:
                yield node
            else:
                nodes.extend(reversed(node.children))

    def load(self) -> None:
        """Read every node: `changed` looks for changes in what is read, and the program may hold a
        row anywhere.
        """
        nodes = [self.root]
        while nodes:
            node = nodes.pop()
            children = self.children(node)
            if node.height > 1:
                nodes.extend(children)

    # -- changing ---------------------------------------------------------------------------------------------------

    def insert(self, position: int, rows: list[Any], keys: list[Any] | None = None, first: int = NO_ID) -> None:
        """Put rows before the one at `position` (0 <= position <= rows); in keyed tables they begin with id `first`."""
        if rows:
            self.put(position, Piece(None, 0, len(rows), first, list(rows), keys and list(keys)))

    def put(self, position: int, piece: Piece) -> None:
        """Put the rows of `piece` before the one at `position`."""
        self.generation += 1
        self._grow(self._insert(self.root, position, piece))

    def _grow(self, sibling: Node | None) -> None:
        if sibling is not None:
            root = self.root
            self.root = Node(root.height + 1, root.length + sibling.length, root.first, None, [root, sibling])

    def note(self, node: Node) -> None:
        """Remember a node that is about to change."""
        if self.undo is not None:
            assert node.children is not None
            self.undo.append(partial(node.put_back, list(node.children), node.length, node.first, node.ref))

    def _insert(self, node: Node, position: int, piece: Piece) -> Node | None:
        children = self.children(node)
        ends = node.ends or node.sum_up()
        i = min(bisect_left(ends, position), max(len(children) - 1, 0))
        offset = position - (ends[i - 1] if i else 0)
        self.note(node)
        node.change(piece.length)
        if node.height > 1:
            sibling = self._insert(children[i], offset, piece)
            if sibling is not None:
                children.insert(i + 1, sibling)
        else:
            insert_piece(children, i, offset, piece, self.undo)
        node.first = children[0].first
        return node.halve(self.fanout)

    def delete(self, start: int, stop: int) -> None:
        """Remove the rows `start` to `stop` (0 <= start <= stop <= rows)."""
        self.generation += 1
        if start < stop:
            self._grow(self._delete(self.root, start, stop))
        if not self.root.length:
            self.root = Node(1, 0, 0 if self.keyed else NO_ID, None, [])

    def _delete(self, node: Node, start: int, stop: int) -> Node | None:
        kept: list[Any] = []
        before = 0
        children = self.children(node)
        self.note(node)
        for child in children:
            size = child.length
            a, b = max(start - before, 0), min(stop - before, size)
            before += size
            if a >= b:
                kept.append(child)
            elif b - a < size:
                if node.height > 1:
                    sibling = self._delete(child, a, b)
                    kept += [child] if sibling is None else [child, sibling]
                else:
                    kept += [child.part(*part) for part in ((0, a), (b, size)) if part[0] < part[1]]
        node.change(start - stop)
        node.children = kept
        if kept:
            node.first = kept[0].first
        return node.halve(self.fanout)

    def replace(self, position: int, value: Any, key: Any = None) -> None:
        """Put `value` in the place of the row at `position`; it keeps its id (and so its `key`)."""
        piece, place = self.at(position)
        if piece.rows is not None:
            if self.undo is not None:
                self.undo.append(partial(piece.rows.__setitem__, place, piece.rows[place]))
            piece.rows[place] = value
            return
        first = piece.first + place if self.keyed else NO_ID
        self.substitute(position, Piece(None, 0, 1, first, [value], [key] if self.keyed else None))

    def substitute(self, position: int, fresh: Piece) -> None:
        """Put the rows of `fresh` in the place of as many from `position` on, whose ids they have."""
        self.delete(position, position + fresh.length)
        self.put(position, fresh)

    def remember(self) -> tuple[Node, bool]:
        """A copy of all nodes and pieces that were loaded, and whether the tree is the one that is stored."""
        return copied(self.root), self.root is self._stored

    def go_back(self, root: Node, *, stored: bool) -> None:
        """Go on with what `remember` gave, once."""
        self.generation += 1
        self.root = root
        if stored:
            self._stored = root

    # -- writing ----------------------------------------------------------------------------------------------------

    def changed(self, held: Mapping[int, Mapping[int, Any]], differ: Differ) -> set[Node]:
        """The nodes that must be written: changed or spilled ones, and the leaves with a row that
        differs.

        `held` has the rows that may differ, by the offsets of their row groups. `differ` is asked
        once for each piece with such rows. Nothing in the tree changes.
        """
        found: set[Node] = set()
        if self.root is not self._stored or self.root.length:  # an empty tree has no place in the file
            places = dict(zip(held, map(sorted, held.values()), strict=True))
            self._add_changed(self.root, places, differ, found)
        return found

    def _add_changed(self, node: Node, held: Mapping[int, Sequence[int]], differ: Differ, found: set[Node]) -> bool:
        ref = node.ref
        changed = known = not isinstance(ref, Reference) or ref.offset >= SPILLED
        if known:
            self.children(node)  # a spilled one will be written from them
        if node.height > 1:
            for child in node.children or ():
                groups = child.groups
                if known or groups is None or not groups.keys().isdisjoint(held):
                    changed |= self._add_changed(child, held, differ, found)
        elif node.meets(held):
            groups = node.groups or {}
            for offset in held.keys() & groups.keys():
                rows = held[offset]
                for piece in groups[offset]:
                    if piece.start <= rows[-1] and rows[0] < piece.start + piece.length:
                        first, end = bisect_left(rows, piece.start), bisect_left(rows, piece.start + piece.length)
                        if first < end:
                            changed |= differ(piece, rows[first:end])
        if changed:
            found.add(node)
        return changed

    def changed_leaves(self, changed: set[Node], node: Node | None = None) -> list[list[Piece]]:
        """The pieces of the `changed` leaves below `node`, or the root; those of neighbours in one list."""
        node = node or self.root
        found: list[list[Piece]] = []
        for part in self._parts(node, changed) if node in changed else ():
            if isinstance(part, list):
                found.append(part)
            elif part in changed:
                found += self.changed_leaves(changed, part)
        return found

    def _parts(self, node: Node, changed: set[Node]) -> list[Node | list[Piece]]:
        """The children of a changed node; of changed leaves beside each other the pieces, in one list."""
        if node.height == 1:
            return [self.children(node)]
        found: list[Node | list[Piece]] = []
        for child in self.children(node):
            if node.height > 2 or child not in changed:
                found.append(child)
            elif found and isinstance(found[-1], list):
                found[-1] += self.children(child)
            else:
                found.append(list(self.children(child)))
        return found

    def write(self, sink: Sink, changed: set[Node], leaves: Iterator[list[Piece]]) -> Node:
        """Write the `changed` nodes: the root of the tree that results, its references still
        tickets.

        `leaves` are, for each list that `changed_leaves` gives, the pieces to stand there, all
        written.
        """
        root = self.root
        if root not in changed:
            return root
        if root.height == 1:
            return build(sink, next(leaves))
        return grow(sink, self._write(root, sink, changed, leaves))

    def _write(self, node: Node, sink: Sink, changed: set[Node], leaves: Iterator[list[Piece]]) -> list[Node]:
        found: list[Node] = []
        for part in self._parts(node, changed):
            if isinstance(part, list):
                found += write_level(sink, next(leaves), 1)
            elif part not in changed:
                found.append(part)
            else:
                found += self._write(part, sink, changed, leaves)
        return found if node.height == 1 else write_level(sink, found, node.height)

    def adopt(self, root: Node) -> None:
        """Go on with the tree that `write` gave, once it is committed: its tickets have become references."""
        self.generation += 1
        nodes = [root]
        while nodes:
            node = nodes.pop()
            for child in [each for each in node.children or () if type(each.ref) is Ticket]:
                if node.height > 1:
                    nodes.append(child)
                else:
                    child.ref = child.ref.reference
            if isinstance(node.ref, Ticket):
                node.ref = node.ref.reference
        self.root = self._stored = root
        self.stored_rows = root.length

    def _check(self) -> None:
        """The rules that hold between any two operations; for tests."""
        nodes = [self.root]
        last = -1
        while nodes:
            node = nodes.pop()
            if node.children is None:
                continue
            assert node.length == sum(child.length for child in node.children)
            assert node is self.root or node.children
            assert len(node.children) <= 2 * self.fanout
            for child in node.children:
                assert child.length > 0
                if node.height > 1:
                    assert child.height == node.height - 1
                elif child.rows is not None:
                    assert child.ref is None and child.length == len(child.rows)
                    assert (child.keys is not None) == self.keyed and len(child.keys or child.rows) == child.length
            if node.height == 1 and self.keyed:
                for child in node.children:
                    assert child.first > last
                    last = child.first + child.length - 1
            if node.height > 1:
                nodes.extend(reversed(node.children))
