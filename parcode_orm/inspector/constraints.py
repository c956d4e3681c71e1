"""Whether stored objects still pass the validation of today's classes, whose constraints may be tighter, and whether
their references lead to stored entities.

Objects are read one after another as a session reads them, so memory holds one row group and no collection of many
rows. A collection that is larger than `WHOLE` is validated item by item.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import pydantic
from pydantic import BaseModel

from ..codec.base import is_lazy_collection
from ..codec.refs import Ref
from ..codec.types.compile import struct_for
from ..errors import DecodeError, SchemaMismatchError, told
from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..lazy.proxy import is_proxy, plain_class, proxy_state
from ..lazy.state import MISSING, field_value
from ..model.entities import table_class
from ..model.entity_names import is_entity, table_name
from ..session.entity.tables import keys_of
from ..session.entity.targets import stored_entities
from ..session.roots import read_root, root_name, settle_name
from ..session.space import FileSpace
from ..session.traversal import ATOMIC, kind_of

WHOLE = 4096  # items that are validated together, with the constraints of the collection
SHOWN = 10  # objects of a class that are named
PASSED = ATOMIC - {Ref}  # values in which nothing stands
UNREADABLE = (DecodeError, SchemaMismatchError)


class Found(NamedTuple):
    """An object that does not pass: the offset of its row, its class, where it stands, and what is wrong with it."""

    offset: int
    cls: str
    place: str
    what: str


def stored_name(space: FileSpace, cls: type[Any]) -> str | None:
    """The name of the root, or of the table of entities, that a file has for a class; None if it has none."""
    table = table_class(cls) if is_entity(cls) else cls
    name = table_name(cls) if is_entity(cls) else root_name(cls)
    settle_name(space.source, name, table)
    return name if name in space.source.catalog.roots else None


def check_constraints(space: FileSpace, cls: type[Any], name: str) -> Iterator[Found]:
    """The objects of a root, or the entities of a class, that do not pass: ten of each class, then how many more.

    Raises:
        SchemaMismatchError: a migration must say how they are read.
        CorruptionError: the file is damaged there.
    """
    counts: Counter[str] = Counter()
    last: dict[str, Found] = {}
    for found in _objects(space, cls, name):
        counts[found.cls] += 1
        last[found.cls] = found
        if counts[found.cls] <= SHOWN:
            yield found
    for each, count in counts.items():
        if count > SHOWN:
            more = f"{count - SHOWN:,} more objects of {each} do not pass"
            yield last[each]._replace(place=cls.__qualname__, what=more)


def _objects(space: FileSpace, cls: type[Any], name: str) -> Iterator[Found]:
    if not is_entity(cls):
        yield from _walk(read_root(space, name, struct_for(cls)), cls.__qualname__, 0)
        return
    keys = keys_of(cls)
    for key, obj in read_root(space, name, struct_for(table_class(cls))).rows.items():
        yield from _walk(obj, f"the {cls.__qualname__} {keys.spelled(key)}", 0)


def _walk(value: Any, place: str, offset: int) -> Iterator[Found]:
    """What does not pass in a value that stands at `place`, in the row group at `offset`."""
    if type(value) in PASSED:
        return
    if isinstance(value, LazyList):
        for at, item in enumerate(value):
            yield from _walk(item, f"{place}[{at}]", offset)
    elif isinstance(value, LazyMap):
        for key, item in value.items():
            yield from _walk(item, f"{place}[{told(key)}]", offset)
    elif isinstance(value, BaseModel):
        yield from _model(value, place, offset)
    elif type(value) is Ref:
        yield from _reference(value, place, offset)
    elif isinstance(value, set | frozenset):
        for item in value:
            yield from _walk(item, place, offset)
    elif kind_of(value) in ("list", "tuple", "dict"):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in pairs:
            if type(key) is Ref:
                yield from _reference(key, f"{place}[{told(key)}]", offset)
            if type(item) not in PASSED:
                yield from _walk(item, f"{place}[{told(key)}]", offset)
    elif kind_of(value) == "dataclass":
        yield from _dataclass(value, place, offset)


def _reference(ref: Ref[Any], place: str, offset: int) -> Iterator[Found]:
    """A reference to an entity that the file does not have: damage took it, and `recover` saved what refers."""
    if ref._space is not None and ref.key not in stored_entities(ref._space, ref._cls):
        name = ref._cls.__qualname__
        yield Found(offset, f"Ref[{name}]", place, f"refers to {name}[{told(ref.key)}], which is not stored")


def _dataclass(value: Any, place: str, offset: int) -> Iterator[Found]:
    ways, name = struct_for(type(value)).plan.ways, type(value).__qualname__
    wrong: list[str] = []
    names = [field.name for field in dataclasses.fields(value) if hasattr(value, field.name)]
    for field in names:
        try:
            ways.way(field).validated(getattr(value, field))
        except pydantic.ValidationError as problem:
            wrong += _told(name, problem)
        except Exception as problem:  # of a validator of the user's
            wrong.append(f"{name}.{field}: its validation raised {problem!r}")
    if wrong:
        yield Found(offset, name, place, "; ".join(wrong[:3]))
    for field in names:
        yield from _walk(getattr(value, field), f"{place}.{field}", offset)


def _model(obj: Any, place: str, offset: int) -> Iterator[Found]:
    if is_proxy(obj):
        offset = proxy_state(obj)[0].chunk.where[1] or offset
    fields, wrong = _read(obj)
    if wrong:
        yield Found(offset, plain_class(type(obj)).__qualname__, place, "; ".join(wrong[:3]))
    for field, value in fields.items():
        yield from _walk(value, f"{place}.{field}", offset)


def _read(obj: Any) -> tuple[dict[str, Any], list[str]]:
    """The fields of an object that can be read, and what is wrong with it."""
    cls: Any = plain_class(type(obj))
    fields: dict[str, Any] = {}
    wrong: list[str] = []
    for field in cls.__pydantic_fields__:
        try:
            value = field_value(obj, field)
            if value is not MISSING:
                fields[field] = value
        except UNREADABLE as problem:
            if not any(str(problem).endswith(each.partition(": ")[2]) for each in wrong):  # not of the row as a whole
                wrong.append(str(problem))
    return fields, wrong or [*_items(fields, cls.__qualname__), *_whole(cls, obj, fields)]


def _whole(cls: Any, obj: Any, fields: dict[str, Any]) -> Iterator[str]:
    """What Pydantic says against an object with these fields. What it says against objects inside is left to them."""
    given = {**(obj.__pydantic_extra__ or {}), **{field: _plain(value) for field, value in fields.items()}}
    name = cls.__qualname__
    try:
        cls.__pydantic_validator__.validate_python(given, by_name=True, by_alias=False)
    except pydantic.ValidationError as problem:
        yield from _told(name, problem, given)
    except Exception as problem:  # of a validator of the user's
        yield f"{name}: its validation raised {problem!r}"


def _plain(value: Any) -> Any:
    """A lazy collection that is not too large as its validators know it: its items may be lazy objects."""
    if not is_lazy_collection(value) or len(value) > WHOLE:
        return value
    return list(value) if isinstance(value, LazyList) else dict(value.items())


def _items(fields: dict[str, Any], name: str) -> Iterator[str]:
    """What Pydantic says against items of large collections."""
    for field, value in fields.items():
        if not is_lazy_collection(value) or len(value) <= WHOLE or value._p_items_ is None:
            continue
        check = value._p_items_.items if isinstance(value, LazyList) else value._p_items_.pairs
        rest, at = iter(value if isinstance(value, LazyList) else value.items()), 0
        while part := list(islice(rest, WHOLE)):
            try:
                check(part, range(at, at + len(part))) if isinstance(value, LazyList) else check(part)
            except pydantic.ValidationError as problem:
                yield from _told(name, problem, {field: dict(part) if isinstance(value, LazyMap) else value})
                break
            at += len(part)


def _told(where: str, problem: pydantic.ValidationError, given: Any = None) -> Iterator[str]:
    for error in problem.errors(include_url=False, include_context=False):
        if not _is_inside(given, error["loc"]):
            path = "".join(f".{each}" if isinstance(each, str) else f"[{each}]" for each in error["loc"])
            yield f"{where}{path}: {error['msg']}, not {told(error['input'])}"


def _is_inside(value: Any, path: tuple[int | str, ...]) -> bool:
    """Whether a path leads to, or through, an object that does not pass itself."""
    for step in path:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return False
        if isinstance(value, BaseModel):
            return bool(_read(value)[1])
    return False
