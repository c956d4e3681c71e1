"""What all columns of this package share: the choice by exact types when writing, the wrapping encodings when reading.

Around any column's own encoding there may stand EMPTY, OPTIONAL, CONSTANT, DICTIONARY or PACKED. `Physical.view`
handles them here, once, so a column only knows its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from types import NoneType
from typing import Any, ClassVar

from ...errors import EncodeError
from ...format.chunk import Chunk, Encoder
from ...format.layout import Encoding, Node
from .. import kernels, trail
from ..base import Column, Space, View
from ..views.nodes import (
    BlocksView,
    NullView,
    PackedView,
    accessor,
    child_nodes,
    locate,
    open_child,
    open_optional,
    read_blocks,
    read_fixed,
    read_numbers,
    read_offsets,
    rising,
    statistics,
    wrapped,
)

__all__ = [
    "BlocksView", "Gappy", "NullView", "PackedView", "Physical", "accessor", "child_nodes", "gaps_of", "locate",
    "open_child", "open_optional", "read_blocks", "read_fixed", "read_numbers", "read_offsets", "rising", "statistics",
    "gappy", "wrapped", "write_blocks", "write_codes", "write_constant", "write_gaps", "write_named", "write_offsets",
    "write_optional", "write_packed",
]  # fmt: skip


class Physical(Column):
    """A column with one way to write values of exactly its types, `write`, and to view what it wrote, `open`."""

    __slots__ = ()
    encodings: ClassVar[frozenset[int]] = frozenset()
    exact: frozenset[type] = frozenset()
    lazy: Any = False  # whether values contain a Model or a marked field, so that `get` differs from `read`
    expected: str = "a value"

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        """Append one node subtree that holds `values`."""
        if not values:
            out.leaf(Encoding.EMPTY, 0)
        elif (types := set(map(type, values))) == self.exact:
            self.write(values, out)
        elif NoneType in types:
            write_gaps(self, values, out)
        else:
            self.odd(values, types, out)

    def write(self, values: Sequence[Any], out: Encoder) -> None:
        """Append `values`, at least one, all of exactly this column's types."""
        raise TypeError(f"{type(self).__name__} has no write")

    def odd(self, values: Sequence[Any], types: set[type], out: Encoder) -> None:
        """Append `values` of other types, or raise."""
        raise trail.first_misfit(values, tuple(self.exact), self.expected)

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        """Read the node `at`."""
        node = chunk.nodes[at]
        if node.encoding in self.encodings:
            return self.open(chunk, at, space, node)
        return wrapped(self, chunk, at, space, node)

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        """View a node of one of this column's own encodings."""
        raise TypeError(f"{type(self).__name__} has no open")


class Gappy(list[Any]):
    """Values of a field that the rows `gaps` lack: None stands there. Elsewhere only `T | None` takes None."""

    __slots__ = ("gaps",)

    def __init__(self, values: Iterable[Any], gaps: Collection[int]) -> None:
        super().__init__(values)
        self.gaps = gaps


def write_gaps(column: Any, values: Sequence[Any], out: Encoder) -> None:
    """Append `values`, some of them None, as OPTIONAL.

    Raises:
        EncodeError: None stands for no gap.
    """
    gaps = gaps_of(values)
    for row, value in enumerate(values):
        if value is None and row not in gaps:
            raise trail.misfit(values, row, column.expected)
    write_optional(column, values, out)


def gaps_of(values: Any) -> Collection[int]:
    """The rows that lack the field whose values these are."""
    return values.gaps if type(values) is Gappy else ()


def write_optional(column: Column, values: Sequence[Any], out: Encoder, present: list[Any] | None = None) -> None:
    """Append `values`, some of them None, as OPTIONAL; when all are, there is no bitmap."""
    count = len(values)
    if present is None:
        present = [value for value in values if value is not None]
    nulls = count - len(present)
    bits = kernels.pack_bits([value is not None for value in values]) if present else b""
    node = out.open(Encoding.OPTIONAL, count, bits, param=nulls)
    try:
        column.encode(present, out)
    except EncodeError as problem:
        wanted = trail.row_of(problem)
        rows = [row for row, value in enumerate(values) if value is not None]
        raise trail.at(problem, rows[wanted] if wanted < len(rows) else 0) from None
    out.close(node)


def write_constant(column: Physical, value: Any, count: int, out: Encoder) -> None:
    """Append `count` times `value`, which the caller has found equal in every bit."""
    node = out.open(Encoding.CONSTANT, count)
    column.write([value], out)
    out.close(node)


def write_offsets(lengths: list[int], out: Encoder) -> int:
    """Append offsets from the lengths as an INT node; return their total."""
    data, width, total = kernels.pack_offsets(lengths)
    out.leaf(Encoding.INT, len(lengths) + 1, data, width=width)
    return total


def write_codes(codes: list[int], out: Encoder) -> None:
    """Append small unsigned ints as an INT node."""
    width, _ = kernels.width_of(0, max(codes, default=0))
    out.leaf(Encoding.INT, len(codes), kernels.pack(kernels.UNSIGNED[width], codes), width=width)


def write_blocks(encoding: Encoding, parts: Sequence[bytes], out: Encoder, **options: Any) -> None:
    """Append `parts` end to end, with their offsets."""
    node = out.open(encoding, len(parts), b"".join(parts), **options)
    write_offsets(list(map(len, parts)), out)
    out.close(node)


def write_packed(values: Sequence[Any], out: Encoder) -> None:
    """Append values as PACKED: they come back with the very types they have."""
    from ..packed.values import pack

    parts = []
    for row, value in enumerate(values):
        try:
            parts.append(pack(value))
        except EncodeError as problem:
            raise trail.at(problem, row) from None
    write_blocks(Encoding.PACKED, parts, out)


def write_named(column: Column, values: Sequence[Any], out: Encoder) -> None:
    """Append `values`, one a row, to `out`."""
    try:
        column.encode(values, out)
    except EncodeError as problem:
        raise trail.at(problem, trail.row_of(problem)) from None


def gappy(values: list[Any]) -> list[Any]:
    """`values`, of which some rows have none."""
    without = [row for row, value in enumerate(values) if value is None]
    return Gappy(values, without) if without else values
