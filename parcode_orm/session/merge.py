"""The state of one model put into another of its class, and copies of what other sessions have."""

from __future__ import annotations

import dataclasses
from typing import Any

from pydantic import BaseModel

from ..codec.refs import Ref, make_ref
from ..lazy.proxy import is_proxy
from ..lazy.state import touch
from .traversal import kind_of


def overwrite(target: Any, plain: Any) -> None:
    """Give `target`, lazy or plain, frozen or not, the very values of `plain`, of the same class."""
    target.__setstate__(plain.__getstate__())
    if is_proxy(target):
        touch(target)


def copied(obj: Any, space: Any) -> Any:
    """A plain copy of a model, whose references lead to what `space` finds by their keys; None finds nothing yet."""
    return _bound(obj.model_load(), space)


def _bound(value: Any, space: Any) -> Any:
    """A plain value, with references that are bound to `space`; containers are changed in place."""
    if type(value) is Ref:
        return value if value.key is None else make_ref(value._cls, value.key, space)
    kind = kind_of(value)
    if kind == "model":
        _bind_fields(value, space)
    elif type(value) is list:
        value[:] = [_bound(each, space) for each in value]
    elif kind == "dict":
        for key, each in list(value.items()):
            value[key] = _bound(each, space)
    elif type(value) in (tuple, set, frozenset):
        return type(value)([_bound(each, space) for each in value])
    elif kind == "tuple":
        return value._make([_bound(each, space) for each in value]) if hasattr(value, "_make") else value
    elif kind == "dataclass":
        for field in dataclasses.fields(value):
            if hasattr(value, field.name):
                object.__setattr__(value, field.name, _bound(getattr(value, field.name), space))
    return value


def _bind_fields(obj: BaseModel, space: Any) -> None:
    for values in (obj.__dict__, obj.__pydantic_extra__, obj.__pydantic_private__):
        for name, value in list((values or {}).items()):
            new = _bound(value, space)
            if new is not value and values is not None:
                values[name] = new
