"""The kinds of expressions."""

from __future__ import annotations

from typing import Any, TypeVar

from ...errors import told
from ...model.kinds import has_fields
from .expressions import Expression, builds, built

T = TypeVar("T")


class Field(Expression[T]):
    """The field at `path` below the class `cls`; `source` is the alias of its rows, if they have one."""

    __slots__ = ("_cls", "_path", "_source", "_tp")

    def __init__(self, cls: type[Any], path: tuple[str, ...], tp: Any, source: Any = None) -> None:
        self._cls = cls
        self._path = path
        self._tp = tp
        self._source = source

    def _identity(self) -> Any:
        return Field, self._cls, self._path, self._source

    @property
    def _name(self) -> str:
        return self._path[-1]

    def __str__(self) -> str:
        return ".".join((self._cls.__qualname__ if self._source is None else self._source._called, *self._path))


class Through(Expression[T]):
    """The field at `path` of the object of the class `cls` that the reference `of` leads to; None without such."""

    __slots__ = ("_cls", "_of", "_path", "_tp")

    def __init__(self, of: Expression[Any], cls: type[Any], path: tuple[str, ...], tp: Any) -> None:
        self._of = of
        self._cls = cls
        self._path = path
        self._tp = tp

    def _parts(self) -> tuple[Expression[Any], ...]:
        return (self._of,)

    def _rebuilt(self, parts: tuple[Expression[Any], ...]) -> Expression[Any]:
        return Through(parts[0], self._cls, self._path, self._tp)

    def _identity(self) -> Any:
        return Through, self._of._identity(), self._cls, self._path

    @property
    def _name(self) -> str:
        return self._path[-1]

    def __str__(self) -> str:
        return ".".join((str(self._of), *self._path))


class Item(Expression[T]):
    """The row itself: the object of a list or dictionary; `cls` is its class, None where it is not known."""

    __slots__ = ("_cls", "_source", "_tp")

    def __init__(self, tp: Any = Any, source: Any = None) -> None:
        self._tp = tp
        self._cls = tp if has_fields(tp) else None
        self._source = source

    def _identity(self) -> Any:
        return Item, self._cls, self._source

    @property
    def _name(self) -> str:
        if self._source is not None:
            return str(self._source._called)
        return "item" if self._cls is None else self._cls.__name__

    def __str__(self) -> str:
        if self._source is not None:
            return str(self._source._called)
        return "func.item()" if self._cls is None else self._cls.__qualname__


class Key(Expression[T]):
    """The key of a row in its dictionary, or its position in its list; of the first rows, or of those of `source`."""

    __slots__ = ("_source",)
    _tp = Any

    def __init__(self, source: Any = None) -> None:
        self._source = source

    def _identity(self) -> Any:
        return Key, self._source

    @property
    def _name(self) -> str:
        return "key"

    def __str__(self) -> str:
        of = self._source
        name = of.__qualname__ if isinstance(of, type) else getattr(of, "_called", of)
        return f"func.key({'' if of is None else name})"


class Of(Expression[T]):
    """A field, the row or the key of source `number` of a join: what a prepared statement has for a `Field`.

    `path` says where it stands in the rows of the join: `("#1", "year")`. `("#1",)` is the row, `("#1", "")` its key.
    """

    __slots__ = ("_cls", "_number", "_of", "_path", "_tp")

    def __init__(self, number: int, of: Expression[Any]) -> None:
        self._number = number
        self._of = of
        self._tp = of._tp
        self._cls = getattr(of, "_cls", None)
        below = of._path if isinstance(of, Field) else ("",) if isinstance(of, Key) else ()
        self._path: tuple[str, ...] = (f"#{number}", *below)

    @property
    def _is_row(self) -> bool:
        return isinstance(self._of, Item)

    def _identity(self) -> Any:
        return Of, self._number, self._of._identity()

    @property
    def _name(self) -> str:
        return self._of._name

    def __str__(self) -> str:
        return str(self._of)


