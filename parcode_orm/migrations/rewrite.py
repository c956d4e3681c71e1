"""The roots and entities that a migration changes, read by the classes of one state and written by those of another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..codec.schema import fingerprint_of, known
from ..codec.types.compile import struct_for
from ..format.catalog import CatalogData
from ..model.entities import table_class
from ..model.entity_names import SUFFIX
from ..session import Session
from ..session.entity.changes import table_of
from ..session.entity.tables import find_table, rows_of
from ..session.roots import write_schema
from ..storage.copier import Copier
from ..storage.mapped import Source
from ..storage.memory import NAME, MemoryFile
from ..storage.pipeline import Pipeline
from .applied import Applied
from .history import History
from .lazily import Stored, is_lazy, renames_of
from .operation import Operation
from .rows import Rows
from .state import ProjectState

Progress = Callable[[str, int, int], object]


def _stored_class(cls: Any, root: str) -> Any:
    """The class of a root of this name: that of a table, where it holds entities of `cls`."""
    return table_class(cls) if root.endswith(SUFFIX) else cls


class _Scratch(Session):
    """Writes to a file without a name, in the directory of the file that is migrated."""

    def __init__(self, path: str) -> None:
        super().__init__(NAME, workers=0)
        assert self._backend is not None and self._backend.memory is not None
        self._backend.memory.discard()
        self._backend.memory = MemoryFile(os.path.dirname(path))

    def source(self) -> Source | None:
        """What was committed."""
        return self._work.source

    def count_from(self, cls: Any, last: int) -> None:
        """Number entities of a class from `last` on, or from the last one added if that is greater."""
        table = table_of(self._work, cls).obj
        table.last = max(table.last, last)


class _Reader(Session):
    """Reads the file that is migrated."""

    def rows(self, cls: Any) -> Mapping[Any, Any]:
        """The entities of a class by their keys."""
        return rows_of(self._work, cls)

    def last(self, cls: Any) -> int:
        """The last number that an entity of a class got."""
        found = find_table(self._work, cls)
        return 0 if found is None else found.obj.last


class Rewrite:
    """What a file holds, with the roots and entities rewritten that a migration changes."""

    def __init__(
        self,
        source: Source,
        path: str,
        operations: tuple[Operation, ...],
        states: list[ProjectState],
        backwards: bool,
        applied: Applied,
        progress: Progress | None,
    ) -> None:
        self._source = source
        self._path = path
        self._operations = operations
        self._states = states
        self._applied = applied
        self._progress = progress
        first = History(states[0])
        self._rows = Rows(first, History(states[-1], first), operations, states, backwards)

    def catalog(self, pipeline: Pipeline, everything: bool) -> CatalogData:
        """Write what is changed to `pipeline`, and what it is after. `everything`: also what can be read as it is."""
        old = self._source.catalog
        rows, roots, changed, kept = self._rows, dict(old.roots), [], []
        stored = Stored(self._source)
        for root in old.roots:
            name = root.removesuffix(SUFFIX)
            if name not in rows.changed or not self._to_convert(root, name):
                continue
            lazily = not everything and not rows.backwards and is_lazy(name, self._operations, self._states, stored)
            if rows.named(name) in rows.target.classes and lazily:
                kept.append(root)
            else:
                changed.append(root)
                del roots[root]
        writers = {key: each for key, each in old.writers.items() if key in roots}
        schemas = dict(old.schemas)
        catalog = replace(old, roots=roots, writers=writers, schemas=schemas, renames=self._renames())
        for root in kept:
            schema = known(struct_for(_stored_class(rows.target.classes[root.removesuffix(SUFFIX)], root)))
            write_schema(pipeline, catalog, schema.long, schema.schema)
            catalog.writers[root] = schema.long  # an older program opens it to read only
        if changed:
            self._write(catalog, changed, pipeline)
        return catalog

    def _renames(self) -> list[tuple[str, str, str]]:
        known, mine = self._source.catalog.renames, renames_of(self._operations, self._states)
        return [each for each in known if each not in mine] if self._rows.backwards else [*known, *mine]

    def _write(self, catalog: CatalogData, changed: list[str], pipeline: Pipeline) -> None:
        """Write the `changed` roots and entities, and enter them into the catalog."""
        rows = self._rows
        with _Scratch(self._path) as scratch, _Reader.open(self._path, at=self._source.record.sequence) as reader:
            for root in changed:
                name = root.removesuffix(SUFFIX)
                if rows.named(name) in rows.target.classes:
                    (self._entities if root.endswith(SUFFIX) else self._root)(reader, scratch, name)
            scratch.commit()
            new = scratch.source()
            if new is not None:
                copier = Copier(new, pipeline)
                schemas = {key: copier.copy(new.catalog.schema(key)) for key in new.catalog.schemas}
                catalog.schemas = {**catalog.schemas, **schemas}
                catalog.writers |= new.catalog.writers
                catalog.roots |= {key: copier.copy(new.catalog.root(key)) for key in new.catalog.roots}

    def _to_convert(self, root: str, name: str) -> bool:
        """Whether a root is of the state that the migration begins at.

        One of another state was written by another program, and is left alone.

        Raises:
            MigrationError: it is of no state of the migrations.
        """
        written = self._source.catalog.writers.get(root)
        if written == fingerprint_of(struct_for(_stored_class(self._rows.source.classes[name], root))):
            return True
        self._applied.check_state(root, written)
        return False

    def _root(self, reader: _Reader, scratch: _Scratch, name: str) -> None:
        self._rows.watch = self._watch
        scratch.add(self._rows.convert(reader.root(self._rows.source.classes[name])))

    def _entities(self, reader: _Reader, scratch: _Scratch, name: str) -> None:
        rows = self._rows
        cls: Any = rows.source.classes[name]
        now: Any = rows.target.classes[rows.named(name)]
        there = reader.rows(cls)
        rows.watch = lambda where, items, total: items
        scratch.add_all(map(rows.convert, self._watch(name, iter(there.values()), len(there))))
        scratch.count_from(now, reader.last(cls))

    def _watch(self, where: str, items: Iterator[Any], total: int) -> Iterator[Any]:
        if self._progress is None:
            return items
        return self._watched(self._progress, where, items, total)

    def _watched(self, progress: Progress, where: str, items: Iterator[Any], total: int) -> Iterator[Any]:
        done = 0
        for done, item in enumerate(items, 1):
            yield item
            if done % 1024 == 0:
                progress(where, done, total)
        progress(where, done, total)
