"""Field markers: how they may be written, what they change for a plain model, and where they are refused."""

import copy
import dataclasses
import inspect
import pickle
from typing import Annotated, Any, Generic, NamedTuple, Optional, TypeVar

import pydantic
import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, TypeAdapter, ValidationError, field_validator
from typing_extensions import TypedDict

from parcode_orm.codec.types.compile import struct_for
from parcode_orm.codec.types.marks import find_mark
from parcode_orm.errors import UnsupportedTypeError
from parcode_orm.model import Chunk, Model, ShardedMap, base
from parcode_orm.model.fields import FieldOptions

T = TypeVar("T")
Big = Annotated[list[int], Chunk(compression="zstd")]


class Item(Model):
    x: int


class Marked(Model):
    model_config = ConfigDict(populate_by_name=True)
    required: list[int] = Chunk()
    default: list[int] = Chunk([1])
    factory: list[int] = Chunk(default_factory=list, max_length=3, description="some numbers")
    named: bytes = Chunk(default=b"x", alias="NAMED", compression="lz4")
    annotated: Annotated[list[Item], Chunk(), Field(min_length=1)] = [Item(x=1)]
    big: Big = Field(default_factory=list, max_length=2)
    mapping: dict[str, Item] = ShardedMap(default_factory=dict, compression="auto", max_length=2)
    optional: list[int] | None = Chunk(None)
    number: int = Chunk(5, ge=0, le=9)
    item: Item = Chunk(default_factory=lambda: Item(x=2))


class Plain(BaseModel):
    """The same without markers."""

    model_config = ConfigDict(populate_by_name=True, title="Marked")
    required: list[int]
    default: list[int] = [1]
    factory: list[int] = Field(default_factory=list, max_length=3, description="some numbers")
    named: bytes = Field(default=b"x", alias="NAMED")
    annotated: Annotated[list[Item], Field(min_length=1)] = [Item(x=1)]
    big: list[int] = Field(default_factory=list, max_length=2)
    mapping: dict[str, Item] = Field(default_factory=dict, max_length=2)
    optional: list[int] | None = None
    number: int = Field(5, ge=0, le=9)
    item: Item = Field(default_factory=lambda: Item(x=2))


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_json_schema_is_the_plain_one(mode):
    marked, plain = Marked.model_json_schema(mode=mode), Plain.model_json_schema(mode=mode)
    plain.pop("description")
    assert marked == plain


def test_json_schema_of_a_derived_class_is_the_plain_one():
    def derive(base):
        class Base(base):
            x: int

        class Derived(Base):
            y: list[int] = Field(default_factory=list)

        return Derived

    for mode in ("validation", "serialization"):
        assert derive(Model).model_json_schema(mode=mode) == derive(BaseModel).model_json_schema(mode=mode)


@pytest.mark.parametrize("marker", [Chunk, ShardedMap])
def test_markers_take_what_field_takes(marker):
    own = set(inspect.signature(marker).parameters) - {"options", "compression"}
    taken = own | set(FieldOptions.__annotations__) - {"renamed_from", "on_delete"}
    # `init_var` is for dataclasses; `extra` collects keywords that Field refuses.
    assert taken == set(inspect.signature(Field).parameters) - {"extra", "init_var"}


def test_metadata_keeps_kind_and_compression():
    def mark(name):
        found = find_mark(Marked.model_fields[name].metadata)
        return found.kind, found.compression

    assert mark("required") == ("chunk", None)
    assert mark("named") == ("chunk", "lz4")
    assert mark("big") == ("chunk", "zstd")
    assert mark("mapping") == ("map", "auto")
    assert find_mark(Item.model_fields["x"].metadata) is None


VALUES: list[dict[str, Any]] = [
    {"required": [1]},
    {"required": ["2"], "NAMED": "y", "mapping": {"k": {"x": 3}}, "optional": [1]},
    {"required": (1, 2), "annotated": [{"x": 1}, Item(x=2)]},
    {"required": 5},
    {"required": ["x"]},
    {"required": [], "factory": [1, 2, 3, 4]},
    {"required": [], "annotated": []},
    {"required": [], "big": [1, 2, 3]},
    {"required": [], "mapping": {"a": {"x": 1}, "b": {"x": "?"}}},
    {"required": [], "mapping": {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1}}},
    {"required": [], "number": 10, "item": {"x": "?"}},
    {},
]


