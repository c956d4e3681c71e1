"""After a commit: streams, and lazy values of other sessions, give way to what was stored of them.

A stream has been read; a lazy value of another file would tie every later commit to a session that may have closed,
and a change to a row of it would not be this session's to store.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from weakref import ref as weak

from pydantic import BaseModel

from ..codec.stream import is_stream
from ..format.layout import Reference
from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..lazy.proxy import become_lazy, decoded, is_proxy, make_proxy, proxy_state
from ..lazy.rows import SpanPairs, SpanRows, TableRows
from ..model.plain import LazyModel
from ..table.store import Moved
from ..table.table import Table
from ..table.tree import Piece
from .space import owner_of

Stored = Callable[[], Any]
_ATOMIC = frozenset({int, str, float, bool, bytes, type(None), complex})


def settle(value: Any, stored: Stored, owner: object) -> Any:
    """What is to stand for `value` now: itself, its alien parts replaced, or `stored()`, its committed form."""
    cls: Any = type(value)
    kind = _kind(cls)
    if kind == "leaf":
        return value
    if kind == "stream" or (kind in ("collection", "proxy") and owner_of(value) is not owner):
        return stored()
    if kind == "model":
        _settle_fields(value.__dict__, stored, owner)
    elif kind == "proxy":
        _settle_fields(decoded(value), stored, owner)
    elif kind == "list":
        _settle_items(value, enumerate(value), stored, owner)
    elif kind == "dict":
        _settle_items(value, value.items(), stored, owner)
    elif kind == "collection":
        _settle_collection(value, stored, owner)
    elif kind == "tuple":
        return _settle_tuple(value, stored, owner)
    else:
        _settle_dataclass(value, stored, owner)
    return value


@lru_cache(1024)
def _kind(cls: Any) -> str:
    """What is done to values of `cls`: asked of every object, so by class, and once."""
    kinds: list[tuple[Any, str]] = [
        ((LazyList, LazyMap), "collection"),
        (LazyModel, "proxy"),
        (BaseModel, "model"),
        ((list, deque), "list"),
        (dict, "dict"),
        (tuple, "tuple"),
    ]
    if is_stream(cls):
        return "stream"
    found = next((name for bases, name in kinds if issubclass(cls, bases)), "leaf")
    return "dataclass" if found == "leaf" and dataclasses.is_dataclass(cls) else found


def _is_plain(value: Any) -> bool:
    cls = type(value)
    return cls in _ATOMIC or (cls is list and _ATOMIC.issuperset(map(type, value)))


def _settle_fields(fields: dict[str, Any], stored: Stored, owner: object) -> None:
    for name, old in fields.items():  # replacing the value of a key does not disturb this
        if not _is_plain(old):
            new = settle(old, lambda name=name: getattr(stored(), name), owner)  # type: ignore[misc]
            if new is not old:
                fields[name] = new


def _settle_dataclass(value: Any, stored: Stored, owner: object) -> None:
    for field in dataclasses.fields(value):
        old = getattr(value, field.name, None)
        new = settle(old, lambda name=field.name: getattr(stored(), name), owner)  # type: ignore[misc]
        if new is not old:
            object.__setattr__(value, field.name, new)  # it may be frozen


def _settle_items(container: Any, items: Any, stored: Stored, owner: object) -> None:
    for key, old in items:
        if not _is_plain(old):
            new = settle(old, lambda key=key: stored()[key], owner)  # type: ignore[misc]
            if new is not old:
                container[key] = new


def _settle_tuple(value: tuple[Any, ...], stored: Stored, owner: object) -> tuple[Any, ...]:
    new = [settle(old, lambda at=at: stored()[at], owner) for at, old in enumerate(value)]  # type: ignore[misc]
    if all(a is b for a, b in zip(value, new, strict=True)):
        return value
    make: Callable[[Any], tuple[Any, ...]] = getattr(type(value), "_make", type(value))
    return make(new)


def _settle_collection(value: LazyList[Any] | LazyMap[Any, Any], stored: Stored, owner: object) -> None:
    rows = value.rows
    if isinstance(rows, TableRows):
        _settle_table(rows.table, owner)
        return
    assert isinstance(rows, SpanRows)
    keys = list(rows.keys()) if isinstance(rows, SpanPairs) else range(len(rows))
    if rows.changed is not None:
        places: Any = enumerate(rows.changed)
        _settle_places(rows.changed, list(places), keys, stored, owner)
    else:
        _settle_places(rows.handed, list(rows.handed.items()), keys, stored, owner)


def _settle_places(container: Any, places: Any, keys: Any, stored: Stored, owner: object) -> None:
    for place, old in places:
        if type(old) not in _ATOMIC:
            new = settle(old, lambda place=place: stored()[keys[place]], owner)  # type: ignore[misc]
            if new is not old:
                container[place] = new


def _settle_table(table: Table, owner: object) -> None:
    """The rows in memory of a table that has gone on to what was committed."""
    for piece in table.tree.loaded():
        held = table.held.get(piece.ref.offset) if isinstance(piece.ref, Reference) else None
        for row, old in list(held.items()) if held else ():
            if piece.start <= row < piece.start + piece.length:
                new = settle(old, lambda piece=piece, row=row: _fresh(table, piece, row), owner)  # type: ignore[misc]
                if new is not old:
                    held[row] = new  # type: ignore[index]


def _fresh(table: Table, piece: Piece, row: int) -> Any:
    """A row as it is stored, whatever is in memory for it."""
    group = table.group(piece)
    return make_proxy(group.items, row) if group.proxies else group.items.get(row)


def moved(table: Table, rows: Moved) -> None:
    """Rows of `table` are now in another row group: what is in memory for them goes on from there."""
    ref = rows.ticket.reference
    assert ref is not None
    group = None
    for row, (value, must) in rows.values.items():
        if is_proxy(value) and owner_of(value) is getattr(table.space, "owner", None):
            if group is None:
                group = table.open(ref)
            if group.proxies:
                rebase(value, group.items, row)
            else:  # of a subclass, or one of a union: the view of all knows the view of its class
                _follow(value, group.items.get(row))
        if must:
            table.held.setdefault(ref.offset, {})[row] = value


def rebase(proxy: Any, view: Any, row: int) -> None:
    """Let `proxy`, and the proxies among its fields, stand for the row `row` of `view`, where they were stored.

    None may be left behind on the row it was read from: changed back to that, it would pass for unchanged.
    """
    become_lazy(proxy, view, row)
    view.live[row] = weak(proxy)
    owner = owner_of(proxy)
    for name, value in decoded(proxy).items():
        if name not in type(proxy)._p_names_ or owner_of(value) is not owner:
            continue
        if is_proxy(value):
            _follow(value, view.getter(name)(row))
        elif isinstance(value.rows, SpanRows):
            found = view.getter(name)(row)
            if type(found) is type(value) and isinstance(found.rows, SpanRows):
                _follow_rows(value.rows, found.rows, owner)
                value.rows = found.rows


def _follow(value: Any, found: Any) -> None:
    if is_proxy(found) and found.__class__ is value.__class__ and found is not value:
        rebase(value, *proxy_state(found))


def _follow_rows(rows: SpanRows, found: SpanRows, owner: object) -> None:
    known = rows.handed.items() if rows.changed is None else enumerate(rows.changed)
    for place, each in known:
        if is_proxy(each) and owner_of(each) is owner:
            _follow(each, found.get(place))
        if type(each) not in _ATOMIC:
            found.handed[place] = each
