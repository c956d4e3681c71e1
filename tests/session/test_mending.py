"""What cannot be read can be replaced or removed, and what is beside it read, changed and stored.

A member of an enum is gone, a validator or a decoder refuses what it took, or bytes are damaged: a commit that wrote
such a value again, with a row that changed beside it, raised, and so did a rollback.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Optional

import pytest
from pydantic import BaseModel, create_model
from pydantic_core import core_schema as cs

from parcode_orm import (
    Chunk,
    CorruptionError,
    DecodeError,
    Model,
    SchemaMismatchError,
    Session,
    ShardedMap,
    dumps,
    load,
    register_type,
    verify,
)
from parcode_orm.codec.columns import boundary
from tests.small import small_constants

pytestmark = pytest.mark.once

refused: list[str] = []  # what validator and decoder do not take at present


class Checked:
    """Stored as Pydantic dumps it."""

    def __init__(self, text: str) -> None:
        if text in refused:
            raise ValueError("not this one any more")
        self.text = text

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.text == self.text  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self.text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return cs.no_info_plain_validator_function(
            lambda value: value if isinstance(value, cls) else cls(value),
            serialization=cs.plain_serializer_function_ser_schema(lambda value: value.text),
        )


class Registered(Checked):
    """Stored by the functions given to `register_type`."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return cs.is_instance_schema(cls)


register_type(Registered, encode=lambda value: value.text, decode=Registered)

OPEN, GONE, PAID = "OPEN", "GONE", "PAID"


class Case:
    """Classes whose values of a type can be read, or not all."""

    def __init__(self, kind: str, readable: bool) -> None:
        refused[:] = [] if readable else [GONE]
        type_: Any = {"validator": Checked, "decoder": Registered}.get(kind)
        if kind == "enum":
            type_ = Enum("State", [OPEN, GONE, PAID] if readable else [OPEN, PAID])
        self.make: Callable[[str], Any] = type_ if kind != "enum" else type_.__getitem__
        inner = create_model("Inner", of=(type_, ...), n=(int, 0))
        fields: dict[str, Any] = {
            "plain": (Optional[type_], None),  # noqa: UP045
            "inner": (Optional[inner], None),  # noqa: UP045
            "either": (int | type_ | None, None),
            "items": (list[type_], []),
            "by": (dict[str, type_], {}),
            "pair": (tuple[type_, ...], ()),
            "some": (set[type_], set()),
            "keyed": (dict[type_, int], {}),
            "apart": (Optional[type_], Chunk(default=None)),  # noqa: UP045
            "marked": (list[type_], Chunk(default=[])),
            "map": (dict[str, type_], ShardedMap(default={})),
            "any": (Any, None),
        }
        if kind == "enum":
            fields["keys"] = dict[type_, int], ShardedMap(default={})
        self.row: Any = create_model("Row", __base__=Model, n=(int, 0), note=(str, "x"), **fields)
        self.world: Any = create_model(
            "World",
            __base__=Model,
            note=(str, "w"),
            one=(self.row, self.row()),
            own=(self.row, Chunk(default=self.row())),
            rows=(list[self.row], Chunk(default=[])),
            map=(dict[str, self.row], ShardedMap(default={})),
            nested=(list[list[self.row]], Chunk(default=[])),
        )
        self._inner = inner

    def value(self, field: str, name: str) -> Any:
        one, paid = self.make(name), self.make(PAID)
        found: dict[str, Any] = {
            "inner": lambda: self._inner(of=one),
            "items": lambda: [paid, one, paid],
            "by": lambda: {"a": paid, "b": one},
            "pair": lambda: (paid, one),
            "some": lambda: {paid, one},
            "keyed": lambda: {paid: 1, one: 2},
        }
        found |= {"marked": found["items"], "map": found["by"], "keys": found["keyed"]}
        return found.get(field, lambda: one)()


def fill(case: Case, place: str, count: int, row: Any) -> Any:
    rows = [case.row(n=0), row, *(case.row(n=n) for n in range(2, count))]
    values: dict[str, Any] = {"one": row, "own": row, "rows": rows, "nested": [rows, []]}
    values["map"] = {f"k{n}": each for n, each in enumerate(rows)}
    return case.world(**{place: values[place]})


