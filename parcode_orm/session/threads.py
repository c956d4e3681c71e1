"""A session that writes belongs to one thread: use from another one is found, and said."""

from __future__ import annotations

import sys
import threading
from types import FrameType, FunctionType

from ..errors import SessionError
from ..stack import ANY, home_thread


class OneThread:
    """The thread that a session belongs to: the first that uses it, until that hands it over."""

    __slots__ = ("ident",)

    def __init__(self) -> None:
        self.ident: int | None = None  # None: no thread has used it yet

    def check(self) -> None:
        """Raise `SessionError` in any other thread."""
        here = home_thread()
        if here == ANY:
            return
        if self.ident is None:
            self.ident = here
        elif self.ident != here:
            owner = _name(self.ident)
            remedy = "in the first one when it has finished" if owner else "before a thread ends"
            raise SessionError(
                f"this session belongs to {owner or 'a thread that has ended'}, and {_name(here)} used it as well: a "
                f"session that writes is for one thread. Open a Session(path) in each thread; or call hand_over() "
                f"{remedy}; or read with Session.open(path), which all threads may share"
            )

    def hand_over(self) -> None:
        """Belong to the thread that is next to use the session; raises as `check`."""
        self.check()
        self.ident = None


def _name(ident: int) -> str:
    """What a message calls a thread; "" where it has ended."""
    found = next((each.name for each in threading.enumerate() if each.ident == ident), None)
    return "" if found is None else f"the thread {found!r}"


def runs_within(method: object, obj: object) -> bool:
    """Whether this code runs within a call of `method` of `obj`."""
    assert isinstance(method, FunctionType)
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code is method.__code__ and frame.f_locals.get("self") is obj:
            return True
        frame = frame.f_back
    return False
