"""What each operation of a query does to the values of one row, in Python's words.

A comparison with None by `<`, `<=`, `>` or `>=` is false, arithmetic with None is None, and so is a part of None; `==`
and `!=` take None as any value.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from ...codec.apart import field_of, types_of
from ...codec.base import ATOMS
from ...codec.entity_keys import key_of
from ...codec.refs import Ref
from ...model.references import referred_classes

Function = Callable[..., Any]
MISSING = (AttributeError, KeyError, IndexError, TypeError)
TURNED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""The comparison that says the same with its sides exchanged."""


def dig(value: Any, path: tuple[str, ...]) -> Any:
    """What lies at the end of `path`; None where something on the way is None, or a row lacks the field."""
    for name in path:
        if value is None:
            return None
        if isinstance(value, dict):
            value = value.get(name)
        else:
            value = getattr(value, name, None)
    return keyed(value)


def dig_all(values: list[Any], path: tuple[str, ...]) -> list[Any]:
    """As `dig`, of each of some values. Fields of models that are plain values are taken at once."""
    if len(path) == 1 and values and all(issubclass(cls, BaseModel) for cls in types_of(values)):
        with suppress(KeyError):  # a lazy object has not read the field, or a row lacks it
            found = field_of(values, path[0])
            if ATOMS.issuperset(types_of(found)):
                return list(found)
    return [dig(value, path) for value in values]


def keyed(value: Any, targets: Collection[type] = (), *, deep: bool = False) -> Any:
    """`value`, with keys instead of references, and instead of objects of the classes `targets`.

    Without `deep`, references are looked for in the value and one step below it.
    """
    cls = type(value)
    if cls is Ref:
        return value.key
    if value.__class__ in targets:
        return key_of(value)
    if cls in _HOLDERS and (deep or any(type(each) is Ref for each in value)):
        return cls([keyed(each, targets, deep=deep) for each in value])
    if cls is dict and (deep or any(type(each) is Ref for each in value.values())):
        return {keyed(key, targets): keyed(each, targets, deep=deep) for key, each in value.items()}
    if getattr(cls, "_p_lazy_", False) and _holds_refs(value):
        return {key: keyed(each) for key, each in value.items()} if hasattr(value, "items") else list(map(keyed, value))
    return value


def _holds_refs(collection: Any) -> bool:
    spec = collection._p_items_
    return spec is not None and bool(referred_classes(spec.args[-1]))


_HOLDERS = frozenset({list, tuple, set, frozenset})


def _ordered(compare: Callable[[Any, Any], Any]) -> Function:
    return lambda a, b: False if a is None or b is None else bool(compare(a, b))


def _none(function: Function) -> Function:
    """`function`, or None where a value is None."""

    def careful(*args: Any) -> Any:
        return None if None in map(_is_none, args) else function(*args)

    return careful


def _is_none(value: Any) -> Any:
    return None if value is None else 0


def _test(function: Function) -> Function:
    """`function` as a test, which None does not pass."""
    return lambda value, *args: value is not None and bool(function(value, *args))


def is_in(value: Any, values: Collection[Any]) -> bool:
    """Whether `value` is one of `values`."""
    try:
        return value in values
    except TypeError:  # what has no hash is no member of a set
        return any(value == each for each in values)


@lru_cache(maxsize=256)
def like_pattern(pattern: str, flags: int) -> re.Pattern[str]:
    """The regular expression of a LIKE pattern: `%` is any text, `_` one character, a backslash quotes the next.

    What stands between two `%` is taken where it comes first, and never looked for again: so a text is tried in a time
    that grows with the product of both lengths, whatever the pattern.
    """
    parts: list[list[str]] = [[]]
    for part in re.findall(r"\\.|[%_]|[^%_\\]+|\\", pattern, re.DOTALL):
        if part == "%":
            parts.append([])
        elif part == "_":
            parts[-1].append(".")
        else:
            parts[-1].append(re.escape(part[1:] if len(part) == 2 and part[0] == "\\" else part))
    first, *others = ("".join(each) for each in parts)
    if not others:
        return re.compile(first, re.DOTALL | flags)
    *between, last = others
    return re.compile(first + "".join(f"(?>.*?{each})" for each in between if each) + ".*" + last, re.DOTALL | flags)


def _like(value: str, pattern: str) -> bool:
    return like_pattern(pattern, 0).fullmatch(value) is not None


def _ilike(value: str, pattern: str) -> bool:
    return like_pattern(pattern, re.IGNORECASE).fullmatch(value) is not None


def _item(value: Any, key: Any) -> Any:
    try:
        return value[key]
    except (KeyError, IndexError):
        return None


def _round(value: Any, digits: Any) -> Any:
    return round(value, digits) if digits else round(value)


def _coalesce(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _concat(*values: Any) -> str:
    return "".join(str(value) for value in values if value is not None)


def _substr(value: str, start: int, count: int | None = None) -> str:
    """`count` characters from number `start` on, the first of which is 1; -1 is the last one."""
    if start == 0 or (count is not None and count < 0):
        raise ValueError("characters of a text count from 1, or from -1 back, and a part has no negative length")
    begin = start - 1 if start > 0 else len(value) + start
    end = len(value) if count is None else begin + count  # as SQLite says: what lies before the text counts, too
    return value[max(begin, 0) : max(end, 0)]


FUNCTIONS: dict[str, Function] = {
    "==": lambda a, b: a is None if b is None else bool(a == b),  # an array compares its items with None
    "!=": lambda a, b: a is not None if b is None else bool(a != b),
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
    "in": is_in,
    "like": _test(_like),
    "ilike": _test(_ilike),
    "startswith": _test(lambda value, part: value.startswith(part)),
    "endswith": _test(lambda value, part: value.endswith(part)),
    "contains": _test(lambda value, part: part in value),
    "regexp": _test(lambda value, pattern: re.search(pattern, value)),
    "+": _none(operator.add),
    "-": _none(operator.sub),
    "*": _none(operator.mul),
    "/": _none(operator.truediv),
    "//": _none(operator.floordiv),
    "%": _none(operator.mod),
    "**": _none(operator.pow),
    "neg": _none(operator.neg),
    "abs": _none(abs),
    "len": _none(len),
    "attribute": _none(getattr),
    "call": _none(lambda value, name: getattr(value, name)()),
    "item": _none(_item),
    "round": _none(_round),
    "coalesce": _coalesce,
    "nullif": lambda a, b: None if a == b else a,
    "concat": _concat,
    "substr": _none(_substr),
    "replace": _none(lambda value, old, new: value.replace(old, new)),
    "cast": lambda value, cls: None if value is None else cls(value),
}
