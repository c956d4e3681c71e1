"""The reading side of a session: what views read through, and the identity of what they hand out."""

from __future__ import annotations

from typing import Any
from weakref import ref as weak

from ..codec import boundary_view, build, poly, structview  # noqa: F401  # here, not in the first read
from ..codec.base import Column, View
from ..format.chunk import Chunk
from ..format.layout import Reference
from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..lazy.proxy import make_proxy
from ..lazy.rows import SpanPairs, SpanRows, TablePairs, TableRows
from ..storage.blob import Blob
from ..storage.mapped import Source
from ..table.reader import Table


class FileSpace:
    """Reads one snapshot of a file through `source`; `writable` where changes to what is handed out will be stored."""

    def __init__(self, source: Source, *, writable: bool) -> None:
        self.source = source
        self.writable = writable

    def chunk(self, ref: Reference) -> Chunk:
        """The chunk at `ref`, its head verified."""
        return self.source.chunk(ref)

    def count_rows(self, count: int) -> None:
        """Told of rows that are read."""
        self.source.stats.rows_read += count

    def proxy(self, view: Any, row: int) -> Any:
        """The proxy of a row: the same object while anyone holds it."""
        live = view.live
        known = live.get(row)
        found = None if known is None else known()
        if found is None:
            found = make_proxy(view, row)
            live[row] = weak(found)
            self.source.stats.rows_read += 1
        return found

    def pin(self, proxy: Any) -> None:
        """Called when a proxy hands out a field; its holder (a row group, a model, the session) keeps it alive."""

    def lazy_list(self, items: View, start: int, stop: int) -> Any:
        """A lazy list over the items `start` to `stop`."""
        return LazyList(SpanRows(self, items, start, stop))

    def lazy_map(self, keys: View, values: View, start: int, stop: int) -> Any:
        """A lazy map over the keys and values `start` to `stop`."""
        return LazyMap(SpanPairs(self, keys, values, start, stop))

    def lazy_list_table(self, ref: Reference, items: Column) -> Any:
        """A lazy list over a table."""
        return LazyList(TableRows(Table(self, ref, items)))

    def lazy_map_table(self, ref: Reference, keys: Column, values: Column) -> Any:
        """A lazy map over a table."""
        return LazyMap(TablePairs(Table(self, ref, values, keys)))

    def read_list_table(self, ref: Reference, items: Column) -> list[Any]:
        """All rows of a table, plain."""
        return Table(self, ref, items).read()

    def read_map_table(self, ref: Reference, keys: Column, values: Column) -> dict[Any, Any]:
        """All pairs of a table, plain."""
        return Table(self, ref, values, keys).read_map()

    def blob(self, ref: Reference) -> tuple[memoryview, bytes]:
        """A blob's whole content and its `meta`."""
        blob = Blob(self.source.chunk(ref))
        return blob.whole(), blob.meta
