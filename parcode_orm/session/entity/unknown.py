"""References in the file whose class the program does not define: they are found by the stored schema.

Such objects are read as classes made of the schema, in which the key stands where the reference was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from ...codec.renames import class_names
from ...codec.stored import LISTS, MAPS, Schema
from ...codec.types.compile import struct_for
from ...errors import told
from ...model.entities import table_class
from ...model.entity_names import SUFFIX
from ...model.on_delete import Rule
from ..roots import read_root
from ..unit_of_work import UnitOfWork
from ..without_classes import models_of, schemas_in
from .met import Here, Met
from .tables import entity_class

RESTRICT: Rule = "restrict"


class Unknown(NamedTuple):
    """A root, or the entities of a class, that the program does not define: its name and its schema."""

    name: str
    schema: Schema

    def first_met(self, work: UnitOfWork, called: str, keys: Collection[object]) -> Met | None:
        """The first reference to one of `keys` of the class `called`; `where` begins with the root or the entity.

        Raises:
            SchemaError: no class can be made of the schema.
        """
        names = _names(work, called)
        if not mentions(self.schema, self.schema.root, names, set()):
            return None
        bare, rule = self.name.removesuffix(SUFFIX), RESTRICT
        assert work.source is not None
        cls = models_of(work.source)[self.name]
        space = work.look_at(work.source)
        if bare == self.name:
            objects = iter([(Here(bare, rule, None, None), read_root(space, self.name, struct_for(cls)))])
            node: Any = self.schema.root
        else:
            rows = read_root(space, self.name, struct_for(table_class(cls))).rows
            objects = ((Here(f"{bare}[{told(key)}]", rule, None, None), obj) for key, obj in rows.items())
            node = entity_node(dict(self.schema.struct()["fields"])["rows"])
        found = (met for here, obj in objects for met in met_by_schema(self.schema, node, obj, names, here))
        return next((met for met in found if met.key in keys), None)


def unknown(work: UnitOfWork, names: Collection[str]) -> list[Unknown]:
    """What of the stored roots `names` has a schema that can be read: of others no reference is known."""
    if work.source is None or not names:
        return []
    found = schemas_in(work.source)
    return [Unknown(name, each) for name in names if isinstance(each := found.get(name), Schema)]


def entity_node(node: object) -> object:
    """The description of the entities in that of the rows of their table."""
    while isinstance(node, dict) and "struct" not in node:
        (kind,) = node
        node = node[kind][1] if isinstance(node[kind], list) else node[kind]
    return node


def _names(work: UnitOfWork, called: str) -> frozenset[str]:
    """The name of a class of entities that are in use, and its earlier names."""
    return frozenset({called, *class_names(entity_class(work.roots[called + SUFFIX].obj.__class__))})


def mentions(schema: Schema, node: object, names: frozenset[str], seen: set[str]) -> bool:
    """Whether a description names references to a class that has one of `names`."""
    if isinstance(node, list):
        return any(mentions(schema, each, names, seen) for each in node)
    if not isinstance(node, dict):
        return False
    if node.get("ref") in names:
        return True
    name = node.get("struct")
    if isinstance(name, str) and "fields" not in node:
        if name in seen:
            return False
        seen.add(name)
        return mentions(schema, schema.structs[name].get("fields", []), names, seen)
    return any(mentions(schema, each, names, seen) for each in node.values())


def met_by_schema(schema: Schema, node: Any, value: Any, names: frozenset[str], here: Here) -> Iterator[Met]:
    """The references to a class that has one of `names` in a value that `node` describes."""
    if value is None or not isinstance(node, dict):
        return
    if "ref" in node:
        if node["ref"] in names:
            yield Met(node["ref"], value, here.where, here.rule, None, None)
    elif "struct" in node:
        for name, below in schema.structs[node["struct"]].get("fields", ()):
            if mentions(schema, below, names, set()):
                with suppress(AttributeError):
                    yield from met_by_schema(
                        schema, below, getattr(value, name), names, here.below(f".{name}", None, None)
                    )
    elif "union" in node:
        for arm in node["union"]:  # which of them it was is not known: a key counts for each
            yield from met_by_schema(schema, arm, value, names, here)
    elif "fixed" in node:
        for at, (below, item) in enumerate(zip(node["tuple"], value, strict=False)):
            yield from met_by_schema(schema, below, item, names, here.below(f"[{at}]", None, None))
    elif len(node) == 1:
        ((kind, below),) = node.items()
        if kind in MAPS and isinstance(below, list):
            for key, item in value.items():
                yield from met_by_schema(schema, below[1], item, names, here.below(f"[{key!r:.40}]", None, None))
        elif kind in LISTS:
            for at, item in enumerate(value):
                yield from met_by_schema(schema, below, item, names, here.below(f"[{at}]", None, None))
        else:
            yield from met_by_schema(schema, below, value, names, here)
