"""The index's runs: directories of few references above each other, every key found through them, no more read."""

from __future__ import annotations

from pathlib import Path

import pytest

from parcode_orm import Model, Session, ShardedMap, compact, save, verify
from parcode_orm.codec.base import Column
from parcode_orm.codec.columns.scalars import IntColumn
from parcode_orm.codec.columns.text import TextColumn
from parcode_orm.errors import CorruptionError
from parcode_orm.format.layout import Encoding, Kind, Reference
from parcode_orm.table.index import Run, shards_of
from parcode_orm.table.table import Table
from tests.table.harness import Disk

INT: Column = IntColumn()
TEXT: Column = TextColumn()
ROWS = 20_000


class World(Model):
    items: dict[str, int] = ShardedMap()


def key(number: int) -> str:
    return f"key {number}"


def shards_of_rows(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr("parcode_orm.table.index.SHARD_ROWS", rows)


def widths(disk: Disk, ref: Reference) -> list[list[int]]:
    """How many references the directories of a run have, level by level."""
    level, found = [ref], []
    while level[0].kind == Kind.INDEX_RUN:
        opened = [disk.chunk(each) for each in level]
        found.append([len(chunk.refs) for chunk in opened])
        level = [ref for chunk in opened for ref in chunk.refs]
    assert {ref.kind for ref in level} == {Kind.INDEX_SHARD}
    return found


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
def test_every_key_is_found_below_directories(
    monkeypatch: pytest.MonkeyPatch, rows: int, expected: list[list[int]]
) -> None:
    shards_of_rows(monkeypatch, rows)
    disk = Disk()
    table = disk.map_table(TEXT, INT, {key(number): number for number in range(ROWS)})
    assert widths(disk, table.run_refs[0]) == expected
    table._check()
    assert [table.lookup(key(number), None) for number in range(ROWS)] == list(range(ROWS))
    assert all(table.lookup(key(number), None) is None for number in range(ROWS, 2 * ROWS))


def test_every_key_is_found_after_merges(monkeypatch: pytest.MonkeyPatch) -> None:
    shards_of_rows(monkeypatch, 6)
    monkeypatch.setattr("parcode_orm.table.index.DIRECTORY_BITS", 3)
    disk = Disk()
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


def test_a_cold_lookup_reads_no_more_where_there_are_many_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All 4,096 references stood in one head of 128 KB."""
    found = {}
    for rows in (ROWS, 313, 5):
        shards_of_rows(monkeypatch, rows)
        save(tmp_path / "w.par", World(items={key(number): number for number in range(ROWS)}))
        found[rows] = read_by_a_lookup(tmp_path / "w.par")
    assert found[5] < found[313] + 32 * 64 + 200 < found[ROWS]


def test_a_session_that_grows_a_map_with_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By single keys and by a stream, which is written aside and copied; compacted, too."""
    shards_of_rows(monkeypatch, 5)
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
