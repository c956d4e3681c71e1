# ruff: noqa: UP007, UP017, UP037, UP045, PIE796
"""Random model classes and values for them, and `same`: equal in value and in type, all the way down.

    @given(objects())
    def test(obj): assert same(loads(dumps(obj), type(obj)), obj)

Only the public interface of the package is used.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import ipaddress
import itertools
import pathlib
import re
import struct
import uuid
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Optional, Union
from zoneinfo import ZoneInfo

import numpy as np
import pydantic
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from parcode_orm import Chunk, Model, ShardedMap

__all__ = ["Typed", "classes", "objects", "same", "types", "values_of"]


# -- equality --------------------------------------------------------------------------------------------------


def same(a: Any, b: Any) -> bool:
    """Equal with equal types: NaN by bits, -0.0 apart from 0.0, models by class, fields, sets, extras, privates."""
    cls = a.__class__
    if cls is not b.__class__:
        return False
    if isinstance(a, float) and cls is not np.float64:
        return struct.pack("<d", a) == struct.pack("<d", b)
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, BaseModel):
        return _same_models(a, b)
    if isinstance(a, dict):
        if getattr(a, "default_factory", None) is not getattr(b, "default_factory", None):
            return False
        return len(a) == len(b) and all(map(same, a, b)) and all(map(same, a.values(), b.values()))
    if isinstance(a, list | tuple | collections.deque):
        return len(a) == len(b) and getattr(a, "maxlen", 0) == getattr(b, "maxlen", 0) and all(map(same, a, b))
    if isinstance(a, set | frozenset):
        return len(a) == len(b) and _same_sets(a, b)
    if isinstance(a, np.ndarray | np.generic):
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    if dataclasses.is_dataclass(cls):
        names = [field.name for field in dataclasses.fields(a)]
        return all(same(getattr(a, name, _MISSING), getattr(b, name, _MISSING)) for name in names)
    if isinstance(a, decimal.Decimal):
        return a.as_tuple() == b.as_tuple()
    if isinstance(a, dt.datetime | dt.time):
        return bool(a.replace(tzinfo=None) == b.replace(tzinfo=None) and a.fold == b.fold and _zone(a) == _zone(b))
    if hasattr(cls, "get_secret_value"):
        return same(a.get_secret_value(), b.get_secret_value())
    return bool(a == b)


_MISSING = "a missing attribute"


def _same_models(a: BaseModel, b: BaseModel) -> bool:
    return (
        same(dict(a.__dict__), dict(b.__dict__))
        and a.model_fields_set == b.model_fields_set
        and same(a.__pydantic_extra__, b.__pydantic_extra__)
        and same(a.__pydantic_private__, b.__pydantic_private__)
    )


def _same_sets(a: Any, b: Any) -> bool:
    others = {value: value for value in b}
    if all(value in others for value in a):
        return all(same(value, others[value]) for value in a)
    return all(map(same, sorted(a, key=repr), sorted(b, key=repr)))  # NaNs among them


def _zone(moment: Any) -> Any:
    zone = moment.tzinfo
    return type(zone), str(zone), repr(zone)


# -- types and values for them ---------------------------------------------------------------------------------


class Typed(NamedTuple):
    """An annotation, values for it, and whether its values may be keys of a dictionary."""

    annotation: Any
    values: st.SearchStrategy[Any]
    hashable: bool = True


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


def _sequence(kind: Any, inner: Typed, build: Callable[[list[Any]], Any]) -> Typed:
    return Typed(kind[inner.annotation], st.lists(inner.values, max_size=5).map(build), False)


@st.composite
def types(draw: st.DrawFn, depth: int = 2) -> Typed:
    """A type that can be stored, and values for it."""
    if depth <= 0 or draw(st.integers(0, 2)) == 0:
        return draw(st.sampled_from(SCALARS))
    kind = draw(
        st.sampled_from(["list", "optional", "dict", "set", "tuple", "many", "union", "deque", "frozenset", "model"])
    )
    if kind == "model":
        cls = draw(classes(depth - 1))
        return Typed(cls, values_of(cls), False)
    if kind in ("set", "frozenset"):
        key = draw(st.sampled_from(KEYS))
        build = set if kind == "set" else frozenset
        return Typed(build[key.annotation], st.lists(key.values, max_size=5).map(build), False)  # type: ignore[index]
    inner = draw(types(depth - 1))
    if kind == "optional":
        return Typed(Optional[inner.annotation], st.none() | inner.values, inner.hashable)
    if kind == "list":
        return _sequence(list, inner, list)
    if kind == "deque":
        return _sequence(collections.deque, inner, collections.deque)
    if kind == "many":
        return Typed(tuple[inner.annotation, ...], st.lists(inner.values, max_size=4).map(tuple), False)
    if kind == "dict":
        key = draw(st.sampled_from(KEYS))
        return Typed(
            dict[key.annotation, inner.annotation], st.dictionaries(key.values, inner.values, max_size=5), False
        )  # type: ignore[name-defined]
    other = draw(types(depth - 1))
    if kind == "tuple":
        return Typed(tuple[inner.annotation, other.annotation], st.tuples(inner.values, other.values), False)
    return Typed(Union[inner.annotation, other.annotation], inner.values | other.values, False)


# -- classes ---------------------------------------------------------------------------------------------------

_numbers = itertools.count(1)
_FIELDS: dict[type, dict[str, tuple[st.SearchStrategy[Any], bool]]] = {}
_NAMES = ["alpha", "beta", "gamma", "delta", "omega", "x1", "größe", "type_"]


@st.composite
def classes(draw: st.DrawFn, depth: int = 2) -> type[Model]:
    """A new `Model` class: plain and marked fields, some with defaults, perhaps recursive, perhaps with extras."""
    name = f"Gen{next(_numbers)}"
    fields: dict[str, Any] = {}
    known: dict[str, tuple[st.SearchStrategy[Any], bool]] = {}
    for field in draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=5, unique=True)):
        typed = draw(types(depth))
        mark = draw(st.sampled_from(["", "", "", "chunk", "map"]))
        optional = draw(st.booleans())
        annotation, values = typed.annotation, typed.values
        if mark == "map":
            annotation, values = dict[str, annotation], st.dictionaries(TEXT, values, max_size=6)
        elif optional:
            annotation, values = Optional[annotation], st.none() | values
        compression = draw(st.sampled_from([None, "lz4"]))
        default = ... if not optional else ({} if mark == "map" else None)
        marker = {"chunk": Chunk, "map": ShardedMap}.get(mark)
        if marker is not None:
            fields[field] = (annotation, marker(default, compression=compression))
        else:
            fields[field] = (annotation, default)
        known[field] = (values, optional)
    if draw(st.integers(0, 4)) == 0:
        fields["kids"] = (list[name], [])  # type: ignore[valid-type]
        known["kids"] = (st.just([]), True)
    # Arrays are none of Pydantic's own types.
    config = ConfigDict(arbitrary_types_allowed=True, extra="allow" if draw(st.integers(0, 4)) == 0 else "ignore")
    base: Any = type("Base" + name, (Model,), {"model_config": config, "__module__": __name__})
    cls: type[Model] = pydantic.create_model(name, __base__=base, __module__=__name__, **fields)
    _FIELDS[cls] = known
    return cls


@st.composite
def _instances(draw: st.DrawFn, cls: type[Model], depth: int) -> Model:
    given: dict[str, Any] = {}
    for field, (values, optional) in _FIELDS[cls].items():
        if optional and draw(st.integers(0, 3)) == 0:
            continue
        if field == "kids":
            given[field] = draw(st.lists(_instances(cls, depth - 1), max_size=2)) if depth > 0 else []
        else:
            given[field] = draw(values)
    if cls.model_config.get("extra") == "allow":
        given.update(draw(st.dictionaries(st.sampled_from(["more_", "extra_ü"]), ANYTHING, max_size=2)))
    return cls(**given)


def values_of(cls: type[Model], depth: int = 2) -> st.SearchStrategy[Model]:
    """Validated instances of a class that `classes` made."""
    return _instances(cls, depth)


@st.composite
def objects(draw: st.DrawFn, depth: int = 2) -> Model:
    """An instance of a new class."""
    return draw(values_of(draw(classes(depth))))
