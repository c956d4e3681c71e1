"""Compressions by number (in the file) and by name (in Python). `register` adds one of the user's.

Bytes are stored compressed if that saves at least a sixteenth. Otherwise they are stored as they are,
under number 0.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import CompressionError, CorruptionError, MissingExtraError, UnsupportedVersion, told

Buffer = bytes | bytearray | memoryview

NONE = 0
LZ4 = 1
ZSTD = 2
FIRST_OF_USERS = 128

SMALLEST = 64  # bytes: smaller buffers are not compressed
LARGEST = 1 << 30  # bytes: larger buffers are not compressed, and no buffer of a file may expand beyond this
MAX_EXPANSION = 1 << 16  # times: no buffer may expand by more, whatever its compression
LZ4_EXPANSION = 255  # the format's own limit
SAMPLE = 4096
ZSTD_LEVEL = 3


class Method(NamedTuple):
    """One compression: its number in the file, its name, its two functions."""

    id: int
    name: str
    compress: Callable[[memoryview], Buffer]
    decompress: Callable[[memoryview, int], Buffer]


def _lz4_compress(data: memoryview) -> bytes:
    import lz4.block

    packed: bytes = lz4.block.compress(data, store_size=False)
    return packed


def _lz4_decompress(data: memoryview, raw_size: int) -> bytes:
    import lz4.block

    if raw_size > len(data) * LZ4_EXPANSION:
        raise CorruptionError(f"lz4 data of {len(data)} bytes cannot expand to {raw_size}")
    raw: bytes = lz4.block.decompress(data, uncompressed_size=raw_size)
    return raw


_contexts = threading.local()  # a zstd context serves one thread at a time


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError as problem:
        raise MissingExtraError(
            'compression "zstd" needs the package zstandard: pip install "parcode-orm[zstd]"', name="zstandard"
        ) from problem
    return zstandard


def _zstd_compress(data: memoryview) -> bytes:
    context = getattr(_contexts, "compressor", None)
    if context is None:
        context = _contexts.compressor = _zstandard().ZstdCompressor(level=ZSTD_LEVEL)
    packed: bytes = context.compress(data)
    return packed


def _zstd_decompress(data: memoryview, raw_size: int) -> bytes:
    zstandard = _zstandard()
    # zstandard allocates the size that a frame declares, whatever max_output_size says.
    declared = zstandard.get_frame_parameters(data).content_size
    if declared != raw_size:
        raise CorruptionError("zstd frame of another size", expected=raw_size, found=declared)
    context = getattr(_contexts, "decompressor", None)
    if context is None:
        context = _contexts.decompressor = zstandard.ZstdDecompressor()
    raw: bytes = context.decompress(data, max_output_size=raw_size)
    return raw


_by_id: dict[int, Method] = {}
_by_name: dict[str, Method] = {}
_registering = threading.Lock()


def _add(method: Method) -> None:
    with _registering:
        if method.name in ("none", "auto") or method.name in _by_name:
            raise CompressionError(f"the compression name {method.name!r} is taken")
        if method.id in _by_id:
            raise CompressionError(f"compression {method.id} is taken by {_by_id[method.id].name!r}")
        _by_id[method.id] = _by_name[method.name] = method


_add(Method(LZ4, "lz4", _lz4_compress, _lz4_decompress))
_add(Method(ZSTD, "zstd", _zstd_compress, _zstd_decompress))


def register(
    id: int, name: str, compress: Callable[[memoryview], Buffer], decompress: Callable[[memoryview, int], Buffer]
) -> None:
    """Add a compression, for writing by `name` and for reading by `id`.

    Args:
        id: its number in files, an int from 128 to 255. A program that reads the file must register the same.
        name: its name in `Chunk(compression=...)`, a str.
        compress: takes a read-only view and returns the compressed bytes. It must give the same bytes for the same
            input, in any thread.
        decompress: takes the stored bytes and the size of the result, and must not return more bytes than that.

    Raises:
        CompressionError: the number or the name is taken, or the number is out of range.
        TypeError: an argument is of another type, or the name empty.
    """
    given: tuple[Any, Any] = id, name
    if type(given[0]) is not int or not isinstance(given[1], str) or not given[1]:
        raise TypeError(f"register_compression(id, name, ...): an int and a str, not {told(id)} and {told(name)}")
    for what, function in (("compress", compress), ("decompress", decompress)):
        if not callable(function):
            raise TypeError(f"register_compression(..., {what}): {what} is a function, not {told(function)}")
    if not FIRST_OF_USERS <= id <= 255:
        raise CompressionError(f"a registered compression takes a number from {FIRST_OF_USERS} to 255, not {id}")
    _add(Method(id, name, compress, decompress))


def check(name: str | None) -> None:
    """Raise `CompressionError` if `name` is not known, `MissingExtraError` if its package is not installed."""
    if name not in (None, "none", "auto"):
        _method(name)
        if name == "zstd":
            _zstandard()


def _method(name: str) -> Method:
    given: Any = name
    method = _by_name.get(name) if isinstance(given, str) else None
    if method is None:
        known = ", ".join(repr(n) for n in ["none", "auto", *_by_name])
        raise CompressionError(f"no compression is called {told(name)}: there are {known}")
    return method


def name_of(id: int) -> str | None:
    """The name of the method with this number, None for one that is not known here."""
    method = _by_id.get(id)
    return None if method is None else method.name


def choose(name: str | None, data: memoryview) -> str | None:
    """The name of the compression for `data`. For `auto` a sample of the data decides between lz4 and None."""
    if name != "auto":
        return None if name == "none" else name
    size = len(data)
    if size > 4 * SAMPLE:
        middle = (size - SAMPLE) // 2
        parts = data[:SAMPLE], data[middle : middle + SAMPLE], data[size - SAMPLE :]
        data = memoryview(b"".join(parts))
    return "lz4" if _saves(len(_lz4_compress(data)), len(data)) else None


def _saves(stored: int, raw: int) -> bool:
    return stored <= raw - (raw >> 4) and raw <= stored * MAX_EXPANSION


def compress(name: str | None, data: Buffer) -> tuple[int, Buffer]:
    """Compress `data` by the method `name`. Return the number to store, and the bytes (`data` itself under 0).

    Raises:
        CompressionError: the name is not known.
        MissingExtraError: its package is not installed.
    """
    if name is None or name == "none":
        return NONE, data
    view = memoryview(data).cast("B").toreadonly()
    raw = len(view)
    if raw < SMALLEST or raw > LARGEST:
        return NONE, data
    chosen = choose(name, view)
    if chosen is None:
        return NONE, data
    method = _method(chosen)
    stored = method.compress(view)
    return (method.id, stored) if _saves(len(stored), raw) else (NONE, data)


def decompress(id: int, data: Buffer, raw_size: int) -> Buffer:
    """Decompress `data` to `raw_size` bytes by the method `id`.

    Raises:
        UnsupportedVersion: the number is not known.
        MissingExtraError: its package is not installed.
        CorruptionError: the result has another size, or would be larger than any buffer that is written.
    """
    view = memoryview(data).cast("B").toreadonly()
    if id == NONE:
        if len(view) != raw_size:
            raise CorruptionError("uncompressed data of another size", expected=raw_size, found=len(view))
        return view
    method = _by_id.get(id)
    if method is None:
        raise UnsupportedVersion(
            f"compression {id} is not known here: register it as when the file was written"
            if id >= FIRST_OF_USERS
            else f"compression {id} is not known to this version: it was written by a newer one"
        )
    if raw_size > LARGEST or raw_size > len(view) * MAX_EXPANSION:
        raise CorruptionError(f"{len(view)} bytes claim to expand to {raw_size}")
    raw = method.decompress(view, raw_size)
    if len(raw) != raw_size:
        raise CorruptionError(f"{method.name} data of another size", expected=raw_size, found=len(raw))
    return raw
