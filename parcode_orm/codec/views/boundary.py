"""Views of marked fields: another chunk is read only when one of its values is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, groupby
from typing import Any

from ...errors import CorruptionError, with_article
from ...format.chunk import Chunk
from ...format.layout import SPAN, Kind, Node, Reference
from ..base import BlobContent, Column, Space, View, is_lazy
from ..packed import blobs
from .containers import ListView, MapView
from .nodes import child_nodes, locate, open_child, read_numbers
from .stretch import InMemory, Stretch

COLUMN = int(Kind.COLUMN)


class Marked(Column):
    """The column of a marked field.

    `inner` is the column of its values; `shape` that column without what stands around it.
    `is_list` and `is_map`: the values are lists or dictionaries that may be lazy.
    """

    __slots__ = ()
    inner: Column
    shape: Any
    is_list: bool
    is_map: bool


def hands_out(column: Column) -> bool:
    """Whether the column's values are, or hold, lazy objects: those of some marked fields load whole."""
    if isinstance(column, Marked):
        return column.is_list or column.is_map or is_lazy(column.inner)
    return is_lazy(column)


class Unread:
    """An unread value of a marked field: a table, a blob, or one value of a column chunk."""

    __slots__ = ("row", "view")
    _p_lazy_ = True

    def __init__(self, view: MarkedView, row: int) -> None:
        self.view = view
        self.row = row

    @property
    def column(self) -> Column:
        """The column that it was written by."""
        return self.view.column

    @property
    def space(self) -> Space:
        """What it can be read through."""
        return self.view.space

    @property
    def ref(self) -> Reference:
        """Where it lies."""
        return self.view.reference(self.row)

    def blob(self) -> tuple[BlobContent, bytes] | None:
        """The blob, not read yet, and the `meta` of the value; None for a table."""
        ref, view = self.ref, self.view
        if ref.kind != Kind.BLOB or not isinstance(view, ExternalView):
            return None
        blob = view.open_blob(ref)
        return blob, view.meta_of(blob)

    def is_blob_of(self, value: Any) -> bool:
        """Whether writing `value` would give the same blob."""
        found = self.blob() if blobs.blob_size(value) else None
        if found is None:
            return False
        content, meta = found
        data, wanted = blobs.to_blob(value)
        try:
            return meta == wanted and len(content) == memoryview(data).nbytes and content.read() == data
        except CorruptionError:  # a damaged one is to be written again
            return False

    def read(self) -> Any:
        """The value, lazy if it is a list or a dictionary."""
        return self.view.get(self.row)


class Kept(Unread):
    """A value in memory that may be written as it is stored, if it did not change."""

    __slots__ = ("known",)

    def __init__(self, view: MarkedView, row: int, known: InMemory) -> None:
        super().__init__(view, row)
        self.known = known


class MarkedView(View, ABC):
    """Values of a marked field."""

    __slots__ = ("column", "chunk", "at", "space")

    def __init__(self, column: Marked, chunk: Chunk, at: int, space: Space) -> None:
        self.column = column
        self.chunk = chunk
        self.at = at
        self.space = space

    def _reference(self, ordinal: int) -> Reference:
        """A reference of the chunk, by its number."""
        if not 0 <= ordinal < len(self.chunk.refs):
            raise self.chunk.error(self.at, f"reference {ordinal} of {len(self.chunk.refs)}")
        return self.chunk.refs[ordinal]

    @abstractmethod
    def places(self, start: int, stop: int) -> Iterator[Stretch | Unread]:
        """Where the values `start` to `stop` lie: stretches, and values stored alone."""

    @abstractmethod
    def stored(self, row: int) -> Unread:
        """What the value of `row` may be written as again, unread."""

    @abstractmethod
    def keep(self, row: int, known: InMemory) -> Any:
        """What a value in memory for `row` may be written as again."""

    @abstractmethod
    def reference(self, row: int) -> Reference:
        """Where the value of `row` lies."""


class TogetherView(MarkedView):
    """Values that stand together with others in other chunks."""

    __slots__ = ()

    @abstractmethod
    def _place(self, row: int) -> tuple[ReferenceView, int]:
        """The view of the chunk that has the value of `row`, and its place there."""

    def stored(self, row: int) -> Unread:
        return Unread(*self._place(row))

    def keep(self, row: int, known: InMemory) -> Any:
        return Kept(*self._place(row), known)

    def reference(self, row: int) -> Reference:
        return self._place(row)[0].ref


