"""Which of many lazy objects have surely not changed: their fields are compared with their rows a column at a time.

A program may hold a hundred thousand rows of which it changed three. Comparing each of them field by field costs the
commit a hundred times what the three take. Here a column of values is compared with the stored column in a few calls.
What this cannot tell is compared object by object, so it may name an object that is as it was read, but never leaves
out one that is not.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from enum import Enum
from itertools import chain, compress
from operator import itemgetter, ne
from typing import Any
from uuid import UUID

from ..codec.asis import UNREADABLE
from ..codec.base import EXACT_ATOMS, is_lazy
from ..codec.columns.boundary import ChunkColumn
from ..codec.refs import Ref
from ..codec.slots import EVERY, none_set
from ..codec.structs import MISSING
from ..codec.views.nodes import values_at
from ..errors import FieldNotStored
from ..lazy.proxy import decoded, is_proxy, proxy_state
from ..lazy.state import RowView
from ..table.table import EXACT
from .equality import items_differ, plainly_differ, slots_differ

SAME = EXACT_ATOMS | {date, timedelta, UUID}  # types whose `==` tells all


def elsewhere(view: Any, rows: Sequence[int], proxies: Sequence[Any]) -> list[int]:
    """The places of objects that do not stand for their rows of `view` now, be they lazy or plain."""
    if not view.strays:
        return []
    states = [proxy_state(proxy) if is_proxy(proxy) else (None, 0) for proxy in proxies]
    return [at for at, row in enumerate(rows) if states[at][0] is not view or states[at][1] != row]


def unlike(
    view: RowView, rows: Sequence[int], proxies: Sequence[Any], names: Collection[str] | None = None
) -> list[int]:
    """The places of those lazy objects that may differ from their rows of `view` in the fields `names`, or in any.

    Each stands for its row. What an object has beside fields is not looked at.
    """
    dicts = list(map(decoded, proxies))
    if not any(dicts):
        return []
    known = view.column.places
    found: set[int] = set()
    there: set[str] = set().union(*dicts)
    if names is None and not there <= known.keys():  # a cached property, say
        found.update(at for at, fields in enumerate(dicts) if not fields.keys() <= known.keys())
    for name in there & (known.keys() if names is None else set(names)):
        try:
            values, at = list(map(itemgetter(name), dicts)), None
        except KeyError:
            at = [place for place, fields in enumerate(dicts) if name in fields]
            values = [dicts[place][name] for place in at]
        differing = _differing(view, name, rows if at is None else [rows[place] for place in at], values)
        found.update(differing if at is None else (at[place] for place in differing))
    return sorted(found)


def changed(view: RowView, rows: Sequence[int], proxies: Sequence[Any]) -> list[int]:
    """As `unlike`, but with what an object has beside fields."""
    found = set(unlike(view, rows, proxies))
    if none_set(EVERY, proxies):
        return sorted(found)
    for at, (row, proxy) in enumerate(zip(rows, proxies, strict=True)):
        if slots_differ(proxy, view, row):
            found.add(at)
    return sorted(found)


def surely_changed(view: Any, values: Mapping[int, Any]) -> set[int]:
    """Rows of a struct view whose lazy objects, the `values`, have another value in a plain field."""
    if not hasattr(view, "live"):
        return set()
    rows = [row for row, value in values.items() if proxy_state(value)[0] is view]
    dicts = [decoded(values[row]) for row in rows]
    found: set[int] = set()
    for name, (_, column) in view.column.places.items():
        if len(found) == len(rows):
            break
        there = [name in fields for fields in dicts]
        here = list(compress(rows, there))
        if is_lazy(column) or not here or max(here) - min(here) > 4 * len(here):
            continue
        try:
            stored = values_at(view.field(name), here)
        except UNREADABLE:
            continue
        found.update(_surely_other(here, [fields[name] for fields in compress(dicts, there)], stored))
    return found


def _surely_other(rows: list[int], now: list[Any], stored: list[Any]) -> Iterable[int]:
    """Those of `rows` whose value `now` is surely another than the stored one."""
    types = list(map(type, now))
    if EXACT_ATOMS.issuperset(types) and types == list(map(type, stored)):
        return compress(rows, map(ne, now, stored))
    return [row for row, value, old in zip(rows, now, stored, strict=True) if _is_surely_other(value, old)]


def _is_surely_other(value: object, old: object) -> bool:
    cls = type(value)
    return cls is type(old) and bool(value != old if cls in EXACT_ATOMS else plainly_differ(value, old))


def _differing(view: RowView, name: str, rows: Sequence[int], values: list[Any]) -> Iterable[int]:
    """The places of those `values` of a field that may not be the stored ones."""
    column = view.column.places[name][1]
    every = range(len(values))
    if is_lazy(column) or isinstance(column, ChunkColumn) or view.bits & MISSING:
        return every
    try:
        stored = values_at(view.field(name), rows)
    except (FieldNotStored, *UNREADABLE):
        return every
    kinds = list(map(type, values))
    if kinds == list(map(type, stored)):
        types = set(kinds)
        if types <= SAME:
            return () if values == stored else list(compress(every, map(ne, values, stored)))
        if types == {float}:
            return list(compress(every, map(ne, _bits(values), _bits(stored))))
    if _are_same(values, stored):
        return ()
    return [at for at in every if not _is_same(values[at], stored[at])]


def _bits(values: list[float]) -> Sequence[int]:
    return memoryview(struct.pack(f"{len(values)}d", *values)).cast("q")


def _are_same(values: list[Any], stored: list[Any]) -> bool:
    """Whether all values are the stored ones, where one call for all of them tells it."""
    kinds = list(map(type, values))
    if kinds != list(map(type, stored)):
        return False
    types = set(kinds)
    if types <= SAME:
        return values == stored
    if types <= SAME | {float}:
        floats = [[each for each in column if type(each) is float] for column in (values, stored)]
        others = [[each for each in column if type(each) is not float] for column in (values, stored)]
        return others[0] == others[1] and struct.pack(f"{len(floats[0])}d", *floats[0]) == struct.pack(
            f"{len(floats[1])}d", *floats[1]
        )
    if types <= SAME | {Ref}:
        mine, theirs = ([each for each in column if type(each) is Ref] for column in (values, stored))
        others = [[each for each in column if type(each) is not Ref] for column in (values, stored)]
        return others[0] == others[1] and items_differ(mine, theirs) is False
    if types == {list}:
        if list(map(len, values)) != list(map(len, stored)):
            return False
        items = list(chain.from_iterable(values))
        return (SAME | {float, Ref}).issuperset(map(type, items)) and _are_same(
            items, list(chain.from_iterable(stored))
        )
    return False


def _is_same(value: object, stored: object) -> bool:
    cls = type(value)
    if cls is not type(stored):
        return False
    if cls in EXACT:
        return repr(value) == repr(stored)
    if issubclass(cls, Enum):
        return value is stored
    return plainly_differ(value, stored) is False if cls is dict else _are_same([value], [stored])
