"""Which values the program holds, found by reference counts, many values at a time.

What can change in place and is held elsewhere may change at any time, and only a row that keeps it finds that. A value
that this module does not know to the bottom counts as held.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, chain, islice
from operator import itemgetter
from sys import getrefcount
from typing import Any

from pydantic import BaseModel

from ..codec.apart import types_of
from ..codec.classes.immutable import has_only_attributes, is_immutable, members
from ..codec.columns.mixed_rows import first_of_neighbours
from ..codec.columns.privates import LooseColumn
from ..codec.slots import EVERY, none_set
from ..codec.types.compile import struct_for
from ..codec.views.build import FullSet
from ..lazy.handles import LazyCollection
from ..lazy.proxy import STATE, proxy_state
from ..lazy.rows import TableRows
from ..lazy.state import WithoutFields, get_dict
from ..model.base import Model
from ..model.plain import LazyModel
from ..native import compiled
from ..stack import roomy
from .traversal import ATOMIC, kind_of_class

_FIELDS_SET, _EXTRA, _PRIVATE = (
    BaseModel.__dict__[name].__get__
    for name in ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)


_ALONE = (
    next(map(getrefcount, [object()])) + 1
)  # of a value in a list of this module's, and in the one place where it belongs


def references(container: Any, key: Any) -> int:
    """The references to the value that a container has at `key`."""
    return getrefcount(container[key])


@compiled
def most_references(values: Sequence[object]) -> int:
    """The references to the value of `values` that has most, as `getrefcount` counts them; 0 without values."""
    return max(map(getrefcount, values), default=0)


AT_ONCE = 1024  # values that are looked at together, so that they are still in the processor's cache
OURS = references({0: object()}, 0)  # of a value that one container alone holds


def held(values: list[object]) -> set[int]:
    """The places of those `values` that the program holds, or anything in them that can change in place.

    Each value belongs to one container, and is held by that and by the list `values`.
    """
    types = types_of(values)
    kinds = types - ATOMIC
    for cls in list(kinds):
        if _is_fixed(cls):
            kinds.discard(cls)
    if not kinds:
        return set()
    found: set[int] = set()
    if most_references(values) > _ALONE:
        many = [at for at, count in enumerate(map(getrefcount, values)) if count > _ALONE]
        fixed = {cls for cls in kinds if issubclass(cls, tuple | frozenset)}  # where their items are
        loose = kinds - fixed
        found = {at for at in many if type(values[at]) in loose}
        if fixed:
            found |= {at for at in many if type(values[at]) in fixed and not _is_constant(values[at])}
    for cls in kinds:
        if not found and len(types) == 1:
            return _held_inside(cls, values)
        places = [at for at, each in enumerate(values) if type(each) is cls and at not in found]
        found.update(places[at] for at in _held_inside(cls, [values[at] for at in places]))
    return found


_held = roomy(held)  # of what is within others


def _is_constant(value: Any) -> bool:
    """Whether nothing in a value can change, be it held or not."""
    cls: Any = type(value)
    if issubclass(cls, tuple | frozenset):
        return all(map(_is_constant, value))
    return cls in ATOMIC or bool(_is_fixed(cls))


def held_in(container: list[object] | dict[object, object]) -> Iterator[tuple[int, object]]:
    """The values of a plain container that `held` finds, with their places."""
    values = iter(container.values() if isinstance(container, dict) else container)
    start = 0
    while part := list(islice(values, AT_ONCE)):
        for at in sorted(held(part)):
            yield start + at, part[at]
        start += len(part)


@lru_cache(1024)
def _is_fixed(cls: type) -> bool:
    """Whether nothing in objects of `cls` changes. A class's own `__hash__` does not promise it."""
    return kind_of_class(cls) == "leaf" and is_immutable(cls)


def _held_inside(cls: type, values: list[object]) -> set[int]:
    """The places of those `values`, of one class and not held themselves, that hold something that is held."""
    look = _looker(cls)
    if look is None:
        return set(range(len(values)))
    return look(values) if values else set()


@lru_cache(1024)
def _looker(cls: Any) -> Callable[[list[object]], set[int]] | None:
    if issubclass(cls, BaseModel):
        return _models
    kind = kind_of_class(cls)
    if kind == "leaf":
        if issubclass(cls, bytearray):
            return _nothing
        if issubclass(cls, set | frozenset):
            return _items
        if cls.__module__ == "numpy" and cls.__name__ == "ndarray":
            return _arrays
        return _objects if has_only_attributes(cls) and not members(cls) else None
    looks: dict[str, Callable[[list[Any]], set[int]]] = {
        "list": _items,
        "tuple": _items,
        "dict": _pairs,
        "collection": _collections,
        "dataclass": _objects,
    }
    return looks.get(kind)


