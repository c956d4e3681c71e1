"""Few rows of a wide plain struct: as rows they come back as they were; what no row can hold stays in columns."""

from __future__ import annotations

import dataclasses
import enum
import threading
from typing import Any, NotRequired

import msgspec
import numpy as np
import pytest
from harness import MemorySpace, encodings, roundtrip, stored, view_of
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, create_model
from typing_extensions import TypedDict

from parcode_orm import Model, Session, dumps, loads, verify
from parcode_orm.codec.columns.rows import DEEP, FEW
from parcode_orm.codec.schema import canonical_schema
from parcode_orm.codec.types.compile import struct_for
from parcode_orm.errors import CorruptionError, EncodeError
from parcode_orm.format.encoder import Encoder
from parcode_orm.format.layout import Encoding, Kind
from tests.equality import same


class Tone(enum.Enum):
    DARK = 1


@dataclasses.dataclass
class Spot:
    x: int
    y: float | None = None


class Keys(TypedDict):
    must: int
    may: NotRequired[str]


class Inner(BaseModel):
    model_config = ConfigDict(extra="allow")
    names: list[str] = []
    by_name: dict[str, Inner] = {}


WIDE: Any = create_model(
    "WIDE",
    __config__=ConfigDict(arbitrary_types_allowed=True, protected_namespaces=()),
    text=(str, "a"),
    tones=(set[Tone], set()),
    pair=(tuple[int, str], (1, "b")),
    spot=(Spot | None, None),
    keys=(Keys | None, None),
    inner=(Inner | None, None),
    either=(int | list[int] | Inner | None, None),
    anything=(Any, None),
    raw=(bytearray | None, None),
    number=(float, 0.5),
    **{f"f{n}": (int | None, None) for n in range(24)},
)
COLUMN = struct_for(WIDE)
FULL = WIDE(
    text="é",
    tones={Tone.DARK},
    spot=Spot(1),
    keys={"must": 1},
    inner=Inner(names=["x"], by_name={"k": Inner(more=[1])}),
    either=[1, 2],
    anything={1: (2, {3})},
    raw=bytearray(b"r"),
    number=float("nan"),
    f3=2**62,
)


@pytest.mark.parametrize(
    "value", [WIDE(), FULL, WIDE.model_construct(text="alone")], ids=["defaults", "full", "missing"]
)
def test_a_few_rows_come_back(value: Any) -> None:
    rows = [value, WIDE(text="other")]
    assert encodings(COLUMN, rows)[0] == "ROWS"
    plain, single = roundtrip(COLUMN, rows)
    assert same(plain, rows) and same(single, rows)
    assert encodings(COLUMN, rows * FEW)[0] == "STRUCT"


def test_a_missing_field_is_not_taken_for_none_beside_undeclared_attributes() -> None:
    value = WIDE.model_construct(text="alone")
    for name in ("f3", "f4"):
        del value.__dict__[name]
    value.__dict__.update(cached=1, more=2)
    (plain,), _ = roundtrip(COLUMN, [value])
    assert "f3" not in plain.__dict__ and plain.__dict__.keys() == value.__dict__.keys()


@pytest.mark.parametrize(
    "odd",
    [{"f1": 2**80}, {"f1": True}, {"text": "\ud800"}, {"text": np.str_("a")}, {"anything": 2**80, "f1": 1.5}],
)
def test_what_no_row_holds_exactly_is_columns(odd: dict[str, Any]) -> None:
    value = WIDE.model_construct(**{**WIDE().__dict__, **odd})
    try:
        plain, _ = roundtrip(COLUMN, [value])
    except EncodeError as problem:
        assert problem.path in odd
        return
    assert encodings(COLUMN, [value])[0] == "STRUCT"
    assert plain[0].__dict__ == value.__dict__


def test_what_does_not_fit_is_refused_with_its_path() -> None:
    value = WIDE(inner=Inner(by_name={"k": Inner.model_construct(names=[1])}))
    with pytest.raises(EncodeError) as caught:
        stored(COLUMN, [WIDE(), value])
    assert caught.value.path == "inner.by_name['k'].names[0]"


def test_deep_rows_are_columns() -> None:
    inner = Inner()
    for _ in range(DEEP):
        inner = Inner(by_name={"k": inner})
    (plain,), _ = roundtrip(COLUMN, [WIDE(inner=inner)])
    assert plain.inner == inner


