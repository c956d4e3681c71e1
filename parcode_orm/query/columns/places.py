"""Where the values of a field stand in a row group: the chunk, the node, the column. No buffer is read."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...codec.base import Column, View
from ...codec.columns.boundary import ChunkColumn
from ...codec.columns.lenient import LenientColumn
from ...codec.columns.refs import RefColumn
from ...codec.columns.scalars import BoolColumn, FloatColumn, IntColumn
from ...codec.columns.struct import StructColumn
from ...codec.columns.text import TextColumn
from ...codec.columns.wrappers import ConvertColumn, OptionalColumn
from ...codec.structs import MISSING
from ...codec.views.struct import StructView
from ...format.chunk import Chunk
from ...format.layout import Encoding
from ...table.table import Table

_AROUND = (OptionalColumn, ChunkColumn, LenientColumn, RefColumn)
_CONVERTING = (OptionalColumn, LenientColumn, ConvertColumn)
_SCALARS = (IntColumn, FloatColumn, BoolColumn, TextColumn)


class Place(NamedTuple):
    """The node `at` of a chunk, child `name` of a struct of `owner`; it holds values of `column`."""

    chunk: Chunk
    at: int
    column: Column
    owner: StructColumn
    name: str
    rows: int


def bare(column: Column) -> Column:
    """A column without those that stand around it and whose nodes may be its own."""
    while isinstance(column, _AROUND):
        column = column.inner
    return column


def is_scalar(column: Column, path: tuple[str, ...]) -> bool:
    """Whether the field at `path` is a number, a text, or what is stored as one: values of a row group are arrays."""
    for name in path:
        column = bare(column)
        if not isinstance(column, StructColumn) or name not in column.places:
            return False
        column = column.places[name][1]
        if isinstance(column, ChunkColumn):
            return False
    while isinstance(column, _CONVERTING):
        if isinstance(column, ConvertColumn) and column.name == "datetime":
            return True
        column = column.inner
    return isinstance(column, _SCALARS)


def is_number_or_text(column: Column, path: tuple[str, ...]) -> bool:
    """Whether the field at `path` is stored as numbers or text that compare as its values do."""
    found = column_of(column, path) if is_scalar(column, path) else None
    if found is None:
        return False
    inner = bare(found)
    return isinstance(inner, _SCALARS) or (isinstance(inner, ConvertColumn) and inner.name in ("date", "timedelta"))


def column_of(column: Column, path: tuple[str, ...]) -> Column | None:
    """The column of the field at `path`; None where there is none."""
    for name in path:
        column = bare(column)
        if not isinstance(column, StructColumn) or name not in column.places:
            return None
        column = column.places[name][1]
    return column


def place_in(view: View, path: tuple[str, ...]) -> Place | None:
    """Where the field at `path` of the rows of a view stands; None where it has no node of its own."""
    if type(view) is not StructView:  # rows of an older schema stand elsewhere
        return None
    return _below(view.chunk, view.at, view.column, path)


def place_of(chunk: Chunk, table: Table, path: tuple[str, ...]) -> Place | None:
    """As `place_in`, of the items of a row group that is not opened; None if only opening it tells."""
    column = bare(table.items)
    if chunk.fingerprint != table.fingerprint or not isinstance(column, StructColumn):
        return None
    return _below(chunk, chunk.child(0, 0 if table.keys is None else 1), column, path)


def _below(chunk: Chunk, at: int, column: Any, path: tuple[str, ...]) -> Place | None:
    if not path:
        return None
    name = ""
    owner = column
    for name in path:
        owner = bare(column)
        node = chunk.node(at)
        if node.encoding != Encoding.STRUCT or node.param & MISSING or not isinstance(owner, StructColumn):
            return None
        if name not in owner.places:
            return None
        place, column = owner.places[name]
        at = chunk.child(at, place)
    return Place(chunk, at, column, owner, name, node.count)
