"""What refers to many objects, found together: `prefetch(Hub.routes)` where `routes` is a `Backref`.

An object keeps what was found as a note in its dictionary, with the rows of the class that refers as they were then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...codec.entity_keys import key_of
from ...lazy.map import LazyMap
from ...lazy.proxy import is_proxy
from ...lazy.rows import TablePairs
from ...lazy.state import get_dict
from ...table.table import Table
from ..expressions.backrefs import OtherSide
from ..expressions.evaluate import Frame, evaluate
from ..expressions.expressions import Expression
from ..expressions.functions import field_of
from ..expressions.nodes import Item, Literal, Operation, Quantified
from ..expressions.selectables import Entities, Home
from ..statements.statement import Select
from .engine import hits

_NOTE = "__p_related_{}__"  # of a name like this an object stores nothing, and dumps show nothing


class FoundRelated:
    """The objects that referred to one, which counts while nothing of their class is changed in memory."""

    __slots__ = ("_source", "_space", "_table", "_version", "objects")

    def __init__(self, objects: list[Any], space: Any, table: Table) -> None:
        self.objects = objects
        self._space = space
        self._source = space.source
        self._table = table
        self._version = table.version

    def __reduce__(self) -> Any:
        return _nothing, ()  # a copy or a pickle of the object asks anew

    def holds(self) -> bool:
        """Whether the same objects still refer. Any that is in memory and may have changed might refer to another."""
        table, space = self._table, self._space
        if table.version != self._version or space.source is not self._source:
            return False
        return not space.writable or (table.tree.root.ref is not None and not table.rows_held())


def _nothing() -> None:
    return None


def known_related(obj: Any, name: str) -> list[Any] | None:
    """What was found to refer to an object by the `Backref` called `name`, if that still holds."""
    found = get_dict(obj).get(_NOTE.format(name))
    return found.objects if isinstance(found, FoundRelated) and found.holds() else None


def fetch_related(home: Home | None, side: OtherSide, objects: Sequence[Any]) -> None:
    """Find what refers to each of some objects of one class, in one statement, and let them know it."""
    cls, place = side._place()
    wanted = {key_of(obj): obj for obj in objects if is_proxy(obj)}
    entities = None if home is None else home.entities(cls)
    rows = entities.rows if isinstance(entities, Entities) else None
    if not wanted or not isinstance(rows, LazyMap) or not isinstance(rows.rows, TablePairs):
        return
    field, keys = field_of(cls, place.field), Literal[Any](frozenset(wanted))
    asked: Expression[bool] = Operation("in", (field if place.shape == "one" else Item(), keys), bool)
    if place.shape != "one":
        asked = Quantified("any", field, asked)
    found: dict[Any, list[Any]] = {key: [] for key in wanted}
    rows_found = hits(Select[Any](entities, (Item(cls),), (asked,), _home=home))
    for number, batch in enumerate(rows_found.batches):
        there = rows_found.rows[rows_found.which == number]
        values = evaluate(field, Frame(batch, there)).tolist()  # of the columns: a list of an object is in use then
        for each, value in zip(batch.objects(there), values, strict=True):
            for key in (value,) if place.shape == "one" else dict.fromkeys(value):
                if key in found:
                    found[key].append(each)
    for key, obj in wanted.items():
        get_dict(obj)[_NOTE.format(side._backref.name)] = FoundRelated(found[key], rows.rows.space, rows.rows.table)
