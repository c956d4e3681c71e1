"""Rows as Arrow, and back: pyarrow, Polars, DuckDB, pandas and Parquet read them and give them back unchanged."""

from __future__ import annotations

import datetime as dt
import enum
import math
import os
import sys
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import BaseModel, Field, create_model

from parcode_orm import (
    Chunk,
    EncodeError,
    InputError,
    Key,
    MissingExtraError,
    Model,
    NoResultFound,
    QueryError,
    Ref,
    Session,
    ShardedMap,
    StorageError,
    Vector,
    func,
    load,
    save,
    select,
)
from parcode_orm.codec.views.scalars import BitsView
from parcode_orm.interop.arrow import from_arrow, from_pandas, from_parquet, from_polars, scan_parcode, to_parquet
from parcode_orm.interop.arrow.arrays import is_in_place
from parcode_orm.interop.arrow.predicates import condition_of
from parcode_orm.interop.arrow.reading import reader_of
from parcode_orm.interop.arrow.types import mapped
from parcode_orm.interop.remote import Remote

polars = pytest.importorskip("polars")
duckdb = pytest.importorskip("duckdb")
pytestmark = pytest.mark.once


class Hue(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Rank(enum.IntEnum):
    LOW = 1
    HIGH = 7


class Place(BaseModel):
    x: int
    label: str | None = None


class Guild(Model):
    name: str = Key()


class Player(Model):
    id: int = Key()
    name: str
    guild: str
    level: int
    score: float
    big: int = 0
    good: bool = True
    email: str | None = None


class Game(Model):
    players: dict[str, Player] = ShardedMap()
    scores: list[float] = Chunk()
    names: list[str] = Chunk()


def player(n: int) -> Player:
    return Player(
        id=n,
        name=f"Hero {n}",
        guild=f"g{n % 7}",
        level=n % 99,
        score=n / 3,
        big=(1 << 40) + n,
        good=n % 2 == 0,
        email=None if n % 3 else f"{n}@x",
    )


COUNT = 6000


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("arrow") / "game.par"
    with Session(found) as session:
        session.add_all(map(player, range(COUNT)))
        players = {f"p{n}": player(n) for n in range(COUNT)}
        names = [f"n{n}" * (n % 5) for n in range(COUNT)]
        session.add(Game(players=players, scores=[n / 7 for n in range(COUNT)], names=names))
        session.commit()
    return found


@pytest.fixture
def session(path: Path) -> Iterator[Session]:
    with Session.open(path) as opened:
        yield opened


def addresses(column: Any) -> Iterator[tuple[int, int]]:
    for chunk in column.chunks:
        for buffer in filter(None, chunk.buffers()):
            yield buffer.address, buffer.size


def test_columns_of_fixed_width_are_not_copied(path: Path) -> None:
    """The buffers of the arrays lie in the map of the file."""
    with Session.open(path) as session:
        game = session.root(Game)
        found = {
            "scores": pa.table(game.scores)["value"],
            "score": game.players.arrow(["score"]).read_all()["score"],
            "big": session.scalars(select(Player)).arrow(["big", "good"]).read_all()["big"],
            "good": session.scalars(select(Player)).arrow(["big", "good"]).read_all()["good"],
        }
        maps = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(path))]
        ranges = [[int(end, 16) for end in line.split()[0].split("-")] for line in maps]
        for name, column in found.items():
            assert len(column) == COUNT and column.null_count == 0
            for address, size in addresses(column):
                assert any(low <= address and address + size <= high for low, high in ranges), name
    assert found["scores"].to_pylist() == [n / 7 for n in range(COUNT)]  # readable when the session has ended
    assert found["good"].to_pylist() == [n % 2 == 0 for n in range(COUNT)]


class Lap(Model):
    id: int = Key()
    times: list[int]
    gears: list[int] = []


def test_lists_are_not_copied_where_they_are_stored_as_wide(tmp_path: Path) -> None:
    """Ints of 64 bits and offsets of 32 lie in the map of the file. Narrower ones are widened."""
    path = tmp_path / "laps.par"
    times = [(n * 7919 % 65_537) << 40 for n in range(70_000)]
    with Session(path) as session:
        session.add_all(Lap(id=n, times=times[n:], gears=[n, 3]) for n in range(8))
        session.commit()
    with Session.open(path) as session:
        table = session.scalars(select(Lap)).arrow(["times", "gears"]).read_all()
        maps = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(path))]
        ranges = [[int(end, 16) for end in line.split()[0].split("-")] for line in maps]
        buffers = list(addresses(table["times"]))
        assert len(buffers) >= 2
        for address, size in buffers:
            assert any(low <= address and address + size <= high for low, high in ranges), size
        some = session.scalars(select(Lap)).arrow(["gears"]).read_all()["gears"]
    assert table["times"].to_pylist() == [times[n:] for n in range(8)]
    assert table["gears"].to_pylist() == some.to_pylist() == [[n, 3] for n in range(8)]


