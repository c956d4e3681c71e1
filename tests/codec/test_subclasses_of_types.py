"""Values of a subclass where its base is declared: they come back of their class, or are refused. Pydantic lets most of
them through (a `datetime` of another package), and defaults are not validated at all.
"""

from __future__ import annotations

import datetime as dt
import enum
import fractions
import ipaddress
import pathlib
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import pydantic
import pydantic.dataclasses
import pytest
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from parcode_orm import Chunk, EncodeError, Model, Session, dumps, loads, register
from tests.equality import same


class Moment(dt.datetime):
    """As those of pendulum, of pandas, of freezegun."""


class Odd(dt.datetime):
    """Its constructor wants other arguments."""

    def __new__(cls, text: str) -> Odd:
        return super().__new__(cls, int(text), 1, 1, tzinfo=dt.UTC)


class Day(dt.date):
    pass


class Clock(dt.time):
    pass


class Span(dt.timedelta):
    pass


class Id(uuid.UUID):
    pass


class Host(ipaddress.IPv4Address):
    pass


class Host6(ipaddress.IPv6Address):
    pass


class Third(fractions.Fraction):
    pass


class Wave(complex):
    pass


class Folder(pathlib.PurePosixPath):
    pass


class Hidden(pydantic.SecretStr):
    pass


class Link(pydantic.HttpUrl):
    pass


VALUES = [
    Moment(2024, 1, 1, 2, fold=1, tzinfo=dt.timezone(dt.timedelta(hours=2), "here")), Odd("2024"), Day(2024, 1, 1),
    Clock(1, 2, 3, fold=1), Span(1, 2, 3), Id(int=5), Host("1.2.3.4"), Host6("fe80::1%eth0"), Third(1, 3),
    Wave(1, -0.0), Folder("a/b"), Hidden("x"), Link("http://a.b/c"),
]  # fmt: skip


def model_of(annotation: Any) -> Any:
    namespace = {
        "__annotations__": {"one": annotation, "many": list[annotation], "anything": Any},
        "model_config": ConfigDict(arbitrary_types_allowed=True),
        "__module__": __name__,
        "many": Chunk(),
    }
    return type("Holder", (Model,), namespace)


def come_back(cls: Any, value: Any, anything: Any = None) -> None:
    obj = cls.model_construct(one=value, many=[value, value], anything=anything)
    data = dumps(obj)
    with Session(data) as session:
        found = session.root(cls)
        for each in (loads(data, cls).one, loads(data, cls).many[0], found.one, found.many[1]):
            assert same(each, value)
        assert same(found.anything, anything)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_subclass_comes_back_once_it_is_registered(value: Any) -> None:
    base = type(value).__mro__[1]
    if base in (fractions.Fraction, complex):  # of which Pydantic makes the base
        with pytest.raises(EncodeError, match="would come back as"):
            come_back(model_of(base), value)
    else:
        with pytest.raises(EncodeError, match=rf"Holder.one: {type(value).__name__}, a subclass.*register\("):
            come_back(model_of(base), value)
        register(type(value))
        come_back(model_of(base), value)
        come_back(model_of(base | int), value)
    register(type(value))
    come_back(model_of(type(value)), value, anything={"here": [value]})


def test_a_subclass_with_attributes_is_refused() -> None:
    moment = Moment(2024, 1, 1)
    moment.note = "mine"  # type: ignore[attr-defined]
    with pytest.raises(EncodeError, match="carries attributes of its own"):
        come_back(model_of(Moment), moment)


class Status(enum.StrEnum):
    OPEN = "open"


class Level(enum.IntEnum):
    LOW = 1


class Point(NamedTuple):
    x: int
    y: int


class Keys(TypedDict):
    a: int


class Theirs(BaseModel):
    status: str = Status.OPEN
    level: int = Level.LOW
    groups: dict[str, list[int]] = Field(default_factory=lambda: defaultdict(list))
    counts: dict[str, int] = Field(default_factory=Counter)
    order: dict = OrderedDict(b=1, a=2)
    by_status: dict[str, int] = {Status.OPEN: 1}
    raw: bytes = bytearray(b"x")


@dataclass
class Record:
    status: str = Status.OPEN
    level: int = Level.LOW


class Row(NamedTuple):
    level: int = Level.LOW


class Shop(Model):
    theirs: Theirs
    record: Record
    row: Row
    many: list[Theirs] = Chunk(default_factory=list)


def test_defaults_keep_their_class() -> None:
    theirs = Theirs()
    theirs.groups["new"].append(1)
    theirs.counts["new"] += 1
    shop = Shop(theirs=theirs, record=Record(), row=Row(), many=[Theirs(), theirs])
    data = dumps(shop)
    assert same(loads(data, Shop), shop)
    with Session(data) as session:
        found = session.root(Shop)
        assert found.theirs.status is Status.OPEN and found.many[1].level is Level.LOW
        found.many[1].groups["other"].append(2)  # it has its factory


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (dict[str, int], OrderedDict(a=1)),
        (dict[str, int], defaultdict(int, a=1)),
        (tuple[int, int], Point(1, 2)),
        (tuple[int, ...], Point(1, 2)),
        (Keys, OrderedDict(a=1)),
        (bytes, bytearray(b"x")),
    ],
)
def test_a_collection_keeps_its_class(annotation: Any, value: Any) -> None:
    register(Point)
    come_back(model_of(annotation), value)


@pytest.mark.parametrize("base", [list, dict, set, frozenset, tuple, deque])
def test_a_collection_of_ones_own_is_refused(base: Any) -> None:
    own = type("Own", (base,), {})
    with pytest.raises(EncodeError, match=r"Holder\.one.*register_type"):
        come_back(model_of(base), own())


def test_an_enum_without_members_names_no_class() -> None:
    come_back(model_of(enum.Enum), Level.LOW)


def test_a_marked_dictionary_of_another_kind_is_a_lazy_map() -> None:
    class Box(Model):
        pairs: dict[str, int] = Chunk()
        items: list[int] = Chunk()

    class Own(list):  # type: ignore[type-arg]
        pass

    box = Box.model_construct(pairs=OrderedDict(b=1, a=2), items=Own([1]))
    assert loads(dumps(box), Box) == Box(pairs={"b": 1, "a": 2}, items=[1])


class Alert(enum.StrEnum):
    LOW = "low"


@pydantic.dataclasses.dataclass
class Alarm:
    level: str = Field(default=Alert.LOW)


class Alarms(Model):
    alarm: Alarm = Alarm()


def test_the_class_of_a_default_in_a_field_of_a_pydantic_dataclass() -> None:
    assert type(loads(dumps(Alarms()), Alarms).alarm.level) is Alert
