"""Window functions: values of each row that are computed of other rows of the result, too, as SQL's `OVER` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

from ...errors import QueryError, told
from .building import literal, type_of_one
from .computed import Computed
from .expressions import Expression, builds, has
from .nodes import Label, Ordering

T = TypeVar("T")
Bounds = tuple[int | None, int | None]


class Over(Computed[T]):
    """What `function` gives of the rows around each row, as `.over()` says; unusable before `.over()` is called.

    A row's partition has the rows with the same values of `partition`. The frame within it is `rows`, the first and the
    last row of the frame as distances from the row; if `rows` is not given, the frame ends at the last row that is
    equal in the order, and without an order the frame is the partition.
    """

    __slots__ = ("_args", "_function", "_order", "_partition", "_placed", "_rows", "_shift", "_tp")

    def __init__(self, function: str, args: tuple[Expression[Any], ...], tp: Any, shift: int = 0) -> None:
        self._function = function
        self._args = args
        self._tp = tp
        self._shift = shift
        self._placed = False
        self._partition: tuple[Expression[Any], ...] = ()
        self._order: tuple[Ordering, ...] = ()
        self._rows: Bounds | None = None

    def over(self, *, partition_by: Any = None, order_by: Any = None, rows: Bounds | None = None) -> Expression[T]:
        """The function over the rows of the result, after `where` and `group_by`, and before `order_by` and `limit`.

        Args:
            partition_by: a field, or a list of them: rows with the same values are together. None: all rows are.
            order_by: a field or a list of them, `.desc()` and `.nulls_last()` as in the `order_by` of a statement.
            rows: the rows that an aggregate, `first_value` and `last_value` look at, as the distances of the first and
                the last one from the row: `(-2, 0)` are the row and the two before it, None is the end of the
                partition. By default they look at the partition, with an order up to the row and its equals.

        Raises:
            QueryError: an argument is no such expression, or a window function itself.
        """
        found: Over[T] = Over(self._function, self._args, self._tp, self._shift)
        found._placed = True
        found._partition = tuple(_bare("partition_by", each) for each in _listed(partition_by))
        found._order = tuple(
            each if isinstance(each, Ordering) else Ordering(_bare("order_by", each)) for each in _listed(order_by)
        )
        found._rows = None if rows is None else _checked_rows(rows)
        if any(map(has_window, found._parts())):
            raise QueryError(f"{found}: a window function of a window function: {SUBQUERY}")
        return found

    def _parts(self) -> tuple[Expression[Any], ...]:
        return (*self._args, *self._partition, *(each._of for each in self._order))

    def _rebuilt(self, parts: tuple[Expression[Any], ...]) -> Expression[Any]:
        args, by = len(self._args), len(self._partition)
        found: Over[T] = Over(self._function, parts[:args], self._tp, self._shift)
        found._placed, found._rows = self._placed, self._rows
        found._partition = parts[args : args + by]
        found._order = tuple(
            Ordering(part, descending=each._descending, first=each._first)
            for each, part in zip(self._order, parts[args + by :], strict=True)
        )
        return found

    def _identity(self) -> Any:
        order = tuple((each._of._identity(), each._descending, each._first) for each in self._order)
        parts = tuple(each._identity() for each in (*self._args, *self._partition))
        return Over, self._function, len(self._args), parts, order, self._rows, self._shift

    def _values(self, frame: Any) -> NoReturn:
        raise QueryError(f"{self} is computed of the rows of a result, and has no value here: {SUBQUERY}")

    @property
    def _name(self) -> str:
        return "_".join([self._function, *(each._name for each in self._args[:1])])

    def __str__(self) -> str:
        args = list(map(str, self._args))
        if self._function in ("lag", "lead"):
            args = [args[0], str(self._shift), *(args[1:] if args[1] != "None" else [])]
        called = f"func.{self._function}({', '.join(args)})"
        if not self._placed:
            return called
        given = [
            f"{name}={_told(values)}"
            for name, values in (("partition_by", self._partition), ("order_by", self._order))
            if values
        ]
        given += [] if self._rows is None else [f"rows={self._rows}"]
        return f"{called}.over({', '.join(given)})"


SUBQUERY = "write it into select(...).subquery(), and select from that"


def _told(values: Sequence[Any]) -> str:
    return str(values[0]) if len(values) == 1 else f"[{', '.join(map(str, values))}]"


def _listed(given: Any) -> Sequence[Any]:
    if given is None:
        return ()
    return given if isinstance(given, list | tuple) else (given,)


def _bare(name: str, given: Any) -> Expression[Any]:
    if not isinstance(given, Expression):
        raise QueryError(f"over({name}=...) takes fields such as Player.level, not {told(given)}")
    return given._of if isinstance(given, Label) else given


def _checked_rows(rows: Any) -> Bounds:
    if (
        not isinstance(rows, tuple)
        or len(rows) != 2
        or any(each is not None and type(each) is not int for each in rows)
    ):
        raise QueryError(f"over(rows=...) takes the distances of the first and the last row, (-2, 0), not {told(rows)}")
    first, last = rows
    if first is not None and last is not None and first > last:
        raise QueryError(f"over(rows={rows}): the first row comes after the last one")
    return first, last


def has_window(expression: Expression[Any]) -> bool:
    """Whether a window function stands in `expression`."""
    return has(expression, Over)


def without_window(name: str, expression: Expression[Any]) -> None:
    """Refuse window functions in an argument of `name`, which is computed before they are.

    Raises:
        QueryError: there is one.
    """
    if has_window(expression):
        raise QueryError(
            f"{name}({expression}): window functions are computed of the rows that are left then: {SUBQUERY}"
        )


@builds
def over(function: str, of: Expression[Any] | None, tp: Any) -> Over[Any]:
    """An aggregate as a window function."""
    return Over(function, () if of is None else (of,), tp)


def of_one(function: str, of: Any) -> Over[Any]:
    """A window function that gives the value of `of` of another row."""
    value = literal(of)
    return Over(function, (value,), value._tp | None if value._tp is not Any else Any)


def shifted(function: str, of: Any, rows: Any, default: Any) -> Over[Any]:
    """`lag` or `lead`.

    Raises:
        QueryError: `rows` is no number of rows.
    """
    value, other = literal(of), literal(default)
    if type(rows) is not int or rows < 0:
        raise QueryError(f"func.{function}({value}, rows): rows is 0 or more, not {told(rows)}")
    return Over(function, (value, other), type_of_one((value, other)), rows)
