"""What changed in the indexes of entities since the last commit, a column at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from functools import partial
from itertools import chain, compress
from typing import Any, NamedTuple

from ...codec.asis import as_stored
from ...format.layout import Reference
from ...model.indexes import IndexSpec, Path
from ...storage.spill import is_spilled
from ...table.nodes import Piece
from ...table.pairs import known_keys
from ...table.row_group import Group
from ...table.table import Table
from ..roots import Root, Unread
from ..unit_of_work import UnitOfWork
from .tables import entities, parts_in_memory, stored_rows, table_in
from .values import field_values, fits, index_column, stored_values


class Entries(NamedTuple):
    """Values of an index, none of them None, and the keys of the entities that have them, or had."""

    values: list[object]
    keys: list[object]

    def are_whole(self, types: tuple[object, ...]) -> bool:
        """Whether all values are of the types of the index, not as a class before stored them."""
        parts = [self.values] if len(types) == 1 else zip(*self.values, strict=True)
        return all(fits(tp, values) for tp, values in zip(types, parts, strict=False))


class Changed:
    """The entities of a root that changed since the last commit, or may have: known by `keys`, and `objs` now.

    An entity that stands where it is stored, with the same values at `paths`, is left out, and so are those that left
    memory as they came.
    """

    def __init__(self, work: UnitOfWork, root: Root, paths: tuple[Path, ...]) -> None:
        self._work = work
        self._root = root
        self._rows = entities(root)
        self.keys: list[object] = []
        self.objs: list[object] = []
        for keys, objs in parts_in_memory(self._rows, paths):
            self.keys += keys
            self.objs += objs
        self._before: dict[object, object] | None = None
        self._stored: Any = {}

    def of(self, spec: IndexSpec) -> Iterator[tuple[Entries, Entries]]:
        """The values of an index that entities lost, and those that they got, some thousand at a time."""
        yield self._held(spec)
        for each in self._apart():
            yield each.of(spec, each.keys)

    def by_rows(self, spec: IndexSpec) -> Iterator[tuple[Entries, Entries]]:
        """As `of`, with ids of rows instead of keys: first as they are stored, then as they are today."""
        lost, got = self._held(spec, moved=self._find_before().keys() & table_in(self._rows).added.keys())
        before = _row_ids(table_in(self._stored), lost.keys) if lost.keys else []
        yield Entries(lost.values, before), Entries(got.values, _row_ids(table_in(self._rows), got.keys))
        for each in self._apart():
            ids = each.ids
            yield each.of(spec, _row_ids(table_in(self._stored), each.keys) if ids is None else ids)

    def _held(self, spec: IndexSpec, moved: Set[object] = frozenset()) -> tuple[Entries, Entries]:
        """The values that entities in memory lost, and the values that they got.

        A stored key that was deleted and added again, or changed and given to another entity, has a new row: `moved`
        entities lose what they had and get what they have, even if both are equal.
        """
        before = self._find_before()
        column = index_column(spec, partial(field_values, self.objs))
        if before:
            return self._differing(spec, before, dict(zip(self.keys, column, strict=True)), moved)
        return _entries(spec, (), ()), _entries(spec, column, self.keys)

    def _differing(
        self, spec: IndexSpec, before: dict[object, object], now: dict[object, object], moved: Set[object]
    ) -> tuple[Entries, Entries]:
        """The values that entities lost, and those of `now` that they got."""
        old = as_stored(index_column, spec, partial(field_values, list(before.values())))
        was = dict(zip(before, old, strict=True))
        if was and spec.of_items:
            now, was = _without(now, was), _without(was, now)
        equal = [key for key, value in was.items() if (other := now.get(key)) is value or other == value]
        for key in [key for key in equal if key not in moved] if moved else equal:
            del was[key]
            now.pop(key, None)
        return _entries(spec, was.values(), was), _entries(spec, now.values(), now)

    def _find_before(self) -> dict[object, object]:
        """The entities as they are stored, by key: those of `keys` that are, and those whose objects are deleted."""
        if self._before is None:
            gone = {key for key, obj in self._root.gone.items() if type(obj) is not Unread}.difference(self.keys)
            if self.keys or gone or table_in(self._rows).spilled:
                self._stored = stored_rows(self._work, self._root)
            known = [*known_keys(table_in(self._stored), self.keys), *gone] if self._stored else []
            found = ((key, self._stored.get(key)) for key in known)
            self._before = {key: obj for key, obj in found if obj is not None}
        return self._before

    def _apart(self) -> Iterator[Apart]:
        """The rows that changed and are no objects: streamed, updated or deleted ones, a row group at a time."""
        stored = table_in(self._stored) if self._stored else None
        yield from _spilled(table_in(self._rows), set(self.keys), stored)
        yield from _deleted({key: obj for key, obj in self._root.gone.items() if type(obj) is Unread})


class Apart(NamedTuple):
    """Rows of one row group that are no objects: keys, and what gives the values of a field, now and before.

    `now` is None for rows that are deleted, `before` for rows that are new. `ids` are those of the rows, where they are
    known.
    """

    keys: list[object]
    now: Callable[[str], list[object]] | None
    before: Callable[[str], list[object]] | None
    ids: Sequence[int] | None = None

    def of(self, spec: IndexSpec, keys: Sequence[object]) -> tuple[Entries, Entries]:
        """The values of an index that the rows lost, and the values that they got; `keys` stand for the rows."""
        column = [] if self.now is None else index_column(spec, self.now)
        lost = [] if self.before is None else as_stored(index_column, spec, self.before)
        if column and lost:
            places = [at for at, (a, b) in enumerate(zip(lost, column, strict=True)) if a is not b and a != b]
            lost, column, keys = ([some[at] for at in places] for some in (lost, column, keys))
        return _entries(spec, lost, keys if lost else []), _entries(spec, column, keys if column else [])


def _spilled(table: Table, known: Set[object], stored: Table | None) -> Iterator[Apart]:
    """The rows that were written aside and whose keys are not `known`. Some took the place of `stored` ones."""
    groups: dict[int, list[Piece]] = {}
    for piece in table.tree.loaded():
        if isinstance(piece.ref, Reference) and is_spilled(piece.ref):
            groups.setdefault(piece.ref.offset, []).append(piece)
    for pieces in groups.values():
        group = table.group(pieces[0])
        rows = _numbers([(piece.start, piece.length) for piece in pieces])
        ids = _numbers([(piece.first, piece.length) for piece in pieces])
        keys = group.keys_at(rows)
        below = 0 if stored is None else stored.next_row
        for old in (True, False):
            places: Sequence[int] = range(len(ids))
            if known or min(ids) < below:
                places = [at for at in places if (ids[at] < below) is old and keys[at] not in known]
            elif old:
                continue
            here: Sequence[int]
            these: Sequence[int]
            if len(places) < len(ids):
                here, these = [rows[at] for at in places], [ids[at] for at in places]
                some = [keys[at] for at in places]
            else:
                here, these, some = rows, ids, keys
            if some:
                before = None if stored is None or not old else partial(_stored_column, stored, these)
                yield Apart(some, partial(stored_values, group.items, here), before, these)


def _numbers(spans: list[tuple[int, int]]) -> Sequence[int]:
    """The numbers of spans, each its first one and how many there are."""
    ranges = [range(first, first + count) for first, count in spans]
    return ranges[0] if len(ranges) == 1 else list(chain.from_iterable(ranges))


def _deleted(gone: dict[object, Unread]) -> Iterator[Apart]:
    """The rows that a statement deleted, by row group."""
    groups: dict[int, tuple[Group, dict[int, object]]] = {}
    for key, (group, row) in gone.items():
        groups.setdefault(id(group), (group, {}))[1][row] = key
    for group, keys in groups.values():
        rows = sorted(keys)
        yield Apart([keys[row] for row in rows], None, partial(stored_values, group.items, rows))


def _stored_column(stored: Table, ids: Sequence[int], name: str) -> list[object]:
    """The field `name` of the stored rows with these ids."""
    found: list[object] = [None] * len(ids)
    at = 0
    order = sorted(range(len(ids)), key=ids.__getitem__)
    while at < len(order):
        place = stored.tree.row(ids[order[at]])
        if place is None:
            at += 1
            continue
        piece = place[0]
        end = bisect_left(order, piece.first + piece.length, at, key=ids.__getitem__)
        rows = [ids[each] - piece.first + piece.start for each in order[at:end]]
        for each, value in zip(order[at:end], stored_values(stored.group(piece).items, rows, name), strict=True):
            found[each] = value
        at = end
    return found


def _row_ids(table: Table, keys: Sequence[object]) -> list[object]:
    """The ids of the rows with these keys, which a table has."""
    added = table.added
    found: list[object] = [added.get(key) for key in keys]
    for at in [at for at, known in enumerate(found) if known is None]:
        place = table.find(keys[at])
        assert place is not None
        found[at] = place[0].first + place[1]
    return found


def _without(values: Mapping[object, Any], others: Mapping[object, Any]) -> dict[object, object]:
    """Collections of values without those that the others have."""
    return {key: [each for each in some if each not in others.get(key, ())] for key, some in values.items()}


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