class Note(Model):
    id: int = Key()
    place: Annotated[NDArray[np.float32], Vector(4)]
    counts: Annotated[NDArray[np.uint16], Vector(2)] | None = None
    grid: NDArray[np.float64]
    model_config = {"arbitrary_types_allowed": True}


def test_vectors_are_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "notes.par"
    rng = np.random.default_rng(1)
    places, grids = rng.random((300, 4), np.float32), [rng.random(n % 3) for n in range(300)]
    with Session(path) as session:
        for n in range(300):
            counts = None if n % 2 else np.array([n, n + 1], np.uint16)
            session.add(Note(id=n, place=places[n], counts=counts, grid=grids[n]))
        session.commit()
    with Session.open(path) as session:
        table = session.scalars(select(Note)).arrow().read_all()
        maps = [line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(str(path))]
        ranges = [[int(end, 16) for end in line.split()[0].split("-")] for line in maps]
        for chunk in table["place"].chunks:
            data = chunk.values.buffers()[1]
            assert any(low <= data.address and data.address + data.size <= high for low, high in ranges)
        some = session.scalars(select(Note).where(Note.id >= 290)).arrow(["place"]).read_all()
    assert table["place"].to_pylist() == places.tolist() and some["place"].to_pylist() == places[290:].tolist()
    assert table["counts"].to_pylist() == [None if n % 2 else [n, n + 1] for n in range(300)]
    assert table["grid"].to_pylist() == [each.tolist() for each in grids]


def test_libraries_read_rows_by_their_protocol(session: Session) -> None:
    players = session.root(Game).players
    entities = session.scalars(select(Player))
    wanted = [player(n).model_dump() for n in range(COUNT)]
    table = pa.table(entities)
    assert table.to_pylist() == wanted
    assert polars.DataFrame(entities).rows(named=True) == wanted
    frame = table.to_pandas()
    assert frame["level"].sum() == sum(each["level"] for each in wanted)
    assert pa.table(players).column_names == ["key", *Player.model_fields]
    assert pa.schema(players) == pa.table(players).schema
    found = duckdb.sql("select guild, avg(level) from players group by guild order by guild").fetchall()
    by_hand = [[each["level"] for each in wanted if each["guild"] == f"g{n}"] for n in range(7)]
    assert found == [(f"g{n}", pytest.approx(sum(by_hand[n]) / len(by_hand[n]))) for n in range(7)]
    assert duckdb.sql("select count(*), sum(score) from entities where level > 90").fetchall()[0] == (
        sum(each["level"] > 90 for each in wanted),
        pytest.approx(sum(each["score"] for each in wanted if each["level"] > 90)),
    )


def test_texts_of_few_kinds_may_be_dictionaries(session: Session) -> None:
    rows = session.scalars(select(Player))
    found = rows.arrow(["name", "guild"], dictionaries=True).read_all()
    assert found.schema.types == [pa.string(), pa.dictionary(pa.int32(), pa.string())]
    assert found["guild"].to_pylist() == rows.arrow(["guild"]).read_all()["guild"].to_pylist()
    few = session.scalars(select(Player).where(Player.level > 95)).arrow(["guild"], dictionaries=True).read_all()
    assert few["guild"].to_pylist() == [player(n).guild for n in range(COUNT) if n % 99 > 95]


def test_results_have_the_columns_of_their_statements(session: Session) -> None:
    statement = select(Player.guild, func.avg(Player.level).label("level")).group_by(Player.guild)
    found = pa.table(session.execute(statement.order_by(Player.guild)))
    assert found.schema.types == [pa.string(), pa.float64()] and found["guild"].to_pylist() == [
        f"g{n}" for n in range(7)
    ]
    rows = session.scalars(select(Player).where(Player.level > 95).order_by(Player.score.desc()).limit(5))
    assert pa.table(rows)["id"].to_pylist() == [each.id for each in rows.all()]
    assert pa.table(session.scalars(select(Player.email)))["email"].to_pylist() == [
        player(n).email for n in range(COUNT)
    ]
    assert rows.arrow(["score", "id"]).schema.names == ["score", "id"]
    with pytest.raises(QueryError, match="no column 'nme': there are"):
        rows.arrow(["nme"])
    with pytest.raises(TypeError, match=r"a list of names, such as \['id'\]"):
        rows.arrow("id")
    assert pa.table(session.execute(select(Player.id).where(Player.id < 0))).num_rows == 0


