"""The rows of a dataset as a query takes them: the parts that can have some, each read by a session of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import accumulate
from operator import ge, gt, le, lt
from typing import Any

import numpy as np

from ...codec.base import Column
from ...codec.keys.canonical import key_hash
from ...errors import EncodeError, QueryError, called
from ...lazy.proxy import plain_class
from ...model.entity_names import is_entity
from ...model.keys import key_fields
from ...query.expressions.aliases import Aliased
from ...query.expressions.expressions import Expression
from ...query.expressions.nodes import Item, Key, Logical
from ...query.expressions.occurrences import leaves_of, occurrences_of
from ...query.expressions.selectables import Derived, Home, is_entity_class
from ...query.expressions.simple import are_simple
from ...query.rows.filtering import found
from ...query.rows.pruning import compared
from ...query.rows.sources import Batch, InMemoryBatch, Source, StoredBatch
from ...query.running.engine import run
from ...query.running.prepared import prepared
from ...query.statements.statement import Select
from ...session import Session
from ...session.entity.queries import bound
from ...session.entity.tables import KEYS
from .layout import list_class, of_json
from .manifest import Manifest, Part


class Parts(Derived):
    """The rows of the parts of a dataset. Of these, only rows that fulfil `where` need to be given."""

    def __init__(
        self, cls: Any, manifest: Manifest, opened: Callable[[Part], Session], where: Sequence[Expression[bool]] = ()
    ) -> None:
        self.cls = cls
        self.statements = ()
        self._manifest = manifest
        self._opened = opened
        self._where = where

    def where(self, conditions: Sequence[Expression[bool]]) -> Parts:
        """The same rows, for a statement with these conditions."""
        simple = [each for each in conjuncts(conditions) if are_simple([each], self.cls)]
        return Parts(self.cls, self._manifest, self._opened, simple)

    @property
    def pruned(self) -> list[Part]:
        """The parts that can have rows that fulfil the conditions."""
        return pruned(self.cls, self._manifest, self._where)

    def source(self, home: Any) -> Source:
        """See `Derived`."""
        kept = {part.file for part in self.pruned}
        starts = accumulate((part.rows for part in self._manifest.parts), initial=0)
        placed = [(part, start) for part, start in zip(self._manifest.parts, starts, strict=False) if part.file in kept]
        return PartsSource(self.cls, placed, self._opened, self._where)

    def __repr__(self) -> str:
        return f"<{len(self._manifest.parts)} parts of {self.cls.__qualname__}>"


class PartsHome(Home):
    """What a dataset has for the statements that it runs: rows of its class, also where they are named inside."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def entities(self, cls: type[Any]) -> Parts:
        """See `Home`.

        Raises:
            QueryError: the dataset has no rows of the class.
        """
        if plain_class(cls) is not self._parts.cls:
            raise QueryError(
                f"the dataset has rows of {self._parts.cls.__qualname__}, and a part of the statement asks "
                f"{cls.__qualname__}: take these from where they are, as other.select(...) of another dataset, or as "
                "a list or dictionary of objects"
            )
        return self._parts

    def keys(self, cls: type[Any], where: Expression[bool], most: int) -> list[Any] | None:
        """See `Home`."""
        statement = Select[object](self.entities(cls), (Key(),), (where,), _limit=most + 1, _home=self)
        found = [key for part in run(statement) for key in part[0].tolist()]
        return found if len(found) <= most else None


def over(statement: Select[Any], own: Parts) -> Select[Any]:
    """A statement that runs over the rows of a dataset, its `own` parts.

    Raises:
        QueryError: it asks other rows.
    """
    given: Any = statement._source
    if given is None:
        first = next(iter(occurrences_of(statement)), None)
        given = None if first is None else first.rows
    home = PartsHome(own)
    if isinstance(given, Aliased | Derived) and not isinstance(given, Parts):  # their rows are found by their home
        return statement._with(_home=home)
    if not isinstance(given, Parts) and not (is_entity_class(given) and plain_class(given) is own.cls):
        what = given.__qualname__ if isinstance(given, type) else called(given)
        raise QueryError(
            f"the dataset has rows of {own.cls.__qualname__}, and the statement asks {what}: write "
            f"select({own.cls.__name__}), or dataset.select(...)"
        )
    parts = given if isinstance(given, Parts) else own
    return statement._with(_source=parts if statement._joins else parts.where(statement._where), _home=home)


