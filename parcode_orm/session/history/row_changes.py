"""Which rows two commits do not share, and which fields of them differ: as `compare` finds them, a row at a time.

A row is a root, an entity, or a row of a lazy collection. Plain lists and dictionaries in it are fields as a whole, and
models in it are compared field by field. A lazy collection in it has rows of its own.

The rows of a list come in order, and the position of each is the one that it has once all before it are applied:
`del items[3]`, `items.insert(5, row)`, one change after the other, lead from the older list to the newer one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import partial
from typing import Any

from pydantic import BaseModel

from ...codec.evolution.defaults import GENERATED
from ...codec.views.boundary import Unread
from ...lazy.list import LazyList
from ...lazy.map import LazyMap
from ...lazy.protocols import PairRows
from ...lazy.rows import TablePairs
from ...lazy.state import MISSING
from ...stack import is_deep, on_fresh_stack, roomy
from .columnwise import Exact, Fields, Part, Read, Split
from .compare import STEP, is_same, list_rows, map_rows
from .difference import Place
from .fields import besides, field_of, names_of, read_now
from .row_change import FieldChange, Row, RowChange, spelled
from .stretches import Pairs, Side

Values = Callable[[], tuple[object, object]]


def compare_roots(old: object, new: object, row: Row) -> Iterator[RowChange]:
    """The changes of a root, MISSING where a commit has none."""
    return _compare(old, new, row)


def compare_entities(old: Any, new: Any, row: Row) -> Iterator[RowChange]:
    """The changes of the entities of a class: of two tables, MISSING where a commit has none."""
    if old is MISSING or new is MISSING:
        for key, obj in (new if old is MISSING else old).rows.items():
            here = row.item(key)._replace(key=key)
            yield _alone(here, MISSING if old is MISSING else obj, MISSING if new is MISSING else obj)
    else:
        yield from _maps(old.rows.rows, new.rows.rows, row, is_key=True)


def _compare(old: object, new: object, row: Row) -> Iterator[RowChange]:
    """The changes of two rows that stand for each other, and of all below them."""
    if len(row.path) >= STEP and is_deep():
        return iter(on_fresh_stack(lambda: list(_rows(old, new, row))))
    return _rows(old, new, row)


def _rows(old: object, new: object, row: Row) -> Iterator[RowChange]:
    if old is MISSING or new is MISSING:
        if old is not new:
            yield _alone(row, old, new)
        return
    if isinstance(old, Unread) and isinstance(new, Unread) and old.ref == new.ref:
        return
    if not _has_blob(old, new):
        old, new = read_now(old), read_now(new)
        if _are_collections(old, new):
            yield from _collections(old, new, row)
            return
        if _by_field(old, new):
            yield from _fields(old, new, row)
            return
    if not _is_same(old, new):
        yield RowChange("changed", row, partial(read_now, old), partial(read_now, new))


def _alone(row: Row, old: object, new: object) -> RowChange:
    if old is MISSING:
        return RowChange("inserted", row, None, lambda: new)
    return RowChange("deleted", row, lambda: old, None)


def _has_blob(old: object, new: object) -> bool:
    """Whether large values are to be compared: they are read only if their checksums do not tell."""
    return any(isinstance(each, Unread) and each.blob() is not None for each in (old, new))


def _are_collections(old: object, new: object) -> bool:
    return (isinstance(old, LazyList) and isinstance(new, LazyList)) or (
        isinstance(old, LazyMap) and isinstance(new, LazyMap)
    )


def _is_same(old: object, new: object) -> bool:
    """As `compare` says; members of enums that are made of two stored schemas are the same by name and value."""
    if isinstance(old, Enum) and isinstance(new, Enum) and old.__class__ is not new.__class__:
        made = old.__class__.__module__ == new.__class__.__module__ == GENERATED
        return made and old.name == new.name and is_same(old.value, new.value)
    return is_same(old, new)


def _by_field(old: object, new: object) -> bool:
    """Whether two values are compared field by field: of one class, or of classes made of two stored schemas of it."""
    cls, other = old.__class__, new.__class__
    if not (issubclass(cls, BaseModel) or dataclasses.is_dataclass(cls)):
        return False
    return cls is other or (cls.__module__ == other.__module__ == GENERATED and issubclass(other, BaseModel))


# -- fields ------------------------------------------------------------------------------------------------------------


class _Found:
    """The fields of a row that differ, and the lazy collections in it that may."""

    def __init__(self) -> None:
        self.fields: dict[str, FieldChange] = {}
        self.collections: list[tuple[tuple[str, ...], Any, Any]] = []

    @roomy
    def compare(self, old: object, new: object, path: tuple[str, ...]) -> None:
        """Compare the values of a field."""
        if isinstance(old, Unread) and isinstance(new, Unread) and old.ref == new.ref:
            return
        if old is not MISSING and new is not MISSING and not _has_blob(old, new):
            old, new = read_now(old), read_now(new)
            if _are_collections(old, new):
                self.collections.append((path, old, new))
                return
            if _by_field(old, new):
                self.compare_fields(old, new, path)
                return
        if not _is_same(old, new):
            self.differ(path, old, new)

    def compare_fields(self, old: object, new: object, path: tuple[str, ...]) -> None:
        """Compare the fields of two objects."""
        self._named(old, new, (*names_of(old), *names_of(new)), path)

    def _named(self, old: object, new: object, names: Iterable[str], path: tuple[str, ...]) -> None:
        for name in dict.fromkeys(names):
            self.compare(field_of(old, name), field_of(new, name), (*path, name))

    @roomy
    def take(self, part: Part, i: int, path: tuple[str, ...], values: Values) -> None:
        """Take what columns tell of row `i` of a stretch; `values` gives both values, if they do not tell all."""
        if isinstance(part, Read):
            self.compare(part.old[i], part.new[i], path)
        elif isinstance(part, Exact):
            self.differ(path, part.old[i], part.new[i])
        elif isinstance(part, Split):
            below, j = part.index[i]
            self.take(below, j, path, values)
        elif isinstance(part, Fields):
            for name, below in part.parts:
                if i in below.where:
                    self.take(below, i, (*path, name), partial(part.field, i, name))
            if i in part.rest.where:
                old, new = part.objects(i)
                self._named(old, new, (*besides(old), *besides(new)), path)
        else:
            self.compare(*values(), path)

    def changes(self, row: Row, old: Callable[[], object], new: Callable[[], object]) -> Iterator[RowChange]:
        """The change of a row, if there is one, and those in its collections."""
        if self.fields:
            yield RowChange("changed", row, old, new, self.fields)
        for path, mine, theirs in self.collections:
            yield from _collections(mine, theirs, row.field(path))

    def differ(self, path: tuple[str, ...], old: object, new: object) -> None:
        """The values of a field differ."""
        self.fields[spelled(path).removeprefix(".")] = FieldChange(path, old, new)


def _fields(old: object, new: object, row: Row) -> Iterator[RowChange]:
    """The changes of a row, and in its collections."""
    found = _Found()
    found.compare_fields(old, new, ())
    return found.changes(row, lambda: old, lambda: new)


# -- rows --------------------------------------------------------------------------------------------------------------


def _collections(old: Any, new: Any, row: Row) -> Iterator[RowChange]:
    return _lists(old, new, row) if isinstance(old, LazyList) else _maps(old.rows, new.rows, row)


def _lists(old: LazyList[object], new: LazyList[object], row: Row) -> Iterator[RowChange]:
    mine, theirs = old.rows, new.rows
    moved = 0  # how many more rows came than went so far
    for found in list_rows(mine, theirs, Place((), "", {})):
        if isinstance(found, Pairs):
            yield from _pairs(found, mine, theirs, row.item)
        elif found.new is None:
            assert found.old is not None
            yield RowChange("deleted", row.item(found.old + moved), partial(mine.get, found.old), None)
            moved -= 1
        else:
            yield RowChange("inserted", row.item(found.new), None, partial(theirs.get, found.new))
            moved += 1


def _maps(mine: PairRows, theirs: PairRows, row: Row, *, is_key: bool = False) -> Iterator[RowChange]:
    """The changes of the pairs of two dictionaries; `is_key`: their keys are those of entities."""

    def item(key: object) -> Row:
        return row.item(key)._replace(key=key) if is_key else row.item(key)

    if not (isinstance(mine, TablePairs) and isinstance(theirs, TablePairs)):
        for key in mine.keys():
            yield from _compare(mine.find(key, MISSING), theirs.find(key, MISSING), item(key))
        for key in theirs.keys():
            if not mine.has(key):
                yield from _compare(MISSING, theirs.find(key, MISSING), item(key))
        return
    for found in map_rows(mine, theirs):
        if isinstance(found, Pairs):
            yield from _pairs(found, mine, theirs, item)
        elif found.new is None:
            assert found.old is not None
            yield RowChange("deleted", item(found.name), partial(mine.get, found.old), None)
        else:
            yield RowChange("inserted", item(found.name), None, partial(theirs.get, found.new))


def _pairs(found: Pairs, mine: Side, theirs: Side, item: Callable[[object], Row]) -> Iterator[RowChange]:
    """The changes of rows that stand beside each other: where columns tell which differ, and how, no object is made."""
    names, old, new = found.names, found.batch.old, found.batch.new
    for i in found.batch.part.rows:
        row, before, after = item(names[i]), partial(mine.get, old[i]), partial(theirs.get, new[i])
        part, j = found.batch.part, i
        while isinstance(part, Split):
            part, j = part.index[j]
        if isinstance(part, Fields):
            fields = _Found()
            fields.take(part, j, (), _nothing)
            yield from fields.changes(row, before, after)
        elif isinstance(part, Exact) and not isinstance(part, Read):
            yield RowChange("changed", row, before, after)
        else:
            yield from _compare(before(), after(), row)


def _nothing() -> tuple[object, object]:
    """The values of a row whose fields say everything."""
    return MISSING, MISSING
