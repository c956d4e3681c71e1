"""References in rows that are imported into a class of the file, which knows keys alone: they must lead to entities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..codec.stored import Schema
from ..errors import DanglingError, told
from ..model.entity_names import SUFFIX
from ..session.entity.met import Here
from ..session.entity.tables import rows_of
from ..session.entity.unknown import RESTRICT, entity_node, met_by_schema
from ..session.without_classes import schemas_in


class Targets:
    """The keys to which the rows refer that are noted, as the stored schema of their class says."""

    def __init__(self, session: Any, name: str) -> None:
        self._session = session
        self._met: dict[tuple[str, Any], str] = {}
        schema = schemas_in(session._work.source).get(name + SUFFIX)
        self._schema = schema if isinstance(schema, Schema) else None
        node = None if self._schema is None else entity_node(dict(self._schema.struct()["fields"])["rows"])
        self._node = node
        self._names = frozenset(() if self._schema is None else _names(self._schema, node, set()))

    def note(self, where: str, obj: Any) -> None:
        """Note the references in an object, which was read at `where`."""
        if self._names and self._schema is not None:
            here = Here("", RESTRICT, None, None)
            for each in met_by_schema(self._schema, self._node, obj, self._names, here):
                self._met.setdefault((each.called, each.key), f"{where}: {each.where.lstrip('.')}")

    def check(self) -> None:
        """Look up what was noted, after the rows were added.

        Raises:
            DanglingError: a reference leads to nothing.
        """
        models = self._session.models()
        rows = {name: rows_of(self._session._work, models[name]) for name in self._names if name in models}
        for (called, key), where in self._met.items():
            if called in rows and key not in rows[called]:
                raise DanglingError(
                    f"{where} refers to {called}[{told(key)}], which is not stored: import {called} first"
                )


def _names(schema: Schema, node: Any, seen: set[str]) -> Iterator[str]:
    """The names of the classes to which references lead in what `node` describes."""
    if isinstance(node, list):
        for each in node:
            yield from _names(schema, each, seen)
    elif isinstance(node, dict):
        if isinstance(node.get("ref"), str):
            yield node["ref"]
        name = node.get("struct")
        if isinstance(name, str) and "fields" not in node:
            if name not in seen:
                seen.add(name)
                yield from _names(schema, schema.structs[name].get("fields", []), seen)
        else:
            for each in node.values():
                yield from _names(schema, each, seen)
