"""The chunks of a file of the Rust crate: where they lie, their children, their content.

    chunk chunk ... root chunk | footer of 26 bytes: "PAR4", u16 version 4, u64 offset, u64 length of the root, u32 0

    payload | n references of u64 offset, u64 length | u32 n | a byte: bit 0 says that there are children, bits 1 to 3
    the compression, and the others are 0. Without children the references and their number are missing.

The chunks are a tree, and cover the file from its first byte to the footer. `opened` holds a file to this before
anything is read of it. So whatever a reference says, nothing is read twice, and all reading ends.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import lz4.block

from ...errors import CorruptionError, NotAParcodeFile, TruncatedError, UnsupportedVersion
from ...storage.files import check_regular, file_name, storing

MAGIC, VERSION = b"PAR4", 4
FOOTER = struct.Struct("<4sHQQI")
REFERENCE = 16
DEPTH = 200  # of chunks below each other
LZ4 = 1
LZ4_RATIO = 255  # no block grows more

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Offsets = NDArray[np.uint64]


class File:
    """A mapped file, or bytes. `content` is all before the footer."""

    __slots__ = ("content", "path", "size")

    def __init__(self, content: mmap.mmap | bytes, path: str, size: int) -> None:
        self.content, self.path, self.size = content, path, size

    def damaged(self, message: str, offset: int, expected: object = None, found: object = None) -> CorruptionError:
        return CorruptionError(message, path=self.path, offset=offset, expected=expected, found=found)


class Chunk(NamedTuple):
    """A chunk: its payload from `start` to `end`, and behind it the references to `fan_out` children."""

    file: File
    start: int
    end: int
    fan_out: int
    compression: int

    def children(self) -> Iterator[Chunk]:
        """The chunks that the references lead to, in order."""
        for place in range(self.end, self.end + REFERENCE * self.fan_out, REFERENCE):
            offset, length = struct.unpack("<QQ", self.file.content[place : place + REFERENCE])
            yield _chunk(self.file, offset, length)

    def payload(self) -> bytes:
        """The content, decompressed.

        Raises:
            CorruptionError: it is no block of LZ4, or has another size than it says.
        """
        data = self.file.content[self.start : self.end]
        if self.compression != LZ4:
            return data
        if len(data) < 4:
            raise self.file.damaged("a compressed chunk has no size", self.start, 4, len(data))
        size = int.from_bytes(data[:4], "little")
        if size > LZ4_RATIO * len(data):
            raise self.file.damaged("a compressed chunk says that it is larger than LZ4 can make it", self.start)
        try:
            raw: bytes = lz4.block.decompress(memoryview(data)[4:], uncompressed_size=size)
        except lz4.block.LZ4BlockError as problem:
            raise self.file.damaged("a chunk is no block of LZ4", self.start) from problem
        if len(raw) != size:
            raise self.file.damaged("a decompressed chunk has another size", self.start, size, len(raw))
        return raw


def opened(source: str | os.PathLike[str] | bytes, call: str) -> Chunk:
    """The root chunk of a file whose chunks are checked; `call` is what the user called.

    Raises:
        NotAParcodeFile: it is no file of the Rust crate.
        UnsupportedVersion: it has another version of the format, or another compression than LZ4.
        TruncatedError, CorruptionError: the chunks do not cover the file.
        StorageError: it cannot be read.
    """
    content: mmap.mmap | bytes
    if isinstance(source, bytes):
        path, size, content = "", len(source), source
    else:
        path = file_name(source, call)
        with storing("open", path), open(path, "rb") as opened:
            status = os.fstat(opened.fileno())
            check_regular(status, path)
            size = status.st_size
            content = mmap.mmap(opened.fileno(), size, access=mmap.ACCESS_READ) if size else b""
    at = size - FOOTER.size
    if at < 0 or content[at : at + 4] != MAGIC:
        what = "the file does not end with the footer that the Rust crate parcode writes"
        raise NotAParcodeFile(f"{what}: {path}" if path else what)
    _, version, offset, length, zero = FOOTER.unpack(content[at:size])
    if version != VERSION:
        raise UnsupportedVersion(f"version {version} of the Rust format is not known, only {VERSION}: {path}")
    file = File(content, path, at)
    if zero:
        raise file.damaged("the footer's last field is not 0", size - 4, 0, zero)
    root = _chunk(file, offset, length)
    _check(file, offset, length)
    return root


def _chunk(file: File, offset: int, length: int) -> Chunk:
    """The chunk of a reference, which leads anywhere."""
    if not 0 < length <= file.size - offset:
        raise TruncatedError(
            "a reference leads out of the file", path=file.path, offset=offset, expected=file.size, found=length
        )
    last = offset + length - 1
    meta = file.content[last]
    if meta >> 4:
        raise file.damaged("the last byte of a chunk has unknown bits", last, "0 to 15", meta)
    if meta >> 1 > LZ4:
        raise UnsupportedVersion(
            f"compression {meta >> 1} of the Rust format is not known, only 0 (none) and 1 (LZ4): {file.path}, "
            f"at offset {last}"
        )
    if not meta & 1:
        return Chunk(file, offset, last, 0, meta >> 1)
    count = int.from_bytes(file.content[max(last - 4, offset) : last], "little")
    end = last - 4 - REFERENCE * count
    if not count or end < offset:
        raise file.damaged("a chunk has another number of children than there is room for", max(last - 4, offset))
    return Chunk(file, offset, end, count, meta >> 1)


def _check(file: File, offset: int, length: int) -> None:
    """Raise `CorruptionError` unless the chunks below a reference lie side by side, and fill the file.

    The references of each level are arrays: a file may have millions.
    """
    import numpy as np

    content = np.frombuffer(file.content, np.uint8, file.size)
    starts, lengths = np.array([offset], np.uint64), np.array([length], np.uint64)
    size, seen = np.uint64(file.size), 0.0
    levels: list[tuple[Offsets, Offsets]] = []
    while len(starts):
        wrong = (starts > size) | (lengths > size - np.minimum(starts, size)) | (lengths == 0)
        if wrong.any():
            raise file.damaged("a reference leads out of the file", int(starts[wrong][0]))
        if len(levels) == DEPTH:
            raise file.damaged(f"more than {DEPTH} chunks lie below each other", int(starts[0]))
        levels.append((starts, lengths))
        seen += float(lengths.sum(dtype=np.float64))
        if seen > file.size:
            raise file.damaged("chunks overlap", int(starts[0]), file.size, seen)
        parents = (content[starts + lengths - np.uint64(1)] & 1).nonzero()[0].tolist()
        tables = [_references(file, int(starts[each]), int(lengths[each]), content) for each in parents]
        both = np.concatenate(tables) if tables else np.empty((0, 2), np.uint64)
        starts, lengths = both[:, 0], both[:, 1]
    begins = np.concatenate([each for each, _ in levels])
    order = np.argsort(begins, kind="stable")
    begins = begins[order]
    ends = begins + np.concatenate([each for _, each in levels])[order]
    expected = np.concatenate([np.zeros(1, np.uint64), ends])
    found = np.append(begins, size)
    if (differ := (expected != found).nonzero()[0]).size:
        at = int(differ[0])
        message = "the chunks do not lie side by side: the file is damaged, or bytes were added to it"
        raise file.damaged(message, int(min(expected[at], found[at])), int(expected[at]), int(found[at]))


def _references(file: File, offset: int, length: int, content: NDArray[np.uint8]) -> Offsets:
    """The references of a chunk that has children, a row each; all lead to bytes before it."""
    chunk = _chunk(file, offset, length)
    table = content[chunk.end : chunk.end + REFERENCE * chunk.fan_out].view("<u8").reshape(-1, 2)
    late = table[:, 0] >= offset
    if late.any():
        raise file.damaged("a chunk lies behind its parent", offset, f"below {offset}", int(table[late][0, 0]))
    return table.astype("u8")
