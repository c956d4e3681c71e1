"""`Nesting`: what a statement can be inside of another one. The statements of `select` are of this class."""

from __future__ import annotations

from typing import Any, Self

from .expressions import Expression, built


class Nesting:
    """The methods of a statement that make something of it for another statement."""

    __slots__ = ()

    def scalar_subquery(self) -> Expression[Any]:
        """The one value of the one row of the statement, as a value in another statement; None where there is no row.

        `select(Player).where(Player.level == select(func.max(Player.level)).scalar_subquery())` finds the best. A
        condition of the subquery may compare its fields with fields of the statement around it: then the value is
        another one for each row. All values are computed at once.

        Raises:
            QueryError: the statement gives several values a row, or whole rows.
            MultipleResultsFound: when the statement around it runs, there is more than one row.
        """
        found: Expression[Any] = built["Scalar"](self)
        return found

    def exists(self) -> Expression[bool]:
        """As `exists(statement)`."""
        found: Expression[bool] = built["exists"](self)
        return found

    def subquery(self, name: str | None = None) -> Any:
        """The rows of the statement as rows that another statement asks.

        `best = select(Player.name, func.rank().over(order_by=Player.level).label("rank")).subquery()` has the columns
        `best.c.name` and `best.c.rank`; `select(best.c.name).where(best.c.rank <= 3)` asks them.

        Args:
            name: what messages and plans call the rows.

        Raises:
            QueryError: `name` is no name.
        """
        return built["subquery"](self, name)

    def union(self, *others: Any) -> Self:
        """As `union(statement, *others)`."""
        found: Self = built["union"](self, *others)
        return found

    def union_all(self, *others: Any) -> Self:
        """As `union_all(statement, *others)`."""
        found: Self = built["union_all"](self, *others)
        return found

    def intersect(self, *others: Any) -> Self:
        """As `intersect(statement, *others)`."""
        found: Self = built["intersect"](self, *others)
        return found

    def except_(self, *others: Any) -> Self:
        """As `except_(statement, *others)`."""
        found: Self = built["except_"](self, *others)
        return found
