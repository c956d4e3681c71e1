"""Many pairs of a keyed table at once: which keys it has, and new ones put last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from ..codec.keys.canonical import EqualityUnknown, hash_keys
from ..errors import EncodeError
from .table import Table


def known_keys(table: Table, keys: Sequence[Any]) -> list[Any]:
    """Those of `keys`, which are distinct, that the table has, in their order."""
    if not table.rows:
        return []
    if len(keys) < table.space.tuning.arrays_from:
        return [key for key in keys if table.find(key) is not None]
    return [key for key in _maybe_known(table, keys) if table.find(key) is not None]


def _maybe_known(table: Table, keys: Sequence[Any]) -> Sequence[Any]:
    """Those of `keys` that were added, or whose hash a run of the index has."""
    import numpy as np

    try:
        hashes = np.array(hash_keys(keys), np.uint64)
    except EqualityUnknown:
        raise
    except EncodeError:  # a key that cannot be stored, and so is not
        return keys
    found = np.zeros(len(keys), bool)
    for run in table.runs:
        found |= run.may_have(hashes)
    added = table.added
    if added:
        known = dict(zip(keys, range(len(keys)), strict=True))
        found[[known[key] for key in known.keys() & added.keys()]] = True
    return [keys[place] for place in found.nonzero()[0].tolist()]


def put_new(table: Table, keys: Sequence[Any], values: Sequence[Any]) -> None:
    """Set pairs whose keys are distinct and new: they come last."""
    first, undo = table.next_row, table.tree.undo
    if undo is not None:
        undo.append(partial(_forget, table.added, keys))
    table.tree.insert(table.rows, list(values), list(keys), first)
    table.added.update(zip(keys, range(first, first + len(keys)), strict=True))
    table.next_row += len(keys)
    table.version += 1


def _forget(added: dict[Any, int], keys: Iterable[Any]) -> None:
    for key in keys:
        added.pop(key, None)
