"""Models as packed values: the class's tag and its parts, by name."""

from __future__ import annotations

from itertools import filterfalse
from typing import Any

from pydantic import BaseModel

from ...errors import CorruptionError, EncodeError, UnsupportedTypeError
from .. import trail
from ..attributes import declared, is_note, may_be_left_out, put_others
from ..classes.registry import find_class, stored_tag
from ..packed.extensions import LEFT_OUT
from ..packed.instances import changed, named_values, registered
from ..packed.table import enter, enter_family, extension
from ..packed.values import Packer
from ..slots import NAMES, put_slot
from ..upgrades import packed_version
from ..views.build import private_values
from .compile import struct_for
from .compiled import BARE

_set_dict = BaseModel.__dict__["__dict__"].__set__


def _put_model(packer: Packer, value: BaseModel) -> Any:
    """Tag, fields, names set, names missing, extras, storable private attributes."""
    cls = value.__class__
    _check_complete(cls)
    present = value.__dict__
    names = list(cls.__pydantic_fields__)
    fields = {name: present[name] for name in names if name in present}
    # Lazy models are read through their dictionary, so nothing is asked of the instance but what
    # Pydantic keeps there.
    extra, private = value.__pydantic_extra__, value.__pydantic_private__
    others = _undeclared(packer, cls, present)
    parts = [
        stored_tag(registered(cls)),
        {**named_values(packer, fields), **packed_version(cls)},
        sorted(value.__pydantic_fields_set__),
        [name for name in names if name not in present],
        None if extra is None else packer.lower(extra),
        None if private is None else _privates(packer, cls, private),
        *others,
    ]
    return extension("model", parts)


def _undeclared(packer: Packer, cls: type[BaseModel], present: dict[str, Any]) -> list[dict[str, Any]]:
    """The attributes that the class does not declare: one part, or none."""
    if len(present) <= len(cls.__pydantic_fields__) and present.keys() <= cls.__pydantic_fields__.keys():
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
    out = {}
    for name in _storable(cls):
        if name in private:
            try:
                out[name] = packer.lower(private[name])
            except EncodeError:  # a lock, or a parent that holds this very object
                out[name] = packer.lower(LEFT_OUT)
    return out


def _check_complete(cls: Any) -> None:
    """Raise EncodeError for a class whose fields are not all known."""
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
    return [name for name, _ in struct_for(cls).plan.privates]


def _get_model(parts: Any) -> Any:
    """The model of `_put_model`'s parts, built without validation."""
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


enter("model", _get_model)
enter_family("model", lambda cls: issubclass(cls, BaseModel), _put_model)
