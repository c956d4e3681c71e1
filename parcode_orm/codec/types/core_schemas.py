"""Pydantic's core schemas: which of the dictionaries in one are schemas, and which say names of the user's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["schemas_in"]

# What holds no schema of validated values, but values of the user's, functions, or what serializers and documents need.
_ASIDE = frozenset({"metadata", "serialization", "config", "cls", "default", "expected", "members", "function"})


def schemas_in(schema: Any) -> Iterator[Any]:
    """The schemas directly in `schema`. A name in a table of fields may be any key of a schema: "type", "ref"."""
    waiting = [part for key, part in schema.items() if key not in _ASIDE]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if isinstance(part.get("type"), str):
                yield part
            else:  # fields or choices by their names, or an argument
                waiting += part.values()
        elif isinstance(part, list | tuple):
            waiting += part
