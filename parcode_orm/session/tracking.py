"""What changed since a value was read: by comparing encoded bytes, never by `==` (`[1] == [True]`, NaN, -0.0).

Every answer here may be a cautious yes; what is then encoded again is compared with what is stored by its digest.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ..codec.base import Column
from ..codec.packed import pack
from ..errors import EncodeError
from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..lazy.proxy import decoded, is_proxy, proxy_state
from ..lazy.rows import SpanRows, TableRows
from ..lazy.state import WithoutFields
from ..table.reader import Group, Table
from .digest import UnreadStream, digest_of

_ATOMIC = frozenset({int, str, bool, bytes, type(None)})
_SLOTS = {
    name: BaseModel.__dict__[name] for name in ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
}


def proxy_changed(proxy: Any) -> bool:
    """Whether a proxy, or anything it handed out, differs from its row."""
    view, row = proxy_state(proxy)
    if isinstance(view, WithoutFields):
        return True
    columns = dict(view.column.fields)
    for name, value in decoded(proxy).items():
        column = columns.get(name)
        if column is not None and _field_changed(column, value, view, name, row):
            return True
    return any(_slot_changed(slot, proxy, view, row) for slot in _SLOTS)


def _slot_changed(slot: str, proxy: Any, view: Any, row: int) -> bool:
    try:
        value = _SLOTS[slot].__get__(proxy)
    except AttributeError:  # never asked for
        return False
    if slot == "__pydantic_fields_set__":
        stored = view.fields_set(row)
        return bool(value != (set(view.cls.__pydantic_fields__) if stored is None else stored))
    if slot == "__pydantic_extra__":
        return pack(value or {}) != pack(view.extra(row) or {})
    kept = {name for name, _ in view.column.plan.privates}
    current = {name: each for name, each in (value or {}).items() if name in kept}
    return pack(current) != pack(view.private(row) or {})


def _field_changed(column: Column, value: Any, view: Any, name: str, row: int) -> bool:
    if type(value) in _ATOMIC:
        stored = view.getter(name)(row)
        return type(stored) is not type(value) or bool(stored != value)
    if isinstance(value, LazyList | LazyMap):
        stored = view.getter(name)(row)
        return type(stored) is not type(value) or value.location != stored.location or collection_changed(value)
    if is_proxy(value):
        return view.getter(name)(row) is not value or proxy_changed(value)
    return _differ(column, value, view.field(name), row)


def _differ(column: Column, value: Any, view: Any, row: int) -> bool:
    try:
        return digest_of(column, value) != digest_of(column, view.read(row, row + 1)[0])
    except (UnreadStream, EncodeError):  # what is wrong will be said, with its path, when it is written
        return True


def collection_changed(value: LazyList[Any] | LazyMap[Any, Any]) -> bool:
    """Whether a lazy collection, or a row it handed out, changed."""
    if value.replaced is not None:
        return True
    rows = value.rows
    if isinstance(rows, TableRows):
        return any(group_changes(rows.table, group) for group in rows.table.groups.values())
    assert isinstance(rows, SpanRows)
    return any(not is_proxy(item) or proxy_changed(item) for item in rows.handed.values())


def group_changes(table: Table, group: Group) -> dict[int, Any]:
    """The rows of `group` that changed since they were handed out, by place."""
    return {place: value for place, value in group.handed.items() if _row_changed(table.items, group, place, value)}


def _row_changed(column: Column, group: Group, place: int, value: Any) -> bool:
    if is_proxy(value):
        return proxy_changed(value)
    return _differ(column, value, group.items, place)
