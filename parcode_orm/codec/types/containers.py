"""From annotations of lists, tuples, sets, deques and dictionaries to columns."""

from __future__ import annotations

import collections
import collections.abc
import typing
from collections.abc import Callable
from types import GenericAlias
from typing import Any

from pydantic._internal._validators import get_defaultdict_default_default_factory
from pydantic.errors import PydanticSchemaGenerationError
from typing_inspection import typing_objects

from ..base import Column
from ..classes import convert
from ..columns.containers import DefaultDictColumn, ListColumn, MapColumn, SetColumn
from ..columns.lenient import SequenceColumn, sequence
from ..columns.tuples import TupleColumn
from ..columns.wrappers import ConvertColumn, OptionalColumn
from ..packed.ways import of_type
from .simple import PACKED, SIMPLE
from .typeforms import Scope, spelled, substitute
from .unions import LISTS


def collection(origin: Any, args: tuple[Any, ...], scope: Scope) -> Column:
    """Lists, tuples, sets, deques, and the abstract ones."""
    if origin is tuple:
        return tuple_column(args, scope)
    if origin is collections.abc.Iterable and not scope.marked:
        abstract: Any = origin
        scope.refuse(
            abstract[args] if args else origin,
            "Pydantic makes an iterator of it that can be read once; use list[...], or mark the field Chunk()",
        )
    item = scope.column(args[0]) if args else PACKED
    if origin is collections.abc.Sequence:
        tp = substitute(GenericAlias(origin, args) if args else origin, scope)
        found = sequence(item, of_type(tp, f"{scope.place}: {spelled(tp)}"))
        return SequenceColumn(ListColumn(item), found) if scope.marked else found
    kinds = LISTS[origin]
    if kinds == (collections.deque,):
        inner = TupleColumn([ListColumn(item), OptionalColumn(SIMPLE[int])])  # and the `maxlen`
        return ConvertColumn(inner, "deque", (collections.deque,), convert.put_deques, convert.get_deques)
    if kinds in ((set,), (frozenset,)):
        return SetColumn(item, kinds[0])
    return ListColumn(item)


def tuple_column(args: tuple[Any, ...], scope: Scope) -> Column:
    """`tuple`, `tuple[X, ...]`, `tuple[X, Y]`, `tuple[()]`."""
    if not args:
        return ListColumn(PACKED, tuple)
    if len(args) == 2 and args[1] is Ellipsis:
        return ListColumn(scope.column(args[0]), tuple)
    if any(typing_objects.is_unpack(typing.get_origin(arg)) for arg in args):
        return ListColumn(PACKED, tuple)
    return TupleColumn([scope.column(arg) for arg in args if arg != ()])


def mapping(origin: Any, args: tuple[Any, ...], scope: Scope) -> Column:
    """Dictionaries of every kind."""
    key = scope.column(args[0]) if args else PACKED
    if origin is collections.Counter:
        return MapColumn(key, SIMPLE[int], collections.Counter)
    value = scope.column(args[1]) if len(args) > 1 else PACKED
    if origin is collections.OrderedDict:
        return MapColumn(key, value, collections.OrderedDict)
    if origin is collections.defaultdict:
        factory = default_factory(substitute(args[1], scope) if args else Any)
        return DefaultDictColumn(key, value, factory)
    return MapColumn(key, value)


def default_factory(tp: Any) -> Callable[[], Any] | None:
    """The `default_factory` that Pydantic gives a `defaultdict` of `tp`, or None."""
    try:  # asking for the type's outermost part alone: what is inside may not be complete yet
        found: Callable[[], Any] | None = get_defaultdict_default_default_factory(tp)
    except PydanticSchemaGenerationError:
        return None
    return found
