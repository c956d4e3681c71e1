"""`Plane.flights` in a query, where `flights` is a `Backref`: the objects that refer to an object of each row."""

from __future__ import annotations

from typing import Any, NoReturn

from ...codec.entity_keys import key_fields
from ...errors import QueryError
from ...model.annotations import arms
from ...model.backrefs import BackrefProperty
from ...model.kinds import fields_of
from ...model.other_side import referring
from ...model.referring import Place
from .computed import Pending
from .expressions import Expression, builds, built
from .nodes import Field, Key, Literal, Logical, Operation


@builds
class OtherSide(Pending[Any]):
    """The objects that refer to an object. They are no value: `any`, `all` and `len_` make one of them.

    `backref` says by which field they refer to objects of the class `cls`, `key` is the key of the object.
    """

    __slots__ = ("_backref", "_cls", "_key")
    _tp = list[Any]

    def __init__(self, backref: BackrefProperty, cls: type[Any], key: Expression[Any]) -> None:
        self._backref = backref
        self._cls = cls
        self._key = key

    def any(self, condition: Any = None) -> Any:
        """Whether an object refers for which `condition` holds: `Plane.flights.any(Flight.delay > 60)`.

        None: whether any object refers.

        Raises:
            QueryError: `condition` is none.
            UnsupportedTypeError: no class refers as the `Backref` says.
        """
        return built["referred_to"](self, condition)

    def all(self, condition: Any) -> Any:
        """Whether `condition` holds for each object that refers; it does where none refers."""
        return ~self.any(~condition)

    def _parts(self) -> tuple[Expression[Any], ...]:
        return (self._key,)

    def _rebuilt(self, parts: tuple[Expression[Any], ...]) -> Expression[Any]:
        return OtherSide(self._backref, self._cls, parts[0])

    def _identity(self) -> Any:
        return OtherSide, id(self._backref), self._cls, self._key._identity()

    def _place(self) -> tuple[type[Any], Place]:
        """The class that refers, and where it does.

        Raises:
            QueryError: it refers to a base of the class alone.
            UnsupportedTypeError: no class is what the `Backref` says.
        """
        cls, place = referring(self._backref, self._cls)
        if place is None:
            raise QueryError(
                f"{self}: {cls.__qualname__}.{self._backref.field} refers to {self._backref.owner.__qualname__}, and "
                f"to no {self._cls.__qualname__}, which has entities of its own"
            )
        return cls, place

    def _known(self, condition: Expression[bool]) -> Expression[bool]:
        """`condition`, false where the key is that of a reference which is None: nothing refers to nothing."""
        if type(None) not in arms(self._key._tp):
            return condition
        return Logical("and", (Operation("!=", (self._key, Literal(None)), bool), condition))

    def _ready(self, outer: Any) -> NoReturn:
        raise QueryError(
            f"{self} are the objects that refer to one, and no value: write {self}.any(condition), len_({self}) for "
            f"their number, or join({self})"
        )

    def __str__(self) -> str:
        return f"{self._cls.__qualname__}.{self._backref.name}"


def other_side(cls: Any, name: str, key: Expression[Any]) -> OtherSide | None:
    """The objects that refer to the object of the class `cls` that has the key `key`, where `name` is a `Backref`."""
    found = next((vars(each)[name] for each in getattr(cls, "__mro__", ()) if name in vars(each)), None)
    return OtherSide(found, cls, key) if isinstance(found, BackrefProperty) else None


def key_of_rows(cls: type[Any], source: Any = None) -> Expression[Any]:
    """The key of the rows of an entity class, or of the alias `source` of it."""
    names = key_fields(cls)
    if len(names) == 1:
        return Field(cls, (names[0],), (fields_of(cls) or {})[names[0]], source)
    return Key(cls if source is None else source)


def of_class(backref: BackrefProperty, owner: type[Any]) -> OtherSide:
    """The expression `Plane.flights`."""
    cls = getattr(owner, "_p_model_", owner)
    return OtherSide(backref, cls, key_of_rows(cls))
