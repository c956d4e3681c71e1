"""Many rows of a table at once, anywhere in it: written aside with other values in some fields, or taken out.

Rows that an update finds are written aside as a stream's are: a column at a time, some thousand together, and no object
is made of them. Then slices of the new row groups take the place of the old rows in the tree. A commit copies the row
groups as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import pairwise
from typing import Any

from ..codec import trail
from ..codec.asis import to_write
from ..codec.columns.boundary import ChunkColumn
from ..codec.columns.mixed import Mixed
from ..codec.columns.picked import Picked, runs_of
from ..errors import EncodeError
from ..format.layout import Reference
from .nodes import NO_ID, Node, Piece
from .row_group import Group
from .row_groups import TARGET_BYTES, TableSink
from .streaming import columns_of, named, reference
from .table import Origin, Table
from .tree import Tree

DENSE = 16  # a piece is written whole rather than cut at more than one of so many rows

Parts = dict[int, list[Piece]]
"""By the id of a piece that is in the tree: the pieces to stand there."""


class Rewritten:
    """Rows of a table that are written to `sink`, a spill, with other values, to take the place of stored ones."""

    def __init__(self, table: Table, sink: TableSink, column: ChunkColumn) -> None:
        self._table = table
        self._sink = sink
        self._column = column
        self._items, self._keys = columns_of(column)
        self._waiting: list[tuple[Piece, Group, Picked]] = []
        self._room = 0
        self._fresh: dict[int, tuple[Piece, list[tuple[int, Piece]]]] = {}
        self._fields: set[str] = set()

    def add(self, piece: Piece, rows: list[int], fields: dict[str, list[Any]]) -> None:
        """Write the rows `rows` of a stored piece, which rise, with the new values of `fields`, one a row.

        Raises:
            EncodeError: a value does not fit its field.
        """
        group = self._table.group(piece)
        view: Any = group.items
        self._fields.update(fields)
        while rows:
            if not self._waiting:
                self._room = self._rows_of(group)
            now, rows = rows[: self._room], rows[self._room :]
            taken = {name: values[: self._room] for name, values in fields.items()}
            fields = {name: values[self._room :] for name, values in fields.items()}
            self._waiting.append((piece, group, Picked(view, now, taken)))
            self._room -= len(now)
            if not self._room:
                self._write()

    def finish(self) -> None:
        """Write the last rows."""
        if self._waiting:
            self._write()

    def parts(self) -> Parts:
        """The pieces that replace the ones with written rows. The spill must have been closed."""
        found: Parts = {}
        fields = frozenset(self._fields)
        for key, (piece, fresh) in self._fresh.items():
            assert isinstance(piece.ref, Reference)
            parts: list[Piece] = []
            done = 0
            for start, each in fresh:
                if done < start:
                    parts.append(piece.part(done, start))
                each.ref = aside = reference(each.ref)
                parts.append(each)
                origin = Origin(each.start, each.start + each.length, piece.ref, piece.start + start, fields)
                self._table.origins.setdefault(aside.offset, []).append(origin)
                done = start + each.length
            if done < piece.length:
                parts.append(piece.part(done, piece.length))
            found[key] = parts
        return found

    def _rows_of(self, group: Group) -> int:
        """How many rows like those of `group` one row group gets."""
        size = (group.packed or group.ref.length) / group.count
        return min(self._sink.tuning.group_rows, max(1, int(TARGET_BYTES / size)))

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        table = self._table
        keys = None
        if self._keys is not None:
            keys = self._keys, [key for _, group, picked in waiting for key in to_write(group.keys_at, picked.rows)]
        rows = Mixed([picked for _, _, picked in waiting])
        try:
            ticket, _ = self._sink.write_group(self._items, rows, keys, self._column.compression, table.fingerprint)
        except EncodeError as problem:
            raise self._named(problem, waiting, keys and keys[1]) from None
        at = 0
        for piece, _, picked in waiting:
            _, fresh = self._fresh.setdefault(id(piece), (piece, []))
            for start, stop in runs_of(picked.rows):
                place = start - piece.start
                first = piece.first + place if piece.first >= 0 else NO_ID
                fresh.append((place, Piece(ticket, at, stop - start, first)))
                at += stop - start

    def _named(self, problem: EncodeError, waiting: list[tuple[Piece, Group, Picked]], keys: Any) -> EncodeError:
        """The error, with the key or the position of the row that it is about."""
        row = trail.row_of(problem)
        if keys is not None:
            return named(problem, self._column, keys[row])
        for piece, _, picked in waiting:
            if row < len(picked):
                before = 0
                for other, _, _ in self._table.tree.pieces():
                    if other is piece:
                        break
                    before += other.length
                return named(problem, self._column, before + picked.rows[row] - piece.start)
            row -= len(picked)
        return problem


def without_rows(piece: Piece, rows: list[int]) -> list[Piece]:
    """What is left of a piece without the rows `rows` of its row group, which rise; of one in memory, from 0 on."""
    found: list[Piece] = []
    done = 0
    for start, stop in runs_of(rows):
        if done < start - piece.start:
            found.append(piece.part(done, start - piece.start))
        done = stop - piece.start
    if done < piece.length:
        found.append(piece.part(done, piece.length))
    return found


def remove_keys(table: Table, keys: Iterable[Any]) -> None:
    """Take the rows with these keys out of a keyed table, in one change of the tree. Some may not be there."""
    places: dict[int, tuple[Piece, list[int]]] = {}
    known = []
    for key in keys:
        found = table.find(key)
        if found is not None:
            piece, place = found
            places.setdefault(id(piece), (piece, []))[1].append(piece.start + place)
            known.append(key)
    for key in known if table.added else ():
        if key in table.added:
            if table.tree.undo is not None:
                table.tree.undo.append(partial(table.added.__setitem__, key, table.added[key]))
            del table.added[key]
    if places:
        replace_pieces(table, {at: without_rows(piece, sorted(set(rows))) for at, (piece, rows) in places.items()})
        table.version += 1


def replace_pieces(table: Table, parts: Parts) -> None:
    """Put `parts` in the place of pieces of the table's tree."""
    tree = table.tree
    nodes, changed = _replaced(tree, tree.root, parts)
    if not changed:
        return
    tree.generation += 1
    table.spilled = True  # so that a commit looks for what took the place of stored rows
    while len(nodes) > 1:
        nodes = _nodes_over(tree, nodes, nodes[0].height + 1)
    tree.root = nodes[0] if nodes else Node(1, 0, 0 if tree.keyed else NO_ID, None, [])


def _replaced(tree: Tree, node: Node, parts: Parts) -> tuple[list[Node], bool]:
    """The nodes to stand in the place of `node`, and whether anything changed."""
    if node.children is None:
        return [node], False
    fresh: list[Any] = []
    changed = False
    if node.height == 1:
        for child in node.children:
            known = parts.get(id(child))
            changed |= known is not None
            fresh += [child] if known is None else known
    else:
        for child in node.children:
            nodes, other = _replaced(tree, child, parts)
            changed |= other
            fresh += nodes
    if not changed:
        return [node], False
    tree.note(node)
    first, *others = _nodes_over(tree, fresh, node.height) if fresh else [None]
    if first is None:
        return [], True
    node.change(first.length - node.length)
    node.children, node.first = first.children, first.first
    return [node, *others], True


def _nodes_over(tree: Tree, children: list[Any], height: int) -> list[Node]:
    """Nodes over `children`, of even size, none of them written."""
    count = max(1, -(-len(children) // tree.fanout))
    bounds = [len(children) * i // count for i in range(count + 1)]
    groups = [children[a:b] for a, b in pairwise(bounds)]
    return [Node(height, sum([each.length for each in some]), some[0].first, None, some) for some in groups]
