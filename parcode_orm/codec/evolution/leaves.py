"""What changes single values to those of a leaf: a column of numbers, text, bytes, times, members of an enum."""

from __future__ import annotations

from ..base import Column
from ..columns.fallback import FallbackColumn
from ..columns.scalars import BoolColumn, FloatColumn, IntColumn
from ..columns.text import BytesColumn, TextColumn
from ..columns.wrappers import ConvertColumn
from .values import Change, change_to, one_of


def change_of(today: Column) -> Change | None:
    """What changes single values to those of today's column; None where only the field can."""
    if isinstance(today, IntColumn | BoolColumn | TextColumn | BytesColumn):
        if today.literal:
            return one_of(frozenset((type(value), value) for value in today.literal))
        (exact,) = today.exact
        return change_to(exact)
    if isinstance(today, FloatColumn):
        return change_to(float)
    if isinstance(today, FallbackColumn) or not isinstance(today, ConvertColumn):
        return None
    (cls,) = today.types if len(today.types) == 1 else (object,)
    if cls is object or today.name == "deque":
        return None
    if "literal" in today.about:
        return None
    return change_to(cls)
