"""Chunks as a file has them, and damaged ones, whose checksums may be right all the same."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from parcode_orm.format.checksum import checksum
from parcode_orm.format.layout import CHUNK_HEADER, CHUNK_MAGIC, NODE, REFERENCE, Node, Reference

NUMBERS = st.integers(0, 3) | st.integers(0, (1 << 32) - 1)
WIDE = st.integers(0, 200) | st.integers(0, (1 << 64) - 1)
MADE = ("where", "kind", "fingerprint", "size", "held", "refs", "count", "buffers", "data", "head", "at", "observe")


class Other(NamedTuple):
    """A reference as another class has it."""

    offset: int
    length: int
    checksum: int
    kind: int


class Filled:
    """What stands for a chunk; two whose slots are equal are."""

    __slots__ = MADE

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filled) and all(getattr(self, name) == getattr(other, name) for name in MADE)

    __hash__ = None  # type: ignore[assignment]


@st.composite
def nodes(draw: st.DrawFn, spans: Any = NUMBERS) -> bytes:
    small = [draw(st.integers(0, 255)) for _ in range(4)]
    wide = [draw(WIDE) for _ in range(4)]
    ends = [draw(st.just(b"") | st.binary(max_size=16)) for _ in range(2)]
    return NODE.pack(*small, draw(spans), draw(NUMBERS), draw(NUMBERS), *wide, *ends)


DIRECTORIES = st.lists(nodes(st.integers(0, 5)), min_size=1, max_size=9).map(b"".join)


@st.composite
def chunks(draw: st.DrawFn, at: int = 1 << 20) -> tuple[bytes, Any]:
    """The bytes of a chunk and what leads to it."""
    ends = st.integers(0, 2 * at) | WIDE
    refs = draw(st.lists(st.tuples(ends, st.integers(0, 99) | ends, WIDE, NUMBERS), max_size=3))
    directory = draw(DIRECTORIES)
    tail = draw(st.binary(max_size=9))
    size = CHUNK_HEADER.size + len(refs) * REFERENCE.size + len(directory)
    counts = (len(refs), len(directory) // NODE.size)
    counts = draw(st.just(counts) | st.just(counts) | st.tuples(NUMBERS, NUMBERS))
    kind, length = draw(st.integers(0, 255)), size + len(tail)
    head = CHUNK_HEADER.pack(CHUNK_MAGIC, kind, 0, 0, *counts, draw(st.just(length) | WIDE), draw(WIDE))
    data = head + b"".join(REFERENCE.pack(*ref) for ref in refs) + directory
    given = Reference(at, length, checksum(data), kind)
    if draw(st.booleans()):
        damaged = bytearray(data)
        damaged[draw(st.integers(0, size - 1))] ^= draw(st.integers(0, 255))
        data = bytes(damaged)
        if draw(st.booleans()):
            given = given._replace(checksum=checksum(data))
    if draw(st.integers(0, 9)) == 0:
        name = draw(st.sampled_from(Reference._fields))
        given = given._replace(**{name: draw(WIDE)})
    return data + tail, draw(st.sampled_from([Reference, Reference, Other, lambda *parts: parts]))(*given)


@st.composite
def files(draw: st.DrawFn) -> tuple[Any, ...]:
    """Arguments of `chunks_of`."""
    data, refs = b"superblock".ljust(64), []
    for _ in range(draw(st.integers(0, 3))):
        chunk, ref = draw(chunks(len(data)))
        refs.append(ref)
        data += chunk + bytes(draw(st.just(-len(chunk) % 64) | st.integers(0, 64)))
    data = data[: draw(st.just(len(data)) | st.integers(0, len(data)))]
    slots = tuple(Filled.__dict__[name] for name in MADE)
    return Filled, slots, refs, memoryview(data), "x.par", len


@st.composite
def packed(draw: st.DrawFn) -> tuple[Any, ...]:
    """The nodes of a few row groups, most of which lead on, and where to begin in some of them."""
    kinds = st.sampled_from([7, 8, 9, 12, 12, 12]) | st.integers(0, 22)
    data, ends, at = b"", [], []
    for _ in range(draw(st.integers(1, 4))):
        first = len(data) // NODE.size
        for _ in range(draw(st.integers(1, 6))):
            flags, span, param = draw(st.sampled_from([0, 8, 1])), draw(st.integers(0, 6)), draw(st.integers(0, 3))
            data += NODE.pack(draw(kinds), 0, 0, flags, span, 0, param, 0, 0, 0, 0, b"", b"")
        last = len(data) // NODE.size
        ends.append(draw(st.just(last) | st.integers(0, 30)))
        at.append(draw(st.just(first) | st.integers(-1, last - 1)))
    return data, np.array(ends, np.int64), np.array(at, np.int64), np.zeros(len(at), np.int64)


def places() -> st.SearchStrategy[tuple[Any, ...]]:
    """Arguments of `children_of`."""
    return DIRECTORIES.flatmap(
        lambda data: st.tuples(
            st.just(memoryview(b"head" + data)),
            st.just(4) | st.integers(-1, 200),
            st.just(len(data) // NODE.size) | st.integers(0, 12),
            st.integers(0, len(data) // NODE.size - 1) | st.integers(-1, 12),
        )
    )


CHUNKS: dict[str, st.SearchStrategy[tuple[Any, ...]]] = {
    "children_of": places(),
    "chunks_of": files(),
    "find_nodes": packed().flatmap(
        lambda given: st.lists(st.integers(0, 4), max_size=4).map(lambda steps: (*given[:3], tuple(steps), given[3]))
    ),
    "find_statistics": packed().map(lambda given: (*given, np.zeros(len(given[1]), bool))),
    "nodes_of": st.tuples(st.sampled_from([Node, tuple]), DIRECTORIES | st.binary(max_size=200)),
    "read_head": chunks(),
}
