"""Covering indexes: where an index has all that is asked of entities, their rows are not read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from ...model.annotations import present
from ...model.indexes import IndexSpec
from ...query.expressions.expressions import Expression
from ...query.expressions.nodes import Field, Item, Key, Quantified
from .changed import Entries

_SAME = (int, str, bytes, bool, date, timedelta, UUID)


def covers(spec: IndexSpec, asked: Sequence[Expression[object]] | None, found: Sequence[tuple[object, object]]) -> bool:
    """Whether an index has all that is asked of the entities that it `found`: fields whose equal values are the same.

    It has not where a value is as an earlier version of the class stored it: reading the row says so.
    """
    if asked is None or spec.of_items:
        return False
    known = {path for path, tp in zip(spec.parts, spec.types, strict=True) if is_same(tp)}
    if not all(isinstance(each, Field) and each._path in known for whole in asked for each in _leaves(whole)):
        return False
    return Entries([value for value, _ in found], []).are_whole(spec.types)


def _leaves(expression: Expression[object]) -> Iterator[Expression[object]]:
    """What an expression asks of a row."""
    if isinstance(expression, Field | Item | Key | Quantified):
        yield expression
    else:
        for part in expression._parts():
            yield from _leaves(part)


def is_same(tp: object) -> bool:
    """Whether equal values of a type are the same: times may be in other zones, and `-0.0 == 0.0`.

    An index keeps the value that an entity had when another, equal one is assigned.
    """
    kind = present(tp)
    return kind in _SAME or (isinstance(kind, type) and issubclass(kind, Enum))


def row_of(spec: IndexSpec, value: Any) -> dict[str, object]:
    """What an index has of an entity, by the names of its fields."""
    found: dict[str, Any] = {}
    for path, each in zip(spec.parts, value if len(spec.parts) > 1 else (value,), strict=True):
        here = found
        for name in path[:-1]:
            here = here.setdefault(name, {})
        here[path[-1]] = each
    return found