def test_rows_in_memory_are_as_they_are_now(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.par"
    copy.write_bytes(path.read_bytes())
    with Session(copy) as session:
        session.get_one(Player, 3).level = 1000
        session.delete(session.get_one(Player, 4))
        session.add(player(COUNT))
        scores = session.root(Game).scores
        scores[2], scores[-1:] = -1.0, [0.5, 0.25]
        table = pa.table(session.scalars(select(Player)))
        assert table["level"].to_pylist()[:5] == [0, 1, 2, 1000, 5]
        assert table["id"].to_pylist() == [n for n in range(COUNT + 1) if n != 4]
        assert pa.table(scores)["value"].to_pylist() == list(scores)
        session.commit()
        assert pa.table(session.scalars(select(Player))).equals(table)
        with Session.open(copy, at=1) as earlier:
            assert pa.table(earlier.scalars(select(Player)))["id"].to_pylist() == list(range(COUNT))


def test_columns_are_read_alone(path: Path) -> None:
    with Session.open(path) as session:
        session.scalars(select(Player)).arrow(["level"]).read_all()
        assert session.stats.bytes_read < path.stat().st_size / 10


# -- types ------------------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
MOMENTS = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))
UTC = dt.UTC
TYPES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "int": (int, st.integers(-(1 << 63), (1 << 63) - 1)),
    "small": (int, st.integers(0, 9)),
    "float": (float, st.floats(allow_nan=False)),
    "bool": (bool, st.booleans()),
    "text": (str, TEXT),
    "word": (str, st.sampled_from(["one", "two", ""])),
    "bytes": (bytes, st.binary(max_size=4)),
    "date": (dt.date, st.dates(dt.date(1700, 1, 1), dt.date(2200, 1, 1))),
    "naive": (dt.datetime, MOMENTS),
    "aware": (dt.datetime, MOMENTS.map(lambda moment: moment.replace(tzinfo=UTC))),
    "time": (dt.time, st.times()),
    "duration": (dt.timedelta, st.timedeltas(dt.timedelta(-9999), dt.timedelta(9999))),
    "decimal": (Decimal, st.decimals(allow_nan=False, allow_infinity=False, places=3)),
    "uuid": (uuid.UUID, st.uuids()),
    "enum": (Hue, st.sampled_from(Hue)),
    "rank": (Rank, st.sampled_from(Rank)),
    "literal": (Literal["a", "b"], st.sampled_from(["a", "b"])),
    "list": (list[int], st.lists(st.integers(-9, 9), max_size=3)),
    "texts": (list[str | None], st.lists(st.none() | TEXT, max_size=3)),
    "deep": (list[list[float]], st.lists(st.lists(st.floats(allow_nan=False), max_size=2), max_size=2)),
    "set": (set[int], st.sets(st.integers(0, 9), max_size=3)),
    "pairs": (dict[str, int], st.dictionaries(TEXT, st.integers(0, 9), max_size=3)),
    "pair": (tuple[int, str], st.tuples(st.integers(0, 9), TEXT)),
    "model": (Place, st.builds(Place, x=st.integers(0, 9), label=st.none() | TEXT)),
    "models": (list[Place], st.lists(st.builds(Place, x=st.integers(0, 9), label=st.none() | TEXT), max_size=2)),
}
OPTIONAL = {
    f"{name}_or_none": (tp | None, st.none() | values) for name, (tp, values) in TYPES.items() if tp is not Literal
}


def through_parquet(table: Any, folder: Path) -> Any:
    found = folder / "rows.parquet"
    pa.parquet.write_table(table, found)
    return pa.parquet.read_table(found)


def through_pandas(table: Any, folder: Path) -> Any:
    """As its own types of Arrow: numpy's have no ints beside None."""
    pd = pytest.importorskip("pandas")
    return pa.Table.from_pandas(table.to_pandas(types_mapper=pd.ArrowDtype), preserve_index=False)


