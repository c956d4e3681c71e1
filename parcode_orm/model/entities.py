"""How the entities of a class are stored: the models of their table and of the runs of their indexes.

The table is a field of a root that a session makes: `rows` by primary key, the number last given, and a field for each
index. So entities are tracked, committed, compared and read at earlier commits as any other rows are.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from fractions import Fraction
from functools import partial
from types import UnionType
from typing import Any, Union, get_args, get_origin
from uuid import UUID

from ..codec.classes.named import flag_name
from ..codec.classes.names import name_of
from ..errors import UnsupportedTypeError
from .base import Model, ModelMeta, on_complete
from .fields import Chunk, ShardedMap
from .keys import indexed_fields, key_fields, key_type, unique_fields

SUFFIX = "[]"  # of the names of the roots that hold entities
ORDERED = (int, float, str, bytes, date, datetime, time, timedelta, Decimal, Fraction, UUID)
UNORDERED = (TypeError, ValueError, AttributeError, ArithmeticError)  # what comparing raises where there is no order
_TABLE_CLASS = "_p_table_class_"  # in the model's own `__dict__`, so that it lives as long as the model
_RUN_CLASSES = "_p_run_classes_"


def is_entity(cls: type[Any]) -> bool:
    """Whether the objects of a model class are entities."""
    return bool(key_fields(cls))


class EntityTable(Model):
    """The stored entities of one class; `table_class` derives the class for it.

    `rows` are the entities by key, `last` is the number that was given last. A field `by_NAME` maps each value of the
    unique field NAME to the key of the entity that has it. A field `index_NAME` has the runs of the index of NAME.
    """

    last: int = 0


def table_class(cls: type[Any]) -> type[EntityTable]:
    """The class of the root that holds the entities of `cls`, made once."""
    found: type[EntityTable] | None = cls.__dict__.get(_TABLE_CLASS)
    if found is None:
        found = _derived_table(cls)
        setattr(cls, _TABLE_CLASS, found)
    return found


def _derived_table(cls: type[Any]) -> type[EntityTable]:
    key = key_type(cls)
    annotations: dict[str, Any] = {"rows": _dict_of(key, cls)}
    fields: dict[str, Any] = {"rows": ShardedMap(default_factory=dict)}
    for name in unique_fields(cls):
        annotations[by(name)] = _dict_of(cls.__pydantic_fields__[name].annotation, key)
        fields[by(name)] = ShardedMap(default_factory=dict)
    for name in indexed_fields(cls):
        annotations[runs_of(name)] = _list_of(run_class(cls, name))
        fields[runs_of(name)] = Chunk(default_factory=list)
    name = table_name(cls)
    body = {**_about(cls, name), "__annotations__": annotations, **fields}
    found: type[EntityTable] = ModelMeta(name, (EntityTable,), body)
    return found


def _about(cls: type[Any], name: str) -> dict[str, Any]:
    """What a class for the entities of `cls` has of that: above all, whether values stand for members of enums."""
    config = {"use_enum_values": cls.model_config.get("use_enum_values", False)}
    return {"__module__": cls.__module__, "__qualname__": name, "model_config": config}


def _dict_of(key: Any, value: Any) -> Any:
    return dict[key, value]


def _list_of(item: Any) -> Any:
    return list[item]


def _prepare(cls: type[Any]) -> None:
    if is_entity(cls):
        table_class(cls)


on_complete.append(_prepare)  # so that what cannot be a key is refused when the class is defined


def table_name(cls: type[Any]) -> str:
    """The name of the root that holds the entities of `cls`."""
    return name_of(cls) + SUFFIX


def by(name: str) -> str:
    """The name of the index of a unique field."""
    return f"by_{name}"


def runs_of(name: str) -> str:
    """The name of the field for the runs of the index of a field."""
    return f"index_{name}"


class Run(Model):
    """A run of an index: its `entries`, sorted by value, and `fences`, the value of every 256th of them."""


def run_class(cls: Any, name: str) -> type[Run]:
    """The class of the runs of the index of a field of `cls`, made once.

    Raises:
        UnsupportedTypeError: the values of the field have no order.
    """
    known: dict[str, type[Run]] = cls.__dict__.get(_RUN_CLASSES, {})
    if name not in known:
        order_of(cls, name)
        setattr(cls, _RUN_CLASSES, {**known, name: _derived_run(cls, name)})
    found: type[Run] = cls.__dict__[_RUN_CLASSES][name]
    return found


def _derived_run(cls: Any, name: str) -> type[Run]:
    value, key = cls.__pydantic_fields__[name].annotation, key_type(cls)
    annotations = {"entries": list[tuple[value, key, bool]], "fences": list[value]}  # type: ignore[valid-type]
    body = {
        **_about(cls, f"{cls.__qualname__}.{name}"),
        "__annotations__": annotations,
        "entries": Chunk(),
        "fences": Chunk(),
    }
    return ModelMeta(f"{cls.__name__}.{name}", (Run,), body)


def order_of(cls: type[Any], name: str) -> Callable[[Any], Any]:
    """What the values of an indexed field are ordered by: it raises one of `UNORDERED` for what does not fit.

    Enum members are in the order of their names.

    Raises:
        UnsupportedTypeError: they have no order.
    """
    annotation = cls.__pydantic_fields__[name].annotation
    arms = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    types = [each for each in arms if each is not type(None)]
    if len(types) == 1 and isinstance(types[0], type):
        if issubclass(types[0], Enum):
            return partial(_name_of_member, types[0])
        if issubclass(types[0], datetime):
            return _moment
        if issubclass(types[0], time):
            return _time_of_day
        if issubclass(types[0], ORDERED):
            return itself
    raise UnsupportedTypeError(
        f"{cls.__qualname__}.{name}: Index() is for numbers, text, bytes, dates, times, UUIDs and enums, which have an "
        f"order, not for {annotation}"
    )


def itself(value: Any) -> Any:
    """What most values are ordered by."""
    return value


def _name_of_member(cls: Any, value: Any) -> str:
    """As members are stored. Their values may change, and some have no order."""
    member = value if isinstance(value, cls) else cls(value)
    return flag_name(cls, member) if isinstance(member, Flag) else member._name_


def _moment(value: datetime) -> tuple[bool, timedelta]:
    offset, wall = value.utcoffset(), value.replace(tzinfo=None) - datetime.min
    return offset is not None, wall - (offset or timedelta())  # with a time zone, and without: they do not compare


def _time_of_day(value: time) -> tuple[bool, time]:
    return value.utcoffset() is not None, value
