"""After a commit: rows that a writable session kept alive, in case they change, are let go.

A row goes if it is as it was read, and nobody but the session holds it or any mutable value of it: what somebody holds
may still be changed in place, and the row is the only way from there to the next commit. Who holds a value is told by
its reference count; a value that this module does not know to the bottom counts as held.
"""

from __future__ import annotations

import sys
from typing import Any

from pydantic import BaseModel

from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..lazy.proxy import decoded, is_proxy, proxy_state
from ..lazy.rows import SpanRows, TableRows
from ..lazy.state import WithoutFields
from ..table.nodes import Piece
from ..table.table import Table
from .tracking import hold_live, proxy_changed, rows_changed

_ATOMIC = frozenset({int, str, float, bool, bytes, type(None), complex})
_SLOTS = {
    name: BaseModel.__dict__[name] for name in ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
}


def _references(container: Any, key: Any) -> int:
    return sys.getrefcount(container[key])


_OURS = _references({0: object()}, 0)  # of a value that one container alone holds


def release(obj: Any) -> None:
    """Let go of the rows that were handed out below the proxy `obj`, wherever that loses nothing."""
    if is_proxy(obj):
        for value in decoded(obj).values():
            _release(value)


def _release(value: Any) -> None:
    if isinstance(value, LazyList | LazyMap):
        if isinstance(value.rows, TableRows):
            _release_table(value.rows.table)
        elif isinstance(value.rows, SpanRows) and value.rows.changed is None:
            handed = value.rows.handed
            changed = {place for place, item in handed.items() if not is_proxy(item) or proxy_changed(item)}
            _let_go(handed, changed)
    else:
        release(value)


def _release_table(table: Table) -> None:
    hold_live(table, moved=True)
    known = {offset: held for offset, held in table.held.items() if held}
    parts: list[tuple[Piece, list[int]]] = []
    in_use: dict[int, set[int]] = {}
    for piece in table.tree.loaded_of(known):
        offset: int = piece.ref.offset  # type: ignore[union-attr]
        start, end = piece.start, piece.start + piece.length
        rows = [row for row in known[offset] if start <= row < end]
        if rows:
            in_use.setdefault(offset, set()).update(rows)
            parts.append((piece, rows))
    for offset, held in known.items():
        for row in held.keys() - in_use.get(offset, set()):  # rows that the table has no more, here
            del held[row]
    for piece, rows in parts:
        held = known[piece.ref.offset]  # type: ignore[union-attr]
        changed = rows_changed(table, piece, {row: held[row] for row in rows})
        part = {row: held.pop(row) for row in rows}  # that alone holds them now
        _let_go(part, changed)
        held.update(part)
    for offset in known:
        table.close_small(offset)


def _let_go(handed: dict[int, Any], changed: set[int]) -> None:
    for place in list(handed):
        _release(handed[place])
        if place not in changed and _is_ours(handed, place):
            del handed[place]


def _is_ours(container: Any, key: Any) -> bool:
    """Whether `container` alone holds its value at `key`, and that value alone whatever can change in it."""
    cls = type(container[key])
    if cls in _ATOMIC:
        return True
    if _references(container, key) > _OURS:
        return False
    value = container[key]
    if cls is list or cls is tuple:
        return all(_is_ours(value, at) for at in range(len(value)))
    if cls is dict:
        return all(_is_ours(value, each) for each in value)
    if cls is bytearray or cls in (set, frozenset):
        return cls is bytearray or _ATOMIC.issuperset(map(type, value))
    if isinstance(value, LazyList | LazyMap):
        return not _handed(value.rows)
    return isinstance(value, BaseModel) and _is_model_ours(value)


def _handed(rows: Any) -> bool:
    if isinstance(rows, TableRows):
        table = rows.table  # a row that handed out nothing is known to its view alone, and reached through this table
        return table.tree.root.ref is None or not all(group.idle for group in table.groups.values())
    return rows.changed is not None or bool(rows.handed)


def _is_model_ours(model: Any) -> bool:
    if is_proxy(model) and isinstance(proxy_state(model)[0], WithoutFields):
        return False
    for slot in _SLOTS.values():
        try:
            value = [slot.__get__(model)]
        except AttributeError:  # never asked for
            continue
        if value[0] is not None and (_references(value, 0) > _OURS + 1 or (value[0] and type(value[0]) is dict)):
            return False
    fields = decoded(model)
    if _references([fields], 0) > _OURS + 2:  # the model's, the list's, and the name's here
        return False
    return all(_is_ours(fields, name) for name in list(fields))
