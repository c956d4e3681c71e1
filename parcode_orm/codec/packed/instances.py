"""Instances of models and dataclasses as packed values: the class's tag and its parts, by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from itertools import filterfalse
from typing import TYPE_CHECKING, Any

import pydantic
from pydantic import BaseModel, networks
from pydantic_core import MultiHostUrl, Url

from ...errors import CorruptionError, EncodeError, SchemaMismatchError, UnsupportedTypeError
from .. import trail
from ..attributes import declared, is_note, may_be_left_out, others_of, put_others
from ..slots import NAMES, put_slot
from ..types.registry import find_class, stored_tag
from .contents import CONTENT, Unknown, content_of

if TYPE_CHECKING:
    from .values import Packer

_set_dict = BaseModel.__dict__["__dict__"].__set__

# Pydantic's own classes may be named in a file without being registered.
PYDANTIC: dict[str, Any] = {
    **{name: found for name in networks.__all__ if isinstance(found := getattr(networks, name), type)},
    "Url": Url,
    "MultiHostUrl": MultiHostUrl,
    "SecretStr": pydantic.SecretStr,
    "SecretBytes": pydantic.SecretBytes,
    "Secret": pydantic.Secret,
}


def changed(tag: str) -> SchemaMismatchError:
    """The error for a value whose class has another shape now."""
    return SchemaMismatchError(f"a stored value of class {tag.rpartition('#')[0]} does not fit the class as it is now")


def _named_values(packer: Packer, values: dict[str, Any]) -> dict[str, Any]:
    out = {}
    for name, value in values.items():
        try:
            out[name] = packer.lower(value)
        except EncodeError as problem:
            raise trail.below(problem, name, 0) from None
    return out


def put_model(packer: Packer, value: BaseModel) -> list[Any]:
    """Tag, fields, names of the fields set, of those missing, extras, private attributes (those that can be stored)."""
    from .extensions import registered

    cls = value.__class__
    check_complete(cls)
    present = value.__dict__
    names = list(cls.__pydantic_fields__)
    fields = {name: present[name] for name in names if name in present}
    # Lazy models are read through their dictionary, so nothing is asked of the instance but what Pydantic keeps there.
    extra, private = value.__pydantic_extra__, value.__pydantic_private__
    others = _undeclared(packer, cls, present)
    return [
        stored_tag(registered(cls)),
        _named_values(packer, fields),
        sorted(value.__pydantic_fields_set__),
        [name for name in names if name not in present],
        None if extra is None else packer.lower(extra),
        None if private is None else _privates(packer, cls, private),
        *others,
    ]


def _undeclared(packer: Packer, cls: type, present: dict[str, Any]) -> list[dict[str, Any]]:
    """The attributes that the class does not declare: one part, or none."""
    if len(present) <= len(cls.__pydantic_fields__) and present.keys() <= cls.__pydantic_fields__.keys():  # type: ignore[attr-defined]
        return []
    out = {}
    for name in filterfalse(is_note, present.keys() - declared(cls)):
        try:
            out[name] = packer.lower(present[name])
        except EncodeError as problem:
            if not may_be_left_out(cls, name):
                raise trail.below(problem, name, 0) from None
    return [{name: out[name] for name in present if name in out}] if out else []


def _privates(packer: Packer, cls: type, private: dict[str, Any]) -> dict[str, Any]:
    from .extensions import LEFT_OUT

    out = {}
    for name in _storable(cls):
        if name in private:
            try:
                out[name] = packer.lower(private[name])
            except EncodeError:  # a lock, or a parent that holds this very object
                out[name] = packer.lower(LEFT_OUT)
    return out


def check_complete(cls: Any) -> None:
    """Raise EncodeError for a class whose fields are not all known: what its objects hold would not be, either."""
    from ..types.compiled import BARE
    from ..types.plans import struct_for

    if cls is BaseModel:
        raise EncodeError(BARE, value_type=cls)
    try:
        column: Any = struct_for(cls)
    except UnsupportedTypeError as refused:
        raise EncodeError(str(refused), value_type=cls) from refused
    problem = None if column.complete else column.unusable()
    if problem is not None:
        raise EncodeError(problem, value_type=cls)


def _storable(cls: Any) -> list[str]:
    from ..types.plans import struct_for

    return [name for name, _ in struct_for(cls).plan.privates]


def get_model(parts: Any) -> Any:
    """The model of `put_model`'s parts, built without validation."""
    from ..views.build import private_values

    tag, fields, fields_set, missing, extra, private, *others = parts
    cls = find_class(tag)
    if not issubclass(cls, BaseModel):
        raise CorruptionError(f"{tag} is no model")
    known = cls.__pydantic_fields__
    if not fields.keys() <= known.keys() or not set(missing) <= known.keys():
        raise changed(tag)
    values: dict[str, Any] = {}
    for name, info in known.items():
        if name in fields:
            values[name] = fields[name]
        elif name not in missing:
            if info.is_required():
                raise changed(tag)
            values[name] = info.get_default(call_default_factory=True, validated_data=values)
    made = object.__new__(cls)
    _set_dict(made, values)
    hidden = private_values(cls, private, _storable(cls), values) if cls.__private_attributes__ else None
    for name, slot in zip(NAMES, (set(fields_set), extra, hidden), strict=True):
        put_slot(name, made, slot)
    for each in others:
        put_others(made, each)
    return made


def put_dataclass(packer: Packer, value: Any) -> list[Any]:
    """Tag, the fields that are there, and the other attributes where there are any."""
    from .extensions import registered

    fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if hasattr(value, f.name)}
    try:
        content = content_of(value.__class__)
    except Unknown as problem:
        raise EncodeError(f"{problem}; keep it in a field", value_type=value.__class__) from None
    if content is not None:
        fields[CONTENT] = content.take(value, fields)
    parts = [stored_tag(registered(type(value))), _named_values(packer, fields)]
    return [*parts, *put_attributes(packer, value, [f.name for f in dataclasses.fields(value)])]


def put_attributes(packer: Packer, value: Any, names: Iterable[str] = ()) -> list[Any]:
    """The attributes of `value` beside the fields `names`: one part, or none."""
    return [_named_values(packer, others) for others in others_of(names)([value]) if others is not None]


def get_dataclass(parts: Any) -> Any:
    """The dataclass instance of `put_dataclass`'s parts."""
    tag, fields, *others = parts
    cls: Any = find_class(tag)
    if not dataclasses.is_dataclass(cls):
        raise changed(tag)
    try:
        content = content_of(cls)
    except Unknown:
        raise changed(tag) from None
    known = {f.name for f in dataclasses.fields(cls)}
    if not fields.keys() - {CONTENT} <= known or (content is None) != (CONTENT not in fields):
        raise changed(tag)
    made: Any = object.__new__(cls) if content is None else content.make(fields.pop(CONTENT), fields)  # type: ignore[arg-type]
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    for each in others:
        put_others(made, each)
    return made
