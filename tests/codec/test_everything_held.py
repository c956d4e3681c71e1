"""Whatever an object holds comes back with it, or it is refused when it is written: nothing is dropped on the way."""

from __future__ import annotations

import copy
import dataclasses
import functools
import threading
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Optional, TypeVar

import numpy as np
import pydantic
import pytest
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, RootModel

import parcode_orm
from parcode_orm import Chunk, EncodeError, Model, Session, dumps, loads, register

if TYPE_CHECKING:
    from somewhere import Bot

T = TypeVar("T")


def lazy(obj: Any) -> Any:
    return parcode_orm.open(dumps(obj)).root(type(obj))


def plain(obj: Any) -> Any:
    return loads(dumps(obj), type(obj))


def committed(obj: Any) -> Any:
    with Session(":memory:") as session:
        session.add(obj)
        session.commit()
        session.expire_all()
        return session.root(type(obj)).model_load()


ways = pytest.mark.parametrize("way", [plain, lazy, committed])


@dataclasses.dataclass
class Call:
    name: str
    scale: dataclasses.InitVar[int] = 2

    def __post_init__(self, scale: int) -> None:
        self.meta: dict[str, int] | None = None
        self.scaled = len(self.name) * scale

    @functools.cached_property
    def shown(self) -> str:
        return self.name.upper()


@dataclasses.dataclass
class Loud(Call):
    volume: int = 1


class WithSlot:
    __slots__ = ("note", "unset")


@dataclasses.dataclass(slots=True)
class Slotted(WithSlot):
    a: int = 0


@dataclasses.dataclass
class Box(Generic[T]):
    item: T


@pydantic.dataclasses.dataclass(config=ConfigDict(extra="allow"))
class Event:
    kind: str


class Pair(NamedTuple):
    x: int
    y: int


class Named(Pair):
    pass


class Log(Model):
    calls: list[Call] = []
    apart: list[Call] = Chunk(default=[])
    slotted: Slotted | None = None
    boxed: Box[int] | None = None
    events: list[Event] = []
    pair: Named | None = None
    any: Any = None


@ways
def test_attributes_of_dataclasses_beside_their_fields(way: Callable[[Any], Any]) -> None:
    calls = [Call("f", 5), Loud("gg", 1, 9)]
    calls[1].meta = {"n": 1}
    assert calls[0].shown == "F"  # computed, so not stored
    slotted = Slotted(3)
    slotted.note = "n"
    found = way(Log(calls=calls, apart=calls, slotted=slotted, boxed=Box[int](7), any=[calls[1], slotted]))
    for each in (found.calls, found.apart):
        assert [type(call) for call in each] == [Call, Loud]
        assert [(call.meta, call.scaled) for call in each] == [(None, 5), ({"n": 1}, 2)]
        assert "shown" not in vars(each[0])
    assert found.slotted.note == "n" and not hasattr(found.slotted, "unset")
    assert found.boxed == Box(7)
    assert (found.any[0].meta, found.any[0].scaled, found.any[1].note) == ({"n": 1}, 2, "n")


@ways
def test_extra_values_of_pydantic_dataclasses(way: Callable[[Any], Any]) -> None:
    found = way(Log(events=[Event(kind="login", user="ann"), Event(kind="none")], any=Event(kind="pay", amount=3)))
    assert found.events[0].user == "ann" and not hasattr(found.events[1], "user")
    assert found.any.amount == 3


@ways
def test_attributes_of_a_subclass_of_a_named_tuple(way: Callable[[Any], Any]) -> None:
    pair = Named(1, 2)
    pair.label = "p"
    log = Log(any=[pair])
    log.pair = pair
    found = way(log)
    assert type(found.pair) is Named and found.pair == (1, 2) and found.pair.label == "p"
    assert type(found.any[0]) is Named and found.any[0].label == "p"


def test_an_attribute_that_cannot_be_stored_is_named() -> None:
    call = Call("f")
    call.meta = threading.Lock()  # type: ignore[assignment]
    with pytest.raises(EncodeError, match=r"calls\[0\]\['meta'\]"):
        dumps(Log(calls=[call]))
    with pytest.raises(EncodeError, match=r"any\.meta"):
        dumps(Log(any=call))


def test_a_change_of_such_an_attribute_is_committed(tmp_path: Path) -> None:
    path = tmp_path / "log.par"
    parcode_orm.save(path, Log(calls=[Call("f")], events=[Event(kind="k", n=1)]))
    with Session(path) as session:
        log = session.root(Log)
        log.calls[0].meta = {"new": 1}
        log.events[0].n = 2
        session.commit()
        found = [(each.path[-1], each.old, each.new) for each in session.diff(1, 2)]
        assert found == [("meta", None, {"new": 1}), ("n", 1, 2)]
    found = parcode_orm.load(path, Log)
    assert found.calls[0].meta == {"new": 1} and found.events[0].n == 2


