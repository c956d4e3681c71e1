"""What a lazy object dumps is what the plain one does, and a `Model` dumps what a `BaseModel` would."""

from __future__ import annotations

import dataclasses
import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import BaseModel, Field, RootModel, TypeAdapter, ValidationError, ValidationInfo, field_validator
from typing_extensions import TypedDict

from parcode_orm import Chunk, Model, Session, dumps, save
from parcode_orm.lazy.choices import fields_with_choices


class Point(Model):
    x: int = 0


class Shape(Model):
    name: str = "s"


class Circle(Shape):
    radius: float = 2.0
    centre: Point = Point()


@dataclasses.dataclass
class Held:
    shape: Shape


@dataclasses.dataclass
class HeldToo(Held):
    more: list[Shape | Circle] = dataclasses.field(default_factory=list)


class Cut(NamedTuple):
    shape: Shape | Circle
    n: int = 0


class Named(TypedDict, total=False):
    shape: Shape | Circle
    n: int


class Shapes(RootModel[list[Shape | Circle] | int]):
    pass


class Cat(Model):
    kind: Literal["cat"] = "cat"
    owner: Point = Point()


class Kitten(Cat):
    kind: Literal["kitten"] = "kitten"  # type: ignore[assignment]
    age: int = 1


Pet = Annotated[Cat | Kitten, Field(discriminator="kind")]

FIELDS: dict[str, tuple[Any, Any]] = {
    "union": (Shape | Circle, Circle()),
    "of lists": (list[Shape | Circle] | int, [Shape(), Circle()]),
    "of dictionaries": (dict[str, Shape | Circle] | str, {"a": Shape(), "b": Circle()}),
    "of tuples": (tuple[Shape | Circle, int] | list[int], (Circle(), 1)),
    "of optional lists": (list[list[Shape | Circle | None]] | None | int, [[Circle(), None]]),
    "of dataclasses": (Held | HeldToo, HeldToo(Shape(), [Circle()])),
    "of named tuples": (Cut | int, Cut(Circle())),
    "of typed dictionaries": (Named | int, {"shape": Circle(), "n": 1}),
    "of root models": (Shapes | str, Shapes([Shape(), Circle()])),
    "tagged": (list[Pet] | int, [Cat(), Kitten()]),
    "below a model": (Held, Held(Circle())),
    "apart": (Annotated[list[Shape | Circle] | int, Chunk()], [Shape(), Circle()]),
}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"mode": "json"},
    {"exclude_unset": True},
    {"exclude_defaults": True},
    {"include": {"held": ...}},
    {"serialize_as_any": True},
]


def holder(tp: Any) -> Any:
    return type("Holder", (Model,), {"__annotations__": {"held": tp, "n": int}, "n": 1, "__module__": __name__})


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_lazy_and_plain_objects_dump_the_same(name: str, options: dict[str, Any]) -> None:
    tp, value = FIELDS[name]
    cls = holder(tp)
    obj = cls(held=value)
    wrapped = type("Wrapped", (Model,), {"__annotations__": {"inner": cls}, "__module__": __name__})
    with Session(dumps(obj)) as session, Session(dumps(wrapped(inner=obj))) as other:
        for lazy in (session.root(cls), other.root(wrapped).inner):
            assert lazy.model_dump(**options) == obj.model_dump(**options)
        assert session.root(cls).model_dump_json() == obj.model_dump_json()
        assert other.root(wrapped).model_dump() == {"inner": obj.model_dump()}


def test_an_object_that_was_added_dumps_the_same_after_its_commit() -> None:
    cls = holder(list[Shape | Circle] | int)
    obj = cls(held=[Shape(), Circle(radius=3.0)])
    before = obj.model_dump(), obj.model_dump_json()
    with Session(":memory:") as session:
        session.add(obj)
        session.commit()
        assert (obj.model_dump(), obj.model_dump_json()) == before


def test_only_fields_with_a_choice_are_made_plain() -> None:
    class Scene(Model):
        one: Shape
        many: list[Circle] = []
        maybe: Circle | None = None
        text: str | int = ""
        either: Shape | Circle
        below: Held | None = None
        deep: dict[str, list[HeldToo]] = {}

    class Tree(Model):
        kids: list[Tree] = []
        scene: Scene | None = None
        n: int = 0

    assert fields_with_choices(Scene) == {"either", "deep"}
    assert fields_with_choices(Tree) == {"kids", "scene"}


