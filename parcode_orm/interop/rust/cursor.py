"""The content of one chunk while values are taken from it, and what goes wrong then."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from pydantic import ValidationError

from ...errors import CorruptionError, InputError, TruncatedError, told
from .chunks import LZ4, Chunk

DEPTH = 100  # of values of one class inside each other
WIDTHS = {251: (2, 251), 252: (4, 1 << 16), 253: (8, 1 << 32), 254: (16, 1 << 64)}  # bytes, and the least value in them


class Misfit(Exception):
    """A value does not fit its type. `steps` lead to it, from the inside out; `error` is what the caller gets."""

    def __init__(self, error: CorruptionError | InputError) -> None:
        super().__init__(error)
        self.error = error
        self.steps: list[str] = []


FAILURES = (Misfit, IndexError, struct.error, ValidationError, RecursionError)


class Cursor:
    """A place in the content of a chunk. Reading beyond the end raises an `IndexError`.

    `first` is the number of the item that comes first: a list may be cut into chunks.
    """

    __slots__ = ("at", "chunk", "data", "depth", "first")

    def __init__(self, chunk: Chunk, first: int = 0) -> None:
        self.chunk, self.data, self.at, self.depth, self.first = chunk, chunk.payload(), 0, 0, first

    def misfit(self, message: str, expected: object = None, found: object = None, *, at: int | None = None) -> NoReturn:
        """Raise the `Misfit` of the value at `at`, which is this place by default."""
        raise Misfit(self._damaged(CorruptionError, message, self.at if at is None else at, expected, found))

    def _damaged(
        self, kind: type[CorruptionError], message: str, at: int, expected: object = None, found: object = None
    ) -> CorruptionError:
        chunk = self.chunk
        if chunk.compression == LZ4:  # the content's bytes have no place in the file
            message, at = f"{message}, in byte {at} of a chunk's content", 0
        return kind(message, path=chunk.file.path, offset=chunk.start + at, expected=expected, found=found)

    def within(self, step: str, problem: Exception) -> Misfit:
        """The `Misfit` of a value, one of whose parts failed: that to which `step` leads."""
        if isinstance(problem, Misfit):
            found = problem
        elif isinstance(problem, ValidationError):
            found = Misfit(InputError(_first(problem)))
        elif isinstance(problem, RecursionError):
            found = Misfit(self._damaged(CorruptionError, "values lie too deep in each other", self.at))
        else:
            found = Misfit(self._damaged(TruncatedError, "a chunk ends inside a value", len(self.data)))
        found.steps.append(step)
        return found

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        at = self.at
        data = self.data[at : at + size]
        if len(data) != size:
            raise IndexError
        self.at = at + size
        return data

    def wide(self, first: int) -> int:
        """An unsigned integer whose first byte is `first`, 251 or more. The writer gives its shortest form only."""
        if first not in WIDTHS:
            self.misfit("no integer begins with this byte", "0 to 254", first)
        width, least = WIDTHS[first]
        begin = self.at
        self.at += 1
        value = int.from_bytes(self.take(width), "little")
        if value < least:
            self.misfit("an integer is not in its shortest form", f"{least} or more", value, at=begin)
        return value

    def number(self) -> int:
        """An unsigned integer."""
        first = self.data[self.at]
        if first < 251:
            self.at += 1
            return first
        return self.wide(first)

    def count(self) -> int:
        """The length of a text or a collection. Each of its items has a byte at least."""
        begin, value = self.at, self.number()
        if value > len(self.data):
            self.misfit("a length is greater than its chunk", f"at most {len(self.data)}", value, at=begin)
        return value

    def finish(self) -> None:
        """Raise a `Misfit` unless all was read."""
        if self.at != len(self.data):
            self.misfit("bytes are left over in a chunk", f"{self.at} bytes", f"{len(self.data)} bytes")


def _first(problem: ValidationError) -> str:
    first = problem.errors(include_url=False)[0]
    place = "".join(f"{each}: " for each in first["loc"])
    return f"{place}{first['msg']}, not {told(first['input'])}"


@contextmanager
def reported(root: str, path: str) -> Iterator[None]:
    """Raise the failures of the block as errors for the user, with the path from the root to what failed."""
    try:
        yield
    except Misfit as problem:
        error, place = problem.error, root + "".join(reversed(problem.steps))
        if isinstance(error, CorruptionError):
            error.args = (f"{place}: {error.args[0]}; the file is damaged, or Rust's type is another one than {root}",)
            raise error from None
        raise InputError(f"{path}: {place}: {error}" if path else f"{place}: {error}") from None
