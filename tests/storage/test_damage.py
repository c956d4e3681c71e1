"""A small file, damaged in every way: the same content, or a typed error. Never an older commit, unless it says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parcode_orm.errors import (
    ChecksumError,
    CorruptionError,
    FormatError,
    NotAParcodeFile,
    ParcodeError,
    TruncatedError,
)
from parcode_orm.format import commit
from parcode_orm.format.catalog import CatalogData
from parcode_orm.format.layout import RECORD, RecordFlag
from parcode_orm.storage.append import Appender
from parcode_orm.storage.mapped import Source

from .sample import UUID, content, leaf, small


def appended(path: Path, times: int = 1, **options: Any) -> bytes:
    for _ in range(times):
        source = Source.open(path)
        with Appender(path, source, clock=lambda: 2, workers=0, **options) as appender:
            ticket = appender.pipeline.submit(leaf(appender.pipeline, b"second " * 10))
            roots = {**source.catalog.roots, "New": ticket}
            appender.commit(CatalogData(roots=roots, schemas=source.catalog.schemas))
    return path.read_bytes()


@pytest.fixture
def two(tmp_path: Path) -> bytes:
    path = tmp_path / "two.par"
    path.write_bytes(small())
    return appended(path)


def outcome(data: bytes, good: list[Any]) -> str:
    try:
        source = Source.open(data)
        found = content(source)
    except (CorruptionError, FormatError):
        return "error"
    assert found == good, "silently wrong"
    return "recovered" if source.recovered else "same"


def test_every_bit_of_a_whole_file() -> None:
    data = small()
    good = content(Source.open(data))
    counts = {"same": 0, "error": 0, "recovered": 0}
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        counts[outcome(bytes(damaged), good)] += 1
    assert counts["recovered"] == 0
    assert counts["error"] > 4 * counts["same"], counts  # what is the same are zeros in gaps


def test_bits_of_two_commits(two: bytes) -> None:
    good = content(Source.open(two))
    assert good[0] == 2
    for bit in range(0, len(two) * 8, 7):
        damaged = bytearray(two)
        damaged[bit // 8] ^= 1 << bit % 8
        outcome(bytes(damaged), good)


def test_each_copy_of_the_newest_record(two: bytes) -> None:
    good = content(Source.open(two))
    last = len(two) - RECORD.size
    for byte in range(RECORD.size):
        for at, copy in ((last, "last"), (last - 512, "first")):
            damaged = bytearray(two)
            damaged[at + byte] ^= 0xFF
            source = Source.open(bytes(damaged))
            assert content(source) == good
            assert copy == "first" or source.recovered == "the last copy of its record is damaged"
    damaged = bytearray(two)
    damaged[last + 50] ^= 1
    damaged[last - 512 + 50] ^= 1
    source = Source.open(bytes(damaged))
    assert source.record.sequence == 1 and "ignored" in str(source.recovered)


def test_every_truncation_of_a_whole_file() -> None:
    data = small()
    for length in range(len(data)):
        with pytest.raises(NotAParcodeFile if length == 0 else TruncatedError):
            Source.open(data[:length])


def test_every_truncation_of_two_commits(two: bytes, tmp_path: Path) -> None:
    first, second = content(Source.open(small())), content(Source.open(two))
    whole = len(small())
    path = tmp_path / "cut.par"
    for length in range(whole, len(two)):
        path.write_bytes(two[:length])
        source = Source.open(path)
        source_content = content(source)
        if length >= len(two) - 512:
            assert source_content == second and source.recovered
        else:
            assert source_content == first and bool(source.recovered) == (length > whole)
        source.close()


def test_garbage_behind(two: bytes) -> None:
    for data in (small(), two):
        good = content(Source.open(data))
        for garbage in (b"x", bytes(5000), data, small(), b"\xff" * 3_000_000, b"PARCMIT\n" * 100_000):
            source = Source.open(data + garbage)
            assert content(source) == good
            assert str(len(garbage)) in str(source.recovered)


def test_a_database_within_a_database() -> None:
    inner = small()
    # the same UUID even: the offset is another
    assert outcome(inner + inner, content(Source.open(inner))) == "recovered"


def test_not_ours() -> None:
    for data in (b"", b"PK\3\4" + bytes(1000), bytes(1000), b"\x89PNG\r\n\x1a\n" + bytes(100)):
        with pytest.raises(NotAParcodeFile):
            Source.open(data)
    damaged = bytearray(small())
    damaged[-1] ^= 1
    with pytest.raises(ChecksumError, match="commit record"):
        Source.open(bytes(damaged))


def test_hostile_previous_links(two: bytes) -> None:
    record = Source.open(two).record
    for previous in (64, 128, record.offset - 64):
        forged = record._replace(previous=previous)
        data = two[: record.offset] + commit.doubled(forged, UUID)
        with pytest.raises(CorruptionError):
            list(Source.open(data).records())
    assert [r.sequence for r in Source.open(two).records()] == [2, 1]


def test_fast_commit_is_verified_after_another_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "fast.par"
    path.write_bytes(small())
    one = appended(path, durability="fast")
    data = appended(path, durability="fast")
    record = Source.open(data).record
    assert record.flags == RecordFlag.DOUBLED | RecordFlag.FAST
    torn = data[: len(one) + 10] + bytes(100) + data[len(one) + 110 :]
    assert Source.open(torn).record.sequence == 3  # this run of the system vouches for it
    from parcode_orm.storage import recovery

    monkeypatch.setattr(recovery, "boot", lambda: 1)
    assert Source.open(data).record.sequence == 3
    source = Source.open(torn)
    assert source.record.sequence == 2 and source.recovered
    older = len(small())
    torn = data[: older + 10] + bytes(100) + data[older + 110 :]
    assert Source.open(torn).record.sequence == 1


def test_typed_errors_only(two: bytes) -> None:
    import random

    rng = random.Random(5)
    for _ in range(2000):
        damaged = bytearray(two)
        for _ in range(rng.randrange(1, 30)):
            at = rng.randrange(len(damaged))
            damaged[at : at + rng.choice((1, 4, 8, 64))] = rng.randbytes(rng.choice((1, 4, 8)))
        try:
            content(Source.open(bytes(damaged)))
        except ParcodeError:
            pass
