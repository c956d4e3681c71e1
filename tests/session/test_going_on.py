"""A root of which only tables changed goes on: its object keeps its view, and nothing of it is read again.

The commit writes the root's chunk as it stands, with other references. So whatever the object has handed out must stay
what it is, and what nobody has read must be read from the new place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Chunk, EncodeError, Model, Session, ShardedMap, StreamConsumedError, load
from parcode_orm.lazy.proxy import proxy_state
from tests.small import tuned

pytestmark = pytest.mark.once


class Row(Model):
    n: int
    tags: list[str] = Chunk(default_factory=list)
    by: dict[str, int] = ShardedMap(default_factory=dict)


class Inner(Model):
    a: int
    log: list[int] = Chunk(default_factory=list)


class Root(Model):
    title: str
    inner: Inner
    apart: Inner = Chunk()
    first: dict[str, Row] = ShardedMap()
    second: list[Row] = Chunk()
    third: dict[str, Row] = ShardedMap()
    unread: list[int] = Chunk()


SIZES = tuned()  # small ones, so that the collections are tables


def root(count: int = 200) -> Root:
    rows = {f"k{n}": Row(n=n, tags=[str(n)]) for n in range(count)}
    return Root(
        title="one",
        inner=Inner(a=1, log=[1, 2]),
        apart=Inner(a=2, log=[3]),
        first=rows,
        second=[Row(n=n, tags=[str(n)]) for n in range(count)],
        third={key: row.model_copy() for key, row in rows.items()},
        unread=list(range(5_000)),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.par"
    SIZES.save(path, root())
    return path


def check(session: Any, path: Path, expected: Root) -> None:
    """The session, a new one and a whole load show the same."""
    assert session.root(Root).model_load() == expected
    assert load(path, Root) == expected
    with Session.open(path) as other:
        assert other.root(Root) == expected


def test_a_changed_row_leaves_the_root_on_its_view_and_reads_nothing_of_it(path: Path) -> None:
    with SIZES.Session(path) as session:
        world = session.root(Root)
        view, _ = proxy_state(world)
        place = view.chunk.where
        for n in range(3):
            world.first[f"k{n}"].n += 100
            before = session.stats.chunks_read
            session.commit()
            assert session.stats.chunks_read == before
        assert proxy_state(world)[0] is view and view.chunk.where != place
        assert not session.dirty and world in session


def test_what_was_not_read_is_read_from_the_new_place(path: Path) -> None:
    expected = root()
    with SIZES.Session(path) as session:
        world = session.root(Root)
        inner, apart = world.inner, world.apart
        for n in range(4):
            world.first["k7"].n = expected.first["k7"].n = 70 + n
            world.second[3].n = expected.second[3].n = 30 + n
            session.commit()
        assert world.inner is inner and world.apart is apart
        assert world.unread[4_999] == 4_999 and world.third["k9"].n == 9 and inner.log[1] == 2
        check(session, path, expected)


def test_changes_of_what_the_root_handed_out_before_are_found_after(path: Path) -> None:
    expected = root()
    with SIZES.Session(path) as session:
        world = session.root(Root)
        inner, apart, unread = world.inner, world.apart, world.unread
        world.first["k1"].n = expected.first["k1"].n = -1
        session.commit()
        inner.a = expected.inner.a = 9
        session.commit()
        world.first["k2"].n = expected.first["k2"].n = -2
        session.commit()
        apart.log.append(4)
        expected.apart.log.append(4)
        unread.append(5)
        expected.unread.append(5)
        session.commit()
        world.title = expected.title = "two"
        world.first["k3"].n = expected.first["k3"].n = -3
        session.commit()
        check(session, path, expected)


def test_tables_that_change_places_are_told_apart(path: Path) -> None:
    expected = root()
    with SIZES.Session(path) as session:
        world = session.root(Root)
        world.first["k1"].n = expected.first["k1"].n = -1
        world.third["k1"].n = expected.third["k1"].n = -3
        session.commit()
        world.first, world.third = world.third, world.first
        expected.first, expected.third = expected.third, expected.first
        session.commit()
        world.first["k5"].n = expected.first["k5"].n = -5
        session.commit()
        check(session, path, expected)


def test_earlier_commits_stay_what_they_are(path: Path) -> None:
    with SIZES.Session(path) as session:
        world = session.root(Root)
        for n in range(1, 6):
            world.first["k1"].n = -n
            session.commit()
        for n in range(1, 6):
            with Session(path, at=n + 1) as earlier:
                assert earlier.root(Root).first["k1"].n == -n
        with Session(path, at=1) as earlier:
            assert earlier.root(Root) == root()
        assert [(each.path, each.new) for each in session.diff(1)] == [(("Root", "first", "k1", "n"), -5)]


def test_going_back_after_it(path: Path) -> None:
    expected = root()
    with SIZES.Session(path) as session:
        world = session.root(Root)
        world.first["k1"].n = expected.first["k1"].n = -1
        session.commit()
        world.first["k1"].n = -2
        world.inner.a = 7
        session.rollback()
        assert world.first["k1"].n == -1 and world.inner.a == 1
        with session.begin_nested() as savepoint:
            world.first["k1"].n = -3
            savepoint.rollback()
        world.first["k2"].n = expected.first["k2"].n = -2
        session.commit()
        session.expire(world)
        check(session, path, expected)


def test_after_a_stream_was_spilled(path: Path) -> None:
    expected = root()
    with SIZES.Session(path) as session:
        world = session.root(Root)
        world.first["k1"].n = expected.first["k1"].n = -1
        session.commit()
        for start in (1_000, 2_000):
            world.second.extend(Row(n=n) for n in range(start, start + 500))
            expected.second.extend(Row(n=n) for n in range(start, start + 500))
            world.first["k2"].n = expected.first["k2"].n = start
            session.commit()
            world.first["k3"].n = expected.first["k3"].n = start
            session.commit()
        check(session, path, expected)


STREAMS: dict[str, Callable[[Root], object]] = {
    "Root.first['k7'].tags[1]": lambda root: setattr(root.first["k7"], "tags", iter(["a", 1, "b"])),
    "Root.second[3].tags[0]": lambda root: setattr(root.second[3], "tags", iter([1, "b"])),
    "Root.third['k7'].by['b']": lambda root: setattr(root.third["k7"], "by", iter([("a", 1), ("b", "x"), ("c", 2)])),
    "Root.first['new'].tags[1]": lambda root: (
        root.first.update(new=Row(n=1)), setattr(root.first["new"], "tags", iter(["a", 1, "b"]))
    ),
}  # fmt: skip


@pytest.mark.parametrize("where", STREAMS)
def test_a_stream_in_a_row_that_fails_stores_nothing(path: Path, where: str) -> None:
    """The root was encoded again to say where the error is. By then the stream was read, and what was left of it was
    stored without an error.
    """
    with SIZES.Session(path) as session:
        STREAMS[where](session.root(Root))
        with pytest.raises(EncodeError, match="^" + re.escape(where) + ": expected"):
            session.commit()
        with pytest.raises(StreamConsumedError):
            session.commit()
    assert load(path, Root) == root()


@pytest.mark.parametrize("durability", ["fast", "full"])
def test_rows_that_come_and_go_leave_the_root_on_its_view(path: Path, durability: Any) -> None:
    expected = root()
    with SIZES.Session(path, durability=durability) as session:
        world = session.root(Root)
        view, _ = proxy_state(world)
        for step in range(4):
            world.first[f"new{step}"] = expected.first[f"new{step}"] = Row(n=step)
            del world.third[f"k{step}"], expected.third[f"k{step}"]
            world.second.append(Row(n=step))
            expected.second.append(Row(n=step))
            session.commit()
            assert proxy_state(world)[0] is view and not session.dirty
        check(session, path, expected)
