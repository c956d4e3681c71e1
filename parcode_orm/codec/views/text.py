"""Text and byte strings in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...format.chunk import Chunk
from ..base import Getter
from ..unpack import unpack_texts
from .nodes import BlocksView


class TextView(BlocksView):
    """Text in place. `gap` is 1 where a NUL follows each value; offsets do not count it."""

    __slots__ = ("gap", "errors")

    @property
    def direct(self) -> Getter:
        """`get` without the way through the view's attributes."""
        data, offsets, gap, errors, slow = self.data, self.offsets, self.gap, self.errors, self.get

        def get(i: int) -> Any:
            a, b = offsets[i], offsets[i + 1]
            if a <= b:
                try:
                    return str(data[a + i : b + i] if gap else data[a:b], "utf-8", errors)
                except UnicodeDecodeError:
                    pass
            return slow(i)  # which says what is wrong

        return get

    def __init__(self, data: memoryview, offsets: memoryview, chunk: Chunk, at: int, gap: int, errors: str) -> None:
        super().__init__(data, offsets, chunk, at)
        self.gap = gap
        self.errors = errors

    def get(self, i: int) -> Any:
        a, b = self.offsets[i], self.offsets[i + 1]
        if a > b:
            raise self.chunk.error(self.at, f"value {i} runs from {a} to {b}")
        skip = i * self.gap
        return self.decode(self.data[a + skip : b + skip])

    def read(self, start: int, stop: int) -> list[Any]:
        if start >= stop:
            return []
        if not self.gap:
            return [self.decode(block) for block in self.blocks(start, stop)]
        a, b = self.offsets[start] + start, self.offsets[stop] + stop - 1
        values = unpack_texts(self.data[a:b], stop - start, self.errors)
        if values is None:
            found = self.decode(self.data[a:b]).count("\0") + 1
            raise self.chunk.error(self.at, f"{found} texts where {stop - start} belong")
        return values

    def decode(self, data: memoryview | bytes) -> str:
        """The text that bytes of it are."""
        try:
            return str(data, "utf-8", self.errors)
        except UnicodeDecodeError as problem:
            raise self.chunk.error(self.at, f"text is not UTF-8: {problem}") from None


class BytesView(BlocksView):
    """Byte strings; what is given out is a copy, so it outlives the map."""

    __slots__ = ("factory",)

    def __init__(
        self, data: memoryview, offsets: memoryview, chunk: Chunk, at: int, factory: Callable[[Any], Any]
    ) -> None:
        super().__init__(data, offsets, chunk, at)
        self.factory = factory

    def get(self, i: int) -> Any:
        return self.factory(self.block(i))

    def read(self, start: int, stop: int) -> list[Any]:
        blocks = self.blocks(start, stop)
        return blocks if self.factory is bytes else list(map(self.factory, blocks))
