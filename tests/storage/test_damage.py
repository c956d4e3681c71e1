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
from parcode_orm.format import commit, superblock
from parcode_orm.format.catalog import CatalogData
from parcode_orm.format.checksum import wide_checksum
from parcode_orm.format.commit import Record
from parcode_orm.format.layout import RECORD, RECORD_SEAL, Kind, RecordFlag, Reference
from parcode_orm.storage import recovery
from parcode_orm.storage.append import Appender
from parcode_orm.storage.mapped import Source

from .sample import UUID, content, leaf, small

pytestmark = pytest.mark.once


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
    return "recovered" if source.recovery else "same"


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
            assert copy == "first" or str(source.recovery) == "the last copy of its record is damaged"
    damaged = bytearray(two)
    damaged[last + 50] ^= 1
    damaged[last - 512 + 50] ^= 1
    source = Source.open(bytes(damaged))
    assert source.record.sequence == 1 and "ignored" in str(source.recovery)


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
            assert source_content == second and source.recovery
        else:
            assert source_content == first and bool(source.recovery) == (length > whole)
        source.close()


def test_garbage_behind(two: bytes) -> None:
    for data in (small(), two):
        good = content(Source.open(data))
        for garbage in (b"x", bytes(5000), data, small(), b"\xff" * 3_000_000, b"PARCMIT\n" * 100_000):
            source = Source.open(data + garbage)
            assert content(source) == good
            assert str(len(garbage)) in str(source.recovery)


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
        data = two[: record.offset] + commit.pack_twice(forged, UUID)
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
    monkeypatch.setattr(recovery, "boot", lambda: 1)
    assert Source.open(data).record.sequence == 3
    source = Source.open(torn)
    assert source.record.sequence == 2 and source.recovery
    older = len(small())
    torn = data[: older + 10] + bytes(100) + data[older + 110 :]
    assert Source.open(torn).record.sequence == 1


def test_a_seal_tells_damage_from_a_commit_that_never_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "full.par"
    path.write_bytes(small())
    appended(path)
    before = path.stat().st_size
    data = appended(path)
    record = Source.open(data).record
    assert record.flags == RecordFlag.DOUBLED | RecordFlag.FAST | RecordFlag.WAITED
    damaged = bytearray(data)
    damaged[record.catalog.offset + 10] ^= 1
    unsealed = bytearray(data)
    unsealed[record.offset + RECORD_SEAL] ^= 1
    both = bytearray(damaged)
    both[record.offset + RECORD_SEAL] ^= 1
    monkeypatch.setattr(recovery, "boot", lambda: 1)
    assert Source.open(bytes(unsealed)).record == record  # the hash fits
    assert Source.open(bytes(both)).length == before  # as where power failed before the commit ended
    monkeypatch.setattr(recovery, "_hash", None)
    assert Source.open(data).record == record
    with pytest.raises(CorruptionError):
        Source.open(bytes(damaged)).catalog.roots  # noqa: B018


def test_a_fast_record_of_wrong_hash_spoils_those_after_it_and_each_is_hashed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fast.par"
    path.write_bytes(small())
    data = appended(path, 30, durability="fast")
    at = len(small()) + 10
    torn = data[:at] + bytes(100) + data[at + 100 :]
    monkeypatch.setattr(recovery, "boot", lambda: 1)
    hashed = 0
    true = recovery._hash

    def count(read: recovery.Read, start: int, stop: int) -> bytes:
        nonlocal hashed
        hashed += stop - start
        return true(read, start, stop)

    monkeypatch.setattr(recovery, "_hash", count)
    assert Source.open(torn).record.sequence == 1
    assert hashed <= len(data)
    assert Source.open(data).record.sequence == 31


CATALOG = Reference(64, 64, 0, Kind.CATALOG)
DOUBLED_FAST = int(RecordFlag.DOUBLED | RecordFlag.FAST)


def forged(data: bytearray, sequence: int, previous: int, start: int, flags: int = DOUBLED_FAST) -> Record:
    """A record of an unknown run of the system whose hash fits, appended to `data`."""
    data += bytes(-len(data) % 4096)
    at = len(data)
    digest = wide_checksum(bytes(data[start:at]))
    length = at + RECORD.size + (512 if flags & RecordFlag.DOUBLED else 0)
    record = Record(sequence, previous, at, length, 0, flags, 0, 0, CATALOG, start, digest, 0)
    data += commit.pack_twice(record, UUID) if flags & RecordFlag.DOUBLED else commit.pack(record, UUID)
    return record


@pytest.mark.parametrize("flags", [DOUBLED_FAST, int(RecordFlag.WHOLE_FILE | RecordFlag.FAST)])
@pytest.mark.parametrize("back", [512, 64, 4096])
def test_a_record_that_names_itself_as_the_one_before(flags: int, back: int) -> None:
    data = bytearray(superblock.pack(UUID) + bytes(5000))
    at = 8192
    record = forged(data, 5, at - back, 64, flags)
    assert record.offset == at
    with pytest.raises(CorruptionError):
        Source.open(bytes(data))
    with pytest.raises(CorruptionError):
        recovery.record_at(lambda size, offset: bytes(data[offset : offset + size]), UUID, at - 512, len(data), "")


def test_fast_records_follow_each_other_without_gap() -> None:
    for gap, sequence in ((0, 2), (64, 2), (-64, 2), (0, 1)):
        data = bytearray(superblock.pack(UUID) + bytes(64))
        first = forged(data, 1, 0, 64)
        forged(data, sequence, first.offset, first.file_length + gap)
        found = Source.open(bytes(data)).record
        assert (found.offset == first.offset) == (gap != 0 or sequence == 1)


def test_what_is_hashed_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(superblock.pack(UUID) + bytes(64))
    for i in range(100):
        forged(data, i + 1, 0, 64)
    hashed = 0

    def count(read: recovery.Read, start: int, stop: int) -> bytes:
        nonlocal hashed
        hashed += stop - start
        return b"another hash...."

    monkeypatch.setattr(recovery, "_hash", count)
    with pytest.raises(CorruptionError, match="overlap"):
        Source.open(bytes(data))
    assert hashed <= 2 * len(data)


def test_no_commit_is_written_that_would_not_be_read(two: bytes, tmp_path: Path) -> None:
    record = Source.open(two).record._replace(sequence=commit.MAX_NUMBER - 1)
    path = tmp_path / "large.par"
    path.write_bytes(two[: record.offset] + commit.pack_twice(record, UUID))
    source = Source.open(path)
    with Appender(path, source, workers=0) as appender:
        with pytest.raises(CorruptionError, match="no room"):
            appender.commit(CatalogData())
    assert Source.open(path).record == record
    assert path.stat().st_size == record.file_length


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
