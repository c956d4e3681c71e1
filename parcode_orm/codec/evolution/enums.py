"""Members of an enum, which are stored by name, as those of today's enum."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

from ..base import Column
from ..columns.lenient import LenientColumn
from ..columns.wrappers import ConvertColumn, OptionalColumn
from ..renames import class_names, member_names
from ..stored import Schema
from .readers import ChangedColumn
from .refusals import place_of, refusal
from .values import one_of

Renames = Sequence[tuple[str, str, str]]


def is_enum(renames: Renames, node: dict[str, Any], today: Column) -> bool:
    """Whether a stored enum is today's, by its name or an earlier one."""
    column = today.inner if isinstance(today, LenientColumn | OptionalColumn) else today
    if not (isinstance(column, ConvertColumn) and issubclass(column.types[0], enum.Enum)):
        return False
    cls = column.types[0]
    known = {column.name.removeprefix("enum "), cls.__name__, *class_names(cls)}
    for owner, old, new in reversed(renames):
        if not owner and new in known:
            known.add(old)
    return node["convert"].removeprefix("enum ") in known


def enum_column(renames: Renames, stored: Schema, today: Column, where: str) -> Column | None:
    """The column that reads members of a stored enum as those of today's; None where today's type is no enum."""
    node = stored.root
    if not (isinstance(today, ConvertColumn) and issubclass(today.types[0], enum.Enum)):
        return None
    cls = today.types[0]
    if not is_enum(renames, node, today):
        name = node["convert"].removeprefix("enum ")
        raise refusal(where, stored, today, f"{name} is another enum; if it was renamed, say @renamed_from({name!r})")
    if ("flags" in node) is not issubclass(cls, enum.Flag):
        raise refusal(where, stored, today, "an enum became one of flags, or the other way round")
    renamed = {old: new for new, olds in member_names(cls).items() for old in olds}
    clash = renamed.keys() & cls.__members__.keys()
    if clash:
        raise refusal(
            where, stored, today, f"{cls.__qualname__} has a member {min(clash)}, which another was renamed from"
        )
    if not renamed and "literal" not in today.about:
        return today
    get, base = today.from_stored, today.about.get("literal")

    def from_stored(values: list[Any]) -> list[Any]:
        return get(["|".join(renamed.get(part, part) for part in value.split("|")) for value in values])

    column = ConvertColumn(today.inner, today.name, today.types, today.to_stored, from_stored)
    if base is None:
        return column
    members = frozenset((cls, cls.__members__[each]) for each in base)
    return ChangedColumn(column, one_of(members), place_of(where, stored, today))
