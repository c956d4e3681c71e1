"""Tables against lists and dictionaries: every change, stored and read again, with few bytes written."""

from __future__ import annotations

import gc
import random
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from parcode_orm.codec.columns.scalars import IntColumn
from parcode_orm.codec.columns.text import TextColumn
from parcode_orm.table.table import Table
from parcode_orm.tuning import Tuning
from tests.table.harness import Disk

pytestmark = pytest.mark.once

INT, TEXT = IntColumn(), TextColumn()


def reopened(disk: Disk, table: Table) -> Table:
    return Table(disk, table.ref, table.items, table.keys)


def steps() -> st.SearchStrategy[list[tuple[Any, ...]]]:
    spot = st.floats(0, 1)
    splice = st.tuples(st.just("splice"), spot, st.integers(0, 30), st.integers(0, 30))
    bulk = st.tuples(st.just("splice"), spot, st.integers(0, 6000), st.integers(0, 6000))
    return st.lists(
        splice | bulk | st.tuples(st.just("set"), spot) | st.tuples(st.sampled_from(["commit", "reopen"])), max_size=25
    )


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([0, 1, 5, 4096, 9000, 400_000]), steps())
def test_a_list_table_is_a_list(size: int, steps: list[tuple[Any, ...]]) -> None:
    disk = Disk()
    expected = list(range(size))
    table = disk.list_table(INT, expected)
    fresh = size
    for step in steps:
        if step[0] == "splice":
            start = int(step[1] * len(expected))
            stop = min(start + step[2], len(expected))
            values = list(range(fresh, fresh + step[3]))
            fresh += step[3]
            expected[start:stop] = values
            table.splice(start, stop, values)
        elif step[0] == "set" and expected:
            place = min(int(step[1] * len(expected)), len(expected) - 1)
            expected[place] = fresh
            table.tree.replace(place, fresh)
            fresh += 1
        elif step[0] == "commit":
            disk.commit(table)
        elif step[0] == "reopen":
            disk.commit(table)
            table = reopened(disk, table)
        table._check()
        assert table.rows == len(expected)
        for place in {0, len(expected) // 2, len(expected) - 1} if expected else ():
            assert table.value(*table.tree.at(place)) == expected[place]
    assert table.read() == expected
    disk.commit(table)
    table._check()
    assert reopened(disk, table).read() == expected


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([0, 3, 5000, 30_000]),
    st.lists(
        st.tuples(st.sampled_from(["put", "put", "remove", "commit", "reopen", "clear"]), st.integers(0, 40_000)),
        max_size=40,
    ),
)
def test_a_map_table_is_a_dictionary(size: int, steps: list[tuple[str, int]]) -> None:
    disk = Disk()
    expected = {f"k{i}": i for i in range(size)}
    table = disk.map_table(TEXT, INT, expected)
    for number, (step, what) in enumerate(steps):
        key = f"k{what}"
        if step == "put":
            expected[key] = -number
            table.put(key, -number)
        elif step == "remove":
            assert table.remove(key) == (expected.pop(key, None) is not None)
        elif step == "clear" and what < 4_000:
            expected.clear()
            table.clear()
        elif step in ("commit", "reopen"):
            disk.commit(table)
            if step == "reopen":
                table = reopened(disk, table)
        table._check()
        found = table.find(key)
        assert (None if found is None else table.value(*found)) == expected.get(key)
    disk.commit(table)
    assert reopened(disk, table).read_map() == expected
    assert list(reopened(disk, table).read_map()) == list(expected)


def test_all_rows_of_a_tall_tree_go_and_others_come() -> None:
    disk = Disk()
    table = disk.list_table(INT, range(600_000))
    assert table.tree.root.height == 2
    table.splice(0, 600_000, [])
    table._check()
    table.splice(0, 0, [1, 2])
    disk.commit(table)
    assert reopened(disk, table).read() == [1, 2]


def test_equal_hashes_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    from parcode_orm.native import specifications
    from parcode_orm.table import index, key_sort, lookup, table

    for module in (index, key_sort):
        monkeypatch.setattr(module, "hash_keys", lambda keys: [7 << 32] * len(keys))
    monkeypatch.setattr(lookup, "xxh3_64_intdigest", lambda key: 7 << 32)
    monkeypatch.setattr(table, "find_open", specifications["find_open"])
    disk = Disk()
    expected = {f"k{i}": i for i in range(700)}
    made = disk.map_table(TEXT, INT, expected)
    made.put("new", 1)
    made.remove("k5")
    disk.commit(made)
    again = reopened(disk, made)
    assert all(again.value(*again.find(f"k{i}")) == i for i in range(700) if i != 5)
    assert again.find("k5") is None and again.find("none") is None


