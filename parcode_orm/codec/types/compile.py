"""From annotations to columns: `column_for` a field, `struct_for` a class.

What Pydantic accepts and can be stored is compiled; what cannot (functions, types, open files,
classes that do not say how they are dumped) is refused when the class is defined, by an error that
names field and type and what to do.
"""

from __future__ import annotations

import collections
import collections.abc
import enum
import typing
from collections.abc import Callable, Iterable
from copy import copy
from functools import partial
from inspect import getattr_static
from typing import Any, Literal

from pydantic import MISSING, ConfigDict, ImportString, SkipValidation

from ...errors import UnsupportedTypeError
from ..aliases import union_of
from ..base import Column
from ..classes import convert, named
from ..classes.alike import has_no_equality
from ..classes.named import ANY
from ..classes.registry import hook_of, register, register_parts
from ..columns.arrays import ArrayColumn, array_dtype
from ..columns.boundary import ChunkColumn
from ..columns.fallback import FallbackColumn, or_default
from ..columns.lenient import LenientColumn, may_convert
from ..columns.physical import spelled as spelled_value
from ..columns.scalars import BoolColumn, IntColumn, NoneColumn
from ..columns.struct import StructColumn
from ..columns.text import BytesColumn, TextColumn
from ..columns.tuples import TupleColumn, UnionColumn
from ..columns.wrappers import ConvertColumn, OptionalColumn
from ..packed.custom import annotated, custom_parts
from ..packed.frames import frame_parts
from ..packed.ways import Way, of_type
from ..refs import Ref
from ..schema import fingerprint_of
from ..vectors import Vector, dtype_of, vector_in
from . import plans
from .arm_order import in_order
from .containers import collection, mapping
from .key_types import check_key_type
from .marks import Mark, find_mark, item_spec
from .plans import is_struct_class, model_column
from .refs import ref_column
from .simple import PACKED, SIMPLE, inner_column
from .typeforms import NONE, Scope, is_recursive, is_union, spelled, strip, substitute
from .unions import LISTS, MAPS, arms_of, flatten

__all__ = ["column_for", "compile_type", "fingerprint_of", "struct_for"]

IN_MEMORY = (type, memoryview, ImportString)
# Classes made at run time may say "abc".
_SYSTEM = ("typing", "types", "collections.abc", "io", "abc", "contextlib")


def column_for(
    annotation: Any,
    owner: str,
    field: str,
    metadata: Iterable[Any] = (),
    config: ConfigDict | None = None,
    way: Way | None = None,
    default: Any = ...,
    **options: Any,
) -> Column:
    """The column of a field: `annotation` and `metadata` as in `FieldInfo`, `owner` the class.

    `way`: the field's own through Pydantic, where it has validators that may give values of another
    type. What a lazy collection takes into a marked field is validated under the class's `config`.

    Raises:
        UnsupportedTypeError: its values cannot be stored.
    """
    found = list(metadata)
    mark = find_mark(found)
    scope = Scope(owner, field, COMPILER, marked=mark is not None, **options)
    bare = [item for item in found if not isinstance(item, Mark)]
    column = or_default(with_metadata(annotation, bare, scope, way), default)
    if mark is None:
        return column
    items = item_spec(owner, field, annotation, config or {}, bare)
    if items is not None and items.kind == "map":
        check_key_type(items.args[0], scope)
    return ChunkColumn(column, mark.compression, mark.kind, items)


def with_metadata(tp: Any, metadata: list[Any], scope: Scope, way: Way | None = None) -> Column:
    """Compile `tp`; a core schema in `metadata` counts where `tp` alone is unknown.

    `way` is that of the whole field, where its class has validators for it.
    """
    mark = find_mark(metadata)
    if mark is not None:
        scope.refuse(tp, f"{mark.spelling} may stand only directly on a field")
    vector = vector_in(Any, metadata)
    if vector is not None:
        column = with_metadata(tp, [item for item in metadata if not isinstance(item, Vector)], scope, way)
        return of_length(column, vector, tp, scope)
    if not may_convert(metadata):
        column = compile_type(tp, scope)
        return column if way is None else LenientColumn(column, way)
    whole = annotated(substitute(tp, scope), metadata)
    if is_unknown_class(tp):
        parts = custom_parts(whole, scope.place)
        if parts is not None:
            register_parts(tp, parts)
            return converted(parts, scope)
    try:
        column = compile_type(tp, scope)
    except UnsupportedTypeError:  # a validator and a serializer may make anything of a type
        unchecked = any(SkipValidation in (item, type(item)) for item in metadata)
        parts = None if unchecked else custom_parts(whole, scope.place)
        if parts is None:
            raise
        return converted(parts, scope)
    return LenientColumn(column, way or of_type(whole, f"{scope.place}: {spelled(tp)}"))


