"""Some rows of a struct view, to be written again with other values in some fields: no object is made of them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from ..asis import to_write
from ..base import Column
from ..structs import SETS
from ..views.nodes import values_at
from ..views.stretch import Stretch
from ..views.struct import StructView
from .mixed import Part


class _Nothing(dict[str, Any]):
    """Stands for a stored row that has neither extra values nor private attributes."""

    __pydantic_extra__ = None
    __pydantic_private__ = None


NOTHING = _Nothing()


def can_be_picked(view: object) -> bool:
    """Whether the rows of a view are fields alone, each there."""
    return type(view) is StructView and not view.bits & ~SETS and not view.column.plan.privates


class Picked:
    """The rows `rows`, which rise, of a struct view that can be picked; `fields` has new values, one a row."""

    __slots__ = ("fields", "rows", "view")

    def __init__(self, view: StructView, rows: list[int], fields: dict[str, list[Any]]) -> None:
        self.view = view
        self.rows = rows
        self.fields = fields

    def __len__(self) -> int:
        return len(self.rows)

    def field(self, name: str, column: Column) -> list[Part]:
        """The values of a field."""
        known = self.fields.get(name)
        if known is not None:
            return [known]
        view, apart = self.view.field(name), bool(self.view.chunk.refs)
        if column.mixes:
            return [Stretch(view, start, stop, apart) for start, stop in runs_of(self.rows)]
        return [to_write(values_at, view, self.rows)]

    def sets(self, names: set[str]) -> list[Any]:
        """The names of the fields that were set, a row each, the given ones included."""
        if not self.view.bits & SETS:
            return [names] * len(self)
        get = self.view.part(SETS).get
        return [{*get(row), *self.fields} for row in self.rows]

    def owners(self) -> list[Any]:
        """The objects that the rows are stored as."""
        return [obj for start, stop in runs_of(self.rows) for obj in self.view.read(start, stop)]

    def with_more(self, column: Column) -> list[Any] | None:
        """The objects that may have more than fields: none."""
        return None


def runs_of(rows: list[int]) -> list[tuple[int, int]]:
    """Rising rows as runs of neighbours: (first, end)."""
    starts = [0, *(at for at, (row, following) in enumerate(pairwise(rows), 1) if following != row + 1), len(rows)]
    return [(rows[a], rows[b - 1] + 1) for a, b in pairwise(starts)]
