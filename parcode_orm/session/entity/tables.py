"""Entities in a session: where their table is, their keys, and which of them are in memory, new or changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from itertools import chain
from typing import Any, NamedTuple, get_args
from uuid import UUID

from ...codec.entity_keys import key_value, target_of
from ...codec.per_class import per_class
from ...codec.types.compile import struct_for
from ...errors import CorruptionError, EncodeError, IntegrityError, NoResultFound, SchemaMismatchError, told
from ...lazy.map import LazyMap
from ...lazy.proxy import is_lazy, is_proxy, plain_class
from ...lazy.rows import TablePairs
from ...lazy.state import MISSING, field_value
from ...model.entity_names import SUFFIX, table_name
from ...model.indexes import Path, indexes_of
from ...model.keys import key_fields, numbered_field
from ...table.index import open_runs
from ...table.table import Table
from ..content_hash import digest_of
from ..dirty import rows_to_compare, rows_to_index
from ..roots import Root, read_root
from ..space import owner_of, space_of
from ..unit_of_work import UnitOfWork
from .values import differs, field_values, is_hashable

_INDEX = re.compile(r"(?:by|index)_(.+?)\[(?!\])")  # the beginning of the path to an entry
KEYS = frozenset({int, str, bytes, bool, UUID, date, datetime})  # types of which each value can be a key


class Keys(NamedTuple):
    """What a class says of the keys of its entities: their fields, the one that the file numbers, whether some `refer`.

    A field that is a reference is, in the key, the key of its target.
    """

    fields: tuple[str, ...]
    numbered: str | None
    refer: bool

    def value(self, part: object) -> object:
        """The value of a key field as it stands in a key."""
        return key_value(part) if self.refer else part

    def of(self, obj: object) -> object:
        """The primary key of an entity."""
        if len(self.fields) == 1:
            return self.value(field_value(obj, self.fields[0]))
        return tuple([self.value(field_value(obj, name)) for name in self.fields])

    def of_all(self, objs: Sequence[object]) -> list[Any]:
        """The primary keys of entities."""
        return self.of_columns([field_values(objs, name) for name in self.fields])

    def of_columns(self, columns: list[list[object]]) -> list[object]:
        """The primary keys of entities whose key fields have these values, a list a field."""
        if self.refer:
            columns = [list(map(key_value, column)) for column in columns]
        return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))

    def check_all(self, cls: type, keys: Sequence[object]) -> None:
        """`check` each of some keys of entities of `cls`."""
        if not KEYS.issuperset(map(type, keys)):
            for key in keys:
                self.check(cls, key)

    def check(self, cls: type, key: Any) -> None:
        """Raise IntegrityError for what cannot be a key: None, what is not hashable or not equal to itself."""
        for name, part in zip(self.fields, (key,) if len(self.fields) == 1 else key, strict=True):
            if part is None or part is MISSING:
                problem = f"{name} is None: set it before add(obj) or commit()"
            elif part.__hash__ is None or not is_hashable(part):
                problem = f"{name} is {told(part)}, which is not hashable: set another value"
            elif part != part:
                problem = f"{name} is {told(part)}, which is not equal to itself: set another value"
            else:
                continue
            raise IntegrityError(f"{cls.__qualname__}: an object has no key, as {problem}")

    def spelled(self, key: Any) -> str:
        """`id=5`, for messages."""
        parts = (key,) if len(self.fields) == 1 else key
        return ", ".join(f"{name}={told(part)}" for name, part in zip(self.fields, parts, strict=True))


@per_class
def keys_of(cls: Any) -> Keys:
    """What `cls` says of the keys of its entities."""
    fields = key_fields(cls)
    refer = any(target_of(cls.__pydantic_fields__[name].annotation) is not None for name in fields)
    return Keys(fields, numbered_field(cls), refer)


def paths_of(cls: type) -> tuple[Path, ...]:
    """Where the values lie that keys and indexes have."""
    keys = [(name,) for name in keys_of(cls).fields]
    return tuple(dict.fromkeys([*keys, *(path for spec in indexes_of(cls) for path in spec.parts)]))


@contextmanager
def told_by_key() -> Iterator[None]:
    """Errors of values in the block name the entity by its key, `Player[5].level`, not by where it is stored."""
    try:
        yield
    except EncodeError as problem:
        if problem.model.endswith(SUFFIX):
            problem.model = problem.model.removesuffix(SUFFIX)
            index = _INDEX.match(problem.path)
            if index is not None:  # what does not fit in a row is found there first
                name = f"({index[1]})" if "," in index[1] else index[1]
                raise SchemaMismatchError(
                    f"the index of {problem.model}.{name} has values from before the type changed ({problem}): assign "
                    "other values to all entities that have such, in one commit, or write a migration that changes "
                    f"them, AlterField({problem.model!r}, ...)"
                ) from problem
            problem.path = problem.path.removeprefix("rows")
        raise


# -- finding -----------------------------------------------------------------------------------------------------------


def find_table(work: UnitOfWork, cls: type) -> Root | None:
    """The root that holds the entities of `cls`; None where there were never any."""
    known = work.named.get(cls)
    if known is None:
        from ...model.entities import table_class

        known = work.named[cls] = table_name(cls), table_class(cls)
    name, table = known
    found = work.roots.get(name)
    if found is not None and found.column.plan.cls is table:
        return found
    try:
        return work.find(name, table, struct_for(table))
    except NoResultFound:
        return None


def rows_of(work: UnitOfWork, cls: type) -> Mapping[object, Any]:
    """The entities of `cls` by key, with all changes of the session."""
    root = find_table(work, cls)
    if root is None:
        return {}
    if not keys_of(cls).refer:
        from ...model.entities import table_class

        work.met[cls] = table_name(cls), table_class(cls)
    return entities(root)


def known_rows(work: UnitOfWork, cls: Any) -> Any:
    """What `rows_of` gives for a class whose entities were asked for before; None where it is to be asked.

    Keys of these entities are no references.
    """
    met = work.met.get(cls) if isinstance(cls, type) else None
    if met is None:
        return None
    name, table = met
    root = work.roots.get(name)
    return None if root is None or root.column.plan.cls is not table else root.obj.rows


def entities(root: Root) -> LazyMap[object, object]:
    """The entities that a root holds, by key.

    Raises:
        CorruptionError: they are not stored as a table.
    """
    found: LazyMap[object, object] = root.obj.rows
    if not isinstance(found.rows, TablePairs):
        table_in(found)
    return found


def table_in(rows: LazyMap[object, object]) -> Table:
    """The table of entities, or of an index: they are stored as tables however few they are.

    Raises:
        CorruptionError: the file has something else in its place.
    """
    pairs = rows.rows
    if not isinstance(pairs, TablePairs):
        raise CorruptionError("entities are stored as a table, and this file has a dictionary within a root instead")
    return pairs.table


def tables(work: UnitOfWork) -> list[Root]:
    """The roots in use that hold entities."""
    return [root for name, root in work.roots.items() if name.endswith(SUFFIX)]


def entity_class(table: type) -> type:
    """The class whose entities a root of the class `table` holds."""
    found: type = get_args(plain_class(table).__pydantic_fields__["rows"].annotation)[1]
    return found


def in_memory(rows: LazyMap[object, object]) -> Iterator[tuple[object, object]]:
    """The entities that may have changed, with the keys by which they are known."""
    return _pairs(parts_in_memory(rows))


def changed_at(rows: LazyMap[object, object], paths: Sequence[Path]) -> Iterator[tuple[object, object]]:
    """The entities that are new, or have other values at `paths` than are stored, with the keys they are known by.

    A statement asks this, so it costs what changed, not what the program has in memory: as a scan does, it knows no
    change that was made past every hook (`object.__setattr__`). A commit finds these.
    """
    return iter(()) if is_as_stored(table_in(rows)) else _pairs(parts_in_memory(rows, paths, live=False))


def is_as_stored(table: Table) -> bool:
    """Whether a table holds no rows, and has those that are stored."""
    return not table.holding and table.tree.root.ref is not None


def _pairs(parts: Iterator[tuple[list[object], list[object]]]) -> Iterator[tuple[object, object]]:
    return chain.from_iterable(zip(keys, objs, strict=True) for keys, objs in parts)


def parts_in_memory(
    rows: LazyMap[object, object], paths: Sequence[Path] | None = None, *, live: bool = True
) -> Iterator[tuple[list[object], list[object]]]:
    """As `in_memory`: lists of keys and of entities, which are not to be changed.

    Where `paths` are given, those are left out that stand where they are stored, with the same values there. Without
    `live`, changes made past every hook are not looked for.
    """
    table = table_in(rows)
    if paths is None:
        held: dict[int, dict[int, object]] = rows_to_compare(table)
    else:
        held = rows_to_index(table, {path[0] for path in paths}, live=live) if live or table.holding else {}
    if not held and table.tree.root.ref is not None:  # the tree is as it is stored
        return
    for piece in list(table.tree.loaded()):
        if piece.rows is not None:
            yield piece.keys or [], piece.rows
            continue
        if piece.offset not in held:
            continue
        found = [
            (table.key(piece, row - piece.start), value)
            for row, value in piece.among(held[piece.offset])
            if paths is None or differs(table.group(piece).items, row, value, paths)
        ]
        if found:
            yield [key for key, _ in found], [value for _, value in found]


def known_key(root: Root, obj: object) -> object:
    """The key by which the table knows an entity of the session; MISSING where it does not have it."""
    rows = entities(root)
    key = keys_of(plain_class(obj.__class__)).of(obj)
    if is_hashable(key) and rows.get(key) is obj:
        return key
    return next((key for key, each in in_memory(rows) if each is obj), MISSING)


def new_entities(work: UnitOfWork, root: Root) -> list[object]:
    """The entities that were added since the last commit, but for those that left memory as they came."""
    stored = stored_rows(work, root)
    fresh = [piece for piece in table_in(entities(root)).tree.loaded() if piece.rows is not None]
    pairs = chain.from_iterable(zip(piece.keys or (), piece.rows or (), strict=True) for piece in fresh)
    return [obj for key, obj in pairs if key not in stored]


def changed_entities(work: UnitOfWork, root: Root) -> Iterator[object]:
    """The stored entities that are plain objects and changed; lazy ones are found as all lazy objects are."""
    plain = [(key, obj) for key, obj in in_memory(entities(root)) if not is_proxy(obj)]
    stored = stored_rows(work, root) if plain else {}
    for key, obj in plain:
        known = stored.get(key)
        if known is not None:
            column = struct_for(obj.__class__)
            if digest_of(column, obj) != digest_of(column, known):
                yield obj


def holds(work: UnitOfWork, obj: object) -> bool:
    """Whether changes of an entity are the session's to store."""
    if is_lazy(obj) and owner_of(obj) is not work.owner:
        return False
    root = find_table(work, obj.__class__)
    if root is None or (is_lazy(obj) and space_of(obj).family is not space_of(entities(root)).family):
        return is_lazy(obj)  # inside another object
    return known_key(root, obj) is not MISSING or any(each is obj for each in root.gone.values())


def key_of(obj: object) -> object:
    """The primary key of an entity."""
    return keys_of(plain_class(obj.__class__)).of(obj)


def stored_table(work: UnitOfWork, root: Root) -> Any:
    """The table of entities, with its indexes, as the last commit has it; None without one."""
    source = work.source
    if source is None or root.name not in source.catalog.roots:
        return None
    return read_root(work.look_at(source), root.name, root.column)


def stored_rows(work: UnitOfWork, root: Root) -> Mapping[object, Any]:
    """The entities as the last commit has them, by key."""
    table = stored_table(work, root)
    if table is None:
        return {}
    found: LazyMap[object, object] = table.rows
    there = table_in(found)
    opened = [*there.runs, *table_in(entities(root)).runs]
    there.runs = open_runs(there.space.chunk, there.run_refs, opened)
    return found


def names(work: UnitOfWork) -> list[str]:
    """The names of the classes of which there are, or were, entities, sorted."""
    return sorted(name.removesuffix(SUFFIX) for name in work.names() if name.endswith(SUFFIX))
