"""The assignments of an update to objects: of all of them, or of none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

from ...codec import trail
from ...codec.types.compile import struct_for
from ...errors import EncodeError, QueryError, told
from ...format.layout import Kind
from ...lazy.proxy import decoded, is_proxy, plain_class
from ...model.base import Model
from ...model.keys import key_fields
from ...table.row_groups import Nowhere, TableSink
from ...table.table import ATOMIC


class _Before(NamedTuple):
    """An object before an assignment: its values in memory and the names of its fields that were set, if it has them.

    A validator may change other fields than the one that is assigned.
    """

    obj: Any
    name: str
    value: object
    values: dict[str, object] | None
    fields_set: set[str] | None


def assign(rows: Iterable[tuple[Any, ...]], paths: Sequence[tuple[str, ...]]) -> None:
    """Set the fields at `paths` of objects: each row is an object and the new values.

    If an assignment raises, the objects that were changed before get back what they had.

    Raises:
        QueryError: there is None on the way to a nested field.
    """
    done: list[_Before] = []
    try:
        for obj, *values in rows:
            for path, value in zip(paths, values, strict=True):
                holder = _holder(obj, path)
                done.append(_before(holder, path[-1]))
                setattr(holder, path[-1], value if type(value) in ATOMIC else deepcopy(value))
    except BaseException:
        for each in reversed(done):
            _put_back(each)
        raise


def check_fit(rows: Sequence[tuple[Any, ...]], paths: Sequence[tuple[str, ...]]) -> None:
    """Refuse values that the fields at `paths` cannot store. Each row is an object and the new values.

    Classes that look at what is assigned to them refuse it themselves, or make another value of it.

    Raises:
        EncodeError: a value does not fit its field; it names the object.
        QueryError: there is None on the way to a nested field.
    """
    for at, path in enumerate(paths, 1):
        places: dict[type, list[int]] = {}  # by class
        for number, row in enumerate(rows):
            places.setdefault(plain_class(_holder(row[0], path).__class__), []).append(number)
        for cls, numbers in places.items():
            if not is_set_plainly(cls, path[-1]):
                continue
            column = struct_for(cls).places[path[-1]][1]
            try:
                column.encode([rows[number][at] for number in numbers], TableSink(Nowhere(), None).encoder(Kind.COLUMN))
            except EncodeError as problem:
                raise _named(problem, rows[numbers[trail.row_of(problem)]][0], path) from None


def _named(problem: EncodeError, obj: Any, path: tuple[str, ...]) -> EncodeError:
    cls = plain_class(obj.__class__)
    keys = [told(getattr(obj, name)) for name in key_fields(cls)]
    trail.below(problem, ".".join(path), 0)
    if keys:
        problem.path = f"[{', '.join(keys)}].{problem.path}"
    problem.model = cls.__qualname__
    return problem


def is_set_plainly(cls: Any, name: str) -> bool:
    """Whether assigning the field `name` of an object of `cls` does nothing but set it."""
    if not (isinstance(cls, type) and issubclass(cls, Model)):
        return False
    config, field = cls.model_config, cls.__pydantic_fields__.get(name)
    if field is None or field.frozen or config.get("frozen") or config.get("validate_assignment"):
        return False
    return cls.__setattr__ is Model.__setattr__


def _holder(obj: Any, path: tuple[str, ...]) -> Any:
    holder = obj
    for name in path[:-1]:
        holder = getattr(holder, name)
    if holder is None:
        raise QueryError(f"{'.'.join(path)} cannot be set where {'.'.join(path[:-1])} is None: use where()")
    return holder


def _values_of(obj: Any) -> dict[str, object] | None:
    return decoded(obj) if is_proxy(obj) else getattr(obj, "__dict__", None)


def _before(obj: Any, name: str) -> _Before:
    values = _values_of(obj)
    if values is None:
        return _Before(obj, name, getattr(obj, name), None, None)
    names = getattr(obj, "__pydantic_fields_set__", None)
    return _Before(obj, name, None, dict(values), None if names is None else set(names))


def _put_back(before: _Before) -> None:
    obj, values = before.obj, _values_of(before.obj)
    if values is None or before.values is None:
        setattr(obj, before.name, before.value)
        return
    values.clear()  # what is stored and was not in memory is read anew
    values.update(before.values)
    if before.fields_set is not None:
        names: set[str] = obj.__pydantic_fields_set__
        names.intersection_update(before.fields_set)
