"""Reading a table from one end to the other: whole rows a group at a time, and little of what was passed kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from ..codec.base import Space
from ..errors import ParcodeError
from ..format.chunk import Chunk
from ..format.layout import Kind, NodeFlag, Reference
from ..storage.parallel import gil_enabled, in_order, worker_count
from .nodes import Piece

if TYPE_CHECKING:
    from .table import Table

KEPT = 16  # row groups
AHEAD = 64  # lazy objects made at once
FRESH_ROWS = 4096  # of those not yet written, taken at once
Stretch = tuple[Piece, int, int]


class Part(NamedTuple):
    """Neighbouring rows, plain, and their keys where these were asked for."""

    keys: list[Any]
    rows: list[Any]


class Trail:
    """The row groups that a scan has met. All but the last `KEPT` are closed where nobody holds anything of them."""

    __slots__ = ("_met", "_table")

    def __init__(self, table: Table) -> None:
        self._table = table
        self._met: dict[int, Reference] = {}

    def meet(self, piece: Piece) -> None:
        """Say that the scan comes to `piece`."""
        ref = piece.ref
        if not isinstance(ref, Reference):
            return
        met = self._met
        met.pop(ref.offset, None)
        met[ref.offset] = ref
        if len(met) > KEPT:
            self._table.close(met.pop(next(iter(met))).offset)


def walk(table: Table, start: int = 0, stop: int | None = None) -> Iterator[Stretch]:
    """The rows `start` to `stop`, a stretch in one place after the other: (piece, first, end)."""
    trail = Trail(table)
    for piece, first, end in table.tree.pieces(start, stop):
        trail.meet(piece)
        if piece.rows is None:
            yield piece, first, end
        else:
            for at in range(first, end, FRESH_ROWS):
                yield piece, at, min(at + FRESH_ROWS, end)


def lazy_rows(table: Table, start: int, stop: int | None) -> Iterator[Any]:
    """The rows `start` to `stop` of a table that does not change, lazy where they are Models.

    Lazy objects are made a few at a time: each time twice as many, so that a program that takes one
    row has not made many.
    """
    ahead = 1
    for piece, first, end in walk(table, start, stop):
        group = table.group(piece)
        at, end = piece.start + first, piece.start + end
        if group.proxies is None:
            yield from map(group.get, range(at, end))
            continue
        while at < end:
            rows = list(range(at, min(at + ahead, end)))
            yield from table.space.proxies([(group.proxies, rows)])
            at += ahead
            ahead = min(2 * ahead, AHEAD)


def changing_rows(table: Table, position: int, stop: int) -> Iterator[Any]:
    """As `lazy_rows`, of a table that may change: what was made ahead is looked up again after a change."""
    tree, trail, ahead = table.tree, Trail(table), 1
    while position < min(stop, tree.rows):
        piece, place = tree.at(position)
        trail.meet(piece)
        generation, end = tree.generation, min(piece.length, place + stop - position)
        while place < end and tree.generation == generation:
            for value in _some(table, piece, place, min(place + ahead, end)):
                yield value
                position += 1
                place += 1
                if tree.generation != generation:
                    break
            ahead = min(2 * ahead, AHEAD)


def _some(table: Table, piece: Piece, start: int, stop: int) -> Iterable[Any]:
    """The rows `start` to `stop` of a piece, lazy. If some are held or not yet written, each is looked up in turn."""
    if piece.rows is None:
        group = table.group(piece)
        rows = list(range(piece.start + start, piece.start + stop))
        if group.proxies is not None and not any(map(group.held.__contains__, rows)):
            group.used = True
            return table.space.proxies([(group.proxies, rows)])
    return map(table.value, repeat(piece), range(start, stop))


def read_parts(
    table: Table,
    start: int = 0,
    stop: int | None = None,
    plain: Callable[[Any], Any] | None = None,
    *,
    keys: bool = False,
    ahead: bool = True,
) -> Iterator[Part]:
    """The rows `start` to `stop`, whole; what is held or not yet written goes through `plain`.

    With `ahead`, which the caller may say where the table does not change between two parts, threads work on the
    groups to come if that pays: under the GIL they decompress them, without it they decode them.
    """

    def stored(stretch: Stretch) -> Part | None:
        piece, first, end = stretch
        return None if piece.rows is not None else _stored(table, piece, first, end, keys)

    def prepare(stretch: Stretch) -> None:
        _prepare(table.space, stretch[0].ref)

    workers = worker_count(table.space.workers) if ahead and _is_long(table) else 0
    locked = gil_enabled()
    if workers and locked and not _is_compressed(table, start, stop):
        workers = 0
    work: Callable[[Stretch], Part | None] = prepare if workers and locked else stored
    with closing(in_order(work, walk(table, start, stop), workers)) as ready:  # else a traceback keeps threads alive
        for stretch, part in ready:
            piece, first, end = stretch
            if work is prepare:
                part = stored(stretch)
            if part is None:
                yield _fresh(piece, first, end, plain, keys)
            else:
                yield _with_held(table, piece, first, part, plain)
            table.space.count_rows(end - first)


def _stored(table: Table, piece: Piece, first: int, end: int, keys: bool) -> Part:
    group = table.group(piece)
    start, stop = piece.start + first, piece.start + end
    found = group.keys.read(start, stop) if keys and group.keys is not None else []
    return Part(found, group.items.read(start, stop))


def _with_held(table: Table, piece: Piece, first: int, part: Part, plain: Callable[[Any], Any] | None) -> Part:
    """The values in memory, which may have changed, in the place of those of the file."""
    assert isinstance(piece.ref, Reference)
    start = piece.start + first
    for row, value in piece.among(table.held.get(piece.ref.offset, {})):
        if start <= row < start + len(part.rows):
            part.rows[row - start] = value if plain is None else plain(value)
    return part


def _fresh(piece: Piece, first: int, end: int, plain: Callable[[Any], Any] | None, keys: bool) -> Part:
    assert piece.rows is not None
    rows = piece.rows[first:end]
    found = piece.keys[first:end] if keys and piece.keys is not None else []
    return Part(found, rows if plain is None else list(map(plain, rows)))


def _is_long(table: Table) -> bool:
    root = table.tree.root
    return root.height > 1 or len(table.tree.children(root)) > 2


def _is_compressed(table: Table, start: int, stop: int | None) -> bool:
    """Whether the first row group of the file among the rows is compressed. Damage is for its reader to find."""
    for piece, _, _ in table.tree.pieces(start, stop):
        if isinstance(piece.ref, Reference):
            try:
                return any(node.compression for chunk in _chunks(table.space, piece.ref) for node in chunk.nodes)
            except ParcodeError:
                return False
    return False


def _prepare(space: Space, ref: Any) -> None:
    """Verify and decompress what a row group holds. A problem is left to whoever reads the value that it stands in."""
    if not isinstance(ref, Reference):
        return
    try:
        for chunk in _chunks(space, ref):
            for index, node in enumerate(chunk.nodes):
                if node.stored and not node.flags & NodeFlag.PIECES:
                    chunk.buffer(index)
    except Exception:
        return


def _chunks(space: Space, ref: Reference) -> Iterator[Chunk]:
    """A row group's chunk, and those of its fields that are stored apart, each once however often it is referred to."""
    group = space.chunk(ref)
    yield group
    for target in set(group.refs):
        if target.kind == Kind.COLUMN:
            yield space.chunk(target)
