"""Threads for reading and writing: how many, and work that is done ahead in them while its results come in order."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from ..errors import told

MAX_WORKERS = 4

T = TypeVar("T")
R = TypeVar("R")


class _Here(threading.local):
    worker = False


_here = _Here()


def gil_enabled() -> bool:
    """Whether one thread at a time runs Python code; False on a free-threaded interpreter."""
    asked: Callable[[], bool] | None = getattr(sys, "_is_gil_enabled", None)
    return asked is None or asked()


def cpus() -> int:
    """How many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def check_workers(workers: Any) -> None:
    """Refuse what is no number of threads; `ValueError`."""
    if workers is not None and (not isinstance(workers, int) or workers < 0):
        raise ValueError(f"workers is None or a number from 0 on, not {told(workers)}")


def worker_count(workers: int | None) -> int:
    """How many threads `workers` means: None is one a processor up to 4, and none where there is but one.

    Work that runs in such a thread already starts no further ones.
    """
    if _here.worker:
        return 0
    if workers is None:
        return min(MAX_WORKERS, cpus()) if cpus() > 1 else 0
    return workers


def in_order(work: Callable[[T], R], items: Iterable[T], workers: int) -> Generator[tuple[T, R], None, None]:
    """Each item with `work(item)`, in the order of `items`; `workers` threads are at most two items each ahead.

    Without workers the work is done here when its turn comes. What `work` raises is raised at its item. The threads
    have ended when the iterator has, also when it is closed early.
    """
    if not workers:
        for item in items:
            yield item, work(item)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="parcode-reader", initializer=enter_worker)
    waiting: deque[tuple[T, Callable[[], R]]] = deque()
    try:
        for item in items:
            waiting.append((item, _submit(pool, work, item)))
            if len(waiting) > 2 * workers:
                first, result = waiting.popleft()
                yield first, result()
        while waiting:
            first, result = waiting.popleft()
            yield first, result()
    finally:
        pool.shutdown(cancel_futures=True)


def enter_worker() -> None:
    """This thread works for others: what it calls starts no further threads."""
    _here.worker = True


def _submit(pool: ThreadPoolExecutor, work: Callable[[T], R], item: T) -> Callable[[], R]:
    try:
        return pool.submit(work, item).result
    except RuntimeError:  # no thread can be started: the process has too many, or is ending
        return partial(work, item)
