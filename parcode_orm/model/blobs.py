"""`LazyBytes` and `LazyText`: large values, read in parts."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from operator import index as as_index
from typing import Any, NoReturn, overload

from parcode_orm.codec.base import Content
from parcode_orm.errors import CorruptionError, told
from parcode_orm.format.layout import BLOB_PIECE

__all__ = ["LazyBytes", "LazyText", "Memory"]

ONLY_READS = "a handle only reads: assign to the model's field to change it"
NO_COPY = "a handle cannot be copied or pickled, as it reads the file: take the value, handle.load()"
_CONTINUATION = bytes(range(0x80, 0xC0))  # the bytes of UTF-8 that begin no character


class Memory:
    """The `Content` of a value in memory."""

    __slots__ = ("data",)

    def __init__(self, data: bytes | bytearray) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def read(self, start: int = 0, stop: int | None = None) -> memoryview:
        return memoryview(self.data).toreadonly()[max(start, 0) : stop]

    def error(self, message: str) -> CorruptionError:
        return CorruptionError(message)


def _equal(one: Content, other: Content) -> bool:
    size = len(one)
    return size == len(other) and all(
        bytes(one.read(at, at + BLOB_PIECE)) == bytes(other.read(at, at + BLOB_PIECE))
        for at in range(0, size, BLOB_PIECE)
    )


class LazyBytes(io.RawIOBase):
    """The value of a `bytes` or `bytearray` field: a sequence to slice, and a binary file to read and seek.

    A read reads, verifies and decompresses only the pieces of 256 KiB that it meets. Nothing can be written. Iterating
    gives lines, as for any file. A damaged piece raises `ChecksumError` when it is read.
    """

    __contains__ = None  # Python would search the lines of the file

    def __init__(self, content: Content, kind: type[bytes] | type[bytearray] = bytes) -> None:
        self._content = content
        self._kind = kind
        self._position = 0

    def __len__(self) -> int:
        return len(self._content)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> bytes: ...
    def __getitem__(self, index: int | slice) -> int | bytes:
        size = len(self._content)
        if isinstance(index, slice):
            start, stop, step = _bounds(range(*index.indices(size)))
            return bytes(self._content.read(start, stop)[::step])
        place = as_index(index)
        if not -size <= place < size:
            raise IndexError(f"index {place} out of range: there are {size} bytes")
        place %= size
        return self._content.read(place, place + 1)[0]

    def view(self, start: int | None = None, stop: int | None = None) -> memoryview:
        """The bytes `start` to `stop` (ints, as in a slice), a read-only view.

        It is a view of the file's map if the value is not compressed. It stays valid after the session.

        Raises:
            ChecksumError: a piece of the value in this range is damaged.
        """
        first, last, _ = slice(start, stop).indices(len(self._content))
        return self._content.read(first, last)

    def __bytes__(self) -> bytes:
        return bytes(self._content.read())

    def load(self) -> bytes | bytearray:
        """The whole value, of the field's type (`bytes` or `bytearray`); raises as `view`."""
        return self._kind(self._content.read())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, LazyBytes):
            return _equal(self._content, other._content)
        if isinstance(other, bytes | bytearray):
            return _equal(self._content, Memory(other))
        return NotImplemented

    def __repr__(self) -> str:
        return f"<LazyBytes of {len(self._content)} bytes>"

    # -- a file -----------------------------------------------------------------------------------------------------

    def readable(self) -> bool:
        """True: the handle is a file to read."""
        return True

    def seekable(self) -> bool:
        """True: `seek` and `tell` work."""
        return True

    def tell(self) -> int:
        """The byte where the next `read` begins."""
        self._check_usable()
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to `offset` bytes from the start (`whence` 0), the position (1) or the end (2).

        Returns the new position. Raises ValueError for a place before the start, and for another `whence`.
        """
        self._check_usable()
        if whence not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
            raise ValueError(f"whence is 0, 1 or 2, not {told(whence)}")
        base = (0, self._position, len(self._content))[whence]
        position = base + as_index(offset)
        if position < 0:
            raise ValueError(f"cannot seek to {position}, before the start")
        self._position = position
        return position

    def read(self, size: int | None = -1) -> bytes:
        """Up to `size` bytes from the position, all that follow without `size`; b"" at the end."""
        return bytes(self._next(size))

    def readall(self) -> bytes:
        """All bytes from the position."""
        return self.read()

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`, a writable buffer of bytes, from the position; returns how many bytes there were."""
        target = memoryview(buffer).cast("B")
        found = self._next(len(target))
        target[: len(found)] = found
        return len(found)

    def write(self, data: Any) -> NoReturn:
        """Raises `io.UnsupportedOperation`, whatever `data` is: assign to the model's field instead."""
        raise io.UnsupportedOperation(ONLY_READS)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(NO_COPY)

    def _next(self, size: int | None) -> memoryview:
        self._check_usable()
        start = self._position
        size = -1 if size is None else as_index(size)
        stop = len(self._content) if size < 0 else start + size
        found = self._content.read(start, stop)
        self._position += len(found)
        return found

    def _check_usable(self) -> None:
        if self.closed:
            raise ValueError("this handle was closed")


