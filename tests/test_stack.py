"""Room on the stack: work that is nested deeply goes on in a thread, and what it needs of its caller goes with it."""

from __future__ import annotations

import contextvars
import sys
import threading
from typing import Any

import pytest

from parcode_orm import stack
from parcode_orm.stack import carried, home_thread, is_deep, on_fresh_stack, room_for, roomy, with_room


class _State(threading.local):
    value = "default"


STATE = _State()
carried(STATE)
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="default")


def deep(frames: int, work: Any) -> Any:
    return deep(frames - 1, work) if frames else work()


def nearly_full() -> int:
    """So many frames leave little room."""
    return sys.getrecursionlimit() * 3 // 4


def test_a_fresh_stack_gives_what_the_work_returns_or_raises() -> None:
    assert on_fresh_stack(lambda: 5) == 5
    assert on_fresh_stack(lambda: None) is None
    with pytest.raises(KeyError, match="gone"):
        on_fresh_stack(lambda: {}["gone"])
    with pytest.raises(KeyboardInterrupt):
        on_fresh_stack(lambda: (_ for _ in ()).throw(KeyboardInterrupt))


def test_a_fresh_stack_has_the_thread_local_state_the_context_and_the_home_of_its_caller() -> None:
    STATE.value = "mine"
    token = VARIABLE.set("mine")
    try:
        found = on_fresh_stack(lambda: (STATE.value, VARIABLE.get(), home_thread(), threading.get_ident()))
        twice = on_fresh_stack(lambda: on_fresh_stack(home_thread))
    finally:
        VARIABLE.reset(token)
        del STATE.value
    here = threading.get_ident()
    assert found[:3] == ("mine", "mine", here) and found[3] != here
    assert twice == here


def test_work_is_deep_before_the_stack_ends() -> None:
    assert not is_deep()
    assert deep(nearly_full(), is_deep)
    assert not deep(nearly_full(), lambda: on_fresh_stack(is_deep))


def test_a_function_that_calls_itself_finds_room_however_deep_it_goes() -> None:
    @roomy
    def count(n: int) -> int:
        return 1 + count(n - 1) if n else 0

    depth = 4 * sys.getrecursionlimit()
    assert count(depth) == depth
    assert deep(nearly_full(), lambda: count(depth)) == depth

    @roomy
    def fail(n: int) -> int:
        if not n:
            raise LookupError("at the bottom")
        return fail(n - 1)

    with pytest.raises(LookupError, match="at the bottom"):
        fail(depth)


def test_what_ends_the_stack_is_done_once_more_with_room() -> None:
    tries: list[int] = []

    def work() -> int:
        tries.append(threading.get_ident())
        return deep(sys.getrecursionlimit() // 2, lambda: len(tries))

    assert with_room(work) == 1
    assert deep(nearly_full(), lambda: with_room(work)) == 3
    assert len(set(tries)) == 2


def test_work_that_does_not_end_is_not_tried_again_and_again() -> None:
    tries: list[int] = []

    def endless() -> Any:
        tries.append(1)
        return deep(10**9, lambda: None)

    with pytest.raises(RecursionError) as caught:
        with_room(endless)
    assert len(tries) == 2
    with pytest.raises(RecursionError):
        room_for(caught.value, endless)
    assert len(tries) == 2


def test_threads_that_wait_for_each_other_are_limited() -> None:
    def hop(n: int) -> int:
        return on_fresh_stack(lambda: hop(n - 1)) if n else 0

    assert hop(stack.MAX_HOPS) == 0
    with pytest.raises(RecursionError, match="nested too deeply"):
        hop(stack.MAX_HOPS + 1)
