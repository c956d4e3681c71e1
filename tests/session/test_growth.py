"""Collections that grow in many small commits: bytes written, and what is found afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from parcode_orm import Chunk, Model, Session, ShardedMap, lazy, load, save
from parcode_orm.lazy.rows import TableRows


class Item(Model):
    level: int
    name: str = ""


class Holder(Model):
    numbers: list[int] = Chunk(default=[])
    items: dict[str, Item] = ShardedMap(default={})


class World(Model):
    items: list[Item] = Chunk(default=[])
    by_name: dict[str, Item] = ShardedMap(default={})
    holders: list[Holder] = Chunk(default=[])


def test_appends_write_little(tmp_path: Path) -> None:
    path = tmp_path / "w.par"
    save(path, World(items=[Item(level=i, name=f"item {i}") for i in range(10_000)]))
    with Session(path, durability="fast") as session:
        items = session.root(World).items
        before = path.stat().st_size
        for i in range(300):
            items.append(Item(level=i))
            size = path.stat().st_size
            session.commit()
            assert path.stat().st_size - size < 64 * 1024
        assert path.stat().st_size - before < 300 * 10_000
    assert [item.level for item in load(path, World).items[10_000:]] == list(range(300))


@pytest.mark.parametrize("name", ["items", "by_name"])
def test_a_small_collection_that_grows_becomes_a_table_in_the_same_session(tmp_path: Path, name: str) -> None:
    path = tmp_path / "w.par"
    save(path, World(items=[Item(level=-1)], by_name={"first": Item(level=-1)}))
    with Session(path, durability="fast") as session:
        found = getattr(session.root(World), name)
        first = found["first" if name == "by_name" else 0]
        for turn in range(4):
            new = [Item(level=i, name=f"{i * i:020}") for i in range(turn * 1000, turn * 1000 + 1000)]
            if name == "by_name":
                found.update({item.name: item for item in new})
            else:
                found.extend(new)
            del new
            session.commit()
        assert isinstance(lazy(found).rows, TableRows)
        assert not any(len(held) > 1 for held in found.rows.table.held.values())
        size = path.stat().st_size
        first.level = 7
        session.commit()
        assert path.stat().st_size - size < 16_000
    again = getattr(load(path, World), name)
    levels = [item.level for item in (again.values() if name == "by_name" else again)]
    assert levels == [7, *range(4000)]


def test_a_map_grown_in_many_commits(tmp_path: Path) -> None:
    path = tmp_path / "w.par"
    save(path, World())
    with Session(path, durability="fast") as session:
        found = lazy(session.root(World).by_name)
        for i in range(0, 10_000, 100):
            found.update({f"k{n}": Item(level=n) for n in range(i, i + 100)})
            session.commit()
    with Session.open(path) as session:
        grown = lazy(session.root(World).by_name)
        grown._check()
        assert list(grown) == [f"k{n}" for n in range(10_000)]
        assert all(grown[f"k{n}"].level == n for n in range(0, 10_000, 37))
        assert not any(f"none{n}" in grown for n in range(500))
    with Session.open(path) as session:
        assert session.root(World).by_name["k5000"].level == 5000
        assert session.stats.bytes_read < 200_000


def test_loading_changed_collections_in_others(tmp_path: Path) -> None:
    """Copies were noted by the identity of lists that had gone already, and given in the place of others."""
    path = tmp_path / "w.par"
    save(path, World(holders=[Holder(numbers=[i], items={"k": Item(level=i)}) for i in range(50)]))
    with Session(path) as session:
        holders = session.root(World).holders
        for i, holder in enumerate(holders):
            holder.numbers.append(i)
            holder.items["new"] = Item(level=-i)
        loaded = lazy(holders).load()
    assert [holder.numbers for holder in loaded] == [[i, i] for i in range(50)]
    assert [holder.items["new"].level for holder in loaded] == [-i for i in range(50)]


def test_an_iterator_that_has_not_begun_sees_a_change_of_size(tmp_path: Path) -> None:
    path = tmp_path / "w.par"
    save(path, World(by_name={"a": Item(level=1)}))
    with Session(path) as session:
        found = lazy(session.root(World).by_name)
        for waiting in (iter(found), iter(found.values()), iter(found.items())):
            found[f"b{len(found)}"] = Item(level=2)
            with pytest.raises(RuntimeError, match="changed size"):
                next(waiting)
