"""Entities that are added, deleted and let go of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...codec.columns.boundary import ChunkColumn
from ...codec.types.compile import struct_for
from ...errors import IntegrityError, SessionError, called, told
from ...format.catalog import CatalogData
from ...lazy.map import LazyMap
from ...lazy.proxy import is_proxy, plain_again, plain_class, proxy_state
from ...lazy.rows import TablePairs, Whole
from ...lazy.spans import SpanPairs
from ...lazy.state import MISSING
from ...storage.mapped import Source
from ...storage.writer import whole_bytes
from ...table.streaming import Spilled, gather, new_table, put_pairs
from ...table.table import Table
from ..expire import Reset
from ..roots import Root
from ..space import Family, FileSpace
from ..unit_of_work import UnitOfWork
from .tables import Keys, find_table, keys_of, known_key, stored_rows, table_class, table_name

AT_ONCE = 4096  # objects of an iterator that are kept in memory


def insert(work: UnitOfWork, objs: Iterable[Any], *, replace: bool) -> None:
    """Add entities, all or none.

    Raises:
        IntegrityError: a key is None and not numbered, or another entity has it and `replace` is false.
    """
    added: dict[type[Any], _Added] = {}
    for obj in objs:
        cls = plain_class(obj.__class__)
        here = added.get(cls)
        if here is None:
            here = added[cls] = _Added(work, cls)
        key = here.key(obj)
        other = here.pairs[key] if key in here.pairs else here.rows.get(key, obj)
        if other is not obj and not replace:
            raise taken(cls, here.keys, key)
        here.pairs[key] = obj
    for cls, here in added.items():
        root = _table_of(work, cls)
        for obj, number in here.numbered:
            root.number(obj, here.keys.numbered, number)
        put(root, here.pairs, here.last)


class _Added:
    """Entities of one class that are to be added, and the keys that they get."""

    def __init__(self, work: UnitOfWork, cls: type[Any]) -> None:
        root = find_table(work, cls)
        self.cls = cls
        self.keys = keys_of(cls)
        self.rows: Mapping[Any, Any] = {} if root is None else root.obj.rows
        self.last: int = 0 if root is None else root.obj.last
        self.pairs: dict[Any, Any] = {}
        self.numbered: list[tuple[Any, int]] = []

    def key(self, obj: Any) -> Any:
        """The key of an entity, or the number that it gets."""
        keys = self.keys
        key = keys.of(obj)
        if key is None and keys.numbered:
            self.last = key = self.last + 1
            self.numbered.append((obj, key))
        elif key is None or key is MISSING or (len(keys.fields) > 1 and (None in key or MISSING in key)):
            raise IntegrityError(
                f"{self.cls.__qualname__}: the key is None: set {', '.join(keys.fields)} before add(obj)"
            )
        elif keys.numbered and type(key) is int:
            self.last = max(self.last, key)
        return key


def put(root: Root, pairs: dict[Any, Any], last: int) -> None:
    """Let entities stand under their keys; `last` is the highest number that was given."""
    rows = root.obj.rows
    if isinstance(rows, LazyMap):
        changing = rows._changing()
        with Whole(changing):
            for key, obj in pairs.items():
                changing.put(key, obj)
    else:
        rows.update(pairs)
    for key in pairs:
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


def taken(cls: type[Any], keys: Keys, key: Any) -> IntegrityError:
    """The error for a key that another entity has."""
    return IntegrityError(
        f"another {cls.__qualname__} has the key {keys.spelled(key)}: change that one, session.get({cls.__name__}, "
        f"{told(key)}), copy this object onto it, session.merge(obj), or let this object take its place, "
        "add(obj, replace=True)"
    )


# -- more than memory holds --------------------------------------------------------------------------------------------


def insert_stream(work: UnitOfWork, cls: type[Any], objs: Iterator[Any]) -> None:
    """Add the entities of an iterator, all of `cls`, which leave memory as they come; all or none.

    Raises:
        IntegrityError: as `insert`; also where one key comes twice.
        EncodeError: a value does not fit its field.
        TypeError: the iterator gives something else.
    """
    added = _Added(work, cls)
    root = _table_of(work, cls)
    column = root.column.places["rows"][1]
    assert isinstance(column, ChunkColumn)
    table = _own_table(work, root, column)
    found = gather(table.space, column, _pairs(added, objs))
    if not isinstance(found, Spilled):
        insert(work, [obj for _, obj in found], replace=False)
        return
    with Whole(TablePairs(table)):
        twice = put_pairs(table, found)
        if twice is not MISSING:
            raise taken(cls, added.keys, twice)
    root.obj.last = max(root.obj.last, added.last)


def _pairs(added: _Added, objs: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    for obj in objs:
        if plain_class(obj.__class__) is not added.cls:
            raise TypeError(
                f"add_all(objs): an iterator of more than {AT_ONCE} objects gives objects of one class, and this "
                f"one gave a {added.cls.__qualname__} and {called(obj)}"
            )
        key = added.key(obj)
        if added.numbered:
            obj.__dict__[added.keys.numbered] = key
            added.numbered.clear()
        yield key, obj


def _own_table(work: UnitOfWork, root: Root, column: ChunkColumn) -> Table:
    """The table of a root that holds entities; one is made where they are few, or none is stored."""
    rows = root.obj.rows
    if isinstance(rows, LazyMap) and isinstance(rows.rows, TablePairs):
        rows._changing()
        return rows.rows.table
    table = new_table(_space(work), column)
    for key, obj in rows.items():
        table.put(key, obj)
    if isinstance(rows, LazyMap):
        rows._changing()
        rows.rows = TablePairs(table)
    else:
        root.obj.rows = LazyMap(TablePairs(table), column)
    return table


def _space(work: UnitOfWork) -> FileSpace:
    if work.space is not None:
        return work.space
    nothing = Source.open(whole_bytes(lambda pipeline: CatalogData()))
    return FileSpace(nothing, writable=True, family=Family(work.owner), new_spill=work.new_spill)


# -- deleting and letting go -------------------------------------------------------------------------------------------


def delete(work: UnitOfWork, obj: Any) -> None:
    """Let the next commit delete a stored entity."""
    root, key = _place(work, obj, "deleted")
    if key not in stored_rows(work, root):
        raise SessionError(f"this {obj.__class__.__qualname__} was not committed yet: to take it back, expunge it")
    del root.obj.rows[key]
    root.gone[key] = obj


def expunge(work: UnitOfWork, obj: Any) -> None:
    """Forget an entity: one that is stored stays so, and the object is a plain one."""
    root, key = _place(work, obj, "expunged")
    stored = stored_rows(work, root).get(key)
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
        held = pairs.handed if isinstance(pairs, SpanPairs) else view.held or {}
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
            f"only an object of this session can be {what}, and this {cls.__qualname__} is none: "
            f"session.get({cls.__name__}, key) gives one"
        )
    return root, key
