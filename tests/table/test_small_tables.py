"""Tables with small constants: trees of many levels, merged slices and full stacks of index runs, in a few rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from parcode_orm.codec.columns.scalars import IntColumn
from parcode_orm.codec.columns.text import TextColumn
from parcode_orm.native import specifications
from parcode_orm.table import index, lookup, streaming, table
from parcode_orm.table import key_sort as hashes
from parcode_orm.table.table import Table
from tests.small import SMALL, small_caches
from tests.table.harness import Disk

pytestmark = pytest.mark.once

INT, TEXT = IntColumn(), TextColumn()


def reopened(disk: Disk, table: Table) -> Table:
    return Table(disk, table.ref, table.items, table.keys)


PLACES = st.integers(0, 200)
LIST_STEPS = st.lists(
    st.tuples(st.just("splice"), PLACES, st.integers(0, 12), st.integers(0, 12))
    | st.tuples(st.sampled_from(["set", "append", "commit", "reopen"]), PLACES),
    max_size=60,
)


@given(st.integers(0, 150), LIST_STEPS)
def test_a_list_table_is_a_list(size: int, steps: list[tuple[Any, ...]]) -> None:
    disk = Disk(SMALL)
    expected = list(range(size))
    with small_caches():
        table = disk.list_table(INT, expected)
        for number, (what, at, *counts) in enumerate(steps):
            place = at % (len(expected) + 1)
            if what == "splice":
                values = [-number] * counts[1]
                expected[place : place + counts[0]] = values
                table.splice(place, min(place + counts[0], table.rows), values)
            elif what == "append":
                expected.append(-number)
                table.splice(table.rows, table.rows, [-number])
            elif what == "set" and place < len(expected):
                expected[place] = -number
                table.tree.replace(place, -number)
            elif what in ("commit", "reopen"):
                disk.commit(table)
                table = reopened(disk, table) if what == "reopen" else table
            table._check()
            assert table.rows == len(expected)
            if place < len(expected):
                assert table.value(*table.tree.at(place)) == expected[place]
        assert table.read() == expected
        disk.commit(table)
        table._check()
        assert reopened(disk, table).read() == expected


MAP_STEPS = st.lists(
    st.tuples(st.sampled_from(["put"] * 4 + ["remove", "remove", "commit", "reopen", "clear"]), PLACES), max_size=80
)


@pytest.mark.parametrize("bits", [64, 1, 0])  # of the hash: equal hashes are told apart
@given(st.integers(0, 150), MAP_STEPS)
def test_a_map_table_is_a_dictionary(bits: int, size: int, steps: list[tuple[str, int]]) -> None:
    disk = Disk(SMALL)
    expected = {f"k{i}": i for i in range(size)}
    with small_caches(), few_hashes(bits):
        table = disk.map_table(TEXT, INT, dict(expected))
        for number, (what, at) in enumerate(steps):
            key = f"k{at}"
            if what == "put":
                expected[key] = -number
                table.put(key, -number)
            elif what == "remove":
                assert table.remove(key) == (expected.pop(key, None) is not None)
            elif what == "clear" and at < 40:
                expected.clear()
                table.clear()
            elif what in ("commit", "reopen"):
                disk.commit(table)
                table = reopened(disk, table) if what == "reopen" else table
            if bits == 64 or number % 6 == 0:  # to find a row is to look at all whose keys have its hash
                table._check()
            found = table.find(key)
            assert (None if found is None else table.value(*found)) == expected.get(key)
        disk.commit(table)
        table._check()
        again = reopened(disk, table)
        assert list(again.read_map().items()) == list(expected.items())
        again._check()


@contextmanager
def few_hashes(bits: int) -> Iterator[None]:
    """Only the `bits` highest bits of hashes tell keys apart."""
    mask = (1 << 64) - (1 << 64 - bits)
    with pytest.MonkeyPatch.context() as patch:
        for module in (index, hashes, streaming):
            real = module.hash_keys
            patch.setattr(module, "hash_keys", lambda keys, real=real: [found & mask for found in real(keys)])
        patch.setattr(table, "find_open", specifications["find_open"])
        for module, name in ((lookup, "xxh3_64_intdigest"), (lookup, "key_hash")):
            whole = getattr(module, name)
            patch.setattr(module, name, lambda key, whole=whole: whole(key) & mask)
        yield


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers()), max_size=120))
def test_a_stream_with_repeated_keys(pairs: list[tuple[int, int]]) -> None:
    disk = Disk(SMALL)
    with small_caches():
        table = disk.map_table(INT, INT, iter(pairs))
        table._check()
        assert table.read_map() == dict(pairs)
        for key in range(0, 40, 3):
            assert table.remove(key) == (key in dict(pairs))
        disk.commit(table)
        table._check()
        assert reopened(disk, table).read_map() == {key: value for key, value in dict(pairs).items() if key % 3}
