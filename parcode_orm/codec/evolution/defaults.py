"""What stands for a field that older rows do not have."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typing_extensions import is_typeddict

from ..classes.alike import alike

GENERATED = "parcode_orm.model.generated"  # the module of classes made of stored schemas, which have no defaults


class NoDefault(Exception):
    """Older rows get no value; the text says why."""


def never() -> None:
    """What stands for a key that a typed dictionary need not have, and for a field of a class without defaults."""


def default_of(cls: Any, name: str) -> Callable[[], Any]:
    """A function that makes the default of a field; `never` for one that need not be there.

    Raises:
        NoDefault: there is none, or each call gives another.
    """
    if is_typeddict(cls):
        if name in cls.__required_keys__:
            raise NoDefault("it is required")
        return never
    make = _maker(cls, name)
    if make is None and cls.__module__ == GENERATED:
        return never
    if make is None:
        raise NoDefault("it has no default")
    try:
        one, other = make(), make()
    except Exception as problem:  # of a factory of the user's
        raise NoDefault(f"its default cannot be made here: {problem!r}") from problem
    if not alike(one, other):
        raise NoDefault("its default is another one each time")
    return make


def _maker(cls: Any, name: str) -> Callable[[], Any] | None:
    if issubclass(cls, BaseModel):
        return _of_info(cls.__pydantic_fields__[name])
    if issubclass(cls, tuple):
        defaults: dict[str, Any] = getattr(cls, "_field_defaults", {})
        return (lambda: defaults[name]) if name in defaults else None
    for field in dataclasses.fields(cls):
        if field.name == name:
            if isinstance(field.default, FieldInfo):
                return _of_info(field.default)
            if field.default_factory is not dataclasses.MISSING:
                return field.default_factory
            if field.default is not dataclasses.MISSING:
                return lambda: field.default
    return None


def _of_info(info: FieldInfo) -> Callable[[], Any] | None:
    if info.default is PydanticUndefined and info.default_factory is None:
        return None
    if info.default_factory is not None and info.default_factory_takes_validated_data:
        raise NoDefault("its default is made of the other fields")
    return lambda: info.get_default(call_default_factory=True)
