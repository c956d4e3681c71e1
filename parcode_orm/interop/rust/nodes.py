"""The kinds of chunks: structs, lists, maps and single values, and which of them a field has.

    struct   payload: the fields without a marker             children: one for each marked field
    list     payload: u64 items, runs of (items, chunks)      children: chunks of items, in order
    its part payload: number of items, items                  children: those of the first item's marked fields, ...
    map      payload: u32 buckets                             children: the buckets
    bucket   payload: nothing, or u32 n, u32 0, n hashes (u64), n offsets (u32), keys and values
    value    payload: the value

`Chunk()` says what `#[parcode(chunkable)]` says, and `ShardedMap()` what `#[parcode(map)]` does.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel, RootModel

from ...codec.types.marks import Mark, find_mark
from ...errors import told
from . import values
from .chunks import Chunk
from .cursor import FAILURES, Cursor, Misfit
from .hints import As, Character, Integer
from .keys import hash_of
from .types import Type, Types, builder, check_hashable, fields_of, resolved
from .values import Read

RUN = values.parts([values.integer(each) for each in (Integer("u32", 32, False),) * 2])


class Node(Protocol):
    """A kind of chunk."""

    def load(self, chunk: Chunk) -> Any:
        """The value of a chunk."""


Take = Callable[[Node, Chunk, str], Any]
"""Takes the value of a field from its chunk."""


class Value(NamedTuple):
    """A single value, or a map that is not cut up: a chunk without children. An empty map may be four zeros."""

    read: Read
    is_map: bool = False

    def load(self, chunk: Chunk) -> Any:
        """The value."""
        at = Cursor(chunk)
        try:
            children(at, 0)
            if self.is_map and at.data == bytes(4):
                return {}
            value = self.read(at)
            at.finish()
        except FAILURES as problem:
            raise at.within("", problem) from None
        return value


class Struct:
    """A struct that is derived: some fields are in its payload, and those with a marker are its children."""

    def __init__(self, cls: Any) -> None:
        self.build = builder(cls)
        self.marked: dict[str, Node] = {}
        self.local: Callable[[Cursor], dict[str, Any]] = values.fields({})
        self.has_local = True

    def load(self, chunk: Chunk) -> Any:
        """The object."""
        return self._made(chunk, _loaded)

    def streamed(self, chunk: Chunk, place: str = "") -> Any:
        """The object, with iterators in its lists and maps. `place` leads to it from the root."""
        return self._made(chunk, lambda node, child, name: _streamed(node, child, f"{place}.{name}"))

    def _made(self, chunk: Chunk, child: Take) -> Any:
        at = Cursor(chunk)
        try:
            found = self.local(at)
            at.finish()
            children(at, len(self.marked))
            return self.whole(at, found, chunk.children(), child)
        except FAILURES as problem:
            raise at.within("", problem) from None

    def records(self, at: Cursor) -> list[dict[str, Any]]:
        """The local fields of the structs in a part of a list."""
        if self.has_local:
            return values.items(self.local)(at)
        count = at.number()  # of structs that have no bytes here
        children(at, count * len(self.marked))
        return [{} for _ in range(count)]

    def whole(self, at: Cursor, found: dict[str, Any], chunks: Iterator[Chunk], child: Take) -> Any:
        """The object of its local fields and of as many of `chunks` as it has marked fields."""
        name = ""
        try:
            for name, node in self.marked.items():
                found[name] = child(node, next(chunks), name)
        except FAILURES as problem:
            raise at.within(f".{name}", problem) from None
        return self.build(found)


def _loaded(node: Node, chunk: Chunk, name: str) -> Any:
    return node.load(chunk)


def _streamed(node: Node, chunk: Chunk, place: str) -> Any:
    if isinstance(node, List | Map):
        return _placed(node.stream(chunk), place)
    return node.streamed(chunk, place) if isinstance(node, Struct) else node.load(chunk)


def _placed(items: Iterator[Any], place: str) -> Iterator[Any]:
    """`items`, whose failures happen at `place`, after the object that has them was made."""
    try:
        yield from items
    except Misfit as problem:
        problem.steps.append(place)
        raise


def children(at: Cursor, expected: int) -> None:
    """Raise a `Misfit` unless a chunk has so many children."""
    if at.chunk.fan_out != expected:
        at.misfit("a chunk has another number of children than its type has marked fields", expected, at.chunk.fan_out)


class List:
    """A list in parts. `items` reads a part's items, `struct` says which children they have, if they are structs."""

    def __init__(self, items: Callable[[Cursor], Any], struct: Struct | None) -> None:
        self.items, self.struct = items, struct

    def load(self, chunk: Chunk) -> list[Any]:
        """The list."""
        return [item for part in self.parts(chunk) for item in part]

    def stream(self, chunk: Chunk) -> Iterator[Any]:
        """The items."""
        for part in self.parts(chunk):
            yield from part

    def parts(self, chunk: Chunk) -> Iterator[Any]:
        """The parts."""
        done = 0
        for size, child in zip(_sizes(chunk), chunk.children(), strict=True):
            at = Cursor(child, done)
            try:
                found = self.items(at)
                at.finish()
                if len(found) != size:
                    at.misfit("a part of a list has another length than the list says", size, len(found))
                children(at, size * len(self.struct.marked if self.struct else ()))
                yield found if self.struct is None else self._structs(at, self.struct, found, done)
            except FAILURES as problem:
                raise at.within("", problem) from None
            done += size

    def _structs(self, at: Cursor, struct: Struct, found: list[dict[str, Any]], done: int) -> list[Any]:
        made: list[Any] = []
        below = at.chunk.children()
        try:
            for each in found:
                made.append(struct.whole(at, each, below, _loaded))
        except FAILURES as problem:
            raise at.within(f"[{done + len(made)}]", problem) from None
        return made


