"""What only the calling thread may do while others encode for it: read lazy values, take the next item of a stream.

A session and a generator belong to the thread that uses them. So where a column meets such a value, it goes back there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ..stack import carried

T = TypeVar("T")


class _Caller(threading.local):
    run: Callable[[Callable[[], Any]], Any] | None = None


_caller = _Caller()
carried(_caller)


def in_caller(work: Callable[[], T]) -> T:
    """What `work` returns or raises, done in the thread that this one encodes for; at once where that is this one."""
    run = _caller.run
    if run is None:
        return work()
    result: T = run(work)
    return result


@contextmanager
def encoding_for(run: Callable[[Callable[[], Any]], Any]) -> Iterator[None]:
    """This thread encodes for another one, in which `run` does what it is given."""
    _caller.run = run
    try:
        yield
    finally:
        _caller.run = None
