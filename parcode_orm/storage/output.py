"""The end of the pipeline: it gathers small parts and passes large ones on without a copy, in order."""

from __future__ import annotations

from collections.abc import Callable

from ..format.checksum import WideChecksum
from ..format.encoder import Buffer

DIRECT = 64 * 1024  # bytes: a part from this size on goes out by itself
GATHER = 256 * 1024  # bytes that wait at most


class Output:
    """Writes parts through `write`, which takes all bytes. `position` counts waiting parts too.

    A waiting part must not change before `flush`.
    """

    __slots__ = ("position", "write", "_hash", "_waiting", "_waiting_size")

    def __init__(self, write: Callable[[Buffer], None], position: int = 0, *, hashed: bool = False) -> None:
        self.position = position
        self.write = write
        self._hash = WideChecksum() if hashed else None
        self._waiting: list[Buffer] = []
        self._waiting_size = 0

    def put(self, *parts: Buffer, align: int = 1) -> int:
        """Append zeros up to a multiple of `align`, and `parts`, small ones as one. Return where these begin."""
        start = self.position + -self.position % align
        if start > self.position:
            parts = (bytes(start - self.position), *parts)
        if len(parts) > 1 and sum(map(len, parts)) < DIRECT:
            parts = (b"".join(parts),)
        for part in parts:
            size = len(part) if type(part) is bytes else memoryview(part).nbytes
            self.position += size
            if self._hash is not None:
                self._hash.update(part)
            if size >= DIRECT:
                self.flush()
                self.write(part)
            elif size:
                self._waiting.append(part)
                self._waiting_size += size
                if self._waiting_size >= GATHER:
                    self.flush()
        return start

    def flush(self) -> None:
        """Write the waiting parts."""
        if self._waiting:
            parts, self._waiting, self._waiting_size = self._waiting, [], 0
            self.write(b"".join(parts) if len(parts) > 1 else parts[0])

    def digest(self) -> bytes:
        """XXH3-128 of all parts so far, written or waiting, if `hashed` was given."""
        assert self._hash is not None
        return self._hash.digest()
