"""`Concat`: the texts of a group as one text."""

from __future__ import annotations

from typing import Any, NoReturn

from ...errors import QueryError, told
from ...model.kinds import kinds_of
from .expressions import Expression
from .nodes import Aggregate


class Concat(Aggregate[str | None]):
    """The texts that `of` gives in a group, joined by `separator` in the order of the rows."""

    __slots__ = ("_separator",)

    def __init__(self, of: Expression[Any], separator: str) -> None:
        super().__init__("group_concat", of, str | None)
        self._separator = separator

    def over(self, **_: Any) -> NoReturn:
        """Texts are joined of groups alone.

        Raises:
            QueryError: always.
        """
        raise QueryError(f"{self} is a value of a group, and has no over(): use group_by()")

    def _rebuilt(self, parts: tuple[Expression[Any], ...]) -> Expression[Any]:
        return Concat(parts[0], self._separator)

    def _identity(self) -> Any:
        return Concat, super()._identity(), self._separator

    def finished(self, texts: list[str] | None) -> str | None:
        """The text of a group that has these texts; None without any."""
        return None if texts is None else self._separator.join(texts)

    def __str__(self) -> str:
        return f"func.group_concat({self._of}, {told(self._separator)})"


def concat(of: Expression[Any], separator: Any) -> Concat:
    """The texts of `of` joined by `separator`, checked."""
    kinds = kinds_of(of._tp)
    if kinds is not None and "text" not in kinds:
        raise QueryError(f"func.group_concat({of}): the values are no texts: cast({of}, str)")
    if not isinstance(separator, str):
        raise QueryError(f"func.group_concat({of}, separator): the separator is a text, not {told(separator)}")
    return Concat(of, separator)
