"""`Model`: the Pydantic base class whose instances can be stored."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from pydantic import BaseModel, Field, GetCoreSchemaHandler, PrivateAttr
from pydantic._internal._model_construction import ModelMetaclass
from pydantic_core import CoreSchema, PydanticSerializationError
from pydantic_core import core_schema as cs
from typing_extensions import dataclass_transform

from parcode_orm.codec.refs import share
from parcode_orm.codec.schema import known
from parcode_orm.codec.types.compile import struct_for
from parcode_orm.codec.types.marks import as_returned, building, marks_last
from parcode_orm.codec.views.build import FullSet
from parcode_orm.errors import ParcodeError, UnsupportedTypeError
from parcode_orm.model.backrefs import Backref
from parcode_orm.model.fields import Chunk, ShardedMap
from parcode_orm.model.fields import Field as NamedField
from parcode_orm.model.handles import HasHandles
from parcode_orm.model.indexes import indexes_of
from parcode_orm.model.keys import Index, Key, check_keys
from parcode_orm.model.plain import LazyModel, deep_plain, shallow_plain
from parcode_orm.model.references import setter_of
from parcode_orm.model.waiting import complete_waiting_for, wait

__all__ = ["Model", "ModelMeta", "on_complete"]

on_complete: list[Callable[[type[Any]], object]] = []  # called with each class that can be stored
fields_of_queries: list[Callable[[type[Any], str], Any]] = []  # the first gives the expression `Player.level`

_set_fields_set = BaseModel.__dict__["__pydantic_fields_set__"].__set__


@dataclass_transform(
    kw_only_default=True, field_specifiers=(Field, PrivateAttr, NamedField, Chunk, ShardedMap, Key, Index, Backref)
)
class ModelMeta(ModelMetaclass):
    """Pydantic's metaclass. It hides lazy classes, and type checkers take our markers for field specifiers.

    A field is an attribute of its class, too: `Player.level` is an expression of a query. Pydantic asks classes for
    defaults and for what a field would hide; it finds no expressions.
    """

    if not TYPE_CHECKING:

        def __init__(cls, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            wait(cls)

        def __getattr__(cls, name: str) -> Any:
            fields = cls.__dict__.get("__pydantic_fields__", ())
            if name in fields and not sys._getframe(1).f_globals.get("__name__", "").startswith("pydantic."):
                for find in fields_of_queries:
                    return find(cls, name)
            try:
                return super().__getattr__(name)
            except AttributeError:
                what = f"type object {cls.__name__!r} has no attribute {name!r}"
                raise AttributeError(what, name=name, obj=cls) from None

    def __subclasses__(cls) -> list[Any]:
        found: list[Any] = super().__subclasses__()
        return [each for each in found if not issubclass(each, LazyModel)]


# This stands above the class, because defining `Model` calls its hooks.
def _serialize_exactly(value: Any, handler: cs.SerializerFunctionWrapHandler) -> Any:
    return handler(shallow_plain(value) if isinstance(value, LazyModel) else value)


def _refuse_mistaken_fields(cls: type[BaseModel]) -> None:
    """Refuse what Pydantic would take for something else.

    `= Chunk` without parentheses would make the function the default. `pydantic.Field(renamed_from=...)` would put the
    earlier name into the JSON schema, and rows with that name would give the default.
    """
    for name, info in cls.__pydantic_fields__.items():
        for marker in (Chunk, ShardedMap, Key, Index):
            if info.default is marker or any(item is marker for item in info.metadata):
                raise UnsupportedTypeError(f"{cls.__qualname__}.{name}: write {marker.__name__}(), with parentheses")
        if isinstance(info.json_schema_extra, dict) and "renamed_from" in info.json_schema_extra:
            raise UnsupportedTypeError(
                f"{cls.__qualname__}.{name}: pydantic.Field does not know renamed_from: import Field from parcode_orm"
            )


def _cause_in_json(dump: Callable[..., Any], options: dict[str, Any]) -> ParcodeError | None:
    """Our error behind a failed `model_dump_json(**options)`: pydantic-core keeps only its text."""
    try:
        dump(mode="json", **{name: value for name, value in options.items() if name not in ("indent", "ensure_ascii")})
    except PydanticSerializationError as problem:
        if isinstance(problem.__cause__, ParcodeError):
            return problem.__cause__
    return None


def _is_storable_class(cls: type[BaseModel]) -> bool:
    """False for `Model` itself and for a generic model with open parameters: they have no instances to store."""
    if cls.__pydantic_generic_metadata__["parameters"]:
        return False
    return any(isinstance(base, ModelMeta) for base in cls.__mro__[1:])


class Model(BaseModel, HasHandles, metaclass=ModelMeta):
    """A Pydantic model that can be stored in a Parcode file.

    It validates, dumps, copies, pickles and compares as a `BaseModel`. A field whose type cannot be stored raises
    `UnsupportedTypeError` when the class is defined.

    Private attributes are stored, whatever their annotations. They never keep an object from being saved: an attribute
    whose value cannot be stored (a lock, a parent that holds the object) has its default when the object is read again.
    """

    # Only lazy objects set `_p_state`: (struct view, row). Generated lazy classes add no slot, so a plain object
    # becomes lazy in place when its class is assigned.
    __slots__ = ("__weakref__", "_p_state")

    __indexes__: ClassVar[tuple[Any, ...]] = ()
    """Indexes of an entity class that are of several fields, nested ones, or items: a tuple of `Index()`."""

    @property
    def model_fields_set(self) -> set[str]:
        """The names of the fields that were set. It is the object's own set, which may be changed."""
        fields_set: set[str] = self.__pydantic_fields_set__
        if type(fields_set) is FullSet:
            fields_set = set(fields_set)
            _set_fields_set(self, fields_set)
        return fields_set

    def model_load(self) -> Self:
        """A deep copy without lazy objects: its lists, dicts and models are plain, and no session tracks them.

        Raises:
            CorruptionError, DecodeError: a value that was not read before cannot be read.
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

    if not TYPE_CHECKING:

        def _setattr_handler(self, name: str, value: Any) -> Any:
            plain = super()._setattr_handler(name, value)  # checks what is frozen; it is asked once a name
            return None if plain is None else setter_of(self.__class__, name, plain)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        _refuse_mistaken_fields(cls)
        marks_last(cls)
        with building(cls):
            schema = handler(source)
        if any(getattr(base, "__pydantic_fields__", None) for base in cls.__mro__[1:]):
            # In Union[Base, Derived] the serializer looks for exact classes first. The class of a lazy Derived is
            # neither, so it would be dumped as a Base.
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
            indexes_of(cls)
            known(struct_for(cls))
            for info in cls.__pydantic_fields__.values():
                share(info.default)
            for prepare in on_complete:
                prepare(cls)
            complete_waiting_for(cls)
