"""All rows of a collection, a column at a time: as they lie in the file, or many row groups joined."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from ...codec.structs import MISSING
from ...codec.views.boundary import ReferenceView
from ...codec.views.struct import StructView
from ...query.columns.blocks import KEYS
from ...query.columns.columns import read
from ...query.columns.merging import merged
from ...query.columns.places import is_scalar
from ...query.columns.vectors import Coded, Numbers, Texts, Vector
from ...query.expressions.nodes import Field, Item, Key, Label
from ...query.rows.sources import StoredBatch, TableSource
from ...query.running.prepared import prepared
from ...query.statements.statement import Select
from .arrays import array_of, array_of_vector, is_in_place, may_be_in_place
from .types import Mapped

TOGETHER = 1 << 17  # rows of a batch, about: each costs its reader the same, and several threads share them


def is_whole(statement: Select[Any]) -> bool:
    """Whether a statement gives fields, keys or items of all rows of a collection in their order."""
    asked = statement
    if asked._where or asked._order or asked._groups or asked._having or asked._joins or asked._distinct:
        return False
    if asked._limit is not None or asked._offset:
        return False
    return all(isinstance(bare(each), Field | Item | Key) for each in asked._outputs)


def bare(expression: Any) -> Any:
    """An expression without its name."""
    return expression._of if isinstance(expression, Label) else expression


def all_rows(statement: Select[Any], columns: list[Mapped], *, joined: bool = False) -> Iterator[list[Any]]:
    """The columns of all rows of a collection: a row group at a time in place, or many of them joined.

    With `joined`, scalars are joined even where they could stay in place: a batch costs its reader more than a copy.
    """
    asked = [bare(each) for each in statement._outputs]
    paths = [KEYS if isinstance(each, Key) else getattr(each, "_path", ()) for each in asked]
    source = prepared(statement)[0]
    large = {"growing": False} if isinstance(source, TableSource) else {}
    table, are_scalars = None, False
    waiting: list[list[Vector]] = []
    count = 0
    for batch in source.batches(arrays=lambda items: True, **large):
        if isinstance(batch, StoredBatch):
            if batch.table is not table:
                table = batch.table
                are_scalars = all(path is KEYS or (path and is_scalar(table.items, path)) for path in paths)
            if batch.is_as_stored and not (are_scalars and (joined or _is_copied(batch, asked, columns))):
                if waiting:
                    yield from _joined(waiting, columns)
                    waiting, count = [], 0
                for group, start, stop in batch.groups():
                    rows = range(start, stop)
                    yield [_of_group(group, each, rows, column) for each, column in zip(asked, columns, strict=True)]
                continue
        rows = range(batch.count)
        waiting.append([batch.keys(rows) if path is KEYS else batch.column(path, rows) for path in paths])
        count += batch.count
        if count >= TOGETHER:
            yield from _joined(waiting, columns)
            waiting, count = [], 0
    if waiting:
        yield from _joined(waiting, columns)


def _joined(batches: list[list[Vector]], columns: list[Mapped]) -> Iterator[list[Any]]:
    """The columns of some batches beside each other, in parts of about the same size."""
    vectors = batches[0] if len(batches) == 1 else list(map(merged, zip(*batches, strict=True)))
    count = len(vectors[0])
    parts = max(round(count / TOGETHER), 1)
    for start, stop in pairwise([count * part // parts for part in range(parts + 1)]):
        yield [
            array_of_vector(vector if parts == 1 else _part(vector, start, stop), column)
            for vector, column in zip(vectors, columns, strict=True)
        ]


def _part(vector: Vector, start: int, stop: int) -> Vector:
    in_place = isinstance(vector, Numbers | Coded | Texts)  # their parts are views
    return vector.take(slice(start, stop) if in_place else np.arange(start, stop))


def _is_copied(batch: StoredBatch, asked: list[Any], columns: list[Mapped]) -> bool:
    """Whether some columns of scalars must be copied, as the first row group has them: then many are joined."""
    if not all(map(may_be_in_place, columns)):
        return True
    group, _, _ = next(batch.groups())
    views = [_view(group, each) for each in asked]
    return not all(view is not None and is_in_place(view, column) for view, column in zip(views, columns, strict=True))


def _view(group: Any, asked: Any) -> Any:
    """The view over a column of a row group; None where there is none of its own."""
    if isinstance(asked, Key):
        return group.keys
    view, path = group.items, getattr(asked, "_path", ())
    for name in path:
        if isinstance(view, ReferenceView):
            view = view.inner
        if not isinstance(view, StructView) or view.bits & MISSING or name not in view.column.places:
            return None
        view = view.field(name)
    return view


def _of_group(group: Any, asked: Any, rows: range, column: Mapped) -> Any:
    view = _view(group, asked)
    if view is not None:
        return array_of(view, rows, column)
    return array_of_vector(read(group.items, getattr(asked, "_path", ()), rows), column)
