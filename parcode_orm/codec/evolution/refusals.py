"""Errors for stored values that do not fit today's class."""

from __future__ import annotations

from typing import Any

from ...errors import MigrationRequired, SchemaMismatchError
from ..base import Column
from ..schema import brief, describe
from ..stored import Schema
from ..upgrades import version_of
from .views import Place


class Unresolved(Exception):
    """Values of a schema are no values of a column: the field that they stand in may know more."""


def brief_of(column: Column) -> str:
    """Today's type as a user would write it, more or less."""
    return brief(describe(column)["root"])


def place_of(where: str, stored: Schema, today: Column) -> Place:
    """Where values stand, for messages."""
    return Place(where, brief(stored.root), brief_of(today))


def refusal(where: str, stored: Schema, today: Column, why: object = "", operation: str = "") -> MigrationRequired:
    """The error for stored values that cannot be read as today's class declares them."""
    model, _, field = where.partition(".")
    operation = operation or (f"AlterField({model!r}, {field!r}, ...)" if field else "RunPython(...)")
    because = f" ({why})" if str(why) else ""
    return MigrationRequired(
        f"{where}: stored as {brief(stored.root)}, declared as {brief_of(today)}{because}: a migration must say what "
        f"becomes of the stored values, with the operation {operation}"
    )


def index_at(where: str) -> tuple[str, str, str, str]:
    """The class and the paths of the index that is a field of a table of entities: `Order[].index_buyer, placed`.

    Then how messages call it, `Order.(buyer, placed)`, and how an operation does, `('buyer', 'placed')`.
    """
    owner, _, field = where.partition("[].")
    paths = field.partition("_")[2]
    if paths.isidentifier():
        return owner, paths, f"{owner}.{paths}", repr(paths)
    return owner, paths, f"{owner}.({paths})" if ", " in paths else f"{owner}.{paths}", repr(tuple(paths.split(", ")))


def without_steps(where: str, cls: Any, version: int) -> SchemaMismatchError:
    """The error for an object of a version from which no code of the class leads to its own."""
    mine = version_of(cls)
    return SchemaMismatchError(
        f"{where}: {cls.__qualname__} was stored in version {version} and is of version {mine} here, without code that "
        f"leads from one to the other: read it by a program whose {cls.__qualname__} has "
        f"@upgrade(from_version={version if version < mine else version - 1})"
    )
