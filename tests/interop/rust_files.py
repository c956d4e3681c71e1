"""Files as the Rust crate writes them, made here: an encoder that shares nothing with the reader."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import make_dataclass
from typing import Annotated, Any, NamedTuple, get_args

import lz4.block
import xxhash
from hypothesis import strategies as st

from parcode_orm.interop import rust

Place = tuple[int, int]  # offset and length of a chunk


def footer(offset: int, length: int) -> bytes:
    return struct.pack("<4sHQQI", b"PAR4", 4, offset, length, 0)


class Writer:
    """Chunks one after another. Compression changes with each chunk, if it is asked for."""

    def __init__(self, *, packed: bool = False) -> None:
        self.data, self.packed = bytearray(), packed

    def chunk(self, payload: bytes, children: Sequence[Place] = ()) -> Place:
        offset = len(self.data)
        pack = self.packed and offset % 2 == 0
        if pack:
            payload = struct.pack("<I", len(payload)) + lz4.block.compress(payload, store_size=False)
        self.data += payload
        for child in children:
            self.data += struct.pack("<QQ", *child)
        if children:
            self.data += struct.pack("<I", len(children))
        self.data.append(bool(children) | pack << 1)
        return offset, len(self.data) - offset

    def list(self, items: Sequence[bytes], sizes: Iterable[int], children: Sequence[Sequence[Place]] = ()) -> Place:
        """A list in parts of these sizes, the last size again and again."""
        parts, runs, at, size = [], [], 0, 1
        given = iter(sizes)
        while at < len(items):
            size = next(given, size)
            part = items[at : at + size]
            below = [place for each in children[at : at + size] for place in each]
            parts.append(self.chunk(varint(len(part)) + b"".join(part), below))
            if runs and runs[-1][0] == len(part):
                runs[-1][1] += 1
            else:
                runs.append([len(part), 1])
            at += size
        described = b"".join(varint(number) for run in runs for number in run)
        return self.chunk(struct.pack("<Q", len(items)) + varint(len(runs)) + described, parts)

    def map(self, pairs: Sequence[tuple[int, bytes]], total: int, *, gaps: bool = True) -> Place:
        """A map of (hash, key and value) in `total` buckets; without `gaps` those that are empty are left out."""
        buckets: list[list[tuple[int, bytes]]] = [[] for _ in range(total)]
        for pair in pairs:
            buckets[pair[0] % total].append(pair)
        places = []
        for bucket in buckets:
            if not bucket:
                places += [self.chunk(b"")] if gaps else []
                continue
            hashes, values = zip(*bucket, strict=True)
            offsets = [sum(map(len, values[:n])) for n in range(len(values))]
            head = struct.pack(f"<II{len(bucket)}Q{len(bucket)}I", len(bucket), 0, *hashes, *offsets)
            places.append(self.chunk(head + b"".join(values)))
        return self.chunk(struct.pack("<I", total), places)

    def done(self, root: Place) -> bytes:
        return bytes(self.data) + footer(*root)


def varint(value: int) -> bytes:
    for width, mark in ((2, 251), (4, 252), (8, 253), (16, 254)):
        if value < 251:
            return bytes([value])
        if value < 1 << 8 * width:
            return bytes([mark]) + value.to_bytes(width, "little")
    raise OverflowError(value)


class Kind(NamedTuple):
    """A type: its annotation, how Rust writes its values, which there are, and what it hashes of them, if a key."""

    annotation: Any
    encode: Callable[[Any], bytes]
    values: st.SearchStrategy[Any]
    feed: Callable[[Any], bytes] | None = None

    def hash(self, value: Any) -> int:
        assert self.feed is not None
        return xxhash.xxh64_intdigest(self.feed(value))


def integer(name: str) -> Kind:
    bits, signed = int(name[1:]), name[0] == "I"
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)

    def encode(value: int) -> bytes:
        if bits == 8:
            return value.to_bytes(1, "little", signed=signed)
        return varint((value << 1 if value >= 0 else (-value << 1) - 1) if signed else value)

    def feed(value: int) -> bytes:
        return value.to_bytes(bits // 8, "little", signed=signed)

    return Kind(Annotated[int, getattr(rust, name)], encode, st.integers(low, high), feed)


def _sized(value: bytes) -> bytes:
    return varint(len(value)) + value


def _length(value: Any) -> bytes:
    return struct.pack("<Q", len(value))


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
CHARS = st.characters(exclude_categories=("Cs",))
KEYS = [
    *(integer(sign + str(8 << n)) for sign in "UI" for n in range(5)),
    Kind(bool, lambda v: bytes([v]), st.booleans(), lambda v: bytes([v])),
    Kind(str, lambda v: _sized(v.encode()), TEXTS, lambda v: v.encode() + b"\xff"),
    Kind(Annotated[str, rust.Char], str.encode, CHARS, lambda v: struct.pack("<I", ord(v))),
    Kind(bytes, _sized, st.binary(max_size=6), lambda v: _length(v) + v),
    Kind(Annotated[bytes, rust.Array(3)], bytes, st.binary(min_size=3, max_size=3), lambda v: _length(v) + v),
]
FLOATS = st.floats(width=32, allow_nan=False)
LEAVES = [
    *KEYS,
    Kind(float, lambda v: struct.pack("<d", v), st.floats(allow_nan=False)),
    Kind(Annotated[float, rust.F32], lambda v: struct.pack("<f", v), FLOATS),
]


def optional(inner: Kind) -> Kind:
    if type(None) in get_args(inner.annotation):  # Python has no Option of an Option
        return inner
    feed = inner.feed
    return Kind(
        inner.annotation | None,
        lambda v: b"\0" if v is None else b"\1" + inner.encode(v),
        st.none() | inner.values,
        feed and (lambda v: struct.pack("<Q", v is not None) + (b"" if v is None else feed(v))),
    )


def pair(first: Kind, second: Kind) -> Kind:
    feeds = first.feed, second.feed
    return Kind(
        tuple[first.annotation, second.annotation],
        lambda v: first.encode(v[0]) + second.encode(v[1]),
        st.tuples(first.values, second.values),
        None if None in feeds else (lambda v: feeds[0](v[0]) + feeds[1](v[1])),  # type: ignore[misc]
    )


def row(inner: Kind) -> Kind:
    feed = inner.feed
    return Kind(
        tuple[inner.annotation, ...],
        lambda v: varint(len(v)) + b"".join(map(inner.encode, v)),
        st.lists(inner.values, max_size=4).map(tuple),
        feed and (lambda v: _length(v) + b"".join(map(feed, v))),
    )


def listed(inner: Kind) -> Kind:
    encode = row(inner).encode
    return Kind(list[inner.annotation], encode, st.lists(inner.values, max_size=4))


def array(inner: Kind) -> Kind:
    return Kind(
        Annotated[list[inner.annotation], rust.Array(2)],
        lambda v: b"".join(map(inner.encode, v)),
        st.lists(inner.values, min_size=2, max_size=2),
    )


def struct_of(*parts: Kind) -> Kind:
    cls = make_dataclass("Struct", [(f"f{n}", each.annotation) for n, each in enumerate(parts)])
    return Kind(
        cls,
        lambda v: b"".join(each.encode(getattr(v, f"f{n}")) for n, each in enumerate(parts)),
        st.builds(cls, *(each.values for each in parts)),
    )


def mapped(key: Kind, value: Kind) -> Kind:
    return Kind(
        dict[key.annotation, value.annotation],
        lambda v: varint(len(v)) + b"".join(key.encode(name) + value.encode(each) for name, each in v.items()),
        st.dictionaries(key.values, value.values, max_size=4),
    )


keys = st.recursive(
    st.sampled_from(KEYS),
    lambda inner: inner.map(optional) | st.builds(pair, inner, inner) | inner.map(row),
    max_leaves=3,
)
kinds = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: (
        inner.map(optional)
        | st.builds(pair, inner, inner)
        | inner.map(listed)
        | inner.map(array)
        | st.builds(struct_of, inner, inner)
        | st.builds(mapped, st.sampled_from(KEYS), inner)
    ),
    max_leaves=5,
)