WAYS = {
    "pyarrow": lambda table, folder: table,
    "pandas": through_pandas,
    "polars": lambda table, folder: polars.DataFrame(table),
    "duckdb": lambda given, folder: duckdb.sql("select * from given").to_arrow_table(),
    "parquet": through_parquet,
}


@settings(max_examples=12)
@given(data=st.data())
def test_models_come_back_from_every_library(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:

    every = {**TYPES, **OPTIONAL}
    names = data.draw(st.lists(st.sampled_from(sorted(every)), min_size=1, max_size=5, unique=True))
    model = create_model("Row", __base__=Model, **{name: (every[name][0], ...) for name in names})  # type: ignore[call-overload]
    holder = create_model("Holder", __base__=Model, rows=(list[model], Chunk()))  # type: ignore[valid-type]
    rows = [model(**{name: data.draw(every[name][1]) for name in names}) for _ in range(data.draw(st.integers(0, 8)))]
    folder = tmp_path_factory.mktemp("way")
    save(folder / "rows.par", holder(rows=rows * 3))
    with Session.open(folder / "rows.par") as session:
        table = pa.table(session.root(holder).rows)
    table.validate(full=True)
    for way, taken in WAYS.items():
        assert list(from_arrow(taken(table, folder), model)) == rows * 3, way


def test_pandas_gives_rows_back() -> None:
    rows = [player(n) for n in range(10)]
    with Session(":memory:") as session:
        session.add_all(rows)
        session.commit()
        frame = pa.table(session.scalars(select(Player))).to_pandas()
    assert list(from_pandas(frame, Player)) == rows


def test_maps_of_pandas_are_lists_of_pairs() -> None:
    """pandas has maps of Arrow as lists of pairs, and pyarrow read them as lists, or failed at the first pair."""

    class Bag(Model):
        id: int = Key()
        counts: dict[str, int]
        more: list[dict[str, float]] | None = None

    pd = pytest.importorskip("pandas")
    rows = [Bag(id=1, counts={}), Bag(id=2, counts={"a": 1, "b": 2}, more=[{"x": 0.5}, {}]), Bag(id=3, counts={"": -1})]
    with Session(":memory:") as session:
        session.add_all(rows)
        session.commit()
        frame = pa.table(session.scalars(select(Bag))).to_pandas()
    assert list(from_pandas(frame, Bag)) == rows
    assert list(from_pandas(frame[["counts", "id"]], Bag)) == [Bag(id=row.id, counts=row.counts) for row in rows]
    assert list(from_pandas(pd.DataFrame({"id": [1], "counts": [{"a": 2}]}), Bag)) == [Bag(id=1, counts={"a": 2})]
    with pytest.raises(InputError, match="row 1: counts"):
        list(from_pandas(pd.DataFrame({"id": [1], "counts": [["x"]]}), Bag))


def test_nanoseconds_of_pandas_are_read_as_microseconds() -> None:
    pd = pytest.importorskip("pandas")
    when = pd.Timestamp("2026-11-30 10:00:00.000001").as_unit("ns")
    frame = pd.DataFrame({"when": [when] * 3, "spans": [[pd.Timedelta(1000, "ns")]] * 3})
    (first, _, _) = from_pandas(frame, Moments)
    assert type(first.when) is dt.datetime and first.when == when
    assert [type(each) for each in first.spans] == [dt.timedelta] and first.spans == [dt.timedelta(microseconds=1)]
    frame["when"] = [when, when, when + pd.Timedelta(1, "ns")]
    with pytest.raises(InputError, match=r"row 3: when: the value has nanoseconds.*floor\('us'\)"):
        list(from_pandas(frame, Moments))
    mixed = pd.DataFrame({"when": pd.Series([1, "a"], dtype=object)})
    with pytest.raises(InputError, match="column when with type object"):
        from_pandas(mixed, Moments)
    nested = pa.map_(pa.string(), pa.struct([("at", pa.timestamp("ns")), ("of", pa.time64("ns"))]))
    table = pa.table({"when": [when], "spans": pa.array([[("k", {"at": 1000, "of": 2000})]], nested)})
    kept = create_model("Kept", __base__=Model, when=(dt.datetime, ...), spans=(dict[str, Any], ...))
    (row,) = from_arrow(table, kept)
    assert row.spans == {"k": {"at": dt.datetime(1970, 1, 1, 0, 0, 0, 1), "of": dt.time(0, 0, 0, 2)}}
    assert type(row.spans["k"]["at"]) is dt.datetime


class Placed(Model):
    id: int = Key()
    code: str
    zone: Literal["1", "2"]
    year: int


def test_folders_tell_texts_and_numbers_apart(tmp_path: Path) -> None:
    rows = [Placed(id=n, code=f"{n % 3:02}", zone=("1", "2")[n % 2], year=2020 + n % 2) for n in range(12)]
    with Session(":memory:") as session:
        session.add_all(rows)
        session.commit()
        placed = session.scalars(select(Placed))
        to_parquet(placed, tmp_path / "out", partition_by=["code", "zone", "year"])
        assert sorted(from_parquet(tmp_path / "out", Placed), key=lambda row: row.id) == rows
        assert sorted(from_parquet(tmp_path / "out"), key=lambda row: row.id) == rows
        for wrong in ("land", ["code", "land"]):
            with pytest.raises(QueryError, match=r"partition_by: there is no column .land.: id, code, zone, year"):
                to_parquet(placed, tmp_path / "wrong", partition_by=wrong)
        with pytest.raises(TypeError, match=r"such as session.scalars\(select\(T\)\), not"):
            to_parquet(select(Placed), tmp_path / "wrong")


def test_none_of_coded_columns_stands_in_the_codes(tmp_path: Path) -> None:
    """A null in the words of a dictionary counts in one function of pyarrow and not in another."""
    model = create_model("Coded", __base__=Model, hue=(Hue | None, ...), word=(Literal["a", "b"] | None, ...))
    holder = create_model("Codes", __base__=Model, rows=(list[model], Chunk()))  # type: ignore[valid-type]
    rows = [model(hue=[Hue.RED, None, Hue.BLUE][n % 3], word=["a", None][n % 2]) for n in range(300)]
    save(tmp_path / "rows.par", holder(rows=rows))
    with Session.open(tmp_path / "rows.par") as session:
        table = pa.table(session.root(holder).rows)
    for name in ("hue", "word"):
        for chunk in table[name].chunks:
            assert chunk.dictionary.null_count == 0 and chunk.null_count == chunk.indices.null_count > 0
    assert list(from_arrow(through_parquet(table, tmp_path), model)) == rows


class Moments(Model):
    when: dt.datetime
    spans: list[dt.timedelta] = []


def test_zones_become_utc_and_a_mixture_is_an_error(tmp_path: Path) -> None:
    class Log(Model):
        rows: list[Moments] = Chunk()

    zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
    moment = dt.datetime(2026, 1, 2, 3, 4, tzinfo=zone)
    save(tmp_path / "log.par", Log(rows=[Moments(when=moment, spans=[dt.timedelta(1)])]))
    with Session.open(tmp_path / "log.par") as session:
        table = pa.table(session.root(Log).rows)
    assert str(table.schema.field("when").type) == "timestamp[us, tz=UTC]"
    assert polars.DataFrame(table)["when"][0] == moment
    assert next(from_arrow(table, Moments)).when == moment
    save(tmp_path / "log.par", Log(rows=[Moments(when=moment), Moments(when=dt.datetime(2026, 1, 2))]))
    with Session.open(tmp_path / "log.par") as session, pytest.raises((EncodeError, ValueError)):
        pa.table(session.root(Log).rows)


def test_ints_beyond_64_bits_and_lone_surrogates_are_errors(tmp_path: Path) -> None:
    class Odd(Model):
        ints: list[int] = Chunk()
        texts: list[str] = Chunk()

    save(tmp_path / "odd.par", Odd(ints=[1, 1 << 70], texts=["a", "\ud800"]))
    with Session.open(tmp_path / "odd.par") as session:
        odd = session.root(Odd)
        for rows in (odd.ints, odd.texts):
            with pytest.raises(EncodeError, match="Arrow"):
                rows.arrow().read_all()


class Keyed(Model):
    numbers: dict[int, str] = ShardedMap(default_factory=dict)
    days: dict[dt.date, list[float]] = ShardedMap(default_factory=dict)
    pairs: dict[tuple[int, str], int] = ShardedMap()


def test_dictionaries_of_scalars_and_lists_with_keys_of_any_type(tmp_path: Path) -> None:
    """`.arrow()` of a map whose values are no models raised AttributeError: it asked for the items of a list."""
    day = dt.date(2026, 1, 2)
    keyed = Keyed(numbers={2: "a", 1: "b"}, days={day: [0.5, math.inf]}, pairs={(1, "x"): 3})
    save(tmp_path / "keyed.par", keyed)
    with Session.open(tmp_path / "keyed.par") as session:
        root = session.root(Keyed)
        assert pa.table(root.numbers).to_pylist() == [{"key": 2, "value": "a"}, {"key": 1, "value": "b"}]
        assert pa.table(root.days).to_pylist() == [{"key": day, "value": [0.5, math.inf]}]
        assert pa.table(root.pairs).to_pylist() == [{"key": '[1,"x"]', "value": 3}]


def test_a_parquet_file_is_replaced_by_a_whole_one_or_not_at_all(tmp_path: Path) -> None:
    """A value that does not fit Arrow left half a file in the place of the one that was there."""
    path = tmp_path / "keyed.parquet"
    save(tmp_path / "keyed.par", Keyed(pairs={(1, "x"): 1}))
    save(tmp_path / "big.par", Keyed(pairs={(1, "x"): 1 << 70}))
    with Session.open(tmp_path / "keyed.par") as session:
        to_parquet(session.root(Keyed).pairs, path)
        with pytest.raises(StorageError):
            to_parquet(session.root(Keyed).pairs, tmp_path / "none" / "file")
    before = path.read_bytes()
    with Session.open(tmp_path / "big.par") as session, pytest.raises(EncodeError):
        to_parquet(session.root(Keyed).pairs, path)
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["big.par", "keyed.par", "keyed.parquet"]


def test_unions_come_back_as_text_where_that_fits() -> None:
    class Loose(Model):
        id: int = Key()
        either: int | str
        number: int | bool

    with Session(":memory:") as session:
        session.add_all([Loose(id=1, either=5, number=5), Loose(id=2, either="5", number=True)])
        session.commit()
        found = list(from_arrow(session.scalars(select(Loose)), Loose))
    assert [each.either for each in found] == ["5", "5"] and [each.number for each in found] == [5, True]


def test_references_are_keys_and_references_again() -> None:
    class Member(Model):
        id: int = Key()
        guild: Ref[Guild]

    with Session(":memory:") as session:
        session.add_all([Guild(name="red"), Member(id=1, guild="red")])
        session.commit()
        table = pa.table(session.scalars(select(Member)))
        assert table.to_pylist() == [{"id": 1, "guild": "red"}]
        (back,) = from_arrow(table, Member)
        assert back.guild.key == "red"


# -- in ---------------------------------------------------------------------------------------------------------------


def test_rows_come_in_as_a_stream(tmp_path: Path, session: Session) -> None:
    rows = session.scalars(select(Player))
    with Session(tmp_path / "new.par") as new:
        new.add_all(from_arrow(rows))  # the class is that of the rows
        new.add(Game(players=dict(from_arrow(session.root(Game).players)), scores=[], names=[]))
        new.commit()
        assert new.scalars(select(Player)).all() == rows.all()
    assert load(tmp_path / "new.par", Game).players == {f"p{n}": player(n) for n in range(COUNT)}
    pairs = from_arrow(
        session.root(Game).players.arrow(["key", "id", "name", "guild", "level", "score"]), Player, key="key"
    )
    assert next(pairs)[0] == "p0"


class Narrow(Model):
    id: int = Key()
    level: Annotated[int, Field(le=50)]


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        (pa.table({"id": [1, 2], "level": [3, 70]}), r"row 2: level: .*less than or equal to 50, not 70"),
        (pa.table({"id": [1]}), "row 1: level: Field required"),
        (pa.table({"id": [1, None], "level": [1, 2]}), "row 2: id"),
        (pa.table({"id": ["x"], "level": [1]}), "row 1: id: .*'x'"),
        (pa.table([pa.array([1]), pa.array([2])], names=["id", "id"]), "two columns have the same name"),
    ],
)
def test_rows_that_do_not_fit_are_named(table: Any, wanted: str) -> None:
    with pytest.raises(InputError, match=wanted):
        list(from_arrow(table, Narrow))


