"""Marked fields as they are read: nothing of another chunk is touched before a value of it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..format.chunk import Chunk
from ..format.layout import Kind, Node, Reference
from . import blobs
from .arrays import ArrayColumn
from .base import BlobContent, Column, Space, View
from .containers import ListColumn, ListView, MapColumn, MapView
from .packed import PackedColumn
from .physical import child_nodes, locate, open_child, read_numbers
from .text import BytesColumn, TextColumn
from .tuples import UnionColumn
from .wrappers import ConvertColumn

if TYPE_CHECKING:
    from .boundary import ChunkColumn


_ALL = (blobs.BYTES, blobs.BYTEARRAY, blobs.TEXT, blobs.ARRAY)
# The kinds of blobs that may be the value of a field, by its column.
_BLOBS: dict[type, tuple[bytes, ...]] = {
    BytesColumn: (blobs.BYTES, blobs.BYTEARRAY),
    TextColumn: (blobs.TEXT,),
    ArrayColumn: (blobs.ARRAY,),
    UnionColumn: _ALL,
    PackedColumn: _ALL,
    ConvertColumn: _ALL,
}


class Unread:
    """Stands for the value of a marked field that nobody has read: a table, a blob or a column of this one value, at
    `ref` of the file of `space`."""

    __slots__ = ("_view", "row")
    _p_lazy_ = True

    def __init__(self, view: ExternalView | ReferenceView, row: int) -> None:
        self._view = view
        self.row = row

    @property
    def column(self) -> Column:
        """The column that it was written by."""
        return self._view.column

    @property
    def space(self) -> Space:
        """What it can be read through."""
        return self._view.space

    @property
    def ref(self) -> Reference:
        """Where it lies."""
        return self._view.reference(self.row)

    def blob(self) -> tuple[BlobContent, bytes] | None:
        """The blob that it is, of which nothing is read yet, and the `meta` of the value; None for a table."""
        ref, view = self.ref, self._view
        if ref.kind != Kind.BLOB or not isinstance(view, ExternalView):
            return None
        blob = view.open_blob(ref)
        return blob, view.meta_of(blob)

    def is_blob_of(self, value: Any) -> bool:
        """Whether it is a blob that would be written for `value` again."""
        found = self.blob() if blobs.blob_size(value) else None
        if found is None:
            return False
        content, meta = found
        data, wanted = blobs.to_blob(value)
        return meta == wanted and len(content) == memoryview(data).nbytes and content.read() == data

    def read(self) -> Any:
        """The value, lazy if it is a list or a dictionary."""
        return self._view.get(self.row)


class ReferenceView(View):
    """Values that stand together in another chunk."""

    __slots__ = ("column", "chunk", "at", "space", "_reference", "_inner")

    def __init__(self, column: ChunkColumn, chunk: Chunk, at: int, space: Space, node: Node) -> None:
        if node.param >= len(chunk.refs):
            raise chunk.error(at, f"reference {node.param} of {len(chunk.refs)}")
        self._reference: Reference = chunk.refs[node.param]
        if self._reference.kind != Kind.COLUMN:
            raise chunk.error(at, f"a reference to a chunk of kind {self._reference.kind}")
        self.count = node.count
        self.column = column
        self.chunk = chunk
        self.at = at
        self.space = space
        self._inner: View | None = None

    @property
    def inner(self) -> View:
        """The view of the values in their chunk."""
        if self._inner is None:
            chunk = self.space.chunk(self._reference)
            self._inner = open_child(self.column.inner, chunk, 0, self.space, self.count)
        return self._inner

    def get(self, i: int) -> Any:
        column = self.column
        if not (column.is_list or column.is_map):
            return self.inner.get(i)
        place = locate(self.inner, i)
        if place is None:
            return None
        view, at = place
        if isinstance(view, ListView):
            return self.space.lazy_list(column, view.items, *view.bounds(at))
        if isinstance(view, MapView):
            return self.space.lazy_map(column, view.keys, view.values, *view.bounds(at))
        return view.get(at)

    def read(self, start: int, stop: int) -> list[Any]:
        return self.inner.read(start, stop)

    def to_store(self, row: int) -> Unread | None:
        """What the value of `row` may be written as again, unread: where it is alone in its chunk."""
        return Unread(self, row) if self.count == 1 else None

    def reference(self, row: int) -> Reference:
        """Where the values lie."""
        return self._reference


class ExternalView(View):
    """Values of which some, or all, are tables or blobs."""

    __slots__ = ("column", "chunk", "at", "space", "ordinals", "_inside", "_places")

    def __init__(self, column: ChunkColumn, chunk: Chunk, at: int, space: Space, node: Node) -> None:
        numbers, inside = child_nodes(chunk, at, 2)
        self.count = node.count
        self.column = column
        self.chunk = chunk
        self.at = at
        self.space = space
        self.ordinals = read_numbers(chunk, numbers, node.count)
        count = self.ordinals.tolist().count(0)
        self._inside: View = open_child(column, chunk, inside, space, count)
        self._places: dict[int, int] | None = None

    def get(self, i: int) -> Any:
        ordinal = self.ordinals[i]
        if ordinal:
            return self._external(i, lazy=True)
        if self._places is None:
            rows = [row for row, found in enumerate(self.ordinals) if not found]
            self._places = {row: place for place, row in enumerate(rows)}
        return self._inside.get(self._places[i])

    def read(self, start: int, stop: int) -> list[Any]:
        ordinals = self.ordinals[start:stop].tolist()
        first = self.ordinals[:start].tolist().count(0)
        inside = iter(self._inside.read(first, first + ordinals.count(0)))
        return [self._external(row, lazy=False) if k else next(inside) for row, k in enumerate(ordinals, start)]

    def unread(self, row: int) -> Unread | None:
        """What stands for the value of `row` as long as it is not read; None where it is not stored alone."""
        return Unread(self, row) if self.ordinals[row] else None

    to_store = unread

    def reference(self, row: int) -> Reference:
        """Where the table or blob of `row` lies."""
        ordinal = self.ordinals[row] - 1
        if not 0 <= ordinal < len(self.chunk.refs):
            raise self.chunk.error(self.at, f"reference {ordinal} of {len(self.chunk.refs)}")
        return self.chunk.refs[ordinal]

    def _external(self, row: int, *, lazy: bool) -> Any:
        ref = self.reference(row)
        column, space, shape = self.column, self.space, self.column.shape
        if ref.kind in (Kind.TABLE, Kind.ROW_GROUP) and column.is_list and isinstance(shape, ListColumn):
            return space.lazy_list_table(column, ref) if lazy else space.read_list_table(ref, shape.item)
        if ref.kind == Kind.TABLE and column.is_map and isinstance(shape, MapColumn):
            return space.lazy_map_table(column, ref) if lazy else space.read_map_table(ref, shape.key, shape.value)
        if ref.kind == Kind.BLOB:
            return self._blob(ref, writable=not lazy or self.space.writable)
        raise self.chunk.error(self.at, f"a chunk of kind {ref.kind} as the value of a {type(shape).__name__}")

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
        if kind not in _BLOBS.get(type(shape), ()):
            raise self.chunk.error(self.at, f"a blob of kind {kind!r} as the value of a {type(shape).__name__}")
        return blob

    def meta_of(self, blob: BlobContent) -> bytes:
        """What `blob` is as a value of the field: `bytes` given for a `bytearray`, or the reverse, are as declared."""
        shape = self.column.shape
        if isinstance(shape, BytesColumn) and len(blob.meta) == 1:
            return blobs.BYTES if shape.factory is bytes else blobs.BYTEARRAY
        return blob.meta
