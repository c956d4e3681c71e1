"""`select`: a statement says which rows are wanted, of what, and in which order. It never changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, overload

from typing_extensions import TypeVar

from ...errors import QueryError, called, told
from ...model.kinds import has_fields
from ...model.plain import LazyModel
from ..expressions.aliases import Aliased
from ..expressions.building import condition
from ..expressions.expressions import Expression
from ..expressions.functions import check_aggregates, has_aggregate, row_condition
from ..expressions.nesting import Nesting
from ..expressions.nodes import Field, Item, Key, Label, Ordering
from ..expressions.occurrences import Join, Occurrence, leaves_of, not_found, occurrences_of, place_of
from ..expressions.selectables import Home, Selected, is_collection, is_entity_class, model_of
from ..expressions.simple import fact, is_nearly_simple, is_simple, varied
from ..expressions.windows import without_window
from .lookups import conditions_of
from .options import Loading, checked_options
from .reference_joins import condition_along, only_reference, target_of

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
T_co = TypeVar("T_co", covariant=True)
R_co = TypeVar("R_co", covariant=True, default=Any)


@dataclass(frozen=True, eq=False, repr=False)
class Select(Nesting, Generic[T_co, R_co]):
    """A statement, built by `select`. Each method gives a new one.

    `session.scalars(statement)`, `scalar` and `execute` run it. The first value of a row has the type `T_co`, and the
    row the type `R_co`.
    """

    _source: Any
    _outputs: tuple[Expression[Any], ...]
    _where: tuple[Expression[bool], ...] = ()
    _order: tuple[Ordering, ...] = ()
    _groups: tuple[Expression[Any], ...] = ()
    _having: tuple[Expression[bool], ...] = ()
    _limit: int | None = None
    _offset: int = 0
    _distinct: bool = False
    _after: tuple[Any, ...] | None = None
    _joins: tuple[Join, ...] = ()
    _home: Home | None = None
    """What has the entities of each class, once a session runs the statement."""
    _options: tuple[Loading, ...] = ()

    def where(self, *conditions: Any) -> Select[T_co, R_co]:
        """Only rows that fulfil all `conditions`, and those of earlier calls.

        Raises:
            QueryError: one is no condition, or of another class than the rows.
        """
        return self._with(_where=(*self._where, *map(row_condition, conditions)))

    def filter_by(self, **conditions: Any) -> Select[T_co, R_co]:
        """`where` as Django spells it: `level=3`, `level__gt=3`, `settings__difficulty__in=[1, 2]`.

        The words after the last `__` of one of `conditions` are `exact`, `iexact`, `ne`, `gt`, `gte`, `lt`, `lte`,
        `in`, `range`, `isnull`, `contains`, `icontains`, `startswith`, `istartswith`, `endswith`, `iendswith`,
        `regex`, `iregex`, `search` (as `matches`), `len`, and the parts of dates.

        Raises:
            QueryError: the class has no such field, there is no such word, or the value does not fit.
        """
        model = self._model()
        if model is None:
            raise QueryError(
                "filter_by() needs the class of the rows, which is not known here: write "
                "select(Player).select_from(collection), or use where()"
            )
        return self.where(*conditions_of(model, conditions))

    def order_by(self, *keys: Any) -> Select[T_co, R_co]:
        """In the order of `keys`, after those of earlier calls.

        Each may be `.desc()`, `.nulls_first()` or `.nulls_last()`. None comes before all values, and
        after all in a descending order. NaN is larger than any number.

        Raises:
            QueryError: a key is no expression.
        """
        return self._with(_order=(*self._order, *map(self._ordering, keys)))

    def limit(self, count: int, *, after: Any = None) -> Select[T_co, R_co]:
        """At most `count` rows, the first ones.

        Args:
            count: how many, 0 or more.
            after: begin after the row with these values of the `order_by` keys: a tuple, or one value for one key.
                The last row of a page leads to the next; unlike `offset`, rows that come or go do not shift pages.

        Raises:
            QueryError: `count` is no such number; `after` has another number of values than there are keys.
        """
        if type(count) is not int or count < 0:
            raise QueryError(f"limit(count): count is 0 or more, not {told(count)}")
        if after is None:
            return self._with(_limit=count)
        values = after if type(after) is tuple or hasattr(after, "_fields") else (after,)
        if len(values) != len(self._order):
            raise QueryError(
                f"after= takes a value for each key of order_by(), before it: {len(values)} for {len(self._order)} keys"
            )
        return self._with(_limit=count, _after=tuple(values))

    def offset(self, count: int) -> Select[T_co, R_co]:
        """Without the first `count` rows.

        Raises:
            QueryError: `count` is not 0 or more.
        """
        if type(count) is not int or count < 0:
            raise QueryError(f"offset(count): count is 0 or more, not {told(count)}")
        return self._with(_offset=count)

    def distinct(self) -> Select[T_co, R_co]:
        """Each row of the result once."""
        return self._with(_distinct=True)

    def group_by(self, *keys: Any) -> Select[T_co, R_co]:
        """One row for each combination of values of `keys`: fields, or entity classes, whose objects make groups.

        Raises:
            QueryError: a key is no expression, or an aggregate.
        """
        keys = tuple([each for key in keys for each in (_outputs(key) if _has_rows(key) else (key,))])
        for key in keys:
            if has_aggregate(self._expression("group_by", key)):
                raise QueryError(f"group_by({key}): an aggregate is a value of a group, and makes none")
            without_window("group_by", key)
        return self._with(_groups=(*self._groups, *(_bare(key) for key in keys)))

    def having(self, *conditions: Any) -> Select[T_co, R_co]:
        """Only groups that fulfil all `conditions`."""
        return self._with(_having=(*self._having, *map(self._condition, conditions)))

    def select_from(self, collection: Any) -> Select[T_co, R_co]:
        """The rows of `collection`: a lazy or a plain list or dictionary, or a class with a `Key`.

        Raises:
            QueryError: it is not one of these, or of another class than the fields of the statement.
        """
        _check_rows("select_from", collection)
        if isinstance(collection, Selected):
            given = collection.statement
            return self._with(_source=given._source, _where=(*given._where, *self._where))
        return self._with(_source=collection)

    def join(self, target: Any, /, *on: Any) -> Select[T_co, R_co]:
        """Each row with each row of `target` that fits it.

        `select(Flight, Plane).join(Plane, Flight.tail == Plane.tail)` gives pairs.

        Args:
            target: a class with a `Key`, what `aliased` gives, a lazy or plain list or dictionary, or a field with
                references: `join(Flight.plane)` joins the planes of flights, or the flights of planes.
            on: conditions that all hold of a row and the rows that fit it, and fields with references that lead from
                one to the other. An equality of values of both is fast, other conditions alone compare each row with
                each. Without `on`, rows fit by the only reference between the classes, or `where` has the conditions.

        Raises:
            QueryError: `target` is not one of these, or one of `on` is no condition and no such reference.
        """
        return self._joined("join", target, on, outer=False)

    def outerjoin(self, target: Any, /, *on: Any) -> Select[T_co, R_co]:
        """As `join(target, *on)`; a row that nothing fits stays, with None for the row of `target` and its fields."""
        return self._joined("outerjoin", target, on, outer=True)

    def _joined(self, name: str, target: Any, on: tuple[Any, ...], *, outer: bool) -> Select[T_co, R_co]:
        sources = occurrences_of(self)
        before = sources[: 1 + len(self._joins)]  # others are selected, and joined later
        if isinstance(target, Expression):
            on, target = (target, *on), target_of(target, before)
        _check_rows(name, target)
        conditions = tuple([self._on(each, target, sources) for each in on])
        others = [each for each in self._joins if each.on or each.target is not target]
        if not on and not isinstance(target, Selected):
            known = [each for each in before if (each.alias or each.rows) is not target]
            reference = only_reference(target, known)
            conditions = () if reference is None else (reference,)
        if outer and not conditions:
            raise QueryError(f"outerjoin({called(target)}) needs the conditions that rows fit by, after its target")
        return self._with(_joins=(*others, _join(target, conditions, outer)))

    def _on(self, given: Any, target: Any, sources: Sequence[Occurrence]) -> Expression[bool]:
        along = condition_along(given, target, sources) if isinstance(given, Expression) else None
        return row_condition(given) if along is None else along

    def options(self, *options: Any) -> Select[T_co, R_co]:
        """Say how references in the selected objects are loaded: `prefetch(Flight.plane)`, `raise_lazy()`.

        Raises:
            QueryError: one of `options` is none.
        """
        return self._with(_options=(*self._options, *checked_options(options)))

    def _with(self, **changes: Any) -> Select[T_co, R_co]:
        found = varied(self, **changes)
        found._check()
        return found

    def _model(self) -> Any:
        """The class of the rows, where it is known."""
        for each in self._outputs:
            if isinstance(each, Item | Field) and each._cls is not None:
                return each._cls
        if self._source is None:
            return None
        return model_of(self._source)

    def _expressions(self) -> Iterable[Expression[Any]]:
        yield from self._outputs
        yield from self._where
        yield from self._groups
        yield from self._having
        for ordering in self._order:
            yield ordering._of
        for join in self._joins:
            yield from join.on

    def _check(self) -> None:
        """Refuse aggregates of aggregates, and fields of other classes than the rows have.

        What is selected, and entities, may be joined later.
        """
        if fact(self, "simple", is_simple):
            return
        for each in self._expressions():
            check_aggregates(each)
        if fact(self, "quick", is_nearly_simple):  # all fields are of its rows
            return
        sources = occurrences_of(self)
        selected = [leaf._cls for each in self._outputs for leaf in leaves_of(each) if not isinstance(leaf, Key)]
        for each in self._expressions() if sources else ():
            for leaf in leaves_of(each):
                if place_of(leaf, sources) is None and not (
                    leaf._source is not None or leaf._cls in selected or is_entity_class(leaf._cls)
                ):
                    raise not_found(leaf, sources)

    def _condition(self, given: Any) -> Expression[bool]:
        found = condition(given)
        without_window("having", found)
        return found

    def _expression(self, where: str, given: Any) -> Expression[Any]:
        if not isinstance(given, Expression):
            hint = ": write the expression again, or keep what label() gives" if isinstance(given, str) else ""
            raise QueryError(f"{where}() takes fields such as Player.level, not {told(given)}{hint}")
        return given

    def _ordering(self, given: Any) -> Ordering:
        if isinstance(given, Ordering):
            return given
        found: Ordering = _bare(self._expression("order_by", given)).asc()
        return found

    def __bool__(self) -> bool:
        raise QueryError("a statement is neither true nor false: session.scalar(statement) gives its first value")

    def __iter__(self) -> Any:
        raise QueryError("a statement has no rows of its own: session.scalars(statement) gives them")

    def __repr__(self) -> str:
        """The statement as it was written, but for its collection."""
        parts = [self._begun(), *map(_join_told, self._joins)]
        calls: list[tuple[str, Sequence[Any]]] = [
            ("where", self._where), ("group_by", self._groups), ("having", self._having), ("order_by", self._order),
        ]  # fmt: skip
        parts += [f"{name}({', '.join(map(str, values))})" for name, values in calls if values]
        parts += ["distinct()"] * self._distinct
        if self._limit is not None:
            after = "" if self._after is None else f", after={told(self._after)}"
            parts.append(f"limit({self._limit}{after})")
        parts += [f"offset({self._offset})"] * (self._offset > 0)
        return ".".join(parts)

    def _begun(self) -> str:
        return f"select({', '.join(map(_labelled, self._outputs))})"


def _join_told(join: Join) -> str:
    target = join.target._called if isinstance(join.target, Aliased) else getattr(join.target, "__qualname__", "...")
    return f"{'outer' * join.outer}join({', '.join([target, *map(str, join.on)])})"


def checked(statement: Any, name: str) -> Select[Any]:
    """`statement`, given to the method `name` of a session.

    Raises:
        TypeError: it is no statement that selects.
    """
    if not isinstance(statement, Select):
        also = ", update() or delete()" if name == "execute" else ""
        hint = "" if also else ": execute() runs an update() and a delete()"
        raise TypeError(f"{name}(statement) takes what select(){also} gives, not {called(statement)}{hint}")
    return statement


def _check_rows(name: str, given: Any) -> None:
    if not is_collection(given) and not isinstance(given, Aliased):
        raise QueryError(f"{name}() takes a list, a dictionary, or a class with a Key(), not {called(given)}")


def _join(target: Any, on: tuple[Expression[bool], ...] = (), outer: bool = False) -> Join:
    if isinstance(target, Selected):
        return Join(target.statement._source, (*on, *target.statement._where), outer)
    return Join(target, on, outer)


def _bare(value: Any) -> Any:
    return value._of if isinstance(value, Label) else value


def _labelled(value: Expression[Any]) -> str:
    return f"{value}.label({value._called!r})" if isinstance(value, Label) else str(value)


@overload
def select(rows: type[T], /) -> Select[T]: ...
@overload
def select(rows: Mapping[Any, T], /) -> Select[T]: ...
@overload
def select(rows: str, /) -> Select[str]: ...
@overload
def select(rows: bytes, /) -> Select[bytes]: ...
@overload
def select(rows: Expression[T], /) -> Select[T]: ...
@overload
def select(rows: Sequence[T], /) -> Select[T]: ...
@overload
def select(rows: T, /) -> Select[T]: ...
@overload
def select(a: type[A], b: type[B], /) -> Select[A, tuple[A, B]]: ...
@overload
def select(a: type[A], b: type[B], c: type[C], /) -> Select[A, tuple[A, B, C]]: ...
@overload
def select(a: type[A], b: type[B], c: type[C], d: type[D], /) -> Select[A, tuple[A, B, C, D]]: ...
@overload
def select(a: Any, b: Any, /, *more: Any) -> Select[Any]: ...
def select(*rows: Any) -> Select[Any]:
    """A statement that gives rows of a collection, or values of them.

    Args:
        rows: a lazy or plain list or dictionary, whose rows are given; fields and other expressions, whose values are
            given; a class, whose rows are given. They need `select_from(collection)`, unless
            the collection is the first argument, or their class has a `Key`: then a session knows the rows.

    Returns:
        The statement: `session.scalars(select(world.players).where(Player.level > 50))`.

    Raises:
        QueryError: an argument has the wrong type.
    """
    if not rows:
        raise QueryError("select() takes a collection, a class, or fields such as Player.level")
    if isinstance(rows[0], Selected):
        return select(Item(model_of(rows[0])), *rows[1:]).select_from(rows[0])
    given = [each for each in rows if is_collection(each) and not isinstance(each, type)]
    if is_entity_class(rows[0]):
        given.insert(0, rows[0])
    source, *more = given or [None]
    found: Select[Any] = Select(
        source, tuple(each for given in rows for each in _outputs(given)), _joins=tuple(map(_join, more))
    )
    found._check()
    return found


def _has_rows(given: Any) -> bool:
    """Whether it is an entity class, or an alias of one."""
    return is_entity_class(given) or (isinstance(given, Aliased) and is_entity_class(given._cls))


def _outputs(given: Any) -> tuple[Expression[Any], ...]:
    return given._outputs if isinstance(given, Aliased) else (_output(given),)


def _output(given: Any) -> Expression[Any]:
    if isinstance(given, type) and has_fields(given):
        return Item(given._p_model_ if issubclass(given, LazyModel) else given)
    if isinstance(given, Expression):
        return given
    if is_collection(given):
        return Item(model_of(given) or Any)
    if isinstance(given, int | float | str | bool | None):
        raise QueryError(f"select() takes fields such as Player.level, not {told(given)}")
    raise QueryError(f"select() takes a collection, a class with fields, or fields, not {called(given)}")
