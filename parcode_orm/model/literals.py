"""What a literal may stand for where the type is known: dates, UUIDs and the like are written as text."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from typing import Any, get_args, get_origin

from pydantic import ConfigDict, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

from .annotations import arms, bare

_AS_WRITTEN = (int, float, bool, complex, str, type(None), Any)  # of which a text is never another spelling


def meant(literal: Any, tp: Any) -> Iterator[Any]:
    """What a literal may stand for among values of type `tp`: itself, a member of an enum, the value of a text."""
    yield literal
    for arm in arms(tp):
        if isinstance(arm, type) and issubclass(arm, Enum):
            yield from _members(literal, arm)
        elif isinstance(literal, tuple) and get_origin(arm) is tuple:
            yield from _tuples(literal, get_args(arm))
        elif isinstance(literal, str) and arm not in _AS_WRITTEN:
            adapter = _adapter(arm)
            if adapter is not None:
                try:
                    yield adapter.validate_python(literal)
                except ValueError:  # pydantic's ValidationError among them
                    continue


def _members(literal: Any, cls: type[Enum]) -> Iterator[Enum]:
    """The member of an enum with this name, or with this value."""
    if isinstance(literal, str) and literal in cls.__members__:
        yield cls.__members__[literal]
    else:
        try:
            yield cls(literal)
        except (ValueError, TypeError):
            return


def _tuples(literal: tuple[Any, ...], types: tuple[Any, ...]) -> Iterator[Any]:
    """A tuple of what each part stands for among values of its type."""
    if len(types) == 2 and types[1] is ...:
        types = (types[0],) * len(literal)
    if len(types) == len(literal):
        yield tuple([list(meant(each, bare(tp)))[-1] for each, tp in zip(literal, types, strict=True)])


@lru_cache(256)
def _adapter(tp: Any) -> TypeAdapter[Any] | None:
    for config in (None, ConfigDict(arbitrary_types_allowed=True)):  # a class with a configuration takes no other
        try:
            return TypeAdapter(tp, config=config)
        except (PydanticUserError, PydanticSchemaGenerationError, TypeError):
            continue
    return None