@given(st.recursive(st.none() | st.booleans() | st.integers(-9, 99) | st.text(max_size=2), st.lists, max_leaves=60))
def test_forged_rows_give_typed_errors(row: Any) -> None:
    view = view_of(COLUMN, [WIDE()])
    out = Encoder(Kind.COLUMN, None, None)
    node = out.open(Encoding.ROWS, 1, data := msgspec.msgpack.encode(row))
    out.leaf(Encoding.INT, 2, bytes([0, len(data)]) if len(data) < 256 else b"\0\0", width=1)
    out.close(node)
    sink, _ = stored(COLUMN, [WIDE()])
    space = MemorySpace(sink)
    ticket = sink.submit(out)
    assert ticket.reference is not None
    try:
        found = COLUMN.view(space.chunk(ticket.reference), 0, space).read(0, 1)
    except CorruptionError:
        return
    assert type(found[0]) is type(view.read(0, 1)[0])


def test_one_field_of_a_document_is_read_without_the_rest() -> None:
    class Document(Model):
        name: str
        body: WIDE  # type: ignore[valid-type]

    part = {f"part {n}": Inner(names=["word"] * 20) for n in range(200)}
    document = Document(name="it", body=WIDE(inner=Inner(by_name=part)))
    data = dumps(document)
    assert len(data) < 3 * len(document.model_dump_json())
    assert loads(data, Document) == document
    with Session(data) as session:
        assert session.root(Document).name == "it"
        assert session.stats.bytes_read < len(data) / 10


def test_a_small_document_of_many_classes() -> None:
    """The schema says every field of every class: of an OpenAPI description more than a small one is long itself."""
    inner: Any = str
    for n in range(40):
        fields: dict[str, Any] = {f"field_{n}_{m}": (inner | list[str] | None, None) for m in range(5)}
        inner = create_model(f"Part{n}", **fields)

    class Document(Model):
        name: str
        body: inner

    document = Document(name="it", body=inner(field_39_0=["a word"] * 200))
    schema = canonical_schema(struct_for(Document))
    assert len(schema) > 5 * len(document.model_dump_json(exclude_unset=True))
    before = threading.active_count()
    data = dumps(document)
    assert threading.active_count() == before
    assert len(data) < 3 * len(document.model_dump_json(exclude_unset=True))
    assert loads(data, Document) == document and verify(data).ok

    other = create_model("Document", __base__=Model, name=(str, ...))
    assert loads(data, other).model_dump() == {"name": "it"}


class Leaf(BaseModel):
    n: int = 0
    left: Leaf | Fork | None = None
    items: list[Leaf | Fork] = []


class Fork(BaseModel):
    n: int = 0
    left: Leaf | Fork | None = None
    items: list[Leaf | Fork] = []


def test_classes_that_hold_each_other_take_no_columns_a_level() -> None:
    """Each level multiplied the columns: a tree of 166 KB of JSON took 4.3 MB and a second."""

    def tree(depth: int) -> Any:
        cls = (Leaf, Fork)[depth % 2]
        return cls(n=depth, left=tree(depth - 1), items=[tree(depth - 1), tree(0)]) if depth else cls()

    class Forest(Model):
        trees: list[Leaf | Fork]

    forest = Forest(trees=[tree(6) for _ in range(30)])
    data = dumps(forest)
    assert len(data) < len(forest.model_dump_json())
    assert loads(data, Forest) == forest
    with Session(data) as session:
        assert session.root(Forest).trees[3] == forest.trees[3]


def test_a_document_changes_in_place(tmp_path: Any) -> None:
    class Paper(Model):
        body: WIDE  # type: ignore[valid-type]

    with Session(tmp_path / "a.par") as session:
        session.add(Paper(body=FULL.model_copy(deep=True)))
        session.commit()
    with Session(tmp_path / "a.par") as session:
        paper = session.root(Paper)
        assert not session.is_modified(paper)
        paper.body.inner.by_name["k"].names.append("new")
        assert session.is_modified(paper)
        session.commit()
    assert loads((tmp_path / "a.par").read_bytes(), Paper).body.inner.by_name["k"].names == ["new"]
