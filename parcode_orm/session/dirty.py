"""What changed since a value was read: by comparing encoded bytes, never by `==` (`[1] == [True]`, NaN, -0.0).

What is only `Change.PERHAPS` other is encoded again and compared with what is stored by its digest.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import nullcontext
from enum import IntEnum
from functools import partial
from itertools import compress
from typing import Any, NamedTuple

from parcode_orm.lazy.state import RowView
from parcode_orm.model.plain import LazyModel

from ..codec.apart import types_of
from ..codec.asis import UNREADABLE, to_write
from ..codec.base import EXACT_ATOMS, Column, View, is_lazy
from ..codec.bulk import gc_paused
from ..codec.columns.boundary import ChunkColumn
from ..codec.views.boundary import ExternalView
from ..codec.views.stretch import InMemory
from ..errors import EncodeError, FieldNotStored
from ..lazy.handles import COLLECTIONS, LazyCollection
from ..lazy.proxy import decoded, is_proxy, proxy_state
from ..lazy.rows import TableRows
from ..lazy.spans import SpanRows
from ..lazy.state import WithoutFields
from ..stack import roomy
from ..table.nodes import Piece
from ..table.rewriting import Changes
from ..table.streaming import columns_of
from ..table.table import ATOMIC, EXACT, Table
from .as_read import changed, elsewhere, perhaps_changed, surely_changed, unlike
from .content_hash import UnreadStream, digest_of, is_stored_apart
from .equality import OTHER, PERHAPS, differ, differs_from_row, items_differ, rest_differs
from .space import file_of, owner_of

Look = Callable[[Any, list[int], list[Any]], bytearray]
MANY = 16  # rows: their fields are compared a column at a time
DOUBLE = struct.Struct("d")


class Change(IntEnum):
    """Whether a value would be stored as other bytes than are there."""

    NO = 0
    PERHAPS = 1
    YES = 2


class Found(NamedTuple):
    """What a comparison found of a table, and whether it is sure that the table changed."""

    changes: Changes
    change: Change


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


def once(values: Iterable[object]) -> Iterable[object]:
    """Each of `values` once, however often it occurs."""
    return {id(value): value for value in values}.values()


class Comparison:
    """Compares what is in memory with what is stored: for one commit, or for one question.

    Each table is compared once. What was found of it stands until `forget`, so nothing may change
    meanwhile. Comparing changes neither objects nor tables.
    """

    def __init__(self) -> None:
        self._tables: dict[int, Found] = {}
        self._marked: dict[tuple[int, int, str, int], Change] = {}  # of lazy collections in marked fields of rows

    def forget(self) -> None:
        """Let go of the rows that changed: what a commit evicts is found by counting references."""
        self._tables.clear()
        self._marked.clear()

    # -- objects ----------------------------------------------------------------------------------------------------

    def root(self, proxy: LazyModel) -> tuple[Change, dict[str, int]]:
        """As `object`. Where nothing but tables changed, also the fields that these tables are.

        With each field comes the ordinal of its reference in the row group of the root.
        """
        view, row = proxy_state(proxy)
        if isinstance(view, WithoutFields):
            return Change.PERHAPS, {}
        tables = {}
        unsure = False
        places = view.column.places
        for name, value in decoded(proxy).items():
            if name not in places:
                continue
            ordinal = ordinal_of(value, view, name, row)
            change = self.collection(value) if ordinal else self._field(places[name][1], value, view, name, row)
            if change is Change.YES:
                if not ordinal:
                    return change, {}
                tables[name] = ordinal
            unsure |= change is Change.PERHAPS
        if unsure or rest_differs(proxy, view, row):
            return Change.YES if tables else Change.PERHAPS, {}
        return Change.YES if tables else Change.NO, tables

    def object(self, proxy: object) -> Change:
        """Whether a proxy, or anything it handed out, differs from its row."""
        view, row = proxy_state(proxy)
        if isinstance(view, WithoutFields):
            return Change.PERHAPS
        places = view.column.places
        change = Change.NO
        for name, value in decoded(proxy).items():
            if name in places:
                change = max(change, self._field(places[name][1], value, view, name, row))
                if change is Change.YES:
                    return change
        # Private attributes that could not be stored may only seem to have changed.
        return change or (Change.PERHAPS if rest_differs(proxy, view, row) else Change.NO)

    _nested = roomy(object)

    def field(self, column: Column, known: InMemory) -> Change:
        """Whether a value in memory would be stored as other bytes than stand in its row."""
        return self._field(column, known.value, known.owner, known.name, known.row)

    def _field(self, column: Column, value: Any, view: RowView, name: str, row: int) -> Change:
        try:
            if type(value) in EXACT_ATOMS:
                stored = (view.getters.get(name) or view.getter(name))(row)
                if type(stored) not in ATOMIC:  # `!=` of an array says nothing
                    return Change.PERHAPS
                return _surely(type(stored) is not type(value) or stored != value)
            if type(value) not in COLLECTIONS:
                return self._compared(column, value, view, name, row)
            key = id(value), id(view), name, row  # it is asked for again when the row is written
            change = self._marked.get(key)
            if change is None:
                change = self._marked[key] = self._compared(column, value, view, name, row)
            return change
        except FieldNotStored:  # the row was written without this field
            return Change.PERHAPS
        except UNREADABLE:  # so the value did not come from there
            return Change.YES

    def _compared(self, column: Column, value: Any, view: RowView, name: str, row: int) -> Change:
        if type(value) is float:
            stored = (view.getters.get(name) or view.getter(name))(row)
            if type(stored) is float and DOUBLE.pack(stored) == DOUBLE.pack(value):
                return Change.NO
        if type(value) in EXACT:
            stored = (view.getters.get(name) or view.getter(name))(row)
            if type(stored) is type(value) and repr(stored) == repr(value):
                return Change.NO
        if type(value) in COLLECTIONS and isinstance(column, ChunkColumn):
            if ordinal_of(value, view, name, row):
                return self.collection(value)
            stored = view.getter(name)(row)
            if _same_rows(value, stored):
                return self.collection(value)
            if (
                type(stored) is not type(value)
                or not isinstance(value.rows, SpanRows)
                or owner_of(value) is not owner_of(stored)
            ):
                return Change.PERHAPS
        rows = is_lazy(column)  # else a lazy object that stands there is packed as a plain one
        if rows and is_proxy(value):
            return self._nested(value) if view.getter(name)(row) is value else Change.PERHAPS
        if rows and type(value) is list and value and all(map(is_proxy, value)):
            stored = view.getter(name)(row)
            return _most(map(self._nested, once(value))) if _same_proxies(value, stored) else Change.PERHAPS
        if isinstance(column, ChunkColumn) and type(value) in (list, dict):
            unread = getattr(view.field(name), "unread", None)
            known = None if unread is None else unread(row)
            if known is not None:  # a table, which is not read for this
                return Change.NO if is_stored_apart(column, value, known) else Change.YES
        return _surely(differs_from_row(column, value, view.field(name), row))

    # -- collections ------------------------------------------------------------------------------------------------

    def collection(self, value: LazyCollection) -> Change:
        """Whether a lazy collection, or a row it handed out, changed."""
        rows = value.rows
        if isinstance(rows, TableRows):
            return self._table(rows.table).change
        assert isinstance(rows, SpanRows)
        return self._span(rows, *columns_of(value._column))

    def table(self, table: Table) -> Changes:
        """What of a table must be written."""
        found = self._tables.get(id(table))
        return self._table(table).changes if found is None else found.changes

    def _table(self, table: Table) -> Found:
        found = self._tables.get(id(table))
        if found is None:
            held = rows_to_compare(table)
            rows: dict[int, dict[int, object]] = {}
            asked: dict[int, Change] = {}
            most = Change.NO

            def piece_differs(piece: Piece, here: Sequence[int]) -> bool:
                nonlocal most
                offset = piece.offset
                known = held[offset]
                differing = self.rows(table, piece, _some(known, here), asked)
                if differing:
                    most = max(most, Change.YES if Change.YES in differing.values() else Change.PERHAPS)
                    rows.setdefault(offset, {}).update(_some(known, differing))
                return bool(differing)

            with gc_paused() if sum(map(len, held.values())) > MANY else nullcontext():
                nodes = table.tree.changed(held, piece_differs)
            if nodes:  # other rows may be equal to those that are stored, but not more or fewer
                most = max(most, _surely(table.tree.root.length != table.tree.stored_rows), Change.PERHAPS)
            found = Found(Changes(nodes, rows), most)
            self._tables[id(table)] = found
        return found

    def rows(
        self, table: Table, piece: Piece, values: dict[int, Any], asked: dict[int, Change] | None = None
    ) -> dict[int, Change]:
        """Which of `values`, in memory for rows of a written piece, differ from its row group.

        `asked` has the lazy objects that were compared already: one may stand in several rows.
        """
        asked = {} if asked is None else asked
        plain: dict[int, object] = {}
        lazy = values
        if not all(issubclass(cls, LazyModel) for cls in types_of(list(values.values()))):
            lazy = {row: value for row, value in values.items() if isinstance(value, LazyModel)}
            plain = {row: value for row, value in values.items() if row not in lazy}
        found = _plain_rows_differ(table, piece, plain) if plain else {}
        if len(lazy) >= MANY:
            items, rows = table.group(piece).items, list(lazy)
            marks = _marks(items, rows, list(lazy.values()), changed)
            found.update(dict.fromkeys(compress(rows, map(OTHER.__eq__, marks)), Change.YES))
            lazy = {row: lazy[row] for row in compress(rows, map(PERHAPS.__eq__, marks))} if PERHAPS in marks else {}
            found.update(dict.fromkeys(surely_changed(items, lazy), Change.YES))
        for row, value in lazy.items():
            if row not in found:
                change = asked.get(id(value))
                if change is None:
                    change = asked[id(value)] = self.object(value)
                if change:
                    found[row] = change
        return found

    def _span(self, rows: SpanRows, item: Column, key: Column | None) -> Change:
        if rows.order is not None and len(rows) != rows.size:
            return Change.YES
        if key is not None and (rows.order is not None or rows.may_change_keys()) and _keys_differ(rows, key):
            return Change.YES
        moved = dict(rows.moved())
        if any(differ(item, value, rows.stored(position)) for position, value in moved.items()):
            return Change.YES
        here = [(position, value) for position, value in rows.places_in_memory() if position not in moved]
        if any(differ(item, value, rows.stored(position)) for position, value in here if not is_proxy(value)):
            return Change.YES
        return _most(map(self._nested, once(value for _, value in here if is_proxy(value))))


def ordinal_of(value: Any, view: RowView, name: str, row: int) -> int:
    """Where `value` is the table that is stored as the field `name`: the ordinal of its reference; else 0."""
    if type(value) not in COLLECTIONS or not isinstance(value.rows, TableRows):
        return 0
    field = view.field(name)
    if isinstance(field, ExternalView):
        ordinal: int = field.ordinals[row]
        table, refs = value.rows.table, view.chunk.refs
        if 0 < ordinal <= len(refs) and refs[ordinal - 1] == table.ref:
            return ordinal if table.space is view.space or _in_one_file(table.space, view.space) else 0
    return 0


def _in_one_file(one: object, other: object) -> bool:
    return one is other or (file_of(one) is not None and file_of(one) == file_of(other))


def _same_rows(value: LazyCollection, stored: object) -> bool:
    if type(stored) is not type(value) or value.location != stored.location:
        return False
    return _in_one_file(value.rows.space, stored.rows.space)


def _same_proxies(value: list[object], stored: object) -> bool:
    return (
        type(stored) is list and len(value) == len(stored) and all(a is b for a, b in zip(value, stored, strict=True))
    )


def _keys_differ(rows: Any, column: Column) -> bool:
    keys, stored = rows.all_keys(), rows.stored_keys()
    found = items_differ(keys, stored)
    return digest_of(column, *keys) != digest_of(column, *stored) if found is None else found


def _plain_rows_differ(table: Table, piece: Piece, values: dict[int, object]) -> dict[int, Change]:
    """Which plain values differ from their rows. First they are encoded together: few changed."""
    items = table.group(piece).items
    if len(values) > 1:
        try:
            stored = digest_of(table.items, *(to_write(items.read, row, row + 1)[0] for row in values))
            if stored == digest_of(table.items, *values.values()):
                return {}
        except (UnreadStream, EncodeError, *UNREADABLE):
            pass
    found = {}
    for row, value in values.items():
        try:
            if differs_from_row(table.items, value, items, row):
                found[row] = Change.YES
        except UNREADABLE:
            found[row] = Change.YES
    return found


def _some(known: dict[int, object], rows: Collection[int]) -> dict[int, object]:
    """The pairs of `known` that have the keys `rows`, in their order."""
    if len(rows) == len(known) and list(rows) == list(known):
        return known.copy()
    return dict(zip(rows, map(known.__getitem__, rows), strict=True))


def rows_to_compare(table: Table) -> dict[int, dict[int, object]]:
    """The rows in memory that may have changed, by the offsets of their row groups.

    These are the rows that the table holds, and some that only views know: rows that stand for
    other rows as well, where their changes are noted, and rows that were changed past every hook
    (`object.__setattr__`).
    """
    found: dict[int, dict[int, object]] = dict(table.rows_held()) if table.holding else {}
    for group in table.live_groups() if table.lively else ():
        rows, proxies = group.alive()
        more = _unlike(group.items, rows, proxies, unlike) if rows else {}
        if more:
            found[group.ref.offset] = {**group.held, **more}
    return found


def rows_to_index(table: Table, names: Collection[str], *, live: bool) -> dict[int, dict[int, object]]:
    """The rows in memory that may have other values in the fields `names`, by the offsets of their row groups.

    These are the rows that the table holds, and if `live`, those that were changed past every hook. To find these, all
    objects that the program has are looked at.
    """
    look = partial(unlike, names=names)
    found: dict[int, dict[int, object]] = {}
    for offset, held in table.rows_held().items():
        group = table.groups[offset]
        there: dict[int, object] = held if live else perhaps_changed(group, held, names)
        more = _unlike(group.items, list(there), list(there.values()), look) if there else {}
        if more:
            found[offset] = more
    for group in table.live_groups() if live else ():
        more = _unlike(group.items, *group.alive(), look)
        if more:
            found[group.ref.offset] = {**found.get(group.ref.offset, {}), **more}
    return found


def _unlike(view: View, rows: list[int], values: list[object], look: Look) -> dict[int, object]:
    """Those of the `values` in memory for `rows` of a view that stand for others, or that `look` says may differ."""
    marks = _marks(view, rows, values, look)
    return dict(zip(compress(rows, marks), compress(values, marks), strict=True))


def _marks(view: View, rows: list[int], values: list[object], look: Look) -> bytes | bytearray:
    """What `look` says of lazy objects in memory for `rows` of a view; `PERHAPS` of other values, and of objects that
    stand for other rows.
    """
    if not hasattr(view, "live"):
        return bytes([PERHAPS]) * len(rows)
    plain = {cls for cls in types_of(values) if not issubclass(cls, LazyModel)}
    unsure = set(elsewhere(view, rows, values))
    if plain:
        unsure.update(at for at, value in enumerate(values) if type(value) in plain)
    if not unsure:
        return look(view, rows, values)
    marks = bytearray([PERHAPS]) * len(rows)
    here = [at for at in range(len(rows)) if at not in unsure]
    for at, mark in zip(here, look(view, [rows[at] for at in here], [values[at] for at in here]), strict=True):
        marks[at] = mark
    return marks
