"""`col`, `func`, `len_`, `cast`, `any_`, `and_` and others: expressions that no operator builds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar, overload

from ...errors import QueryError, called, told
from ...model.kinds import fields_of, kinds_of, kinds_of_value
from .aliases import Aliased
from .backrefs import OtherSide
from .building import attribute, check_kinds, condition, joined, literal, quantified
from .expressions import Expression, built, has
from .group_concat import concat
from .nodes import Aggregate, Field, Item, Key, Literal, Operation, Ordering
from .simple import is_comparison
from .windows import Over, of_one, shifted, without_window

T = TypeVar("T")


def field_of(cls: type[Any], name: str) -> Field[Any]:
    """The expression of a model's own field."""
    return Field(cls, (name,), cls.__pydantic_fields__[name].annotation)


@overload
def col(of: type[Any], name: str, /) -> Expression[Any]: ...
@overload
def col(of: T, /) -> Expression[T]: ...
def col(of: Any, name: str | None = None, /) -> Any:
    """A field as an expression, for type checkers and for classes that are no `Model`.

    `col(Player.level)` returns its argument `of`, typed as an expression. `col(Player, "level")` is the field of any
    class that is stored field by field; dots in `name` lead into nested ones (`col(World, "settings.difficulty")`).

    Raises:
        QueryError: the class has no such field.
    """
    if name is None:
        if not isinstance(of, Expression):
            raise QueryError(f"col(expression) takes a field of a class, such as Player.level, not {told(of)}")
        return of
    if (fields_of(of) is None and not isinstance(of, Aliased)) or not isinstance(name, str):
        raise QueryError(f"col(cls, name) takes a class with fields and a name, not {called(of)} and {told(name)}")
    found: Expression[Any] = of._item if isinstance(of, Aliased) else Item(of)
    for part in name.split("."):
        found = attribute(found, part)
    return found


def desc(of: Any) -> Ordering:
    """`of` as a key to order by, the largest first: `col(of).desc()`."""
    return _ordering("desc", of)


def asc(of: Any) -> Ordering:
    """`of` as a key to order by, the smallest first: `col(of).asc()`."""
    return _ordering("asc", of)


def _ordering(direction: str, of: Any) -> Ordering:
    if not isinstance(of, Expression):
        hint = ": write the expression again, or keep what label() gives" if isinstance(of, str) else ""
        raise QueryError(f"{direction}() takes a field such as Player.level, not {told(of)}{hint}")
    found: Ordering = of.desc() if direction == "desc" else of.asc()
    return found


def len_(of: Any) -> Expression[int]:
    """How many items each list, set or dictionary that `of` gives has, or characters a text; None for None.

    Of a `Backref` it is how many objects refer: `len_(Plane.flights)`.

    Raises:
        QueryError: the values have no length.
    """
    value = literal(of)
    if isinstance(value, OtherSide):
        number: Expression[int] = built["number_of"](value)
        return number
    kinds = kinds_of(value._tp)
    if kinds is not None and not kinds & {"text", "bytes"}:
        raise QueryError(f"{value} has no length: its values are neither text nor collections")
    return Operation("len", (value,), int)


def any_(items: Any, condition: Any) -> Expression[bool]:
    """Whether `condition` holds for one at least of a list's items, or of a dictionary's values.

    Args:
        items: a field that holds a list, set, tuple or dictionary.
        condition: of the items' class (`any_(Player.items, Item.price > 3)`), or of `func.item()`.

    Raises:
        QueryError: `items` is no such field, or `condition` no condition on its items.
    """
    return quantified("any", items, condition)


def all_(items: Any, condition: Any) -> Expression[bool]:
    """Whether `condition` holds for each of a list's items, or of a dictionary's values; arguments as of `any_`."""
    return quantified("all", items, condition)


def and_(*conditions: Any) -> Expression[bool]:
    """Whether all `conditions` hold: `a & b & c`, also of a list of conditions: `and_(*found)`.

    Raises:
        QueryError: there are none, or one is no condition.
    """
    return _all_of("and", conditions)


def or_(*conditions: Any) -> Expression[bool]:
    """Whether one at least of `conditions` holds: `a | b | c`; see `and_`."""
    return _all_of("or", conditions)


def not_(of: Any) -> Expression[bool]:
    """Whether a condition does not hold: `~of`.

    Raises:
        QueryError: `of` is no condition.
    """
    found: Expression[bool] = ~condition(of)
    return found


def _all_of(operator: str, conditions: tuple[Any, ...]) -> Expression[bool]:
    if not conditions:
        raise QueryError(f"{operator}_() takes conditions such as Player.level > 3, and none is given")
    return condition(conditions[0]) if len(conditions) == 1 else joined(operator, *conditions)


