"""Rules of every chunk: its nodes are one tree, sizes fit counts, ordinals have references."""

from __future__ import annotations

from collections.abc import Iterator

from ..codec.views.boundary import read_spans
from ..errors import CorruptionError
from ..format.chunk import Chunk
from ..format.layout import Encoding, Kind, Node, NodeFlag

KINDS = frozenset(Kind)
ENCODINGS = frozenset(Encoding)
WIDTHS = (1, 2, 4, 8)


def check_nodes(chunk: Chunk) -> Iterator[CorruptionError]:
    """The problems of the chunk's directory."""
    if chunk.kind not in KINDS:
        yield chunk.error(0, f"a chunk of kind {chunk.kind} is not known")
    if chunk.nodes[0].span != len(chunk.nodes):
        yield chunk.error(0, f"the first of {len(chunk.nodes)} nodes spans {chunk.nodes[0].span}")
    for index, node in enumerate(chunk.nodes):
        try:
            chunk.children(index)
        except CorruptionError as problem:
            yield problem
            return
        what = _wrong(node, len(chunk.refs))
        if what:
            yield chunk.error(index, what)
            continue
        try:
            needed = _needed(chunk, index)
        except CorruptionError as problem:
            yield problem
            continue
        for kind in sorted({int(chunk.refs[ordinal].kind) for ordinal in needed} - {int(Kind.COLUMN)}):
            yield chunk.error(index, f"a reference to a chunk of kind {kind}")


def values_needed(chunk: Chunk) -> dict[int, int]:
    """By ordinal, the number of values that a chunk of a marked field must have."""
    found: dict[int, int] = {}
    for index in range(len(chunk.nodes)):
        for ordinal, count in _needed(chunk, index).items():
            found[ordinal] = max(found.get(ordinal, 0), count)
    return found


def _needed(chunk: Chunk, index: int) -> dict[int, int]:
    node = chunk.nodes[index]
    if node.encoding == Encoding.REFERENCE:
        return {node.param: node.count}
    found: dict[int, int] = {}
    if node.encoding == Encoding.SPANS:
        for ordinal, start, count in read_spans(chunk, index):
            found[ordinal] = max(found.get(ordinal, 0), start + count)
    return found


def _wrong(node: Node, refs: int) -> str:
    encoding, count = node.encoding, node.count
    if encoding not in ENCODINGS:
        return f"encoding {encoding} is not known"
    if encoding == Encoding.REFERENCE and node.param >= refs:
        return f"reference {node.param} of {refs}"
    if encoding == Encoding.INT and count and node.width not in WIDTHS:
        return f"numbers of {node.width} bytes"
    if node.flags & NodeFlag.PIECES:
        return ""
    expected = {
        Encoding.INT: count * node.width,
        Encoding.FLOAT: count * 8,
        Encoding.BOOL: -(-count // 8),
        Encoding.EMPTY: 0,
    }.get(Encoding(encoding))
    if expected is not None and expected != node.raw:
        return f"{count} values take {expected} bytes, not {node.raw}"
    return ""