# -- models ------------------------------------------------------------------------------------------------------------


class Point(BaseModel):
    x: int


class Open(Model):
    point: Point | None = None
    points: list[Point] = []
    any: Any = None


@ways
def test_extra_values_that_were_allowed_at_run_time(way: Callable[[Any], Any]) -> None:
    point = Point.model_validate({"x": 1, "y": [2]}, extra="allow")
    for obj in (
        Open(point=point, points=[Point(x=0), point], any=point),
        Open.model_validate({"z": [3], "points": [{"x": 1, "q": 2}]}, extra="allow"),
    ):
        found = way(obj)
        assert found == obj and found.model_dump() == obj.model_dump()
        assert found.model_extra == obj.model_extra


def test_extra_values_allowed_at_run_time_change(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    parcode_orm.save(path, Open.model_validate({"z": [3]}, extra="allow"))
    with Session(path) as session:
        root = session.root(Open)
        assert root.z == [3]  # type: ignore[attr-defined]
        root.z.append(4)  # type: ignore[attr-defined]
        session.commit()
    assert parcode_orm.load(path, Open).model_extra == {"z": [3, 4]}


class Config(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int] = Field(init=False)
    kind: str


class Settings(Model):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int] = Field(init=False)
    kind: str
    config: Config | None = None


class Names(RootModel[list[str]]):
    _seen: int = PrivateAttr(default=0)


class Bag(Model, RootModel[list[str]]):
    _seen: int = PrivateAttr(default=0)
    _marks: list[int] = PrivateAttr(default_factory=list)


class Holder(Model):
    names: Names
    bag: Bag
    any: Any = None


@ways
def test_slots_that_a_class_hides(way: Callable[[Any], Any]) -> None:
    settings = Settings(kind="k", one=1, config=Config(kind="c", two=2))
    found = way(settings)
    assert found == settings and found.model_extra == {"one": 1} and found.config.model_extra == {"two": 2}
    assert found.model_dump() == settings.model_dump() == {"kind": "k", "config": {"kind": "c", "two": 2}, "one": 1}
    holder = Holder(names=Names(["a"]), bag=Bag(["b"]))
    holder.names._seen = holder.bag._seen = 5
    holder.any = [holder.names, holder.bag]
    found = way(holder)
    assert found == holder and found.names._seen == found.bag._seen == 5
    assert [each._seen for each in found.any] == [5, 5]
    for copied in (copy.deepcopy(found), found.model_copy(deep=True), found.model_load()):
        assert copied == holder and copied.bag._seen == 5
        assert copied.bag._marks is not found.bag._marks


