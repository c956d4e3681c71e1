"""The `default_factory` of a `defaultdict`: a class that is known by name, or the one that the annotation implies."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any

from ...errors import EncodeError
from ...format.chunk import Encoder
from ..base import Column
from ..types.registry import find_class, is_registered, stored_tag
from .containers import MapColumn
from .physical import write_packed

Factory = Callable[[], Any] | None

_BUILTIN: tuple[type, ...] = (list, dict, set, frozenset, tuple, int, float, complex, bool, str, bytes, bytearray)
_KNOWN: dict[str, Any] = {
    cls.__name__: cls for cls in (*_BUILTIN, deque, Counter, OrderedDict, defaultdict, Decimal, Fraction)
}


def factory_name(value: defaultdict[Any, Any]) -> str | None:
    """The name of a `default_factory`: that of a known class, or the tag of a registered one.

    Raises:
        EncodeError: it is no class that reading would find.
    """
    factory: object = value.default_factory
    if factory is None:
        return None
    if isinstance(factory, type):
        name = factory.__name__
        if _KNOWN.get(name) is factory:
            return name
        if is_registered(factory):
            return stored_tag(factory)
    raise EncodeError(
        f"the default_factory of a defaultdict is stored by name, and {factory!r:.80} is no class that reading would "
        "find: use a builtin, or a class after parcode_orm.register(), or a plain dict",
        value_type=type(value),
    )


def find_factory(name: str | None) -> Factory:
    """The factory of a `factory_name`."""
    if name is None:
        return None
    found: Factory = _KNOWN[name] if name in _KNOWN else find_class(name)
    return found


class DefaultDictColumn(MapColumn):
    """Dictionaries with the factory that the annotation implies; those with another one are packed."""

    __slots__ = ("implied",)

    def __init__(self, key: Column, value: Column, implied: Factory) -> None:
        super().__init__(key, value, partial(defaultdict, implied), "defaultdict")
        self.implied = implied

    def write(self, values: Sequence[Any], out: Encoder) -> None:
        if all(map(self._is_implied, values)):
            super().write(values, out)
        else:
            write_packed(values, out)

    def _is_implied(self, value: Any) -> bool:
        found = getattr(value, "default_factory", self.implied)
        # Where the value's type is a type variable, Pydantic makes a function anew for each schema.
        return found is self.implied or getattr(found, "__module__", "") == "pydantic._internal._validators"
