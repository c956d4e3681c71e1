"""Columns of unsigned numbers in the tree's and the index's own chunks."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Literal

from ..codec.kernels import WIDTHS
from ..format.chunk import Chunk
from ..format.encoder import Encoder
from ..format.layout import Encoding
from ..native import compiled

_CODES: dict[int, Literal["B", "H", "I", "Q"]] = {1: "B", 2: "H", 4: "I", 8: "Q"}


def put_ints(out: Encoder, *columns: Sequence[int]) -> None:
    """Append an INT node for each column of values, 0 <= value < 2**64, at the smallest width that fits them."""
    for values in columns:
        width = WIDTHS[max(values, default=0).bit_length()]
        out.leaf(Encoding.INT, len(values), array(_CODES[width], values).tobytes(), width=width)


@compiled
def pack_field(objects: list[Any], name: str) -> tuple[bytes, int, int]:
    """The numbers that `objects` have in the attribute `name`, as the bytes of an INT node, its width, and their sum.

    Raises:
        OverflowError: a number is below 0, or the sum takes more than 64 bits.
    """
    values = list(map(attrgetter(name), objects))
    total = sum(values)
    if total >> 64:
        raise OverflowError("the sum takes more than 64 bits")
    width = WIDTHS[max(values, default=0).bit_length()]
    return array(_CODES[width], values).tobytes(), width, total


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
