"""TypedDicts that take keys beyond those they declare: PEP 728's `extra_items`, and `extra="allow"`."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from typing_extensions import NoExtraItems, ReadOnly, is_typeddict

from .typeforms import Scope

_NEVER = (typing.Never, typing.NoReturn)


def bases(cls: Any) -> Iterator[Any]:
    """A TypedDict and those that it derives from, which are not in its `__mro__`."""
    yield cls
    for base in cls.__dict__.get("__orig_bases__", ()):
        origin = typing.get_origin(base) or base
        if is_typeddict(origin):
            yield from bases(origin)


def extra_type(cls: Any, scope: Scope) -> Any:
    """The type of values under keys that `cls` does not declare; `NoExtraItems` where it takes none.

    `scope` tells what the configuration around it says.
    """
    closed = None
    for base in bases(cls):
        items = base.__dict__.get("__extra_items__", NoExtraItems)
        closed = base.__dict__.get("__closed__")
        if items is not NoExtraItems and not closed:
            found = typing.get_args(items)[0] if typing.get_origin(items) is ReadOnly else items
            return NoExtraItems if found in _NEVER else found
        if closed is not None:
            break
    configured = next((base.__pydantic_config__ for base in bases(cls) if "__pydantic_config__" in vars(base)), None)
    allowed = scope.open if configured is None else configured.get("extra") == "allow"
    return Any if allowed and not closed else NoExtraItems


def beyond(names: frozenset[str]) -> Callable[[Sequence[dict[str, Any]]], list[dict[str, Any] | None]]:
    """What gives of each dictionary the items whose keys are not among `names`, None where there are none."""

    def extras(values: Sequence[dict[str, Any]]) -> list[dict[str, Any] | None]:
        return [
            None if value.keys() <= names else {key: item for key, item in value.items() if key not in names}
            for value in values
        ]

    return extras
