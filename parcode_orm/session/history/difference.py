"""What a comparison finds, and where in the values it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple


class Difference(NamedTuple):
    """One place where two values differ. `path` are field names, keys and positions, `text` spells it; MISSING stands
    for what one side has not. A position is that in the second value, that of a row which only the first has in it.
    """

    path: tuple[Any, ...]
    text: str
    old: Any
    new: Any


class Place(NamedTuple):
    """Where in the values the comparison is."""

    path: tuple[Any, ...]
    text: str
    differing: dict[tuple[int, int], tuple[Any, Any]]  # by their ids, those found to differ: compared once, not a level

    def field(self, name: str) -> Place:
        """The place of a field."""
        return Place((*self.path, name), f"{self.text}.{name}", self.differing)

    def item(self, key: object) -> Place:
        """The place of a key or position."""
        return Place((*self.path, key), f"{self.text}[{key!r}]", self.differing)

    def differ(self, old: object, new: object) -> Iterator[Difference]:
        """The difference of two values here."""
        yield Difference(self.path, self.text, old, new)
