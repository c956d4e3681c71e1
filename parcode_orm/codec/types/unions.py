"""Unions: which arm stores a value: by exact class, then inheritance, then contents.

Pydantic has validated the value, but does not tell which arm took it. Where two arms share a class
(`list[int] | list[str]`), the contents decide: the first arm all of whose contents fit exactly,
then the first that they fit by inheritance, else the value is packed, which stores anything. So
every value comes back as it was.
"""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import enum
import typing
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import typing_extensions
from pydantic import MISSING
from typing_extensions import NoExtraItems

from ..base import Column, is_lazy_collection
from ..classes.convert import BY_TYPE
from ..classes.named import ANY, STANDS_FOR
from ..refs import Ref
from .records import hints
from .typeddicts import extra_type
from .typeforms import NONE, Scope, is_recursive, is_union, strip, substitute, variables_of

Fits = Callable[[Any, bool], bool]

LISTS: dict[Any, tuple[type, ...]] = {
    list: (list,),
    collections.abc.MutableSequence: (list,),
    collections.abc.Sequence: (list, tuple, collections.deque),
    collections.abc.Iterable: (list,),
    set: (set,),
    collections.abc.MutableSet: (set,),
    frozenset: (frozenset,),
    collections.abc.Set: (frozenset,),
    collections.deque: (collections.deque,),
}
MAPS: dict[Any, tuple[type, ...]] = {
    dict: (dict,),
    collections.abc.Mapping: (dict,),
    collections.abc.MutableMapping: (dict,),
    collections.OrderedDict: (collections.OrderedDict,),
    collections.defaultdict: (collections.defaultdict,),
    collections.Counter: (collections.Counter,),
}


class Shape(NamedTuple):
    """A type's values: their classes (() for any), and whether a value fits, exactly or not.

    `deep`: `fits` looks at more than the class.
    """

    classes: tuple[type, ...]
    fits: Fits
    deep: bool = False


def by_class(*classes: type) -> Shape:
    """A type whose values are told by their class."""

    def fits(value: Any, exact: bool) -> bool:
        return value.__class__ in classes if exact else isinstance(value, classes)

    return Shape(classes, fits)


def shape_of(tp: Any, scope: Scope) -> Shape:
    """The shape of `tp`'s values."""
    tp = STANDS_FOR.get(tp, tp) if isinstance(tp, collections.abc.Hashable) else tp
    if is_recursive(tp, scope) or tp in ANY:
        return Shape((), lambda value, exact: True)
    tp, scope, _ = strip(tp, scope)
    if tp in ANY:
        return Shape((), lambda value, exact: True)
    if tp in NONE:
        return by_class(type(None))
    if tp is MISSING:
        return by_class(type(MISSING))
    if is_union(tp):
        return _any_of([shape_of(arm, scope) for arm in typing.get_args(tp)])
    origin = typing.get_origin(tp) or tp
    if origin is Literal:
        return _literal(typing.get_args(tp))
    if origin in LISTS:
        return _collection(LISTS[origin], typing.get_args(tp), scope)
    if origin in MAPS:
        return _mapping(MAPS[origin], typing.get_args(tp), scope)
    if origin is Ref:
        return _reference(substitute(tp, scope))
    if origin is tuple:
        return _tuple(typing.get_args(tp), scope)
    if typing_extensions.is_typeddict(origin):
        return _typed_dict(tp, scope)
    if typing.get_args(tp) and (dataclasses.is_dataclass(origin) or hasattr(origin, "_fields")):
        return _generic(tp, origin, scope)
    if isinstance(origin, type):
        stands = STANDS_FOR.get(origin)
        if stands is not None and stands is not origin:
            return shape_of(stands, scope)
        if origin is float:
            return by_class(float)
        if issubclass(origin, enum.Enum) and scope.enum_values:
            values = {(type(m.value), m.value) for m in origin if isinstance(m.value, collections.abc.Hashable)}
            classes = tuple(dict.fromkeys([origin, *(kind for kind, _ in values)]))
            return Shape(classes, lambda v, exact: isinstance(v, classes), True)
        return by_class(*BY_TYPE[origin].types) if origin in BY_TYPE else by_class(origin)
    return Shape((), lambda value, exact: True)


