"""What changed since a value was read: by comparing encoded bytes, never by `==` (`[1] == [True]`, NaN, -0.0).

What is only `Change.PERHAPS` other is encoded again and compared with what is stored by its digest.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntEnum
from itertools import chain
from typing import Any

from ..codec.asis import UNREADABLE, to_write
from ..codec.base import Column, is_lazy
from ..codec.columns.boundary import ChunkColumn
from ..codec.columns.mixed import InMemory
from ..codec.columns.privates import privates_changed
from ..codec.columns.undeclared import storable, undeclared
from ..codec.packed.dumped import sets_of
from ..codec.packed.extensions import LEFT_OUT
from ..codec.packed.values import pack
from ..codec.slots import SLOTS
from ..codec.types.alike import alike, details
from ..codec.views.boundary import ExternalView
from ..errors import EncodeError, FieldNotStored
from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..lazy.proxy import decoded, is_proxy, proxy_state
from ..lazy.rows import TableRows
from ..lazy.spans import SpanRows
from ..lazy.state import WithoutFields
from ..stack import roomy
from ..table.nodes import Piece
from ..table.persister import is_changed
from ..table.streaming import columns_of
from ..table.table import ATOMIC, EXACT, Table
from .content_hash import UnreadStream, digest_of, is_stored_apart
from .space import file_of, owner_of

MANY = 64  # rows: their fields are compared a column at a time
DOUBLE = struct.Struct("d")
_ATOMIC = frozenset({int, str, bool, bytes, type(None)})


class Change(IntEnum):
    """Whether a value would be stored as other bytes than are there."""

    NO = 0
    PERHAPS = 1
    YES = 2


def _most(found: Iterable[Change]) -> Change:
    """The surest of what was found, which is looked at no further than to the first `YES`."""
    most = Change.NO
    for each in found:
        if each is Change.YES:
            return each
        most = max(most, each)
    return most


def _surely(changed: bool) -> Change:
    return Change.YES if changed else Change.NO


def once(values: Iterable[Any]) -> Iterable[Any]:
    """Each of `values` once, however often it occurs."""
    return {id(value): value for value in values}.values()


@roomy
def proxy_changed(proxy: Any) -> Change:
    """Whether a proxy, or anything it handed out, differs from its row."""
    view, row = proxy_state(proxy)
    if isinstance(view, WithoutFields):
        return Change.PERHAPS
    places = view.column.places
    fields = _most(
        _field_changed(places[name][1], value, view, name, row)
        for name, value in decoded(proxy).items()
        if name in places
    )
    if fields:
        return fields
    # Private attributes that could not be stored may only seem to have changed.
    return Change.PERHAPS if _rest_changed(proxy, view, row) else Change.NO


def root_changes(proxy: Any) -> tuple[Change, dict[str, int]]:
    """As `proxy_changed`; and where nothing but tables changed, its fields that are these, with the ordinals of their
    references in its row group."""
    view, row = proxy_state(proxy)
    if isinstance(view, WithoutFields):
        return Change.PERHAPS, {}
    tables = {}
    unsure = False
    places = view.column.places
    for name, value in decoded(proxy).items():
        if name not in places:
            continue
        ordinal = _ordinal_of(value, view, name, row)
        change = collection_changed(value) if ordinal else _field_changed(places[name][1], value, view, name, row)
        if change is Change.YES:
            if not ordinal:
                return change, {}
            tables[name] = ordinal
        unsure |= change is Change.PERHAPS
    if unsure or _rest_changed(proxy, view, row):
        return Change.YES if tables else Change.PERHAPS, {}
    return Change.YES if tables else Change.NO, tables


def _rest_changed(proxy: Any, view: Any, row: int) -> bool:
    """Whether what a proxy has besides fields differs from its row."""
    if any(_slot_changed(slot, proxy, view, row) for slot in SLOTS):
        return True
    mine = {name: storable(item) for name, item in undeclared(proxy).items()}
    stored = view.attributes(row) if mine else {}
    return any(
        item is not stored.get(name, LEFT_OUT) and (name not in stored or _packs_differ(item, stored[name]))
        for name, item in mine.items()
    )


def _slot_changed(slot: str, proxy: Any, view: Any, row: int) -> bool:
    try:
        value = SLOTS[slot].__get__(proxy)
    except AttributeError:  # never asked for
        return False
    if slot == "__pydantic_fields_set__":
        stored = view.fields_set(row)
        return bool(value != (set(view.cls.__pydantic_fields__) if stored is None else stored))
    if slot == "__pydantic_extra__":
        return _packs_differ(value or {}, view.extra(row) or {})
    return privates_changed(view.column.plan, value, view.private(row))


def _packs_differ(value: Any, stored: Any) -> bool:
    try:
        return pack(value) != pack(stored)
    except EncodeError:  # what is wrong will be said, with its path, when it is written
        return True


def _field_changed(column: Column, value: Any, view: Any, name: str, row: int) -> Change:
    try:
        return _compared(column, value, view, name, row)
    except FieldNotStored:  # the row was written without this field
        return Change.PERHAPS
    except UNREADABLE:  # so the value did not come from there
        return Change.YES


def _compared(column: Column, value: Any, view: Any, name: str, row: int) -> Change:
    if type(value) in _ATOMIC:
        stored = (view.getters.get(name) or view.getter(name))(row)
        if type(stored) not in ATOMIC:  # `!=` of an array says nothing
            return Change.PERHAPS
        if stored != value:
            return Change.YES
        return _surely(type(stored) is not type(value))
    if type(value) is float:
        stored = (view.getters.get(name) or view.getter(name))(row)
        if type(stored) is float and DOUBLE.pack(stored) == DOUBLE.pack(value):
            return Change.NO
    if type(value) in EXACT:
        stored = (view.getters.get(name) or view.getter(name))(row)
        if type(stored) is type(value) and repr(stored) == repr(value):
            return Change.NO
    if isinstance(value, LazyList | LazyMap) and isinstance(column, ChunkColumn):
        if _ordinal_of(value, view, name, row):
            return collection_changed(value)
        stored = view.getter(name)(row)
        if _same_rows(value, stored):
            return collection_changed(value)
        if (
            type(stored) is not type(value)
            or not isinstance(value.rows, SpanRows)
            or owner_of(value) is not owner_of(stored)
        ):
            return Change.PERHAPS
    rows = is_lazy(column)  # else a lazy object that stands there is packed as a plain one
    if rows and is_proxy(value):
        return proxy_changed(value) if view.getter(name)(row) is value else Change.PERHAPS
    if rows and type(value) is list and value and all(map(is_proxy, value)):
        stored = view.getter(name)(row)
        return _most(map(proxy_changed, once(value))) if _same_proxies(value, stored) else Change.PERHAPS
    if isinstance(column, ChunkColumn) and type(value) in (list, dict):
        unread = getattr(view.field(name), "unread", None)
        known = None if unread is None else unread(row)
        if known is not None:  # a table, which is not read for this
            return Change.NO if is_stored_apart(column, value, known) else Change.YES
    return _surely(_differ(column, value, view.field(name), row))


def field_changed(column: Column, known: InMemory) -> Change:
    """Whether a value in memory would be stored as other bytes than stand in its row."""
    return _field_changed(column, known.value, known.owner, known.name, known.row)


def _ordinal_of(value: Any, view: Any, name: str, row: int) -> int:
    """Where `value` is the table that is stored as the field `name`: the ordinal of its reference; else 0."""
    if not isinstance(value, LazyList | LazyMap) or not isinstance(value.rows, TableRows):
        return 0
    field = view.field(name)
    if isinstance(field, ExternalView):
        ordinal: int = field.ordinals[row]
        if ordinal and field.reference(row) == value.rows.table.ref and _in_one_file(value.rows.space, view.space):
            return ordinal
    return 0


def _in_one_file(one: Any, other: Any) -> bool:
    return one is other or (file_of(one) is not None and file_of(one) == file_of(other))


def _same_rows(value: LazyList[Any] | LazyMap[Any, Any], stored: Any) -> bool:
    if type(stored) is not type(value) or value.location != stored.location:
        return False
    return _in_one_file(value.rows.space, stored.rows.space)


def _same_proxies(value: list[Any], stored: Any) -> bool:
    return (
        type(stored) is list and len(value) == len(stored) and all(a is b for a, b in zip(value, stored, strict=True))
    )


def _differ(column: Column, value: Any, view: Any, row: int) -> bool:
    return _differs_from(column, value, to_write(view.read, row, row + 1)[0])


def _differs_from(column: Column, value: Any, stored: Any) -> bool:
    plainly = _plainly_differ(value, stored)
    if plainly is not None:
        return plainly
    try:
        return digest_of(column, value) != digest_of(column, stored)
    except UnreadStream:
        return True
    except EncodeError:  # it was stored in its field's way, or what is wrong will be said, with its path, when written
        return not (alike(value, stored) and details(value) == details(stored) and sets_of(value) == sets_of(stored))


def _plainly_differ(value: Any, stored: Any) -> bool | None:
    """Whether two lists, or dictionaries, of values whose `==` and type tell all differ; None where encoding tells."""
    cls = type(value)
    if cls is not type(stored) or cls not in (list, dict):
        return None
    differ = _atoms_differ(list(value), list(stored))
    if cls is dict and differ is False:
        return _atoms_differ(list(value.values()), list(stored.values()))
    return differ


def _atoms_differ(values: list[Any], stored: list[Any]) -> bool | None:
    types = list(map(type, values))
    if not _ATOMIC.issuperset(types) or not _ATOMIC.issuperset(map(type, stored)):
        return None
    return values != stored or types != list(map(type, stored))


def collection_changed(value: LazyList[Any] | LazyMap[Any, Any]) -> Change:
    """Whether a lazy collection, or a row it handed out, changed."""
    rows = value.rows
    if isinstance(rows, TableRows):
        hold_live(rows.table)
        surest = Change.NO

        def changed(table: Table, piece: Piece, row: int, value: Any) -> bool:
            nonlocal surest
            found = row_changed(table, piece, row, value)
            surest = max(surest, found)
            return bool(found)

        return max(surest, Change.PERHAPS) if is_changed(rows.table, changed) else Change.NO
    assert isinstance(rows, SpanRows)
    return _span_changed(rows, *columns_of(value._column))


def _span_changed(rows: SpanRows, item: Column, key: Column | None) -> Change:
    if rows.order is not None and len(rows) != rows.size:
        return Change.YES
    if key is not None and (rows.order is not None or rows.may_change_keys()) and _keys_changed(rows, key):
        return Change.YES
    moved = dict(rows.moved())
    if any(_differs_from(item, value, rows.stored(position)) for position, value in moved.items()):
        return Change.YES
    here = [(position, value) for position, value in rows.places_in_memory() if position not in moved]
    lazy = once(value for _, value in here if is_proxy(value))
    plain = [(position, value) for position, value in here if not is_proxy(value)]
    differ = (_surely(_differs_from(item, value, rows.stored(position))) for position, value in plain)
    return _most(chain(map(proxy_changed, lazy), differ))


def _keys_changed(rows: Any, column: Column) -> bool:
    keys, stored = rows.all_keys(), rows.stored_keys()
    differ = _atoms_differ(keys, stored)
    return digest_of(column, *keys) != digest_of(column, *stored) if differ is None else differ


def row_changed(table: Table, piece: Piece, row: int, value: Any) -> Change:
    """Whether `value`, held for the row `row` of a written piece's group, is no longer what the group says."""
    if is_proxy(value):
        return proxy_changed(value)
    try:
        return _surely(_differ(table.items, value, table.group(piece).items, row))
    except UNREADABLE:
        return Change.YES


