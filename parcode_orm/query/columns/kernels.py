"""Operations on whole vectors, where numpy gives what Python gives: the same numbers, and as exact.

A kernel returns None for vectors that it has no way for; then each row's values are computed in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from operator import eq
from typing import Any

import numpy as np

from ...codec.apart import types_of
from ...codec.base import ATOMS
from .columns import DATE, DURATION, MOMENT, Lists
from .operators import FUNCTIONS, TURNED
from .vectors import EXACT_FLOAT, WIDEST, Coded, Constant, Numbers, Objects, Texts, Vector, nulls_of

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip
_COMPUTE: dict[str, Callable[[Any, Any], Any]] = {"+": np.add, "-": np.subtract, "*": np.multiply}
_TEXT = frozenset({str, type(None)})
_FEW = 8  # texts that are compared as bytes one by one


def _as_number(vector: Vector, other: Vector) -> tuple[Any, Any] | None:
    """The numbers of a vector, an array or one of Python's, and its nulls; None where they are no numbers."""
    if isinstance(vector, Numbers):
        return vector.values, vector.nulls
    if not isinstance(vector, Constant):
        return None
    value = vector.value
    kind = other.kind if isinstance(other, Numbers) else None
    if kind is None:
        return (value, None) if type(value) in (int, float, bool) else None
    if type(value) is not kind.cls or getattr(value, "tzinfo", None) is not None:
        return None
    return kind.number(value), None


def _compare(operator: str, left: Vector, right: Vector) -> Vector | None:
    if isinstance(left, Texts) and isinstance(right, Constant):
        return _compare_text(operator, left, right.value)
    if isinstance(right, Texts) and isinstance(left, Constant):
        return _compare_text(TURNED[operator], right, left.value)
    for one, other in ((left, right), (right, left)):
        if isinstance(other, Constant) and operator in ("==", "!="):
            if isinstance(one, Coded):
                return _compare_coded(operator, one, other.value)
            if isinstance(one, Objects):
                return _compare_objects(operator, one, other.value)
    if isinstance(left, Constant) and isinstance(right, Constant):
        return None
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Numbers) and isinstance(other, Constant) and other.value is None:
            nulls = nulls_of(one)
            return Numbers({"==": nulls, "!=": ~nulls}.get(operator, np.zeros(len(one), bool)))
    kinds = {each.kind for each in (left, right) if isinstance(each, Numbers)}
    first, second = _as_number(left, right), _as_number(right, left)
    if first is None or second is None or len(kinds) != 1:
        return None
    (a, a_nulls), (b, b_nulls) = first, second
    if not _are_exact(a, b):
        return None
    found = COMPARE[operator](a, b)
    if a_nulls is None and b_nulls is None:
        return Numbers(found)
    nulls = [each for each in (a_nulls, b_nulls) if each is not None]
    either = nulls[0] if len(nulls) == 1 else nulls[0] | nulls[1]
    both = nulls[0] & nulls[1] if len(nulls) == 2 else np.zeros(len(found), bool)
    if operator == "==":
        return Numbers(np.where(either, both, found))
    if operator == "!=":
        return Numbers(np.where(either, ~both, found))
    return Numbers(found & ~either)


def _are_exact(a: Any, b: Any) -> bool:
    """Whether numpy compares and computes as Python does: it makes floats of ints that meet floats."""
    floats = [_is_float(a), _is_float(b)]
    if floats[0] == floats[1]:
        return not any(_is_beyond(one, other) for one, other in ((a, b), (b, a)))
    whole = b if floats[0] else a
    low, high = _range(whole)
    return -EXACT_FLOAT <= low and high <= EXACT_FLOAT


def _is_beyond(value: Any, values: Any) -> bool:
    """Whether `value` is an int that numpy cannot compare with truth values."""
    return type(value) is int and not -WIDEST <= value < WIDEST and values.dtype == bool


def _is_float(values: Any) -> bool:
    return values.dtype.kind == "f" if isinstance(values, np.ndarray) else type(values) is float


def _range(values: Any) -> tuple[int, int]:
    if not isinstance(values, np.ndarray):
        return int(values), int(values)
    return (int(values.min()), int(values.max())) if len(values) else (0, 0)


def _compare_text(operator: str, texts: Texts, wanted: Any) -> Vector | None:
    if operator not in ("==", "!=") or type(wanted) is not str:
        return None
    found = texts.equal(wanted.encode("utf-8", "surrogatepass"))
    return Numbers(found if operator == "==" else ~found)


def _compare_objects(operator: str, objects: Objects, wanted: Any) -> Vector | None:
    values = objects.values
    if type(wanted) not in ATOMS or not ATOMS.issuperset(types_of(values)):
        return None  # other values may have an equality of their own
    found = np.fromiter(map(eq, values, repeat(wanted)), bool, len(values))
    return Numbers(found if operator == "==" else ~found)


def _compare_coded(operator: str, coded: Coded, wanted: Any) -> Vector | None:
    """Words of exact text or None are equal to one text at most."""
    code = code_of(coded, wanted)
    if code is None:
        return None
    found = coded.codes == code if code >= 0 else np.zeros(len(coded), bool)
    return Numbers(found if operator == "==" else ~found)


