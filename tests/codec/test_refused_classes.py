"""Classes that cannot be stored, or not yet: nothing of them stays behind, no object is stored without its fields."""

from __future__ import annotations

import dataclasses
import enum
import typing
from collections.abc import Callable
from typing import Any, Optional

import pytest
from pydantic import BaseModel, create_model

import parcode_orm
from parcode_orm import Chunk, EncodeError, Model, UnsupportedTypeError, dumps, loads
from parcode_orm.codec.types.compile import struct_for
from parcode_orm.codec.types.registry import is_registered

# ruff: noqa: UP037, UP045  # names that are not defined yet


def classes(hook: Any = Callable[[], None] | None) -> Any:
    """Two classes that hold each other, one with a field that cannot be stored."""

    class Mood(enum.Enum):
        GOOD = 1

    class Chat(BaseModel):
        id: int
        last: Optional["Message"] = None
        mood: Mood = Mood.GOOD
        on_close: hook = None  # type: ignore[valid-type]

    class Message(BaseModel):
        text: str
        chat: Chat | None = None

    Chat.model_rebuild(_types_namespace={"Message": Message, "Mood": Mood})
    return Chat, Message, Mood


def test_what_was_compiled_with_a_refused_class_is_forgotten() -> None:
    chat, message, mood = classes()
    for held in (chat, message, list[message], dict[str, chat]):
        with pytest.raises(UnsupportedTypeError, match=r"Chat\.on_close"):
            type("Holder", (Model,), {"__annotations__": {"held": held}, "__module__": __name__})
    assert not any(map(is_registered, (chat, message, mood)))


def test_the_same_classes_without_the_field_are_stored() -> None:
    chat, message, _ = classes(int | None)
    holder: Any = type("Holder", (Model,), {"__annotations__": {"held": message}, "__module__": __name__})
    obj = holder(held=message(text="hi", chat=chat(id=7)))
    assert loads(dumps(obj), holder) == obj


def test_what_was_there_before_stays() -> None:
    class Kept(BaseModel):
        n: int

    class First(Model):
        kept: Kept

    column = struct_for(Kept)
    with pytest.raises(UnsupportedTypeError):
        type("Second", (Model,), {"__annotations__": {"kept": Kept, "bad": Callable}, "__module__": __name__})
    assert struct_for(Kept) is column and is_registered(Kept)
    assert loads(dumps(First(kept=Kept(n=1))), First).kept.n == 1


def test_a_private_attribute_that_cannot_be_stored_leaves_nothing_behind() -> None:
    _, message, _ = classes()

    class Holder(Model):
        n: int = 0
        _message: Optional[message] = None  # type: ignore[valid-type]

    assert loads(dumps(Holder(n=1)), Holder)._message is None
    with pytest.raises(UnsupportedTypeError, match=r"Chat\.on_close"):
        type("Other", (Model,), {"__annotations__": {"held": message}, "__module__": __name__})


class Event(BaseModel):
    n: int = 1


class Log(Model):
    events: list[Event] = []
    any: Any = None


def test_an_instance_of_an_incomplete_class_is_refused() -> None:
    class Late(Event):
        later: "Optional[NotYetDefined]" = None  # type: ignore[name-defined]
        _seen: int = 0

    late = Late.model_construct(n=7, later=None)
    with pytest.raises(EncodeError, match=r"Log\.events\[1\]: the class .*Late is not complete: .*'later'.*rebuild"):
        dumps(Log(events=[Event(), late]))
    parcode_orm.register(Late)
    with pytest.raises(EncodeError, match=r"Log\.any\[0\]: the class .*Late is not complete"):
        dumps(Log(any=[late]))

    class NotYetDefined(BaseModel):
        x: int = 0

    Late.model_rebuild(_types_namespace={"NotYetDefined": NotYetDefined})
    log = Log(events=[Event(), Late(n=7, later=NotYetDefined())], any=[Late()])
    again = loads(dumps(log), Log)
    assert again == log and type(again.events[1]) is Late


