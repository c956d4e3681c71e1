"""Models as columns: field sets, missing fields, extras, private attributes, subclasses, recursion, cycles."""

from __future__ import annotations

import dataclasses
from typing import Any, NotRequired, TypedDict

import pytest
from harness import MemorySpace, encodings, image, roundtrip, same, stored, view_of
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, PrivateAttr

from parcode_orm import Model
from parcode_orm.codec.base import Column
from parcode_orm.codec.columns import poly
from parcode_orm.codec.columns.containers import ListColumn, MapColumn
from parcode_orm.codec.columns.privates import PrivateColumn
from parcode_orm.codec.columns.scalars import FloatColumn, IntColumn
from parcode_orm.codec.columns.struct import StructColumn
from parcode_orm.codec.columns.text import TextColumn
from parcode_orm.codec.columns.wrappers import OptionalColumn
from parcode_orm.codec.cycles import MAX_NESTED
from parcode_orm.codec.structs import StructPlan
from parcode_orm.codec.types.compile import struct_for
from parcode_orm.errors import CyclicGraphError, EncodeError, FieldNotStored, SchemaMismatchError

INT, TEXT, FLOAT = IntColumn(), TextColumn(), FloatColumn()


class User(BaseModel):
    id: int
    name: str = "none"
    score: float = 0.5
    tags: list[str] = []


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    id: int


class Secretive(BaseModel):
    id: int
    _count: int = PrivateAttr(7)
    _seen: list[int] = PrivateAttr(default_factory=list)
    _unset: int


class Node(BaseModel):
    value: int
    children: list[Node] = []
    next: Node | None = None


class Nothing(BaseModel):
    pass


@dataclasses.dataclass
class Point:
    x: int
    y: str = "y"


class Options(TypedDict):
    a: int
    b: NotRequired[str]


def column_of(cls: type, kind: str = "model", /, **fields: Column) -> StructColumn:
    return StructColumn(StructPlan(cls, cls.__name__, list(fields.items()), kind))


USER = column_of(User, id=INT, name=TEXT, score=FLOAT, tags=ListColumn(TEXT))
OPEN = column_of(Open, id=INT)
OPEN.plan.extra = MapColumn(TEXT, INT)
SECRETIVE = column_of(Secretive, id=INT)
SECRETIVE.plan.private = PrivateColumn("Secretive", [("_count", INT), ("_seen", ListColumn(INT)), ("_unset", INT)])
NODE = column_of(Node)
NODE.fields = [("value", INT), ("children", ListColumn(NODE)), ("next", OptionalColumn(NODE))]

