"""Marked fields: their values leave the owner's chunk, together for a chunk of their own, or, when large, each alone.

What decides is an estimate of a value's encoded size, from its items alone; so equal values are stored equally.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from ..errors import EncodeError
from ..format.chunk import Chunk, Encoder, Ticket
from ..format.compression import check
from ..format.layout import Encoding, Kind, Node, Reference
from . import blobs, kernels, trail
from .base import Column, Space, View
from .blobs import LARGE
from .boundary_view import ExternalView, ReferenceView, Unread
from .caller import in_caller
from .containers import ListColumn, MapColumn
from .physical import Physical
from .scalars import BoolColumn, FloatColumn, IntColumn
from .stream import ItemSpec, is_stream
from .struct import StructColumn
from .tuples import TupleColumn
from .wrappers import OptionalColumn

SAMPLE = 64  # items that the size of a long collection is estimated from


class _Scratch:
    """The sink of encoders that only measure: marked fields within leave nothing, and no stream is touched."""

    def encoder(self, kind: Kind, compression: str | None = None, fingerprint: int = 0) -> Encoder:
        return Encoder(kind, None, self, fingerprint)

    def submit(self, chunk: Encoder) -> Ticket:
        return Ticket()

    def reuse(self, value: Any, column: Column) -> None:
        return None


SCRATCH = _Scratch()


class ChunkColumn(Physical):
    """A field marked `Chunk` or `ShardedMap` (`kind` "chunk" or "map"); `items` validates what its collections hold."""

    __slots__ = ("inner", "compression", "is_list", "is_map", "items", "kind", "shape")
    encodings = frozenset({Encoding.REFERENCE, Encoding.EXTERNAL})
    lazy = True

    def __init__(
        self, inner: Column, compression: str | None = None, kind: str = "chunk", items: ItemSpec | None = None
    ) -> None:
        self.inner = inner
        self.items = items
        self.compression = compression
        self.kind = kind
        shape = inner
        while isinstance(shape, OptionalColumn):
            shape = shape.inner
        self.shape = shape
        # Lists and dictionaries themselves, not what is made of them, may be lazy.
        self.is_list = isinstance(shape, ListColumn) and shape.name == "list"
        self.is_map = isinstance(shape, MapColumn) and shape.factory is dict

    # -- writing ----------------------------------------------------------------------------------------------------

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        if not values:
            out.leaf(Encoding.EMPTY, 0)
            return
        if out.sink is SCRATCH:
            out.leaf(Encoding.REFERENCE, len(values))
            return
        if self.compression is not None:
            check(self.compression)  # small values are not compressed, and would hide that there is no such method
        if len(values) == 1 and type(values[0]) is Unread and values[0].ref.kind == Kind.COLUMN:
            there = out.sink.reuse(values[0], self)
            if there is not None:
                out.leaf(Encoding.REFERENCE, 1, param=out.ref(there))
                return
        tickets, inside = self._part(values, out)
        if not tickets:
            self._reference(inside, out)
            return
        node = out.open(Encoding.EXTERNAL, len(values))
        ordinals = [0] * len(values)
        for row, ticket in sorted(tickets.items()):
            ordinals[row] = out.ref(ticket) + 1
        width, _ = kernels.width_of(0, max(ordinals))
        out.leaf(Encoding.INT, len(values), kernels.pack(kernels.UNSIGNED[width], ordinals), width=width)
        if inside:
            try:
                self._reference(inside, out)
            except EncodeError as problem:
                rows = [row for row in range(len(values)) if row not in tickets]
                raise trail.at(problem, rows[trail.row_of(problem)]) from None
        else:
            out.leaf(Encoding.EMPTY, 0)
        out.close(node)

    def _reference(self, values: Sequence[Any], out: Encoder) -> None:
        chunk = out.sink.encoder(Kind.COLUMN, self.compression)
        self.inner.encode(values, chunk)
        out.leaf(Encoding.REFERENCE, len(values), param=out.ref(chunk))

    def _part(self, values: Sequence[Any], out: Encoder) -> tuple[dict[int, Ticket | Reference], Sequence[Any]]:
        """Send large values on their way: their tickets by row, and the values that stay, as plain collections."""
        tickets: dict[int, Ticket | Reference] = {}
        special = [t for t in set(map(type, values)) if is_stream(t) or getattr(t, "_p_lazy_", False)]
        if special:
            values = plain = list(values)

            def settle() -> None:
                for row, value in enumerate(plain):
                    if type(value) in special:
                        self._special(row, value, plain, tickets, out)

            in_caller(settle)
        for row in self._large(values, tickets):
            value = values[row]
            tickets[row] = self.leave(value, row, out)
        return tickets, [v for row, v in enumerate(values) if row not in tickets] if tickets else values

    def _special(
        self, row: int, value: Any, values: list[Any], tickets: dict[int, Ticket | Reference], out: Encoder
    ) -> None:
        """A stream goes to a table; a lazy collection stays where it is, or is read like a plain one."""
        if is_stream(type(value)):
            out.sink.streamed = True
            if not (self.is_list or self.is_map):
                values[row] = list(value)
            else:
                tickets[row] = self.leave(value, row, out)
            return
        together = type(value) is Unread and value.ref.kind == Kind.COLUMN  # which is no value of its own here
        ticket = None if together else self._reuse(value, row, out)
        if ticket is None and type(value) is Unread:
            values[row] = value = value.read()
            if not getattr(type(value), "_p_lazy_", False):
                return
        if ticket is not None:
            tickets[row] = ticket
        elif (self.is_list or self.is_map) and len(value) > SAMPLE and self._estimate(value) > LARGE:
            # maybe too large for memory
            tickets[row] = self.leave(value, row, out)
        else:
            values[row] = value._p_to_store_()

    def _reuse(self, value: Any, row: int, out: Encoder) -> Ticket | Reference | None:
        try:
            ticket: Ticket | Reference | None = out.sink.reuse(value, self)
        except EncodeError as problem:
            raise self._below(problem, row) from None
        return ticket

    def _below(self, problem: EncodeError, row: int) -> EncodeError:
        """An error among the rows of a table, which is value `row` of this field; keys are in its path already."""
        step = f"[{trail.row_of(problem)}]" if isinstance(self.shape, ListColumn) else ""
        return trail.below(problem, step, row)

    def leave(self, value: Any, row: int, out: Encoder) -> Ticket:
        """Write `value`, that of row `row`, as a table or blob of its own."""
        sink, shape = out.sink, self.shape
        try:
            if isinstance(shape, ListColumn):
                ticket: Ticket = sink.list_table(shape.item, value, self.compression)
            elif isinstance(shape, MapColumn):
                pairs = value if is_stream(type(value)) else value.items()
                ticket = sink.map_table(shape.key, shape.value, pairs, self.compression)
            else:
                data, meta = blobs.to_blob(value)
                ticket = sink.blob(data, self.compression, meta)
        except EncodeError as problem:
            raise self._below(problem, row) from None
        return ticket

    def _large(self, values: Sequence[Any], tickets: dict[int, Any]) -> list[int]:
        """The rows whose values are stored alone."""
        shape = self.shape
        rows = [row for row, value in enumerate(values) if value is not None and row not in tickets]
        if self.is_list or self.is_map:
            kind = list if self.is_list else dict
            rows = [row for row in rows if isinstance(values[row], kind)]
            return self._large_collections(values, rows)
        if isinstance(shape, StructColumn | ListColumn | MapColumn | TupleColumn):
            return []
        return [row for row in rows if blobs.blob_size(values[row]) >= LARGE]

    def _large_collections(self, values: Sequence[Any], rows: list[int]) -> list[int]:
        if not rows:
            return []
        item = self.shape.item if isinstance(self.shape, ListColumn) else None
        longest = max(len(values[row]) for row in rows)
        if isinstance(item, IntColumn | FloatColumn | BoolColumn) and longest * 8 < LARGE:
            return []
        found: list[int] = []
        stack = [rows]
        while stack:  # rows that are not large together hold no large one
            bucket = stack.pop()
            if len(bucket) == 1:
                value = values[bucket[0]]
                if len(value) > LARGE or self._estimate(value) > LARGE:
                    found.append(bucket[0])
                continue
            size = self._size(kernels.flatten([_items(values[row]) for row in bucket]))
            if size > LARGE:
                rows_each = min(max(len(bucket) * LARGE // (2 * size), 1), len(bucket) // 2)
                stack += [bucket[at : at + rows_each] for at in range(0, len(bucket), rows_each)]
        return sorted(found)

    def _estimate(self, value: Any) -> int:
        """About how many bytes the items of `value`, plain or lazy, encode to."""
        count = len(value)
        if count <= SAMPLE:
            return self._size(list(_items(value)))
        step = count // SAMPLE
        if hasattr(value, "items"):
            sample = list(islice(value.items(), 0, step * SAMPLE, step))
        else:
            sample = value[: step * SAMPLE : step]
        return self._size(sample) * count // len(sample)

    def _size(self, items: list[Any]) -> int:
        """Bytes that `items` (pairs, for a dictionary) encode to; 0 when they do not, which encoding will tell."""
        out = Encoder(Kind.COLUMN, None, SCRATCH)
        shape = self.shape
        try:
            if isinstance(shape, MapColumn):
                shape.key.encode([key for key, _ in items], out)
                shape.value.encode([value for _, value in items], out)
            elif isinstance(shape, ListColumn):
                shape.item.encode(items, out)
        except EncodeError:
            return 0
        return out.size

    # -- reading ----------------------------------------------------------------------------------------------------

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        if node.encoding == Encoding.REFERENCE:
            return ReferenceView(self, chunk, at, space, node)
        return ExternalView(self, chunk, at, space, node)

    def describe(self) -> Any:
        return {self.kind: self.inner.describe()}


def _items(value: Any) -> Iterable[Any]:
    items: Iterable[Any] = value.items() if hasattr(value, "items") else value
    return items
