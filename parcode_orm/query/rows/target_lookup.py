"""Many targets of references, looked up together."""

from __future__ import annotations

from collections.abc import Collection
from itertools import compress
from typing import Any

import numpy as np

from ...codec.refs import Ref, make_refs
from ...lazy.map import LazyMap
from ...lazy.rows import TablePairs
from ...table.table import Table
from .sources import source_of

LOOKED_UP, SHARE = 64, 16  # keys, and one of so many entities: fewer targets are found by their keys


class Fetched:
    """Stands where the space of prefetched references would: they know their targets while no entity comes or goes."""

    __slots__ = ("_source", "_space", "_table", "_version")

    def __init__(self, space: Any, table: Table) -> None:
        self._space = space
        self._source = space.source
        self._table = table
        self._version = table.version

    def __getattr__(self, name: str) -> Any:
        return getattr(self._space, name)

    def keeps_targets(self) -> bool:
        """Whether the targets that were found still are those of the references."""
        return self._table.version == self._version and self._space.source is self._source


def fetched(space: Any, cls: type[Any], keys: Collection[Any]) -> dict[Any, Ref[Any]]:
    """References to those of `keys` that entities of `cls` have. They know their targets."""
    rows = space.entities(cls)
    if not isinstance(rows, LazyMap) or not isinstance(rows.rows, TablePairs):
        return {}
    source, wanted = source_of(rows), frozenset(keys)
    if len(keys) <= max(LOOKED_UP, len(rows) // SHARE):
        source = source.at_keys(wanted, "by key") or source
    knowing = Fetched(space, rows.rows.table)
    found: dict[Any, Ref[Any]] = {}
    for batch in source.batches(arrays=lambda items: True):
        known = batch.keys(range(batch.count)).tolist()
        there = list(map(wanted.__contains__, known))
        some = list(compress(known, there))
        objects = batch.objects(np.flatnonzero(there))
        found.update(zip(some, make_refs(cls, some, objects, knowing), strict=True))
    return found