users = st.builds(User, id=st.integers()) | st.builds(
    User, id=st.integers(), name=st.text(), score=st.floats(allow_nan=False), tags=st.lists(st.text())
)
nodes = st.recursive(
    st.builds(Node, value=st.integers(0, 9)),
    lambda below: st.builds(
        Node, value=st.integers(0, 9), children=st.lists(below, max_size=3), next=st.none() | below
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.lists(users | st.none(), max_size=20))
def test_models_come_back(values: list[Any]) -> None:
    plain, lazy = roundtrip(OptionalColumn(USER), values)
    assert same(plain, values)
    assert same(lazy, values)
    assert image(OptionalColumn(USER), values) == image(OptionalColumn(USER), values)


@settings(deadline=None)
@given(st.lists(nodes, max_size=5))
def test_recursive_models_come_back(values: list[Any]) -> None:
    plain, lazy = roundtrip(NODE, values)
    assert same(plain, values)
    assert same(lazy, values)


def test_fields_set_is_omitted_where_all_are_set() -> None:
    full = [User(id=i, name="a", score=0.1, tags=[]) for i in range(9)]
    some = [User(id=i) if i % 2 else User(id=i, score=1.0) for i in range(9)]
    assert view_of(USER, full).bits == 0
    view = view_of(USER, some)
    assert [view.fields_set(i) for i in range(3)] == [{"id", "score"}, {"id"}, {"id", "score"}]
    plain = view.read(0, 9)
    assert plain[1].__pydantic_fields_set__ is not plain[3].__pydantic_fields_set__
    assert view_of(USER, full).fields_set(0) is None


def test_missing_fields_stay_missing() -> None:
    values = [User(id=1), User.model_construct(name="x", score=0.0), User.model_construct()]
    del values[1].__dict__["score"], values[2].__dict__["tags"]
    view = view_of(USER, values)
    plain = view.read(0, 3)
    assert same(plain, values)
    assert "id" not in plain[1].__dict__
    with pytest.raises(FieldNotStored):
        view.getter("id")(1)
    assert view.getter("id")(0) == 1
    assert same([view.get(i) for i in range(3)], values)


def test_extras() -> None:
    values = [Open(id=1), Open(id=2, a=5), Open(id=3, b=1, c=2), Open.model_construct(_fields_set={"zz"}, id=4)]
    plain, lazy = roundtrip(OPEN, values)
    assert same(plain, values)
    assert same(lazy, values)
    assert plain[0].__pydantic_fields_set__ is not plain[1].__pydantic_fields_set__
    same_size = [Open(id=1), Open.model_construct(_fields_set={"other"}, id=1)]
    assert same(roundtrip(OPEN, same_size)[0], same_size)
    plain = roundtrip(OPEN, [Open(id=1), Open(id=2)])[0]
    plain[0].extra_value = 3
    assert plain[1].__pydantic_fields_set__ == {"id"}


def test_private_attributes() -> None:
    values = [Secretive(id=i) for i in range(3)]
    values[0]._count = 9
    values[1]._seen.append(4)
    values[2]._unset = 5
    plain, lazy = roundtrip(SECRETIVE, values)
    assert same(plain, values)
    assert same(lazy, values)
    assert not hasattr(plain[0], "_unset")
    bare = column_of(Secretive, id=INT)  # none of them stored: defaults, each with a list of its own
    plain = roundtrip(bare, values)[0]
    assert plain[0]._count == 7
    assert plain[0]._seen is not plain[1]._seen


def test_plain_kinds() -> None:
    points = column_of(Point, "plain", x=INT, y=TEXT)
    assert roundtrip(points, [Point(1), Point(2, "z")]) == ([Point(1), Point(2, "z")],) * 2
    options = column_of(Options, "plain", a=INT, b=TEXT)
    options.plan.build = list
    values = [{"a": 1}, {"a": 2, "b": "x"}]
    assert roundtrip(options, values) == (values, values)
    assert roundtrip(column_of(Nothing), [Nothing()] * 3)[0] == [Nothing()] * 3


def test_a_plain_struct_with_models_within() -> None:
    @dataclasses.dataclass
    class Pair:
        user: Any
        count: int

    pairs = column_of(Pair, "plain", user=USER, count=INT)
    assert pairs.lazy
    values = [Pair(User(id=i), i) for i in range(3)]
    plain, lazy = roundtrip(pairs, values)
    assert plain == values
    assert lazy == values


class Animal(BaseModel):
    name: str


class Dog(Animal):
    barks: int = 1


class Cat(Animal):
    lives: int = 9


ANIMALS = {
    Animal: column_of(Animal, name=TEXT),
    Dog: column_of(Dog, name=TEXT, barks=INT),
    Cat: column_of(Cat, name=TEXT, lives=INT),
}


for animal in ANIMALS.values():
    animal.plan.struct_for = lambda cls: ANIMALS[cls]


def test_subclasses_keep_their_class() -> None:
    values = [Dog(name="a"), Animal(name="b"), Cat(name="c", lives=3), Dog(name="d", barks=5)]
    plain, lazy = roundtrip(ANIMALS[Animal], values)
    assert same(plain, values)
    assert same(lazy, values)
    assert encodings(ANIMALS[Animal], values)[0] == "POLY"
    with_none = roundtrip(OptionalColumn(ANIMALS[Animal]), [None, *values])[0]
    assert same(with_none, [None, *values])


def test_an_unknown_subclass_is_named_where_it_is_met(monkeypatch: pytest.MonkeyPatch) -> None:
    view = view_of(ANIMALS[Animal], [Dog(name="a"), Cat(name="b")])
    monkeypatch.setattr(poly, "subclasses", lambda cls: iter([Animal, Dog]))
    assert view.get(0) == Dog(name="a")
    with pytest.raises(SchemaMismatchError, match="Cat"):
        view.get(1)


def test_a_subclass_of_another_shape_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sink, ref = stored(ANIMALS[Animal], [Cat(name="b")])
    monkeypatch.setitem(ANIMALS, Cat, column_of(Cat, name=TEXT, lives=FLOAT))
    space = MemorySpace(sink)
    with pytest.raises(SchemaMismatchError, match="no schema"):
        ANIMALS[Animal].view(space.chunk(ref), 0, space).read(0, 1)


def test_errors_name_model_and_path() -> None:
    values = [Node(value=1, children=[Node(value=2), Node.model_construct(value="x", children=[], next=None)])]
    with pytest.raises(EncodeError) as caught:
        image(NODE, values)
    assert (caught.value.model, caught.value.path) == ("Node", "children[1].value")
    with pytest.raises(EncodeError, match="expected User"):
        image(USER, [User(id=1), 5])


def test_cycles_are_named() -> None:
    a, b = Node(value=1), Node(value=2)
    a.next, b.children = b, [a]
    with pytest.raises(CyclicGraphError) as caught:
        image(NODE, [Node(value=0), a])
    assert caught.value.path == "next.children[0]"
    assert str(caught.value).startswith("Node.next.children[0]")
    itself = Node(value=1)
    itself.next = itself
    with pytest.raises(CyclicGraphError) as caught:
        image(NODE, [itself])
    assert caught.value.path == "next"


def chain(length: int) -> Node:
    node = Node(value=0)
    for i in range(length):
        node = Node.model_construct(value=i, children=[], next=node)
    return node


def test_depth() -> None:
    deep = chain(MAX_NESTED - 1)
    (plain,) = view_of(NODE, [deep]).read(0, 1)
    for _ in range(MAX_NESTED - 1):
        assert plain.value == deep.value
        plain, deep = plain.next, deep.next
    with pytest.raises(EncodeError, match=f"nested {MAX_NESTED + 1} deep") as caught:
        image(NODE, [chain(2), chain(MAX_NESTED)])
    assert not isinstance(caught.value, CyclicGraphError)
    assert caught.value.path == ".".join(["next"] * MAX_NESTED)
    assert len(str(caught.value)) < 400
    assert image(NODE, [chain(3)])  # the depth counter is back where it was


def test_shared_objects_are_no_cycle() -> None:
    shared = Node(value=5)
    value = Node(value=1, children=[shared, shared], next=shared)
    assert same(roundtrip(NODE, [value])[0], [value])


@dataclasses.dataclass
class Left:
    right: Right | None
    leaf: LeafOfLeft | None = None


@dataclasses.dataclass
class Right:
    left: Left | None


class LeafOfLeft(Model):
    n: int


def test_classes_that_hold_each_other_are_lazy_if_one_is() -> None:
    left = struct_for(Left)
    right = struct_for(Right)
    assert left.lazy
    assert right.lazy
