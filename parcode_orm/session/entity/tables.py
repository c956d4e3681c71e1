"""Entities: the objects of a class with a `Key`, stored as the rows of one table a class.

The table is a field of a root that the session makes: `rows` by primary key, the number last given, and, a field each,
the unique values with the keys of the entities that have them. So entities are tracked, committed, compared and read at
earlier commits as any other rows are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_args

from ...codec.per_class import per_class
from ...codec.types.compile import struct_for
from ...codec.types.names import name_of
from ...errors import NoResultFound, told
from ...lazy.map import LazyMap
from ...lazy.proxy import decoded, is_lazy, is_proxy, plain_class
from ...lazy.rows import TablePairs
from ...lazy.spans import SpanPairs
from ...lazy.state import MISSING, field_value
from ...model.base import Model, ModelMeta, on_complete
from ...model.fields import Chunk, ShardedMap
from ...model.keys import indexed_fields, key_fields, key_type, numbered_field, unique_fields
from ..content_hash import digest_of
from ..dirty import rows_to_compare
from ..roots import Root, read_root
from ..space import owner_of
from ..unit_of_work import UnitOfWork
from .indexes import run_class

SUFFIX = "[]"  # of the names of the roots that hold entities
_TABLE_CLASS = "_p_table_class_"  # in the model's own `__dict__`, so that it lives as long as the model


class EntityTable(Model):
    """The stored entities of one class; `table_class` derives the class for it.

    `rows` are the entities by key, `last` is the number that was given last. A field `by_NAME` maps each value of the
    unique field NAME to the key of the entity that has it. A field `index_NAME` has the runs of the index of NAME.
    """

    last: int = 0


class Keys(NamedTuple):
    """What a class says of its entities: key fields, the one that the file numbers, unique fields."""

    fields: tuple[str, ...]
    numbered: str | None
    unique: tuple[str, ...]
    indexed: tuple[str, ...]

    def of(self, obj: Any) -> Any:
        """The primary key of an entity."""
        if len(self.fields) == 1:
            return field_value(obj, self.fields[0])
        return tuple([field_value(obj, name) for name in self.fields])

    def spelled(self, key: Any) -> str:
        """`id=5`, for messages."""
        parts = (key,) if len(self.fields) == 1 else key
        return ", ".join(f"{name}={told(part)}" for name, part in zip(self.fields, parts, strict=True))


@per_class
def keys_of(cls: type[Any]) -> Keys:
    """What `cls` says of its entities."""
    return Keys(key_fields(cls), numbered_field(cls), unique_fields(cls), indexed_fields(cls))


def is_entity(cls: type[Any]) -> bool:
    """Whether the objects of a model class are entities."""
    return bool(keys_of(cls).fields)


def table_class(cls: type[Any]) -> type[EntityTable]:
    """The class of the root that holds the entities of `cls`, made once."""
    found: type[EntityTable] | None = cls.__dict__.get(_TABLE_CLASS)
    if found is None:
        found = _derived(cls)
        setattr(cls, _TABLE_CLASS, found)
    return found


def _derived(cls: type[Any]) -> type[EntityTable]:
    key = key_type(cls)
    annotations: dict[str, Any] = {"rows": _dict_of(key, cls)}
    fields: dict[str, Any] = {"rows": ShardedMap(default_factory=dict)}
    for name in keys_of(cls).unique:
        annotations[by(name)] = _dict_of(cls.__pydantic_fields__[name].annotation, key)
        fields[by(name)] = ShardedMap(default_factory=dict)
    for name in keys_of(cls).indexed:
        annotations[runs_of(name)] = _list_of(run_class(cls, name))
        fields[runs_of(name)] = Chunk(default_factory=list)
    name = table_name(cls)
    body = {"__module__": cls.__module__, "__qualname__": name, "__annotations__": annotations, **fields}
    found: type[EntityTable] = ModelMeta(name, (EntityTable,), body)
    return found


def _dict_of(key: Any, value: Any) -> Any:
    return dict[key, value]


def _list_of(item: Any) -> Any:
    return list[item]


def _prepare(cls: type[Any]) -> None:
    if is_entity(cls):
        table_class(cls)


on_complete.append(_prepare)  # so that what cannot be a key is refused when the class is defined


def table_name(cls: type[Any]) -> str:
    """The name of the root that holds the entities of `cls`."""
    return name_of(cls) + SUFFIX


def by(name: str) -> str:
    """The name of the index of a unique field."""
    return f"by_{name}"


def runs_of(name: str) -> str:
    """The name of the field for the runs of the index of a field."""
    return f"index_{name}"


# -- finding -----------------------------------------------------------------------------------------------------------


def find_table(work: UnitOfWork, cls: type[Any]) -> Root | None:
    """The root that holds the entities of `cls`; None where there were never any."""
    table = table_class(cls)
    try:
        return work.find(table_name(cls), table, struct_for(table))
    except NoResultFound:
        return None


def rows_of(work: UnitOfWork, cls: type[Any]) -> Mapping[Any, Any]:
    """The entities of `cls` by key, with all changes of the session: a lazy map, or a plain dictionary."""
    root = find_table(work, cls)
    rows: Mapping[Any, Any] = {} if root is None else root.obj.rows
    return rows


def tables(work: UnitOfWork) -> list[Root]:
    """The roots in use that hold entities."""
    return [root for root in work.roots.values() if isinstance(root.obj, EntityTable)]


def entity_class(table: type[Any]) -> type[Any]:
    """The class whose entities a root of the class `table` holds."""
    found: type[Any] = get_args(plain_class(table).__pydantic_fields__["rows"].annotation)[1]
    return found


def in_memory(rows: Mapping[Any, Any], *, unread: str | None = None) -> Iterator[tuple[Any, Any]]:
    """The entities that may have changed, with the keys by which they are known.

    Those of which the field `unread` was neither read nor assigned, and that stand where they are stored, are left out.
    """
    if not isinstance(rows, LazyMap):
        yield from rows.items()
        return
    pairs = rows.rows
    if isinstance(pairs, SpanPairs):
        keys = pairs.all_keys()
        for position, value in pairs.places_in_memory():
            yield keys[position], value
        return
    assert isinstance(pairs, TablePairs)
    table = pairs.table
    held = rows_to_compare(table)
    for piece in list(table.tree.loaded()):
        if piece.rows is not None:
            yield from zip(list(piece.keys or ()), list(piece.rows), strict=True)
        else:
            here: dict[int, Any] = held.get(piece.ref.offset) or {}  # type: ignore[union-attr]
            for row, value in list(here.items()):
                if not piece.start <= row < piece.start + piece.length:
                    continue
                if unread is None or not is_proxy(value) or unread in decoded(value):
                    yield table.key(piece, row - piece.start), value


def known_key(root: Root, obj: Any) -> Any:
    """The key by which the table knows an entity of the session; MISSING where it does not have it."""
    rows = root.obj.rows
    key = keys_of(plain_class(obj.__class__)).of(obj)
    try:
        if rows.get(key) is obj:
            return key
    except TypeError:  # the key was changed to what cannot be one
        pass
    return next((key for key, each in in_memory(rows) if each is obj), MISSING)


def new_entities(work: UnitOfWork, root: Root) -> list[Any]:
    """The entities that were added since the last commit."""
    rows = root.obj.rows
    if isinstance(rows, LazyMap) and isinstance(rows.rows, TablePairs):
        return [rows[key] for key in rows.rows.table.added]
    if work.is_new(root):
        return list(rows.values())
    stored = stored_rows(work, root)
    return [obj for key, obj in in_memory(rows) if key not in stored]


def changed_entities(work: UnitOfWork, root: Root) -> Iterator[Any]:
    """The stored entities that are plain objects and changed; lazy ones are found as all lazy objects are."""
    plain = [(key, obj) for key, obj in in_memory(root.obj.rows) if not is_proxy(obj)]
    stored = stored_rows(work, root) if plain else {}
    for key, obj in plain:
        known = stored.get(key)
        if known is not None:
            column = struct_for(obj.__class__)
            if digest_of(column, obj) != digest_of(column, known):
                yield obj


def holds(work: UnitOfWork, obj: Any) -> bool:
    """Whether changes of an entity are the session's to store."""
    if is_lazy(obj):
        return owner_of(obj) is work.owner
    root = find_table(work, obj.__class__)
    return root is not None and (known_key(root, obj) is not MISSING or any(each is obj for each in root.gone.values()))


def key_of(obj: Any) -> Any:
    """The primary key of an entity."""
    return keys_of(plain_class(obj.__class__)).of(obj)


def stored_rows(work: UnitOfWork, root: Root) -> Mapping[Any, Any]:
    """The entities as the last commit has them, by key."""
    source = work.source
    if source is None or root.name not in source.catalog.roots:
        return {}
    found: Mapping[Any, Any] = read_root(work.look_at(source), root.name, root.column).rows
    return found


def names(work: UnitOfWork) -> list[str]:
    """The names of the classes of which there are entities, sorted."""
    stored = {name for name in work.names() if name.endswith(SUFFIX)}
    empty = {root.name for root in tables(work) if not root.obj.rows}
    return sorted(name.removesuffix(SUFFIX) for name in stored - empty)