def _outcome(call):
    try:
        return call().model_dump()
    except ValidationError as error:
        return error.errors(include_url=False, include_context=False)


@pytest.mark.parametrize("values", VALUES, ids=str)
def test_validation_is_the_plain_one(values):
    assert _outcome(lambda: Marked(**values)) == _outcome(lambda: Plain(**values))
    assert _outcome(lambda: Marked.model_validate(values, strict=True)) == _outcome(
        lambda: Plain.model_validate(values, strict=True)
    )
    text = pydantic.TypeAdapter(Any).dump_json(values)
    assert _outcome(lambda: Marked.model_validate_json(text)) == _outcome(lambda: Plain.model_validate_json(text))
    assert _outcome(lambda: Marked.model_validate_json(text, strict=True)) == _outcome(
        lambda: Plain.model_validate_json(text, strict=True)
    )


def test_strings_and_construct():
    class Texts(Model):
        table: dict[str, int] = ShardedMap()
        number: int = Chunk()

    assert Texts.model_validate_strings({"table": {"k": "1"}, "number": "2"}) == Texts(table={"k": 1}, number=2)
    assert Marked.model_construct(required=[1]).default == [1]
    assert TypeAdapter(list[Marked]).validate_json('[{"required": [1]}]')[0].required == [1]


def test_strict_json_takes_what_only_json_may_be():
    class Strict(Model):
        model_config = ConfigDict(strict=True, val_json_bytes="base64")
        pairs: list[tuple[int, set[int]]] = Chunk()
        raw: dict[str, bytes] = ShardedMap()

    made = Strict.model_validate_json('{"pairs": [[1, [2]]], "raw": {"k": "AAE="}}')
    assert made.pairs == [(1, {2})] and made.raw == {"k": b"\x00\x01"}


@pytest.mark.parametrize(
    ("definition", "name"),
    [
        (lambda: type("Bad", (BaseModel,), {"__annotations__": {"f": list[int]}, "f": Chunk()}), "Bad.f"),
        (lambda: type("Bad", (BaseModel,), {"__annotations__": {"f": Big}}), "Bad.f"),
        (lambda: type("Bad", (Model,), {"__annotations__": {"f": Optional[Big]}}), "Bad.f"),  # noqa: UP045
        (lambda: type("Bad", (Model,), {"__annotations__": {"f": Big, "g": Big | None}}), "Bad.g"),
        (lambda: type("Bad", (Model,), {"__annotations__": {"f": list[Annotated[int, Chunk()]]}}), "Bad.f"),
        (lambda: type("Bad", (Model,), {"__annotations__": {"f": list[int]}, "f": ShardedMap()}), "Bad.f"),
        (lambda: type("Bad", (Model,), {"__annotations__": {"f": Annotated[int, ShardedMap()]}}), "Bad.f"),
        (lambda: pydantic.dataclasses.dataclass(type("Bad", (), {"__annotations__": {"f": Big}})), "Bad.f"),
        (lambda: TypeAdapter(TypedDict("Bad", {"f": Big})), "f"),
        (lambda: TypeAdapter(NamedTuple("Bad", [("f", Big)])), "Chunk"),
        (lambda: TypeAdapter(dataclasses.make_dataclass("Bad", [("f", Big)])), "Bad.f"),
        (lambda: type("Bad", (Model,), {"__annotations__": {"f": TypedDict("Inner", {"g": Big})}}), "g"),
    ],
)
def test_misplaced_markers_are_refused_when_the_class_is_defined(definition, name):
    with pytest.raises(UnsupportedTypeError, match=name) as caught:
        definition()
    assert isinstance(caught.value, TypeError)


def test_a_field_that_may_hold_a_misplaced_marker_elsewhere_is_fine():
    class First(Model):
        f: Big

    class Second(Model):
        f: Big
        first: First = Chunk()

    assert Second(f=[1], first=First(f=[2])).first.f == [2]


