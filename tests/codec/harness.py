"""Columns without a file: a sink and a space in memory, and round trips through both.

    plain, lazy = roundtrip(column, values)

`plain` is what `read` gives; `lazy` what `get` gives, with proxies and lazy collections already turned into plain ones
(a proxy is built from the view's getters, so that these are what is tested).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from parcode_orm.codec.base import Column, View
from parcode_orm.codec.columns.mixed import Mixed, MixedPairs
from parcode_orm.errors import FieldNotStored, SchemaMismatchError
from parcode_orm.format.chunk import Chunk
from parcode_orm.format.encoder import Encoder, Ticket
from parcode_orm.format.layout import Encoding, Kind, Reference
from parcode_orm.tuning import TUNING


class MemorySink:
    """Finished chunks by the offset that stands for their place."""

    tuning = TUNING

    def __init__(self) -> None:
        self.chunks: dict[int, bytes] = {}
        self.end = 64
        self.submitted: list[Encoder] = []

    def encoder(self, kind: Kind, compression: str | None = None, fingerprint: int = 0) -> Encoder:
        return Encoder(kind, compression, self, fingerprint)

    def submit(self, chunk: Encoder) -> Ticket:
        from parcode_orm.format.checksum import checksum

        directory, parts = chunk.finish()
        chunk.refs = [self.submit(ref) if isinstance(ref, Encoder) else ref for ref in chunk.refs]
        refs = [ref if isinstance(ref, Reference) else ref.reference for ref in chunk.refs]
        assert all(refs), "a child is submitted before its parent"
        head = chunk.head(directory, parts, refs)  # type: ignore[arg-type]
        data = head + b"".join(bytes(part) for part in parts)
        ticket = Ticket()
        ticket.reference = Reference(self.end, len(data), checksum(head), int(chunk.kind))
        self.chunks[self.end] = data
        self.end += (len(data) + 63) // 64 * 64
        self.submitted.append(chunk)
        return ticket

    def blob(self, data: Any, compression: str | None, meta: bytes) -> Ticket:
        out = self.encoder(Kind.BLOB, compression)
        node = out.open(Encoding.RAW, 1, bytes(data))
        out.leaf(Encoding.RAW, 1, meta)
        out.close(node)
        return self.submit(out)

    def list_table(self, items: Column, values: Any, compression: str | None) -> Ticket:
        out = self.encoder(Kind.TABLE, compression)
        items.encode(values.plain(items) if type(values) is Mixed else list(values), out)
        return self.submit(out)

    def map_table(self, keys: Column, values: Column, pairs: Any, compression: str | None) -> Ticket:
        pairs = pairs.plain(values) if type(pairs) is MixedPairs else dict(pairs)
        out = self.encoder(Kind.TABLE, compression)
        node = out.open(Encoding.STRUCT, len(pairs))
        keys.encode(list(pairs), out)
        values.encode(list(pairs.values()), out)
        out.close(node)
        return self.submit(out)

    def is_fresh(self, space: Any) -> bool:
        return False

    def refer(self, cls: type[Any], keys: Sequence[Any], fresh: Sequence[Any]) -> None:
        """References are not kept."""

    def learn(self, column: Column) -> None:
        """Schemas are not kept."""

    def reuse(self, value: Any, column: Column) -> Ticket | Reference | None:
        return None


class MemorySpace:
    """Reads what a `MemorySink` holds. Proxies and lazy collections are built whole at once."""

    tuning = TUNING
    finds_targets = False

    def __init__(self, sink: MemorySink, *, writable: bool = False) -> None:
        self.sink = sink
        self.writable = writable
        self.opened: list[int] = []

    def made(self, fingerprint: str, base: type) -> None:
        return None

    def upgraded(self, schema: int | str, columns: Any) -> Any:
        raise SchemaMismatchError("there is no schema here")

    def chunk(self, ref: Reference) -> Chunk:
        self.opened.append(ref.offset)
        return Chunk(ref, memoryview(self.sink.chunks[ref.offset]), "memory", lambda size: None)

    def proxy(self, view: Any, row: int) -> Any:
        found = {}
        for name, _ in view.column.fields:
            try:
                found[name] = (view.getters.get(name) or view.getter(name))(row)
            except FieldNotStored:
                continue
        names = view.fields_set(row)
        builder = view.column.builder
        sets = [builder.full if names is None else names]
        return builder.objects([found], sets, [view.extra(row)], [view.private(row)])[0]

    def lazy_list(self, column: Any, items: View, start: int, stop: int, row: int) -> Any:
        return [items.get(i) for i in range(start, stop)]

    def lazy_map(self, column: Any, keys: View, values: View, start: int, stop: int, row: int) -> Any:
        return {keys.get(i): values.get(i) for i in range(start, stop)}

    def lazy_list_table(self, column: Any, ref: Reference) -> Any:
        view = column.shape.item.view(self.chunk(ref), 0, self)
        return self.lazy_list(column, view, 0, view.count, 0)

    def _maps(self, ref: Reference, keys: Column, values: Column) -> tuple[View, View]:
        chunk = self.chunk(ref)
        first, second = chunk.children(0)
        return keys.view(chunk, first, self), values.view(chunk, second, self)

    def lazy_map_table(self, column: Any, ref: Reference) -> Any:
        views = self._maps(ref, column.shape.key, column.shape.value)
        return self.lazy_map(column, *views, 0, views[0].count, 0)

    def read_list_table(self, ref: Reference, items: Column) -> list[Any]:
        view = items.view(self.chunk(ref), 0, self)
        return view.read(0, view.count)

    def read_map_table(self, ref: Reference, keys: Column, values: Column) -> dict[Any, Any]:
        first, second = self._maps(ref, keys, values)
        return dict(zip(first.read(0, first.count), second.read(0, second.count), strict=True))

    def blob(self, ref: Reference) -> MemoryBlob:
        return MemoryBlob(self.chunk(ref))


class MemoryBlob:
    def __init__(self, chunk: Chunk) -> None:
        self.chunk = chunk
        self.meta = bytes(chunk.buffer(1))

    def __len__(self) -> int:
        return self.chunk.buffer(0).nbytes

    def read(self, start: int = 0, stop: int | None = None) -> memoryview:
        return self.chunk.buffer(0)[start:stop]

    def error(self, message: str) -> Exception:
        return self.chunk.error(0, message)


def stored(column: Column, values: Sequence[Any]) -> tuple[MemorySink, Reference]:
    """Encode `values` as one chunk."""
    sink = MemorySink()
    out = sink.encoder(Kind.COLUMN)
    column.encode(values, out)
    ticket = sink.submit(out)
    assert ticket.reference is not None
    assert out.entries[0][3] == len(out.entries), "exactly one subtree"
    return sink, ticket.reference


def view_of(column: Column, values: Sequence[Any], *, writable: bool = False) -> View:
    """The view of `values` once stored."""
    sink, ref = stored(column, values)
    space = MemorySpace(sink, writable=writable)
    return column.view(space.chunk(ref), 0, space)


def roundtrip(column: Column, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """`values` as they come back: in bulk, and one by one."""
    view = view_of(column, values)
    assert view.count == len(values)
    plain = view.read(0, view.count)
    middle = len(values) // 2
    assert same(view.read(middle, len(values)), plain[middle:]), "a part reads as it does in the whole"
    assert same(view.read(0, middle), plain[:middle])
    return plain, [view.get(i) for i in range(view.count)]


def image(column: Column, values: Sequence[Any]) -> bytes:
    """Every byte that `values` are stored as."""
    return b"".join(stored(column, values)[0].chunks.values())


def encodings(column: Column, values: Sequence[Any]) -> list[str]:
    """The names of the encodings of all nodes of the main chunk, in order."""
    sink, _ = stored(column, values)
    return [Encoding(entry[0]).name for entry in sink.submitted[-1].entries]


def same(a: Any, b: Any) -> bool:
    """Equal in value and type all the way down; NaNs and zeros by their bits."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return math.copysign(1, a) == math.copysign(1, b) and (a == b or (a != a and b != b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a.items(), b.items(), strict=True))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, set | frozenset):
        return a == b and sorted(map(repr, map(type, a))) == sorted(map(repr, map(type, b)))
    if hasattr(a, "dtype"):
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    if hasattr(a, "__pydantic_fields_set__"):
        return bool(
            same(a.__dict__, b.__dict__)
            and a.__pydantic_fields_set__ == b.__pydantic_fields_set__
            and same(a.__pydantic_extra__, b.__pydantic_extra__)
            and same(a.__pydantic_private__, b.__pydantic_private__)
        )
    return bool(a == b)
