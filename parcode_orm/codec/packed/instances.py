"""Dataclasses and named tuples as packed values: the class's tag and its parts, by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from ...errors import EncodeError, SchemaMismatchError
from .. import trail
from ..attributes import others_of, put_others
from ..classes.contents import CONTENT, Unknown, content_of
from ..classes.registry import find_class, is_registered, stored_tag
from ..upgrades import packed_version
from .table import enter, enter_family, extension
from .values import Packer


def changed(tag: str) -> SchemaMismatchError:
    """The error for a value whose class has another shape now."""
    return SchemaMismatchError(f"a stored value of class {tag.rpartition('#')[0]} does not fit the class as it is now")


def registered(cls: type) -> type:
    """`cls`, which values name by its tag; refused unless reading would find this very class."""
    if not is_registered(cls):
        raise EncodeError(
            f"{cls.__qualname__} stands in a field of type Any, and reading would not find the class: name it in a "
            "field's type, or call parcode_orm.register() on it",
            value_type=cls,
        )
    return cls


def named_values(packer: Packer, values: dict[str, Any]) -> dict[str, Any]:
    out = {}
    for name, value in values.items():
        try:
            out[name] = packer.lower(value)
        except EncodeError as problem:
            raise trail.below(problem, name, 0) from None
    return out


def _put_dataclass(packer: Packer, value: Any) -> Any:
    """Tag, the fields that are there, and the other attributes where there are any."""
    fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if hasattr(value, f.name)}
    try:
        content = content_of(value.__class__)
    except Unknown as problem:
        raise EncodeError(f"{problem}; keep it in a field", value_type=value.__class__) from None
    if content is not None:
        fields[CONTENT] = content.take(value, fields)
    found = {**named_values(packer, fields), **packed_version(type(value))}
    parts = [stored_tag(registered(type(value))), found]
    names = [f.name for f in dataclasses.fields(value)]
    return extension("dataclass", [*parts, *_put_attributes(packer, value, names)])


def _put_attributes(packer: Packer, value: Any, names: Iterable[str] = ()) -> list[Any]:
    """The attributes of `value` beside the fields `names`: one part, or none."""
    return [named_values(packer, others) for others in others_of(names)([value]) if others is not None]


def _get_dataclass(parts: Any) -> Any:
    """The dataclass instance of `_put_dataclass`'s parts."""
    tag, fields, *others = parts
    cls: Any = find_class(tag)
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
        raise changed(tag)
    try:
        content = content_of(cls)
    except Unknown:
        raise changed(tag) from None
    known = {f.name for f in dataclasses.fields(cls)}
    if not fields.keys() - {CONTENT} <= known or (content is None) != (CONTENT not in fields):
        raise changed(tag)
    made: Any = object.__new__(cls) if content is None else content.make(fields.pop(CONTENT), fields)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    for each in others:
        put_others(made, each)
    return made


def _put_named_tuple(packer: Packer, value: Any) -> Any:
    parts = [stored_tag(registered(type(value))), packer.items(list(value))]
    return extension("named tuple", parts + _put_attributes(packer, value))


def _get_named_tuple(parts: Any) -> Any:
    tag, values, *others = parts
    cls = find_class(tag)
    if not issubclass(cls, tuple) or len(getattr(cls, "_fields", ())) != len(values):
        raise changed(tag)
    made = tuple.__new__(cls, values)
    for each in others:
        put_others(made, each)
    return made


enter("dataclass", _get_dataclass)
enter_family("dataclass", dataclasses.is_dataclass, _put_dataclass)
enter("named tuple", _get_named_tuple)
enter_family("named tuple", lambda cls: issubclass(cls, tuple) and hasattr(cls, "_fields"), _put_named_tuple)