def rows_changed(table: Table, piece: Piece, values: dict[int, Any]) -> set[int]:
    """The rows of which `row_changed` is true; plain objects are encoded together, as few of them ever changed."""
    plain = [row for row, value in values.items() if not is_proxy(value)]
    if plain:
        read = table.group(piece).items.read
        try:
            stored = digest_of(table.items, *(to_write(read, row, row + 1)[0] for row in plain))
            if stored == digest_of(table.items, *map(values.__getitem__, plain)):
                values = {row: value for row, value in values.items() if is_proxy(value)}
        except (UnreadStream, EncodeError, *UNREADABLE):
            pass
    surely = _plainly_changed(table.group(piece).items, values) if len(values) >= MANY else set()
    unsure = {row: value for row, value in values.items() if row not in surely}
    lazy = {id(value) for value in once(unsure.values()) if is_proxy(value) and proxy_changed(value)}
    for row, value in unsure.items():
        if id(value) in lazy or (not is_proxy(value) and row_changed(table, piece, row, value)):
            surely.add(row)
    return surely


def _plainly_changed(view: Any, values: dict[int, Any]) -> set[int]:
    """Rows of a struct view whose lazy objects have another value in a plain field: found a column at a time."""
    if not hasattr(view, "live"):
        return set()
    here = [(row, decoded(value)) for row, value in values.items() if is_proxy(value) and proxy_state(value)[0] is view]
    found: set[int] = set()
    for name, (_, column) in view.column.places.items():
        known = [(row, fields[name]) for row, fields in here if name in fields]
        if is_lazy(column) or not known:
            continue
        first, last = min([row for row, _ in known]), max([row for row, _ in known])
        if last - first > 4 * len(known):
            continue
        try:
            stored = view.field(name).read(first, last + 1)
        except UNREADABLE:
            continue
        for row, value in known:
            old = stored[row - first]
            if type(value) is type(old) and (value != old if type(value) in _ATOMIC else _plainly_differ(value, old)):
                found.add(row)
    return found


