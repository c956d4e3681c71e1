"""Saving a root with damaged fields: it is written without them, under a schema that does not have them."""

from __future__ import annotations

from typing import Any

import msgspec

from ..codec.columns.boundary import ChunkColumn
from ..codec.schema import known
from ..codec.stored import Schema, parsed
from ..codec.types.compile import struct_for
from ..codec.views.boundary import ExternalView, Unread
from ..errors import ParcodeError, SchemaError
from ..format.catalog import CatalogData, Target
from ..format.encoder import Ticket
from ..format.layout import Reference
from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..lazy.rows import TableRows
from ..model.entities import table_class
from ..model.entity_names import BY, RUNS, TEXT
from ..model.generated import Generated
from ..session.roots import read_root, write_schema
from ..session.space import FileSpace
from ..storage.pipeline import Pipeline
from ..storage.spill import is_spilled
from ..table.nodes import grow
from ..table.row_groups import TableSink
from ..table.streaming import new_table
from .owners import Owner
from .salvage import Damage, Loss, Salvage
from .walk import Step


class Roots:
    """Writes the roots that are not whole: `old` is the damaged catalog, `catalog` the one that is written."""

    def __init__(
        self, salvage: Salvage, space: FileSpace, pipeline: Pipeline, old: CatalogData, catalog: CatalogData
    ) -> None:
        self.recursive: set[str] = set()  # names of those that have rows of their own class, with all fields
        self._salvage = salvage
        self._space = space
        self._old = old
        self._catalog = catalog
        self._sink = _Sink(pipeline, salvage)

    def entities(self, step: Step) -> Target:
        """Save entities without their indexes, which are to be made anew.

        Raises:
            Damage: the table of the entities cannot be saved.
        """
        for name, damage in self._lost(step).items():
            if not name.startswith((BY, RUNS, TEXT)):
                raise damage
        cls = table_class(Generated(self._schema(step)).entity())
        column = struct_for(cls)
        stored = read_root(self._space, step.root, column)
        new = cls.model_construct(None, rows=stored.rows, last=stored.last)
        for name, each in column.fields:
            if name.startswith(BY):
                assert isinstance(each, ChunkColumn)
                setattr(new, name, self._space.lazy_map_table(each, new_table(self._space, each).ref))
            elif name.startswith((RUNS, TEXT)):
                setattr(new, name, [])
        return self._write(step, column, new)

    def without_fields(self, step: Step) -> Target:
        """Save a root without the fields that are damaged, which are lost.

        Raises:
            Damage: none of it can be saved.
        """
        lost = self._lost(step)
        schema = self._schema(step)
        key = schema.root["struct"]
        body = schema.structs[key]
        fields = [pair for pair in body["fields"] if pair[0] not in lost]
        if not fields:
            raise next(iter(lost.values()))
        left = Schema(schema.root, {**schema.structs, key: {**body, "fields": fields}})
        if msgspec.json.encode({"struct": key}) in msgspec.json.encode(left.structs):
            self.recursive.add(step.root)
        column = struct_for(Generated(left).root())
        found = self._write(step, column, read_root(self._space, step.root, column))
        for name, damage in lost.items():
            path = step.owner.children.get(("", name), step.owner).path
            self._salvage.losses.append(Loss(path, 0, -1, damage.reason, damage.offset))
        return found

    def _schema(self, step: Step) -> Schema:
        source = self._space.source
        try:
            return parsed(bytes(source.chunk(self._old.schema(self._old.writers[step.root])).buffer(0)))
        except (ParcodeError, KeyError) as problem:
            error = problem if isinstance(problem, ParcodeError) else SchemaError("its schema is not in the catalog")
            raise Damage(error, step.ref) from problem

    def _write(self, step: Step, column: Any, obj: Any) -> Target:
        schema = known(column)
        try:
            found = self._sink.list_table(column, [obj], None)
        except ParcodeError as problem:
            raise Damage(problem, step.ref) from problem
        write_schema(self._sink, self._catalog, schema.long, schema.schema)
        self._catalog.writers[step.root] = schema.long
        return found

    def _lost(self, step: Step) -> dict[str, Damage]:
        """The fields of the root that are damaged.

        Raises:
            Damage: something is that belongs to no field.
        """
        try:
            chunk = self._salvage.read(step.ref)
            guide = self._salvage.walk.guide(step, chunk)
            below = self._salvage.walk.below(step, chunk, guide)
        except ParcodeError as problem:
            raise Damage(problem, step.ref) from problem
        lost: dict[str, Damage] = {}
        for index in range(len(chunk.nodes)):
            try:
                chunk.read(index)
            except ParcodeError as problem:
                damage = Damage(problem, step.ref)
                lost.setdefault(_field(step, guide.owners[index], damage), damage)
        for each in below:
            try:
                self._salvage.value(each)
            except Damage as damage:
                lost.setdefault(_field(step, each.owner, damage), damage)
        return lost


def _field(step: Step, owner: Owner, damage: Damage) -> str:
    """The field of the root that a part belongs to."""
    if owner.kind == "index":
        return f"{BY}{owner.name}"
    while owner.parent is not None and owner.parent is not step.owner:
        owner = owner.parent
    if owner.parent is None:
        if step.owner.kind == "entities":
            return "rows"
        raise damage
    return "rows" if step.owner.kind == "entities" else owner.name


class _Sink(TableSink):
    """Writes rows of the damaged file. Tables and large values are those that were saved."""

    def __init__(self, pipeline: Pipeline, salvage: Salvage) -> None:
        super().__init__(pipeline, None)
        self._salvage = salvage

    def reuse(self, value: Any, column: Any) -> Ticket | Reference | None:
        """Where the table or large value lies now; None for a value that is written with its owner."""
        if isinstance(value, Unread):
            return self._saved(value.ref) if isinstance(value.view, ExternalView) else None
        if isinstance(value, LazyList | LazyMap) and isinstance(value.rows, TableRows):
            ref = value.rows.table.ref
            return self.table(grow(self, []), 0, keyed=True, runs=[]) if is_spilled(ref) else self._saved(ref)
        return None

    def _saved(self, ref: Reference) -> Ticket | Reference | None:
        found = self._salvage.saved.get(ref)
        return self._salvage.copy(ref) if found is None and self._salvage.is_whole(ref) else found