def _reference(tp: Any) -> Shape:
    cls = next(iter(typing.get_args(tp)), None)

    def fits(value: Any, exact: bool) -> bool:
        return bool(value._cls is cls if type(value) is Ref else value.__class__ is cls)

    return Shape((Ref,) if cls is None else (Ref, cls), fits, True)


def _any_of(shapes: list[Shape]) -> Shape:
    classes = tuple(dict.fromkeys(cls for shape in shapes for cls in shape.classes))
    if any(not shape.classes for shape in shapes):
        classes = ()
    return Shape(classes, lambda v, exact: any(s.fits(v, exact) for s in shapes), any(s.deep for s in shapes))


def _literal(values: tuple[Any, ...]) -> Shape:
    known = {(value.__class__, value) for value in values}
    classes = tuple(dict.fromkeys(value.__class__ for value in values))
    return Shape(classes, lambda v, exact: v.__class__ in classes and (v.__class__, v) in known, True)


def _items(shape: Shape, values: Any, exact: bool) -> bool:
    fits = shape.fits
    return all(fits(item, exact) for item in values)


def _plain_class(value: Any) -> Any:
    """The class that a lazy collection stands for."""
    return dict if isinstance(value, collections.abc.Mapping) else list


def _outer(value: Any, classes: tuple[type, ...], exact: bool) -> bool:
    if is_lazy_collection(value):
        return _plain_class(value) in classes
    return value.__class__ in classes if exact else isinstance(value, classes)


def _collection(classes: tuple[type, ...], args: tuple[Any, ...], scope: Scope) -> Shape:
    if not args:
        return Shape(classes, lambda v, exact: _outer(v, classes, exact))
    item = shape_of(args[0], scope)
    return Shape(classes, lambda v, exact: _outer(v, classes, exact) and _items(item, v, exact), True)


def _mapping(classes: tuple[type, ...], args: tuple[Any, ...], scope: Scope) -> Shape:
    if not args:
        return Shape(classes, lambda v, exact: _outer(v, classes, exact))
    key = shape_of(args[0], scope)
    item = shape_of(args[1] if len(args) > 1 else int, scope)

    def fits(value: Any, exact: bool) -> bool:
        if not _outer(value, classes, exact):
            return False
        return _items(key, value, exact) and _items(item, value.values(), exact)

    return Shape(classes, fits, True)


def _tuple(args: tuple[Any, ...], scope: Scope) -> Shape:
    if not args:
        return by_class(tuple)
    if len(args) == 2 and args[1] is Ellipsis:
        return _collection((tuple,), args[:1], scope)
    if args == ((),):
        args = ()
    shapes = [shape_of(arg, scope) for arg in args]

    def fits(value: Any, exact: bool) -> bool:
        if not _outer(value, (tuple,), exact) or len(value) != len(shapes):
            return False
        return all(shape.fits(item, exact) for shape, item in zip(shapes, value, strict=True))

    return Shape((tuple,), fits, True)


def _typed_dict(tp: Any, scope: Scope) -> Shape:
    origin = typing.get_origin(tp) or tp
    types = hints(origin, scope)
    extra = extra_type(origin, scope)
    inner = scope.within(variables=variables_of(tp, scope), aliases=(*scope.aliases, tp))
    shapes: dict[str, Shape] = {}  # empty, or complete: other threads read it

    def fits(value: Any, exact: bool) -> bool:
        nonlocal shapes
        if not _outer(value, (dict,), exact) or not origin.__required_keys__ <= value.keys():
            return False
        if extra is NoExtraItems and not value.keys() <= types.keys():
            return False
        if not shapes:
            other = shape_of(Any if extra is NoExtraItems else extra, inner)
            shapes = {"": other, **{name: shape_of(kind, inner) for name, kind in types.items()}}
        return all(shapes.get(name, shapes[""]).fits(item, exact) for name, item in value.items())

    return Shape((dict,), fits, True)


