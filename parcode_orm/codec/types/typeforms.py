"""Unwrapping of annotations: aliases, new types, type variables; and the scope of a type."""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Mapping
from typing import Any, ForwardRef, NoReturn, Protocol, TypeVar

import typing_extensions
from pydantic import BaseModel
from pydantic._internal._forward_ref import PydanticRecursiveRef
from pydantic._internal._generics import _GENERIC_TYPES_CACHE
from pydantic._internal._type_refs import model_type_ref
from typing_inspection import typing_objects
from typing_inspection.introspection import UNKNOWN, AnnotationSource, inspect_annotation, is_union_origin

from ...errors import UnsupportedTypeError
from ..aliases import union_of
from ..base import Column
from ..structs import Struct

NONE = (None, type(None))
# The classes whose columns are being compiled, from the outermost inwards.
BUILDING: list[type] = []


class Compiler(Protocol):
    """What compiles the types that stand inside others, and the classes that fields hold."""

    def compile_type(self, tp: Any, scope: Scope) -> Column:
        """The column for values of `tp`, which stands in `scope`."""

    def column_for(self, annotation: Any, owner: str, field: str, *args: Any, **options: Any) -> Column:
        """The column of a field."""

    def struct_for(self, cls: Any) -> Struct:
        """The column of a class."""

    def complete_waiting(self) -> None:
        """Try again to complete the classes that wait for a name."""


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """Where a type stands.

    `owner`.`field` for messages, what type variables stand for, the aliases being unrolled, whether
    a mark stands on the field, whether enums are stored as their values (`use_enum_values`),
    whether TypedDicts take keys beyond theirs (`extra="allow"` of what stands around them), and
    names for annotations that are text.
    """

    owner: str
    field: str
    compiler: Compiler | None = None  # None where types are only taken apart
    variables: Mapping[Any, Any] = dataclasses.field(default_factory=dict)
    aliases: tuple[Any, ...] = ()
    marked: bool = False
    enum_values: bool = False
    open: bool = False
    names: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def place(self) -> str:
        """Owner and field, for messages."""
        return f"{self.owner}.{self.field}"

    def column(self, tp: Any) -> Column:
        """Compile a type that stands inside the present one."""
        assert self.compiler is not None
        return self.compiler.compile_type(tp, dataclasses.replace(self, marked=False) if self.marked else self)

    def within(self, **changes: Any) -> Scope:
        """This scope with `changes`."""
        return dataclasses.replace(self, **changes)

    def refuse(self, tp: Any, why: str) -> NoReturn:
        """Raise `UnsupportedTypeError` for `tp`; `why` says what to do."""
        raise UnsupportedTypeError(f"{self.owner}.{self.field}: {spelled(tp)} cannot be stored: {why}")

    def refuse_kind(self, tp: Any, why: str) -> NoReturn:
        """Raise `UnsupportedTypeError` for `tp`, whose values nothing can dump."""
        owner = self.owner.partition("[")[0]
        self.refuse(
            tp,
            f"{why}; store what it is made from, leave it out with PrivateAttr(), or compute it with a property; where "
            f"{owner} is not yours, call parcode_orm.register_type({owner}, encode=..., decode=...) first",
        )


def spelled(tp: Any) -> str:
    """How a user writes `tp`."""
    if isinstance(tp, type) and not typing.get_args(tp):
        return tp.__qualname__
    return str(tp).replace("typing.", "").replace("collections.abc.", "").replace("NoneType", "None")


