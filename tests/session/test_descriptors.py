"""What is kept from sessions that have closed costs no descriptor each: a file has one map in a process."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Chunk, Model, Session, SessionError, save
from parcode_orm.errors import TruncatedError
from parcode_orm.storage import maps
from parcode_orm.storage.mapped import Source

COUNT = 5_000
SESSIONS = 16


class Item(Model):
    n: int


class Shop(Model):
    items: list[Item] = Chunk()
    blob: bytes = Chunk(default=b"")
    sold: int = 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "shop.par"
    save(found, Shop(items=[Item(n=n) for n in range(COUNT)], blob=bytes(range(256)) * 4000))
    return found


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


linux = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="descriptors are counted in /proc")


def row(shop: Any, n: int) -> Any:
    found = shop.items[n * 97]
    assert found.n == n * 97
    return found


KEPT: dict[str, Callable[[Any, int], Any]] = {
    "row": row,
    "root": lambda shop, n: (shop, row(shop, n))[0],
    "list": lambda shop, n: (shop.items, row(shop, n))[0],
    "view": lambda shop, n: shop.lazy("blob").view(n, n + 10),
    "array": lambda shop, n: shop.items[: n + 1] and shop.items.column("n"),
    "change": lambda shop, n: setattr(row(shop, n), "n", -1) or shop.items[n * 97],
}


@linux
@pytest.mark.parametrize("what", KEPT)
@pytest.mark.parametrize("commits", [False, True], ids=["one snapshot", "a snapshot each"])
def test_what_is_kept_of_many_sessions(path: Path, what: str, commits: bool) -> None:
    before = descriptors()
    kept = []
    for n in range(SESSIONS):
        if commits:
            with Session(path) as session:
                session.root(Shop).sold += 1
                session.commit()
        with Session(path, read_only=what != "change") as session:
            kept.append(KEPT[what](session.root(Shop), n))
    maps = 0 if sys.version_info >= (3, 13) else 1
    assert descriptors() - before <= maps + commits  # one for all snapshots that are not mapped to their ends
    if what == "row":
        assert [each.n for each in kept] == [n * 97 for n in range(SESSIONS)]
    if what == "view":
        assert [bytes(each)[0] for each in kept] == list(range(SESSIONS))
    kept.clear()
    assert descriptors() == before


@linux
def test_many_sessions_at_once_share_a_map(path: Path) -> None:
    before = descriptors()
    sessions = [Session.open(path) for _ in range(SESSIONS)]
    assert [row(session.root(Shop), 7).n for session in sessions] == [679] * SESSIONS
    assert descriptors() - before <= 2
    for each in sessions:
        each.close()


def test_a_file_that_grew_far_is_mapped_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Session.open(path) as session:
        first = row(session.root(Shop), 1)
        with Session(path) as other:
            other.root(Shop).blob = os.urandom(3_000_000)
            other.commit()
        with Session.open(path) as grown:
            shop = grown.root(Shop)
            assert len(shop.blob) == 3_000_000 and row(shop, 2).n == 194
        assert first.n == 97 and session.root(Shop).blob[:3] == b"\0\1\2"


def test_another_file_has_a_map_of_its_own(path: Path, tmp_path: Path) -> None:
    with Session.open(path) as session:
        kept = row(session.root(Shop), 1)
        save(path, Shop(items=[Item(n=-n) for n in range(COUNT)]))  # takes the place of the file
        with Session.open(path) as other:
            assert other.root(Shop).items[97].n == -97
        assert kept.n == 97 and session.root(Shop).items[98].n == 98


def test_a_map_that_nobody_reads_is_forgotten(path: Path) -> None:
    before = dict(maps._known)
    with Session.open(path) as session:
        row(session.root(Shop), 1)
        assert len(maps._known) == len(before) + 1
        del session
    gc.collect()
    assert maps._known.keys() <= before.keys()


def test_a_file_that_was_cut_is_not_read_through_an_old_map(path: Path) -> None:
    source, other = Source.open(path), Source.open(path)
    assert bytes(source.view(0, 4))
    os.truncate(path, 4096)
    other._data = other._map = None
    with pytest.raises(TruncatedError, match="shrank"):
        other.view(0, 4)


class Note(Model):
    n: int
    lines: list[int] = Chunk(default=[])


@linux
@pytest.mark.parametrize("count", [SESSIONS, pytest.param(2_000, marks=pytest.mark.once)])
def test_what_was_added_to_many_sessions(path: Path, count: int) -> None:
    """Each object read on through a descriptor of its own, as the map did not reach the commit that it came with."""
    before = descriptors()
    kept = []
    for n in range(count):
        with Session(path, durability="fast") as session:
            note = Note(n=n, lines=[n] * 10)
            session.add(note, replace=True)
            session.commit()
        kept.append(note)
    assert descriptors() - before <= 2
    assert [note.lines[9] for note in kept] == list(range(count))
    kept[7].lines.append(1)
    kept.clear()
    del note, session
    assert descriptors() == before


@linux
@pytest.mark.parametrize("writes", [False, True])
def test_sessions_that_nobody_closes(path: Path, writes: bool) -> None:
    """Rows of them are kept, and others commit in between."""
    before = descriptors()
    kept = []
    for n in range(SESSIONS):
        with Session(path, durability="fast") as session:
            session.root(Shop).sold += 1
            session.commit()
        session = Session(path, read_only=not writes)
        kept.append(row(session.root(Shop), n))
        assert session.root(Shop).sold == n + 1
    assert descriptors() - before <= 2
    assert [each.n for each in kept] == [n * 97 for n in range(SESSIONS)]
    kept.clear()
    del session
    assert descriptors() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_reads_on_and_writes_through_a_session_of_its_own(path: Path) -> None:
    with Session(path) as session:
        shop = session.root(Shop)
        held = row(shop, 3)
        for _ in range(5):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    assert held.n == 291 and row(shop, 9).n == 873
                    shop.sold += 1
                    try:
                        session.commit()
                    except SessionError:
                        with Session(path, lock_timeout=30) as mine:
                            for attempt in mine.attempts(100):
                                with attempt:
                                    mine.root(Shop).sold += 1
                                    mine.commit()
                        session.close()
                        code = 0
                finally:
                    os._exit(code)
            assert os.waitpid(child, 0)[1] == 0
        session.refresh()
        shop.sold += 1
        session.commit()
        assert shop.sold == 6
