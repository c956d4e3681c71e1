"""The end of the pipeline: it gathers small parts and passes large ones on without a copy, in order."""

from __future__ import annotations

from collections.abc import Callable

from ..format.checksum import WideChecksum
from ..format.chunk import Buffer

DIRECT = 64 * 1024  # bytes: a part from this size on goes out by itself
GATHER = 256 * 1024  # bytes that wait at most


class Output:
    """Writes parts through `write`, which takes all bytes. `position` counts waiting parts too.

    A waiting part must not change before `flush`.
    """

    __slots__ = ("position", "_hash", "_waiting", "_waiting_size", "_write")

    def __init__(self, write: Callable[[Buffer], None], position: int = 0, *, hashed: bool = False) -> None:
        self.position = position
        self._write = write
        self._hash = WideChecksum() if hashed else None
        self._waiting: list[Buffer] = []
        self._waiting_size = 0

    def put(self, part: Buffer) -> None:
        """Append one part."""
        size = len(part) if type(part) is bytes else memoryview(part).nbytes
        self.position += size
        if size >= DIRECT:
            self.flush()
            self._emit(part)
        elif size:
            self._waiting.append(part)
            self._waiting_size += size
            if self._waiting_size >= GATHER:
                self.flush()

    def put_aligned(self, alignment: int, parts: list[Buffer]) -> int:
        """Append zeros up to a multiple of `alignment`, and the parts, small ones as one. Return
        where these begin.
        """
        gap = -self.position % alignment
        start = self.position + gap
        if sum(map(len, parts)) < DIRECT:
            self.put(b"".join([bytes(gap), *parts]))
        else:
            for part in (bytes(gap), *parts):
                self.put(part)
        return start

    def align(self, alignment: int) -> int:
        """Append zeros up to a multiple of `alignment` and return the position."""
        gap = -self.position % alignment
        if gap:
            self.put(bytes(gap))
        return self.position

    def flush(self) -> None:
        """Write the waiting parts."""
        if self._waiting:
            parts, self._waiting, self._waiting_size = self._waiting, [], 0
            self._emit(b"".join(parts) if len(parts) > 1 else parts[0])

    def digest(self) -> bytes:
        """XXH3-128 of everything written so far, if `hashed` was given."""
        assert self._hash is not None
        self.flush()
        return self._hash.digest()

    def _emit(self, part: Buffer) -> None:
        if self._hash is not None:
            self._hash.update(part)
        self._write(part)