class func:
    """Functions of queries: of each row, and of all rows of a group."""

    @staticmethod
    def key(of: Any = None) -> Expression[Any]:
        """The key of a row in its dictionary, or its position in its list; of a join, that of the rows `of`."""
        return Key(of)

    @staticmethod
    def item(of: Any = None) -> Expression[Any]:
        """The row itself; of a list of numbers or texts, its value. Of a join, that of the rows of the alias `of`."""
        if of is not None and not isinstance(of, Aliased):
            raise QueryError(f"func.item(of) takes what aliased() gives, not {told(of)}")
        return Item() if of is None else of._item

    @staticmethod
    def len(of: Any) -> Expression[int]:
        """As `len_(of)`."""
        return len_(of)

    @staticmethod
    def abs(of: T) -> Expression[T]:
        """The absolute value of `of`."""
        return abs(col(of))

    @staticmethod
    def round(of: T, digits: int = 0) -> Expression[T]:
        """The value of `of` rounded to `digits`, as Python's `round` does."""
        value = literal(of)
        return Operation("round", (value, Literal(digits)), value._tp)

    @staticmethod
    def coalesce(*values: Any) -> Expression[Any]:
        """The first of `values` that is not None."""
        if not values:
            raise QueryError("func.coalesce() takes one value at least")
        found = tuple(map(literal, values))
        return Operation("coalesce", found, found[0]._tp if len({each._tp for each in found}) == 1 else Any)

    @staticmethod
    def nullif(of: T, value: Any) -> Expression[T | None]:
        """None where `of` equals `value`, else `of`.

        Raises:
            QueryError: they are never equal.
        """
        one, other = literal(of), literal(value)
        check_kinds("func.nullif()", one, other)
        return Operation("nullif", (one, other), one._tp | None)

    @staticmethod
    def lower(of: Any) -> Expression[str]:
        """The text of `of` in lower case; None for None, as in all functions of texts but `concat`."""
        return Operation("call", (_text("lower", of), Literal("lower")), str)

    @staticmethod
    def upper(of: Any) -> Expression[str]:
        """The text of `of` in upper case."""
        return Operation("call", (_text("upper", of), Literal("upper")), str)

    @staticmethod
    def trim(of: Any) -> Expression[str]:
        """The text of `of` without white space at its ends."""
        return Operation("call", (_text("trim", of), Literal("strip")), str)

    @staticmethod
    def length(of: Any) -> Expression[int]:
        """How many characters the text of `of` has; as `len_(of)`."""
        return len_(of)

    @staticmethod
    def substr(of: Any, start: Any, count: Any = None) -> Expression[str]:
        """A part of the text of `of`, as in SQL: `count` characters from number `start` on, or all that follow.

        The first character is number 1, the last one -1. Python's way is a slice: `Player.name[0:3]`.

        Raises:
            QueryError: `of` is no text; `start` is no number or 0, `count` is no number or negative.
        """
        places = [start] if count is None else [start, count]
        for place in places:
            if not isinstance(place, Expression) and type(place) is not int:
                raise QueryError(f"func.substr({of}, start, count) takes whole numbers, not {told(place)}")
        if (type(start) is int and start == 0) or (type(count) is int and count < 0):
            raise QueryError(f"func.substr({of}, {start}, {count}): characters count from 1, or from -1 back")
        return Operation("substr", (_text("substr", of), *map(literal, places)), str)

    @staticmethod
    def replace(of: Any, old: Any, new: Any) -> Expression[str]:
        """The text of `of` with `new` wherever it has `old`."""
        return Operation("replace", tuple(_text("replace", each) for each in (of, old, new)), str)

    @staticmethod
    def concat(*values: Any) -> Expression[str]:
        """The texts of all values, one after the other. None counts as no text; numbers and others as `str` of them.

        Raises:
            QueryError: there is no value.
        """
        if not values:
            raise QueryError("func.concat() takes one value at least")
        return Operation("concat", tuple(map(literal, values)), str)

    @staticmethod
    def count(of: Any = None) -> Aggregate[int]:
        """How many rows there are; of an expression, how many values that are not None."""
        return Aggregate("count", None if of is None else _of("count", of), int)

    @staticmethod
    def count_distinct(of: Any) -> Aggregate[int]:
        """How many different values `of` has, None not counted."""
        return Aggregate("count_distinct", _of("count_distinct", of), int)

    @staticmethod
    def sum(of: T) -> Aggregate[T]:
        """The sum of the values that are not None; 0 without any."""
        return _numeric("sum", of)

    @staticmethod
    def avg(of: Any) -> Aggregate[float | None]:
        """The mean of the values that are not None; None without any."""
        return _numeric("avg", of)

    @staticmethod
    def stddev(of: Any) -> Aggregate[float | None]:
        """The standard deviation of a sample; None for fewer than two values."""
        return _numeric("stddev", of)

    @staticmethod
    def group_concat(of: Any, separator: str = ",") -> Aggregate[str | None]:
        """The texts of `of` that are not None, joined by `separator` in the order of the rows; None without any."""
        return concat(_of("group_concat", of), separator)

    string_agg = group_concat

    @staticmethod
    def min(of: T) -> Aggregate[T]:
        """The smallest value of `of` that is not None; None without any."""
        value = _of("min", of)
        return Aggregate("min", value, value._tp)

    @staticmethod
    def max(of: T) -> Aggregate[T]:
        """The largest value of `of` that is not None; None without any."""
        value = _of("max", of)
        return Aggregate("max", value, value._tp)

    @staticmethod
    def row_number() -> Over[int]:
        """The number of the row in its partition, from 1; it needs `.over(...)`, as all window functions do."""
        return Over("row_number", (), int)

    @staticmethod
    def rank() -> Over[int]:
        """The number of the first row that is equal to the row in the order: 1, 2, 2, 4."""
        return Over("rank", (), int)

    @staticmethod
    def dense_rank() -> Over[int]:
        """As `rank`, without gaps: 1, 2, 2, 3."""
        return Over("dense_rank", (), int)

    @staticmethod
    def lag(of: T, rows: int = 1, default: Any = None) -> Over[T | None]:
        """The value of `of` so many `rows` before the row; `default` where there is no such row."""
        return shifted("lag", of, rows, default)

    @staticmethod
    def lead(of: T, rows: int = 1, default: Any = None) -> Over[T | None]:
        """The value of `of` so many `rows` after the row; `default` where there is no such row."""
        return shifted("lead", of, rows, default)

    @staticmethod
    def first_value(of: T) -> Over[T | None]:
        """The value of `of` in the first row of the partition, or of the frame that `rows=` says."""
        return of_one("first_value", of)

    @staticmethod
    def last_value(of: T) -> Over[T | None]:
        """The value of `of` in the last row of the frame: with an order, that is the row or its last equal."""
        return of_one("last_value", of)


