"""Fields below which a serializer has to choose between classes.

In a union Pydantic asks for exact classes first, all the way down: in `list[Shape | Circle] | int`, or where a `Circle`
has a model of its own. A lazy object anywhere below is of no exact class; then the first class that takes the value by
inheritance is chosen, and fields are left out. Such values are made plain before they are dumped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from parcode_orm.codec.types.core_schemas import schemas_in

__all__ = ["fields_with_choices"]

_CLASSES = frozenset({"model", "dataclass", "typed-dict"})


def fields_with_choices(cls: type[BaseModel]) -> frozenset[str]:
    """The fields of the model `cls` below which a union has classes in two or more of its arms."""
    search = _Search(cls.__pydantic_core_schema__)
    model = search.resolve(cls.__pydantic_core_schema__)
    while model["type"] != "model-fields":
        if "schema" not in model:  # what a schema of the user's own makes of it
            return frozenset(cls.__pydantic_fields__)
        model = search.resolve(model["schema"])
    return frozenset(name for name, field in model["fields"].items() if search.chooses(field))


class _Search:
    """Walks core schemas. `clear` are the definitions below which there is nothing to choose."""

    def __init__(self, schema: object) -> None:
        self.definitions: dict[str, object] = {}
        self.clear: set[str] = set()
        waiting = [*schemas_in(schema)]
        while waiting:
            each = waiting.pop()
            if "ref" in each:
                self.definitions[each["ref"]] = each
            waiting += schemas_in(each)

    def resolve(self, schema: Any) -> Any:
        """What a reference, or a schema with definitions, leads to."""
        while schema["type"] in ("definitions", "definition-ref"):
            inner = schema["type"] == "definitions"
            schema = schema["schema"] if inner else self.definitions[schema["schema_ref"]]
        return schema

    def chooses(self, schema: object) -> bool:
        """Whether a union in `schema` has classes in several arms."""
        seen = set(self.clear)
        for each in self._walk(schema, seen):
            if each["type"] in ("union", "tagged-union") and sum(map(self._has_class, _arms(each))) > 1:
                return True
        self.clear = seen
        return False

    def _has_class(self, schema: object) -> bool:
        return any(each["type"] in _CLASSES for each in self._walk(schema, set()))

    def _walk(self, schema: Any, seen: set[str]) -> Iterator[Any]:
        """`schema` and all below it, each definition once."""
        stack = [schema]
        while stack:
            each = stack.pop()
            name = each.get("schema_ref")
            if name is None:
                name = each.get("ref")
            elif name not in seen:
                stack.append(self.definitions[name])
                continue
            if name is not None:
                if name in seen:
                    continue
                seen.add(name)
            yield each
            stack += schemas_in(each)


def _arms(union: Any) -> list[object]:
    choices = union["choices"]
    found = choices.values() if isinstance(choices, dict) else choices
    return [arm for each in found if isinstance(arm := each[0] if isinstance(each, tuple) else each, dict)]
