"""`recover`: what verifies of a damaged file is in the new one, as it was, and the report names the rest."""

from __future__ import annotations

import errno
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from parcode_orm import (
    Chunk,
    CorruptionError,
    Field,
    Index,
    Key,
    MigrationRequired,
    Model,
    NotAParcodeFile,
    ParcodeError,
    Session,
    ShardedMap,
    StorageError,
    compact,
    recover,
    save,
    select,
    verify,
)
from parcode_orm.format.layout import Kind
from parcode_orm.inspector import scan
from parcode_orm.inspector.scan import chunks
from parcode_orm.session.entity import flush
from parcode_orm.storage.mapped import Source
from tests.cli.shell import parcode

pytestmark = pytest.mark.once


class Item(Model):
    name: str
    parts: list[int] = Chunk(default=[])


class World(Model):
    n: int = 0
    title: str = ""
    items: dict[str, Item] = ShardedMap(default_factory=dict)
    pairs: dict[tuple[int, int], str] = ShardedMap(default_factory=dict)
    rows: list[Item] = Chunk(default_factory=list)
    blob: bytes = Chunk(default=b"")
    any: object = None


class Plain:
    """A class that a packed value is of."""

    def __init__(self, n: int) -> None:
        self.n = n


class Place(Model):
    city: str = ""


class Trade(Model):
    __indexes__ = (Index("buyer", "price"), Index("place.city"), Index("tags[]"))

    id: int = Key(default=None, auto=True)
    buyer: str = Index()
    price: int
    code: str = Index(unique=True)
    place: Place = Place()
    tags: list[str] = []


def world(count: int) -> World:
    return World(
        n=7,
        title="a title",
        items={f"k{n}": Item(name=f"item {n}", parts=list(range(n % 5))) for n in range(count)},
        pairs={(n, -n): f"pair {n}" for n in range(count)},
        rows=[Item(name=f"row {n}" * 3, parts=[n]) for n in range(count)],
        blob=random.Random(1).randbytes(60_000),
    )


def trade(n: int) -> Trade:
    place = Place(city=f"c{n % 7}")
    return Trade(buyer=f"b{n % 50}", price=n % 9, code=f"x{n}", place=place, tags=[f"t{n % 3}", f"u{n % 11}"])


COUNT = 5_000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "a.par"
    with Session(path) as session:
        session.add(world(COUNT))
        session.add_all(trade(n) for n in range(COUNT))
        session.commit("first")
    return path.read_bytes()


def recovered(directory: Path, data: bytes) -> tuple[Any, Path]:
    """The report on damaged bytes, and the new file, which verifies."""
    broken, target = directory / "broken.par", directory / "saved.par"
    broken.write_bytes(data)
    target.unlink(missing_ok=True)
    report = recover(broken, target)
    assert broken.read_bytes() == data and report.target == str(target)
    assert str(verify(target, models=[Trade] if "Trade" in report.saved else [])).splitlines()[0].endswith(": ok")
    assert [each.name for each in directory.iterdir() if each.suffix == ".part"] == []
    return report, target


def check_subset(path: Path, count: int = COUNT) -> dict[str, int]:
    """How many rows are left of each collection. What is left must be as it was, in its order."""
    expected = world(count)
    with Session.open(path) as session:
        found = session.root(World)
        items, pairs = found.items.load(), found.pairs.load()  # type: ignore[attr-defined]
        rows = found.rows.load()  # type: ignore[attr-defined]
        assert items.items() <= expected.items.items() and pairs.items() <= expected.pairs.items()
        assert list(items) == [key for key in expected.items if key in items]
        names = [row.name for row in rows]
        by_name = {row.name: row for row in expected.rows}
        assert all(row == by_name[row.name] for row in rows) and names == [
            name for name in by_name if name in set(names)
        ]
        for key in list(items)[::500]:
            assert found.items[key] == expected.items[key]
        assert all(key in found.pairs for key in list(pairs)[::500])
        trades = session.scalars(select(Trade)).all()
        for each in trades[::500]:
            assert session.scalars(select(Trade).where(Trade.code == each.code)).one() is each  # type: ignore[arg-type]
            assert each.model_copy(update={"id": None}) == trade(each.id - 1)
        return {"items": len(items), "pairs": len(pairs), "rows": len(rows), "trades": len(trades)}


