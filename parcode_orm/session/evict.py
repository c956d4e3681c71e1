"""After a commit: what a writable session keeps in memory, in case it changes, is let go.

A row goes if it is as it was read, and nobody but the session holds it or any mutable value of it: what somebody holds
may still be changed in place, and the row is the only way from there to the next commit. A plain collection in a marked
field gives way to the lazy one that it was stored as, unless somebody holds it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any

from ..codec.columns.boundary import ChunkColumn
from ..errors import FieldNotStored
from ..format.layout import Kind
from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..lazy.proxy import decoded, is_proxy, proxy_state
from ..lazy.rows import TableRows
from ..lazy.spans import SpanRows
from ..lazy.state import WithoutFields
from ..stack import roomy
from ..table.nodes import Piece
from ..table.table import Table
from .dirty import hold_live, once, proxy_changed, rows_changed
from .rebind import follow, lazy_fields
from .references import OURS, held_in, references
from .references import held as find_held
from .space import owner_of
from .traversal import ATOMIC, children, kind_of

MANY = 1000  # rows: where more are held, and more than an eighth of all, they are compared faster together


def release(obj: Any) -> None:
    """Let go of what the proxy `obj` holds, and of rows that were handed out below it, where that loses nothing."""
    if is_proxy(obj):
        give_way(obj)
        release_below(obj)


def release_below(obj: Any) -> None:
    """`release`, of a proxy whose own fields have given way."""
    if is_proxy(obj):
        values = decoded(obj)
        for name in lazy_fields(proxy_state(obj)[0], values):
            if type(values[name]) not in ATOMIC:
                _release(values[name])


def give_way(obj: Any) -> None:
    """Let lazy collections take the place of plain ones in the marked fields of the proxy `obj`, as they were stored.

    Rows that somebody holds stand for what was stored of them from now on; the others go. A plain collection that
    somebody holds may be changed in place, and stays.
    """
    view, row = proxy_state(obj)
    if isinstance(view, WithoutFields):
        return
    values, places = decoded(obj), view.column.places
    for name in [name for name in values if name in places and isinstance(places[name][1], ChunkColumn)]:
        if type(values[name]) in (list, dict):
            if references(values, name) <= OURS:
                with suppress(FieldNotStored):
                    _take_place(values, name, view.getter(name)(row), owner_of(obj))
        elif (
            not isinstance(values[name], LazyList | LazyMap)
            and not find_held([values[name]])
            and _is_blob(view.field(name), row)
        ):
            del values[name]


def _take_place(values: dict[str, Any], name: str, found: Any, owner: Any) -> None:
    if not isinstance(found, LazyList | LazyMap) or len(found) != len(values[name]):
        return
    most = max(MANY, len(found) // 8)
    kept = list(islice(held_in(values[name]), most + 1))
    if len(kept) > most:
        return
    rows: Any = found.rows
    for place, each in kept:
        follow(each, rows.get(place), owner)
        rows.hold(place, each)
    values[name] = found


def _is_blob(view: Any, row: int) -> bool:
    """Whether a field is stored as a blob, which can be read again when it is asked for."""
    unread = getattr(view, "unread", None)
    found = None if unread is None else unread(row)
    return found is not None and found.ref.kind == Kind.BLOB


@roomy
def _release(value: Any) -> None:
    if isinstance(value, LazyList | LazyMap):
        if isinstance(value.rows, TableRows):
            _release_table(value.rows.table)
        elif isinstance(value.rows, SpanRows) and value.rows.order is None:
            _let_go(value.rows.handed, _changed)
    elif is_proxy(value):
        release(value)
    elif kind_of(value) in ("list", "tuple", "dict", "dataclass", "model"):
        for child, _ in children(value):
            if type(child) not in ATOMIC:
                _release(child)


def _release_table(table: Table) -> None:
    hold_live(table, moved=True)
    known = table.rows_held()
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
        part = {row: held.pop(row) for row in rows}  # that alone holds them now
        _let_go(part, partial(rows_changed, table, piece))
        held.update(part)
    for offset in known:
        table.close_small(offset)


def _changed(handed: dict[int, Any]) -> set[int]:
    same = {id(item) for item in once(handed.values()) if is_proxy(item) and not proxy_changed(item)}
    return {place for place, item in handed.items() if id(item) not in same}


def _let_go(handed: dict[int, Any], changed: Callable[[dict[int, Any]], set[int]]) -> None:
    """Drop what nobody else holds, but for what is `changed`: a commit was not told of it."""
    for value in once(handed.values()):
        _release(value)
    value = None
    places = list(handed)
    kept = find_held([handed[place] for place in places])
    rest = {place: handed[place] for at, place in enumerate(places) if at not in kept}
    for place in rest.keys() - (changed(rest) if rest else set()):
        del handed[place]
