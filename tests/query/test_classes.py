"""`Player.level` is an expression, and Pydantic, pickle, inspect, mock and typing find the class as it was."""

from __future__ import annotations

import copy
import inspect
import pickle
import typing
import warnings
from typing import Annotated, Any, ClassVar, Generic, TypeVar
from unittest import mock

import pytest
from pydantic import BaseModel, Field, PrivateAttr, ValidationError, computed_field, create_model, field_validator

from parcode_orm import Chunk, Model, QueryError, Session, and_, col, not_, or_, select
from parcode_orm.query import Expression

T = TypeVar("T")


class Base(Model):
    level: int
    name: str = "a"
    tags: list[str] = Chunk(default_factory=list)
    _hidden: int = PrivateAttr(default=3)
    limit: ClassVar[int] = 5

    @field_validator("level")
    @classmethod
    def positive(cls, value: int) -> int:
        assert value >= 0
        return value

    @computed_field
    @property
    def double(self) -> int:
        return self.level * 2


class Derived(Base):
    extra: float = 0.5


class Box(Model, Generic[T]):
    item: T
    inner: Base | None = None


def test_a_field_of_a_class_is_an_expression() -> None:
    assert isinstance(Base.level, Expression)
    assert isinstance(Derived.level, Expression)
    assert isinstance(Box[int].item, Expression)
    assert str(Base.level) == "Base.level" and str(Derived.level) == "Derived.level"
    assert hasattr(Base, "level") and not hasattr(Base, "levle")


def test_what_is_no_field_is_what_it_was() -> None:
    assert Base.limit == 5
    assert Base.positive(3) == 3
    assert isinstance(Base.double, property)
    assert not hasattr(Base, "_hidden_too") and not hasattr(Base, "__wrapped__")
    with pytest.raises(AttributeError, match="levle"):
        print(Base.levle)  # type: ignore[attr-defined]


def test_a_subclass_inherits_fields_and_no_defaults_come_of_expressions() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Again(Derived):
            level: Annotated[int, Field(ge=1)]  # type: ignore[misc]
            name: str = "b"

        class Both(Again):
            pass

    assert Again.model_fields["level"].is_required() and Both.model_fields["level"].is_required()
    assert Derived.model_fields["level"].is_required()
    with pytest.raises(ValidationError):
        Again()  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        Derived(level=-1)
    assert Both(level=2).name == "b"


def test_a_default_that_an_inherited_field_hides_is_still_warned_of() -> None:
    class Mixin:
        level = 3

    with pytest.warns(UserWarning, match="shadows an attribute"):

        class Shadow(Mixin, Model):
            level: int

    assert Shadow.level == 3  # that of the mixin, as it was


def test_classes_that_wait_for_others_are_rebuilt() -> None:
    class Node(Model):
        value: int
        after: Later | None = None  # type: ignore[name-defined]

    class Later(Model):
        node: int

    Node.model_rebuild(_types_namespace={"Later": Later})
    assert Node.model_fields["value"].is_required()
    assert isinstance(Node.value, Expression)
    made = create_model("Made", __base__=Node, more=(int, 3))
    assert made.model_fields["value"].is_required() and made(value=1).more == 3


def test_what_python_asks_of_classes_is_as_before() -> None:
    assert pickle.loads(pickle.dumps(Base)) is Base
    assert copy.deepcopy(Base) is Base
    assert typing.get_type_hints(Base)["level"] is int
    assert "level" not in dict(inspect.getmembers(Base)) and "level" not in dir(Base)
    assert list(inspect.signature(Base).parameters) == ["level", "name", "tags"]
    assert mock.create_autospec(Base, instance=False) is not None
    stand_in = mock.Mock(spec=Base)
    assert isinstance(stand_in, Base)
    with mock.patch.object(Base, "limit", 7):
        assert Base.limit == 7


def test_objects_are_as_before() -> None:
    one = Base(level=1)
    one.level = 4
    assert one.level == 4 and one.double == 8
    assert pickle.loads(pickle.dumps(one)) == one
    bare = Base.model_construct()
    assert not hasattr(bare, "level")
    with pytest.raises(AttributeError, match="level"):
        print(bare.level)
    with pytest.raises(ValueError):
        one.levle = 3
    del one.level
    assert not hasattr(one, "level")


def test_expressions_can_be_copied_and_pickled() -> None:
    for each in (Base.level > 3, Base.name.like("a%") & ~(Base.level == 1), Base.level.desc):  # type: ignore[attr-defined]
        if isinstance(each, Expression):
            assert str(pickle.loads(pickle.dumps(each))) == str(copy.deepcopy(each)) == str(each)


def test_conditions_are_joined_by_functions_as_by_operators() -> None:
    a, b, c = col(Base.level) > 1, col(Base.level) < 5, col(Base.name) == "a"
    assert str(and_(a, b, c)) == str(a & b & c) and str(or_(a, b, c)) == str(a | b | c)
    assert str(not_(or_(a, b))) == str(~(a | b)) and and_(a) is a and or_(a) is a
    rows = [Base(level=level) for level in range(8)]
    with Session(":memory:") as session:
        found = session.scalars(select(rows).where(or_(*(Base.level == level for level in (1, 7)), not_(b)))).all()
    assert [each.level for each in found] == [1, 5, 6, 7]


def test_a_plain_model_and_a_field_that_hides_behind_a_method_are_named_in_words() -> None:
    class Plain(BaseModel):
        copy: int = 0
        label: int = 0

    class World(Model):
        plain: Plain
        rows: list[Plain]

    assert str(col(Plain, "copy") > 3).endswith("Plain.copy > 3")
    assert str(World.plain["label"]).endswith("World.plain.label")  # type: ignore[index]
    with Session(":memory:") as session:
        world = World(plain=Plain(), rows=[Plain(copy=3), Plain(copy=4)])
        assert session.scalars(select(world.rows).where(col(Plain, "copy") == 4)).one() == Plain(copy=4)


def test_an_expression_is_neither_true_nor_iterable() -> None:
    level: Any = Base.level
    for use in (bool, list, lambda each: 1 < each < 3, lambda each: 3 in each, len, lambda each: each and True):
        with pytest.raises((QueryError, TypeError)) as caught:
            use(level)
        assert "Base.level" in str(caught.value) or "iterable" in str(caught.value)
