"""The sources of a statement: the rows that it asks. Each of its fields belongs to one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from ...errors import QueryError
from .aliases import Aliased
from .expressions import Expression
from .nodes import Field, Item, Key
from .scope import is_related
from .selectables import Entities, is_entity_class, model_of


class Join(NamedTuple):
    """Rows that a statement joins: those of `target` for which `on` holds. `outer`: or None where there are none."""

    target: Any
    on: tuple[Expression[bool], ...] = ()
    outer: bool = False


class Occurrence(NamedTuple):
    """A source of a statement: `rows` is a collection, a class with a `Key`, or the `Entities` of a session."""

    rows: Any
    cls: Any
    alias: Aliased | None
    on: tuple[Expression[bool], ...] = ()
    outer: bool = False

    @property
    def name(self) -> str:
        """What messages and plans call it."""
        if self.alias is not None:
            return self.alias._called
        return "the collection" if self.cls is None else str(self.cls.__qualname__)


class Asking(Protocol):
    """What of a statement says which sources it has."""

    @property
    def _source(self) -> Any: ...
    @property
    def _joins(self) -> tuple[Join, ...]: ...
    @property
    def _outputs(self) -> tuple[Expression[Any], ...]: ...
    def _expressions(self) -> Iterable[Expression[Any]]: ...


def occurrences_of(statement: Asking) -> list[Occurrence]:
    """The sources of a statement, the one whose order its rows have first.

    They are what `select_from` and `join` name, and the classes and aliases of what is selected. If these name none,
    the first class that stands in a condition is the source.
    """
    joined = [_occurrence(*each) for each in statement._joins]
    if statement._source is not None:
        found = [_occurrence(statement._source), *joined]
    else:
        found = joined
        first = next(_new(statement._outputs, joined), None) or next(_new(statement._expressions(), joined), None)
        if first is None:
            return joined
        found = [first, *joined]
    for each in statement._outputs:
        found += _new([each], found)
    return found


def _occurrence(target: Any, on: tuple[Expression[bool], ...] = (), outer: bool = False) -> Occurrence:
    alias = target if isinstance(target, Aliased) else None
    rows = target if alias is None else alias._rows
    cls = model_of(rows) if alias is None or isinstance(rows, Entities) else alias._cls
    return Occurrence(rows, cls, alias, on, outer)


def _new(expressions: Iterable[Expression[Any]], known: Sequence[Occurrence]) -> Iterator[Occurrence]:
    """The sources that expressions name and that are not known."""
    found = list(known)
    for expression in expressions:
        for leaf in leaves_of(expression):
            if not (isinstance(leaf._source, Aliased) or is_entity_class(getattr(leaf, "_cls", None))):
                continue
            if place_of(leaf, found) is None:
                target = leaf._source if isinstance(leaf._source, Aliased) else getattr(leaf, "_cls", None)
                found.append(_occurrence(target))
                yield found[-1]


def leaves_of(expression: Expression[Any]) -> Iterator[Field[Any] | Item[Any] | Key[Any]]:
    """The fields, rows and keys of sources that stand in an expression."""
    if isinstance(expression, Field | Item | Key):
        yield expression
    for part in expression._parts():
        yield from leaves_of(part)


def place_of(leaf: Field[Any] | Item[Any] | Key[Any], sources: Sequence[Occurrence]) -> int | None:
    """The place in `sources` of the source that a leaf belongs to; None if it belongs to none.

    Raises:
        QueryError: it may be of several.
    """
    named = leaf._source
    if isinstance(named, Aliased):
        return next((place for place, each in enumerate(sources) if each.alias is named), None)
    plain = [(place, each) for place, each in enumerate(sources) if each.alias is None]
    if named is not None and not isinstance(named, type):
        return next((place for place, each in plain if each.rows is named), None)
    cls = named if isinstance(leaf, Key) else leaf._cls
    if cls is None:
        return 0 if sources else None
    same = [place for place, each in plain if each.cls is cls]
    found = same or [place for place, each in plain if each.cls is not None and is_related(cls, each.cls)]
    if len(found) > 1:
        raise QueryError(f"{leaf} may be of two sources of the statement: use aliased({cls.__qualname__})")
    if found:
        return found[0]
    unknown = [place for place, each in plain if each.cls is None]
    return unknown[0] if len(unknown) == 1 else None


def bare(leaf: Expression[Any]) -> Expression[Any]:
    """A field, a row or a key without its alias."""
    if isinstance(leaf, Field):
        return leaf if leaf._source is None else Field(leaf._cls, leaf._path, leaf._tp)
    if isinstance(leaf, Item):
        return leaf if leaf._source is None else Item(leaf._tp)
    return Key()


def key_of(row: Expression[Any]) -> Key[Any]:
    """The key of a row."""
    assert isinstance(row, Item)
    return Key(row._cls if row._source is None and is_entity_class(row._cls) else row._source)


def not_found(leaf: Expression[Any], sources: Sequence[Occurrence]) -> QueryError:
    """The error that a leaf is of none of the sources."""
    what = f"a field of {leaf._cls.__qualname__}" if isinstance(leaf, Field) else "of other rows"
    names = " and ".join(each.name for each in sources)
    return QueryError(f"{leaf} is {what}, and the rows of the statement are {names}: join it, or select it")
