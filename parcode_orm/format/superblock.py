"""The superblock: the first 64 bytes of a file, written once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from ..errors import ChecksumError, NotAParcodeFile, ReadOnlyError, TruncatedError, UnsupportedVersion
from .checksum import checksum
from .layout import (
    FILE_MAGIC,
    FORMAT_MAJOR,
    FORMAT_MINOR,
    INCOMPATIBLE_KNOWN,
    READ_COMPATIBLE_KNOWN,
    SUPERBLOCK,
)


class Superblock(NamedTuple):
    """Version, feature bits and identity of a file."""

    major: int
    minor: int
    incompatible: int
    read_compatible: int
    compatible: int
    uuid: bytes

    def check_writable(self, path: str) -> None:
        """Raise `ReadOnlyError` if the file has a feature with which this version may only read it."""
        unknown = self.read_compatible & ~READ_COMPATIBLE_KNOWN
        if unknown:
            raise ReadOnlyError(
                f"{path or 'the file'} uses features this version cannot write "
                f"(read-compatible bits {_bits(unknown)}): open it read-only, or with a newer version"
            )


# `_make` without its Python frame
_superblock: Callable[[Any], Superblock] = partial(tuple.__new__, Superblock)


def pack(uuid: bytes, *, incompatible: int = 0, read_compatible: int = 0, compatible: int = 0) -> bytes:
    """The superblock of a new file; `uuid` is 16 bytes."""
    body = SUPERBLOCK.pack(
        FILE_MAGIC, FORMAT_MAJOR, FORMAT_MINOR, 0, incompatible, read_compatible, compatible, uuid, 0
    )[:-8]
    return body + checksum(body).to_bytes(8, "little")


def unpack(data: bytes, path: str) -> Superblock:
    """Read the first bytes of a file. `data` has 64 bytes, unless the file is shorter.

    Raises:
        NotAParcodeFile: the file is no Parcode file.
        TruncatedError: the file ends within the superblock.
        UnsupportedVersion: another major version, or incompatible feature bits that this one does not know.
        ChecksumError: the superblock is damaged.
    """
    name = path or "this file"
    if not data:
        raise NotAParcodeFile(f"{name} is not a Parcode file: it is empty")
    if data[:8] != FILE_MAGIC[: len(data)]:
        raise NotAParcodeFile(f"{name} is not a Parcode file: it begins with {data[:8]!r}")
    if len(data) < SUPERBLOCK.size:
        raise TruncatedError("the file ends within its superblock", path=path, offset=len(data))
    _, major, minor, _, incompatible, read_compatible, compatible, uuid, stored = SUPERBLOCK.unpack_from(data)
    if major != FORMAT_MAJOR:
        raise UnsupportedVersion(
            f"{name} has format version {major}.{minor}; this version of parcode-orm reads {FORMAT_MAJOR}.x"
        )
    found = checksum(data[: SUPERBLOCK.size - 8])
    if found != stored:
        raise ChecksumError("the superblock is damaged", path=path, offset=0, expected=stored, found=found)
    unknown = incompatible & ~INCOMPATIBLE_KNOWN
    if unknown:
        raise UnsupportedVersion(
            f"{name} uses features this version does not know (incompatible bits {_bits(unknown)}): "
            "open it with a newer version of parcode-orm"
        )
    return _superblock((major, minor, incompatible, read_compatible, compatible, uuid))


def _bits(value: int) -> str:
    return ", ".join(str(bit) for bit in range(64) if value >> bit & 1)
