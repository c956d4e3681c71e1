"""What an object holds beside its fields: attributes of `__post_init__` or a subclass, extras."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from operator import attrgetter
from types import MemberDescriptorType
from typing import Any

from ..errors import EncodeError
from .per_class import per_class
from .slots import NAMES

_dict = attrgetter("__dict__")
# `Box[int](...)` notes its alias in the instance; the field's type says it again.
_TYPING = frozenset({"__orig_class__"})


@per_class
def slots_of(cls: type) -> tuple[str, ...]:
    """The names of the slots that the class and its bases define in Python."""
    return tuple(
        dict.fromkeys(
            name
            for base in cls.__mro__
            for name, found in vars(base).items()
            if isinstance(found, MemberDescriptorType) and base.__flags__ & _HEAP
        )
    )


_HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement


@per_class
def _has_dict(cls: type) -> bool:
    """Whether instances show a dictionary. From CPython 3.14 on, a class that `dataclass(slots=True)` replaced by
    another hides that of its instances."""
    return cls.__dictoffset__ != 0 and any("__dict__" in vars(base) for base in cls.__mro__)


@per_class
def computed(cls: type) -> frozenset[str]:
    """The names of cached properties, and of what `typing` notes in instances."""
    names = (name for base in cls.__mro__ for name, found in vars(base).items() if isinstance(found, cached_property))
    return _TYPING.union(names)


@per_class
def declared(cls: Any) -> frozenset[str]:
    """The names in an instance's dictionary of a model that its class declares."""
    return computed(cls).union(cls.__pydantic_fields__, NAMES)


def is_note(name: str) -> bool:
    """Whether an attribute is a library's own note (as of fhir.resources): not stored."""
    return name.startswith("__") and name.endswith("__")


def may_be_left_out(cls: type, name: str) -> bool:
    """Whether an undeclared attribute of a model need not be stored where it cannot be."""
    return name.startswith("_") or hasattr(cls, name)


def attributes(value: Any) -> dict[str, Any]:
    """An object's attributes, in its dictionary and slots, without cached properties."""
    cls = type(value)
    found = {name: item for name, item in getattr(value, "__dict__", {}).items() if name not in computed(cls)}
    found.update((name, getattr(value, name)) for name in slots_of(cls) if hasattr(value, name))
    return found


def others_of(names: Iterable[str]) -> Callable[[Sequence[Any]], list[dict[str, Any] | None]]:
    """A function that gives the attributes that objects have beside the fields `names`, or None.

    It gives an empty list where no object has any.
    """
    known = frozenset(names)

    def others(values: Sequence[Any]) -> list[dict[str, Any] | None]:
        classes = set(map(type, values))
        if all(known.issuperset(slots_of(cls)) for cls in classes):
            open_ones = [value for value in values if _has_dict(type(value))] if len(classes) > 1 else values
            if not any(map(_has_dict, classes)) or all(map(known.issuperset, map(_dict, open_ones))):
                return []
        found = [{name: item for name, item in attributes(value).items() if name not in known} for value in values]
        return [each or None for each in found]

    return others


def put_others(value: Any, others: dict[str, Any] | None) -> None:
    """Set the attributes that `others_of` found."""
    for name, item in (others or {}).items():
        object.__setattr__(value, name, item)


def check_rebuilt(value: Any, rebuild: Callable[[], Any], base: type = object, always: bool = False) -> None:
    """Raise EncodeError unless `rebuild` brings back the attributes that `value` has.

    The slots of `base` hold what is stored, and what it has cached of that. `always`: also where
    `value` has none, and what rebuilds it might add some.
    """
    own = set(slots_of(base))
    mine = {name: item for name, item in attributes(value).items() if name not in own}
    if not mine and not always:
        return
    theirs = {name: item for name, item in attributes(rebuild()).items() if name not in own}
    if theirs != mine:
        raise EncodeError(
            f"{type(value).__qualname__} carries attributes of its own ({', '.join(sorted(mine))[:80]}), which would "
            "be lost; give it a Pydantic core schema with a serializer",
            value_type=type(value),
        )