class ReferenceView(TogetherView):
    """Values together in another chunk, at `ref`; `count` None means all of that chunk."""

    __slots__ = ("ref", "_count", "_inner")

    def __init__(self, column: Marked, chunk: Chunk, at: int, space: Space, ordinal: int, count: int | None) -> None:
        self.column, self.chunk, self.at, self.space = column, chunk, at, space
        refs = chunk.refs
        self.ref = ref = refs[ordinal] if 0 <= ordinal < len(refs) else self._reference(ordinal)
        if ref.kind != COLUMN:
            raise chunk.error(at, f"a reference to a chunk of kind {ref.kind}")
        self._count = count
        self._inner: View | None = None

    @property
    def count(self) -> int:  # type: ignore[override]
        """The number of values in the chunk."""
        if self._count is None:
            self._count = self.space.chunk(self.ref).nodes[0].count
        return self._count

    def known_count(self) -> int | None:
        """The number of values in the chunk; None where it is damaged."""
        try:
            return self.count
        except CorruptionError:
            return None

    def is_sound(self) -> bool:
        """Whether the bytes of the chunk are undamaged."""
        try:
            chunk = self.space.chunk(self.ref)
            for at in range(len(chunk.nodes)):
                chunk.buffer(at)
        except CorruptionError:
            return False
        return True

    @property
    def inner(self) -> View:
        """The view of the values in their chunk."""
        if self._inner is None:
            chunk = self.space.chunk(self.ref)
            if self._count is None:
                self._count = chunk.nodes[0].count
            self._inner = open_child(self.column.inner, chunk, 0, self.space, self._count)
        return self._inner

    def get(self, i: int) -> Any:
        column = self.column
        if not (column.is_list or column.is_map):
            return (self._inner or self.inner).get(i)
        place = locate(self.inner, i)
        if place is None:
            return None
        view, at = place
        # Not a tuple in the place of a Sequence.
        if isinstance(view, ListView) and view.factory is list:
            return self.space.lazy_list(column, view.items, *view.bounds(at), i)
        if isinstance(view, MapView):
            return self.space.lazy_map(column, view.keys, view.items, *view.bounds(at), i)
        return view.get(at)

    def read(self, start: int, stop: int) -> list[Any]:
        return self.inner.read(start, stop)

    def places(self, start: int, stop: int) -> Iterator[Stretch | Unread]:
        yield Stretch(self, start, stop, True)

    def _place(self, row: int) -> tuple[ReferenceView, int]:
        return self, row


def read_spans(chunk: Chunk, at: int) -> list[tuple[int, int, int]]:
    """The (ordinal, start, count) of a SPANS node. Reading checks them against their chunks."""
    node, data = chunk.nodes[at], chunk.buffer(at)
    if len(data) % SPAN.size or not data:
        raise chunk.error(at, f"{len(data)} bytes of spans")
    spans: list[tuple[int, int, int]] = list(SPAN.iter_unpack(data))
    if sum([count for _, _, count in spans]) != node.count or any(not count for _, _, count in spans):
        raise chunk.error(at, f"spans of {sum([count for _, _, count in spans])} values where {node.count} belong")
    for ordinal, _, _ in spans:
        if ordinal >= len(chunk.refs):
            raise chunk.error(at, f"reference {ordinal} of {len(chunk.refs)}")
    return spans


class SpansView(TogetherView):
    """Values that stand together in several chunks: a span of each after the other."""

    __slots__ = ("_ends", "_spans")

    def __init__(self, column: Marked, chunk: Chunk, at: int, space: Space, node: Node) -> None:
        super().__init__(column, chunk, at, space)
        self.count = node.count
        views: dict[int, ReferenceView] = {}
        spans = read_spans(chunk, at)
        for ordinal, _, _ in spans:
            if ordinal not in views:
                views[ordinal] = ReferenceView(column, chunk, at, space, ordinal, None)
        self._spans = [(views[ordinal], start, count) for ordinal, start, count in spans]
        self._ends = list(accumulate([count for _, _, count in spans]))

    def _place(self, row: int) -> tuple[ReferenceView, int]:
        i = bisect_right(self._ends, row)
        view, start, count = self._spans[i]
        place = start + row - (self._ends[i] - count)
        known = view._count or view.known_count()
        if known is not None and place >= known:
            raise self.chunk.error(self.at, f"value {place} of {known} of a chunk")
        return view, place

    def get(self, i: int) -> Any:
        view, place = self._place(i)
        return view.get(place)

    def read(self, start: int, stop: int) -> list[Any]:
        found: list[Any] = []
        for part in self.places(start, stop):
            found += part.view.read(part.start, part.stop)
        return found

    def places(self, start: int, stop: int) -> Iterator[Stretch]:
        i = bisect_right(self._ends, start)
        while start < stop:
            view, place = self._place(start)
            end = min(stop, self._ends[i])
            known = view.known_count()
            if known is not None and place + end - start > known:
                raise self.chunk.error(self.at, f"value {place + end - start - 1} of {known} of a chunk")
            yield Stretch(view, place, place + end - start, True)
            start, i = end, i + 1


