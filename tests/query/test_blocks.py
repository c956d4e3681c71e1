"""Row groups beside each other are read as one array: whatever they hold, the values are the same as one by one."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import parcode_orm
from parcode_orm import (
    Chunk,
    CorruptionError,
    Key,
    Model,
    Session,
    ShardedMap,
    asc,
    col,
    desc,
    explain,
    func,
    save,
    select,
)
from parcode_orm.query.columns.block_cache import leaves
from parcode_orm.query.columns.blocks import Block
from parcode_orm.query.columns.columns import DATE
from parcode_orm.query.columns.merging import kept_bytes, merged, patched
from parcode_orm.query.columns.operators import FUNCTIONS
from parcode_orm.query.columns.parts import by_part
from parcode_orm.query.columns.vectors import Coded, Constant, Numbers, Objects, Texts, Vector
from parcode_orm.query.expressions.nodes import Ordering
from parcode_orm.query.rows import ordered
from parcode_orm.query.rows.sorting import first_places_of, order
from parcode_orm.storage import cache
from tests.small import small_caches, tuned

pytestmark = pytest.mark.once

ROWS = 2_000


class Row(Model):
    id: int
    small: int
    large: int
    score: float
    flag: bool
    kind: str
    name: str
    maybe: int | None
    day: date
    lag: timedelta | None
    tags: list[str]


class World(Model):
    rows: list[Row] = Chunk()
    by: dict[str, Row] = ShardedMap()


class Numbered(Model):
    id: int = Key()
    value: int


def row(i: int) -> Row:
    return Row(
        id=i,
        small=i % 7 if i % 640 else -i,
        large=(1 << 60) + i if i < 900 else i,
        score=i / 4 if i % 500 else float("nan"),
        flag=i % 3 == 0,
        kind=f"kind {i % 5}" if i < 1_500 else "other",
        name=f"row \ud800 {i}" if i == 77 else f"row number {i}",
        maybe=None if i % 11 == 0 or 300 <= i < 400 else 5 if 600 <= i < 700 else i,
        day=date(2020, 1, 1) + timedelta(i // 3),
        lag=None if i % 4 == 0 else timedelta(seconds=i),
        tags=[f"t{i % 3}"],
    )


NAMES = ("id", "small", "large", "score", "flag", "kind", "name", "maybe", "day", "lag", "tags")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("blocks") / "world.par"
    rows = [row(i) for i in range(ROWS)]
    with tuned(group_rows=50, fanout=16).Session(path) as session:
        session.add(World(rows=rows, by={f"k{i}": each for i, each in enumerate(rows[:300])}))
        session.commit()
    return path


@pytest.fixture
def session(path: Path) -> Iterator[Session]:
    with Session.open(path) as session:
        yield session


def table_of(session: Session) -> Any:
    return session.root(World).rows.rows.table  # type: ignore[attr-defined]


def same(found: Sequence[Any], expected: Sequence[Any]) -> bool:
    return list(map(repr, found)) == list(map(repr, expected))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [range(ROWS), range(0, ROWS, 3), range(940, 1_010), [1_999, 3, 51, 0, 1_000]])
def test_columns_of_many_row_groups_are_those_of_the_rows(session: Session, name: str, rows: Any) -> None:
    world = session.root(World)
    field = getattr(Row, name)
    expected = [getattr(row(i), name) for i in rows]
    found = session.scalars(select(field).select_from(world.rows)).all()
    assert same(found, [getattr(row(i), name) for i in range(ROWS)])
    chosen = session.execute(select(Row.id, field).select_from(world.rows).where(Row.id.in_(list(rows)))).all()  # type: ignore[attr-defined]
    assert same([value for _, value in sorted(chosen, key=lambda each: list(rows).index(each[0]))], expected)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "tags"])
def test_a_stretch_and_a_choice_of_rows_are_parts_of_the_whole(session: Session, name: str) -> None:
    table = table_of(session)
    blocks = [Block(list(leaf.children or ())) for leaf in leaves(table.tree)]
    assert max(len(block.parts) for block in blocks) > 8
    start = 0
    for block in blocks:
        expected = [getattr(row(start + i), name) for i in range(block.count)]
        chosen = np.array([block.count - 1, 0, 0, block.count // 2])
        for _ in range(2):  # unread, and with the column that the end of the loop reads
            assert same(block.some(table, (name,), chosen).tolist(), [expected[i] for i in chosen.tolist()])
            assert same(block.some(table, (name,), np.arange(60, 70)).tolist(), expected[60:70])
            assert same(block.column(table, (name,)).tolist(), expected)
        start += block.count


NUMBERS = [
    Numbers(np.array([1, 2], np.uint8)),
    Numbers(np.array([-1, 300], np.int16)),
    Numbers(np.array([1 << 40], np.uint64)),
    Numbers(np.array([7, 0], np.uint8), np.array([False, True])),
    Constant(None, 3),
    Constant(-5, 2),
    Constant(1 << 62, 2),
    Constant(1 << 70, 2),
    Coded(np.array([1, 0], np.uint8), [None, 12]),
    Objects([3, 1 << 80]),
]
FLOATS = [Numbers(np.array([0.5, -0.0])), Constant(float("nan"), 2), Constant(None, 1)]
BOOLS = [Numbers(np.array([True, False])), Constant(True, 2), Coded(np.array([0, 1], np.uint8), [None, False])]
DAYS = [Numbers(np.array([700_000, 700_001], np.uint32), None, DATE), Constant(date(2020, 1, 1), 2), Constant(None, 1)]


def text(*values: str) -> Texts:
    data = [value.encode() for value in values]
    ends = np.cumsum([len(each) for each in data])
    return Texts(memoryview(b"".join(data)), ends - [len(each) for each in data], ends, lambda part: str(part, "utf-8"))


TEXTS = [
    text("one", "", "three"),
    text("three", "é"),
    Coded(np.array([1, 0, 1], np.uint8), ["three", "two"]),
    Coded(np.array([1, 0, 1], np.uint8), ["two", None]),
    Coded(np.array([0] * 9, np.uint8), ["one"]),
    Constant("one", 4),
    Constant(None, 2),
]


@pytest.mark.parametrize(
    "vectors", [NUMBERS, FLOATS, BOOLS, DAYS, TEXTS, [*NUMBERS[:2], *FLOATS[:1]], [*BOOLS, *NUMBERS]]
)
def test_vectors_of_every_form_are_merged(vectors: list[Vector]) -> None:
    for first in vectors:
        for second in vectors:
            for parts in ([first, second], [second, first, second], [first, *vectors]):
                expected = [value for part in parts for value in part.tolist()]
                found = merged(parts)
                assert same(found.tolist(), expected) and len(found) == len(expected)
                places = np.arange(len(expected))[::-2]
                assert same(found.take(places).tolist(), expected[::-2])
                assert kept_bytes(found) == 0 or not isinstance(found, Objects)
                if isinstance(found, Texts):
                    assert found.equal(b"three").tolist() == [value == "three" for value in expected]


def test_numbers_stay_arrays_beside_constants_and_none() -> None:
    assert isinstance(merged(NUMBERS[:2]), Numbers) and isinstance(merged([NUMBERS[0], *NUMBERS[3:6]]), Numbers)
    assert isinstance(merged([Constant(3, 2), Constant(4, 2)]), Numbers)
    assert isinstance(merged(TEXTS[:3]), Texts) and isinstance(merged(TEXTS[2:6]), Coded)
    assert merged(TEXTS[4:6]).words == ["one"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("compression", ["lz4", "none"])
def test_columns_of_compressed_and_of_changed_row_groups(tmp_path: Path, compression: str) -> None:
    rows = [row(i) for i in range(400)]
    writing = tuned(group_rows=50, fanout=16).Session
    with writing(tmp_path / "world.par", compression=compression) as session:
        session.add(World(rows=rows, by={}))
        session.commit()
    with writing(tmp_path / "world.par", compression=compression) as session:
        world = session.root(World)
        for i in (3, 60, 61, 399):
            rows[i].small, rows[i].kind = 1 << 40, "changed"
            world.rows[i].small, world.rows[i].kind = 1 << 40, "changed"
        session.commit()
        for i in (60, 5):
            del rows[i], world.rows[i]
        session.commit()
    with Session.open(tmp_path / "world.par") as session:
        stored = session.root(World).rows
        for name in NAMES:
            found = session.scalars(select(getattr(Row, name)).select_from(stored)).all()
            assert same(found, [getattr(each, name) for each in rows])
        assert session.scalars(select(Row.id).select_from(stored).where(Row.small > 1 << 39)).all() == [3, 61, 399]
        assert session.scalars(select(Row.id).select_from(stored).where(Row.kind == "changed")).all() == [3, 61, 399]
        assert explain(select(stored).where(Row.small > 1 << 39)).groups_read <= 3


def test_slices_of_a_row_group_are_read_once(tmp_path: Path) -> None:
    count = 600
    path = tmp_path / "numbers.par"
    writing = tuned(group_rows=50, fanout=8, merged=100).Session
    expected = {i: i % 10 for i in range(count)}
    with writing(path) as session:
        session.add_all(Numbered(id=i, value=value) for i, value in expected.items())
        session.commit()
        for i in range(0, count, 4):
            session.get_one(Numbered, i).value = expected[i] = 1_000 + i
        session.commit()
    for held in (False, True):
        with Session(path) if held else Session.open(path) as session:
            if held:
                for i in (3, 4, 599):
                    session.get_one(Numbered, i).value = expected[i] = -i
            rows = session.execute(select(Numbered.id, Numbered.value)).all()
            assert [tuple(each) for each in rows] == list(expected.items())
            before = session.stats.chunks_read
            assert session.scalar(select(func.sum(Numbered.value))) == sum(expected.values())
            plan = session.explain(select(Numbered).where(Numbered.value < 0))
            assert plan.groups_read < plan.groups < 20 and plan.rows_in_memory == 3 * held
            large = session.scalars(select(Numbered).where(Numbered.value >= 1_500, Numbered.id > 30))
            assert [each.id for each in large] == [i for i, value in expected.items() if value >= 1_500]
            best = session.scalars(select(Numbered).order_by(desc(Numbered.value), Numbered.id).limit(4))
            assert [each.id for each in best] == [596, 592, 588, 584]
            assert session.stats.chunks_read - before < 40  # heads, the tree, row groups of which objects were made


@pytest.mark.parametrize("vector", [*NUMBERS, *FLOATS, *BOOLS, *DAYS, *TEXTS])
@pytest.mark.parametrize("value", [None, 3, 1 << 40, 1 << 70, 2.5, True, "three", "new", date(2020, 1, 1), [1]])
def test_held_values_stand_in_their_place(vector: Vector, value: Any) -> None:
    expected = list(vector.tolist())
    expected[-1] = expected[0] = value
    found = patched(vector, [len(expected) - 1, 0], [value, value])
    assert same(found.tolist(), expected)
    if isinstance(found, Coded):
        texts = [word for word in found.words if type(word) is str]
        assert len(set(texts)) == len(texts)


def test_dictionaries_with_the_same_words_are_read_once(path: Path) -> None:
    with Session.open(path) as session:
        rows = session.root(World).rows
        plan = explain(select(rows).where(Row.kind == "kind 3"))
        before = session.stats.bytes_read
        assert session.scalars(select(func.count()).select_from(rows).where(Row.kind == "kind 3")).one() == 300
        words = 5 * len("kind 3") * 30  # of each of the thirty row groups that have them
        assert session.stats.bytes_read - before < plan.bytes - words + 1_000


def test_row_groups_with_nan_are_left_out_by_their_numbers(tmp_path: Path) -> None:
    class Measured(Model):
        id: int = Key()
        value: float

    nan = float("nan")
    values = [nan if i % 7 == 0 or 100 <= i < 150 else i / 4 for i in range(400)]
    with tuned(group_rows=50).Session(tmp_path / "nan.par") as session:
        session.add_all(Measured(id=i, value=value) for i, value in enumerate(values))
        session.commit()
        statement = select(Measured.id).where(Measured.value > 90)
        assert session.scalars(statement).all() == [i for i, value in enumerate(values) if value > 90]
        plan = session.explain(statement)
        assert plan.groups == 8 and plan.groups_read == 2  # the last one, and that of nothing but NaN
        for order, expected in ((desc(Measured.value), [0, 7]), (asc(Measured.value), [1, 2])):
            assert session.scalars(select(Measured.id).order_by(order, Measured.id).limit(2)).all() == expected
        unequal = session.scalars(select(Measured.id).where(~(Measured.value <= 90))).all()
        assert unequal == [i for i, value in enumerate(values) if not value <= 90]


def test_few_rows_are_found_in_few_row_groups(path: Path) -> None:
    statement = select(Row.name).where(Row.id >= 1_000, Row.id < 1_010)
    with Session.open(path) as session:
        rows = session.root(World).rows
        explain(statement.select_from(rows))  # heads alone
        before = session.stats.bytes_read
        assert session.scalars(statement.select_from(rows)).all() == [f"row number {i}" for i in range(1_000, 1_010)]
        assert session.stats.bytes_read - before < 2_500
        first = session.stats.bytes_read
        assert len(session.scalars(statement.select_from(rows)).all()) == 10
        assert session.stats.bytes_read == first


def test_the_first_rows_and_the_best_ones_read_little(path: Path) -> None:
    with Session.open(path) as session:
        rows = session.root(World).rows
        before = session.stats.bytes_read
        assert session.scalars(select(rows).where(Row.flag)).first().id == 0  # type: ignore[union-attr]
        assert session.stats.bytes_read - before < 20_000  # the heads of a row group or a few
    with Session.open(path) as session:
        rows = session.root(World).rows
        explain(select(rows).where(Row.id > 0))
        before = session.stats.bytes_read
        best = session.scalars(select(Row.id).select_from(rows).order_by(desc(Row.id)).limit(3)).all()
        assert best == [1_999, 1_998, 1_997]
        assert session.stats.bytes_read - before < 1_000


def test_the_best_of_nothing(tmp_path: Path) -> None:
    best = select(Numbered).order_by(desc(Numbered.value)).limit(3)
    with Session(tmp_path / "numbers.par") as session:
        session.add(Numbered(id=1, value=1))
        session.commit()
        session.delete(session.get_one(Numbered, 1))
        assert session.scalars(best).all() == []
        session.commit()
        assert session.scalars(best).all() == []
        session.add(Numbered(id=2, value=2))
        assert [each.id for each in session.scalars(best)] == [2]


def test_what_is_kept_is_not_read_again(session: Session) -> None:
    world = session.root(World)
    for name in NAMES:
        assert len(session.scalars(select(getattr(Row, name)).select_from(world.rows)).all()) == ROWS
    read = session.stats.bytes_read
    assert session.scalar(select(func.sum(Row.id)).select_from(world.rows)) == sum(range(ROWS))
    assert session.stats.bytes_read == read


def test_what_is_kept_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "SUM_EVERY", 1)
    monkeypatch.setattr(cache, "LIMIT", 100_000)
    with Session.open(path) as session:
        rows = session.root(World).rows
        for name in NAMES * 3:
            assert len(session.scalars(select(getattr(Row, name)).select_from(rows)).all()) == ROWS
        kept = table_of(session).space.cache
        largest = max(each.size for each in kept.kept.values())
        assert kept.size() <= 100_000 + largest
        before = session.stats.bytes_read
        assert len(session.scalars(select(Row.name).select_from(rows)).all()) == ROWS
        assert session.stats.bytes_read > before


def test_small_caches_change_no_answer(path: Path) -> None:
    with small_caches(), Session.open(path) as session:
        rows = session.root(World).rows
        for _ in range(2):
            found = session.scalars(select(rows).where(Row.kind == "kind 3", Row.flag)).all()
            assert [each.id for each in found] == [i for i in range(1_500) if i % 5 == 3 and i % 3 == 0]


def test_objects_that_are_made_together_are_those_that_are_held(path: Path) -> None:
    for writing in (False, True):
        with Session(path) if writing else Session.open(path) as session:
            rows = session.root(World).rows
            held = [rows[3], rows[700], rows[1_999]]
            found = session.scalars(select(rows)).all()
            assert [each.id for each in found] == list(range(ROWS))
            assert all(any(each is other for other in found) for each in held)
            assert all(a is b for a, b in zip(found, session.scalars(select(rows)).all(), strict=True))
            before = session.stats.rows_read
            assert len(session.scalars(select(rows).where(Row.id < 500)).all()) == 500
            assert session.stats.rows_read == before


def test_results_open_no_row_group(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [i for i in range(ROWS) if i % 3 == 0]
    with Session.open(path) as session:
        rows, table = session.root(World).rows, table_of(session)
        held = rows[9]
        found = session.scalars(select(rows).where(Row.flag)).all()
        assert list(table.groups) == [table.tree.at(9)[0].offset] and found[3] is held
        assert [each.tags for each in found] == [[f"t{i % 3}"] for i in chosen]
        assert len(table.groups) == 1 and rows[666] is found[222] and len(table.groups) == 2
        monkeypatch.setattr(cache, "LIMIT", 0)
        again = session.scalars(select(rows).where(Row.flag)).all()  # the heads were forgotten meanwhile
        assert all(a is b for a, b in zip(found, again, strict=True))
        assert [each.name for each in again] == [row(i).name for i in chosen]


@pytest.mark.parametrize("compression", ["lz4", None])
def test_compressed_row_groups_are_opened_for_results(tmp_path: Path, compression: str | None) -> None:
    path = tmp_path / "world.par"
    with tuned(group_rows=50).Session(path, compression=compression) as session:
        session.add(World(rows=[row(i) for i in range(300)], by={}))
        session.commit()
    with Session.open(path) as session:
        found = session.scalars(select(session.root(World).rows).where(Row.flag)).all()
        assert len(table_of(session).groups) == (0 if compression is None else 6)
        assert [each.id for each in found] == list(range(0, 300, 3))


def test_threads_are_given_the_same_objects(path: Path) -> None:
    with Session.open(path) as session:
        rows = session.root(World).rows
        found: list[list[Row]] = []
        threads = [Thread(target=lambda: found.append(session.scalars(select(rows)).all())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        first, *others = found
        assert len(others) == 3 and all(a is b for other in others for a, b in zip(first, other, strict=True))


def test_changed_rows_stand_in_their_place(path: Path) -> None:
    with Session(path) as session:
        world = session.root(World)
        assert session.scalar(select(func.sum(Row.id)).select_from(world.rows)) == sum(range(ROWS))
        world.rows[700].id = 5_000
        world.rows[701].kind = "new"
        world.by["k7"].maybe = None
        found = session.execute(select(func.key(), Row.id).select_from(world.rows).where(Row.id >= 690)).all()
        assert found[:14] == [(i, 5_000 if i == 700 else i) for i in range(690, 704)]
        kinds = session.execute(select(Row.kind, func.count()).select_from(world.rows).group_by(Row.kind)).all()
        assert dict(kinds) == {**{f"kind {i}": 300 - (i == 1) for i in range(5)}, "other": 500, "new": 1}
        assert session.scalars(select(func.key()).select_from(world.by).where(Row.maybe == None)).all() == [  # noqa: E711
            f"k{i}" for i in range(300) if i % 11 == 0 or i == 7
        ]
        best = session.scalars(select(world.rows).order_by(desc(Row.id)).limit(2)).all()
        assert [each.id for each in best] == [5_000, 1_999]


@pytest.mark.parametrize("by", [(), (Row.kind,), (Row.small,), (Row.day.year, Row.flag)])  # type: ignore[attr-defined]
def test_sums_of_large_ints_are_exact(session: Session, by: Any) -> None:
    rows = session.root(World).rows
    aggregates = [
        func.sum(Row.large),
        func.avg(Row.large),
        func.count(Row.maybe),
        func.sum(Row.small),
        func.sum(Row.flag),
    ]
    found = session.execute(select(*by, *aggregates).select_from(rows).group_by(*by)).all()
    groups: dict[Any, list[Row]] = {}
    for i in range(ROWS):
        each = row(i)
        keys = {
            0: (),
            1: (each.kind if by and str(by[0]) == "Row.kind" else each.small,),
            2: (each.day.year, each.flag),
        }
        groups.setdefault(keys[len(by)], []).append(each)
    assert [tuple(each)[: len(by)] for each in found] == list(groups)
    for each, group in zip(found, groups.values(), strict=True):
        large = sum(one.large for one in group)
        counted = sum(one.maybe is not None for one in group)
        flags, small = sum(one.flag for one in group), sum(one.small for one in group)
        assert tuple(each)[len(by) :] == (large, large / len(group), counted, small, flags)


def test_large_sums_of_several_blocks_do_not_overflow(tmp_path: Path) -> None:
    with tuned(group_rows=8, fanout=4).Session(tmp_path / "big.par") as session:
        session.add_all(Numbered(id=i, value=(1 << 58) + i) for i in range(200))
        session.commit()
        assert session.scalar(select(func.sum(Numbered.value))) == 200 * (1 << 58) + sum(range(200))
        assert session.scalar(select(func.sum(Numbered.value)).where(Numbered.id >= 9)) == 191 * (1 << 58) + sum(
            range(9, 200)
        )


def test_files_that_are_cut_or_damaged_after_opening(tmp_path: Path) -> None:
    path = tmp_path / "world.par"
    with tuned(group_rows=50).Session(path) as session:
        session.add(World(rows=[row(i) for i in range(ROWS)], by={}))
        session.commit()
    data = path.read_bytes()
    place = data.index(b"\x03\x04\x05\x06\x07\x08\x09")  # ids of the first row group
    path.write_bytes(data[:place] + b"!" + data[place + 1 :])
    for mapped in (False, True):
        with Session.open(path) as session:
            rows = session.root(World).rows
            if mapped:
                assert rows[1_900].small == row(1_900).small
            with pytest.raises(CorruptionError):
                session.scalar(select(func.sum(Row.id)).select_from(rows))
            assert session.scalar(select(func.sum(Row.small)).select_from(rows)) == sum(
                row(i).small for i in range(ROWS)
            )
    path.write_bytes(data)
    plain = parcode_orm.loads(data, World)
    assert len(plain.rows) == ROWS
    with Session.open(io.BytesIO(data)) as session:  # no file to read from
        rows = session.root(World).rows
        assert session.scalar(select(func.sum(Row.id)).select_from(rows)) == sum(range(ROWS))


def test_a_damaged_column_is_found(tmp_path: Path) -> None:
    path = tmp_path / "world.par"
    save(path, World(rows=[row(i) for i in range(300)], by={}))
    data = path.read_bytes()
    place = data.index(b"kind 3")
    path.write_bytes(data[:place] + b"kinD" + data[place + 4 :])
    with Session.open(path) as session:
        rows = session.root(World).rows
        with pytest.raises(CorruptionError):
            session.scalars(select(rows).where(Row.kind == "kind 3")).all()
        assert session.scalar(select(func.sum(Row.id)).select_from(rows)) == sum(range(300))


@pytest.mark.parametrize("part", ["t1", "t9", "", None, 3])
def test_what_lists_contain_is_compared_as_a_column(
    session: Session, part: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each list was made, and Python looked into it: a microsecond a row."""

    def refused(*args: Any) -> Any:
        raise AssertionError(args)

    monkeypatch.setitem(FUNCTIONS, "contains", refused)
    condition = col(Row.tags).contains(part)
    found = session.scalars(select(Row.id).select_from(session.root(World).rows).where(condition)).all()
    assert found == [i for i in range(ROWS) if part in row(i).tags]
    found = session.scalars(select(Row.id).select_from(session.root(World).rows).where(~condition)).all()
    assert found == [i for i in range(ROWS) if part not in row(i).tags]