def test_a_class_that_is_completed_after_others_were_compiled_with_it() -> None:
    class Waiting(BaseModel):
        id: int
        other: Optional["Awaited"] = None  # type: ignore[name-defined]

    class Holder(Model):
        waiting: list[Waiting] = []

    holder = Holder.model_construct(waiting=[Waiting.model_construct(id=1, other=None)])
    with pytest.raises(EncodeError, match=r"waiting\[0\]: the class .*Waiting is not complete"):
        dumps(holder)

    class Awaited(BaseModel):
        n: int

    Waiting.model_rebuild(_types_namespace={"Awaited": Awaited})
    Holder.model_rebuild(force=True)
    holder = Holder(waiting=[Waiting(id=1, other=Awaited(n=2))])
    assert loads(dumps(holder), Holder) == holder
    column: Any = struct_for(Holder)
    assert [name for name, _ in column.fields[0][1].item.fields] == ["id", "other"]


def test_a_class_that_is_refused_once_it_is_complete() -> None:
    class Waiting(BaseModel):
        id: int
        hook: Callable[[], None] | None = None
        other: Optional["Awaited"] = None  # type: ignore[name-defined]

    class Between(BaseModel):
        waiting: Waiting | None = None

    with pytest.raises(EncodeError, match="not complete"):
        dumps(Log(events=[], any=parcode_orm.register(Waiting).model_construct(id=1)))
    struct_for(Between)

    class Awaited(BaseModel):
        n: int

    Waiting.model_rebuild(_types_namespace={"Awaited": Awaited})

    class Unrelated(Model):
        n: int = 1

    assert loads(dumps(Unrelated()), Unrelated) == Unrelated()
    Between.model_rebuild(force=True, _types_namespace={"Waiting": Waiting})
    with pytest.raises(UnsupportedTypeError, match=r"Waiting\.hook"):
        type("Holder", (Model,), {"__annotations__": {"between": Between}, "__module__": __name__})


def test_the_second_class_that_slots_make_has_a_column_of_its_own() -> None:
    @dataclasses.dataclass
    class Plain:
        x: int

    struct_for(Plain)
    slotted: Any = dataclasses.dataclass(slots=True)(Plain)
    assert slotted is not Plain and struct_for(slotted) is not struct_for(Plain)

    class Holder(Model):
        plain: Plain
        slotted: slotted

    found = loads(dumps(Holder(plain=Plain(1), slotted=slotted(2))), Holder)
    assert type(found.plain) is Plain and type(found.slotted) is slotted and found.slotted.x == 2


def test_an_object_of_base_model_itself_is_refused() -> None:
    """Pydantic makes one of any dictionary in a `list[BaseModel]`, without its items, and cannot compare it."""

    class Named(BaseModel):
        name: str

    class Models(Model):
        many: list[BaseModel] = []
        apart: list[BaseModel] = Chunk([])
        any: Any = None

    models = [Named(name="a")]
    obj = Models(many=models, apart=models)
    assert loads(dumps(obj), Models) == obj
    bare = Models(many=[{"name": "a"}]).many[0]
    assert type(bare) is BaseModel
    for field, value in (("many", [*models, bare]), ("apart", [bare]), ("any", {"k": bare}), ("many", [bare, bare])):
        with pytest.raises(EncodeError, match="drops what is in it") as caught:
            dumps(Models.model_construct(**{field: value}))
        assert caught.value.path.startswith(field)


def chain(innermost: Any, count: int = 100) -> Any:
    """The outermost of `count` classes, each of which holds the next."""
    cls: Any = create_model("Part0", hook=(innermost, None))
    for n in range(1, count):
        cls = create_model(f"Part{n}", n=(int, n), below=(cls | None, None), items=(list[cls], []))
    return cls


def test_classes_that_hold_each_other_may_be_many() -> None:
    """A class in another one takes a dozen of Python's frames; it was a RecursionError from some 75 on."""
    cls = chain(int | None)
    holder: Any = create_model("Whole", __base__=Model, top=(cls, ...), many=(list[cls], Chunk([])))
    obj = holder(top=cls(below={"n": 1}, items=[{"items": [{}]}]), many=[cls()])
    assert loads(dumps(obj), holder) == obj
    with parcode_orm.open(dumps(obj)) as session:
        assert session.root(holder).model_dump() == obj.model_dump()


def test_a_class_far_below_is_refused_with_all_above_it() -> None:
    cls = chain(Callable[[], None] | None)
    with pytest.raises(UnsupportedTypeError, match=r"Part0\.hook"):
        create_model("Whole", __base__=Model, top=(cls, ...))
    below = cls
    while "below" in below.model_fields:
        assert not is_registered(below)
        below = typing.get_args(below.model_fields["below"].annotation)[0]
