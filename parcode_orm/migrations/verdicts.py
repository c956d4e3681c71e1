"""Compares the schemas of a file with a program's models: what opens, what is upgraded when it is read, what breaks."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from ..codec.classes.names import name_of
from ..codec.evolution.resolve import Resolver
from ..codec.renames import class_names
from ..codec.schema import differences, known
from ..codec.stored import parsed
from ..codec.types.compile import struct_for
from ..errors import MigrationError, SchemaMismatchError
from ..format.layout import Reference
from ..model.entities import table_class
from ..model.entity_names import SUFFIX, is_entity
from ..storage.files import file_name
from ..storage.mapped import Source


@dataclass(frozen=True)
class Compared:
    """A root, or the entities of a class, compared with a program's models.

    Attributes:
        name: the name of the class, a str.
        entities: whether these are entities, a bool.
        verdict: "opens": the class wrote it as it is. "upgrades": its rows are read by the class all the same, as far
            as their values fit. "breaks": a migration must say how. "unknown": no class has the name.
        details: what differs, or what is to be done, a tuple of str.
    """

    name: str
    entities: bool
    verdict: Literal["opens", "upgrades", "breaks", "unknown"]
    details: tuple[str, ...] = ()


def diff_schema(path: str | os.PathLike[str], models: Iterable[type[Any]]) -> list[Compared]:
    """Compare the schemas of a file with `models`, the model classes of a program. No row is read.

    A class is found by its name, or by what `renamed_from` says. Values that must be validated may still not fit.

    Args:
        path: the file.
        models: model classes. Classes without a root or entities in the file are ignored.

    Raises:
        MigrationError: two classes have one name.
        FileMissingError, NotAParcodeFile, UnsupportedVersion, CorruptionError: the file cannot be read.
    """
    source = Source.open(os.path.abspath(file_name(path, "diff_schema(path, models)")))
    try:
        classes = _by_name(models)
        return [_compared(source, root, classes) for root in sorted(source.catalog.roots)]
    finally:
        source.close()


def _by_name(models: Iterable[type[Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for cls in models:
        other = found.setdefault(name_of(cls), cls)
        if other is not cls:
            raise MigrationError(f"two classes have the name {name_of(cls)}: name the modules of one program")
    for cls in list(found.values()):
        for earlier in class_names(cls):
            found.setdefault(earlier, cls)
    return found


def _compared(source: Source, root: str, classes: dict[str, Any]) -> Compared:
    name, entities = root.removesuffix(SUFFIX), root.endswith(SUFFIX)
    cls = classes.get(name)
    if cls is None:
        return Compared(name, entities, "unknown", ("no class has this name",))
    if is_entity(cls) is not entities:
        what = "has a Key()" if is_entity(cls) else "has no Key()"
        return Compared(name, entities, "breaks", (f"the class {what} now: a migration must store the objects anew",))
    column = struct_for(table_class(cls) if entities else cls)
    mine, writer = known(column), source.catalog.writers[root]
    if writer == mine.long:
        return Compared(name, entities, "opens")
    ref = source.catalog.schemas[writer]
    assert isinstance(ref, Reference)
    stored = bytes(source.chunk(ref).buffer(0))
    try:
        resolver = Resolver(source.catalog.renames)
        resolver.columns((parsed(stored),), (column,))
        resolver.complete()
    except SchemaMismatchError as problem:
        return Compared(name, entities, "breaks", (str(problem),))
    if missing := resolver.unbuilt():
        return Compared(name, entities, "breaks", tuple(missing))
    return Compared(name, entities, "upgrades", tuple(differences(stored, mine.schema)))
