"""Rows that come in a stream: they leave memory as row groups fill, and are a table's once the stream has ended.

Until then nothing of a table changes, so a stream that fails leaves it as it was, and one that reads the table reads it
as it was before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..codec import trail
from ..codec.base import Column, Space
from ..codec.columns.boundary import ChunkColumn
from ..codec.columns.containers import ListColumn, MapColumn
from ..codec.keys.canonical import hash_keys
from ..errors import EncodeError
from ..format.encoder import Ticket
from ..format.layout import Reference
from .cuts import Batch, Cut, Pairs, keys_of
from .index import Run
from .key_sort import KeyHashes
from .nodes import NO_ID, Node, Piece, without
from .table import MISSING, Table


class Spilled(NamedTuple):
    """The rows of a stream, written aside in `space`: pieces whose `first` is the place in the stream, keys' hashes."""

    space: Space
    pieces: list[Piece]
    hashes: KeyHashes


def columns_of(column: ChunkColumn) -> tuple[Column, Column | None]:
    """The columns of a marked collection's items and keys; None for the keys of a list."""
    shape = column.shape
    if isinstance(shape, MapColumn):
        return shape.value, shape.key
    assert isinstance(shape, ListColumn)
    return shape.item, None


def gather(space: Space, column: ChunkColumn, source: Iterator[Any]) -> list[Any] | Spilled:
    """The rows of `source` (pairs where `column` holds dictionaries): as they are if they fit one row group."""
    found = gather_cut(space, column, Cut(source))
    assert not isinstance(found, Pairs)
    return found


def gather_cut(space: Space, column: ChunkColumn, cut: Cut) -> Batch | Spilled:
    """As `gather`, of the rows that `cut` takes."""
    few = space.tuning.sample_rows
    if len(cut.peek(few)) < few:
        head: Batch = cut.take(few)
        return head
    items, keys = columns_of(column)
    pieces: list[Piece] = []
    hashes = KeyHashes(repeated=True)
    done = 0

    def placed(problem: EncodeError, row: int, value: Any) -> EncodeError:
        return named(problem, column, row if keys is None else value[0])

    with space.spill() as sink:
        groups = sink.groups(items, keys, column.compression)
        room = groups.room(cut, placed)
        if len(cut.peek(room + 1)) <= room:
            whole: Batch = cut.take(room)
            return whole
        for ticket, batch in groups.write(cut, placed):
            pieces.append(Piece(ticket, 0, len(batch), done))
            if keys is not None:
                hashes.add(keys_of(batch))
            done += len(batch)
            del batch  # so that nothing has the rows when the next ones are taken
    for piece in pieces:
        piece.ref = reference(piece.ref)
    return Spilled(space, pieces, hashes)


def named(problem: EncodeError, column: ChunkColumn, at: Any) -> EncodeError:
    field = column.items
    problem = trail.below(problem, f"[{at!r}]", 0)
    if field is not None:
        problem = trail.below(problem, field.field, 0)
        problem.model = field.model
    return problem


def reference(target: Any) -> Reference:
    assert isinstance(target, Ticket) and target.reference is not None
    return target.reference


def new_table(space: Space, column: ChunkColumn) -> Table:
    """An empty table that no file holds yet."""
    items, keys = columns_of(column)
    root = Node(1, 0, NO_ID if keys is None else 0, None, [])
    with space.spill() as sink:
        ticket = sink.table(root, 0, keyed=keys is not None, runs=[])
    return Table(space, reference(ticket), items, keys)


def put_rows(table: Table, start: int, stop: int, spilled: Spilled) -> None:
    """Put the rows of a stream in the place of the rows `start` to `stop` of a list."""
    table.space.share(spilled.space)
    table.tree.delete(start, stop)
    for piece in spilled.pieces:
        piece.first = NO_ID
        table.tree.put(start, piece)
        start += piece.length
    table.version += 1


def put_pairs(table: Table, spilled: Spilled) -> Any:
    """Set the pairs of a stream: new keys come last, in its order; of pairs with equal keys the last one wins.

    Returns a key that the table had, or that came twice; MISSING where there is none.
    """
    space, pieces, hashes = spilled
    table.space.share(space)
    first = table.next_row
    with hashes, table.space.spill() as sink:
        earlier, ticket = hashes.finish(sink, first)
    run = reference(ticket)
    replacing, replaced = _replacing(table, pieces, Run(table.space.chunk, run))
    gone = sorted({*earlier, *replaced})
    twice = _key_at(table, pieces, gone[0]) if gone else MISSING
    for piece in replacing:
        table.tree.substitute(table.tree.position(piece.first), piece)
    for part in [part for piece in pieces for part in without(piece, gone)]:
        part.first += first
        table.tree.put(table.rows, part)
    table.index([*table.run_refs, run])
    table.next_row += len(hashes)
    table.version += 1
    return twice


def _key_at(table: Table, pieces: list[Piece], place: int) -> Any:
    """The key at a place of a stream."""
    piece = pieces[bisect_right([piece.first for piece in pieces], place) - 1]
    assert isinstance(piece.ref, Reference)
    return table.open(piece.ref).key(place - piece.first)


def _replacing(table: Table, pieces: list[Piece], run: Run) -> tuple[list[Piece], list[int]]:
    """Of pairs whose key the table has: the pieces to put in the place of its rows, and the places in the stream."""
    firsts = [piece.first for piece in pieces]
    found: list[tuple[Piece, int]] = []
    for place in _maybe_known(table, run):
        piece = pieces[bisect_right(firsts, place) - 1]
        row = place - piece.first
        assert isinstance(piece.ref, Reference)
        known = table.find(table.open(piece.ref).key(row))
        if known is not None:
            part = piece.part(row, row + 1)
            part.first = known[0].first + known[1]
            found.append((part, place))
    joined: list[Piece] = []
    for part, _ in sorted(found, key=lambda each: each[0].first):
        last = joined[-1] if joined else None
        if last and (last.ref, last.first + last.length, last.start + last.length) == (
            part.ref,
            part.first,
            part.start,
        ):
            last.length += 1
        else:
            joined.append(part)
    return joined, [place for _, place in found]


def _maybe_known(table: Table, run: Run) -> list[int]:
    """The places in a stream, whose index is `run`, of keys whose hash the table's index has."""
    if not table.rows:
        return []
    import numpy as np

    hashes, rows = run.entries()
    found = np.isin(hashes, np.array(hash_keys(list(table.added)), np.uint64))
    for known in table.runs:
        found |= np.isin(hashes, known.entries()[0])
    places: list[int] = (rows[found] - np.uint64(table.next_row)).tolist()
    return places
