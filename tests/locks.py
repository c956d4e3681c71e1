"""Locks of the package's modules after an interrupt that a tracer raised.

Python checks for real interrupts at no point where a `with` block could lose its `__exit__`; a tracer is called there,
at the block's line when it ends. What it raises leaves the lock taken, and other threads would wait for it for good.
"""

from __future__ import annotations

import sys
import threading
from functools import cache
from types import ModuleType
from typing import Any

from parcode_orm.codec import bulk

KINDS = {type(threading.Lock()): threading.Lock, type(threading.RLock()): threading.RLock}


@cache
def _places(modules: int) -> list[tuple[ModuleType, str]]:
    """Where the package's modules name locks; looked for again when the number of imported modules changes."""
    return [
        (module, attribute)
        for name, module in list(sys.modules.items())
        if name.startswith("parcode_orm")
        for attribute, value in vars(module).items()
        if type(value) in KINDS
    ]


def renew_locks() -> None:
    """Give the package new locks. Modules that share one share the new one."""
    renewed: dict[int, Any] = {}
    for module, attribute in _places(len(sys.modules)):
        lock = getattr(module, attribute)
        setattr(module, attribute, renewed.setdefault(id(lock), KINDS[type(lock)]()))
    bulk._renew()