def test_what_has_no_class_or_is_no_table_is_refused() -> None:
    with pytest.raises(InputError, match="give the class"):
        from_arrow(pa.table({"id": [1]}))
    stranger = pa.table({"id": [1]}).replace_schema_metadata({"parcode.model": "not_imported:Thing"})
    with pytest.raises(InputError, match="has not imported: give the class"):
        from_arrow(stranger)
    with pytest.raises(TypeError, match="DataFrame of pandas, not a list"):
        from_pandas([1, 2])
    with pytest.raises(TypeError, match="model is a class of Pydantic"):
        from_arrow(pa.table({"id": [1]}), int)
    with pytest.raises(TypeError, match="__arrow_c_stream__"):
        from_arrow([{"id": 1}], Narrow)
    with pytest.raises(InputError, match="no column 'name' for the keys"):
        from_arrow(pa.table({"id": [1]}), Narrow, key="name")
    intervals = pa.array([pa.MonthDayNano([1, 0, 0])], pa.month_day_nano_interval())
    with pytest.raises(InputError, match="months"):
        list(from_arrow(pa.table({"when": [dt.datetime(2026, 1, 1)], "spans": intervals}), Moments))


def test_columns_that_fit_are_not_validated_one_by_one() -> None:
    class Exact(Model):
        n: int
        f: float = 0.0
        text: str | None = None

    table = pa.table({"n": [1, 2], "f": [0.5, math.inf], "text": ["a", None]})
    found = list(from_arrow(table, Exact))
    assert found == [Exact(n=1, f=0.5, text="a"), Exact(n=2, f=math.inf, text=None)]
    assert found[0].model_fields_set == {"n", "f", "text"}
    assert list(from_polars(polars.DataFrame(table).lazy(), Exact)) == found

    class Stripped(Exact):
        model_config = {"str_strip_whitespace": True}

    assert next(from_arrow(pa.table({"n": [1], "f": [1.0], "text": [" a "]}), Stripped)).text == "a"


