"""The state of one model put into another of its class, and copies of what other sessions have."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from ..codec.columns.refs import RefColumn
from ..codec.per_class import per_class
from ..codec.refs import Ref, make_ref
from ..codec.types.compile import struct_for
from ..codec.types.compiled import parts_below
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
    return _bound(obj.model_load(), space, anew=True)


def own_references(cls: type[object], objs: Iterable[Any], space: object) -> None:
    """Let references of objects that are added, and were made of keys, find their targets through `space`.

    Each object gets references of its own: a default may be shared by objects of several sessions.
    """
    for name in _fields_with_references(cls):
        for obj in objs:
            if type(obj) is cls:
                value = obj.__dict__.get(name)
                new = _bound(value, space, anew=False)
                if new is not value:
                    obj.__dict__[name] = new


@per_class
def _fields_with_references(cls: type) -> tuple[str, ...]:
    fields = struct_for(cls).fields
    return tuple([name for name, column in fields if any(isinstance(each, RefColumn) for each in parts_below(column))])


def _bound(value: Any, space: Any, *, anew: bool) -> Any:
    """A plain value, with references that are bound to `space`; containers are changed in place.

    `anew`: references that are bound or hold an object are bound, too.
    """
    if type(value) is Ref:
        return _bound_reference(value, space, anew=anew)
    kind = kind_of(value)
    if kind == "model":
        for values in (value.__dict__, value.__pydantic_extra__, value.__pydantic_private__):
            _bind_values(values, space, anew=anew)
    elif type(value) is list:
        value[:] = [_bound(each, space, anew=anew) for each in value]
    elif kind == "dict":
        _bind_values(value, space, anew=anew)
    elif type(value) in (tuple, set, frozenset):
        return type(value)([_bound(each, space, anew=anew) for each in value])
    elif kind == "tuple":
        return value._make([_bound(each, space, anew=anew) for each in value]) if hasattr(value, "_make") else value
    elif kind == "dataclass":
        for field in dataclasses.fields(value):
            if hasattr(value, field.name):
                object.__setattr__(value, field.name, _bound(getattr(value, field.name), space, anew=anew))
    return value


def _bound_reference(ref: Ref[object], space: object, *, anew: bool) -> Ref[object]:
    key = ref.key
    if anew and key is not None:
        return make_ref(ref._cls, key, space)
    if ref._key is None:
        return Ref(ref._target)
    return ref if ref._space is not None else make_ref(ref._cls, key, space)


def _bind_values(values: Any, space: Any, *, anew: bool) -> None:
    for name, value in list((values or {}).items()):
        new = _bound(value, space, anew=anew)
        if new is not value:
            values[name] = new
