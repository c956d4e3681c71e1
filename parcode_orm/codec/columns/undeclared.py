"""Attributes of models that neither a field nor a private attribute declares.

Pydantic keeps them in the instance's dictionary, behind the fields: `response._request_id = "..."`,
or what `object.__setattr__` sets in a validator. Cached properties are none of them. One that
cannot be stored is left out where its name begins with an underscore, or its class has something of
that name, which will make it again; else it is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from ...errors import EncodeError
from .. import trail
from ..attributes import declared, is_note, may_be_left_out
from ..cycles import find_cycle, get_dict
from ..packed.extensions import LEFT_OUT
from ..packed.values import pack


def storable(value: Any) -> Any:
    """`value`, or `LEFT_OUT` where it cannot be stored."""
    if isinstance(value, BaseModel) and find_cycle(value) is not None:
        return LEFT_OUT
    try:
        pack(value)
    except EncodeError:
        return LEFT_OUT
    return value


def undeclared(value: Any) -> dict[str, Any]:
    """The undeclared attributes that a model, plain or lazy, has in memory."""
    known = declared(value.__class__)
    return {name: item for name, item in get_dict(value).items() if name not in known and not is_note(name)}


def undeclared_of(values: Sequence[Any], most: int | None, gaps: bool) -> list[Any]:
    """Storable undeclared attributes of models of one class; an empty list if none has any.

    `most`: the most items that one of their dictionaries has, where all are plain; `gaps`: some have not all fields.
    """
    if most is not None and not gaps and most <= len(values[0].__class__.__pydantic_fields__):
        return []
    if not any(issubclass(cls, BaseModel) for cls in set(map(type, values))):  # stored rows that have none
        return []
    found = [_to_store(value, row) if isinstance(value, BaseModel) else None for row, value in enumerate(values)]
    return found if any(found) else []


def _to_store(value: Any, row: int) -> dict[str, Any] | None:
    found = undeclared(value)
    stored = getattr(type(value), "_p_stored_", None)
    if stored is not None:
        view, place = stored(value)
        found = {**view.attributes(place), **found}
    for name, item in list(found.items()):
        if storable(item) is LEFT_OUT:
            if not may_be_left_out(value.__class__, name):
                problem = EncodeError("an attribute that cannot be stored", value_type=type(item))
                raise trail.below(problem, name, row)
            del found[name]
    return found or None
