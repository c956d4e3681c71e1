"""Each type read as each other one, in seven places: the right value, or a typed error; never a wrong value."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import ipaddress
import pathlib
import uuid
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import numpy as np
import pydantic
import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter
from typing_extensions import TypedDict

import parcode_orm
from parcode_orm import Chunk, Model, Session, ShardedMap
from parcode_orm.errors import SchemaMismatchError
from tests.equality import same

pytestmark = pytest.mark.once


class Hue(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Mode(enum.StrEnum):
    RED = "red"
    FAST = "fast"


class Rank(enum.IntEnum):
    LOW = 1
    HIGH = 5


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Spot(NamedTuple):
    x: int
    label: str


class Card(TypedDict):
    title: str


@dataclasses.dataclass
class Crate:
    size: int


class Plain(BaseModel):
    n: int


class Lazy(Model):
    n: int


MOMENT = dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC)
TYPES: list[tuple[Any, list[Any]]] = [
    (int, [0, 1, 5, 2**53 + 1, 2**70]),
    (float, [0.5, 2.0, -0.0, 1e300, float("nan")]),
    (bool, [True, False]),
    (str, ["", "5", "red", "2024-02-29", "true", "a"]),
    (bytes, [b"", b"5", b"\xff"]),
    (bytearray, [bytearray(b"x")]),
    (int | None, [None, 3]),
    (str | None, [None, "red"]),
    (Decimal, [Decimal("0.1"), Decimal("5"), Decimal("0.12345678901234567890")]),
    (Fraction, [Fraction(1, 3), Fraction(2)]),
    (complex, [1j, 2 + 0j]),
    (dt.datetime, [MOMENT, dt.datetime(2024, 2, 29)]),
    (dt.date, [dt.date(2024, 2, 29)]),
    (dt.time, [dt.time(1, 2)]),
    (dt.timedelta, [dt.timedelta(hours=1)]),
    (uuid.UUID, [uuid.UUID(int=7)]),
    (Hue, [Hue.RED, Hue.BLUE]),
    (Mode, [Mode.RED, Mode.FAST]),
    (Rank, [Rank.LOW, Rank.HIGH]),
    (Access, [Access.READ | Access.WRITE, Access(0)]),
    (Literal["red", "5"], ["red", "5"]),
    (Literal[1, "red", None], [1, "red", None]),
    (pathlib.PurePosixPath, [pathlib.PurePosixPath("red/x")]),
    (ipaddress.IPv4Address, [ipaddress.IPv4Address("1.2.3.4")]),
    (pydantic.HttpUrl, [pydantic.HttpUrl("http://a.b/")]),
    (pydantic.SecretStr, [pydantic.SecretStr("red")]),
    (list[int], [[], [1, 2, 2]]),
    (list[str], [[], ["a", "5"]]),
    (list[Any], [[], [1, "a"]]),
    (tuple[int, ...], [(), (1, 2)]),
    (tuple[int, str], [(1, "a"), (2, "5")]),
    (set[int], [set(), {1, 2}]),
    (frozenset[str], [frozenset({"a", "5"})]),
    (deque[int], [deque([1, 2], 4)]),
    (dict[str, int], [{}, {"a": 1, "1": 2}]),
    (dict[int, int], [{}, {1: 2}]),
    (dict[str, Any], [{}, {"n": 1}]),
    (int | str, [1, "a", "5"]),
    (float | str, [1.5, "a", "5"]),
    (list[int] | dict[str, int], [[1], {"a": 1}]),
    (Any, [1, "red", None, [1, {"a": 2.5}]]),
    (Plain, [Plain(n=1)]),
    (Lazy, [Lazy(n=1)]),
    (Crate, [Crate(1)]),
    (Card, [{"title": "a"}]),
    (Spot, [Spot(1, "a")]),
    (list[Lazy], [[Lazy(n=1), Lazy(n=2)]]),
    (np.ndarray, [np.array([1, 2])]),
]
KEYS = [place for place, (_, values) in enumerate(TYPES) if all(getattr(type(v), "__hash__", None) for v in values)]
CONFIG = ConfigDict(arbitrary_types_allowed=True)
MISSING = object()


class Place:
    """Where values of a type stand in a class."""

    def __init__(self, name: str, annotate: Callable[[Any], Any], marker: Any, put: Any, get: Any) -> None:
        self.name = name
        self._annotate = annotate
        self._marker = marker
        self._put = put
        self._get = get
        self._known: dict[int, Any] = {}

    def model(self, place: int) -> Any:
        """The class with a field of this type, made once."""
        if place not in self._known:
            body = {"__annotations__": {"v": self._annotate(TYPES[place][0])}, "__module__": "app"}
            if self._marker is not None:
                body["v"] = self._marker()
            self._known[place] = type(Model)("Root", (Model,), {**body, "model_config": CONFIG, "__qualname__": "Root"})
        return self._known[place]

    def data(self, place: int, values: list[Any]) -> bytes | None:
        """A file with one value, or all values, in this place."""
        try:
            return parcode_orm.dumps(self.model(place)(v=self._put(values)))
        except (pydantic.ValidationError, parcode_orm.EncodeError):
            return None

    def values(self, obj: Any) -> list[Any]:
        """The values of an object."""
        found: list[Any] = self._get(obj.v)
        return found


def whole(cls: Any, data: bytes) -> Any:
    return parcode_orm.loads(data, cls)


def lazily(cls: Any, data: bytes) -> Any:
    with Session.open(data) as session:
        return session.root(cls).model_load()


def wide(tp: Any) -> Any:
    """A class of so many fields that few objects are stored one by one, not by columns."""
    others: Any = {f"n{n}": (int, 0) for n in range(30)}
    return pydantic.create_model("RootRow", __config__=CONFIG, v=(tp, ...), **others)


PLACES = [
    Place("inline", lambda tp: tp, None, lambda values: values[0], lambda v: [v]),
    Place("chunk", lambda tp: tp, Chunk, lambda values: values[0], lambda v: [v]),
    Place("item", lambda tp: list[tp], None, lambda values: values, list),  # type: ignore[valid-type]
    Place("row", lambda tp: list[tp], Chunk, lambda values: values, list),  # type: ignore[valid-type]
    Place("value", lambda tp: dict[str, tp], ShardedMap, lambda values: {str(k): v for k, v in enumerate(values)},
          lambda v: list(v.values())),  # type: ignore[valid-type]
    Place("key", lambda tp: dict[tp, int], ShardedMap, lambda values: dict.fromkeys(values, 1), list),  # type: ignore[valid-type]
    Place("wide", lambda tp: list[wide(tp)], None, lambda values: [{"v": v} for v in values],
          lambda v: [each.v for each in v]),  # type: ignore[misc]
]  # fmt: skip


def plain(value: Any) -> Any:
    """A value as its stored schema tells it, without classes."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, pydantic.SecretStr):
        return value.get_secret_value()
    if isinstance(value, pathlib.PurePath | pydantic.HttpUrl):
        return str(value)
    if isinstance(value, BaseModel):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)  # type: ignore[arg-type]
    if isinstance(value, Spot):
        return value._asdict()
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(map(plain, value))
    return value


