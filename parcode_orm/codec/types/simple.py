"""Columns of the types that hold no others, one for all fields."""

from __future__ import annotations

from typing import Any

from ..base import Column
from ..columns.packed import PackedColumn
from ..columns.scalars import BoolColumn, FloatColumn, IntColumn
from ..columns.text import BytesColumn, TextColumn
from ..columns.tuples import TupleColumn

PACKED = PackedColumn()
SIMPLE: dict[Any, Column] = {
    int: IntColumn(),
    float: FloatColumn(),
    bool: BoolColumn(),
    str: TextColumn(),
    bytes: BytesColumn(),
    bytearray: BytesColumn(bytearray),
}
_INNER = {
    name: SIMPLE[tp] for name, tp in (("int", int), ("float", float), ("text", str), ("bytes", bytes), ("bool", bool))
}


def inner_column(spelling: Any) -> Column:
    """The column that a `Conversion.inner` spells."""
    if isinstance(spelling, str):
        return _INNER[spelling]
    return TupleColumn([_INNER[name] for name in spelling])
