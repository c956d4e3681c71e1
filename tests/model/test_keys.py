"""`Key` and `Index`: how they may be written, and what is refused when a class is defined."""

from __future__ import annotations

import re
from typing import Annotated, Any, Generic, Optional, TypeVar
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, ValidationError

from parcode_orm import Chunk, Index, Key, Model, UnsupportedTypeError
from parcode_orm.model.keys import key_fields, numbered_field, unique_fields

T = TypeVar("T")


def define(base: Any = Model, /, **fields: Any) -> Any:
    """A class `Thing` with fields of these annotations, each alone or in a pair with the default."""
    pairs = {name: value if isinstance(value, tuple) else (value,) for name, value in fields.items()}
    defaults = {name: pair[1] for name, pair in pairs.items() if len(pair) > 1}
    annotations = {name: pair[0] for name, pair in pairs.items()}
    return type(base)("Thing", (base,), {"__annotations__": annotations, "__module__": __name__, **defaults})


def test_marks_stand_as_defaults_or_in_annotated() -> None:
    cls = define(id=(int, Key(auto=True)), name=Annotated[str, Index(unique=True)], code=(str, Index("x", unique=True)))
    assert (key_fields(cls), numbered_field(cls), unique_fields(cls)) == (("id",), "id", ("name", "code"))
    assert cls(name="a").model_dump() == {"id": None, "name": "a", "code": "x"}


def test_marks_take_what_a_pydantic_field_takes() -> None:
    cls = define(id=(UUID, Key(default_factory=uuid4, alias="ID")), name=(str, Index(unique=True, min_length=2)))
    assert isinstance(cls(name="ab").id, UUID)
    assert set(cls.model_json_schema()["properties"]) == {"ID", "name"}
    with pytest.raises(ValidationError):
        cls(name="a")


def test_a_key_without_auto_or_default_is_required() -> None:
    with pytest.raises(ValidationError):
        define(id=(int, Key()))()


def test_an_unknown_option_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"Key\(\) got an unexpected keyword argument 'uniqe'"):
        Key(uniqe=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"Index\(\) got an unexpected keyword argument 'sort'"):
        Index(unique=True, sort=True)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": (str, Index(unique=True))}, "Thing.name: Index(unique=True) is for entities, and the class has no"),
        ({"id": (str, Key(auto=True))}, "Thing.id: Key(auto=True) numbers objects by an int"),
        ({"id": (bool, Key(auto=True))}, "Thing.id: Key(auto=True) numbers objects by an int"),
        ({"id": (int, Key(auto=True)), "more": (int, Key())}, "Thing.id: Key(auto=True) numbers objects by an int"),
        ({"id": (list[int], Key())}, "Thing.id: Key() is for values that can be the keys of a dictionary, and a list"),
        ({"id": (Optional[dict[str, int]], Key())}, "Thing.id: Key() is for values"),  # noqa: UP045
        ({"id": (int, Key()), "x": (set[int], Index(unique=True))}, "Thing.x: Index(unique=True) is for values"),
        ({"id": (Annotated[str, Chunk()], Key())}, "Thing.id: Key() cannot stand beside Chunk()"),
        (
            {"id": (int, Key()), "x": (Annotated[str, Index(unique=True)], Chunk())},
            "Thing.x: Index(unique=True) cannot",
        ),
        ({"id": (int, Key()), "x": (list[str], Index())}, "Thing.x: Index() is for numbers, text"),
        ({"id": (int, Key()), "x": (set[int], Index())}, "Thing.x: Index() is for numbers, text"),
        ({"id": (int, Key()), "x": (int | str, Index())}, "Thing.x: Index() is for numbers, text"),
        ({"id": list[Annotated[int, Key()]]}, "Thing.id: Key() may stand only directly on a field of a parcode_orm.Mo"),
        ({"id": Optional[Annotated[int, Key()]]}, "Thing.id: Key() may stand only directly"),  # noqa: UP045
        ({"id": (int, Key)}, "Thing.id: write Key(), with parentheses"),
        ({"id": Annotated[int, Key]}, "Thing.id: write Key(), with parentheses"),
        ({"id": (int, Key()), "x": (int, Index)}, "Thing.x: write Index(), with parentheses"),
    ],
)
def test_what_cannot_be_a_key_or_an_index_is_refused_with_the_class(fields: Any, message: str) -> None:
    with pytest.raises(UnsupportedTypeError, match=re.escape(message)):
        define(**fields)


def test_a_key_on_a_class_that_is_no_model_is_refused() -> None:
    with pytest.raises(
        UnsupportedTypeError, match=r"Thing.id: Key\(\) may stand only directly on a field of a parcode"
    ):
        define(BaseModel, id=(int, Key()))


def test_a_generic_class_is_checked_with_its_arguments() -> None:
    class Box(Model, Generic[T]):
        id: T = Key()

    assert key_fields(Box[int]) == ("id",)
    with pytest.raises(UnsupportedTypeError, match=r"Box\[list\[int\]\]\.id: Key\(\) is for values"):
        Box[list[int]]
