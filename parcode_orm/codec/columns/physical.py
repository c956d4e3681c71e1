"""What all columns share: writing by exact types, reading through wrapping encodings.

Around any column's own encoding there may stand EMPTY, OPTIONAL, CONSTANT, DICTIONARY or PACKED.
`Physical.view` handles them here, once, so a column only knows its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from math import isfinite
from types import NoneType
from typing import Any, ClassVar

from ...errors import EncodeError
from ...format.chunk import Chunk
from ...format.encoder import Encoder
from ...format.layout import Encoding
from .. import kernels, trail
from ..apart import present, types_of
from ..base import Column, Space, View
from ..packed.values import pack
from ..unpack import unpack_bits
from ..views.nodes import wrapped
from ..views.tuples import open_mixed
from .mixed import Part, encode_parts


class Physical(Column):
    """A column that writes values of its exact types by `write`, and views them by `open`."""

    __slots__ = ()
    encodings: ClassVar[frozenset[int]] = frozenset()
    exact: frozenset[type] = frozenset()
    # Whether values contain a Model or a marked field, so that `get` differs from `read`.
    lazy: Any = False
    expected: str = "a value"

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        """Append one node subtree that holds `values`."""
        if not values:
            out.leaf(Encoding.EMPTY, 0)
        elif (types := types_of(values)) == self.exact:
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
        if node.encoding == Encoding.MIXED:
            return open_mixed(self, chunk, at, space, node)
        return wrapped(self, chunk, at, space, node)

    def __init_subclass__(cls) -> None:
        cls.opens = cls.encodings if cls.view is Physical.view else frozenset()


def described(stored: Any, literal: tuple[Any, ...]) -> Any:
    """The schema of atoms that are stored as `stored`; `literal` are the values that a `Literal` names."""
    return {"literal": sorted(map(spelled, literal), key=repr), "stored": stored} if literal else stored


def spelled(value: Any) -> Any:
    """A value of a `Literal` or an enum as a schema names it; None for one that JSON does not have."""
    if isinstance(value, bool | None):
        return value
    if isinstance(value, int):
        return int(value) if -(1 << 63) <= value < 1 << 63 else f"{int(value):x}"
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    if isinstance(value, str):
        return str.encode(value, "utf-8", "backslashreplace").decode()
    return value.hex() if isinstance(value, bytes) else None


class Gappy(list[Any]):
    """Values of a field, None where the rows in `gaps` lack it; else only `T | None` takes None."""

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


def write_optional(
    column: Column, values: Sequence[Any], out: Encoder, found: tuple[list[Any], bytes] | None = None
) -> None:
    """Append `values`, some of them None, as OPTIONAL. `found` is what `present` says of them."""
    there, bits = found or present(values) or (list(values), kernels.pack_bits([True] * len(values)))
    _write_there(column, len(values), len(there), bits, [there], out)


def write_present(column: Column, flags: list[bool], parts: list[Part], out: Encoder) -> None:
    """Append values as OPTIONAL: `flags` say which are there, `parts` are these."""
    _write_there(column, len(flags), sum(flags), kernels.pack_bits(flags), parts, out)


def _write_there(column: Column, count: int, there: int, bits: bytes, parts: list[Part], out: Encoder) -> None:
    """Append `count` values as OPTIONAL, of which `there` are in `parts`. Without any, there is no bitmap."""
    node = out.open(Encoding.OPTIONAL, count, bits if there else b"", param=count - there)
    try:
        encode_parts(column, parts if there else [[]], out)
    except EncodeError as problem:
        wanted = trail.row_of(problem)
        rows = [row for row, flag in enumerate(unpack_bits(memoryview(bits), 0, count)) if flag]
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


def write_lengths(sized: Sequence[Any], out: Encoder) -> int:
    """Append offsets from the lengths of what is in `sized` as an INT node; return their total."""
    data, width, total = kernels.offsets_of(sized)
    out.leaf(Encoding.INT, len(sized) + 1, data, width=width)
    return total


def write_codes(codes: list[int], out: Encoder) -> None:
    """Append small unsigned ints as an INT node."""
    width, _ = kernels.width_of(0, max(codes, default=0))
    out.leaf(Encoding.INT, len(codes), kernels.pack(kernels.UNSIGNED[width], codes), width=width)


def write_blocks(encoding: Encoding, parts: Sequence[bytes], out: Encoder, **options: Any) -> None:
    """Append `parts` end to end, with their offsets."""
    node = out.open(encoding, len(parts), b"".join(parts), **options)
    write_lengths(parts, out)
    out.close(node)


def write_packed(values: Sequence[Any], out: Encoder) -> None:
    """Append values as PACKED: they come back with the very types they have."""
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
    """`values`, with None where a row has none."""
    without = [row for row, value in enumerate(values) if value is None]
    return Gappy(values, without) if without else values
