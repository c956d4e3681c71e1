"""`Mark`: what says that a field is stored apart, kept in `FieldInfo.metadata`.

A mark changes how its field is validated and dumped in one respect only: lazy collections pass
through unread, and an iterator becomes a one-shot `Stream`. Everything else, the JSON schema
included, is the plain field's.
"""

from __future__ import annotations

import contextvars
import typing
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, MutableMapping, MutableSequence, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, ForwardRef, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema
from pydantic_core import core_schema as cs
from typing_extensions import is_typeddict
from typing_inspection.introspection import AnnotationSource, inspect_annotation, is_union_origin

from parcode_orm.codec.entering import check_length, plain_items
from parcode_orm.codec.stream import ItemSpec, Stream
from parcode_orm.codec.types.typeforms import Scope, spelled, strip, substitute
from parcode_orm.errors import StreamConsumedError, UnsupportedTypeError, told

from ..base import is_lazy_collection

__all__ = ["FieldMark", "Mark", "as_returned", "building", "enter", "find_mark", "item_spec", "marks_last"]


_NOWHERE = Scope("a field", "its type")  # types are taken apart here, not compiled
_LISTS = (list, Sequence, MutableSequence)
_MAPS = (dict, Mapping, MutableMapping)
# Values of these types never come as lazy collections nor from iterators: their fields need no
# wrapping.
_WHOLE = (str, bytes, bytearray, int, float, complex, tuple, set, frozenset, BaseModel)


class FieldMark:
    """What stands in the metadata of a field of a Model, and nowhere else; `spelling` is how a user writes it."""

    __slots__ = ()
    spelling: str
    is_key = False  # of entities

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if handler.field_name is not None or _class_being_built(handler):
            self._owner(handler)
        return handler(source)

    def _owner(self, handler: GetCoreSchemaHandler) -> tuple[type[BaseModel], str]:
        """The Model class and field that this mark stands on; refuses a mark that stands anywhere else."""
        field = handler.field_name
        owner = _building.get()
        if owner is not None and field is not None:
            info = owner.__pydantic_fields__.get(field)
            if info is not None and any(mark is self for mark in info.metadata):
                return owner, field
        where = _class_being_built(handler)
        place = ".".join(part for part in (where, field) if part) or "a type"
        raise UnsupportedTypeError(
            f"{place}: {self.spelling} may stand only directly on a field of a parcode_orm.Model, as its default or in "
            "the outermost Annotated[...]; not on other classes, and not inside another type. (A Model that overrides "
            "__get_pydantic_core_schema__ has to call super().)"
        )


class Mark(FieldMark):
    """A field's storage: `kind` is "chunk" or "map", `compression` a name or None."""

    __slots__ = ("compression", "kind", "spelling")

    def __init__(self, kind: Literal["chunk", "map"], compression: str | None = None) -> None:
        if compression is not None and not isinstance(compression, str):
            raise TypeError(f"compression must be a name or None, not {told(compression)}")
        self.kind = kind
        self.compression = compression
        self.spelling = "ShardedMap()" if kind == "map" else "Chunk()"

    def __repr__(self) -> str:
        return f"Mark({self.kind!r}, compression={self.compression!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mark):
            return NotImplemented
        return (self.kind, self.compression) == (other.kind, other.compression)

    def __hash__(self) -> int:
        return hash((self.kind, self.compression))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if handler.field_name is None and not _class_being_built(handler):
            # A TypeAdapter over a field's annotation, as FastAPI makes one for OpenAPI: the plain
            # type.
            return handler(source)
        owner, field = self._owner(handler)
        schema = handler(source)
        kinds = [found[0] for found in _collections(source)]
        if self.kind == "map" and kinds != ["map"] and not _is_open(source):
            raise UnsupportedTypeError(
                f"{owner.__qualname__}.{field}: ShardedMap() is for a field of type dict, not {spelled(source)}; "
                "use Chunk() for other types"
            )
        if len(kinds) != 1 and not _may_be_lazy(source):
            return schema
        metadata = owner.__pydantic_fields__[field].metadata
        spec = item_spec(owner.__name__, field, source, owner.model_config, metadata)
        # JSON never holds lazies nor iterators, and a wrap validator would hand its inner schema
        # Python values in place of JSON ones, which strict mode and `val_json_bytes` tell apart.
        python = cs.no_info_wrap_validator_function(partial(_validate, spec), schema)
        dump = cs.wrap_serializer_function_ser_schema(
            _serializer(f"{owner.__name__}.{field}"), schema=schema, return_schema=as_returned(schema)
        )
        return cs.json_or_python_schema(schema, python, serialization=dump)


def as_returned(schema: CoreSchema | None = None) -> CoreSchema:
    """The schema of a wrap serializer's result, which `schema` has dumped already.

    Without it Pydantic infers how to dump what comes back: a dictionary, for an enum member that is
    a dataclass. In Python mode the inner serializer gives it back as it is; in JSON mode it
    consists of what JSON knows.
    """
    untouched = cs.any_schema(serialization=cs.to_string_ser_schema(when_used="json"))
    only_json = cs.wrap_serializer_function_ser_schema(_returned, schema=untouched, when_used="json")
    if schema is None:
        return cs.any_schema(serialization=only_json)
    return cs.any_schema(
        serialization=only_json, metadata={"pydantic_js_functions": [lambda _, handler: handler(schema)]}
    )


