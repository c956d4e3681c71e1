"""Comparing the keys and indexes of entities with their rows: each must have the values that the entities have.

The hashes of all (value, key) have a sum, by the rows and by the index. Only if the sums differ are the pairs
themselves compared, which takes memory for all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, islice, pairwise
from typing import Any

from ..codec.asis import as_stored
from ..codec.types.compile import struct_for
from ..errors import told
from ..lazy.list import LazyList
from ..model.entities import table_class
from ..model.entity_names import field_of, table_name
from ..model.indexes import IndexSpec, indexes_of
from ..model.ordering import UNORDERED, order_of_parts
from ..session.entity import indexes
from ..session.entity.tables import keys_of, table_in
from ..session.entity.values import index_column, stored_values
from ..session.roots import read_root, unbuilt
from ..session.space import FileSpace
from .text_indexes import check_text

AT_ONCE = 65_536  # entries of an index that are read at once
SHOWN = 10  # wrong keys, or entries of an index, that are named
Pair = tuple[Any, Any]


def check_entities(space: FileSpace, cls: type[Any]) -> Iterator[tuple[str, str]]:
    """The keys and indexes of `cls` that do not fit the rows of its entities: which, and what is wrong with it.

    Raises:
        SchemaMismatchError: the entities were written with another definition of the class.
        CorruptionError: the file is damaged there.
    """
    table = table_class(cls)
    stored = read_root(space, table_name(cls), struct_for(table))
    yield from as_stored(lambda: list(_check(cls, stored)))


def _check(cls: type[Any], stored: Any) -> Iterator[tuple[str, str]]:
    yield from ((f"keys of {cls.__qualname__}", what) for what in _check_keys(cls, stored))
    missing = unbuilt(stored)
    for spec in indexes_of(cls):
        where = f"index {spec.name} of {cls.__qualname__}"
        if field_of(spec) in missing:
            yield where, missing[field_of(spec)]
            continue
        index = getattr(stored, field_of(spec))
        if spec.text:
            yield from ((where, what) for what in check_text(cls, spec, stored, index))
            continue
        for run in () if spec.unique else index:
            yield from ((where, what) for what in _check_run(spec, run))
        if _sum(pairs_of(stored, spec)) != _sum_of_index(spec, index):
            yield from ((where, what) for what in _differences(cls, spec, stored, index))


def _check_keys(cls: type[Any], stored: Any) -> Iterator[str]:
    """What is wrong with the keys by which the entities are found: each must be what the fields of its row say."""
    keys, table, wrong = keys_of(cls), table_in(stored.rows), 0
    for piece, _, _ in table.tree.pieces():
        group, rows = table.group(piece), range(piece.start, piece.start + piece.length)
        said = keys.of_columns([stored_values(group.items, rows, name) for name in keys.fields])
        for key, value in zip(group.keys_at(rows), said, strict=True):
            if key != value:
                wrong += 1
                if wrong <= SHOWN:
                    yield f"{keys.spelled(key)} leads to an entity with {keys.spelled(value)}"
    if wrong > SHOWN:
        yield f"{wrong - SHOWN} more keys are wrong"


def _check_run(spec: IndexSpec, run: Any) -> Iterator[str]:
    """What is wrong with the order of a run's entries, and with its fences."""
    order, step, count = order_of_parts(spec.types), indexes.STEP, len(run.entries)
    fences = list(run.fences)
    if len(fences) != -(-count // step):
        yield f"a run of {count} entries has {len(fences)} fences"
        return
    last: list[Any] = []
    for start, part in _parts(run.entries):
        values = [value for value, _, _ in part]
        try:
            keys = [*last, *map(order, values)]
            rising = all(one <= other for one, other in pairwise(keys))
        except UNORDERED as problem:
            yield f"the values of a run cannot be compared: {problem}"
            return
        if not rising:
            yield "the entries of a run are not in the order of their values"
            return
        last = keys[-1:]
        at = -start % step
        if fences[(start + at) // step : -(-(start + len(values)) // step)] != values[at::step]:
            yield f"the fences of a run are not the values of every {step}th entry"
            return


def _parts(entries: Any) -> Iterator[tuple[int, list[Any]]]:
    for start in range(0, len(entries), AT_ONCE):
        stop = min(start + AT_ONCE, len(entries))
        yield start, entries.rows.read(start, stop) if isinstance(entries, LazyList) else entries[start:stop]


def pairs_of(stored: Any, spec: IndexSpec) -> Iterator[Pair]:
    """The values that the entities have, and their keys."""
    table = table_in(stored.rows)
    for piece, _, _ in table.tree.pieces():
        group = table.group(piece)
        assert group.keys is not None
        start, stop = piece.start, piece.start + piece.length
        keys = group.keys.read(start, stop)
        for value, key in zip(
            index_column(spec, partial(stored_values, group.items, range(start, stop))), keys, strict=True
        ):
            if spec.of_items:
                yield from ((each, key) for each in value)
            elif value is not None:
                yield value, key


def _sum(pairs: Iterable[Pair]) -> int:
    return sum(map(hash, pairs)) % (1 << 64)


def _sum_of_index(spec: IndexSpec, index: Any) -> int:
    if spec.unique:
        return _sum(index.items())
    total = 0
    for run in index:
        for _, part in _parts(run.entries):
            total += sum(hash((value, key)) * (1 if has else -1) for value, key, has in part)
    return total % (1 << 64)


def _differences(cls: type[Any], spec: IndexSpec, stored: Any, index: Any) -> Iterator[str]:
    counts: Counter[Pair] = Counter(pairs_of(stored, spec))
    if spec.unique:
        counts.subtract(index.items())
    else:
        for value, key, has in chain.from_iterable(part for run in index for _, part in _parts(run.entries)):
            counts[value, key] -= 1 if has else -1
    wrong = [(value, key, count) for (value, key), count in counts.items() if count]
    for value, key, count in islice(wrong, SHOWN):
        entity = f"the {cls.__qualname__} {keys_of(cls).spelled(key)}"
        if count > 0:
            yield f"it does not have {told(value)}, the value of {entity}"
        else:
            yield f"it has {told(value)} for {entity}, which has no such value"
    if len(wrong) > SHOWN:
        yield f"{len(wrong) - SHOWN} more of its values are wrong"
