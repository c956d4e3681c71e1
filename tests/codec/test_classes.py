"""Which class a stored name stands for: subclasses in base-typed fields, classes that moved, namesakes, `register`."""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
import typing_extensions
from pydantic_core import core_schema as cs

import parcode_orm
from parcode_orm import Chunk, EncodeError, Model, SchemaMismatchError, dumps, loads

SOURCE = """
from parcode_orm import Model
class Item(Model):
    n: int = 0
class Sword(Item):
    damage: int = 1
class Game(Model):
    items: list[Item] = []
"""


@pytest.fixture
def module() -> Iterator[Any]:
    made: list[str] = []

    def build(name: str, source: str = SOURCE) -> Any:
        new = sys.modules[name] = types.ModuleType(name)
        made.append(name)
        exec(compile(source, name, "exec"), new.__dict__)
        return new

    yield build
    for name in made:
        sys.modules.pop(name, None)


def test_a_subclass_is_found_when_its_module_has_another_name(module: Any) -> None:
    here = module("__before__")
    data = dumps(here.Game(items=[here.Sword(damage=7), here.Item(n=2)]))
    there = module("game_of_today")
    found = loads(data, there.Game)
    assert [type(item) for item in found.items] == [there.Sword, there.Item]
    assert found.items[0].damage == 7
    lazy = parcode_orm.open(data).root(there.Game)
    assert isinstance(lazy.items[0], there.Sword) and lazy.items[0].damage == 7


def test_namesakes_in_other_modules_are_told_apart_by_their_shape(module: Any) -> None:
    here = module("__before__")
    data = dumps(here.Game(items=[here.Sword()]))
    there = module("game_of_today")
    source = "from game_of_today import Item\nclass Sword(Item):\n    "
    module("mods", source + "weight: float = 0.0")
    assert type(loads(data, there.Game).items[0]) is there.Sword
    module("more_mods", source + "damage: int = 1")
    with pytest.raises(SchemaMismatchError, match=r"several: in the modules game_of_today, more_mods"):
        loads(data, there.Game)


def test_unknown_and_changed_subclasses(module: Any) -> None:
    here = module("__before__")
    data = dumps(here.Game(items=[here.Sword()]))
    there = module("game_of_today", SOURCE.replace("Sword", "Axe"))
    with pytest.raises(SchemaMismatchError, match="__before__:Sword, a subclass that this process does not know"):
        _ = loads(data, there.Game).items
    there = module("game_of_tomorrow", SOURCE.replace("damage: int", "damage: float"))
    (sword,) = loads(data, there.Game).items
    assert type(sword) is there.Sword and type(sword.damage) is float


class Base(Model):
    x: int = 0


class Derived(Base):
    y: int = 1


class Holder(Model):
    base: Base
    anything: Any = None


def test_the_class_of_lazy_objects_is_no_subclass() -> None:
    data = dumps(Holder(base=Derived(y=5)))
    lazy = parcode_orm.open(data).root(Holder).base
    assert lazy.y == 5  # by now there is a generated class of the same name
    plain = loads(data, Holder).base
    assert type(plain) is Derived and plain == Derived(y=5)


def test_classes_of_functions_and_nested_namesakes() -> None:
    def one() -> Any:
        class Config(Model):
            a: int = 1

        return Config

    def two() -> Any:
        class Config(Model):
            b: str = "b"

        return Config

    first, second = one(), two()

    class Both(Model):
        first: first  # type: ignore[valid-type]
        second: second  # type: ignore[valid-type]
        more: list[first | second] = Chunk(default=[])  # type: ignore[valid-type]

    obj = Both(first=first(a=3), second=second(b="z"), more=[second(), first()])
    found = loads(dumps(obj), Both)
    assert found == obj and [type(item) for item in found.more] == [second, first]
    assert parcode_orm.open(dumps(obj)).root(Both) == obj


def test_a_schema_mismatch_in_a_packed_value_is_no_corruption(module: Any) -> None:
    source = "from parcode_orm import Model\nclass Packed(Model):\n    n: int = 0"
    here = module("__packed__", source)
    data = dumps(Holder(base=Base(), anything=here.Packed(n=1)))
    module("__packed__", source.replace("n: int = 0", "m: str"))
    for read in (lambda: loads(data, Holder), lambda: parcode_orm.open(data).root(Holder).anything):
        with pytest.raises(SchemaMismatchError, match=r"Packed\.m: a packed object does not have this field"):
            read()


class Money:
    """Neither a model nor a dataclass: Pydantic is told how it is dumped."""

    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.cents == self.cents

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        dump = cs.plain_serializer_function_ser_schema(lambda value: value.cents)
        return cs.no_info_plain_validator_function(lambda v: v if isinstance(v, cls) else cls(v), serialization=dump)


def test_register_lets_a_class_stand_in_any() -> None:
    @dataclasses.dataclass
    class Local:
        a: int

    class Code(str):
        pass

    class Weird:
        pass

    for value in (Money(3), Local(4), Code("x")):
        with pytest.raises(EncodeError, match=r"Holder\.anything"):
            dumps(Holder(base=Base(), anything=[value]))
        assert parcode_orm.register(type(value)) is type(value)
        found = loads(dumps(Holder(base=Base(), anything=[value])), Holder).anything[0]
        assert found == value and type(found) is type(value)
    parcode_orm.register(Weird)
    with pytest.raises(EncodeError, match="cannot be stored in a field of type Any"):
        dumps(Holder(base=Base(), anything=Weird()))


def test_the_typed_dict_of_typing_extensions() -> None:
    class Card(typing_extensions.TypedDict, total=False):
        title: str
        pages: typing_extensions.Required[list[int]]

    class Shelf(Model):
        card: Card
        apart: Card = Chunk()

    shelf = Shelf(card={"pages": [1]}, apart={"pages": [], "title": "t"})
    assert loads(dumps(shelf), Shelf) == shelf
    lazy = parcode_orm.open(dumps(shelf)).root(Shelf)
    assert type(lazy.apart) is dict and lazy == shelf