def test_what_is_whole_is_as_it_was(tmp_path: Path, whole: bytes) -> None:
    report, target = recovered(tmp_path, whole)
    assert report.ok and sorted(report.saved) == ["Trade", "World"]
    assert set(check_subset(target).values()) == {COUNT} and not report.notes and report.commit == 1
    with Session.open(target) as session:
        assert session.snapshot is not None and session.snapshot.message == "first"


def offset_of(data: bytes, kind: Kind, path: str, tmp_path: Path) -> int:
    """The place of some buffer of a collection's chunk of a kind."""
    places = [(at, header) for at, header in chunks(lambda size, at: data[at : at + size], len(data))]
    for at, header in places:
        if header[1] != kind:
            continue
        broken = bytearray(data)
        broken[at + header[6] - 8] ^= 1
        found = verify(bytes(broken)).problems
        if found and path in found[0].where:
            return at + header[6] - 8
    raise AssertionError(path)


@pytest.mark.parametrize(
    ("kind", "where", "lost", "left"),
    [
        (Kind.ROW_GROUP, "World.items", "World.items", {"items": COUNT - 4096}),
        (Kind.COLUMN, "World.items[].parts", "World.items", {"items": COUNT - 4096}),
        (Kind.ROW_GROUP, "World.rows", "World.rows", {"rows": COUNT - 4096}),
        (Kind.ROW_GROUP, "World.pairs", "World.pairs", {"pairs": COUNT - 4096}),
        (Kind.INDEX_SHARD, "World.items", "", {}),
        (Kind.INDEX_SHARD, "World.pairs", "", {}),
        (Kind.ROW_GROUP, "Trade[]", "Trade", {"trades": COUNT - 4096}),
        (Kind.ROW_GROUP, "index buyer of Trade", "", {}),
        (Kind.INDEX_SHARD, "Trade", "", {}),
    ],
)
def test_a_flipped_bit_costs_a_row_group_at_most(
    tmp_path: Path, whole: bytes, kind: Kind, where: str, lost: str, left: dict[str, int]
) -> None:
    data = bytearray(whole)
    data[offset_of(whole, kind, where, tmp_path)] ^= 1
    report, target = recovered(tmp_path, bytes(data))
    assert [(each.path, each.rows) for each in report.lost if each.path != "Trade" or lost == "Trade"] == (
        [(lost, 4096)] if lost else []
    )
    assert check_subset(target) == {**dict.fromkeys(("items", "pairs", "rows", "trades"), COUNT), **left}
    if lost:
        assert f"lost: 4,096 rows of {lost} from row" in str(report) and report.to_dict()["lost"][0]["path"] == lost


def test_a_root_goes_without_a_field_that_is_damaged(tmp_path: Path, whole: bytes) -> None:
    data = bytearray(whole)
    data[whole.index(world(1).blob[1000:1100])] ^= 1
    report, target = recovered(tmp_path, bytes(data))
    assert [(each.path, each.rows) for each in report.lost] == [("World.blob", 0)]
    assert set(check_subset(target).values()) == {COUNT}
    with Session.open(target) as session:
        assert session.root(World).blob == b"" and session.root(World).title == "a title"  # the default of the class
    with Session.open(target) as session:
        assert not hasattr(session.root("World"), "blob")
    with Session(target) as session:  # the class is not older than what was written
        session.root(World).items["k1"].name = "changed"
        session.commit()
    with Session.open(target) as session:
        assert session.root(World).blob == b"" and session.root(World).items["k1"].name == "changed"
    assert verify(target, models=[World]).ok


