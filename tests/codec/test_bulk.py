"""The cycle collector is one for the process, and several threads may pause it."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from parcode_orm.codec import bulk
from parcode_orm.codec.bulk import gc_paused


def test_pauses_that_overlap() -> None:
    first, second = gc_paused(), gc_paused()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not gc.isenabled()
    second.__exit__(None, None, None)
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with gc_paused(), gc_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_threads_leave_it_on() -> None:
    def pause() -> None:
        for _ in range(2000):
            with gc_paused():
                pass

    threads = [threading.Thread(target=pause) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gc.isenabled()


def test_an_error_ends_the_pause() -> None:
    with pytest.raises(KeyError), gc_paused():
        raise KeyError
    assert gc.isenabled()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is frozen, and pauses begin anew."""
    monkeypatch.setattr(bulk, "_pauses", bulk._Pauses())
    gc.unfreeze()
    yield
    gc.freeze()


def generation(value: Any) -> int:
    return next(age for age in range(3) if any(value is each for each in gc.get_objects(age)))


def many() -> list[Any]:
    with gc_paused():
        return [[] for _ in range(bulk.MANY + 1000)]


@pytest.mark.skipif(not bulk._BY_AGE, reason="this collector has no generations to move objects between")
@pytest.mark.usefixtures("collector")
def test_many_objects_are_old_at_once_but_once_between_full_collections() -> None:
    assert generation(many()) == 2
    assert gc.get_count()[0] < 1000
    assert generation(many()) < 2
    gc.collect()
    assert generation(many()) == 2


@pytest.mark.usefixtures("collector")
def test_what_is_frozen_stays_frozen() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    made = many()
    assert gc.get_freeze_count() == frozen and (not bulk._BY_AGE or generation(made) < 2)
    gc.unfreeze()
    gc.collect()
    assert not bulk._BY_AGE or generation(many()) < 2


@pytest.mark.skipif(not bulk._BY_AGE, reason="this collector has no generations to move objects between")
@pytest.mark.usefixtures("collector")
def test_few_objects_and_those_of_a_failure_stay_young() -> None:
    with gc_paused():
        few = [[] for _ in range(100)]
    assert generation(few) < 2
    with pytest.raises(KeyError), gc_paused():
        kept = [[] for _ in range(bulk.MANY + 1000)]
        raise KeyError
    assert generation(kept) < 2


def test_numpy_is_taken_whole_while_another_thread_imports_it() -> None:
    code = """
import threading
from parcode_orm.codec.kernels import loaded_numpy
thread = threading.Thread(target=__import__, args=("numpy",))
thread.start()
while thread.is_alive():
    found = loaded_numpy()
    assert found is None or found.ndarray
assert loaded_numpy()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
