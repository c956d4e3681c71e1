"""`Key` and `Index`: how they may be written, and what is refused when a class is defined."""

from __future__ import annotations

import re
from enum import Enum
from typing import Annotated, Any, Generic, Optional, TypeVar
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from parcode_orm import Chunk, Index, Key, Model, UnsupportedTypeError
from parcode_orm.model.indexes import indexes_of
from parcode_orm.model.keys import key_fields, numbered_field

T = TypeVar("T")


def define(base: Any = Model, /, **fields: Any) -> Any:
    """A class `Thing` with fields of these annotations, each alone or in a pair with the default."""
    pairs = {name: value if isinstance(value, tuple) else (value,) for name, value in fields.items()}
    defaults = {name: pair[1] for name, pair in pairs.items() if len(pair) > 1}
    annotations = {name: pair[0] for name, pair in pairs.items() if not name.startswith("__")}
    return type(base)("Thing", (base,), {"__annotations__": annotations, "__module__": __name__, **defaults})


def test_marks_stand_as_defaults_or_in_annotated() -> None:
    cls = define(id=(int, Key(auto=True)), name=Annotated[str, Index(unique=True)], code=(str, Index("x", unique=True)))
    assert (key_fields(cls), numbered_field(cls)) == (("id",), "id")
    assert [(spec.name, spec.unique) for spec in indexes_of(cls)] == [("name", True), ("code", True)]
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
        ({"id": (int, Key()), "x": (list[bool | str], Index())}, "Thing.x: Index() is for numbers, text"),
        ({"id": (int, Key()), "x": (dict[str, int], Index())}, "Thing.x: Index() is for numbers, text"),
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


class Place(Model):
    city: str = ""
    zip: int | None = None
    note: str = Chunk(default="")


class Tint(Enum):
    RED = "red"


class Stock(BaseModel):
    model_config = ConfigDict(use_enum_values=True)
    price: int = 0
    tint: Tint | None = None


class Thing(Model):
    id: int = Key(auto=True)
    guild: str = ""
    level: int = 0
    home: Place = Place()
    away: Place | None = None
    tags: list[str] = []
    stock: list[Stock] = []
    kinds: set[int] = set()
    notes: dict[str, int] = {}
    any: Any = None


def test_indexes_of_several_fields_nested_ones_and_items_stand_in_the_class() -> None:
    class Named(Thing):
        __indexes__ = (
            Index("guild", "level"),
            Index("home.city"),
            Index("away.zip", "guild"),
            Index("tags[]"),
            Index("stock[].price"),
            Index("guild", "home.city", unique=True),
        )

    assert [spec.name for spec in indexes_of(Named)] == [
        "guild, level", "home.city", "away.zip, guild", "tags[]", "stock[].price", "guild, home.city",
    ]  # fmt: skip
    assert list(Named.model_fields) == list(Thing.model_fields)
    assert Named().model_dump() == Thing().model_dump()
    assert not indexes_of(Thing)


def test_a_subclass_has_the_indexes_of_its_class_unless_it_says_others() -> None:
    class Base(Thing):
        __indexes__ = (Index("guild", "level"),)

    class Same(Base):
        more: int = Index(0)

    class Other(Base):
        __indexes__ = (*Base.__indexes__, Index("level"))

    assert [spec.name for spec in indexes_of(Same)] == ["more", "guild, level"]
    assert [spec.name for spec in indexes_of(Other)] == ["guild, level", "level"]


def test_an_index_on_a_field_that_holds_a_list_is_of_its_items() -> None:
    cls = define(id=(int, Key()), tags=(list[str], Index()), kinds=(Optional[set[int]], Index(None)))  # noqa: UP045
    assert [(spec.name, spec.types) for spec in indexes_of(cls)] == [("tags[]", (str,)), ("kinds[]", (int,))]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((Index("gild"),), "Index('gild'): Named has no field 'gild': it has id, guild"),
        ((Index("home.town"),), "Index('home.town'): Place has no field 'town': it has city, zip, note"),
        ((Index("home.city.x"),), "Index('home.city.x'): home.city is of type str, which has no fields"),
        ((Index("stock.price"),), "which has no fields: write stock[] for its items"),
        ((Index("guild[]"),), "Index('guild[]'): guild is of type str, which is no list"),
        ((Index("notes[]"),), "Index('notes[]'): notes is of type dict[str, int], which is no list"),
        ((Index("tags"),), "tags is of type list[str], and an index is for numbers, text, bytes, dates, times, "),
        ((Index("tags"),), "and for lists of them: write tags[] for its items"),
        ((Index("home"),), "home is of type Place, and an index is for numbers"),
        ((Index("any"),), "any is of type Any, and an index is for numbers"),
        ((Index("guild", "guild"),), "Index('guild', 'guild'): guild stands there twice"),
        ((Index("guild", "tags[]"),), "an index of a list's items has no other fields, and is not unique"),
        ((Index("tags[]", unique=True),), "an index of a list's items has no other fields, and is not unique"),
        ((Index("guild", "tags", unique=True),), "tags is for values that can be the keys of a dictionary, and a list"),
        ((Index("home.note"),), "note is a field with Chunk(), and what is looked up lies in its row"),
        ((Index("stock[].tint"),), "Stock and Named differ in use_enum_values"),
        ((Index("guild"), Index("guild")), "Index('guild'): the class has this index already"),
        ((Index(),), "Index(): name its fields: Index('guild', 'level')"),
        ((Index("guild", 5),), "a field is named by a text, such as 'level' or 'address.city', not by 5"),
        ((Index(""),), "Named has no field ''"),
        ((Index("ta[]gs"),), "'ta[]gs' is no path, such as 'level', 'address.city' or 'tags[]'"),
        (("guild",), "is a tuple of Index(), such as (Index('guild', 'level'),), and not 'guild'"),
        ("guild", "is a tuple of Index(), such as (Index('guild', 'level'),), and not 'guild'"),
        ((Key(),), "is a tuple of Index(), such as (Index('guild', 'level'),), and not "),
    ],
)
def test_an_index_that_does_not_fit_its_class_is_refused(given: Any, message: str) -> None:
    with pytest.raises(UnsupportedTypeError, match=re.escape(message)) as problem:
        type(Model)("Named", (Thing,), {"__module__": __name__, "__qualname__": "Named", "__indexes__": given})
    assert str(problem.value).startswith("Named.__indexes__")


def test_an_index_of_a_field_and_of_the_class_may_not_be_the_same() -> None:
    with pytest.raises(UnsupportedTypeError, match="the class has this index already"):
        define(id=(int, Key()), x=(int, Index()), __indexes__=(Any, (Index("x"),)))
    assert len(indexes_of(define(id=(int, Key()), x=(int, Index(unique=True)), __indexes__=(Any, (Index("x"),))))) == 2


def test_an_index_of_the_class_needs_a_key_and_stands_on_no_field() -> None:
    with pytest.raises(UnsupportedTypeError, match=r"Thing\.__indexes__ is for entities, and the class has no Key"):
        define(x=(int, 0), __indexes__=(Any, (Index("x"),)))
    with pytest.raises(UnsupportedTypeError, match=r"Thing\.x: Index\('a', 'b'\) of several fields"):
        define(id=(int, Key()), x=(str, Index("a", "b")))


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
