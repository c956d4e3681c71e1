# ruff: noqa: UP007, UP017, UP037, UP045, PIE796
"""Types that random classes are made of, and values for them: scalars, sample classes, large values."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import ipaddress
import pathlib
import re
import uuid
from typing import Any, Generic, Literal, NamedTuple, Optional, TypeVar, Union
from zoneinfo import ZoneInfo

import numpy as np
import pydantic
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from parcode_orm import Chunk, Model, ShardedMap


class Typed(NamedTuple):
    """An annotation, values for it, and whether its values may be keys of a dictionary."""

    annotation: Any
    values: st.SearchStrategy[Any]
    hashable: bool = True


A = TypeVar("A")
B = TypeVar("B")


class Hue(enum.Enum):
    """An enum with an alias."""

    RED = 1
    GREEN = "green"
    CRIMSON = 1


class Rank(enum.IntEnum):
    """Members that are ints."""

    LOW = -1
    HIGH = 2**40


class Mode(enum.StrEnum):
    """Members that are text."""

    FAST = "fast"
    SLOW = ""


class Access(enum.Flag):
    """Members that combine."""

    READ = 1
    WRITE = 2
    RUN = 8


class Spot(NamedTuple):
    """A named tuple."""

    x: int
    label: str = ""


class Card(TypedDict, total=False):
    """Keys that may be missing."""

    title: str
    year: Optional[int]


class Animal(Model):
    """A base whose fields hold subclasses."""

    name: str = ""


class Lion(Animal):
    """A subclass that a base-typed field holds."""

    mane: float = 0.5
    cubs: list[Animal] = []


class Eagle(Animal):
    """Another, with a part of its own."""

    heights: list[int] = Chunk(default=[])
    _seen: int = pydantic.PrivateAttr(0)


class Pair(Model, Generic[A, B]):
    """A generic model, one of its fields marked."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    left: A
    rights: list[B] = Chunk(default=[])


class Wrapper(BaseModel, Generic[A]):
    """A generic model that is plain."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    inner: A


class Words(pydantic.RootModel[list[str]]):
    """A plain root model."""


class Counts(Model, pydantic.RootModel[dict[str, int]]):
    """A root model whose root is marked."""

    root: dict[str, int] = ShardedMap()


class Guarded(Model):
    """Private attributes of all sorts; what cannot be stored comes back as its default."""

    level: int = 0
    _count: int = pydantic.PrivateAttr(0)
    _note: Any = pydantic.PrivateAttr(None)
    _unset: Optional[str] = pydantic.PrivateAttr()
    _tags: list[str] = pydantic.PrivateAttr(default_factory=lambda: ["new"])
    _parent: Optional[Animal] = pydantic.PrivateAttr(None)


class Loose(BaseModel):
    """Extras of one type."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]
    sure: int = 1


@dataclasses.dataclass
class Crate:
    """A dataclass."""

    size: int
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Seal:
    """One without a dictionary."""

    code: str
    inner: Optional["Seal"] = None


class Cat(BaseModel):
    """One arm of a discriminated union."""

    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    """The other arm."""

    kind: Literal["dog"] = "dog"
    name: str = ""


TEXT = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=20)
ANY_TEXT = st.text(max_size=12)  # with lone surrogates
INTS = st.one_of(st.integers(-300, 300), st.integers(), st.sampled_from([2**63 - 1, -(2**63), 2**64, -(2**100)]))
FLOATS = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, float("nan"), -float("nan"), 5e-324]))
ZONES = st.one_of(
    st.none(),
    st.sampled_from(
        [dt.timezone.utc, dt.timezone(dt.timedelta(hours=-5), "EST"), dt.timezone(dt.timedelta(minutes=330))]
    ),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC"]).map(ZoneInfo),
)
DECIMALS = st.one_of(st.decimals(), st.sampled_from(["-0", "sNaN7", "-NaN", "1E+9999", "0.00"]).map(decimal.Decimal))
PLAIN_KEYS = st.one_of(TEXT, INTS, st.none(), st.booleans(), st.binary(max_size=4))
ANYTHING = st.recursive(
    st.one_of(
        st.none(), st.booleans(), INTS, FLOATS, ANY_TEXT, st.binary(max_size=9), DECIMALS, st.dates(), st.uuids()
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(PLAIN_KEYS, inner, max_size=4),
        st.sets(st.one_of(INTS, TEXT), max_size=3),
        st.frozensets(st.one_of(INTS, TEXT), max_size=3),
        st.lists(inner, max_size=3).map(collections.deque),
    ),
    max_leaves=12,
)