def _generic(tp: Any, origin: Any, scope: Scope) -> Shape:
    """A generic dataclass or named tuple with arguments: only the fields tell which."""
    names = origin._fields if issubclass(origin, tuple) else [field.name for field in dataclasses.fields(origin)]
    types = hints(origin, scope)
    inner = scope.within(variables=variables_of(tp, scope), aliases=(*scope.aliases, tp))
    shapes: dict[str, Shape] = {}  # empty, or complete: other threads read it

    def fits(value: Any, exact: bool) -> bool:
        nonlocal shapes
        if not (value.__class__ is origin if exact else isinstance(value, origin)):
            return False
        if not shapes:
            shapes = {name: shape_of(types.get(name, Any), inner) for name in names}
        return all(shapes[name].fits(getattr(value, name), exact) for name in names if hasattr(value, name))

    return Shape((origin,), fits, True)


class Chooser:
    """Picks the index of a value's arm; the last arm (packed) when none fits."""

    __slots__ = ("fallback", "known", "shapes")

    def __init__(self, shapes: list[Shape], fallback: int) -> None:
        self.shapes = shapes
        self.fallback = fallback
        # Classes that one arm alone has, and that say all: no need to look inside.
        owners: dict[type, list[int]] = {}
        for index, shape in enumerate(shapes):
            for cls in shape.classes:
                owners.setdefault(cls, []).append(index)
        anything = any(not shape.classes for shape in shapes)
        self.known: dict[type, int] = {
            cls: found[0]
            for cls, found in owners.items()
            if len(found) == 1 and not anything and not (shapes[found[0]].deep and _literal_like(shapes[found[0]]))
        }
        # None is no arm's: an OPTIONAL around the union says where it stands.
        self.known[type(None)] = -1

    def __call__(self, value: Any) -> int:
        found = self.known.get(value.__class__)
        return found if found is not None else self.search(value)

    def search(self, value: Any) -> int:
        """The first arm that fits exactly, then by inheritance; then the fallback."""
        if is_lazy_collection(value):
            known = self.known.get(_plain_class(value))
            if known is not None:
                return known
        for exact in (True, False):
            for index, shape in enumerate(self.shapes):
                try:
                    if shape.fits(value, exact):
                        return index
                except (TypeError, AttributeError, RecursionError):
                    continue
        return self.fallback


def _literal_like(shape: Shape) -> bool:
    return not any(cls in LISTS or cls in MAPS or cls is tuple for cls in shape.classes)


@dataclasses.dataclass(frozen=True, slots=True)
class Accept:
    """Whether the arm `index` stores a value; `chooser` gives the index of the arm at once."""

    chooser: Chooser
    index: int

    def __call__(self, value: Any) -> bool:
        return self.chooser(value) == self.index


def arms_of(types: list[tuple[Any, Scope]], last: Callable[[list[Column]], Column]) -> list[tuple[Accept, Column]]:
    """The arms of a union of `types`, without None and Any. The `last` one packs all others."""
    shapes = [shape_of(tp, scope) for tp, scope in types]
    chooser = Chooser(shapes, len(shapes))
    columns = [scope.column(tp) for tp, scope in types]
    return [(Accept(chooser, index), column) for index, column in enumerate([*columns, last(columns)])]


def flatten(tp: Any, scope: Scope) -> list[tuple[Any, Scope]]:
    """The arms of a union and their scopes, each once; nested unions are taken apart."""
    out: list[tuple[Any, Scope]] = []
    for arm in typing.get_args(tp):
        if is_recursive(arm, scope):
            out.append((Any, scope))
            continue
        bare, inner, _ = strip(arm, scope)
        found = flatten(bare, inner) if is_union(bare) else [(arm, scope)]
        out += (each for each in found if all(each[0] != known[0] for known in out))
    return out
