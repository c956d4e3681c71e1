"""Columns for values that no other column takes: packed, or as Pydantic dumps them.

A `Way` leads through Pydantic: the serializer of a type or field, and its validator back. What it
dumps, in Python mode or else as JSON, counts only if the validator makes an equal value of the same
type of it. So a value that is written can be read, and one that does not fit its annotation is
found when it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import EncodeError
from ...format.encoder import Encoder
from .. import trail
from ..base import Column
from ..classes.convert import each
from ..packed.values import is_native
from ..packed.ways import Way
from .packed import PackedColumn
from .scalars import NoneColumn
from .wrappers import ConvertColumn, OptionalColumn


class CheckedColumn(PackedColumn):
    """Values of any class, PACKED as they are. Each must survive the `way` through Pydantic."""

    __slots__ = ("way",)

    def __init__(self, way: Way) -> None:
        self.way = way

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        for row, value in enumerate(values):
            try:
                self.check(value)
            except EncodeError as problem:
                raise trail.at(problem, row) from None
        super().encode(values, out)

    def check(self, value: Any) -> None:
        """Raise EncodeError where `value` is not what `way` makes of what it is dumped as."""
        if value is not None and is_native(value):
            self.way.checked(value)


class FallbackColumn(ConvertColumn):
    """Values of any class, PACKED; unknown ones go `way`. `checked`: all go there first."""

    __slots__ = ()

    def __init__(self, inner: Column, way: Way, name: str, *, checked: bool = False) -> None:
        super().__init__(inner, name, (object,), each(way.checked if checked else way.store), each(way.load))


def or_default(column: Column, default: Any) -> Column:
    """`column`, which takes None too where that is the default: defaults are not validated."""
    takes_none = isinstance(column, OptionalColumn | NoneColumn | PackedColumn | FallbackColumn)
    return column if default is not None or takes_none else OptionalColumn(column, declared=False)
