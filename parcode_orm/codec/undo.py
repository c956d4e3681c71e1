"""Compiling a class is all or nothing: a failure leaves caches and registries unchanged.

A class that was compiled on the way may refer to the one that is refused, and would keep a column
of it without fields.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..stack import carried

Step = Callable[[], object]


class _Running(threading.local):
    steps: list[Step] | None = None  # how to take back what the innermost attempt has noted so far


_running = _Running()
carried(_running)


def note(undo: Step) -> None:
    """Remember how to take back what was just done, if an attempt is running."""
    if _running.steps is not None:
        _running.steps.append(undo)


@contextmanager
def all_or_nothing() -> Iterator[None]:
    """If the block raises, undo what was noted in it. An inner attempt is part of the outer one."""
    outer = _running.steps
    mine = _running.steps = []
    try:
        yield
    except BaseException:
        for step in reversed(mine):
            step()
        raise
    else:
        if outer is not None:
            outer += mine
    finally:
        _running.steps = outer
