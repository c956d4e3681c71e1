"""What changed in the indexed fields of entities since the last commit, a column at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import compress
from typing import Any, NamedTuple
from uuid import UUID

from ...codec.structs import MISSING as SOME_MISSING
from ...codec.views.struct import StructView
from ...lazy.map import LazyMap
from ...lazy.state import field_value
from ...storage.spill import is_spilled
from ...table.pairs import known_keys
from ..roots import Root
from ..unit_of_work import UnitOfWork
from .tables import differs, entities, in_memory, indexed_value, stored_rows, table_in, value_of, values_of

EQUAL = frozenset({int, str, bytes, bool, type(None), UUID, date, datetime, time, timedelta})
"""Types of which each value is hashable and equal to itself."""


class Entries(NamedTuple):
    """Values of an indexed field, none of them None, and the keys of the entities that have them, or had."""

    values: list[Any]
    keys: list[Any]


class Changed:
    """The entities of a root that changed since the last commit, or may have: known by `keys`, and `objs` now.

    An entity that stands where it is stored with the same values in `fields` is left out, and so are those that left
    memory as they came.
    """

    def __init__(self, work: UnitOfWork, root: Root, fields: tuple[str, ...]) -> None:
        self._work = work
        self._root = root
        self._fields = fields
        self._rows = entities(root)
        pairs = list(in_memory(self._rows, fields))
        self.keys: list[Any] = [key for key, _ in pairs]
        self.objs: list[Any] = [obj for _, obj in pairs]
        self._before: dict[Any, Any] | None = None
        self._stored: Any = {}

    def of(self, name: str) -> tuple[Entries, Entries]:
        """The values of the field `name` that entities lost, and those that they got."""
        before = self._find_before()
        values = indexable(values_of(self.objs, name))
        if before:
            had = {key: None if obj is None else value_of(obj, name) for key, obj in before.items()}
            now = dict(zip(self.keys, values, strict=True))
            same = [key for key, was in had.items() if (value := now.get(key)) is was or value == was]
            for key in same:
                del had[key]
                now.pop(key, None)
            lost, got = [_there(list(had.values()), list(had))], [_there(list(now.values()), list(now))]
        else:
            lost, got = [], [_there(values, self.keys)]
        if self._stored:
            for _, keys in streamed(self._rows, name, self._fields, below=table_in(self._stored).next_row):
                lost.append(_there([value_of(self._stored[key], name) for key in keys], keys))
        got += streamed(self._rows, name, self._fields)
        return _joined(lost), _joined(got)

    def _find_before(self) -> dict[Any, Any]:
        """The entities as they are stored, by key: those of `keys` that are, and those that are deleted."""
        if self._before is None:
            gone = self._root.gone.keys() - set(self.keys)
            if self.keys or gone or table_in(self._rows).spilled:
                self._stored = stored_rows(self._work, self._root)
            known = [*known_keys(table_in(self._stored), self.keys), *gone] if self._stored else []
            self._before = {key: self._stored.get(key) for key in known}
        return self._before


def _joined(parts: list[Entries]) -> Entries:
    if len(parts) == 1:
        return parts[0]
    return Entries([value for part in parts for value in part.values], [key for part in parts for key in part.keys])


def _there(values: list[Any], keys: list[Any]) -> Entries:
    """The entries whose value is not None."""
    if None not in values:
        return Entries(values, keys)
    there = [value is not None for value in values]
    return Entries(list(compress(values, there)), list(compress(keys, there)))


def indexable(values: list[Any]) -> list[Any]:
    """Values of an indexed field; None for what no other value is equal to, as `value_of` gives it."""
    types = set(map(type, values))
    if types <= EQUAL:
        return values
    if types <= EQUAL | {float}:
        return [value if value == value else None for value in values]
    return [indexed_value(value) for value in values]


def streamed(
    rows: LazyMap[Any, Any], name: str, fields: tuple[str, ...], below: int | None = None
) -> Iterator[Entries]:
    """The values of the field `name`, and the keys, of the streamed rows that `in_memory(rows, fields)` leaves out.

    With `below`, only of rows with smaller ids, which took the place of stored ones.
    """
    table = table_in(rows)
    held = table.rows_held()
    for piece in list(table.tree.loaded()):
        if piece.ref is None or not is_spilled(piece.ref) or (below is not None and piece.first >= below):
            continue
        group = table.group(piece)
        start, stop = piece.start, piece.start + piece.length
        assert group.keys is not None
        values, keys = indexable(_column(group.items, name, start, stop)), group.keys.read(start, stop)
        here: dict[int, Any] = held.get(piece.ref.offset) or {}  # type: ignore[union-attr]
        ours = {row: obj for row, obj in here.items() if start <= row < stop}
        apart = {row - start for row, obj in ours.items() if differs(table, piece, row, obj, fields)}
        if apart:
            left = [at not in apart for at in range(len(keys))]
            values, keys = list(compress(values, left)), list(compress(keys, left))
        yield _there(values, keys)


def _column(view: Any, name: str, start: int, stop: int) -> list[Any]:
    if isinstance(view, StructView) and not view.bits & SOME_MISSING:
        return list(view.field(name).read(start, stop))
    return [field_value(view.get(row), name) for row in range(start, stop)]