def test_objects_that_are_not_validated_are_as_others() -> None:
    """The columns may stand in any order, and the values may be absent."""

    class Plane(Model):
        name: str
        seats: int | None = None
        price: float | None = None

    planes = [Plane(name=f"p{i}", seats=i or None, price=None if i % 2 else i / 4) for i in range(100)]
    columns = {name: [getattr(plane, name) for plane in planes] for name in ("price", "name", "seats")}
    found = list(from_arrow(pa.table(columns), Plane))
    assert found == planes
    assert [list(vars(plane)) for plane in found] == [["name", "seats", "price"]] * 100
    assert found[3].model_fields_set == {"name", "seats", "price"}


def test_dictionaries_within_other_values_come_in() -> None:
    class Log(BaseModel):
        counts: list[dict[str, int]]

    tp = pa.list_(pa.map_(pa.string(), pa.int64()))
    table = pa.table({"counts": pa.array([[[("a", 1)], []]], tp)})
    assert list(from_arrow(table, Log)) == [Log(counts=[{"a": 1}, {}])]


def test_partitions_of_parquet(session: Session, tmp_path: Path) -> None:
    rows = session.scalars(select(Player))
    to_parquet(rows, tmp_path / "one.parquet", columns=["id", "guild"])
    assert pa.parquet.read_table(tmp_path / "one.parquet").column_names == ["id", "guild"]
    to_parquet(rows, tmp_path / "parts", partition_by=["guild"])
    assert {each.name for each in (tmp_path / "parts").iterdir()} == {f"guild=g{n}" for n in range(7)}
    found = sorted(from_parquet(tmp_path / "parts", Player), key=lambda each: each.id)
    assert found == [player(n) for n in range(COUNT)]
    with pytest.raises(OSError, match="holds Parquet files"):
        to_parquet(rows, tmp_path / "parts", partition_by=["guild"])
    to_parquet(rows, tmp_path / "by_guild", partition_by="guild")
    files = sorted((tmp_path / "by_guild").glob("*/*.parquet"))
    assert len(files) > 1 and len({each.parent for each in files}) == len(files)
    assert sorted(os.listdir(tmp_path / "parts")) == [each.parent.name for each in files]
    to_parquet(rows, tmp_path / "one.parquet")
    twice = from_parquet([tmp_path / "one.parquet", str(tmp_path / "one.parquet")], Player)
    assert sum(1 for _ in twice) == 2 * sum(1 for _ in from_parquet(tmp_path / "one.parquet", Player))
    with pytest.raises(InputError, match=r"it is a pattern: give the list of the files, glob\.glob\(pattern\)"):
        from_parquet(tmp_path / "by_guild" / "*.parquet", Player)
    with pytest.raises(InputError, match=r"2 files cannot be read as Parquet: .*a\.parquet"):
        from_parquet([tmp_path / "a.parquet", tmp_path / "b.parquet"], Player)
    with pytest.raises(InputError, match="missing cannot be read as Parquet: there is no such file or folder"):
        from_parquet(tmp_path / "missing", Player)


