"""Packed objects of a class that has changed since: the tag says what structure the class had."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

from pydantic import BaseModel

from ...errors import MigrationRequired, SchemaMismatchError
from ..classes.names import structure_of
from ..classes.registry import find_class
from ..columns.wrappers import OptionalColumn
from ..packed.instances import changed
from ..packed.table import CODES, READERS, enter
from ..renames import field_names
from ..structs import EXTRA, SETS
from ..types.compile import struct_for
from ..upgrades import VERSION_FIELD, steps_from, version_of
from .defaults import NoDefault, default_of, never
from .given import Code, Failed, Target, Unread
from .leaves import change_of
from .refusals import brief_of, without_steps
from .structs import validator
from .unknown import note
from .values import Unfit


def _is_other(tag: str) -> bool:
    """Whether the class of a tag has another structure now."""
    return structure_of(find_class(tag)) != tag.rpartition("#")[2]


def _get_model(parts: Any) -> Any:
    tag, fields, fields_set, missing, extra, private, *others = parts
    version = fields.pop(VERSION_FIELD, 1)
    cls: Any = find_class(tag)
    if not _is_other(tag) and version == version_of(cls):
        return _model(parts)
    if not issubclass(cls, BaseModel):
        raise changed(tag)
    known = None if private is None else {**private}
    if known is not None and cls.__private_attributes__:
        known = {name: value for name, value in known.items() if name in cls.__private_attributes__}
    if version != version_of(cls):
        found, names_set, extra = _coded(cls, version, {**(extra or {}), **fields}, fields_set)
        return _model([_current(tag, cls), found, list(names_set), [], extra, known, *others])
    found, kept, names = _fields(cls, fields, missing)
    if cls.model_config.get("extra") == "allow":
        extra = {**(extra or {}), **{name: fields[name] for name in fields if name not in kept}}
        extra = {name: value for name, value in extra.items() if name not in found}
    else:
        extra = None
        note(struct_for(cls).plan.name, fields.keys() - kept)
    fields_set = [names.get(name, name) for name in fields_set if name in names or name in (extra or ())]
    gone = [name for name in cls.__pydantic_fields__ if name not in found]
    return _model([_current(tag, cls), found, fields_set, gone, extra, known, *others])


def _current(tag: str, cls: Any) -> str:
    """The tag of a class with its structure now."""
    return f"{tag.rpartition('#')[0]}#{structure_of(cls)}"


def _coded(cls: Any, version: Any, fields: dict[str, Any], was_set: Any) -> tuple[Any, Any, Any]:
    """The fields, the names of those set, and the extra values of an object that its class's code upgrades."""
    struct = struct_for(cls)
    steps = steps_from(cls, version)
    if steps is None:
        raise without_steps(f"a packed {cls.__qualname__}", cls, version)
    target, code = Target(struct, field_names(cls), ()), Code(struct.plan.name, version, steps)

    def kept(name: str, value: Any) -> Any:
        found = target.field_of.get(name)
        return (
            value if found is None else _value(struct, found, struct.places[found][1], value, f"{cls.__name__}.{name}")
        )

    stored = {name: Unread(name, partial(_same, value), partial(kept, name, value)) for name, value in fields.items()}
    try:
        values = target.values(stored, code.run(stored), was_set)
    except Failed as problem:
        raise code.error(problem, None, 0) from problem.__cause__
    names_set, extra = values.pop(SETS), values.pop(EXTRA, None)
    return {name: each.kept() if type(each) is Unread else each for name, each in values.items()}, names_set, extra


def _same(value: Any) -> Any:
    return value


def _get_dataclass(parts: Any) -> Any:
    tag, fields, *others = parts
    version = fields.pop(VERSION_FIELD, 1)
    cls: Any = find_class(tag)
    if not dataclasses.is_dataclass(cls) or (not _is_other(tag) and version == version_of(cls)):
        return _dataclass(parts)
    content = {name: fields.pop(name) for name in list(fields) if name.startswith("(")}
    if version != version_of(cls):
        found, _, _ = _coded(cls, version, fields, None)
    else:
        found, kept, _ = _fields(cls, fields, ())
        note(struct_for(cls).plan.name, fields.keys() - kept)
    return _dataclass([_current(tag, cls), {**found, **content}, *others])


def _get_named_tuple(parts: Any) -> Any:
    if _is_other(parts[0]):  # the items have no names
        raise changed(parts[0])
    return _named_tuple(parts)


def _fields(cls: Any, stored: dict[str, Any], missing: Any) -> tuple[dict[str, Any], set[str], dict[str, str]]:
    """Today's fields, which stored ones they were, and what these are called now.

    Raises:
        MigrationRequired: a required field is not there.
        SchemaMismatchError: a value is none that its field takes now.
    """
    column = struct_for(cls)
    earlier = field_names(cls)
    found: dict[str, Any] = {}
    names: dict[str, str] = {}
    for name, (_, each) in column.places.items():
        source = next((old for old in (name, *earlier.get(name, ())) if old in stored), None)
        where = f"{column.plan.name}.{name}"
        if source is not None:
            found[name] = _value(column, name, each, stored[source], where)
            names[source] = name
        elif name not in missing and not name.startswith("("):
            try:
                make = default_of(cls, name)
                if make is not never:
                    found[name] = make()
            except NoDefault as problem:
                raise MigrationRequired(
                    f"{where}: a packed object does not have this field, and {problem}: give it a default"
                ) from None
    return found, set(names), names


def _value(struct: Any, name: str, column: Any, value: Any, where: str) -> Any:
    bare = column.inner if isinstance(column, OptionalColumn) else column
    if value is None and isinstance(column, OptionalColumn):
        return None
    change = change_of(bare) or validator(struct, name)
    try:
        return value if change is None else change(value)
    except Unfit as problem:
        raise SchemaMismatchError(
            f"{where}: a packed object has {value!r:.80} here, which is not what the class declares now, "
            f"{brief_of(column)} ({problem}): assign another object in its place"
        ) from problem.__cause__


_model, _dataclass, _named_tuple = (READERS[CODES[kind]] for kind in ("model", "dataclass", "named tuple"))
enter("model", _get_model)
enter("dataclass", _get_dataclass)
enter("named tuple", _get_named_tuple)
