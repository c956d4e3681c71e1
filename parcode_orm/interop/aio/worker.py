"""`Worker`: a thread that runs calls one after another, which coroutines wait for."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from ...errors import ClosedError

P = ParamSpec("P")
T = TypeVar("T")

_END: Any = object()


class Worker:
    """A thread of its own, which starts with the first call."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Let the thread run the call after the calls that wait. It sees the context variables of this task.

        Raises:
            ClosedError: the thread has ended.
        """
        context = contextvars.copy_context()
        try:
            return self._pool.submit(context.run, _raising_no_stop, lambda: function(*args, **kwargs))
        except RuntimeError as problem:
            raise ClosedError("the session was closed meanwhile: open the file again") from problem

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What the call gives or raises.

        If the task is cancelled while the call runs, `CancelledError` is raised when the call has ended: a call
        is done, or has not begun.
        """
        call = self.submit(function, *args, **kwargs)
        try:
            return await asyncio.shield(asyncio.wrap_future(call))
        except asyncio.CancelledError:
            if not call.cancel():
                await _ended(call)
            raise

    async def iterate(self, make: Callable[[], Iterator[T]]) -> AsyncIterator[T]:
        """The items of an iterator that lives in the thread."""
        iterator = await self.run(make)
        while (item := await self.run(next, iterator, _END)) is not _END:
            yield item

    async def finish(self, last: Callable[[], None]) -> None:
        """Run `last` after the calls that wait, even if this task is cancelled meanwhile, and let the thread end."""
        call = self.submit(last)
        self.end()
        try:
            await asyncio.shield(asyncio.wrap_future(call))
        except asyncio.CancelledError:
            await _ended(call)
            raise

    def end(self) -> None:
        """Let the thread end after the calls that wait."""
        self._pool.shutdown(wait=False)


async def _ended(call: Future[Any]) -> None:
    """Wait for the end of a call, however often the task is cancelled meanwhile. What it raises is dropped."""
    waiting = asyncio.wrap_future(call)
    while not waiting.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([waiting])
    if not waiting.cancelled():
        waiting.exception()  # nobody else asks for it


def _raising_no_stop(function: Callable[[], T]) -> T:
    """What `function` gives. A `StopIteration` cannot be the error of a future: whoever waits would wait forever."""
    try:
        return function()
    except StopIteration as problem:
        raise RuntimeError("the call raised StopIteration") from problem
