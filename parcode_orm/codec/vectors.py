"""`Vector`: says in an annotation how many numbers the arrays of a field have."""

from __future__ import annotations

import typing
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core import core_schema as cs
from typing_inspection.introspection import AnnotationSource, inspect_annotation, is_union_origin

from ..errors import UnsupportedTypeError, told
from .aliases import unaliased

if TYPE_CHECKING:
    from numpy import dtype
    from numpy.typing import NDArray

__all__ = ["Vector", "dtype_of", "misfit", "vector_in"]

_NUMBERS = "iuf"  # kinds of numpy's dtypes


class Vector:
    """The arrays of a field are vectors of `length` finite numbers: `Annotated[NDArray[np.float32], Vector(384)]`.

    Such a field takes lists and tuples of numbers, too, and needs no `arbitrary_types_allowed`. What it takes is copied
    to an array of the dtype that the annotation names, of float32 for a bare `np.ndarray`. JSON has a list of numbers.

    Raises:
        TypeError: `length` is no positive int.
        UnsupportedTypeError: when the class is defined, if the field is no array of ints or floats.
    """

    __slots__ = ("length",)

    def __init__(self, length: int) -> None:
        if type(length) is not int or length < 1:
            raise TypeError(f"Vector(length): length is 1 or more, not {told(length)}")
        self.length = length

    def __repr__(self) -> str:
        return f"Vector({self.length})"

    def __eq__(self, other: object) -> bool:
        return self.length == other.length if isinstance(other, Vector) else NotImplemented

    def __hash__(self) -> int:
        return hash((Vector, self.length))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        optional = is_union_origin(typing.get_origin(source))
        inner = [arm for arm in typing.get_args(source) if arm is not type(None)] if optional else [source]
        dtype = dtype_of(self, inner[0] if len(inner) == 1 else source)
        dump = cs.plain_serializer_function_ser_schema(_to_list, when_used="json-unless-none")
        schema = cs.no_info_plain_validator_function(
            partial(_validated, self.length, dtype),
            serialization=dump,
            metadata={"pydantic_js_functions": [self._json_schema]},
        )
        return cs.nullable_schema(schema) if optional else schema

    def _json_schema(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "number"}, "minItems": self.length, "maxItems": self.length}


def dtype_of(vector: Vector, source: Any) -> dtype[Any]:
    """The dtype of vectors that are annotated as `source`.

    Raises:
        UnsupportedTypeError: `source` is no type of arrays of ints or floats.
    """
    import numpy as np

    array = unaliased(source)
    origin = typing.get_origin(array) or array
    if isinstance(origin, type) and issubclass(origin, np.ndarray):
        scalars = [typing.get_args(arg) for arg in typing.get_args(array) if typing.get_origin(arg) is np.dtype]
        scalar = scalars[0][0] if scalars else np.float32
        found: dtype[Any] = np.dtype(np.float32 if scalar is Any else scalar)
        if found.kind in _NUMBERS:
            return found
    raise UnsupportedTypeError(
        f"{vector!r} may stand only in the Annotated[...] of an array of ints or floats, such as "
        f"Annotated[NDArray[np.float32], {vector!r}], and not in that of {source}"
    )


def _validated(length: int, dtype: dtype[Any], value: Any) -> NDArray[Any]:
    """`value` as a new array of `dtype`.

    Raises:
        PydanticCustomError: it is no vector of this length, or has a number that is not finite or not of `dtype`.
    """
    import numpy as np

    try:
        if not (isinstance(value, list | tuple) or hasattr(value, "__array__")):
            raise TypeError
        given = np.asarray(value)
    except (TypeError, ValueError):
        given = np.empty(1, object)
    if given.dtype.kind not in _NUMBERS and given.size:
        raise PydanticCustomError("vector_type", "Input should be a list or an array of numbers")
    if given.shape != (length,) or given.dtype.kind not in _NUMBERS:
        context = {"length": length, "shape": str(given.shape)}
        message = "Input should be a vector of {length} numbers, not an array of shape {shape}"
        raise PydanticCustomError("vector_length", message, context)
    with np.errstate(all="ignore"):
        found = given.astype(dtype)
    wrong = np.flatnonzero(~np.isfinite(found))
    if len(wrong) or (dtype.kind != "f" and not np.array_equal(found, given)):
        at = int(wrong[0]) if len(wrong) else int(np.flatnonzero(found != given)[0])
        context = {"at": at, "value": str(given[at]), "dtype": str(dtype)}
        raise PydanticCustomError("vector_value", "Number {at} is {value}, which is no finite {dtype}", context)
    return found


def misfit(vector: Vector, value: NDArray[Any]) -> str | None:
    """What a column wants in place of the array `value`; None if that is such a vector."""
    import numpy as np

    if value.shape != (vector.length,):
        return f"a vector of {vector.length} numbers"
    if value.dtype.kind not in _NUMBERS:
        return "a vector of ints or floats"
    return None if np.isfinite(value).all() else "a vector of finite numbers"


def _to_list(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def vector_in(annotation: Any, metadata: typing.Iterable[Any] = ()) -> Vector | None:
    """The `Vector` of a field, given its annotation and its metadata as a `FieldInfo` has them."""
    for item in metadata:
        if isinstance(item, Vector):
            return item
    found = inspect_annotation(annotation, annotation_source=AnnotationSource.ANY)
    own = next((item for item in found.metadata if isinstance(item, Vector)), None)
    if own is None and is_union_origin(typing.get_origin(found.type)):
        return next((each for arm in typing.get_args(found.type) if (each := vector_in(arm)) is not None), None)
    return own
