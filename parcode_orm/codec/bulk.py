"""Making many objects at once."""

from __future__ import annotations

import gc
import os
import sys
import sysconfig
import threading
from operator import call

MANY = 50_000  # containers from which on it pays to spare a collection the walk over them
FROZEN = 1000  # objects that an interpreter may have frozen as it started: CPython 3.12 has 375
# CPython 3.14 and free-threaded builds collect in other ways.
_BY_AGE = sys.version_info < (3, 14) and hasattr(gc, "freeze") and not sysconfig.get_config_var("Py_GIL_DISABLED")


class _Pauses:
    """Running pauses. The last one to end turns the collector on, if the first found it on."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.running: set[int] = set()
        self.was = False
        # The number of full collections when containers were last aged; None: they never are again.
        self.aged: int | None = -1 if _BY_AGE else None


_pauses = _Pauses()
if hasattr(os, "register_at_fork"):

    def _renew() -> None:  # a thread that is not in the child may have held it
        _pauses.lock = threading.RLock()

    os.register_at_fork(after_in_child=_renew)


def _age() -> None:
    """Make all objects old, as if two collections had walked them, where a pause leaves many containers.

    These are in use, so that a walk would find nothing. The collector counts from 0 again, so this
    happens at most once between two full collections: a program that loads in a loop has its
    garbage found. What a program has frozen would thaw, so such a program is left alone.
    """
    full = gc.get_stats()[2]["collections"]
    if full == _pauses.aged:
        return
    if gc.get_freeze_count() > FROZEN:
        _pauses.aged = None
        return
    _pauses.aged = full
    list(map(call, (gc.freeze, gc.unfreeze)))  # nothing runs between the two


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
                    # not while a collection ends a pause
                    if error == (None, None, None) and _pauses.aged is not None and gc.get_count()[0] >= MANY:
                        _age()
                    gc.enable()
                _pauses.running.discard(id(self))

    __del__ = __exit__
