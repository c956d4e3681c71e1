"""Copying what verifies of a damaged file: whole parts as they stand, and tables without the rows that are damaged.

A part is whole if its chunk and all chunks below it verify. A damaged part keeps its whole rows: the tree of a table
gets slices of row groups around the damaged rows, as if these had been deleted. So nothing is encoded anew, and no
class is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, cast

from ..codec.base import Column, Space
from ..codec.keys.canonical import hash_keys
from ..codec.types.compile import column_for
from ..errors import ParcodeError
from ..format import catalog as catalogs
from ..format.catalog import CatalogData, Target
from ..format.chunk import Chunk
from ..format.chunk_copy import Copy
from ..format.encoder import Ticket
from ..format.layout import Kind, Reference
from ..model.generated import Generated
from ..stack import is_deep, on_fresh_stack
from ..storage.check import Sweep, check_buffers
from ..storage.copier import Copier
from ..storage.mapped import Source
from ..storage.pipeline import Pipeline
from ..storage.progress import Done
from ..table.index import write_run
from ..table.nodes import NO_ID, Node, Piece, build, grow, read_node
from ..table.row_groups import TableSink
from .nodes import check_nodes
from .report import what_of
from .tables import READABLE, Header
from .walk import ROWS, Step, Walk

COLLECTIONS = frozenset({"list", "map", "entities"})


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that could not be saved.

    Attributes:
        path: the path from the root, a str: a root, a field, or a collection that lost rows.
        rows: the number of rows that the collection lost, an int; 0 where `path` itself is lost.
        first: the position of the first of these rows in their collection, an int; -1 if it is not known.
        reason: what is damaged, a str.
        offset: the place of the damage in the damaged file, in bytes, an int.
    """

    path: str
    rows: int
    first: int
    reason: str
    offset: int

    def __str__(self) -> str:
        what = self.path
        if self.rows:
            place = "" if self.first < 0 else f" from row {self.first:,} on"
            what = f"{self.rows:,} row{'s' if self.rows > 1 else ''} of {self.path}{place}"
        return f"{what}: {self.reason} at offset {self.offset}"


class Slice(NamedTuple):
    """Rows of a saved row group, and where the row group lies in the source."""

    piece: Piece
    origin: Reference


class Part(NamedTuple):
    """A row group or a column chunk, saved without the values of the rows `gone`."""

    target: Target
    gone: frozenset[int] = frozenset()


class Damage(Exception):
    """Nothing of a part can be saved: why, and the place of the damage."""

    def __init__(self, problem: ParcodeError, ref: Reference) -> None:
        self.reason = what_of(problem)
        offset = getattr(problem, "offset", None)
        self.offset: int = ref.offset if offset is None else offset
        super().__init__(self.reason)


