"""Where models keep extras and private attributes: in slots, unless the class hides one.

A class attribute of a slot's name hides it: those of `RootModel`, or `__pydantic_extra__: dict[str,
T] = Field(init=False)`. Pydantic then writes to the instance's own dictionary. Lazy classes show
the slots again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel

from ..native import compiled
from .per_class import per_class

NAMES = ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
SLOTS: dict[str, Any] = {name: BaseModel.__dict__[name] for name in NAMES}

EVERY = tuple(SLOTS.values())
FIELDS_SET, MORE = EVERY[:1], EVERY[1:]

_get_dict: Callable[[Any], dict[str, Any]] = BaseModel.__dict__["__dict__"].__get__


@compiled
def none_set(slots: tuple[Any, ...], objects: Sequence[object]) -> bool:
    """Whether none of the objects has a value in any of the slots, which are descriptors."""
    for each in objects:
        for slot in slots:
            try:
                slot.__get__(each)
            except AttributeError:
                continue
            return False
    return True


@compiled
def none_filled(slots: tuple[Any, ...], objects: Sequence[object]) -> bool:
    """As `none_set`, where None and an empty dictionary are no values."""
    for each in objects:
        for slot in slots:
            try:
                value = slot.__get__(each)
            except AttributeError:
                continue
            if value is not None and not (type(value) is dict and not value):
                return False
    return True


@per_class
def hidden(cls: type) -> frozenset[str]:
    """The names of the slots that `cls` hides."""
    return frozenset(name for name, slot in SLOTS.items() if _attribute(cls, name) is not slot)


def _attribute(cls: Any, name: str) -> Any:
    return next(base.__dict__[name] for base in cls.__mro__ if name in base.__dict__)


def put_slot(name: str, obj: Any, value: Any) -> None:
    """Set the slot `name` of a model, where Pydantic looks for it."""
    cls = type(obj)
    if name not in hidden(cls):
        SLOTS[name].__set__(obj, value)
    elif value is not _attribute(cls, name):
        _get_dict(obj)[name] = value


def to_slots(obj: Any) -> None:
    """Move what a plain model's class hides to the slots, where its lazy class looks."""
    values, cls = _get_dict(obj), type(obj)
    for name in hidden(cls):
        SLOTS[name].__set__(obj, values.pop(name, _attribute(cls, name)))


def from_slots(obj: Any, cls: Any) -> None:
    """Move what `cls`, the plain class that `obj` will have, hides to the instance's dictionary."""
    for name in hidden(cls):
        try:
            value = SLOTS[name].__get__(obj)
        except AttributeError:
            continue
        SLOTS[name].__delete__(obj)
        if value is not _attribute(cls, name):
            _get_dict(obj)[name] = value