class Literal(Expression[T]):
    """A constant."""

    __slots__ = ("_tp", "_value")

    def __init__(self, value: Any) -> None:
        self._value = value
        self._tp = type(value)

    def _identity(self) -> Any:
        try:
            hash(self._value)
        except TypeError:
            return Literal, id(self._value)
        return Literal, type(self._value), self._value

    def __str__(self) -> str:
        value = set(self._value) if isinstance(self._value, frozenset) else self._value
        return told(value)


@builds
class Operation(Expression[T]):
    """What the operation `operator` makes of other expressions."""

    __slots__ = ("_args", "_operator", "_tp")

    def __init__(self, operator: str, args: tuple[Expression[Any], ...], tp: Any) -> None:
        self._operator = operator
        self._args = args
        self._tp = tp

    def _parts(self) -> tuple[Expression[Any], ...]:
        return self._args

    def _rebuilt(self, parts: tuple[Expression[Any], ...]) -> Expression[Any]:
        return Operation(self._operator, parts, self._tp)

    def _identity(self) -> Any:
        return Operation, self._operator, tuple(each._identity() for each in self._args)

    @property
    def _name(self) -> str:
        if self._operator == "attribute":
            return str(self._args[1]._value)
        return str(self)

    def __str__(self) -> str:
        first, *others = map(_inside, self._args)
        if not self._operator.isidentifier():
            return f"{first} {self._operator} {others[0]}"
        if self._operator == "neg":
            return f"-{first}"
        if self._operator in ("attribute", "call"):
            name = self._args[1]._value
            return f"{first}.{name}" + "()" * (self._operator == "call")
        if self._operator == "item":
            return f"{first}[{others[0]}]"
        if self._operator in _FUNCTIONS:
            return f"func.{self._operator}({', '.join([first, *others])})"
        if self._operator == "cast":
            return f"cast({first}, {self._args[1]._value.__name__})"
        return f"{first}.{'in_' if self._operator == 'in' else self._operator}({', '.join(others)})"


_FUNCTIONS = frozenset({"abs", "len", "round", "coalesce", "nullif", "concat", "substr", "replace"})


@builds
class Logical(Expression[bool]):
    """Conditions joined by `and` or `or`, or one turned over by `not`."""

    __slots__ = ("_args", "_operator")
    _tp = bool

    def __init__(self, operator: str, args: tuple[Expression[Any], ...]) -> None:
        self._operator = operator
        self._args = args

    def _parts(self) -> tuple[Expression[Any], ...]:
        return self._args

    def _rebuilt(self, parts: tuple[Expression[Any], ...]) -> Expression[Any]:
        return Logical(self._operator, parts)

    def _identity(self) -> Any:
        return Logical, self._operator, tuple(each._identity() for each in self._args)

    def __str__(self) -> str:
        if self._operator == "not":
            return f"~({self._args[0]})"
        return f" {'&' if self._operator == 'and' else '|'} ".join(f"({each})" for each in self._args)


class Quantified(Expression[bool]):
    """Whether `condition` holds for any or for all items of the list `items`."""

    __slots__ = ("_condition", "_items", "_operator")
    _tp = bool

    def __init__(self, operator: str, items: Expression[Any], condition: Expression[Any]) -> None:
        self._operator = operator
        self._items = items
        self._condition = condition

    def _parts(self) -> tuple[Expression[Any], ...]:
        return (self._items,)

    def _rebuilt(self, parts: tuple[Expression[Any], ...]) -> Expression[Any]:
        return Quantified(self._operator, parts[0], self._condition)

    def _identity(self) -> Any:
        return Quantified, self._operator, self._items._identity(), self._condition._identity()

    def __str__(self) -> str:
        return f"{self._operator}_({self._items}, {self._condition})"


