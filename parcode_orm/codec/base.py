"""What the parts of the codec share: columns write nodes, views read them, sink and space join them to the file.

A `Column` is compiled once from a type and is immutable. Its `encode` appends exactly one node subtree; which encoding
it takes depends on the values alone, so the same values give the same bytes. `view` reads whatever encoding it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from ..errors import CorruptionError
from ..format.chunk import Buffer, Chunk, Encoder, Ticket
from ..format.layout import Kind, Reference
from ..storage.cache import Cache
from ..tuning import Tuning


class View:
    """The values of one node: `get` gives one, lazy where it is a model or a marked collection, `read` many, plain."""

    __slots__ = ("count",)

    count: int

    def get(self, i: int) -> Any:
        """Value `i`, for a proxy: nested models come as proxies, marked collections as lazy ones."""
        raise TypeError(f"{type(self).__name__} has no get")

    def read(self, start: int, stop: int) -> list[Any]:
        """Values `start` to `stop`, plain and whole."""
        raise TypeError(f"{type(self).__name__} has no read")


class Column:
    """A compiled type. `mixes`: its `encode` takes `Mixed` values, too."""

    __slots__ = ()
    mixes = False

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        """Append one node subtree that holds `values`.

        Raises:
            EncodeError: a value does not fit the type; its path is built as the error passes the columns above.
        """
        raise TypeError(f"{type(self).__name__} has no encode")

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        """Read the node `at`; bad structure is a `CorruptionError`."""
        raise TypeError(f"{type(self).__name__} has no view")

    def describe(self) -> Any:
        """What the values' layout depends on, in lists, dicts, strings and numbers: the schema of this column."""
        raise TypeError(f"{type(self).__name__} has no describe")


def is_lazy(column: Column) -> bool:
    """Whether the column's values contain a Model or a marked field."""
    return bool(getattr(column, "lazy", False))


class Sink(Protocol):
    """Where encoded chunks go; `tuning` says how large what is."""

    tuning: Tuning

    def encoder(self, kind: Kind, compression: str | None = ..., fingerprint: int = ...) -> Encoder:
        """A new chunk; without `compression`, that of the session."""

    def submit(self, chunk: Encoder) -> Ticket:
        """Hand over a finished chunk; it is written after all that were submitted before it."""

    def blob(self, data: Buffer, compression: str | None, meta: bytes) -> Ticket:
        """Write one value as an extent of its own; `meta` says what it is."""

    def list_table(self, items: Column, values: Iterable[Any], compression: str | None) -> Ticket:
        """Write a table whose rows are `values`."""

    def map_table(
        self, keys: Column, values: Column, pairs: Iterable[tuple[Any, Any]], compression: str | None
    ) -> Ticket:
        """Write a table of key and value with a hash index."""

    def reuse(self, value: Any, column: Column) -> Ticket | Reference | None:
        """The table or blob that `value` (a lazy collection, unchanged) already is in this very file, else None."""


class Content(Protocol):
    """Bytes that are read in parts; `len` is known without reading."""

    def __len__(self) -> int: ...

    def read(self, start: int = 0, stop: int | None = None) -> memoryview:
        """Bytes `start` to `stop`, clipped, as a read-only view; raises as `Blob.read`."""

    def error(self, message: str) -> CorruptionError:
        """What to raise where the bytes are not what they should be."""


class BlobContent(Content, Protocol):
    """A blob; `meta` says what its bytes are."""

    meta: bytes


class Space(Protocol):
    """What views read through. The lazy methods serve `get`, those named read_ serve `read`."""

    writable: bool
    workers: int | None  # threads for what is read whole; 0 none, None as many as pay
    tuning: Tuning  # of what is written here
    cache: Cache  # of opened row groups

    def chunk(self, ref: Reference) -> Chunk:
        """The chunk at `ref`, its head verified."""

    def release(self, ref: Reference, refs: Iterable[Reference]) -> None:
        """The row group at `ref` was closed: its pages and those of `refs` may go."""

    def living(self, group: Any) -> Any:
        """The view of the rows of an opened row group whose proxies may be in use, or its own; where it is writable."""

    def count_rows(self, count: int) -> None:
        """Count rows that were read."""

    def proxy(self, view: Any, row: int) -> Any:
        """The proxy of row `row` of a struct view; the same object each time while it lives."""

    def check_change(self, what: str) -> None:
        """Raise `ReadOnlyError`, `DetachedError` or `SessionError` where `what` ("this list") may not be changed."""

    def lazy_list(self, column: Any, items: View, start: int, stop: int) -> Any:
        """A lazy list, value of the marked field `column`, over the items `start` to `stop`."""

    def lazy_map(self, column: Any, keys: View, values: View, start: int, stop: int) -> Any:
        """A lazy map over the keys and values `start` to `stop`."""

    def lazy_list_table(self, column: Any, ref: Reference) -> Any:
        """A lazy list over a table."""

    def lazy_map_table(self, column: Any, ref: Reference) -> Any:
        """A lazy map over a table."""

    def read_list_table(self, ref: Reference, items: Column) -> list[Any]:
        """All rows of a table, plain."""

    def read_map_table(self, ref: Reference, keys: Column, values: Column) -> dict[Any, Any]:
        """All pairs of a table, plain."""

    def blob(self, ref: Reference) -> BlobContent:
        """The blob at `ref`, of which nothing is read yet."""

    def spill(self) -> AbstractContextManager[Any]:
        """A table sink for rows on their way: what it took can be read through this space when the block has ended."""

    def share(self, other: Space) -> None:
        """Read what was spilled in `other`, an earlier space of the session, through this one as well."""


Getter = Callable[[int], Any]
