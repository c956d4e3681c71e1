"""Iterators into stored collections: never held whole, at once readable, and nothing changed where they fail."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from parcode_orm import (
    Chunk,
    ConflictError,
    EncodeError,
    Key,
    LazyList,
    LazyMap,
    Model,
    ShardedMap,
    load,
)
from parcode_orm.lazy.rows import TableRows
from parcode_orm.tuning import TUNING
from tests.small import tuned

pytestmark = pytest.mark.once


class Row(Model):
    n: int
    s: str = ""
    parts: list[int] = Chunk(default_factory=list)
    blob: bytes = Chunk(b"")


class World(Model):
    rows: list[Row] = Chunk(default_factory=list)
    by_key: dict[str, Row] = ShardedMap(default_factory=dict)
    numbers: list[int] = Chunk(default_factory=list)


BIG = 700  # rows: more than a row group
OFFSET = 10**12  # so that numbers are 8 bytes wide


def row(i: int) -> Row:
    return Row(n=OFFSET + i, s=f"row {i}", parts=[i, i + 1])


def pairs(start: int, stop: int) -> Iterator[tuple[str, Row]]:
    return ((f"k{i}", row(i)) for i in range(start, stop))


def old_rows(count: int) -> World:
    return World(rows=map(row, range(count)), by_key=dict(pairs(0, count)), numbers=range(OFFSET, OFFSET + count))


# Row groups are small, and a whole one is not among those that are joined.
Session, save, dumps = tuned(TUNING, group_rows=256, classes=(1, 8, 64), large=4096)
ROW_GROUPS_OF_FOUR = tuned(TUNING, group_rows=4, classes=(1,), sample_rows=2, few_rows=2, large=4096)


@pytest.fixture(params=[0, 3, 600])
def count(request: Any) -> int:
    return int(request.param)


@pytest.fixture
def path(tmp_path: Path, count: int) -> Path:
    save(tmp_path / "w.par", old_rows(count))
    return tmp_path / "w.par"


def test_what_is_streamed_in_is_there_at_once_and_committed(path: Path, count: int) -> None:
    expected = [row(i) for i in range(count + BIG)]
    keys = [f"k{i}" for i in range(count + BIG)]
    with Session(path) as session:
        world: Any = session.root(World)
        rows, by_key, numbers = world.rows, world.by_key, world.numbers
        rows.extend(map(row, range(count, count + BIG)))
        by_key |= pairs(count, count + BIG)
        numbers += (str(OFFSET + i) for i in range(count, count + BIG))
        for turn in range(3):  # before a commit, after one, after one that writes nothing
            assert world.rows is rows and world.numbers is numbers
            assert len(rows) == len(by_key) == len(numbers) == count + BIG
            assert rows[-1] is rows[len(rows) - 1] and rows[-1] == expected[-1] and rows[-1].parts[1] == count + BIG
            assert rows[count : count + 3] == expected[count : count + 3]
            assert by_key["k699"] is by_key["k699"] and by_key["k699"] == row(699) and "nokey" not in by_key
            assert list(by_key) == keys and numbers[-1] == OFFSET + count + BIG - 1
            assert (
                rows.load() == expected
                and list(rows) == expected
                and by_key.load() == dict(zip(keys, expected, strict=True))
            )
            assert rows.column("n")[-1] == OFFSET + count + BIG - 1 and numbers.to_numpy()[0] == OFFSET
            by_key.rows.table._check()
            size = path.stat().st_size
            session.commit()
            assert (path.stat().st_size == size) is (turn > 0)
    assert load(path, World).rows == expected


def test_it_changes_before_and_after_its_commit(path: Path, count: int) -> None:
    expected = [row(i) for i in range(count + BIG)]
    with Session(path) as session:
        world: Any = session.root(World)
        world.rows.extend(map(row, range(count, count + BIG)))
        world.by_key.update(pairs(count, count + BIG))
        for i in (count, count + 500, count + BIG - 1):
            world.rows[i].parts.append(-5)
            world.by_key[f"k{i}"].s = "changed"
            expected[i].parts.append(-5)
        held = world.rows[count + 7]
        del world.rows[count + 1]
        world.rows.insert(count + 2, {"n": 5})
        expected[count + 1 : count + 3] = [expected[count + 2], Row(n=5)]
        session.commit()
        assert world.rows == expected and world.rows[count + 7] is held
        held.s = "later"
        expected[count + 7].s = "later"
        world.rows[count + 500].parts.append(-6)
        expected[count + 500].parts.append(-6)
        session.commit()
        assert world.by_key[f"k{count + 500}"].s == "changed"
    again = load(path, World)
    assert again.rows == expected and again.by_key[f"k{count + 500}"].s == "changed"
    assert again.by_key["k42"].s == "row 42"


def test_large_values_in_streamed_rows(tmp_path: Path) -> None:
    """Tables and blobs of rows that wait for a commit: read, unread, changed."""
    save(tmp_path / "w.par", World())
    wide = [Row(n=i, s="x" * 300, parts=range(OFFSET, OFFSET + 20_000), blob=b"b" * 50_000) for i in range(3)]
    many = [Row(n=OFFSET + i, s="y" * 300) for i in range(500)]
    with Session(tmp_path / "w.par") as session:
        world: Any = session.root(World)
        world.rows.extend(iter(wide + many))
        assert isinstance(world.rows.rows, TableRows) and world.rows[1].parts[19_999] == OFFSET + 19_999
        world.rows[2].s = "changed"  # its table and blob go along, unread
        world.rows[1].parts.append(7)
        assert world.rows[0].parts[5] == OFFSET + 5 and world.rows[0].blob == b"b" * 50_000
        session.commit()
        written = session.stats.bytes_written
        world.rows[1].parts.append(8)
        world.rows[0].n = 77
        session.commit()
        assert session.stats.bytes_written - written < 160_000  # less than one of the tables that did not change
    found = load(tmp_path / "w.par", World).rows
    wide[2].s, wide[0].n = "changed", 77
    wide[1].parts += [7, 8]
    assert found == wide + many


def test_slices_take_iterators(path: Path, count: int) -> None:
    expected = list(range(OFFSET, OFFSET + count))
    with Session(path) as session:
        numbers: Any = session.root(World).numbers
        for part in (slice(1, 2), slice(None, 0), slice(5, None), slice(-3, -1)):
            numbers[part] = iter(range(BIG))
            expected[part] = range(BIG)
            assert numbers == expected
        session.commit()
    assert load(path, World).numbers == expected


def test_keys_that_are_there_already_keep_their_place(path: Path, count: int) -> None:
    expected = dict(pairs(0, count))
    with Session(path) as session:
        by_key: Any = session.root(World).by_key
        by_key["new"] = expected["new"] = row(1)
        stream = [(key, row(-i)) for i, (key, _) in enumerate(pairs(count // 2, count // 2 + BIG))]
        stream.insert(50, ("new", row(-1)))
        by_key.update(iter(stream))
        expected.update(stream)
        assert list(by_key) == list(expected) and by_key == expected
        by_key.rows.table._check()
        session.commit()
        assert list(by_key) == list(expected) and by_key == expected and by_key["new"] == row(-1)
        by_key.update(iter(stream[::-1]))  # and all are there now
        session.commit()
        assert list(by_key) == list(expected) and len(by_key.rows.table.run_refs) <= 8
    found = load(path, World).by_key
    assert list(found) == list(expected) and found == expected


def test_of_a_key_that_comes_twice_the_last_counts(path: Path, count: int) -> None:
    with Session(path) as session:
        by_key: Any = session.root(World).by_key
        by_key.update((f"t{i % 400}", row(i)) for i in range(BIG))
        assert len(by_key) == count + 400 and by_key["t1"] == row(401) and by_key["t350"] == row(350)
        session.commit()
    assert load(path, World).by_key["t1"] == row(401)


@pytest.mark.parametrize("good", [3, 100, BIG])
def test_an_iterator_that_fails_leaves_the_collection_as_it_was(path: Path, count: int, good: int) -> None:
    def failing(values: Any, last: Any) -> Iterator[Any]:
        yield from values
        if last is None:
            raise OSError("the source broke")
        yield last

    with Session(path) as session:
        world: Any = session.root(World)
        before = path.stat().st_size
        for last, error in ((None, OSError), ("bad", ValidationError)):
            with pytest.raises(error):
                world.numbers.extend(failing(range(good), last))
            with pytest.raises(error):
                world.numbers[:1] = failing(range(good), last)
            with pytest.raises(error):
                world.by_key.update(failing(pairs(0, good), None if last is None else ("k0", "bad")))
        assert world.numbers == list(range(OFFSET, OFFSET + count)) and world.by_key == dict(pairs(0, count))
        session.commit()
        assert path.stat().st_size == before
        world.numbers.extend(iter(range(BIG)))
        session.commit()
    assert load(path, World).numbers[count:] == list(range(BIG))


def test_what_cannot_be_encoded_is_named(tmp_path: Path) -> None:
    save(tmp_path / "w.par", World())
    with Session(tmp_path / "w.par") as session:
        world: Any = session.root(World)
        bad = Row.model_construct(n="x", s="", parts=[], blob=b"")
        with pytest.raises(EncodeError, match=r"^World\.rows\[400\]\.n: expected int"):
            world.rows.extend(bad if i == 400 else row(i) for i in range(BIG))
        with pytest.raises(EncodeError, match=r"^World\.by_key\['k400'\]\.n: expected int"):
            world.by_key.update((f"k{i}", bad if i == 400 else row(i)) for i in range(BIG))
        assert not world.rows and not world.by_key


def test_an_iterator_over_the_collection_itself(path: Path, count: int) -> None:
    before = list(range(OFFSET, OFFSET + count))
    with Session(path) as session:
        world: Any = session.root(World)
        world.numbers.extend(x for x in world.numbers)
        assert world.numbers == before * 2
        world.numbers += world.numbers
        assert world.numbers == before * 4
        world.numbers[:] = (x for x in world.numbers if x % 2)
        assert world.numbers == [x for x in before * 4 if x % 2]
        world.by_key.update((key + "!", value) for key, value in world.by_key.items())
        assert len(world.by_key) == 2 * count
        session.commit()
    found = load(path, World)
    assert found.numbers == [x for x in before * 4 if x % 2]
    assert list(found.by_key) == [f"k{i}" for i in range(count)] + [f"k{i}!" for i in range(count)]


def test_an_iterator_that_changes_the_session_meanwhile(path: Path, count: int) -> None:
    with Session(path) as session:
        world: Any = session.root(World)

        def busy() -> Iterator[int]:
            for i in range(BIG):
                if i == 400:
                    world.numbers.append(-1)
                    world.rows.extend(map(row, range(BIG)))
                    world.numbers.extend(iter(range(-BIG, 0)))
                    session.commit()
                yield i

        world.numbers.extend(busy())
        session.commit()
    found = load(path, World)
    assert found.numbers == [*range(OFFSET, OFFSET + count), -1, *range(-BIG, 0), *range(BIG)]
    assert len(found.rows) == count + BIG


def test_rollback_conflict_and_close(path: Path, count: int) -> None:
    with Session(path) as session:
        world: Any = session.root(World)
        world.numbers.extend(iter(range(BIG)))
        session.rollback()
        world = session.root(World)
        assert len(world.numbers) == count
        world.numbers.extend(iter(range(BIG)))
        with Session(path) as other:
            other.root(World).numbers.append(5)
            other.commit()
        with pytest.raises(ConflictError):
            session.commit()
        assert world.numbers[-1] == BIG - 1
        rows = world.rows
        rows.extend(map(row, range(BIG)))
    assert rows[-1] == row(BIG - 1)
    rows.extend(map(row, range(BIG)))
    assert len(rows) == count + 2 * BIG and rows[-2] == row(BIG - 2)
    assert len(load(path, World).numbers) == count + 1


def test_nothing_is_left_behind(path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    gc.collect()
    before = len(list(descriptors.iterdir())) if descriptors.exists() else 0
    session = Session(path)
    world: Any = session.root(World)
    for _ in range(3):
        world.numbers.extend(iter(range(BIG)))
        world.by_key.update(pairs(0, BIG))
        assert os.listdir(path.parent) == [path.name]
        session.commit()
    world.numbers.extend(iter(range(BIG)))
    session.close()
    del session, world
    gc.collect()
    if before:
        assert len(list(descriptors.iterdir())) <= before


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks Linux how large nameless files are")
def test_streams_that_come_to_nothing_give_their_disk_space_back(path: Path) -> None:
    """The temporary file grew with each stream that failed, and with each one before a rollback, until a commit.

    A bulk load that filled the disk so kept it full: not even a small commit of the session fitted any more.
    """

    def waiting() -> int:
        links = Path("/proc/self/fd").iterdir()
        return sum(os.stat(link).st_size for link in links if link.exists() and "(deleted)" in os.readlink(link))

    def failing() -> Iterator[int]:
        yield from range(BIG)
        raise OSError("the source broke")

    gc.collect()
    before = waiting()
    with Session(path) as session:
        world: Any = session.root(World)
        with pytest.raises(OSError, match="the source broke"):
            world.numbers.extend(failing())
        assert waiting() == before
        for _ in range(3):
            world.rows.extend(map(row, range(BIG)))
            assert waiting() > before
            session.rollback()
            assert waiting() == before
        world.rows.extend(map(row, range(BIG)))
        held = world.rows[-1]
        session.rollback()
        assert held == row(BIG - 1)  # it is no part of what is stored, and the program has it
        world.rows.extend(map(row, range(5)))
        session.commit()
    assert load(path, World).rows[-5:] == list(map(row, range(5)))


def test_in_memory_and_after_add(tmp_path: Path) -> None:
    with Session(":memory:", compression="lz4") as session:
        world: Any = World(numbers=iter(range(5)))
        session.add(world)
        session.commit()
        world.numbers.extend(iter(range(5, BIG)))
        session.commit()
        assert isinstance(world.numbers, LazyList) and world.numbers == list(range(BIG))
        assert session.root(World).numbers is world.numbers


class Part(Model):
    n: int
    parts: list[Part] = Chunk(default_factory=list)
    by_key: dict[str, int] = ShardedMap(default_factory=dict)
    box: Part | None = Chunk(default=None)


class Owner(Model):
    id: int = Key()
    rows: list[Part] = Chunk(default_factory=list)
    rows_by_key: dict[str, Part] = ShardedMap(default_factory=dict)
    box: Part | None = Chunk(default=None)
    inline: Part | None = None


def part(depth: int = 2) -> Part:
    return Part(n=depth, parts=[part(depth - 1)] if depth else [], box=part(depth - 1) if depth else None)


def inner(owner: Any, which: int) -> Any:
    return [owner.rows[1], owner.rows_by_key["k1"], owner.box, owner.inline, owner.rows[1].box, owner.box.parts[0]][
        which
    ]


@pytest.mark.parametrize("which", range(6))
@pytest.mark.parametrize("rows", [3, 40])
@pytest.mark.parametrize("hold", [False, True])
def test_in_an_object_inside_a_row(tmp_path: Path, which: int, rows: int, hold: bool) -> None:
    """The next commit would find a stream that was read, and store that it is empty."""
    path = tmp_path / "a.par"
    with Session(path) as session:
        many = [part() for _ in range(rows)]
        session.add(
            Owner(id=1, rows=many, rows_by_key={f"k{i}": part() for i in range(rows)}, box=part(), inline=part())
        )
        session.commit()
    with Session(path) as session:
        found = inner(session.get_one(Owner, 1), which)
        found.parts = (Part(n=n) for n in range(5))
        found.by_key = iter([("a", 1), ("b", 2)])
        held = found if hold else None
        del found
        session.commit()
        assert not session.dirty
        found = inner(session.get_one(Owner, 1), which)
        assert held is None or found is held
        assert type(found.parts) is LazyList and type(found.by_key) is LazyMap
        found.n += 1
        session.commit()
    with Session(path) as session:
        found = inner(session.get_one(Owner, 1), which)
        assert [each.n for each in found.parts] == list(range(5)) and found.by_key == {"a": 1, "b": 2}


@pytest.mark.parametrize("which", range(6))
def test_values_of_another_session_in_an_object_inside_a_row(tmp_path: Path, which: int) -> None:
    for name in "ab":
        with Session(tmp_path / name) as session:
            session.add(Owner(id=1, rows=[part(), part()], rows_by_key={"k1": part()}, box=part(), inline=part()))
            session.commit()
    with Session(tmp_path / "a") as session, Session(tmp_path / "b") as other:
        found, theirs = inner(session.get_one(Owner, 1), which), inner(other.get_one(Owner, 1), which)
        found.parts, found.box = theirs.parts, theirs.box
        session.commit()
        assert found.parts is not theirs.parts and found.box is not theirs.box
        found.parts[0].n = found.box.n = 77
        assert theirs.parts[0].n != 77 != theirs.box.n
        session.commit()
    with Session(tmp_path / "a") as session:
        found = inner(session.get_one(Owner, 1), which)
        assert found.parts[0].n == found.box.n == 77


def test_a_streamed_collection_in_another_session(path: Path, tmp_path: Path, count: int) -> None:
    other = tmp_path / "other.par"
    with Session(path) as session, Session(other) as there:
        world: Any = session.root(World)
        world.rows.extend(map(row, range(count, count + BIG)))
        there.add(World(rows=world.rows))
        there.commit()
        moved = World(rows=world.rows, by_key=world.by_key)  # and under a new root of its own
        session.add(moved, replace=True)
        session.commit()
        assert isinstance(moved.by_key, LazyMap)
    assert load(other, World).rows == load(path, World).rows == [row(i) for i in range(count + BIG)]


MEMORY = """
import resource, sys
from parcode_orm import Chunk, Model, Session, ShardedMap, save