class ExternalView(MarkedView):
    """Values, some or all of them tables or blobs."""

    __slots__ = ("ordinals", "_inside", "_places")

    def __init__(self, column: Marked, chunk: Chunk, at: int, space: Space, node: Node) -> None:
        numbers, inside = child_nodes(chunk, at, 2)
        self.column, self.chunk, self.at, self.space = column, chunk, at, space
        self.count = node.count
        self.ordinals = read_numbers(chunk, numbers, node.count)
        count = self.ordinals.tolist().count(0)
        self._inside: View = open_child(column, chunk, inside, space, count)
        self._places: dict[int, int] | None = None

    def _inner_place(self, row: int) -> int:
        """The place of the value of `row` among the values that are not stored alone."""
        if self._places is None:
            rows = [row for row, found in enumerate(self.ordinals) if not found]
            self._places = {row: place for place, row in enumerate(rows)}
        return self._places[row]

    def get(self, i: int) -> Any:
        if self.ordinals[i]:
            return self._external(i, lazy=True)
        return self._inside.get(self._inner_place(i))

    def read(self, start: int, stop: int) -> list[Any]:
        ordinals = self.ordinals[start:stop].tolist()
        first = self.ordinals[:start].tolist().count(0)
        inside = iter(self._inside.read(first, first + ordinals.count(0)))
        return [self._external(row, lazy=False) if k else next(inside) for row, k in enumerate(ordinals, start)]

    def unread(self, row: int) -> Unread | None:
        """The unread value of `row`; None where it is not stored alone."""
        return Unread(self, row) if self.ordinals[row] else None

    def places(self, start: int, stop: int) -> Iterator[Stretch | Unread]:
        inside: Any = self._inside
        for alone, rows in groupby(range(start, stop), lambda row: self.ordinals[row] > 0):
            if alone:
                yield from [Unread(self, row) for row in rows]
            else:
                first, *rest = rows
                place = self._inner_place(first)
                yield from inside.places(place, place + 1 + len(rest))

    def stored(self, row: int) -> Unread:
        inside: Any = self._inside
        return Unread(self, row) if self.ordinals[row] else inside.stored(self._inner_place(row))

    def keep(self, row: int, known: InMemory) -> Any:
        if not self.ordinals[row]:
            inside: Any = self._inside
            return inside.keep(self._inner_place(row), known)
        if type(known.value) in (list, dict):
            return Kept(self, row, known)
        if blobs.blob_size(known.value) >= self.space.tuning.large and (stored := Unread(self, row)).is_blob_of(
            known.value
        ):
            return stored
        return known.value

    def reference(self, row: int) -> Reference:
        return self._reference(self.ordinals[row] - 1)

    def _external(self, row: int, *, lazy: bool) -> Any:
        ref = self.reference(row)
        column, space, shape = self.column, self.space, self.column.shape
        if ref.kind in (Kind.TABLE, Kind.ROW_GROUP) and column.is_list:
            return space.lazy_list_table(column, ref) if lazy else space.read_list_table(ref, shape.item)
        if ref.kind == Kind.TABLE and column.is_map:
            return space.lazy_map_table(column, ref) if lazy else space.read_map_table(ref, shape.key, shape.value)
        if ref.kind == Kind.BLOB:
            return self._blob(ref, writable=not lazy or self.space.writable)
        raise self.chunk.error(
            self.at, f"a chunk of kind {ref.kind} as the value of {with_article(type(shape).__name__)}"
        )

    def _blob(self, ref: Reference, *, writable: bool) -> Any:
        blob = self.open_blob(ref)
        try:
            return blobs.from_blob(blob.read(), self.meta_of(blob), writable=writable)
        except (ValueError, TypeError) as problem:
            raise self.chunk.error(self.at, f"blob does not decode: {problem}") from problem

    def open_blob(self, ref: Reference) -> BlobContent:
        """The blob at `ref`, which must be of a kind that the field may have."""
        blob = self.space.blob(ref)
        kind, shape = blob.meta[:1], self.column.shape
        if kind not in shape.blob_kinds:
            raise self.chunk.error(
                self.at, f"a blob of kind {kind!r} as the value of {with_article(type(shape).__name__)}"
            )
        return blob

    def meta_of(self, blob: BlobContent) -> bytes:
        """The meta of `blob` as the field declares it: `bytes` and `bytearray` may differ."""
        declared = blobs.KINDS.get(getattr(self.column.shape, "factory", None))
        return declared if declared is not None and len(blob.meta) == 1 else blob.meta