class Salvage:
    """Copies the parts of `source` to `pipeline`, and notes what is lost."""

    def __init__(self, source: Source, pipeline: Pipeline, space: Space, done: Done) -> None:
        self.losses: list[Loss] = []
        self.saved: dict[Reference, Target] = {}  # values that are not whole, as they were saved
        self.walk = Walk(self.read)
        self.schemas: set[int] | None = None  # of rows that can be read, where the file lost some; None: all
        self._source = source
        self._done = done
        self._pipeline = pipeline
        self._space = space
        self._copier = Copier(source, pipeline)
        self._sweep = Sweep(source)
        self._sink = TableSink(pipeline, None)
        self._whole: dict[Reference, bool] = {}
        self._parts: dict[Reference, Part | Damage] = {}
        self._reasons: dict[Reference, Damage] = {}  # why rows of a part are gone
        self._key_columns: dict[bytes, Column] = {}

    def read(self, ref: Reference) -> Chunk:
        """A chunk of the source, its head verified."""
        return self._source.read(ref, self._sweep)

    def catalog(self, start: Step) -> tuple[CatalogData, list[Step]]:
        """The catalog that a walk starts with, and the steps to what it names.

        Raises:
            Damage: it cannot be read.
        """
        try:
            chunk = self.read(start.ref)
            return catalogs.decode(chunk), self.walk.below(start, chunk)
        except ParcodeError as problem:
            raise Damage(problem, start.ref) from problem

    def is_whole(self, top: Reference) -> bool:
        """Whether a chunk and all chunks below it verify."""
        waiting = [top]
        while waiting:
            ref = waiting[-1]
            if ref not in self._whole:
                chunk = self._verified(ref)
                below = [] if chunk is None else [each for each in chunk.refs if each not in self._whole]
                if below:
                    waiting += below
                    continue
                self._whole[ref] = chunk is not None and all(self._whole[each] for each in chunk.refs)
            waiting.pop()
        return self._whole[top]

    def _problems(self, chunk: Chunk) -> Iterator[ParcodeError]:
        yield from check_nodes(chunk)
        yield from check_buffers(chunk, decompress=True)
        if chunk.kind == Kind.ROW_GROUP and self.schemas is not None and chunk.fingerprint not in self.schemas:
            yield chunk.error(0, "the schema of its rows is damaged")

    def _verified(self, ref: Reference) -> Chunk | None:
        try:
            self._done.add(ref.length)
            chunk = self.read(ref)
            return None if next(self._problems(chunk), None) else chunk
        except ParcodeError:
            return None

    def copy(self, ref: Reference) -> Reference:
        """Copy a whole part."""
        return self._copier.copy(ref)

    # -- a marked field, or a root ----------------------------------------------------------------------------------

    def value(self, step: Step) -> Target:
        """Save the value of a marked field, or a root: a collection without its damaged rows, anything else whole.

        Raises:
            Damage: it cannot be saved.
        """
        if self.is_whole(step.ref):
            return self.copy(step.ref)
        found = self.saved.get(step.ref)
        if found is None:
            found = on_fresh_stack(lambda: self._value(step)) if is_deep() else self._value(step)
            self.saved[step.ref] = found
        return found

    def _value(self, step: Step) -> Target:
        if step.ref.kind == Kind.TABLE:
            return self._table(step)
        if step.ref.kind in ROWS:
            part = self._part(step)
            return self._sliced(step, part) if part.gone else part.target
        raise self._damage(step)

    def _damage(self, step: Step) -> Damage:
        """Why the chunk of a step cannot be saved."""
        try:
            problem = next(self._problems(self.read(step.ref)))
        except ParcodeError as error:
            problem = error
        return Damage(problem, step.ref)

    def _sliced(self, step: Step, part: Part) -> Target:
        """A table of the rows that are left of a row group that was a table by itself."""
        count = self.read(step.ref).nodes[0].count
        pieces = list(self._pieces_of(step, Piece(step.ref, 0, count, NO_ID), part))
        if step.ref.kind != Kind.ROW_GROUP or (not pieces and step.owner.kind not in COLLECTIONS):
            raise self._damage(step)
        return self._sink.table(self._tree(pieces), 0, keyed=False, runs=[])

    # -- tables ----------------

    def _table(self, step: Step) -> Target:
        try:
            chunk = self.read(step.ref)
            header = Header(chunk)
            below = self.walk.below(step, chunk)
        except ParcodeError as problem:
            raise Damage(problem, step.ref) from problem
        pieces: list[Slice] = []
        if header.tree is not None:
            top = Piece(header.tree, 0, header.rows, 0 if header.keyed else NO_ID)
            pieces = list(self._pieces(below[0], top))
        runs: list[Target] = []
        if header.keyed and pieces:
            if all(map(self.is_whole, header.runs)):
                runs = [self.copy(run) for run in header.runs]
            else:
                runs = self._index(step, pieces)
        return self._sink.table(self._tree(pieces), header.next_row, keyed=header.keyed, runs=runs)

    def _tree(self, slices: list[Slice]) -> Node:
        pieces = [each.piece for each in slices]
        return build(self._sink, pieces) if pieces else grow(self._sink, [])

    def _pieces(self, step: Step, top: Piece) -> Iterator[Slice]:
        """The slices below a node of a tree whose rows are whole."""
        if not step.height:
            try:
                yield from self._pieces_of(step, top, self._part(step))
            except Damage as damage:
                self._lose(step, top.length, damage)
            return
        try:
            chunk = self.read(step.ref)
            children = read_node(chunk, step.height, step.rows, step.keyed)
            steps = self.walk.below(step, chunk)
        except ParcodeError as problem:
            self._lose(step, top.length, Damage(problem, step.ref))
            return
        for child, each in zip(children, steps, strict=True):
            start = child.start if isinstance(child, Piece) else 0
            yield from self._pieces(each, Piece(child.ref, start, child.length, child.first))

    def _pieces_of(self, step: Step, piece: Piece, part: Part) -> Iterator[Slice]:
        """The slices of a saved row group that are left of a slice."""
        gone = sorted(row - piece.start for row in part.gone if piece.start <= row < piece.start + piece.length)
        if gone:
            problem = self._reasons[step.ref]
            self._lose(step, len(gone), problem, gone[0])
        at = 0
        for row in (*gone, piece.length):
            if row > at:
                left = piece.part(at, row)
                left.ref = part.target
                yield Slice(left, step.ref)
            at = row + 1

    def _lose(self, step: Step, rows: int, damage: Damage, at: int = 0) -> None:
        first = -1 if step.place is None else step.place.first + at
        self.losses.append(Loss(step.owner.path, rows, first, damage.reason, damage.offset))

    def _index(self, step: Step, slices: list[Slice]) -> list[Target]:
        """The index of a keyed table, made of the keys of its rows.

        Raises:
            Damage: the keys cannot be read without their class.
        """
        found: list[tuple[int, int]] = []
        for piece, origin in slices:
            group = self.read(origin)
            column = self._key_column(step, group)
            keys = column.view(group, group.children(0)[0], self._space).read(piece.start, piece.start + piece.length)
            found += zip(hash_keys(keys), range(piece.first, piece.first + piece.length), strict=True)
        found.sort()
        return [write_run(self._sink, [key for key, _ in found], [row for _, row in found])]

    def _key_column(self, step: Step, group: Chunk) -> Column:
        parts = self.walk.schemas(step.root, group.fingerprint)
        if parts is None or len(parts) != 2:
            raise Damage(group.error(0, "the file does not have the schema of its rows"), step.ref)
        key = parts[0]
        name = key.canonical()
        if name not in self._key_columns:
            known = READABLE.get(key.root) if isinstance(key.root, str) else None
            self._key_columns[name] = known or column_for(Generated(key).annotation(key.root), step.root, "key")
        return self._key_columns[name]

    # -- row groups and column chunks ----------------

    def _part(self, step: Step) -> Part:
        """Save a row group, or the column chunk of a marked field, as far as its rows are whole.

        Raises:
            Damage: no row is.
        """
        ref = step.ref
        if self.is_whole(ref):
            return Part(self.copy(ref))
        known = self._parts.get(ref)
        if known is None:
            try:
                known = self._partly(step)
            except Damage as damage:
                known = damage
            self._parts[ref] = known
        if isinstance(known, Damage):
            raise known
        return known

    def _partly(self, step: Step) -> Part:
        try:
            chunk = self.read(step.ref)
            for problem in self._problems(chunk):
                raise problem
            guide = self.walk.guide(step, chunk)
            below = self.walk.below(step, chunk, guide)
        except ParcodeError as problem:
            raise Damage(problem, step.ref) from problem
        targets: list[Target | None] = []
        gone: set[int] = set()
        reason: Damage | None = None
        for ordinal, each in enumerate(below):
            row = guide.targets[ordinal].row if ordinal in guide.targets else -1
            try:
                part = self._below(each)
                targets.append(part.target)
                gone |= part.gone
                reason = reason or (self._reasons[each.ref] if part.gone else None)
            except Damage as damage:
                reason = reason or damage
                if row < 0:
                    raise
                gone.add(row)
                targets.append(None)
        stands_in = dict(zip([ref.kind for ref in chunk.refs], targets, strict=True))
        stands_in.update({ref.kind: each for ref, each in zip(chunk.refs, targets, strict=True) if each is not None})
        kept = [
            each if each is not None else stands_in[ref.kind] for ref, each in zip(chunk.refs, targets, strict=True)
        ]
        if reason is not None:
            self._reasons[step.ref] = reason
            if len(gone) == chunk.nodes[0].count or None in kept:
                raise reason
        ticket = self._pipeline.submit(Copy(chunk, cast(list[Ticket | Reference], kept)))
        return Part(ticket, frozenset(gone))

    def _below(self, step: Step) -> Part:
        """Save what a reference of a row group leads to; `gone` are rows of this row group."""
        if step.ref.kind != Kind.COLUMN:
            return Part(self.value(step))
        part = self._part(step)
        if part.gone and (step.target is None or not step.target.in_step):
            raise self._reasons[step.ref]
        return part
