"""`verify`: sound files are found sound, and whatever is damaged is told with its offset."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parcode_orm import Chunk, Model, Session, ShardedMap, VerifyReport, dumps, save, verify
from parcode_orm.errors import FileMissingError, NotAFileError, NotAParcodeFile, UnsupportedVersion
from parcode_orm.format.catalog import CatalogData
from parcode_orm.format.encoder import Encoder
from parcode_orm.format.layout import SPAN, TABLE_HEADER, Encoding, Kind, Reference
from parcode_orm.storage.compaction import compact_file
from parcode_orm.storage.mapped import Source
from parcode_orm.storage.pipeline import Pipeline
from parcode_orm.storage.writer import whole_bytes
from parcode_orm.table import index
from parcode_orm.table.ints import put_ints
from parcode_orm.table.row_groups import TableSink
from tests.effort import half
from tests.storage.sample import live

pytestmark = pytest.mark.once


class Item(Model):
    name: str
    parts: list[int] = Chunk(default=[])


class World(Model):
    n: int = 0
    text: str = ""
    items: dict[str, Item] = ShardedMap(default_factory=dict)
    numbers: dict[int, int] = ShardedMap(default_factory=dict)
    pairs: dict[tuple[int, int], str] = ShardedMap(default_factory=dict)
    rows: list[Item] = Chunk(default_factory=list)
    blob: bytes = Chunk(default=b"", compression="lz4")


def item(number: int) -> Item:
    return Item(name=f"item {number}" * 3, parts=list(range(number % 7)))


def world() -> World:
    return World(
        text="inline",
        items={f"k{number}": item(number) for number in range(5000)},
        numbers={number: number * 7 for number in range(9000)},
        pairs={(number, number): f"pair {number} " * 8 for number in range(2000)},
        rows=[item(number) for number in range(9000)],
        blob=b"a blob " * 100_000,
    )


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Three commits, with every kind of chunk, and rows that are gone."""
    path = tmp_path_factory.mktemp("verify") / "a.par"
    save(path, world(), workers=0)
    with Session(path, workers=0) as session:
        found = session.root(World)
        found.items["new"] = item(1)
        del found.items["k17"], found.numbers[5]
        found.items["k40"].name = "another"
        session.commit()
    with Session(path, workers=0, durability="fast") as session:
        session.root(World).rows.append(item(2))
        session.root(World).items["newer"] = item(3)
        session.commit()
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, original: bytes) -> Path:
    path = tmp_path / "a.par"
    path.write_bytes(original)
    return path


def graph(source: Source) -> dict[Reference, str]:
    """Every chunk of every commit."""
    found: dict[Reference, str] = {}
    for record in source.records():
        waiting = [record.catalog]
        while waiting:
            ref = waiting.pop()
            if ref not in found:
                found[ref] = Kind(ref.kind).name
                waiting += source.chunk(ref).refs
    return found


def offsets(report: VerifyReport) -> list[int]:
    return [problem.offset for problem in report.problems]


def test_a_sound_file(path: Path, original: bytes) -> None:
    with open(path, "rb") as file:
        reports = [verify(each) for each in (path, str(path), original, bytearray(original), file)]
    for report in reports:
        assert report.ok and not report.problems, report
        source = Source.open(original)
        assert (report.commits, report.chunks, report.size) == (3, len(graph(source)), len(original))
        assert report.live == live(source) and report.live + report.dead == report.size
        assert report.dead == source.record.dead
        assert len(report.notes) == 1 and "by key of 1 table lead to all rows" in report.notes[0]
        assert f"{report.chunks} chunks, {report.size:,} bytes" in str(report) and ": ok\n" in str(report)
    assert {*graph(source).values()} == {kind.name for kind in Kind}
    assert path.read_bytes() == original


def test_classes_of_which_the_file_holds_nothing_are_named(path: Path) -> None:
    class Elsewhere(Model):
        x: int

    report = verify(path, models=[Elsewhere])
    assert report.ok and "Elsewhere, so nothing was compared" in report.notes[-1]


def test_after_compaction(path: Path) -> None:
    dead = verify(path).dead
    assert dead > 0
    compact_file(path, 2)
    report = verify(path)
    assert report.ok and report.commits == 2 and report.dead < dead
    compact_file(path)
    report = verify(path)
    assert report.ok and report.commits == 1 and (report.live, report.dead) == (report.size, 0)


