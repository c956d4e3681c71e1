"""Simple expressions: fields of one class, and what is compared and computed of them. Most statements have no others.

Nothing in them runs before the statement, leads to other rows, or is of many rows. So a statement is checked and
prepared in a few steps, which count where an index finds the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .computed import Searched
from .expressions import Expression
from .nodes import Aggregate, Field, Item, Label, Literal, Logical, Operation
from .selectables import Entities, lazy_model

S = TypeVar("S")
T = TypeVar("T")
_FACTS = "_facts"  # in the dictionary of a statement: what is known of it


def are_simple(expressions: Iterable[Expression[Any]], cls: type[Any], also: Any = ()) -> bool:
    """Whether expressions are made of fields of `cls`, of the rows themselves, of constants, and of `also`, classes."""
    for each in expressions:
        kind = type(each)
        if kind is Field or kind is Item:
            leaf: Any = each
            if leaf._cls is not cls or leaf._source is not None:
                return False
        elif kind is Operation or kind is Logical or kind is Label or (also and isinstance(each, also)):
            if not are_simple(each._parts(), cls, also):
                return False
        elif kind is not Literal:
            return False
    return True


def is_comparison(condition: Expression[Any]) -> bool:
    """Whether a condition is an operation on fields and constants, as most are."""
    return type(condition) is Operation and _LEAVES.issuperset(map(type, condition._args))


_LEAVES: frozenset[type] = frozenset({Field, Literal})


def is_simple(statement: Any, also: Any = ()) -> bool:
    """Whether a statement asks the entities of one class, or a lazy collection of models of one class.

    Its expressions are simple, or of the classes `also`.
    """
    given = statement._source
    if given is None:
        cls = class_named_first(statement)
    else:
        cls = given if isinstance(given, type) else given.cls if isinstance(given, Entities) else lazy_model(given)
    return cls is not None and not statement._joins and are_simple(statement._expressions(), cls, also)


def class_named_first(statement: Any) -> Any:
    """The class of what a statement selects first, or aggregates; None if it is no field, or of an alias."""
    first = statement._outputs[0]
    while type(first) in (Aggregate, Label):
        first = first._of
    return first._cls if isinstance(first, Field | Item) and first._source is None else None


def is_nearly_simple(statement: Any) -> bool:
    """Whether a statement is simple, but for aggregates and text searches."""
    return fact(statement, "simple", is_simple) or is_simple(statement, (Aggregate, Searched))


def varied(statement: S, **changes: Any) -> S:
    """A statement with other values of some of its attributes; `dataclasses.replace` takes ten times as long."""
    found: S = object.__new__(type(statement))
    attributes = found.__dict__
    attributes.update(statement.__dict__, **changes)
    attributes.pop(_FACTS, None)
    return found


def placed(statement: S, **changes: Any) -> S:
    """A statement given to a session, or with another limit: the facts about it stay.

    The changes are the entities in place of their class, what has the entities, and the limit.
    """
    statement.__dict__.setdefault(_FACTS, {})  # which both share
    found: S = object.__new__(type(statement))
    found.__dict__.update(statement.__dict__, **changes)
    return found


def fact(statement: Any, name: str, find: Callable[[Any], T]) -> T:
    """What `find` gives of a statement, which never changes; found once.

    It must not depend on the limit, on the session, or on anything outside of the statement.
    """
    facts = statement.__dict__.setdefault(_FACTS, {})
    if name not in facts:
        facts[name] = find(statement)
    found: T = facts[name]
    return found
