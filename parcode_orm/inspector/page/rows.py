"""Rows of a collection, a page of them: filtered, in an order, as cells."""

from __future__ import annotations

from keyword import iskeyword
from typing import Any, NamedTuple

from ...errors import QueryError
from ...lazy.shown import visible
from ...model.kinds import fields_of
from ...query import Select, func, select
from ...query.expressions.selectables import model_of
from ...query.statements.parsing import condition, order
from ...session import Session
from ..steps import quoted
from . import places
from .nodes import CELL, NAME, Child, cell, children_names, field_of, kind_of

BUDGET = 2_000_000  # rows that a filter or an order may look at
COLUMNS = 60  # fields that are shown beside each other


class Rows(NamedTuple):
    """A collection that the page shows as a table."""

    place: places.Path
    source: Any  # what a statement takes its rows from
    keyed: bool
    size: int


def rows_of(session: Session, path: str) -> Rows:
    """The collection at a path.

    Raises:
        PathError: there is none.
    """
    found = places.find(session, path)
    return Rows(found.path, found.rows, kind_of(found.value) == "map", len(found.value))


def page_of(session: Session, rows: Rows, where: str, by: str, offset: int, limit: int) -> dict[str, Any]:
    """At most `limit` rows, those after the first `offset`.

    Raises:
        QueryError: the filter or the order does not fit the rows, or would look at too many of them.
    """
    statement = _pairs(rows.source)
    if where.strip():
        statement = statement.where(condition(rows.source, where))
    if by.strip():
        statement = statement.order_by(*order(rows.source, by))
    asked = statement._where or statement._order
    if asked and rows.size > BUDGET:
        _check_budget(session, statement)
    total = session.execute(statement).count() if statement._where else rows.size
    found = session.execute(statement.offset(offset).limit(limit)).all()
    every = _names(rows, [row for _, row in found])
    names = every[:COLUMNS]
    columns = [{"name": visible(name, NAME), "order": _spelled(name)} for name in names]
    return {
        "path": str(rows.place),
        "key": {"name": "key", "order": "key()"} if rows.keyed else {"name": "#", "order": None},
        "columns": columns or [{"name": "value", "order": "item()"}],
        "more_columns": len(every) - len(names),
        "count": rows.size,
        "total": total,
        "offset": offset,
        "limit": limit,
        "rows": [_row(rows, key, row, names) for key, row in found],
    }


def pairs(session: Session, source: Any, offset: int, limit: int) -> list[Any]:
    """The keys and rows of a collection from one on. Those before it are not read, however many they are."""
    return session.execute(_pairs(source).offset(offset).limit(limit)).all()


def _pairs(source: Any) -> Select[Any]:
    return select(func.key(), func.item()).select_from(source)


def _check_budget(session: Session, statement: Select[Any]) -> None:
    """Refuse a statement that would look at too many rows.

    Raises:
        QueryError: no index finds the rows, and the bounds of row groups leave too many.
    """
    plan = session.explain(statement)
    looked = 0 if plan.how else plan.rows * plan.groups_read // max(plan.groups, 1)
    if looked > BUDGET:
        raise QueryError(
            f"this would look at {looked:,} rows, and the page looks at {BUDGET:,} at most: filter by the key or an "
            "index, or use parcode query"
        )


def _names(rows: Rows, found: list[Any]) -> list[str]:
    """The names of the fields of the rows: those of their class, or else of the rows that were found."""
    model = model_of(rows.source)
    fields = None if model is None else fields_of(model)
    if fields is not None:
        return list(fields)
    if not found or any(kind_of(each) != "object" for each in found):
        return []
    return list(dict.fromkeys(name for each in found for name in children_names(each)))


def _spelled(name: str) -> str | None:
    """A field as conditions and orders have it; None for a name that is too long for them."""
    if len(name) > NAME:
        return None
    return name if name.isidentifier() and not iskeyword(name) else f"field({quoted(name)})"


def _row(rows: Rows, key: Any, row: Any, names: list[str]) -> dict[str, Any]:
    child = Child(("key" if rows.keyed else "position", key), "", row)
    cells = [cell(field_of(row, name)) for name in names] if names else [cell(row)]
    return {"path": places.below(rows.place, child), "key": visible(cell(key)[1], CELL), "cells": cells}
