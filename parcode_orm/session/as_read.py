"""Which of many lazy objects have surely not changed: their fields are compared with their rows a column at a time.

A program may hold a hundred thousand rows of which it changed three. Comparing each of them field by field costs the
commit a hundred times what the three take. Here a column of values is compared with the stored column in a few calls.
What this cannot tell is compared object by object, so it may name an object that is as it was read, but never leaves
out one that is not.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from enum import Enum
from itertools import chain, compress, repeat
from typing import Any
from uuid import UUID

from ..codec.apart import field_of, names_within
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
from ..model.plain import LazyModel
from ..table.row_group import Group
from ..table.table import EXACT
from .equality import OTHER, PERHAPS, SAME, compare_values, items_differ, plainly_differ, slots_differ

EQUAL_TELLS = EXACT_ATOMS | {date, timedelta, UUID}  # types whose `==` tells all


def elsewhere(view: Any, rows: Sequence[int], proxies: Sequence[object]) -> list[int]:
    """The places of objects that do not stand for their rows of `view` now, be they lazy or plain."""
    if not view.strays:
        return []
    states = [proxy_state(proxy) if is_proxy(proxy) else (None, 0) for proxy in proxies]
    return [at for at, row in enumerate(rows) if states[at][0] is not view or states[at][1] != row]


def unlike(
    view: RowView, rows: Sequence[int], proxies: Sequence[Any], names: Collection[str] | None = None
) -> bytearray:
    """`SAME`, `PERHAPS` or `OTHER` for each of some lazy objects: whether it differs from its row of `view`.

    Each stands for its row. Only the fields `names` count, if they are given. What an object has
    beside fields is not looked at.
    """
    marks = bytearray(len(rows))
    there = names_within(proxies)
    known = view.column.places
    if names is None and not there <= known.keys():  # a cached property, say
        _raise(marks, None, bytes(not decoded(proxy).keys() <= known.keys() for proxy in proxies))
    for name in there & (known.keys() if names is None else set(names)):
        try:
            values, at = field_of(proxies, name), None
        except KeyError:
            dicts = list(map(decoded, proxies))
            at = [place for place, fields in enumerate(dicts) if name in fields]
            values = [dicts[place][name] for place in at]
        _raise(marks, at, _differing(view, name, rows if at is None else [rows[place] for place in at], values))
    return marks


def changed(view: RowView, rows: Sequence[int], proxies: Sequence[Any]) -> bytearray:
    """As `unlike`, but with what an object has beside fields."""
    marks = unlike(view, rows, proxies)
    if not none_set(EVERY, proxies):
        for at, (row, proxy) in enumerate(zip(rows, proxies, strict=True)):
            if not marks[at] and slots_differ(proxy, view, row):
                marks[at] = PERHAPS
    return marks


def _raise(marks: bytearray, at: list[int] | None, found: bytes | None) -> None:
    """Let the marks at the places `at`, or all, be `found` where that says more."""
    if found is None:
        return
    if at is None:
        marks[:] = bytes(map(max, marks, found)) if any(marks) else found
        return
    for place, mark in zip(at, found, strict=True):
        marks[place] = max(marks[place], mark)


def perhaps_changed(group: Group, held: Mapping[int, object], names: Collection[str]) -> dict[int, object]:
    """The objects in memory for rows of `group` that may have other values in the fields `names` than are stored.

    Rows are as they are, so a value that is the stored one is kept (`Group.compared`). A program that changes one
    object after the other, each found by a statement, has these compared again and again.
    """
    view: Any = group.items
    if not hasattr(view, "live"):
        return dict(held)
    found = {}
    compared = [(name, group.compared.setdefault(name, {})) for name in names]
    for row, value in list(held.items()):
        state = proxy_state(value) if isinstance(value, LazyModel) else None
        if state is None or state[0] is not view or state[1] != row:
            found[row] = value
            continue
        fields = decoded(value)
        for name, known in compared:
            now = fields.get(name, _UNREAD)
            if now is known.get(row, _UNREAD) or now is _UNREAD:
                continue
            if not _is_stored(view, name, row, now):
                found[row] = value
                break
            known[row] = now
    return found


_UNREAD: object = object()


def _is_stored(view: RowView, name: str, row: int, value: object) -> bool:
    """Whether a value is surely the stored one of a field, and cannot change in place."""
    cls = type(value)
    if cls not in EQUAL_TELLS and cls is not float:
        return False
    try:
        stored = view.getter(name)(row)
    except (*UNREADABLE, FieldNotStored):
        return False
    return type(stored) is cls and bool(stored == value) and (cls is not float or value != 0)


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
        marks = _marks([fields[name] for fields in compress(dicts, there)], stored)
        found.update(row for row, mark in zip(here, marks or (), strict=False) if mark == OTHER)
    return found


def _differing(view: RowView, name: str, rows: Sequence[int], values: list[object]) -> bytes | None:
    """A mark for each of those `values` of a field; None if all are the stored ones."""
    column = view.column.places[name][1]
    unsure = bytes([PERHAPS]) * len(values)
    if is_lazy(column) or isinstance(column, ChunkColumn) or view.bits & MISSING:
        return unsure
    try:
        return _marks(values, values_at(view.field(name), rows))
    except (FieldNotStored, *UNREADABLE):
        return unsure


def _marks(values: list[Any], stored: list[Any]) -> bytes | None:
    """As `compare_values`, of values of all types."""
    marks = compare_values(values, stored)
    if marks is None or PERHAPS not in marks:
        return marks
    found = bytearray(marks)
    at = [at for at, mark in enumerate(found) if mark == PERHAPS]
    values, stored = [values[place] for place in at], [stored[place] for place in at]
    more = repeat(SAME) if _are_same(values, stored) else map(_mark, values, stored)
    for place, mark in zip(at, more, strict=False):
        found[place] = mark
    return bytes(found)


def _mark(value: object, stored: object) -> int:
    """As `compare_values`, of values that this cannot tell apart.

    Unequal values of one type are stored as other bytes, as each is read again as it was.
    """
    cls = type(value)
    if cls is not type(stored):
        return OTHER if cls in EXACT_ATOMS or stored is None else PERHAPS
    if cls in EQUAL_TELLS:
        return SAME if value == stored else OTHER
    if cls in EXACT:
        if _surely_unequal(value, stored):
            return OTHER
        return SAME if repr(value) == repr(stored) else PERHAPS
    if issubclass(cls, Enum):
        return SAME if value is stored else OTHER
    if cls is dict:
        differs = plainly_differ(value, stored)
        return PERHAPS if differs is None else OTHER if differs else SAME
    return SAME if _are_same([value], [stored]) else OTHER if plainly_differ(value, stored) else PERHAPS


def _surely_unequal(value: object, stored: object) -> bool:
    try:
        return bool(value != stored and (value == value or stored == stored))  # NaN equals nothing
    except Exception:  # a signaling NaN, or the code of a time zone
        return False


def _are_same(values: list[Any], stored: list[Any]) -> bool:
    """Whether all values are the stored ones, where one call for all of them tells it."""
    kinds = list(map(type, values))
    if kinds != list(map(type, stored)):
        return False
    types = set(kinds)
    if types <= EQUAL_TELLS:
        return values == stored
    if types <= EQUAL_TELLS | {float}:
        floats = [[each for each in column if type(each) is float] for column in (values, stored)]
        others = [[each for each in column if type(each) is not float] for column in (values, stored)]
        return others[0] == others[1] and struct.pack(f"{len(floats[0])}d", *floats[0]) == struct.pack(
            f"{len(floats[1])}d", *floats[1]
        )
    if types <= EQUAL_TELLS | {Ref}:
        mine, theirs = ([each for each in column if type(each) is Ref] for column in (values, stored))
        others = [[each for each in column if type(each) is not Ref] for column in (values, stored)]
        return others[0] == others[1] and items_differ(mine, theirs) is False
    if types == {list}:
        if list(map(len, values)) != list(map(len, stored)):
            return False
        items = list(chain.from_iterable(values))
        return (EQUAL_TELLS | {float, Ref}).issuperset(map(type, items)) and _are_same(
            items, list(chain.from_iterable(stored))
        )
    return False
