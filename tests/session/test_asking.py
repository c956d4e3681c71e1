"""Asking what changed changes nothing: neither what is in memory, nor what the next commit writes.

`dirty` and `is_modified` once marked the nodes of a table's tree as changed. A change that was
asked for and then taken back was written all the same, and a program that asked wrote other bytes
than one that did not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Chunk, Model, Session, ShardedMap
from parcode_orm.lazy.list import LazyList
from parcode_orm.lazy.map import LazyMap
from parcode_orm.lazy.proxy import decoded, is_proxy
from parcode_orm.lazy.rows import TableRows
from parcode_orm.session.dirty import Comparison
from parcode_orm.session.traversal import walk

ROWS = 6000  # so that they are a table of their own


class Item(Model):
    n: int
    tags: list[str] = []
    small: list[int] = Chunk(default_factory=list)


class World(Model):
    name: str = "world"
    plain: dict[str, list[int]] = {}
    items: dict[str, Item] = ShardedMap(default_factory=dict)
    rows: list[Item] = Chunk(default_factory=list)


class Other(Model):
    n: int = 0


def world() -> World:
    return World(
        plain={"a": [1]},
        items={f"k{n}": Item(n=n, tags=["t"], small=[n]) for n in range(ROWS)},
        rows=[Item(n=n, small=[n]) for n in range(ROWS)],
    )


CHANGES: dict[str, Callable[[World], object]] = {
    "nothing": lambda world: world.items["k1"].tags,
    "a field of the root": lambda world: setattr(world, "name", "other"),
    "a plain value of the root, in place": lambda world: world.plain["a"].append(2),
    "a field of a row": lambda world: setattr(world.items["k7"], "n", -1),
    "a list of a row, in place": lambda world: world.items["k7"].tags.append("u"),
    "a small collection of a row": lambda world: world.rows[3].small.append(1),
    "a row past every hook": lambda world: object.__setattr__(world.rows[3], "n", -1),
    "a new row": lambda world: world.rows.append(Item(n=1)),
    "a row less": lambda world: world.rows.pop(40),
    "a new key": lambda world: world.items.update({"new": Item(n=1)}),
    "an object in two rows": lambda world: world.rows.__setitem__(5, world.rows[4]),
}


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets two files be written with the same bytes: the same numbers and times come again after
    each call.
    """

    def begin() -> None:
        numbers, times = count(1), count(1_700_000_000_000_000_000, 1000)
        monkeypatch.setattr(os, "urandom", lambda size: next(numbers).to_bytes(size, "big"))
        monkeypatch.setattr(time, "time_ns", lambda: next(times))

    return begin


def in_memory(session: Session) -> list[Any]:
    """What the session has in memory, as far as a commit looks at it."""
    work = session._work
    found: list[Any] = [list(work.roots.items()), list(work.deleted), work.owner.edits, work.savepoints]
    for root in work.roots.values():
        found += [repr(root)[:40], root.read, root.family]
        for each in walk(root.obj):
            if is_proxy(each):
                found.append({name: id(value) for name, value in decoded(each).items()})
            elif isinstance(each, LazyList | LazyMap):
                found.append(list(states(each.rows)))
    return found


def states(rows: Any) -> Iterator[Any]:
    if not isinstance(rows, TableRows):
        yield rows.order, list(map(id, rows.fresh)), {place: id(value) for place, value in rows.handed.items()}
        return
    table = rows.table
    yield table.ref, table.version, table.added, table.run_refs, table.next_row, table.tree.generation
    yield {at: {row: id(value) for row, value in held.items()} for at, held in table.held.items()}
    nodes = [table.tree.root]
    for node in nodes:
        yield id(node), node.ref, node.length
        nodes += node.children or () if node.height > 1 else ()


def ask(session: Session) -> None:
    root = session.root(World)
    for _ in range(2):
        assert len(session.dirty) in range(5)
        session.is_modified(root)
        session.is_modified(root.items)
        session.is_modified(root.rows)
        session.is_modified(root.plain)
        session.is_modified(root.rows[3])
        assert not session.new and not session.deleted and root in session
        assert repr(session) and repr(root) and str(session.stats)
        list(session.diff(1, 2))
        session.roots()


@pytest.mark.once
@pytest.mark.parametrize("change", CHANGES)
def test_asking_leaves_what_is_in_memory_and_what_is_written(
    change: str, tmp_path: Path, fixed: Callable[[], None]
) -> None:
    def history(path: Path, *, asking: bool) -> bytes:
        fixed()
        with Session(path, durability="fast", workers=0) as session:
            session.add_all([world(), Other()])
            session.commit()
            root = session.root(World)
            held = [root.items["k1"], root.rows[3], root.rows[4]]
            root.items["k2"].n = -2
            session.commit()
            ask(session)  # what it reads for the first time is in memory from here on, in both
            CHANGES[change](root)
            if asking:
                before = in_memory(session)
                ask(session)
                assert in_memory(session) == before
            session.commit()
            assert not session.dirty
            root.rows[5000].n = -3
            session.commit()
            del held
        return path.read_bytes()

    assert history(tmp_path / "asked.par", asking=True) == history(tmp_path / "not.par", asking=False)


def test_a_change_that_was_asked_for_and_taken_back_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "world.par"
    with Session(path) as session:
        session.add(world())
        session.commit()
        root = session.root(World)
        row, tags = root.items["k7"], root.rows[9].tags
        row.n = -1
        tags.append("u")
        assert session.is_modified(root) and session.is_modified(root.items) and session.is_modified(root.rows)
        row.n = 7
        tags.pop()
        assert not session.dirty and not session.is_modified(root)
        before = path.read_bytes()
        session.commit()
        assert path.read_bytes() == before


def test_a_commit_compares_each_row_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    compare = Comparison.object

    def counted(self: Comparison, proxy: Any) -> Any:
        asked.append(proxy)
        return compare(self, proxy)

    with Session(tmp_path / "world.par") as session:
        session.add(world())
        session.commit()
        root = session.root(World)
        rows = [root.rows[n] for n in (3, 70, 5000)]
        for row in rows:
            row.n = -1
        monkeypatch.setattr(Comparison, "object", counted)
        session.commit()
        assert [sum(each is row for each in asked) for row in rows] == [1, 1, 1]


def test_an_object_in_rows_far_apart_is_written_in_both(tmp_path: Path) -> None:
    """It is compared once, and both leaves of the tree are written."""
    path = tmp_path / "world.par"
    with Session(path) as session:
        session.add(world())
        session.commit()
        root = session.root(World)
        for place in range(0, ROWS, 7):  # many slices, so that the tree has many leaves
            root.rows[place].n = place
            root.rows[place].tags = [str(place)]
        session.commit()
        one = root.rows[1]
        root.rows[ROWS - 2] = one
        session.commit()
        one.n = -5
        session.commit()
        assert [root.rows[1].n, root.rows[ROWS - 2].n] == [-5, -5]
    with Session.open(path) as session:
        stored = session.root(World).rows
        assert [stored[1].n, stored[ROWS - 2].n] == [-5, -5]
