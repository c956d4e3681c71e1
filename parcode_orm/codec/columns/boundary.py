"""Marked fields: their values leave the owner's chunk, together or, when large, alone.

What decides is an estimate of a value's weight, from its items alone; so equal values are stored
equally. Values that are stored already stay where they are: the field then names spans of the
chunks that hold them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from ...errors import EncodeError
from ...format.chunk import Chunk
from ...format.compression import check
from ...format.encoder import Encoder, Ticket
from ...format.layout import SPAN, Encoding, Kind, Node, Reference
from .. import kernels, trail
from ..apart import types_of
from ..asis import to_write
from ..base import SCRATCH, Column, Space, View
from ..packed import blobs
from ..stream import ItemSpec, is_stream
from ..views.boundary import ExternalView, Kept, Marked, ReferenceView, SpansView, Unread
from ..views.stretch import Stretch
from .containers import ListColumn, MapColumn
from .lenient import LenientColumn, SequenceColumn
from .mixed import Mixed, MixedPairs, Part, encode_parts, joined
from .physical import Gappy, Physical, gaps_of
from .scalars import BoolColumn, FloatColumn, IntColumn
from .struct import StructColumn
from .tuples import TupleColumn
from .weights import together, weigh, weigh_items
from .wrappers import OptionalColumn

WEIGHED_WHOLE = 1024  # items of a collection; the weight of a longer one is estimated from a sample
LITTLE = 4  # a chunk of which only one value in so many is used is mostly dead
COPIED_FOR_ONE = 4  # values of such chunks that are written again for each new one
COPIED_AT_MOST = 32 * 1024  # bytes of small chunks that are written again at once, and of dead ones for each new value


class ChunkColumn(Marked, Physical):
    """A field marked `Chunk` or `ShardedMap` (`kind` "chunk" or "map"); `items` validates items."""

    __slots__ = ("inner", "compression", "is_list", "is_map", "items", "kind", "shape")
    encodings = frozenset({Encoding.REFERENCE, Encoding.EXTERNAL, Encoding.SPANS})
    lazy = True
    mixes = True

    def __init__(
        self, inner: Column, compression: str | None = None, kind: str = "chunk", items: ItemSpec | None = None
    ) -> None:
        self.inner = inner
        self.items = items
        self.compression = compression
        self.kind = kind
        shape: Any = inner
        while isinstance(shape, OptionalColumn | LenientColumn | SequenceColumn):
            shape = shape.inner
        self.shape = shape
        # Lists and dictionaries themselves, not what is made of them, may be lazy.
        self.is_list = isinstance(shape, ListColumn) and shape.name == "list"
        self.is_map = isinstance(shape, MapColumn) and shape.factory is dict
        if isinstance(shape, ListColumn | MapColumn):
            shape.loose = self.is_list or self.is_map

    @property
    def refusing(self) -> Column:
        """What refuses values of another type: it may be asked without writing any."""
        return self.inner

    # -- writing ----------------------------------------------------------------------------------------------------

    def encode(self, values: Any, out: Encoder) -> None:
        if not len(values):
            out.leaf(Encoding.EMPTY, 0)
            return
        if out.sink is SCRATCH:
            together(self, values, out)
            return
        if self.compression is not None:
            # Small values are not compressed, and would hide that there is no such method.
            check(self.compression)
        sorted_out = _SortedOut(self, out, gaps_of(values))
        for part in values.parts if type(values) is Mixed else [values]:
            if isinstance(part, Stretch):
                sorted_out.stored(part)
            else:
                sorted_out.given(part)
        tickets = sorted_out.tickets
        if not tickets:
            sorted_out.write()
            return
        node = out.open(Encoding.EXTERNAL, len(values))
        ordinals = [0] * len(values)
        for row, ticket in sorted(tickets.items()):
            ordinals[row] = out.ref(ticket) + 1
        width, _ = kernels.width_of(0, max(ordinals))
        out.leaf(Encoding.INT, len(values), kernels.pack(kernels.UNSIGNED[width], ordinals), width=width)
        sorted_out.write()
        out.close(node)

    def leave(self, value: Any, row: int, out: Encoder) -> Ticket:
        """Write `value`, that of row `row`, as a table or blob of its own."""
        sink, shape = out.sink, self.shape
        try:
            if isinstance(shape, ListColumn):
                ticket: Ticket = sink.list_table(shape.item, value, self.compression)
            elif isinstance(shape, MapColumn):
                whole = type(value) in (dict, MixedPairs) or is_stream(type(value))
                pairs = value if whole else value.items()
                ticket = sink.map_table(shape.key, shape.value, pairs, self.compression)
            else:
                data, meta = blobs.to_blob(value)
                ticket = sink.blob(data, self.compression, meta)
        except EncodeError as problem:
            raise self.below(problem, row) from None
        return ticket

    def below(self, problem: EncodeError, row: int) -> EncodeError:
        """An error in a table that is value `row` of this field; its path has the keys already."""
        step = f"[{trail.row_of(problem)}]" if isinstance(self.shape, ListColumn) else ""
        return trail.below(problem, step, row)

    def large(self, values: Sequence[Any], limit: int) -> tuple[list[int], bool]:
        """The places of values stored alone, and whether all others are known to be small."""
        shape = self.shape
        if not (self.is_list or self.is_map):
            if isinstance(shape, StructColumn | ListColumn | MapColumn | TupleColumn):
                return [], False
            found = [at for at, value in enumerate(values) if blobs.blob_size(value) >= limit]
            return [at for at in found if blobs.kind_of(values[at]) in shape.blob_kinds], False
        types = (list, Mixed) if self.is_list else (dict, MixedPairs)
        places = [at for at, value in enumerate(values) if isinstance(value, types)]
        if not places:
            return [], False
        item = shape.item if isinstance(shape, ListColumn) else None
        longest = max([len(values[at]) for at in places])
        if isinstance(item, IntColumn | FloatColumn | BoolColumn) and longest * 8 < limit:
            return [], True
        mixed = (Mixed, MixedPairs)
        exact = [at for at in places if len(values[at]) <= WEIGHED_WHOLE and type(values[at]) not in mixed]
        if len(exact) < 2:
            return [at for at in places if weigh_items(self, values[at]) > limit], False
        found = [at for at in set(places).difference(exact) if weigh_items(self, values[at]) > limit]
        weights = weigh(self.inner, [values[at] for at in exact])
        found += [at for at, weight in zip(exact, weights, strict=True) if weight > limit]
        return sorted(found), len(exact) == len(places)

    # -- reading ----------------------------------------------------------------------------------------------------

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        if node.encoding == Encoding.REFERENCE:
            return ReferenceView(self, chunk, at, space, node.param, node.count)
        if node.encoding == Encoding.SPANS:
            return SpansView(self, chunk, at, space, node)
        return ExternalView(self, chunk, at, space, node)

    def parts(self) -> Sequence[Column]:
        return (self.inner,)

    def describe(self) -> Any:
        return {self.kind: self.inner.describe()}


class _Alone(NamedTuple):
    """A value that is stored alone."""

    ticket: Ticket | Reference


class _SortedOut:
    """The sorted values of a marked field: `tickets` by row for values stored alone, and others.

    The others are values to encode together, and stretches of chunks that hold them already.
    """

    def __init__(self, column: ChunkColumn, out: Encoder, gaps: Collection[int]) -> None:
        self._gaps = gaps
        self.tickets: dict[int, Ticket | Reference] = {}
        self._column = column
        self._out = out
        self._row = 0
        self._parts: list[Part] = []
        self._rows: list[int] = []  # of the values in `_parts`
        self._small = True  # nothing in them holds a large value

    def stored(self, part: Stretch) -> None:
        """Add values that are stored."""
        places = getattr(part.view, "places", None)
        if places is None:  # with values of another type among them
            self.given(list(map(part.view.get, range(part.start, part.stop))))
            return
        for place in places(part.start, part.stop):
            if isinstance(place, Stretch):
                self._add(place, place.stop - place.start)
            else:
                self.given([place])

    def given(self, values: Sequence[Any]) -> None:
        """Add values. Lazy ones stay where they lie; streams and large ones are stored alone."""
        special = [t for t in types_of(values) if is_stream(t) or getattr(t, "_p_lazy_", False)]
        settled = list(values)
        if special:
            self._settle(settled, special)
        plain = [at for at, value in enumerate(settled) if type(value) not in (_Alone, Stretch)] if special else None
        if not self._out.small:
            given = settled if plain is None else [settled[at] for at in plain]
            large, small = self._column.large(given, self._out.sink.tuning.large)
            self._small &= small
            for at in large if plain is None else [plain[at] for at in large]:
                settled[at] = _Alone(self._column.leave(settled[at], self._row + at, self._out))
            if plain is None and not large:
                self._add(settled, len(settled))
                return
        elif plain is None:
            self._add(settled, len(settled))
            return
        for value in settled:
            if type(value) is _Alone:
                self.tickets[self._row] = value.ticket
                self._row += 1
            else:
                self._add(value if type(value) is Stretch else [value], 1)

    def _add(self, part: Part, count: int) -> None:
        self._parts.append(part)
        self._rows += range(self._row, self._row + count)
        self._row += count

    def _settle(self, values: list[Any], special: list[type]) -> None:
        for at, value in enumerate(values):
            if type(value) in special:
                values[at] = self._settled(value, self._row + at)

    def _settled(self, value: Any, row: int) -> Any:
        """How a lazy value or a stream is written: `_Alone`, a stretch, a plain or mixed value."""
        column = self._column
        collection = column.is_list or column.is_map
        if is_stream(type(value)):
            return _Alone(column.leave(value, row, self._out)) if collection else list(value)
        found = self._where(value, row)
        if found is not None:
            return found
        if isinstance(value, Unread):
            value = value.known.value if type(value) is Kept else to_write(value.read)
            lazy = is_stream(type(value)) or getattr(type(value), "_p_lazy_", False)
            return self._settled(value, row) if lazy else value
        if not collection:
            return value.load()
        mixed = value._p_mixed_()
        if mixed is None and weigh_items(column, value) > self._out.sink.tuning.large:
            return _Alone(column.leave(value, row, self._out))  # maybe too large for memory
        return value._p_to_store_() if mixed is None else mixed

    def _where(self, value: Any, row: int) -> _Alone | Stretch | None:
        """Where a lazy value is stored, if what is written may refer to that."""
        try:
            target: Ticket | Reference | None = self._out.sink.reuse(value, self._column)
        except EncodeError as problem:
            raise self._column.below(problem, row) from None
        if target is None:
            return None
        if isinstance(value, Unread) and not isinstance(value.view, ExternalView):
            (place,) = value.view.places(value.row, value.row + 1)
            assert isinstance(place, Stretch)
            return place
        return _Alone(target)

    def write(self) -> None:
        """Append the other values: new ones go to a chunk, stored ones are referred to."""
        out, parts = self._out, joined(self._parts)
        if not parts:
            out.leaf(Encoding.EMPTY, 0)
            return
        targets = self._targets(parts)
        new: list[Part] = []
        rows: list[int] = []
        spans: list[list[Any]] = []  # target (None for the new chunk), start, count
        at = 0
        for part in parts:
            size = part.stop - part.start if isinstance(part, Stretch) else len(part)
            target = targets.get(id(part.view)) if isinstance(part, Stretch) else None
            start = len(rows)
            if target is None:
                new.append(_opened(part))
                rows += self._rows[at : at + size]
            elif isinstance(part, Stretch):
                start = part.start
            if spans and spans[-1][0] == target and spans[-1][1] + spans[-1][2] == start:
                spans[-1][2] += size
            else:
                spans.append([target, start, size])
            at += size
        if new:
            chunk = self._encoded(new, rows)
            spans = [[chunk if target is None else target, start, count] for target, start, count in spans]
        target, start, count = spans[0]
        view = parts[0].view if isinstance(parts[0], Stretch) else None
        whole = isinstance(view, ReferenceView) and start == 0 and view.known_count() == count
        if len(spans) == 1 and (new or whole):
            out.leaf(Encoding.REFERENCE, count, param=out.ref(target))
            return
        ordinals: dict[Any, int] = {}
        for target, _, _ in spans:
            if target not in ordinals:
                ordinals[target] = out.ref(target)
        data = b"".join([SPAN.pack(ordinals[target], start, count) for target, start, count in spans])
        out.leaf(Encoding.SPANS, at, data)

    def _targets(self, parts: list[Part]) -> dict[int, Ticket | Reference]:
        """The chunks to refer to, by view. The values of many small chunks are written again, and those of chunks
        that hold little else than values that changed since.
        """
        tuning = self._out.sink.tuning
        found: dict[int, Any] = {}
        small: dict[Any, list[int]] = {}
        sizes: dict[Any, int] = {}
        views: dict[int, ReferenceView] = {}
        named: dict[Any, int] = {}
        fresh = 0
        for part in parts:
            if not isinstance(part, Stretch):
                fresh += len(part)
                continue
            view: Any = part.view
            if id(view) not in found:
                views[id(view)] = view
                found[id(view)] = target = self._out.sink.reuse(Unread(view, part.start), self._column)
                if view.ref.length < tuning.copied_below:
                    small.setdefault(target, []).append(id(view))
                    sizes[target] = view.ref.length
            target = found[id(view)]
            named[target] = named.get(target, 0) + part.stop - part.start
        if len(small) >= tuning.few_chunks:
            left = COPIED_AT_MOST
            for target in sorted(small, key=sizes.__getitem__):
                left -= sizes[target]
                if left >= 0:
                    for view_id in small[target]:
                        if views[view_id].is_sound():
                            del found[view_id]
        left, room = COPIED_FOR_ONE * fresh, COPIED_AT_MOST * fresh
        for view_id, target in list(found.items()) if left else ():
            count, length = named[target], views[view_id].ref.length
            if target is None or count > left or length > room or not self._is_mostly_dead(views[view_id], count):
                continue
            left, room = left - count, room - length
            del found[view_id]
        return {key: target for key, target in found.items() if target is not None}

    def _is_mostly_dead(self, view: ReferenceView, named: int) -> bool:
        """Whether all that is still used of a sound chunk seems to be the `named` values.

        These are few of its values, and there are rows enough here for many of them.
        """
        count = view.known_count()
        return count is not None and named * LITTLE <= count <= 2 * self._row and view.is_sound()

    def _encoded(self, parts: list[Part], rows: list[int]) -> Encoder:
        chunk: Encoder = self._out.sink.encoder(Kind.COLUMN, self._column.compression)
        chunk.small = self._small
        inner, parts = self._column.inner, joined(parts)
        if self._gaps:
            gaps = {at for at, row in enumerate(rows) if row in self._gaps}
            parts = [Gappy(Mixed(parts).plain(inner), gaps)]
        try:
            encode_parts(inner, parts, chunk)
        except EncodeError as problem:
            raise trail.at(problem, rows[min(trail.row_of(problem), len(rows) - 1)]) from None
        return chunk


def _opened(part: Part) -> Part:
    """A stretch of a reference as a stretch of the chunk itself, to write its values again."""
    if not isinstance(part, Stretch):
        return part
    view: Any = part.view
    return Stretch(view.inner, part.start, part.stop, bool(view.space.chunk(view.ref).refs))
