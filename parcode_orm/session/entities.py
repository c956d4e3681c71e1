"""Entities: the objects of a class with a `Key`, stored as the rows of one table a class.

The table is a field of a root that the session makes: `rows` by primary key, the number last given, and, a field each,
the unique values with the keys of the entities that have them. So entities are tracked, committed, compared and read at
earlier commits as any other rows are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, get_args

from ..codec.per_class import per_class
from ..codec.types.compile import struct_for
from ..codec.types.names import name_of
from ..errors import IntegrityError, MultipleResultsFound, NoResultFound, SessionError, told
from ..lazy.map import LazyMap
from ..lazy.proxy import decoded, is_lazy, is_proxy, plain_again, plain_class, proxy_state
from ..lazy.rows import TablePairs, Whole
from ..lazy.spans import SpanPairs
from ..lazy.state import MISSING, field_value
from ..model.base import Model, ModelMeta, on_complete
from ..model.fields import ShardedMap
from ..model.keys import key_fields, key_type, numbered_field, unique_fields
from .content_hash import digest_of
from .dirty import hold_live
from .expire import Reset
from .roots import Root, read_root
from .space import owner_of
from .unit_of_work import UnitOfWork

SUFFIX = "[]"  # of the names of the roots that hold entities
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
        annotations[_by(name)] = _dict_of(cls.__pydantic_fields__[name].annotation, key)
        fields[_by(name)] = ShardedMap(default_factory=dict)
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


def _by(name: str) -> str:
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
    hold_live(table)
    held = table.rows_held()
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
    if work.is_new(root):
        return list(rows.values())
    if isinstance(rows, LazyMap) and isinstance(rows.rows, TablePairs):
        return [rows[key] for key in rows.rows.table.added]
    stored = _stored(work, root)
    return [obj for key, obj in in_memory(rows) if key not in stored]


def changed_entities(work: UnitOfWork, root: Root) -> Iterator[Any]:
    """The stored entities that are plain objects and changed; lazy ones are found as all lazy objects are."""
    plain = [(key, obj) for key, obj in in_memory(root.obj.rows) if not is_proxy(obj)]
    stored = _stored(work, root) if plain else {}
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


def _stored(work: UnitOfWork, root: Root, name: str = "rows") -> Mapping[Any, Any]:
    """The entities as the last commit has them, or one of their indexes."""
    source = work.source
    if source is None or root.name not in source.catalog.roots:
        return {}
    found: Mapping[Any, Any] = getattr(read_root(work.look_at(source), root.name, root.column), name)
    return found


def find(work: UnitOfWork, cls: type[Any], values: dict[str, Any]) -> Any:
    """The one entity that has `values` in its fields; None without one.

    Raises:
        MultipleResultsFound: several have them.
        TypeError: there are no values, or one is no field.
    """
    keys, rows = keys_of(cls), rows_of(work, cls)
    unknown = sorted(values.keys() - cls.__pydantic_fields__.keys())
    if unknown or not values:
        what = (
            f"{unknown[0]!r} is no field of {_called(cls)}" if unknown else "name the fields that it is to be found by"
        )
        raise TypeError(f"an entity is found by the values of its fields: {what}")
    key = tuple([values.get(name) for name in keys.fields])
    if set(keys.fields) <= values.keys():
        known = rows.get(key[0] if len(key) == 1 else key)
        some: Iterable[Any] = () if known is None else (known,)
    else:
        some = rows.values()
    found = [obj for obj in some if all(field_value(obj, name) == value for name, value in values.items())]
    if len(found) > 1:
        asked = ", ".join(f"{name}={told(value)}" for name, value in values.items())
        raise MultipleResultsFound(f"{len(found)} {_called(cls)} objects have {asked}: ask for more of their fields")
    return found[0] if found else None


def names(work: UnitOfWork) -> list[str]:
    """The names of the classes of which there are entities, sorted."""
    stored = {name for name in work.names() if name.endswith(SUFFIX)}
    empty = {root.name for root in tables(work) if not root.obj.rows}
    return sorted(name.removesuffix(SUFFIX) for name in stored - empty)


# -- changing ----------------------------------------------------------------------------------------------------------


def insert(work: UnitOfWork, objs: Iterable[Any], *, replace: bool) -> None:
    """Add entities, all or none.

    Raises:
        IntegrityError: a key is None and not numbered, or another entity has it and `replace` is false.
    """
    found: dict[type[Any], dict[Any, Any]] = {}
    numbered: dict[type[Any], list[tuple[Any, int]]] = {}
    last: dict[type[Any], int] = {}
    for obj in objs:
        cls = plain_class(obj.__class__)
        keys, here, rows = keys_of(cls), found.setdefault(cls, {}), rows_of(work, cls)
        if cls not in last:
            root = find_table(work, cls)
            last[cls] = 0 if root is None else root.obj.last
        key = keys.of(obj)
        if key is None and keys.numbered:
            last[cls] += 1
            key = last[cls]
            numbered.setdefault(cls, []).append((obj, key))
        elif key is None or (len(keys.fields) > 1 and None in key) or key is MISSING:
            raise IntegrityError(
                f"{_called(cls)}: the key is None: set {', '.join(keys.fields)} before adding the object"
            )
        elif keys.numbered and type(key) is int:
            last[cls] = max(last[cls], key)
        other = here[key] if key in here else rows.get(key, obj)
        if other is not obj and not replace:
            raise _taken(cls, keys, key)
        here[key] = obj
    for cls, here in found.items():
        root = _table_of(work, cls)
        for obj, key in numbered.get(cls, ()):
            root.number(obj, keys_of(cls).numbered, key)
        _put(root, here, last[cls])


def _put(root: Root, found: dict[Any, Any], last: int) -> None:
    rows = root.obj.rows
    if isinstance(rows, LazyMap):
        pairs = rows._changing()
        with Whole(pairs):
            for key, obj in found.items():
                pairs.put(key, obj)
    else:
        rows.update(found)
    for key in found:
        root.gone.pop(key, None)
    if last > root.obj.last:
        root.obj.last = last


def _table_of(work: UnitOfWork, cls: type[Any]) -> Root:
    found = find_table(work, cls)
    if found is None:
        table = table_class(cls)
        found = Root(table_name(cls), table(), struct_for(table))
        work.attach([found])
    return found


def _taken(cls: type[Any], keys: Keys, key: Any) -> IntegrityError:
    return IntegrityError(
        f"another {_called(cls)} has the key {keys.spelled(key)}: change that one, session.get({cls.__name__}, "
        f"{told(key)}), copy this object onto it, session.merge(obj), or let this object take its place, "
        "add(obj, replace=True)"
    )


def _called(cls: type[Any]) -> str:
    return cls.__qualname__


def delete(work: UnitOfWork, obj: Any) -> None:
    """Let the next commit delete a stored entity."""
    root, key = _place(work, obj, "deleted")
    if any(each is obj for each in new_entities(work, root)) and key not in _stored(work, root):
        raise SessionError(f"this {_called(obj.__class__)} was not committed yet: to take it back, expunge it")
    del root.obj.rows[key]
    root.gone[key] = obj


def expunge(work: UnitOfWork, obj: Any) -> None:
    """Forget an entity: one that is stored stays so, and the object is a plain one."""
    root, key = _place(work, obj, "expunged")
    stored = _stored(work, root).get(key)
    if stored is None:
        del root.obj.rows[key]
        root.take_back(obj)
    elif is_proxy(obj):
        loaded = obj.model_load()
        view, _ = proxy_state(obj)
        Reset(work.owner).object(obj)
        plain_again(obj)
        obj.__setstate__(loaded.__getstate__())
        pairs = root.obj.rows.rows
        held = pairs.handed if isinstance(pairs, SpanPairs) else view.held
        for at in [at for at, each in held.items() if each is obj]:
            del held[at]
    else:
        root.obj.rows[key] = stored.model_load()


def _place(work: UnitOfWork, obj: Any, what: str) -> tuple[Root, Any]:
    """The table that has an entity, and the key it has it by."""
    cls = plain_class(obj.__class__)
    root = find_table(work, cls)
    key = MISSING if root is None else known_key(root, obj)
    if root is None or key is MISSING:
        raise SessionError(
            f"only an object of this session can be {what}, and this {_called(cls)} is none: "
            f"session.get({cls.__name__}, key) gives one"
        )
    return root, key


# -- flushing ----------------------------------------------------------------------------------------------------------


@contextmanager
def flushed(work: UnitOfWork) -> Iterator[None]:
    """Entities stand under their present keys, and in the unique indexes while the block runs; after a commit, further.

    Raises:
        IntegrityError: two entities would have one key or one unique value; nothing has changed.
    """
    before = work.source
    undo: list[tuple[Any, Any, Any]] = []
    try:
        for root in tables(work):
            _move(root)
        for root in tables(work):
            for name in keys_of(entity_class(root.obj.__class__)).unique:
                _index(work, root, name, undo)
        yield
    finally:
        if work.source is before:
            for index, value, key in reversed(undo):
                if key is MISSING:
                    del index[value]
                else:
                    index[value] = key
    if work.source is not before:
        for root in tables(work):
            root.settle()


def _move(root: Root) -> None:
    """Let entities whose key fields were changed stand under the new keys."""
    cls = entity_class(root.obj.__class__)
    keys, rows = keys_of(cls), root.obj.rows
    moves: dict[Any, Any] = {}
    old: dict[Any, Any] = {}
    for key, obj in in_memory(rows):
        if is_proxy(obj) and not any(name in decoded(obj) for name in keys.fields):
            continue  # nobody has touched its key
        now = keys.of(obj)
        if now != key or type(now) is not type(key):
            if now is None or now in moves:
                raise _taken(cls, keys, now)
            moves[now] = obj
            old[key] = obj
    for now, obj in moves.items():
        if now not in old and rows.get(now, obj) is not obj:
            raise _taken(cls, keys, now)
    for key in old:
        del rows[key]
        root.gone[key] = None
    if moves:
        last = max([root.obj.last, *(now for now in moves if keys.numbered and type(now) is int)])
        _put(root, moves, last)


def _index(work: UnitOfWork, root: Root, name: str, undo: list[tuple[Any, Any, Any]]) -> None:
    """Bring the index of a unique field up to date; `undo` gets the pairs to put back, MISSING for new ones."""
    cls = entity_class(root.obj.__class__)
    keys, rows, index = keys_of(cls), root.obj.rows, getattr(root.obj, _by(name))
    stored = _stored(work, root)
    claims: list[tuple[Any, Any]] = []
    for key, obj in [*((key, None) for key in root.gone if key not in rows), *in_memory(rows, unread=name)]:
        before = stored.get(key)
        was = None if before is None else field_value(before, name)
        now = None if obj is None else field_value(obj, name)
        if was == now:
            continue
        if was is not None:
            del index[was]
            undo.append((index, was, key))
        if now is not None:
            claims.append((now, key))
    for value, key in claims:
        other = index.get(value, MISSING)
        if other is not MISSING:
            raise IntegrityError(
                f"{_called(cls)}.{name}: {told(value)} is the value of two objects, {keys.spelled(other)} and "
                f"{keys.spelled(key)}, and the field is unique: change one of them, or delete it"
            )
        index[value] = key
        undo.append((index, value, MISSING))