def test_slots_that_a_class_hides_change_in_place(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    bag, settings = Bag(["a"]), Settings(kind="k", one=1)
    bag._seen = 5
    with Session(path) as session:
        session.add_all([bag, settings])
        session.commit()
        bag._marks.append(1)
        settings.model_extra["two"] = 2  # type: ignore[index]
        session.commit()
        with pytest.raises(KeyError), session.begin_nested():
            bag._marks.append(2)
            bag._seen = 6
            settings.model_extra["three"] = 3  # type: ignore[index]
            raise KeyError
        assert (bag._seen, bag._marks, settings.model_extra) == (5, [1], {"one": 1, "two": 2})
    with Session(path) as session:
        assert (session.root(Bag)._seen, session.root(Settings).model_extra) == (5, {"one": 1, "two": 2})
        assert not session.dirty
        session.root(Bag)._seen = 7
        session.commit()
        session.root(Bag)._seen = 8
        session.rollback()
        assert session.root(Bag)._seen == 7
    assert parcode_orm.load(path, Bag)._marks == [1]


def test_a_savepoint_before_the_first_commit_keeps_hidden_slots(tmp_path: Path) -> None:
    bag = Bag(["a"])
    with Session(tmp_path / "a.par") as session:
        session.add(bag)
        with pytest.raises(KeyError), session.begin_nested():
            bag._marks.append(2)
            bag._seen = 6
            raise KeyError
        assert (bag._seen, bag._marks) == (0, [])
        session.commit()
        assert bag._seen == 0
        session.expunge(bag)
    assert bag.root == ["a"]


# -- private attributes ------------------------------------------------------------------------------------------------


class Message(BaseModel):
    text: str
    _bot: Optional["Bot"] = PrivateAttr()  # noqa: UP037, UP045
    _lock: threading.Event | None = PrivateAttr(default=None)
    _count = PrivateAttr(default=0)

    def model_post_init(self, context: Any) -> None:
        self._bot = context.get("bot") if context else None


class Chat(Model):
    message: Message
    more: list[Message] = Chunk(default=[])
    any: Any = None
    _plain = 3


@ways
def test_private_attributes_whose_annotation_says_nothing(way: Callable[[Any], Any]) -> None:
    chat = Chat(message=Message(text="hi"), more=[Message(text="a")], any=Message(text="any"))
    chat.message._count = 7
    chat._plain = 4
    found = way(chat)
    assert found == chat
    assert found.message._bot is None and found.message._lock is None and found.message._count == 7
    assert found.more[0]._bot is None and found.any._bot is None and found._plain == 4


@ways
def test_what_cannot_be_stored_of_them_has_its_default(way: Callable[[Any], Any]) -> None:
    chat = Chat(message=Message(text="hi"), any=Message(text="any"))
    for message in (chat.message, chat.any):
        message._lock, message._count = threading.Event(), threading.Lock()
        message._bot = object()
    found = way(chat)
    for message in (found.message, found.any):
        assert message._lock is None and message._count == 0 and not hasattr(message, "_bot")


# -- values ------------------------------------------------------------------------------------------------------------


class Tagged(PurePosixPath):
    pass


class Code(str):
    pass


class Grade(float):
    pass


class Raw(bytes):
    pass


class Values(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    path: Tagged | None = None
    text: str = ""
    number: float = 0.0
    data: bytes = b""
    array: np.ndarray | None = None
    any: Any = None


def test_attributes_of_a_path_are_not_dropped() -> None:
    path = Tagged("a")
    found = plain(Values(path=path)).path
    assert type(found) is Tagged and str(path) == "a"
    path.tag = "x"
    with pytest.raises(EncodeError, match="carries attributes of its own"):
        dumps(Values(path=path))


@pytest.mark.parametrize(
    ("name", "value"), [("text", Code("x")), ("number", Grade(1.5)), ("data", Raw(b"y"))], ids=lambda v: str(v)
)
def test_subclasses_of_builtins_in_fields_of_the_builtin(name: str, value: Any) -> None:
    values = Values()
    setattr(values, name, value)
    cls = type(value)
    with pytest.raises(EncodeError, match=rf"Values\.{name}: {cls.__name__}, a subclass of"):
        dumps(values)
    register(cls)
    for way in (plain, lazy):
        found = getattr(way(values), name)
        assert type(found) is cls and found == value


@ways
def test_scalars_and_records_of_numpy(way: Callable[[Any], Any]) -> None:
    records = np.rec.array([(1, 2.0)], dtype=[("x", "i4"), ("y", "f8")])
    values = Values(data=np.bytes_(b"x"), array=records.view(np.ndarray), any=[records[0], np.str_("a")])
    values.text = np.str_("u")
    found = way(values)
    assert (type(found.text), type(found.data)) == (np.str_, np.bytes_) and (found.text, found.data) == ("u", b"x")
    assert type(found.any[0]) is np.record and found.any[0].y == 2.0 and type(found.any[1]) is np.str_
    assert type(found.array[0]) is np.record and found.array[0].x == 1


@register
class Totals(BaseModel):
    n: int = 0


class Grouped(Model):
    typed: defaultdict[str, list[int]] = defaultdict(list)
    nested: dict[str, defaultdict[str, int]] = {}
    any: Any = None


@ways
@pytest.mark.parametrize("factory", [list, Counter, OrderedDict, Decimal, Totals, None], ids=str)
def test_factories_of_defaultdicts(way: Callable[[Any], Any], factory: Any) -> None:
    grouped = Grouped(
        typed=defaultdict(factory, a=[1]),
        nested={"one": defaultdict(int, x=1), "two": defaultdict(factory, y=2)},
        any=[defaultdict(factory, b=2)],
    )
    found = way(grouped)
    assert found == grouped
    assert found.typed.default_factory is found.nested["two"].default_factory is factory
    assert found.any[0].default_factory is factory and found.nested["one"].default_factory is int


@pytest.mark.parametrize("name", ["typed", "any"])
def test_a_factory_that_would_not_be_found_is_refused(name: str) -> None:
    with pytest.raises(EncodeError, match=rf"Grouped\.{name}: the default_factory of a defaultdict is stored by name"):
        dumps(Grouped(**{name: defaultdict(lambda: [0])}))
