"""Making many objects at once."""

from __future__ import annotations

import gc
import os
import threading


class _Pauses:
    """Running pauses. The last one to end turns the collector on, if the first found it on."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.running: set[int] = set()
        self.was = False


_pauses = _Pauses()
if hasattr(os, "register_at_fork"):

    def _renew() -> None:  # a thread that is not in the child may have held it
        _pauses.lock = threading.RLock()

    os.register_at_fork(after_in_child=_renew)


class gc_paused:
    """Pause the cycle collector, which would walk all objects over and over.

    The collector is one for the process, so pauses in several threads are counted together. A pause
    ends with its object, so that no interrupt leaves the collector off.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        with _pauses.lock:
            if not _pauses.running:
                _pauses.was = gc.isenabled()
            _pauses.running.add(id(self))
            gc.disable()

    def __exit__(self, *error: object) -> None:
        with _pauses.lock:
            if id(self) in _pauses.running:
                if len(_pauses.running) == 1 and _pauses.was:
                    gc.enable()
                _pauses.running.discard(id(self))

    __del__ = __exit__
