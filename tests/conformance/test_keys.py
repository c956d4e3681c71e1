# ruff: noqa: UP017
"""A stored dictionary finds what a dictionary finds, with any type of keys: in a row, in a table, edited."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import pathlib
import random
import re
import uuid
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from ipaddress import IPv4Address, IPv4Interface, ip_network
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from pydantic import (
    AnyUrl,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    HttpUrl,
    IPvAnyNetwork,
    PrivateAttr,
    RootModel,
    Secret,
    SecretStr,
    ValidationError,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass

from parcode_orm import (
    Chunk,
    EncodeError,
    LazyMap,
    Model,
    Session,
    ShardedMap,
    UnsupportedTypeError,
    dumps,
    lazy,
    loads,
    register,
    save,
)
from parcode_orm import open as read
from parcode_orm.lazy.rows import TablePairs
from parcode_orm.lazy.spans import SpanPairs
from tests.small import Tuned, small_caches, tuned

T = TypeVar("T")
UTC, CET = dt.timezone.utc, dt.timezone(dt.timedelta(hours=1))
BERLIN = ZoneInfo("Europe/Berlin")
INF = float("inf")


class Plain(enum.Enum):
    ONE = 1
    TWO = "two"


class Number(enum.IntEnum):
    ONE = 1
    NINE = 9


class Word(enum.StrEnum):
    A = "a"
    Z = "z"


class Day(dt.date, enum.Enum):
    FIRST = 2020, 1, 1
    SECOND = 2020, 1, 2


class Bits(enum.Flag):
    READ = 1
    WRITE = 2
    RUN = 8


class IntBits(enum.IntFlag):
    READ = 1
    RUN = 8


class Spot(NamedTuple):
    x: Any
    y: Any = 0


@dataclasses.dataclass(frozen=True)
class Seal:
    code: int
    note: str = dataclasses.field(default="", compare=False)


class Coin(Seal, enum.Enum):
    CENT = 1, "c"
    DIME = 10, "d"


@pydantic_dataclass(frozen=True, slots=True)
class Checked:
    code: int


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)
    a: Any

    @cached_property
    def twice(self) -> Any:
        return self.a * 2


class Extra(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")
    a: int


class Entity(Model):
    model_config = ConfigDict(frozen=True)
    a: int
    parts: tuple[int, ...] = Chunk(default=())


class Box(BaseModel, Generic[T]):
    model_config = ConfigDict(frozen=True)
    item: T


class Wrapped(RootModel[int]):
    model_config = ConfigDict(frozen=True)


class Tag(str):
    """A subclass that is equal as text is."""


register(Tag)


def looked_at(key: Frozen) -> Frozen:
    assert key.twice
    return key


class Kind(NamedTuple):
    """`keys` of a dictionary; `twins`, others that are equal to one of them; `missing`, which are not there."""

    annotation: Any
    keys: list[Any]
    twins: list[Any] = []
    missing: list[Any] = []


ONES = [True, 1.0, Decimal("1.00"), Fraction(1), 1 + 0j, Number.ONE]
NUMPY = [np.int8(1), np.float32(1), np.float64(1), np.bool_(True)]
KINDS: dict[str, Kind] = {
    "str": Kind(str, ["a", "", "é", "\ud800", "a\0", "1"], [Word.A, np.str_("a"), Tag("é")], ["b", "A", b"a", 1, None]),
    "constrained str": Kind(Annotated[str, Field(max_length=3)], ["a", "b"], [Word.A], ["c", "long enough"]),
    "bytes": Kind(bytes, [b"", b"a", b"\xff"], [memoryview(b"a"), np.bytes_(b"a")], [b"b", "a", b"\xff\xff"]),
    "int": Kind(
        int,
        [1, 0, -1, 2**63, -(2**63) - 1, 2**64, 10**300],
        [*ONES, *NUMPY, False, -0.0, Decimal("1E300"), float(2**64)],
        [2, -2, 2**63 - 1, 1.5, 1j, "1", INF, None, Decimal("1E99999"), Decimal("1E-99999")],
    ),
    "large int": Kind(
        int,
        [2**6100, 1, 2**6161, -(2**6100), 3 * 10**2000],  # the first three have one hash in Python
        [*ONES, Fraction(2**6100), Decimal(3) * Decimal("1E2000")],
        [2**6222, 2, 2.0**61, INF, Decimal("1E99999")],
    ),
    "bool": Kind(bool, [True, False], [*ONES, 0, 0.0, Decimal(0)], [2, "True", None, 0.5]),
    "float": Kind(
        float,
        [1.0, 0.5, -0.0, INF, -INF, 5e-324, 1e300, 0.1],
        [
            *ONES,
            *NUMPY,
            np.longdouble(1),
            0,
            Decimal("0.5"),
            Fraction(1, 2),
            Decimal("Infinity"),
            int(1e300),
            np.float64(0.1),
        ],
        [Decimal("0.1"), Fraction(1, 10), np.float32(0.1), 2, float("nan"), "0.5", 10**300],
    ),
    "complex": Kind(complex, [1j, 1 + 0j, 0.5 + 2j], [*ONES, np.complex64(1j)], [2j, 1 + 1j, 0]),
    "Decimal": Kind(
        Decimal,
        [Decimal("1.00"), Decimal("0.1"), Decimal("-3E5"), Decimal("1E4200"), Decimal("7E-4200")],
        [*ONES, Decimal("0.10"), Fraction(1, 10), -300000, 10**4200, Fraction(7, 10**4200)],
        [0.1, Decimal("1E4199"), Decimal("NaN"), "0.1", 2],
    ),
    "Fraction": Kind(Fraction, [Fraction(1, 3), Fraction(1), Fraction(1, 4)], [*ONES, 0.25], [1 / 3, Fraction(3), "1"]),
    "datetime": Kind(
        dt.datetime,
        [
            dt.datetime(2020, 1, 1),
            dt.datetime(2020, 1, 1, tzinfo=UTC),
            dt.datetime(2020, 10, 25, 2, 30, tzinfo=BERLIN),
            dt.datetime(2021, 6, 1, 12, tzinfo=BERLIN),
            dt.datetime.min,
        ],
        [
            dt.datetime(2020, 1, 1, fold=1),
            dt.datetime(2020, 1, 1, 1, tzinfo=CET),
            dt.datetime(2020, 1, 1, 1, tzinfo=BERLIN),
            dt.datetime(2020, 10, 25, 2, 30, fold=1, tzinfo=BERLIN),
            dt.datetime(2021, 6, 1, 10, tzinfo=UTC),
        ],
        [
            dt.datetime(2020, 1, 1, 1),
            dt.datetime(2020, 1, 1, tzinfo=CET),
            dt.datetime(2020, 10, 25, 0, 30, tzinfo=UTC),  # repeated wall times are equal to none of another zone
            dt.date(2020, 1, 1),
            "2020-01-01",
        ],
    ),
    "date": Kind(
        dt.date, [dt.date(2020, 1, 1), dt.date.min], [Day.FIRST], [dt.datetime(2020, 1, 1), Day.SECOND, 737425]
    ),
    "time": Kind(
        dt.time,
        [dt.time(1), dt.time(1, tzinfo=UTC), dt.time(23, 30, tzinfo=UTC)],
        [dt.time(1, fold=1), dt.time(1, tzinfo=BERLIN), dt.time(2, tzinfo=CET)],
        [dt.time(1, tzinfo=CET), dt.time(2), dt.timedelta(hours=1)],
    ),
    "timedelta": Kind(
        dt.timedelta,
        [dt.timedelta(1), dt.timedelta(0), dt.timedelta.max],
        [dt.timedelta(hours=24)],
        [dt.timedelta(2), 1],
    ),
    "UUID": Kind(uuid.UUID, [uuid.UUID(int=1), uuid.UUID(int=2)], [], [uuid.UUID(int=3), 1, str(uuid.UUID(int=1))]),
    "Enum": Kind(Plain, [Plain.ONE, Plain.TWO], [], [1, "two", "ONE"]),
    "IntEnum": Kind(Number, [Number.NINE, Number.ONE], [*ONES, 9, IntBits.READ | IntBits.RUN], [2, "NINE"]),
    "StrEnum": Kind(Word, [Word.Z, Word.A], ["a", "z", Tag("z")], ["A", Plain.ONE]),
    "date and Enum": Kind(Day, [Day.SECOND, Day.FIRST], [dt.date(2020, 1, 1)], [dt.date(2020, 1, 3), "FIRST"]),
    "Flag": Kind(Bits, [Bits(0), Bits.READ, Bits.READ | Bits.RUN], [], [Bits.WRITE, 1, 9]),
    "IntFlag": Kind(IntBits, [IntBits(0), IntBits.READ | IntBits.RUN], [0, 9.0, Number.NINE], [IntBits.READ, 8]),
    "tuple": Kind(
        tuple[Any, ...],
        [(1, 2), (), ((1,), 2.5), (None,)],
        [(1.0, 2), Spot(True, 2), ((Decimal(1),), 2.5)],
        [(2, 1), (1,)],
    ),
    "fixed tuple": Kind(tuple[int, str], [(1, "a"), (2, "a")], [(1.0, "a"), Spot(2, "a")], [(1, "b"), (1,), 1]),
    "NamedTuple": Kind(Spot, [Spot(1), Spot(2, "x")], [(1, 0), (1.0, False)], [Spot(2), (2,)]),
    "frozenset": Kind(
        frozenset[int],
        [frozenset(), frozenset({1, 2}), frozenset({3})],
        [frozenset({True, 2.0})],
        [frozenset({1}), (3,)],
    ),
    "dataclass": Kind(Seal, [Seal(1, "x"), Seal(2)], [Seal(1, "y"), Seal(True)], [Seal(3), (1,), 1]),
    "Pydantic dataclass": Kind(Checked, [Checked(1), Checked(2)], [Checked(True)], [Checked(3), Seal(1), 1]),
    "dataclass and Enum": Kind(Coin, [Coin.DIME, Coin.CENT], [], [Seal(1, "c"), Seal(2), 1]),
    "model": Kind(
        Frozen,
        [Frozen(a=1), looked_at(Frozen(a=2)), Frozen(a="x")],
        [Frozen(a=1.0), looked_at(Frozen(a=1)), Frozen(a=2), looked_at(Frozen(a="x"))],
        [Frozen(a=3), Extra(a=1), 1],
    ),
    "model with extras": Kind(
        Extra, [Extra(a=1), Extra(a=1, z=1), Extra(a=1, z=2)], [Extra(a=1, z=True)], [Extra(a=2), Extra(a=1, y=1)]
    ),
    "Model": Kind(
        Entity, [Entity(a=1), Entity(a=1, parts=(1, 2))], [Entity(a=True)], [Entity(a=2), Entity(a=1, parts=(1,))]
    ),
    "generic model": Kind(
        Box[Any], [Box[Any](item=1), Box[Any](item="x")], [Box[int](item=1), Box(item="x")], [Box(item=2)]
    ),
    "RootModel": Kind(Wrapped, [Wrapped(1), Wrapped(5)], [Wrapped(True)], [Wrapped(2), 1]),
    "IPv4Address": Kind(
        IPv4Address, [IPv4Address("0.0.0.1")], [], [IPv4Address(2), IPv4Interface("0.0.0.1"), 1, "0.0.0.1"]
    ),
    "IPvAnyNetwork": Kind(
        IPvAnyNetwork, [ip_network("10.0.0.0/8"), ip_network("::/64")], [], [ip_network("10.0.0.0/9")]
    ),
    "Path": Kind(pathlib.Path, [Path("a/b"), Path(".")], [pathlib.PurePath("a/b")], [Path("A/b"), "a/b"]),
    "Windows path": Kind(
        pathlib.PureWindowsPath,
        [pathlib.PureWindowsPath("C:/Ab"), pathlib.PureWindowsPath("é")],
        [pathlib.PureWindowsPath("c:\\aB")],
        [pathlib.PurePosixPath("é"), pathlib.PureWindowsPath("C:/b")],
    ),
    "Literal": Kind(Literal["a", 1, None], ["a", 1, None], [*ONES, Word.A], ["b", 2]),
    "int | str": Kind(int | str, [1, "1", "a"], [*ONES, Word.A], [2, "2", b"1", None]),
    "numbers": Kind(
        int | float | bool | Decimal,
        [True, 2, 2.5, Decimal("3.5"), 0.0],
        [*ONES, 2.0, Decimal("2.50"), Fraction(7, 2), False],
        [3, 0.1, "2"],
    ),
    "None": Kind(None, [None], [], [0, "", False]),
    "Optional": Kind(int | None, [None, 0, 1], [*ONES, False], [2, "None"]),
    "SecretStr": Kind(SecretStr, [SecretStr("a"), SecretStr("b")], [], [SecretStr("c"), "a"]),
    "Secret": Kind(
        Secret[int], [Secret[int](1), Secret[int](2)], [Secret[int](True)], [Secret[int](3), SecretStr("1"), 1]
    ),
    "HttpUrl": Kind(
        HttpUrl,
        [HttpUrl("http://a.b"), HttpUrl("http://a.b/c")],
        [HttpUrl("HTTP://A.b/")],
        [AnyUrl("http://a.b"), "http://a.b/"],
    ),
    "ByteSize": Kind(ByteSize, [ByteSize(1), ByteSize(2**40)], [*ONES, 2**40], [2, "1"]),
    "Pattern": Kind(
        re.Pattern[str], [re.compile("a"), re.compile("a", re.I)], [], [re.compile("b"), re.compile(b"a"), "a"]
    ),
    "str subclass": Kind(Any, [Tag("a"), Tag("b")], ["a", Word.A], ["c", Word.Z]),
    "Any": Kind(
        Any,
        ["a", 1, 2.5, None, (1, "x"), Plain.ONE, Frozen(a=5), b"a"],
        [*ONES, Word.A, (True, "x")],
        [2, "b", Plain.TWO],
    ),
    "NaN": Kind(float, [1.0, float("nan")], [1], [float("nan"), Decimal("NaN")]),
}
MODELS: dict[str, Any] = {
    name: type("Holder", (Model,), {
        "__annotations__": {"pairs": dict[kind.annotation, int]}, "pairs": ShardedMap(), "__module__": __name__,
        "model_config": ConfigDict(arbitrary_types_allowed=True),
    })
    for name, kind in KINDS.items()
}  # fmt: skip
LOOKED_UP_ONLY = np.generic, memoryview, Day  # twins that are refused, or come back as what they are equal to
every_kind = pytest.mark.parametrize("name", KINDS)
WRONG = [object(), ("no", "such"), frozenset({"no such"}), range(3), "no such text", b"no such", 1234.5]


def is_nan(key: Any) -> bool:
    return bool(key != key)


def spelled(pairs: Any) -> list[tuple[type, str, int]]:
    """The pairs in their order, so that 1 and True are told apart, and all NaN are one."""
    return [(type(key), repr(key), value) for key, value in pairs.items()]


class Storage(NamedTuple):
    """Where the dictionaries of a test are stored, and what stores them there."""

    rows: type
    sizes: Tuned


IN_A_TABLE = Storage(TablePairs, tuned(large=0))


@pytest.fixture(params=["in the row", "in a table"])
def storage(request: Any) -> Iterator[Storage]:
    if request.param == "in the row":
        yield Storage(SpanPairs, Tuned(Session, save, dumps))
        return
    with small_caches():
        yield IN_A_TABLE


def check(found: LazyMap[Any, Any], expected: dict[Any, Any], kind: Kind) -> None:
    """What is found is what a dictionary finds."""
    found._check() if not any(map(is_nan, expected)) else None
    assert len(found) == len(expected)
    assert spelled(found.load()) == spelled(dict(found.items())) == spelled(expected)
    assert list(map(repr, found)) == list(map(repr, expected))
    for key in chain(kind.keys, kind.twins, kind.missing, WRONG):
        if is_nan(key):
            assert key not in found
            continue
        assert (key in found) == (key in expected), key
        assert found.get(key, -1) == expected.get(key, -1), key
        if key in expected:
            assert found[key] == expected[key]
        else:
            with pytest.raises(KeyError):
                found[key]


@every_kind
def test_what_was_saved_is_found(name: str, storage: Storage) -> None:
    kind, holder = KINDS[name], MODELS[name]
    expected = {key: place for place, key in enumerate(kind.keys)}
    assert all(twin in expected for twin in kind.twins) and not any(key in expected for key in kind.missing)
    data = storage.sizes.dumps(holder(pairs=expected))
    assert spelled(loads(data, holder).pairs) == spelled(expected)
    with read(data) as session:
        found = session.root(holder).pairs
        assert type(found.rows) is storage.rows
        check(found, expected, kind)


@every_kind
def test_of_a_stream_the_last_of_equal_keys_wins(name: str, storage: Storage) -> None:
    kind, holder = KINDS[name], MODELS[name]
    pairs = [(key, place) for place, key in enumerate([*kind.keys, *kind.twins, *kind.keys[::2]])]
    try:
        validated = holder(pairs=dict(pairs[: len(kind.keys)]))
        data = storage.sizes.dumps(holder(pairs=iter(pairs)))
    except (ValidationError, EncodeError):  # a twin that is no key of this type
        pairs = [(key, place) for place, key in enumerate([*kind.keys, *kind.keys[::2]])]
        data = storage.sizes.dumps(holder(pairs=iter(pairs)))
    expected: dict[Any, int] = {}
    for key, place in pairs:
        expected.pop(key, None)  # in its own place
        expected[key] = place
    with read(data) as session:
        found = session.root(type(validated)).pairs
        assert len(found) == len(expected) or any(map(is_nan, kind.keys))
        assert all(is_nan(key) or found[key] == place for key, place in expected.items())
        if not any(map(is_nan, kind.keys)):
            assert list(found.values()) == list(expected.values()) and found.load() == expected


CHANGES = ("set", "del", "pop", "setdefault", "update", "stream")


def change(what: str, target: Any, key: Any, value: int) -> Any:
    """One change of a dictionary, lazy or plain; what it gives, or the KeyError."""
    try:
        if what == "set":
            target[key] = value
        elif what == "del":
            del target[key]
        elif what == "pop":
            return target.pop(key)
        elif what == "setdefault":
            return target.setdefault(key, value)
        elif what == "update":
            target.update({key: value})
        else:
            target.update(iter([(key, value)]))
    except KeyError:
        return KeyError
    return None


@every_kind
def test_edited_as_a_dictionary(name: str, storage: Storage, tmp_path: Path) -> None:
    kind, holder, rng = KINDS[name], MODELS[name], random.Random(name)
    expected = {key: place for place, key in enumerate(kind.keys)}
    storage.sizes.save(tmp_path / "m.par", holder(pairs=expected))
    with storage.sizes.Session(tmp_path / "m.par", durability="fast") as session:
        found = session.root(holder).pairs
        twins = [twin for twin in kind.twins if not isinstance(twin, LOOKED_UP_ONLY)]
        usable = [key for key in (*kind.keys, *twins) if not is_nan(key)]
        for turn in range(60):
            what, key = rng.choice(CHANGES), rng.choice(usable)
            before = spelled(expected)
            try:
                outcome = change(what, found, key, turn)
            except ValidationError:  # the twin is no key of this type
                assert spelled(found) == before
                continue
            if key not in expected and outcome is not KeyError:
                key = next(mine for mine in found if mine == key)  # as it was validated
            assert outcome == change(what, expected, key, turn)
            if turn % 5 == 0:
                check(found, expected, kind)
            if turn % 3 == 0:
                session.commit()
        session.commit()
        check(found, expected, kind)
    with Session.open(tmp_path / "m.par") as session:
        check(lazy(session.root(holder).pairs), expected, kind)


def test_the_first_of_equal_keys_stays(storage: Storage, tmp_path: Path) -> None:
    holder = MODELS["numbers"]
    storage.sizes.save(tmp_path / "m.par", holder(pairs={True: 1, 2: 2, Decimal("3.50"): 3}))
    with storage.sizes.Session(tmp_path / "m.par") as session:
        found = session.root(holder).pairs
        found[1.0] = 10
        found.update({Decimal(2): 20})
        found.setdefault(3.5, 30)
        session.commit()
    assert spelled(loads((tmp_path / "m.par").read_bytes(), holder).pairs) == [
        (bool, "True", 10), (int, "2", 20), (Decimal, "Decimal('3.50')", 3)
    ]  # fmt: skip


def test_of_a_long_stream_into_a_map_the_key_that_came_last_stays(tmp_path: Path) -> None:
    holder = MODELS["numbers"]
    sizes = IN_A_TABLE.sizes
    with small_caches():
        sizes.save(tmp_path / "m.par", holder(pairs={True: 1, 2: 2, Decimal("3.50"): 3}))
        with sizes.Session(tmp_path / "m.par") as session:
            found = session.root(holder).pairs
            found.update(iter([(1.0, 10), *((n, n) for n in range(10, 400)), (11.0, 0), (Decimal(2), 20)]))
            session.commit()
        again = spelled(loads((tmp_path / "m.par").read_bytes(), holder).pairs)
    assert again[:4] == [
        (float, "1.0", 10), (Decimal, "Decimal('2')", 20), (Decimal, "Decimal('3.50')", 3), (int, "10", 10)
    ]  # fmt: skip
    assert again[-1] == (float, "11.0", 0) and len(again) == 393


class Private(BaseModel):
    model_config = ConfigDict(frozen=True)
    a: int
    _seen: int = PrivateAttr(0)


def test_private_attributes_tell_keys_apart(storage: Storage) -> None:
    one, other = Private(a=1), Private(a=1)
    other._seen = 5
    holder: Any = type(
        "Holder",
        (Model,),
        {"__annotations__": {"pairs": dict[Private, int]}, "pairs": ShardedMap(), "__module__": __name__},
    )
    with read(storage.sizes.dumps(holder(pairs={one: 1, other: 2}))) as session:
        found = session.root(holder).pairs
        assert found[Private(a=1)] == 1 and found[other] == 2 and len(found.load()) == 2


@pytest.mark.parametrize("annotation", [float, tuple[float, int], frozenset[float], Any])
@pytest.mark.parametrize("mark", [ShardedMap(), Chunk(), Field()])
def test_many_nan_are_as_many_keys(annotation: Any, mark: Any, storage: Storage) -> None:
    """A column of nothing but NaN came back as one object, which is one key: pairs were lost."""
    names = {"__annotations__": {"pairs": dict[annotation, int]}, "pairs": mark, "__module__": __name__}
    holder: Any = type("Holder", (Model,), names)
    nans = [float("nan") for _ in range(3)]
    keys: list[Any] = [(nan, 1) for nan in nans] if annotation == tuple[float, int] else nans
    if annotation == frozenset[float]:
        keys = [frozenset({nan}) for nan in nans]
    for pairs in (dict(zip(keys, range(3), strict=True)), zip(keys, range(3), strict=True)):
        if type(pairs) is dict or type(mark) is not type(Field()) or mark.metadata:
            again = loads(storage.sizes.dumps(holder(pairs=pairs)), holder).pairs
            assert list(again.values()) == [0, 1, 2] and len(set(map(repr, again))) == 1


def test_a_member_whose_value_changed_is_found(storage: Storage) -> None:
    def holder(value: object, flags: dict[str, int]) -> Any:
        hue, bits = enum.Enum("Hue", {"RED": value, "BLUE": 0}), enum.Flag("Bits", flags)
        annotations = {"hues": dict[hue, int], "bits": dict[bits, int]}
        names = {"__annotations__": annotations, "hues": ShardedMap(), "bits": ShardedMap(), "__module__": __name__}
        return type("Holder", (Model,), names), hue, bits

    before, hue, bits = holder(1, {"A": 1, "B": 2, "C": 4})
    data = storage.sizes.dumps(before(hues={hue.RED: 1, hue.BLUE: 2}, bits={bits.A | bits.C: 1, bits.B: 2}))
    after, hue, bits = holder("red", {"C": 1, "B": 2, "A": 8})
    with read(data) as session:
        root = session.root(after)
        assert root.hues[hue.RED] == 1 and root.hues[hue.BLUE] == 2
        assert root.bits[bits.C | bits.A] == 1 and bits.C not in root.bits


class Caseless(str):
    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.lower() == other.lower()

    def __hash__(self) -> int:
        return hash(self.lower())

    __get_pydantic_core_schema__ = classmethod(lambda cls, source, handler: handler.generate_schema(str))


@dataclasses.dataclass(frozen=True)
class ById:
    id: int
    name: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ById) and other.id == self.id

    def __hash__(self) -> int:
        return self.id


class ModelById(Model):
    model_config = ConfigDict(frozen=True)
    id: int
    name: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelById) and other.id == self.id

    def __hash__(self) -> int:
        return self.id


class PointById(NamedTuple):
    id: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PointById) and other.id % 10 == self.id % 10

    __hash__ = None  # type: ignore[assignment]


@dataclasses.dataclass(eq=False)
class Itself:
    id: int


OWN = "has an __eq__ of its own"
REFUSED: list[tuple[Any, str]] = [
    (Caseless, OWN), (ById, OWN), (ModelById, OWN), (tuple[int, ById], OWN), (ById | None, OWN),
    (Annotated[ById, Field()], OWN), (frozenset[ModelById], OWN), (Itself, "equal to nothing but themselves"),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "why"), REFUSED, ids=lambda each: str(each)[-20:])
@pytest.mark.parametrize("mark", [ShardedMap, Chunk])
def test_keys_whose_equality_is_not_known_are_refused(annotation: Any, why: str, mark: Any) -> None:
    """They were found by their fields alone, so that a key that is equal was said not to be there."""
    names = {"__annotations__": {"pairs": dict[annotation, int]}, "pairs": mark(), "__module__": __name__}
    with pytest.raises(
        UnsupportedTypeError, match=rf"^Holder\.pairs: .* cannot be a key of a marked dictionary.*{why}"
    ):
        type("Holder", (Model,), names)
    del names["pairs"]
    type("Holder", (Model,), names)  # not looked up in the file


def test_a_key_whose_equality_is_not_known(storage: Storage) -> None:
    with read(storage.sizes.dumps(MODELS["str"](pairs={"a": 1, "b": 2}))) as session:
        pairs = session.root(MODELS["str"]).pairs
        if storage.rows is SpanPairs:
            assert Caseless("A") in pairs and pairs[Caseless("A")] == 1  # read whole: as in a dictionary
            return
        for ask in (
            lambda: Caseless("A") in pairs,
            lambda: pairs[Caseless("A")],
            lambda: pairs.get((1, Caseless("A"))),
        ):
            with pytest.raises(EncodeError, match=OWN):
                ask()
    if storage.rows is TablePairs:
        register(ById)
        with pytest.raises(EncodeError, match=rf"^Holder\.pairs: .*{OWN}.*type ById"):
            storage.sizes.dumps(MODELS["Any"](pairs={ById(1): 1, ById(2): 2}))
