"""Rows as a `pyarrow.dataset.Dataset`, which DuckDB, Polars and pyarrow ask for the columns and rows that they need."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as datasets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from parcode_orm import (
    Chunk,
    ClosedError,
    Dataset,
    Key,
    MissingExtraError,
    Model,
    QueryError,
    Session,
    SessionError,
    ShardedMap,
    select,
)
from parcode_orm.interop.arrow import from_arrow, whole
from parcode_orm.interop.arrow.dataset import ArrowDataset

duckdb = pytest.importorskip("duckdb")
polars = pytest.importorskip("polars")
pytestmark = pytest.mark.once


class Place(BaseModel):
    x: int
    label: str | None = None


class Hero(Model):
    id: int = Key()
    name: str
    guild: str
    level: int
    score: float | None
    title: str | None = None
    place: Place = Place(x=0)
    tags: list[str] = []
    rate: float = 0.0


class Game(Model):
    heroes: dict[str, Hero] = ShardedMap()
    names: list[str] = Chunk()


COUNT = 6000


def hero(n: int) -> Hero:
    return Hero(
        id=n,
        name=f"Hero {n}",
        guild=f"g{n % 7}",
        level=n % 99,
        score=None if n % 5 == 0 else n / 3,
        title=None if n % 3 else f"t{n % 4}",
        place=Place(x=n % 9, label=None if n % 2 else f"l{n % 3}"),
        tags=[f"a{n % 3}"] * (n % 3),
        rate=n / 7,
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("dataset") / "heroes.par"
    with Session(found) as session:
        session.add_all(map(hero, range(COUNT)))
        session.add(Game(heroes={f"p{n}": hero(n) for n in range(50)}, names=[f"n{n}" for n in range(50)]))
        session.commit()
    return found


@pytest.fixture
def session(path: Path) -> Iterator[Session]:
    with Session.open(path) as opened:
        yield opened


QUERIES = [
    "select guild, avg(level) from heroes group by 1 order by 1",
    "select count(*) from heroes",
    "select count(*) from heroes where guild = 'g3'",
    "select name from heroes where level > 90 and guild in ('g3', 'g4') order by 1",
    "select * from heroes where id = 7",
    "select count(*) from heroes where name like 'Hero 99%' and title is null",
    "select max(level) from heroes where title is not null and (level < 3 or level > 96)",
    "select a.id, b.name from heroes a join heroes b on a.id = b.id where a.level = 5 order by 1",
    "select id from heroes order by score desc nulls last, id limit 3",
    "select title, count(*) from heroes where title >= 't1' group by 1 order by 1",
    "select id from heroes where place.x = 3 and place.label = 'l1' order by 1 limit 5",
    "select unnest(tags), count(*) from heroes group by 1 order by 1",
    "select sum(score) from heroes where score is null or score < 12",
]


@pytest.mark.parametrize("query", QUERIES)
def test_duckdb_finds_what_it_finds_in_a_table(session: Session, query: str) -> None:
    heroes: Any = session.scalars(select(Hero)).arrow_dataset()
    found = duckdb.sql(query).fetchall()
    heroes = pa.table(session.scalars(select(Hero)))
    assert found == duckdb.sql(query).fetchall() and heroes is not None


def test_duckdb_reads_the_columns_that_a_query_names(path: Path) -> None:
    """By the name of a variable, DuckDB took all columns of rows, and dropped most of them."""
    with Session.open(path) as session:
        heroes = session.scalars(select(Hero)).arrow_dataset()
        before = session.stats.bytes_read  # some of the first texts, whose types were looked at
        assert len(duckdb.sql("select avg(level) from heroes").fetchall()) == 1 and heroes is not None
        assert session.stats.bytes_read - before < path.stat().st_size / 10


LEAVES = st.one_of(
    st.tuples(st.sampled_from(["level", "id", "score"]), st.sampled_from("< <= > >= = <>".split()), st.integers(0, 99)),
    st.tuples(st.sampled_from(["guild", "title", "name"]), st.sampled_from("< > = <>".split()), st.sampled_from("gt")),
    st.tuples(st.just("guild"), st.sampled_from(["=", "<>", "<"]), st.sampled_from(["g1", "g6", "x"])),
    st.tuples(st.sampled_from(["title", "score"]), st.just("is"), st.sampled_from([None])),
).map(lambda leaf: f"{leaf[0]} {leaf[1]} {'null' if leaf[2] is None else repr(leaf[2])}")
CONDITIONS = st.recursive(
    LEAVES,
    lambda each: st.one_of(
        st.tuples(each, each).map(" and ".join),
        st.tuples(each, each).map(lambda pair: f"({pair[0]} or {pair[1]})"),
        each.map(lambda one: f"not ({one})"),
    ),
    max_leaves=4,
)


@settings(max_examples=25)
@given(condition=CONDITIONS)
def test_conditions_of_duckdb_choose_the_same_rows(condition: str, path: Path) -> None:
    with Session.open(path) as session:
        rows = session.scalars(select(Hero))
        heroes: Any = rows.arrow_dataset()
        query = f"select id from heroes where {condition} order by id"
        found = duckdb.sql(query).fetchall()
        heroes = pa.table(rows)
        assert found == duckdb.sql(query).fetchall() and heroes is not None


def test_pyarrow_asks_by_its_own_methods(session: Session) -> None:
    rows = session.scalars(select(Hero))
    heroes, plain = rows.arrow_dataset(), datasets.dataset(pa.table(rows))
    assert isinstance(heroes, datasets.Dataset) and heroes.schema.names == plain.schema.names
    high, nested = pc.field("level") > 95, pc.field("place", "x") == 7
    assert heroes.to_table().to_pylist() == plain.to_table().to_pylist()
    for asked in (
        {"columns": ["id", "guild"]},
        {"columns": ["id"], "filter": high},
        {"columns": ["guild"], "filter": (pc.field("guild") == "g2") & pc.field("title").is_valid()},
        {"columns": ["id"], "filter": pc.field("title").isin(["t1", "t2"])},
        {"columns": {"double": pc.field("level") * 2, "id": pc.field("id")}, "filter": nested},
        {"columns": ["id"], "filter": pc.field(3) == 7},
    ):
        found = heroes.to_table(**asked)
        assert found.to_pylist() == plain.to_table(**asked).to_pylist() and found.num_rows
        assert heroes.scanner(**asked).projected_schema.names == found.schema.names
    assert heroes.count_rows() == COUNT and heroes.count_rows(filter=high) == plain.count_rows(filter=high)
    assert heroes.head(3, columns=["id"]).to_pylist() == [{"id": 0}, {"id": 1}, {"id": 2}]
    assert heroes.take([5, 2], columns=["id"]).to_pylist() == [{"id": 5}, {"id": 2}]
    assert heroes.to_table(columns=[]).num_rows == COUNT and heroes.head(0).num_rows == 0
    assert heroes.filter(high).filter(nested).count_rows() == plain.filter(high).filter(nested).count_rows() > 0
    assert sum(batch.num_rows for batch in heroes.to_batches(columns=["id"], batch_size=10)) == COUNT
    assert heroes.scanner(["id"]).dataset_schema == heroes.schema
    assert pa.table(heroes).equals(heroes.to_table()) and polars.DataFrame(heroes).height == COUNT
    assert list(from_arrow(heroes.filter(high))) == [hero(n) for n in range(COUNT) if n % 99 > 95]


def test_polars_asks_for_columns_and_rows(session: Session) -> None:
    heroes = session.scalars(select(Hero)).arrow_dataset()
    asked = polars.scan_pyarrow_dataset(heroes).filter(polars.col("level") > 97).select("id")
    assert asked.collect()["id"].to_list() == [n for n in range(COUNT) if n % 99 > 97]


def test_each_query_reads_the_rows_of_then(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.par"
    copy.write_bytes(path.read_bytes())
    with Session(copy) as session:
        heroes = session.scalars(select(Hero)).arrow_dataset()
        assert duckdb.sql("select sum(level) from heroes where id < 3").fetchall() == [(3,)]
        session.get_one(Hero, 2).guild = "another"
        session.delete(session.get_one(Hero, 0))
        assert duckdb.sql("select id, guild from heroes where id < 3").fetchall() == [(1, "g1"), (2, "another")]
        session.commit()
        assert heroes.count_rows() == COUNT - 1
    with pytest.raises(ClosedError):
        heroes.count_rows()


def test_rows_of_a_session_that_writes_are_read_in_threads_of_duckdb(tmp_path: Path) -> None:
    """DuckDB takes the stream in a thread of its own, and the session said that it belongs to the first thread."""
    with Session(tmp_path / "new.par") as session:
        session.add_all(map(hero, range(9000)))
        rows: Any = session.scalars(select(Hero))
        asked: Any = rows.arrow_dataset()
        for _ in range(5):
            assert duckdb.sql("select count(*), max(id) from rows where guild <> 'g1'").fetchall() == [(7714, 8999)]
            assert duckdb.sql("select count(*), max(id) from asked where guild <> 'g1'").fetchall() == [(7714, 8999)]
        session.commit()
        assert asked is not None and duckdb.sql("select sum(level) from asked").fetchall() == [(440595,)]
        with ThreadPoolExecutor(1) as pool, pytest.raises(SessionError, match="belongs to the thread"):
            pool.submit(rows.arrow).result()


def test_any_rows_are_a_dataset(session: Session, tmp_path: Path) -> None:
    game = session.root(Game)
    assert game.names.arrow_dataset().to_table(filter=pc.field("value") == "n3").to_pylist() == [{"value": "n3"}]
    assert game.heroes.arrow_dataset().to_table(columns=["key"]).num_rows == 50
    some = session.scalars(select(Hero).where(Hero.level > 95).order_by(Hero.score).limit(5)).arrow_dataset()
    assert some.count_rows() == some.to_table(columns=["id"]).num_rows == some.count_rows() == 5
    parts = Dataset.write(tmp_path / "parts", map(hero, range(100)), rows_per_file=30).arrow_dataset()
    assert duckdb.sql("select count(*), max(id) from parts where level > 3").fetchall() == [(95, 98)]
    assert parts.count_rows() == 100


def test_what_a_dataset_of_rows_lacks_is_said(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    heroes = session.scalars(select(Hero)).arrow_dataset()
    with pytest.raises(QueryError, match="no column 'nme': there are id, name"):
        heroes.to_table(columns=["nme"])
    with pytest.raises(QueryError, match=r"two columns are called 'id': .*\.label\(\)"):
        session.execute(select(Hero.id, Hero.id)).arrow_dataset()
    with pytest.raises(TypeError, match="open the file where it is needed"):
        pickle.dumps(heroes)
    for past in (lambda: heroes.sort_by("id"), lambda: datasets.UnionDataset(heroes.schema, [heroes]).to_table()):
        with pytest.raises(FileNotFoundError, match="which to_table"):  # and not a table without rows
            past()
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'parcode-orm\[arrow\]'"):
        session.scalars(select(Hero)).arrow_dataset()


def test_batches_are_parts_of_about_the_same_size(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = session.scalars(select(Hero))
    wanted = pa.table(rows)
    assert [batch.num_rows for batch in rows.arrow(["id", "guild"])] == [COUNT]
    monkeypatch.setattr(whole, "TOGETHER", 1000)
    for dictionaries in (False, True):
        batches = list(rows.arrow(["id", "name", "guild", "score", "title", "level"], dictionaries=dictionaries))
        assert {batch.num_rows for batch in batches} == {1000}
        for batch in batches:
            batch.validate(full=True)
        assert pa.Table.from_batches(batches).to_pylist() == wanted.select(batches[0].schema.names).to_pylist()


def test_a_dataset_joins_what_could_stay_in_place(session: Session) -> None:
    """A query of one column of floats took a batch for each row group, and these cost several times the copy."""
    rows = session.scalars(select(Hero))
    table = rows.arrow_dataset().to_table(columns=["rate"])
    assert len(table["rate"].chunks) == 1 and table["rate"].to_pylist() == [n / 7 for n in range(COUNT)]
    assert len(list(rows.arrow(["rate"]))) == 2  # in place
    place = rows.arrow_dataset().to_table(columns=["place"])  # no scalar: a row group at a time
    assert len(place["place"].chunks) == 2 and place["place"][9].as_py() == {"x": 0, "label": None}


def test_batches_in_memory_and_stored_ones_are_joined(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.par"
    copy.write_bytes(path.read_bytes())
    with Session(copy) as session:
        session.add_all(map(hero, range(COUNT, COUNT + 5000)))
        session.get_one(Hero, 5).title = "new"
        batches = list(session.scalars(select(Hero)).arrow(["id", "title", "level", "guild"], dictionaries=True))
        assert [batch.num_rows for batch in batches] == [COUNT + 5000]
        found = pa.Table.from_batches(batches)
        assert found["id"].to_pylist() == list(range(COUNT + 5000)) and found["title"][5].as_py() == "new"
        assert found["guild"].to_pylist() == [f"g{n % 7}" for n in range(COUNT + 5000)]


def test_a_code_beyond_its_words_is_refused() -> None:
    from parcode_orm.interop.arrow.arrays import array_of_vector
    from parcode_orm.interop.arrow.types import mapped
    from parcode_orm.query.columns.vectors import Coded

    column = mapped("text", {}).coded
    good = Coded(np.array([1, 0, 1], np.uint8), ["a", "b"])
    assert array_of_vector(good, column).to_pylist() == ["b", "a", "b"]
    assert array_of_vector(good.take(np.array([0])), mapped("text", {})).to_pylist() == ["b"]
    for codes in (np.array([0, 2], np.uint8), np.array([0, -1], np.int8)):
        with pytest.raises((pa.ArrowException, IndexError)):
            array_of_vector(Coded(codes, ["a", "b"]), column)


def test_the_class_is_the_one_that_pyarrow_knows() -> None:
    assert issubclass(ArrowDataset, datasets.Dataset)
