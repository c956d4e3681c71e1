"""References as the keys that stand for them in a query: what a reference may be compared with."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from ...codec.base import EXACT_ATOMS
from ...codec.entity_keys import key_fields, key_of, plain_key
from ...codec.refs import Ref
from ...errors import QueryError, told
from ...model.annotations import present
from ...model.kinds import NONE, Kinds, kinds_of, kinds_of_value
from ...model.references import referred_classes, stored_type
from .expressions import Expression
from .nodes import Literal


def key_for(value: Any) -> Any:
    """The key of a reference or of an entity, which stands for it in a query."""
    key = value.key if type(value) is Ref else key_of(value)
    if key is None:
        raise QueryError(f"{told(value)} has no key yet, so nothing that is stored refers to it: add it first")
    return key


def fitting(of: Expression[Any], value: Any, tp: Any = None) -> Any:
    """`value` for a comparison with `of`: where that is a reference (or has references for items, of the type `tp`),
    a reference and an object are their keys.

    Raises:
        QueryError: it is an object of another class than the reference leads to, or has no key.
    """
    if type(value) in EXACT_ATOMS:
        return value
    if type(value) is tuple:  # a composite key, whose parts may be references and objects
        return plain_key(value) if referred_classes(of._tp if tp is None else tp) else value
    if isinstance(value, Expression) or not (type(value) is Ref or key_fields(value.__class__)):
        return value
    classes = referred_classes(of._tp if tp is None else tp)
    found = value._cls if type(value) is Ref else value.__class__
    if not classes or found in classes:
        return key_for(value) if classes else value
    raise QueryError(f"{of} refers to {classes[0].__qualname__}, and {told(value)} is no reference to one, nor one")


def check_key(operator: str, left: Expression[Any], right: Expression[Any]) -> None:
    """Refuse to compare a reference with what is never the key of its target, as the parts of both say.

    Raises:
        QueryError: one is a reference, and the other is no key for it.
    """
    for one, other in ((left, right), (right, left)):
        classes = referred_classes(one._tp)
        if len(classes) != 1 or isinstance(one, Literal):
            continue
        known, given = _of_type(one._tp), _of_literal(other) if isinstance(other, Literal) else _of_type(other._tp)
        if known is None or given is None or len(known) == len(given) == 1:
            continue  # nothing is known, or `check_kinds` says it
        if len(known) == len(given) and all(map(_may_be_equal, known, given)):
            continue
        names = ", ".join(key_fields(classes[0]))
        raise QueryError(
            f"{one} refers to {classes[0].__qualname__}, whose key is {names if len(known) == 1 else f'({names})'}, "
            f"and cannot be compared with {other} by {operator}: give an object, a reference, or the key"
        )


def _of_type(tp: Any) -> list[Kinds | None] | None:
    """The kinds of the parts of values of a type, a reference being its key; None if there may be any number of them.

    A value that is no tuple has one part.
    """
    tp = present(stored_type(tp))
    if tp is Any:
        return None
    if get_origin(tp) is not tuple:
        kinds = kinds_of(tp)
        return None if kinds is None else [kinds]
    args = get_args(tp)
    return None if ... in args else list(map(kinds_of, args))


def _of_literal(literal: Literal[Any]) -> list[Kinds | None] | None:
    """As `_of_type`, of a constant; None for None."""
    value = literal._value
    if type(value) is tuple:
        return list(map(kinds_of_value, value))
    kinds = kinds_of_value(value)
    return None if kinds is None or kinds == {NONE} else [kinds]


def _may_be_equal(one: Kinds | None, other: Kinds | None) -> bool:
    return one is None or other is None or bool(one & other)
