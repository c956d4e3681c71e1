"""Ctrl-C at a chosen line of the package."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from linecache import getline
from pathlib import Path
from types import FrameType
from typing import Any

import parcode_orm
from tests.locks import renew_locks

PACKAGE = str(Path(parcode_orm.__file__).parent)
FINALIZERS = ("__del__", "_forget")
Place = tuple[str, int]


class _Trace:
    """Notes the lines of the package that run, and raises KeyboardInterrupt at the one numbered `at`."""

    def __init__(self, at: int | None) -> None:
        self.places: list[Place] = []
        self._at = at

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        # What a finalizer raises is ignored: no interrupt is lost there, but comes a little later.
        if not code.co_filename.startswith(PACKAGE) or code.co_name in FINALIZERS:
            return None
        if event == "line" and not _closes(code.co_filename, frame.f_lineno):
            self.places.append((frame.f_code.co_filename, frame.f_lineno))
            if len(self.places) - 1 == self._at:
                raise KeyboardInterrupt
        return self


@cache
def _closes(file: str, line: int) -> bool:
    """Whether a descriptor is closed here: an interrupt may leave it open, as to close it again could close another."""
    return "close(" in getline(file, line) and Path(file).parent.name == "storage"


def run(work: Callable[[], object], at: int | None = None) -> list[Place]:
    """Run `work`, interrupted at the line with the number `at`; returns the lines that ran."""
    trace = _Trace(at)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
        renew_locks()
    return trace.places


def chosen(places: list[Place], length: float, quick: int) -> list[int]:
    """The numbers of the lines to interrupt at: the first time that each line runs; in quick runs `quick` of these.

    With a `length` of 1 each line is met up to three times: at first, at last, and in between.
    """
    found: dict[Place, list[int]] = {}
    for number, place in enumerate(places):
        found.setdefault(place, []).append(number)
    if length >= 1:
        return sorted({times[at] for times in found.values() for at in (0, len(times) // 2, -1)})
    first = sorted(times[0] for times in found.values())
    return first[:: 1 if length else max(1, len(first) // quick)]
