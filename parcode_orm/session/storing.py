"""Commits that an exception interrupts: what is stored counts, and the session goes on to that."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from ..errors import SessionError
from ..storage.backend import Backend
from ..storage.mapped import Source

INTERRUPTED = "an interrupt came while the session went on to what a commit had stored"


class Storing(Protocol):
    """The unit of work: the snapshot that it reads, and whether its commit has begun to let go of what is stored."""

    source: Source | None
    released: bool


def storing(work: Storing, backend: Backend, store: Callable[[], None], go_on: Callable[[Source], None]) -> None:
    """Run `store`, which commits; where an exception comes after the commit is stored, `go_on` to that.

    If a second one comes meanwhile, the backend is `broken`: what the objects in memory show is not known.
    """
    try:
        store()
        backend.let_go()
    except BaseException as problem:
        if not backend.broken:
            backend.broken = INTERRUPTED
            with suppress(SessionError):  # it says why the backend is broken
                source = backend.stored()
                if source is None and work.source is not None and work.released and not isinstance(problem, Exception):
                    source = work.source  # a commit of nothing had begun to let go of rows
                if source is not None:
                    go_on(source)
            if backend.broken == INTERRUPTED:
                backend.broken = ""
        raise
    finally:
        work.released = False