class Blob:
    """A `Vec<u8>` that is read as bytes."""

    def load(self, chunk: Chunk) -> bytes:
        """The bytes."""
        return b"".join(List(values.sized_bytes, None).parts(chunk))


def _sizes(chunk: Chunk) -> list[int]:
    """How many items each part of a list has."""
    at = Cursor(chunk)
    try:
        total = int.from_bytes(at.take(8), "little")
        runs = values.items(RUN)(at)
        at.finish()
        if sum(parts for _, parts in runs) != chunk.fan_out:
            at.misfit("a list has another number of parts than it says; is it no list?", None, chunk.fan_out)
        sizes = [size for size, parts in runs for _ in range(parts)]
        if sum(sizes) != total or 0 in sizes:
            at.misfit("the parts of a list have another number of items than it says", total, sum(sizes))
    except FAILURES as problem:
        raise at.within("", problem) from None
    return sizes


class Map:
    """A map in buckets by the hash of the key. Version 0.3.1 leaves out empty buckets, and wrote small maps whole."""

    def __init__(self, key: Read, value: Read, hash: Callable[[Any], int] | None, marked: int) -> None:
        self.key, self.value, self.hash, self.marked = key, value, hash, marked
        self.whole = Value(values.mapping(key, value), is_map=True)

    def load(self, chunk: Chunk) -> dict[Any, Any]:
        """The dictionary."""
        found: dict[Any, Any] = {}
        for bucket in self.buckets(chunk):
            found.update(bucket)
        return found

    def stream(self, chunk: Chunk) -> Iterator[tuple[Any, Any]]:
        """The pairs."""
        for bucket in self.buckets(chunk):
            yield from bucket.items()

    def buckets(self, chunk: Chunk) -> Iterator[dict[Any, Any]]:
        """The buckets."""
        if not chunk.fan_out:
            yield self.whole.load(chunk)
            return
        at = Cursor(chunk)
        try:
            total = int.from_bytes(at.take(4), "little")
            at.finish()
            if total < chunk.fan_out:
                at.misfit("a map has fewer buckets than chunks", f"{chunk.fan_out} or more", total)
        except FAILURES as problem:
            raise at.within("", problem) from None
        last = -1
        for number, child in enumerate(chunk.children()):
            at = Cursor(child)
            try:
                found, hashes = self._bucket(at)
                for place in {each % total for each in hashes}:
                    if place <= last or (total == chunk.fan_out and place != number):
                        at.misfit("the hashes of a bucket's keys belong to another bucket")
                    last = place
                yield found
            except FAILURES as problem:
                raise at.within("", problem) from None

    def _bucket(self, at: Cursor) -> tuple[dict[Any, Any], tuple[int, ...]]:
        found: dict[Any, Any] = {}
        if not at.data:
            children(at, 0)
            return found, ()
        count, zero = struct.unpack("<II", at.take(8))
        if zero or not count:
            at.misfit("a bucket of a map does not begin with a number and 0", None, (count, zero), at=0)
        hashes = struct.unpack(f"<{count}Q", at.take(8 * count))
        offsets = struct.unpack(f"<{count}I", at.take(4 * count))
        begin = at.at
        for hash, offset in zip(hashes, offsets, strict=True):
            if at.at != begin + offset:
                at.misfit("a value of a map ends elsewhere than the map says", begin + offset, at.at)
            key = values.pair(at, self.key, self.value, found)
            if self.hash is not None and self.hash(key) != hash:
                at.misfit(f"the hash of the key {told(key)} is not the one that is stored", hash, self.hash(key))
        at.finish()
        if at.chunk.fan_out:  # 0.3.1 has none
            children(at, count * self.marked)
        return found, hashes


