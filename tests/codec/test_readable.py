"""What was written and could not be read again, or came back as something else: each kind with its relatives."""

from __future__ import annotations

import dataclasses
import enum
import io
import struct
import subprocess
import sys
import textwrap
from collections import OrderedDict
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pydantic
import pytest
from pydantic import ConfigDict

from parcode_orm import Chunk, EncodeError, Model, Session, ShardedMap, UnsupportedTypeError, dumps, loads, register
from parcode_orm.codec.packed.dtypes import MAX_DTYPE, dtype_text, parse_dtype
from tests.equality import same


class Box(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    array: np.ndarray | None = None
    apart: np.ndarray | None = Chunk(default=None)
    value: Any = None


# -- arrays -----------------------------------------------------------------------------------------------------------

WORDS = np.dtypes.StringDType
ARRAYS = {
    "no fields": np.zeros(2, []),
    "no fields within": np.zeros(2, [("a", "i4"), ("b", [])]),
    "no bytes": np.zeros(2, "V0"),
    "no bytes of text": np.zeros(2, [("blank", "S0"), ("n", "i4")])["blank"],
    "a huge axis, and none": np.zeros((2**50, 0), "u1"),
    "an axis of 2**60 items without bytes": np.zeros(2**60, "V0"),
    "another order": np.array([(1, 2.0)], [("a", "i1"), ("b", "f8")])[["b", "a"]],
    "some of the fields": np.array([(1, 2.0, 3)], [("a", "i1"), ("b", "f8"), ("c", "i8")])[["c", "a"]],
    "overlapping": np.arange(8, dtype="u1").view(
        {"names": ["all", "low"], "formats": ["<u4", "<u2"], "offsets": [0, 0], "itemsize": 8}
    ),
    "titles": np.zeros(1, np.dtype({"names": ["a", "b"], "formats": ["i4", "i4"], "titles": ["A", None]})),
    "aligned": np.ones(1, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "records": np.zeros(1, np.dtype((np.record, [("a", "i4")]))),
    "wide": np.ones(4, [(f"sensor_reading_{n:05d}", "f8") for n in range(3000)]),
    "texts": np.array([["a", "b" * 40], ["", "é\0"]], WORDS()),
    "no texts": np.array([], WORDS()),
    "missing texts": np.array(["a", None], WORDS(na_object=None)),
    "texts that are not": np.array(["a", float("nan")], WORDS(na_object=float("nan"))),
    "texts of which one is missing": np.array(["a", "?"], WORDS(na_object="?", coerce=False)),
}


def equal_arrays(one: Any, other: Any) -> bool:
    alike = one.dtype == other.dtype and one.dtype.type is other.dtype.type and one.shape == other.shape
    if one.dtype.kind == "T":
        return bool(alike and repr(one.tolist()) == repr(other.tolist()))
    return bool(alike and (one.size == 0 or one.itemsize == 0 or repr(one) == repr(other)))


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_unusual_dtypes_and_shapes(name: str) -> None:
    array = ARRAYS[name]
    data = dumps(Box(array=array, apart=array, value={"array": array, "beside": 1}))
    back = loads(data, Box)
    with Session(data) as session:
        found = session.root(Box)
        plain = found.model_load()
        every = [back.array, back.apart, back.value["array"], found.array, found.apart, plain.apart, plain.array]
    assert all(equal_arrays(each, array) for each in every)
    assert back.array.flags.writeable and back.value["beside"] == 1


def test_dtypes_that_would_not_come_back_are_refused_with_their_path() -> None:
    titled = np.zeros(1, np.dtype({"names": ["a"], "formats": ["i4"], "titles": [("x", 1)]}))
    huge = np.zeros(1, [(f"{n:0500}", "i1") for n in range(MAX_DTYPE // 500)])
    missing = np.array(["a"], WORDS(na_object=object()))
    nested = np.dtype("i4")
    for _ in range(40):
        nested = np.dtype([("a", nested)])
    for array in (titled, huge, missing, np.zeros(1, nested), np.array([object()])):
        for path, box in (
            ("array", Box(array=array)),
            ("apart", Box(apart=array)),
            ("value[1]", Box(value=[0, array])),
        ):
            with pytest.raises(EncodeError) as caught:
                dumps(box)
            assert caught.value.path == path


def test_gaps_of_arrays_hold_zeros() -> None:
    dtype = np.dtype({"names": ["a"], "formats": ["u1"], "offsets": [3], "itemsize": 8})
    one, other = np.full(16, 1, "u1").view(dtype), np.full(16, 1, "u1").view(dtype)
    other.view("u1").reshape(2, 8)[:, 0] = 7
    assert loads(dumps(Box(array=one)), Box).array.tobytes() == loads(dumps(Box(array=other)), Box).array.tobytes()


@pytest.mark.parametrize(
    "text", ['"O"', '{"of":"<f8"}', '{"fields":[["a","|O",0]],"size":8}', "[" * 9999, "null", "{}"]
)
def test_forged_dtypes(text: str) -> None:
    with pytest.raises(ValueError, match="dtype"):
        parse_dtype(text)
    assert parse_dtype(dtype_text(np.dtype("f8"))) == np.dtype("f8")


@pytest.mark.parametrize(
    "value", [np.str_("key\0"), np.bytes_(b"key\0"), np.str_("\ud800"), np.void(b"ab\0"), np.int8(3)]
)
def test_numpy_scalars_in_any(value: Any) -> None:
    assert same(loads(dumps(Box(value=value)), Box).value, value)


# -- subclasses of builtins -------------------------------------------------------------------------------------------


@register
class Name(str):
    def __new__(cls, first: str, last: str) -> Name:
        return super().__new__(cls, f"{first} {last}")


@register
class Cents(int):
    def __new__(cls, euros: float) -> Cents:
        return super().__new__(cls, round(euros * 100))


@register
class Percent(Decimal):
    def __new__(cls, value: object) -> Percent:
        return super().__new__(cls, str(value).removesuffix("%"))


@register
class Noted(float):
    def __new__(cls, value: float, note: str = "none") -> Noted:
        made = super().__new__(cls, value)
        made.note = note
        return made


class Values(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    name: Name | None = None
    cents: list[Cents] = []
    percent: Percent | None = None
    noted: list[Noted] = []
    any: Any = None


@pytest.mark.parametrize(
    "values",
    [
        Values(name=Name("Ada", "Lovelace")),
        Values(cents=[Cents(5), Cents(0)]),
        Values(percent=Percent("1.50%")),
        Values(noted=[Noted(1.5)]),
        Values(any=[Name("Ada", "Lovelace"), Cents(5), Noted(-0.0)]),
    ],
    ids=["other arguments", "computed", "parsed", "attributes", "any"],
)
def test_subclasses_of_builtins_with_constructors(values: Values) -> None:
    assert same(loads(dumps(values), Values), values)
    with Session(dumps(values)) as session:
        assert same(session.root(Values).model_load(), values)


def test_attributes_that_would_be_lost_are_refused_with_their_path() -> None:
    with pytest.raises(EncodeError, match="would be lost") as caught:
        dumps(Values(noted=[Noted(1.0), Noted(1.0, "kept")]))
    assert caught.value.path == "noted[1]"


class Rooted(PurePosixPath):
    def __new__(cls, root: str, path: str) -> Rooted:
        return super().__new__(cls, root, path)


class Hidden(pydantic.SecretStr):
    def __init__(self, value: str, twice: bool) -> None:
        super().__init__(value * 2 if twice else value)


def test_paths_and_secrets_whose_constructor_wants_more_are_refused() -> None:
    class Place(Model):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        path: Rooted | None = None
        secret: Hidden | None = None

    for field, value in (("path", Rooted("/a", "b")), ("secret", Hidden("a", True))):
        with pytest.raises(EncodeError) as caught:
            dumps(Place.model_construct(**{field: value}))
        assert caught.value.path == field


# -- dataclasses over builtins ----------------------------------------------------------------------------------------


@register
@dataclasses.dataclass
class ApiError(Exception):
    code: int
    detail: str = ""


@register
@dataclasses.dataclass
class Missing(KeyError):
    key: str


@register
@dataclasses.dataclass
class Headers(dict[str, Any]):
    raw: bool = False


@register
@dataclasses.dataclass
class Ordered(OrderedDict[str, int]):
    raw: bool = False


@register
@dataclasses.dataclass(eq=False)
class Label(str):
    lang: str = "en"


class Report(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    error: ApiError | Missing | None = None
    headers: Headers | Ordered | None = None
    label: Label | None = None
    any: Any = None


def filled(made: Any, **items: Any) -> Any:
    made.update(items)
    return made


CONTENTS: list[tuple[str, Any]] = [
    ("error", ApiError(404, "gone")),
    ("error", ApiError(code=404)),
    ("error", ApiError(404, detail="gone")),
    ("error", Missing("key")),
    ("headers", filled(Headers(raw=True), a=1, b=[2])),
    ("headers", filled(Ordered(), z=1, a=2)),
    ("label", Label("hello")),
]


@pytest.mark.parametrize(("field", "value"), CONTENTS, ids=lambda value: repr(value)[:30])
def test_dataclasses_that_derive_from_builtins(field: str, value: Any) -> None:
    for each in (field, "any"):
        found = getattr(loads(dumps(Report.model_construct(**{each: value})), Report), each)
        assert type(found) is type(value) and vars(found) == vars(value)
        assert getattr(found, "args", None) == getattr(value, "args", None)
        assert str.__str__(found) == str.__str__(value) if isinstance(value, str) else True
        assert list(found.items()) == list(value.items()) if isinstance(value, dict) else True


def test_an_error_whose_fields_changed_since_keeps_both() -> None:
    error = ApiError(404, "gone")
    error.code = 500
    found = loads(dumps(Report(error=error)), Report).error
    assert isinstance(found, ApiError) and found.code == 500 and found.args == (404, "gone")


def test_a_dataclass_over_an_unknown_builtin_is_refused_when_the_class_is_defined() -> None:
    @dataclasses.dataclass
    class Queue(bytearray):
        limit: int = 0

    @dataclasses.dataclass
    class Odd(complex):
        note: str = ""

    class Holder(Model):
        queue: Queue

    assert loads(dumps(Holder.model_construct(queue=Queue(limit=3))), Holder).queue.limit == 3
    with pytest.raises(UnsupportedTypeError, match=r"Odd derives from a builtin whose content cannot be stored"):

        class Wrong(Model):
            odd: Odd


# -- enums, URLs, secrets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [["read|write", "list", "read", "write"], ["1", "2", "4", "8"], ["=4", "a\\p", "\\", "a|"], ["-1", "a", "b", "c"]],
    ids=["bars", "digits", "escapes", "signs"],
)
def test_flags_of_any_names(names: list[str]) -> None:
    cls: Any = enum.Flag("Right", {name: 1 << place for place, name in enumerate(names)})
    holder: Any = pydantic.create_model("Holder", __base__=Model, rights=(cls, ...), by=(dict[cls, int], {}))
    for bits in range(16):
        assert loads(dumps(holder(rights=cls(bits), by={cls(bits): 1})), holder).rights is cls(bits)


def test_members_that_no_name_finds_are_refused() -> None:
    class Code(enum.Enum):
        OK = 1

        @classmethod
        def _missing_(cls, value: object) -> Any:
            made = object.__new__(cls)
            made._name_, made._value_ = f"C{value}", value
            return made

    class Answer(Model):
        codes: list[Code]

    with pytest.raises(EncodeError) as caught:
        dumps(Answer.model_construct(codes=[Code.OK, Code(7)]))
    assert caught.value.path == "codes[1]"


class Short(pydantic.AnyUrl):
    _constraints = pydantic.UrlConstraints(max_length=40)


class Link(Model):
    model_config = ConfigDict(url_preserve_empty_path=True)
    url: pydantic.HttpUrl | pydantic.FileUrl | Short | pydantic.PostgresDsn | None = None
    any: Any = None


@pytest.mark.parametrize(
    "url",
    [
        pydantic.HttpUrl("http://example.com/" + "\u00e9" * 700),
        Short("http://example.com/" + "\u00e9" * 10),
        Link(url="http://example.com").url,
        Link(url="http://example.com?q=1").url,
        pydantic.FileUrl("file:///"),
        pydantic.PostgresDsn("postgres://a:b@h1:1,h2:2/x"),
    ],
    ids=lambda url: str(url)[:24],
)
def test_urls_come_back_as_they_were(url: Any) -> None:
    found = loads(dumps(Link.model_construct(url=url, any=[url])), Link)
    for each in (found.url, found.any[0]):
        assert type(each) is type(url) and str(each) == str(url) and each == url and hash(each) == hash(url)
    with Session(dumps(Link.model_construct(url=url))) as session:
        assert str(session.root(Link).url) == str(url)


def test_a_none_inside_a_secret_is_not_one_outside() -> None:
    class Keys(Model):
        keys: list[pydantic.Secret[int | None] | None]
        one: pydantic.Secret[None] | None = None

    keys = Keys(keys=[None, pydantic.Secret(None), pydantic.Secret(1)], one=pydantic.Secret(None))
    assert same(loads(dumps(keys), Keys), keys)
    assert same(loads(dumps(Keys(keys=[pydantic.Secret(None)])), Keys), Keys(keys=[pydantic.Secret(None)]))


# -- keys, unions -----------------------------------------------------------------------------------------------------


def test_numpy_times_as_keys() -> None:
    class Log(Model):
        at: dict[Any, int] = ShardedMap()

    day, month, span = np.datetime64("2024-01-01", "D"), np.timedelta64(1, "Y"), np.timedelta64(5_000, "ns")
    far, never = np.datetime64(2**40, "Y"), np.datetime64("NaT", "s")
    plain = {day: 1, month: 2, span: 3, far: 4, never: 5, np.timedelta64(1, "as"): 6}
    more = {f"other{n}": n for n in range(5_000)}
    with Session(dumps(Log(at={**plain, **more}))) as session:
        stored = session.root(Log).at
        asked = [*plain, day.astype("M8[s]"), day.astype("M8[ns]"), np.timedelta64(12, "M"), span.astype("m8[ps]")]
        asked.remove(never)  # which is equal to nothing
        asked += [np.datetime64("NaT", "D"), date(2024, 1, 1), datetime(2024, 1, 1), timedelta(microseconds=5), 5, "x"]
        for key in asked:
            assert stored.get(key) == plain.get(key), key


@pytest.mark.once
def test_a_file_does_not_depend_on_the_order_of_imports(tmp_path: Path) -> None:
    """`typing` caches `List[Union[...]]`: which order of arms a class sees is that of the spelling evaluated first."""
    mine = """
        from typing import *
        from parcode_orm import Model
        class Box(Model):
            v: List[Union[int, str]] = []
            w: Dict[str, Union[List[int], Literal["a", 1], List[Any], None]] = {}
    """
    other = """
        from typing import *
        x: Any = List[Union[str, int]], Dict[str, Union[None, Literal[1, "a"], List[Any], List[int]]]
    """
    box = "Box(v=[1, 'a'], w={'a': [1], 'b': 'a', 'c': None, 'd': ['x']})"
    (tmp_path / "mine.py").write_text(textwrap.dedent(mine))
    (tmp_path / "other.py").write_text(textwrap.dedent(other))
    path = str(tmp_path / "a.par")
    for source in (
        f"import parcode_orm; from mine import Box; import other; parcode_orm.save({path!r}, {box})",
        f"import parcode_orm; import other; from mine import Box; assert parcode_orm.load({path!r}, Box) == {box}",
    ):
        subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {source}"], check=True
        )


def test_mutually_recursive_classes_are_read_at_once() -> None:
    """Whether a class holds models was asked along every path through the classes: nine took a minute."""
    count = 30
    names = [f"Node{n}" for n in range(count)]
    union = " | ".join(names)
    fields: dict[str, Any] = dict.fromkeys(("left", "right"), (f"{union} | None", None))
    made: dict[str, Any] = {name: pydantic.create_model(name, **fields) for name in names}
    for cls in made.values():
        cls.model_rebuild(_types_namespace=made)
    first, second = made["Node0"], made["Node1"]
    program: Any = pydantic.create_model("Program", __base__=Model, body=(list[first | second], []))
    value = program(body=[first(left=second()), second()])
    data = dumps(value)
    with Session(data) as session:
        assert type(session.root(program).body[0].left) is second
    assert loads(data, program) == value


def test_zones_and_views_that_would_not_come_back_are_refused() -> None:
    zone = b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + struct.pack(">lbb", 3600, 0, 0) + b"OWN\0"
    own = ZoneInfo.from_file(io.BytesIO(zone), key="Own/Zone")
    for value in (datetime(2024, 1, 1, tzinfo=own), memoryview(np.arange(3)), memoryview(b"abcd").cast("B", (2, 2))):
        with pytest.raises(EncodeError) as caught:
            dumps(Box(value=[0, value]))
        assert caught.value.path == "value[1]"
