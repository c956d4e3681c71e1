"""The other side of references: which class refers to another one by its `Backref`, and in which field."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from parcode_orm.codec.classes.names import name_of
from parcode_orm.codec.columns.poly import subclasses
from parcode_orm.codec.per_class import per_class
from parcode_orm.errors import UnsupportedTypeError
from parcode_orm.model.annotations import arms
from parcode_orm.model.backrefs import BackrefProperty
from parcode_orm.model.base import Model
from parcode_orm.model.entity_names import is_entity
from parcode_orm.model.kinds import item_type
from parcode_orm.model.references import referred_class
from parcode_orm.model.referring import Place, places_of

__all__ = ["referring"]


def referring(backref: BackrefProperty, cls: type[Any]) -> tuple[type[Any], Place | None]:
    """The class that refers by a `Backref`, and where it does; None where it refers to a base of `cls` alone.

    Raises:
        UnsupportedTypeError: no class is what the `Backref` says.
    """
    item = backref.item()
    known = False
    for each in [item] if isinstance(item, type) else _named(item, backref.owner):
        known = True
        places = [place for place in _places(each) if place.field == backref.field]
        found = next((place for place in places if place.called == name_of(cls)), None)
        if found is not None and found.shape == "below" and not _holds_one_class(each, found.field):
            raise UnsupportedTypeError(
                f"{backref} = Backref({backref.field!r}): {each.__qualname__}.{found.field} is no Ref[{cls.__name__}], "
                "and no list, set or dictionary of such"
            )
        if found is not None or any(place.called == name_of(backref.owner) for place in places):
            return each, found
    named = item.__qualname__ if isinstance(item, type) else item
    problem = (
        f"has no field {backref.field!r} that refers to {cls.__qualname__}" if known else "is no class of entities"
    )
    raise UnsupportedTypeError(
        f"{backref} = Backref({backref.field!r}): {named} {problem}: declare {backref.field}: Ref[{cls.__name__}] there"
    )


def _holds_one_class(cls: Any, field: str) -> bool:
    """Whether the items of a field are references to one class. Keys of several classes are not told apart."""
    found = arms(item_type(cls.__pydantic_fields__[field].annotation))
    return sum(referred_class(arm) is not None for arm in found) == 1


def _named(name: str, owner: type[Any]) -> Iterator[type[Any]]:
    """The entity classes of a name: those of the module of `owner` first, newer ones first.

    The name of a global class in a module is that of the global one there. It is given before the others are looked
    for, which takes long where a program has many classes.
    """
    bare = name.rpartition(".")[2]
    names = vars(sys.modules.get(owner.__module__, sys))
    near = names.get(bare) if names.get(owner.__name__) is owner else None
    if isinstance(near, type) and is_entity(near):
        yield near
    found = [each for each in subclasses(Model) if each.__name__ == bare and is_entity(each)]
    here = [each for each in found if each.__module__ == owner.__module__]
    yield from (*reversed(here), *(each for each in reversed(found) if each not in here))


@per_class
def _places(cls: type) -> list[Place]:
    return places_of(cls) if is_entity(cls) else []
