"""What the statements inside of another one gave, as expressions: one constant, or a value looked up for each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from ...errors import MultipleResultsFound, QueryError
from ..columns.vectors import Objects, Vector, apply, packed
from ..expressions.computed import Computed
from ..expressions.evaluate import Frame, evaluate
from ..expressions.expressions import Expression
from ..expressions.nodes import Literal

T = TypeVar("T")
MANY: Any = object()
"""Marks a value that should be one and is several."""


class Found(Literal[T]):
    """What a statement gave that was `ran` already; `text` is how it was written."""

    __slots__ = ("_ran", "_text")

    def __init__(self, value: Any, text: str, ran: Any) -> None:
        super().__init__(value)
        self._text = text
        self._ran = ran

    def _identity(self) -> Any:
        return Found, id(self)

    def __str__(self) -> str:
        return self._text


class Lookup(Computed[T]):
    """The value that `table` has for the values of `keys` in each row; `missing` where it has none.

    With several `keys`, those of the table are tuples. `ran` is the statement that gave the table, `text` how it was
    written.
    """

    __slots__ = ("_keys", "_missing", "_ran", "_table", "_text", "_tp")

    def __init__(
        self,
        keys: Sequence[Expression[Any]],
        table: Mapping[Any, Any],
        missing: Any,
        text: str,
        ran: Any,
        tp: Any = Any,
    ) -> None:
        self._keys = tuple(keys)
        self._table = table
        self._missing = missing
        self._text = text
        self._ran = ran
        self._tp = tp

    def _parts(self) -> tuple[Expression[Any], ...]:
        return self._keys

    def _rebuilt(self, parts: tuple[Expression[Any], ...]) -> Expression[Any]:
        return Lookup(parts, self._table, self._missing, self._text, self._ran, self._tp)

    def _identity(self) -> Any:
        return Lookup, id(self._table), tuple(each._identity() for each in self._keys)

    def _values(self, frame: Frame) -> Vector:
        if not len(frame):
            return Objects([])
        table, missing = self._table, self._missing

        def one(key: Any) -> Any:
            found = table.get(key, missing)
            if found is MANY:
                raise MultipleResultsFound(f"{self} gives more than one row for {key!r}: add limit(1), or an aggregate")
            return found

        vectors = [evaluate(each, frame) for each in self._keys]
        try:
            found = apply(one if len(vectors) == 1 else lambda *key: one(key), vectors, len(frame))
            return packed(found.values) if isinstance(found, Objects) else found
        except TypeError as problem:
            raise QueryError(f"{self}: {', '.join(map(str, self._keys))} cannot be looked up: {problem}") from None

    def __str__(self) -> str:
        return self._text
