"""Simple expressions: fields of one class, and what is compared and computed of them. Most statements have no others.

Nothing in them runs before the statement, leads to other rows, or is of many rows. So a statement is checked and
prepared in a few steps, which count where an index finds the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from .expressions import Expression
from .given import Entities
from .nodes import Field, Item, Literal, Logical, Operation

S = TypeVar("S")


def are_simple(expressions: Iterable[Expression[Any]], cls: type[Any], also: Any = ()) -> bool:
    """Whether expressions are made of fields of `cls`, of the rows themselves, of constants, and of `also`, classes."""
    for each in expressions:
        kind = type(each)
        if kind is Field or kind is Item:
            leaf: Any = each
            if leaf._cls is not cls or leaf._source is not None:
                return False
        elif kind is Operation or kind is Logical or (also and isinstance(each, also)):
            if not are_simple(each._parts(), cls, also):
                return False
        elif kind is not Literal:
            return False
    return True


def is_simple(statement: Any, also: Any = ()) -> bool:
    """Whether a statement asks the entities of one class, and its expressions are simple, or of the classes `also`."""
    given = statement._source
    cls = given.cls if isinstance(given, Entities) else given
    return isinstance(cls, type) and not statement._joins and are_simple(statement._expressions(), cls, also)


def varied(statement: S, **changes: Any) -> S:
    """A statement with other values of some of its attributes; `dataclasses.replace` takes ten times as long."""
    found: S = object.__new__(type(statement))
    found.__dict__.update(statement.__dict__, **changes)
    return found