def test_rows_of_the_class_of_a_root_keep_fields_that_the_root_lost(tmp_path: Path) -> None:
    class Folder(Model):
        data: bytes = Chunk(default=b"")
        folders: list["Folder"] = Chunk(default_factory=list)  # noqa: UP037

    large = [random.Random(n).randbytes(40_000) for n in range(2)]
    save(tmp_path / "a.par", Folder(data=large[0], folders=[Folder(data=large[1])]))
    data = bytearray((tmp_path / "a.par").read_bytes())
    data[data.index(large[0][100:200])] ^= 1
    report, target = recovered(tmp_path, bytes(data))
    assert [each.path for each in report.lost] == ["Folder.data"]
    with Session.open(target) as session:
        assert session.root(Folder).data == b"" and session.root(Folder).folders[0].data == large[1]


def test_a_lost_field_without_a_default_asks_for_a_migration(tmp_path: Path) -> None:
    class Book(Model):
        title: str
        text: bytes = Chunk()

    save(tmp_path / "a.par", Book(title="t", text=bytes(range(256)) * 1000))
    data = bytearray((tmp_path / "a.par").read_bytes())
    data[len(data) // 2] ^= 1
    _, target = recovered(tmp_path, bytes(data))
    with Session.open(target) as session:
        with pytest.raises(MigrationRequired, match=r"Book\.text"):
            session.root(Book)
        assert session.root("Book").title == "t"


def test_one_value_that_is_damaged_costs_its_row(tmp_path: Path) -> None:
    class Doc(Model):
        name: str
        body: bytes = Chunk()

    class Shelf(Model):
        docs: list[Doc] = Chunk()
        by: dict[str, Doc] = ShardedMap()

    bodies = [random.Random(n).randbytes(40_000) for n in range(40)]
    docs = [Doc(name=f"d{n}", body=bodies[n]) for n in range(40)]
    save(tmp_path / "a.par", Shelf(docs=docs, by={doc.name: doc for doc in docs}))
    data = bytearray((tmp_path / "a.par").read_bytes())
    data[data.index(bodies[20][100:200])] ^= 1
    data[data.rindex(bodies[30][100:200])] ^= 1
    report, target = recovered(tmp_path, bytes(data))
    assert sorted((each.path, each.rows, each.first) for each in report.lost) == [
        ("Shelf.by", 1, 30), ("Shelf.docs", 1, 20),
    ]  # fmt: skip
    with Session.open(target) as session:
        shelf = session.root(Shelf)
        assert [doc.name for doc in shelf.docs] == [f"d{n}" for n in range(40) if n != 20]
        assert "d30" not in shelf.by and shelf.by["d31"].body == bodies[31] and len(shelf.by) == 39


def test_rows_of_several_schemas_and_packed_values_are_saved(tmp_path: Path) -> None:
    def row(name: str, **fields: Any) -> Any:
        return type(Model)(name, (Model,), {"__module__": __name__, "__qualname__": name, **fields})

    old = row("Note", __annotations__={"id": int, "text": str}, id=Key())
    new = row(
        "Note", __annotations__={"id": int, "body": str, "n": int}, id=Key(), n=0, body=Field(renamed_from="text")
    )
    with Session(tmp_path / "a.par") as session:
        session.add_all(old(id=n, text=f"text {n}" * 5) for n in range(9_000))
        session.commit()
    with Session(tmp_path / "a.par") as session:
        session.add_all(new(id=n, body=f"body {n}" * 5, n=n) for n in range(9_000, 18_000))
        session.commit()
    data = bytearray((tmp_path / "a.par").read_bytes())
    data[data.index(b"text 5000") + 2] ^= 1
    data[data.index(b"body 12000") + 2] ^= 1
    report, target = recovered(tmp_path, bytes(data))
    assert len(report.lost) == 2
    with Session.open(target) as session:
        found = {each.id: each.body for each in session.scalars(select(new))}
    assert len(found) == 18_000 - sum(each.rows for each in report.lost)
    assert found[1] == "text 1" * 5 and found[17_999] == "body 17999" * 5

    data[data.index(b'"text"')] ^= 1  # in the older schema: no class can read its rows
    report, target = recovered(tmp_path, bytes(data))
    assert "the schema of its rows is damaged" in str(report) and sum(each.rows for each in report.lost) > 9_000
    with Session.open(target) as session:
        left = {each.body for each in session.scalars(select(new))}
    assert len(left) > 3_000 and left <= {f"body {n}" * 5 for n in range(9_000, 18_000)}


def test_an_earlier_commit_stands_in(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add(World(title="first"))
        session.commit()
        session.root(World).title = "second"
        session.commit()
    data = path.read_bytes()
    root = Source.open(data).catalog.root("World").offset
    torn, target = recovered(tmp_path, data[: len(data) - 700])
    assert torn.commit == 1 and Session.open(target).root(World).title == "first"
    broken = bytearray(data)
    broken[root + 20] ^= 1  # the head of the row group of the root
    report, target = recovered(tmp_path, bytes(broken))
    assert report.ok and report.notes == ("World is as in commit 1",)
    assert Session.open(target).root(World).title == "first"
    broken = bytearray(data)
    catalogs = [
        at for at, header in chunks(lambda size, at: data[at : at + size], len(data)) if header[1] == Kind.CATALOG
    ]
    broken[catalogs[-1] + 20] ^= 1
    report, target = recovered(tmp_path, bytes(broken))
    assert report.commit == 1 and "the catalog of commit 2 is damaged" in str(report)


@pytest.mark.parametrize("missing", [100, 64_000])
def test_a_missing_middle(tmp_path: Path, whole: bytes, missing: int) -> None:
    for at in (len(whole) // 8, len(whole) // 2):
        report, target = recovered(tmp_path, whole[:at] + whole[at + missing :])
        assert report.lost and f"{missing:,} bytes are missing between the offsets" in report.notes[0]
        if all(each.rows for each in report.lost):
            left = check_subset(target)
            assert (
                4 * COUNT - sum(left.values()) == sum(each.rows for each in report.lost if "index" not in each.path)
                or missing > 100_000
            )
        report, target = recovered(tmp_path, whole[:at] + bytes(missing) + whole[at + missing :])
        assert report.lost and not report.notes


def test_a_torn_tail_of_the_only_commit(tmp_path: Path, whole: bytes) -> None:
    report, target = recovered(tmp_path, whole[:-20])
    assert report.ok and "the commit record is missing" in report.notes[0]
    assert set(check_subset(target).values()) == {COUNT}
    with pytest.raises(CorruptionError, match="neither a commit record nor a catalog is found"):
        recovered(tmp_path, whole[:-2_000])


def test_a_full_disk_beside_the_new_file(tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("parcode_orm.inspector.recover.mended", full)
    with pytest.raises(StorageError, match=r"cannot write beside: No space left on device: '.*saved.par'"):
        recovered(tmp_path, whole[:-20])
    assert [each.name for each in tmp_path.iterdir()] == ["broken.par"]


def test_what_cannot_be_recovered(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "a.par").write_bytes(whole)
    with pytest.raises(StorageError, match="this one exists"):
        recover(tmp_path / "a.par", tmp_path / "a.par")
    (tmp_path / "b.par").write_bytes(b"no file" * 100)
    with pytest.raises(NotAParcodeFile):
        recover(tmp_path / "b.par", tmp_path / "c.par")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.par", "b.par"]


@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(data=st.data())
def test_whatever_is_damaged(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("any")
    count = data.draw(st.sampled_from([3, 300]))
    with Session(directory / "a.par") as session:
        session.add(world(count))
        session.add_all(trade(n) for n in range(count))
        session.commit()
        session.root(World).n = 8
        session.commit()
    whole = (directory / "a.par").read_bytes()
    at = data.draw(st.integers(64, len(whole) - 1))
    size = data.draw(st.sampled_from([1, 1, 1, 64, 3_000]))
    broken = bytearray(whole)
    kind = data.draw(st.sampled_from(["flip", "zero", "cut", "torn"]))
    if kind == "flip":
        broken[at] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "zero":
        broken[at : at + size] = bytes(len(broken[at : at + size]))
    elif kind == "cut":
        del broken[at : at + size]
    else:
        del broken[at:]
    try:
        report, target = recovered(directory, bytes(broken))
    except ParcodeError:
        assert kind in ("cut", "torn")  # the only catalog may be gone
        return
    if "World" in report.saved and not any(each.path.startswith("World.") and not each.rows for each in report.lost):
        check_subset(target, count)


class Node(Model):
    n: int
    blob: bytes = Chunk(default=b"")
    below: list[Node] = Chunk(default=[])


def test_collections_may_be_nested_deeply(tmp_path: Path) -> None:
    """The stack ended in a RecursionError at 200 lists in each other."""
    node = Node(n=-1, blob=random.Random(1).randbytes(3_000))
    for n in range(200):
        node = Node(n=n, below=[node, Node(n=-2, blob=random.Random(n).randbytes(40_000))])
    save(tmp_path / "a.par", node)
    data = bytearray((tmp_path / "a.par").read_bytes())
    data[data.index(random.Random(1).randbytes(3_000)[:50])] ^= 1
    report, target = recovered(tmp_path, bytes(data))
    assert report.saved == ("Node",) and report.lost
    with Session.open(target) as session:
        assert session.root(Node).n == 199


def test_progress_is_told(tmp_path: Path, whole: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parcode_orm.storage.progress.EVERY", 100_000)
    (tmp_path / "a.par").write_bytes(whole)
    for what, work in (
        ("recover", lambda show: recover(tmp_path / "a.par", tmp_path / "b.par", progress=show)),
        ("compact", lambda show: compact(tmp_path / "a.par", progress=show)),
        ("verify", lambda show: verify(tmp_path / "a.par", progress=show)),
    ):
        told: list[tuple[str, int, int]] = []
        work(lambda *each, told=told: told.append(each))  # type: ignore[misc]
        assert len(told) > 3 and told == sorted(told) and told[-1][0] == what and told[-1][1] == told[-1][2] > 500_000


def test_the_command(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "a.par").write_bytes(whole)
    assert "saved: " in parcode("recover", tmp_path / "a.par", tmp_path / "b.par", columns=200).stdout
    data = bytearray(whole)
    data[offset_of(whole, Kind.ROW_GROUP, "World.rows", tmp_path)] ^= 1
    (tmp_path / "a.par").write_bytes(data)
    found = json.loads(parcode("recover", tmp_path / "a.par", tmp_path / "c.par", "--json", code=4).stdout)
    assert found["lost"][0]["path"] == "World.rows" and found["lost"][0]["rows"] == 4096
    assert "exists" in parcode("recover", tmp_path / "a.par", tmp_path / "c.par", code=2).stderr


@pytest.mark.parametrize("block", [40, 4_096, 1 << 20])
def test_a_scan_reads_each_byte_about_once(block: int, whole: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "BLOCK", block)
    data = whole[:200_000] + whole[200_100:300_000] + scan.MAGIC[:3]
    read: list[int] = []

    def reading(size: int, at: int) -> bytes:
        found = data[at : at + size]
        read.append(len(found))
        return found

    places = {inside: [at for at, _ in chunks(reading, len(data), inside=inside)] for inside in (False, True)}
    assert places[True] and set(places[False]) <= set(places[True]) and sum(read) < 2.6 * len(data)
    found = [at for at in range(len(data)) if data.startswith(scan.MAGIC, at)]
    assert set(places[True]) <= set(found)


def test_entities_whose_older_rows_lack_fields(tmp_path: Path) -> None:
    def version(**more: Any) -> Any:
        annotations = {"id": int, "n": int, "code": str, **dict.fromkeys(more, int)}
        marks = {"id": Key(), "n": Index(), "code": Index(unique=True), "__module__": __name__, **more}
        return type(Model)("Count", (Model,), {"__annotations__": annotations, **marks})

    path = tmp_path / "a.par"
    for first, cls in ((0, version()), (1_000, version(m=7))):
        with Session(path) as session:
            session.add_all(cls(id=n, n=n % 9, code=f"c{n}") for n in range(first, first + 1_000))
            session.commit()
    data = bytearray(path.read_bytes())
    data[data.index(b"c1990")] ^= 1
    report, target = recovered(tmp_path, bytes(data))
    (loss,) = report.lost
    with Session(target) as session:
        left = session.scalars(select(cls)).all()
        assert len(left) == 2_000 - loss.rows and {each.m for each in left} == {7}
        assert session.scalars(select(cls).where(cls.code == "c7")).one().id == 7
        left[0].m = 8
        session.commit()
    assert verify(target, models=[cls]).ok


def test_a_root_of_an_earlier_commit_is_written_by_the_class_of_the_newest(tmp_path: Path) -> None:
    def version(**fields: Any) -> Any:
        annotations = dict.fromkeys(fields, int)
        return type(Model)("Count", (Model,), {"__annotations__": annotations, "__module__": __name__, **fields})

    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add(version(a=1)(a=5))
        session.commit()
    newer = version(a=1, b=2)
    with Session(path) as session:
        session.root(newer).b = 3
        session.commit()
    data = bytearray(path.read_bytes())
    source = Source.open(path)
    data[source.catalog.root("Count").offset] ^= 1
    source.close()
    report, target = recovered(tmp_path, bytes(data))
    assert report.ok and report.notes == ("Count is as in commit 1",)
    with Session(target) as session:
        assert session.root(newer).a == 5 and session.root(newer).b == 2
        session.root(newer).b = 4
        session.commit()
    assert verify(target, models=[newer]).ok


class Note(Model):
    __indexes__ = (Index("tags", text=True), Index("author.city", "day"))

    id: int = Key(default=None, auto=True)
    body: str = Index(text=True)
    day: int = Index()
    code: str = Index(unique=True)
    tags: list[str] = Index(default=[])
    author: Place = Place()


def test_indexes_that_an_earlier_version_left_wrong_are_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in an earlier version could leave a text index behind its rows, and `recover` copied it as it stood."""
    path, target = tmp_path / "a.par", tmp_path / "b.par"
    with Session(path) as session:
        session.add_all(Note(body=f"red {n}", day=n, code=f"c{n}", tags=[f"t{n}"]) for n in range(300))
        session.add(trade(1))
        session.commit()
    with monkeypatch.context() as patch, Session(path) as session:
        patch.setattr(flush, "flush_text", lambda *args: None)
        patch.setattr(flush.Changed, "of", lambda self, spec: iter([]))
        note = session.get_one(Note, 7)
        note.body, note.day, note.code, note.tags = "blue", 1_000, "new", ["new"]
        session.commit()
    assert len(verify(path, models=[Note, Trade]).problems) > 3
    report = recover(path, target)
    assert report.ok and report.notes == ("the indexes of Note did not fit its entities, and were made anew",)
    assert verify(target, models=[Note, Trade]).ok
    with Session(target) as session:
        for condition in (Note.body.matches("blue"), Note.day == 1_000, Note.code == "new", Note.tags.matches("new")):  # type: ignore[attr-defined]
            assert session.scalars(select(Note.id).where(condition)).all() == [7]
        assert session.get_or_create(Note, {"body": "", "day": 0}, code="c6")[1]  # the unique value is free again
        session.commit()
    assert verify(target, models=[Note, Trade]).ok
    assert recover(target, tmp_path / "c.par").notes == ()