def of_length(column: Column, vector: Vector, tp: Any, scope: Scope) -> Column:
    """`column`, of arrays or of arrays and None, as one of vectors."""
    found: Any = copy(column)
    if isinstance(found, ArrayColumn):
        present = [arm for arm, _ in flatten(tp, scope) if arm not in NONE] if is_union(tp) else [tp]
        return ArrayColumn(dtype_of(vector, substitute(present[0], scope)).str, vector)
    if not isinstance(found, OptionalColumn | LenientColumn):
        scope.refuse(tp, f"{vector!r} is for arrays")
    found.inner = of_length(found.inner, vector, tp, scope)
    limited: Column = found
    return limited


def compile_type(tp: Any, scope: Scope) -> Column:
    """The column for values of `tp`, which stands in `scope`."""
    if is_recursive(tp, scope):
        return PACKED  # a recursive alias: what is below this point is packed
    tp, scope, metadata = strip(tp, scope)
    if metadata:
        return with_metadata(tp, metadata, scope)
    if tp in ANY:
        return PACKED
    if tp in NONE:
        return NoneColumn()
    if tp is MISSING:
        return PACKED
    if is_union(tp):
        return union(tp, scope)
    origin = typing.get_origin(tp) or tp
    if origin is Literal:
        return literal(typing.get_args(tp), scope)
    if origin in (list, set, frozenset, tuple, collections.deque) or origin in LISTS:
        return collection(origin, typing.get_args(tp), scope)
    if origin in MAPS:
        return mapping(origin, typing.get_args(tp), scope)
    if not isinstance(origin, type):
        parts = custom_parts(substitute(tp, scope), scope.place)
        if parts is None:
            scope.refuse_kind(tp, "no values of this type are known")
        return converted(parts, scope)
    return class_column(tp, origin, scope)


def class_column(tp: Any, cls: type, scope: Scope) -> Column:
    """The column for a class, or a generic class with its arguments."""
    if issubclass(cls, Ref):
        return ref_column(tp, scope)
    simple = SIMPLE.get(cls)
    if simple is not None:
        return simple
    hook = hook_of(cls) or frame_parts(cls)
    if hook is not None:
        return converted(hook, scope)
    stands = named.STANDS_FOR.get(cls)
    if stands is not None and stands is not cls:
        return compile_type(stands, scope)
    conversion = convert.BY_TYPE.get(cls)
    if conversion is not None:
        inner = inner_column(conversion.inner)
        return ConvertColumn(inner, conversion.name, conversion.types, conversion.to_stored, conversion.from_stored)
    if issubclass(cls, enum.Enum):
        return enum_column(cls, scope)
    if is_struct_class(cls):
        return model_column(tp, scope)
    if cls.__module__.partition(".")[0] == "numpy":
        return numpy_column(tp, cls, scope)
    parts = named.known_class(cls, tp)
    if parts is not None:
        if issubclass(cls, named.KNOWN):
            register(cls)
        return converted(parts, scope)
    return foreign_class(tp, cls, scope)


def foreign_class(tp: Any, cls: type, scope: Scope) -> Column:
    """A class of the user's own or of another package, or one that cannot be stored."""
    own = hasattr(cls, "__get_pydantic_core_schema__")
    if cls in IN_MEMORY or (cls.__module__ in _SYSTEM and not own):
        scope.refuse_kind(tp, "values of this kind live only in memory")
    parts = custom_parts(substitute(tp, scope), scope.place)
    if parts is not None:
        register_parts(cls, parts)
    else:
        parts = named.builtin_subclass(cls)
        if parts is not None:
            register(cls)
            arms = [(partial(is_exactly, cls), converted(parts, scope)), (partial(is_no, cls), PACKED)]
            return UnionColumn(arms) if own else arms[0][1]
    if parts is None:
        scope.refuse(
            tp,
            "the class does not say how its values are dumped; make it a Model or a dataclass, give it "
            "__get_pydantic_core_schema__ with a validator and a serializer, or annotate the field with Annotated["
            f"{cls.__name__}, ...] that brings both; of a class that is not yours, call parcode_orm.register_type("
            f"{cls.__name__}, encode=..., decode=...) first; or keep it in a PrivateAttr()",
        )
    return converted(parts, scope)


def is_exactly(cls: type, value: Any) -> bool:
    """Whether `value` is an instance of `cls`."""
    return isinstance(value, cls)


def is_no(cls: type, value: Any) -> bool:
    """The contrary of `is_exactly`; None is neither's."""
    return value is not None and not isinstance(value, cls)


def is_unknown_class(tp: Any) -> bool:
    """Whether `tp` is a class that we know nothing about."""
    return (
        isinstance(tp, type)
        and tp not in SIMPLE
        and tp not in convert.BY_TYPE
        and tp not in named.STANDS_FOR
        and tp not in ANY
        and tp not in LISTS
        and tp not in MAPS
        and tp is not tuple
        and not is_struct_class(tp)
        and not issubclass(tp, enum.Enum)
        and named.known_class(tp, tp) is None
    )


