"""Numbers in place."""

from __future__ import annotations

from typing import Any

from ..base import View
from ..unpack import unpack_bits, unpack_numbers
from .nodes import BlocksView


class NumbersView(View):
    """Numbers in place; `direct` is the buffer's own indexing."""

    __slots__ = ("values", "direct")

    def __init__(self, values: memoryview) -> None:
        self.count = len(values)
        self.values = values
        self.direct = values.__getitem__

    def get(self, i: int) -> Any:
        return self.values[i]

    def read(self, start: int, stop: int) -> list[Any]:
        return unpack_numbers(self.values, start, stop)


class BitsView(View):
    """Bools, one bit each."""

    __slots__ = ("bits",)

    def __init__(self, bits: memoryview, count: int) -> None:
        self.count = count
        self.bits = bits

    def get(self, i: int) -> Any:
        return self.bits[i >> 3] >> (i & 7) & 1 == 1

    def read(self, start: int, stop: int) -> list[Any]:
        return unpack_bits(self.bits, start, stop)


class BigIntView(BlocksView):
    """Integers beyond 64 bits."""

    __slots__ = ()

    def get(self, i: int) -> Any:
        return int.from_bytes(self.block(i), "little", signed=True)

    def read(self, start: int, stop: int) -> list[Any]:
        return [int.from_bytes(block, "little", signed=True) for block in self.blocks(start, stop)]
