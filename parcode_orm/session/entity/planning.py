"""What conditions want of the values of indexes, as ranges."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, time, timedelta
from enum import Enum
from types import NoneType
from typing import Any, NamedTuple, get_origin

from ...codec.zones import FIXED
from ...errors import told
from ...model.annotations import present
from ...model.indexes import ITEMS, IndexSpec, Path, path_text
from ...model.kinds import item_type
from ...model.ordering import UNORDERED, Order, order_of
from ...model.references import stored_type
from ...query.expressions.expressions import Expression
from ...query.expressions.negation import without_not
from ...query.expressions.nodes import Field, Item, Literal, Logical, Operation, Quantified
from .indexes import Range

_DAY = timedelta(days=1)
_LAST: dict[object, object] = {datetime: datetime.max, time: time.max}
_TURNED = {"==": "==", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


class Wanted(NamedTuple):
    """The `ranges`, in one of which a value of the type `tp` must lie."""

    tp: object
    ranges: list[Range]

    def __str__(self) -> str:
        if len(self.ranges) > 1:
            return f" in {len(self.ranges):,} values"
        (found,) = self.ranges
        if is_one(found):
            return f" == {told(found.low)}"
        parts = [] if found.low is None else [f" {'>' if found.low_open else '>='} {told(found.low)}"]
        parts += [] if found.high is None else [f" {'<' if found.high_open else '<='} {told(found.high)}"]
        return " and".join(parts)


Scope = dict[Path, Wanted]


def parted(where: Sequence[Expression[bool]]) -> tuple[list[Expression[bool]], list[Sequence[Expression[bool]]]]:
    """Single conditions that hold of the rows that fulfil all of `where`, and lists of which one holds each.

    `any_(items, a | b)` is `any_(items, a) | any_(items, b)`.
    """
    every: list[Expression[bool]] = []
    some: list[Sequence[Expression[bool]]] = []
    for condition in map(without_not, where):
        if isinstance(condition, Quantified) and condition._operator == "any":
            condition = _of_items(condition)
        if not isinstance(condition, Logical) or condition._operator == "not":
            every.append(condition)
        elif condition._operator == "or":
            some.append(condition._args)
        else:
            more, others = parted(condition._args)
            every += more
            some += others
    return every, some


def _of_items(condition: Quantified) -> Expression[bool]:
    every, some = parted([condition._condition])
    if not some:
        return condition
    arms = [Logical("and", (*every, arm)) for arm in some[0]]
    return Logical("or", tuple(Quantified("any", condition._items, arm) for arm in arms))


def scopes_of(where: Sequence[Expression[bool]]) -> list[Scope]:
    """What conditions want of values by their paths: first of a row's, then, for each `any_`, of those of one item.

    Two conditions on one value narrow each other. Two of the items of a list do not, as two items may fulfil them.
    """
    row: Scope = {}
    found = [row]
    for path, wanted in _conditions(where, found, (), Any):
        _narrow(row, path, wanted)
    return found


def exactly(where: Sequence[Expression[bool]]) -> Scope | None:
    """What conditions want of the values of a row by their paths, if it is one range each and they say nothing else."""
    every, some = parted(where)
    scope: Scope = {}
    for condition in every:
        found = list(_condition(condition, Any)) if isinstance(condition, Operation) else []
        if some or len(found) != 1:
            return None
        path, wanted = found[0]
        if len(wanted.ranges) > 1 or path[-1:] == (ITEMS,) or _widened(wanted.ranges[0]) is not wanted.ranges[0]:
            return None
        scope[path] = wanted if path not in scope else Wanted(wanted.tp, [both(scope[path], wanted.ranges[0])])
    return None if some else scope


def both(wanted: Wanted, other: Range) -> Range:
    """The values that lie in the one range that is `wanted`, and in another one.

    Raises:
        TypeError: the values have no order.
    """
    order = order_of(wanted.tp)
    if order is None:
        raise TypeError(f"{wanted.tp} has no order")
    return _both(wanted.ranges[0], other, order)


def _narrow(scope: Scope, path: Path, wanted: Wanted) -> None:
    known = scope.get(path)
    if known is not None:
        order = order_of(wanted.tp)
        if len(known.ranges) == len(wanted.ranges) == 1 and order is not None:
            with suppress(*UNORDERED):
                wanted = Wanted(wanted.tp, [_both(known.ranges[0], wanted.ranges[0], order)])
        elif len(known.ranges) <= len(wanted.ranges):
            return
    scope[path] = wanted


def _conditions(
    where: Sequence[Expression[bool]], scopes: list[Scope], below: Path, item: object
) -> Iterator[tuple[Path, Wanted]]:
    """The conditions on values of a row, or of the items at `below`, which are of the type `item`."""
    for condition in where:
        if isinstance(condition, Logical) and condition._operator == "and":
            yield from _conditions(condition._args, scopes, below, item)
        elif isinstance(condition, Quantified):
            path, tp = _path(condition._items), _type(condition._items, item)
            if condition._operator == "any" and path is not None and _is_list(tp):
                scope: Scope = {}
                deeper = (*below, *path, ITEMS)
                for inner, wanted in _conditions([condition._condition], scopes, deeper, item_type(tp)):
                    _narrow(scope, inner, wanted)
                scopes.append(scope)
        elif isinstance(condition, Operation):
            for path, wanted in _condition(condition, item):
                if path[-1:] == (ITEMS,):
                    scopes.append({(*below, *path): wanted})
                else:
                    yield (*below, *path), wanted


def _path(expression: Expression[object]) -> Path | None:
    if isinstance(expression, Field):
        return expression._path
    return () if isinstance(expression, Item) else None


def _type(expression: Expression[object], item: object) -> object:
    return stored_type(item if isinstance(expression, Item) else expression._tp)


def _is_list(tp: object) -> bool:
    origin = get_origin(present(tp))
    return isinstance(origin, type) and issubclass(origin, Collection) and not issubclass(origin, Mapping)


def _condition(condition: Operation[object], item: object) -> Iterator[tuple[Path, Wanted]]:
    operator = condition._operator
    if operator not in (*_TURNED, "in", "startswith", "contains"):
        return
    one, other = condition._args
    if isinstance(one, Literal) and operator in _TURNED:
        one, other, operator = other, one, _TURNED[operator]
    path, tp = _path(one), _type(one, item)
    if path is None or not isinstance(other, Literal):
        return
    if operator == "contains":
        if not _is_list(tp):
            return
        path, tp, operator = (*path, ITEMS), stored_type(item_type(tp)), "=="
    ranges = list(_ranges(operator, other._value))
    if ranges:
        yield path, Wanted(tp, ranges)


def _ranges(operator: str, value: Any) -> Iterator[Range]:
    values = list(value) if operator == "in" else [value]
    if any(each is None for each in values):  # no index has it
        return
    if operator in ("==", "in"):
        for each in values:
            yield Range(each, each)
    elif operator == "startswith":
        if isinstance(value, str) and value and ord(value[-1]) < 0x10FFFF:
            yield Range(value, value[:-1] + chr(ord(value[-1]) + 1), high_open=True)
    elif operator in (">", ">="):
        yield Range(value, None, low_open=operator == ">")
    else:
        yield Range(None, value, high_open=operator == "<")


def is_one(asked: Range) -> bool:
    """Whether a range has one value."""
    return asked.low is not None and asked.low is asked.high


def _both(one: Range, other: Range, order: Order) -> Range:
    """Values that lie in both of two ranges."""
    lows = [each for each in (one, other) if each.low is not None]
    highs = [each for each in (one, other) if each.high is not None]
    low = max(lows, key=lambda each: (order(each.low), each.low_open), default=one)
    high = min(highs, key=lambda each: (order(each.high), not each.high_open), default=one)
    return Range(low.low, high.high, low.low_open, high.high_open)


# -- ranges of an index ------------------------------------------------------------------------------------------------


def exact(spec: IndexSpec, scope: Scope) -> list[list[object]] | None:
    """For each part of an index the values that are wanted of it; None where it is other than single values."""
    found = []
    for path in spec.parts:
        wanted = scope.get(path)
        if wanted is None or not all(map(is_one, wanted.ranges)):
            return None
        found.append([each.low for each in wanted.ranges])
    return found


def ranges_of(spec: IndexSpec, scope: Scope, most: int) -> tuple[list[Range], list[str]] | None:
    """The ranges of an index that have all wanted values, and what is wanted as text; None where it does not help.

    Single values of the first parts, then ranges of the next: at most `most` of them.
    """
    prefixes: list[tuple[object, ...]] = [()]
    told_parts = []
    for path, tp in zip(spec.parts, spec.types, strict=True):
        wanted = scope.get(path)
        if wanted is None:
            break
        told_parts.append(spelled(path, wanted))
        ranges = list(map(_widened, wanted.ranges))
        if len(prefixes) * len(ranges) > most:
            return None
        if not all(map(is_one, ranges)):
            if _is_enum(tp):  # members stand by name in an index
                return None
            other = _of_other_zone(ranges, tp)
            if other is None:
                return None
            found = [_joined(prefix, each) for prefix in prefixes for each in (*ranges, *other)]
            return _alone(spec, found), told_parts
        prefixes = [(*prefix, each.low) for prefix in prefixes for each in ranges]
    if not told_parts:
        return None
    return _alone(spec, [Range(prefix, prefix) for prefix in prefixes]), told_parts


def within(spec: IndexSpec, fixed: tuple[object, ...], asked: Range | None) -> Range:
    """The range of an index whose first parts have the values `fixed`, and the next one a value of `asked`.

    Without `asked` it may have any value, or None.
    """
    if asked is None:
        return Range(fixed or None, fixed or None)
    return _alone(spec, [_joined(fixed, asked)])[0]


def spelled(path: Path, wanted: Wanted) -> str:
    """What is wanted of a value, as text."""
    return f"{path_text(path)}{wanted}"


def _is_enum(tp: type) -> bool:
    kind = present(tp)
    return isinstance(kind, type) and issubclass(kind, Enum)


def _joined(prefix: tuple[object, ...], asked: Range) -> Range:
    """The range of the values of several fields that begin with `prefix`, and go on with a value of `asked`.

    None stands before all values, and is not in the range.
    """
    low, low_open = ((*prefix, asked.low), asked.low_open) if asked.low is not None else ((*prefix, None), True)
    high, high_open = ((*prefix, asked.high), asked.high_open) if asked.high is not None else (prefix, False)
    return Range(low, high or None, low_open, high_open)


def _alone(spec: IndexSpec, ranges: list[Range]) -> list[Range]:
    """Ranges in the form of the index's values: an index of one part has no tuples."""
    if len(spec.parts) > 1:
        return ranges
    return [each._replace(low=_first(each.low), high=_first(each.high)) for each in ranges]


def _first(bound: tuple[object, ...] | None) -> object:
    return bound[0] if bound else None


def _widened(asked: Range) -> Range:
    """Times in one zone compare by its clock, which is set by a day at most; an index has them by the moment."""
    low, high = asked.low, asked.high
    if not any(isinstance(each, datetime) and type(each.tzinfo) not in (NoneType, *FIXED) for each in (low, high)):
        return asked
    return Range(None if low is None else low - _DAY, None if high is None else high + _DAY)


def _of_other_zone(ranges: list[Range], tp: object) -> list[Range] | None:
    """The range of times without a zone if `ranges` are of times with one, and the other way round.

    The condition refuses to compare them, as it does in a scan. None where `ranges` are of both.
    """
    order = order_of(tp)
    if present(tp) not in _LAST or order is None:
        return []
    zoned = {order(each)[0] for asked in ranges for each in asked[:2] if each is not None}
    if len(zoned) > 1:
        return None
    return [of_zones(present(tp))[0 if True in zoned else 1]]


def of_zones(tp: object) -> tuple[Range, Range]:
    """The range of datetimes or times without a zone, and that of those with one."""
    last = _LAST[tp]
    return Range(None, last), Range(last, None, low_open=True)