ROW: dict[str, Callable[[Any], Any]] = {
    "one": lambda world: world.one,
    "own": lambda world: world.own,
    "rows": lambda world: world.rows[1],
    "map": lambda world: world.map["k1"],
    "nested": lambda world: world.nested[0][1],
}
FIELDS = ["plain", "inner", "either", "items", "by", "pair", "some", "keyed", "apart", "marked", "map", "any", "keys"]
PLACES = [*((place, 3) for place in ROW), ("rows", 30), ("map", 30), ("nested", 30)]


@pytest.fixture(autouse=True)
def everything_is_taken_again() -> Iterator[None]:
    with small_constants(300):
        yield
    refused.clear()


def fields_of(kind: str) -> list[str]:
    # Of an `Any` field the class must be known by a name, and a custom class cannot be the key of a marked dictionary.
    return [field for field in FIELDS if kind == "enum" or field != "keys"]


KINDS = [*(("enum", *place) for place in PLACES), *((kind, "own", 3) for kind in ("validator", "decoder"))]


@pytest.mark.parametrize(("kind", "place", "count"), [*KINDS, ("validator", "map", 30), ("decoder", "rows", 30)])
def test_beside_a_value_that_cannot_be_read(tmp_path: Path, kind: str, place: str, count: int) -> None:
    """The commit writes it as it is."""
    path = tmp_path / "world.par"
    for field in fields_of(kind):
        case = Case(kind, readable=True)
        if field == "any" and kind == "enum":
            continue
        path.write_bytes(dumps(fill(case, place, count, case.row(n=1, **{field: case.value(field, GONE)}))))
        case = Case(kind, readable=False)
        with Session(path, durability="fast") as session:
            world = session.root(case.world)
            row = ROW[place](world)
            with pytest.raises((SchemaMismatchError, DecodeError)):
                found = getattr(row, field)
                found.items() if hasattr(found, "items") and list(found.items()) else list(found)
            row.n, world.note = 50, "changed"
            if place in ("rows", "map"):
                other = world.rows[0] if place == "rows" else world.map["k0"]
                other.plain = case.make(OPEN)
            session.commit()
            stored = session.snapshot
            session.commit()
            assert session.snapshot == stored  # nothing changed since
            assert ROW[place](world) is row and row.n == 50
        case = Case(kind, readable=True)
        world = load(path, case.world)
        row = ROW[place](world)
        assert row == case.row(n=50, **{field: case.value(field, GONE)}) and world.note == "changed"
        assert verify(path).ok


def replace(world: Any, case: Case, place: str) -> None:
    row = case.row(n=7)
    if place in ("one", "own"):
        setattr(world, place, row)
    elif place == "rows":
        world.rows[1] = row
    elif place == "map":
        world.map["k1"] = row
    else:
        world.nested[0] = [row]


def remove(world: Any, case: Case, place: str) -> None:
    if place in ("rows", "nested"):
        del getattr(world, place)[place == "rows"]
    elif place == "map":
        del world.map["k1"]
    else:
        setattr(world, place, case.row())


def clear(world: Any, case: Case, place: str) -> None:
    if place in ("one", "own"):
        setattr(world, place, case.row())
    else:
        getattr(world, place).clear()


def assign(world: Any, case: Case, place: str) -> None:
    setattr(world, place, case.row() if place in ("one", "own") else {} if place == "map" else [])


@pytest.mark.parametrize("change", [replace, remove, clear, assign])
@pytest.mark.parametrize(("place", "count"), PLACES)
def test_what_holds_a_value_that_cannot_be_read_goes(tmp_path: Path, place: str, count: int, change: Any) -> None:
    path = tmp_path / "world.par"
    case = Case("enum", readable=True)
    values = {field: case.value(field, GONE) for field in FIELDS if field != "any"}
    path.write_bytes(dumps(fill(case, place, count, case.row(n=1, **values))))
    case = Case("enum", readable=False)
    with Session(path, durability="fast") as session:
        world = session.root(case.world)
        change(world, case, place)
        session.commit()
        assert load(path, case.world) == world
    assert verify(path).ok


