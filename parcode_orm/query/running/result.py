"""`Result` and `ScalarResult`: what a statement gives. Each method that asks for rows runs it, on the rows of now."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from ...codec.bulk import gc_paused
from ...errors import MultipleResultsFound, NoResultFound, QueryError, told
from ...lazy.arrow import ArrowStream
from ..expressions.expressions import Expression
from ..expressions.simple import placed
from ..statements.statement import Select

if TYPE_CHECKING:
    from ..columns.vectors import Vector

T_co = TypeVar("T_co", covariant=True)


@cache
def _engine() -> tuple[Any, Any]:
    from .engine import run
    from .loader_options import run_loading

    return run, run_loading


class _Rows(ArrowStream, Generic[T_co]):
    """What both kinds of results have. Rows are read as they are asked for."""

    __slots__ = ("_check", "_part", "_statement", "_unique")

    def __init__(
        self, statement: Select[Any], check: Callable[[], object], part: int = 0, unique: bool = False
    ) -> None:
        self._statement = statement
        self._check = check
        self._part = part
        self._unique = unique

    def _made(self, vectors: list[Vector]) -> Iterator[T_co]:
        raise TypeError(type(self).__name__)

    def _run(self, statement: Select[Any], *, whole: bool = False) -> Iterator[list[Vector]]:
        run, run_loading = _engine()
        self._check()
        found: Iterator[list[Vector]] = run_loading(statement, whole=whole) if statement._options else run(statement)
        return found

    def _rows(self, *, whole: bool) -> Iterator[T_co]:
        rows = chain.from_iterable(map(self._made, self._run(self._statement, whole=whole)))
        return _once(rows) if self._unique else rows

    def __iter__(self) -> Iterator[T_co]:
        return self._rows(whole=False)

    def all(self) -> list[T_co]:
        """All rows.

        Raises:
            QueryError: a value does not fit an expression. ClosedError: the session was closed.
        """
        with gc_paused():
            return list(self._rows(whole=True))

    def first(self) -> T_co | None:
        """The first row; None where there is none."""
        return next(self._up_to(1), None)

    def one(self) -> T_co:
        """The only row.

        Raises:
            NoResultFound: there is no row.
            MultipleResultsFound: there are several.
        """
        found = list(self._up_to(2))
        if not found:
            raise NoResultFound(f"no row was found, and one() takes one: {self._statement}")
        return self._only(found, "one()")

    def one_or_none(self) -> T_co | None:
        """The only row; None where there is none.

        Raises:
            MultipleResultsFound: there are more than one.
        """
        found = list(self._up_to(2))
        return self._only(found, "one_or_none()") if found else None

    def _only(self, found: list[T_co], name: str) -> T_co:
        if len(found) > 1:
            raise MultipleResultsFound(f"more than one row was found, and {name} takes one: {self._statement}")
        return found[0]

    def _up_to(self, count: int) -> Iterator[T_co]:
        statement = self._statement
        if self._unique or (statement._limit is not None and statement._limit <= count):
            return islice(iter(self), count)
        limited = type(self)(placed(statement, _limit=count), self._check)
        return iter(limited)

    def unique(self) -> Self:
        """The same result with each row once: rows that are equal, and objects that are the same."""
        return type(self)(self._statement, self._check, self._part, True)

    def yield_per(self, count: int) -> Self:
        """The same result, whose `partitions()` have `count` rows each."""
        return type(self)(self._statement, self._check, _checked(count, "yield_per"), self._unique)

    def partitions(self, count: int | None = None) -> Iterator[list[T_co]]:
        """The rows in lists of `count`, or of as many as `yield_per` says, the last one shorter."""
        size = self._part or 1000 if count is None else _checked(count, "partitions")
        rows = iter(self)
        while part := list(islice(rows, size)):
            yield part

    def count(self) -> int:
        """How many rows there are. None of them is made."""
        from .engine import count

        self._check()
        return len(self.all()) if self._unique else count(self._statement)

    def column(self, of: Any) -> Any:
        """The values of `of`, an expression, for the rows of the result as a numpy array; no object is made.

        Numbers and bools come as int64, uint64, float64 or bool; anything else, None among numbers too, as objects.

        Raises:
            QueryError: `of` is no expression, or of another class.
        """
        (found,) = self.columns(of)
        return found

    def columns(self, *of: Any) -> tuple[Any, ...]:
        """The values of several expressions as numpy arrays, in one pass."""
        from ..columns.vectors import joined, to_numpy

        for each in of:
            if not isinstance(each, Expression):
                raise QueryError(f"columns() takes fields such as Player.level, not {told(each)}")
        parts = list(self._run(self._statement._with(_outputs=of, _options=())))
        return tuple(to_numpy(joined([part[place] for part in parts])) for place in range(len(of)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._statement}>"


class ScalarResult(_Rows[T_co]):
    """The first value of each row: objects, where a collection was selected. Iterating reads as it goes."""

    __slots__ = ()

    def _made(self, vectors: list[Vector]) -> Iterator[T_co]:
        return iter(vectors[0].tolist())


class Result(_Rows[T_co]):
    """Rows: named tuples of what was selected. Iterating reads as it goes."""

    __slots__ = ()

    def _made(self, vectors: list[Vector]) -> Iterator[T_co]:
        make: Any = row_class(tuple(self.keys()))._make
        return map(make, zip(*[vector.tolist() for vector in vectors], strict=True))

    def keys(self) -> list[str]:
        """The names of the values in a row: of fields their names, else what `label` gave."""
        return [each._name for each in self._statement._outputs]

    def scalars(self) -> ScalarResult[Any]:
        """The first value of each row."""
        return ScalarResult(self._statement, self._check, self._part, self._unique)


@lru_cache(maxsize=512)
def row_class(names: tuple[str, ...]) -> Any:
    """The class of rows with these names, `_1` for the second one if it is none or stands before."""
    return namedtuple("Row", names, rename=True)  # names that are no identifiers, or come twice, become _0, _1


def _once(rows: Iterator[T_co]) -> Iterator[T_co]:
    known: dict[Any, Any] = {}
    for row in rows:
        mark: Any = row
        try:
            hash(row)
        except TypeError:
            mark = (id(row),)  # of an object, which `known` keeps
        if mark not in known:
            known[mark] = row
            yield row


def _checked(count: Any, name: str) -> int:
    if not isinstance(count, int) or count < 1:
        raise QueryError(f"{name}(count): count is 1 or more, not {told(count)}")
    return count