def cast(of: Any, tp: type[T]) -> Expression[T]:
    """The value as another type, as the call `tp(value)` makes it; None for None: `cast(Player.score, int)`.

    Args:
        of: a field or another expression.
        tp: `int`, `float`, `str` or `Decimal`.

    Raises:
        QueryError: `tp` is another type; when the statement runs, a value cannot be one of `tp`.
    """
    if tp not in (int, float, str, Decimal):
        raise QueryError(f"cast({of}, type) takes int, float, str or Decimal, not {told(tp)}")
    return Operation("cast", (literal(of), Literal(tp)), tp)


def _text(name: str, of: Any) -> Expression[Any]:
    value = literal(of)
    kinds = kinds_of_value(value._value) if isinstance(value, Literal) else kinds_of(value._tp)
    if kinds is not None and "text" not in kinds:
        raise QueryError(f"func.{name}({value}): the value is no text: cast({value}, str) makes one")
    return value


def _of(name: str, of: Any) -> Expression[Any]:
    if not isinstance(of, Expression):
        hint = ": func.count() without an argument counts rows" if name == "count" else ""
        raise QueryError(
            f"func.{name}(expression) takes a field of a class, such as Player.level, not {told(of)}{hint}"
        )
    without_window(f"func.{name}", of)
    return of


def _numeric(name: str, of: Any) -> Aggregate[Any]:
    value = _of(name, of)
    kinds = kinds_of(value._tp)
    allowed = {"number", "None"} if name == "stddev" else {"number", "duration", "None"}
    if kinds is not None and not kinds & allowed:
        raise QueryError(f"func.{name}({value}): the values are no numbers")
    if name == "sum":
        tp = value._tp
    else:
        tp = float | None if kinds is not None and "duration" not in kinds else Any
    return Aggregate(name, value, tp)


def row_condition(value: Any) -> Expression[bool]:
    """`value`, which must be true or false of each row.

    Raises:
        QueryError: it is no condition, or one of groups.
    """
    found = condition(value)
    if is_comparison(found):
        return found
    if has_aggregate(found):
        raise QueryError(f"where({found}): an aggregate is a value of a group: group_by() and having() choose groups")
    without_window("where", found)
    return found


def check_aggregates(expression: Expression[Any]) -> None:
    """Refuse aggregates of aggregates, but for window functions of these.

    Raises:
        QueryError: there is one.
    """
    if isinstance(expression, Aggregate) and any(map(has_aggregate, expression._parts())):
        raise QueryError(f"{expression}: an aggregate of an aggregate; over() adds up the groups: {expression}.over()")
    for part in expression._parts():
        check_aggregates(part)


def has_aggregate(expression: Expression[Any]) -> bool:
    """Whether a value of a whole group stands in `expression`."""
    return has(expression, Aggregate)
