"""What every workload measures with: times of steps, progress on stderr, the machine's name, tables of figures."""

from __future__ import annotations

import gc
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache

COLD_RUNS = 9


def clock(step: Callable[[], object]) -> float:
    """Seconds for one step; its result dies after the clock stopped."""
    start = time.perf_counter()
    result = step()
    seconds = time.perf_counter() - start
    del result
    return seconds


def repeated(step: Callable[[], object], budget: float = 0.1, most: int = 50) -> float:
    """Median of as many runs as fit the budget, at least one."""
    gc.collect()
    samples = [clock(step)]
    while len(samples) < most and sum(samples) < budget:
        samples.append(clock(step))
    return statistics.median(samples)


@cache
def sweep() -> bytearray:
    """More bytes than the processor's caches hold; made when first wanted, so that children do not hold them."""
    return bytearray(64 << 20)


def cold(step: Callable[[], object], budget: float = 0.1) -> float:
    """Median of a few runs, with the processor's caches swept before each."""
    samples: list[float] = []
    while not samples or (len(samples) < COLD_RUNS and sum(samples) < budget):
        gc.collect()
        sweep().count(1)
        samples.append(clock(step))
    return statistics.median(samples)


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def machine() -> dict[str, str]:
    return {"python": platform.python_version(), "platform": platform.platform(), "machine": platform.machine()}


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield "| " + " | ".join(cells) + " |"


def reached(what: str, value: float, relation: str, bound: float) -> str:
    """One line of a report: whether `value` is `relation` ("<=" or ">=") `bound`."""
    passed = value <= bound if relation == "<=" else value >= bound
    return f"  {'pass' if passed else 'FAIL'}  {what}: {number(value)} (to reach {relation} {number(bound)})"