def strip(tp: Any, scope: Scope) -> tuple[Any, Scope, list[Any]]:
    """`tp` without wrappers, the scope inside them, and the metadata of `Annotated`.

    What is left is a class, a generic alias, a union, a `Literal`, `Any`, or something unknown.
    """
    metadata: list[Any] = []
    while True:
        found = inspect_annotation(tp, annotation_source=AnnotationSource.ANY)
        metadata = [*found.metadata, *metadata]
        if found.type is UNKNOWN:
            return Any, scope, metadata
        tp = found.type
        origin = typing.get_origin(tp)
        if typing_objects.is_newtype(tp):
            tp = tp.__supertype__
        elif typing_objects.is_typealiastype(tp) or typing_objects.is_typealiastype(origin):
            alias = tp if origin is None else origin
            parameters = getattr(alias, "__type_params__", ())
            given = dict(zip(parameters, (substitute(arg, scope) for arg in typing.get_args(tp)), strict=False))
            names = {**vars(sys.modules.get(alias.__module__, typing)), **scope.names, alias.__name__: alias}
            scope = scope.within(aliases=(*scope.aliases, tp), variables={**scope.variables, **given}, names=names)
            tp = evaluated(alias.__value__, names)
        elif isinstance(tp, TypeVar):
            tp = variable(tp, scope)
        elif isinstance(tp, PydanticRecursiveRef):
            tp = referred(tp, scope)
        elif getattr(bare := origin or tp, "_p_lazy_", False) is True:  # LazyList and LazyMap, as annotations
            kind: Any = dict if issubclass(bare, Mapping) else list
            tp = kind[typing.get_args(tp)] if origin is not None else kind
        elif isinstance(tp, (str, ForwardRef)):
            scope.refuse(tp, "the name is not defined yet; define the class before it is used, or call model_rebuild()")
        else:
            return tp, scope, metadata


def referred(ref: PydanticRecursiveRef, scope: Scope) -> Any:
    """The generic model that Pydantic left this reference for, inside the model itself."""
    for cls in (*reversed(BUILDING), *_GENERIC_TYPES_CACHE.values()):
        if issubclass(cls, BaseModel) and model_type_ref(cls) == ref.type_ref:
            return cls
    return scope.refuse(ref.type_ref.partition(":")[0], "the generic model that stands here in itself is not known yet")


def evaluated(tp: Any, names: Mapping[str, Any]) -> Any:
    """`tp` with its forward references resolved among `names`, unless one is unknown."""
    holder = type("holder", (), {"__annotations__": {"value": tp}})
    try:
        return typing_extensions.get_type_hints(holder, None, dict(names), include_extras=True)["value"]
    except NameError:
        return tp


def is_recursive(tp: Any, scope: Scope) -> bool:
    """Whether `tp` is an alias that is being unrolled already."""
    return any(alias == tp for alias in scope.aliases)


def variable(tp: TypeVar, scope: Scope) -> Any:
    """The meaning of a type variable: argument, default, bound, constraints, or Any."""
    if tp in scope.variables:
        found = scope.variables[tp]
        return Any if found is tp else found
    default = getattr(tp, "__default__", None)
    if default is not None and not typing_objects.is_nodefault(default):
        return default
    if tp.__bound__ is not None:
        return tp.__bound__
    return union_of(tp.__constraints__) if tp.__constraints__ else Any


def substitute(tp: Any, scope: Scope) -> Any:
    """`tp` with the type variables of `scope` filled in, wherever they stand in it."""
    if isinstance(tp, TypeVar):
        return scope.variables.get(tp, tp)
    names = getattr(tp, "__parameters__", ())
    if not names or isinstance(tp, type):
        return tp
    return tp[tuple(scope.variables.get(name, name) for name in names)]


def is_union(tp: Any) -> bool:
    """Whether `tp` is `X | Y`, `Union[X, Y]` or `Optional[X]`."""
    return is_union_origin(typing.get_origin(tp))


def variables_of(alias: Any, scope: Scope) -> dict[Any, Any]:
    """The meanings of a generic class's type parameters, bases included."""
    origin = typing.get_origin(alias) or alias
    args = tuple(substitute(arg, scope) for arg in typing.get_args(alias))
    found: dict[Any, Any] = dict(zip(getattr(origin, "__parameters__", ()), args, strict=False))
    for base in getattr(origin, "__orig_bases__", ()):
        if typing.get_args(base) and getattr(typing.get_origin(base), "__parameters__", ()):
            inner = variables_of(base, scope.within(variables=found))
            found = {**inner, **found}
    return found
