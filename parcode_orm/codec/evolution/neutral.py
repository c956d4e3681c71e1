"""Columns made of a stored schema alone, which read what was written by any class of that schema.

Their values are builtin: a struct is a dictionary of its fields, a member of an enum its value (its name, where the
schema does not have the value), a custom type what it is stored as. They are read to be validated by another class.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from ...format.chunk import Chunk
from ...format.layout import Encoding, Node
from ..base import Column, Space, View
from ..classes import convert
from ..columns.arrays import ArrayColumn
from ..columns.boundary import ChunkColumn
from ..columns.containers import ListColumn, MapColumn
from ..columns.packed import PackedColumn
from ..columns.privates import PrivateColumn
from ..columns.row_values import get_of
from ..columns.scalars import BoolColumn, FloatColumn, IntColumn, NoneColumn
from ..columns.struct import StructColumn
from ..columns.text import BytesColumn, TextColumn
from ..columns.tuples import TupleColumn, UnionColumn
from ..columns.wrappers import ConvertColumn, OptionalColumn
from ..packed.dumped import Dumped
from ..stored import LISTS, MAPS, Schema
from ..structs import StructPlan
from ..types.simple import inner_column
from ..views.nodes import open_child
from ..views.tuples import open_arms
from ..views.wrappers import EachView

CONVERSIONS = {conversion.name: conversion for conversion in convert.CONVERSIONS}
_DICTIONARIES: dict[str, type] = {"OrderedDict": collections.OrderedDict, "Counter": collections.Counter}
ATOMS: dict[str, Callable[[], Column]] = {
    "int": IntColumn,
    "float": FloatColumn,
    "bool": BoolColumn,
    "text": TextColumn,
    "bytes": BytesColumn,
    "bytearray": lambda: BytesColumn(bytearray),
    "none": NoneColumn,
}


class Neutral(Column):
    """Values of any schema: tables within what a neutral column reads open each row group by its own."""

    __slots__ = ()

    def describe(self) -> Any:
        return "neutral"


NEUTRAL = Neutral()


def neutral(schema: Schema, structs: dict[str, Column] | None = None) -> Column:
    """The column that reads values of a stored schema."""
    return _Making(schema.structs, {} if structs is None else structs).column(schema.root)


class _Making:
    """Makes the columns of one stored schema; each struct has one, as a struct may hold itself."""

    def __init__(self, bodies: dict[str, Any], made: dict[str, Column]) -> None:
        self._bodies = bodies
        self._made = made

    def column(self, node: Any) -> Column:
        """The column of a description."""
        if isinstance(node, str):
            return PackedDumped() if node == "any" else ATOMS[node]()
        if "struct" in node:
            return self._struct(node["struct"])
        if "optional" in node:
            return OptionalColumn(self.column(node["optional"]))
        if "literal" in node and "convert" not in node:
            return self.column(node["stored"])
        if "fixed" in node:
            return TupleColumn(list(map(self.column, node["tuple"])))
        if "union" in node:
            return UnionColumn([(_any, self.column(arm)) for arm in node["union"]])
        if "array" in node:
            return ArrayColumn()
        if "convert" in node:
            return self._converted(node)
        for name in ("chunk", "map"):
            if name in node and "dict" not in node:
                return NeutralMarked(self.column(node[name]), name)
        (kind,) = node.keys() & (LISTS | MAPS)
        if kind in MAPS:
            key, value = map(self.column, node[kind])
            if kind == "defaultdict":
                return MapColumn(key, value, collections.defaultdict, partial(collections.defaultdict, None))
            return MapColumn(key, value, _DICTIONARIES.get(kind, dict))
        return ListColumn(self.column(node[kind]), {"tuple": tuple, "set": set, "frozenset": frozenset}.get(kind, list))

    def _struct(self, name: str) -> Column:
        known = self._made.get(name)
        if known is None:
            body = self._bodies[name]
            made = NeutralStruct(StructPlan(dict, body["struct"], [], "plain", build=list, extra=None, others=list))
            known = self._made[name] = made
            made.fields = [(field, self.column(below)) for field, below in body["fields"]]
            if "extra" in body:
                made.plan.extra = self.column(body["extra"])
            privates = [(field, self.column(below)) for field, below in body.get("privates", ())]
            made.plan.private = PrivateColumn(body["struct"], privates) if privates else None
        return known

    def _converted(self, node: dict[str, Any]) -> Column:
        name = node["convert"]
        conversion = CONVERSIONS.get(name)
        if conversion is not None:
            inner = inner_column(conversion.inner)
            return ConvertColumn(inner, name, conversion.types, conversion.to_stored, conversion.from_stored)
        inner = self.column(node["stored"])
        if name == "deque":
            return ConvertColumn(inner, name, (object,), _same, convert.get_deques)
        if "members" in node:
            values = {member: value for member, value in node["members"] if value is not None}
            get = convert.each(lambda stored: values.get(stored, stored))
            return ConvertColumn(inner, name, (object,), _same, get)
        if "flags" in node:
            return ConvertColumn(inner, name, (object,), _same, convert.each(_bits_of(dict(node["flags"]))))
        return inner


def _bits_of(bits: dict[str, int]) -> Callable[[str], int]:
    def value(stored: str) -> int:
        return sum(int(part[1:]) if part.startswith("=") else bits[part] for part in stored.split("|"))

    return value


def _any(value: Any) -> bool:
    return True


def _same(values: list[Any]) -> list[Any]:
    return values


_PACKED = get_of(PackedColumn())


class PackedDumped(PackedColumn):
    """Packed values; what Pydantic dumped is what it dumped."""

    __slots__ = ()

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        return EachView(super().view(chunk, at, space), undumped)

    @property
    def ways(self) -> Any:
        """How values in a row of a plain struct are read."""
        return self

    def get(self, stored: Any) -> Any:
        """The value of a stored one."""
        return undumped(_PACKED(stored))


def undumped(value: Any) -> Any:
    """What Pydantic dumped, where that is what `value` is."""
    if type(value) is not Dumped:
        return value
    return msgspec.json.decode(value.content) if value.form == "json" else value.content


class NeutralStruct(StructColumn):
    """A struct as a dictionary of its fields."""

    __slots__ = ()

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        if node.encoding == Encoding.POLY:
            children = chunk.children(at)
            prints = open_child(TextColumn(), chunk, children[1], space, len(children) - 4).read(0, len(children) - 4)
            views = [
                open_child(space.upgraded(name, (NEUTRAL,))[0], chunk, arm, space, chunk.nodes[arm].count)
                for name, arm in zip(prints, children[4:], strict=True)
            ]
            return open_arms(chunk, at, node, children[2], children[3], views)
        return super().open(chunk, at, space, node)


class NeutralMarked(ChunkColumn):
    """Values of a marked field; tables and blobs among them open each row group by its own schema."""

    __slots__ = ()

    def __init__(self, inner: Column, kind: str) -> None:
        super().__init__(inner, None, kind)
        if self.is_list:
            self.shape = ListColumn(NEUTRAL)
        elif self.is_map:
            self.shape = MapColumn(NEUTRAL, NEUTRAL)
