# ruff: noqa: UP017, RUF032
"""Keys that are equal in Python have equal canonical bytes, and keys that differ do not."""

from __future__ import annotations

import datetime as dt
import enum
import itertools
import pathlib
import re
import uuid
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, HttpUrl, SecretStr

from parcode_orm.codec.keys.canonical import canonical, hash_keys, key_hash
from parcode_orm.errors import EncodeError


class Num(enum.IntEnum):
    ONE = 1


class Word(enum.StrEnum):
    A = "a"


class Plain(enum.Enum):
    ONE = 1


class Spot(NamedTuple):
    x: int
    y: int


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)
    a: int


UTC = dt.timezone.utc
SAMPLES: list[Any] = [
    0, 1, -1, True, False, 1.0, -0.0, 0.5, Decimal("0.5"), Decimal("1.00"), Fraction(1, 2), Fraction(1), 1 + 0j, 1j,
    2**63,
    float(2**63), 2**64, Decimal(2**64), 10**300, Decimal("1E300"), 1e300, 2**5000, Decimal(2**5000), Fraction(2**5000),
    Decimal("1E9999"), 10**9999, Fraction(1, 3), 1 / 3, Decimal(1) / 3, float("inf"), Decimal("Infinity"),
    float("-inf"),
    Num.ONE, Plain.ONE, Word.A, "a", "1", "", "é", "\ud800", b"a", b"", b"\xff", memoryview(b"a"), None, (), (1,),
    (1, 2), Spot(1, 2), (True, 2.0), ((1,), 2), frozenset({1, "a"}), frozenset({True, "a"}), frozenset(),
    dt.date(2020, 1, 1),
    dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, tzinfo=UTC),
    dt.datetime(2020, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))),
    dt.datetime(2020, 1, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), dt.time(1), dt.time(1, tzinfo=UTC), dt.timedelta(1),
    uuid.UUID(int=1), pathlib.Path("a/b"), pathlib.PurePosixPath("a/b"), pathlib.PureWindowsPath("A/b"),
    pathlib.PureWindowsPath("a\\B"), IPv4Address("0.0.0.1"), range(0), range(5, 5), range(1, 2), range(1, 2, 9),
    SecretStr("a"), HttpUrl("http://a.b"), Frozen(a=1), Frozen(a=True), 0.1, Decimal("0.1"),
    2**6100, 2**6161, -(2**6100), Decimal("1E9998"), Decimal("5E9999"), Decimal("-1E-9999"), Fraction(3, 5**4000),
    Decimal(3).scaleb(4000), 3 * 10**4000, Fraction(2**5000, 3), re.compile("a"), re.compile(b"a"),
    re.compile("a", re.I),
    Fraction(0.1), 5e-324, Decimal(5e-324), Decimal("1E-9999"), Fraction(1, 10**9999), Decimal("0E99999"),
]  # fmt: skip


def equal(a: Any, b: Any) -> bool:
    return bool(a == b and hash(a) == hash(b))


def test_equal_keys_have_equal_bytes_and_only_those() -> None:
    for a, b in itertools.product(SAMPLES, SAMPLES):
        assert (canonical(a) == canonical(b)) == equal(a, b), (a, b)


numbers = st.one_of(
    st.integers(), st.booleans(), st.floats(allow_nan=False), st.decimals(allow_nan=False), st.fractions()
)


@given(numbers, numbers)
@settings(max_examples=500, deadline=None)
def test_numbers(a: Any, b: Any) -> None:
    for x, y in ((a, b), (a, Fraction(a) if a not in (float("inf"), float("-inf")) else a)):
        assert (canonical(x) == canonical(y)) == (x == y)


def test_bulk_is_one_by_one() -> None:
    for keys in (["a", "b", "\ud800"], ["a"], [1, 2, -5], [1, True], [1, 2**70], SAMPLES, []):
        assert list(hash_keys(keys)) == [key_hash(key) for key in keys]


def test_numpy_scalars_are_what_they_hold() -> None:
    assert canonical(np.int64(1)) == canonical(1) and canonical(np.float64(0.5)) == canonical(Decimal("0.5"))


def test_nan_is_one_candidate_and_huge_exponents_are_quick() -> None:
    assert canonical(float("nan")) == canonical(Decimal("NaN"))
    assert canonical(Decimal("1E+999999999")) != canonical(Decimal("1E-999999999"))


wide = st.builds(
    lambda sign, top, bottom, twos, fives: sign * Fraction(top, bottom) * Fraction(2) ** twos * Fraction(5) ** fives,
    st.sampled_from([-1, 1]), *[st.integers(1, 40)] * 2, st.integers(-5000, 5000), st.integers(-3000, 3000),
)  # fmt: skip


@given(wide, wide, st.integers(2, 30))
@settings(max_examples=300, deadline=None)
def test_large_numbers_are_told_apart_exactly(a: Fraction, b: Fraction, factor: int) -> None:
    """They were known by Python's hash of numbers: of a stream, those with equal hashes passed for one key."""
    for x, y in ((a, b), (a, a * factor), (a * factor, b * factor), (a, a * factor / factor)):
        assert (canonical(x) == canonical(y)) == (x == y)
    if a.denominator == 1:
        assert canonical(a.numerator) == canonical(a)


def test_what_has_no_known_equality_is_refused() -> None:
    with pytest.raises(EncodeError):
        canonical(object())