ADAPTERS: dict[int, Any] = {}


def right(place: int, value: Any, found: Any) -> bool:
    """Whether `found`, of type `place`, is what a stored value means there."""
    if same(value, found):
        return True
    if isinstance(value, Plain | Lazy):
        return isinstance(found, Plain | Lazy) and found.n == value.n
    given = plain(value)
    if same(given, found):
        return True
    if isinstance(given, dt.date | dt.time | dt.timedelta) is not isinstance(found, dt.date | dt.time | dt.timedelta):
        if not isinstance(given, str):
            return False
    if type(given) in (list, tuple, set, frozenset) and type(found) in (list, tuple, set, frozenset):
        return len(given) == len(found) and all(
            any(x == y or (isinstance(x, str) and str(y) == x) for x in given) for y in found
        )
    if isinstance(given, dict) and isinstance(found, dict):
        return len(given) == len(found) and all(
            str(k) in map(str, found) and any(str(v) == str(w) for w in found.values()) for k, v in given.items()
        )
    if place not in ADAPTERS:
        try:
            ADAPTERS[place] = TypeAdapter(TYPES[place][0], config=CONFIG)
        except pydantic.PydanticUserError:
            ADAPTERS[place] = TypeAdapter(TYPES[place][0])
    try:
        wanted = ADAPTERS[place].validate_python(given)
    except pydantic.ValidationError:
        return False
    return same(wanted, found)


@pytest.mark.parametrize("where", PLACES, ids=lambda place: place.name)
def test_each_type_as_each_other(where: Place) -> None:
    types = KEYS if where.name == "key" else range(len(TYPES))
    read = refused = 0
    problems: list[str] = []
    for old in types:
        single = where.name in ("inline", "chunk")
        for values in [[value] for value in TYPES[old][1]] if single else [TYPES[old][1]]:
            data = where.data(old, values)
            if data is None:
                continue
            for new in types:
                try:
                    cls = where.model(new)
                except parcode_orm.UnsupportedTypeError:
                    continue
                for load in (whole, lazily):
                    try:
                        found = where.values(load(cls, data))
                    except SchemaMismatchError as problem:
                        refused += 1
                        assert "Root" in str(problem)
                        continue
                    except Exception as problem:
                        problems.append(f"{TYPES[old][0]} as {TYPES[new][0]}: {values!r}: {problem!r:.300}")
                        continue
                    read += 1
                    if len(found) != len(values) or not all(
                        any(right(new, value, each) for value in values) for each in found
                    ):
                        problems.append(f"{TYPES[old][0]} as {TYPES[new][0]}: {values!r} became {found!r:.200}")
    assert not problems, f"{len(problems)}:\n" + "\n".join(problems[:40])
    assert read > 50 and refused > 50