def test_a_flip_in_each_chunk(path: Path, original: bytes) -> None:
    """In the head of each and in each of its buffers: the problem has the offset where the damage begins."""
    source = Source.open(original)
    rng = random.Random(1)
    chunks = list(graph(source))
    by_kind: dict[int, list[Reference]] = {}
    for ref in chunks:
        by_kind.setdefault(ref.kind, []).append(ref)
    tried = 0
    for refs in by_kind.values():
        for ref in rng.sample(refs, min(3, len(refs))):
            chunk = source.chunk(ref)
            spots = [(ref.offset + rng.randrange(32), ref.offset)]
            for node in chunk.nodes:
                if node.stored:
                    at = ref.offset + node.place
                    spots.append(
                        (at + rng.randrange(min(node.stored, 1 << 18) if node.flags & 16 else node.stored), at)
                    )
            for spot, expected in spots[:1] + rng.sample(spots[1:], min(4, len(spots) - 1)):
                data = bytearray(original)
                data[spot] ^= 1 << rng.randrange(8)
                report = verify(data)
                assert not report.ok
                if ref.kind != Kind.BLOB:
                    assert expected in offsets(report), (Kind(ref.kind), spot, str(report))
                assert all(ref.offset <= problem.offset < ref.offset + ref.length for problem in report.problems)
                assert Kind(ref.kind).name.lower().split("_")[0] in str(report)
                tried += 1
    assert tried > 40


def test_all_damage_is_told_at_once(path: Path, original: bytes) -> None:
    source = Source.open(original)
    data = bytearray(original)
    blob = next(ref for ref in graph(source) if ref.kind == Kind.BLOB)
    node = source.chunk(blob).nodes[3]
    columns = [ref for ref in graph(source) if ref.kind == Kind.COLUMN][:2]
    expected = []
    for ref in columns:
        expected.append(ref.offset)
        data[ref.offset + 8] ^= 1
    ends = source.chunk(blob).buffer(2)
    second = blob.offset + node.place + int.from_bytes(ends[:8], "little")
    for at in (blob.offset + node.place, second):
        expected.append(at)
        data[at + 100] ^= 1
    report = verify(data)
    assert offsets(report) == sorted(expected)
    assert str(report).count("\n") >= 4 and "4 problems" in str(report)


