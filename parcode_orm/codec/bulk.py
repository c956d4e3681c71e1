"""Making many objects at once."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Pauses:
    """Who has the cycle collector paused: the last one to end turns it on again, if the first one found it on."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.was = False


_pauses = _Pauses()
if hasattr(os, "register_at_fork"):

    def _renew() -> None:  # a thread that is not in the child may have held it
        _pauses.lock = threading.Lock()

    os.register_at_fork(after_in_child=_renew)


@contextmanager
def gc_paused() -> Iterator[None]:
    """Without the cycle collector, which would walk the new objects, and all the old ones, over and over.

    The collector is one for the process, so pauses in several threads are counted together.
    """
    with _pauses.lock:
        if not _pauses.count:
            _pauses.was = gc.isenabled()
            gc.disable()
        _pauses.count += 1
    try:
        yield
    finally:
        with _pauses.lock:
            _pauses.count -= 1
            if not _pauses.count and _pauses.was:
                gc.enable()
