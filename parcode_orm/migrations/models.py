"""The state of a project as its modules define it now."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import typing
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, RootModel
from pydantic_core import PydanticUndefined

from ..codec.classes.names import name_of
from ..codec.columns.poly import subclasses
from ..codec.refs import Ref
from ..codec.renames import class_names, field_names
from ..codec.schema import canonical_schema, differences
from ..codec.types.compile import struct_for
from ..codec.upgrades import version_of
from ..errors import MigrationError
from ..model.base import Model
from ..model.entities import EntityTable, Run, TextRun, table_class
from ..model.entity_names import is_entity
from ..model.keys import IndexMark, KeyMark
from .state import EXTRA, UNSET, Field, Indexed, Marker, ModelState, ProjectState
from .types import Member, normal

NOT_DESCRIBED = (BaseModel, RootModel, Model, EntityTable, Run, TextRun)
OPTIONS = ("extra", "frozen", "use_enum_values")


def models_of(modules: Iterable[str]) -> list[type[Any]]:
    """The models that `modules` define, each named `package.module` or `package.module:Class`.

    Raises:
        MigrationError: a module cannot be imported, or has no models.
    """
    found: dict[type[Any], None] = {}
    for spelled in modules:
        name, _, only = spelled.partition(":")
        try:
            module = importlib.import_module(name)
        except Exception as problem:
            raise MigrationError(f"the module {name} of the models cannot be imported: {problem!r}") from problem
        if only:
            classes: list[Any] = [getattr(module, only, None)]
        else:
            classes = [each for each in vars(module).values() if getattr(each, "__module__", None) == name]
        models = [each for each in classes if isinstance(each, type) and issubclass(each, Model) and not is_open(each)]
        if not models:
            raise MigrationError(f"{spelled} defines no parcode_orm.Model: name the module of the models")
        found |= dict.fromkeys(models)
    return list(found)


def state_of(classes: Iterable[type[Any]], met: dict[str, Any] | None = None) -> ProjectState:
    """The state of a project with these models, all that their fields name, and the classes below these.

    `met` gets the classes by name.

    Raises:
        MigrationError: two classes have one name, or a class cannot be described.
    """
    known: dict[str, Any] = {} if met is None else met
    waiting: list[Any] = []

    def meet(cls: type[Any]) -> None:
        other = known.setdefault(name_of(cls), cls)
        if other is not cls:
            paths = " and ".join(f"{each.__module__}.{each.__qualname__}" for each in (other, cls))
            raise MigrationError(f"two classes of the project have the name {name_of(cls)}: {paths}: rename one")
        waiting.append(cls)

    state = ProjectState()
    for cls in classes:
        meet(cls)
    while waiting:
        cls = waiting.pop(0)
        if name_of(cls) not in state.models:
            state.models[name_of(cls)] = _described(cls, meet)
            if issubclass(cls, BaseModel):  # a field of the class may hold objects of those below it
                for below in subclasses(cls):
                    if not is_open(below):
                        meet(below)
    return state


def declared_renames(old: ProjectState, new: ProjectState, classes: dict[str, Any]) -> dict[str, str]:
    """What `renamed_from` of the `classes` says of what is gone from `old`, as answers."""
    found = {}
    before = {name: name for name in new.models}
    for name in new.models:
        for earlier in class_names(classes[name]):
            if name not in old.models and earlier in old.models and earlier not in new.models:
                found[earlier] = name
                before[name] = earlier
    for name, model in new.models.items():
        there = old.models.get(before[name])
        for field, names in field_names(classes[name]).items():
            if there is None or field not in model.fields:
                continue
            for earlier in names:
                if field not in there.fields and earlier in there.fields and earlier not in model.fields:
                    found.setdefault(f"{name}.{earlier}", field)
    return found


def check_rendered(classes: Iterable[type[Any]], rendered: dict[str, Any]) -> None:
    """Raise MigrationError where a class made of its description would not read what the real class writes."""
    for cls in classes:
        mine = rendered[name_of(cls)]
        pair = (table_class(cls), table_class(mine)) if is_entity(cls) else (cls, mine)
        real, made = (canonical_schema(struct_for(each)) for each in pair)
        if real != made:
            found = differences(real, made)[0]
            raise MigrationError(f"{cls.__qualname__} cannot be described in a migration: {found}")


def _described(cls: Any, meet: Any) -> ModelState:
    path = f"{cls.__module__}:{cls.__qualname__}"
    name = name_of(cls)
    if version_of(cls) > 1:
        raise MigrationError(
            f"{cls.__qualname__} has @upgrade(...), code that a migration does not know: in a project with migrations, "
            f"write the code as RunPython(..., model={name!r})"
        )
    if issubclass(cls, enum.Enum):
        members = {key: each.value for key, each in cls.__members__.items()}
        options: dict[str, Any] = {"base": _enum_base(cls)}
        if cls._member_type_ not in (object, *options["base"].__mro__):
            options["type"] = cls._member_type_
        return ModelState(name, path, "enum", members=members, options=options)
    if not issubclass(cls, BaseModel):
        return _described_record(cls, name, path, meet)
    bases = [base for base in cls.__bases__ if _is_base(base)]
    for base in bases:
        meet(base)
    inherited: dict[str, Field] = {}
    for base in reversed(bases):
        inherited |= _fields_of(base, meet)
    fields = _fields_of(cls, meet)
    own = {key: each for key, each in fields.items() if key not in inherited or not each.same(inherited[key])}
    privates = {
        key: _private(cls, key, meet)
        for key in cls.__private_attributes__
        if not any(key in base.__private_attributes__ for base in bases)
    }
    options = {key: cls.model_config[key] for key in OPTIONS if cls.model_config.get(key)}
    if options.get("extra") != "allow":
        options.pop("extra", None)
    if EXTRA in inspect.get_annotations(cls):
        privates[EXTRA] = _private(cls, EXTRA, meet)
    kind = "model" if issubclass(cls, Model) else "root" if issubclass(cls, RootModel) else "plain"
    indexes = _indexes(cls) if issubclass(cls, Model) else ()
    return ModelState(name, path, kind, tuple(map(name_of, bases)), own, privates, options, indexes=indexes)


def _indexes(cls: Any) -> tuple[Indexed, ...]:
    marks = [mark for each in cls.__indexes__ for mark in each.metadata if isinstance(mark, IndexMark)]
    return tuple(Indexed(mark.fields, mark.unique, mark.text) for mark in marks)


def _described_record(cls: type[Any], name: str, path: str, meet: Any) -> ModelState:
    """A dataclass or a named tuple."""
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except Exception as problem:
        raise MigrationError(f"the annotations of {cls.__qualname__} cannot be resolved: {problem}") from problem
    if dataclasses.is_dataclass(cls):
        frozen = {"frozen": True} if cls.__dataclass_params__.frozen else {}  # type: ignore[attr-defined]
        fields = {
            each.name: Field(normal(hints[each.name], meet), None, *_default_of(each.default, each.default_factory))
            for each in dataclasses.fields(cls)
        }
        return ModelState(name, path, "dataclass", fields=fields, options=frozen)
    defaults: dict[str, Any] = getattr(cls, "_field_defaults", {})
    names: tuple[str, ...] = getattr(cls, "_fields", ())
    fields = {
        each: Field(normal(hints.get(each, Any), meet), None, *_default_of(defaults.get(each, UNSET), None))
        for each in names
    }
    return ModelState(name, path, "tuple", fields=fields)


def is_open(cls: type[BaseModel]) -> bool:
    """Whether a class is a generic model without arguments, which has no objects."""
    return bool(cls.__pydantic_generic_metadata__["parameters"])


def _is_base(base: Any) -> bool:
    if not isinstance(base, type) or not issubclass(base, BaseModel) or base in NOT_DESCRIBED or is_open(base):
        return False
    return base.__pydantic_generic_metadata__["origin"] is not RootModel


def _enum_base(cls: Any) -> Any:
    """The enum class of the standard library that `cls` derives from."""
    return next(base for base in cls.__mro__ if base.__module__ == "enum")


def _fields_of(cls: Any, meet: Any) -> dict[str, Field]:
    found = {}
    for name, info in cls.__pydantic_fields__.items():
        marks = [each for each in info.metadata if isinstance(each, Marker)]
        if len(marks) > 1 and len(set(map(repr, marks))) > 1:
            raise MigrationError(f"{cls.__qualname__}.{name} has several marks: {', '.join(map(repr, marks))}")
        numbered = any(isinstance(each, KeyMark) and each.auto for each in marks)  # None until it is added
        default = (UNSET, None) if numbered else _default_of(info.default, info.default_factory)
        found[name] = Field(normal(info.annotation, meet), marks[-1] if marks else None, *default)
    return found


def _private(cls: Any, name: str, meet: Any) -> Any:
    """The type of a private attribute; Any without an annotation that can be resolved."""
    for base in cls.__mro__:
        if name in inspect.get_annotations(base):
            try:
                return normal(typing.get_type_hints(base, include_extras=True)[name], meet)
            except Exception:
                break
    return Any


def _default_of(value: Any, factory: Any) -> tuple[Any, Any]:
    """A default and its factory as a migration can spell them; both unset for what it cannot."""
    if factory is not None and factory is not dataclasses.MISSING:
        takes_data = factory not in (list, dict, set, tuple) and _parameters(factory) > 0
        return UNSET, None if takes_data else factory
    if value is PydanticUndefined or value is dataclasses.MISSING or value is ...:
        return UNSET, None
    return _spelled(value), None


def _parameters(factory: Any) -> int:
    try:
        found = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return 0
    return sum(
        each.default is each.empty and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in found
    )


def _spelled(value: Any) -> Any:
    """A default with `Member` for members of enums, and dictionaries for models."""
    if isinstance(value, enum.Enum):
        return Member(name_of(type(value)), value.name)
    if type(value) is Ref:
        return value.key
    if isinstance(value, BaseModel):
        return {name: _spelled(each) for name, each in value}
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(map(_spelled, value))
    if type(value) is dict:
        return {_spelled(key): _spelled(each) for key, each in value.items()}
    return value