@pytest.mark.parametrize(("place", "count"), PLACES)
def test_a_value_that_cannot_be_read_is_assigned(tmp_path: Path, place: str, count: int) -> None:
    path = tmp_path / "world.par"
    for field in (each for each in FIELDS if each != "any"):
        case = Case("enum", readable=True)
        path.write_bytes(dumps(fill(case, place, count, case.row(n=1, **{field: case.value(field, GONE)}))))
        case = Case("enum", readable=False)
        with Session(path, durability="fast") as session:
            setattr(ROW[place](session.root(case.world)), field, case.value(field, OPEN))
            session.commit()
        assert getattr(ROW[place](load(path, case.world)), field) == case.value(field, OPEN)


def test_items_of_small_collections_are_replaced_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "world.par"
    for change in ("set", "delete"):
        case = Case("enum", readable=True)
        row = case.row(**{name: case.value(name, GONE) for name in ("marked", "map", "keys")})
        path.write_bytes(dumps(case.world(own=row)))
        case = Case("enum", readable=False)
        paid, opened = case.make(PAID), case.make(OPEN)
        with Session(path, durability="fast") as session:
            row = session.root(case.world).own
            assert row.marked[0] is row.marked[2] is row.map["a"] is paid
            assert row.keys[paid] == 1 and len(row.keys) == 2 and opened not in row.keys
            with pytest.raises(SchemaMismatchError, match="State has no member 'GONE'"):
                list(row.keys)
            if change == "set":
                row.marked[1] = row.map["b"] = opened
            else:
                del row.marked[1], row.map["b"]
            row.keys[opened] = 3
            del row.keys[paid]
            session.commit()
            assert row.keys[opened] == 3 and list(row.keys.values()) == [2, 3]
            row.keys.clear()
            row.keys[paid] = 4
            session.commit()
        found = load(path, case.world).own
        assert found.keys == {paid: 4}
        assert found.marked == ([paid, opened, paid] if change == "set" else [paid, paid])
        assert found.map == ({"a": paid, "b": opened} if change == "set" else {"a": paid})


def test_an_error_names_the_field(tmp_path: Path) -> None:
    case = Case("enum", readable=True)
    data = dumps(case.world(one=case.row(plain=case.make(GONE))))
    case = Case("enum", readable=False)
    with (
        Session(data) as session,
        pytest.raises(SchemaMismatchError, match=r"^Row\.plain: State has no member 'GONE'.*assign another value"),
    ):
        session.root(case.world).one.plain  # noqa: B018


# -- damaged bytes -----------------------------------------------------------------------------------------------------

MARK = "MARKMARK"


class Part(BaseModel):
    text: str
    n: int = 0


class Leaf(Model):
    n: int = 0
    text: str = ""
    part: Part | None = None
    items: list[str] = []
    by: dict[str, str] = {}
    apart: str = Chunk(default="")
    blob: bytes = Chunk(default=b"")
    marked: list[str] = Chunk(default=[])
    map: dict[str, int] = ShardedMap(default={})


class Tree(Model):
    note: str = "w"
    one: Leaf = Leaf()
    own: Leaf = Chunk(default=Leaf())
    rows: list[Leaf] = Chunk(default=[])
    map: dict[str, Leaf] = ShardedMap(default={})
    nested: list[list[Leaf]] = Chunk(default=[])


# Texts of different lengths, so that none stands in the statistics of a chunk's head.
DAMAGED: dict[str, tuple[Any, Any]] = {
    "text": (f"zz{MARK}", "new"),
    "part": (Part(text=f"zz{MARK}"), Part(text="new")),
    "items": (["a", f"b{MARK}", "c"], ["new"]),
    "by": ({"a": "a", "b": f"b{MARK}", "c": "c"}, {"new": "new"}),
    "apart": (f"b{MARK}", "new"),
    "blob": (MARK.encode() * 100, b"new"),
    "marked": (["a", f"b{MARK}", "c"], ["new"]),
    "map": ({"a": 1, f"b{MARK}": 2, "c": 3}, {"new": 1}),
}


def damaged(place: str, count: int, field: str) -> bytearray:
    """A file in which the field of a row, and maybe of its neighbours, cannot be read."""
    leaves = [Leaf(n=n, text="a" if n % 2 else "zzz", apart="a" if n % 2 else "c") for n in range(count)]
    leaves[1] = leaves[1].model_copy(update={field: DAMAGED[field][0]})
    values: dict[str, Any] = {"one": leaves[1], "own": leaves[1], "rows": leaves, "nested": [leaves]}
    values["map"] = {f"k{n}": each for n, each in enumerate(leaves)}
    data = bytearray(dumps(Tree(**{place: values[place]})))
    at = data.rfind(MARK.encode())
    data[at] ^= 1
    return data