class Aggregate(Expression[T]):
    """One value of all rows of a group: `function` of the values of `of`; None counts the rows."""

    __slots__ = ("_function", "_of", "_tp")

    def __init__(self, function: str, of: Expression[Any] | None, tp: Any) -> None:
        self._function = function
        self._of = of
        self._tp = tp

    def over(self, *, partition_by: Any = None, order_by: Any = None, rows: Any = None) -> Expression[T]:
        """The aggregate of the rows around each row, without making groups of the rows.

        Args:
            partition_by: a field, or a list of them: rows with the same values are together. None: all rows are.
            order_by: a field or a list of them: the aggregate is of the rows up to the row and its equals.
            rows: which rows instead, as distances from the row: `(-2, 0)` are the row and the two before it, None is
                the end of the partition.

        Raises:
            QueryError: an argument is no such expression, or a window function itself.
        """
        window = built["over"](self._function, self._of, self._tp)
        found: Expression[T] = window.over(partition_by=partition_by, order_by=order_by, rows=rows)
        return found

    def _parts(self) -> tuple[Expression[Any], ...]:
        return () if self._of is None else (self._of,)

    def _rebuilt(self, parts: tuple[Expression[Any], ...]) -> Expression[Any]:
        return Aggregate(self._function, parts[0] if parts else None, self._tp)

    def _identity(self) -> Any:
        return Aggregate, self._function, None if self._of is None else self._of._identity()

    @property
    def _name(self) -> str:
        return self._function if self._of is None else f"{self._function}_{self._of._name}"

    def __str__(self) -> str:
        return f"func.{self._function}({'' if self._of is None else self._of})"


class Slot(Expression[T]):
    """Column `place` of the groups, where a query has them; it stands for the expression `of`."""

    __slots__ = ("_of", "_place", "_tp")

    def __init__(self, place: int, of: Expression[Any]) -> None:
        self._place = place
        self._of = of
        self._tp = of._tp

    @property
    def _name(self) -> str:
        return self._of._name

    def __str__(self) -> str:
        return str(self._of)


class Label(Expression[T]):
    """An expression under another name."""

    __slots__ = ("_called", "_of", "_tp")

    def __init__(self, of: Expression[Any], called: str) -> None:
        self._of: Expression[Any] = of._of if isinstance(of, Label) else of
        self._called = called
        self._tp = of._tp

    def _parts(self) -> tuple[Expression[Any], ...]:
        return (self._of,)

    def _rebuilt(self, parts: tuple[Expression[Any], ...]) -> Expression[Any]:
        return Label(parts[0], self._called)

    def _identity(self) -> Any:
        return self._of._identity()

    @property
    def _name(self) -> str:
        return self._called

    def __str__(self) -> str:
        return str(self._of)


@builds
class Ordering:
    """A key to order by. `first`: whether None comes before all values; None says first where it ascends."""

    __slots__ = ("_descending", "_first", "_of")

    def __init__(self, of: Expression[Any], *, descending: bool = False, first: bool | None = None) -> None:
        self._of = of._of if isinstance(of, Label) else of
        self._descending = descending
        self._first = not descending if first is None else first

    def asc(self) -> Ordering:
        """The smallest first."""
        found: Ordering = self._of.asc()
        return found

    def desc(self) -> Ordering:
        """The largest first."""
        found: Ordering = self._of.desc()
        return found

    def nulls_first(self) -> Ordering:
        """None before all values."""
        return Ordering(self._of, descending=self._descending, first=True)

    def nulls_last(self) -> Ordering:
        """None after all values."""
        return Ordering(self._of, descending=self._descending, first=False)

    def __repr__(self) -> str:
        nulls = "" if self._first is not self._descending else ".nulls_first()" if self._first else ".nulls_last()"
        return f"{self._of}{'.desc()' * self._descending}{nulls}"


def _inside(value: Expression[Any]) -> str:
    loose = isinstance(value, Logical) or (isinstance(value, Operation) and not value._operator.isidentifier())
    return f"({value})" if loose else str(value)