def _returned(value: Any, handler: cs.SerializerFunctionWrapHandler) -> Any:
    return value


_building: contextvars.ContextVar[type[BaseModel] | None] = contextvars.ContextVar("parcode_building", default=None)


@contextmanager
def building(cls: type[BaseModel]) -> Iterator[None]:
    """In the block, Pydantic builds the schema of `cls`, a Model: marks may stand on its fields."""
    token = _building.set(cls)
    try:
        yield
    finally:
        _building.reset(token)


def marks_last(cls: type[BaseModel]) -> None:
    """Move marks behind the constraints of their fields, which then see no lazies or streams."""
    for info in cls.__pydantic_fields__.values():
        if any(isinstance(item, Mark) for item in info.metadata):
            info.metadata = sorted(info.metadata, key=lambda item: isinstance(item, Mark))


def find_mark(metadata: Sequence[Any]) -> Mark | None:
    """The last mark in a field's metadata: that of a default follows an inherited `Annotated`'s."""
    return next((item for item in reversed(metadata) if isinstance(item, Mark)), None)


def item_spec(
    owner: str, field: str, annotation: Any, config: ConfigDict, metadata: Sequence[Any] = ()
) -> ItemSpec | None:
    """The items of a marked field; None unless its values are one kind of collection."""
    found = list(_collections(annotation, [item for item in metadata if not isinstance(item, Mark)]))
    return ItemSpec(owner, field, *found[0], config) if len(found) == 1 else None


def _validate(spec: ItemSpec | None, value: Any, handler: cs.ValidatorFunctionWrapHandler) -> Any:
    if is_lazy_collection(value):
        return handler(value) if spec is None else enter(spec, value, handler)
    if spec is not None and hasattr(type(value), "__next__"):
        return Stream(value, spec)
    if type(value) is Stream:
        return value if spec is None else value.for_field(spec)
    return handler(value)


def enter(spec: ItemSpec, value: Any, handler: Callable[[Any], Any]) -> Any:
    """A lazy collection for the field of `spec`: itself if known to be valid, else validated.

    Raises:
        ValidationError, PydanticKnownError: it is not valid there.
    """
    items: ItemSpec | None = value._p_items_
    if not spec.lazy or items is None or not spec.takes_all_of(items):
        return handler(plain_items(value))
    check_length(value, spec.metadata)
    return value


def _serializer(place: str) -> Callable[[Any, cs.SerializerFunctionWrapHandler], Any]:
    def serialize(value: Any, handler: cs.SerializerFunctionWrapHandler) -> Any:
        if is_lazy_collection(value):
            value = value.load()
        elif type(value) is Stream:
            raise StreamConsumedError(
                f"{place} holds an iterator that can be read once, and dumping would use it up: commit the object "
                "first, or assign a list"
            )
        return handler(value)

    serialize.__name__ = place  # Pydantic's messages name the function
    return serialize


def _strip(source: Any) -> tuple[Any, list[Any]]:
    """`source` unwrapped, with arguments filled in; and its metadata."""
    found = inspect_annotation(source, annotation_source=AnnotationSource.ANY)
    source, metadata = found.type, list(found.metadata)
    if isinstance(source, TypeVar | str | ForwardRef):
        return source, metadata
    bare, inside, more = strip(source, _NOWHERE)
    return substitute(bare, inside), [*more, *metadata]


def _collections(
    source: Any, metadata: Sequence[Any] = ()
) -> Iterator[tuple[Literal["list", "map"], tuple[Any, ...], list[Any], bool]]:
    """Kind, arguments, metadata, and laziness of each collection that `source` may be.

    The kind is "list" with (item,) or "map" with (key, value).
    """
    source, more = _strip(source)
    metadata = [*metadata, *more]
    origin = typing.get_origin(source) or source
    args = typing.get_args(source)
    if is_union_origin(origin):
        for each in args:
            yield from _collections(each, metadata)
    elif origin in _LISTS:
        yield "list", args or (Any,), metadata, True
    elif origin is Counter:
        yield "map", (args[0] if args else Any, int), metadata, False
    elif origin in _MAPS or (isinstance(origin, type) and issubclass(origin, dict) and not is_typeddict(origin)):
        yield "map", args if len(args) == 2 else (Any, Any), metadata, origin in _MAPS


def _is_open(source: Any) -> bool:
    """Whether the type is still to be filled in: the unparametrized form of a generic model."""
    return isinstance(_strip(source)[0], TypeVar)


def _may_be_lazy(source: Any) -> bool:
    source = _strip(source)[0]
    origin = typing.get_origin(source) or source
    return not (isinstance(origin, type) and issubclass(origin, _WHOLE))


def _class_being_built(handler: GetCoreSchemaHandler) -> str:
    """The name of the class whose schema is being built, for messages, or ""."""
    stack = getattr(getattr(handler, "_generate_schema", None), "model_type_stack", None)
    cls = stack.get() if stack is not None else None
    return getattr(cls, "__qualname__", "")
