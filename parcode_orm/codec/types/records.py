"""The columns of dataclasses, named tuples and typed dictionaries: their fields, and how objects are taken apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import typing_extensions
from typing_extensions import NoExtraItems

from ...errors import EncodeError
from .. import trail
from ..attributes import others_of
from ..base import Column
from ..columns.containers import MapColumn
from ..columns.struct import StructColumn
from ..columns.text import TextColumn
from ..packed.contents import CONTENT, Unknown, content_of
from ..packed.values import PackedColumn
from .registry import register
from .typeddicts import beyond, extra_type
from .typeforms import BUILDING, Scope


def hints(cls: Any, scope: Scope) -> dict[str, Any]:
    """The annotations of `cls` and its bases, evaluated; `UnsupportedTypeError` for names that do not exist."""
    local = {**scope.names, **{each.__name__: each for each in BUILDING}, cls.__name__: cls}
    try:
        return typing_extensions.get_type_hints(cls, None, local, include_extras=True)
    except NameError as problem:
        scope.refuse(cls, f"{problem}; define it at module level, before the class")


def know_defaults(defaults: Iterable[Any]) -> None:
    """Register the classes of defaults that a column of their builtin would take: `status: str = Status.OPEN`."""
    for default in defaults:
        if isinstance(default, str | int | float | bytes) and type(default).__module__ != "builtins":
            register(type(default))


def _columns(scope: Scope, types: Sequence[tuple[str, Any]], defaults: dict[str, Any]) -> list[tuple[str, Column]]:
    from .compile import or_default

    return [(name, or_default(scope.within(field=name).column(tp), defaults.get(name, ...))) for name, tp in types]


def complete_typed_dict(column: StructColumn, cls: Any, scope: Scope) -> None:
    """Fill in the column of a TypedDict."""
    column.fields = _columns(scope, list(hints(cls, scope).items()), {})
    names = frozenset(name for name, _ in column.fields)
    column.plan.build = list
    extra = extra_type(cls, scope)
    if extra is not NoExtraItems:
        column.plan.extra = MapColumn(TextColumn(), scope.within(field="__extra_items__").column(extra))
        column.plan.others = beyond(names)
        return

    def extract(values: Sequence[Any]) -> list[dict[str, Any]]:
        for row, value in enumerate(values):
            if not value.keys() <= names:
                odd = next(key for key in value if key not in names)
                problem = EncodeError(f"{cls.__name__} declares no key {odd!r}", path=f"[{odd!r}]")
                raise trail.at(problem, row)
        return list(values)

    column.plan.extract = extract


def complete_named_tuple(column: StructColumn, cls: Any, scope: Scope) -> None:
    """Fill in the column of a named tuple."""
    known = hints(cls, scope)
    defaults = getattr(cls, "_field_defaults", {})
    know_defaults(defaults.values())
    column.fields = _columns(scope, [(name, known.get(name, Any)) for name in cls._fields], defaults)
    names = cls._fields

    def extract(values: Sequence[Any]) -> list[dict[str, Any]]:
        return [dict(zip(names, value, strict=True)) for value in values]

    def build(dicts: list[dict[str, Any]]) -> list[Any]:
        new = tuple.__new__
        return [new(cls, [row[name] for name in names]) for row in dicts]

    column.plan.extract, column.plan.build = extract, build
    if cls.__dictoffset__:  # a subclass of the named tuple
        column.plan.others = others_of(())


def complete_dataclass(column: StructColumn, cls: Any, scope: Scope) -> None:
    """Fill in the column of a dataclass."""
    known = hints(cls, scope)
    names = tuple(field.name for field in dataclasses.fields(cls))
    defaults = {field.name: getattr(field.default, "default", field.default) for field in dataclasses.fields(cls)}
    know_defaults(defaults.values())
    column.fields = _columns(scope, [(name, known.get(name, Any)) for name in names], defaults)
    try:
        content = content_of(cls)
    except Unknown as problem:
        scope.refuse(cls, f"{problem}; keep it in a field")
    if content is not None:
        column.fields = [*column.fields, (CONTENT, PackedColumn())]

    def extract(values: Sequence[Any]) -> list[dict[str, Any]]:
        # An attribute may be missing (a field of init=False without default): then it is missing in the row.
        try:
            rows = [{name: getattr(value, name) for name in names} for value in values]
        except AttributeError:
            rows = [{name: getattr(value, name) for name in names if hasattr(value, name)} for value in values]
        if content is not None:
            for value, row in zip(values, rows, strict=True):
                row[CONTENT] = content.take(value, row)
        return rows

    def build(dicts: list[dict[str, Any]]) -> list[Any]:
        new, put = object.__new__, object.__setattr__
        out = []
        for row in dicts:
            made = new(cls) if content is None else content.make(row.pop(CONTENT), row)
            for name, value in row.items():
                put(made, name, value)
            out.append(made)
        return out

    column.plan.extract, column.plan.build, column.plan.others = extract, build, others_of(names)
