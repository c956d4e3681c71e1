"""Datasets: rows in many parts read as one sequence, however divided. A commit shows all of its parts or none.

The first story that these tests tell: a worker died while it wrote. Nothing of it may be seen, the other rows stay,
and `clean` removes its files.
"""

from __future__ import annotations

import datetime as dt
import enum
import json
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import parcode_orm
from parcode_orm import (
    ClosedError,
    CorruptionError,
    Dataset,
    FileMissingError,
    Index,
    InputError,
    IntegrityError,
    Key,
    MissingExtraError,
    Model,
    QueryError,
    SchemaMismatchError,
    Session,
    StorageError,
    UnsupportedTypeError,
    UnsupportedVersion,
    aliased,
    delete,
    func,
    select,
    update,
)
from parcode_orm.interop.dataset import DatasetWriter, collection, duplicates, writing
from parcode_orm.interop.dataset.duplicates import may_share
from parcode_orm.interop.dataset.layout import list_class
from parcode_orm.interop.dataset.manifest import Part, load
from parcode_orm.interop.dataset.parts import PartReader
from parcode_orm.interop.dataset.places import place_of
from parcode_orm.interop.dataset.rows import may_have
from parcode_orm.lazy.proxy import is_lazy
from parcode_orm.tuning import TUNING

pytestmark = pytest.mark.once


class Hue(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Player(Model):
    id: int = Key()
    name: str
    guild: str
    level: int | None = Index(default=None)
    hue: Hue = Hue.RED
    joined: dt.date = dt.date(2024, 1, 1)


class Guild(Model):
    name: str = Key()


class Point(Model):
    x: int
    label: str = ""


def players(count: int, start: int = 0) -> Iterator[Player]:
    for n in range(start, start + count):
        level = None if n % 11 == 0 else n % 17
        yield Player(id=n, name=f"n{n}", guild="abc"[n % 3], level=level, hue=list(Hue)[n % 2])


def ids(rows: Any) -> list[int]:
    return sorted(row.id for row in rows)


DIVISIONS: list[dict[str, Any]] = [
    {},
    {"partition_by": "guild"},
    {"partition_by": ["hue", "joined"]},
    {"shards": 3},
    {"partition_by": "guild", "shards": 2},
]
WHERE = [
    (lambda: Player.level > 8, lambda p: p.level is not None and p.level > 8),
    (lambda: Player.guild == "b", lambda p: p.guild == "b"),
    (lambda: Player.guild.in_(["a", "x"]) & (Player.id < 40), lambda p: p.guild == "a" and p.id < 40),
    (lambda: (Player.hue == Hue.BLUE) | (Player.id == 7), lambda p: p.hue is Hue.BLUE or p.id == 7),
    (lambda: Player.id == 21, lambda p: p.id == 21),
    (lambda: Player.joined < dt.date(2024, 1, 1), lambda p: False),
]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(0, 90), division=st.sampled_from(DIVISIONS), size=st.integers(1, 50), where=st.sampled_from(WHERE)
)
def test_a_dataset_answers_as_a_list_does(
    tmp_path: Path, count: int, division: dict[str, Any], size: int, where: Any
) -> None:
    plain = list(players(count))
    data = Dataset.write(tmp_path / "d", iter(plain), Player, rows_per_file=size, replace=True, **division)
    assert len(data) == count and ids(data) == [p.id for p in plain]
    assert all(part.rows <= size for part in data.manifest.parts)
    assert data[:] == list(data) and data[1:-1] == list(data)[1:-1]
    condition, holds = where
    kept = [p for p in plain if holds(p)]
    assert ids(data.scalars(select(Player).where(condition()))) == [p.id for p in kept]
    best = data.scalars(select(Player.id).where(condition()).order_by(Player.id.desc()).offset(1).limit(3))
    assert best.all() == [p.id for p in reversed(kept)][1:4]
    f = func
    level = Player.level
    statement = select(Player.guild, f.count(), f.count(level), f.sum(level), f.min(level), f.max(level), f.avg(level))
    found = data.execute(statement.where(condition()).group_by(Player.guild).order_by(Player.guild)).all()
    expected = []
    for guild in sorted({p.guild for p in kept}):
        levels = [p.level for p in kept if p.guild == guild and p.level is not None]
        low, high = (min(levels), max(levels)) if levels else (None, None)
        mean = sum(levels) / len(levels) if levels else None
        rows = sum(p.guild == guild for p in kept)
        expected.append((guild, rows, len(levels), sum(levels), low, high, mean))
    assert [tuple(row) for row in found] == expected
    assert all(data.get(p.id) == p for p in plain[::7]) and data.get(-1) is None
    data.close()


