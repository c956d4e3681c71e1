"""Counters of what a session reads and writes: they let tests see laziness."""

from __future__ import annotations

from _thread import RLock
from dataclasses import dataclass, field, fields


@dataclass(slots=True)
class Stats:
    """Counts what a session reads and writes, since it began or since `reset`. All counters are ints.

    Attributes:
        chunks_read: opened chunks.
        bytes_read: bytes read from the file, in heads and in stored buffers.
        rows_read: rows read: objects of a collection, and roots. A walk over a collection that cannot change makes
            up to 64 of its objects ahead.
        chunks_written: chunks that commits wrote.
        bytes_written: bytes that commits wrote.
        rows_written: rows that commits wrote.
        lock: for the package alone, as are the methods `count_...`.
    """

    chunks_read: int = 0
    bytes_read: int = 0
    rows_read: int = 0
    chunks_written: int = 0
    bytes_written: int = 0
    rows_written: int = 0
    # Threads that read ahead share the session's counters. Reentrant: the cycle collector may run any
    # code in the thread that has the lock.
    lock: RLock = field(default_factory=RLock, init=False, repr=False, compare=False)

    def as_dict(self) -> dict[str, int]:
        """The counters by name, as a plain dictionary of ints."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.compare}

    def reset(self) -> None:
        """Set every counter to zero."""
        for name in self.as_dict():
            setattr(self, name, 0)

    def count_bytes_read(self, size: int) -> None:
        """Add `size` to `bytes_read`; the package calls it."""
        with self.lock:
            self.bytes_read += size

    def count_chunk_read(self, count: int = 1) -> None:
        """Add `count` to `chunks_read`; the package calls it."""
        with self.lock:
            self.chunks_read += count

    def count_rows_read(self, count: int) -> None:
        """Add `count` to `rows_read`; the package calls it."""
        with self.lock:
            self.rows_read += count