def rows_of(tree: Any, place: str) -> list[Any]:
    if place in ("one", "own"):
        return [getattr(tree, place)]
    return list(tree.rows) if place == "rows" else list(tree.map.values()) if place == "map" else list(tree.nested[0])


@pytest.mark.parametrize("field", DAMAGED)
@pytest.mark.parametrize(("place", "count"), PLACES)
def test_a_damaged_field_is_assigned(tmp_path: Path, place: str, count: int, field: str) -> None:
    """In all rows, as their values may share what is damaged. What else was damaged is gone then."""
    path = tmp_path / "tree.par"
    path.write_bytes(damaged(place, count, field))
    with pytest.raises(CorruptionError):
        load(path, Tree)
    with Session(path, durability="fast") as session:
        tree = session.root(Tree)
        rows = rows_of(tree, place)
        for row in rows:
            setattr(row, field, DAMAGED[field][1])
        rows[-1].n = 100
        session.commit()
        session.compact()
    assert verify(path).ok
    found = rows_of(load(path, Tree), place)
    assert [getattr(row, field) for row in found] == [DAMAGED[field][1]] * len(rows) and found[-1].n == 100


@pytest.mark.parametrize("field", DAMAGED)
@pytest.mark.parametrize(("place", "count"), PLACES)
def test_a_commit_that_needs_what_is_damaged_says_so(tmp_path: Path, place: str, count: int, field: str) -> None:
    """Where the damaged value is not marked, it stands in the way of a change of its row; nothing stands in the way of
    a rollback, a savepoint's end, or of changes elsewhere."""
    path = tmp_path / "tree.par"
    path.write_bytes(damaged(place, count, field))
    with Session(path, durability="fast") as session:
        tree = session.root(Tree)
        rows = rows_of(tree, place)
        with pytest.raises(CorruptionError):
            [getattr(row, field) for row in rows]
            tree.model_dump()
        with session.begin_nested() as savepoint:
            rows[0].n = 100
            savepoint.rollback()
        rows[0].n = 100
        try:
            session.commit()
        except CorruptionError as problem:
            assert f".{field} is damaged, and has to be written again" in str(problem)
            assert field in ("text", "part", "items", "by")
            session.rollback()
            assert rows[0].n == (1 if place in ("one", "own") else 0)
        else:
            assert rows[0].n == 100
        if place != "one":
            tree.note = "changed"
            session.commit()
            assert Session.open(path).root(Tree).note == "changed"


def test_a_root_that_cannot_be_read_is_replaced(tmp_path: Path) -> None:
    """The new one was compared with it."""
    path = tmp_path / "tree.par"
    data = bytearray(dumps(Tree(note=MARK)))
    data[data.find(MARK.encode())] ^= 1  # in the statistics of the chunk's head
    path.write_bytes(data)
    with Session(path) as session:
        with pytest.raises(CorruptionError):
            session.root(Tree)
        session.add(Tree(note="new"), replace=True)
        session.commit()
        session.compact()
    assert verify(path).ok and load(path, Tree).note == "new"


def test_a_damaged_chunk_among_small_ones_stays_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small chunks are written together again; one that is damaged kept every commit from it."""
    monkeypatch.setattr(boundary, "FEW", 8)
    path = tmp_path / "tree.par"
    with Session(path) as session:
        session.add(Tree(rows=[Leaf(apart=str(n)) for n in range(20)]))
        session.commit()
        for n in range(6):
            session.root(Tree).rows[n].apart = f"{MARK}{n}"
            session.commit()
    data = path.read_bytes().replace(f"{MARK}3".encode(), f"{MARK}x".encode())
    path.write_bytes(data)
    with Session(path) as session:
        rows = session.root(Tree).rows
        for n in range(10, 19):
            rows[n].apart = "new"
            session.commit()
        with pytest.raises(CorruptionError):
            rows[3].apart  # noqa: B018
        rows[3].apart = "mended"
        session.commit()
        session.compact()
    assert verify(path).ok
    assert [row.apart for row in load(path, Tree).rows[2:5]] == [f"{MARK}2", "mended", f"{MARK}4"]
