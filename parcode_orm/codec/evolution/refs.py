"""References of a stored schema, and values that are references today: both are read as keys.

So `plane: str` becomes `plane: Ref[Plane]`, and back, without a stored byte that changes.
"""

from __future__ import annotations

from typing import Any, Protocol

from ..base import Column
from ..columns.refs import RefColumn
from ..columns.tuples import UnionColumn
from ..stored import Schema
from .refusals import refusal


class Resolves(Protocol):
    """What this asks of the resolver."""

    def column(self, stored: Schema, today: Column, where: str) -> Column:
        """The column that reads values of a stored schema as those of today's column."""

    def is_called(self, name: str, called: str, cls: type) -> bool:
        """Whether the class `cls`, today `called` so, is or was a class of this name."""


def is_reference(node: Any) -> bool:
    """Whether a description is that of references."""
    return isinstance(node, dict) and "ref" in node


def as_reference(resolver: Resolves, stored: Schema, today: RefColumn, where: str) -> Column:
    """The column that reads stored references, or stored keys, as today's references.

    Raises:
        MigrationRequired: the references lead to another class.
    """
    node = stored.root
    keys = stored
    if is_reference(node):
        if not resolver.is_called(node["ref"], today.called, today.cls):
            raise refusal(where, stored, today, f"its keys are those of {node['ref']}")
        keys = stored.part(node["stored"])
    inner = resolver.column(keys, today.inner, where)
    return today if inner is today.inner else RefColumn(today.cls, today.called, inner)


def as_value(resolver: Resolves, stored: Schema, today: Column, where: str) -> Column:
    """The column that reads stored references as values of another type: as keys, or as one of a union's references."""
    node = stored.root
    if isinstance(today, UnionColumn):
        for _, arm in today.arms:
            if isinstance(arm, RefColumn) and resolver.is_called(node["ref"], arm.called, arm.cls):
                return resolver.column(stored, arm, where)
    return resolver.column(stored.part(node["stored"]), today, where)