class Tiny(Model):
    a: int
    b: float

class World(Model):
    rows: list[Tiny] = Chunk(default_factory=list)
    by_key: dict[int, int] = ShardedMap(default_factory=dict)

path, rows, pairs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

save(path, World(rows=[Tiny(a=0, b=0.0)]))
with Session(path) as session:
    world = session.root(World)
    world.rows.extend(Tiny(a=i, b=i / 2) for i in range(20_000))
    world.by_key.update((i, i * 3) for i in range(20_000))
    session.commit()
    before = peak()
    world.rows.extend(Tiny(a=i, b=i / 2) for i in range(rows))
    world.by_key.update((i, i * 3) for i in range(pairs))
    assert world.rows[-1].a == rows - 1 and world.by_key[pairs - 1] == pairs * 3 - 3
    session.commit()
    assert world.rows[-1].a == rows - 1 and world.by_key[pairs - 1] == pairs * 3 - 3
    print(peak() - before)
"""


def test_memory_does_not_grow_with_the_stream(tmp_path: Path) -> None:
    """The list alone is 120 MB as objects."""
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "m.par"), "500000", "200000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 45


ints = st.integers(-3, 40)
OPS = st.one_of(
    st.tuples(st.just("extend"), st.integers(0, 30)),
    st.tuples(st.just("list"), st.integers(0, 5)),
    st.tuples(st.just("splice"), st.tuples(ints, ints, st.integers(0, 20))),
    st.tuples(st.just("delete"), st.tuples(ints, ints)),
    st.tuples(st.just("change"), ints),
    st.tuples(st.just("parts"), ints),
    st.tuples(st.just("update"), st.tuples(ints, st.integers(0, 30))),
    st.tuples(st.just("put"), ints),
    st.tuples(st.just("remove"), ints),
    st.tuples(st.just("value"), ints),
    st.tuples(st.sampled_from(["commit", "reopen"]), st.none()),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(OPS, max_size=25))
def test_as_a_list_and_a_dictionary(tmp_path_factory: pytest.TempPathFactory, ops: list[tuple[str, Any]]) -> None:
    """Row groups of four rows, so that every stream meets several."""
    Session, save, _ = ROW_GROUPS_OF_FOUR
    path = tmp_path_factory.mktemp("s") / "w.par"
    plain = World(rows=[row(i) for i in range(3)])
    save(path, plain)
    session = Session(path)
    world: Any = session.root(World)
    for serial, (op, given_) in enumerate(ops):
        _step(op, given_, 100 * serial, world, plain)
        if op in ("commit", "reopen"):
            session.commit()
        if op == "reopen":
            session.close()
            session = Session(path)
            world = session.root(World)
        assert world.rows == plain.rows and len(world.rows) == len(plain.rows)
        assert list(world.by_key) == list(plain.by_key) and world.by_key == plain.by_key
        for key in plain.by_key:
            assert world.by_key[key] == plain.by_key[key]
        for collection in (world.rows, world.by_key):
            if isinstance(collection.rows, TableRows):
                collection.rows.table._check()
    session.commit()
    session.close()
    found = load(path, World)
    assert found == plain and list(found.by_key) == list(plain.by_key)


def _step(op: str, given_: Any, serial: int, world: Any, plain: Any) -> None:
    if op in ("extend", "list"):
        fresh = [[row(serial + i) for i in range(given_)] for _ in range(2)]
        world.rows.extend(iter(fresh[0]) if op == "extend" else fresh[0])
        plain.rows.extend(fresh[1])
    elif op == "splice":
        a, b, size = given_
        world.rows[a:b] = (row(serial + i) for i in range(size))
        plain.rows[a:b] = [row(serial + i) for i in range(size)]
    elif op == "delete":
        a, b = given_
        del world.rows[a:b], plain.rows[a:b]
    elif op in ("change", "parts") and plain.rows:
        for rows in (world.rows, plain.rows):
            found = rows[given_ % len(rows)]
            if op == "change":
                found.s = f"changed {serial}"
            else:
                found.parts.append(serial)
    elif op == "update":
        start, size = given_
        world.by_key.update((f"k{i}", row(serial + i)) for i in range(start, start + size))
        plain.by_key.update({f"k{i}": row(serial + i) for i in range(start, start + size)})
    elif op == "put":
        world.by_key[f"k{given_}"] = row(serial)
        plain.by_key[f"k{given_}"] = row(serial)
    elif op == "remove":
        assert (world.by_key.pop(f"k{given_}", None) is None) is (plain.by_key.pop(f"k{given_}", None) is None)
    elif op == "value" and f"k{given_}" in plain.by_key:
        for by_key in (world.by_key, plain.by_key):
            by_key[f"k{given_}"].parts.append(serial)


def test_many_row_groups_that_wait_for_a_commit(path: Path, count: int) -> None:
    """What a scan had passed was let go of as if it lay in the file: an OverflowError."""
    size = 30 * 256
    with Session(path) as session:
        world: Any = session.root(World)
        world.rows.extend(map(row, range(count, size)))
        world.by_key.update(pairs(count, size))
        for _ in range(2):
            assert [each.n for each in world.rows] == [OFFSET + i for i in range(size)]
            assert [each.n for each in world.by_key.values()] == [OFFSET + i for i in range(size)]
            assert sum(map(len, world.rows.iter_chunks())) == size
            session.commit()
