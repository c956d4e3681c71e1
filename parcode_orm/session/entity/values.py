"""The values by which indexes have entities, a column at a time, and whether they may have changed in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from types import NoneType
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from ...codec.apart import field_of, types_of
from ...codec.asis import UNREADABLE, Gone
from ...codec.base import View
from ...codec.entity_keys import key_of
from ...codec.refs import Ref
from ...codec.structs import MISSING as SOME_MISSING
from ...codec.views.nodes import values_at
from ...codec.views.struct import StructView
from ...errors import FieldNotStored
from ...lazy.proxy import decoded, is_proxy, proxy_state
from ...lazy.state import MISSING, RowView, WithoutFields, field_value
from ...model.annotations import present
from ...model.indexes import ITEMS, IndexSpec, Path
from ...model.plain import LazyModel
from ...model.words import as_text

EQUAL = frozenset({int, str, bytes, bool, type(None), UUID, date, datetime, time, timedelta})
"""Types of which each value is hashable and equal to itself."""


_KNOWN: dict[object, set[type]] = {int: {int, bool}, bool: {bool}}


def index_column(spec: IndexSpec, read: Callable[[str], list[object]]) -> list[Any]:
    """The values of entities in an index, None for an entity without one; of an index of items a collection of each.

    Those of a text index are texts.

    `read` gives the values of a field. None and what is not equal to itself are no values. In an index of several
    fields they stand as None, but an entity has no value there if they are the first field's or, where the values are
    unique, any field's.
    """
    if spec.text:
        (path,) = spec.parts
        return [as_text(_below(value, path[1:])) for value in read(path[0])]
    if spec.of_items:
        ((path,), (target,)) = spec.parts, spec.targets
        found = [_items(value, path[1:]) for value in read(path[0])]
        if target is not None:
            return [_different(iter(_keys(list(values), target))) for values in found]
        return list(map(_different, found))
    parts = [_column(read(path[0]), path[1:], target) for path, target in zip(spec.parts, spec.targets, strict=True)]
    if len(parts) == 1:
        return parts[0]
    if spec.unique:
        return [None if None in map(_or_none, value) else value for value in zip(*parts, strict=True)]
    return [None if value[0] is None else value for value in zip(*parts, strict=True)]


def field_values(objs: Sequence[object], name: str) -> list[object]:
    """The field `name` of entities; MISSING where one has none."""
    if any(issubclass(cls, LazyModel) for cls in types_of(objs)):
        return [field_value(obj, name) for obj in objs]
    try:
        return field_of(objs, name)
    except KeyError:
        return [field_value(obj, name) for obj in objs]


def stored_values(view: View, rows: Sequence[int], name: str) -> list[object]:
    """The field `name` of stored entities at `rows` of a view; MISSING where one has none."""
    if isinstance(view, StructView) and not view.bits & SOME_MISSING:
        return values_at(view.field(name), rows)
    return [field_value(view.get(row), name) for row in rows]


def _keys(values: list[object], target: type) -> list[object]:
    """The keys of references to `target`. Objects and keys may stand in their place, until they are stored."""
    return [
        value.key if type(value) is Ref else key_of(value) if value.__class__ is target else value for value in values
    ]


def _column(values: list[object], path: Path, target: type | None) -> list[object]:
    """What lies at `path` below values, as an index has it."""
    for name in path:
        values = [_step(value, name) for value in values]
    if target is not None:
        values = _keys(values, target)
    types = set(map(type, values))
    if types <= EQUAL:
        return values
    if types <= EQUAL | {float}:
        return [value if value == value else None for value in values]
    return list(map(_indexed, values))


def _below(value: object, path: Path) -> object:
    for name in path:
        value = _step(value, name)
    return value


def _or_none(value: object) -> object:
    return None if value is None else 0


def _different(values: Iterator[object]) -> Collection[object]:
    return dict.fromkeys(value for each in values if (value := _indexed(each)) is not None)


def _items(obj: object, path: Path) -> Iterator[object]:
    """What lies at the end of a path that leads through the items of lists."""
    if not path:
        yield obj
    elif path[0] == ITEMS:
        for each in obj if isinstance(obj, Collection) else ():
            yield from _items(each, path[1:])
    else:
        yield from _items(_step(obj, path[0]), path[1:])


def _step(obj: object, name: str) -> object:
    """A field of a model, dataclass, named tuple or typed dictionary; None where there is none."""
    if obj is None or obj is MISSING:
        return None
    if isinstance(obj, BaseModel):
        return field_value(obj, name)
    return obj.get(name) if isinstance(obj, dict) else getattr(obj, name, None)


def _indexed(value: object) -> object:
    """A value as an index has it; None for what no other value is equal to, or what will not be stored."""
    if value is MISSING or not is_hashable(value) or value != value:
        return None
    return value


def is_hashable(value: object) -> bool:
    """Whether a value can be looked for."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


def fits(tp: object, values: Iterable[object]) -> bool:
    """Whether values of an index are of the type `tp`, not as an earlier version of the class stored them."""
    types = set(map(type, values)) - {NoneType}
    kind = present(tp)
    known: set[type] | None = _KNOWN.get(kind)
    return Gone not in types and (known is None or types <= known)


def differs(view: Any, row: int, obj: object, paths: Sequence[Path]) -> bool:
    """Whether the object in memory for a row of `view` may have other values at `paths` than the row."""
    here: Any = proxy_state(obj) if is_proxy(obj) else None
    if here is None or here[0] is not view or here[1] != row or isinstance(view, WithoutFields):
        return True
    values = decoded(obj)
    return any(path[0] in values and _differs(view, row, values[path[0]], path) for path in paths)


def _differs(view: RowView, row: int, value: object, path: Path) -> bool:
    try:
        stored = view.getter(path[0])(row)
    except (FieldNotStored, *UNREADABLE):
        return True
    if is_proxy(value):  # it holds what it had when it was read, and what was assigned since
        return stored is not value or len(path) == 1 or differs(*proxy_state(value), value, [path[1:]])
    below = path[1:] not in ((), (ITEMS,))  # there are objects, which may have changed
    return type(stored) is not type(value) or (below and value is not None) or bool(stored != value)
