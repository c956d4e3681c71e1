"""Expressions that say themselves how their values are computed: the classes that such expressions derive from."""

from __future__ import annotations

from typing import Any, TypeVar

from .expressions import Expression

T = TypeVar("T")


class Computed(Expression[T]):
    """An expression that says itself how its values are computed: `case`, the lookup of a subquery's rows."""

    __slots__ = ()

    def _values(self, frame: Any) -> Any:
        """The values for each row of `frame`, a `Frame`: a `Vector`."""
        raise TypeError(type(self).__name__)


class Pending(Computed[T]):
    """An expression of another statement, which is run before the statement around it is."""

    __slots__ = ()

    def _ready(self, outer: Any) -> Expression[Any]:
        """The expression that has what the other statement gives; `outer` is the statement around it."""
        raise TypeError(type(self).__name__)


class Searched(Computed[T]):
    """What a text search finds of the value of `_of`."""

    __slots__ = ("_of",)
    _of: Expression[Any]

    def _parts(self) -> tuple[Expression[Any], ...]:
        return (self._of,)

    def _holds_of(self, batch: Any) -> bool:
        """Whether it is known to be true of all rows of a batch."""
        return False

    def _reads(self) -> bool:
        """Whether the texts of stored rows are read: no index knows them."""
        raise TypeError(type(self).__name__)
