"""Objects of a session go back, in place, to what is stored of them: attached, and the objects they are."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from functools import cached_property
from typing import Any

from parcode_orm.model.plain import LazyModel

from ..codec.asis import UNREADABLE
from ..codec.base import Getter
from ..errors import FieldNotStored
from ..lazy.handles import LazyCollection
from ..lazy.proxy import decoded, forget, is_proxy, proxy_state
from ..lazy.rows import TableRows
from ..lazy.spans import SpanRows
from ..lazy.state import WithoutFields, touch
from ..stack import roomy
from ..table.state import displaced
from .dirty import ordinal_of
from .owner import Owner
from .rebind import attach, is_plain_model, lazy_fields, rebase, take_rows
from .space import FileSpace, owner_of
from .traversal import ATOMIC, children, kind_of

READ_ANEW = ("collection", "proxy", "stream")


class Reset:
    """Brings objects, and all that is below them, back to their stored state.

    What was decoded or assigned is read anew. Models stay the same objects; so do lazy collections where they are
    stored. Plain lists, sets, dictionaries and arrays that were handed out are no longer part of anything. Objects in
    `spared`, by id, stay as they are.
    """

    def __init__(self, owner: Owner, spared: dict[int, object] | None = None) -> None:
        self._owner = owner
        self._done: dict[int, Any] = dict(spared or {})

    @cached_property
    def _collections(self) -> dict[object, list[Any]]:
        """What was handed out and not let go of, by the place where what they show is stored."""
        found: dict[object, list[object]] = {}
        for each in self._owner.collections():
            if id(each) not in self._done and owner_of(each) is self._owner:
                found.setdefault(_place(each), []).append(each)
        return found

    @cached_property
    def _standing(self) -> set[int]:
        """Collections that are the field of an object where they are stored, by id: two objects may refer to one table.

        Without this, the reset of one object could take the collection of another one, and rows put into it would be
        stored under both.
        """
        alive = [proxy for space in self._owner.spaces() for proxy in space.alive()]
        return {
            id(value)
            for proxy in alive
            for name, value in decoded(proxy).items()
            if ordinal_of(value, proxy_state(proxy)[0], name, proxy_state(proxy)[1])
        }

    def everything(self, roots: Iterable[object], spaces: Iterable[FileSpace], lost: FileSpace) -> None:
        """Reset `roots` and what was read through `spaces`; collections that are part of nothing get `lost`."""
        collections = [each for found in self._collections.values() for each in found]
        alive = [proxy for space in spaces for proxy in space.alive()]
        for root in roots:  # first, as objects that are part of nothing any more may know the same collections
            self.object(root)
        for proxy in alive:
            self.object(proxy)
        for collection in collections:
            if id(collection) not in self._done:
                _disown(collection, lost)

    @roomy
    def object(self, proxy: Any) -> None:
        """Reset a lazy object."""
        if id(proxy) in self._done:
            return
        self._done[id(proxy)] = proxy
        before = dict(decoded(proxy))  # collections among them must outlive this: they hold rows that changed
        names = names_met(proxy)
        forget(proxy)
        self.fields(proxy, names, before)
        del before

    def fields(self, proxy: LazyModel, names: Container[str], before: Mapping[str, Any]) -> None:
        """Read anew those of the fields `names` of a lazy object that hold lazy ones, and reset these.

        `before` are values that the fields had: where one of them is the stored collection, it stays.
        """
        view, row = proxy_state(proxy)
        values = decoded(proxy)
        for name in lazy_fields(view, names):
            try:
                values[name] = self._stored(view.getter(name)(row), before.get(name))
            except (FieldNotStored, *UNREADABLE):  # who asks for it will hear
                continue
        if values:
            touch(proxy)  # it keeps what is below it

    def collection(self, collection: LazyCollection) -> None:
        """Reset a lazy collection."""
        if id(collection) not in self._done:
            self._done[id(collection)] = collection
            rows: Any = collection.rows.origin
            collection.rows = rows
            self.bring_back(rows)
            rows.reset(self.keep)

    def bring_back(self, rows: Any, state: Any = None) -> None:
        """Let objects of rows that an update wrote aside be those of the rows that come back: stored, or in `state`."""
        if not isinstance(rows, TableRows) or not rows.table.origins:
            return
        for value, group, row, fields in displaced(rows.table, state):
            found = group.items.get(row)
            if not is_proxy(value) or not is_proxy(found) or found.__class__ is not value.__class__:
                continue
            self.object(value)  # first, so that what is inside it stands where it was written aside
            for name in fields:
                decoded(value).pop(name, None)
            rebase(value, *proxy_state(found))
            if decoded(value):
                touch(value)

    @roomy
    def _stored(self, value: Any, before: Any = None) -> Any:
        """A value that was just read: reset what of it was known; of a collection, the one that is known.

        `before` is what stood in its place.
        """
        kind = kind_of(value)
        if kind == "proxy":
            self.object(value)
        elif kind == "collection":
            value = self._known(value, before)
            self.collection(value)
        else:
            for child, _ in children(value):
                if type(child) not in ATOMIC:
                    self._stored(child)
        return value

    def _known(self, value: Any, before: Any) -> Any:
        known = self._collections.get(_place(value), [])
        free = [each for each in known if each is before] or [each for each in known if id(each) not in self._standing]
        if not free:
            self._meet(value.rows)
            return value
        known[:] = [each for each in known if each is not free[0]]
        return free[0]

    def _meet(self, rows: Any) -> None:
        """Let rows that the program holds be part of their collection again, which is read anew."""
        if isinstance(rows, SpanRows):
            view, first, *_ = rows.stretch(0) or (None, 0)
            live: dict[int, object] = getattr(view, "live", {})
            for place in range(len(rows)) if live else ():
                if first + place in live:
                    rows.get(place)
        elif self._orphans:
            for piece, _, _ in rows.table.tree.pieces():
                if piece.ref is not None and piece.ref.offset in self._orphans:
                    rows.table.group(piece)

    @cached_property
    def _orphans(self) -> set[int]:
        return self._owner.orphans()

    def keep(self, stored: Getter, row: int, value: Any) -> bool:
        """Reset a value held for a row; whether it stays held: a lazy object does, as the program may change it."""
        try:
            found = stored(row)
        except UNREADABLE:
            return False
        if is_plain_model(value) and is_proxy(found) and found.__class__ is value.__class__:
            attach(value, *proxy_state(found))
            found = value
        self._stored(found)
        return found is value


def names_met(proxy: LazyModel) -> set[str]:
    """The fields of a lazy object that were read, assigned or deleted; and cached properties and the like."""
    view, _ = proxy_state(proxy)
    return {*decoded(proxy), *view.dropped} if isinstance(view, WithoutFields) else set(decoded(proxy))


class Follow:
    """Lets objects of a session stand for rows of another snapshot, and show what those say.

    Nested models and collections that are fields of an object, in both snapshots, follow as well. What stood at two
    places follows to the first: from there on the places may differ.

    Where `stored`, all that the objects hold was just stored as what they follow to: plain models inside them follow as
    well, and other plain values stay.
    """

    def __init__(self, owner: object, *, stored: bool = False) -> None:
        self._owner = owner
        self._stored = stored
        self._done: dict[int, Any] = {}

    @roomy
    def object(self, obj: Any, found: Any) -> None:
        """Let `obj` be the lazy object of the row of `found`."""
        self._done[id(obj)] = obj
        values = decoded(obj)
        known = {name: value for name, value in values.items() if self._follows(value)}
        view, row = proxy_state(found)
        attach(obj, view, row)
        if self._stored:
            for name in [name for name, value in values.items() if name in known or kind_of(value) in READ_ANEW]:
                del values[name]
        else:
            forget(obj)
            values = decoded(obj)
        for name in lazy_fields(view, known):
            try:
                there = view.getter(name)(row)
            except (FieldNotStored, *UNREADABLE):
                continue
            if self._value(known[name], there):
                values[name] = known[name]
        if values:
            touch(obj)

    def _follows(self, value: Any) -> bool:
        return owner_of(value) is self._owner or (self._stored and is_plain_model(value))

    def _value(self, value: Any, there: Any) -> bool:
        if there.__class__ is not value.__class__ or id(value) in self._done:
            return False
        if is_proxy(there):
            self.object(value, there)
        else:
            self._done[id(value)] = value
            take_rows(value, there)
        return True


def _place(collection: LazyCollection) -> tuple[object, ...]:
    return type(collection), *collection.rows.origin.location


def _disown(collection: LazyCollection, lost: FileSpace) -> None:
    """Let a lazy collection that is part of nothing any more read through `lost`, which refuses changes."""
    rows = collection.rows
    if isinstance(rows, TableRows):
        rows.table.space = lost
    elif isinstance(rows, SpanRows):
        rows.space = lost