def test_a_dump_reads_no_more_than_it_includes() -> None:
    class Scene(Model):
        either: Shape | Circle
        other: list[str] = Chunk()

    with Session(dumps(Scene(either=Circle(), other=["x"] * 100_000))) as session:
        scene = session.root(Scene)
        read = session.stats.bytes_read
        assert scene.model_dump(include={"either"}) == {"either": {"name": "s", "radius": 2.0, "centre": {"x": 0}}}
        assert session.stats.bytes_read - read < 10_000


# -- enums that are dataclasses ----------------------------------------------------------------------------------------


@dataclasses.dataclass
class Planet:
    mass: float


class Planets(Planet, Enum):
    EARTH = 5.97
    MARS = 0.64


class Trip(Model):
    to: Planets
    via: list[Planets] = []


class Return(Trip):
    back: Planets = Planets.EARTH
    stops: list[Planets] = Chunk(default=[])
    trips: dict[str, Trip] = Chunk(default={})


class PlainTrip(BaseModel):
    to: Planets
    via: list[Planets] = []


class PlainReturn(BaseModel):
    to: Planets
    via: list[Planets] = []
    back: Planets = Planets.EARTH
    stops: list[Planets] = []
    trips: dict[str, PlainTrip] = {}


def test_members_of_an_enum_that_is_a_dataclass() -> None:
    values: dict[str, Any] = {"to": Planets.MARS, "via": [Planets.EARTH], "stops": [Planets.MARS]}
    trip = Return(**values, trips={"a": Trip(to=Planets.EARTH)})
    plain = PlainReturn(**values, trips={"a": PlainTrip(to=Planets.EARTH)})
    with Session(dumps(trip)) as session:
        for each in (trip, session.root(Return)):
            for mode in ("python", "json"):
                assert each.model_dump(mode=mode) == plain.model_dump(mode=mode)
            assert each.model_dump_json() == plain.model_dump_json()
            assert TypeAdapter(Any).dump_python(each) == plain.model_dump()
            assert TypeAdapter(Trip | Return).dump_python(each) == plain.model_dump()


def test_the_json_schema_is_that_of_the_plain_model() -> None:
    class Tree(Return):
        kids: list[Tree] = Chunk(default=[])

    class PlainTree(BaseModel):
        to: Planets
        via: list[Planets] = []
        back: Planets = Planets.EARTH
        stops: list[Planets] = []
        trips: dict[str, Trip] = {}
        kids: list[PlainTree] = []

    for mode in ("validation", "serialization"):
        plain = json.dumps(PlainTree.model_json_schema(mode=mode)).replace("PlainTree", "Tree")  # type: ignore[arg-type]
        assert Tree.model_json_schema(mode=mode) == json.loads(plain)  # type: ignore[arg-type]


class Schemalike(BaseModel):
    """Its fields are named as the keys of Pydantic's core schemas."""

    ref: str = "r"
    type: int | str = "string"
    schema_ref: str = "s"
    choices: list[str] = []
    schema_: dict[str, Any] = Field({"type": "union", "ref": "x"}, alias="schema")
    metadata: Shape | Circle = Shape()
    config: Shape | Circle = Shape()
    cls: Shape | Circle = Shape()


class Ref(Model):
    kind: Literal["ref"] = "ref"
    default: Shape | Circle = Circle()


class Typed(Model):
    kind: Literal["type"] = "type"
    n: int = 0


@pytest.mark.parametrize("mode", ["python", "json"])
def test_names_of_fields_may_be_those_of_core_schemas(mode: Any) -> None:
    tagged: Any = Annotated[Ref | Typed, Field(discriminator="kind")]
    like = Schemalike(metadata=Circle(), cls=Circle(radius=3.0))
    for tp, value in ((Schemalike, like), (list[Schemalike], [like]), (tagged, Ref()), (list[tagged], [Typed()])):
        cls = holder(tp)
        obj = cls(held=value)
        with Session(dumps(obj)) as session:
            assert session.root(cls).model_dump(mode=mode) == obj.model_dump(mode=mode)
    assert fields_with_choices(Ref) == {"default"}


def test_a_field_of_any_name_may_have_a_validator_that_sees_the_others(tmp_path: Path) -> None:
    class Limited(Model):
        model_config = {"validate_assignment": True}
        limit: int
        metadata: int
        serialization: int = 0

        @field_validator("metadata", "serialization")
        @classmethod
        def below_the_limit(cls, value: int, info: ValidationInfo) -> int:
            assert value < info.data["limit"]
            return value

    save(tmp_path / "limited.par", Limited(limit=5, metadata=1))
    for name in ("metadata", "serialization"):
        with Session(tmp_path / "limited.par") as session:
            lazy = session.root(Limited)
            setattr(lazy, name, 4)
            assert getattr(lazy, name) == 4
            with pytest.raises(ValidationError):
                setattr(lazy, name, 5)