def with_privates(made: Any, privates: dict[str, Any]) -> Any:
    """`made`, its private attributes set."""
    for name, value in privates.items():
        setattr(made, name, value)
    return made


ANIMALS = st.deferred(
    lambda: st.one_of(
        st.builds(Animal, name=TEXT),
        st.builds(Lion, mane=FLOATS, cubs=st.lists(ANIMALS, max_size=2)),
        st.builds(with_privates, st.builds(Eagle, heights=st.lists(INTS, max_size=3)), st.just({"_seen": 3})),
    )
)
GUARDED = st.builds(
    with_privates,
    st.builds(Guarded, level=INTS),
    st.fixed_dictionaries(
        {},
        # Nobody validates private attributes: what is annotated need not be what is there.
        optional={
            "_count": INTS | FLOATS | TEXT,
            "_note": ANYTHING,
            "_unset": TEXT | st.none() | st.binary(max_size=4),
            "_tags": st.lists(TEXT | INTS, max_size=3) | st.lists(TEXT, max_size=2).map(tuple),
            "_parent": ANIMALS,
        },
    ),
)

SCALARS: list[Typed] = [
    Typed(int, INTS),
    Typed(float, FLOATS, False),
    Typed(bool, st.booleans()),
    Typed(str, TEXT),
    Typed(bytes, st.binary(max_size=40)),
    Typed(None, st.none()),
    Typed(Any, ANYTHING, False),
    Typed(dt.datetime, st.datetimes(timezones=ZONES)),
    Typed(dt.date, st.dates()),
    Typed(dt.time, st.times(timezones=st.sampled_from([None, dt.timezone.utc]))),
    Typed(dt.timedelta, st.timedeltas()),
    Typed(decimal.Decimal, DECIMALS.filter(lambda d: d.is_finite())),
    Typed(fractions.Fraction, st.fractions()),
    Typed(complex, st.complex_numbers(allow_nan=False), False),
    Typed(uuid.UUID, st.uuids()),
    Typed(pathlib.Path, TEXT.filter(lambda t: "\0" not in t).map(pathlib.Path)),
    Typed(ipaddress.IPv4Address, st.ip_addresses(v=4)),
    Typed(ipaddress.IPv6Address, st.ip_addresses(v=6)),
    Typed(pydantic.IPvAnyAddress, st.ip_addresses()),
    Typed(pydantic.SecretStr, TEXT.map(pydantic.SecretStr)),
    Typed(pydantic.ByteSize, st.integers(0, 2**60).map(pydantic.ByteSize)),
    Typed(pydantic.HttpUrl, st.sampled_from(["http://a.b", "https://x.y:8080/z?q=1#f"]).map(pydantic.HttpUrl)),
    Typed(re.Pattern[str], st.sampled_from([re.compile("a+"), re.compile("(?x) b", re.I)]), False),
    Typed(Hue, st.sampled_from(Hue)),
    Typed(Rank, st.sampled_from(Rank)),
    Typed(Mode, st.sampled_from(Mode)),
    Typed(Access, st.sampled_from([Access.READ, Access.READ | Access.RUN, Access(0)])),
    Typed(Literal["a", 1, None], st.sampled_from(["a", 1, None])),
    Typed(Animal, ANIMALS, False),
    Typed(Guarded, GUARDED, False),
    Typed(Words, st.builds(Words, st.lists(TEXT, max_size=3)), False),
    Typed(Counts, st.builds(Counts, st.dictionaries(TEXT, INTS, max_size=3)), False),
    Typed(Loose, st.dictionaries(st.sampled_from(["sure", "more"]), INTS).map(lambda kw: Loose(**kw)), False),
    Typed(collections.Counter[str], st.dictionaries(TEXT, INTS, max_size=4).map(collections.Counter), False),
    Typed(bytearray, st.binary(max_size=9).map(bytearray), False),
    Typed(Spot, st.builds(Spot, INTS, TEXT)),
    Typed(Card, st.fixed_dictionaries({}, optional={"title": TEXT, "year": st.none() | INTS}), False),
    Typed(Crate, st.builds(Crate, INTS, st.lists(TEXT, max_size=3)), False),
    Typed(Seal, st.builds(Seal, TEXT, st.none() | st.builds(Seal, TEXT))),
    Typed(Union[Cat, Dog], st.one_of(st.builds(Cat, lives=INTS), st.builds(Dog, name=TEXT)), False),
    Typed(
        NDArray[np.int32],
        st.lists(st.integers(-9, 9), max_size=6).map(lambda items: np.array(items, np.int32)),
        False,
    ),
]
KEYS = [typed for typed in SCALARS if typed.hashable and typed.annotation not in (None, Any)]


