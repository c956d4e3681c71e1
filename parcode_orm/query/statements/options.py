"""`prefetch` and `raise_lazy`: options of statements that say how references in the selected objects are loaded."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...errors import QueryError, told
from ...model.kinds import item_type
from ...model.references import referred_classes
from ..expressions.backrefs import OtherSide, key_of_rows
from ..expressions.expressions import Expression
from ..expressions.nodes import Field, Through


class Loading(NamedTuple):
    """An option: the targets of references in `fields` are looked up, and what refers by `sides`.

    `strict`: no other references are loaded.
    """

    fields: tuple[Field[Any] | Through[Any], ...] = ()
    strict: bool = False
    sides: tuple[OtherSide, ...] = ()


def prefetch(*fields: Any) -> Loading:
    """An option of statements: the targets of references in these fields are read together with the objects.

        session.scalars(select(Flight).options(prefetch(Flight.plane)))

    Without it, each reference looks up its target when it is touched. Targets stay in memory as long as the references
    that know them.

    Args:
        fields: fields of the selected objects, of type `Ref[T]` or a list, set, tuple or dictionary of references;
            fields of their targets: `prefetch(Flight.plane.maker)` reads planes and their makers; and a `Backref` of
            the selected objects: `prefetch(Plane.flights)`.

    Raises:
        QueryError: one is no such field.
    """
    for each in fields or (None,):
        if isinstance(each, OtherSide):
            _check_side(each)
        elif not _refers(each):
            given = each if isinstance(each, Field) else told(each)
            raise QueryError(f"prefetch() takes fields that hold references, such as Flight.plane, and not {given}")
    sides = tuple([each for each in fields if isinstance(each, OtherSide)])
    return Loading(tuple([each for each in fields if not isinstance(each, OtherSide)]), sides=sides)


def _check_side(side: OtherSide) -> None:
    """Refuse what refers to other objects than the selected ones, and what refers from within large collections."""
    if side._key._identity() != key_of_rows(side._cls)._identity():
        raise QueryError(f"prefetch({side}): it takes a Backref of the class that is selected, such as Plane.flights")
    if side._place()[1].shape == "below":
        raise QueryError(
            f"prefetch({side}): it takes a Backref of a reference, or of a list or set of references in the row. "
            f"{side}.any(condition) takes others, too"
        )


def _refers(field: Any) -> bool:
    """Whether it is a field of an object, or of the target of one, that holds references."""
    if not isinstance(field, Field | Through) or len(field._path) != 1 or not classes_in(field._tp):
        return False
    return isinstance(field, Field) or _refers(field._of)


def way_of(field: Expression[Any]) -> tuple[Field[Any], tuple[str, ...]]:
    """The field of the selected objects with which a field given to `prefetch` begins, and the names after it."""
    if isinstance(field, Through):
        first, names = way_of(field._of)
        return first, (*names, *field._path)
    assert isinstance(field, Field)
    return field, ()


def raise_lazy() -> Loading:
    """An option of statements: references in fields of the selected objects load nothing that was not prefetched.

    Touching such a reference raises `QueryError`, so a loop cannot read target after target unseen. Its key is known.
    """
    return Loading(strict=True)


def checked_options(options: tuple[Any, ...]) -> tuple[Loading, ...]:
    """`options`, given to the method of a statement.

    Raises:
        QueryError: one is no option.
    """
    for each in options:
        if not isinstance(each, Loading):
            raise QueryError(f"options() takes prefetch(Flight.plane) and raise_lazy(), and not {told(each)}")
    return options


def classes_in(tp: Any) -> list[type[Any]]:
    """The classes to which references in a field of a type lead: the field's own, or those of its items."""
    return referred_classes(tp) or referred_classes(item_type(tp))
