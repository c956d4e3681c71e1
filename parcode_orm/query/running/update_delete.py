"""`update` and `delete`: statements that change the rows of a collection, as assignments to its objects would."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, MutableMapping, MutableSequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ...errors import QueryError, called, told
from ...model.annotations import present
from ...model.keys import key_fields
from ...model.kinds import fields_of
from ..expressions.building import SETTING, attribute, check_kinds, literal
from ..expressions.expressions import Expression
from ..expressions.functions import has_aggregate, row_condition
from ..expressions.nodes import Field, Item, Key
from ..expressions.reference_keys import fitting
from ..expressions.rewriting import ready
from ..expressions.scope import check_scope
from ..expressions.selectables import Entities, Home, Selected, is_collection, is_entity_class, model_of
from ..expressions.simple import is_simple
from ..expressions.windows import without_window
from ..joins.reference_paths import Reaching
from ..rows.rows_by_id import SelectedSource
from ..rows.sources import Source, TableSource
from ..statements.lookups import conditions_of
from ..statements.statement import Select
from .assignments import assign, check_fit, is_set_plainly
from .column_updates import delete_rows, update_rows
from .engine import run_prepared
from .prepared import FEW, Query, prepared

Values = tuple[tuple[tuple[str, ...], Expression[Any]], ...]


@dataclass(frozen=True, eq=False, repr=False)
class _Change:
    """What both statements have."""

    _joins: ClassVar[tuple[()]] = ()
    _source: Any
    _where: tuple[Expression[bool], ...] = ()
    _home: Home | None = dataclasses.field(default=None, kw_only=True)
    """What has the entities of each class, once a session runs the statement."""

    def where(self, *conditions: Any) -> Any:
        """Only rows that fulfil all `conditions`, and those of earlier calls.

        Raises:
            QueryError: one is no condition, or of another class than the rows.
        """
        found = replace(self, _where=(*self._where, *map(row_condition, conditions)))
        model = model_of(self._source)
        for each in found._where if model is not None else ():
            check_scope(each, [model], "the collection")
        return found

    def filter_by(self, **conditions: Any) -> Any:
        """`where` with `conditions` in Django's words: `level__gt=3`, as `Select.filter_by` takes them."""
        model = model_of(self._source)
        if model is None:
            raise QueryError("filter_by() needs the class of the rows, which is not known here: use where()")
        return self.where(*conditions_of(model, conditions))

    def _expressions(self) -> list[Expression[Any]]:
        """The expressions of the statement."""
        return [*self._where]

    def _ready(self) -> Any:
        """The statement with the results of other statements in it, and with fields through references found."""
        if is_simple(self):
            return self
        found = ready(self)
        return replace(found, _where=tuple(map(Reaching(self._home).condition, found._where)))

    def run(self) -> int:
        """Change the rows: how many were changed. `session.execute` calls it."""
        raise TypeError(type(self).__name__)


@dataclass(frozen=True, eq=False, repr=False)
class Update(_Change):
    """A statement that sets fields of rows, built by `update`. `session.execute(statement)` gives their number."""

    _values: Values = ()

    def values(self, given: Mapping[Any, Any] | None = None, /, **fields: Any) -> Update:
        """What to set: values, or expressions, which are computed of the rows as they were before.

        Args:
            given: by field, for nested ones: `{World.settings.difficulty: 3}`.
            fields: by name: `level=Player.level + 1`.

        Raises:
            QueryError: the class has no such field, the value does not fit it, or it is frozen; `given` is no
                dictionary.
        """
        if given is not None and not isinstance(given, Mapping):
            raise QueryError(f"values() takes fields by name, level=3, or a dictionary by field, not {told(given)}")
        model = model_of(self._source)
        found = dict(self._values)
        for field, value in [*(given or {}).items(), *((name, value) for name, value in fields.items())]:
            if isinstance(field, str):
                if model is None:
                    raise QueryError(f"values({field}=...): the class of the rows is not known: name Player.{field}")
                field = attribute(Item(model), field)
            if not isinstance(field, Field):
                raise QueryError(f"values() takes fields such as Player.level, not {told(field)}")
            _refuse_frozen(field)
            new = literal(fitting(field, value))
            if has_aggregate(new):
                raise QueryError(f"values({field}={new}): an aggregate is a value of a group, not of a row")
            without_window("values", new)
            check_kinds(SETTING, field, new)
            for each in (field, new) if model is not None else ():
                check_scope(each, [model], "the collection")
            found[field._path] = new
        return replace(self, _values=tuple(found.items()))

    def _expressions(self) -> list[Expression[Any]]:
        return [*self._where, *(value for _, value in self._values)]

    def _ready(self) -> Update:
        found: Update = super()._ready()
        if found is self:
            return self
        values = [(path, Reaching(self._home).value(each)) for path, each in found._values]
        return replace(found, _values=tuple(values))

    def run(self) -> int:
        """Set the fields of all rows, or of none if one of them refuses its value: how many rows were changed.

        Raises:
            EncodeError: a value does not fit its field.
        """
        if not self._values:
            raise QueryError("an update sets nothing: write .values(level=3)")
        count, rows = self._ready().computed()
        assign(rows, [path for path, _ in self._values])
        return count + len(rows)

    def computed(self) -> tuple[int, list[tuple[Any, ...]]]:
        """Set fields of rows that are not in memory. Return their number, and the objects that are still to be changed.

        Each object comes with its new values, in the order of the fields.
        """
        source, query = _source(self, [value for _, value in self._values])
        keys = key_fields(source.model) if isinstance(self._source, Entities) else ()  # a commit moves objects alone
        if isinstance(source, TableSource) and all(
            len(path) == 1 and path[0] not in keys and is_set_plainly(source.model, path[0]) for path, _ in self._values
        ):
            names = [path[0] for path, _ in self._values]
            return update_rows(source, query.where, dict(zip(names, query.outputs[1:], strict=True)))
        rows = _rows(source, query)
        check_fit(rows, [path for path, _ in self._values])
        return 0, rows


