"""Entities: the objects of a class with a `Key`, stored as the rows of one table a class.

The table is a field of a root that the session makes: `rows` by primary key, the number last given, and, a field each,
the unique values with the keys of the entities that have them. So entities are tracked, committed, compared and read at
earlier commits as any other rows are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any, NamedTuple, get_args

from ...codec.per_class import per_class
from ...codec.types.compile import struct_for
from ...codec.types.names import name_of
from ...errors import EncodeError, FieldNotStored, IntegrityError, MultipleResultsFound, NoResultFound, told
from ...lazy.map import LazyMap
from ...lazy.proxy import decoded, is_lazy, is_proxy, plain_class, proxy_state
from ...lazy.state import MISSING, WithoutFields, field_value
from ...model.base import Model, ModelMeta, on_complete
from ...model.fields import ShardedMap
from ...model.keys import key_fields, key_type, numbered_field, unique_fields
from ...storage.spill import is_spilled
from ...table.nodes import Piece
from ...table.table import Table
from ..content_hash import digest_of
from ..dirty import hold_live
from ..roots import SUFFIX, Root, read_root
from ..space import owner_of, space_of
from ..unit_of_work import UnitOfWork

_TABLE_CLASS = "_p_table_class_"  # in the model's own `__dict__`, so that it lives as long as the model


class EntityTable(Model):
    """The stored entities of one class; `table_class` derives the class for it.

    `rows` are the entities by key, `last` is the number that was given last. A field `by_NAME` maps each value of the
    unique field NAME to the key of the entity that has it.
    """

    last: int = 0


class Keys(NamedTuple):
    """What a class says of its entities: key fields, the one that the file numbers, unique fields."""

    fields: tuple[str, ...]
    numbered: str | None
    unique: tuple[str, ...]

    def of(self, obj: Any) -> Any:
        """The primary key of an entity."""
        if len(self.fields) == 1:
            return field_value(obj, self.fields[0])
        return tuple([field_value(obj, name) for name in self.fields])

    def check(self, cls: type[Any], key: Any) -> None:
        """Raise IntegrityError for what cannot be a key: None, what is not hashable or not equal to itself."""
        for name, part in zip(self.fields, (key,) if len(self.fields) == 1 else key, strict=True):
            if part is None or part is MISSING:
                problem = f"{name} is None: set it before add(obj) or commit()"
            elif part.__hash__ is None or not _is_hashable(part):
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
def keys_of(cls: type[Any]) -> Keys:
    """What `cls` says of its entities."""
    return Keys(key_fields(cls), numbered_field(cls), unique_fields(cls))


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
    name = table_name(cls)
    body = {"__module__": cls.__module__, "__qualname__": name, "__annotations__": annotations, **fields}
    found: type[EntityTable] = ModelMeta(name, (EntityTable,), body)
    return found


def _dict_of(key: Any, value: Any) -> Any:
    return dict[key, value]


def _prepare(cls: type[Any]) -> None:
    if is_entity(cls):
        table_class(cls)


on_complete.append(_prepare)  # so that what cannot be a key is refused when the class is defined


def table_name(cls: type[Any]) -> str:
    """The name of the root that holds the entities of `cls`."""
    return name_of(cls) + SUFFIX


@contextmanager
def told_by_key() -> Iterator[None]:
    """Errors of values in the block name the entity by its key, `Player[5].level`, not by where it is stored."""
    try:
        yield
    except EncodeError as problem:
        if problem.model.endswith(SUFFIX):
            problem.model = problem.model.removesuffix(SUFFIX)
            problem.path = problem.path.removeprefix("rows")
        raise


def by(name: str) -> str:
    """The name of the index of a unique field."""
    return f"by_{name}"


# -- finding -----------------------------------------------------------------------------------------------------------


def find_table(work: UnitOfWork, cls: type[Any]) -> Root | None:
    """The root that holds the entities of `cls`; None where there were never any."""
    table = table_class(cls)
    try:
        return work.find(table_name(cls), table, struct_for(table))
    except NoResultFound:
        return None


def rows_of(work: UnitOfWork, cls: type[Any]) -> Mapping[Any, Any]:
    """The entities of `cls` by key, with all changes of the session."""
    root = find_table(work, cls)
    return {} if root is None else entities(root)


def entities(root: Root) -> LazyMap[Any, Any]:
    """The entities that a root holds, by key."""
    found: LazyMap[Any, Any] = root.obj.rows
    return found


def table_in(rows: LazyMap[Any, Any]) -> Table:
    """The table of entities, or of an index: they are stored as tables however few they are."""
    table: Table = rows.rows.table  # type: ignore[attr-defined]
    return table


def tables(work: UnitOfWork) -> list[Root]:
    """The roots in use that hold entities."""
    return [root for root in work.roots.values() if isinstance(root.obj, EntityTable)]


def entity_class(table: type[Any]) -> type[Any]:
    """The class whose entities a root of the class `table` holds."""
    found: type[Any] = get_args(plain_class(table).__pydantic_fields__["rows"].annotation)[1]
    return found


def in_memory(rows: LazyMap[Any, Any], fields: tuple[str, ...] | None = None) -> Iterator[tuple[Any, Any]]:
    """The entities that may have changed, with the keys by which they are known.

    Where `fields` are named, those are left out that stand where they are stored with the same values in these fields.
    """
    table = table_in(rows)
    hold_live(table)
    held = table.rows_held()
    for piece in list(table.tree.loaded()):
        if piece.rows is not None:
            yield from zip(list(piece.keys or ()), list(piece.rows), strict=True)
            continue
        here: dict[int, Any] = held.get(piece.ref.offset) or {}  # type: ignore[union-attr]
        for row, value in list(here.items()):
            if piece.start <= row < piece.start + piece.length and (
                fields is None or _differs(table, piece, row, value, fields)
            ):
                yield table.key(piece, row - piece.start), value


def _differs(table: Table, piece: Piece, row: int, obj: Any, fields: tuple[str, ...]) -> bool:
    """Whether the entity in memory for a stored row may have other values in `fields` than the row."""
    here: Any = proxy_state(obj) if is_proxy(obj) else None
    if here is None or here[0] is not table.group(piece).items or here[1] != row or isinstance(here[0], WithoutFields):
        return True
    view: Any = here[0]
    values = decoded(obj)
    for name in fields:
        if name in values:
            try:
                stored = view.getter(name)(row)
            except FieldNotStored:
                return True
            if type(stored) is not type(values[name]) or stored != values[name]:
                return True
    return False


def streamed(rows: LazyMap[Any, Any], name: str, below: int | None = None) -> Iterator[tuple[Any, Any]]:
    """The values of a field in rows that left memory as they came, with their keys; not of those `in_memory` has.

    With `below`, of rows whose ids are below that: they took the place of stored ones.
    """
    table = table_in(rows)
    held = table.rows_held()
    for piece in list(table.tree.loaded()):
        if piece.ref is not None and is_spilled(piece.ref) and (below is None or piece.first < below):
            group = table.group(piece)
            here: dict[int, Any] = held.get(piece.ref.offset) or {}  # type: ignore[union-attr]
            for row in range(piece.start, piece.start + piece.length):
                if row not in here or not _differs(table, piece, row, here[row], (name,)):
                    yield value_of(group.items.get(row), name), group.key(row)


def value_of(obj: Any, name: str) -> Any:
    """The value of a unique field; None for what no other value is equal to."""
    value = field_value(obj, name)
    if value is MISSING or not _is_hashable(value) or value != value:  # what is not hashable will not be stored
        return None
    return value


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def known_key(root: Root, obj: Any) -> Any:
    """The key by which the table knows an entity of the session; MISSING where it does not have it."""
    rows = entities(root)
    key = keys_of(plain_class(obj.__class__)).of(obj)
    if _is_hashable(key) and rows.get(key) is obj:
        return key
    return next((key for key, each in in_memory(rows) if each is obj), MISSING)


def new_entities(work: UnitOfWork, root: Root) -> list[Any]:
    """The entities that were added since the last commit, but for those that left memory as they came."""
    stored = stored_rows(work, root)
    fresh = [piece for piece in table_in(entities(root)).tree.loaded() if piece.rows is not None]
    pairs = chain.from_iterable(zip(piece.keys or (), piece.rows or (), strict=True) for piece in fresh)
    return [obj for key, obj in pairs if key not in stored]


def changed_entities(work: UnitOfWork, root: Root) -> Iterator[Any]:
    """The stored entities that are plain objects and changed; lazy ones are found as all lazy objects are."""
    plain = [(key, obj) for key, obj in in_memory(entities(root)) if not is_proxy(obj)]
    stored = stored_rows(work, root) if plain else {}
    for key, obj in plain:
        known = stored.get(key)
        if known is not None:
            column = struct_for(obj.__class__)
            if digest_of(column, obj) != digest_of(column, known):
                yield obj


def holds(work: UnitOfWork, obj: Any) -> bool:
    """Whether changes of an entity are the session's to store."""
    if is_lazy(obj) and owner_of(obj) is not work.owner:
        return False
    root = find_table(work, obj.__class__)
    if root is None or (is_lazy(obj) and space_of(obj).family is not space_of(entities(root)).family):
        return is_lazy(obj)  # inside another object
    return known_key(root, obj) is not MISSING or any(each is obj for each in root.gone.values())


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


