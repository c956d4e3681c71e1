"""Telling how far a long work is."""

from __future__ import annotations

from collections.abc import Callable

EVERY = 4 << 20  # bytes, after which progress is told
Progress = Callable[[str, int, int], object]


def untold(what: str, done: int, total: int) -> None:
    """Progress that nobody asked for."""


class Done:
    """Tells how much of a long work is done, in bytes."""

    def __init__(self, progress: Progress, what: str, total: int) -> None:
        self._progress = progress
        self._what = what
        self._total = total
        self._done = self._told = 0

    def add(self, size: int) -> None:
        """Count bytes."""
        self._done += size
        if self._done - self._told >= EVERY:
            self._told = self._done
            self._progress(self._what, min(self._done, self._total), self._total)

    def end(self) -> None:
        """All is done."""
        self._progress(self._what, self._total, self._total)
