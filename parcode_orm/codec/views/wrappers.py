"""Values made from those of another view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ...errors import ParcodeError
from ...format.chunk import Chunk
from ..asis import AsIs, Gone, gives_stand_ins, stays
from ..base import View


class Converter(Protocol):
    """What a column that stores values of `types` as others knows."""

    name: str
    types: tuple[type, ...]
    to_stored: Callable[[list[Any]], list[Any]]
    from_stored: Callable[[list[Any]], list[Any]]


class EachView(View):
    """The values of `inner`, each as `made` gives it."""

    __slots__ = ("_made", "inner")

    def __init__(self, inner: View, made: Callable[[Any], Any]) -> None:
        self.count = inner.count
        self.inner = inner
        self._made = made

    def get(self, i: int) -> Any:
        return self._made(self.inner.get(i))

    def read(self, start: int, stop: int) -> list[Any]:
        return list(map(self._made, self.inner.read(start, stop)))


class ConvertView(View):
    """Values made from those of `inner`."""

    __slots__ = ("inner", "column", "chunk", "at")

    def __init__(self, inner: View, column: Converter, chunk: Chunk, at: int) -> None:
        self.count = inner.count
        self.inner = inner
        self.column = column
        self.chunk = chunk
        self.at = at

    def get(self, i: int) -> Any:
        return self.convert([self.inner.get(i)])[0]

    def read(self, start: int, stop: int) -> list[Any]:
        return self.convert(self.inner.read(start, stop))

    def convert(self, stored: list[Any]) -> list[Any]:
        """The values of what is stored."""
        try:
            values = self.column.from_stored(stored)
        except RecursionError:
            raise
        except Exception as problem:
            if gives_stand_ins() or (stays() and type(stored[0]) is str):
                if len(stored) == 1:
                    return [Gone(stored[0]) if stays() else AsIs(self.column, stored[0], problem)]
                return [value for one in stored for value in self.convert([one])]
            if isinstance(problem, ParcodeError):
                raise
            raise self.chunk.error(self.at, f"not a stored {self.column.name}: {problem}") from problem
        if len(values) != len(stored):
            raise self.chunk.error(self.at, f"{len(values)} values of {self.column.name} from {len(stored)}")
        return values
