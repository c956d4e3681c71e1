"""Entities that are added, deleted and let go of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...codec.columns.boundary import ChunkColumn
from ...codec.types.compile import struct_for
from ...errors import IntegrityError, SessionError, called, told
from ...format.catalog import CatalogData
from ...lazy.proxy import is_proxy, plain_again, plain_class, proxy_state
from ...lazy.rows import Whole
from ...lazy.state import MISSING
from ...model.entities import table_class, table_name
from ...storage.mapped import Source
from ...storage.spill import is_spilled
from ...storage.writer import whole_bytes
from ...table.streaming import Spilled, gather, new_table, put_pairs
from ..expire import Reset
from ..owner import Family
from ..roots import Root, set_key
from ..space import FileSpace, owner_of
from ..unit_of_work import UnitOfWork
from .tables import Keys, entities, find_table, keys_of, known_key, stored_rows, table_in, told_by_key

AT_ONCE = 4096  # objects of an iterator that are kept in memory


def insert(work: UnitOfWork, objs: Iterable[Any], *, replace: bool) -> None:
    """Add entities, all or none.

    Raises:
        IntegrityError: a key is None and not numbered, or another entity has it and `replace` is false.
    """
    added: dict[type[Any], _Added] = {}
    objs = list(objs)
    for obj in objs:  # a number that is given to one is no other's
        cls = plain_class(obj.__class__)
        if keys_of(cls).numbered:
            if cls not in added:
                added[cls] = _Added(work, cls)
            added[cls].reserve(obj)
    for obj in objs:
        cls = plain_class(obj.__class__)
        here = added.get(cls)
        if here is None:
            here = added[cls] = _Added(work, cls)
        key = here.key(obj)
        known = here.rows.get(key)
        other = here.pairs.get(key, known)
        if other is not None and other is not obj and not replace:
            raise taken(cls, here.keys, key)
        if known is not obj:
            here.pairs[key] = obj
    for cls, here in added.items():
        root = _table_of(work, cls)
        for obj, number in here.numbered.values():
            root.number(obj, here.keys.numbered, number)
        put(root, here.pairs)
        root.obj.last = max(root.obj.last, here.last)


class _Added:
    """Entities of one class that are to be added, and the keys that they get."""

    def __init__(self, work: UnitOfWork, cls: type[Any]) -> None:
        root = find_table(work, cls)
        self.cls = cls
        self.keys = keys_of(cls)
        self.rows: Mapping[Any, Any] = {} if root is None else entities(root)
        self.last: int = 0 if root is None else root.obj.last
        self.pairs: dict[Any, Any] = {}
        self.numbered: dict[int, tuple[Any, int]] = {}  # by id: objects with the numbers that they get

    def reserve(self, obj: Any) -> None:
        """Numbers begin above the key of an entity."""
        key = self.keys.of(obj)
        if type(key) is int:
            self.last = max(self.last, key)

    def key(self, obj: Any) -> Any:
        """The key of an entity, or the number that it gets."""
        keys = self.keys
        key = keys.of(obj)
        if key is None and keys.numbered:
            if id(obj) not in self.numbered:
                self.last += 1
                self.numbered[id(obj)] = obj, self.last
            return self.numbered[id(obj)][1]
        keys.check(self.cls, key)
        if keys.numbered and type(key) is int:
            self.last = max(self.last, key)
        return key


def put(root: Root, pairs: dict[Any, Any]) -> None:
    """Let entities stand under their keys."""
    changing = entities(root)._changing()
    with Whole(changing):
        for key, obj in pairs.items():
            changing.put(key, obj)
    for key in pairs:
        root.gone.pop(key, None)


def _table_of(work: UnitOfWork, cls: type[Any]) -> Root:
    """The root that holds the entities of `cls`: an empty one where there were never any."""
    found = find_table(work, cls)
    if found is None:
        table = table_class(cls)
        found = Root(table_name(cls), table(), struct_for(table))
        space = _space(work)
        for name, column in found.column.fields:
            if isinstance(column, ChunkColumn) and column.is_map:
                setattr(found.obj, name, space.lazy_map_table(column, new_table(space, column).ref))
        work.attach([found])
    return found


def _space(work: UnitOfWork) -> FileSpace:
    if work.space is not None:
        return work.space
    nothing = Source.open(whole_bytes(lambda pipeline: CatalogData()))
    return FileSpace(nothing, writable=True, family=Family(work.owner), new_spill=work.new_spill, tuning=work.tuning)


def taken(cls: type[Any], keys: Keys, key: Any) -> IntegrityError:
    """The error for a key that another entity has."""
    return IntegrityError(
        f"another {cls.__qualname__} has the key {keys.spelled(key)}: change that one, session.get({cls.__name__}, "
        f"{told(key)}), copy this object onto it, session.merge(obj), or let this object take its place, "
        "add(obj, replace=True)"
    )


# -- more than memory holds --------------------------------------------------------------------------------------------


def insert_stream(work: UnitOfWork, cls: type[Any], objs: Iterator[Any], *, replace: bool) -> None:
    """Add the entities of an iterator, all of `cls`, which leave memory as they come; all or none.

    Raises:
        IntegrityError: as `insert`; also where one key comes twice.
        EncodeError: a value does not fit its field.
        TypeError: the iterator gives something else.
    """
    added = _Added(work, cls)
    column = struct_for(table_class(cls)).places["rows"][1]
    assert isinstance(column, ChunkColumn)
    with told_by_key():
        found = gather(_space(work), column, _pairs(added, objs))
    if not isinstance(found, Spilled):
        insert(work, [obj for _, obj in found], replace=replace)
        return
    root = _table_of(work, cls)
    rows = entities(root)
    try:
        with Whole(rows._changing()):
            twice = put_pairs(table_in(rows), found)
            if twice is not MISSING and not replace:
                raise taken(cls, added.keys, twice)
    except BaseException:
        _forget_empty(work, root)
        raise
    root.gone = {key: None if key in rows else obj for key, obj in root.gone.items()}
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
            set_key(obj, added.keys.numbered, key)
            added.numbered.clear()
        yield key, obj


# -- deleting and letting go -------------------------------------------------------------------------------------------


def delete(work: UnitOfWork, obj: Any) -> None:
    """Let the next commit delete a stored entity."""
    root, key = _place(work, obj, "deleted")
    if key not in stored_rows(work, root):
        raise SessionError(f"this {obj.__class__.__qualname__} was not committed yet: to take it back, expunge it")
    entities(root)._changing().remove(key)
    root.gone[key] = obj


def expunge(work: UnitOfWork, obj: Any) -> None:
    """Forget an entity: one that is stored stays so, and the object is a plain one."""
    root, key = _place(work, obj, "expunged")
    stored = stored_rows(work, root).get(key)
    rows = entities(root)
    if is_proxy(obj) and owner_of(obj) is work.owner:
        _make_plain(work, obj)
    if stored is not None:
        place = table_in(rows).find(key)
        if place is not None and (place[0].ref is None or is_spilled(place[0].ref)):  # it took the place of that one
            put(root, {key: stored.model_load()})
        return
    rows._changing().remove(key)
    root.take_back(obj)
    _forget_empty(work, root)


def _forget_empty(work: UnitOfWork, root: Root) -> None:
    """A commit has nothing to store of a table that is new and has no entities."""
    if work.is_new(root) and not entities(root):
        work.expunge(root)


def _make_plain(work: UnitOfWork, obj: Any) -> None:
    loaded = obj.model_load()
    view, _ = proxy_state(obj)
    Reset(work.owner).object(obj)
    plain_again(obj)
    obj.__setstate__(loaded.__getstate__())
    held = view.held or {}
    for row in [row for row, each in held.items() if each is obj]:
        del held[row]


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
