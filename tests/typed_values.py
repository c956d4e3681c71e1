"""Annotations with values that fit them: builtins, their subclasses, arrays, enums, URLs, dataclasses, collections."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import ipaddress
import pathlib
import re
import typing
import uuid
from typing import Any, Literal, NamedTuple

import numpy as np
import pydantic
from hypothesis import strategies as st

from parcode_orm import register

Typed = tuple[Any, Any]  # an annotation and a value
text = st.text(st.characters(exclude_categories=()), max_size=8)


@register
class Name(str):
    """Its constructor wants other arguments."""

    def __new__(cls, first: str, last: str) -> Name:
        return super().__new__(cls, f"{first} {last}")


@register
class Cents(int):
    """Its constructor computes something."""

    def __new__(cls, euros: float) -> Cents:
        return super().__new__(cls, round(euros * 100))


@register
class Ratio(float):
    """It keeps what it was made of, which one number does not tell."""

    def __init__(self, value: float) -> None:
        self.made_of = value


@register
class Raw(bytes):
    """It can have attributes."""


@register
class Money(decimal.Decimal):
    """As it is."""

    __slots__ = ()


@register
class Moment(dt.datetime):
    """As a package has it whose values Pydantic leaves in fields of type `datetime`."""


@register
class Span(dt.timedelta):
    """As it is."""


@register
class Id(uuid.UUID):
    """As it is."""


@register
class State(enum.StrEnum):
    OPEN = "open"


@register
class Level(enum.IntEnum):
    LOW = 1


@register
@dataclasses.dataclass
class Failure(Exception):
    code: int
    detail: str = ""


@register
@dataclasses.dataclass
class Headers(dict[str, int]):
    raw: bool = False


@register
@dataclasses.dataclass
class Line(list[int]):
    width: float = 1.0


@register
@dataclasses.dataclass(frozen=True)
class Label(str):
    lang: str = "en"


@register
@dataclasses.dataclass(slots=True)
class Point:
    x: int
    y: float | None = None


@register
class Pair(NamedTuple):
    left: int
    right: str


class Plain(pydantic.BaseModel):
    a: int = 0
    b: str | None = None
    c: list[float] = []


class Wide(pydantic.BaseModel):
    """Of so many columns that a few are stored as rows."""

    a: int = 0
    b: tuple[str, ...] = ()
    c: Plain | None = None
    d: dict[str, Plain] = {}
    e: int | str | None = None
    f: Any = None
    g: set[int] = set()
    h: dt.datetime | None = None
    i: list[Point] = []
    j: Label | None = None
    k: float | list[float] | None = None
    l: decimal.Decimal | None = None  # noqa: E741
    m: pydantic.HttpUrl | None = None
    n: uuid.UUID | None = None
    o: bytes | None = None
    p: bool | None = None
    q: Wide | None = None
    r: Pair | None = None


class Colour(enum.Enum):
    RED = 1
    GREEN = "g"


FLAGS = st.lists(st.sampled_from(["a", "b|c", "c", "1", "4", "=2", "a|b", "\\p", "\\", "-8"]), min_size=1, unique=True)


def flag(names: list[str]) -> Any:
    """A flag class with members of these names."""
    return enum.Flag("Odd", {name: 1 << place for place, name in enumerate(names)})


@st.composite
def flags(draw: Any) -> Typed:
    cls = flag(draw(FLAGS))
    return cls, cls(draw(st.integers(0, 2 ** len(cls.__members__) - 1)))


def dtypes(depth: int = 2) -> st.SearchStrategy[Any]:
    plain = st.sampled_from(
        ["f8", ">i4", "?", "u1", "c16", "U3", "S2", "V3", "V0", "S0", "U0", "M8[s]", "m8[25us]", "f2"]
    ).map(np.dtype)
    if depth == 0:
        return plain
    return st.one_of(plain, structured(depth))


@st.composite
def structured(draw: Any, depth: int) -> Any:
    names = draw(st.lists(st.text(min_size=1, max_size=3), max_size=4, unique=True))
    formats = [draw(dtypes(depth - 1)) for _ in names]
    shapes = [draw(st.sampled_from([(), (2,), (1, 2)])) for _ in names]
    pairs = zip(formats, shapes, strict=True)
    formats = [np.dtype((each, shape)) if shape and each.itemsize else each for each, shape in pairs]
    if draw(st.booleans()):
        return np.dtype(list(zip(names, formats, strict=True)), align=draw(st.booleans()))
    offsets = [draw(st.integers(0, 12)) for _ in names]
    size = max([offset + each.itemsize for offset, each in zip(offsets, formats, strict=True)], default=0)
    parts: Any = {"names": names, "formats": formats, "offsets": offsets, "itemsize": size + draw(st.integers(0, 3))}
    return np.dtype(parts)


@st.composite
def arrays(draw: Any) -> Any:
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    if draw(st.integers(0, 9)) == 0:
        shape = (2**40, *shape, 0)
    if draw(st.integers(0, 5)) == 0:
        missing = draw(st.sampled_from([{}, {"na_object": None}, {"na_object": float("nan")}, {"na_object": "?"}]))
        words = [draw(st.text(max_size=40)) for _ in range(int(np.prod(shape)))]
        return np.array(words, np.dtypes.StringDType(**missing)).reshape(shape)
    dtype = draw(dtypes())
    count = int(np.prod(shape, dtype=object))
    data = draw(st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize))
    if dtype.kind == "U" or dtype.names is not None:  # random bytes are no characters
        data = bytes(len(data))
    array: Any = np.ndarray(shape, dtype, bytearray(data))
    if array.ndim and draw(st.booleans()):
        array = array[::-1]
    return array


def urls() -> st.SearchStrategy[Typed]:
    kinds = st.sampled_from([pydantic.AnyUrl, pydantic.HttpUrl, pydantic.FileUrl, pydantic.PostgresDsn])
    paths = st.sampled_from(["", "/", "/a b", "/é" * 300, "?q=ü", "#f", "/./a/../b", "/é" * 900])

    def made(kind: Any, path: str, keep: bool) -> Typed:
        scheme = {pydantic.FileUrl: "file", pydantic.PostgresDsn: "postgres"}.get(kind, "http")
        host = "a:b@h1:1,h2:2/x" if kind is pydantic.PostgresDsn else "exämple.com"
        adapter = pydantic.TypeAdapter(kind, config=pydantic.ConfigDict(url_preserve_empty_path=keep))
        try:
            return kind, adapter.validate_python(f"{scheme}://{host}{path}")
        except pydantic.ValidationError:
            return kind, adapter.validate_python(f"{scheme}://{host}")

    return st.builds(made, kinds, paths, st.booleans())


def of(annotation: Any, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Typed]:
    return values.map(lambda value: (annotation, value))


def with_attributes(value: Any, names: list[str]) -> Any:
    for name in names:
        setattr(value, name, 1)
    return value


def _moment(value: dt.datetime) -> Moment:
    return Moment.combine(value.date(), value.timetz())


_numbers: Any = st.integers() | st.integers(-(2**70), 2**70)
_decimals = st.decimals(allow_nan=False, allow_infinity=False)
_moments = st.datetimes(timezones=st.none() | st.just(dt.UTC) | st.timezones())
LEAVES: list[st.SearchStrategy[Typed]] = [
    of(int, _numbers),
    of(float, st.floats()),
    of(bool, st.booleans()),
    of(None, st.none()),
    of(str, text),
    of(bytes, st.binary(max_size=9)),
    of(bytearray, st.binary(max_size=9).map(bytearray)),
    of(decimal.Decimal, st.decimals()),
    of(fractions.Fraction, st.fractions()),
    of(complex, st.complex_numbers()),
    of(dt.datetime, _moments),
    of(dt.date, st.dates()),
    of(dt.time, st.times()),
    of(dt.timedelta, st.timedeltas()),
    of(uuid.UUID, st.uuids()),
    of(ipaddress.IPv6Address, st.ip_addresses(v=6)),
    of(pathlib.PurePosixPath, text.map(pathlib.PurePosixPath)),
    of(range, st.builds(range, _numbers, _numbers, _numbers.filter(bool))),
    of(re.Pattern, st.sampled_from(["a", "(?i)b", "[", b"x"]).map(lambda source: re.compile(re.escape(source)))),
    of(Colour, st.sampled_from(Colour)),
    of(Literal[1, "1", True], st.sampled_from([1, "1", True])),
    of(pydantic.SecretStr, text.map(pydantic.SecretStr)),
    of(pydantic.Secret[int | None], (st.none() | _numbers).map(pydantic.Secret[int | None])),
    of(Name, st.builds(Name, text, text)),
    of(Cents, st.builds(Cents, st.integers(-9, 9))),
    of(Ratio, st.builds(Ratio, st.floats())),
    of(Raw, st.builds(with_attributes, st.binary(max_size=4).map(Raw), st.lists(st.just("note"), max_size=1))),
    of(Money, st.decimals().map(Money)),
    st.tuples(st.sampled_from([Moment, dt.datetime]), st.builds(_moment, _moments)),
    st.tuples(st.sampled_from([Span, dt.timedelta]), st.timedeltas().map(lambda d: Span(d.days, d.seconds))),
    st.tuples(st.sampled_from([Id, uuid.UUID]), st.uuids().map(lambda each: Id(int=each.int))),
    st.tuples(st.sampled_from([str, State]), st.just(State.OPEN)),
    st.tuples(st.sampled_from([int, Level]), st.just(Level.LOW)),
    of(Plain, st.builds(with_attributes, st.builds(Plain), st.sampled_from([[], ["_note"], ["_note", "_other"]]))),
    of(Failure, st.builds(Failure, _numbers, text) | st.builds(lambda n: Failure(code=n), _numbers)),
    of(
        Headers,
        st.builds(lambda raw, held: _filled(Headers(raw), held), st.booleans(), st.dictionaries(text, _numbers)),
    ),
    of(Line, st.builds(lambda width, held: _filled(Line(width), held), st.floats(), st.lists(_numbers, max_size=3))),
    of(Point, st.builds(Point, _numbers, st.none() | st.floats())),
    of(Pair, st.builds(Pair, _numbers, text)),
    of(Plain, st.builds(Plain, a=_numbers, b=st.none() | text, c=st.lists(st.floats(), max_size=2))),
    of(Plain, st.builds(Plain)),
    of(Wide, st.builds(Wide)),
    of(
        Wide, st.builds(Wide, a=_numbers, b=st.lists(text, max_size=2).map(tuple), e=_numbers | text, f=_numbers | text)
    ),
    of(
        Wide,
        st.builds(
            Wide,
            g=st.sets(_numbers, max_size=3),
            h=_moments,
            l=st.decimals(allow_nan=False, allow_infinity=False),
            o=st.binary(max_size=2),
        ),
    ),
    of(Wide, st.builds(Wide, c=st.builds(Plain), d=st.dictionaries(text, st.builds(Plain, a=_numbers), max_size=2))),
    of(Wide, st.builds(Wide, i=st.lists(st.builds(Point, _numbers), max_size=2), j=text.map(Label), q=st.builds(Wide))),
    flags(),
    urls(),
    of(np.ndarray, arrays()),
    of(Any, st.builds(np.str_, text) | st.builds(np.bytes_, st.binary(max_size=3))),
    of(Any, st.integers(-9, 9).map(np.int16) | st.floats(width=32).map(np.float32) | st.just(np.datetime64("NaT"))),
]


def _filled(made: Any, held: Any) -> Any:
    made.update(held) if isinstance(made, dict) else made.extend(held)
    return made


def inside(typed: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    """Collections of what `typed` gives."""
    return st.one_of(
        typed.map(lambda each: (list[each[0]], [each[1]] * 2)),  # type: ignore[valid-type]
        typed.map(lambda each: (list[_either(each[0], None)], [None, each[1]])),  # type: ignore[name-defined]
        typed.map(lambda each: (tuple[each[0], ...], (each[1],))),  # type: ignore[name-defined]
        typed.map(lambda each: (dict[str, each[0]], {"k": each[1], "": each[1]})),  # type: ignore[name-defined]
        typed.map(lambda each: (Any, {"k": [each[1]]})),
        typed.map(lambda each: (Any, (each[1], {1: each[1]}))),
        st.tuples(typed, typed).map(lambda two: (tuple[two[0][0], two[1][0]], (two[0][1], two[1][1]))),  # type: ignore[name-defined]
        st.tuples(typed, typed, st.booleans()).map(lambda two: (_either(two[0][0], two[1][0]), two[two[2]][1])),
    )


def _either(one: Any, other: Any) -> Any:
    return typing.Union[one, other]  # noqa: UP007


typed_values: st.SearchStrategy[Typed] = st.recursive(st.one_of(LEAVES), inside, max_leaves=4)