# -- Polars asks ------------------------------------------------------------------------------------------------------


def test_scan_parcode_takes_a_url(path: Path) -> None:
    pytest.importorskip("fsspec").filesystem("memory").pipe_file("/scanned.par", path.read_bytes())
    for place in ("memory://scanned.par", Remote("memory://scanned.par")):
        assert scan_parcode(place, Player).filter(polars.col("id") < 3).collect()["id"].to_list() == [0, 1, 2]


def test_scan_parcode_reads_what_is_asked(path: Path) -> None:
    frame = scan_parcode(path, Player)
    whole = polars.DataFrame([player(n).model_dump() for n in range(COUNT)])
    col = polars.col
    for asked in (
        lambda each: each.filter((col("level") > 90) & (col("guild") == "g3")).select("id", "name"),
        lambda each: each.select("id").head(5),
        lambda each: each.filter(col("email").is_null()).select(polars.len()),
        lambda each: each.filter(~(col("score") <= 1000.5) | (col("id") == 7)).select("score", "id"),
        lambda each: each.group_by("guild").agg(col("level").mean()).sort("guild"),
        lambda each: each.filter(col("name").str.contains("99")).tail(3),
    ):
        assert asked(frame).collect().equals(asked(whole.lazy()).collect())


def test_scan_parcode_names_a_class_that_the_file_lacks(path: Path, tmp_path: Path) -> None:
    with pytest.raises(NoResultFound, match="no entities of Guild: it has Player"):
        scan_parcode(path, Guild)
    with Session(tmp_path / "emptied.par") as session:
        session.add(Guild(name="a"))
        session.commit()
        session.delete(session.get_one(Guild, "a"))
        session.commit()
    assert scan_parcode(tmp_path / "emptied.par", Guild).collect().shape == (0, 1)


