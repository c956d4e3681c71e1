"""The index's runs: directories of few references above each other, every key found through them, no more read."""

from __future__ import annotations

import random
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import Model, Session, ShardedMap, compact, save, verify
from parcode_orm.codec.base import Column
from parcode_orm.codec.columns.scalars import IntColumn
from parcode_orm.codec.columns.text import TextColumn
from parcode_orm.errors import CorruptionError
from parcode_orm.format.layout import Encoding, Kind, Reference
from parcode_orm.table.index import Run, find_row, shards_of
from parcode_orm.table.table import Table
from parcode_orm.tuning import TUNING, Tuning
from tests.small import tuned
from tests.table.harness import Disk

pytestmark = pytest.mark.once

INT: Column = IntColumn()
TEXT: Column = TextColumn()
ROWS = 20_000


class World(Model):
    items: dict[str, int] = ShardedMap()


class Numbers(Model):
    items: dict[int, int] = ShardedMap()


def key(number: int) -> str:
    return f"key {number}"


def widths(disk: Disk, ref: Reference) -> list[list[int]]:
    """How many references the directories of a run have, level by level."""
    level, found = [ref], []
    while level[0].kind == Kind.INDEX_RUN:
        opened = [disk.chunk(each) for each in level]
        found.append([len(chunk.refs) for chunk in opened])
        level = [ref for chunk in opened for ref in chunk.refs]
    assert {ref.kind for ref in level} == {Kind.INDEX_SHARD}
    return found


@given(
    st.lists(st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 2**20), st.sampled_from([2**63, 2**64 - 1]))),
    st.integers(0, 12),
    st.data(),
)
def test_a_hash_is_found_wherever_it_lies_in_its_shard(hashes: list[int], bits: int, data: st.DataObject) -> None:
    """Also where the hashes are not spread evenly, so that the place that is looked at first is far off."""
    shift = 32 - bits
    hashes = sorted(each & (1 << 64 - bits) - 1 for each in hashes)
    lows = memoryview(array("I", [each >> shift & 0xFFFFFFFF for each in hashes]))
    rows = memoryview(array("Q", [row << 33 for row in range(len(hashes))]))
    for sought in {*hashes[:5], data.draw(st.integers(0, (1 << 64 - bits) - 1))}:
        expected = [row << 33 for row, low in enumerate(lows) if low == sought >> shift & 0xFFFFFFFF]
        found = [find_row(sought, shift, lows, rows, before) for before in range(len(expected) + 1)]
        assert found == [*expected, -1]


@pytest.mark.parametrize("count", [1, 63, 64, 65, 1000, 4096])
def test_each_hash_of_an_even_shard_is_found(count: int) -> None:
    rng = random.Random(count)
    lows = memoryview(array("I", sorted(rng.sample(range(2**32), count))))
    rows = memoryview(array("H", range(count)))
    assert [find_row(low << 32, 32, lows, rows, 0) for low in lows] == list(range(count))


def test_of_many_equal_hashes_the_first_comes_first() -> None:
    lows, rows = memoryview(array("I", [1 << 31] * 300)), memoryview(array("H", range(300)))
    assert [find_row(1 << 63, 32, lows, rows, before) for before in range(301)] == [*range(300), -1]


@pytest.mark.parametrize("keys", [["plain", "", "k"], ["with\0nul", "", "k"], ["\ud800", "é", "k"]])
def test_text_keys_are_found_however_they_are_stored(keys: list[str], tmp_path: Path) -> None:
    save(tmp_path / "file", World(items={each: number for number, each in enumerate(keys)}))
    with Session.open(tmp_path / "file") as session:
        items = session.root(World).items
        for _ in range(2):  # the first time opens what the second finds open
            assert [items[each] for each in keys] == list(range(len(keys)))
            for absent in ("plai", "plainer", "with", "\ud801", "\0"):
                assert items.get(absent) is None
            assert items.get(7) is None  # type: ignore[call-overload]


