"""What a statement gives to a program of asyncio. Each method that asks for rows runs it, in the session's thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar, cast

from ...errors import SessionError

if TYPE_CHECKING:
    from .worker import Worker

T_co = TypeVar("T_co", covariant=True)
_HOW = "write `async for row in session.scalars(statement)`, or `await session.scalars(statement).all()`"


class _AsyncRows(Generic[T_co]):
    """What both kinds of results have."""

    __slots__ = ("_make", "_worker")

    def __init__(self, worker: Callable[[], Worker], make: Callable[[], Any]) -> None:
        self._worker = worker
        self._make = make  # in the thread

    async def all(self) -> list[T_co]:
        """All rows. Raises as `ScalarResult.all`."""
        return cast("list[T_co]", await self._worker().run(lambda: self._make().all()))

    async def first(self) -> T_co | None:
        """The first row; None where there is none."""
        return cast("T_co | None", await self._worker().run(lambda: self._make().first()))

    async def one(self) -> T_co:
        """The only row.

        Raises:
            NoResultFound: there is no row.
            MultipleResultsFound: there are several.
        """
        return cast("T_co", await self._worker().run(lambda: self._make().one()))

    async def one_or_none(self) -> T_co | None:
        """The only row; None where there is none.

        Raises:
            MultipleResultsFound: there are more than one.
        """
        return cast("T_co | None", await self._worker().run(lambda: self._make().one_or_none()))

    async def count(self) -> int:
        """How many rows there are. None of them is made."""
        return cast("int", await self._worker().run(lambda: self._make().count()))

    async def column(self, of: Any) -> Any:
        """The values of `of`, an expression, as a numpy array. Raises as `ScalarResult.column`."""
        return await self._worker().run(lambda: self._make().column(of))

    async def columns(self, *of: Any) -> tuple[Any, ...]:
        """The values of several expressions as numpy arrays, in one pass."""
        return cast("tuple[Any, ...]", await self._worker().run(lambda: self._make().columns(*of)))

    def unique(self) -> Self:
        """The same result with each row once: rows that are equal, and objects that are the same."""
        return type(self)(self._worker, lambda: self._make().unique())

    def yield_per(self, count: int) -> Self:
        """The same result, of which `partitions()` and iterations take `count` rows from the thread at once."""
        return type(self)(self._worker, lambda: self._make().yield_per(count))

    def partitions(self, count: int | None = None) -> AsyncIterator[list[T_co]]:
        """The rows in lists of `count`, or of as many as `yield_per` says, the last one shorter."""
        return self._worker().iterate(lambda: self._make().partitions(count))

    async def __aiter__(self) -> AsyncIterator[T_co]:
        async for part in self.partitions():
            for row in part:
                yield row

    def __iter__(self) -> NoReturn:
        raise SessionError(f"the rows come from another thread: {_HOW}")

    def __await__(self) -> NoReturn:
        raise SessionError(f"a result is not awaited, its methods are: {_HOW}")


class AsyncScalarResult(_AsyncRows[T_co]):
    """The first value of each row: objects, where a collection was selected."""

    __slots__ = ()


class AsyncResult(_AsyncRows[T_co]):
    """Rows: named tuples of what was selected."""

    __slots__ = ()

    async def keys(self) -> list[str]:
        """The names of the values in a row: of fields their names, else what `label` gave."""
        return await self._worker().run(lambda: self._make().keys())

    def scalars(self) -> AsyncScalarResult[Any]:
        """The first value of each row."""
        return AsyncScalarResult(self._worker, lambda: self._make().scalars())
