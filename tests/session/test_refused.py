"""Changes that could never be stored are refused where they are made: read-only, after close, while iterating."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest
from pydantic import ConfigDict, PrivateAttr

from parcode_orm import Chunk, Model, ReadOnlyError, Session, ShardedMap, load
from parcode_orm.tuning import TUNING
from tests.small import tuned


class Inner(Model):
    x: int = 1


class Checked(Model):
    model_config = ConfigDict(validate_assignment=True, extra="allow")
    a: int = 1


class Open(Model):
    model_config = ConfigDict(extra="allow")
    a: int = 1


class World(Model):
    name: str
    inner: Inner = Inner()
    checked: Checked = Chunk(default_factory=Checked)
    open: Open = Open(known=1)
    rows: list[Inner] = Chunk(default_factory=list)
    table: dict[str, Inner] = ShardedMap(default_factory=dict)
    _seen: int = PrivateAttr(0)

    @cached_property
    def shout(self) -> str:
        return self.name.upper()

    @property
    def alias(self) -> str:
        return self.name

    @alias.setter
    def alias(self, value: str) -> None:
        self.name = value


@cache
def written(count: int) -> bytes:
    """Small collections in their owner's row, or tables of several row groups."""
    rows = [Inner(x=i * 10**9) for i in range(count)]
    return tuned(TUNING, large=4096, group_rows=256).dumps(
        World(name="a", rows=rows, table={f"k{i}": row for i, row in enumerate(rows)})
    )


@pytest.fixture(params=[5, 900])
def path(tmp_path: Path, request: Any) -> Path:
    (tmp_path / "w.par").write_bytes(written(request.param))
    return tmp_path / "w.par"


CHANGES: list[Callable[[Any], Any]] = [
    lambda w: setattr(w, "name", "b"),
    lambda w: setattr(w, "alias", "b"),
    lambda w: setattr(w.inner, "x", 2),
    lambda w: setattr(w.checked, "a", 2),
    lambda w: setattr(w.checked, "new", 2),
    lambda w: setattr(w.open, "known", 2),
    lambda w: setattr(w.open, "new", 2),
    lambda w: setattr(w.rows[1], "x", 2),
    lambda w: setattr(w.table["k1"], "x", 2),
    lambda w: delattr(w, "name"),
    lambda w: delattr(w.open, "known"),
    lambda w: w.rows.append(Inner()),
    lambda w: w.rows.extend([]),
    lambda w: w.rows.extend(iter([Inner()])),
    lambda w: w.rows.__setitem__(0, Inner()),
    lambda w: w.rows.pop(),
    lambda w: w.rows.sort(key=repr),
    lambda w: w.table.update({}),
    lambda w: w.table.setdefault("k1"),
    lambda w: w.table.pop("k1"),
    lambda w: w.table.clear(),
]


@pytest.mark.parametrize("change", CHANGES)
def test_read_only(path: Path, change: Callable[[Any], Any]) -> None:
    with Session.open(path) as session:
        world = session.root(World)
        before = world.model_dump()
        with pytest.raises(ReadOnlyError, match=r"^this (World|Inner|Checked|Open|list|map) was opened read-only"):
            change(world)
        assert world.model_dump() == before
    with Session(path) as session:
        change(session.root(World))


def test_what_a_read_only_object_may_keep_for_itself(path: Path) -> None:
    with Session.open(path) as session:
        world: Any = session.root(World)
        world._seen += 1
        assert world._seen == 1 and world.shout == "A"
        world.shout = "B"
        for plain in (copy.copy(world), copy.deepcopy(world), pickle.loads(pickle.dumps(world)), world.model_load()):
            plain.name = "c"
            plain.rows = []
            assert plain.name == "c" and world.name == "a"
        assert world.model_copy(update={"name": "d"}).name == "d"


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("read_before", [True, False])
def test_after_close(path: Path, change: Callable[[Any], Any], read_before: bool) -> None:
    """Objects of a closed session change as plain ones do, and what is stored stays."""
    before, plain = load(path, World), load(path, World)
    change(plain)
    with Session(path) as session:
        world: Any = session.root(World)
        if read_before:
            _ = world.inner.x, world.checked.a, world.open.known, world.rows[1].x, world.table["k1"].x
    change(world)
    assert world.model_dump() == plain.model_dump()
    assert load(path, World).model_dump() == before.model_dump()
    with Session(path) as session:  # which the next session stores
        session.add(world)
        session.commit()
    assert load(path, World).model_dump() == plain.model_dump()


def test_reads_after_close(path: Path) -> None:
    with Session(path) as session:
        world: Any = session.root(World)
        row, rows, table = world.rows[1], world.rows, world.table
        walks = [iter(rows), iter(table), reversed(rows), iter(table.items())]
    plain: Any = load(path, World)
    expected = [iter(plain.rows), iter(plain.table), reversed(plain.rows), iter(plain.table.items())]
    assert row.x == 10**9 and world.rows is rows and rows[1] is row
    assert [list(walk) for walk in walks] == [list(walk) for walk in expected]
    assert world == plain and vars(world).keys() == vars(plain).keys()


VIEWS: list[Callable[[Any], Iterator[Any]]] = [
    lambda m: iter(m),
    lambda m: iter(m.keys()),
    lambda m: iter(m.values()),
    lambda m: iter(m.items()),
    lambda m: reversed(m),
    lambda m: reversed(m.keys()),
    lambda m: reversed(m.values()),
    lambda m: reversed(m.items()),
]


@pytest.mark.parametrize("view", VIEWS)
def test_a_map_that_changes_while_it_is_walked(path: Path, view: Callable[[Any], Iterator[Any]]) -> None:
    plain = load(path, World).table
    with Session(path) as session:
        table: Any = session.root(World).table
        assert list(view(table)) == list(view(plain))
        for change in (lambda: table.update(new=Inner()), lambda: table.pop("k3"), lambda: table.clear()):
            walk = view(table)
            next(walk)
            change()
            with pytest.raises(RuntimeError, match="changed size during iteration"):
                next(walk)
        assert list(view(table)) == []


def test_a_list_that_changes_while_it_is_walked(path: Path) -> None:
    with Session(path) as session:
        rows: Any = session.root(World).rows
        assert [row.x for row in reversed(rows)] == [row.x for row in rows][::-1]
        for walk in (iter(rows), reversed(rows)):
            next(walk)
            rows.append(Inner())
            with pytest.raises(RuntimeError, match="changed size during iteration"):
                next(walk)
        for i, _ in enumerate(rows):  # in place, nothing is in the way
            rows[i] = Inner(x=i)
        assert [row.x for row in rows] == list(range(len(rows)))
