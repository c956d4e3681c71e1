"""Many targets of references, looked up together."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..codec.entity_keys import key_fields
from ..codec.refs import Ref, make_refs
from ..lazy.map import LazyMap
from ..lazy.rows import TablePairs
from ..table.table import Table
from .engine import run
from .expressions import Expression
from .functions import field_of
from .nodes import Item, Key, Literal, Operation
from .statement import Select

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
    """References to those of `keys` that entities of `cls` have, and to others. They know their targets."""
    rows = space.entities(cls)
    if not isinstance(rows, LazyMap) or not isinstance(rows.rows, TablePairs):
        return {}
    statement: Select[Any] = Select(rows, (Key(), Item(cls)))
    if 2 * len(keys) <= len(rows):
        names, wanted = key_fields(cls), Literal[Any](frozenset(keys))
        few = len(keys) <= max(LOOKED_UP, len(rows) // SHARE)
        field: Expression[Any] = Key() if few or len(names) > 1 else field_of(cls, names[0])
        statement = statement.where(Operation("in", (field, wanted), bool))
    knowing = Fetched(space, rows.rows.table)
    found: dict[Any, Ref[Any]] = {}
    for part in run(statement):
        some = part[0].tolist()
        found.update(zip(some, make_refs(cls, some, part[1].tolist(), knowing), strict=True))
    return found
