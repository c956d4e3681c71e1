"""Lists, sets and dictionaries as slices of views of their items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...format.chunk import Chunk
from ..base import View
from ..unpack import slices, unpack_lists
from .nodes import rising
from .scalars import NumbersView

Factory = Callable[[Any], Any]


class CollectionView(View):
    """Collections, each a slice of `items`, made by `factory` of a list or of a dictionary.

    `lazy`: items contain a Model or a marked field.
    """

    __slots__ = ("offsets", "items", "factory", "chunk", "at", "_one")

    def __init__(self, offsets: memoryview, items: View, factory: Factory, lazy: bool, chunk: Chunk, at: int) -> None:
        self.count = len(offsets) - 1
        self.offsets = offsets
        self.items = items
        self.factory = factory
        self.chunk = chunk
        self.at = at
        self._one = items.get if lazy else None

    def bounds(self, i: int) -> tuple[int, int]:
        """Where the items of value `i` begin and end."""
        a, b = self.offsets[i], self.offsets[i + 1]
        if not a <= b <= self.items.count:
            raise self.chunk.error(self.at, f"value {i} runs from {a} to {b}")
        return a, b

    def ends(self, start: int, stop: int) -> list[int]:
        """Where the items of the values `start` to `stop` begin, and where the last ones end."""
        return rising(self.chunk, self.at, self.offsets, start, stop)

    def slice(self, a: int, b: int) -> list[Any]:
        """Items `a` to `b`, for a proxy."""
        one = self._one
        return self.items.read(a, b) if one is None else list(map(one, range(a, b)))


class ListView(CollectionView):
    """Lists, tuples and sets."""

    __slots__ = ()

    def get(self, i: int) -> Any:
        found = self.slice(*self.bounds(i))
        return found if self.factory is list else self._build(found)

    def read(self, start: int, stop: int) -> list[Any]:
        found = self._lists(start, stop)
        return found if self.factory is list else list(map(self._build, found))

    def _lists(self, start: int, stop: int) -> list[list[Any]]:
        items = self.items
        if isinstance(items, NumbersView):
            found = unpack_lists(items.values, self.offsets, start, stop)
            if found is None:
                raise self.chunk.error(self.at, f"offsets fall or lead beyond {items.count} items")
            return found
        ends = self.ends(start, stop)
        return slices(items.read(ends[0], ends[-1]), ends)

    def _build(self, items: list[Any]) -> Any:
        try:
            return self.factory(items)
        except TypeError as problem:  # unhashable items of a set, from a damaged file
            message = f"not the items of a {getattr(self.factory, '__name__', 'collection')}: {problem}"
            raise self.chunk.error(self.at, message) from problem


class MapView(CollectionView):
    """Dictionaries: `items` are the values, beside a view of the keys."""

    __slots__ = ("keys",)

    def __init__(
        self, offsets: memoryview, keys: View, values: View, factory: Factory, lazy: bool, chunk: Chunk, at: int
    ) -> None:
        super().__init__(offsets, values, factory, lazy, chunk, at)
        self.keys = keys

    def get(self, i: int) -> Any:
        a, b = self.bounds(i)
        return self._build(self.keys.read(a, b), self.slice(a, b))

    def read(self, start: int, stop: int) -> list[Any]:
        ends = self.ends(start, stop)
        keys = slices(self.keys.read(ends[0], ends[-1]), ends)
        return list(map(self._build, keys, slices(self.items.read(ends[0], ends[-1]), ends)))

    def _build(self, keys: list[Any], values: list[Any]) -> Any:
        try:
            found = dict(zip(keys, values, strict=True))
        except TypeError as problem:
            raise self.chunk.error(self.at, f"not a dictionary's keys: {problem}") from problem
        return found if self.factory is dict else self.factory(found)