def test_one_changed_row_of_a_million_writes_little() -> None:
    disk = Disk()
    table = disk.list_table(INT, range(1_000_000))
    table.tree.replace(500_000, -1)
    assert disk.commit(table) < 16_000
    assert disk.commit(table) == 0
    table.splice(1_000_000, 1_000_000, [1])
    assert disk.commit(table) < 16_000
    again = reopened(disk, table)
    before = disk.chunks_read
    assert again.value(*again.tree.at(500_000)) == -1
    assert disk.chunks_read - before <= 4


def test_appends_one_by_one_stay_cheap() -> None:
    disk = Disk()
    table = disk.list_table(INT, [])
    written = 0
    for i in range(3000):
        table.splice(i, i, [i])
        written += disk.commit(table)
    assert written / 3000 < 3_000
    pieces = list(reopened(disk, table).tree.pieces())
    assert len(pieces) < 50
    assert reopened(disk, table).read() == list(range(3000))


def test_a_thousand_keys_into_a_map_of_many() -> None:
    disk = Disk()
    table = disk.map_table(TEXT, INT, {f"k{i}": i for i in range(200_000)})
    for i in range(1000):
        table.put(f"new{i}", i)
    assert disk.commit(table) < 200_000
    again = reopened(disk, table)
    assert again.value(*again.find("new999")) == 999
    assert again.value(*again.find("k777")) == 777


def test_the_index_stays_a_small_stack() -> None:
    disk = Disk()
    table = disk.map_table(TEXT, INT, {})
    rng = random.Random(3)
    expected = {}
    for commit in range(60):
        for _ in range(rng.randint(1, 50)):
            key = f"k{rng.randrange(5_000)}"
            expected[key] = commit
            table.put(key, commit)
        disk.commit(table)
        assert len(table.run_refs) <= 8
    again = reopened(disk, table)
    assert all(again.value(*again.find(key)) == value for key, value in expected.items())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers()), max_size=200))
def test_of_equal_keys_in_a_stream_the_last_wins(pairs: list[tuple[int, int]]) -> None:
    disk = Disk()
    table = disk.map_table(INT, INT, iter(pairs))
    table._check()
    assert table.read_map() == dict(pairs)
    for key, value in dict(pairs).items():
        assert table.value(*table.find(key)) == value
    table.put(1000, 1)
    disk.commit(table)
    assert reopened(disk, table).read_map() == {**dict(pairs), 1000: 1}


def test_a_long_stream_with_repeated_keys() -> None:
    disk = Disk()
    pairs = [(f"k{i % 7_000}", i) for i in range(20_000)]
    table = disk.map_table(TEXT, INT, iter(pairs))
    assert table.read_map() == dict(pairs)
    assert all(table.value(*table.find(f"k{i}")) == dict(pairs)[f"k{i}"] for i in range(0, 7_000, 97))


def test_one_changed_row_among_large_ones_writes_little() -> None:
    disk = Disk()
    table = disk.list_table(TEXT, [f"{i:06d}" * 3_000 for i in range(400)])
    for i in (5, 300, 5, 6):
        table.tree.replace(i, "x")
        assert disk.commit(table) < 100_000
    keyed = disk.map_table(TEXT, TEXT, {f"k{i}": f"{i:06d}" * 2_000 for i in range(400)})
    keyed.put("k7", "y")
    assert disk.commit(keyed) < 100_000


def test_keys_that_cannot_be_stored_are_not_there() -> None:
    disk = Disk()
    table = disk.map_table(TEXT, INT, {f"k{i}": i for i in range(9)})
    assert table.find(object()) is None
    with pytest.raises(TypeError, match="unhashable"):
        table.find([])


def test_a_scan_closes_what_it_passed_but_never_what_is_held() -> None:
    disk = Disk()
    table = disk.list_table(INT, range(200_000))
    pieces = [piece for piece, _, _ in table.tree.pieces()]
    offsets = [piece.ref.offset for piece in pieces]  # type: ignore[union-attr]
    table.held[offsets[0]] = {5: -5}  # as after a commit: nobody has opened the group
    assert not table.close(offsets[0])
    table.group(pieces[0])
    table.group(pieces[1]).held[7] = -7
    values = list(table.scan())
    assert values[5] == -5 and values[pieces[0].length + 7] == -7
    assert sorted(table.groups) == [*offsets[:2], *offsets[-16:]]
    assert [ref.offset for ref in disk.released] == offsets[2:-16]
    assert table.read()[5] == -5 and len(table.groups) <= 18


