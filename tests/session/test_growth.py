"""Collections that grow in many small commits: bytes written, and what is found afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from random import Random
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ConfigDict

from parcode_orm import Chunk, Model, Session, ShardedMap, compact, lazy, load, save, verify
from parcode_orm.lazy.rows import TableRows
from parcode_orm.storage.mapped import Source
from tests.session.trees import Branch, Leaf, Tree
from tests.small import tuned

pytestmark = pytest.mark.once


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


class Grove(Model):
    branches: list[Holder] = Chunk(default=[])


class Forest(Model):
    groves: list[Grove] = Chunk(default=[])


def test_rows_that_are_merged_do_not_release_what_is_in_use(tmp_path: Path) -> None:
    """The row group of all rows knew tables as they were: what lies below these counted as dead when it went."""
    path, sizes = tmp_path / "f.par", tuned(group_rows=64)
    groves = [Grove(branches=[Holder(numbers=range(100 * n, 100 * n + 90)) for n in range(9)]) for _ in range(12)]
    sizes.save(path, Forest(groves=groves))
    with sizes.Session(path, durability="fast") as session:
        forest = session.root(Forest)
        for at in range(12):
            forest.groves[at].branches[at % 9].numbers.append(at)
            session.commit()
            assert Source.open(path).record.live > 0.95 * verify(path).live


class Page(Model):
    texts: list[str] = Chunk(default=[])
    named: dict[str, str] = ShardedMap(default={})


class Book(Model):
    pages: list[Page] = Chunk(default=[])


def test_few_stored_rows_and_a_large_one_make_no_empty_row_groups(tmp_path: Path) -> None:
    """There were more row groups than rows, so some were empty, and the committed file was damaged."""
    path = tmp_path / "b.par"
    save(path, Book(pages=[Page()]))
    for large in range(1, 4):
        with Session(path) as session:
            page = session.root(Book).pages[0]
            page.texts, page.named = ["a"], {"a": "b"}
            session.commit()
            page.texts += ["x" * 600_000] * large
            page.named |= {str(n): "x" * 600_000 for n in range(large)}
            session.commit()
        page = load(path, Book).pages[0]
        assert list(map(len, page.texts)) == [1, *[600_000] * large] == list(map(len, page.named.values()))
    assert verify(path).ok


def test_scattered_changes_do_not_write_their_neighbours_again_and_again(tmp_path: Path) -> None:
    """Changed rows cut a row group into slices. Joining these at almost each commit wrote 203 rows for a change."""
    path = tmp_path / "w.par"
    plain = World(by_name={f"k{i}": Item(level=i, name="x" * 40) for i in range(2000)})
    save(path, plain)
    random = Random(1)
    with Session(path, durability="fast") as session:
        items = session.root(World).by_name
        for _ in range(200):
            for _ in range(5):
                key = f"k{random.randrange(2000)}"
                items[key].level += 1
                plain.by_name[key].level += 1
            session.commit()
        assert session.stats.rows_written < 30 * 1000
    assert load(path, World) == plain


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


@pytest.mark.parametrize("step", [100, 1000])
def test_what_grew_in_commits_of_many_rows_has_few_slices(tmp_path: Path, step: int) -> None:
    """Slices of a thousand rows were merged with none, and a map of a million had four times the row groups."""
    path = tmp_path / "w.par"
    first, rows = 8_000, 8_000 + 40 * step
    save(path, World(by_name={f"k{n}": Item(level=n) for n in range(first)}))
    with Session(path, durability="fast") as session:
        found = lazy(session.root(World).by_name)
        for i in range(first, rows, step):
            written, read = session.stats.bytes_written, session.stats.rows_read
            found.update({f"k{n}": Item(level=n) for n in range(i, i + step)})
            session.commit()
            assert session.stats.bytes_written - written < 400 * 1024
            assert session.stats.rows_read - read < 10  # rows that are merged are copied, not handed out
            assert not any(found.rows.table.held.values())
    with Session.open(path) as session:
        grown = lazy(session.root(World).by_name)
        grown._check()
        assert {key: item.level for key, item in grown.items()} == {f"k{n}": n for n in range(rows)}
        table = grown.rows.table
        assert sum(1 for _ in table.tree.pieces()) <= rows // 4096 + 16
        assert len(table.runs) <= 4


def test_rows_replaced_here_and_there_do_not_merge_what_lies_between(tmp_path: Path) -> None:
    path = tmp_path / "w.par"
    save(path, World(by_name={f"k{n}": Item(level=n, name=f"{n * n:015}") for n in range(40_000)}))
    with Session(path, durability="fast") as session:
        found = lazy(session.root(World).by_name)
        for n in range(0, 40_000, 600):
            found[f"k{n}"] = Item(level=-n)
        written = session.stats.rows_written
        session.commit()
        assert session.stats.rows_written - written < 200
        found._check()


def test_rows_that_somebody_holds_are_merged_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "w.par"
    save(path, World(items=[Item(level=n) for n in range(4000)]))
    with Session(path, durability="fast") as session:
        items = lazy(session.root(World).items)
        for turn in range(20):
            items.extend([Item(level=turn * 200 + n) for n in range(200)])
            session.commit()
            if turn == 2:
                held = items[4300]
                held.level = -1
        held.level = -2
        session.commit()
        assert items[4300] is held
    assert [item.level for item in load(path, World).items[4000:]] == [-2 if n == 300 else n for n in range(4000)]


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


def test_small_marked_fields_of_rows_that_are_merged(tmp_path: Path) -> None:
    """One-row groups refer to chunks of one value; read past and merged, the values must stand together again."""

    class Noted(Model):
        note: str
        numbers: list[int] = Chunk(default=[])

    class Notes(Model):
        rows: list[Noted] = Chunk(default=[])

    path = tmp_path / "n.par"
    rows = [Noted(note=f"the note with the number {i}", numbers=[i]) for i in range(2_000)]
    save(path, Notes(rows=rows))
    with Session(path, durability="fast") as session:
        for i in range(40):
            rows.append(Noted(note="new", numbers=[-i, i]))
            session.root(Notes).rows.append(rows[-1].model_copy(deep=True))
            session.commit()
            assert load(path, Notes).rows == rows
        assert isinstance(lazy(session.root(Notes).rows).rows, TableRows)


def test_a_field_that_nobody_read_is_referred_to(tmp_path: Path) -> None:
    class Setting(Model):
        number: int
        texts: list[str] = Chunk()
        other: list[str] = Chunk()

    path = tmp_path / "s.par"
    save(path, Setting(number=1, texts=["a"] * 100, other=["b"]))
    with Session(path) as session:
        setting = session.root(Setting)
        setting.number = 2
        setting.other = ["c"]
        before = session.stats.chunks_written
        session.commit()
        assert session.stats.chunks_written - before == 3  # `other`, the root's row, the catalog
        assert setting.texts[99] == "a"
        setting.texts[0] = "d"
        session.commit()
    assert load(path, Setting) == Setting(number=2, texts=["d", *["a"] * 99], other=["c"])


def test_large_values_that_were_read_are_not_written_again(tmp_path: Path) -> None:
    class Large(Model):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        name: str
        data: bytes = Chunk()
        text: str = Chunk(compression="lz4")
        array: NDArray[np.float64] = Chunk()

    path = tmp_path / "l.par"
    save(path, Large(name="a", data=b"d" * 200_000, text="t" * 200_000, array=np.arange(50_000.0)))
    with Session(path) as session:
        large = session.root(Large)
        kept = large.array, large.data, large.text
        before = session.stats.bytes_written
        large.name = "b"
        session.commit()
        assert session.stats.bytes_written - before < 10_000
        kept[0][49_999] = -1
        large.text += "!"
        session.commit()
    found = load(path, Large)
    assert (found.name, found.data, found.text) == ("b", b"d" * 200_000, "t" * 200_000 + "!")
    assert found.array.tolist() == [*range(49_999), -1]


def test_reading_what_cannot_change_holds_no_row(tmp_path: Path) -> None:
    class Kind(Enum):
        ONE = 1

    class Event(Model):
        n: int
        at: datetime = datetime(2026, 1, 2, tzinfo=UTC)
        cost: Decimal = Decimal("1.50")
        id: UUID = UUID(int=7)
        kind: Kind = Kind.ONE

    class Events(Model):
        by_name: dict[str, Event] = ShardedMap(default={})
        times: list[datetime] = Chunk(default=[])

    path = tmp_path / "e.par"
    times = [datetime(2026, 1, 1) + timedelta(seconds=n * n) for n in range(9_000)]
    save(path, Events(by_name={str(n): Event(n=n) for n in range(5_000)}, times=times))
    with Session(path) as session:
        events = session.root(Events)
        for event in events.by_name.values():
            assert event.at.year == 2026 and event.cost and event.id and event.kind
        del event
        assert len(list(events.times)) == 9_000
        for collection in (events.by_name, events.times):
            rows = lazy(collection).rows
            assert isinstance(rows, TableRows) and not any(rows.table.held.values())
        event = events.by_name["7"]
        event.cost = Decimal("1.5")  # equal, and other digits
        session.commit()
    assert str(load(path, Events).by_name["7"].cost) == "1.5"


def test_collections_that_change_in_bulk_leave_few_dead_values_in_chunks_that_are_used(tmp_path: Path) -> None:
    """A value that did not change stays in the chunk where it lies. So 31 commits that each changed a third of 2,000
    lists kept all their chunks for a few values each: 31 MB in place of 7, and the file seemed to hold few dead bytes.
    """
    path, compacted = tmp_path / "w.par", tmp_path / "c.par"
    random = Random(2)
    with Session(path, durability="fast") as session:
        session.add(World(holders=[Holder(numbers=[random.getrandbits(60)]) for _ in range(600)]))
        session.commit()
        holders = session.root(World).holders
        for _ in range(12):
            for i in random.sample(range(600), 240):
                holders[i].numbers.extend(random.getrandbits(60) for _ in range(10))
            session.commit()
        dead = session.snapshot.dead if session.snapshot else 0
    report = verify(path)
    compacted.write_bytes(path.read_bytes())
    compact(compacted)
    assert report.live < 2 * compacted.stat().st_size
    assert dead > 0.9 * report.dead
    assert load(path, World) == load(compacted, World)


def test_one_edit_does_not_write_what_lies_beside_it_in_chunks_that_are_mostly_dead(tmp_path: Path) -> None:
    path = tmp_path / "w.par"
    random = Random(3)
    with Session(path, durability="fast") as session:
        session.add(World(holders=[Holder(numbers=[random.getrandbits(60)] * 20) for _ in range(600)]))
        session.commit()
        holders = session.root(World).holders
        for i in range(0, 600, 10):
            holders[i].numbers.append(1)
            before = session.stats.bytes_written, session.stats.bytes_read
            session.commit()
            written, read = session.stats.bytes_written - before[0], session.stats.bytes_read - before[1]
            assert written < 16_000 and read < 64_000


def test_a_commit_of_one_edit_reads_and_writes_little_however_many_went_before(tmp_path: Path) -> None:
    """Chunks that were mostly dead were read whole at a merge, however large: one commit read 331 KB and wrote 70."""
    path = tmp_path / "w.par"
    random = Random(1)
    owners = [Branch(title=f"t{i}", items=[Leaf(n=n, text=f"item {n} of {i}") for n in range(250)]) for i in range(200)]
    save(path, Tree(by={each.title: each for each in owners}))
    with Session(path, durability="fast") as session:
        tree = session.root(Tree)
        for n in range(220):
            items = tree.by[f"t{random.randrange(200)}"].items
            before = session.stats.bytes_read, session.stats.bytes_written
            edit = random.choice(["append", "insert", "pop", "set"])
            if edit == "pop":
                items.pop()
            elif edit == "set":
                items[3].n = n
            else:
                items.insert(5 if edit == "insert" else len(items), Leaf(n=n))
            session.commit()
            assert session.stats.bytes_read - before[0] <= 256 << 10
            assert session.stats.bytes_written - before[1] <= 64 << 10
