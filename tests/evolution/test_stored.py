"""A file has the schema of every row group: the parts of its roots' schemas, and those of subclasses beside them."""

from __future__ import annotations

import collections
import enum
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given

import parcode_orm
from parcode_orm import Chunk, Key, Model, Session, ShardedMap
from parcode_orm.codec.columns.boundary import ChunkColumn
from parcode_orm.codec.schema import canonical_schema, fingerprint_of, known, short_fingerprint
from parcode_orm.codec.stored import Parts, parsed, parts_of
from parcode_orm.codec.types.compile import struct_for
from parcode_orm.codec.types.compiled import below, parts_below
from parcode_orm.errors import CorruptionError
from parcode_orm.format.catalog import CatalogData
from parcode_orm.format.checksum import checksum, fingerprint
from parcode_orm.format.layout import Encoding, Kind
from parcode_orm.storage.mapped import Source
from parcode_orm.storage.writer import whole_bytes
from parcode_orm.table.row_groups import TableSink
from parcode_orm.table.streaming import columns_of
from tests.effort import half
from tests.strategies import classes


@half()
@given(classes())
def test_each_part_of_a_class_has_the_schema_that_its_own_column_has(cls: type[Model]) -> None:
    column = struct_for(cls)
    schema = canonical_schema(column)
    assert parsed(schema).canonical() == schema
    parts = parts_of(schema)
    for each in below(column):
        assert parts.fingerprints[fingerprint_of(each)].canonical() == canonical_schema(each)
    for marked in parts_below(column):
        if isinstance(marked, ChunkColumn) and (marked.is_list or marked.is_map):
            items, keys = columns_of(marked)
            columns = [items] if keys is None else [keys, items]
            stored = parts.groups[short_fingerprint(*columns)]
            assert [each.canonical() for each in stored] == list(map(canonical_schema, columns))


def one() -> Any:
    class Item(Model):
        n: int = 0

    return Item


def other() -> Any:
    class Item(Model):
        text: str = ""
        more: list[int] = []

    return Item


def test_two_classes_of_one_name() -> None:
    first, second = one(), other()

    class Both(Model):
        left: first  # type: ignore[valid-type]
        rights: list[second] = Chunk(default=[])  # type: ignore[valid-type]
        pairs: dict[str, tuple[second, first]] = ShardedMap(default={})  # type: ignore[valid-type]

    parts = parts_of(canonical_schema(struct_for(Both)))
    for cls in (first, second):
        assert fingerprint_of(struct_for(cls)) in parts.fingerprints
    items, keys = columns_of(struct_for(Both).places["pairs"][1])  # type: ignore[arg-type]
    assert short_fingerprint(keys, items) in parts.groups  # type: ignore[arg-type]


class Hue(enum.Enum):
    RED = 1
    DEEP = (1, 2)


class Access(enum.Flag):
    READ = 1
    WRITE = 2


def test_members_and_literals_are_part_of_a_schema() -> None:
    class Marked(Model):
        hue: Hue
        access: Access
        word: Literal["a", "b"]
        mixed: Literal[1, "1", None]
        size: Literal[1180591620717411303424]

    assert parsed(canonical_schema(struct_for(Marked))).struct()["fields"] == [
        ["hue", {"convert": "enum Hue", "members": [["RED", 1], ["DEEP", None]], "stored": "text"}],
        ["access", {"convert": "enum Access", "flags": [["READ", 1], ["WRITE", 2]], "stored": "text"}],
        ["word", {"literal": ["a", "b"], "stored": "text"}],
        [
            "mixed",
            {
                "optional": {
                    "union": [
                        {"literal": [1], "stored": "int"},
                        {"literal": ["1"], "stored": "text"},
                        {"convert": "any", "stored": "any"},
                    ]
                }
            },
        ],
        ["size", {"literal": ["400000000000000000"], "stored": "int"}],
    ]
    values = Marked(hue=Hue.DEEP, access=Access.READ, word="b", mixed=1, size=1180591620717411303424)
    again = parcode_orm.loads(parcode_orm.dumps(values), Marked)
    assert again == values and type(again.mixed) is int


class Animal(Model):
    name: str = ""


class Zoo(Model):
    star: Animal
    animals: list[Animal] = Chunk(default=[])


class Lion(Animal):
    mane: float = 0.5