def test_groups_of_many_blocks_are_one_each(session: Session) -> None:
    """What a block's words say of its groups is kept: the next query, of other values, has the same groups."""
    rows = [row(i) for i in range(ROWS)]
    for _ in range(2):
        for field, of in ((Row.small, func.sum), (Row.large, func.max), (Row.id, func.count)):
            asked = select(Row.kind, of(field)).select_from(session.root(World).rows).group_by(Row.kind)
            plain = select(Row.kind, of(field)).select_from(rows).group_by(Row.kind)
            assert session.execute(asked).all() == session.execute(plain).all()


@pytest.mark.parametrize("count", [1, 3, 20, 400])
@pytest.mark.parametrize("name", ["kind", "small", "score", "maybe", "lag", "day"])
def test_the_first_rows_in_an_order_are_divided_from_the_others(
    session: Session, name: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words of a dictionary were all sorted, with their rows, for the first ten of 10^6."""
    sorted_rows = 0
    real = ordered.order

    def counted(keys: Any, ties: Any) -> Any:
        nonlocal sorted_rows
        sorted_rows = max(sorted_rows, len(ties))
        return real(keys, ties)

    monkeypatch.setattr(ordered, "order", counted)
    rows = [row(i) for i in range(ROWS)]
    field = getattr(Row, name)
    for key in (field, field.desc(), field.asc().nulls_last(), field.desc().nulls_first()):
        asked = select(Row.id).select_from(session.root(World).rows).order_by(key, desc(Row.id)).limit(count)
        plain = select(Row.id).select_from(rows).order_by(key, desc(Row.id))
        assert session.scalars(asked).all() == session.scalars(plain).all()[:count]
    sorted_rows = 0
    session.scalars(select(Row.id).select_from(session.root(World).rows).order_by(desc(Row.kind)).limit(count)).all()
    assert sorted_rows <= 500 + 5 * count  # the last kind is that of 500 rows


@given(st.lists(st.none() | st.sampled_from([*range(6), float("nan"), 2.5, -1]), min_size=1), st.data())
def test_first_places_are_those_of_a_sort(values: list[Any], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(values)))
    ordering = Ordering(Row.score, descending=data.draw(st.booleans()), first=data.draw(st.booleans()))
    numbers = Numbers(
        np.array([0.0 if each is None else each for each in values], float), np.array([each is None for each in values])
    )
    for vector in (numbers, Coded(np.arange(len(values)), values)):
        found = first_places_of(vector, ordering, count)
        whole = order([(vector, ordering)], np.arange(len(values)))
        assert set(whole[:count].tolist()) <= set(found.tolist())
        assert found.tolist() == sorted(found.tolist())
        assert len(found) <= count + sum(
            repr(values[each]) == repr(values[whole[count - 1]]) for each in range(len(values))
        )
    assert first_places_of(Objects(values), ordering, count) is None


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.data())
def test_rows_are_given_by_part_in_any_order(lengths: list[int], data: st.DataObject) -> None:
    every = [(part, 100 * part + row) for part, length in enumerate(lengths) for row in range(length)]
    rows = data.draw(st.lists(st.integers(0, len(every) - 1)))
    ends = np.cumsum(lengths)
    before = ends - lengths - 100 * np.arange(len(lengths))
    found, order = by_part(np.array(rows, np.int64), ends, before)
    flat = [(part, row) for part, within in found for row in within]
    places = range(len(rows)) if order is None else order.tolist()
    assert dict(zip(places, flat, strict=True)) == dict(enumerate(every[row] for row in rows))
    assert len({part for part, _ in found}) == len(found)


def test_a_row_beyond_a_block_is_an_error() -> None:
    with pytest.raises(IndexError, match="beyond the 5"):
        by_part(np.array([5]), np.array([2, 5]), np.array([0, 0]))
