"""What a compaction writes anew: the roots whose classes this program defines, with all their tables and values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..codec.columns.boundary import ChunkColumn
from ..codec.columns.struct import StructColumn, outermost
from ..codec.columns.weights import ROW, weigh_items
from ..codec.types.compile import struct_for
from ..codec.views.boundary import ExternalView, Unread
from ..format.catalog import CatalogData, Target
from ..format.encoder import Ticket
from ..format.layout import Kind, Reference
from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..lazy.rows import TableRows
from ..model.entities import EntityTable
from ..model.entity_names import field_of
from ..model.indexes import indexes_of
from ..storage.compaction import Rewrite
from ..storage.mapped import Source
from ..storage.pipeline import Pipeline
from ..table.copying import write_anew
from ..table.row_groups import TableSink
from ..table.table import Table
from ..tuning import TUNING, Tuning
from .entity.postings import EMPTY
from .entity.tables import entity_class, table_in
from .entity.text_runs import renumbered
from .roots import class_of_root, read_root
from .space import FileSpace

Copy = Callable[[Reference], Reference]
HEAD = 1024  # bytes of a row group that are none of its rows', or more


def rewriting(compression: str | None, tuning: Tuning = TUNING) -> Rewrite:
    """What writes a commit anew, with the sizes of a session and its `compression`; None: as it was compressed."""

    def rewrite(source: Source, pipeline: Pipeline, copy: Copy) -> CatalogData:
        space = FileSpace(source, writable=False)
        old = source.catalog
        entities = {name: _copied(parts, copy) for name, parts in old.entities.items()}
        catalog = replace(old, roots={}, entities=entities, schemas={})
        sink = _Anew(pipeline, compression, copy, tuning)
        for name in old.roots:
            ref = old.root(name)
            if name in old.writers:  # before the root, as they were written
                copy(old.schema(old.writers[name]))
            cls = class_of_root(space, name)
            if cls is None:
                catalog.roots[name] = copy(ref)
            else:
                column = struct_for(cls)
                if issubclass(cls, EntityTable):
                    sink.always_tables = {
                        id(each) for _, each in column.fields if isinstance(each, ChunkColumn) and each.is_map
                    }
                with outermost():
                    table = with_new_ids(space, name, column) if issubclass(cls, EntityTable) else None
                    if table is not None:
                        catalog.roots[name] = sink.list_table(column, [table], None)
                    else:
                        catalog.roots[name] = write_anew(sink, Table(space, ref, column), None)
        catalog.schemas = _copied(old.schemas, copy)  # in their order, which tells older ones from newer
        return catalog

    return rewrite


def with_new_ids(space: FileSpace, name: str, column: StructColumn) -> EntityTable | None:
    """A table of entities whose text indexes know its rows by the ids that they get; None where nothing is to be done.

    Rows that are written anew have their places for ids.
    """
    specs = [spec for spec in indexes_of(entity_class(column.plan.cls)) if spec.text]
    stored = read_root(space, name, column) if specs else None
    if stored is None or _has_older(table_in(stored.rows)):
        return None
    pieces = [piece for piece, _, _ in table_in(stored.rows).tree.pieces()]
    ids = np.concatenate([EMPTY.rows, *[np.arange(piece.first, piece.first + piece.length) for piece in pieces]])
    values = {each: getattr(stored, each) for each, _ in column.fields}
    for spec in specs:
        field = field_of(spec)
        values[field] = renumbered(space, entity_class(column.plan.cls), spec, list(values[field]), ids)
    cls: Any = column.plan.cls
    found: EntityTable = cls.model_construct(None, **values)
    return found


def _copied(targets: Mapping[str, Target], copy: Copy) -> dict[str, Target]:
    return {name: copy(ref) for name, ref in targets.items() if isinstance(ref, Reference)}


class _Anew(TableSink):
    """Writes stored values to another file. Tables are written anew, each once; blobs are copied."""

    def __init__(self, output: Pipeline, compression: str | None, copy: Copy, tuning: Tuning) -> None:
        super().__init__(output, compression, tuning=tuning)
        self._copy = copy
        self.always_tables: set[int] = set()  # by id, the columns of what is a table however few its rows are
        self._written: dict[tuple[Reference, int], Ticket] = {}  # with the columns that they were written by

    def reuse(self, value: object, column: Any) -> Ticket | Reference | None:
        """Where the table or blob `value` lies now; None for a value that is written with its owner."""
        if isinstance(value, Unread):
            if not isinstance(value.view, ExternalView):
                return None
            if value.ref.kind == Kind.BLOB:
                return self._copy(value.ref)
            value = value.read()
        if not isinstance(value, LazyList | LazyMap) or not isinstance(value.rows, TableRows):
            return None
        table = value.rows.table
        key = table.ref, id(column)
        found = self._written.get(key)
        if found is None and _has_older(table):
            return self._copy(table.ref)
        if found is None:
            large = self.tuning.large
            if (
                id(column) not in self.always_tables
                and not _is_large(table, large)
                and weigh_items(column, value) <= large  # it was larger once
            ):
                return None
            found = self._written[key] = write_anew(self, table, column.compression)
        return found


def _has_older(table: Table) -> bool:
    """Whether rows of a table have another schema than today's: written anew, they would lose what it does not know."""
    refs = {piece.ref for piece, _, _ in table.tree.pieces() if isinstance(piece.ref, Reference)}
    return any(table.space.chunk(ref).fingerprint != table.fingerprint for ref in refs)


def _is_large(table: Table, limit: int) -> bool:
    """Whether a table is too large for its owner's row group, as far as that can be told without reading rows."""
    if table.rows > limit // ROW:
        return True
    size = 0.0
    for piece, _, _ in table.tree.pieces():
        group = table.group(piece)
        size += group.ref.length * piece.length / group.count - HEAD
    return size > limit
