"""Threads for reading and writing: their number, and work ahead whose results come in order."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import told

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

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
    """Raise `ValueError` unless `workers` is a number of threads or None."""
    if workers is not None and (not isinstance(workers, int) or workers < 0):
        raise ValueError(f"workers is None or a number from 0 on, not {told(workers)}")


def worker_count(workers: int | None) -> int:
    """The number of threads that `workers` means. None: one a processor up to 4, none on one processor.

    In a worker thread the number is 0: its work starts no further threads.
    """
    if _here.worker:
        return 0
    if workers is None:
        return min(MAX_WORKERS, cpus()) if cpus() > 1 else 0
    return workers


def in_order(work: Callable[[T], R], items: Iterable[T], workers: int) -> Generator[tuple[T, R], None, None]:
    """Each item with `work(item)`, in the order of `items`. Each of `workers` threads is at most two items ahead.

    Without workers this thread does the work of an item when its turn comes. An error of `work` is
    raised at its item. When the iterator ends or is closed early, its threads have ended.
    """
    if not workers:
        for item in items:
            yield item, work(item)
        return
    from concurrent.futures import ThreadPoolExecutor

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
    """Mark this thread as a worker: its work starts no further threads."""
    _here.worker = True


def _submit(pool: ThreadPoolExecutor, work: Callable[[T], R], item: T) -> Callable[[], R]:
    try:
        return pool.submit(copy_context().run, work, item).result
    except RuntimeError:  # no thread can be started: the process has too many, or is ending
        return partial(work, item)
