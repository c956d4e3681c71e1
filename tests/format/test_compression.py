from __future__ import annotations

import random
import sys

import pytest

from parcode_orm.errors import CompressionError, CorruptionError, MissingExtraError, UnsupportedVersion
from parcode_orm.format import compression
from parcode_orm.format.layout import BLOB_PIECE

pytestmark = pytest.mark.once

TEXT = b"the same again and again, " * 500
NOISE = random.Random(1).randbytes(20_000)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_by_id", dict(compression._by_id))
    monkeypatch.setattr(compression, "_by_name", dict(compression._by_name))


@pytest.mark.parametrize("name", ["lz4", "zstd", "auto"])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_round_trip(name: str, kind: type) -> None:
    method, stored = compression.compress(name, kind(TEXT))
    assert method in (1, 2) and len(stored) < len(TEXT) // 4
    assert compression.decompress(method, stored, len(TEXT)) == TEXT


@pytest.mark.parametrize("name", [None, "none", "lz4", "zstd", "auto"])
@pytest.mark.parametrize("data", [b"", b"x" * 63, NOISE])
def test_kept_as_it_is_where_nothing_is_saved(name: str | None, data: bytes) -> None:
    assert compression.compress(name, data) == (0, data)


def test_views_of_wider_items() -> None:
    import array

    data = memoryview(array.array("q", [7] * 1000))
    method, stored = compression.compress("lz4", data)
    assert compression.decompress(method, stored, 8000) == bytes(data)


def test_auto_looks_at_samples() -> None:
    assert compression.compress("auto", NOISE + NOISE + TEXT[:500] + NOISE)[0] == 0
    assert compression.choose("auto", memoryview(TEXT)) == "lz4"
    assert compression.choose("auto", memoryview(NOISE)) is None


@pytest.mark.parametrize("name", ["lz4", "zstd"])
@pytest.mark.parametrize("raw", [0, 1, len(TEXT) - 1, len(TEXT) + 1, 1 << 62, 1 << 31])
def test_another_size_than_declared(name: str, raw: int) -> None:
    method, stored = compression.compress(name, TEXT)
    with pytest.raises(Exception) as problem:  # the chunk turns any into a CorruptionError
        compression.decompress(method, stored, raw)
    assert not isinstance(problem.value, MemoryError)


def test_a_zstd_bomb_is_refused_before_it_expands() -> None:
    zstandard = pytest.importorskip("zstandard")
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(200 << 20))
    with pytest.raises(CorruptionError):
        compression.decompress(2, bomb, 1000)
    with pytest.raises(CorruptionError):
        compression.decompress(2, bomb[:20], 1000)


def test_unknown_number_and_name() -> None:
    with pytest.raises(UnsupportedVersion, match="compression 77"):
        compression.decompress(77, b"x" * 100, 200)
    with pytest.raises(UnsupportedVersion, match="register"):
        compression.decompress(200, b"x" * 100, 200)
    with pytest.raises(CompressionError, match=r"'brotli'.*'lz4'"):
        compression.compress("brotli", TEXT)
    with pytest.raises(ValueError):
        compression.check("brotli")


def test_missing_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    _, stored = compression.compress("zstd", TEXT)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setattr(compression, "_contexts", type("Fresh", (), {})())
    for act in (
        lambda: compression.check("zstd"),
        lambda: compression.compress("zstd", TEXT),
        lambda: compression.decompress(2, stored, len(TEXT)),
    ):
        with pytest.raises(MissingExtraError, match=r"parcode-orm\[zstd\]"):
            act()
    compression.check("lz4")


def test_register(registry: None) -> None:
    import zlib

    compression.register(130, "zlib", zlib.compress, lambda data, raw: zlib.decompress(data, bufsize=raw))
    method, stored = compression.compress("zlib", TEXT)
    assert method == 130 and compression.decompress(130, stored, len(TEXT)) == TEXT
    for id, name in [(130, "other"), (131, "zlib"), (132, "lz4"), (133, "auto"), (134, "none"), (3, "x"), (256, "y")]:
        with pytest.raises(CompressionError):
            compression.register(id, name, zlib.compress, lambda data, raw: data)


def test_what_a_reader_would_refuse_is_not_written(registry: None) -> None:
    compression.register(140, "wild", lambda data: b"!", lambda data, raw: bytes(raw))
    assert compression.compress("wild", bytes(compression.MAX_EXPANSION + 1))[0] == 0
    assert compression.compress("wild", bytes(1000))[0] == 140
    assert BLOB_PIECE <= compression.LARGEST