def test_compression_must_be_a_name():
    with pytest.raises(TypeError, match="compression"):
        Chunk(compression=3)  # type: ignore[arg-type]


def test_inheritance_and_overriding():
    class Child(Marked):
        default: list[str] = Chunk(compression="lz4", default_factory=list)
        extra: int = 3

    assert find_mark(Child.model_fields["default"].metadata).compression == "lz4"
    assert find_mark(Child.model_fields["required"].metadata) is not None
    assert Child(required=[1], default=["a"]).model_dump(include={"default", "required"}) == {
        "required": [1],
        "default": ["a"],
    }
    assert Child in Marked.__subclasses__()


def test_mixed_in_plain_bases():
    class Mixin(BaseModel):
        m: int = 1

    class Both(Model, Mixin):
        f: list[int] = Chunk()

    assert Both(f=[1]).model_dump() == {"m": 1, "f": [1]}


def test_generics():
    class Box(Model, Generic[T]):
        item: T = Chunk()
        items: list[T] = Chunk(default_factory=list)
        by_name: dict[str, T] = ShardedMap(default_factory=dict)

    assert Box[int](item="1", items=["2"], by_name={"k": "3"}).model_dump() == {
        "item": 1,
        "items": [2],
        "by_name": {"k": 3},
    }
    assert Box[list[int]](item=[1]).item == [1]
    assert list(Box[int](item=1, items=iter(["3"])).items) == [3]
    with pytest.raises(ValidationError):
        Box[int](item=1, items=["x"])

    class IntBox(Box[int]):
        more: int = 0

    assert IntBox(item=1).item == 1


def test_root_models():
    class Tags(Model, RootModel[list[str]]):
        root: list[str] = Chunk()

    assert Tags(["a"]).root == ["a"] and Tags(["a"]).model_dump() == ["a"]
    assert pickle.loads(pickle.dumps(RootTags(["a"]))) == RootTags(["a"])


class RootTags(Model, RootModel[list[str]]):
    pass


class Later(Model):
    others: list["Later"] = Chunk(default_factory=list)
    table: "dict[str, Forward]" = ShardedMap(default_factory=dict)


class Forward(Model):
    x: int


def test_forward_references():
    made = Later(others=[Later()], table={"k": {"x": "3"}})
    assert made.table["k"] == Forward(x=3)
    assert list(Later(others=iter([{"others": []}])).others) == [Later()]


def test_plain_models_copy_and_pickle_with_the_slots_unset():
    made = Marked(required=[1])
    for other in (
        copy.copy(made),
        copy.deepcopy(made),
        pickle.loads(pickle.dumps(made)),
        made.model_copy(),
        made.model_load(),
    ):
        assert other == made and type(other) is Marked and not hasattr(other, "_p_state")


def test_field_validators_see_the_plain_list():
    class Checked(Model):
        f: list[int] = Chunk()

        @field_validator("f")
        @classmethod
        def double(cls, value: list[int]) -> list[int]:
            return [2 * each for each in value]

    assert Checked(f=["1"]).f == [2]


def test_model_load_copies_deeply_and_keeps_shared_objects_shared():
    class Pair(Model):
        left: Any
        right: Any

    shared = [Item(x=1)]
    loop = Pair(left=shared, right=shared)
    made = loop.model_load()
    assert made == loop and made.left is made.right is not shared and made.left[0] is not shared[0]
    loop.left = loop
    assert loop.model_load().left.left.right == shared


def test_the_hook_compiles_every_complete_class(monkeypatch):
    seen = []
    monkeypatch.setattr(base, "on_complete", [seen.append])

    class Done(Model):
        x: int

    class Open(Model, Generic[T]):
        x: T

    Open[int]
    assert seen == [Done, Open[int]]
    assert all(struct_for(each).schema_known for each in seen)


def test_what_cannot_be_stored_is_said_when_the_class_is_defined(monkeypatch):
    def refuse(cls):
        raise UnsupportedTypeError(f"{cls.__name__}.x cannot be stored")

    monkeypatch.setattr(base, "struct_for", refuse)
    with pytest.raises(UnsupportedTypeError, match=r"Bad\.x"):

        class Bad(Model):
            x: int