def opened(data: Any) -> set[str]:
    return set(data._sessions)


def test_a_lookup_opens_the_one_file_of_its_shard(tmp_path: Path) -> None:
    with Dataset.write(tmp_path / "d", players(200), shards=8) as data:
        assert len(data.manifest.parts) == 8
        found = data.get(150)
        assert found is not None and found.name == "n150"
        assert len(opened(data)) == 1
        assert data.scalars(select(Player).where(Player.id == 150)).one() is found
        assert len(opened(data)) == 1


def test_many_parts_are_read_with_few_of_them_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "OPEN", 2)
    with Dataset.write(tmp_path / "d", players(60), rows_per_file=10) as data:
        every = list(data)
        assert [player.name for player in every] == [player.name for player in players(60)]
        assert len(opened(data)) == 2 and data[0] == every[0]
    assert every[-1].guild == "c"  # read after the dataset was closed


def test_conditions_choose_parts_by_partitions_and_bounds_of_keys(tmp_path: Path) -> None:
    with Dataset.write(tmp_path / "d", players(90), partition_by="guild", rows_per_file=10) as data:
        assert data.scalars(select(Player).where(Player.guild == "c", Player.id < 20)).count() == 6
        assert len(opened(data)) == 1 == len(data.parts(Player.guild == "c", Player.id < 20))
        assert len(data.parts(Player.guild != "c")) == 6 and len(data.parts(Player.name == "n1")) == 9
        part = next(each for each in data.manifest.parts if each.low == 0)
        assert [may_have(part, data.manifest, 27, op) for op in ("==", "<", "<=", ">", ">=")] == [True] * 3 + [
            False,
            True,
        ]


def test_rows_without_a_key_are_a_list_with_positions(tmp_path: Path) -> None:
    with Dataset.write(tmp_path / "d", (Point(x=n, label=str(n % 2)) for n in range(50)), rows_per_file=20) as data:
        assert [data[0].x, data[-1].x, [p.x for p in data[18:22]], [p.x for p in data[::25]]] == [
            0, 49, [18, 19, 20, 21], [0, 25],
        ]  # fmt: skip
        assert data.execute(data.select(func.key(), Point.x).where(Point.x > 47)).all() == [(48, 48), (49, 49)]
        assert data.execute(data.select(Point.label, func.count()).group_by(Point.label)).all() == [
            ("0", 25),
            ("1", 25),
        ]
        with pytest.raises(IndexError, match="50 of 50 rows"):
            data[50]
        with pytest.raises(TypeError, match="no Key"):
            data.get(1)
    divided = Dataset.write(tmp_path / "e", (Point(x=n, label=str(n % 2)) for n in range(50)), partition_by="label")
    assert divided.execute(divided.select(func.key()).where(Point.label == "1", Point.x < 4)).all() == [(25,), (26,)]


