"""Unique indexes of entities: a commit brings them up to date, and refuses a value of two entities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from ...codec.asis import as_stored
from ...codec.columns.boundary import ChunkColumn
from ...errors import IntegrityError, told
from ...lazy.map import LazyMap
from ...model.entity_names import field_of
from ...model.indexes import IndexSpec
from ...table.pairs import known_keys, put_new
from ...table.replacing import remove_keys
from ...table.streaming import Spilled, gather, put_pairs
from ...table.table import MISSING, Table
from ..roots import Root
from ..unit_of_work import UnitOfWork
from .changed import Changed
from .changes import first_again
from .indexes import IN_MEMORY
from .tables import entity_class, keys_of, stored_table, table_in


def claim(work: UnitOfWork, root: Root, spec: IndexSpec, index: LazyMap[object, object], changed: Changed) -> None:
    """Bring a unique index up to date.

    Raises:
        IntegrityError: two entities have one value.
    """
    cls, table = entity_class(root.obj.__class__), table_in(index)
    claims = chain.from_iterable(_claims(spec, index, changed))
    few = list(islice(claims, IN_MEMORY))
    if len(few) == IN_MEMORY:
        column = root.column.places[field_of(spec)][1]
        assert isinstance(column, ChunkColumn)
        found = gather(table.space, column, chain(few, claims))
        if isinstance(found, Spilled):
            _claim_many(work, root, spec, table, found, changed)
            return
        few = found
    pairs = dict(few)
    if len(pairs) < len(few):
        value = first_again([value for value, _ in few])
        raise _twice(cls, spec, value, *[key for each, key in few if each == value][:2])
    values = list(pairs)
    for value in known_keys(table, values):
        raise _twice(cls, spec, value, index[value], pairs[value])
    if values:
        put_new(table, values, list(pairs.values()))


def _claims(
    spec: IndexSpec, index: LazyMap[object, object], changed: Changed
) -> Iterator[Iterable[tuple[object, object]]]:
    """Values with the keys that claim them. Those that are lost leave the index meanwhile."""
    for lost, got in changed.of(spec):
        as_stored(remove_keys, table_in(index), lost.values)
        yield zip(got.values, got.keys, strict=True)


def _claim_many(work: UnitOfWork, root: Root, spec: IndexSpec, table: Table, found: Spilled, changed: Changed) -> None:
    """Put claims that have left memory into the index."""
    twice = put_pairs(table, found)
    if twice is MISSING:
        return
    entries = chain.from_iterable(zip(got.values, got.keys, strict=True) for _, got in changed.of(spec))
    keys = list(islice((key for value, key in entries if value == twice), 2))
    if len(keys) == 1:  # the other one is stored
        keys.insert(0, getattr(stored_table(work, root), field_of(spec))[twice])
    raise _twice(entity_class(root.obj.__class__), spec, twice, *keys)


def _twice(cls: type, spec: IndexSpec, value: object, one: object, other: object) -> IntegrityError:
    keys = keys_of(cls)
    several = len(spec.parts) > 1
    name, unique = (f"({spec.name})", "fields are unique together") if several else (spec.name, "field is unique")
    return IntegrityError(
        f"{cls.__qualname__}.{name}: {told(value)} is the value of two objects, {keys.spelled(one)} and "
        f"{keys.spelled(other)}, and the {unique}: change one of them, or delete it"
    )
