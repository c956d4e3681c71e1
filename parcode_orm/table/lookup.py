"""The row of a key, found by the index runs of a table."""

from __future__ import annotations

from bisect import bisect_right
from math import inf
from struct import error as PackError
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_64_intdigest

from ..codec.keys.canonical import EqualityUnknown, key_hash
from ..codec.keys.numbers import INT, INT64
from ..errors import EncodeError
from ..native import compiled
from .index import Run, Shard, find_row, is_text
from .nodes import NO_ID, Node, Piece
from .row_group import Group

if TYPE_CHECKING:
    from .table import Table
    from .tree import Tree


WAY: tuple[Any, ...] = tuple(
    cls.__dict__[name]
    for cls, names in (
        (Run, ("shift", "low_shift", "shards")),
        (Shard, ("lows", "rows")),
        (Node, ("ends", "firsts", "children", "height")),
        (Piece, ("ref", "first", "length", "start")),
        (Group, ("count", "texts", "used", "key")),
    )
    for name in names
)
"""The slots that `find_open` reads on its way from a key to a row."""


@compiled
def find_open(key: Any, run: Any, node: Any, groups: dict[int, Any], slots: tuple[Any, ...]) -> tuple[Any, int] | None:
    """The row group and the row with a key, where all that leads there is open; None where `search` is to look.

    This is the short way of a text or an int, to the row behind the first hash that agrees with its own. It says that
    the row group is used.

    Args:
        key: what is looked up.
        run: the first run of the index.
        node: the root of the table's tree.
        groups: the opened row groups, by their offsets.
        slots: `WAY`.
    """
    cls = type(key)
    if cls is not str and cls is not int:
        return None
    try:
        data = key.encode() if cls is str else INT64(INT, key)
    except (UnicodeEncodeError, PackError):
        return None
    hashed = xxh3_64_intdigest(data)
    shard = run.shards.get(hashed >> run.shift)
    row = -1 if shard is None else find_row(hashed, run.low_shift, shard.lows, shard.rows, 0)
    while row >= 0 and node.ends and (at := bisect_right(node.firsts, row)):
        child = node.children[at - 1]
        if node.height > 1:
            node = child
            continue
        group = groups.get(child.ref[0])
        place = row - child.first
        row = child.start + place
        if group is None or place >= child.length or row >= group.count:
            break
        group.used = True
        if group.texts is None or cls is int:
            same = group.key(row) == key
        else:
            texts, offsets, gap = group.texts
            same = is_text(data, texts, offsets, gap, row)
        return (group, row) if same else None
    return None


def search(table: Table, key: Any) -> tuple[Piece, int, Group | None] | None:
    """Where the index leads to: piece, place and, where it is one of the file, the row group. None: nowhere."""
    try:
        hashed = xxh3_64_intdigest(key.encode()) if type(key) is str else _hash(key)
    except UnicodeEncodeError:
        hashed = key_hash(key)
    except EqualityUnknown:
        raise
    except EncodeError:
        return None  # equal to no key that can be stored
    for run in table.runs:
        shard = run.shards.get(hashed >> run.shift) or run.shard(hashed >> run.shift)
        tried = 0
        while (row_id := find_row(hashed, run.low_shift, shard.lows, shard.rows, tried)) >= 0:
            tried += 1
            found = table.tree.row(row_id)
            if found is None:
                continue
            piece, place = found
            group = None
            if piece.keys is not None:
                stored = piece.keys[place]
            else:
                group = table.groups.get(piece.ref.offset)  # type: ignore[union-attr]
                row = piece.start + place
                if group is None or row >= group.count:
                    group = table.group(piece)
                group.used = True
                stored = group.key(row)
            if stored == key or stored is key:
                return piece, place, group
    return None


def rows_with(tree: Tree, ids: list[int]) -> tuple[list[Piece], list[int]]:
    """Where the rows with `ids`, which rise, are: the piece of each, and its place there; without rows that are gone.

    As `Tree.row` says of each; but a leaf is looked for once, for all ids that it may have.
    """
    opened = open_rows(ids, tree.root, WAY)
    if opened is not None:
        return opened
    pieces: list[Piece] = []
    places: list[int] = []
    firsts: list[int] = []
    end: float = NO_ID
    for each in ids:
        if each >= end:
            leaf, end = _leaf_with(tree, each)
            firsts, children = leaf.firsts, leaf.children or []
        at = bisect_right(firsts, each) - 1
        if at >= 0 and (place := each - firsts[at]) < children[at].length:
            pieces.append(children[at])
            places.append(place)
    return pieces, places


@compiled
def open_rows(ids: list[int], root: Any, slots: tuple[Any, ...]) -> tuple[list[Any], list[int]] | None:
    """What `rows_with` gives where all nodes that lead there are in memory, else None; `slots` is `WAY`."""
    pieces: list[Any] = []
    places: list[int] = []
    for each in ids:
        node, height = root, 2
        while height > 1:
            at = bisect_right(node.firsts, each) if node.ends and node.children else 0
            if not at:
                return None
            height, node = node.height, node.children[at - 1]
        place = each - node.first
        if place < node.length:
            pieces.append(node)
            places.append(place)
    return pieces, places


def _leaf_with(tree: Tree, row_id: int) -> tuple[Node, float]:
    """The leaf that has the row with this id, if any has, and the first id that is beyond it."""
    node: Any = tree.root
    end = inf
    while node.height > 1:
        children = tree.children(node)
        if not node.ends:
            node.sum_up()
        at = max(bisect_right(node.firsts, row_id), 1)
        end = node.firsts[at] if at < len(children) else end
        node = children[at - 1]
    tree.children(node)
    if not node.ends:
        node.sum_up()
    return node, end


def keys_with(table: Table, ids: list[int]) -> list[Any]:
    """The keys of the rows with `ids`, which rise and are of written pieces; without rows that are gone."""
    groups = table.groups
    opened = open_keys(ids, table.tree.root, groups, WAY)
    if opened is not None:
        return opened
    found = []
    for piece, place in zip(*rows_with(table.tree, ids), strict=True):
        ref: Any = piece.ref
        group, row = groups.get(ref.offset), piece.start + place
        if group is None or row >= group.count:
            group = table.group(piece)
        found.append(group.key(row))
    return found


@compiled
def open_keys(ids: list[int], root: Any, groups: dict[int, Any], slots: tuple[Any, ...]) -> list[Any] | None:
    """What `keys_with` gives where all nodes and row groups that lead there are open, else None; `slots` is `WAY`."""
    rows = open_rows(ids, root, slots)
    found: list[Any] = []
    for piece, place in zip(*rows, strict=True) if rows is not None else ():
        group, row = groups.get(piece.ref[0]), piece.start + place
        if group is None or row >= group.count:
            return None
        found.append(group.key(row))
    return None if rows is None else found


def _hash(key: Any) -> int:
    hash(key)  # as a dictionary asks: a TypeError for what cannot be a key
    return key_hash(key)