class Nodes:
    """The kinds of chunks of all classes that are met, made once."""

    def __init__(self) -> None:
        self.types = Types()
        self._structs: dict[Any, Struct] = {}

    def node(self, found: Type, mark: Mark | None = None) -> Node:
        """What reads a chunk that has a value of a type; `mark` is its field's.

        Raises:
            UnsupportedTypeError: the type says too little, or the crate gives no such value a chunk of its own.
        """
        origin, args, hint, place = found
        if isinstance(hint, As):
            return self.node(resolved(hint.type, place), mark)
        if isinstance(origin, type) and issubclass(origin, RootModel):
            info = origin.model_fields["root"]
            return Built(self.node(resolved(info.annotation, place, info.metadata)), origin)
        if fields_of(origin) is not None and hint is None:
            return self.struct(origin)
        if origin is list and args and hint is None:
            return self._list(resolved(args[0], place))
        if origin is bytes and hint is None:
            return Blob()
        if origin is dict and args and hint is None:
            return self._map(found, mark is not None and mark.kind == "map")
        if origin in (int, float, bool, str) and not isinstance(hint, Character):
            return Value(self.types.reader(found))
        return found.refuse(
            f"the Rust crate gives no {told(origin)} a chunk of its own: only structs, Vec, HashMap, numbers and texts"
        )

    def struct(self, cls: Any) -> Struct:
        """What reads a struct that is derived."""
        if cls in self._structs:
            return self._structs[cls]
        made = self._structs[cls] = Struct(cls)
        local: dict[str, Read] = {}
        for name, tp, metadata in fields_of(cls) or ():
            found, mark = resolved(tp, f"{cls.__name__}.{name}", metadata), find_mark(metadata)
            if mark is None:
                local[name] = self.types.reader(found)
            else:
                made.marked[name] = self.node(found, mark)
        made.local, made.has_local = values.fields(local), bool(local) or not made.marked
        return made

    def _list(self, item: Type) -> Node:
        if item.hint is None and fields_of(item.origin) is not None and not issubclass(item.origin, RootModel):
            struct = self.struct(item.origin)
            return List(struct.records, struct)
        return List(self.types.items(item), None)

    def _map(self, found: Type, in_buckets: bool) -> Node:
        key, value = (resolved(each, found.place) for each in found.args)
        check_hashable(key)
        readers = self.types.reader(key), self.types.reader(value)
        if not in_buckets:
            return Value(values.mapping(*readers), is_map=True)
        fields = fields_of(value.origin) or () if value.hint is None else ()
        marked = sum(find_mark(metadata) is not None for _, _, metadata in fields)
        return Map(*readers, hash_of(key), marked)


class Built(NamedTuple):
    """A model around one value, which the file does not show."""

    node: Node
    cls: type[BaseModel]

    def load(self, chunk: Chunk) -> Any:
        """The model."""
        return self.cls.model_validate(self.node.load(chunk))