@pytest.mark.parametrize("place", [0, 1, 2, 3, 4])  # a whole file's record stands once
def test_a_flip_in_a_record(original: bytes, place: int) -> None:
    records = list(Source.open(original).records())
    record, copy = records[place // 2], place % 2 * 512
    data = bytearray(original)
    data[record.offset + copy + 50] ^= 1
    report = verify(data)
    assert record.offset + copy in offsets(report) and "record" in str(report)
    assert len(report.problems) == 1


def test_both_copies_of_a_record(original: bytes) -> None:
    """The file opens at the commit before: a commit is lost, and that is told."""
    source = Source.open(original)
    data = bytearray(original)
    for at in (0, 512):
        data[source.record.offset + at + 50] ^= 1
    report = verify(data)
    assert report.commits == 2 and offsets(report) == [source.record.offset] and "lost" in str(report)
    middle = list(source.records())[1]
    data = bytearray(original)
    for at in (0, 512):
        data[middle.offset + at + 50] ^= 1
    report = verify(data)
    assert middle.offset in offsets(report) and report.commits == 2


def test_a_tail_is_no_damage(path: Path, original: bytes) -> None:
    report = verify(original + b"a tail" * 1000)
    assert report.ok and "6000 bytes behind the newest commit" in str(report)


def test_a_gap_of_a_fast_commit(original: bytes) -> None:
    """Nothing reads the zeros before its record, but its hash covers them."""
    record = Source.open(original).record
    data = bytearray(original)
    data[record.offset - 1] ^= 1
    report = verify(data)
    assert offsets(report) == [record.range_start] and "fast commit" in str(report)


def test_what_is_no_file(tmp_path: Path, original: bytes) -> None:
    with pytest.raises(NotAParcodeFile):
        verify(b"something else")
    with pytest.raises(UnsupportedVersion):
        verify(original[:8] + b"\xff" + original[9:])
    with pytest.raises(FileMissingError):
        verify(tmp_path / "none.par")
    with pytest.raises(NotAFileError):
        verify(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotAFileError):
        verify(tmp_path / "pipe")
    with pytest.raises(TypeError):
        verify(7)  # type: ignore[arg-type]


def test_a_damaged_superblock_and_a_file_without_a_commit(original: bytes) -> None:
    report = verify(original[:45] + b"\0\1" + original[47:])
    assert not report.ok and report.commits == 0 and "superblock" in str(report)
    report = verify(original[:5000])
    assert not report.ok and report.commits == 0 and "ends before its first commit" in str(report)


@settings(max_examples=60)
@given(seed=st.integers(0, 1 << 32), spots=st.integers(1, 20))
def test_never_raises_for_damage(original: bytes, seed: int, spots: int) -> None:
    rng = random.Random(seed)
    data = bytearray(original)
    for _ in range(spots):
        at = rng.randrange(64, len(data))
        size = rng.choice((1, 1, 8, 64, 5000))
        data[at : at + size] = rng.randbytes(min(size, len(data) - at))
    report = verify(data[: rng.choice((len(data), rng.randrange(100, len(data))))])
    str(report)


# -- what no damage makes, but a faulty writer would ----------------------------------------------------------------


def built(make: Any) -> VerifyReport:
    def build(pipeline: Pipeline) -> CatalogData:
        return CatalogData(roots={"Broken": make(pipeline)})

    return verify(whole_bytes(build, workers=0))


def group(pipeline: Pipeline, rows: int) -> Any:
    out = pipeline.encoder(Kind.ROW_GROUP)
    top = out.open(Encoding.STRUCT, rows)
    put_ints(out, list(range(rows)))
    put_ints(out, list(range(rows)))
    out.close(top)
    return pipeline.submit(out)


def node(pipeline: Pipeline, entries: list[tuple[Any, int, int, int]], height: int = 1) -> Any:
    out = pipeline.encoder(Kind.TREE_NODE)
    for ref, *_ in entries:
        out.ref(ref)
    top = out.open(Encoding.STRUCT, len(entries), param=height)
    for column in (1, 2, 3):
        put_ints(out, [entry[column] for entry in entries])
    out.close(top)
    return pipeline.submit(out)


def table(pipeline: Pipeline, rows: int, next_row: int, height: int, root: Any, runs: list[Any]) -> Any:
    out = pipeline.encoder(Kind.TABLE)
    for ref in [root, *runs]:
        out.ref(ref)
    out.leaf(Encoding.RAW, 1, TABLE_HEADER.pack(rows, next_row, height, bool(runs), len(runs)))
    return pipeline.submit(out)


def run(pipeline: Pipeline, rows: list[int]) -> Any:
    return index.write_run(TableSink(pipeline, None), [row << 33 for row in rows], rows)


@pytest.mark.parametrize(
    ("what", "make"),
    [
        ("", lambda p: table(p, 4, 9, 1, node(p, [(group(p, 4), 4, 5, 0)]), [run(p, [5, 6, 7, 8])])),
        ("", lambda p: table(p, 4, 9, 1, node(p, [(group(p, 4), 4, 5, 0)]), [run(p, [5, 6]), run(p, [1, 7, 8])])),
        ("3 entries for 4", lambda p: table(p, 4, 9, 1, node(p, [(group(p, 4), 4, 5, 0)]), [run(p, [5, 6, 7])])),
        ("reach 8", lambda p: table(p, 4, 8, 1, node(p, [(group(p, 4), 4, 5, 0)]), [run(p, [5, 6, 7, 8])])),
        ("leads to row 4 of 4", lambda p: table(p, 4, 9, 1, node(p, [(group(p, 4), 4, 5, 1)]), [run(p, [5, 6, 7, 8])])),
        ("expected 5 rows", lambda p: table(p, 5, 9, 1, node(p, [(group(p, 5), 4, 5, 0)]), [run(p, [5, 6, 7, 8])])),
        ("do not rise", lambda p: table(p, 4, 9, 1, node(p, [(group(p, 2), 2, 5, 0)] * 2), [run(p, [5, 6])])),
        ("leads to row 6 of 2", lambda p: table(p, 7, 7, 0, group(p, 2), [])),
        ("of height 1 begins with", lambda p: table(p, 2, 2, 1, group(p, 2), [])),
        ("does not fit its references", lambda p: table(p, 2, 2, 77, group(p, 2), [])),
        ("has 1 index runs", lambda p: table(p, 2, 1, 0, group(p, 2), [run(p, [0, 1])])),
        ("expected a tree node of height 2", lambda p: table(p, 2, 2, 2, node(p, [(group(p, 2), 2, 0, 0)]), [])),
        ("refers to a chunk of kind 1", lambda p: table(p, 2, 2, 2, node(p, [(group(p, 2), 2, 0, 0)], 2), [])),
    ],
)
def test_rules_of_trees_and_indexes(what: str, make: Any) -> None:
    report = built(make)
    assert report.ok if not what else what in str(report), report


def column(pipeline: Pipeline, write: Any, kind: Kind = Kind.COLUMN) -> Any:
    out = pipeline.encoder(kind)
    write(out)
    return pipeline.submit(out)


def two(out: Encoder) -> None:
    out.leaf(Encoding.EMPTY, 0)
    out.leaf(Encoding.EMPTY, 0)


@pytest.mark.parametrize(
    ("what", "write"),
    [
        ("", lambda out: out.leaf(Encoding.INT, 2, b"\0" * 4, width=2)),
        ("take 4 bytes, not 3", lambda out: out.leaf(Encoding.INT, 2, b"\0" * 3, width=2)),
        ("numbers of 3 bytes", lambda out: out.leaf(Encoding.INT, 1, b"\0" * 3, width=3)),
        ("take 8 bytes, not 0", lambda out: out.leaf(Encoding.FLOAT, 1)),
        ("take 2 bytes, not 1", lambda out: out.leaf(Encoding.BOOL, 9, b"\0")),
        ("take 0 bytes, not 1", lambda out: out.leaf(Encoding.EMPTY, 0, b"\0")),
        ("reference 0 of 0", lambda out: out.leaf(Encoding.REFERENCE, 1)),
        ("encoding 99 is not known", lambda out: out.leaf(99, 1)),
        ("the first of 2 nodes spans 1", two),
    ],
)
def test_rules_of_nodes(what: str, write: Any) -> None:
    report = built(lambda p: column(p, write))
    assert report.ok if not what else what in str(report), report


@pytest.mark.parametrize("spans", [False, True])
def test_a_marked_field_refers_to_column_chunks_alone(spans: bool) -> None:
    def field(pipeline: Pipeline, kind: Kind) -> Any:
        below = column(pipeline, lambda out: out.leaf(Encoding.EMPTY, 2), kind)
        out = pipeline.encoder(Kind.COLUMN)
        ordinal = out.ref(below)
        if spans:
            out.leaf(Encoding.SPANS, 2, SPAN.pack(ordinal, 1, 1) + SPAN.pack(ordinal, 0, 1))
        else:
            out.leaf(Encoding.REFERENCE, 2, param=ordinal)
        return pipeline.submit(out)

    assert built(lambda p: field(p, Kind.COLUMN)).ok
    assert "a reference to a chunk of kind 3" in str(built(lambda p: field(p, Kind.BLOB)))


def test_rules_of_shards_and_runs() -> None:
    def shard(out: Encoder) -> None:
        top = out.open(Encoding.STRUCT, 2)
        for values in ([7, 6], [0, 1], [0, 0]):
            put_ints(out, values)
        out.close(top)

    assert "do not rise" in str(built(lambda p: column(p, shard, Kind.INDEX_SHARD)))
    assert "2 bits has 0 references" in str(
        built(lambda p: column(p, lambda out: out.leaf(Encoding.RAW, 9, param=2), Kind.INDEX_RUN))
    )


def directory(pipeline: Pipeline, refs: list[Any], bits: int, count: int = 4) -> Any:
    out = pipeline.encoder(Kind.INDEX_RUN)
    for ref in refs:
        out.ref(ref)
    out.leaf(Encoding.RAW, count, param=bits)
    return pipeline.submit(out)


def shards(pipeline: Pipeline, number: int = 4, each: int = 1) -> list[Any]:
    return [index.write_run(TableSink(pipeline, None), [0] * each, range(each)) for _ in range(number)]


def two_levels(pipeline: Pipeline, bits: int = 1, count: int = 4) -> Any:
    parts = shards(pipeline)
    return directory(pipeline, [directory(pipeline, parts[at : at + 2], bits, 2) for at in (0, 2)], 2, count)


def of(pipeline: Pipeline, run: Any) -> Any:
    return table(pipeline, 4, 9, 1, node(pipeline, [(group(pipeline, 4), 4, 5, 0)]), [run])


@pytest.mark.parametrize(
    ("what", "make"),
    [
        ("0 entries for 4 rows", lambda p: of(p, two_levels(p))),
        ("of 5 entries has 4", lambda p: of(p, two_levels(p, count=5))),
        ("an index run for 1 bits", lambda p: of(p, two_levels(p, bits=2))),
        ("kind 7, not 6", lambda p: of(p, directory(p, shards(p), 3))),
        ("kind 6, not 7", lambda p: of(p, directory(p, [two_levels(p), two_levels(p)], 1))),
        ("25 bits", lambda p: of(p, directory(p, shards(p, 2), 25))),
        ("0 bits has 2", lambda p: of(p, directory(p, shards(p, 2), 0))),
        ("has 3 references", lambda p: of(p, directory(p, shards(p, 3), 2))),
        ("names a chunk twice", lambda p: of(p, directory(p, shards(p, 1) * 2, 1))),
    ],
)
def test_rules_of_directories(what: str, make: Any) -> None:
    assert what in str(built(make))


def test_an_index_by_other_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row has its entry, but no key leads there."""
    from parcode_orm.table import key_sort

    assert verify(dumps(world())).ok
    true = key_sort.hash_keys
    monkeypatch.setattr(key_sort, "hash_keys", lambda keys: [each ^ 1 for each in true(keys)])
    report = verify(dumps(world()))
    assert [problem.where for problem in report.problems] == [
        "table of World.items",
        "table of World.numbers",
    ]  # not of keys that are pairs
    assert str(report).count("does not lead to the table's rows") == 2


def test_a_schema_under_another_name() -> None:
    def build(pipeline: Pipeline) -> CatalogData:
        out = pipeline.encoder(Kind.SCHEMA)
        out.leaf(Encoding.RAW, 1, b'{"root":"int","structs":{}}')
        return CatalogData(schemas={"ab" * 16: pipeline.submit(out)})

    assert "another fingerprint" in str(verify(whole_bytes(build, workers=0)))


keys = st.text(max_size=3) | st.integers(0, 50).map(str)


@half(30)
@given(
    steps=st.lists(
        st.tuples(st.dictionaries(keys, st.integers(0, 9), max_size=30), st.sets(keys, max_size=10), st.booleans()),
        min_size=1,
        max_size=6,
    ),
    keep=st.integers(1, 4),
)
def test_random_histories(steps: list[Any], keep: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever sessions commit is found sound, before and after a compaction, which keeps what there was."""
    path = tmp_path_factory.mktemp("history") / "a.par"
    expected: list[dict[str, Any]] = []
    with Session(path, workers=0) as session:
        session.add(World(items={f"k{number}": item(number) for number in range(600)}, text="t" * 40))
        session.commit()
        for number, (new, gone, compacting) in enumerate(steps):
            found = session.root(World)
            found.n = number
            found.items.update({key: item(value) for key, value in new.items()})
            for key in gone:
                found.items.pop(key, None)
            session.commit()
            expected.append(session.root(World).model_load().model_dump())
            report = verify(path)
            snapshot = session.snapshot
            assert report.ok and snapshot is not None, report
            assert snapshot.dead >= report.dead and snapshot.live + snapshot.dead == snapshot.size == report.size
            if compacting:
                session.compact(keep=keep)
                assert session.root(World).model_load().model_dump() == expected[-1]
                report = verify(path)
                assert report.ok and report.commits <= keep, report
    compact_file(path, keep)
    assert verify(path).ok
    for back, record in enumerate(Source.open(path).records()):
        if record.sequence > 1:
            source = Source.open(path, at=record.sequence)
            assert back < keep and source.catalog.roots
    with Session.open(path) as session:
        assert session.root(World).model_load().model_dump() == expected[-1]