def _refuse_frozen(field: Field[Any]) -> None:
    """Refuse a field that cannot be assigned to.

    Raises:
        QueryError: it is frozen, or a class on the way to it is.
    """
    cls: Any = field._cls
    for name in field._path:
        if not isinstance(cls, type):  # one of several
            return
        info = getattr(cls, "__pydantic_fields__", {}).get(name)
        config, params = getattr(cls, "model_config", {}), getattr(cls, "__dataclass_params__", None)
        whole = config.get("frozen") or getattr(params, "frozen", False) or issubclass(cls, tuple)
        if name == field._path[-1] and (whole or getattr(info, "frozen", False)):
            what = f"the class {cls.__qualname__} is frozen" if whole else f"{cls.__qualname__}.{name} is frozen"
            raise QueryError(f"values({field}=...): {what}, so it cannot be set: add an object in the place of each")
        cls = present((fields_of(cls) or {}).get(name, Any))


@dataclass(frozen=True, eq=False, repr=False)
class Delete(_Change):
    """A statement that takes rows out, built by `delete`. `session.execute(statement)` gives their number."""

    def run(self) -> int:
        """Take the rows out of their collection: how many there were."""
        change = self._ready()
        source, query = _source(change)
        if not isinstance(source, TableSource):
            return self._delete([key for (key,) in _rows(source, query._replace(outputs=(Key(),)))])
        gone, keys = delete_rows(source, query.where)
        if isinstance(self._source, Entities):
            self._source.deleted(gone)
        return len(gone) + self._delete(keys)

    def _delete(self, keys: list[Any]) -> int:
        if isinstance(self._source, Entities):
            self._source.delete_all(keys)
            return len(keys)
        for key in reversed(keys):  # of a list, the last one first: positions do not shift
            del self._source[key]
        return len(keys)


def _source(change: _Change, values: Iterable[Expression[Any]] = ()) -> tuple[Source, Query]:
    """Where the rows of a change are, and what is asked of them: the rows, and `values`."""
    row: Item[Any] = Item(model_of(change._source)) if is_simple(change) else Item()
    source, query, _ = prepared(Select(change._source, (row, *values), change._where, _home=change._home))
    if isinstance(source, SelectedSource) and len(source) > FEW:
        source = source.of  # too many to be changed as objects
    return source, query


def _rows(source: Source, query: Query) -> list[tuple[Any, ...]]:
    """What is asked of the rows of a change, all found before anything is changed."""
    found: list[tuple[Any, ...]] = []
    for part in run_prepared(source, query):
        found += zip(*[vector.tolist() for vector in part], strict=True)
    return found


def update(collection: Any) -> Update:
    """A statement that sets fields: `update(world.players).where(Player.level > 50).values(level=50)`.

    It changes the objects of the collection, as assignments would: the next commit stores that, a rollback undoes it.

    Args:
        collection: a lazy or plain list or dictionary of objects with fields, or a class with a `Key`.

    Raises:
        QueryError: `collection` is not one of these.
    """
    if isinstance(collection, Selected):
        return Update(collection.statement._source, collection.statement._where)
    if not is_collection(collection):
        raise QueryError(
            f"update(collection) takes a list, a dictionary, or a class with a Key(), not {called(collection)}"
        )
    return Update(collection)


def delete(collection: Any) -> Delete:
    """A statement that takes rows out: `delete(world.players).where(Player.level < 3)`; without `where`, all.

    Args:
        collection: a lazy or plain list or dictionary, or a class with a `Key`.

    Raises:
        QueryError: `collection` is not one of these.
    """
    if isinstance(collection, Selected):
        return Delete(collection.statement._source, collection.statement._where)
    if not isinstance(collection, MutableMapping | MutableSequence) and not is_entity_class(collection):
        raise QueryError(
            f"delete(collection) takes a list, a dictionary, or a class with a Key(), not {called(collection)}"
        )
    return Delete(collection)
