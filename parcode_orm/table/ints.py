"""Columns of unsigned numbers in the tree's and the index's own chunks."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, Literal

from ..codec.kernels import WIDTHS
from ..format.chunk import Chunk
from ..format.encoder import Encoder
from ..format.layout import Encoding

_CODES: dict[int, Literal["B", "H", "I", "Q"]] = {1: "B", 2: "H", 4: "I", 8: "Q"}


def packed_ints(*columns: Sequence[int]) -> list[tuple[int, bytes, int]]:
    """How many values each column has, these as bytes, at the smallest width that fits them (0 <= value < 2**64), and
    the width.
    """
    found: list[tuple[int, bytes, int]] = []
    for values in columns:
        width = WIDTHS[max(values, default=0).bit_length()]
        found.append((len(values), array(_CODES[width], values).tobytes(), width))
    return found


def put_ints(out: Encoder, *columns: Sequence[int]) -> None:
    """Append an INT node for each column."""
    for count, data, width in packed_ints(*columns):
        out.leaf(Encoding.INT, count, data, width=width)


def put_array(out: Encoder, values: Any) -> None:
    """As `put_ints`, from a numpy array of unsigned numbers."""
    width = WIDTHS[int(values.max(initial=0)).bit_length()]
    out.leaf(Encoding.INT, len(values), values.astype(f"<u{width}").tobytes(), width=width)


def get_ints(chunk: Chunk, at: int, count: int) -> memoryview:
    """The `count` numbers of the INT node `at`, as a view of the chunk.

    Raises:
        CorruptionError: the node is of another encoding, width or count.
    """
    node = chunk.nodes[at] if at < len(chunk.nodes) else None
    if node is None or node.encoding != Encoding.INT or node.width not in _CODES or node.flags & 1:
        raise chunk.error(at, "expected a column of unsigned numbers")
    data = chunk.buffer(at)
    if node.count != count or len(data) != count * node.width:
        raise chunk.error(at, f"expected {count} numbers of {node.width} bytes, found {len(data)} bytes")
    return data.cast(_CODES[node.width])
