"""The `default_factory` of a `defaultdict` by name."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ...errors import EncodeError
from .registry import find_class, is_registered, stored_tag

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
