# ruff: noqa: UP017, C414
"""Packed values: exact types come back, bad bytes give typed errors."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import pathlib
import threading
import uuid
from typing import Any, NamedTuple

import numpy as np
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import core_schema

from parcode_orm import dumps, loads
from parcode_orm.codec.packed.values import MAX_DEPTH, Packer, pack, unpack
from parcode_orm.codec.types.registry import register
from parcode_orm.errors import CorruptionError, CyclicGraphError, EncodeError, ParcodeError, SchemaMismatchError
from parcode_orm.model.base import Model
from tests.strategies import ANYTHING, same


class Hero(Model):
    name: str
    tags: list[str] = []
    _luck: int = pydantic.PrivateAttr(default=1)


@register
@dataclasses.dataclass(frozen=True, slots=True)
class Spot:
    x: int


@register
class Pair(NamedTuple):
    a: int
    b: str


@register
class Kind(enum.Enum):
    A = 1


VALUES: list[Any] = [
    None, True, 0, -1, 2**64, -(2**63) - 1, 2**200, 1.5, -0.0, "", "é", "\ud800", b"", b"x", bytearray(b"y"),
    [], [1, [2]], (1, (2,)),
    set(), {1, "a"}, frozenset({1}), collections.deque([1], 3), {}, {"a": 1}, {1: 2, "b": None},
    {(1, 2): 3}, {"\ud800": 1}, collections.OrderedDict([("b", 1), ("a", 2)]), collections.Counter("aab"),
    collections.defaultdict(list, {"a": [1]}), collections.defaultdict(None, {"a": 1}), decimal.Decimal("1.50"),
    dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc), dt.date(2020, 1, 1), dt.timedelta(1), uuid.UUID(int=3),
    pathlib.Path("a"), pathlib.PurePosixPath("/b"), pathlib.PureWindowsPath("c:/d"), range(1, 9, 2), 1 + 2j,
    np.arange(4).reshape(2, 2), np.float32(1.5), np.array(["a", "bb"]), np.datetime64("2020-01-01"),
    np.zeros(2, [("a", "i4"), ("b", "f8", (2,))]), Spot(1), Pair(1, "b"), Kind.A, pydantic.SecretStr("s"),
    pydantic.HttpUrl("http://a.b"), memoryview(b"abc"),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_values_come_back(value: Any) -> None:
    for given_ in (value, [value], {"k": value}, (value, value)):
        assert same(unpack(pack(given_)), given_)
        assert pack(unpack(pack(given_))) == pack(given_)


@given(ANYTHING)
@settings(max_examples=300, deadline=None)
def test_anything_comes_back(value: Any) -> None:
    assert same(unpack(pack(value)), value)


def test_models_by_tag() -> None:
    hero = Hero(name="x")
    hero._luck = 9
    found = unpack(pack({"h": [hero]}))["h"][0]
    assert same(found, hero) and found._luck == 9 and found.model_fields_set == {"name"}


def test_equal_sets_give_equal_bytes() -> None:
    names = [f"n{i}" for i in range(50)]
    assert pack(set(names)) == pack(set(reversed(names)))


def test_unknown_classes_are_refused_with_their_path() -> None:
    with pytest.raises(EncodeError, match=r"\['a'\]\[1\]") as caught:
        pack({"a": [1, threading.Lock()]})
    assert caught.value.value_type is type(threading.Lock())

    @dataclasses.dataclass
    class Local:
        x: int

    with pytest.raises(EncodeError, match="register"):
        pack([Local(1)])


def test_a_class_that_is_gone_is_a_mismatch() -> None:
    def make() -> bytes:
        @register
        @dataclasses.dataclass
        class Gone:
            x: int

        return pack(Gone(1))

    data = make()
    import gc

    gc.collect()
    with pytest.raises(SchemaMismatchError, match="Gone"):
        unpack(data)


def test_cycles_and_depth() -> None:
    loop: list[Any] = [1]
    loop.append({"a": loop})
    with pytest.raises(CyclicGraphError, match=r"\[1\]\['a'\]"):
        pack(loop)
    deep: Any = 1
    for _ in range(MAX_DEPTH - 1):
        deep = (deep,)
    assert unpack(pack(deep)) == deep
    with pytest.raises(CyclicGraphError):
        pack(((deep,),))
    shared = [1]
    assert unpack(pack([shared, shared])) == [[1], [1]]


@given(st.binary(max_size=60))
@settings(max_examples=500, deadline=None)
def test_random_bytes_give_typed_errors(data: bytes) -> None:
    try:
        unpack(data)
    except ParcodeError:
        pass


@given(st.sampled_from(VALUES), st.data())
@settings(max_examples=500, deadline=None)
def test_damaged_bytes_give_typed_errors(value: Any, data: st.DataObject) -> None:
    raw = bytearray(pack([value]))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        unpack(bytes(raw))
    except ParcodeError:
        pass


def test_hostile_bytes() -> None:
    nested = b"\xc0"
    for _ in range(500):
        nested = b"\xc9" + len(nested).to_bytes(4, "big") + b"\x04" + nested
    for data in (nested, b"\x91" * 10_000, b"\xdd\xff\xff\xff\xff", b"\xc7\x00\x7f", b"", b"\x01\x01"):
        with pytest.raises(CorruptionError):
            unpack(data)


class Stand:
    """A class that stands for a model in annotations, as FHIR's do."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: pydantic.GetCoreSchemaHandler) -> Any:
        return core_schema.no_info_plain_validator_function(
            lambda value: value, serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value)
        )


class Ward(Model):
    hero: Stand | None = None
    heroes: list[Stand] = []
    either: Stand | int | None = None
    any: Any = None


@pytest.mark.parametrize("name", ["hero", "heroes", "either"])
def test_what_is_looked_at_is_packed_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a value was taken apart twice: to see whether it can be stored so, and to store it."""
    heroes = [Hero(name=chr(0xD800), tags=["a"]), Hero(name="b", tags=["c"] * 100), {"k": [Hero(name="c"), 1 << 70]}]
    wards = [Ward.model_construct(**{name: heroes if name == "heroes" else hero}) for hero in heroes]
    for ward in wards:
        assert same(loads(dumps(ward), Ward), ward)
    count = 0
    lower = Packer.lower

    def counted(packer: Packer, value: Any) -> Any:
        nonlocal count
        count += 1
        return lower(packer, value)

    monkeypatch.setattr(Packer, "lower", counted)
    for hero in heroes:
        pack(hero)
    needed, count = count, 0
    for ward in wards if name != "heroes" else wards[:1]:
        dumps(ward)
    assert 0 < count <= needed
