"""Encoding in threads: producers encode row groups ahead, and the calling thread submits their chunks in order.

Each row group has a `Channel`. The calling thread empties one after the other, so that chunks are submitted in the
order in which one thread alone would submit them; a producer whose channel is full waits until its turn has come.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from ..codec.caller import encoding_for
from ..codec.struct import levels, within
from ..format.blob import BlobEncoder
from ..format.chunk import Buffer, Encoder, Ticket
from ..storage.parallel import enter_worker
from ..storage.pipeline import Aborted, immutable

HELD = 8 << 20  # bytes of chunks in a channel before its producer waits; one chunk may be larger

T = TypeVar("T")


class Output(Protocol):
    """Where chunks go: the storage pipeline."""

    @property
    def producers(self) -> int:
        """How many threads may encode for it; 0 where one thread at a time runs Python code."""

    def submit(self, chunk: Encoder, ticket: Ticket | None = None) -> Ticket:
        """Write a chunk after all that were submitted before it; `ticket` will say where, else a new one."""

    def blob(self, data: Buffer, compression: str | None, meta: bytes) -> Ticket:
        """Write one large value."""


class Channel:
    """An output that hands chunks on from the thread of `run` to the one that made it, which calls `result`."""

    producers = 0  # of what a producer encodes, nothing is left to others

    def __init__(self, output: Output) -> None:
        self._output = output
        self._caller = threading.get_ident()
        self._changed = threading.Condition()
        self._steps: deque[tuple[Callable[[], object], int]] = deque()
        self._held = 0
        self._stopped = False
        self._waiting: Future[Any] | None = None  # for what the calling thread is to do
        self._done: Future[Any] = Future()

    # -- in the producer --------------------------------------------------------------------------------------------

    def run(self, work: Callable[[], object]) -> None:
        """Do `work`, which submits to this channel, and keep what it returns or raises."""
        try:
            if self._stopped:
                raise Aborted(0, "writing was stopped")
            with encoding_for(self._in_caller):
                found = work()
        except BaseException as problem:
            self._end(None, problem)
        else:
            self._end(found)

    def submit(self, chunk: Encoder, ticket: Ticket | None = None) -> Ticket:
        """As `Output.submit`."""
        target = ticket or Ticket()
        if threading.get_ident() == self._caller:
            return self._output.submit(chunk, target)
        self._put(lambda: self._output.submit(chunk, target), chunk.size)
        return target

    def blob(self, data: Buffer, compression: str | None, meta: bytes) -> Ticket:
        """As `Output.blob`."""
        if threading.get_ident() == self._caller:
            return self._output.blob(data, compression, meta)
        return self.submit(BlobEncoder(data if immutable(data) else bytes(data), compression, meta))

    def _in_caller(self, work: Callable[[], T]) -> T:
        found: Future[T] = Future()
        here = levels()

        def step() -> None:
            try:
                with within(here):
                    result = work()
            except BaseException as problem:
                found.set_exception(problem)
                if not isinstance(problem, Exception):  # the user's interrupt is for the calling thread
                    raise
            else:
                found.set_result(result)

        self._put(step, 0, found)
        return found.result()

    def _put(self, step: Callable[[], object], size: int, waiting: Future[Any] | None = None) -> None:
        with self._changed:
            while not self._stopped and self._held and self._held + size > HELD:
                self._changed.wait()
            if self._stopped:
                raise Aborted(0, "writing was stopped")
            self._waiting = waiting
            self._held += size
            self._steps.append((step, size))
            self._changed.notify_all()

    def _end(self, found: object, problem: BaseException | None = None) -> None:
        with self._changed:
            if problem is None:
                self._done.set_result(found)
            else:
                self._done.set_exception(problem)
            self._changed.notify_all()

    # -- in the calling thread --------------------------------------------------------------------------------------

    def result(self) -> Any:
        """Submit what comes until the producer has ended; what its work returned or raised."""
        while (step := self._next()) is not None:
            step()
        try:
            return self._done.result()
        finally:
            del self._done  # whose error's traceback leads here

    def _next(self) -> Callable[[], object] | None:
        with self._changed:
            while not self._steps and not self._done.done():
                self._changed.wait()
            if not self._steps:
                return None
            step, size = self._steps.popleft()
            self._held -= size
            self._changed.notify_all()
            return step

    def stop(self) -> None:
        """Nothing more is taken: the producer ends at its next chunk."""
        with self._changed:
            self._stopped = True
            self._steps.clear()
            self._changed.notify_all()
            if self._waiting is not None:
                self._waiting.cancel()


class Producers:
    """Up to `count` threads that encode for the calling thread, started when they are needed; a context manager."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._count = output.producers
        self._threads: list[threading.Thread] = []
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._channels: deque[Channel] = deque(maxlen=self.ahead)

    @property
    def ahead(self) -> int:
        """How many row groups may be under way."""
        return 2 * self._count or 1

    def start(self, work: Callable[[Channel], T]) -> Callable[[], T] | None:
        """Begin `work` in a thread; gives what waits for its result, or None where there is no thread to be had."""
        if not self._hire():
            return None
        channel = Channel(self._output)
        outer = levels()

        def task() -> None:
            with within(outer):
                channel.run(lambda: work(channel))

        self._channels.append(channel)
        self._tasks.put(task)
        return channel.result

    def _hire(self) -> bool:
        if len(self._threads) < self._count:
            thread = threading.Thread(target=self._work, name="parcode-encoder", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the process has too many, or is ending
                return bool(self._threads)
            self._threads.append(thread)
        return bool(self._threads)

    def _work(self) -> None:
        enter_worker()
        while (task := self._tasks.get()) is not None:
            task()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for channel in self._channels:
            channel.stop()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()
