"""Groups of entities, `group_by(Plane)`: rows are grouped by the keys, and each group gives the object of its key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from ..columns.operators import dig, keyed
from ..columns.vectors import Objects
from ..expressions.computed import Computed
from ..expressions.evaluate import evaluate
from ..expressions.expressions import Expression
from ..expressions.nodes import Field, Item, Key, Of, Slot
from ..expressions.selectables import Entities, Home, is_entity_class

T = TypeVar("T")


class OfEntity(Computed[T]):
    """What `of` is of the entity whose key a column of groups has: the entity itself, or a field of it."""

    __slots__ = ("_entities", "_of", "_path", "_slot", "_tp")

    def __init__(self, of: Expression[Any], slot: Slot[Any], entities: Entities) -> None:
        self._of = of
        self._slot = slot
        self._entities = entities
        self._tp = of._tp
        bare = of._of if isinstance(of, Of) else of
        self._path: tuple[str, ...] = bare._path if isinstance(bare, Field) else ()

    def _parts(self) -> tuple[Expression[Any], ...]:
        return (self._slot,)

    def _values(self, frame: Any) -> Objects:
        rows, path = self._entities.rows, self._path
        keys = evaluate(self._slot, frame).tolist()
        found = [None if key is None else rows.get(key) for key in keys]
        return Objects([keyed(dig(obj, path), deep=True) for obj in found] if path else found)  # references as keys

    @property
    def _name(self) -> str:
        return self._of._name

    def __str__(self) -> str:
        return str(self._of)


class GroupedEntities:
    """What rows are grouped `by`, with the keys of entities in their place. Other rows are values, as numbers are.

    `rows` are those of each source of the statement.
    """

    def __init__(self, by: Sequence[Expression[Any]], rows: Sequence[Any], home: Home | None) -> None:
        self._columns: dict[int, tuple[Slot[Any], Entities]] = {}
        keys = []
        for place, each in enumerate(by):
            number = _source(each)
            entities = _entities(rows[number], home) if _is_row(each) and number < len(rows) else None
            if entities is not None:
                self._columns[number] = Slot(place, each), entities
            keys.append(each if entities is None else _key(each))
        self.by = tuple(keys)

    def of(self, expression: Expression[Any]) -> Expression[Any] | None:
        """An entity that rows are grouped by, or a field of it, as an expression of groups; None for any other."""
        if not isinstance(expression, Field | Item | Of):
            return None
        known = self._columns.get(_source(expression))
        return None if known is None else OfEntity(expression, *known)


def _entities(rows: Any, home: Home | None) -> Entities | None:
    """The entities that the rows of a source are; None for a collection."""
    if isinstance(rows, Entities):
        return rows
    found = home.entities(rows) if home is not None and is_entity_class(rows) else None
    return found if isinstance(found, Entities) else None


def _is_row(expression: Expression[Any]) -> bool:
    return isinstance(expression, Item) or (isinstance(expression, Of) and expression._is_row)


def _key(row: Expression[Any]) -> Expression[Any]:
    return Of(row._number, Key()) if isinstance(row, Of) else Key()


def _source(expression: Expression[Any]) -> int:
    """The number of the source that an expression is of; a statement of one source has number 0."""
    return expression._number if isinstance(expression, Of) else 0
