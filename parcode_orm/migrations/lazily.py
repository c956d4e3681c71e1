"""Which roots need no rewrite in a migration: their rows are read by the names of fields, as the engine reads them."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping, Set
from typing import Any

import msgspec

from ..errors import CorruptionError
from ..format.layout import Reference
from ..model.keys import IndexMark, KeyMark
from ..storage.mapped import Source
from .fields import RenameField
from .operation import Operation
from .state import ProjectState
from .types import names_held


def renames_of(operations: tuple[Operation, ...], states: list[ProjectState]) -> list[tuple[str, str, str]]:
    """The renames of fields, as a catalog records them: of a class, and of each class below it."""
    found = []
    for operation, before in zip(operations, states, strict=False):
        if isinstance(operation, RenameField):
            below = [name for name in before.models if before.is_a(name, operation.model)]
            found += [(name, operation.old, operation.new) for name in below]
    return found


def is_lazy(name: str, operations: tuple[Operation, ...], states: list[ProjectState], stored: Stored) -> bool:
    """Whether stored objects of a class can be read by the classes after the operations as they are."""
    for operation, before in zip(operations, states, strict=False):
        if name in before.models:
            within = before.closure(name)
            mine = {each for each in within if operation.of in before.models and before.is_a(each, operation.of)}
            if mine and not operation.is_lazy(before, stored.fields(operation.of)):
                return False
            if not mine.isdisjoint(keys(before, within)):
                return False
            if operation.of in before.targets(within) and operation.changes_references(before):
                return False
        name = operation.renamed(name)
    return True


def keys(state: ProjectState, within: list[str]) -> set[str]:
    """The classes by whose values something is found: they stand in keys, sets and indexes of these classes.

    Not the classes that have such a field: what they are otherwise may change.
    """
    found: set[str] = set()
    for model in (state.models[name] for name in within):
        indexed = {name for index in model.indexes for name in index.names()}
        for name, field in model.fields.items():
            whole = name in indexed or isinstance(field.mark, KeyMark | IndexMark)
            for each in names_held(field.type) if whole else names_in_keys(field.type):
                found.update(state.closure(each))
    return found


def names_in_keys(tp: Any) -> Iterator[str]:
    """The classes that stand in keys of dictionaries, and in sets."""
    origin, args = typing.get_origin(tp), typing.get_args(tp)
    if isinstance(origin, type) and issubclass(origin, Mapping) and args:
        yield from names_held(args[0])
        args = args[1:]
    elif isinstance(origin, type) and issubclass(origin, Set):
        yield from names_held(tp)
    if origin is not typing.Literal:
        for each in args:
            yield from names_in_keys(each)


class Stored:
    """The names that fields of classes have in the schemas of a commit, also of rows that are gone."""

    def __init__(self, source: Source) -> None:
        self._fields: dict[str, set[str]] = {}
        for ref in source.catalog.schemas.values():
            if isinstance(ref, Reference):
                self._learn(bytes(source.chunk(ref).buffer(0)))

    def _learn(self, schema: bytes) -> None:
        try:
            found: Any = msgspec.json.decode(schema)
            for body in found.get("structs", {}).values():
                names = self._fields.setdefault(body["struct"], set())
                names.update(name for name, _ in body["fields"])
        except (msgspec.DecodeError, LookupError, TypeError, ValueError, AttributeError) as problem:
            raise CorruptionError(f"a schema of the file cannot be read: {problem}") from problem

    def fields(self, name: str) -> set[str]:
        """The names of the fields of a class."""
        return self._fields.get(name, set())