def test_columns_go_as_one_stream_of_arrow(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    data = Dataset.write(tmp_path / "d", players(60), rows_per_file=25)
    table = data.arrow(["level", "id"]).read_all()
    assert table.column_names == ["level", "id"] and table["id"].to_pylist() == list(range(60))
    chosen = data.scalars(select(Player).where(Player.id >= 58)).arrow(["name"])
    assert chosen.read_all()["name"].to_pylist() == ["n58", "n59"]


def test_appended_parts_are_seen_after_a_refresh(tmp_path: Path) -> None:
    data = Dataset.write(tmp_path / "d", players(10), shards=2)
    other = parcode_orm.dataset(tmp_path / "d", Player)
    data.append(players(5, start=10))
    assert len(data) == 15 and data.get(12) is not None
    assert len(other) == 10 and other.get(12) is None
    other.refresh()
    assert len(other) == 15 and other.get(12) is not None and other.manifest.sequence == 2


def test_rows_that_several_append_at_once_are_all_there(tmp_path: Path) -> None:
    Dataset.write(tmp_path / "d", [], Player)
    writers = [
        Thread(target=lambda start: Dataset(tmp_path / "d", Player).append(players(5, start)), args=(start,))
        for start in range(0, 40, 5)
    ]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    data = parcode_orm.dataset(tmp_path / "d", Player)
    assert ids(data) == list(range(40)) and data.manifest.sequence == 9


def test_what_a_killed_writer_left_is_not_seen_and_is_cleaned(tmp_path: Path) -> None:
    data = Dataset.write(tmp_path / "d", players(10))
    writer = pickle.loads(pickle.dumps(data.writer()))
    writer.write(players(10, start=10))  # and then it is killed
    (tmp_path / "d" / "part-0.par.tmp").write_bytes(b"half a file")
    second = writer.write(players(10, start=20))
    data.refresh()
    assert len(data) == 10
    writer.commit([second])
    data.refresh()
    assert ids(data) == [*range(10), *range(20, 30)]
    assert data.clean() == []  # they may be parts that a worker is writing
    assert len(data.clean(older_than=0)) == 2
    assert ids(parcode_orm.dataset(tmp_path / "d", Player)) == [*range(10), *range(20, 30)]


def test_a_write_that_fails_leaves_no_file(tmp_path: Path) -> None:
    def broken() -> Iterator[Any]:
        yield from players(5)
        yield Point(x=1)

    for division in DIVISIONS:
        with pytest.raises(InputError, match=r"row 6 is .*Point"):
            Dataset.write(tmp_path / "d", broken(), rows_per_file=2, **division)
        assert os.listdir(tmp_path / "d") == []
    with pytest.raises(IntegrityError):
        Dataset.write(tmp_path / "d", [*players(3), *players(1)])
    assert os.listdir(tmp_path / "d") == []


def test_many_objects_are_spilled_while_they_wait_for_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "IN_MEMORY", 20)
    data = Dataset.write(tmp_path / "d", players(200), partition_by="guild", shards=2, rows_per_file=15)
    assert ids(data) == list(range(200))
    assert [part.rows for part in data.manifest.parts if part.values["guild"] == "a"].count(15) == 4
    assert not any("spill" in name for name in os.listdir(tmp_path / "d"))


def test_objects_stay_those_of_the_caller_and_lazy_ones_are_copied(tmp_path: Path) -> None:
    mine = list(players(3))
    Dataset.write(tmp_path / "d", mine)
    mine[0].name = "changed"
    assert parcode_orm.dataset(tmp_path / "d", Player)[0].name == "n0"
    few = list(players(TUNING.group_rows))  # so many of them fit into one row group
    Dataset.write(tmp_path / "d", few, replace=True)
    assert not any(map(is_lazy, few))
    with Session(tmp_path / "s.par") as session:
        session.add_all(players(5))
        session.commit()
        data = Dataset.write(tmp_path / "e", session.scalars(select(Player)))
        assert ids(data) == list(range(5)) and session.get(Player, 1) is not data.get(1)
    again = Dataset.write(tmp_path / "f", data, shards=2)
    assert ids(again) == list(range(5))


def test_a_dataset_is_read_without_its_class(tmp_path: Path) -> None:
    Dataset.write(tmp_path / "d", players(4))
    Dataset.write(tmp_path / "p", [Point(x=3)])
    found: Any = parcode_orm.dataset(tmp_path / "d")
    assert found.model is not Player and found.get(2).name == "n2"
    assert parcode_orm.dataset(tmp_path / "p")[0].x == 3  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(Dataset(tmp_path / "d", Player))).get(2).name == "n2"


