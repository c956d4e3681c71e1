"""`Related`: the entities that refer to an object, as its `Backref` gives them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import index
from typing import Any, NoReturn, TypeVar, overload

from ...errors import DetachedError, told
from ...lazy.proxy import is_proxy, plain_class
from ...model.backrefs import BackrefProperty
from ...model.other_side import referring
from ...query.expressions.expressions import Expression
from ...query.expressions.functions import field_of
from ...query.expressions.nodes import Item, Key, Literal, Operation, Quantified
from ...query.expressions.selectables import Selected
from ...query.running.backref_lookup import known_related
from ...query.running.result import ScalarResult
from ...query.statements.statement import Select
from ..space import space_of
from .queries import StoredEntities
from .tables import key_of
from .targets import stored_entities

T = TypeVar("T")


class Related(Selected, Sequence[T]):
    """The entities that refer to an object: a sequence that is asked anew each time, in the order of their table.

    It sees changes that are not committed. It cannot be changed: assign the object to the field of the others.

    Attributes:
        statement: what selects them, for more conditions or another order: `plane.flights.statement.limit(3)`.
    """

    __slots__ = ("_backref", "_cls", "_obj", "_place")

    def __init__(self, backref: BackrefProperty, obj: Any) -> None:
        if not is_proxy(obj):
            raise DetachedError(
                f"{backref}: this {obj.__class__.__qualname__} was not read from a file, or not committed yet, so no "
                "session tells what refers to it: commit first, or run a statement"
            )
        self._backref = backref
        self._obj = obj
        self._cls, self._place = referring(backref, plain_class(obj.__class__))

    @property
    def statement(self) -> Select[T]:
        """What selects the entities that refer to the object."""
        return Select(self._cls, (Item(self._cls),), (self._condition(),))

    def _condition(self) -> Expression[bool]:
        key: Expression[Any] = Literal(key_of(self._obj))
        if self._place is None:
            return Literal(False)
        field = field_of(self._cls, self._place.field)
        if self._place.shape == "one":
            return Operation("==", (field, key), bool)
        return Quantified("any", field, Operation("==", (Item(), key), bool))

    def _found(self, statement: Select[Any]) -> ScalarResult[T]:
        space = space_of(self._obj)
        owner = space.owner
        work = None if owner is None else owner.work
        if work is not None and work.reads_through(space):
            rows: Any = StoredEntities(work, self._cls)
        else:
            rows = stored_entities(space, self._cls)
        return ScalarResult(replace(statement, _source=rows), lambda: None)

    def _known(self) -> list[T] | None:
        """What a statement with `prefetch` has found, if it still holds."""
        return known_related(self._obj, self._backref.name)

    def __len__(self) -> int:
        known = self._known()
        return self._found(self.statement).count() if known is None else len(known)

    def __bool__(self) -> bool:
        known = self._known()
        return self._found(self.statement.limit(1)).first() is not None if known is None else bool(known)

    def __iter__(self) -> Iterator[T]:
        known = self._known()
        return iter(self._found(self.statement)) if known is None else iter(known)

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> list[T]: ...
    def __getitem__(self, at: int | slice) -> T | list[T]:
        known = self._known()
        if known is not None and (isinstance(at, slice) or -len(known) <= index(at) < len(known)):
            return known[at]
        if isinstance(at, slice) or index(at) < 0:
            return self._found(self.statement).all()[at]
        found = list(self._found(self.statement.offset(at).limit(1)))
        if not found:
            raise IndexError(f"{self!r} has no item {at}")
        return found[0]

    def __contains__(self, obj: object) -> bool:
        if obj.__class__ is not self._cls:
            return False
        key: Expression[Any] = Literal(key_of(obj))
        found = self._found(self.statement.where(Operation("==", (Key(), key), bool))).first()
        return found is obj or (found is not None and found == obj)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Related | list | tuple):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} is asked anew each time, so it has no copy and no pickle: list(...) gives the objects"
        )

    def __repr__(self) -> str:
        return f"<Related {self._cls.__qualname__}.{self._backref.field} == {told(key_of(self._obj))}>"
