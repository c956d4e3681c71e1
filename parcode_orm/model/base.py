"""`Model`: the Pydantic base class whose instances can be stored."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Self, cast

from pydantic import BaseModel, Field, GetCoreSchemaHandler, PrivateAttr
from pydantic._internal._model_construction import ModelMetaclass
from pydantic_core import CoreSchema, PydanticSerializationError
from pydantic_core import core_schema as cs
from typing_extensions import dataclass_transform

from parcode_orm.codec.types.compile import struct_for
from parcode_orm.codec.types.marks import as_returned, building, marks_last
from parcode_orm.codec.types.schema import known
from parcode_orm.codec.views.build import FullSet
from parcode_orm.errors import ParcodeError, UnsupportedTypeError
from parcode_orm.model.fields import Chunk, ShardedMap
from parcode_orm.model.handles import HasHandles
from parcode_orm.model.keys import Index, Key, check_keys
from parcode_orm.model.plain import LazyModel, deep_plain, shallow_plain

__all__ = ["Model", "ModelMeta", "on_complete"]

on_complete: list[Callable[[type[Any]], object]] = []  # what the floors above do with a class that can be stored
fields_of_queries: list[Callable[[type[Any], str], Any]] = []  # what they make of `Player.level`; the first gives it

_set_fields_set = BaseModel.__dict__["__pydantic_fields_set__"].__set__


@dataclass_transform(kw_only_default=True, field_specifiers=(Field, PrivateAttr, Chunk, ShardedMap, Key, Index))
class ModelMeta(ModelMetaclass):
    """Pydantic's metaclass, for which our markers are field specifiers and lazy classes do not exist.

    A field is an attribute of its class, too: `Player.level` is an expression of a query. Pydantic, which asks classes
    for defaults and for what a field would hide, finds none.
    """

    if not TYPE_CHECKING:

        def __getattr__(cls, name: str) -> Any:
            fields = cls.__dict__.get("__pydantic_fields__", ())
            if name in fields and not sys._getframe(1).f_globals.get("__name__", "").startswith("pydantic."):
                for find in fields_of_queries:
                    return find(cls, name)
            return super().__getattr__(name)

    def __subclasses__(cls) -> list[Any]:
        found: list[Any] = super().__subclasses__()
        return [each for each in found if not issubclass(each, LazyModel)]


# Above the class: defining `Model` itself already calls its hooks.
def _serialize_exactly(value: Any, handler: cs.SerializerFunctionWrapHandler) -> Any:
    return handler(shallow_plain(value) if isinstance(value, LazyModel) else value)


def _refuse_bare_markers(cls: type[BaseModel]) -> None:
    """`= Chunk` would make the function the default, and `Annotated[..., Chunk]` would say nothing to Pydantic."""
    for name, info in cls.__pydantic_fields__.items():
        for marker in (Chunk, ShardedMap, Key, Index):
            if info.default is marker or any(item is marker for item in info.metadata):
                raise UnsupportedTypeError(f"{cls.__qualname__}.{name}: write {marker.__name__}(), with parentheses")


def _cause_in_json(dump: Callable[..., Any], options: dict[str, Any]) -> ParcodeError | None:
    """The error of ours that `model_dump_json(**options)` met: pydantic-core keeps its text alone."""
    try:
        dump(mode="json", **{name: value for name, value in options.items() if name not in ("indent", "ensure_ascii")})
    except PydanticSerializationError as problem:
        if isinstance(problem.__cause__, ParcodeError):
            return problem.__cause__
    return None


def _is_storable_class(cls: type[BaseModel]) -> bool:
    """False for `Model` itself and for a generic model that still has parameters: nothing of them is ever stored."""
    if cls.__pydantic_generic_metadata__["parameters"]:
        return False
    return any(isinstance(base, ModelMeta) for base in cls.__mro__[1:])


class Model(BaseModel, HasHandles, metaclass=ModelMeta):
    """A Pydantic model that can be stored in a Parcode file.

    It validates, dumps, copies, pickles and compares as a `BaseModel`. A field whose type cannot be stored raises
    `UnsupportedTypeError` when the class is defined.

    Private attributes are stored where their annotation names a type that can be. They are no declared data, and never
    keep an object from being saved: one without such an annotation, or with a value that cannot be stored (a lock, a
    parent that holds the object), has its default when the object is read again.
    """

    # `_p_state` is set on lazy objects alone: (struct view, row). Classes generated for lazy objects add no slot, so
    # that a plain object becomes lazy in place by assigning its class.
    __slots__ = ("__weakref__", "_p_state")

    @property
    def model_fields_set(self) -> set[str]:
        """The names of the fields that were set; the object's own set, which may be changed."""
        fields_set: set[str] = self.__pydantic_fields_set__
        if type(fields_set) is FullSet:
            fields_set = set(fields_set)
            _set_fields_set(self, fields_set)
        return fields_set

    def model_load(self) -> Self:
        """A deep copy that holds no lazy object: lists, dicts and models in it are plain, and not tracked.

        Raises:
            CorruptionError, DecodeError: something in it that has yet to be read cannot be.
        """
        return deep_plain(self)

    if not TYPE_CHECKING:  # type checkers see the options that Pydantic declares

        @wraps(BaseModel.model_dump)
        def model_dump(self, **options: Any) -> dict[str, Any]:
            try:
                return super().model_dump(**options)
            except PydanticSerializationError as problem:
                if isinstance(problem.__cause__, ParcodeError):
                    raise problem.__cause__ from None
                raise

        @wraps(BaseModel.model_dump_json)
        def model_dump_json(self, **options: Any) -> str:
            try:
                return super().model_dump_json(**options)
            except PydanticSerializationError as problem:
                cause = _cause_in_json(super().model_dump, options)
                if cause is None:
                    raise
                raise cause from problem

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        _refuse_bare_markers(cls)
        marks_last(cls)
        with building(cls):
            schema = handler(source)
        if any(getattr(base, "__pydantic_fields__", None) for base in cls.__mro__[1:]):
            # In Union[Base, Derived] the serializer asks for exact classes first, and the class of a lazy Derived is
            # neither: it would be dumped as a Base.
            model = cast(dict[str, Any], handler.resolve_ref_schema(schema))
            if model["type"] == "model" and "serialization" not in model:
                plain = cast(CoreSchema, dict(model))
                model["serialization"] = cs.wrap_serializer_function_ser_schema(
                    _serialize_exactly, return_schema=as_returned(plain)
                )
        return schema

    @classmethod
    def __pydantic_on_complete__(cls) -> None:
        super().__pydantic_on_complete__()
        if _is_storable_class(cls):
            check_keys(cls)
            known(struct_for(cls))
            for prepare in on_complete:
                prepare(cls)