def random_reads(table: Table, keys: list[str], disk: Disk) -> int:
    """Chunks that random lookups read."""
    before = disk.chunks_read
    for key in keys:
        assert table.lookup(key, None) == int(key[1:])
    return disk.chunks_read - before


def test_random_lookups_find_row_groups_open() -> None:
    """Only 64 were kept open once, so lookups in a million rows opened one each."""
    disk = Disk(Tuning(group_rows=50))
    disk.writable = False
    table = disk.map_table(TEXT, INT, {f"k{i}": i for i in range(10_000)})
    assert table.tree.rows == 10_000
    keys = random.Random(1).sample([f"k{i}" for i in range(10_000)], 5_000)
    random_reads(table, keys, disk)
    assert random_reads(table, keys, disk) == 0 and len(table.groups) == 200


@pytest.mark.parametrize("writable", [False, True])
def test_row_groups_that_are_open_are_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch, writable: bool) -> None:
    monkeypatch.setattr("parcode_orm.storage.cache.LIMIT", 300_000)
    disk = Disk(Tuning(group_rows=50))
    disk.writable = writable
    table = disk.map_table(TEXT, INT, {f"k{i}": i for i in range(10_000)})
    keys = random.Random(1).sample([f"k{i}" for i in range(10_000)], 5_000)
    random_reads(table, keys, disk)
    size = max(group.size for group in table.groups.values())
    assert sum(group.size for group in table.groups.values()) <= 300_000 + 16 * size
    assert len(table.groups) < 200 and disk.released
    assert random_reads(table, keys, disk) > 0


def test_row_groups_of_all_tables_share_one_limit_and_the_least_used_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each table kept 64 open, so a thousand small tables kept as much as they liked."""
    monkeypatch.setattr("parcode_orm.storage.cache.LIMIT", 300_000)
    disk = Disk(Tuning(group_rows=50))
    disk.writable = False
    tables = [disk.list_table(INT, range(1_000)) for _ in range(20)]
    often = tables[0]
    for table in tables:
        for position in range(0, 1_000, 50):
            assert often.value(*often.tree.at(7)) == 7
            assert table.value(*table.tree.at(position)) == position
    size = max(group.size for table in tables for group in table.groups.values())
    assert sum(group.size for table in tables for group in table.groups.values()) <= 300_000 + 16 * size
    assert often.tree.at(7)[0].ref.offset in often.groups and len(often.groups) < 20
    del table, tables, often
    gc.collect()
    disk.cache._shed(disk.cache.kept)  # type: ignore[arg-type]
    assert not len(disk.cache)  # a table that is gone takes nothing


def test_pages_of_the_file_weigh_less_than_own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lookups in ten million rows closed and reopened a row group each, to save pages that the system can take back."""
    monkeypatch.setattr("parcode_orm.storage.cache.LIMIT", 600_000)
    disk = Disk(Tuning(group_rows=1_000))
    disk.writable = False
    pairs = {f"k{i}": i for i in range(100_000)}
    keys = random.Random(1).sample(list(pairs), 2_000)
    groups = {}
    for compression in (None, "lz4"):
        table = Table(disk, disk.sink().map_table(TEXT, INT, pairs, compression).reference, INT, TEXT)
        random_reads(table, keys, disk)
        random_reads(table, keys, disk)
        groups[compression] = len(table.groups)
    assert groups[None] == 100 and 20 <= groups["lz4"] <= 80


def test_few_row_groups_with_large_columns_apart_stay_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parcode_orm.storage.cache.LIMIT", 1 << 20)
    disk = Disk()
    disk.writable = False
    texts = [f"{i:06d}" * 4_000 for i in range(3_000)]
    table = disk.list_table(TEXT, texts)
    for i in range(0, 3_000, 7):
        assert table.value(*table.tree.at(i)) == texts[i]
    assert len(table.groups) <= 64 < sum(1 for _ in table.tree.pieces())


def test_an_emptied_table_is_stored_once() -> None:
    disk = Disk()
    table = disk.map_table(TEXT, INT, {"a": 1})
    table.clear()
    assert disk.commit(table) > 0
    assert disk.commit(table) == 0
    again = reopened(disk, table)
    assert disk.commit(again) == 0
    again.put("b", 2)
    assert disk.commit(again) > 0
    assert reopened(disk, again).read_map() == {"b": 2}