def find(work: UnitOfWork, cls: type[Any], values: dict[str, Any]) -> Any:
    """The one entity that has `values` in its fields; None without one.

    Raises:
        MultipleResultsFound: several have them.
        TypeError: there are no values, or one is no field.
    """
    unknown = sorted(values.keys() - cls.__pydantic_fields__.keys())
    if unknown or not values:
        what = (
            f"{unknown[0]!r} is no field of {cls.__qualname__}"
            if unknown
            else "name the fields that it is to be found by"
        )
        raise TypeError(f"an entity is found by the values of its fields: {what}")
    some = _candidates(work, cls, values)
    found = [obj for obj in some if all(field_value(obj, name) == value for name, value in values.items())]
    if len(found) > 1:
        asked = ", ".join(f"{name}={told(value)}" for name, value in values.items())
        raise MultipleResultsFound(
            f"{len(found)} {cls.__qualname__} objects have {asked}: ask for more of their fields"
        )
    return found[0] if found else None


def _candidates(work: UnitOfWork, cls: type[Any], values: dict[str, Any]) -> Iterable[Any]:
    """Entities among which all are that have `values`: by key, by a unique field, or else all."""
    root = find_table(work, cls)
    if root is None:
        return ()
    keys, rows = keys_of(cls), entities(root)
    if set(keys.fields) <= values.keys():
        key = tuple([values[name] for name in keys.fields])
        known = [rows.get(key if len(key) > 1 else key[0])]
    else:
        name = next((name for name in keys.unique if values.get(name) is not None), None)
        if name is None:
            return rows.values()
        value = values[name]
        known = [rows.get(getattr(root.obj, by(name)).get(value))]
        known += [obj for _, obj in in_memory(rows, (name,))]
        known += [rows[key] for other, key in streamed(rows, name) if other == value]
    return {id(obj): obj for obj in known if obj is not None}.values()


def names(work: UnitOfWork) -> list[str]:
    """The names of the classes of which there are, or were, entities, sorted."""
    return sorted(name.removesuffix(SUFFIX) for name in work.names() if name.endswith(SUFFIX))