# -- values that leave for tables and blobs ---------------------------------------------------------------------

SEEDS = st.integers(0, 2**20)


def _many(seed: int, count: int) -> list[int]:
    return [seed * k * k % 1_000_003 - 500_000 for k in range(count)]


LARGE: list[tuple[Typed, str]] = [
    (Typed(list[int], SEEDS.map(lambda seed: _many(seed, 14_000))), "chunk"),
    (Typed(list[str], SEEDS.map(lambda seed: [f"ü{n}" for n in _many(seed, 9_000)])), "chunk"),
    (Typed(list[Animal], SEEDS.map(lambda seed: [Lion(name=str(n), mane=n) for n in _many(seed, 4_000)])), "chunk"),
    (Typed(str, SEEDS.map(lambda seed: "".join(map(str, _many(seed, 9_000))) + "é")), "chunk"),
    (Typed(bytes, SEEDS.map(lambda seed: np.array(_many(seed, 9_000), np.int32).tobytes())), "chunk"),
    (Typed(bytearray, SEEDS.map(lambda seed: bytearray(np.array(_many(seed, 9_000), np.int32).tobytes()))), "chunk"),
    (Typed(NDArray[np.float64], SEEDS.map(lambda seed: np.array(_many(seed, 6_000), float).reshape(60, 100))), "chunk"),
    (Typed(dict[int, str], SEEDS.map(lambda seed: {n: str(n) for n in _many(seed, 6_000)})), "map"),
    (Typed(dict[str, Animal], SEEDS.map(lambda seed: {str(n): Eagle(heights=[n]) for n in _many(seed, 2_000)})), "map"),
    (Typed(set[int], SEEDS.map(lambda seed: set(_many(seed, 9_000)))), "chunk"),
    (Typed(tuple[float, ...], SEEDS.map(lambda seed: tuple(map(float, _many(seed, 9_000))))), "chunk"),
    (Typed(list[int], SEEDS.map(lambda seed: _many(seed, 9_000))), ""),
    (Typed(Union[int, str], SEEDS.map(lambda seed: "".join(map(str, _many(seed, 9_000))))), "chunk"),
    (Typed(Any, SEEDS.map(lambda seed: bytearray(np.array(_many(seed, 9_000), np.int32).tobytes()))), "chunk"),
    (Typed(Any, SEEDS.map(lambda seed: _many(seed, 9_000))), "chunk"),
    (Typed(Optional[Union[list[int], dict[int, str]]], SEEDS.map(lambda seed: _many(seed, 9_000))), "chunk"),
]