class LazyText(io.TextIOWrapper):
    """The value of a `str` field: text to slice, and a text file to read, by characters or lines, and to seek.

    The text is stored as UTF-8. The characters of its pieces of 256 KiB are counted when they are first needed, and the
    counts are kept. So `len(text)` reads all of it once. `text[a:b]` first reads everything up to `b`, later only the
    pieces that it meets. Reading the text as a file counts nothing. Lines end with "\\n" alone, and nothing is
    translated. `seek` takes a value of `tell`. Errors are those of `LazyBytes`.
    """

    __contains__ = None  # a file's lines would be searched

    def __init__(self, content: Content) -> None:
        super().__init__(io.BufferedReader(LazyBytes(content)), "utf-8", "surrogatepass", newline="\n")
        self._content = content
        self._ends: list[int] = []  # characters up to the end of each counted piece

    def __len__(self) -> int:
        ends = self._count_beyond(len(self._content))
        return ends[-1] if ends else 0

    def __bool__(self) -> bool:
        return len(self._content) > 0

    def __getitem__(self, index: int | slice) -> str:
        if isinstance(index, slice):
            start, stop, step = _bounds(self._range(index))
            return self._slice(start, stop)[::step]
        place = as_index(index)
        found = self._slice(place, place + 1) if place >= 0 else self._slice(*_around(place + len(self)))
        if not found:
            raise IndexError(f"index {place} out of range: there are {len(self)} characters")
        return found

    def _range(self, index: slice) -> range:
        """The places of a slice. Counts all characters only if the slice depends on their number."""
        parts = (index.start or 0, index.stop, 1 if index.step is None else index.step)
        if all(isinstance(part, int) and part >= 0 for part in parts) and parts[2]:
            # There are at most as many characters as bytes.
            return range(*index.indices(min(parts[1], len(self._content))))
        return range(*index.indices(len(self)))

    def _slice(self, start: int, stop: int) -> str:
        if start >= stop:
            return ""
        first, last = self._byte(start), self._byte(stop - 1)
        lead = self._content.read(last, last + 1)  # it tells the width of its character
        return self._decode(self._content.read(first, last + (_width(lead[0]) if lead else 0)))

    def _byte(self, place: int) -> int:
        """The byte where the character `place` begins; the end of the text if there are fewer characters."""
        ends = self._count_beyond(place)
        piece = bisect_right(ends, place)
        if piece == len(ends):
            return len(self._content)
        at = piece * BLOB_PIECE
        before = ends[piece - 1] if piece else 0
        return at + _nth(bytes(self._content.read(at, at + BLOB_PIECE)), place - before)

    def _count_beyond(self, place: int) -> list[int]:
        """Count characters up to the piece of character `place`; return all counts."""
        ends, size = self._ends, len(self._content)
        counted = ends
        while (at := len(counted) * BLOB_PIECE) < size and (not counted or counted[-1] <= place):
            if counted is ends:
                counted = ends.copy()  # a new list: other threads may be reading the old one
            counted.append(
                (counted[-1] if counted else 0) + _characters(bytes(self._content.read(at, at + BLOB_PIECE)))
            )
        self._ends = counted
        return counted

    def _decode(self, data: memoryview) -> str:
        try:
            return str(data, "utf-8", "surrogatepass")
        except UnicodeDecodeError as problem:
            raise self._not_text(problem) from problem

    def _not_text(self, problem: UnicodeDecodeError) -> CorruptionError:
        return self._content.error(f"text is not UTF-8: {problem.reason}")

    def seek(self, cookie: int, whence: int = os.SEEK_SET) -> int:
        """Move to `cookie`, a value of `tell`; with `cookie` 0 to the start (`whence` 0) or the end (`whence` 2).

        Returns the new position. Raises ValueError for a place within a character.
        """
        if whence == os.SEEK_SET and 0 <= as_index(cookie) < len(self._content):
            if self._content.read(cookie, cookie + 1)[0] & 0xC0 == 0x80:
                raise ValueError(f"byte {cookie} is within a character: seek takes what tell() gave")
        return super().seek(cookie, whence)

    def load(self) -> str:
        """The whole text; raises `ChecksumError` as `LazyBytes.view`."""
        return self._decode(self._content.read())

    def write(self, text: Any) -> NoReturn:
        """Raises `io.UnsupportedOperation`, whatever `text` is: assign to the model's field instead."""
        raise io.UnsupportedOperation(ONLY_READS)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(NO_COPY)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, LazyText):
            return _equal(self._content, other._content)
        if isinstance(other, str):
            return _equal(self._content, Memory(other.encode("utf-8", "surrogatepass")))
        return NotImplemented

    def __repr__(self) -> str:
        return f"<LazyText of {len(self._content)} bytes>"

    # -- a file -----------------------------------------------------------------------------------------------------

    def read(self, size: int | None = -1) -> str:
        """Up to `size` characters from the position, all that follow without `size`; "" at the end."""
        try:
            return super().read(size)
        except UnicodeDecodeError as problem:
            raise self._not_text(problem) from problem

    def readline(self, size: int = -1) -> str:  # type: ignore[override]
        """The text up to the end of the line, or `size` characters of it; "" at the end."""
        try:
            return super().readline(size)
        except UnicodeDecodeError as problem:
            raise self._not_text(problem) from problem


def _bounds(places: range) -> tuple[int, int, int]:
    """(start, stop, step): `values[start:stop][::step]` are the values at `places`."""
    if not places:
        return 0, 0, 1
    return (places[0], places[-1] + 1, places.step) if places.step > 0 else (places[-1], places[0] + 1, places.step)


def _around(place: int) -> tuple[int, int]:
    return (place, place + 1) if place >= 0 else (0, 0)


def _characters(data: bytes) -> int:
    """The number of characters that begin in this part of a UTF-8 text."""
    return len(data) if data.isascii() else len(data.translate(None, _CONTINUATION))


def _width(lead: int) -> int:
    """The number of bytes of a character, from its first byte."""
    return 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4


def _nth(data: bytes, count: int) -> int:
    """The byte where the character behind `count` others begins; there is one."""
    if data.isascii():
        return count
    at, size = 0, len(data)
    while size > 1:
        half = size >> 1
        found = _characters(data[at : at + half])
        if count < found:
            size = half
        else:
            count -= found
            at += half
            size -= half
    return at