def code_of(coded: Coded, wanted: Any) -> int | None:
    """The only code of a text, -1 if it has none; None where words may be equal to it that are no texts."""
    if type(wanted) is not str or not _TEXT.issuperset(map(type, coded.words)):
        return None
    return coded.words.index(wanted) if wanted in coded.words else -1


def _startswith(operator: str, value: Vector, part: Vector) -> Vector | None:
    if not isinstance(value, Texts) or not isinstance(part, Constant) or type(part.value) is not str:
        return None
    return Numbers(value.starting(part.value.encode("utf-8", "surrogatepass")))


def _in(operator: str, value: Vector, values: Vector) -> Vector | None:
    assert isinstance(values, Constant)
    wanted = values.value
    if isinstance(value, Texts) and len(wanted) <= _FEW and set(map(type, wanted)) <= {str}:
        found = np.zeros(len(value), bool)
        for each in wanted:
            found |= value.equal(each.encode("utf-8", "surrogatepass"))
        return Numbers(found)
    if not isinstance(value, Numbers) or value.kind is not None or value.values.dtype.kind not in "iu":
        return None
    numbers = [each for each in wanted if each is not None]
    if not set(map(type, numbers)) <= {int, bool} or not all(-WIDEST <= each < WIDEST for each in numbers):
        return None
    if value.values.dtype == np.uint64:
        return None
    found = np.isin(value.values, np.array(numbers, np.int64))
    return Numbers(found if value.nulls is None else np.where(value.nulls, None in wanted, found))


def _compute(operator: str, left: Vector, right: Vector) -> Vector | None:
    if any(isinstance(each, Numbers) and each.kind is not None for each in (left, right)):
        return _of_days(operator, left, right)
    one, other = _as_number(left, right), _as_number(right, left)
    if one is None or other is None or (isinstance(left, Constant) and isinstance(right, Constant)):
        return None
    (a, a_nulls), (b, b_nulls) = one, other
    if not _are_exact(a, b):
        return None
    if _is_float(a) or _is_float(b):
        with np.errstate(all="ignore"):
            found = _COMPUTE[operator](_plain(a), _plain(b))
    else:
        ends = [FUNCTIONS[operator](x, y) for x in _range(a) for y in _range(b)]
        if min(ends) < -WIDEST or max(ends) >= WIDEST or any(end >= WIDEST for end in (*_range(a), *_range(b))):
            return None
        found = _COMPUTE[operator](_plain(a), _plain(b))
    return Numbers(found, _either(a_nulls, b_nulls))


def _plain(values: Any) -> Any:
    """Numbers wide enough to compute with."""
    if not isinstance(values, np.ndarray):
        return values if type(values) is float else int(values)
    return values if values.dtype.kind == "f" else values.astype(np.int64)


def _either(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    return a | b


_DAY = 86_400_000_000


def _of_days(operator: str, left: Vector, right: Vector) -> Vector | None:
    """The difference of two dates or two naive datetimes, as durations."""
    if operator != "-":
        return None
    kinds = {each.kind for each in (left, right) if isinstance(each, Numbers)}
    one, other = _as_number(left, right), _as_number(right, left)
    if len(kinds) != 1 or one is None or other is None:
        return None
    kind = kinds.pop()
    if kind not in (DATE, MOMENT, DURATION):
        return None
    found = np.subtract(_plain(one[0]), _plain(other[0]))
    return Numbers(found * _DAY if kind is DATE else found, _either(one[1], other[1]), DURATION)


def _divide(operator: str, left: Vector, right: Vector) -> Vector | None:
    """True division of numbers that floats hold exactly, by none that is zero."""
    if any(isinstance(each, Numbers) and each.kind is not None for each in (left, right)):
        return None
    one, other = _as_number(left, right), _as_number(right, left)
    if one is None or other is None or (isinstance(left, Constant) and isinstance(right, Constant)):
        return None
    for values, _ in (one, other):
        if not _is_float(values):
            low, high = _range(values)
            if low < -EXACT_FLOAT or high > EXACT_FLOAT:
                return None
    divisor = other[0]
    if not np.all(divisor):
        return None  # Python says what is wrong, or skips it where it stands beside None
    with np.errstate(all="ignore"):
        return Numbers(np.true_divide(_plain(one[0]), _plain(divisor)), _either(one[1], other[1]))


def _len(operator: str, value: Vector) -> Vector | None:
    return Numbers(value.ends - value.begins) if isinstance(value, Lists) else None


def _negative(operator: str, value: Vector) -> Vector | None:
    if not isinstance(value, Numbers) or value.kind is not None or not len(value):
        return None
    if value.values.dtype.kind != "f" and max(map(abs, _range(value.values))) >= WIDEST:
        return None
    found = _plain(value.values)
    return Numbers(-found if operator == "neg" else np.abs(found), value.nulls)


KERNELS: dict[str, Callable[..., Vector | None]] = {
    **dict.fromkeys(COMPARE, _compare),
    **dict.fromkeys(_COMPUTE, _compute),
    "/": _divide,
    "in": _in,
    "startswith": _startswith,
    "len": _len,
    "neg": _negative,
    "abs": _negative,
}