def hold_live(table: Table, *, moved: bool = False) -> None:
    """Hold proxies that their views alone know, and that the table must ask whether they changed.

    Those are proxies that are another row as well, where their changes are noted, and, but for `moved`, those that were
    changed past every hook (`object.__setattr__`). What is not held is as it was stored, or nobody's.
    """
    for offset in list(table.lively):
        group = table.groups.get(offset)
        live = {} if group is None else group.items.live  # type: ignore[attr-defined]
        if group is None or not live:
            table.lively.discard(offset)
            continue
        for row, known in list(live.items()):
            proxy = known()
            if proxy is None:
                del live[row]
                continue
            if row in group.held:
                continue
            if _is_elsewhere(proxy, group.items, row) or not (moved or _is_as_read(proxy, group.items, row)):
                group.held[row] = proxy


def _is_elsewhere(proxy: Any, view: Any, row: int) -> bool:
    here = proxy_state(proxy) if is_proxy(proxy) else (None, 0)
    return here[0] is not view or here[1] != row


def _is_as_read(proxy: Any, view: Any, row: int) -> bool:
    """Whether the fields of a proxy that has handed out nothing mutable are those of its row."""
    try:
        for name, value in decoded(proxy).items():
            getter = view.getters.get(name)
            if getter is None or type(value) not in _ATOMIC:
                if isinstance(value, float) and getter is not None and repr(value) == repr(getter(row)):
                    continue
                return False
            stored = getter(row)
            if type(stored) is not type(value) or stored != value:
                return False
    except FieldNotStored:  # the row was written without this field
        return False
    return True