def test_a_worker_reads_a_part_by_what_it_was_sent(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    data = Dataset.write(tmp_path / "d", players(40), rows_per_file=15)
    sent = PartReader.of(data._place, Player, data.manifest, [Player.level > 8, Player.hue == Hue.BLUE])
    reader = pickle.loads(pickle.dumps(sent))
    kept = [p for p in players(40) if p.level is not None and p.level > 8 and p.hue is Hue.BLUE]
    assert [obj for part in data.manifest.parts for obj in reader.objects(part)] == kept
    frames = [reader.frame(part, ["hue", "level"]) for part in data.manifest.parts]
    assert [value for each in frames for value in each["level"]] == [p.level for p in kept]
    assert {str(each["hue"].dtype) for each in frames} == {"string[pyarrow]"}
    rows = [each for part in data.manifest.parts for each in reader.tables(part, ["id"])]
    assert [n for each in rows for n in each["id"].to_pylist()] == [p.id for p in kept]
    none = PartReader.of(data._place, Player, data.manifest, [Player.level > 99])
    assert [each.num_rows for each in none.tables(data.manifest.parts[0], ["id"])] == [0]


@pytest.mark.parametrize(("extra", "call"), [("dask", "to_dask"), ("dask", "to_dask_bag"), ("ray", "to_ray")])
def test_a_cluster_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: str, call: str
) -> None:
    pytest.importorskip("pyarrow")
    for name in ("dask", "dask.bag", "dask.dataframe", "ray", "ray.data"):
        monkeypatch.setitem(sys.modules, name, None)
    data = Dataset.write(tmp_path / "d", players(2))
    with pytest.raises(MissingExtraError, match=rf"{call}\(\) needs {extra}: .* pip install 'parcode-orm\[{extra}\]'"):
        getattr(data, call)()


def test_what_is_wrong_with_a_dataset_has_its_error(tmp_path: Path) -> None:
    path = tmp_path / "d"
    data = Dataset.write(path, players(30), rows_per_file=10)
    first, second, _ = [path / part.file for part in data.manifest.parts]
    first.unlink()
    with pytest.raises(FileMissingError, match="10 rows is missing"):
        list(parcode_orm.dataset(path, Player))
    with Session(first) as session:
        session.add(list_class(Point)(rows=[Point(x=1)]))
        session.commit()
    with pytest.raises(SchemaMismatchError, match="another file took its place"):
        parcode_orm.dataset(path, Player)[0]
    assert parcode_orm.dataset(path, Player)[10].id == 10 and second.exists()

    manifest = path / "manifest.json"
    whole = json.loads(manifest.read_text())
    for damaged in ("", "[]", '{"parts": 3}', json.dumps(whole)[:-9], json.dumps(whole).replace("part-", "../part-")):
        manifest.write_text(damaged)
        with pytest.raises(CorruptionError, match="manifest"):
            load(place_of(path))
    manifest.write_text(json.dumps({**whole, "parcode_dataset": 2}))
    with pytest.raises(UnsupportedVersion, match="version 2 of the manifest"):
        load(place_of(path))
    with pytest.raises(FileMissingError, match="no dataset"):
        parcode_orm.dataset(tmp_path, Player)


def test_what_cannot_be_asked_or_written_is_refused(tmp_path: Path) -> None:
    data = Dataset.write(tmp_path / "d", players(3))
    with pytest.raises(StorageError, match="there is a dataset"):
        Dataset.write(tmp_path / "d", players(3))
    with pytest.raises(QueryError, match="rows of Player, and the statement asks"):
        data.scalars(select([Point(x=1)]))
    with pytest.raises(UnsupportedTypeError, match="no field 'town'"):
        Dataset.write(tmp_path / "e", players(3), partition_by="town")
    with pytest.raises(UnsupportedTypeError, match="no Key"):
        Dataset.write(tmp_path / "e", [Point(x=1)], shards=2)
    with pytest.raises(ValueError, match="rows_per_file is 1 or more"):
        DatasetWriter(tmp_path / "e", Player, rows_per_file=0)
    with pytest.raises(StorageError, match="same division"):
        writer = DatasetWriter(tmp_path / "d", Player, shards=3)
        writer.commit([writer.write(players(2))])

    class Other(Model):
        id: int = Key()
        name: bytes

    with pytest.raises(SchemaMismatchError, match="became"):
        writer = DatasetWriter(tmp_path / "d", Other)
        writer.commit([writer.write([Other(id=1, name=b"")])])
    data.close()
    with pytest.raises(ClosedError, match="was closed"):
        list(data)


class Tagged(Model):
    name: str = Key()
    at: int = Key()


