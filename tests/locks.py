"""Locks of the package's modules after an interrupt that a tracer raised.

Python checks for real interrupts at no point where a `with` block could lose its `__exit__`; a tracer is called there,
at the block's line when it ends. What it raises leaves the lock taken, and other threads would wait for it for good.
"""

from __future__ import annotations

import sys
import threading

from parcode_orm.codec import bulk

KINDS = {type(threading.Lock()): threading.Lock, type(threading.RLock()): threading.RLock}


def renew_locks() -> None:
    """Give every module of the package new locks."""
    for name, module in list(sys.modules.items()):
        if name.startswith("parcode_orm"):
            for attribute, value in list(vars(module).items()):
                if type(value) in KINDS:
                    setattr(module, attribute, KINDS[type(value)]())
    bulk._renew()
