"""Where values are that need not be read: a stretch of a view, or memory."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..asis import to_write
from ..base import Column, View, is_lazy


class Stretch(NamedTuple):
    """The values `start` to `stop` of a view. `apart`: other chunks hold a part of them."""

    view: View
    start: int
    stop: int
    apart: bool

    def values(self, column: Column) -> list[Any]:
        """The values. Those of other chunks stay unread where lazy objects can stand for them."""
        return to_write(self._values_apart if self.apart and is_lazy(column) else self.view.read, self.start, self.stop)

    def _values_apart(self, start: int, stop: int) -> list[Any]:
        return list(map(self.view.get, range(start, stop)))


class InMemory(NamedTuple):
    """`value`, in memory for the field `name` of row `row` of the struct view `owner`."""

    owner: Any
    name: str
    row: int
    value: Any
