"""`renamed_from`: the earlier names of a class, a field, or members of an enum, the newest first."""

from __future__ import annotations

import enum
from typing import Any, TypeVar

import typing_extensions
from pydantic import BaseModel

from ..errors import told

T = TypeVar("T", bound=type)
_NAMES = "_p_renamed_from_"
_DERIVED = "_p_derived_of_"
FOUND_BY = "_p_found_by_"  # set on classes of entities: the fields of keys and indexes
EXACT = "_p_exact_"  # set on classes of which older rows must have every field, of types that sort and hash alike


class RenamedFrom:
    """Earlier `names`: in the metadata of a field, or, called, of a class. `members` are those of an enum."""

    __slots__ = ("members", "names")

    def __init__(self, names: tuple[str, ...], members: dict[str, tuple[str, ...]] | None = None) -> None:
        self.names = names
        self.members = members or {}

    def __call__(self, cls: T) -> T:
        if not isinstance(cls, type):
            raise TypeError(f"renamed_from(...) decorates a class, or stands in Annotated[...], not on {told(cls)}")
        if self.members and not issubclass(cls, enum.Enum):
            raise TypeError(f"renamed_from(NEW='OLD') is for members of enums, and {cls.__qualname__} is no enum")
        unknown = self.members.keys() - getattr(cls, "__members__", {}).keys()
        if unknown:
            raise TypeError(f"renamed_from({min(unknown)}=...): {cls.__qualname__} has no member of this name")
        setattr(cls, _NAMES, (cls, self))
        return cls

    def __repr__(self) -> str:
        named = [*map(repr, self.names), *(f"{name}={old!r}" for name, old in self.members.items())]
        return f"renamed_from({', '.join(named)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RenamedFrom) and (self.names, self.members) == (other.names, other.members)

    def __hash__(self) -> int:
        return hash(self.names)


def renamed_from(*names: str, **members: str | tuple[str, ...]) -> Any:
    """Say what a class, a field or members of an enum were called when files were written.

        @renamed_from("House")
        class Villa(Model):
            rooms: Annotated[int, renamed_from("chambers", "size")]  # "size" before that

        @renamed_from(GREY="GRAY")
        class Colour(Enum): ...

    Fields of Models spell it `Field(renamed_from="chambers")`, too; so do `Chunk`, `ShardedMap`, `Key` and `Index`.

    Args:
        names: the earlier names, the newest first.
        members: for an enum: the earlier name, or names, of each renamed member.

    Raises:
        TypeError: a name is no str, or none is given.
    """
    given = {name: (old,) if isinstance(old, str) else tuple(old) for name, old in members.items()}
    for name in [*names, *(old for each in given.values() for old in each)]:
        if not isinstance(name, str):
            raise TypeError(f"renamed_from(...) takes names, not {told(name)}")
    if not names and not given:
        raise TypeError("renamed_from() takes the earlier names")
    return RenamedFrom(names, given)


def marker_of(names: str | tuple[str, ...]) -> RenamedFrom:
    """The marker of a field that was called `names`."""
    found: RenamedFrom = renamed_from(*(tuple(names) if isinstance(names, tuple | list) else (names,)))
    return found


def class_names(cls: type) -> tuple[str, ...]:
    """The earlier names of a class, or of one that was derived of another."""
    owner, found = cls.__dict__.get(_NAMES, (None, None))
    if owner is cls:
        names: tuple[str, ...] = found.names
        return names
    origin, ends = cls.__dict__.get(_DERIVED, (None, ()))
    if origin is None:
        return ()
    first, *earlier = ends
    older = class_names(origin)
    return (*(name + first for name in older), *(name + end for end in earlier for name in (origin.__name__, *older)))


def derived(cls: T, origin: type, end: str, *earlier: str) -> T:
    """Note that `cls` is named after `origin`, with `end`; before that, with one of the `earlier` ends."""
    setattr(cls, _DERIVED, (origin, (end, *earlier)))
    return cls


def member_names(cls: type) -> dict[str, tuple[str, ...]]:
    """The earlier names of the members of an enum."""
    owner, found = cls.__dict__.get(_NAMES, (None, None))
    return found.members if owner is cls else {}


def field_names(cls: Any) -> dict[str, tuple[str, ...]]:
    """The earlier names of the fields of a class that have some."""
    if isinstance(cls, type) and issubclass(cls, BaseModel):
        known = {name: info.metadata for name, info in cls.__pydantic_fields__.items()}
    else:
        known = {}
        try:
            hints = typing_extensions.get_type_hints(cls, include_extras=True)
        except (NameError, TypeError):  # names of a function's own: `renamed_from` needs annotations that are resolved
            return {}
        for name, tp in hints.items():
            known[name] = list(getattr(tp, "__metadata__", ()))
    return {
        name: tuple(old for item in metadata if isinstance(item, RenamedFrom) for old in item.names)
        for name, metadata in known.items()
        if any(isinstance(item, RenamedFrom) for item in metadata)
    }
