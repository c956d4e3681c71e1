"""Room on Python's stack for what is nested deeply, also where the caller's stack is deep already.

Python ends a recursion after so many frames, 1,000 if nobody says otherwise. That is a limit of the program, and says
nothing about a file or a value. So deep work goes on in a thread, which has a stack of its own, while the thread that
needs it waits: nothing runs at the same time. Thread-local state that the work needs is carried along.
"""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

__all__ = [
    "ANY", "carried", "for_who_waits", "home_thread", "is_deep", "on_fresh_stack", "room_for", "roomy", "with_room",
]  # fmt: skip

P = ParamSpec("P")
T = TypeVar("T")
STEP = 8  # calls inside each other from one look at the stack to the next
MAX_HOPS = 64  # threads that wait for each other
ANY = -1  # in the place of a thread: whichever waits for the work
SIZE = 16 << 20  # bytes of a thread's stack: some systems give less than 1,000 frames may take


class _Here(threading.local):
    hops = 0
    home: int | None = None


_here = _Here()
_carried: list[threading.local] = []
_starting = threading.Lock()


def carried(state: threading.local) -> None:
    """Let work that goes on in another thread find there what `state` has in this one."""
    _carried.append(state)


def home_thread() -> int:
    """The identifier of the thread that this one works for: its own, but for work that went on here; ANY if unknown."""
    return _here.home or threading.get_ident()


@contextmanager
def for_who_waits() -> Iterator[None]:
    """Work within belongs to a thread that waits for it, which is not known: a library calls in a thread of its own."""
    before, _here.home = _here.home, ANY
    try:
        yield
    finally:
        _here.home = before


def is_deep() -> bool:
    """Whether two fifths of the stack are used up. The rest may hold frames of C, which nobody can count."""
    try:
        sys._getframe(sys.getrecursionlimit() * 2 // 5)
    except ValueError:
        return False
    return True


def roomy(work: Callable[P, T]) -> Callable[P, T]:
    """A function that calls itself for what is nested, so that it finds room however deep that is."""
    depth = 0  # calls under way, of all threads together: it says no more than when to look

    @wraps(work)
    def call(*args: P.args, **options: P.kwargs) -> T:
        nonlocal depth
        depth += 1
        try:
            if depth % STEP == 0 and is_deep():
                return on_fresh_stack(lambda: work(*args, **options))
            return work(*args, **options)
        finally:
            depth -= 1

    return call


def with_room(work: Callable[[], T]) -> T:
    """What `work` returns or raises; done once more on a fresh stack where this one ends. It must be repeatable."""
    try:
        return work()
    except RecursionError as problem:
        return room_for(problem, work)


def room_for(problem: RecursionError, work: Callable[[], T]) -> T:
    """What `work`, which ended in `problem`, returns or raises on a fresh stack; `problem` where it came from one."""
    if vars(problem).get("on_fresh_stack"):  # it is the work itself that does not end
        raise problem
    return on_fresh_stack(work)


def on_fresh_stack(work: Callable[[], T]) -> T:
    """What `work` returns or raises, done in a thread of its own; with the context and thread-local state of this one.

    Raises:
        RecursionError: a whole stack does not suffice, or too many threads wait for each other.
    """
    if _here.hops >= MAX_HOPS:
        raise RecursionError("what is to be done is nested too deeply")
    context = contextvars.copy_context()
    states = [(state, dict(vars(state))) for state in _carried]
    hops, home = _here.hops + 1, home_thread()
    outcome: list[Any] = []

    def run() -> None:
        _here.hops, _here.home = hops, home
        for state, values in states:
            vars(state).update(values)
        try:
            outcome.append(context.run(work))
        except BaseException as problem:
            outcome.extend((None, problem))

    thread = threading.Thread(target=run, name="parcode-stack", daemon=True)
    with _starting:
        before = threading.stack_size(SIZE)
        try:
            thread.start()
        finally:
            threading.stack_size(before)
    _wait(thread)
    if len(outcome) == 2:
        problem: BaseException = outcome[1]
        if isinstance(problem, RecursionError):
            vars(problem)["on_fresh_stack"] = True
        raise problem
    result: T = outcome[0]
    return result


def _wait(thread: threading.Thread) -> None:
    """Wait for `thread` to end; an interrupt is raised when it has: until then it works on what the caller has."""
    interrupt: BaseException | None = None
    while thread.is_alive():
        try:
            thread.join()
        except BaseException as problem:
            interrupt = problem
    if interrupt is not None:
        raise interrupt
