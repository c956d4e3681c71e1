"""The serializer of a lazy class: a plain copy goes to the plain class's serializer, with no more in it than needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, SerializationInfo
from pydantic_core import SchemaSerializer
from pydantic_core import core_schema as cs

from parcode_orm.codec.types.marks import as_returned
from parcode_orm.lazy.base import to_plain
from parcode_orm.lazy.choices import fields_with_choices
from parcode_orm.lazy.state import get_dict
from parcode_orm.model.plain import LazyModel, deep_plain

__all__ = ["proxy_serializer"]

_NOTHING: frozenset[str] = frozenset()


def proxy_serializer(cls: type[BaseModel]) -> SchemaSerializer:
    """A serializer for lazy objects of the model `cls`.

    Without one of its own a lazy class would inherit that of `cls`, which under `polymorphic_serialization` looks up
    the object's serializer, finds itself, and recurses until the interpreter dies.
    """
    selective = _is_selective(cls)
    chosen: frozenset[str] | None = None  # found out at the first dump: defining a large class need not wait for it

    def serialize(proxy: LazyModel, handler: cs.SerializerFunctionWrapHandler, info: SerializationInfo) -> object:
        nonlocal chosen
        if chosen is None:
            chosen = fields_with_choices(cls)
        plain = to_plain(proxy, _unneeded(proxy, info) if selective else _NOTHING)
        values = get_dict(plain)
        values.update((name, deep_plain(values[name])) for name in chosen if name in values)
        return handler(plain)

    serialize.__name__ = cls.__name__  # Pydantic's messages name the function
    schema = cs.wrap_serializer_function_ser_schema(
        serialize, info_arg=True, schema=cls.__pydantic_core_schema__, return_schema=as_returned()
    )
    return SchemaSerializer(cs.any_schema(serialization=schema), _config(cls.__pydantic_core_schema__, cls))


def _config(schema: object, cls: type[BaseModel]) -> Any:
    """The core config of `cls`: what the wrapped serializer returns is written with it (NaN in JSON, say)."""
    if isinstance(schema, list):
        return next((found for each in schema if (found := _config(each, cls)) is not None), None)
    if not isinstance(schema, dict):
        return None
    if schema.get("type") == "model":
        return schema.get("config") if schema["cls"] is cls else None
    return _config([schema.get("schema"), schema.get("definitions")], cls)


def _is_selective(cls: type[BaseModel]) -> bool:
    """Whether fields that are not dumped need not be read: no function of the user's is handed the object itself."""
    decorators = cls.__pydantic_decorators__
    return not (cls.__pydantic_root_model__ or decorators.field_serializers or decorators.model_serializers)


def _unneeded(proxy: LazyModel, info: SerializationInfo) -> frozenset[str]:
    """The fields that this dump leaves out."""
    cls = type(proxy)._p_model_
    computed = cls.__pydantic_computed_fields__
    if computed and not (info.round_trip or info.exclude_computed_fields) and _dumped(computed, info):
        return _NOTHING  # a computed field may read anything
    fields = cls.__pydantic_fields__
    needed = {name for name in _dumped(fields, info) if fields[name].exclude is not True}
    if info.exclude_unset:
        needed &= proxy.__pydantic_fields_set__
    return frozenset(fields) - needed


def _dumped(names: Mapping[str, object], info: SerializationInfo) -> set[str]:
    """Those of `names` that `include` and `exclude` let through."""
    include = info.include
    exclude: Any = info.exclude
    kept = set(names)
    if include is not None and "__all__" not in include:
        kept &= set(include)
    if isinstance(exclude, Mapping):
        kept -= {name for name, part in exclude.items() if part is True or part is ...}
    elif exclude is not None:
        kept -= set(exclude)
    return kept
