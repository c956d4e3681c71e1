# ruff: noqa: UP017
"""Conversions alone: bulk, exact, and typed errors for bad stored values."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parcode_orm.codec.columns.convert import BY_TYPE, CONVERSIONS, get_datetimes, get_times, put_datetimes, put_times
from parcode_orm.codec.zones import zone_from, zone_of
from parcode_orm.errors import CorruptionError, DecodeError, EncodeError, ParcodeError
from tests.strategies import ZONES, same

ZONED = st.one_of(st.none(), st.timezones(), ZONES)


@given(st.lists(st.datetimes(timezones=ZONED, allow_imaginary=True)))
@settings(max_examples=300, deadline=None)
def test_datetimes(values: list[dt.datetime]) -> None:
    assert same(get_datetimes(put_datetimes(values)), values)


@given(st.lists(st.decimals()))
def test_decimals(values: list[Decimal]) -> None:
    conversion = BY_TYPE[Decimal]
    assert same(conversion.from_stored(conversion.to_stored(values)), values)


def test_signalling_nan() -> None:
    conversion = BY_TYPE[Decimal]
    (found,) = conversion.from_stored(conversion.to_stored([Decimal("-sNaN0012")]))
    assert str(found) == "-sNaN12"


def test_instants_are_ordered_whatever_the_zone() -> None:
    berlin, utc = ZoneInfo("Europe/Berlin"), dt.timezone.utc
    stored = put_datetimes([dt.datetime(2020, 6, 1, 2, tzinfo=berlin), dt.datetime(2020, 6, 1, tzinfo=utc)])
    assert stored[0][0] == stored[1][0]


def test_an_odd_zone_is_refused() -> None:
    class Odd(dt.tzinfo):
        def utcoffset(self, moment: Any) -> dt.timedelta:
            return dt.timedelta(0)

    with pytest.raises(EncodeError, match="zoneinfo"):
        zone_of(dt.datetime(2020, 1, 1, tzinfo=Odd()))


@pytest.mark.parametrize("text", ["Q", "T", "Tx", "Z99999999", "K0/", "K0/../../etc/passwd", "K0/No/Such", "T1/x"])
def test_bad_zones(text: str) -> None:
    with pytest.raises((CorruptionError, DecodeError)):
        zone_from(text)


STORED = st.one_of(
    st.integers(), st.text(max_size=8), st.binary(max_size=20), st.floats(),
    st.tuples(st.integers(), st.text(max_size=5)), st.tuples(st.integers(), st.integers(), st.integers()),
)  # fmt: skip


@given(st.sampled_from(CONVERSIONS), st.data())
@settings(max_examples=500, deadline=None)
def test_bad_stored_values_give_typed_errors(conversion: Any, data: st.DataObject) -> None:
    kinds: dict[Any, Any] = {
        "int": st.integers(), "text": st.text(max_size=9), "bytes": st.binary(max_size=20), "float": st.floats(),
        "bool": st.booleans(),
    }  # fmt: skip
    inner = conversion.inner
    shape = kinds[inner] if isinstance(inner, str) else st.tuples(*(kinds[name] for name in inner))
    try:
        conversion.from_stored([data.draw(shape)])
    except ParcodeError:
        pass


def test_zones_of_one_offset_keep_their_names() -> None:
    offset, none = dt.timedelta(hours=5, minutes=30), dt.timedelta(0)
    names = ["IST", None, "SLST"]
    zones = [dt.timezone(offset, name) if name else dt.timezone(offset) for name in names]
    zones += [dt.timezone(none, "GMT"), dt.timezone.utc]
    for zone in [*zones, *reversed(zones)]:
        moments, clocks = [dt.datetime(2024, 1, 1, tzinfo=zone)], [dt.time(1, tzinfo=zone)]
        assert get_datetimes(put_datetimes(moments))[0].tzname() == zone.tzname(None)
        assert get_times(put_times(clocks))[0].tzname() == zone.tzname(None)
