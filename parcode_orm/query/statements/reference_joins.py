"""Joins along references: `join(Flight.plane)`, `join(Manager, Employee.manager)` and `join(Plane)` alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_origin

from ...codec.entity_keys import key_fields
from ...errors import QueryError, called
from ...model.annotations import present
from ...model.kinds import fields_of, item_type
from ...model.references import referred_classes
from ..expressions.aliases import Aliased
from ..expressions.backrefs import OtherSide, key_of_rows
from ..expressions.expressions import Expression
from ..expressions.nodes import Field, Item, Operation
from ..expressions.occurrences import Occurrence, leaves_of, place_of


def target_of(reference: Expression[Any], sources: Sequence[Occurrence]) -> Any:
    """What `join(reference)` joins: the class that it leads to, or its own class where the other one is there.

    Raises:
        QueryError: it is no field with references, and no `Backref`.
    """
    if isinstance(reference, OtherSide):
        return reference._place()[0]
    cls = _referred(reference)
    if cls is None:
        raise QueryError(f"join({reference}) takes a class, a collection, or a field Ref[...] or list[Ref[...]]")
    if isinstance(reference, Field) and place_of(reference, sources) is None and _there(cls, sources):
        return reference._cls if reference._source is None else reference._source
    return cls


def condition_along(reference: Expression[Any], target: Any, sources: Sequence[Occurrence]) -> Expression[bool] | None:
    """That `reference` leads to a row of `target`, or from one to a source. None where it is no reference at all.

    Raises:
        QueryError: it leads neither to `target` nor from it.
    """
    if isinstance(reference, OtherSide):
        return _refers(reference, target)
    cls = _referred(reference)
    if cls is None:
        return None
    owner = reference._source if isinstance(reference, Field) and reference._source is not None else None
    own = reference._cls if isinstance(reference, Field) and owner is None else owner
    if own is not target and _class(target) is cls:
        return _leads(reference, target)
    others = [each for each in sources if each.cls is cls and each.alias is not target]
    if own is target and len(others) == 1:
        return _leads(reference, others[0].alias or cls)
    raise QueryError(f"{reference} leads to {cls.__qualname__}, and not from or to {called(_class(target) or target)}")


def _refers(side: OtherSide, target: Any) -> Expression[bool]:
    """That a row of `target` refers to the object whose other side is `side`."""
    cls, place = side._place()
    if _class(target) is not cls:
        raise QueryError(f"{side} are objects of {cls.__qualname__}, and not of {called(_class(target) or target)}")
    if any(leaf._source in (None, cls) and getattr(leaf, "_cls", cls) is target for leaf in leaves_of(side._key)):
        raise QueryError(f"{side} are of the same class: Other = aliased({cls.__name__}), and join(Other, {side})")
    if place.shape == "below":
        raise QueryError(f"join({side}): {cls.__qualname__}.{place.field} is no reference and no list of references")
    field = _field(target, place.field)
    return side._known(Operation("==" if place.shape == "one" else "contains", (field, side._key), bool))


def only_reference(target: Any, sources: Sequence[Occurrence]) -> Expression[bool] | None:
    """That the only reference between `target` and the sources leads from one to the other; None without such."""
    cls = _class(target)
    if not (isinstance(cls, type) and key_fields(cls)):
        return None
    found = [
        _leads(_field(each.alias or each.cls, name), target)
        for each in sources
        for name, tp in (fields_of(each.cls) or {}).items()
        if _leads_to(tp) is cls
    ]
    found += [
        _leads(_field(target, name), each.alias or each.cls)
        for each in sources
        for name, tp in (fields_of(cls) or {}).items()
        if each.cls is not None and _leads_to(tp) is each.cls
    ]
    return found[0] if len(found) == 1 else None


def _leads(reference: Expression[Any], to: Any) -> Expression[bool]:
    key = key_of_rows(_class(to), to if isinstance(to, Aliased) else None)
    return Operation("==" if _leads_to(reference._tp) else "contains", (reference, key), bool)


def _field(of: Any, name: str) -> Field[Any]:
    cls = _class(of)
    return Field(cls, (name,), (fields_of(cls) or {})[name], of if isinstance(of, Aliased) else None)


def _class(target: Any) -> Any:
    return target._cls if isinstance(target, Aliased) else target


def _there(cls: type[Any], sources: Sequence[Occurrence]) -> bool:
    return place_of(Item(cls), sources) is not None


def _referred(expression: Expression[Any]) -> type[Any] | None:
    """The class that a reference leads to, or those in a list, a set or a tuple."""
    holds = get_origin(present(expression._tp)) in (list, tuple, set, frozenset)
    return _leads_to(item_type(expression._tp) if holds else expression._tp)


def _leads_to(tp: Any) -> type[Any] | None:
    """The class that references of a type lead to; None for any other type."""
    found = referred_classes(tp)
    return found[0] if len(found) == 1 else None
