"""Compiling is all or nothing: what was noted is taken back, last first, where the block raises."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from parcode_orm.codec.undo import all_or_nothing, note


def step(done: list[str], name: str) -> Callable[[], object]:
    return lambda: done.append(name)


def test_a_block_that_ends_well_takes_nothing_back() -> None:
    done: list[str] = []
    with all_or_nothing():
        note(step(done, "a"))
    assert done == []


@pytest.mark.parametrize("problem", [ValueError, KeyboardInterrupt])
def test_a_block_that_raises_takes_back_what_was_noted_last_first(problem: type[BaseException]) -> None:
    done: list[str] = []
    with pytest.raises(problem), all_or_nothing():
        note(step(done, "a"))
        note(step(done, "b"))
        raise problem
    assert done == ["b", "a"]


def test_an_attempt_within_another_is_a_part_of_it() -> None:
    done: list[str] = []
    with pytest.raises(ValueError), all_or_nothing():
        note(step(done, "outer"))
        with pytest.raises(KeyError), all_or_nothing():
            note(step(done, "failed"))
            raise KeyError
        assert done == ["failed"]
        with all_or_nothing():
            note(step(done, "inner"))
        raise ValueError
    assert done == ["failed", "inner", "outer"]


def test_what_is_noted_outside_of_any_attempt_stays_done() -> None:
    done: list[str] = []
    note(step(done, "a"))
    with pytest.raises(ValueError), all_or_nothing():
        raise ValueError
    assert done == []