def _nothing(values: list[object]) -> set[int]:
    return set()


def _items(values: list[object]) -> set[int]:
    return _parts(values, values)


def _pairs(values: list[dict[Any, Any]]) -> set[int]:
    return _parts(values, values) | _parts(values, map(dict.values, values))


def _parts(values: list[Any], parts: Iterable[Any]) -> set[int]:
    """The places of those `values` of whose `parts`, as many as their length says, any is held."""
    inside = _held(list(chain.from_iterable(parts)))
    if not inside:
        return inside
    ends = list(accumulate(map(len, values)))
    return {bisect_right(ends, at) for at in inside}


def _arrays(values: list[Any]) -> set[int]:
    return {at for at, each in enumerate(values) if each.base is not None or each.dtype.hasobject}


def _collections(values: list[LazyCollection]) -> set[int]:
    return {at for at, each in enumerate(values) if has_handed_out(each.rows)}


def has_handed_out(rows: Any) -> bool:
    """Whether a row of a lazy collection may be in use."""
    if isinstance(rows, TableRows):
        table = rows.table  # a row that handed out nothing is known to its view alone, and reached through this table
        if table.tree.root.ref is None:
            return True
        for group in table.groups.values():
            if group.held or (group.proxies is not None and group.proxies.live and not group.idle):
                return True
        return False
    return rows.order is not None or bool(rows.handed) or rows.may_change_keys()


def _objects(values: list[object]) -> set[int]:
    """Dataclasses, and other objects that have nothing but attributes."""
    return _columns([each.__dict__ for each in values]) if hasattr(values[0], "__dict__") else set(range(len(values)))


def _models(values: list[object]) -> set[int]:
    found = _columns(list(map(get_dict, values)))
    looks = ((_sets, _FIELDS_SET), (_extras, _EXTRA), (_privates, _PRIVATE))
    for look, slot in () if none_set(EVERY, values) else looks:
        inside: list[object] = []
        try:
            inside += map(slot, values)
        except AttributeError:  # of a lazy object, never asked for
            inside.clear()
            for each in values:
                try:
                    inside.append(slot(each))
                except AttributeError:
                    inside.append(None)
        if inside.count(None) < len(inside):
            found |= look(values, inside)
    if isinstance(values[0], LazyModel):
        first = first_of_neighbours(STATE, values)
        views = {type(first[0])} if first else set(map(type, map(itemgetter(0), map(proxy_state, values))))
        if any(issubclass(view, WithoutFields) for view in views):
            found.update(at for at, value in enumerate(values) if isinstance(proxy_state(value)[0], WithoutFields))
    return found


def _sets(values: list[object], sets: list[object]) -> set[int]:
    if most_references(sets) <= _ALONE:
        return set()
    counts = enumerate(map(getrefcount, sets))
    return {at for at, count in counts if count > _ALONE and type(sets[at]) not in (FullSet, type(None))}


def _extras(values: list[object], extras: list[object]) -> set[int]:
    return _held(extras)


def _privates(values: list[object], privates: list[Any]) -> set[int]:
    """Of private attributes, those that are not stored would be lost with their object."""
    found = _held(privates)
    cls = values[0].__class__
    plans = struct_for(cls).plan.privates if issubclass(cls, Model) else []
    stored = {name for name, column in plans if not isinstance(column, LooseColumn)}
    return found | {at for at, each in enumerate(privates) if each and not _is_stored(each, stored)}


def _is_stored(private: dict[str, object], stored: set[str]) -> bool:
    return private.keys() <= stored or all(name in stored or type(value) in ATOMIC for name, value in private.items())


def _columns(dicts: list[dict[str, object]]) -> set[int]:
    """The places of those objects whose attributes stand in `dicts`, their own, of which something is held."""
    found: set[int] = set()
    if most_references(dicts) > _ALONE:
        found = {at for at, count in enumerate(map(getrefcount, dicts)) if count > _ALONE}
    names = list(dicts[0])
    try:
        if set(map(len, dicts)) == {len(names)}:
            for name in names:
                column = list(map(itemgetter(name), dicts))
                if not ATOMIC.issuperset(types_of(column)):
                    found |= _held(column)
            return found
    except KeyError:
        pass
    return found | _pairs(dicts)
