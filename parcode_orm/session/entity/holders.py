"""Which roots and entities of a session hold references, and which of these references lead to some keys."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

from ...codec.classes.names import name_of
from ...codec.columns.boundary import ChunkColumn
from ...codec.columns.poly import subclasses
from ...codec.columns.struct import StructColumn
from ...codec.renames import class_names
from ...codec.types.compile import struct_for
from ...errors import told
from ...lazy.proxy import plain_class
from ...lazy.state import field_value
from ...model.base import Model
from ...model.entity_names import SUFFIX, is_entity
from ...model.referring import Place, places_of
from ...query.expressions.expressions import Expression
from ...query.expressions.functions import field_of
from ...query.expressions.nodes import Item, Key, Literal, Operation, Quantified
from ...query.running.engine import run
from ...query.statements.statement import Select
from ...table.scan import walk
from ..dirty import rows_to_compare
from ..renamed import classes_named
from ..roots import class_of_root
from ..unit_of_work import UnitOfWork
from .met import Met, met_in_field
from .queries import StoredEntities
from .tables import entity_class, table_in
from .unknown import Unknown, unknown
from .values import field_values, stored_values


class Holder(NamedTuple):
    """A root, or the entities of a class, that hold references: its name, the class, and where they stand in it."""

    name: str
    cls: Any
    places: list[Place]

    @property
    def of_entities(self) -> bool:
        """Whether these are the entities of a class."""
        return self.name.endswith(SUFFIX)


def holders(work: UnitOfWork) -> tuple[list[Holder], list[Unknown]]:
    """All roots and classes of entities, stored or added, that hold references.

    Stored ones without a class in the program come apart.
    """
    found, names = [], []
    modules = {cls.__module__ for cls in (*work.named, *(root.obj.__class__ for root in work.roots.values()))}
    for name in work.names():
        cls = _class_of(work, name, modules)
        if cls is None:
            names.append(name)
        elif places := places_of(cls):
            found.append(Holder(name_of(cls) + (SUFFIX if name.endswith(SUFFIX) else ""), cls, places))
    return found, unknown(work, names)


def _class_of(work: UnitOfWork, name: str, modules: Collection[str]) -> Any:
    """The class of a root, or of the entities that it has; None if the program defines none.

    Of classes of one name, one that was defined beside classes in use, in `modules`, comes first.
    """
    attached = work.roots.get(name)
    if attached is not None:
        return _entities_of(plain_class(attached.obj.__class__), name)
    defined = classes_named(name)
    if defined and work.space is not None:
        return _entities_of(class_of_root(work.space, name, modules) or defined[-1], name)
    bare = name.removesuffix(SUFFIX)  # of a class that was renamed
    return next(
        (cls for cls in subclasses(Model) if bare in class_names(cls) and is_entity(cls) is (bare != name)), None
    )


def _entities_of(cls: type, name: str) -> type:
    return entity_class(cls) if name.endswith(SUFFIX) else cls


# -- which references lead to some keys --------------------------------------------------------------------------------


def condition(holder: Holder, place: Place, keys: Collection[object]) -> Expression[bool] | None:
    """The condition that an entity refers to one of `keys` at a place; None where no query asks for that."""
    if place.shape == "below":
        return None
    field, wanted = field_of(holder.cls, place.field), Literal[Any](frozenset(keys))
    if place.shape == "one":
        return Operation("in", (field, wanted), bool)
    return Quantified("any", field, Operation("in", (Item(), wanted), bool))


def referring(work: UnitOfWork, holder: Holder, place: Place, keys: Collection[object]) -> Iterator[object]:
    """The keys of the entities of a holder that refer to one of `keys` at a place, as they are found."""
    rows = StoredEntities(work, holder.cls)
    asked = condition(holder, place, keys)
    if asked is not None:
        statement: Select[Any] = Select(rows, (Key(),), (asked,))
        for part in run(statement):
            yield from part[0].tolist()
        return
    column = struct_for(holder.cls)
    for key, value in _values(rows, place.field):
        row = _Row()
        row.__dict__[place.field] = value
        if next(of_keys(matching(column, row, place), keys), None) is not None:
            yield key


class _Row:
    """Stands for an entity with one known field."""


def _values(of: StoredEntities, name: str) -> Iterator[tuple[Any, Any]]:
    """A field of all entities with their keys: as it is in memory, else as it is stored. No object is made."""
    rows: Any = of.rows
    if of.root is None:
        return
    table = table_in(rows)
    held = rows_to_compare(table)
    apart = isinstance(struct_for(of.cls).places[name][1], ChunkColumn)
    for piece, first, end in walk(table):
        if piece.rows is not None:
            yield from zip((piece.keys or [])[first:end], field_values(piece.rows[first:end], name), strict=True)
            continue
        group = table.group(piece)
        known = dict(piece.among(held.get(piece.offset) or {}))
        yield from ((group.key(row), field_value(obj, name)) for row, obj in known.items())
        places = [row for row in range(piece.start + first, piece.start + end) if row not in known]
        items: Any = group.items
        if apart:  # a large collection is read as it is looked through
            getter = items.getter(name)
            yield from ((group.key(row), getter(row)) for row in places)
        elif places:
            yield from zip(group.keys_at(places), stored_values(items, places, name), strict=True)


# -- references in objects ---------------------------------------------------------------------------------------------


def matching(column: StructColumn, obj: object, place: Place) -> Iterator[Met]:
    """The references of an object at a place."""
    rules = {place.rule, "cascade"} if place.rule == "restrict" else {place.rule}
    return (each for each in met_in_field(column, obj, place.field, place.called) if each.rule in rules)


def of_keys(found: Iterable[Met], keys: Collection[object]) -> Iterator[Met]:
    """The references that lead to one of `keys`."""
    return (each for each in found if each.key in keys)


def object_at(work: UnitOfWork, holder: Holder, key: object = None) -> Any:
    """The root of a holder, or its entity with this key."""
    if holder.of_entities:
        return StoredEntities(work, holder.cls).rows[key]
    return work.find(holder.name, holder.cls, struct_for(holder.cls)).obj


def first_met(work: UnitOfWork, holder: Holder, place: Place, keys: Collection[object]) -> Met | None:
    """The first reference of a holder at a place to one of `keys`; `where` begins with the root or the entity."""
    column, called = struct_for(holder.cls), holder.cls.__qualname__
    for key in referring(work, holder, place, keys) if holder.of_entities else [None]:
        obj = object_at(work, holder, key)
        found = next(of_keys(matching(column, obj, place), keys), None)
        if found is not None:
            name = f"{called}[{told(key)}]" if holder.of_entities else called
            return found._replace(where=name + found.where)
    return None
