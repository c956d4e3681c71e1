"""After a commit: what a writable session keeps in memory, in case it changes, is let go.

A row goes if it is as it was read, and only the session holds it and its mutable values. What the program holds may
still be changed in place, and the row is the only way from there to the next commit. A plain collection in a marked
field gives way to the lazy one that it was stored as, unless the program holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any

from ..codec.columns.boundary import ChunkColumn
from ..errors import FieldNotStored
from ..format.layout import Kind
from ..lazy.handles import COLLECTIONS
from ..lazy.proxy import decoded, is_proxy, proxy_state
from ..lazy.rows import TableRows
from ..lazy.spans import SpanRows
from ..lazy.state import WithoutFields
from ..model.plain import LazyModel
from ..stack import roomy
from ..table.nodes import Piece
from ..table.table import Table
from .as_read import elsewhere
from .dirty import Comparison, once
from .rebind import follow
from .references import OURS, held_in, references
from .references import held as find_held
from .space import owner_of
from .traversal import ATOMIC, inner_of, kind_of_class

MANY = 1000  # rows: where more are held, and more than an eighth of all, they are compared faster together


def release(obj: object) -> None:
    """Let go of what the proxy `obj` holds, and of rows that were handed out below it, where that loses nothing."""
    if isinstance(obj, LazyModel):
        give_way(obj)
        values = decoded(obj)
        for name in proxy_state(obj)[0].column.lazy_names:
            if name in values and type(values[name]) not in ATOMIC:
                _release(values[name])


def give_way(obj: object) -> None:
    """Let lazy collections take the place of plain ones in the marked fields of the proxy `obj`, as they were stored.

    Rows that the program holds stand for what was stored of them from now on; the others go. A plain collection that
    the program holds may be changed in place, and stays.
    """
    view, row = proxy_state(obj)
    if isinstance(view, WithoutFields):
        return
    values, places = decoded(obj), view.column.places
    for name in list(values):
        if name not in places or not isinstance(places[name][1], ChunkColumn):
            continue
        if type(values[name]) in (list, dict):
            if references(values, name) <= OURS:
                with suppress(FieldNotStored):
                    _take_place(values, name, view.getter(name)(row), owner_of(obj))
        elif (
            type(values[name]) not in COLLECTIONS and not find_held([values[name]]) and _is_blob(view.field(name), row)
        ):
            del values[name]


def _take_place(values: dict[str, Any], name: str, found: Any, owner: object) -> None:
    if type(found) not in COLLECTIONS or len(found) != len(values[name]):
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


def _is_blob(view: object, row: int) -> bool:
    """Whether a field is stored as a blob, which can be read again when it is asked for."""
    unread = getattr(view, "unread", None)
    found = None if unread is None else unread(row)
    return found is not None and found.ref.kind == Kind.BLOB


_release_nested = roomy(release)


def _release(value: object) -> None:
    _release_all([value])


def _release_all(values: Iterable[object]) -> None:
    """`release` what lazy objects and collections there are among `values`, and in the plain ones of these."""
    waiting: Iterable[object] = values
    while waiting:
        plain: dict[type, list[object]] = {}
        for each in waiting:
            cls: type = type(each)
            kind = kind_of_class(cls)
            if kind == "collection":
                _release_collection(each)
            elif kind == "proxy":
                _release_nested(each)
            else:
                plain.setdefault(cls, []).append(each)
        waiting = [inner for some in plain.values() for inner in inner_of(some)] if plain else ()


def _release_collection(value: Any) -> None:
    if isinstance(value.rows, TableRows):
        _release_table(value.rows.table)
    elif isinstance(value.rows, SpanRows) and value.rows.order is None:
        _let_go(value.rows.handed, _changed)


def _release_table(table: Table) -> None:
    if table.lively:
        _hold_moved(table)
    if not table.holding:
        return
    known = table.rows_held()
    parts: list[tuple[int, Piece, list[int]]] = []
    in_use: dict[int, set[int]] = {}
    for offset, piece in table.tree.loaded_of(known):
        rows = [row for row, _ in piece.among(known[offset])]
        if rows:
            in_use.setdefault(offset, set()).update(rows)
            parts.append((offset, piece, rows))
    for offset, held in known.items():
        for row in held.keys() - in_use.get(offset, set()):  # rows that the table has no more, here
            del held[row]
    for _, piece, rows in parts:
        group = table.group(piece)  # the cache closes no row group that a variable has, though it holds no row now
        part = {row: group.held.pop(row) for row in rows}  # that alone holds them now
        _let_go(part, partial(Comparison().rows, table, piece))
        group.held.update(part)
    for offset in known:
        table.close_small(offset)


def _hold_moved(table: Table) -> None:
    """Hold lazy objects that stand for other rows as well, where their changes are noted."""
    for group in table.live_groups():
        view = group.proxies
        if view is not None and view.strays:
            rows, proxies = group.alive()
            group.held.update({rows[at]: proxies[at] for at in elsewhere(view, rows, proxies)})


def _changed(handed: dict[int, object]) -> set[int]:
    compare = Comparison().object
    same = {id(item) for item in once(handed.values()) if is_proxy(item) and not compare(item)}
    return {place for place, item in handed.items() if id(item) not in same}


def _with_lazy_fields(values: Iterable[object]) -> list[object]:
    """The `values` but for lazy objects whose class has no field that is marked or holds lazy objects."""
    return [value for value in values if not isinstance(value, LazyModel) or proxy_state(value)[0].column.lets_go]


def _let_go(handed: dict[int, object], changed: Callable[[dict[int, object]], Collection[int]]) -> None:
    """Drop what nobody else holds, but for what is `changed`: a commit was not told of it."""
    inner = _with_lazy_fields(handed.values())
    _release_all(inner if len(inner) < 2 else once(inner))
    del inner  # `find_held` counts references
    places = list(handed)
    kept = find_held([handed[place] for place in places])
    rest = {place: handed[place] for at, place in enumerate(places) if at not in kept}
    for place in rest.keys() - set(changed(rest) if rest else ()):
        del handed[place]
