"""Counters of what a session read and wrote, so that laziness can be seen and tested."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, fields


@dataclass(slots=True)
class Stats:
    """Chunks, bytes and rows since the session began. Bytes are those in the file: heads and stored buffers."""

    chunks_read: int = 0
    bytes_read: int = 0
    rows_read: int = 0
    chunks_written: int = 0
    bytes_written: int = 0
    rows_written: int = 0
    # For what several threads count: those that read ahead share the session's counters. The thread that has it may
    # take it again, as the cycle collector runs any code at any time.
    lock: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False, compare=False)

    def as_dict(self) -> dict[str, int]:
        """The counters by name."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.compare}

    def reset(self) -> None:
        """Start again at zero."""
        for name in self.as_dict():
            setattr(self, name, 0)

    def count_bytes_read(self, size: int) -> None:
        """Told of every stored byte that is read."""
        with self.lock:
            self.bytes_read += size

    def count_chunk_read(self) -> None:
        """Told of every chunk that is opened."""
        with self.lock:
            self.chunks_read += 1

    def count_rows_read(self, count: int) -> None:
        """Told of rows that are read."""
        with self.lock:
            self.rows_read += count
