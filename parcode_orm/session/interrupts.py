"""A commit that was interrupted: either it is stored, and the session knows it, or it is not stored."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import SessionError
from ..storage.backend import Backend
from ..storage.mapped import Source
from .expire import Follow

if TYPE_CHECKING:
    from .unit_of_work import UnitOfWork

INTERRUPTED = "an interrupt came while the session went on to what a commit had stored"


def storing(work: UnitOfWork, backend: Backend, store: Callable[[], None], go_on: Callable[[Source], None]) -> None:
    """Run `store`, which commits; where an exception comes after the commit is stored, `go_on` to that.

    Where a second one comes meanwhile, the backend is `broken`, as nobody knows what the objects in memory show.
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


def take_on(work: UnitOfWork, source: Source) -> None:
    """Stand on the commit `source`, which stored all that is in memory.

    As in a refresh, roots and what is a field of them go on; what they hold and is not lazy stays as it is. Rows that
    were taken out of collections take no more changes.
    """
    work.take_roots()
    before = work.own()
    work.end_savepoints()
    for root in work.deleted.values():
        work.detach(root)
    work.deleted.clear()
    work.stand_on(source)
    work.consumed.clear()
    follow = Follow(work.owner, stored=True)
    for root in work.roots.values():
        root.read = True
        root.settle()
        follow.object(root.obj, work.read(root))
    work.settled = dict(work.roots)
    for space in before:
        space.abandon()
