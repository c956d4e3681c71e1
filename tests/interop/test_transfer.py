"""Rows written as JSON lines, CSV and Parquet come back as the same entities."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import enum
import errno
import io
import json
import os
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from parcode_orm import (
    Chunk,
    DanglingError,
    EncodeError,
    Index,
    InputError,
    IntegrityError,
    Key,
    Model,
    Ref,
    SchemaError,
    Session,
    ShardedMap,
    StorageError,
    select,
)
from parcode_orm.interop import rows as of
from parcode_orm.interop.exporting import export, replacing
from parcode_orm.interop.formats import format_of
from parcode_orm.interop.importing import import_rows
from parcode_orm.interop.infer import typed
from parcode_orm.interop.targets import Targets

pytestmark = pytest.mark.once

FORMATS = ("jsonl", "csv", "parquet")


class Hue(enum.Enum):
    RED = 1
    GREEN = 2


class Place(BaseModel):
    name: str
    at: tuple[float, float] | None = None
    raw: bytes = b""


class Thing(Model):
    key: str = Key()
    n: int
    x: float
    ok: bool
    text: str
    maybe: str | None = None
    count: int | None = Index(default=None)
    raw: bytes = b""
    price: Decimal
    day: dt.date
    when: dt.datetime
    took: dt.timedelta
    id: uuid.UUID
    hue: Hue
    size: Literal["s", "m"]
    place: Place
    tags: list[str] = Chunk()
    by: dict[str, int] = ShardedMap()
    blobs: list[bytes] = Chunk()
    places: dict[str, Place] = {}
    some: set[int] = set()


_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
_places = st.builds(
    Place,
    name=_text,
    at=st.none() | st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)),
    raw=st.binary(max_size=5),
)
_things = st.builds(
    Thing,
    key=_text,
    n=st.integers(-(2**63), 2**63 - 1),
    x=st.floats(allow_nan=False),
    ok=st.booleans(),
    text=_text,
    maybe=st.none() | _text.filter(bool),
    count=st.none() | st.integers(-5, 5),
    raw=st.binary(max_size=5),
    price=st.decimals(allow_nan=False, allow_infinity=False, places=2),
    day=st.dates(),
    when=st.datetimes(timezones=st.just(dt.UTC)),
    took=st.timedeltas(dt.timedelta(-1000), dt.timedelta(1000)),
    id=st.uuids(),
    hue=st.sampled_from(Hue),
    size=st.sampled_from(["s", "m"]),
    place=_places,
    tags=st.lists(_text, max_size=3),
    by=st.dictionaries(_text, st.integers(-9, 9), max_size=3),
    blobs=st.lists(st.binary(max_size=3), max_size=2),
    places=st.dictionaries(_text, _places, max_size=2),
    some=st.sets(st.integers(-9, 9), max_size=3),
)


def exported(path: str, rows: Any, format: str, statement: Any = None) -> bytes:
    """The rows of an entity class, or of a field of a root."""
    file = io.BytesIO()
    with Session.open(path) as session:
        coll = rows(session) if callable(rows) and not isinstance(rows, type) else rows
        export(session, of.statement_of(coll) if statement is None else statement, coll, file, format, len_only)
    return file.getvalue()


def len_only(count: int) -> None:
    assert count >= 0


def imported(directory: Path, data: bytes, format: str, **options: Any) -> Any:
    """The entities of an import into a new file, and their class."""
    source = directory / f"in.{format}"
    source.write_bytes(data)
    path = directory / "in.par"
    path.unlink(missing_ok=True)
    with Session(path) as session:
        cls, count = import_rows(session, source, format, progress=len_only, **options)
    with Session.open(path) as session:
        found = [each.model_load() for each in session.scalars(select(cls))]
    assert len(found) == count
    return cls, found


@settings(max_examples=12, deadline=None, phases=(Phase.generate,))
@given(things=st.lists(_things, min_size=1, max_size=4, unique_by=lambda each: each.key))
@pytest.mark.parametrize("format", FORMATS)
def test_what_is_written_comes_back(format: str, things: list[Thing], tmp_path_factory: pytest.TempPathFactory) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow")
    directory = tmp_path_factory.mktemp("round")
    with Session(directory / "a.par") as session:
        session.add_all(things)
        session.commit()
    expected = [each.model_copy(deep=True) for each in things]
    _, found = imported(directory, exported(str(directory / "a.par"), Thing, format), format, model=Thing)
    assert [each.model_dump() for each in found] == [each.model_load().model_dump() for each in expected]


class Player(Model):
    level: int
    bag: list[int] = Chunk()


class Root(Model):
    players: dict[str, Player] = ShardedMap()
    numbers: list[int] = Chunk()


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = str(tmp_path / "a.par")
    with Session(path) as session:
        session.add(Root(players={f"p{n}": Player(level=n, bag=[n]) for n in range(3)}, numbers=[5, 6]))
        session.commit()
    return path


def test_collections_have_their_keys(path: str) -> None:
    assert exported(path, lambda s: s.root(Root).players, "csv") == b"key,level,bag\np0,0,[0]\np1,1,[1]\np2,2,[2]\n"
    assert exported(path, lambda s: s.root(Root).numbers, "jsonl") == b'{"value":5}\n{"value":6}\n'
    some = select(Player.level).where(Player.level > 0).order_by(Player.level.desc())  # type: ignore[attr-defined]
    with Session.open(path) as session:
        players = session.root(Root).players
        file = io.BytesIO()
        assert export(session, some.select_from(players), players, file, "jsonl", len_only) == 2
    assert file.getvalue() == b'{"level":2}\n{"level":1}\n'


@dataclasses.dataclass
class Pair:
    a: int = 1


class Named(NamedTuple):
    a: int


class Keyed(Model):
    key: int = 0
    key_: int = 0
    key__: int = 0


class Others(Model):
    pairs: dict[str, Pair] = ShardedMap()
    named: dict[str, Named] = ShardedMap()
    keyed: dict[str, Keyed] = ShardedMap()


def test_dictionaries_of_any_class_have_a_column_of_keys(tmp_path: Path) -> None:
    path = str(tmp_path / "a.par")
    with Session(path) as session:
        session.add(Others(pairs={"x": Pair()}, named={"x": Named(2)}, keyed={"x": Keyed()}))
        session.commit()
    found = [exported(path, lambda s, n=name: getattr(s.root(Others), n), "csv") for name in Others.model_fields]
    assert found[0] == b"key,a\nx,1\n" and found[1] == b"key,a\nx,2\n"
    assert found[2] == b"key___,key,key_,key__\nx,0,0,0\n"


def test_many_rows_are_written_in_parts(tmp_path: Path) -> None:
    class Row(Model):
        id: int = Key()
        when: dt.datetime | None

    counts: list[int] = []
    with Session(tmp_path / "a.par") as session:
        session.add_all(Row(id=n, when=dt.datetime(2026, 1, 1) if n else None) for n in range(10_000))
        session.commit()
        file = io.BytesIO()
        assert export(session, of.statement_of(Row), Row, file, "csv", counts.append) == 10_000
    assert len(counts) > 1 and counts[-1] == 10_000
    rows = list(csv.reader(io.StringIO(file.getvalue().decode())))
    assert rows[0] == ["id", "when"] and rows[1] == ["0", ""] and rows[-1] == ["9999", "2026-01-01T00:00:00"]


def test_a_class_is_inferred_from_all_rows(tmp_path: Path) -> None:
    lines = [
        {"code": "a", "n": 1, "x": 1, "of": {"y": 1}, "tags": [], "big": 2**60},
        {"code": "b", "n": None, "x": 1.5, "of": {"y": 2, "z": "?"}, "tags": ["t"], "big": 0.5, "late": True},
    ]
    data = b"".join(json.dumps(line).encode() + b"\n\n" for line in lines)
    cls, found = imported(tmp_path, data, "jsonl", name="Thing", key="code")
    assert [each.model_dump(exclude_unset=True) for each in found] == lines
    assert found[0].late is None and found[0].of.z is None
    fields = {name: field.annotation for name, field in cls.model_fields.items()}
    assert fields["code"] is str and fields["n"] == int | None and fields["x"] is float and fields["tags"] == list[str]
    assert fields["big"] == int | float and fields["late"] == bool | None

    cls, found = imported(tmp_path, b"name,zip\nAnn,01234\nBob,\n", "csv", name="P")
    assert [each.model_dump() for each in found] == [
        {"id": 1, "name": "Ann", "zip": "01234"},
        {"id": 2, "name": "Bob", "zip": None},
    ]


def test_cells_have_types() -> None:
    cells = ["", "7", "-0", "007", "1.5", "1e3", "nan", "true", "2026-01-02", "2026-13-02", "[1]", "[1", "Ann"]
    shown = [repr(typed(cell)) for cell in cells]
    assert shown[:8] == ["None", "7", "0", "'007'", "1.5", "1000.0", "nan", "True"]
    assert shown[8:] == ["datetime.date(2026, 1, 2)", "'2026-13-02'", "[1]", "'[1'", "'Ann'"]
    assert typed("2026-01-02T03:04Z") == dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)


def test_a_known_class_gets_more_rows(tmp_path: Path) -> None:
    class Item(Model):
        id: int = Key()
        name: str

    path, source = tmp_path / "a.par", tmp_path / "more.jsonl"
    with Session(path) as session:
        session.add(Item(id=1, name="one"))
        session.commit()
    source.write_text('{"id": 2, "name": "two"}\n')
    with Session(path) as session:
        import_rows(session, source, "jsonl", name="Item", progress=len_only)
    source.write_text('{"id": 1, "name": "uno"}\n{"id": 3, "name": "tres"}\n')
    with Session(path) as session, pytest.raises(IntegrityError):
        import_rows(session, source, "jsonl", name="Item", progress=len_only)
    with Session(path) as session:
        import_rows(session, source, "jsonl", name="Item", merge=True, progress=len_only)
    with Session(path) as session:
        assert {each.id: each.name for each in session.scalars(select(Item))} == {1: "uno", 2: "two", 3: "tres"}


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_rows_go_again_into_the_class_that_was_inferred_from_them(tmp_path: Path, format: str) -> None:
    rows: list[dict[str, Any]] = [
        {"id": 1, "n": 1, "of": {"y": 1, "list": [{"a": 1}, {"b": None}]}, "class": "x"},
        {"id": 2, "of": {"y": 2, "in": {"z": "?"}}, "late": [{"k": 1}]},
        {"id": 3, "of": None},
    ]
    path, source = tmp_path / "a.par", tmp_path / f"rows.{format}"
    if format == "jsonl":
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        names = list(dict.fromkeys(name for row in rows for name in row))
        cells = ([json.dumps(row[name]) if row.get(name) is not None else "" for name in names] for row in rows)
        with source.open("w", newline="") as file:
            csv.writer(file).writerows([names, *cells])
    for merge in (False, True):
        with Session(path) as session:
            import_rows(session, source, format, name="Thing", merge=merge, progress=len_only)
    with Session(path) as session:
        assert not list(session.diff(1))
        assert session.get(session.models()["Thing"], 2).of.list is None


class Nested(Model):
    id: int = Key(default=None, auto=True)
    below: list["Nested"] = []  # noqa: UP037


class Plain(Model):
    n: int


@pytest.mark.parametrize(
    ("data", "format", "options", "error", "message"),
    [
        (b'{"id": 1}\n{"id": "x"}\n', "jsonl", {"model": True}, InputError, r"line 2: id: .*integer.*, not 'x'"),
        (b'{"id": 1}\n{"id"\n', "jsonl", {"name": "A"}, InputError, r"line 2 is no JSON: .* \(column 7\)"),
        (b'{"n": 1}\n', "jsonl", {"model": True}, InputError, r"id: Field required, the row has no such field"),
        (b'{"n": 1}\n', "jsonl", {"model": True, "key": "n"}, InputError, r"the key of .*Row is id, not 'n'"),
        (b"a;b\n1;2\n", "csv", {"name": "A"}, InputError, r"line 1: cells have commas between them, not ';'"),
        (b"[1]\n", "jsonl", {"name": "A"}, InputError, r"line 1: a row is an object"),
        (b"a,b\n1\n", "csv", {"name": "A"}, InputError, r"line 2 has 1 cells for 2 columns"),
        (b"a,a\n1,2\n", "csv", {"name": "A"}, InputError, r"two columns have the same name"),
        (b"a\n\xff\n", "csv", {"name": "A"}, InputError, r"in.csv is no text in UTF-8"),
        (b'a\n"x\n', "csv", {"name": "A"}, InputError, r"line 2: unexpected end"),
        (b'{"_a": 1}\n', "jsonl", {"name": "A"}, SchemaError, r"'_a' cannot be the name of a field"),
        (
            b'{"model_config": 1}\n',
            "jsonl",
            {"name": "A"},
            SchemaError,
            r"'model_config' cannot be the name of a field",
        ),
        (b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}\n", "jsonl", {"name": "A"}, SchemaError, r"more than 50 lists"),
        (b'{"a": ' * 900 + b"1" + b"}" * 900 + b"\n", "jsonl", {"name": "A"}, SchemaError, r"more than 50 lists"),
        (b'a\n"' + b"[" * 900 + b"]" * 900 + b'"\n', "csv", {"name": "A"}, SchemaError, r"more than 50 lists"),
        (b'{"a": 1}\n', "jsonl", {"name": "a b"}, SchemaError, r"'a b' cannot be the name of a class"),
        (b'{"a": 1}\n', "jsonl", {"name": "A", "key": "k"}, SchemaError, r"no row has the key 'k'"),
        (b'{"a": 1}\n{"b": 1}\n', "jsonl", {"name": "A", "key": "a"}, SchemaError, r"some rows have no a"),
        (b'{"id": 1}\n{"id": 1}\n', "jsonl", {"name": "A"}, IntegrityError, r"1"),
        (
            b'{"below": [' * 320 + b"]}" * 320,
            "jsonl",
            {"model": Nested},
            InputError,
            r"line 1: too many lists and objects in each other",
        ),
        (b'{"n": 1}\n', "jsonl", {"model": Plain}, InputError, r"Plain has no Key\(\)"),
        (b"PAR1", "parquet", {"name": "A"}, InputError, r"after row 0"),
    ],
)
def test_what_cannot_be_imported(
    tmp_path: Path, data: bytes, format: str, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    class Row(Model):
        id: int = Key()

    if format == "parquet":
        pytest.importorskip("pyarrow")
    if options.get("model") is True:
        options = {**options, "model": Row}
    with pytest.raises(error, match=message):
        imported(tmp_path, data, format, **options)
    assert not (tmp_path / "in.par").exists()


def test_names_of_methods_and_deep_rows_come_back(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    row: Any = {"a": {"model_config": 3}, "json": 1, "copy": 2, "model_dump": 3}
    for _ in range(22):
        row = {"a": [row]}
    imported(tmp_path, json.dumps(row).encode(), "jsonl", name="A")
    found = exported(str(tmp_path / "in.par"), lambda session: session.models()["A"], "jsonl")
    assert json.loads(found) == {"id": 1, **row} and not recwarn.list


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")

    class Wide(Model):
        id: int = Key()

    with Session(tmp_path / "a.par") as session:
        session.add(Wide(id=1 << 70))
        session.commit()
    with pytest.raises(EncodeError, match="the column 'id' does not fit Parquet"):
        exported(str(tmp_path / "a.par"), Wide, "parquet")
    assert exported(str(tmp_path / "a.par"), Wide, "jsonl") == b'{"id":1180591620717411303424}\n'


def test_a_file_is_replaced_when_it_is_whole(tmp_path: Path) -> None:
    target, source = tmp_path / "out.csv", tmp_path.parent / f"{tmp_path.name}.par"
    source.write_bytes(b"source")
    with replacing(target, False, source) as file:
        file.write(b"one")
        assert not target.exists()
    with pytest.raises(StorageError, match=r"out.csv exists"), replacing(target, False, source):
        pass
    with pytest.raises(KeyError), replacing(target, True, source) as file:
        file.write(b"two")
        raise KeyError
    assert target.read_bytes() == b"one" and [each.name for each in tmp_path.iterdir()] == ["out.csv"]
    with replacing(target, True, source) as file:
        file.write(b"three")
    assert target.read_bytes() == b"three"
    link, loop, pipe = (tmp_path / name for name in ("link", "loop", "pipe"))
    link.symlink_to(target)
    with replacing(link, True, source) as file:
        file.write(b"four")
    assert target.read_bytes() == b"four" and link.is_symlink()
    loop.symlink_to(source)
    os.mkfifo(pipe)
    for refused in (source, loop, pipe, tmp_path, tmp_path / "no" / "out.csv"):
        with pytest.raises(StorageError, match=r"file itself|regular|directory"), replacing(refused, True, source):
            pass
    assert source.read_bytes() == b"source" and pipe.is_fifo()
    with pytest.raises(StorageError, match=r"No space left"), replacing(target, True, source):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert target.read_bytes() == b"four" and len(list(tmp_path.iterdir())) == 4


def test_formats_have_names() -> None:
    assert [format_of(name, None) for name in ("a.ndjson", "b.CSV", "c.parquet")] == ["jsonl", "csv", "parquet"]
    assert format_of("-", "csv") == "csv"
    with pytest.raises(ValueError, match="does not tell its format"):
        format_of("a.txt", None)
    with pytest.raises(ValueError, match="no format is called 'xml'"):
        format_of("a.csv", "xml")


def test_references_must_lead_to_entities(tmp_path: Path) -> None:
    """A class that is made of the stored schema has keys in the place of references, which no commit checks."""

    class Plane(Model):
        tail: str = Key()

    class Leg(Model):
        id: int = Key()
        plane: Ref[Plane] | None = None
        others: list[Ref[Plane]] = []
        before: Ref[Leg] | None = None

    path = tmp_path / "legs.par"
    with Session(path) as session:
        session.add_all([Plane(tail="a"), Plane(tail="b"), Leg(id=1, plane="a")])
        session.commit()
    good = [{"id": 2, "plane": "b", "others": ["a", "b"], "before": 3}, {"id": 3, "plane": None, "others": []}]
    bad = {
        "plane refers to Plane['c']": {"id": 4, "plane": "c", "others": []},
        "others[1] refers to Plane['c']": {"id": 4, "others": ["a", "c"]},
        "before refers to Leg[9]": {"id": 4, "others": [], "before": 9},
    }
    source = tmp_path / "rows.jsonl"
    for message, row in bad.items():
        source.write_text("\n".join(map(json.dumps, [*good, row])))
        with Session(path) as session, pytest.raises(DanglingError) as problem:
            import_rows(session, source, "jsonl", name="Leg", progress=lambda done: None)
        assert str(problem.value).startswith(f"{source}, line 3: {message}, which is not stored")
    source.write_text("\n".join(map(json.dumps, good)))
    with Session(path) as session:
        import_rows(session, source, "jsonl", name="Leg", progress=lambda done: None)
    with Session(path) as session:
        targets = Targets(session, "Leg")
        targets.note("here", session.get_one(session.models()["Leg"], 2))
        targets.check()
    with Session(path) as session:
        assert [leg.id for leg in session.scalars(select(Leg))] == [1, 2, 3]
        assert session.get_one(Leg, 2).before.target is session.get_one(Leg, 3)  # type: ignore[union-attr]
