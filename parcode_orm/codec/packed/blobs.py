"""Single large values as blobs: their bytes, and the `meta` that tells how to read them."""

from __future__ import annotations

from typing import Any

from ...errors import EncodeError
from ...format.encoder import Buffer
from ..kernels import loaded_numpy
from .arrays import array_bytes, array_from, array_meta, parse_meta

TEXT, BYTES, BYTEARRAY, ARRAY = b"s", b"b", b"m", b"a"
ANY_KIND = (BYTES, BYTEARRAY, TEXT, ARRAY)
KINDS: dict[Any, bytes] = {bytes: BYTES, bytearray: BYTEARRAY, str: TEXT}


def blob_size(value: Any) -> int:
    """The size in bytes of a value that may become a blob; 0 for any other."""
    cls = type(value)
    if cls is bytes or cls is bytearray:
        return len(value)
    if cls is str:
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    numpy = loaded_numpy()
    if numpy is not None and cls in (numpy.ndarray, numpy.memmap) and not value.dtype.hasobject:
        return int(value.nbytes)
    return 0


def kind_of(value: Any) -> bytes:
    """The kind of the blob that `value`, which has a `blob_size`, would be."""
    return KINDS.get(type(value), ARRAY)


def to_blob(value: Any) -> tuple[Buffer, bytes]:
    """A large value's content and its meta."""
    if isinstance(value, bytes | bytearray):
        return value, BYTES if isinstance(value, bytes) else BYTEARRAY
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass"), TEXT
    numpy = loaded_numpy()
    if numpy is None or not isinstance(value, numpy.ndarray):
        raise EncodeError("only text, bytes and arrays are stored as blobs", value_type=type(value))
    return array_bytes(value), ARRAY + array_meta(value)


def from_blob(data: memoryview, meta: bytes, *, writable: bool) -> Any:
    """The value of a blob, or a `ValueError`. A `writable` array is a copy."""
    if meta == BYTES:
        return bytes(data)
    if meta == BYTEARRAY:
        return bytearray(data)
    if meta == TEXT:
        return str(data, "utf-8", "surrogatepass")
    if meta[:1] == ARRAY:
        return array_from(data, *parse_meta(meta[1:]), writable=writable)
    raise ValueError(f"a blob of unknown kind {meta[:1]!r}")
