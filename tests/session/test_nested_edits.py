"""Edits of nested collections: what they store, what they write and read, and that it is what plain objects hold."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Chunk, Model, Session, ShardedMap, dumps, load, save, verify
from parcode_orm.codec.views.build import Builder
from parcode_orm.errors import EncodeError
from parcode_orm.lazy.rows import TableRows
from tests.effort import EXAMPLES, THOROUGH
from tests.session.trees import Branch, Leaf, Tree, edit_branch, edit_tree, tree
from tests.small import Tuned, small_caches, tuned
from tests.strategies import same

pytestmark = pytest.mark.once

SIZES = {"small": (6, 3, 64), "within": (12, 4, 400), "apart": (12, 12, 400), "as it is": (16, 20, 0)}


@pytest.mark.parametrize("seed", range(2 if not THOROUGH else EXAMPLES // 10))
@pytest.mark.parametrize("size", SIZES)
def test_random_edits_are_stored_as_plain_objects_take_them(tmp_path: Path, size: str, seed: int) -> None:
    width, items, large = SIZES[size]
    sizes = tuned(large=large) if large else Tuned(Session, save, dumps)
    with small_caches() if large else nullcontext():
        chance = random.Random(f"{size} {seed}")
        path = tmp_path / "tree.par"
        plain = tree(width, items)
        sizes.save(path, plain)
        session = sizes.Session(path, durability="fast")
        held: list[tuple[Any, Any]] = []
        for n in range(40):
            mine = session.root(Tree)
            for _ in range(chance.choice([1, 1, 2, 5])):
                state = chance.getstate()
                for each in (mine, plain):
                    chance.setstate(state)
                    edit_tree(each, chance, n, items)
            if plain.branches and chance.random() < 0.3:
                at = chance.randrange(len(plain.branches))
                held.append((mine.branches[at], plain.branches[at]))
            if held and chance.random() < 0.5:
                state = chance.getstate()
                for each in chance.choice(held):
                    chance.setstate(state)
                    edit_branch(each, chance, n)
            session.commit()
            if chance.random() < 0.1:
                assert same(mine.model_load(), plain)
            if chance.random() < 0.2:
                session.close()
                session = sizes.Session(path, durability="fast")
                held.clear()
            if chance.random() < 0.1:
                before = path.stat().st_size
                session.commit()
                assert path.stat().st_size == before
                session.root(Tree).n += 1
                edit_tree(session.root(Tree), chance, n, items)
                session.rollback()
        session.close()
        assert same(load(path, Tree), plain)
        assert verify(path).ok
        with sizes.Session(path) as session:
            session.compact()
        assert same(load(path, Tree), plain)


# -- what an edit costs ------------------------------------------------------------------------------------------------

WRITTEN, READ = 64 << 10, 256 << 10


def branches(owners: int, items: int) -> list[Branch]:
    return [
        Branch(
            title=f"t{i}",
            items=[Leaf(n=j, text=f"item {j} of {i}") for j in range(items)],
            by={f"k{j}": Leaf(n=j, text=f"item {j} of {i}") for j in range(items)},
        )
        for i in range(owners)
    ]


class Level(Model):
    title: str = ""
    below: list[Level] = Chunk(default=[])
    leaves: list[Leaf] = Chunk(default=[])


class Inline(Model):
    title: str = ""
    lists: dict[str, list[int]] = {}


class Part(Model):
    title: str = ""
    by: dict[str, Branch] = ShardedMap(default={})


class World(Model):
    part: Part = Chunk(default=Part())
    by: dict[str, Branch] = ShardedMap(default={})
    rows: list[Branch] = Chunk(default=[])
    one: Branch = Chunk(default=Branch())
    levels: list[Level] = Chunk(default=[])
    inline: dict[str, Inline] = ShardedMap(default={})
    ticks: list[Leaf] = Chunk(default=[])


def level(depth: int, width: int, leaves: int) -> Level:
    if not depth:
        return Level(leaves=[Leaf(n=i, text=f"leaf {i}") for i in range(leaves)])
    return Level(title="x", below=[level(depth - 1, width, leaves) for _ in range(width)])


WORLDS: dict[str, Callable[[], World]] = {
    "map": lambda: World(by={each.title: each for each in branches(1000, 40)}),
    "map of few": lambda: World(by={each.title: each for each in branches(20, 600)}),
    "map of many full row groups": lambda: World(
        by={
            f"t{i}": Branch(title=f"{i:0600}", items=[Leaf(n=j, text=f"{i} {j} {'x' * 2000}") for j in range(10)])
            for i in range(400)
        }
    ),
    "list": lambda: World(rows=branches(1000, 40)),
    "model": lambda: World(one=branches(1, 20_000)[0]),
    "model with a map": lambda: World(part=Part(by={each.title: each for each in branches(400, 40)})),
    "three levels": lambda: World(levels=[level(1, 10, 30) for _ in range(100)]),
    "four levels": lambda: World(levels=[level(2, 6, 20) for _ in range(60)]),
    "inline": lambda: World(
        inline={f"i{i}": Inline(lists={f"k{j}": list(range(20)) for j in range(10)}) for i in range(800)}
    ),
    "many small rows": lambda: World(ticks=[Leaf(n=i % 2) for i in range(20_000)]),
}

EDITS: dict[str, list[tuple[str, Callable[[World], object]]]] = {
    "map": [
        ("append", lambda w: w.by["t500"].items.append(Leaf(n=1))),
        ("insert", lambda w: w.by["t7"].items.insert(20, Leaf(n=1))),
        ("set an item's field", lambda w: setattr(w.by["t900"].items[3], "n", 7)),
        ("set the title", lambda w: setattr(w.by["t444"], "title", "new")),
        ("delete", lambda w: w.by["t3"].items.pop(0)),
        ("put", lambda w: w.by["t1"].by.update(new=Leaf(n=1))),
        ("pop", lambda w: w.by["t999"].by.pop("k7")),
        ("an equal list", lambda w: setattr(w.by["t5"], "items", [copy.copy(each) for each in w.by["t5"].items])),
        ("a new owner", lambda w: w.by.update(new=Branch(items=[Leaf()]))),
    ],
    "map of few": [
        ("append", lambda w: w.by["t5"].items.append(Leaf(n=1))),
        ("set the title", lambda w: setattr(w.by["t4"], "title", "new")),
        ("put", lambda w: w.by["t1"].by.update(new=Leaf(n=1))),
    ],
    "map of many full row groups": [
        ("append", lambda w: w.by["t100"].items.append(Leaf(n=1))),
        ("insert", lambda w: w.by["t180"].items.insert(5, Leaf(n=1))),
        ("delete", lambda w: w.by["t300"].items.pop(0)),
        ("set the title", lambda w: setattr(w.by["t350"], "title", "new")),
        ("pop", lambda w: w.by.pop("t200")),
    ],
    "list": [
        ("append", lambda w: w.rows[500].items.append(Leaf(n=1))),
        ("set the title", lambda w: setattr(w.rows[444], "title", "new")),
        ("insert an owner", lambda w: w.rows.insert(500, Branch(title="new"))),
    ],
    "model": [
        ("append", lambda w: w.one.items.append(Leaf(n=1))),
        ("set the title", lambda w: setattr(w.one, "title", "new")),
        ("put", lambda w: w.one.by.update(new=Leaf(n=1))),
    ],
    "model with a map": [
        ("append", lambda w: w.part.by["t200"].items.append(Leaf(n=1))),
        ("pop", lambda w: w.part.by["t20"].by.pop("k8")),
        ("set a field of a row", lambda w: setattr(w.part.by["t20"].by["k9"], "n", 9)),
        ("set the title", lambda w: setattr(w.part.by["t300"], "title", "new")),
        ("set the model's title", lambda w: setattr(w.part, "title", "new")),
    ],
    "three levels": [
        ("append a leaf", lambda w: w.levels[50].below[5].leaves.append(Leaf(n=1))),
        ("set a title", lambda w: setattr(w.levels[50].below[5], "title", "new")),
        ("append a branch", lambda w: w.levels[3].below.append(Level(title="new"))),
    ],
    "four levels": [
        ("append a leaf", lambda w: w.levels[50].below[5].below[2].leaves.append(Leaf(n=1))),
        ("set a leaf's field", lambda w: setattr(w.levels[50].below[5].below[2].leaves[4], "text", "new")),
        ("set a title", lambda w: setattr(w.levels[50], "title", "new")),
    ],
    "inline": [
        ("append", lambda w: w.inline["i400"].lists["k5"].append(1)),
        ("set the title", lambda w: setattr(w.inline["i3"], "title", "new")),
    ],
    "many small rows": [
        ("append", lambda w: w.ticks.append(Leaf(n=1))),
        ("set a field", lambda w: setattr(w.ticks[10_000], "n", 5)),
    ],
}


@pytest.mark.parametrize("shape", WORLDS)
def test_a_commit_writes_and_reads_what_changed(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "world.par"
    plain = WORLDS[shape]()
    save(path, plain)
    for what, edit in EDITS[shape]:
        with Session(path, durability="fast") as session:  # a new one: nothing is read yet
            before = session.stats.bytes_read, session.stats.bytes_written, session.stats.rows_read
            edit(session.root(World))
            session.commit()
            read, written, rows = (
                now - then
                for now, then in zip(
                    (session.stats.bytes_read, session.stats.bytes_written, session.stats.rows_read),
                    before,
                    strict=True,
                )
            )
            assert read <= READ and written <= WRITTEN and rows < 200, (what, read, written, rows)
        edit(plain)
    assert same(load(path, World), plain)


def test_chunks_of_other_fields_are_shared(tmp_path: Path) -> None:
    path = tmp_path / "world.par"
    save(path, WORLDS["map"]())
    with Session(path, durability="fast") as session:
        world = session.root(World)
        owner = world.by["t500"]
        written = session.stats.bytes_written
        for n in range(20):
            owner.title = f"title {n}"
            assert [each.n for each in owner.items[:3]] == [0, 1, 2] and owner.by["k1"].n == 1
            session.commit()
        title = session.stats.bytes_written - written
        written = session.stats.bytes_written
        for n in range(20):
            owner.items[0].n = n
            session.commit()
        assert title < session.stats.bytes_written - written < 20 * 12_000
    assert load(path, World).by["t500"].title == "title 19"


def test_an_equal_collection_is_compared_without_objects_of_what_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "world.par"
    equal, changed = branches(2, 50), branches(2, 50)
    changed[1].items[30].text = "changed"
    save(path, World(rows=branches(2, 50)))

    def objects(*_: Any) -> Any:
        raise AssertionError("an object was made")

    size = path.stat().st_size
    with Session(path, durability="fast") as session:
        for given, grows in ((equal, False), (changed, True)):
            row = session.root(World).rows[1]
            row.items, row.by = given[1].items, given[1].by
            with monkeypatch.context() as patch:
                patch.setattr(Builder, "objects", objects)
                session.commit()
            assert (path.stat().st_size > size) is grows
    assert same(load(path, World).rows, changed)


def test_an_equal_collection_is_not_read_though_each_row_group_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "world.par"
    leaves = [Leaf(n=n, text=f"leaf {n * 7919 % 10_007}") for n in range(12_000)]
    by = {f"k{leaf.n}": leaf.model_copy() for leaf in leaves}
    save(path, World(ticks=leaves, one=Branch(by=by)))
    with Session(path, durability="fast") as session:
        world = session.root(World)
        for n in range(0, 12_000, 700):
            world.ticks[n].text = world.one.by[f"k{n}"].text = "cut"
            leaves[n].text = by[f"k{n}"].text = "cut"
            session.commit()
        opened = {group.ref for each in (world.ticks, world.one.by) for group in each.rows.table.groups.values()}
    assert len(opened) == 6
    size = path.stat().st_size
    with Session(path, durability="fast") as session:
        world = session.root(World)
        world.ticks, world.one.by = copy.deepcopy(leaves), copy.deepcopy(by)
        session.commit()
        assert path.stat().st_size == size and session.stats.bytes_read < 60_000  # of 500 KB
        leaves[9_000].text = "other"
        world.ticks = leaves
        session.commit()
    assert load(path, World).ticks == leaves


def _cut_list(rows: Any) -> None:
    rows.insert(15_000, Leaf(n=-1))
    rows[30_000].n = -2


def _cut_map(rows: Any) -> None:
    rows["k4500"].text = "new"
    del rows["k30000"]
    rows["last"] = Leaf(text="last")


def _cut_owners(rows: Any) -> None:
    rows[100].items.append(Leaf(n=-1))
    del rows[101]


CUT: dict[str, tuple[str, Callable[[], Any], Callable[[Any], None]]] = {
    "list": ("ticks", lambda: [Leaf(n=n, text=f"leaf {n * 7919 % 10_007}") for n in range(40_000)], _cut_list),
    "map": ("by", lambda: {f"k{n}": Leaf(n=n, text=f"leaf {n * 7919 % 10_007}") for n in range(40_000)}, _cut_map),
    "owners": ("rows", lambda: branches(600, 40), _cut_owners),
}


@pytest.mark.parametrize("shape", CUT)
def test_an_equal_collection_is_compared_where_commits_cut_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str
) -> None:
    """A collection that had been edited was read whole, row by row, when an equal one took its place."""
    path = tmp_path / "world.par"
    name, make, cut = CUT[shape]
    plain = World()

    def holder(world: World) -> Any:
        return world.one if shape == "map" else world

    setattr(holder(plain), name, make())
    save(path, plain)
    with Session(path, durability="fast") as session:
        cut(getattr(holder(session.root(World)), name))
        session.commit()
    cut(getattr(holder(plain), name))

    def objects(*_: Any) -> Any:
        raise AssertionError("an object was made")

    size = path.stat().st_size
    for changed in (False, True):
        with Session(path, durability="fast") as session:
            rows = copy.deepcopy(getattr(holder(plain), name))
            if changed:
                each = rows["k2000" if shape == "map" else 300]
                setattr(each, "title" if shape == "owners" else "text", "other")
            setattr(holder(session.root(World)), name, rows)
            with monkeypatch.context() as patch:
                patch.setattr(Builder, "objects", objects)
                session.commit()
            assert (path.stat().st_size > size) is changed
            assert changed or session.stats.bytes_read < size / 2
        setattr(holder(plain), name, rows)
        assert same(load(path, World), plain)


@pytest.mark.parametrize("group_rows", [4096, 30])
def test_a_collection_that_becomes_a_table_is_written_from_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_rows: int
) -> None:
    """All its rows became objects: a commit of one change in a list of a thousand took three times as long."""
    path = tmp_path / "world.par"
    sizes = tuned(large=2500, group_rows=group_rows)
    plain = World(rows=branches(8, 60))
    sizes.save(path, plain)

    def objects(*_: Any) -> Any:
        raise AssertionError("an object was made")

    def edit(world: World) -> None:
        first, second, third = world.rows[1].items, world.rows[2].by, world.rows[3].items
        first.extend([Leaf(n=n, text="new") for n in range(40)])
        first.insert(20, Leaf(n=-1))
        del first[50]
        first[7].n = -2
        second.update({f"new {n}": Leaf(n=n) for n in range(40)})
        second["k9"].text = "changed"
        del second["k3"]
        third[3].text = "long " * 900

    with sizes.Session(path, durability="fast") as session:
        world, before = session.root(World), session.stats.rows_read
        edit(world)
        with monkeypatch.context() as patch:
            patch.setattr(Builder, "objects", objects)
            session.commit()
        assert session.stats.rows_read - before < 20
        for row, name in ((1, "items"), (2, "by"), (3, "items")):
            rows = getattr(world.rows[row], name).rows
            assert isinstance(rows, TableRows)
            rows._check()
        edit(plain)
        assert same(world.model_load(), plain)
        world.rows[4].items[9].n = "no number"  # type: ignore[assignment]
        world.rows[4].items.extend([Leaf() for _ in range(60)])
        with pytest.raises(EncodeError, match=r"World.rows\[4\].items\[9\].n"):
            session.commit()
        session.rollback()
        world.rows[4].by["k40"].n = "no number"  # type: ignore[assignment]
        world.rows[4].by.update({f"new {n}": Leaf() for n in range(60)})
        with pytest.raises(EncodeError, match=r"World.rows\[4\].by\['k40'\].n"):
            session.commit()
    assert same(load(path, World), plain) and verify(path).ok


def test_what_grows_by_small_edits_stays_small(tmp_path: Path) -> None:
    """Many commits of one owner, then of all: neither a commit nor the compacted file grows with their number."""
    path = tmp_path / "world.par"
    plain = World(by={each.title: each for each in branches(200, 5)})
    save(path, plain)
    whole = path.stat().st_size
    with Session(path, durability="fast") as session:
        world = session.root(World)
        sizes = []
        for n in range(300):
            before = session.stats.bytes_written
            for each in (world, plain):
                each.by["t7" if n < 150 else f"t{n - 150}"].items.append(Leaf(n=n))
            session.commit()
            sizes.append(session.stats.bytes_written - before)
        assert max(sizes[-20:]) <= 32_000
        session.compact()
    assert path.stat().st_size < 3 * whole
    assert same(load(path, World), plain)


class Keyed(Model):
    floats: dict[float, Leaf] = Chunk(default={})
    decimals: dict[Decimal, int] = ShardedMap(default={})
    tuples: dict[tuple[int | bool, ...], Leaf] = ShardedMap(default={})
    times: dict[datetime, int] = Chunk(default={})
    anything: dict[Any, int] = Chunk(default={})


class KeyedRows(Model):
    rows: list[Keyed] = Chunk(default=[])


NOON = datetime(2020, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "old", "new", "value"),
    [
        ("floats", 0.0, -0.0, Leaf(n=1)),
        ("decimals", Decimal("1.0"), Decimal("1.00"), 1),
        ("tuples", (1,), (True,), Leaf(n=1)),
        ("times", NOON, NOON.astimezone(timezone(timedelta(hours=2))), 1),
        ("anything", (0.0,), (-0.0,), 1),
    ],
)
def test_an_equal_key_that_is_written_otherwise_takes_the_place_of_the_old_one(
    tmp_path: Path, name: str, old: Any, new: Any, value: Any
) -> None:
    path = tmp_path / "keyed.par"
    save(path, KeyedRows(rows=[Keyed.model_construct(**{name: {old: value}})]))
    with Session(path) as session:
        mapping = getattr(session.root(KeyedRows).rows[0], name)
        mapping[new] = mapping.pop(old)
        session.commit()
    assert list(map(repr, getattr(load(path, KeyedRows).rows[0], name))) == [repr(new)]
    size = path.stat().st_size
    with Session(path) as session:
        mapping = getattr(session.root(KeyedRows).rows[0], name)
        mapping[new] = mapping.pop(new)
        session.commit()
    assert path.stat().st_size == size
