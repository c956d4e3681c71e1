"""Columns of numbers: int, float, bool, None. Values keep their exact types."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from ...format.chunk import Chunk
from ...format.encoder import Encoder
from ...format.layout import Encoding, Node, NodeFlag
from .. import kernels, trail
from ..apart import types_of
from ..base import Space, View
from ..views.nodes import NullView, read_blocks, read_fixed
from ..views.scalars import BigIntView, BitsView, NumbersView
from .physical import Physical, described, write_blocks, write_constant, write_packed
from .subclasses import write_subclasses

STATISTICS = NodeFlag.STATISTICS
_NUMBERS = (int, float)
_DOUBLE = struct.Struct("<d").pack


class NumberColumn(Physical):
    """A column that may hold mixed `numbers`: they are PACKED, so 1, True and 1.0 stay apart.

    As Python's typing says, an int stands for a float, and a bool for an int. `literal` are the
    values that a `Literal` names, for the schema alone.
    """

    __slots__ = ("literal", "schema_known")
    numbers: tuple[type, ...] = (int,)

    def __init__(self) -> None:
        self.literal: tuple[Any, ...] = ()

    def describe(self) -> Any:
        return described(self.expected, self.literal)

    def odd(self, values: Sequence[Any], types: set[type], out: Encoder) -> None:
        if not all(issubclass(t, self.numbers) for t in types):
            raise trail.first_misfit(values, self.numbers, self.expected)
        if write_subclasses(values, types, _NUMBERS, out):
            return
        values = [_builtin(value) for value in values]
        if types_of(values) == self.exact:
            self.write(values, out)
        else:
            write_packed(values, out)


def _builtin(value: Any) -> Any:
    """A number without its subclass, as Pydantic makes it of an `IntEnum` or `numpy.float64`."""
    if isinstance(value, bool):
        return value
    return int.__index__(value) if isinstance(value, int) else float.__float__(value)


class IntColumn(NumberColumn):
    """Integers of any size."""

    __slots__ = ()
    encodings = frozenset({Encoding.INT, Encoding.BIGINT})
    exact = frozenset({int})
    expected = "int"

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        packed = kernels.pack_exact_ints(values)
        if packed is None:
            super().encode(values, out)
        else:
            self._write(packed, values, out)

    def write(self, values: Sequence[Any], out: Encoder) -> None:
        packed = kernels.pack_ints(values)
        if packed is None:
            write_blocks(Encoding.BIGINT, kernels.pack_bigints(values), out)
        else:
            self._write(packed, values, out)

    def _write(self, packed: kernels.Packed, values: Sequence[Any], out: Encoder) -> None:
        data, width, signed, low, high = packed
        if low == high and len(values) > 1:
            write_constant(self, low, len(values), out)
            return
        flags = STATISTICS | NodeFlag.SIGNED if signed else STATISTICS
        lowest, highest = low.to_bytes(8, "little", signed=signed), high.to_bytes(8, "little", signed=signed)
        out.leaf(Encoding.INT, len(values), data, width=width, flags=flags, low=lowest, high=highest)

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        if node.encoding == Encoding.BIGINT:
            return BigIntView(*read_blocks(chunk, at, node), chunk, at)
        return NumbersView(read_fixed(chunk, at, node))


class FloatColumn(NumberColumn):
    """IEEE 754 binary64, every bit kept."""

    __slots__ = ()
    encodings = frozenset({Encoding.FLOAT})
    exact = frozenset({float})
    numbers = (int, float)
    expected = "float"

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        data = kernels.pack_floats(values) if values else None
        if data is None:
            super().encode(values, out)
        else:
            self._write(data, values, out)

    def write(self, values: Sequence[Any], out: Encoder) -> None:
        self._write(kernels.pack("d", values), values, out)

    def _write(self, data: bytes, values: Sequence[Any], out: Encoder) -> None:
        count = len(values)
        if count > 1 and kernels.repeats(data, 8):
            write_constant(self, values[0], count, out)
            return
        bounds = kernels.float_range(values, data)
        if bounds is None:
            out.leaf(Encoding.FLOAT, count, data, width=8)
        else:
            low, high = map(_DOUBLE, bounds[:2])
            flags = STATISTICS | NodeFlag.NANS if bounds[2] else STATISTICS
            out.leaf(Encoding.FLOAT, count, data, width=8, flags=flags, low=low, high=high)

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        buffer = chunk.buffer(at)
        if node.width != 8 or buffer.nbytes != node.count * 8:
            raise chunk.error(at, f"{buffer.nbytes} bytes for {node.count} floats of width {node.width}")
        return NumbersView(kernels.cast(buffer, "d"))


class BoolColumn(NumberColumn):
    """True and False, one bit each."""

    __slots__ = ()
    encodings = frozenset({Encoding.BOOL})
    exact = frozenset({bool})
    numbers = (bool,)
    expected = "bool"

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        data = kernels.pack_bools(values) if values else None
        if data is None:
            super().encode(values, out)
        else:
            self._write(data, values, out)

    def write(self, values: Sequence[Any], out: Encoder) -> None:
        self._write(kernels.pack_bits(values), values, out)

    def _write(self, data: bytes, values: Sequence[Any], out: Encoder) -> None:
        count = len(values)
        first = values[0]
        if count > 1 and first is values[-1] and values.count(first) == count:
            write_constant(self, first, count, out)
        else:
            out.leaf(Encoding.BOOL, count, data)

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        bits = chunk.buffer(at)
        if bits.nbytes != (node.count + 7) >> 3:
            raise chunk.error(at, f"{bits.nbytes} bytes for {node.count} bits")
        return BitsView(bits, node.count)


class NoneColumn(Physical):
    """None alone: an OPTIONAL without anything present."""

    __slots__ = ()
    encodings = frozenset({Encoding.OPTIONAL})
    exact = frozenset({type(None)})
    expected = "None"

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        for row, value in enumerate(values):
            if value is not None:
                raise trail.misfit(values, row, self.expected)
        self.write(values, out)

    def write(self, values: Sequence[Any], out: Encoder) -> None:
        if not values:
            out.leaf(Encoding.EMPTY, 0)
            return
        node = out.open(Encoding.OPTIONAL, len(values), param=len(values))
        out.leaf(Encoding.EMPTY, 0)
        out.close(node)

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        if node.param != node.count or node.raw:
            raise chunk.error(at, "a value where only None belongs")
        return NullView(node.count)

    def describe(self) -> Any:
        return "none"
