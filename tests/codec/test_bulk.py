"""The cycle collector is one for the process, and several threads may pause it."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading

import pytest

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
