"""Which rows a field may be asked of: those of its class, of one that derives from that, or of one of its bases."""

from __future__ import annotations

from typing import Any

from ...errors import QueryError
from .expressions import Expression
from .nodes import Field, Item


def check_scope(expression: Expression[Any], classes: list[Any], where: str) -> None:
    """Refuse fields of classes other than `classes` and what derives from them; nothing where none are known.

    Raises:
        QueryError: such a field stands in `expression`.
    """
    cls = getattr(expression, "_cls", None)
    if cls is not None and isinstance(expression, Field | Item):
        if classes and not any(is_related(cls, each) for each in classes):
            known = " or ".join(each.__qualname__ for each in classes)
            raise QueryError(f"{expression} is a field of {cls.__qualname__}, and the rows of {where} are {known}")
    for part in expression._parts():
        check_scope(part, classes, where)


def is_related(one: type[Any], other: type[Any]) -> bool:
    """Whether one of two classes derives from the other."""
    if one is other:
        return True
    try:
        return issubclass(one, other) or issubclass(other, one)
    except TypeError:  # a TypedDict
        return False