class Park(Model):
    star: Animal
    lion: Lion


def all_parts(path: Path) -> list[Parts]:
    source = Source.open(str(path))
    return [parts_of(bytes(source.chunk(source.catalog.schema(name)).buffer(0))) for name in source.catalog.schemas]


@pytest.mark.parametrize("streamed", [False, True])
def test_subclasses_in_fields_of_their_base(tmp_path: Path, streamed: bool) -> None:
    cls, path = Lion, tmp_path / "a.par"
    with Session(path) as session:
        session.add(Zoo(star=Animal(name="a")))
        session.commit()
        assert len(all_parts(path)) == 1
        zoo = session.root(Zoo)
        if streamed:
            zoo.animals.extend(cls(name=str(n)) for n in range(20_000))
        else:
            zoo.star = cls()
        session.commit()
        assert len(all_parts(path)) == 2
    assert any(fingerprint_of(struct_for(cls)) in parts.fingerprints for parts in all_parts(path))
    parcode_orm.compact(path)
    assert any(fingerprint_of(struct_for(cls)) in parts.fingerprints for parts in all_parts(path))
    assert parcode_orm.verify(path).ok


def test_a_subclass_that_the_root_names_too_is_not_stored_twice(tmp_path: Path) -> None:
    parcode_orm.save(tmp_path / "a.par", Park(star=Lion(), lion=Lion()))
    assert len(all_parts(tmp_path / "a.par")) == 1


class Trade(Model):
    id: int = Key()
    price: int


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"root":1}', b'{"root":{"struct":"A"},"structs":{}}', b'{"root":{},"structs":[]}']
)
def test_what_is_no_schema(data: bytes) -> None:
    with pytest.raises(CorruptionError, match="schema"):
        parts_of(data)


def test_every_row_group_of_a_file_has_its_schema(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add(Zoo(star=Lion(), animals=[Lion(name="x" * n) for n in range(500)]))
        session.add_all(Trade(id=n, price=n) for n in range(5_000))
        session.commit()
    source = Source.open(str(path))
    parts = all_parts(path)
    waiting, kinds = [source.record.catalog], collections.Counter[Kind]()
    while waiting:
        chunk = source.chunk(waiting.pop())
        waiting += chunk.refs
        kinds[Kind(chunk.kind)] += 1
        if chunk.kind == Kind.ROW_GROUP:
            assert any(chunk.fingerprint in each.groups for each in parts)
    assert kinds[Kind.ROW_GROUP] > 3 and known(struct_for(Zoo)).long in source.catalog.schemas


ODD: list[Any] = [
    "no such type",
    {"no": "such"},
    {"list": "none of these"},
    {"dict": ["text"]},
    {"optional": {"convert": "enum X", "members": [["A"]], "stored": "text"}},
    {"union": []},
    {"struct": "Gone"},
    {"array": "no dtype"},
    {"tuple": ["int", "int"], "fixed": True},
    [],
    None,
    5,
]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_a_file_whose_schema_says_what_is_not_there(odd: Any) -> None:
    """Its checksums are good: it was made to do harm."""

    class Holder(Model):
        a: int = 0
        rows: list[int] = Chunk(default=[])

    schema = {"fields": [["a", odd], ["rows", {"chunk": {"list": odd}}]], "kind": "model", "struct": "Holder"}
    data = msgspec.json.encode({"root": {"struct": "Holder"}, "structs": {"Holder": schema}}, order="sorted")

    def build(pipeline: Any) -> CatalogData:
        sink = TableSink(pipeline, None)
        out = sink.encoder(Kind.SCHEMA)
        out.leaf(Encoding.RAW, 1, data)
        column = struct_for(Holder)
        group, _ = sink.write_group(column, [Holder(a=5, rows=[1, 2])], None, None, checksum(data))
        name = fingerprint(data)
        return CatalogData(roots={"Holder": group}, schemas={name: sink.submit(out)}, writers={"Holder": name})

    file = whole_bytes(build, workers=0)
    for read in (
        lambda: parcode_orm.loads(file, Holder).rows,
        lambda: parcode_orm.open(file).root().model_load(),
        lambda: parcode_orm.schema(file).source(),
        lambda: parcode_orm.open(file).models(),
    ):
        try:
            read()
        except parcode_orm.ParcodeError:
            continue
