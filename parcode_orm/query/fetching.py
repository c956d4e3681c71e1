"""Many targets of references, looked up together."""

from __future__ import annotations

from collections.abc import Collection
from itertools import repeat
from typing import Any

from ..codec.entity_keys import key_fields
from ..codec.refs import Ref, make_ref
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
    """Stands where the space of references would, and knows their targets while no entity of a class comes or goes."""

    __slots__ = ("_source", "_space", "_table", "_targets", "_version")

    def __init__(self, space: Any, table: Table) -> None:
        self._space = space
        self._source = space.source
        self._table = table
        self._version = table.version
        self._targets: dict[Any, object] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._space, name)

    def references(self, cls: type[Any], keys: list[Any], targets: list[object]) -> dict[Any, Ref[Any]]:
        """References to entities of `cls` with these keys, which are `targets`."""
        self._targets.update(zip(keys, targets, strict=True))
        return dict(zip(keys, map(make_ref, repeat(cls), keys, repeat(self)), strict=True))

    def entity(self, cls: type[Any], key: Any) -> object:
        """The entity of `cls` with this key: the one that was found or, if that may be another by now, as `space` does.

        Raises:
            NoResultFound: there is none any more.
        """
        if self._table.version == self._version and self._space.source is self._source:
            return self._targets[key]
        return self._space.entity(cls, key)


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
        found.update(knowing.references(cls, part[0].tolist(), part[1].tolist()))
    return found
