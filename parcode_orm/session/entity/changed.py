"""What changed in the indexes of entities since the last commit, a column at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Set
from functools import partial
from itertools import compress
from typing import Any, NamedTuple

from ...lazy.map import LazyMap
from ...model.indexes import IndexSpec, Path
from ...storage.spill import is_spilled
from ...table.pairs import known_keys
from ..roots import Root
from ..unit_of_work import UnitOfWork
from .tables import entities, in_memory, stored_rows, table_in
from .values import field_values, index_column, stored_values


class Entries(NamedTuple):
    """Values of an index, none of them None, and the keys of the entities that have them, or had."""

    values: list[Any]
    keys: list[Any]


class Changed:
    """The entities of a root that changed since the last commit, or may have: known by `keys`, and `objs` now.

    An entity that stands where it is stored, with the same values at `paths`, is left out, and so are those that left
    memory as they came.
    """

    def __init__(self, work: UnitOfWork, root: Root, paths: tuple[Path, ...]) -> None:
        self._work = work
        self._root = root
        self._rows = entities(root)
        pairs = list(in_memory(self._rows, paths))
        self.keys: list[Any] = [key for key, _ in pairs]
        self.objs: list[Any] = [obj for _, obj in pairs]
        self._before: dict[Any, Any] | None = None
        self._stored: Any = {}

    def of(self, spec: IndexSpec) -> tuple[Entries, Entries]:
        """The values of an index that entities lost, and those that they got."""
        before = self._find_before()
        now = dict(zip(self.keys, index_column(spec, partial(field_values, self.objs)), strict=True))
        was = dict(zip(before, index_column(spec, partial(field_values, list(before.values()))), strict=True))
        if was and spec.of_items:
            now, was = _without(now, was), _without(was, now)
        for key in [key for key, value in was.items() if (other := now.get(key)) is value or other == value]:
            del was[key]
            now.pop(key, None)
        lost, got = [_entries(spec, was.values(), was)], [_entries(spec, now.values(), now)]
        if self._stored:
            for keys, _ in self._streamed(below=table_in(self._stored).next_row):
                objs = [self._stored[key] for key in keys]
                lost.append(_entries(spec, index_column(spec, partial(field_values, objs)), keys))
        for keys, read in self._streamed():
            got.append(_entries(spec, index_column(spec, read), keys))
        return _joined(lost), _joined(got)

    def _find_before(self) -> dict[Any, Any]:
        """The entities as they are stored, by key: those of `keys` that are, and those that are deleted."""
        if self._before is None:
            gone = self._root.gone.keys() - set(self.keys)
            if self.keys or gone or table_in(self._rows).spilled:
                self._stored = stored_rows(self._work, self._root)
            known = [*known_keys(table_in(self._stored), self.keys), *gone] if self._stored else []
            found = ((key, self._stored.get(key)) for key in known)
            self._before = {key: obj for key, obj in found if obj is not None}
        return self._before

    def _streamed(self, below: int | None = None) -> Iterator[tuple[list[Any], Any]]:
        return _streamed(self._rows, set(self.keys), below)


def _without(values: Mapping[Any, Any], others: Mapping[Any, Any]) -> dict[Any, Any]:
    """Collections of values without those that the others have."""
    return {key: [each for each in some if each not in others.get(key, ())] for key, some in values.items()}


def _joined(parts: list[Entries]) -> Entries:
    if len(parts) == 1:
        return parts[0]
    return Entries([value for part in parts for value in part.values], [key for part in parts for key in part.keys])


def _entries(spec: IndexSpec, column: Collection[Any], keys: Collection[Any]) -> Entries:
    """The entries of a column of values, or of collections of them."""
    if spec.of_items:
        pairs = [(value, key) for values, key in zip(column, keys, strict=True) for value in values]
        return Entries([value for value, _ in pairs], [key for _, key in pairs])
    values = list(column)
    if None not in values:
        return Entries(values, list(keys))
    there = [value is not None for value in values]
    return Entries(list(compress(values, there)), list(compress(keys, there)))


def _streamed(rows: LazyMap[Any, Any], known: Set[Any], below: int | None = None) -> Iterator[tuple[list[Any], Any]]:
    """Of the streamed rows whose keys are not `known`, the keys and what gives the values of a field.

    With `below`, only of rows with smaller ids, which took the place of stored ones.
    """
    table = table_in(rows)
    for piece in list(table.tree.loaded()):
        if piece.ref is None or not is_spilled(piece.ref) or (below is not None and piece.first >= below):
            continue
        group = table.group(piece)
        start, stop = piece.start, piece.start + piece.length
        assert group.keys is not None
        keys, left = group.keys.read(start, stop), None
        if known and not known.isdisjoint(keys):
            left = [key not in known for key in keys]
            keys = list(compress(keys, left))
        yield keys, partial(_column, group.items, start, stop, left)


def _column(view: Any, start: int, stop: int, left: list[bool] | None, name: str) -> list[Any]:
    found = stored_values(view, start, stop, name)
    return found if left is None else list(compress(found, left))
