"""What a statement can be given to take its rows from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from ...lazy.list import LazyList
from ...lazy.map import LazyMap
from ...model.annotations import bare
from ...model.keys import key_fields
from ...model.kinds import fields_of
from .corpus import Indexed
from .expressions import Expression
from .nodes import Ordering


class Narrowed(NamedTuple):
    """Keys of rows, and how they were found.

    `rows` are what was found of the rows, in the order of the keys, as dictionaries of their fields: where it is all
    that is asked of them, the rows need not be read.
    """

    keys: Collection[Any]
    how: str
    rows: list[Any] | None = None


class First(NamedTuple):
    """The first `rows` rows in an order, after the one that has the values `after` of its keys.

    `extreme`: only the first value is asked, but for None, so any of the rows with it will do.
    """

    order: tuple[Ordering, ...]
    rows: int
    after: tuple[Any, ...] | None = None
    extreme: bool = False


class Asked(NamedTuple):
    """What a statement asks of the entities that fulfil `where`.

    `alone` is all that is asked of them, if neither they themselves nor their order are asked; else None. If `first`
    is not empty, no other entities count.
    """

    where: tuple[Expression[bool], ...]
    alone: Sequence[Expression[Any]] | None
    first: tuple[First, ...]


class Home(ABC):
    """What runs a statement: it has the entities of each class."""

    @abstractmethod
    def entities(self, cls: type[Any]) -> Entities | Derived:
        """The entities of a class. `Derived` are given to statements alone: no key finds them."""

    @abstractmethod
    def keys(self, cls: type[Any], where: Expression[bool], most: int) -> list[Any] | None:
        """The keys of the entities of a class that fulfil a condition; None where they are more than `most`."""


class Entities:
    """The entities of a class, as a session has them: `rows` by key, of the class `cls`.

    This and `Derived` are no abstract classes in Python's sense: each statement asks what its rows are an instance of,
    and such a class answers in Python.
    """

    cls: type[Any]
    rows: Mapping[Any, Any]

    @property
    def unbuilt(self) -> Sequence[str]:
        """The indexes of the class that the file does not have."""
        return ()

    def narrowed(self, asked: Asked) -> Narrowed | None:
        """Keys among which are those of all rows that are asked; None where a scan is as fast."""
        raise TypeError(type(self).__name__)

    def corpus(self, path: tuple[str, ...]) -> Indexed | None:
        """The text index of a field; None where there is none that knows all rows."""
        return None

    def delete_all(self, keys: Sequence[Any]) -> None:
        """Delete the entities with these keys."""
        raise TypeError(type(self).__name__)

    def deleted(self, rows: Mapping[Any, tuple[Any, int]]) -> None:
        """Stored entities were taken out of the table, by key: each with the row group and the row where it was."""
        raise TypeError(type(self).__name__)


class Selected(ABC):
    """Rows that a statement of their own selects, and that other statements can be given."""

    __slots__ = ()

    @property
    @abstractmethod
    def statement(self) -> Any:
        """What selects them: a `Select`."""


class Derived:
    """Rows that `statements` give; `cls` is their class, None if they are no objects of one class."""

    cls: Any
    statements: Sequence[Any]

    def source(self, home: Any) -> Any:
        """Run the statements: a `Source` of the rows. `home` gives the entities of a class."""
        raise TypeError(type(self).__name__)


def is_collection(value: Any) -> bool:
    """Whether a query can take its rows from `value`."""
    if isinstance(value, type):
        return is_entity_class(value)
    return not isinstance(value, Expression) and isinstance(value, _COLLECTIONS)


_COLLECTIONS = (LazyList, LazyMap, list, tuple, set, frozenset, Mapping, Entities, Selected)


def is_entity_class(value: Any) -> bool:
    """Whether `value` is a class whose objects a session finds by their keys."""
    return isinstance(value, type) and bool(key_fields(value))


def lazy_model(collection: Any) -> Any:
    """The class of the rows of a lazy collection, if its type names a model; else None."""
    if type(collection) is not LazyList and type(collection) is not LazyMap:
        return None
    items: Any = collection._p_items_
    cls = None if items is None else items.args[-1]
    return cls if isinstance(cls, type) and issubclass(cls, BaseModel) else None


def model_of(collection: Any) -> Any:
    """The class of the rows of a collection; None where they have no class, or a plain one is empty."""
    if isinstance(collection, type):
        return collection
    if isinstance(collection, Entities | Derived):
        return collection.cls
    if isinstance(collection, Selected):
        return collection.statement._source
    if isinstance(collection, LazyList | LazyMap):
        cls = lazy_model(collection)
        if cls is not None:
            return cls
        items = collection._p_items_
        tp = None if items is None else bare(items.args[-1])
        return tp if fields_of(tp) is not None else None
    values = list(collection.values()) if isinstance(collection, Mapping) else collection
    first = next(iter(values), None)
    cls = type(None) if first is None else first.__class__
    return cls if fields_of(cls) is not None and all(isinstance(value, cls) for value in values) else None
