"""numpy arrays as they are read."""

from __future__ import annotations

from typing import Any

from ...format.chunk import Chunk
from ..base import Space, View
from ..packed.arrays import array_from
from ..packed.dtypes import parse_dtype
from .nodes import BlocksView


class ArrayView(View):
    """Arrays. Lazy ones are read-only views of the map, unless the space is writable."""

    __slots__ = ("dtypes", "shapes", "data", "chunk", "at", "space", "_parsed")

    def __init__(self, dtypes: View, shapes: View, data: View, chunk: Chunk, at: int, space: Space) -> None:
        self.count = dtypes.count
        self.dtypes = dtypes
        self.shapes = shapes
        self.data = data
        self.chunk = chunk
        self.at = at
        self.space = space
        self._parsed: dict[str, Any] = {}

    def get(self, i: int) -> Any:
        return self._array(i, self.space.writable)

    def read(self, start: int, stop: int) -> list[Any]:
        return [self._array(i, True) for i in range(start, stop)]

    def _array(self, i: int, writable: bool) -> Any:
        text, data = self.dtypes.get(i), self.data
        raw = data.block(i) if isinstance(data, BlocksView) else memoryview(data.get(i))
        try:
            dtype = self._parsed.get(text)
            if dtype is None:
                dtype = self._parsed[text] = parse_dtype(text)
            return array_from(raw, dtype, self.shapes.get(i), writable=writable)
        except (ValueError, TypeError) as problem:
            raise self.chunk.error(self.at, f"array does not decode: {problem}") from problem