class PartsSource:
    """The rows of parts, each with the position of its first row. In each, keys and indexes find rows of entities."""

    how = ""

    def __init__(
        self,
        cls: Any,
        parts: Sequence[tuple[Part, int]],
        opened: Callable[[Part], Session],
        where: Sequence[Expression[bool]],
    ) -> None:
        self.model = cls
        self._parts = parts
        self._opened = opened
        self._where = tuple(where)

    def __len__(self) -> int:
        return sum(part.rows for part, _ in self._parts)

    def batches(self, *, arrays: Callable[[Column], bool]) -> Iterator[Batch]:
        """See `Source`."""
        for part, start in self._parts:
            statement = rows_of(self._opened(part), self.model, self._where)
            for batch in prepared(statement)[0].batches(arrays=arrays):
                if isinstance(batch, StoredBatch):
                    batch.position += start
                yield batch

    def at_keys(self, keys: Collection[Any], how: str) -> Source | None:
        """See `Source`."""
        return None


def rows_of(session: Session, cls: Any, where: Iterable[Expression[bool]] = ()) -> Select[Any]:
    """The statement that gives the rows of a part that fulfil conditions."""
    source = cls if is_entity(cls) else session.root(list_class(cls)).rows
    return bound(session._work, Select(source, (Item(cls),), tuple(where)))


def conjuncts(conditions: Iterable[Expression[bool]]) -> Iterator[Expression[bool]]:
    """The conditions that must hold each, out of their conjunctions."""
    for each in conditions:
        if isinstance(each, Logical) and each._operator == "and":
            yield from conjuncts(each._args)
        else:
            yield each


def pruned(cls: Any, manifest: Manifest, where: Sequence[Expression[bool]]) -> list[Part]:
    """The parts that can have rows which fulfil the conditions, by their keys and the values of their partitions."""
    parts = list(manifest.parts)
    keys = key_fields(cls)
    for each in where:
        test = compared(each)
        if test is not None and test[0]._path == keys and type(test[2]) in KEYS:
            parts = [part for part in parts if may_have(part, manifest, test[2], test[1])]
    names = {(name,) for name in manifest.partition_by}
    asked = [each for each in where if all(getattr(leaf, "_path", ()) in names for leaf in leaves_of(each))]
    if not asked or not parts or not names:
        return parts
    readers = {name: of_json(cls, name) for name in manifest.partition_by}
    values = [{name: readers[name](value) for name, value in part.values.items()} for part in parts]
    frame = found(InMemoryBatch(values, None), asked)
    rows = np.arange(len(parts)) if frame.rows is None else frame.rows
    return [parts[row] for row in rows.tolist()]


def may_have(part: Part, manifest: Manifest, key: Any, operator: str = "==") -> bool:
    """Whether a part can have a row whose key is `operator` `key`, by its shard and its bounds."""
    if operator == "==" and manifest.shards:
        try:
            if key_hash(key) % manifest.shards != part.shard:
                return False
        except (EncodeError, TypeError):  # nothing that can be a key
            return True
    if part.low is None or type(key) is not type(part.low):
        return True
    if operator == "==":
        return bool(part.low <= key <= part.high)
    if operator not in _ENDS:
        return True
    test, end = _ENDS[operator]
    return bool(test(getattr(part, end), key))


_ENDS: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "<": (lt, "low"),
    "<=": (le, "low"),
    ">": (gt, "high"),
    ">=": (ge, "high"),
}
