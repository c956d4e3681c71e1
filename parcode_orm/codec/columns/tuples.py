"""Columns whose values have places or kinds: fixed tuples, and unions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ...errors import EncodeError
from ...format.chunk import Chunk
from ...format.encoder import Encoder
from ...format.layout import Encoding, Node
from .. import trail
from ..apart import tuples_apart
from ..asis import AsIs
from ..base import Column, Space, View, is_lazy
from ..packed.blobs import ANY_KIND
from ..views.nodes import child_nodes, open_child
from ..views.tuples import TupleView, open_arms
from .physical import Physical, write_codes, write_packed


class TupleColumn(Physical):
    """Tuples with a type for each place: a STRUCT without names. Named tuples are PACKED."""

    __slots__ = ("items", "expected")
    encodings = frozenset({Encoding.STRUCT})
    exact = frozenset({tuple})

    def __init__(self, items: Sequence[Column]) -> None:
        self.items = list(items)
        self.expected = f"tuple of {len(self.items)} items"

    @property
    def lazy(self) -> bool:
        return any(map(is_lazy, self.items))

    def odd(self, values: Sequence[Any], types: set[type], out: Encoder) -> None:
        if not all(issubclass(t, tuple) for t in types):
            raise trail.first_misfit(values, (tuple,), self.expected)
        write_packed(values, out)

    def write(self, values: Sequence[Any], out: Encoder) -> None:
        size = len(self.items)
        parts = tuples_apart(values, size)
        if parts is None:
            raise trail.misfit(
                values, next(row for row, value in enumerate(values) if len(value) != size), self.expected
            )
        node = out.open(Encoding.STRUCT, len(values))
        for place, (item, column) in enumerate(zip(self.items, parts, strict=True)):
            try:
                item.encode(column, out)
            except EncodeError as problem:
                raise trail.below(problem, f"[{place}]", trail.row_of(problem)) from None
        out.close(node)

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        children = child_nodes(chunk, at, len(self.items))
        if node.param:
            raise chunk.error(at, "a tuple with parts that only models have")
        views = [
            open_child(item, chunk, child, space, node.count) for item, child in zip(self.items, children, strict=True)
        ]
        return TupleView(views, node.count)

    def parts(self) -> Sequence[Column]:
        return self.items

    def describe(self) -> Any:
        return {"tuple": [item.describe() for item in self.items], "fixed": True}


class UnionColumn(Physical):
    """Values of one of several columns: the first whose `accept` takes the value."""

    __slots__ = ("arms", "expected")
    encodings = frozenset({Encoding.UNION})
    blob_kinds = ANY_KIND

    def __init__(self, arms: Sequence[tuple[Callable[[Any], bool], Column]]) -> None:
        self.arms = list(arms)
        self.expected = "a value of one of the union's types"

    @property
    def lazy(self) -> bool:
        return any(is_lazy(column) for _, column in self.arms)

    def odd(self, values: Sequence[Any], types: set[type], out: Encoder) -> None:
        # The arms of a union share one chooser, which says at once which of them takes a value.
        choose = getattr(self.arms[0][0], "chooser", self._choose)
        rows: list[list[int]] = [[] for _ in self.arms]
        tags, positions = [], []
        for row, value in enumerate(values):
            tag = self._arm_as_is(value) if type(value) is AsIs else choose(value)
            if tag < 0:
                raise trail.misfit(values, row, self.expected)
            tags.append(tag)
            positions.append(len(rows[tag]))
            rows[tag].append(row)
        columns = [column for _, column in self.arms]
        write_arms(out, Encoding.UNION, values, tags, positions, list(zip(columns, rows, strict=True)))

    def _choose(self, value: Any) -> int:
        return next((tag for tag, (accept, _) in enumerate(self.arms) if accept(value)), -1)

    def _arm_as_is(self, value: AsIs) -> int:
        return next((tag for tag, (_, column) in enumerate(self.arms) if _is_of(value, column)), -1)

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        # An arm may take None, so it is only written apart when none does.
        if values and any(value is None for value in values) and any(accept(None) for accept, _ in self.arms):
            self.odd(values, set(), out)
        else:
            super().encode(values, out)

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        tags, positions, *arms = child_nodes(chunk, at, 2 + len(self.arms))
        views = [
            open_child(column, chunk, arm, space, chunk.nodes[arm].count)
            for (_, column), arm in zip(self.arms, arms, strict=True)
        ]
        return open_arms(chunk, at, node, tags, positions, views)

    def parts(self) -> Sequence[Column]:
        return [column for _, column in self.arms]

    def describe(self) -> Any:
        return {"union": [column.describe() for _, column in self.arms]}


def _is_of(value: AsIs, column: Any) -> bool:
    """Whether `column`, or what it stands around, had stored what `value` stands for."""
    while column is not None:
        if value.column is column or value.column is getattr(column, "way", None):
            return True
        column = getattr(column, "inner", None)
    return False


class Encodes(Protocol):
    """What appends the values of an arm, as a column does."""

    @property
    def encode(self) -> Callable[[Sequence[Any], Encoder], None]: ...


def write_arms(
    out: Encoder,
    encoding: Encoding,
    values: Sequence[Any],
    tags: list[int],
    positions: list[int],
    arms: Sequence[tuple[Encodes, list[int]]],
    head: Callable[[], None] | None = None,
    param: int = 0,
) -> None:
    """Append tags, positions and arms; `arms` has each arm's column and rows of `values`."""
    node = out.open(encoding, len(values), param=param)
    if head is not None:
        head()
    write_codes(tags, out)
    write_codes(positions, out)
    for column, rows in arms:
        try:
            column.encode([values[row] for row in rows], out)
        except EncodeError as problem:
            wanted = trail.row_of(problem)
            raise trail.at(problem, rows[wanted] if wanted < len(rows) else 0) from None
    out.close(node)