def converted(parts: named.Parts, scope: Scope) -> Column:
    """A `ConvertColumn` from its parts."""
    inner, name, types, to_stored, from_stored = parts
    column = scope.column(inner)
    if isinstance(column, OptionalColumn | NoneColumn):  # a None inside would read as one outside
        column = TupleColumn([column])
        return ConvertColumn(
            column,
            name,
            types,
            lambda values: [(stored,) for stored in to_stored(values)],
            lambda values: from_stored([stored for (stored,) in values]),
        )
    return ConvertColumn(column, name, types, to_stored, from_stored)


def enum_column(cls: type[enum.Enum], scope: Scope) -> Column:
    """Members by name; with `use_enum_values`, values by themselves."""
    if not cls.__members__:  # a base of enums: its values say which
        return PACKED
    register(cls)
    column = converted(named.enum_conversion(cls), scope)
    if isinstance(column, ConvertColumn):
        members = [[spelled_value(name), spelled_value(each.value)] for name, each in cls.__members__.items()]
        column.about = {"flags" if issubclass(cls, enum.Flag) else "members": members}
    by_value = not issubclass(cls, enum.Flag) and not has_no_equality(cls)
    if by_value and getattr_static(cls, "_missing_") is not getattr_static(enum.Enum, "_missing_"):
        # Members by value.
        column = LenientColumn(column, of_type(cls, f"{scope.place}: {cls.__qualname__}"))
    if not scope.enum_values:
        return column
    return UnionColumn([(partial(is_exactly, cls), column), (partial(is_no, cls), PACKED)])


def union(tp: Any, scope: Scope) -> Column:
    """`X | Y`, discriminated or not: the value itself shows which arm it is."""
    arms = flatten(tp, scope)
    if any(arm in ANY for arm, _ in arms):
        return PACKED
    rest = in_order([(arm, inner) for arm, inner in arms if strip(arm, inner)[0] not in NONE])
    if len(rest) == 1:
        column = rest[0][1].column(rest[0][0])
    else:
        way = of_type(substitute(tp, scope), f"{scope.place}: {spelled(tp)}")

        def last(arms: list[Column]) -> Column:
            takes_any = any(isinstance(arm, ConvertColumn) and arm.types == (object,) for arm in arms)
            return FallbackColumn(PACKED, way, "any", checked=not takes_any)

        column = UnionColumn(arms_of(rest, last))
    takes_none = len(rest) == len(arms) or (isinstance(column, OptionalColumn) and column.declared)
    return column if takes_none else OptionalColumn(column)


def literal(values: tuple[Any, ...], scope: Scope) -> Column:
    """`Literal[...]`: as the types of its values."""
    classes = list(dict.fromkeys(value.__class__ for value in values))
    if len(classes) == 1:
        return only(scope.column(classes[0]), values)
    arms = [
        cls if cls is type(None) else Literal.__getitem__(tuple(value for value in values if value.__class__ is cls))
        for cls in classes
    ]
    return union(union_of(arms), scope)


def only(column: Column, values: tuple[Any, ...]) -> Column:
    """`column`, whose schema says that it holds `values` alone."""
    found: Any = copy(column)
    if isinstance(found, IntColumn | BoolColumn | TextColumn | BytesColumn):
        found.literal = values
    elif isinstance(found, ConvertColumn):
        found.about = {**found.about, "literal": sorted(spelled_value(value.name) for value in values)}
    elif isinstance(found, LenientColumn):
        found.inner = only(found.inner, values)
    elif isinstance(found, UnionColumn):
        (accept, first), *others = found.arms
        found.arms = [(accept, only(first, values)), *others]
    limited: Column = found
    return limited


def numpy_column(tp: Any, cls: type, scope: Scope) -> Column:
    """Arrays of any dtype and shape, and numpy's scalars."""
    import numpy as np

    if issubclass(cls, np.ndarray):
        return ArrayColumn(array_dtype(tp))
    if issubclass(cls, np.generic):
        if cls.__name__ in {*map("int{}".format, (8, 16, 32, 64)), *map("uint{}".format, (8, 16, 32, 64))}:
            to_int, build = convert.each(int), convert.rebuilt(cls.__name__, cls)
            return ConvertColumn(SIMPLE[int], f"numpy {cls.__name__}", (cls,), to_int, build)
        if cls is np.float64:
            return ConvertColumn(SIMPLE[float], "numpy float64", (cls,), convert.each(float), convert.each(np.float64))
        return PACKED
    return scope.refuse_kind(tp, "no values of this type are known")


class _Compiler:
    """What the modules that this one stands on need of it, as types stand inside types."""

    compile_type = staticmethod(compile_type)
    column_for = staticmethod(column_for)

    def struct_for(self, cls: Any) -> StructColumn:
        return plans.struct_for(self, cls)

    def complete_waiting(self) -> None:
        plans.complete_waiting()


COMPILER = _Compiler()
# Without a frame of its own.
struct_for: Callable[[Any], StructColumn] = partial(plans.struct_for, COMPILER)
