"""`Queries`: the methods of a session that run statements. They import the engine when the first one is run."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, overload

from .connection import Connection
from .entity.tables import told_by_key

if TYPE_CHECKING:
    from ..query import Delete, Plan, Result, ScalarResult, Select, Update

T = TypeVar("T")
R = TypeVar("R")


@cache
def _engine() -> tuple[Any, Any, Any, Any]:
    """What runs statements; imported when the first one runs. An import statement is no step to take for each."""
    from ..query.running.result import Result, ScalarResult
    from ..query.statements.statement import checked
    from .entity.queries import bound

    return ScalarResult, Result, checked, bound


class Queries(Connection):
    """The methods of a `Session` that run statements."""

    def scalars(self, statement: Select[T]) -> ScalarResult[T]:
        """The rows that `statement` selects, or the first value of each: a `ScalarResult`.

        Raises:
            TypeError: `statement` is not a statement.
            QueryError, ClosedError: by the methods of the result.
        """
        self._check_open()
        scalars, _, checked, bound = _engine()
        found: ScalarResult[T] = scalars(bound(self._work, checked(statement, "scalars")), self._check_open)
        return found

    def scalar(self, statement: Select[T]) -> T | None:
        """The first value of the first row of `statement`; None where there is no row.

        Raises:
            QueryError: the statement does not fit the rows.
        """
        return self.scalars(statement).first()

    @overload
    def execute(self, statement: Select[Any, R]) -> Result[R]: ...
    @overload
    def execute(self, statement: Update | Delete) -> int: ...
    def execute(self, statement: Any) -> Any:
        """The rows that `statement` selects, as named tuples: a `Result`; of an update or delete, how many it changed.

        Raises:
            TypeError: `statement` is not a statement.
            QueryError: an update or delete does not fit the rows.
            EncodeError: a value of an update does not fit its field.
            ReadOnlyError: it changes rows, and the session was opened read-only.
        """
        self._check_open()
        _, result, checked, bound = _engine()
        from ..query.running.update_delete import Delete, Update

        if isinstance(statement, (Update, Delete)):
            self._check_writable()
            with told_by_key():
                return bound(self._work, statement).run()
        return result(bound(self._work, checked(statement, "execute")), self._check_open)

    def explain(self, statement: Select[Any]) -> Plan:
        """What `statement` will do: which row groups, columns and indexes it reads, and why.

        No value is read, except by statements inside of it: their results decide how the rows are found.

        Returns:
            A `Plan`, whose text is a tree: `print(session.explain(statement))`.

        Raises:
            TypeError: `statement` is not a statement.
            QueryError: it does not fit its rows.
        """
        from ..query import checked, explain
        from .entity.queries import bound

        self._check_open()
        return explain(bound(self._work, checked(statement, "explain")))
