"""`Model.lazy`: a field's value to be read in parts."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from pydantic import BaseModel

from parcode_orm.codec.base import BlobContent, is_lazy_collection
from parcode_orm.codec.kernels import loaded_numpy
from parcode_orm.codec.packed.arrays import check_shape, parse_meta
from parcode_orm.codec.packed.blobs import ARRAY, BYTEARRAY, BYTES, TEXT
from parcode_orm.codec.types.marks import find_mark
from parcode_orm.errors import called, told
from parcode_orm.model.arrays import LazyArray
from parcode_orm.model.blobs import LazyBytes, LazyText, Memory

__all__ = ["HasHandles"]

P = ParamSpec("P")
R = TypeVar("R")


class _InstanceMethod(Generic[P, R]):
    """A method of instances alone. A field may have its name, because Pydantic looks for defaults on the class."""

    def __init__(self, function: Callable[Concatenate[Any, P], R]) -> None:
        self.function = function
        function.__qualname__ = f"Model.{function.__name__}"  # messages about wrong arguments use this name
        self.__doc__ = function.__doc__

    def __get__(self, obj: Any, owner: Any = None) -> Callable[P, R]:
        if obj is None:
            raise AttributeError(f"{self.function.__name__} is a method of instances")
        return MethodType(self.function, obj)


class HasHandles:
    """The base of `Model` with `lazy`. It is no model, so Pydantic looks for no fields here."""

    __slots__ = ()

    def _p_unread_(self, name: str) -> Any:
        """The view of an unread value. None: a plain object holds all of its values."""
        return None

    @_InstanceMethod
    def lazy(self: Any, name: str) -> Any:
        """A handle to the value of the field `name`, to read the value in parts. Nothing is read now.

        A field marked `Chunk()` gives a `LazyBytes` for `bytes` and `bytearray`, a `LazyText` for a `str` and a
        `LazyArray` for a numpy array, whether the value lies in a file or in memory. Lists, dictionaries and models
        come as they are: lazy if they were read from a file. Other values of marked fields come whole.

        Raises:
            AttributeError: there is no such field.
            TypeError: the field is inline, and holds no list, dictionary or model; or `name` is no str.
            CorruptionError: the file is damaged.
        """
        cls = self.__class__
        if not isinstance(name, str):
            raise TypeError(f"lazy(name): name is that of a field, a str, not {called(name)}")
        field = cls.__pydantic_fields__.get(name)
        if field is None:
            raise AttributeError(f"{cls.__qualname__!r} object has no field {told(name)}")
        marked = find_mark(field.metadata) is not None
        unread = self._p_unread_(name) if marked else None
        blob = None if unread is None else unread.blob()
        if blob is not None:
            return _of_blob(*blob)
        value = getattr(self, name)
        if marked:
            return _of_value(value)
        if isinstance(value, list | dict | BaseModel) or is_lazy_collection(value):
            return value
        raise TypeError(
            f"{cls.__qualname__}.{name} is stored inline and read with its row, so there is no handle to it: read "
            f"the attribute, or mark the field Chunk()"
        )


def _of_value(value: Any) -> Any:
    """A handle to a value in memory; a value of another type itself."""
    cls = type(value)
    if cls is bytes or cls is bytearray:
        return LazyBytes(Memory(value), cls)
    if cls is str:
        return LazyText(Memory(value.encode("utf-8", "surrogatepass")))
    numpy = loaded_numpy()
    if numpy is not None and cls in (numpy.ndarray, numpy.memmap):
        return LazyArray(value.dtype, value.shape, array=value)
    return value


def _of_blob(blob: BlobContent, meta: bytes) -> LazyBytes | LazyText | LazyArray:
    """A handle to a blob in a file."""
    if meta == TEXT:
        return LazyText(blob)
    if meta[:1] == ARRAY:
        try:
            dtype, shape = parse_meta(meta[1:])
            check_shape(len(blob), dtype, shape)
        except (ValueError, TypeError) as problem:
            raise blob.error(f"blob does not decode: {problem}") from problem
        return LazyArray(dtype, shape, blob)
    if meta not in (BYTES, BYTEARRAY):
        raise blob.error(f"a blob of unknown kind {meta[:1]!r}")
    return LazyBytes(blob, bytes if meta == BYTES else bytearray)
