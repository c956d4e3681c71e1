"""What a path leads to in the file of a session: each step finds one value, and reads what this one needs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from types import GenericAlias
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel

from ..codec.base import is_lazy_collection
from ..codec.kernels import loaded_numpy
from ..errors import PathError, called, with_article
from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..lazy.state import MISSING, field_value
from ..model.annotations import arms
from ..model.arrays import LazyArray
from ..model.base import Model
from ..model.blobs import LazyBytes, LazyText
from ..model.entity_names import SUFFIX
from ..model.keys import key_type
from ..model.kinds import fields_of, item_type
from ..model.literals import meant
from ..query.expressions.selectables import is_collection
from ..session.entity.tables import entity_class, rows_of
from ..session.session import Session
from ..session.without_classes import short_name
from .steps import Path, Step, literal_of, literal_text, name_text, parse, quoted

__all__ = ["Found", "Path", "find", "parse", "resolve", "rows"]

NAMED = 1000  # keys among which close ones are looked for
SHOWN = 12  # names in a message
LONG = 100  # characters of a name or path in it


class Found(NamedTuple):
    """What a path leads to: the path from its root, the value, and the type that it is stored as.

    A value that is a part of another one begins at the position `first` of that.
    """

    path: Path
    value: Any
    type: Any
    first: int = 0

    @property
    def rows(self) -> Any:
        """The value as `select` takes it: the class of entities, else a list or dictionary.

        Raises:
            PathError: it is neither.
        """
        if isinstance(self.type, _Entities):
            return self.type.cls
        if not is_collection(self.value):
            raise PathError(
                f"{_short(self.path)} is {_what(self.value)}, and no list, dictionary or entities with rows"
            )
        return self.value


class _Entities(NamedTuple):
    """Stands for the type of all entities of a class."""

    cls: type[Any]


def resolve(session: Session, path: str | Path) -> Any:
    """The value that a path leads to: an object or collection of the session, lazy as elsewhere.

    Large texts, bytes and arrays that are stored apart come as `LazyText`, `LazyBytes` and `LazyArray`. Entities come
    as a mapping by their keys.

    Raises:
        PathError: the path spells no value that is there.
        SchemaError, CorruptionError: by reading it.
    """
    return find(session, path).value


def rows(session: Session, path: str | Path) -> Any:
    """What a path leads to, as `select` takes it: the class of entities, else a list or dictionary.

    Raises:
        PathError: as `resolve`; or the value is neither.
        SchemaError, CorruptionError: as `resolve`.
    """
    return find(session, path).rows


def find(session: Session, path: str | Path) -> Found:
    """The value that a path leads to, with its path from the root and its type.

    Raises:
        PathError, SchemaError, CorruptionError: as `resolve`.
    """
    steps = (parse(path) if isinstance(path, str) else path).steps
    found, used = _first(session, steps)
    for step in steps[used:]:
        found = _STEPS[step.kind](found, step)
    return found


# -- the first name ----------------------------------------------------------------------------------------------------


def _first(session: Session, steps: Sequence[Step]) -> tuple[Found, int]:
    """What the first name leads to, and how many of the steps are used up."""
    first = steps[0]
    stored = [*session.roots(), *(f"{name}{SUFFIX}" for name in session.entities())]
    names = {short_name(name, stored): name for name in stored}
    full = names.get(first.value, first.value if first.value in stored else None)
    if full is not None:
        return _stored(session, full, next(name for name in names if names[name] == full)), 1
    roots = session.roots()
    if len(roots) == 1:
        found = _stored(session, roots[0], roots[0])
        if _has_field(found.value, first.value):
            return found, 0
        names |= dict.fromkeys(_fields(found.value), "")
    what = (
        "the file holds no root and no entities"
        if not stored
        else f"there is no {_short(quoted(first.value))} in the file"
    )
    also = "; a field is found without its root where there is one root" if len(roots) > 1 else ""
    raise PathError(f"{what}{_known(first.value, names)}{also}", position=first.at)


def _stored(session: Session, full: str, name: str) -> Found:
    path = Path((Step("name", name),))
    if not full.endswith(SUFFIX):
        root = session.root(full)
        return Found(path, root, root.__class__)
    attached = session._work.roots.get(full)
    cls = session.models()[full] if attached is None else entity_class(type(attached.obj))
    return Found(path, rows_of(session._work, cls), _Entities(cls))


# -- fields ------------------------------------------------------------------------------------------------------------


def _field(found: Found, step: Step) -> Found:
    name: str = step.value
    value = found.value
    if not _has_field(value, name, found.type):
        where = f"{_short(found.path)} is {_what(value)}"
        if isinstance(value, Mapping) and not _fields(value, found.type):
            close = "" if name in value else _known(name, _keys(value), literal_text)
            raise PathError(f"{where}, whose keys stand in brackets: [{_short(quoted(name))}]{close}", position=step.at)
        known = _fields(value, found.type)
        what = f"no field {_short(quoted(name))}{_known(name, known)}" if known else "no fields"
        raise PathError(f"{where}, and has {what}", position=step.at)
    types = _types(value, found.type)
    return Found(found.path.field(name), _value(value, name), types.get(name, Any))


def _types(value: Any, tp: Any) -> Mapping[str, Any]:
    """The types of the declared fields of a value."""
    if isinstance(value, dict):
        return next((known for arm in arms(tp) if (known := fields_of(arm)) is not None), {})
    return fields_of(value.__class__) or {}


def _fields(value: Any, tp: Any = Any) -> list[str]:
    """The names of what `.name` leads to: fields, extra values, and private attributes that are stored."""
    found = list(_types(value, tp))
    if isinstance(value, BaseModel):
        found += value.model_extra or {}
        found += value.__class__.__private_attributes__
    return found


def _has_field(value: Any, name: str, tp: Any = Any) -> bool:
    return name in _fields(value, tp) and _value(value, name) is not MISSING


def _value(value: Any, name: str) -> Any:
    """A field, which is there or MISSING. Large values that are stored apart are not read: a handle stands for them."""
    if isinstance(value, dict):
        return value.get(name, MISSING)
    if not isinstance(value, BaseModel):
        return getattr(value, name, MISSING)
    if name not in value.__class__.__pydantic_fields__:
        extra = value.model_extra or {}
        return extra[name] if name in extra else (value.__pydantic_private__ or {}).get(name, MISSING)
    if isinstance(value, Model):
        unread = value._p_unread_(name)
        if unread is not None and unread.blob() is not None:
            return value.lazy(name)
    return field_value(value, name)


# -- keys and positions ------------------------------------------------------------------------------------------------

_ORDERED = (list, tuple, deque, str, bytes, bytearray, LazyList, LazyText, LazyBytes, LazyArray)


def _is_ordered(value: Any) -> bool:
    numpy = loaded_numpy()
    return isinstance(value, _ORDERED) or (numpy is not None and isinstance(value, numpy.ndarray) and value.ndim > 0)


def _key(found: Found, step: Step) -> Found:
    value = found.value
    if isinstance(value, Mapping):
        return _of_key(found, step)
    if not _is_ordered(value):
        fields = _fields(value, found.type)
        more = f": its fields are written .{_short(name_text(fields[0]))}" if fields else ""
        raise PathError(f"{_short(found.path)} is {_what(value)}, and has no items{more}", position=step.at)
    place = step.value
    if type(place) is not int:
        raise PathError(
            f"{_short(found.path)} is {_what(value)}: in brackets stands a position, not {_short(literal_text(place))}",
            position=step.at,
        )
    size = len(value)
    if not -size <= place < size:
        raise PathError(f"{_short(found.path)} has {_counted(size, 'item')}, and none at {place}", position=step.at)
    tp = item_type(found.type)
    return Found(Path((*found.path.steps, Step("key", place % size))), value[place], tp)


def _of_key(found: Found, step: Step) -> Found:
    value, tp = found.value, found.type
    keys = key_type(tp.cls) if isinstance(tp, _Entities) else _key_type(tp)
    for key in meant(step.value, keys):
        item = value.get(key, MISSING)
        if item is not MISSING:
            break
    else:
        key, item = _by_literal(value, step.value)
    if item is MISSING:
        where, key = _short(found.path), _short(literal_text(step.value))
        there = f"{_counted(len(value), 'key')}{_known(step.value, _keys(value), literal_text, len(value))}"
        raise PathError(f"{where} has no key {key}: it has {there}", position=step.at)
    inner = tp.cls if isinstance(tp, _Entities) else item_type(tp)
    return Found(found.path.item(key) or Path((*found.path.steps, step)), item, inner)


def _key_type(tp: Any) -> Any:
    """The type of the keys of a dictionary type; `Any` where it is not known."""
    for arm in arms(tp):
        origin = get_origin(arm)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return get_args(arm)[0]
    return Any


def _by_literal(value: Mapping[Any, Any], literal: Any) -> tuple[Any, Any]:
    """The key of a dictionary in memory that the literal is written for, and its value."""
    for key in () if is_lazy_collection(value) else value:
        try:
            if type(key) is not type(literal) and literal_of(key) == literal:
                return key, value[key]
        except PathError:
            continue
    return None, MISSING


# -- slices ------------------------------------------------------------------------------------------------------------


def _slice(found: Found, step: Step) -> Found:
    start, stop = step.value
    value = found.value
    path = Path((*found.path.steps, step))
    if isinstance(value, Mapping):
        first, last, _ = slice(start, stop).indices(len(value))
        keys = list(islice(value, first, max(first, last)))
        if isinstance(value, LazyMap):
            return Found(path, dict(zip(keys, value.rows.scan(first, max(first, last)), strict=True)), _plain(found))
        return Found(path, {key: value[key] for key in keys}, _plain(found))
    if not _is_ordered(value):
        raise PathError(
            f"{_short(found.path)} is {_what(value)}, which has no order to take a part of", position=step.at
        )
    first, last, _ = slice(start, stop).indices(len(value))
    if isinstance(value, deque):
        return Found(path, list(islice(value, first, max(first, last))), found.type, first)
    return Found(path, value[start:stop], found.type, first)


def _plain(found: Found) -> Any:
    """The type of a part of a dictionary."""
    tp = found.type
    return GenericAlias(dict, (key_type(tp.cls), tp.cls)) if isinstance(tp, _Entities) else tp


_STEPS = {"name": _field, "key": _key, "slice": _slice}


# -- messages ----------------------------------------------------------------------------------------------------------


def _what(value: Any) -> str:
    """What a value is, for messages."""
    if isinstance(value, BaseModel):
        return with_article(_short(value.__class__.__name__))
    if isinstance(value, LazyMap):
        return "a dictionary"
    return "a list" if isinstance(value, LazyList) else called(value)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _keys(value: Mapping[Any, Any]) -> list[Any]:
    found = []
    for key in islice(value, NAMED):
        try:
            found.append(literal_of(key))
        except PathError:
            continue
    return found


def _short(text: object) -> str:
    """A name or path as a message has it."""
    shown = str(text)
    return shown if len(shown) <= LONG else f"{shown[: LONG - 1]}…"


def _known(name: Any, known: Iterable[Any], text: Any = str, count: int = 0) -> str:
    """What there is, for messages: close names first. `known` may be the first of `count` names."""
    every = {_short(text(each)): None for each in known}
    close = get_close_matches(_short(text(name)), every, n=3, cutoff=0.6)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    listed = list(every)[:SHOWN]
    left = max(count, len(every)) - len(listed)
    more = f" and {left:,} more" if left else ""
    return f": there is {', '.join(listed)}{more}" if listed else ""
