"""Dataclasses that derive from a builtin (an exception, a dictionary, text): what it holds stands beside their fields.

`object.__new__` does not make such objects, and the builtin's content is in none of their attributes. So it is one
more part of each, packed, under a name that no field can have.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from ..types.named import plain_view

CONTENT = "(content)"


class Content(NamedTuple):
    """How the builtin's part of a class's objects is taken, and how an object is made of it and its fields."""

    take: Callable[[Any, dict[str, Any]], Any]
    make: Callable[[Any, dict[str, Any]], Any]


class Unknown(TypeError):
    """A class derives from a builtin whose content is not known."""


def content_of(cls: Any) -> Content | None:
    """How objects of a dataclass are taken apart and made where it derives from a builtin; None where it does not.

    Raises:
        Unknown: of that builtin nothing is known.
    """
    try:
        object.__new__(cls)
        return None
    except TypeError as problem:
        if "is not safe" not in str(problem):  # an abstract class, whose subclasses have objects
            return None
    base = next((base for base in cls.__mro__ if base in _KINDS or base is BaseException), None)
    if base is None:
        raise Unknown(f"{cls.__qualname__} derives from a builtin whose content cannot be stored")
    if base is BaseException:
        # What Python itself makes such errors with: KeyError, OSError.
        solid: Any = next(each for each in cls.__mro__ if not each.__flags__ & _HEAP)
        return Content(_take_args, lambda content, row: solid.__new__(cls, *_args_of(content, row)))
    take, fill = _KINDS[base]
    new: Any = base.__new__
    if fill is None:
        return Content(lambda value, row: take(value), lambda content, row: new(cls, content))

    def make(content: Any, row: dict[str, Any]) -> Any:
        made = new(cls)
        fill(made, content)
        return made

    return Content(lambda value, row: take(value), make)


def _take_args(value: BaseException, row: dict[str, Any]) -> Any:
    """The arguments of an exception: how many, where they are its first fields, as they are when it was called so."""
    args = value.args
    if len(args) <= len(row) and all(map(_is, args, row.values())):
        return len(args)
    return list(args)


def _is(one: Any, other: Any) -> bool:
    return one is other


def _args_of(content: Any, row: dict[str, Any]) -> list[Any]:
    return list(row.values())[:content] if type(content) is int else content


_HEAP = 1 << 9  # of `__flags__`: a class made by a class statement
# By builtin: what it holds, as a value that can be packed; and how a new one is filled, where it is not made of that.
_KINDS: dict[type, tuple[Callable[[Any], Any], Callable[[Any, Any], None] | None]] = {
    OrderedDict: (lambda value: dict(OrderedDict.items(value)), OrderedDict.update),
    dict: (lambda value: dict(dict.items(value)), dict.update),
    list: (lambda value: list(list.__iter__(value)), list.extend),
    set: (lambda value: set(set.__iter__(value)), set.update),
    frozenset: (lambda value: list(frozenset.__iter__(value)), None),
    tuple: (lambda value: list(tuple.__iter__(value)), None),
    bytearray: (lambda value: bytes(memoryview(value)), bytearray.extend),
    **{base: (plain_view(base), None) for base in (str, int, float, bytes, Decimal)},
}
