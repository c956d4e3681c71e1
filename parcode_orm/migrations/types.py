"""Types in the state of a project: as in annotations, with `Named` in the place of the project's classes."""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

from pydantic import BaseModel
from typing_extensions import TypeAliasType
from typing_inspection.introspection import is_union_origin

from ..codec.aliases import union_of
from ..codec.classes.names import name_of
from ..codec.refs import Ref

_known: dict[str, Any] = {}


class Named(type):
    """A class of the project at the time of a migration: `Player = Named("Player")`.

    It stands in types, `dict[str, Player] | None`. `Role["ADMIN"]` is a member of an enum.
    """

    def __new__(mcs, name: str) -> Any:
        """The one class for `name`."""
        found = _known.get(name)
        if found is None:
            found = _known[name] = super().__new__(mcs, name, (), {})
        return found

    def __init__(cls, name: str) -> None:
        super().__init__(name, (), {})

    def __getitem__(cls, member: str) -> Member:
        return Member(cls.__name__, member)

    def __repr__(cls) -> str:
        return cls.__name__


@dataclasses.dataclass(frozen=True)
class Member:
    """A member of an enum of the project, by its name."""

    enum: str
    name: str


def is_record(cls: Any) -> bool:
    """Whether `cls` is a class that a project describes: a model, an enum, a dataclass or a named tuple."""
    if not isinstance(cls, type) or isinstance(cls, Named) or cls in (BaseModel, tuple):
        return False
    return (
        issubclass(cls, BaseModel | Enum)
        or dataclasses.is_dataclass(cls)
        or (issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple))
    )


def normal(tp: Any, meet: Callable[[Any], None]) -> Any:
    """`tp` without metadata and aliases, with `Named` for classes of the project, each of which `meet` gets."""
    if isinstance(tp, TypeAliasType) or type(tp).__name__ == "TypeAliasType":
        return normal(tp.__value__, meet)
    if isinstance(tp, typing.NewType):
        return normal(tp.__supertype__, meet)
    if tp is None:
        return type(None)
    if is_record(tp):
        meet(tp)
        return Named(name_of(tp))
    origin, args = typing.get_origin(tp), typing.get_args(tp)
    if origin is typing.Annotated:
        return normal(args[0], meet)
    if origin is None or origin is typing.Literal:
        return tp
    return with_args(tp, tuple(_inside(each, meet) for each in args))


def _inside(arg: Any, meet: Callable[[Any], None]) -> Any:
    return arg if arg is ... else normal(arg, meet)


def with_args(tp: Any, args: tuple[Any, ...]) -> Any:
    """The generic type `tp` with other arguments."""
    origin = typing.get_origin(tp)
    if is_union_origin(origin):
        return union_of(args)
    if origin is typing.Literal or not args:
        return tp
    return origin[args if len(args) > 1 or origin is tuple else args[0]]


def replaced(tp: Any, find: Callable[[str], Any]) -> Any:
    """`tp` with what `find` gives for the name of each class of the project."""
    if isinstance(tp, Named):
        return find(tp.__name__)
    if tp is None:
        return type(None)
    args = typing.get_args(tp)
    if not args or typing.get_origin(tp) is typing.Literal:
        return tp
    return with_args(tp, tuple(each if each is ... else replaced(each, find) for each in args))


def names_in(tp: Any) -> Iterator[str]:
    """The names of the project's classes that stand in `tp`."""
    if isinstance(tp, Named):
        yield tp.__name__
    elif typing.get_origin(tp) is not typing.Literal:
        for each in typing.get_args(tp):
            yield from names_in(each)


def names_held(tp: Any) -> Iterator[str]:
    """The names of the project's classes of which objects stand in values of `tp`: not of those that it refers to."""
    if typing.get_origin(tp) is not Ref:
        if isinstance(tp, Named):
            yield tp.__name__
        elif typing.get_origin(tp) is not typing.Literal:
            for each in typing.get_args(tp):
                yield from names_held(each)


def referred_names(tp: Any) -> Iterator[str]:
    """The names of the project's classes to which references in values of `tp` lead."""
    if typing.get_origin(tp) is Ref:
        yield from names_in(tp)
    elif typing.get_origin(tp) is not typing.Literal:
        for each in typing.get_args(tp):
            yield from referred_names(each)


def admits_none(tp: Any) -> bool:
    """Whether None is a value of `tp`."""
    arms = typing.get_args(tp) if is_union_origin(typing.get_origin(tp)) else (tp,)
    return type(None) in arms or Any in arms


def module_and_name(thing: Any) -> tuple[str, str] | None:
    """Where a class, a function or a type alias is found by import; None if it is not there."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", getattr(thing, "__name__", None))
    if not isinstance(module, str) or not isinstance(name, str) or module == "__main__":
        return None
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return (module, name) if found is thing else None
