"""Values of one type as values of another, as Pydantic validates them; what would be guessed is refused."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator
from datetime import date, time, timedelta
from types import GenericAlias
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ..errors import MigrationError, told

LISTS = (list, tuple, set, frozenset)
Convert = Callable[[Any], Any]


def converter(annotation: Any, where: str, way: str) -> Convert:
    """What makes a value of the type `annotation` of a stored one. `where` names the field in errors.

    `way` is the argument of the operation that may convert it instead, "forward" or "backward".

    Raises (the result):
        MigrationError: the value cannot be one of that type, or several guesses are possible.
    """
    validate = adapter(annotation).validate_python

    def convert(value: Any) -> Any:
        try:
            found = validate(value)
        except ValidationError as problem:
            first = problem.errors()[0]
            raise MigrationError(
                f"{where}: {told(value)} cannot be stored as {shown(annotation)}: {first['msg']}. Give the operation a "
                f"function that converts it, AlterField(..., {way}=...), or mend the value first"
            ) from problem
        problem_found = next(_lost(value, found), None)
        if problem_found is not None:
            raise MigrationError(
                f"{where}: {told(value)} as {shown(annotation)} would {problem_found}. Give the operation a function "
                f"that converts it, AlterField(..., {way}=...)"
            )
        return found

    return convert


def adapter(annotation: Any) -> TypeAdapter[Any]:
    """An adapter for any type."""
    is_class = isinstance(annotation, type)
    own = is_class and (issubclass(annotation, BaseModel) or dataclasses.is_dataclass(annotation))
    return TypeAdapter(annotation, config=None if own else ConfigDict(arbitrary_types_allowed=True))


def item_converter(annotation: Any, where: str, way: str) -> Convert | None:
    """The same for the items of a list, or the pairs of a dictionary; None for other types."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is list and args:
        return converter(args[0], where, way)
    if origin is dict and args:
        return converter(GenericAlias(tuple, args), where, way)
    return None


def shown(annotation: Any) -> str:
    """A type as people write it."""
    return annotation.__name__ if isinstance(annotation, type) and not typing.get_args(annotation) else str(annotation)


def _lost(value: Any, found: Any) -> Iterator[str]:
    """What a conversion would lose or guess."""
    if value is found:
        return
    if isinstance(value, int | float) and isinstance(found, date | time | timedelta):
        yield "take a number for a moment or a span of time"
    elif isinstance(value, LISTS) and isinstance(found, LISTS):
        if len(value) != len(found):
            yield "lose equal items"
        elif not isinstance(found, set | frozenset) and not isinstance(value, set | frozenset):
            for one, other in zip(value, found, strict=True):
                yield from _lost(one, other)
    elif isinstance(value, dict) and isinstance(found, dict):
        if len(value) != len(found):
            yield "lose equal keys"
        else:
            for pair in zip(value.items(), found.items(), strict=True):
                yield from _lost(*pair)
