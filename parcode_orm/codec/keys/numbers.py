"""Canonical bytes of numbers as keys: one family of all types; equal numbers have equal bytes, others differ."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from struct import Struct

INT64 = Struct("<2sq").pack
INT = b"\xffi"
NAN = b"\xffn"
MIN, MAX = -(1 << 63), (1 << 63) - 1
# Beyond so many bits the powers of 2 and 5 are taken out: Decimal("1E999999999") is never spelled out.
_SPELLED_BITS = 4096
_FAR = 5000  # decimal digits that surely take more bits


def joined(parts: Sequence[bytes]) -> bytes:
    """`parts` so that no other parts give the same bytes."""
    out = [len(parts).to_bytes(4, "little")]
    for part in parts:
        out += (len(part).to_bytes(4, "little"), part)
    return b"".join(out)


def whole(key: int) -> bytes:
    """An integer."""
    if MIN <= key <= MAX:
        return INT64(INT, key)
    if key.bit_length() > _SPELLED_BITS:
        return _huge(key, 1)
    return b"\xffI" + _signed(key)


def ratio(top: int, bottom: int) -> bytes:
    """`top / bottom`, in lowest terms."""
    if bottom == 1:
        return whole(top)
    if max(top.bit_length(), bottom.bit_length()) > _SPELLED_BITS:
        return _huge(top, bottom)
    return b"\xffq" + joined([whole(top), whole(bottom)])


def real(key: float) -> bytes:
    """A float; all NaN have the same bytes."""
    if key != key:
        return NAN
    if key in (float("inf"), float("-inf")):
        return b"\xff+" if key > 0 else b"\xff-"
    return ratio(*float.as_integer_ratio(key))


def decimal(key: Decimal) -> bytes:
    """A decimal."""
    if key.is_nan():
        return NAN
    if key.is_infinite():
        return b"\xff+" if key > 0 else b"\xff-"
    if not key:
        return whole(0)
    sign, digits, exponent = key.as_tuple()
    assert isinstance(exponent, int)
    if exponent > _FAR or exponent + len(digits) < -_FAR:
        return _huge(int(Decimal((sign, digits, 0))), 1, exponent)
    return ratio(*key.as_integer_ratio())


def complexes(key: complex) -> bytes:
    """A complex number."""
    if key.imag == 0:
        return real(key.real)
    return b"\xffc" + joined([real(key.real), real(key.imag)])


def _signed(number: int) -> bytes:
    return int(number).to_bytes(number.bit_length() // 8 + 1, "little", signed=True)


def _huge(top: int, bottom: int, exponent: int = 0) -> bytes:
    """`top / bottom * 10**exponent`, exactly: what is left of it without powers of 2 and 5, and these."""
    powers = []
    for base in (2, 5):
        up, bottom_powers = _factor(abs(top), base), _factor(bottom, base)
        top = top // base**up
        bottom //= base**bottom_powers
        powers.append(up - bottom_powers + exponent)
    return b"\xffh" + joined([_signed(number) for number in (top, bottom, *powers)])


def _factor(number: int, base: int) -> int:
    """How many times `base` divides `number`, which is not 0."""
    squares = [base]
    while number % squares[-1] == 0:
        number //= squares[-1]
        squares.append(squares[-1] ** 2)
    found = (1 << len(squares) - 1) - 1
    for place in range(len(squares) - 2, -1, -1):
        if number % squares[place] == 0:
            number //= squares[place]
            found += 1 << place
    return found
