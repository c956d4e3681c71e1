"""Values taken apart: objects to columns, lists to their items, optional values to what is there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from operator import attrgetter, itemgetter
from typing import Any

from parcode_orm.native import compiled

from .cycles import get_dict
from .kernels import pack_bits

ROWS = 4096  # rows taken apart at once: what they point to stays in the cache

_sets = attrgetter("__pydantic_fields_set__")
_extras = attrgetter("__pydantic_extra__")


@compiled
def columns_of(dicts: Sequence[dict[str, Any]], names: Sequence[str]) -> list[Sequence[Any]]:
    """A tuple of values for each name; `KeyError` when a dictionary lacks one."""
    if len(names) < 2 or len(dicts) < 2:
        return [tuple([row[name] for row in dicts]) for name in names]
    take = itemgetter(*names)
    if len(dicts) <= ROWS:
        return list(zip(*map(take, dicts), strict=True))
    found: list[list[Any]] = [[] for _ in names]
    for at in range(0, len(dicts), ROWS):
        for column, part in zip(found, zip(*map(take, dicts[at : at + ROWS]), strict=True), strict=True):
            column += part
    return list(map(tuple, found))


@compiled
def models_apart(values: Sequence[Any], cls: type, names: tuple[str, ...]) -> tuple[list[Sequence[Any]], int] | None:
    """The columns of models, and the number of items of the longest dictionary.

    None when one is not exactly of `cls` or lacks a name, or there is none.
    """
    if set(map(type, values)) != {cls}:
        return None
    dicts = list(map(get_dict, values))
    try:
        columns = columns_of(dicts, names)
    except KeyError:
        return None
    return columns, max(map(len, dicts))


@compiled
def field_of(values: Sequence[Any], name: str) -> list[Any]:
    """One field of models, of any classes; `KeyError` when one lacks it."""
    return list(map(itemgetter(name), map(get_dict, values)))


@compiled
def all_set(values: Sequence[Any], full: set[str]) -> bool:
    """Whether in each of some models of one class the names that were set are `full`, and there are no extra values.

    Raises:
        AttributeError: the values are no Pydantic models, or not initialized.
    """
    sets = list(map(_sets, values))
    return sets.count(full) == len(sets) and not any(map(_extras, values))


@compiled
def flatten(values: Iterable[Iterable[Any]]) -> list[Any]:
    """The items of all values in order."""
    return list(chain.from_iterable(values))


@compiled
def present(values: Sequence[Any]) -> tuple[list[Any], bytes] | None:
    """The values that are not None, and a bit for each value; None when all are there."""
    found = [value for value in values if value is not None]
    return (found, pack_bits([value is not None for value in values])) if len(found) < len(values) else None


@compiled
def types_of(values: Sequence[Any]) -> set[type]:
    """The types of some values."""
    return set(map(type, values))


@compiled
def spaced(source: dict[Any, Any], step: int, count: int) -> dict[Any, Any]:
    """`count` pairs of a dictionary at most: the first one, and each `step`th after it. `step` is 1 at least."""
    return dict(islice(source.items(), 0, step * count, step))


@compiled
def names_within(values: Sequence[Any]) -> set[str]:
    """The names of what models have in their dictionaries."""
    return set().union(*map(get_dict, values))


@compiled
def types_within(values: Sequence[Any]) -> set[type]:
    """The types of what models have in their dictionaries."""
    return set(map(type, chain.from_iterable(map(dict.values, map(get_dict, values)))))


@compiled
def tuples_apart(values: Sequence[tuple[Any, ...]], size: int) -> list[tuple[Any, ...]] | None:
    """A tuple of the items at each place of some tuples.

    None when one does not have `size` items, or there is none.
    """
    return list(zip(*values, strict=True)) if set(map(len, values)) == {size} else None


@compiled
def are_distinct(values: Sequence[Any]) -> bool:
    """Whether no object stands twice among some values."""
    return len(set(map(id, values))) == len(values)
