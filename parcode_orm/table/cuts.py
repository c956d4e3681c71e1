"""The rows of a table while it is written, taken some at a time: of an iterable, or of a dictionary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any


class Pairs:
    """Keys (`left`) and values (`right`) side by side, without an object for each pair."""

    __slots__ = ("left", "right")

    def __init__(self, left: list[Any], right: list[Any]) -> None:
        self.left = left
        self.right = right

    def __len__(self) -> int:
        return len(self.left)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return Pairs(self.left[at], self.right[at])
        return self.left[at], self.right[at]

    def keys(self) -> list[Any]:
        """The keys in order."""
        return self.left


Batch = list[Any] | Pairs


def keys_of(batch: Any) -> list[Any]:
    """The keys of pairs."""
    return [key for key, _ in batch] if isinstance(batch, list) else batch.keys()


class Cut:
    """Takes the rows of an iterable, some at a time, and none before they are asked for."""

    def __init__(self, source: Iterable[Any]) -> None:
        self._source = iter(source)
        self._rows: list[Any] = []

    def peek(self, count: int) -> Any:
        """The next `count` rows at least, fewer at the end; they stay."""
        if len(self._rows) < count:
            self._rows += islice(self._source, count - len(self._rows))
        return self._rows

    def take(self, count: int) -> Any:
        """The next `count` rows, fewer at the end."""
        rows = self.peek(count)
        taken, self._rows = rows[:count], rows[count:]
        return taken


class DictCut(Cut):
    """Takes the pairs that a dictionary has now, as `Pairs`."""

    def __init__(self, source: dict[Any, Any]) -> None:
        super().__init__(())
        self._pairs = Pairs(list(source), list(source.values()))  # many at once: twice as fast as iterators
        self._at = 0

    def peek(self, count: int) -> Any:
        return self._pairs[self._at : self._at + count]

    def take(self, count: int) -> Any:
        taken = self.peek(count)
        self._at += count
        return taken


class PartsCut(Cut):
    """Takes the pairs of a stream that comes in parts, each a list of keys and one of values, as `Pairs`."""

    def __init__(self, parts: Iterator[tuple[list[Any], list[Any]]]) -> None:
        super().__init__(())
        self._parts = parts
        self._pairs = Pairs([], [])

    def peek(self, count: int) -> Any:
        pairs = self._pairs
        while len(pairs) < count and (part := next(self._parts, None)) is not None:
            pairs.left += part[0]
            pairs.right += part[1]
        return pairs

    def take(self, count: int) -> Any:
        pairs = self.peek(count)
        self._pairs = pairs[count:]
        return pairs[:count]


def cut_of(pairs: Any) -> Cut:
    """What takes the pairs of a dictionary, or of an iterable of pairs."""
    if type(pairs) is dict:
        return DictCut(pairs)
    return Cut(pairs.items() if isinstance(pairs, dict) else pairs)
