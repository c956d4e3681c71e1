"""What the parts of the codec share: columns write nodes, views read them.

A `Column` is compiled once from a type and is immutable. Its `encode` appends exactly one node
subtree; which encoding it takes depends on the values alone, so the same values give the same
bytes. `view` reads whatever encoding it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol

from ..errors import CorruptionError
from ..format.chunk import Chunk
from ..format.encoder import Buffer, Encoder, Ticket
from ..format.layout import Kind, Node, Reference
from ..storage.cache import Cache
from ..tuning import TUNING, Tuning

# The builtin types whose values hold no others.
ATOMS = frozenset({type(None), bool, int, float, str, bytes})
# Of these, values of one type that are equal are the same: floats have two zeros, and NaN.
EXACT_ATOMS = ATOMS - {float}


class View:
    """The values of one node: `get` gives one, lazy where it can be; `read` gives many, plain."""

    __slots__ = ("count",)

    count: int
    chunk: Chunk  # which most views keep

    def get(self, i: int) -> Any:
        """Value `i`, for a proxy: nested models as proxies, marked collections as lazy ones."""
        raise TypeError(f"{type(self).__name__} has no get")

    def read(self, start: int, stop: int) -> list[Any]:
        """Values `start` to `stop`, plain and whole."""
        raise TypeError(f"{type(self).__name__} has no read")


class Column:
    """A compiled type.

    `mixes`: its `encode` takes `Mixed` values, too. `blob_kinds`: which kinds of blobs may be
    values of it. `opens`: the encodings that `view` reads by `open`, and no more.
    """

    __slots__ = ()
    opens: ClassVar[frozenset[int]] = frozenset()
    mixes = False
    blob_kinds: ClassVar[tuple[bytes, ...]] = ()

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        """Append one node subtree that holds `values`.

        Raises:
            EncodeError: a value does not fit the type; its path is built as the error passes the
                columns above.
        """
        raise TypeError(f"{type(self).__name__} has no encode")

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        """Read the node `at`; bad structure is a `CorruptionError`."""
        raise TypeError(f"{type(self).__name__} has no view")

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        """View the node `at`, which is `node`, of an encoding that the column has for its own."""
        raise TypeError(f"{type(self).__name__} has no open")

    def parts(self) -> Sequence[Column]:
        """The columns directly inside this one."""
        return ()

    def describe(self) -> Any:
        """The schema of this column: what the layout of its values depends on, as JSON has it."""
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
        """Where `value`, a lazy collection, is stored in this file if unchanged, else None."""

    def learn(self, column: Column) -> None:
        """Note a column whose schema the file must have, though that of no root leads to it."""

    def refer(self, cls: type[Any], keys: Sequence[Any], fresh: Sequence[Any]) -> None:
        """Note keys of entities of `cls` to which values that are written refer.

        `fresh` are the references among these values that are not bound to the session that writes.
        """

    def is_fresh(self, space: Any) -> bool:
        """Whether references that `space` gave, or none if it is None, are not bound to the session that writes.

        Raises:
            DanglingError: they lead to objects of another file.
        """


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
    finds_targets: bool  # whether references that are read here know it, and so find their targets

    def chunk(self, ref: Reference) -> Chunk:
        """The chunk at `ref`, its head verified."""

    def release(self, ref: Reference, refs: Iterable[Reference]) -> None:
        """The row group at `ref` was closed: its pages and those of `refs` may go."""

    def living(self, group: Any) -> Any:
        """The view of an opened row group whose proxies may be in use, else the group's own."""

    def is_of_file(self, other: Any) -> bool:
        """Whether this space and `other` read one file, perhaps at different commits."""

    def count_rows(self, count: int) -> None:
        """Count rows that were read."""

    def entity(self, cls: type[Any], key: Any) -> Any:
        """The entity of `cls` with this key, to which a reference leads.

        Raises:
            NoResultFound: there is none.
        """

    def proxy(self, view: Any, row: int) -> Any:
        """The proxy of row `row` of a struct view; the same object each time while it lives."""

    def proxies(self, wanted: Sequence[tuple[Any, list[int]]]) -> list[Any]:
        """As `proxy`, of rows of several views of one class: each view with its rows."""

    def heads(self, refs: Sequence[Reference]) -> list[Chunk | None]:
        """The chunks at `refs`, for a caller that keeps them; None for spilled chunks."""

    def fill(self, places: Sequence[tuple[int, int, int]], out: memoryview) -> bool:
        """Read stretches of the file into `out`: offset, size, checksum of each. False if one is not as it is to be."""

    def check_change(self, what: str) -> None:
        """Raise an error where `what` ("list", or the name of a class) may not be changed."""

    def lazy_list(self, column: Any, items: View, start: int, stop: int, row: int) -> Any:
        """A lazy list, value of the marked field `column` in its row `row`, over the items `start` to `stop`."""

    def lazy_map(self, column: Any, keys: View, values: View, start: int, stop: int, row: int) -> Any:
        """A lazy map, value of `column` in its row `row`, over the keys and values `start` to `stop`."""

    def lazy_list_table(self, column: Any, ref: Reference) -> Any:
        """A lazy list over a table."""

    def lazy_map_table(self, column: Any, ref: Reference) -> Any:
        """A lazy map over a table."""

    def read_list_table(self, ref: Reference, items: Column) -> list[Any]:
        """All rows of a table, plain."""

    def read_map_table(self, ref: Reference, keys: Column, values: Column) -> dict[Any, Any]:
        """All pairs of a table, plain."""

    def blob(self, ref: Reference) -> BlobContent:
        """The blob at `ref`; nothing of it is read yet."""

    def spill(self) -> AbstractContextManager[Any]:
        """A sink for rows on their way, which this space can read after the block."""

    def share(self, other: Space) -> None:
        """Read what `other`, an earlier space of the session, has spilled."""

    def upgraded(self, schema: int | str, columns: Sequence[Column]) -> Sequence[Column]:
        """The columns that read rows of another schema, named by a row group or a fingerprint, as those of `columns`.

        Raises:
            SchemaMismatchError: the file does not have the schema, or a migration must say how.
        """

    def made(self, fingerprint: str, base: type) -> type | None:
        """A class made of the stored schema with this fingerprint, where `base` was made of one, too; else None."""

    def learned(self) -> dict[str, bytes]:
        """The schemas, by their fingerprints, that sinks of spills have learned."""

    def referred(self) -> dict[type[Any], set[Any]]:
        """The keys of entities, by class, to which what was spilled refers."""


Getter = Callable[[int], Any]


def is_lazy_collection(value: object) -> bool:
    """Whether `value` is a `LazyList` or a `LazyMap`, without importing them."""
    return getattr(type(value), "_p_lazy_", False) is True


class _Scratch:
    """The sink of encoders that only measure: marked fields are weighed, streams stay unread."""

    tuning = TUNING

    def encoder(self, kind: Kind, compression: str | None = None, fingerprint: int = 0) -> Encoder:
        return Encoder(kind, None, self, fingerprint)

    def submit(self, chunk: Encoder) -> Ticket:
        return Ticket()

    def reuse(self, value: Any, column: Column) -> None:
        return None

    def learn(self, column: Column) -> None:
        return None

    def refer(self, cls: type[Any], keys: Sequence[Any], fresh: Sequence[Any]) -> None:
        return None

    def is_fresh(self, space: Any) -> bool:
        return False


SCRATCH = _Scratch()


def scratch() -> Encoder:
    """An encoder whose chunk is only looked at, or thrown away."""
    return Encoder(Kind.COLUMN, None, SCRATCH)