NUMBERS = st.none() | st.floats(allow_nan=True) | st.sampled_from([0.0, 1.0, 2.5])


class Number(Model):
    id: int = Key()
    f: float | None
    n: int | None
    t: str | None


def predicates() -> st.SearchStrategy[Any]:
    col = polars.col
    literals = {"f": st.sampled_from([0.0, 1.0, 2.5, 3]), "n": st.integers(-2, 2), "t": st.sampled_from("abc")}
    leaf = st.sampled_from(sorted(literals)).flatmap(
        lambda name: st.tuples(st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge"]), literals[name]).map(
            lambda pair: getattr(col(name), pair[0])(pair[1])
        )
    )
    return st.recursive(
        leaf,
        lambda each: st.one_of(
            st.tuples(each, each).map(lambda pair: pair[0] & pair[1]),
            st.tuples(each, each).map(lambda pair: pair[0] | pair[1]),
            each.map(lambda one: ~one),
            each.map(lambda one: one & col("t").str.contains("a")),
        ),
        max_leaves=4,
    )


ROWS = st.lists(st.tuples(NUMBERS, st.none() | st.integers(-2, 2), st.none() | st.sampled_from("abc")), max_size=12)


@settings(max_examples=40)
@given(ROWS, predicates())
def test_conditions_of_polars_choose_the_same_rows(values: list[Any], predicate: Any) -> None:
    rows = [Number(id=n, f=f, n=i, t=t) for n, (f, i, t) in enumerate(values)]
    frame = polars.DataFrame(
        [each.model_dump() for each in rows],
        schema={"id": polars.Int64, "f": polars.Float64, "n": polars.Int64, "t": polars.String},
    )
    wanted = frame.filter(predicate)["id"].to_list()
    condition = condition_of(predicate, Number)
    with Session(":memory:") as session:
        session.add_all(rows)
        statement = select(Number.id) if condition is None else select(Number.id).where(condition)
        assert set(wanted) <= set(session.scalars(statement).all())


def test_a_missing_library_is_named_with_its_command(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'parcode-orm\[arrow\]'"):
        session.scalars(select(Player)).arrow()
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'parcode-orm\[polars\]'"):
        scan_parcode("race.par", Player)


def test_types_of_a_description() -> None:
    assert is_in_place(BitsView(memoryview(b"\1"), 1), mapped("bool", {}))
    assert mapped("int", {}).type == pa.int64() and mapped({"list": "float"}, {}).type == pa.list_(pa.float64())
    with pytest.raises(TypeError):
        reader_of(3)
