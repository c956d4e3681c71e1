"""`IndexSpec`: an index of an entity class, from the mark of a field or from `__indexes__`; what is refused of them.

The places of values are paths of names: `("address", "city")`. `ITEMS` in a path leads from a list to each of its
items: `("tags", "[]")`, `("items", "[]", "price")`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from types import GenericAlias
from typing import Any, NamedTuple, NoReturn, get_origin

from pydantic.fields import FieldInfo

from parcode_orm.codec.evolution.defaults import GENERATED
from parcode_orm.codec.types.marks import find_mark
from parcode_orm.codec.types.typeforms import spelled
from parcode_orm.errors import UnsupportedTypeError, told, with_article
from parcode_orm.model.annotations import present
from parcode_orm.model.keys import IndexMark, classes_in, key_fields, marked_fields
from parcode_orm.model.kinds import fields_of, item_type
from parcode_orm.model.ordering import order_of
from parcode_orm.model.references import key_type_of, referred_class

ITEMS = "[]"
Path = tuple[str, ...]
_INDEXES = "_p_indexes_"  # in the model's own `__dict__`
_COLLECTIONS = (list, set, frozenset, tuple)


class IndexSpec(NamedTuple):
    """An index: the paths and the types of its parts. `unique`: no two entities have the same values.

    The values of a part that is a reference are keys of the class that `targets` has for it; `targets` has None for any
    other part. `text`: the index has the words of its one part.
    """

    parts: tuple[Path, ...]
    types: tuple[Any, ...]
    unique: bool
    targets: tuple[type[Any] | None, ...] = ()
    text: bool = False

    @property
    def name(self) -> str:
        """`guild, level` for an index of two fields, `items[].price` for one of the items of a list."""
        return _named(self.parts)

    @property
    def value(self) -> Any:
        """The type of its values: that of its part, or a tuple of several, of which all but the first may be None."""
        if len(self.types) == 1:
            return self.types[0]
        parts = tuple(tp if self.unique or not at else tp | None for at, tp in enumerate(self.types))
        return GenericAlias(tuple, parts)

    @property
    def of_items(self) -> bool:
        """Whether an entity has a value for each item of a list."""
        return ITEMS in self.parts[0]


@lru_cache(maxsize=1024)
def _named(parts: tuple[Path, ...]) -> str:
    return ", ".join(map(path_text, parts))


def path_text(path: Path) -> str:
    """A path as a user writes it."""
    return ".".join(path).replace("." + ITEMS, ITEMS)


def indexes_of(cls: Any) -> tuple[IndexSpec, ...]:
    """The indexes of an entity class: those of its fields in their order, then those of `__indexes__`."""
    found: tuple[IndexSpec, ...] | None = cls.__dict__.get(_INDEXES)
    if found is None:
        found = _resolved(cls)
        setattr(cls, _INDEXES, found)
    return found


def _resolved(cls: Any) -> tuple[IndexSpec, ...]:
    """The indexes of a class.

    Raises:
        UnsupportedTypeError: one does not fit the class, a field or a type.
    """
    found: list[IndexSpec] = []
    for name, mark in marked_fields(cls, IndexMark).items():
        if len(mark.fields) > 1:
            place = f"{cls.__qualname__}.{name}"
            raise UnsupportedTypeError(f"{place}: {mark} of several fields stands in __indexes__ of the class")
        found.append(_of_field(cls, name, mark))
    for mark in _declared(cls):
        spec = _of_paths(cls, mark)
        if spec in found:
            _refuse(cls, mark, "the class has this index already")
        found.append(spec)
    return tuple(found)


def _of_field(cls: Any, name: str, mark: IndexMark) -> IndexSpec:
    info, place = cls.__pydantic_fields__[name], f"{cls.__qualname__}.{name}"
    if not key_fields(cls):
        raise UnsupportedTypeError(
            f"{place}: {mark} is for entities, and the class has no Key(): give it one, id: int = Key(auto=True)"
        )
    apart = find_mark(info.metadata)
    if apart is not None:
        raise UnsupportedTypeError(
            f"{place}: {mark} cannot stand beside {apart.spelling}: what is looked up lies in its row"
        )
    tp = info.annotation
    if mark.text:
        problem = _no_text(mark, tp)
        if problem:
            raise UnsupportedTypeError(f"{place}: {mark} {problem}")
        return IndexSpec(((name,),), (tp,), unique=False, text=True)
    if mark.unique:
        tp, target = _keys_for(tp)
        _check_hashable(f"{place}: {mark}", tp)
        return IndexSpec(((name,),), (tp,), True, (target,))
    items = _items(tp)
    path: Path = (name,) if items is None else (name, ITEMS)
    tp, target = _keys_for(tp if items is None else items)
    if order_of(tp) is None:
        raise UnsupportedTypeError(f"{place}: {mark} {_ORDERED}, not for {_told(tp, target)}")
    return IndexSpec((path,), (tp,), False, (target,))


def _keys_for(tp: Any) -> tuple[Any, type[Any] | None]:
    """The type of what an index has of values of type `tp`; if these are references, also the class of the targets."""
    found = present(tp)
    target = referred_class(found)
    return (tp, None) if target is None else (key_type_of(found), target)


def _told(tp: Any, target: Any) -> str:
    return f"{tp}" if target is None else f"{spelled(tp)}, the keys of {target.__qualname__}"


_ORDERED = (
    "is for numbers, text, bytes, dates, times, UUIDs and enums, which have an order, for references to entities with "
    "such keys, and for lists of them"
)


def _no_text(mark: IndexMark, tp: Any) -> str:
    """Why an index of words does not fit a type; "" if it does."""
    if mark.unique:
        return "is of words, and no value of it is unique: it cannot be unique too"
    items = _items(tp)
    kind = _class_of(tp if items is None else items)
    if not issubclass(kind, str) or issubclass(kind, Enum):
        return f"is for text, and for lists of text, not for {spelled(tp)}"
    return ""


def _check_hashable(place: str, tp: Any) -> None:
    bad = next((each for each in classes_in(tp) if each.__hash__ is None), None)
    if bad is not None:
        named = getattr(bad, "__qualname__", bad)
        raise UnsupportedTypeError(
            f"{place} is for values that can be the keys of a dictionary, and {with_article(named)} is not hashable"
        )


# -- indexes of a class ------------------------------------------------------------------------------------------------


def _declared(cls: Any) -> list[IndexMark]:
    given = cls.__indexes__
    if given and not key_fields(cls):
        raise UnsupportedTypeError(
            f"{cls.__qualname__}.__indexes__ is for entities, and the class has no Key(): give it one, "
            "id: int = Key(auto=True)"
        )
    found = []
    for each in given if isinstance(given, tuple | list) else [None]:
        marks = each.metadata if isinstance(each, FieldInfo) else ()
        mark = next((mark for mark in marks if isinstance(mark, IndexMark)), None)
        if mark is None:
            raise UnsupportedTypeError(
                f"{cls.__qualname__}.__indexes__ is a tuple of Index(), such as (Index('guild', 'level'),), and not "
                f"{told(given if each is None else each)}"
            )
        found.append(mark)
    return found


def _refuse(cls: Any, mark: IndexMark, problem: str) -> NoReturn:
    raise UnsupportedTypeError(f"{cls.__qualname__}.__indexes__: {mark}: {problem}")


def _of_paths(cls: Any, mark: IndexMark) -> IndexSpec:
    if not mark.fields:
        _refuse(cls, mark, "name its fields: Index('guild', 'level')")
    paths, types, targets = [], [], []
    for given in mark.fields:
        path, tp = _followed(cls, mark, given)
        listed = _items(tp) is not None and cls.__module__ != GENERATED  # a tuple there is a composite key of a target
        tp, target = _keys_for(tp)
        if path in paths:
            _refuse(cls, mark, f"{given} stands there twice")
        if mark.text:
            problem = _no_text(mark, tp)
            if len(mark.fields) > 1 or ITEMS in path:
                problem = "an index of words is of one field, which holds a text or a list of texts"
            if problem:
                _refuse(cls, mark, problem)
            return IndexSpec((path,), (tp,), unique=False, text=True)
        if ITEMS in path and (mark.unique or len(mark.fields) > 1):
            _refuse(cls, mark, "an index of a list's items has no other fields, and is not unique")
        if mark.unique:
            _check_hashable(f"{cls.__qualname__}.__indexes__: {mark}: {given}", tp)
        elif order_of(tp) is None or listed:
            more = f": write {given}[] for its items" if listed else ""
            _refuse(cls, mark, f"{given} is of type {_told(spelled(tp), target)}, and an index {_ORDERED}{more}")
        paths.append(path)
        types.append(tp)
        targets.append(target)
    return IndexSpec(tuple(paths), tuple(types), mark.unique, tuple(targets))


def _followed(cls: Any, mark: IndexMark, given: Any) -> tuple[Path, Any]:
    """The path that a user wrote, and the type of what lies there."""
    if not isinstance(given, str):
        _refuse(cls, mark, f"a field is named by a text, such as 'level' or 'address.city', not by {told(given)}")
    path: list[str] = []
    tp, owner = cls, cls
    for part in given.split("."):
        name = part.replace(ITEMS, "")
        owner, known = present(tp), fields_of(present(tp))
        if known is None:
            at = path_text(tuple(path))
            more = "" if _items(tp) is None else f": write {at}[] for its items"
            _refuse(cls, mark, f"{at} is of type {spelled(tp)}, which has no fields{more}")
        if name not in known:
            _refuse(cls, mark, f"{owner.__qualname__} has no field {name!r}: it has {', '.join(known)}")
        info = getattr(owner, "__pydantic_fields__", {}).get(name)
        apart = None if info is None else find_mark(info.metadata)
        if apart is not None:
            _refuse(cls, mark, f"{name} is a field with {apart.spelling}, and what is looked up lies in its row")
        path.append(name)
        tp = known[name]
        if part not in (name, name + ITEMS):
            _refuse(cls, mark, f"{given!r} is no path, such as 'level', 'address.city' or 'tags[]'")
        if part != name:
            items = _items(tp)
            if items is None:
                _refuse(cls, mark, f"{path_text(tuple(path))} is of type {spelled(tp)}, which is no list")
            path.append(ITEMS)
            tp = items
    if _stands_bare(owner) != _stands_bare(cls) and issubclass(_class_of(tp), Enum):
        _refuse(cls, mark, f"{owner.__qualname__} and {cls.__qualname__} differ in use_enum_values")
    return tuple(path), tp


def _stands_bare(cls: Any) -> bool:
    return bool(getattr(cls, "model_config", {}).get("use_enum_values", False))


def _class_of(tp: Any) -> type[Any]:
    kind = present(tp)
    return kind if isinstance(kind, type) else object


def _items(tp: Any) -> Any:
    """The type of the items of a list, set or tuple type; None for any other."""
    kind = present(tp)
    origin = get_origin(kind)
    if not isinstance(origin, type) or issubclass(origin, Mapping) or not issubclass(origin, _COLLECTIONS):
        return None
    return item_type(kind)
