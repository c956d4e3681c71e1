"""`ByKey`: the methods of a session for entities, the objects of classes with a `Key`.

Methods import what only they need, so that a program that reads one field does not wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

from ..codec.entity_keys import key_value
from ..errors import MultipleResultsFound, NoResultFound, QueryError, called, told
from ..lazy.proxy import plain_class
from ..model.base import Model
from ..model.entity_names import is_entity
from ..model.keys import key_fields
from .connection import Connection
from .entity.tables import keys_of, known_rows, names, rows_of

M = TypeVar("M", bound=Model)
_PLAIN = frozenset({int, str})  # types of keys of which each is hashable


class ByKey(Connection):
    """The methods of a `Session` that find entities by their keys, and make those that are missing."""

    def get(self, cls: type[M], key: Any) -> M | None:
        """The entity of type `cls` with this primary key: the object that was added, else a lazy one; or None.

        Args:
            cls: a `Model` class with a `Key()`.
            key: the value of its key field, or a tuple of the values of several.

        Raises:
            SchemaMismatchError: the entities were written with another definition of the class.
            CorruptionError: the file is damaged there.
            TypeError: `cls` is no entity class; `key` is not hashable, or of a type that no key of `cls` has.
        """
        self._check_open()
        found: M | None
        if type(key) in _PLAIN and (rows := known_rows(self._work, cls)) is not None:
            found = rows.get(key)
            if found is not None:
                return found
        cls = _entity_class(cls)
        if keys_of(cls).refer:
            key = tuple(map(key_value, key)) if isinstance(key, tuple) else key_value(key)
        try:
            hash(key)
        except TypeError:
            raise TypeError(f"no key of {cls.__qualname__} is {called(key)}: it is a value or a tuple") from None
        found = rows_of(self._work, cls).get(key)
        if found is None:
            _check_key(cls, key)
        return found

    def get_one(self, cls: type[M], key: object) -> M:
        """As `get`, but what is missing is an error.

        Raises:
            NoResultFound: no entity has this key.
            SchemaMismatchError, CorruptionError, TypeError: as `get`.
        """
        found = self.get(cls, key)
        if found is None:
            raise NoResultFound(f"no {cls.__name__} has the key {told(key)}: get(cls, key) gives None instead")
        return found

    def get_or_create(self, cls: type[M], /, defaults: dict[str, Any] | None = None, **values: Any) -> tuple[M, bool]:
        """The entity that has `values`, and False; where there is none, one is made, validated and added, and True.

        Args:
            cls: a `Model` class with a `Key()`.
            defaults: more fields of an entity that is made.
            values: fields and what they are to be: those of the key, or others.

        Raises:
            MultipleResultsFound: several entities have these values.
            pydantic.ValidationError: one cannot be made of them.
            ReadOnlyError, IntegrityError: as `add`.
            QueryError: one of `values` is no field, or does not fit it.
            SchemaMismatchError, CorruptionError, TypeError: as `get`; there are no `values`.
        """
        self._check_writable()
        cls = _entity_class(cls)
        if not values or not isinstance(defaults, Mapping | None):
            raise TypeError("name the fields that the object is found by: session.get_or_create(Player, name='ann')")
        found = self._having(cls, values)
        if found is not None:
            return found, False
        from .entity.changes import insert

        made = cls(**{**values, **(defaults or {})})
        insert(self._work, [made], replace=False)
        return made, True

    def update_or_create(
        self, cls: type[M], /, defaults: dict[str, Any] | None = None, **values: object
    ) -> tuple[M, bool]:
        """As `get_or_create`; of an entity that is there, the fields `defaults` are assigned.

        Args:
            cls: a `Model` class with a `Key()`.
            defaults: fields and what they are to be from now on.
            values: fields that say which entity: those of the key, or others.

        Raises:
            MultipleResultsFound, pydantic.ValidationError, ReadOnlyError, IntegrityError: as `get_or_create`.
            QueryError, SchemaMismatchError, CorruptionError, TypeError: as `get_or_create`.
        """
        found, made = self.get_or_create(cls, defaults, **values)
        if not made:
            for name, value in (defaults or {}).items():
                setattr(found, name, value)
        return found, made

    def _having(self, cls: type[M], values: dict[str, object]) -> M | None:
        """The one entity that has `values`; None without one."""
        names = key_fields(cls)
        if values.keys() == set(names):  # a statement would look at all entities that are not stored yet
            parts = tuple(map(values.__getitem__, names))
            with suppress(TypeError):  # the statement says what is wrong with it
                return self.get(cls, parts if len(parts) > 1 else parts[0])
        from ..query import Result, select
        from .entity.queries import bound

        statement = bound(self._work, select(cls).filter_by(**values).limit(2))
        found: list[M] = Result(statement, self._check_open).scalars().all()
        if len(found) > 1:
            given = ", ".join(f"{name}={told(value)}" for name, value in values.items())
            raise MultipleResultsFound(f"several {cls.__name__} objects have {given}: name more of their fields")
        return found[0] if found else None

    def entities(self) -> list[str]:
        """The names of the classes of which entities are stored, or were added: a sorted list of str."""
        self._check_open()
        return names(self._work)


def _check_key(cls: Any, key: Any) -> None:
    """Raise TypeError for what no entity of `cls` can have as its key: a str where keys are ints."""
    from ..query.expressions.functions import field_of

    names = key_fields(cls)
    if len(names) > 1 and not (isinstance(key, tuple) and len(key) == len(names)):
        raise TypeError(f"the key of {cls.__qualname__} is a tuple ({', '.join(names)}), and not {told(key)}")
    for name, part in zip(names, key if len(names) > 1 else (key,), strict=True):
        try:
            field_of(cls, name) == part  # noqa: B015  # a condition, which is not asked
        except QueryError as problem:
            raise TypeError(f"no key of {cls.__qualname__} is {told(part)}: {problem}") from None


def _entity_class(cls: object) -> Any:
    cls = plain_class(cls)
    if not (isinstance(cls, type) and issubclass(cls, Model)):
        raise TypeError(f"entities are asked for by their class, a subclass of parcode_orm.Model, not by {called(cls)}")
    if not is_entity(cls):
        raise TypeError(
            f"{cls.__qualname__} has no Key(), so a file holds one object of it: session.root({cls.__name__}). To "
            "store many, give the class a key: id: int = Key(auto=True)"
        )
    return cls
