"""Classes that seem to have been renamed: the file has one of the same fields, whose name no class has any more."""

from __future__ import annotations

import sys
import warnings
from contextlib import suppress

from ..codec.classes.names import name_of
from ..codec.columns.poly import subclasses
from ..codec.evolution.defaults import GENERATED
from ..codec.stored import parsed
from ..errors import CorruptionError, RenamedWarning
from ..format.layout import Reference
from ..model.base import Model
from ..model.entity_names import SUFFIX, is_entity, table_name
from ..storage.mapped import Source

PACKAGE = __name__.partition(".")[0]


def classes_named(name: str) -> list[type]:
    """The models of roots called `name` that this process has defined, the older ones first."""
    bare = name.removesuffix(SUFFIX)
    found = [cls for cls in subclasses(Model) if name_of(cls) == bare and cls.__module__ != GENERATED]
    if bare == name:
        return found
    from ..model.entities import table_class

    return [table_class(cls) for cls in found if is_entity(cls)]


def renamed_hint(source: Source, name: str, fields: set[str]) -> str:
    """What to do if the class of the root `name` was renamed: one root has its fields, and the name of no class.

    Where `name` is that of a table, its entities have the `fields`, and other tables are looked at.
    """
    alike = []
    for other in source.catalog.roots:
        ref = source.catalog.schemas.get(source.catalog.writers.get(other, ""))
        bare = other.removesuffix(SUFFIX)
        same_kind = other.endswith(SUFFIX) == name.endswith(SUFFIX)
        if not same_kind or SUFFIX in bare or not isinstance(ref, Reference) or classes_named(bare):
            continue
        with suppress(CorruptionError, LookupError, TypeError):  # a message needs no more
            schema = parsed(bytes(source.chunk(ref).buffer(0)))
            body = schema.struct() if bare == other else schema.structs[bare]
            if fields == {field for field, _ in body["fields"]}:
                alike.append(bare)
    if len(alike) != 1 or not fields:
        return ""
    return f"{alike[0]} has the same fields: if it was renamed, say @renamed_from({alike[0]!r}) above the class; else "


def warn_if_renamed(source: Source, cls: type) -> None:
    """Warn that a class without entities in the file seems to be one that has some under an earlier name.

    Nothing says so for sure, and a class that has no entities yet is asked as any other: so this is no error.
    """
    hint = renamed_hint(source, table_name(cls), set(getattr(cls, "__pydantic_fields__", ())))
    if hint:
        level, frame = 1, sys._getframe()
        while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == PACKAGE:
            level, frame = level + 1, frame.f_back
        where = source.path or "the file"
        message = f"{where} has no entities of {cls.__qualname__}, and {hint}the result is right, and empty"
        warnings.warn(message, RenamedWarning, stacklevel=level)
