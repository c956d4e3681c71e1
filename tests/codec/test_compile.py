# ruff: noqa: UP006, UP007, UP017, UP037, UP045, PIE796
"""Every type that a field may have: stored and read back equal, with the same types; or refused with its name."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import gc
import ipaddress
import pathlib
import re
import typing
import uuid
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, Optional, TypeVar, Union
from zoneinfo import ZoneInfo

import numpy as np
import pydantic
import pytest
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Discriminator, Field, PrivateAttr, RootModel, Tag, TypeAdapter
from pydantic.types import PaymentCardNumber
from pydantic_core import core_schema
from typing_extensions import TypeAliasType, TypedDict

from parcode_orm.codec.schema import canonical_schema, differences, fingerprint_of
from parcode_orm.codec.types.compile import column_for, struct_for
from parcode_orm.errors import EncodeError, SchemaMismatchError, UnsupportedTypeError
from parcode_orm.model.base import Model
from parcode_orm.model.fields import Chunk, ShardedMap
from tests.codec.harness import encodings, roundtrip
from tests.strategies import same

T = TypeVar("T")
Meters = NewType("Meters", float)


class Color(enum.Enum):
    RED = 1
    GREEN = "green"
    BLUE = (1, 2)
    ROUGE = 1


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Tone(enum.StrEnum):
    A = "a"
    B = "b"


class Perm(enum.Flag):
    R = 1
    W = 2
    X = 4
    RW = 3


class Bits(enum.IntFlag, boundary=enum.KEEP):
    ONE = 1
    TWO = 2


class Point(NamedTuple):
    x: int
    y: float = 0.5


class Movie(TypedDict, total=False):
    title: str
    year: int


class Strict(TypedDict):
    a: int
    b: NotRequired[str]


@dataclasses.dataclass
class Plain:
    a: int
    b: list[str] = dataclasses.field(default_factory=list)
    c: int = dataclasses.field(init=False, default=7)


@dataclasses.dataclass(slots=True, frozen=True)
class Slotted:
    a: int
    b: "Optional[Slotted]" = None


@pydantic.dataclasses.dataclass
class Checked:
    a: int


@dataclasses.dataclass
class Box(Generic[T]):
    item: T


class Pair(NamedTuple, Generic[T]):
    left: T
    right: T


class Keyed(TypedDict, Generic[T]):
    value: T


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    tail: float = 1.5


class Puppy(Dog):
    age: int = 0


class Ids(RootModel[list[int]]):
    pass


class Page(BaseModel, Generic[T]):
    items: list[T]


class Shade(str):
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.cents == self.cents

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(
            lambda v: v if isinstance(v, cls) else cls(v),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda v: v.cents),
        )


class ThirdParty:
    def __init__(self, x: int) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ThirdParty) and self.x == other.x


class ThirdPartySchema:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(
            lambda v: v if isinstance(v, ThirdParty) else ThirdParty(v),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda v: v.x),
        )


Tree = TypeAliasType("Tree", "dict[str, Tree] | list[Tree] | int | str | None")
ListOf = TypeAliasType("ListOf", list[T], type_params=(T,))
BERLIN = ZoneInfo("Europe/Berlin")
UTC = dt.timezone.utc

CASES: list[tuple[Any, list[Any]]] = [
    (int, [0, -1, 2**70, -(2**63), 2**63]),
    (float, [0.0, -0.0, float("inf"), 1e308, float("nan")]),
    (bool, [True, False]),
    (str, ["", "a\0b", "é", "\ud800"]),
    (bytes, [b"", b"\0\xff"]),
    (bytearray, [bytearray(b"x")]),
    (None, [None]),
    (Optional[int], [None, 3]),
    (list[int], [[], [1, 2]]),
    (list, [[1, "a", None], []]),
    (dict[str, int], [{}, {"a": 1}]),
    (dict[int, list[str]], [{2: ["a"], 1: []}]),
    (dict, [{1: "a", "b": (2,)}]),
    (Any, [1, "a", None, [1, (2, {3})]]),
    (object, [1.5]),
    (T, [1, "a"]),
    (set[int], [set(), {3, 1}]),
    (frozenset[str], [frozenset({"a", "b"})]),
    (typing.AbstractSet[int], [frozenset({1})]),
    (typing.MutableSet[int], [{1}]),
    (typing.MutableSequence[int], [[1]]),
    (Sequence[int], [[1], (1, 2), collections.deque([3]), []]),
    (Mapping[str, int], [{"a": 1}]),
    (tuple[int, str], [(1, "a")]),
    (tuple[int, ...], [(), (1, 2)]),
    (tuple[()], [()]),
    (tuple, [(1, "a")]),
    (collections.deque[int], [collections.deque([1, 2], 3), collections.deque()]),
    (collections.OrderedDict[str, int], [collections.OrderedDict(b=1, a=2)]),
    (collections.Counter[str], [collections.Counter("aab")]),
    (collections.defaultdict[str, list[int]], [collections.defaultdict(list, {"a": [1]})]),
    (typing.DefaultDict[str, int], [collections.defaultdict(int, {"a": 1})]),
    (Literal["a", "b"], ["a", "b"]),
    (Literal["a", 1, True, None, b"x"], ["a", 1, True, None, b"x"]),
    (Literal[Color.RED, "RED"], [Color.RED, "RED"]),
    (Color, list(Color)),
    (Level, list(Level)),
    (Tone, list(Tone)),
    (Perm, [Perm.R, Perm.R | Perm.X, Perm(0), Perm.RW]),
    (Bits, [Bits.ONE | Bits.TWO, Bits(9), Bits(0), Bits.TWO]),
    (Meters, [1.5]),
    (ListOf[int], [[1]]),
    (Tree, [{"a": [1, {"b": None}]}, None, "x", [["y"]]]),
    (pydantic.JsonValue, [{"a": [1, None, True, 1.5]}, "x", None]),
    (Annotated[int, Field(gt=0), "doc"], [3]),
    (Union[int, str, None], [1, "a", None]),
    (int | float | bool, [1, 1.0, True]),
    (list[int] | list[str], [[1], ["a"], []]),
    (list[int] | list[str] | None, [[1], None, ["a"], []]),
    (dict[str, int] | dict[str, list[int]], [{"a": 1}, {"a": [1]}]),
    (set[int] | list[int] | tuple[int, int], [{1}, [1], (1, 2)]),
    (dt.date | dt.datetime, [dt.date(2020, 1, 1), dt.datetime(2020, 1, 1)]),
    (Cat | Dog, [Cat(), Dog(tail=2), Puppy(age=1)]),
    (Annotated[Cat | Dog, Field(discriminator="kind")], [Cat(lives=3), Dog()]),
    (
        Annotated[
            Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")], Discriminator(lambda v: getattr(v, "kind", "cat"))
        ],
        [Dog(), Cat()],
    ),
    (Strict | Movie, [{"a": 1}, {"title": "x"}, {"a": 1, "b": "y"}]),
    (Point, [Point(1, 2.0)]),
    (Movie, [{"title": "x"}, {}, {"title": "a", "year": 3}]),
    (Strict, [{"a": 1}, {"a": 2, "b": "c"}]),
    (Plain, [Plain(1, ["x"]), Plain(2)]),
    (Slotted, [Slotted(1, Slotted(2)), Slotted(3)]),
    (Checked, [Checked(a=1)]),
    (Box[int], [Box(1)]),
    (Box[list[str]], [Box(["a"])]),
    (Pair[str], [Pair("a", "b")]),
    (Keyed[dt.date], [{"value": dt.date(2020, 1, 2)}]),
    (Ids, [Ids([1, 2])]),
    (Page[int], [Page[int](items=[1])]),
    (BaseModel, [Cat(lives=2), Dog()]),
    (dt.datetime, [dt.datetime(2020, 1, 1, 1, 2, 3, 4), dt.datetime.min, dt.datetime.max]),
    (
        dt.datetime,
        [
            dt.datetime(2020, 1, 1, tzinfo=UTC),
            dt.datetime(2020, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-5), "EST")),
            dt.datetime(2020, 10, 25, 2, 30, tzinfo=BERLIN),
            dt.datetime(2020, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
            dt.datetime(2020, 3, 29, 2, 30, tzinfo=BERLIN),
            TypeAdapter(dt.datetime).validate_python("2020-01-01T00:00:00+02:30"),
            dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=14))),
            dt.datetime(2020, 1, 1, fold=1),
        ],
    ),
    (dt.time, [dt.time(1, 2, 3, 4), dt.time(tzinfo=UTC), dt.time(1, fold=1), dt.time(3, tzinfo=BERLIN)]),
    (dt.date, [dt.date.min, dt.date.max]),
    (dt.timedelta, [dt.timedelta.max, dt.timedelta.min, dt.timedelta(microseconds=-1)]),
    (pydantic.AwareDatetime, [dt.datetime(2020, 1, 1, tzinfo=UTC)]),
    (pydantic.PastDate, [dt.date(2000, 1, 1)]),
    (decimal.Decimal, [decimal.Decimal(x) for x in ("1.10", "-0", "Infinity", "-Infinity", "1E+99999", "0E-9")]),
    (fractions.Fraction, [fractions.Fraction(1, 3)]),
    (complex, [complex(-0.0, 1)]),
    (uuid.UUID, [uuid.UUID(int=5), uuid.uuid4()]),
    (pathlib.Path, [pathlib.Path("a/b"), pathlib.Path()]),
    (pathlib.PurePosixPath, [pathlib.PurePosixPath("/a")]),
    (pathlib.PureWindowsPath, [pathlib.PureWindowsPath("c:\\a")]),
    (ipaddress.IPv4Address, [ipaddress.IPv4Address("1.2.3.4")]),
    (ipaddress.IPv6Address, [ipaddress.IPv6Address("fe80::1%eth0")]),
    (ipaddress.IPv4Network, [ipaddress.IPv4Network("10.0.0.0/8")]),
    (ipaddress.IPv6Interface, [ipaddress.IPv6Interface("::1/64")]),
    (pydantic.IPvAnyAddress, [ipaddress.IPv4Address("1.2.3.4"), ipaddress.IPv6Address("::1")]),
    (pydantic.SecretStr, [pydantic.SecretStr("x")]),
    (pydantic.SecretBytes, [pydantic.SecretBytes(b"x")]),
    (pydantic.Secret[int], [pydantic.Secret[int](3)]),
    (pydantic.HttpUrl, [pydantic.HttpUrl("http://a.b/c?d=é#f")]),
    (pydantic.AnyUrl, [pydantic.AnyUrl("ftp://a/b")]),
    (pydantic.PostgresDsn, [pydantic.PostgresDsn("postgres://u:p@h1,h2:5/db")]),
    (pydantic.EmailStr, ["a@b.c"]),
    (pydantic.ByteSize, [pydantic.ByteSize(1000)]),
    (pydantic.Json[list[int]], [[1]]),
    (re.Pattern[str], [re.compile("a+", re.I)]),
    (re.Pattern, [re.compile(b"a"), re.compile("b")]),
    (Shade, [Shade("x")]),
    (Money, [Money(5)]),
    (PaymentCardNumber, [PaymentCardNumber("4242424242424242")]),
    (Annotated[ThirdParty, ThirdPartySchema], [ThirdParty(5)]),
    (NDArray[np.float32], [np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((0, 3), np.float32)]),
    (np.ndarray, [np.arange(3), np.array(["a", "bc"])]),
    (np.float64, [np.float64(1.5)]),
    (np.int8, [np.int8(-3)]),
    (np.float16, [np.float16(1.5)]),
]


@pytest.mark.parametrize(("tp", "values"), CASES, ids=range(len(CASES)))
def test_values_come_back(tp: Any, values: list[Any]) -> None:
    column = column_for(tp, "M", "f")
    for some in ([], values, values * 3, values[:1], [v for v in values for _ in range(2)]):
        plain, lazy = roundtrip(column, some)
        assert same(plain, some), (plain, some)
        assert same(lazy, some), (lazy, some)
    assert fingerprint_of(column) == fingerprint_of(column_for(tp, "M", "f"))


@pytest.mark.parametrize(
    "tp",
    [
        Callable[[], int],
        Callable,
        type,
        type[int],
        Iterator[int],
        Iterable[int],
        typing.Generator[int, None, None],
        typing.IO[str],
        type(re),
        ThirdParty,
        list[ThirdParty],
        dict[str, Callable[[], int]],
        memoryview,
        pydantic.ImportString,
    ],
    ids=str,
)
def test_what_cannot_be_stored_is_named(tp: Any) -> None:
    with pytest.raises(UnsupportedTypeError, match=r"^Hero\.power: .* cannot be stored: .{10}"):
        column_for(tp, "Hero", "power")


def test_a_class_with_such_a_field_is_refused_when_it_is_defined() -> None:
    with pytest.raises(UnsupportedTypeError, match=r"Bad\.hook"):

        class Bad(Model):
            hook: Callable[[], int]


def test_models_keep_sets_extras_and_privates() -> None:
    class Deep(Model):
        model_config = ConfigDict(extra="allow")
        a: int = 1
        b: float = 0  # not validated: stays an int
        c: Optional["Deep"] = None
        d: int = None  # type: ignore[assignment]
        _p: int = PrivateAttr(default=3)
        _q: Callable[[], int] = PrivateAttr(default=len)  # type: ignore[assignment]
        _r = 4

    value = Deep(a=2, c=Deep(extra=[1]), more="x")
    value._p = 9
    plain, lazy = roundtrip(struct_for(Deep), [value, Deep()])
    assert same(plain, [value, Deep()]) and same(lazy, [value, Deep()])


def test_typed_extras() -> None:
    class Typed(Model):
        model_config = ConfigDict(extra="allow")
        __pydantic_extra__: dict[str, dt.date]

    assert canonical_schema(struct_for(Typed)) == canonical_schema(struct_for(Typed))
    value = Typed(a=dt.date(2020, 1, 1))
    assert same(roundtrip(struct_for(Typed), [value])[0], [value])


def test_enum_values() -> None:
    class Used(Model):
        model_config = ConfigDict(use_enum_values=True)
        color: Color
        tone: Tone = Tone.B

    values = [Used(color=Color.BLUE), Used(color=Color.RED, tone=Tone.A)]
    assert same(roundtrip(struct_for(Used), values)[0], values)


def test_mutual_recursion() -> None:
    class Left(Model):
        right: Optional["Right"] = None

    class Right(Model):
        left: list[Left] = []

    value = Right(left=[Left(), Left(right=Right())])
    assert same(roundtrip(struct_for(Right), [value])[0], [value])


def test_marked_fields() -> None:
    class Part(Model):
        n: int
        data: list[int] = Chunk(default=[])

    class Whole(Model):
        part: Part = Chunk()
        parts: dict[str, Part] = ShardedMap(default_factory=dict)
        any_of: list[int] | None = Chunk(default=None)

    value = Whole(part=Part(n=1, data=[1, 2]), parts={"b": Part(n=2), "a": Part(n=3)})
    plain, lazy = roundtrip(struct_for(Whole), [value])
    assert same(plain, [value]) and same(lazy, [value])


def test_stored_names_of_enums_survive_renumbering() -> None:
    old = enum.Enum("E", {"A": 1, "B": 2})
    new = enum.Enum("E", {"B": 1, "C": 3})
    from tests.codec.harness import MemorySpace, stored

    sink, ref = stored(column_for(old, "M", "f"), [old.B, old.A])
    space = MemorySpace(sink)
    view = column_for(new, "M", "f").view(space.chunk(ref), 0, space)
    with pytest.raises(SchemaMismatchError, match="'A'"):
        view.read(0, 2)
    assert view.get(0) is new.B


def test_subclasses_that_would_lose_something_are_refused() -> None:
    class Stamp(dt.datetime):
        pass

    with pytest.raises(EncodeError, match="Stamp"):
        roundtrip(column_for(dt.datetime, "M", "f"), [Stamp(2020, 1, 1)])
    shade = Shade("x")
    shade.note = 1  # type: ignore[attr-defined]
    with pytest.raises(EncodeError, match="attributes"):
        roundtrip(column_for(Shade, "M", "f"), [shade])


def test_a_custom_type_that_does_not_come_back_is_refused() -> None:
    class Lossy(Money):
        def __eq__(self, other: object) -> bool:
            return self is other

    with pytest.raises(EncodeError, match=r"M\.f: .*Lossy does not come back"):
        roundtrip(column_for(Lossy, "M", "f"), [Lossy(1)])


def test_differences_are_told() -> None:
    def schema(**fields: Any) -> Any:
        return canonical_schema(struct_for(pydantic.create_model("Player", **fields)))

    old, new = schema(a=(int, ...), b=(str, ...)), schema(a=(float, ...), c=(int | None, ...))
    found = differences(old, new)
    assert "Player.a: int became float" in found
    assert "Player.b: this field is gone" in found
    assert "Player.c: this field is new" in found
    assert differences(old, old) == []


def test_naive_times_cost_no_zone() -> None:
    column = column_for(dt.datetime, "M", "f")
    names = encodings(column, [dt.datetime(2020, 1, i + 1) for i in range(20)])
    assert names[:2] == ["STRUCT", "INT"] and "CONSTANT" in names


def test_a_class_is_not_kept_alive() -> None:
    def make() -> weakref.ref[type]:
        class Short(Model):
            a: int

        fingerprint_of(struct_for(Short))
        return weakref.ref(Short)

    found = make()
    for _ in range(3):
        gc.collect()
    assert found() is None
