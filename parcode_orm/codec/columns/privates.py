"""Private attributes. Pydantic never validates them, so their annotations are unchecked promises.

A value that fits its attribute's column stands there. One that does not, but can be stored, stands
packed among the EXTRA of the private struct. An attribute without an annotation, or with one that
cannot be resolved or stored, has a `LooseColumn`. A value that cannot be stored at all (a lock, a
parent that holds the very object) is left out: `LEFT_OUT` stands for it, and reading gives the
attribute its default, as a new object has. So private attributes, which are no part of what a model
declares, do not keep it from being saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from ...errors import EncodeError
from ...format.chunk import Chunk
from ...format.encoder import Encoder
from ...format.layout import Encoding, Node
from ..base import Column, Space, View, scratch
from ..cycles import find_cycle
from ..packed.extensions import LEFT_OUT
from ..packed.values import pack
from ..structs import EXTRA, Fields, StructPlan
from ..views.struct import StructView
from .containers import MapColumn
from .lenient import is_atomic
from .packed import PackedColumn
from .refs import RefColumn
from .struct import StructColumn, being_encoded
from .text import TextColumn
from .undeclared import storable

_UNSET: Any = PydanticUndefined


class LooseColumn(PackedColumn):
    """Private attributes without a usable annotation: what can be stored, is stored."""

    __slots__ = ()
    leaves_out = True

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        super().encode(list(map(storable, values)), out)


class PrivateColumn(StructColumn):
    """Dictionaries of the private attributes that are set and have a column."""

    __slots__ = ()

    def __init__(self, owner: str, fields: Fields) -> None:
        extra = MapColumn(TextColumn(), PackedColumn())
        super().__init__(StructPlan(dict, f"{owner} private", fields, "plain", build=list, extra=extra, others=list))

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        """Append `values`: on the level of their objects, not below it."""
        if values:
            self.write_rows(values, values, out)
        else:
            out.leaf(Encoding.EMPTY, 0)

    def write_rows(self, values: Sequence[Any], dicts: Sequence[dict[str, Any]], out: Encoder) -> None:
        backward = self._backward(dicts)
        mark = out.mark()
        if not backward:
            try:
                super().write_rows((), dicts, out)
                return
            except EncodeError:
                out.back(mark)
        fitting = [dict(row) for row in dicts]
        others: list[dict[str, Any]] = [{} for _ in dicts]
        for name, column in self.fields:
            rows = [row for row, found in enumerate(dicts) if name in found]
            for row in [row for row in rows if id(dicts[row][name]) in backward]:
                rows.remove(row)
                others[row][name] = LEFT_OUT
                del fitting[row][name]
            for row in _misfits(column, [dicts[row][name] for row in rows], rows):
                others[row][name] = storable(fitting[row].pop(name))
        super().write_rows(others, fitting, out)

    def _backward(self, dicts: Sequence[dict[str, Any]]) -> set[int]:
        """The ids of values that are being encoded themselves and, below, hold themselves."""
        objects = {
            id(value): value
            for name, column in self.fields
            if not is_atomic(column)
            for row in dicts
            if isinstance(value := row.get(name), BaseModel)
        }
        found = being_encoded().intersection(objects) if objects else ()
        return {each for each in found if find_cycle(objects[each]) is not None}

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        if node.encoding != Encoding.STRUCT:
            raise chunk.error(at, "private attributes of several classes")
        return PrivateView(self, chunk, at, space, node)


class PrivateView(StructView):
    """Private attributes by name; `LEFT_OUT` marks values that could not be stored."""

    __slots__ = ()

    def get(self, i: int) -> Any:
        return self.read(i, i + 1)[0]

    def read(self, start: int, stop: int) -> list[Any]:
        found = super().read(start, stop)
        if self.bits & EXTRA:
            for row, values in enumerate(found, start):
                values.update(self.extra(row) or {})
        return found


def privates_changed(plan: StructPlan, current: dict[str, Any] | None, stored: dict[str, Any] | None) -> bool:
    """Whether the private attributes of an object would not be stored as they are in its row."""
    stored = stored or {}
    defaults = plan.declared_privates
    for name, column in plan.privates:
        mine = current[name] if current and name in current else _UNSET
        theirs = stored.get(name, _UNSET)
        if _holds_refs(column) and theirs is not LEFT_OUT:  # which are not packed
            if mine != theirs:
                return True
            continue
        mine = mine if mine is _UNSET else storable(mine)
        if mine is theirs:
            continue
        if theirs is LEFT_OUT:  # it was read as the default
            theirs = defaults[name].default
        if (
            mine is _UNSET
            or theirs is _UNSET
            or mine is LEFT_OUT
            or storable(theirs) is LEFT_OUT
            or pack(mine) != pack(theirs)
        ):
            return True
    return False


def _holds_refs(column: Column) -> bool:
    if isinstance(column, StructColumn):
        return False
    return isinstance(column, RefColumn) or any(map(_holds_refs, column.parts()))


def _misfits(column: Column, values: list[Any], rows: list[int]) -> list[int]:
    """The `rows` whose values the column refuses."""
    if not values or _fits(column, values):
        return []
    return [row for row, value in zip(rows, values, strict=True) if not _fits(column, [value])]


def _fits(column: Column, values: list[Any]) -> bool:
    try:
        column.encode(values, scratch())
    except EncodeError:
        return False
    return True
