"""Entities that are added, deleted and let go of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from typing import Any

from ...codec.apart import are_distinct, types_of
from ...codec.bulk import gc_paused
from ...codec.columns.boundary import ChunkColumn
from ...codec.types.compile import struct_for
from ...errors import IntegrityError, SessionError, called, told, with_article
from ...format.catalog import CatalogData
from ...lazy.proxy import is_proxy, plain_again, plain_class, proxy_state
from ...lazy.rows import Whole
from ...lazy.state import MISSING
from ...model.entities import table_class
from ...model.entity_names import table_name
from ...storage.mapped import Source
from ...storage.spill import is_spilled
from ...storage.writer import whole_bytes
from ...table.cuts import Pairs, PartsCut
from ...table.pairs import known_keys, put_new
from ...table.streaming import Spilled, gather_cut, new_table, put_pairs
from ..expire import Reset
from ..merge import own_references
from ..owner import Family
from ..roots import Root, set_key
from ..space import FileSpace, owner_of, space_of
from ..unit_of_work import UnitOfWork
from .tables import Keys, entities, find_table, keys_of, known_key, stored_rows, table_in, told_by_key

AT_ONCE = 4096  # objects of an iterator that are kept in memory


def insert(work: UnitOfWork, objs: Iterable[object], *, replace: bool) -> None:
    """Add entities, all or none.

    Raises:
        IntegrityError: a key is None and not numbered, or another entity has it and `replace` is false.
    """
    with gc_paused():
        _insert(work, objs, replace=replace)


def _insert(work: UnitOfWork, objs: Iterable[object], *, replace: bool) -> None:
    groups: dict[type, list[object]] = {}
    different = list(objs)
    if not are_distinct(different):
        different = list({id(obj): obj for obj in different}.values())
    kinds = types_of(different)
    if len(kinds) == 1:
        groups[plain_class(*kinds)] = different
    else:
        for obj in different:
            groups.setdefault(plain_class(type(obj)), []).append(obj)
    added = [(_Added(work, cls), each) for cls, each in groups.items()]
    for here, each in added:
        here.take(each, replace=replace)
    for here, _ in added:
        root = table_of(work, here.cls)
        root.number(here.keys.numbered, here.numbered)
        put(root, here.pairs, here.known)
        root.obj.last = max(root.obj.last, here.last)
        own_references(here.cls, list(here.pairs.values()), work.space or space_of(entities(root)))


class _Added:
    """Entities of one class that are to be added, and the keys that they get.

    `numbered` are the objects that get a number, each with it. `pairs` are the entities to put under their keys, and
    `known` are those of these keys that other entities have.
    """

    def __init__(self, work: UnitOfWork, cls: type) -> None:
        root = find_table(work, cls)
        self.cls = cls
        self.keys = keys_of(cls)
        self._rows = None if root is None else entities(root)
        self.last: int = 0 if root is None else root.obj.last
        self.numbered: list[tuple[object, int]] = []
        self.pairs: dict[object, object] = {}
        self.known: list[object] = []

    def take(self, objs: list[object], *, replace: bool) -> None:
        """Take objects, each of them once.

        Raises:
            IntegrityError: a key is None and not numbered, or another entity has it and `replace` is false.
        """
        keys = self.keys_for(objs)
        self.pairs = dict(zip(keys, objs, strict=True))
        if len(self.pairs) < len(keys) and not replace:
            raise taken(self.cls, self.keys, first_again(keys))
        if self._rows is None:
            return
        known = {key: self._rows.get(key) for key in known_keys(table_in(self._rows), list(self.pairs))}
        for key, obj in known.items():
            if obj is self.pairs[key]:
                del self.pairs[key]
            elif not replace:
                raise taken(self.cls, self.keys, key)
        self.known = [key for key in known if key in self.pairs]

    def keys_for(self, objs: list[object], *, in_turn: bool = False) -> list[object]:
        """The keys of objects. Those that have none get the numbers above those that were given, or IntegrityError.

        `in_turn` numbers the objects of an iterator: only the keys before an object count.
        """
        keys, numbered = self.keys.of_all(objs), self.keys.numbered
        missing = [place for place, key in enumerate(keys) if key is None] if numbered else []
        given = [key for key in keys if type(key) is int] if numbered else []
        if in_turn and missing and given:
            self._number_in_turn(objs, keys)
        else:
            self.last = max(self.last, max(given, default=0))
            ids = dict.fromkeys([id(objs[place]) for place in missing])  # an iterator may give an object twice
            numbers = dict(zip(ids, range(self.last + 1, self.last + 1 + len(ids)), strict=True))
            self.last += len(ids)
            for place in missing:
                keys[place] = numbers[id(objs[place])]
        self.numbered = [(objs[place], keys[place]) for place in missing]
        self.keys.check_all(self.cls, keys)
        return keys

    def _number_in_turn(self, objs: list[object], keys: list[object]) -> None:
        numbers: dict[int, int] = {}
        for place, (obj, key) in enumerate(zip(objs, keys, strict=True)):
            if key is None:
                keys[place] = key = numbers.setdefault(id(obj), self.last + 1)
            if type(key) is int:
                self.last = max(self.last, key)


def first_again(values: list[object]) -> object:
    """The first of `values` that is equal to one before."""
    met: set[object] = set()
    for value in values:
        if value in met:
            return value
        met.add(value)
    return MISSING


def put(root: Root, pairs: dict[object, object], known: Collection[object]) -> None:
    """Let entities stand under their keys; `known` are the keys that other entities have."""
    rows = entities(root)
    changing = rows._changing()
    with Whole(changing):
        for key in known:
            changing.put(key, pairs[key])
        new = {key: obj for key, obj in pairs.items() if key not in known} if known else pairs
        if new:
            put_new(table_in(rows), list(new), list(new.values()))
    for key in root.gone.keys() & pairs.keys():
        del root.gone[key]


def table_of(work: UnitOfWork, cls: type) -> Root:
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


def taken(cls: type, keys: Keys, key: object) -> IntegrityError:
    """The error for a key that another entity has."""
    return IntegrityError(
        f"another {cls.__qualname__} has the key {keys.spelled(key)}: change that one, session.get({cls.__name__}, "
        f"{told(key)}), copy this object onto it, session.merge(obj), or let this object take its place, "
        "add(obj, replace=True)"
    )


# -- more than memory holds --------------------------------------------------------------------------------------------


def insert_stream(
    work: UnitOfWork, cls: type, objs: Iterator[object], check: Callable[[list[object]], None], *, replace: bool
) -> None:
    """Add the entities of an iterator, all of `cls`, which leave memory as they come; all or none.

    `check` raises for objects that cannot be added.

    Raises:
        IntegrityError: as `insert`; also where one key comes twice.
        EncodeError: a value does not fit its field.
        TypeError: the iterator gives something else.
    """
    added = _Added(work, cls)
    column = struct_for(table_class(cls)).places["rows"][1]
    assert isinstance(column, ChunkColumn)
    with told_by_key():
        found = gather_cut(_space(work), column, PartsCut(_parts(added, objs, check)))
    if not isinstance(found, Spilled):
        assert isinstance(found, Pairs)
        insert(work, found.right, replace=replace)
        return
    root = table_of(work, cls)
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


def _parts(
    added: _Added, objs: Iterator[object], check: Callable[[list[object]], None]
) -> Iterator[tuple[list[object], list[object]]]:
    """Keys and objects, some hundred at a time."""
    while part := list(islice(objs, -(-AT_ONCE // 8))):
        check(part)
        for obj in part if types_of(part) != {added.cls} else ():
            if plain_class(obj.__class__) is not added.cls:
                raise TypeError(
                    f"add_all(objs): an iterator of more than {AT_ONCE} objects gives objects of one class, and this "
                    f"one gave {with_article(added.cls.__qualname__)} and {called(obj)}"
                )
        keys = added.keys_for(part, in_turn=True)
        for obj, number in added.numbered:
            set_key(obj, added.keys.numbered, number)
        yield keys, part
        del keys, part  # the objects leave memory with their row group


# -- deleting and letting go -------------------------------------------------------------------------------------------


def delete(work: UnitOfWork, obj: object) -> None:
    """Let the next commit delete a stored entity."""
    root, key = _place(work, obj, "deleted")
    if key not in stored_rows(work, root):
        raise SessionError(f"this {obj.__class__.__qualname__} was not committed yet: to take it back, expunge it")
    entities(root)._changing().remove(key)
    root.gone[key] = obj


def expunge(work: UnitOfWork, obj: object) -> None:
    """Forget an entity: one that is stored stays so, and the object is a plain one."""
    root, key = _place(work, obj, "expunged")
    stored = stored_rows(work, root).get(key)
    rows = entities(root)
    if is_proxy(obj) and owner_of(obj) is work.owner:
        _make_plain(work, obj)
    if stored is not None:
        place = table_in(rows).find(key)
        if place is not None and (place[0].ref is None or is_spilled(place[0].ref)):  # it took the place of that one
            put(root, {key: stored.model_load()}, [key])
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


def _place(work: UnitOfWork, obj: Any, what: str) -> tuple[Root, object]:
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
