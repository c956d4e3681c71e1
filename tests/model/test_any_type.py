"""Any type that Pydantic round-trips can be stored, whether a column is known for it or not."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pydantic
import pytest
from pydantic import (
    MISSING,
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    WrapValidator,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic_core import core_schema
from typing_extensions import TypedDict

import parcode_orm
from parcode_orm import Chunk, EncodeError, Model, Session, dumps, loads
from tests.everywhere import stored_everywhere
from tests.strategies import same

T = TypeVar("T")


class Version:
    """A class of somebody else, which knows nothing of Pydantic."""

    def __init__(self, text: str) -> None:
        self.parts = tuple(map(int, text.split(".")))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and other.parts == self.parts

    def __hash__(self) -> int:
        return hash(self.parts)

    def __str__(self) -> str:
        return ".".join(map(str, self.parts))


def _version(value: Any) -> Version:
    if isinstance(value, Version):
        return value
    if not isinstance(value, str):
        raise ValueError("not the text of a version")
    return Version(value)


class VersionField:
    """Brings a core schema for values of another class."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        serializer = core_schema.plain_serializer_function_ser_schema(str)
        return core_schema.no_info_plain_validator_function(_version, serialization=serializer)


class FromJson:
    """Text is taken from JSON only; in Python an instance must be given."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FromJson) and other.text == self.text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(cls, core_schema.str_schema()),
            python_schema=core_schema.is_instance_schema(cls),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda v: v.text, when_used="json"),
        )


class Moment(dt.datetime):
    """A subclass that says by its validator alone what it is made from, as pendulum's classes do."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return core_schema.no_info_wrap_validator_function(cls.made_of, core_schema.datetime_schema())

    @classmethod
    def made_of(cls, value: Any, handler: Any) -> Moment:
        found = handler(value)
        return cls(*found.timetuple()[:6], found.microsecond, found.tzinfo)


