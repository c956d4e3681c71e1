"""After a commit: streams, and lazy values of other sessions, give way to what was stored of them.

A stream has been read; a lazy value of another file would tie every later commit to a session that may have closed,
and a change to a row of it would not be this session's to store.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any

from parcode_orm.lazy.state import RowView

from ..codec.apart import types_of
from ..codec.entity_keys import key_fields
from ..codec.refs import Ref
from ..codec.views.boundary import hands_out
from ..format.encoder import Ticket
from ..lazy.handles import COLLECTIONS, LazyCollection
from ..lazy.proxy import become_lazy, become_lazy_all, decoded, is_proxy, lazy_class, make_proxy, proxy_state
from ..lazy.rows import TableRows
from ..lazy.spans import SpanPairs, SpanRows
from ..lazy.state import WithoutFields, changing_in_place, may_change_in_place
from ..model.base import Model
from ..model.plain import LazyModel
from ..stack import roomy
from ..table.nodes import Known, Piece
from ..table.row_group import Group
from ..table.table import Table
from .references import held
from .space import file_of, is_detached, owner_of
from .traversal import ATOMIC, children, kind_of

Stored = Callable[[], Any]
FEW = 8  # rows: of more, all fields of all are looked at together


@roomy
def settle(value: Any, stored: Stored, owner: object) -> Any:
    """What is to stand for `value` now: itself, its alien parts replaced, or `stored()`, its committed form."""
    kind = kind_of(value)
    if kind == "leaf":
        return value
    if kind == "stream" or (kind in ("collection", "proxy") and owner_of(value) is not owner):
        found = stored()
        if kind == "proxy" and is_detached(value) and is_proxy(found) and found.__class__ is value.__class__:
            rebase(value, *proxy_state(found))
            return value
        return found
    if kind == "model":
        _settle_fields(value.__dict__, partial(_field_of, stored), owner)
    elif kind == "proxy":  # `stored()` may be `value` itself, by identity; its row has been written
        _settle_fields(decoded(value), partial(_read, *proxy_state(value)), owner)
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


def _is_plain(value: Any) -> bool:
    cls = type(value)
    return cls in ATOMIC or (cls is list and ATOMIC.issuperset(map(type, value)))


def _field_of(stored: Stored, name: str) -> object:
    return getattr(stored(), name)


def _read(view: RowView, row: int, name: str) -> object:
    """A field as it is stored. Another lazy object of the row would take the place of the one that is kept for it."""
    return view.getter(name)(row) if name in view.column.places else getattr(make_proxy(view, row), name)


def _item_of(stored: Stored, key: Any) -> object:
    return stored()[key]


def _settle_fields(fields: dict[str, object], field_of: Callable[[str], Any], owner: object) -> None:
    for name, old in fields.items():  # replacing the value of a key does not disturb this
        if not _is_plain(old):
            new = settle(old, partial(field_of, name), owner)
            if new is not old:
                fields[name] = new


def _settle_dataclass(value: Any, stored: Stored, owner: object) -> None:
    for field in dataclasses.fields(value):
        old = getattr(value, field.name, None)
        new = settle(old, partial(_field_of, stored, field.name), owner)
        if new is not old:
            object.__setattr__(value, field.name, new)  # it may be frozen


def _settle_items(container: Any, items: Any, stored: Stored, owner: object) -> None:
    for key, old in items:
        if not _is_plain(old):
            found = partial(_item_of, stored, key)
            new = _reference_to(old, found) or settle(old, found, owner)
            if new is not old:
                container[key] = new


def _reference_to(value: object, stored: Stored) -> Ref[object] | None:
    """The reference as which an entity in a collection was stored; None where it is no target of one."""
    if not isinstance(value, Model) or not key_fields(value.__class__):
        return None
    found = stored()
    return found if type(found) is Ref else None


def _settle_tuple(value: tuple[object, ...], stored: Stored, owner: object) -> tuple[object, ...]:
    new = [settle(old, partial(_item_of, stored, at), owner) for at, old in enumerate(value)]
    if all(a is b for a, b in zip(value, new, strict=True)):
        return value
    make: Callable[[object], tuple[object, ...]] = getattr(type(value), "_make", type(value))
    return make(new)


def _settle_collection(value: LazyCollection, stored: Stored, owner: object) -> None:
    rows = value.rows
    if isinstance(rows, TableRows):
        _settle_table(rows.table, owner)
        return
    assert isinstance(rows, SpanRows)
    keys = rows.all_keys() if isinstance(rows, SpanPairs) else range(len(rows))
    for place, old in rows.places_in_memory():
        if type(old) not in ATOMIC:
            new = settle(old, partial(_item_of, stored, keys[place]), owner)
            if new is not old:
                rows.put_in_memory(place, new)


def settle_tables(proxy: LazyModel, names: Iterable[str], owner: object) -> None:
    """Settle the rows of the tables that are the fields `names` of a lazy object."""
    values = decoded(proxy)
    for name in names:
        if name in values:  # the runs of an index have left memory
            _settle_table(values[name].rows.table, owner)


def _settle_table(table: Table, owner: object) -> None:
    """The rows in memory of a table that has gone on to what was committed."""
    known = table.rows_held() if table.holding else {}
    if not known:
        return
    plain = {
        offset
        for offset, held in known.items()
        if _are_settled(list(held.values()), owner) or _are_plain(list(held.values()), owner)
    }
    for offset, piece in table.tree.loaded_of(known.keys() - plain):
        held = known[offset]
        for row, old in piece.among(held):
            new = settle(old, partial(_fresh, table, piece, row), owner)
            if new is not old:
                held[row] = new


def _are_settled(values: list[object], owner: object) -> bool:
    """Whether `values`, if they are few, are lazy objects of `owner` with plain values and collections of `owner` alone
    in memory. What the collections hold is settled then.
    """
    if len(values) > FEW:
        return False
    collections: list[Any] = []
    for value in values:
        if not isinstance(value, LazyModel) or owner_of(value) is not owner:
            return False
        for field in decoded(value).values():
            if not _is_plain(field):
                if type(field) not in COLLECTIONS or owner_of(field) is not owner:
                    return False
                collections.append(field)
    for each in collections:
        if not _is_settled(each.rows, owner):
            return False
    return True


@roomy
def _is_settled(rows: SpanRows | TableRows, owner: object) -> bool:
    if isinstance(rows, TableRows):
        _settle_table(rows.table, owner)
        return True
    return _are_settled(rows.held(), owner)


def _are_plain(values: list[object], owner: object) -> bool:
    """Whether all `values` are lazy objects of `owner` with plain values alone, and lists of such, in memory."""
    if not all(issubclass(cls, LazyModel) for cls in set(map(type, values))):
        return False
    views = {id(view): view for view, _ in map(proxy_state, values)}
    if any(getattr(view.space, "owner", None) is not owner for view in views.values()):
        return False
    fields = list(chain.from_iterable(map(dict.values, map(decoded, values))))
    types = set(map(type, fields))
    lists = [field for field in fields if type(field) is list] if list in types else []
    return ATOMIC.issuperset(types - {list}) and ATOMIC.issuperset(map(type, chain.from_iterable(lists)))


def _fresh(table: Table, piece: Piece, row: int) -> object:
    """A row as it is stored, whatever is in memory for it."""
    group = table.group(piece)
    return group.items.get(row) if group.proxies is None else make_proxy(group.proxies, row)


def moved(table: Table, ticket: Ticket, known: Known, *, streamed: bool) -> None:
    """Rows of `table` are now in another row group: what is in memory for them goes on from there.

    What nobody holds is as it was written, and let go of; unless the commit `streamed`, and so ran code in between.
    """
    ref = ticket.reference
    assert ref is not None
    values = known.values
    kept = held(list(values))
    if not kept and not streamed:
        return
    group = table.open(ref)  # open for as long as it holds rows, so that `Table.reset` finds what is stored of them
    owner = getattr(table.space, "owner", None)
    if len(values) == 1 and not streamed and _attach_one(group, known.rows[0], values[0], owner):
        return
    may_hold = hands_out(table.items)
    fresh = set() if streamed or group.proxies is None else _attach_all(group, known, kept, owner)
    for at in range(len(values)) if len(fresh) < len(values) else ():
        if at in fresh:
            continue
        row, value = known.rows[at], values[at]
        unsure = streamed and is_proxy(value)
        if may_hold if at in kept else unsure:
            if group.proxies is not None and value.__class__ is group.proxies.cls:
                _stand_for(value, group.items, row, owner)
            else:  # of a subclass, or one of a union: the view of all knows the view of its class
                follow(value, group.items.get(row), owner)
        # Of a proxy that nobody had asked for what can change in place, writing it again may have read that; and where
        # rows are of several classes, their view does not know its proxies.
        must = known.must[at] or group.proxies is None
        if (at in kept or unsure) and (must or (is_proxy(value) and may_change_in_place(value))):
            group.held[row] = value


def _attach_all(group: Group, known: Known, kept: set[int], owner: object) -> set[int]:
    """Let those `kept` that are plain, or lazy objects of `owner`, be the objects of their rows. Return their places.

    The row group holds those in which anything may change in place. Its view knows the others.
    """
    view: Any = group.items
    places = sorted(kept)
    if types_of(known.values) != {view.cls}:
        places = list(_attachable(known, places, view.cls, owner))
    objs, rows = [known.values[at] for at in places], [known.rows[at] for at in places]
    become_lazy_all(objs, view, rows)
    view.space.know_all(view, rows, objs)
    for name in view.column.lazy_names:
        for obj, row in zip(objs, rows, strict=True):
            value = decoded(obj).get(name)
            if type(value) not in ATOMIC and not _goes_on(getattr(value, "rows", None), view):
                follow(value, view.getter(name)(row), owner)
    changing = changing_in_place(objs)
    group.held.update({rows[at]: objs[at] for at in changing})
    return set(places)


def _attach_one(group: Group, row: int, value: Any, owner: object) -> bool:
    """As `_attach_all`, for one lazy object of `owner`. Return whether it is one."""
    view: Any = group.proxies
    lazy: object = None if view is None else lazy_class(view.cls)
    if type(value) is not lazy or owner_of(value) is not owner or isinstance(proxy_state(value)[0], WithoutFields):
        return False
    rebase(value, view, row)
    if may_change_in_place(value):
        group.held[row] = value
    return True


def _attachable(known: Known, places: list[int], cls: type, owner: object) -> Iterator[int]:
    lazy = lazy_class(cls)
    ours: dict[int, bool] = {}  # by the view that a lazy object has, whether it is taken
    for at in places:
        value = known.values[at]
        if type(value) is lazy:
            before, _ = proxy_state(value)
            if id(before) not in ours:
                ours[id(before)] = owner_of(value) is owner and not isinstance(before, WithoutFields)
            if ours[id(before)]:
                yield at
        elif type(value) is cls:
            yield at


def attach(obj: object, view: RowView, row: int) -> None:
    """Let `obj`, plain or lazy, be the lazy object of the row `row` of `view`; the values it holds stay."""
    become_lazy(obj, view, row)
    view.space.know(view, row, obj)


def rebase(proxy: object, view: Any, row: int) -> None:
    """Let `proxy`, and the models inside it, stand for the row `row` of `view`, where they were stored.

    No proxy may be left behind on the row it was read from: changed back to that, it would pass for unchanged.
    """
    attach(proxy, view, row)
    owner = owner_of(proxy)
    values = decoded(proxy)
    for name in lazy_fields(view, values):
        value = values[name]
        if type(value) not in ATOMIC and not _goes_on(getattr(value, "rows", None), view):
            follow(value, view.getter(name)(row), owner)


def lazy_fields(view: RowView, names: Container[str]) -> list[str]:
    """Those of the fields `names` of a struct view whose values are, or hold, lazy objects."""
    return [name for name in view.column.lazy_names if name in names]


def is_plain_model(value: object) -> bool:
    """Whether `value` is a `Model` and not lazy."""
    return isinstance(value, Model) and not is_proxy(value)


@roomy
def follow(value: Any, found: Any, owner: object) -> None:
    """Let the models and collections in `value` stand for `found`, as which they were stored."""
    kind = kind_of(value)
    if isinstance(value, Model):
        if is_proxy(found) and found._p_model_ is value.__class__ and found is not value:
            _stand_for(value, *proxy_state(found), owner)
    elif kind == "collection":
        ours = owner_of(value) is owner or is_detached(value)
        if ours and type(found) is type(value) and not _goes_on(value.rows, found.rows):
            _follow_rows(value.rows, found.rows, owner)
            take_rows(value, found)
    elif kind in ("list", "tuple", "dict", "dataclass", "model") and kind_of(found) == kind:
        for child, step in children(value):
            if type(child) not in ATOMIC:
                with suppress(LookupError, AttributeError):  # a key that equals nothing, not even itself
                    follow(child, step(found), owner)


def take_rows(value: Any, found: Any) -> None:
    """Let the lazy collection `value` have the rows of `found`. Their family is to find it when it goes back."""
    before, now = value.rows.space.family, found.rows.space.family
    value.rows = found.rows
    if now is not None and now is not before:
        now.handed(value)


def _stand_for(value: object, view: object, row: int, owner: object) -> None:
    if owner_of(value) is owner or not is_proxy(value) or is_detached(value):
        rebase(value, view, row)


def _goes_on(rows: object, found: RowView) -> bool:
    """Whether a table has gone on to what was committed of it: it was stored in the file where it lay."""
    return isinstance(rows, TableRows) and file_of(rows.space) == file_of(found.space)


def _follow_rows(rows: SpanRows | TableRows, found: SpanRows | TableRows, owner: object) -> None:
    if isinstance(found, SpanRows):  # for those who iterate
        found.version = rows.version
    else:
        found.table.version = rows.version
    if isinstance(rows, SpanPairs) and isinstance(found, SpanPairs):
        found.keep_keys(rows)
    if isinstance(rows, SpanRows):
        rows.prune()
    else:
        _hold_known(rows.table)
    known = rows.places_in_memory()
    places, values = [place for place, _ in known], [each for _, each in known]
    del known  # so that nothing but the rows and `values` holds them
    for at in sorted(held(values)):
        follow(values[at], found.get(places[at]), owner)
        found.hold(places[at], values[at])


def _hold_known(table: Table) -> None:
    """Hold the lazy objects that views alone know, as all others in memory are: in one container each."""
    for group in table.live_groups():
        group.held.update(dict(zip(*group.alive(), strict=True)))
