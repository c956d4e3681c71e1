"""Conditions as Django spells them: `level__gt=3`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...errors import QueryError, told
from ..expressions.building import attribute
from ..expressions.expressions import Expression
from ..expressions.functions import len_
from ..expressions.nodes import Item


def _range(field: Expression[Any], ends: Any) -> Any:
    try:
        low, high = ends
    except (TypeError, ValueError):
        raise QueryError(f"{field}: range takes two values, not {told(ends)}") from None
    return field.between(low, high)


def _is_null(field: Expression[Any], wanted: Any) -> Any:
    if not isinstance(wanted, bool):
        raise QueryError(f"{field}: isnull takes True or False, not {told(wanted)}")
    return field == None if wanted else field != None  # noqa: E711


def _any_case(before: str, after: str) -> Callable[[Expression[Any], Any], Any]:
    def build(field: Expression[Any], part: Any) -> Any:
        if not isinstance(part, str):
            raise QueryError(f"{field}: a text is looked for, not {told(part)}")
        return field.ilike(before + re.sub(r"([\\%_])", r"\\\1", part) + after)

    return build


LOOKUPS: dict[str, Callable[[Expression[Any], Any], Any]] = {
    "exact": lambda field, value: field == value,
    "iexact": _any_case("", ""),
    "ne": lambda field, value: field != value,
    "gt": lambda field, value: field > value,
    "gte": lambda field, value: field >= value,
    "lt": lambda field, value: field < value,
    "lte": lambda field, value: field <= value,
    "in": lambda field, values: field.in_(values),
    "range": _range,
    "isnull": _is_null,
    "contains": lambda field, part: field.contains(part),
    "icontains": _any_case("%", "%"),
    "startswith": lambda field, part: field.startswith(part),
    "istartswith": _any_case("", "%"),
    "endswith": lambda field, part: field.endswith(part),
    "iendswith": _any_case("%", ""),
    "regex": lambda field, pattern: field.regexp(pattern),
    "search": lambda field, words: field.matches(words),
    "iregex": lambda field, pattern: field.regexp(f"(?i:{pattern})"),
}


def conditions_of(model: type[Any], given: Mapping[str, Any]) -> Iterator[Any]:
    """A condition for each keyword.

    Raises:
        QueryError: a name or a word is not known, or a value does not fit.
    """
    for name, value in given.items():
        names = name.split("__")
        lookup = LOOKUPS["exact"]
        if len(names) > 1 and names[-1] in LOOKUPS:
            lookup = LOOKUPS[names.pop()]
        field: Expression[Any] = Item(model)
        for part in names:
            field = _step(field, part, name)
        yield lookup(field, value)


def _step(field: Expression[Any], part: str, whole: str) -> Any:
    try:
        found = attribute(field, part)
    except QueryError as problem:
        if part == "len":
            return len_(field)
        raise QueryError(f"filter_by({whole}=...): {problem}; nor is it one of {', '.join(LOOKUPS)}") from None
    return found() if callable(found) else found
