"""Ways from a key to a row of an opened row group, some of which lead nowhere."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest


def slotted(*names: str) -> Any:
    def start(self: Any, *values: Any) -> None:
        for name, value in zip(names, values, strict=True):
            setattr(self, name, value)

    return type("Slotted", (), {"__slots__": names, "__init__": start})


Run = slotted("shift", "low_shift", "shards")
Shard = slotted("lows", "rows")
Node = slotted("ends", "firsts", "children", "height")
Piece = slotted("ref", "first", "length", "start")
Group = slotted("count", "texts", "used", "key")
WAY = tuple(cls.__dict__[name] for cls in (Run, Shard, Node, Piece, Group) for name in cls.__slots__)


def hash_of(key: Any) -> int:
    data = struct.pack("<2sq", b"\xffi", key) if type(key) is int else key.encode("utf-8", "surrogatepass")
    return xxh3_64_intdigest(data)


def packed(numbers: list[int], code: str) -> memoryview:
    return memoryview(struct.pack(f"{len(numbers)}{code}", *numbers)).cast(code)


KEYS = st.text(max_size=5) | st.integers(-99, 99) | st.sampled_from(["é" * 200, "x" * 999, "\ud800", 1 << 63, 1 << 70])


@st.composite
def ways(draw: st.DrawFn) -> tuple[Any, ...]:
    """Arguments of `find_open`: the keys of a table of a few row groups, and a key that may be one of them."""
    kind = draw(st.sampled_from([str, int]))
    every = KEYS.filter(lambda key: type(key) is kind and key not in ("\ud800", 1 << 63, 1 << 70))
    keys: list[Any] = draw(st.lists(every, min_size=1, max_size=9, unique=True))
    bits = draw(st.integers(0, 2))
    entries = sorted((hash_of(key), row) for row, key in enumerate(keys))
    shards = {}
    for number in range(1 << bits):
        here = [(hashed, row) for hashed, row in entries if hashed >> 64 - bits == number]
        lows = packed([hashed >> 32 - bits & 0xFFFFFFFF for hashed, _ in here], "I")
        shards[number] = Shard(lows, packed([row + draw(st.just(0) | st.integers(0, 3)) for _, row in here], "H"))
    size, skip = draw(st.integers(1, 5)), draw(st.integers(0, 3))
    pieces, groups = [], {}
    for offset, first in enumerate(range(0, len(keys), size)):
        part = keys[first : first + size]
        stored = [*part[:1] * skip, *part]
        texts = None
        if kind is str and draw(st.booleans()):
            data = [key.encode() for key in stored]
            ends = [sum(map(len, data[:at])) for at in range(len(data) + 1)]
            texts = memoryview(b"\0".join(data) + b"\0"), packed(ends, "I"), 1
        groups[offset] = Group(len(stored) - draw(st.sampled_from([0, 0, 1])), texts, False, stored.__getitem__)
        pieces.append(Piece((offset, 0, 0, 1), first, len(part), skip))
    leaf = Node(list(range(1, len(pieces) + 1)), [piece.first for piece in pieces], pieces, 1)
    root = draw(st.sampled_from([leaf, Node([1], [0], [leaf], 2), Node(None, [], None, 1), Node([1], [3], [leaf], 2)]))
    for offset in draw(st.lists(st.sampled_from(sorted(groups)), max_size=1)):
        del groups[offset]
    for number in draw(st.lists(st.sampled_from(sorted(shards)), max_size=1)):
        del shards[number]
    key = draw(st.sampled_from(keys) | st.sampled_from(keys) | KEYS | st.none() | st.booleans())
    return key, Run(64 - bits, 32 - bits, shards), root, groups, WAY


@st.composite
def rows(draw: st.DrawFn) -> tuple[Any, ...]:
    """Arguments of `open_rows`: ids that rise, some of which no row has."""
    _, _, root, _, slots = draw(ways())
    return sorted(draw(st.sets(st.integers(0, 9) | st.sampled_from([-1, 1 << 62])))), root, slots


@st.composite
def keys(draw: st.DrawFn) -> tuple[Any, ...]:
    """Arguments of `open_keys`: those of `open_rows`, and row groups of which one may be closed."""
    _, _, root, groups, slots = draw(ways())
    return sorted(draw(st.sets(st.integers(0, 9) | st.sampled_from([-1, 1 << 62])))), root, groups, slots


LOOKUPS: dict[str, st.SearchStrategy[tuple[Any, ...]]] = {"find_open": ways(), "open_rows": rows(), "open_keys": keys()}
