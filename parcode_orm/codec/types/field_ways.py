"""The ways of a class's fields through Pydantic, decorators included.

Used only for values that a field's column does not take, so nothing is built before there is one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import SchemaSerializer, SchemaValidator
from pydantic_core import core_schema as cs

from ...errors import EncodeError
from ...format.encoder import Encoder
from .. import trail
from ..base import Column
from ..classes.alike import alike
from ..columns.lenient import FIELD, write_mixed
from ..packed.custom import dumpable
from ..packed.values import is_native
from ..packed.ways import Tools, Way, type_adapter

_WRAPPERS = ("function-after", "function-before", "function-wrap", "default", "nullable", "model", "dataclass")


class FieldWays:
    """The fields of `tp`, a model, dataclass, named tuple or TypedDict, perhaps with arguments."""

    __slots__ = ("name", "tp", "_ways")

    def __init__(self, tp: Any, name: str) -> None:
        self.tp = tp
        self.name = name
        self._ways: dict[str, Way] = {}

    def way(self, field: str) -> Way:
        """The way of the values of one field."""
        found = self._ways.get(field)
        if found is None:
            found = self._ways[field] = Way(f"{self.name}.{field}", lambda: self._tools(field))
        return found

    def schema(self, field: str) -> tuple[Any, dict[str, Any], Any]:
        """The core schema of one field, definitions it may refer to, and its configuration.

        Raises:
            LookupError: the class does not have it there.
        """
        outer: Any = type_adapter(self.tp).core_schema
        definitions: dict[str, Any] = {}
        config: Any = None
        while True:
            kind = outer["type"]
            if kind == "definitions":
                definitions.update({each["ref"]: each for each in outer["definitions"]})
                outer = outer["schema"]
            elif kind == "definition-ref":
                outer = definitions[outer["schema_ref"]]
            elif kind == "json-or-python":
                outer = outer["python_schema"]
            elif kind in _WRAPPERS:
                config = outer.get("config", config)
                if kind == "model" and outer.get("root_model"):
                    return outer["schema"], definitions, config
                outer = outer["schema"]
            else:
                return _field_of(outer, field), definitions, outer.get("config", config)

    def _tools(self, field: str) -> Tools:
        inner, definitions, config = self.schema(field)
        # In a TypedDict of its own, so that a validator sees the field's name.
        schema: Any = cs.typed_dict_schema({field: cs.typed_dict_field(inner, required=False)}, config=config)
        if definitions:
            schema = cs.definitions_schema(schema, list(definitions.values()))
        return _Validator(SchemaValidator(schema), field), _Serializer(SchemaSerializer(schema), field)

    def says(self, field: str) -> bool:
        """Whether the class says, by its decorators too, how values of the field are dumped."""
        try:
            inner, definitions, _ = self.schema(field)
        except Exception:  # what is not complete
            return False
        return dumpable(inner, definitions, True)

    def write(
        self,
        field: str,
        column: Column,
        objects: Sequence[Any],
        values: Sequence[Any],
        out: Encoder,
        problem: EncodeError,
    ) -> None:
        """Append `values` of `field`, of `objects`, after its column refused some by `problem`.

        Raises:
            EncodeError: the column's own, where Pydantic would not give such a value either.
        """

        def other(row: int) -> Any:
            value = values[row]
            owner = objects[row] if row < len(objects) else None
            if is_native(value) and (_is_default(owner, field, value) or self._is_given(owner, field, value)):
                return value
            if isinstance(value, list | dict) and (
                getattr(column, "is_list", False) or getattr(column, "is_map", False)
            ):
                raise problem  # one of its items: the collection stays in rows
            return self.way(field).checked(value)

        strictly = getattr(column, "refusing", column).encode
        try:
            write_mixed(column, strictly, values, out, FIELD, other, problem)
        except EncodeError as refusal:
            raise trail.below(refusal, field, trail.row_of(refusal)) from None

    def _is_given(self, owner: Any, field: str, value: Any) -> bool:
        """Whether validating the dumped object gives `value` again: a model's validator made it."""
        if not isinstance(owner, BaseModel):
            return False
        cls: Any = owner.__class__
        for mode in ("python", "json"):
            try:
                dumped = cls.__pydantic_serializer__.to_python(
                    owner, mode=mode, warnings=False, round_trip=True, by_alias=False
                )
                back = cls.__pydantic_validator__.validate_python(dumped, by_name=True, by_alias=False)
            except Exception:
                continue
            if alike(getattr(back, field, owner), value):
                return True
        return False


class _Validator:
    """A validator of one field: it takes and gives the field's value."""

    __slots__ = ("field", "inner")

    def __init__(self, inner: SchemaValidator, field: str) -> None:
        self.inner = inner
        self.field = field

    def validate_python(self, value: Any, **options: Any) -> Any:
        return self.inner.validate_python({self.field: value}, **options)[self.field]

    def validate_json(self, data: bytes, **options: Any) -> Any:
        return self.inner.validate_json(data, **options)[self.field]


class _Serializer:
    """A serializer of one field; its JSON is that of an object with this field."""

    __slots__ = ("field", "inner")

    def __init__(self, inner: SchemaSerializer, field: str) -> None:
        self.inner = inner
        self.field = field

    def to_python(self, value: Any, **options: Any) -> Any:
        return self.inner.to_python({self.field: value}, **options)[self.field]

    def to_json(self, value: Any, **options: Any) -> bytes:
        return self.inner.to_json({self.field: value}, **options)


def _field_of(schema: Any, field: str) -> Any:
    kind = schema["type"]
    if kind in ("model-fields", "typed-dict"):
        return schema["fields"][field]["schema"]
    if kind == "dataclass-args":
        return next(each["schema"] for each in schema["fields"] if each["name"] == field)
    if kind == "call":
        arguments = schema["arguments_schema"]["arguments_schema"]
        return next(each["schema"] for each in arguments if each["name"] == field)
    raise LookupError(field)


def _is_default(owner: Any, field: str, value: Any) -> bool:
    """Whether `value` is the field's default, which is not validated."""
    if isinstance(owner, BaseModel):
        if field in owner.__pydantic_fields_set__:
            return False
        info = owner.__class__.__pydantic_fields__[field]
        # It may have been changed in place since.
        return _made(lambda: info.get_default(call_default_factory=True, validated_data=dict(owner.__dict__)), value)
    if dataclasses.is_dataclass(owner):
        spec = next(each for each in dataclasses.fields(owner) if each.name == field)
        default: Any = spec.default
        factory: Any = spec.default_factory
        if type(default).__name__ == "FieldInfo":  # of a Pydantic dataclass, with `= Field(...)`
            default, factory = default.default, default.default_factory
        if factory is not dataclasses.MISSING and factory is not None:
            return _made(factory, value)
        return alike(default, value)
    if isinstance(owner, tuple):
        defaults: dict[str, Any] = getattr(type(owner), "_field_defaults", {})
        return field in defaults and alike(defaults[field], value)
    return False


def _made(factory: Callable[[], Any], value: Any) -> bool:
    try:
        return alike(factory(), value)
    except Exception:  # one that takes the validated data, or any other
        return False
