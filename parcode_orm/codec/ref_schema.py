"""How Pydantic validates and dumps a `Ref`: the key of its target, or the target where the context says so.

The schema of a reference never contains that of its target, and asks for the target's key when it is first used. So
classes may refer to each other, and to themselves.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import partial
from types import GenericAlias
from typing import Annotated, Any

from pydantic import SerializationInfo, TypeAdapter
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core import core_schema as cs

from .entity_keys import key_fields, numbered_field
from .per_class import per_class

_expanding: ContextVar[tuple[Any, ...]] = ContextVar("parcode_expanding", default=())  # targets that are being dumped


def core_schema_of(ref: Any, cls: Any) -> CoreSchema:
    """The core schema of `Ref[cls]`, where `ref` is the class `Ref`."""
    if not isinstance(cls, type):  # a type variable, or nothing: the storing class refuses it
        return cs.is_instance_schema(ref)
    return cs.no_info_plain_validator_function(
        partial(_validate, ref, cls),
        serialization=cs.plain_serializer_function_ser_schema(_dump, info_arg=True),
        metadata={"pydantic_js_functions": [lambda _, handler: handler(_key_adapter(cls).core_schema)]},
    )


def _validate(ref: Any, cls: Any, value: Any) -> Any:
    """`value` as a reference to `cls`: a reference, an object of `cls`, or a key.

    Raises:
        ValidationError, PydanticCustomError: it is none of these.
    """
    kind = type(value)
    if kind is cls:
        return ref(value)
    if kind is ref:
        if value._cls is cls:
            return value
        raise _wrong(cls, f"a reference to {value._cls.__qualname__}")
    if key_fields(value.__class__):
        if value.__class__ is cls:
            return ref(value)
        raise _wrong(cls, f"an object of {value.__class__.__qualname__}")
    return ref(cls, _key_adapter(cls).validate_python(value))


def _wrong(cls: Any, found: str) -> PydanticCustomError:
    message = "Input should be an object of {expected}, a reference to one, or its key, not {found}"
    return PydanticCustomError("reference_type", message, {"expected": cls.__qualname__, "found": found})


@per_class
def _adapters(cls: type) -> list[TypeAdapter[Any]]:
    return []


def _key_adapter(cls: Any) -> TypeAdapter[Any]:
    """What validates keys of `cls`, with the constraints of its key fields."""
    known = _adapters(cls)
    if not known:
        names, fields = key_fields(cls), cls.__pydantic_fields__
        if numbered_field(cls) is not None:
            known.append(TypeAdapter(int))
        else:
            parts = [_constrained(fields[name]) for name in names]
            whole: Any = parts[0] if len(parts) == 1 else GenericAlias(tuple, tuple(parts))
            known.append(TypeAdapter(whole))
    return known[0]


def _constrained(info: Any) -> Any:
    constraints = [item for item in info.metadata if not getattr(item, "is_key", False)]
    return Annotated[(info.annotation, *constraints)] if constraints else info.annotation


def _dump(ref: Any, info: SerializationInfo) -> Any:
    """The key, or the dump of the target where the context has `expand_refs` and the target is not being dumped."""
    context = info.context
    if not (isinstance(context, dict) and context.get("expand_refs")) or not hasattr(ref, "_cls"):
        return getattr(ref, "key", ref)
    me = ref._cls, ref.key
    running = _expanding.get()
    if me in running:
        return ref.key
    token = _expanding.set((*running, me))
    try:
        return ref.target.model_dump(
            mode=info.mode,
            context=context,
            by_alias=info.by_alias,
            exclude_unset=info.exclude_unset,
            exclude_defaults=info.exclude_defaults,
            exclude_none=info.exclude_none,
            round_trip=info.round_trip,
        )
    finally:
        _expanding.reset(token)
