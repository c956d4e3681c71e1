"""Writing on a thread of its own, while the caller makes what comes next."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..format.encoder import Buffer

LIMIT = 1 << 20  # bytes that wait at most; one part may be larger


class Behind:
    """Passes what it is called with to `write`, in order, on a thread of its own.

    The thread takes all parts that wait at once and writes them as one, because it needs the GIL between two calls of
    `write`, and gets it only now and then. Large parts go alone. An error of `write` is raised by the next call,
    `drain` or `end`. Parts that code could change are written before the call returns.
    """

    def __init__(self, write: Callable[[Buffer], None]) -> None:
        self.write = write
        self._parts: list[Buffer] = []
        self._size = 0  # of the parts, those included that are being written
        self._ended = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="parcode-behind", daemon=True)
        self._thread.start()

    def __call__(self, data: Buffer) -> None:
        """Write `data`, soon."""
        if not immutable(data):
            self.drain()
            self.write(data)
            return
        size = memoryview(data).nbytes
        with self._changed:
            while self._error is None and self._size and self._size + size > LIMIT:
                self._changed.wait()
            if self._error is not None:
                raise self._error
            self._parts.append(data)
            self._size += size
            self._changed.notify_all()

    def drain(self) -> None:
        """Wait until everything is written."""
        with self._changed:
            while self._size and self._error is None:
                self._changed.wait()
            if self._error is not None:
                raise self._error

    def end(self) -> None:
        """Write what waits, and end the thread."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def abort(self) -> None:
        """Drop what waits, and end the thread."""
        with self._changed:
            self._parts.clear()
            self._ended = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._parts and not self._ended:
                    self._changed.wait()
                parts, self._parts = self._parts, []
            if not parts:
                return
            size = sum([memoryview(part).nbytes for part in parts])
            try:
                while parts and self._error is None:
                    self.write(_first(parts))
            except BaseException as problem:
                self._error = problem
            del parts
            with self._changed:
                self._size -= size
                self._changed.notify_all()


def _first(parts: list[Buffer]) -> Buffer:
    """Take the first parts, as one. A large one goes alone: it is not copied."""
    count = next((at for at, part in enumerate(parts) if memoryview(part).nbytes >= LIMIT), len(parts))
    taken = parts[: max(count, 1)]
    del parts[: len(taken)]
    return b"".join(taken) if len(taken) > 1 else taken[0]


def immutable(data: Buffer) -> bool:
    """Whether no code can change `data`."""
    return type(data) is bytes or (type(data) is memoryview and type(data.obj) is bytes)