def test_int_keys_and_what_is_equal_to_them(tmp_path: Path) -> None:
    keys = [0, -1, 2**63 - 1, -(2**63), 2**63, 10**30]
    save(tmp_path / "file", Numbers(items={each: place for place, each in enumerate(keys)}))
    with Session.open(tmp_path / "file") as session:
        items = session.root(Numbers).items
        for _ in range(2):
            assert [items[each] for each in keys] == list(range(len(keys)))
            assert items[False] == items[0.0] == 0  # type: ignore[index]
            assert items.get(1) is items.get(2**64) is None


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (ROWS, []),
        (ROWS // 2, [[2]]),
        (313, [[64]]),
        (312, [[8], [16] * 8]),
        (5, [[64], [64] * 64]),
        (3, [[16], [16] * 16, [32] * 256]),
    ],
)
def test_every_key_is_found_below_directories(rows: int, expected: list[list[int]]) -> None:
    disk = Disk(Tuning(shard_rows=rows))
    table = disk.map_table(TEXT, INT, {key(number): number for number in range(ROWS)})
    assert widths(disk, table.run_refs[0]) == expected
    table._check()
    assert [table.lookup(key(number), None) for number in range(ROWS)] == list(range(ROWS))
    assert all(table.lookup(key(number), None) is None for number in range(ROWS, 2 * ROWS))


def test_every_key_is_found_after_merges() -> None:
    disk = Disk(Tuning(shard_rows=6, directory_bits=3))
    table = disk.map_table(TEXT, INT, {key(number): number for number in range(500)})
    done = 500
    for step in (1, 40, 300, 1, 900, 2_000, 7):
        for number in range(done, done + step):
            table.put(key(number), number)
        table.remove(key(done - 1))
        done += step
        disk.commit(table)
        table = Table(disk, table.ref, INT, TEXT)
        table._check()
    assert max(len(widths(disk, ref)) for ref in table.run_refs) == 4
    assert table.rows == done - 7
    for number in range(done):
        gone = number + 1 in (500, 501, 541, 841, 842, 1742, 3742)
        assert table.lookup(key(number), None) == (None if gone else number)


def read_by_a_lookup(path: Path) -> int:
    with Session.open(path) as session:
        items = session.root(World).items
        assert items[key(7_777)] == 7_777
        return session.stats.bytes_read


def test_a_cold_lookup_reads_no_more_where_there_are_many_shards(tmp_path: Path) -> None:
    """All 4,096 references stood in one head of 128 KB."""
    found = {}
    for rows in (ROWS, 313, 5):
        save = tuned(TUNING, shard_rows=rows).save
        save(tmp_path / "w.par", World(items={key(number): number for number in range(ROWS)}))
        found[rows] = read_by_a_lookup(tmp_path / "w.par")
    assert found[5] < found[313] + 32 * 64 + 200 < found[ROWS]


def test_a_session_that_grows_a_map_with_directories(tmp_path: Path) -> None:
    """By single keys and by a stream, which is written aside and copied; compacted, too."""
    Session, save, _ = tuned(TUNING, shard_rows=5)
    path = tmp_path / "w.par"
    save(path, World(items={key(number): number for number in range(2_000)}))
    with Session(path) as session:
        items = session.root(World).items
        items["one"] = 1
        session.commit()
        items.update((key(number), number) for number in range(1_000, 9_000))
        assert items[key(8_999)] == 8_999
        session.commit()
        del items[key(0)]
        session.commit()
    for _ in range(2):
        assert verify(path).ok
        with Session.open(path) as session:
            items = session.root(World).items
            assert len(items) == 9_000 and key(0) not in items and items["one"] == 1
            assert all(items[key(number)] == number for number in range(1, 9_000))
        compact(path)


def test_merging_keeps_no_shard_open() -> None:
    disk = Disk()
    table = disk.map_table(TEXT, INT, {key(number): number for number in range(ROWS)})
    assert len(table.runs[0].entries()[0]) == ROWS and not table.runs[0].shards


def test_few_chunks_never_name_millions_of_shards() -> None:
    disk = Disk()
    level = [disk.map_table(INT, INT, {number: number}).run_refs[0] for number in (1, 2)]
    for bits in range(1, 25):
        fresh = []
        for _ in range(2):
            out = disk.sink().encoder(Kind.INDEX_RUN)
            for ref in level:
                out.ref(ref)
            out.leaf(Encoding.RAW, 1 << bits, param=bits)
            fresh.append(disk.submit(out).reference)
        level = fresh
    run = Run(disk.chunk, level[0])
    assert run.shard(7).count == 1
    before = disk.chunks_read
    with pytest.raises(CorruptionError, match="names a chunk twice"):
        run.entries()
    with pytest.raises(CorruptionError, match="names a chunk twice"):
        list(shards_of(disk.chunk, level[0]))
    assert disk.chunks_read - before < 200
