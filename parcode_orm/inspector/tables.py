"""Comparing a keyed table's index with its rows, in memory bounded by a chunk: each key must lead to its row.

A hash and a row id make one number. The numbers of all rows have a sum, and so have the numbers of the
index's entries that are not stale. If the sums differ, some key does not lead to its row, or leads to
another. Keys are decoded if the stored schema says that they are text or ints.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from typing import Any

from ..codec.base import Column, Space
from ..codec.columns.scalars import IntColumn
from ..codec.columns.text import TextColumn
from ..codec.keys.canonical import hash_keys
from ..codec.stored import parts_of
from ..format.chunk import Chunk
from ..format.layout import TABLE_HEADER, Encoding, Kind, Reference
from ..table.index import LOW, bits_of, directory, shards_of
from ..table.ints import get_ints
from ..table.table import MAX_ROWS
from ..table.tree import MAX_HEIGHT, Tree

READABLE: dict[Any, Column] = {"text": TextColumn(), "int": IntColumn()}
Read = Callable[[Reference], Chunk]


class Header:
    """A table's chunk. `tree` and `runs` are its references.

    Raises:
        CorruptionError: the header does not fit its references.
    """

    def __init__(self, chunk: Chunk) -> None:
        data = chunk.read(0)
        if chunk.nodes[0].encoding != Encoding.RAW or len(data) != TABLE_HEADER.size:
            raise chunk.error(0, "not the header of a table")
        self.rows, self.next_row, self.height, keyed, runs = TABLE_HEADER.unpack(data)
        self.keyed = bool(keyed)
        trees = 1 if self.rows else 0
        if keyed > 1 or self.height > MAX_HEIGHT or len(chunk.refs) != trees + runs:
            raise chunk.error(0, "the header of a table does not fit its references")
        if not self.rows <= self.next_row <= MAX_ROWS or bool(runs) != bool(self.rows and self.keyed):
            raise chunk.error(0, f"a table of {self.rows} rows with ids to {self.next_row} has {runs} index runs")
        self.tree = chunk.refs[0] if trees else None
        self.runs = chunk.refs[trees:]


def check_shard(chunk: Chunk) -> None:
    """Raise `CorruptionError` unless an index shard has three columns, and its hashes rise."""
    shard = _Shard(chunk, 0, 0)
    if (shard.lows[1:] < shard.lows[:-1]).any():
        raise chunk.error(1, "the hashes of an index shard do not rise")


def run_below(chunk: Chunk, bits: int) -> tuple[list[Reference], int]:
    """The references of an index run's directory, and the number of bits left below it.

    `bits` is the number of bits that lead through it; 0 if unknown.

    Raises:
        CorruptionError: the directory has another number of bits, or refers to chunks of other kinds.
    """
    refs, below = directory(chunk, bits or bits_of(chunk))
    kind = Kind.INDEX_RUN if below else Kind.INDEX_SHARD
    other = next((ref.kind for ref in refs if ref.kind != kind), None)
    if other is not None:
        raise chunk.error(0, f"an index run refers to a chunk of kind {other}, not {kind}")
    return refs, below


def key_columns(schema: bytes) -> dict[int, Column | None]:
    """The key columns of all tables in a stored schema, by the fingerprint of their row groups."""
    keyed = {group: part[0].root for group, part in parts_of(schema).groups.items() if len(part) == 2}
    bare = {group: key["stored"] if isinstance(key, dict) and "literal" in key else key for group, key in keyed.items()}
    return {group: READABLE.get(key) if isinstance(key, str) else None for group, key in bare.items()}


def check_index(read: Read, space: Space, chunk: Chunk, columns: dict[int, Column | None]) -> bool:
    """Compare the rows of a keyed table with its index. Return whether the keys could be read.

    Raises:
        CorruptionError: rows and index differ, row ids break a rule, or a chunk is damaged.
    """
    import numpy as np

    table = Header(chunk)
    firsts, counts = array("Q"), array("Q")
    expected = 0
    readable = True
    tree = Tree(read, table.tree, table.height, table.rows, keyed=True)
    for piece, _, _ in tree.pieces():
        assert isinstance(piece.ref, Reference)
        firsts.append(piece.first)
        counts.append(piece.length)
        group = read(piece.ref)
        column = columns.get(group.fingerprint)
        if column is None:
            readable = False
            continue
        keys = column.view(group, group.children(0)[0], space).read(piece.start, piece.start + piece.length)
        ids = np.arange(piece.first, piece.first + len(keys), dtype=np.uint64)
        expected += _sum(np.array(hash_keys(keys), np.uint64), ids)
    starts, lengths = (np.frombuffer(each, np.uint64) for each in (firsts, counts))
    if (starts[1:] < (starts + lengths)[:-1]).any() or (starts + lengths).max(initial=0) > table.next_row:
        raise chunk.error(0, f"row ids do not rise, or reach {table.next_row}, the next one")
    found = entries = 0
    for shard in _shards(read, table.runs):
        there = _live(shard.rows, starts, lengths)
        entries += int(there.sum())
        found += _sum(shard.hashes()[there], shard.rows[there])
    if entries != table.rows or (readable and (found - expected) % (1 << 64)):
        raise chunk.error(0, f"the index does not lead to the table's rows: {entries} entries for {table.rows} rows")
    return readable


class _Shard:
    """An opened shard: the searched bits of the hashes, row ids, and the other bits, as arrays of uint64."""

    def __init__(self, chunk: Chunk, number: int, bits: int) -> None:
        import numpy as np

        children = chunk.children(0)
        if chunk.kind != Kind.INDEX_SHARD or chunk.nodes[0].encoding != Encoding.STRUCT or len(children) != 3:
            raise chunk.error(0, "an index shard has three columns")
        count = chunk.nodes[0].count
        self.lows, self.rows, self._rests = (np.array(get_ints(chunk, at, count), np.uint64) for at in children)
        if self.lows.max(initial=0) > LOW:
            raise chunk.error(1, "the hashes of an index shard have more than 32 bits")
        self._number, self._bits = number, bits

    def hashes(self) -> Any:
        """Whole hashes."""
        import numpy as np

        top = np.uint64(self._number << 64 - self._bits if self._bits else 0)
        return top | self.lows << np.uint64(32 - self._bits) | self._rests


def _shards(read: Read, runs: list[Reference]) -> Iterator[_Shard]:
    for run in runs:
        root = read(run)
        bits = bits_of(root)
        left = root.nodes[0].count
        for number, ref in enumerate(shards_of(read, run)):
            shard = _Shard(read(ref), number, bits)
            left -= len(shard.rows)
            yield shard
        if left:
            raise root.error(0, f"an index run of {root.nodes[0].count} entries has {root.nodes[0].count - left}")


def _live(rows: Any, starts: Any, lengths: Any) -> Any:
    """Which row ids belong to rows; the others are stale."""
    import numpy as np

    if not len(starts):
        return np.zeros(len(rows), bool)
    at = np.searchsorted(starts, rows, "right")
    before = np.maximum(at, 1) - 1
    return (at > 0) & (rows - starts[before] < lengths[before])


def _sum(hashes: Any, rows: Any) -> int:
    """The sum of one number for each pair, modulo 2**64."""
    import numpy as np

    mixed = hashes + rows * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return int((mixed ^ (mixed >> np.uint64(31))).sum(dtype=np.uint64))
