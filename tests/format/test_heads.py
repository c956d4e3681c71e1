"""Heads of chunks: what is damaged gives the same errors, whichever way it is read, one by one or many."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from parcode_orm.errors import CorruptionError
from parcode_orm.format import chunk as chunks_module
from parcode_orm.format.checksum import checksum
from parcode_orm.format.chunk import Chunk, read_chunks
from parcode_orm.format.encoder import Encoder
from parcode_orm.format.heads import chunks_of, nodes_of, read_head
from parcode_orm.format.layout import Encoding, Kind, Node, Reference
from parcode_orm.native import specifications
from tests.native.chunks import chunks


def read(ref: Any, data: bytes, cut: int | None = None) -> Any:
    """All that a chunk says, or its error."""
    head = None if cut is None else memoryview(data)[:cut]
    try:
        found = Chunk(ref, memoryview(data), "x.par", lambda size: None, head)
    except CorruptionError as problem:
        return type(problem), str(problem), problem.offset
    try:
        children: Any = [found.children(index) for index in range(found.node_count)]
    except CorruptionError as problem:
        children = type(problem), str(problem), problem.offset
    parts = found.where, found.kind, found.fingerprint, found.head_size, found.refs, found.nodes, found.node_count
    return parts, children, bytes(found.directory), bytes(found.body)


@given(chunks(), st.none() | st.integers(0, 300))
def test_c_and_python_give_the_same_heads_and_errors(chunk: tuple[bytes, Any], cut: int | None) -> None:
    data, ref = chunk[0], Reference(*chunk[1])
    found = read(ref, data, cut)
    names = ("read_head", "nodes_of", "children_of")
    with patch.multiple(chunks_module, **{name: specifications[name] for name in names}):
        assert read(ref, data, cut) == found
    assert read(ref, data) == found or cut is None


def file_of(count: int) -> tuple[list[Reference], bytearray]:
    refs: list[Reference] = []
    data = bytearray(64)
    for number in range(count):
        out = Encoder(Kind.COLUMN, None, None, number)
        out.leaf(Encoding.RAW, 1, bytes([number]) * (number + 1))
        for target in refs[:3]:
            out.ref(target)
        data += bytes(-len(data) % 64)
        parts = b"".join(out.whole(refs[:3]))
        found = Reference(len(data), len(parts), 0, Kind.COLUMN)
        size = 32 + 32 * len(refs[:3]) + 80
        refs.append(found._replace(checksum=checksum(parts[:size])))
        data += parts
    return refs, data


@given(st.data())
def test_many_chunks_are_those_that_are_read_one_by_one(data: st.DataObject) -> None:
    refs, file = file_of(5)
    for _ in range(data.draw(st.integers(0, 2))):
        file[data.draw(st.integers(64, len(file) - 1))] ^= 255
    view = memoryview(bytes(file))
    told: list[int] = []
    for ref, found in zip(refs, read_chunks(refs, view, "x.par", told.append), strict=True):
        part = bytes(view[ref.offset : ref.offset + ref.length])
        one = read(ref, part)
        if found is None:
            assert issubclass(one[0], CorruptionError)
            continue
        parts = found.where, found.kind, found.fingerprint, found.head_size, found.refs, found.nodes, found.node_count
        assert one[0] == parts and one[3] == bytes(found.body)
        assert found.held == 0 and not told
    assert [chunk is None for chunk in chunks_of(Chunk, chunks_module._MADE, refs, view[:100], "", len)] == [True] * 5


def test_references_to_what_is_no_place_are_left_to_the_careful_way() -> None:
    refs, file = file_of(2)
    view = memoryview(bytes(file))
    moved = memoryview(bytes(file[:64]) + b"x" * 8 + bytes(file[64:]))
    shifted = [refs[0]._replace(offset=refs[0].offset + 8)]
    assert read_head(moved[72:], refs[0]) is not None
    assert read_chunks(shifted, moved, "", len) == [None]
    assert read_chunks([refs[1]._replace(offset=1 << 63)], view, "", len) == [None]
    assert nodes_of(Node, b"") == []
