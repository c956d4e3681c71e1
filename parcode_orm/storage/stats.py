"""Counters of what a session read and wrote, so that laziness can be seen and tested."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Stats:
    """Chunks, bytes and rows since the session began. Bytes are those in the file: heads and stored buffers."""

    chunks_read: int = 0
    bytes_read: int = 0
    rows_read: int = 0
    chunks_written: int = 0
    bytes_written: int = 0
    rows_written: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counters by name."""
        return asdict(self)

    def reset(self) -> None:
        """Start again at zero."""
        for name in self.as_dict():
            setattr(self, name, 0)

    def count_bytes_read(self, size: int) -> None:
        """Told of every stored byte that is read."""
        self.bytes_read += size
