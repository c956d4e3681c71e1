"""What a program of asyncio enters by ``async with``: attempts of a unit of work, and savepoints."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from ...errors import SessionError
from ...session import Session
from ...session.attempts import Attempt
from ...session.savepoint import Savepoint
from .worker import Worker

RunSync = Callable[[Callable[[Session], Any]], Awaitable[Any]]


class AsyncAttempt:
    """An `Attempt` of a unit of work: ``async with attempt:`` takes a `ConflictError`, unless it is the last.

    Attributes:
        number: which one it is, an int from 1 on.
        last: whether there is none after it, a bool.
    """

    def __init__(self, attempt: Attempt, thread: Worker) -> None:
        self._attempt, self._thread = attempt, thread
        self.number, self.last = attempt.number, attempt.last

    async def __aenter__(self) -> Self:
        self._attempt.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return await self._thread.run(self._attempt.__exit__, kind, error, trace)


class AsyncSavepoint:
    """A savepoint, which begins with ``async with``. An exception in the block takes its changes back."""

    def __init__(self, run_sync: RunSync) -> None:
        self._run_sync = run_sync
        self._savepoint: Savepoint | None = None

    @property
    def is_active(self) -> bool:
        """Whether it can still be committed or rolled back."""
        return self._savepoint is not None and self._savepoint.is_active

    async def __aenter__(self) -> Self:
        self._savepoint = await self._run_sync(Session.begin_nested)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._run(lambda savepoint: savepoint.__exit__(kind, error, trace))

    async def commit(self) -> None:
        """As `Savepoint.commit`."""
        await self._run(Savepoint.commit)

    async def rollback(self) -> None:
        """As `Savepoint.rollback`."""
        await self._run(Savepoint.rollback)

    async def _run(self, what: Callable[[Savepoint], None]) -> None:
        savepoint = self._savepoint
        if savepoint is None:
            raise SessionError("this savepoint has not begun: write `async with session.begin_nested():`")
        await self._run_sync(lambda _: what(savepoint))
