"""Building expressions: what cannot be true, or has no value, is refused where it is written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from ...codec.aliases import union_of
from ...codec.base import EXACT_ATOMS
from ...codec.classes.named import KNOWN
from ...codec.refs import Ref
from ...codec.types.typeforms import spelled
from ...errors import QueryError, called, told, with_article
from ...model.annotations import arms, present
from ...model.kinds import NONE, PARTS, Kinds, fields_of, item_type, kinds_of, kinds_of_value
from ...model.references import referred_class, targets_in
from ..columns.operators import keyed
from .backrefs import OtherSide, key_of_rows, other_side
from .distances import distance_method
from .expressions import Expression, builds, built
from .nesting import Nesting
from .nodes import Field, Item, Key, Label, Literal, Logical, Operation, Ordering, Quantified, Slot, Through
from .reference_keys import check_key, fitting, key_for
from .scope import check_scope

_METHODS: dict[str, dict[str, Any]] = {
    "text": dict.fromkeys(("lower", "upper", "strip", "casefold"), str),
    "date": dict.fromkeys(("weekday", "isoweekday"), int),
    "duration": {"total_seconds": float},
}
_METHODS["datetime"] = {**_METHODS["date"], "date": date, "time": time}
_RESULTS: dict[tuple[str, Any, Any], Any] = {
    ("+", "text", "text"): str,
    ("+", "bytes", "bytes"): bytes,
    ("-", "date", "date"): timedelta,
    ("-", "datetime", "datetime"): timedelta,
    ("+", "date", "duration"): date,
    ("-", "date", "duration"): date,
    ("+", "datetime", "duration"): datetime,
    ("-", "datetime", "duration"): datetime,
    ("+", "duration", "duration"): timedelta,
    ("-", "duration", "duration"): timedelta,
    ("*", "duration", "number"): timedelta,
    ("*", "number", "duration"): timedelta,
    ("/", "duration", "number"): timedelta,
    ("//", "duration", "number"): timedelta,
    ("/", "duration", "duration"): float,
    ("//", "duration", "duration"): int,
    ("%", "duration", "duration"): timedelta,
}


def literal(value: Any) -> Expression[Any]:
    """`value` as an expression."""
    if type(value) in EXACT_ATOMS:
        return Literal(value)
    return value if isinstance(value, Expression) else _checked_literal(value)


def _checked_literal(value: Any) -> Expression[Any]:
    if isinstance(value, Ordering):
        raise QueryError(f"{value} is a key to order by, and no value: it stands in order_by() alone")
    if isinstance(value, type):
        raise QueryError(f"{called(value)} is no value to compare with: name a field of it, or an object")
    if type(value) is Ref:
        return Literal(key_for(value))
    if isinstance(value, Nesting):
        raise QueryError(f"{value} is a statement: write .scalar_subquery() for its value, and in_() for all of them")
    scalar = type(value).__module__ == "numpy" and hasattr(value, "item") and not getattr(value, "ndim", 0)
    return Literal(value.item() if scalar else value)


def type_of_one(values: Sequence[Expression[Any]]) -> Any:
    """The type of a value that is one of several."""
    found = dict.fromkeys(arm for value in values for arm in arms(value._tp))
    return Any if Any in found else union_of(found)


@builds
def condition(value: Any) -> Expression[bool]:
    """`value`, which must be true or false of each row."""
    if not isinstance(value, Expression):
        raise QueryError(
            f"a condition is an expression such as Player.level > 3, not {told(value)}"
            + (
                ": compare a field of the class, not of an object; a property or computed field is not stored"
                if isinstance(value, bool)
                else ""
            )
        )
    if value._tp is not bool and present(value._tp) not in (bool, Any):
        raise QueryError(f"{value} is {_what(value)}, and no condition: compare it with something")
    return value


@builds
def joined(operator: str, *given: Any) -> Expression[bool]:
    """Conditions joined by `operator`; what is joined by it already goes in one chain, however long."""
    args: list[Expression[bool]] = []
    for each in given:
        if not isinstance(each, Expression | bool):
            raise QueryError(
                f"{told(each)} is no condition such as Player.level > 3: put comparisons beside & and | in parentheses"
            )
    for each in map(condition, given):
        args += each._args if isinstance(each, Logical) and each._operator == operator else [each]
    return Logical(operator, tuple(args))


@builds
def compared(operator: str, left: Any, right: Any) -> Expression[bool]:
    """`left operator right`, checked."""
    one = literal(left)
    other = literal(fitting(one, right))
    check_kinds(operator, one, other)
    if operator not in ("==", "!="):
        for each in (one, other):
            _check_order(each, operator)
    return Operation(operator, (one, other), bool)


def _kinds(value: Expression[Any]) -> Kinds | None:
    return kinds_of_value(value._value) if isinstance(value, Literal) else kinds_of(value._tp)


def _what(value: Expression[Any]) -> str:
    return f"of type {spelled(value._tp)}"


SETTING = "values()"  # the operator of an update, for `check_kinds`


def check_kinds(operator: str, left: Expression[Any], right: Expression[Any]) -> None:
    """Refuse to compare, or to set, what never fits by the kinds of its values."""
    one, other = _kinds(left), _kinds(right)
    if one is None or other is None:
        check_key(operator, left, right)
        _check_structure(operator, left, right)
        return
    if one - {NONE} and other - {NONE} and (one & other) <= {NONE}:
        hint = ": its day is .date()" if {"date", "datetime"} <= one | other else ""
        if any(isinstance(kind, type) for kind in one | other):  # an enum
            hint = ": give a member, or compare its .value or .name"
        raise _never_fits(operator, left, right, hint)


def _never_fits(operator: str, left: Expression[Any], right: Expression[Any], hint: str) -> QueryError:
    if isinstance(right, Literal):
        shown = f"{called(right._value)} ({told(right._value)})"
    else:
        shown = f"{right}, which is {_what(right)}"
    cannot = f"set to {shown}" if operator == SETTING else f"compared with {shown} by {operator}"
    return QueryError(f"{left} is {_what(left)}, and cannot be {cannot}{hint}")


def _check_structure(operator: str, left: Expression[Any], right: Expression[Any]) -> None:
    """Refuse to compare a model with a number or a text, a list with a number, or a URL with a text."""
    for one, other in ((left, right), (right, left)):
        kinds = _kinds(other)
        if kinds is None or not kinds - {NONE} or isinstance(one, Literal | Slot | Key):
            continue
        found = [arm for arm in arms(one._tp) if arm is not type(None)]
        origins = [getattr(arm, "__origin__", arm) for arm in found]
        if found and all(isinstance(arm, type) and issubclass(arm, _STRUCTURES) for arm in origins):
            raise _never_fits(operator, one, other, "" if operator == SETTING else ": contains() finds an item")
        if found and all(fields_of(arm) is not None for arm in found):
            raise _never_fits(operator, one, other, "" if operator == SETTING else ": name a field")
        if _is_wrapped(one):
            raise _never_fits(operator, one, other, f": give {with_article(found[0].__name__)}")


_STRUCTURES = (list, dict, set, frozenset, tuple)
_WRAPPED = (*KNOWN, IPv4Address, IPv6Address, IPv4Network, IPv6Network)  # no text and no number equals one of these


def _is_wrapped(value: Expression[Any]) -> bool:
    found = [arm for arm in arms(value._tp) if arm is not type(None)]
    return bool(found) and all(isinstance(arm, type) and issubclass(arm, _WRAPPED) for arm in found)


def _check_order(value: Expression[Any], operator: str) -> None:
    kinds = _kinds(value)
    if kinds is None:
        return
    if kinds == {NONE}:
        raise QueryError(f"None has no order: {operator} None is never true. Use == None, or is_(None)")
    if kinds - {NONE} and all(isinstance(kind, type) for kind in kinds - {NONE}):
        raise QueryError(f"{value} is {_what(value)}, an enum, whose members have no order: use .value or .name")


@builds
def computed(operator: str, left: Any, right: Any) -> Expression[Any]:
    """`left operator right`, checked."""
    one, other = literal(left), literal(right)
    return Operation(operator, (one, other), _result(operator, one, other))


def _result(operator: str, left: Expression[Any], right: Expression[Any]) -> Any:
    one, other = _kinds(left), _kinds(right)
    if one is None or other is None:
        return Any
    one, other = one - {NONE}, other - {NONE}
    if len(one) != 1 or len(other) != 1:
        return Any
    (first,), (second,) = one, other
    if first == second == "number":
        return _number(operator, present(left._tp), present(right._tp)) | None
    if (operator, first, second) in _RESULTS:
        return _RESULTS[operator, first, second] | None
    raise QueryError(f"{left} is {_what(left)} and {right} {_what(right)}: {operator} does not take them")


def _number(operator: str, left: Any, right: Any) -> Any:
    if left in (int, bool) and right in (int, bool) and operator not in ("/", "**"):
        return int
    return Decimal if Decimal in (left, right) else float


@builds
def text_test(name: str, value: Expression[Any], pattern: Any) -> Expression[bool]:
    if not isinstance(pattern, Expression | str):
        raise QueryError(f"{value}.{name}(text) takes a text, not {told(pattern)}")
    kinds = _kinds(value)
    if kinds is not None and "text" not in kinds:
        raise QueryError(f"{value} is {_what(value)}, and no text: {name}({told(pattern)}) does not fit it")
    if _is_wrapped(value):
        raise QueryError(f"{value} is {_what(value)}, and no text: write cast({value}, str).{name}({told(pattern)})")
    return Operation(name, (value, literal(pattern)), bool)


@builds
def attribute(value: Expression[Any], name: str) -> Any:
    """The field, the part or the method `name` of a value.

    Raises:
        QueryError: there is none.
    """
    known: list[str] = []
    for arm in arms(value._tp):
        cls = referred_class(arm)
        if cls is not None:
            below = fields_of(cls) or {}
            if name == "key":
                return value
            if name in below:
                return Through(value, cls, (name,), _or_none(below[name]))
            side = other_side(cls, name, value)
            if side is not None:
                return side
            known += ["key", *below]
            continue
        fields = fields_of(arm)
        if fields is not None:
            if name in fields:
                return field_below(value, name, fields[name])
            side = other_side(arm, name, key_of_rows(arm, value._source)) if isinstance(value, Item) else None
            if side is not None:
                return side
            known += fields
            continue
        for kind in kinds_of(arm) or ():
            if isinstance(kind, type):
                parts = {"value": Any, "name": str}
            else:
                parts = PARTS.get(kind, {})
                if name in _METHODS.get(kind, {}):
                    return Method(value, name, _METHODS[kind][name])
            if name in parts:
                return Operation("attribute", (value, Literal(name)), parts[name])
            known += parts
    method = distance_method(value, name)
    if method is not None:
        return method
    has = f": it has {', '.join(known[:12])}" if known else ""
    what = "" if str(value) == spelled(value._tp) else f" is {_what(value)}, and"
    raise QueryError(f"{value}{what} has no field {name!r}{has}")


def _or_none(tp: Any) -> Any:
    return Any if tp is Any else union_of((tp, None))


def field_below(value: Expression[Any], name: str, tp: Any) -> Expression[Any]:
    """The field `name` of a value that has fields."""
    if isinstance(value, Field):
        return Field(value._cls, (*value._path, name), tp, value._source)
    if isinstance(value, Item) and value._cls is not None:
        return Field(value._cls, (name,), tp, value._source)
    if isinstance(value, Through):
        return Through(value._of, value._cls, (*value._path, name), _or_none(tp))
    return Operation("attribute", (value, Literal(name)), tp)


class Method:
    """A method of the values of an expression, to be called."""

    __slots__ = ("_name", "_of", "_tp")

    def __init__(self, of: Expression[Any], name: str, tp: Any) -> None:
        self._of = of
        self._name = name
        self._tp = tp

    def __call__(self) -> Expression[Any]:
        return Operation("call", (self._of, Literal(self._name)), self._tp)

    def __repr__(self) -> str:
        return f"{self._of}.{self._name}"


@builds
def labelled(value: Expression[Any], name: Any) -> Expression[Any]:
    """`value` under another name, checked."""
    if not isinstance(name, str) or not name.isidentifier():
        raise QueryError(f"{value}.label(name): a label is a name such as 'total', not {told(name)}")
    return Label(value, name)


@builds
def element(value: Expression[Any], key: Any) -> Any:
    """`value[key]`: a field of what has fields, else an item of a dictionary or a list."""
    if isinstance(key, str) and any(fields_of(arm) is not None for arm in arms(value._tp)):
        return attribute(value, key)
    return Operation("item", (value, literal(key)), item_type(value._tp))


@builds
def member(value: Expression[Any], values: Any) -> Expression[bool]:
    """Whether `value` is one of `values`, checked."""
    if isinstance(values, Nesting):
        of_statement: Expression[bool] = built["chosen"](value, values)
        return of_statement
    if isinstance(values, str | bytes | Expression) or not isinstance(values, Iterable):
        raise QueryError(f"{value}.in_(values) takes a list or set of values, not {told(values)}")
    found = [literal(fitting(value, each)) for each in values]
    for each in found:
        check_kinds("in_()", value, each)
    constants = [each._value for each in found if isinstance(each, Literal)]
    if len(constants) < len(found):
        raise QueryError(f"{value}.in_(values) takes values, not fields: write == and | for those")
    constants = [each for each in constants if not _is_nan(each)]  # `in` would find one by its identity
    try:
        return Operation("in", (value, Literal(frozenset(constants))), bool)
    except TypeError:  # some have no hash
        return Operation("in", (value, Literal(tuple(constants))), bool)


def _is_nan(value: Any) -> bool:
    return value.is_nan() if isinstance(value, Decimal) else isinstance(value, float | complex) and value != value


@builds
def containing(value: Expression[Any], part: Any) -> Expression[bool]:
    """Whether `part` is in a text or a collection, checked."""
    kinds = kinds_of(present(value._tp))
    if kinds is not None and "text" in kinds:
        return text_test("contains", value, part)
    if kinds is not None and "bytes" not in kinds:
        raise QueryError(f"{value} is {_what(value)}, which contains nothing: compare it with == or in_()")
    return Operation("contains", (value, literal(fitting(value, part, item_type(value._tp)))), bool)


@builds
def quantified(operator: str, items: Any, given: Any) -> Expression[bool]:
    """Whether `given` holds for any or all of `items`, checked."""
    if isinstance(items, OtherSide):
        refer: Expression[bool] = items.any(given) if operator == "any" else items.all(given)
        return refer
    if not isinstance(items, Expression):
        raise QueryError(f"{operator}_(items, condition) takes a field that holds a list, not {told(items)}")
    kinds = kinds_of(items._tp)
    if kinds is not None or fields_of(present(items._tp)) is not None:
        raise QueryError(f"{items} holds no list, so it has no items that {operator}_() could look at")
    if given is None:
        return Operation(">", (Operation("len", (items,), int), Literal(0)), bool)
    targets = targets_in(items._tp)
    given = _through(_with_keys(condition(given), targets), item_type(items._tp), targets) if targets else given
    check_scope(condition(given), [arm for arm in arms(item_type(items._tp)) if fields_of(arm) is not None], str(items))
    return Quantified(operator, items, given)


def _with_keys(given: Expression[Any], targets: Collection[type]) -> Expression[Any]:
    """An expression about items that are references, with keys instead of objects of `targets`."""
    if isinstance(given, Literal):
        value = given._value
        found = key_for(value) if value.__class__ in targets else keyed(value, targets, deep=True)
        return given if found is value else Literal(found)
    parts = given._parts()
    return given._rebuilt(tuple([_with_keys(part, targets) for part in parts])) if parts else given


def _through(given: Expression[Any], tp: Any, targets: Collection[type]) -> Expression[Any]:
    """A condition on the objects that items of the type `tp` refer to as one on the items."""
    if isinstance(given, Field) and given._cls in targets and given._source is None:
        return Through(Item(tp), given._cls, given._path, _or_none(given._tp))
    parts = given._parts()
    return given._rebuilt(tuple([_through(part, tp, targets) for part in parts])) if parts else given
