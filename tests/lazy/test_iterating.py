"""Walking over a stored collection while it changes: what is handed out is what is there."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from parcode_orm import Chunk, Model, Session, ShardedMap, lazy, load, save


class Row(Model):
    n: int
    s: str


class World(Model):
    rows: list[Row] = Chunk()
    by_key: dict[int, Row] = ShardedMap()
    numbers: list[int] = Chunk()


def world() -> World:
    rows = [Row(n=i, s=f"{i * i * 10**9:030d}") for i in range(3000)]
    return World(rows=rows, by_key=dict(enumerate(rows)), numbers=[i * i * 10**9 for i in range(20_000)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save(tmp_path / "w.par", world())
    return tmp_path / "w.par"


@pytest.mark.parametrize("kind", ["rows", "by_key"])
def test_commits_within_the_loop(path: Path, kind: str) -> None:
    expected = [row.n for row in world().rows]
    with Session(path) as session:
        collection = getattr(session.root(World), kind)
        for turn in range(2):
            for i, row in enumerate(collection.values() if kind == "by_key" else collection):
                if i == 200:
                    break
                if i % 3 == turn or i % 50 == 0:
                    row.n = expected[i] = -1 - i - turn * 1000
                if i % 11 == 0:
                    session.commit()
        session.commit()
        assert [row.n for row in (collection.values() if kind == "by_key" else collection)] == expected
    found = getattr(load(path, World), kind)
    assert [row.n for row in (found.values() if kind == "by_key" else found)] == expected


@pytest.mark.parametrize("count", [9, 900])
@pytest.mark.parametrize("kind", ["rows", "by_key"])
def test_commits_within_a_loop_from_the_end(path: Path, kind: str, count: int) -> None:
    """A commit gives a small collection other rows, in its owner's new row group."""
    rows = world().rows[:count]
    save(path, World(rows=rows, by_key=dict(enumerate(rows)), numbers=[]))
    with Session(path) as session:
        collection = getattr(session.root(World), kind)
        for row in reversed(collection.values() if kind == "by_key" else collection):
            row.n += 10_000
            if row.n % 3 == 0:
                session.commit()
        session.commit()
    found = getattr(load(path, World), kind)
    assert [row.n for row in (found.values() if kind == "by_key" else found)] == [10_000 + i for i in range(count)]


def test_rows_replaced_among_those_that_were_made_ahead(path: Path) -> None:
    """A loop that goes on makes 64 rows at once."""
    with Session(path) as session:
        rows = session.root(World).rows
        for i, row in enumerate(rows):
            assert row is rows[i] and row.n == (-i if i == 205 else i)
            if i == 202:
                rows[205] = Row(n=-205, s="new")
            if i == 210:
                break


def test_rows_replaced_ahead(path: Path) -> None:
    with Session(path) as session:
        read = session.root(World)
        for i, row in enumerate(read.rows):
            if i == 20:
                break
            assert row is read.rows[i]
            read.rows[i + 1] = Row(n=5, s="new")
            if i:
                row.n = 1000 + i
        for i, number in enumerate(read.numbers):
            if i < 30:
                read.numbers[i + 1] = number + 1
        session.commit()
    again = load(path, World)
    assert [row.n for row in again.rows[1:20]] == [1001 + i for i in range(19)]
    assert again.numbers[:31] == list(range(31))


def test_a_paused_iterator(path: Path) -> None:
    with Session(path) as session:
        read = session.root(World)
        rows = iter(read.rows)
        next(rows)
        for i in range(10, 30):
            read.rows[i].n = -i
            session.commit()
        found = [next(rows) for _ in range(40)]
        assert all(row is read.rows[i] for i, row in enumerate(found, 1))
        for row in found:
            row.s = "changed"
        session.commit()
    assert all(row.s == "changed" for row in load(path, World).rows[1:41])


def test_a_change_of_size_is_an_error(path: Path) -> None:
    with Session(path) as session:
        read = session.root(World)
        with pytest.raises(RuntimeError, match="changed size"):
            for _ in read.rows:
                read.rows.append(Row(n=1, s=""))
        with pytest.raises(RuntimeError, match="changed size"):
            for key in read.by_key:
                del read.by_key[key]
        with pytest.raises(RuntimeError, match="changed size"):
            for key, _ in lazy(read.by_key).items():
                read.by_key[key + 10_000] = Row(n=1, s="")


def test_threads_read_one_world(path: Path) -> None:
    problems: list[BaseException] = []

    def read(world: World, barrier: threading.Barrier) -> None:
        try:
            barrier.wait()
            for i in range(0, 3000, 101):
                assert world.by_key[i].n == i
                assert lazy(world.by_key).get(-i - 1) is None
                assert world.rows[i].n == i
        except BaseException as problem:
            problems.append(problem)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(30):
            with Session.open(path) as session:
                barrier = threading.Barrier(4)
                threads = [threading.Thread(target=read, args=(session.root(World), barrier)) for _ in range(4)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not problems


def test_a_walk_makes_few_rows_ahead(path: Path) -> None:
    with Session.open(path) as session:
        rows = session.root(World).rows
        before = session.stats.rows_read
        walk = iter(rows)
        first = next(walk)
        assert session.stats.rows_read - before == 1
        assert rows[0] is first
        kept = rows[150]  # is the object that the walk gives, too
        taken = [first]
        for count in range(2, 400):
            taken.append(next(walk))
            assert session.stats.rows_read - before <= min(2 * count, count + 64) + 1
        assert taken[150] is kept
        assert [row.n for row in [*taken, *walk]] == list(range(3000))