class Port:
    """A marker whose values are ints, dumped as what they are."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(int)


class WithoutEquality:
    """Its instances are equal to nothing but themselves."""

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(
            lambda v: v if isinstance(v, cls) else cls(v),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda v: v.text),
        )


PlainVersion = Annotated[Version, PlainValidator(_version), PlainSerializer(str)]
Array = Annotated[np.ndarray, PlainValidator(np.asarray), PlainSerializer(lambda a: a.tolist())]


class Scores(TypedDict, extra_items=int):
    name: str


class Names(Scores):
    nick: str


@pydantic.with_config(ConfigDict(extra="allow"))
class Open(TypedDict, total=False):
    name: str


@dataclass
class Box(Generic[T]):
    value: T


class Pair(NamedTuple, Generic[T]):
    left: T
    right: T | None = None


class Page(BaseModel, Generic[T]):
    items: list[T]
    next: Page[T] | None = None


class Patch(BaseModel):
    name: str | MISSING | None = MISSING
    size: int | MISSING = MISSING


class Level(enum.Enum):
    LOW = "low"


STORED: dict[str, tuple[Any, ...]] = {
    "a time zone": (ZoneInfo, "Europe/Paris", ZoneInfo("UTC")),
    "a time zone or text": (ZoneInfo | int, "Asia/Tokyo", 7),
    "what is missing, or a marker": (dict[str, VersionField | MISSING], {"a": "1.2", "b": MISSING}),
    "a time zone that stands for anything": (Any, ZoneInfo("UTC"), [MISSING]),
    "a marker": (VersionField, "1.2.3"),
    "a marker in a union": (VersionField | bool, "1.2.3", True),
    "a marker in collections": (dict[str, list[VersionField | int]], {"a": ["1.2", 3]}),
    "a marker of a builtin type": (Port, "80"),
    "a marker of a builtin type in a union": (Port | Literal["any"], "any", 80),
    "a class of somebody else": (PlainVersion, "1.2"),
    "a class of somebody else in a union": (PlainVersion | int, Version("1.2"), 3),
    "what only JSON takes": (FromJson, FromJson("a")),
    "what only JSON takes, in a union": (FromJson | int, FromJson("a"), 1),
    "a subclass of datetime": (Moment, "2024-05-01T12:00:00", dt.datetime(2024, 5, 1, tzinfo=dt.UTC)),
    "a subclass of datetime in a union": (Moment | int, "2024-05-01T12:00:00", 1),
    "an array and how it is dumped": (Array, [1.0, 2.0], [[1, 2], [3, 4]], np.zeros(0, np.float32)),
    "missing": (Patch, {"name": None}, {"size": 3}, {}),
    "a generic model that holds itself": (Page[int], {"items": [1], "next": {"items": [2]}}),
    "an open typed dictionary": (Open, {"name": "a", "b": [1]}, {"b": {"c": 1}}, {}),
    "extra items": (Scores, {"name": "ann", "chess": "7"}, {"name": "bob"}),
    "inherited extra items": (Names, {"name": "ann", "nick": "a", "chess": 7}),
    "extra items in a union": (Scores | int, {"name": "ann", "chess": 7}, 1),
    "generic dataclasses": (Box[list[int]] | Box[str], Box("text"), Box([1])),
    "generic dataclasses by what is in them": (Box[Box[int]] | Box[Box[str]], Box(Box("a")), Box(Box(1))),
    "generic named tuples": (Pair[int] | Pair[str], Pair("a"), Pair(1, 2)),
    "text parsed to a date": (Annotated[str, AfterValidator(dt.date.fromisoformat)], "2024-01-01"),
    "dates that may be text": (
        Annotated[dt.date, WrapValidator(lambda v, h: v if isinstance(v, str) and len(v) == 7 else h(v))],
        "2016-03",
        dt.date(2016, 3, 1),
    ),
    "a list made a tuple": (Annotated[list[int], AfterValidator(tuple)], [1, 2]),
    "a number made an object": (
        Annotated[int, AfterValidator(lambda n: Version(str(n))), PlainSerializer(lambda v: v.parts[0])],
        7,
    ),
    "a function called by its name": (
        Annotated[
            Callable[[Any], Any],
            PlainValidator(lambda v: v if callable(v) else {"len": len, "sum": sum}[v]),
            PlainSerializer(lambda f: f.__name__),
        ],
        "len",
    ),
    "text of a class of its own": (Annotated[str, AfterValidator(lambda v: Token(v))], "t"),
    "numbers of a class of their own": (Annotated[int, AfterValidator(lambda v: Rank(v))], 1),
    "anything that is validated": (Annotated[Any, BeforeValidator(_version), PlainSerializer(str)], "1.2"),
}


class Token(str):
    """Text that a validator makes, and that is not registered."""


class Rank(enum.IntEnum):
    """Numbers that a validator makes."""

    LOW = 1


@pytest.mark.parametrize("name", STORED)
def test_what_pydantic_takes_comes_back_everywhere(name: str) -> None:
    tp, *values = STORED[name]
    stored_everywhere(tp, *values)


@pytest.mark.parametrize(
    ("tp", "value"),
    [
        (str, None),
        (float, 0),
        (pydantic.HttpUrl, "https://example.org"),
        (list[str], ()),
        (Level, "low"),
        (dt.date, "2024-01-01"),
        (pydantic.SecretStr, ""),
        (set[str], []),
        (dt.timedelta, 60),
        (decimal.Decimal, 0.5),
        (dict[str, int], [("a", 1)]),
        (Page[int], {"items": [1]}),
        (Box[int], None),
        (list[Page[int]], [{"items": [1]}]),
        (int | None, "none"),
        (collections.Counter[str], {}),
        (Sequence[int], "ab"),
        (np.ndarray, [1, 2]),
        (Literal["a"], "b"),
    ],
    ids=str,
)
def test_a_default_that_nobody_validates_is_stored_as_it_is(tp: Any, value: Any) -> None:
    config = ConfigDict(arbitrary_types_allowed=True)
    Theirs = pydantic.create_model("Theirs", v=(tp, value), n=(int, 0), __config__=config)
    Made = pydantic.create_model("Made", v=(tp, pydantic.Field(default_factory=lambda: value)), __config__=config)
    Ours = pydantic.create_model("Ours", v=(tp, value), w=(tp, Chunk(default=value)), __base__=Arbitrary)

    class Holder(Arbitrary):
        theirs: Theirs
        made: Made
        ours: list[Ours] = Chunk()

    obj = Holder(theirs=Theirs(), made=Made(), ours=[Ours(), Ours(), Ours()])
    assert same(loads(dumps(obj), Holder), obj)
    with Session(dumps(obj)) as session:
        found = session.root(Holder)
        assert same(found.theirs, obj.theirs) and same(found.made, obj.made)
        assert same(found.ours[1].v, value) and same(found.ours[2].w, value)


class Arbitrary(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)


def test_a_default_that_was_changed_in_place_is_the_users_value() -> None:
    class Row(Model):
        tags: list[str] = []
        sizes: list[int] = ("small",)  # type: ignore[assignment]

    row = Row()
    row.tags.append(3)  # type: ignore[arg-type]
    with pytest.raises(EncodeError, match=r"Row\.tags\[0\]: expected str, found 3"):
        dumps(row)
    row.tags[0] = "three"
    assert same(loads(dumps(row), Row), row)


def test_defaults_of_dataclasses_and_named_tuples_are_not_validated_either() -> None:
    @dataclass
    class Plain:
        when: dt.date = "2024-01-01"  # type: ignore[assignment]
        tags: list[str] = ()  # type: ignore[assignment]

    @pydantic.dataclasses.dataclass
    class Theirs:
        when: dt.date = "2024-01-01"  # type: ignore[assignment]
        level: Level = pydantic.Field(default="low")
        tags: set[str] = pydantic.Field(default_factory=list)

    class Named(NamedTuple):
        when: dt.date = "2024-01-01"  # type: ignore[assignment]

    class Holder(Model):
        plain: Plain
        theirs: Theirs
        named: Named

    obj = Holder(plain=Plain(), theirs=Theirs(), named=Named())
    assert same(loads(dumps(obj), Holder), obj)
    obj.plain.when = 7  # type: ignore[assignment]
    with pytest.raises(EncodeError, match=r"Holder\.plain\.when: expected date, found 7"):
        dumps(obj)


def test_values_beside_their_type_are_found_among_many() -> None:
    class Row(Model):
        n: int = 0
        when: dt.date = "today"  # type: ignore[assignment]

    class Holder(Model):
        rows: list[Row] = Chunk()

    rows = [Row(n=n) if n % 3 else Row(n=n, when=dt.date(2024, 1, 1)) for n in range(300)]
    obj = Holder(rows=rows)
    assert same(loads(dumps(obj), Holder), obj)
    rows[200] = Row(n=1)
    rows[200].when = "tomorrow"  # type: ignore[assignment]
    with pytest.raises(EncodeError, match=r"Holder\.rows\[200\]\.when: expected date, found 'tomorrow'"):
        dumps(Holder.model_construct(rows=rows))


def test_validators_of_the_class_may_change_a_type() -> None:
    class Holder(Model):
        day: str
        token: str = "t"
        many: list[int] = []
        run: Callable[[Any], Any]
        size: int = 0
        after: str = "2024-05-01"

        @field_validator("day")
        @classmethod
        def parse(cls, value: str) -> Any:
            return dt.date.fromisoformat(value)

        @field_validator("token")
        @classmethod
        def wrap(cls, value: str) -> str:
            return Token(value)

        @field_validator("many", mode="plain")
        @classmethod
        def freeze(cls, value: Any) -> Any:
            return frozenset(value)

        @field_validator("run", mode="plain")
        @classmethod
        def find(cls, value: Any) -> Any:
            return value if callable(value) else {"len": len}[value]

        @field_serializer("run")
        def named(self, value: Any) -> str:
            return str(value.__name__)

        @model_validator(mode="after")
        def settle(self) -> Holder:
            if isinstance(self.after, str):
                self.after = dt.date.fromisoformat(self.after)  # type: ignore[assignment]
            return self

    obj = Holder(day="2024-05-01", token="x", many=[1, 2], run="len", after="2024-05-01")
    again = loads(dumps(obj), Holder)
    assert same(again, obj) and type(again.token) is Token and again.run is len
    day = obj.after
    obj.after = 7  # type: ignore[assignment]
    with pytest.raises(EncodeError, match=r"Holder\.after: expected str, found 7"):
        dumps(obj)
    obj.after = day
    obj.size = 1.5  # type: ignore[assignment]
    with pytest.raises(EncodeError, match=r"Holder\.size: expected int, found 1\.5"):
        dumps(obj)


def test_a_subclass_of_text_that_a_validator_of_the_model_put_there() -> None:
    class Accessor(str):
        pass

    class Message(BaseModel):
        text: str = ""
        size: int | None = None

        @model_validator(mode="after")
        def settle(self) -> Message:
            self.text = Accessor(self.text)
            return self

    class Holder(Model):
        messages: list[Message] = Chunk()

    class Ours(Model):
        text: str = ""

        @model_validator(mode="after")
        def settle(self) -> Ours:
            self.text = Accessor(self.text)
            return self

    obj = Holder(messages=[Message(text="a"), Message(text="b", size=1)])
    again = loads(dumps(obj), Holder)
    assert same(again, obj) and type(again.messages[1].text) is Accessor
    with pytest.raises(EncodeError, match=r"Ours\.text: a .*Accessor would come back .*register\(Accessor\)"):
        dumps(Ours(text="a"))
    parcode_orm.register(Accessor)
    assert type(loads(dumps(Ours(text="a")), Ours).text) is Accessor


def test_a_class_without_equality_is_compared_by_what_it_is_dumped_as() -> None:
    class Holder(Model):
        one: WithoutEquality
        many: list[WithoutEquality] = Chunk()

    found = loads(dumps(Holder(one="a", many=["b"])), Holder)
    assert found.one.text == "a" and found.many[0].text == "b"


def test_a_file_whose_value_the_validator_takes_no_more() -> None:
    def made(limit: int) -> type[Model]:
        def check(value: Any) -> Version:
            found = _version(value)
            if found.parts[0] > limit:
                raise ValueError("too large")
            return found

        class Holder(Model):
            version: Annotated[Version, PlainValidator(check), PlainSerializer(str)]

        return Holder

    before, after = made(9), made(3)
    data = dumps(before(version="7.1"))
    assert loads(data, before).version == Version("7.1")
    with pytest.raises(parcode_orm.SchemaMismatchError, match=r"(?s)Holder\.version: .*too large"):
        loads(data, after)


def test_a_validator_that_fails_while_reading() -> None:
    """An AttributeError out of a validator must not pass for a missing field."""
    given = []

    def check(value: Any) -> Version:
        if isinstance(value, Version):
            return value
        given.append(value)
        return Version(value if len(given) < 3 else value.missing)

    def parse(value: str) -> Any:
        return given[99] if len(given) > 2 else dt.date.fromisoformat(value)

    class Holder(Model):
        version: Annotated[Version, PlainValidator(check), PlainSerializer(str)]
        day: Annotated[str, AfterValidator(parse)] = ""

    data = dumps(Holder(version="1.2", day="2024-05-01"))
    given += [0, 0, 0]
    with pytest.raises(parcode_orm.DecodeError, match=r"Holder\.version: .*AttributeError"):
        loads(data, Holder)
    with Session(data) as session:
        found = session.root(Holder)
        assert found.day == dt.date(2024, 5, 1)  # type: ignore[comparison-overlap]  # stored as it is
        with pytest.raises(parcode_orm.DecodeError, match=r"Holder\.version: "):
            found.version  # noqa: B018


def test_bytes_that_are_not_what_was_dumped() -> None:
    class Holder(Model):
        version: PlainVersion
        pages: list[PlainVersion | int] = []
        url: pydantic.HttpUrl = "text"  # type: ignore[assignment]

    data = dumps(Holder(version="1.2", pages=[Version("1"), 2]))
    for at in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[at] ^= 0x41
        try:
            assert same(loads(bytes(damaged), Holder), loads(data, Holder))
        except parcode_orm.ParcodeError:
            continue


@pytest.mark.parametrize(
    "parts", [[0], [7, b"", None], [1, b'"a"', 3], [1, b"{", None], ["a", 1, None], [0, [], [["x"]]]]
)
def test_hostile_parts_of_a_dumped_value(parts: Any) -> None:
    from parcode_orm.codec.columns.fallback import of_type
    from parcode_orm.codec.packed.extensions import extension
    from parcode_orm.codec.packed.values import unpack

    with pytest.raises(parcode_orm.ParcodeError):
        of_type(PlainVersion, "here").load(unpack(msgspec.msgpack.encode(extension("dumped", parts))))


def test_what_does_not_come_back_is_refused_with_its_path() -> None:
    lossy = Annotated[Version, PlainValidator(_version), PlainSerializer(lambda v: str(v.parts[0]))]

    class Row(Model):
        versions: list[lossy]

    class Holder(Model):
        rows: list[Row] = Chunk()

    obj = Holder(rows=[Row(versions=["1"]), Row(versions=["1", "1.2"])])
    with pytest.raises(EncodeError, match=r"Holder\.rows\[1\]\.versions\[1\]: .*does not come back.*register_type"):
        dumps(obj)


def test_large_values_of_another_type_than_their_marked_field_says() -> None:
    class Holder(Model):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        samples: Annotated[bytes, AfterValidator(lambda b: np.frombuffer(b, np.uint8)), PlainSerializer(bytes)] = (
            Chunk()
        )
        text: Annotated[str, AfterValidator(str.encode)] = Chunk()
        array: Array = Chunk()

    obj = Holder(samples=bytes(100_000), text="x" * 100_000, array=np.arange(50_000))
    with Session(dumps(obj)) as session:
        found = session.root(Holder)
        assert np.array_equal(found.samples, obj.samples) and found.samples.dtype == np.uint8
        assert found.text == b"x" * 100_000 and np.array_equal(found.array, obj.array)


def test_digits_and_zones_are_kept_where_one_of_the_forms_does() -> None:
    class Amount(decimal.Decimal):
        pass

    class Price(BaseModel):
        amount: decimal.Decimal
        at: dt.datetime

        @model_validator(mode="after")
        def settle(self) -> Price:
            self.amount = Amount(self.amount)
            return self

    class Holder(Model):
        prices: list[Price] = Chunk()

    zone = ZoneInfo("Europe/Paris")
    obj = Holder(prices=[Price(amount=decimal.Decimal("1.50"), at=dt.datetime(2024, 5, 1, tzinfo=zone))])
    price = loads(dumps(obj), Holder).prices[0]
    assert str(price.amount) == "1.50" and type(price.amount) is Amount and price.at == obj.prices[0].at


def test_which_fields_were_set_in_objects_that_are_dumped() -> None:
    class Message(BaseModel):
        text: str
        note: str | None = None
        sizes: list[int] = []

        @model_validator(mode="after")
        def settle(self) -> Message:
            self.text = Token(self.text)
            return self

    class Holder(Model):
        messages: list[Message] = Chunk()

    obj = Holder(messages=[Message(text="a"), Message(text="b", note=None), Message(text="c", sizes=[])])
    assert same(loads(dumps(obj), Holder), obj)
    with Session(dumps(obj)) as session:
        found = session.root(Holder).messages
        assert [each.model_fields_set for each in found] == [{"text"}, {"text", "note"}, {"text", "sizes"}]


@pytest.mark.parametrize("form", ["python", "json"])
def test_what_is_dumped_in_either_form_comes_back(form: str) -> None:
    """A validator that only takes what one of the modes gives."""
    wanted = tuple if form == "python" else list

    def check(value: Any) -> Version:
        if isinstance(value, Version):
            return value
        if type(value) is not wanted:
            raise ValueError(f"not a {wanted}")
        return Version(".".join(map(str, value)))

    stored_everywhere(Annotated[Version, PlainValidator(check), PlainSerializer(lambda v: v.parts)], Version("1.2"))


class Case(enum.StrEnum):
    """As SDKs have them, for what a later version of the service may say."""

    OPEN = "open"

    @classmethod
    def _missing_(cls, value: object) -> Any:
        made = str.__new__(cls, value)  # type: ignore[call-overload]
        made._value_, made._name_ = value, str(value).upper()
        return made


def test_members_that_an_enum_makes_of_unknown_values() -> None:
    stored_everywhere(Case, "open", "unknown")


def test_hashable_says_nothing() -> None:
    stored_everywhere(Hashable, 1, "a", (1, "b"))