def test_a_key_that_another_part_has_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that came twice, in two parts, was stored, and `get` found the older row."""
    for number, division in enumerate([{}, {"shards": 2}, {"partition_by": "guild"}]):
        folder = tmp_path / str(number)
        data = Dataset.write(folder, players(60), rows_per_file=7, **division)
        before, files = data.manifest, sorted(os.listdir(folder))
        for probed in (duplicates.PROBED, 0):  # the first compares hashes, the second looks each key up
            monkeypatch.setattr(duplicates, "PROBED", probed)
            again = Player(id=33, name="again", guild="c")
            with pytest.raises(IntegrityError, match="two Player would have the key 33"):
                data.append([Player(id=-1, name="", guild="a"), again])
        assert load(place_of(folder)) == before and sorted(os.listdir(folder)) == files
        data.append(players(10, 60))
        assert ids(data) == list(range(70))
        with pytest.raises(IntegrityError, match="5"):  # within one call
            Dataset.write(folder, [*players(9), *players(1, 5)], rows_per_file=4, replace=True, **division)
        assert ids(Dataset(folder, Player)) == list(range(70))
        Dataset.write(folder, players(3), replace=True, **division)  # the others go


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), unique=True),
    second=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), unique=True),
    shards=st.integers(0, 2),
    size=st.integers(1, 4),
)
def test_keys_are_compared_as_python_compares_them(
    tmp_path: Path, first: list[tuple[str, int]], second: list[tuple[str, int]], shards: int, size: int
) -> None:
    def rows(keys: list[tuple[str, int]]) -> list[Tagged]:
        return [Tagged(name=name, at=at) for name, at in keys]

    data = Dataset.write(tmp_path / "d", rows(first), Tagged, shards=shards, rows_per_file=size, replace=True)
    if set(first) & set(second):
        with pytest.raises(IntegrityError):
            data.append(rows(second))
        second = []
    else:
        data.append(rows(second))
    assert sorted((row.name, row.at) for row in data) == sorted([*first, *second])


def test_bounds_and_shards_say_that_parts_share_no_key() -> None:
    def part(low: Any, high: Any, shard: int | None = None, rows: int = 9) -> Part:
        return Part("part-a.par", rows, 1, shard, low, high)

    assert may_share(part(1, 5), part(5, 9)) and may_share(part(None, None), part(1, 2))
    assert not may_share(part(1, 5), part(6, 9)) and not may_share(part(1, 5), part("a", "z"))
    assert not may_share(part(1, 5, 0), part(1, 5, 1)) and not may_share(part(1, 5), part(None, None, None, 0))


def test_joins_inner_statements_and_plans_are_of_the_whole_dataset(tmp_path: Path) -> None:
    plain = list(players(60))
    data = Dataset.write(tmp_path / "d", players(60), rows_per_file=7, partition_by="guild")
    guilds = Dataset.write(tmp_path / "g", [Guild(name=name) for name in "ab"])
    other = aliased(Player)
    pairs = select(Player.id, other.id).join(other, Player.id == other.level).where(Player.guild == "a")
    wanted = sorted((a.id, b.id) for a in plain for b in plain if a.id == b.level and a.guild == "a")
    assert sorted(map(tuple, data.execute(pairs).all())) == wanted
    named = select(Player.id, Guild.name).join(list(guilds), Player.guild == Guild.name)
    assert len(data.execute(named).all()) == sum(p.guild in "ab" for p in plain)
    assert data.scalars(select(Player).where(Player.guild.in_(guilds.select(Guild.name)))).count() == 40
    levels = [p.level for p in plain if p.level is not None]
    above = select(Player).where(Player.level > select(func.avg(Player.level)).scalar_subquery())
    assert data.scalars(above).count() == sum(level > sum(levels) / len(levels) for level in levels)
    both = select(Player.id).where(Player.id < 3).union(select(Player.id).where(Player.id > 57))
    assert data.scalars(both).all() == [0, 1, 2, 58, 59]
    plan = data.explain(select(Player.id).where(Player.level > 15, Player.guild == "a"))
    assert plan.rows == 20 and plan.groups == 3 and "filter" in str(plan)
    with pytest.raises(QueryError, match=r"asks Guild: take these from where they are, as other.select"):
        data.execute(select(Player.id, Guild.name).join(Guild, Player.guild == Guild.name)).all()
    for change in (update(Player).values(name="x"), delete(Player)):
        with pytest.raises(QueryError, match="parts of a dataset never change"):
            data.execute(change)  # type: ignore[arg-type]
