"""`Worker`: a thread that runs calls one after another, which coroutines wait for."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_END = object()


class Worker:
    """A thread of its own, which starts with the first call."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Let the thread run the call after the calls that wait. It sees the context variables of this task."""
        context = contextvars.copy_context()
        return self._pool.submit(lambda: context.run(function, *args, **kwargs))

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What the call gives or raises.

        If the task is cancelled while the call runs, `CancelledError` is raised when the call has ended: a call
        is done, or has not begun.
        """
        call = self.submit(function, *args, **kwargs)
        waiting = asyncio.wrap_future(call)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            if not call.cancel():
                while not waiting.done():
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.wait([waiting])
                if not waiting.cancelled():
                    waiting.exception()  # nobody else asks for it
            raise

    async def iterate(self, make: Callable[[], Iterator[T]]) -> AsyncIterator[T]:
        """The items of an iterator that lives in the thread."""
        iterator = await self.run(make)
        while (item := await self.run(next, iterator, _END)) is not _END:
            yield item  # type: ignore[misc]

    def end(self) -> None:
        """Let the thread end after the calls that wait."""
        self._pool.shutdown(wait=False)
