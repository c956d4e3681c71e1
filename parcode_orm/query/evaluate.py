"""The values of an expression, for many rows at once.

A condition after `&` is asked of those rows alone that fulfil what stands before it, and one after `|` of the others,
as Python's `and` and `or` do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from ..errors import ParcodeError, QueryError
from .columns import DATE, DURATION, MOMENT, Lists, read
from .expressions import Expression
from .nodes import Field, Item, Key, Label, Literal, Logical, Operation, Quantified, Slot
from .operators import FUNCTIONS, dig
from .vectors import EXACT_FLOAT, Constant, Numbers, Objects, Rows, Texts, Vector, apply, nulls_of, truths

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip
_TURNED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_COMPUTE: dict[str, Callable[[Any, Any], Any]] = {"+": np.add, "-": np.subtract, "*": np.multiply}
_WIDEST = 1 << 63
_FEW = 8  # texts that are compared as bytes one by one


class Columns(Protocol):
    """Rows that expressions are evaluated on: one stretch of a source, or the groups of a query."""

    @property
    def count(self) -> int:
        """How many rows there are."""

    def column(self, path: tuple[str, ...], rows: Rows) -> Vector:
        """The field at `path` of `rows`; without a path, the rows themselves."""

    def keys(self, rows: Rows) -> Vector:
        """The keys of `rows`, or their positions."""


class Frame:
    """Some rows of `columns`: all of them, or those at `rows`. What was read of all rows is kept."""

    __slots__ = ("_read", "columns", "rows")

    def __init__(self, columns: Columns, rows: Any = None, read: dict[Any, Vector] | None = None) -> None:
        self.columns = columns
        self.rows = rows
        self._read: dict[Any, Vector] = {} if read is None else read

    def __len__(self) -> int:
        return self.columns.count if self.rows is None else len(self.rows)

    def at(self, rows: Any) -> Frame:
        """The rows at the places `rows` of this frame."""
        return Frame(self.columns, rows if self.rows is None else self.rows[rows], self._read)

    def get(self, path: Any, find: Callable[[Rows], Vector]) -> Vector:
        """The values that `find` gives for these rows."""
        known = self._read.get(path)
        if known is not None:
            return known if self.rows is None else known.take(self.rows)
        if self.rows is None:
            found = self._read[path] = find(range(self.columns.count))
            return found
        return find(self.rows)


def evaluate(expression: Expression[Any], frame: Frame) -> Vector:
    """The values of `expression` for each row of `frame`.

    Raises:
        QueryError: the values of a row do not fit the expression, as in a division by zero.
    """
    if isinstance(expression, Field):
        path = expression._path
        return frame.get(path, lambda rows: frame.columns.column(path, rows))
    if isinstance(expression, Literal):
        return Constant(expression._value, len(frame))
    if isinstance(expression, Label):
        return evaluate(expression._of, frame)
    if isinstance(expression, Item):
        return frame.get((), lambda rows: frame.columns.column((), rows))
    if isinstance(expression, Key):
        return frame.get(Key, frame.columns.keys)
    if isinstance(expression, Slot):
        place = (str(expression._place),)
        return frame.get(place, lambda rows: frame.columns.column(place, rows))
    if isinstance(expression, Logical):
        return Numbers(_logical(expression, frame))
    if isinstance(expression, Quantified):
        return Numbers(_quantified(expression, frame))
    assert isinstance(expression, Operation)
    args = [evaluate(each, frame) for each in expression._args]
    return _operation(expression, args, len(frame))


def holds(condition: Expression[bool], frame: Frame) -> Any:
    """Of which rows `condition` is true, as an array of bools."""
    if isinstance(condition, Logical):
        return _logical(condition, frame)
    return truths(evaluate(condition, frame))


def matching(conditions: Sequence[Expression[bool]], frame: Frame) -> Any:
    """The places in `frame` of the rows that fulfil all `conditions`; None for all rows."""
    found: Any = None
    for condition in conditions:
        here = frame if found is None else frame.at(found)
        if not len(here):
            break
        mask = holds(condition, here)
        found = np.flatnonzero(mask) if found is None else found[mask]
    return found


def _logical(expression: Logical, frame: Frame) -> Any:
    if expression._operator == "not":
        return ~holds(expression._args[0], frame)
    first, second = expression._args
    found = holds(first, frame)
    ask = found if expression._operator == "and" else ~found
    rows = np.flatnonzero(ask)
    if len(rows) == len(found):
        return holds(second, frame) if len(found) else found
    if len(rows):
        found = found.copy()
        found[rows] = holds(second, frame.at(rows))
    return found


def _quantified(expression: Quantified, frame: Frame) -> Any:
    lists = evaluate(expression._items, frame)
    wanted = expression._operator == "any"
    if isinstance(lists, Lists):
        return _of_stored(expression.__class__, expression._condition, lists, wanted)
    found = np.full(len(frame), not wanted)
    items: list[Any] = []
    ends = []
    for value in lists.tolist():
        if value is not None:
            try:
                items += value.values() if hasattr(value, "values") else value
            except TypeError:
                raise QueryError(f"{expression}: {value!r} has no items") from None
        ends.append(len(items))
    if not items:
        return found
    true = holds(expression._condition, Frame(InMemory(items)))
    return _per_list(true, np.array([0, *ends[:-1]]), np.array(ends), wanted)


def _of_stored(kind: type, condition: Expression[bool], lists: Lists, wanted: bool) -> Any:
    counts = lists.ends - lists.begins
    total = int(counts.sum())
    if not total:
        return np.full(len(lists), not wanted)
    ends = np.cumsum(counts)
    begins = ends - counts
    rows = np.repeat(lists.begins - begins, counts) + np.arange(total)
    true = holds(condition, Frame(Stored(lists.items, rows)))
    return _per_list(true, begins, ends, wanted)


def _per_list(true: Any, begins: Any, ends: Any, wanted: bool) -> Any:
    sums = np.concatenate([[0], np.cumsum(true)])
    counts = sums[ends] - sums[begins]
    return counts > 0 if wanted else counts == ends - begins


class InMemory:
    """Objects in memory as columns."""

    __slots__ = ("count", "first", "known", "values")

    def __init__(self, values: list[Any], known: Sequence[Any] | None = None, first: int = 0) -> None:
        self.values = values
        self.count = len(values)
        self.known = known  # their keys
        self.first = first

    def column(self, path: tuple[str, ...], rows: Rows) -> Vector:
        """See `Columns`."""
        values = self.values
        if isinstance(rows, range):
            found = values[rows.start : rows.stop]
        else:
            found = [values[row] for row in rows.tolist()]
        return Objects([dig(value, path) for value in found] if path else found)

    def keys(self, rows: Rows) -> Vector:
        """See `Columns`."""
        numbers = rows if isinstance(rows, range) else rows.tolist()
        if self.known is None:
            return Objects([self.first + row for row in numbers])
        known = self.known
        return Objects([known[row] for row in numbers])


class Stored:
    """Rows of a view as columns: the items of stored lists."""

    __slots__ = ("count", "rows", "view")

    def __init__(self, view: Any, rows: Any) -> None:
        self.view = view
        self.rows = rows
        self.count = len(rows)

    def column(self, path: tuple[str, ...], rows: Rows) -> Vector:
        """See `Columns`."""
        whole = isinstance(rows, range)
        return read(self.view, path, self.rows[rows.start : rows.stop] if whole else self.rows[rows])

    def keys(self, rows: Rows) -> Vector:
        """See `Columns`."""
        raise QueryError("the items of a field have no func.key()")


# -- operations -----------------------------------------------------------------------------------------------------


def _operation(expression: Operation[Any], args: list[Vector], count: int) -> Vector:
    if not count:
        return Objects([])
    kernel = _KERNELS.get(expression._operator)
    found = None if kernel is None else kernel(expression._operator, *args)
    if found is not None:
        return found
    try:
        return apply(FUNCTIONS[expression._operator], args, count)
    except ParcodeError:
        raise
    except (TypeError, ValueError, ArithmeticError, AttributeError) as problem:
        raise QueryError(f"{expression}: {problem}") from problem


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
        return _compare_text(_TURNED[operator], right, left.value)
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
    found = _COMPARE[operator](a, b)
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
        return True
    whole = b if floats[0] else a
    low, high = _range(whole)
    return -EXACT_FLOAT <= low and high <= EXACT_FLOAT


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
    if not set(map(type, numbers)) <= {int, bool} or not all(-_WIDEST <= each < _WIDEST for each in numbers):
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
        if min(ends) < -_WIDEST or max(ends) >= _WIDEST or any(end >= _WIDEST for end in (*_range(a), *_range(b))):
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
    if value.values.dtype.kind != "f" and max(map(abs, _range(value.values))) >= _WIDEST:
        return None
    found = _plain(value.values)
    return Numbers(-found if operator == "neg" else np.abs(found), value.nulls)


_KERNELS: dict[str, Callable[..., Vector | None]] = {
    **dict.fromkeys(_COMPARE, _compare),
    **dict.fromkeys(_COMPUTE, _compute),
    "/": _divide,
    "in": _in,
    "startswith": _startswith,
    "len": _len,
    "neg": _negative,
    "abs": _negative,
}
