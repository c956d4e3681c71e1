"""Historical classes: those of a project as they were, made of their descriptions."""

from __future__ import annotations

import dataclasses
import enum
from functools import partial
from typing import Any, ForwardRef, NamedTuple

from pydantic import BaseModel, PrivateAttr, RootModel
from pydantic import Field as PydanticField
from pydantic.fields import FieldInfo

from ..errors import MigrationError
from ..lazy.proxy import plain_class
from ..model.base import Model
from ..model.keys import Index, KeyMark
from .convert import adapter
from .state import EXTRA, UNSET, Field, ModelState, ProjectState, in_order
from .types import Member, replaced


class History:
    """The classes of a state. Those that are described as in an earlier history are its classes.

    Raises:
        MigrationError: a class cannot be made of its description.
    """

    def __init__(self, state: ProjectState, earlier: History | None = None) -> None:
        state.check()
        self.state = state
        self.classes: dict[str, Any] = {}
        self.deep = {name: state.deep(name) for name in state.models}
        self._names: dict[Any, str] = {}
        if earlier is not None:
            for name, text in self.deep.items():
                if earlier.deep.get(name) == text:
                    self.classes[name] = earlier.classes[name]
        ready = set(self.classes)
        for model in in_order(state.models.values()):
            if model.name not in ready:
                self.classes[model.name] = self._made(model)
        for name, cls in self.classes.items():
            if name not in ready and issubclass(cls, BaseModel):
                _completed(cls, {_identifier(name): each for name, each in self.classes.items()})
        self._names = {cls: name for name, cls in self.classes.items()}

    def name_of(self, obj: Any) -> str | None:
        """The name of the class of an object of this history; None for any other object."""
        return self._names.get(plain_class(type(obj)))

    def called(self, cls: Any) -> str | None:
        """The name of a class of this history; None for any other class."""
        return self._names.get(cls)

    def annotation(self, field: Field) -> Any:
        """The type of a field, of classes of this history."""
        return replaced(field.type, self.classes.__getitem__)

    def default(self, where: str, field: Field) -> Any:
        """A new default for a field.

        Raises:
            MigrationError: it has none, or one that is not of its type.
        """
        if field.default_factory is not None:
            return field.default_factory()
        if field.default is UNSET:
            raise MigrationError(f"{where}: objects lack this field, and it has no default: give it one, default=...")
        try:
            return adapter(self.annotation(field)).validate_python(self.value(field.default))
        except ValueError as problem:
            raise MigrationError(f"{where}: its default is not of its type: {problem}") from problem

    def value(self, default: Any) -> Any:
        """A default with members of enums for `Member`s."""
        if isinstance(default, Member):
            return self.classes[default.enum][default.name]
        if type(default) in (list, tuple, set, frozenset):
            return type(default)(map(self.value, default))
        if type(default) is dict:
            return {self.value(key): self.value(each) for key, each in default.items()}
        return default

    # -- making classes -----------------------------------------------------------------------------------------------

    def _made(self, model: ModelState) -> Any:
        try:
            if model.kind == "enum":
                return self._enum(model)
            if model.kind == "dataclass":
                return self._dataclass(model)
            if model.kind == "tuple":
                return self._tuple(model)
            return self._model(model)
        except (TypeError, ValueError, AttributeError) as problem:
            raise MigrationError(f"{model.name} cannot be made as a migration describes it: {problem}") from problem

    def _about(self, model: ModelState) -> dict[str, Any]:
        module, _, qualname = model.path.partition(":")
        return {"__module__": module, "__qualname__": qualname}

    def _type(self, tp: Any) -> Any:
        """A type of classes that were made already, and of references to classes that come later."""
        return replaced(tp, lambda name: self.classes.get(name) or ForwardRef(_identifier(name)))

    def _model(self, model: ModelState) -> Any:
        config = {**model.options, "arbitrary_types_allowed": True, "protected_namespaces": ()}
        body: dict[str, Any] = {**self._about(model), "model_config": config}
        body["__annotations__"] = {name: self._type(each.type) for name, each in model.fields.items()}
        for name, each in model.fields.items():
            body[name] = _info(self, each)
        for name, tp in model.privates.items():
            body["__annotations__"][name] = self._type(tp)
            if name != EXTRA:
                body[name] = PrivateAttr()
        if model.kind == "model":
            body["__indexes__"] = tuple(
                Index(*each.fields, unique=each.unique, text=each.text) for each in model.indexes
            )
        bases = [self.classes[name] for name in model.bases]
        base: Any = {"model": Model, "root": RootModel}.get(model.kind, BaseModel)
        if not any(issubclass(each, base) for each in bases):
            bases.append(base)
        return type(base)(model.name, tuple(bases), body)

    def _enum(self, model: ModelState) -> Any:
        module, _, qualname = model.path.partition(":")
        base = model.options.get("base", enum.Enum)
        members = list(model.members.items())
        return base(model.name, members, module=module, qualname=qualname, type=model.options.get("type"))

    def _dataclass(self, model: ModelState) -> Any:
        parts: list[Any] = []
        for name, each in model.fields.items():
            made: Any = dataclasses.field(kw_only=True)
            if each.default_factory is not None:
                made = dataclasses.field(default_factory=each.default_factory, kw_only=True)
            elif each.default is not UNSET:
                made = dataclasses.field(default_factory=partial(self.value, each.default), kw_only=True)
            parts.append((name, self._type(each.type), made))
        return dataclasses.make_dataclass(
            model.name, parts, namespace=self._about(model), frozen=bool(model.options.get("frozen"))
        )

    def _tuple(self, model: ModelState) -> Any:
        make: Any = NamedTuple
        found: Any = make(model.name, [(name, self._type(each.type)) for name, each in model.fields.items()])
        for name, value in self._about(model).items():
            setattr(found, name, value)
        return found


def _identifier(name: str) -> str:
    return "".join(each if each.isalnum() else "_" for each in name)


def _info(history: History, field: Field) -> FieldInfo:
    """A field's default as Pydantic takes it, with its mark. A factory validates nothing."""
    default: Any = {}
    if field.default_factory is not None:
        default = {"default_factory": field.default_factory}
    elif field.default is not UNSET:
        default = {"default_factory": lambda: history.default("a field", field)}
    elif isinstance(field.mark, KeyMark) and field.mark.auto:
        default = {"default": None}
    info: FieldInfo = PydanticField(**default)
    if field.mark is not None:
        info.metadata = [*info.metadata, field.mark]
    return info


def _completed(cls: Any, names: dict[str, Any]) -> None:
    try:
        if not cls.__pydantic_complete__:
            cls.model_rebuild(force=True, _types_namespace=names)
    except (TypeError, ValueError, NameError) as problem:
        raise MigrationError(f"{cls.__name__} cannot be made as a migration describes it: {problem}") from problem
