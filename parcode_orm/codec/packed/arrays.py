"""numpy arrays of any dtype without objects and of any shape, as raw bytes in C order; texts of any
length packed."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from math import prod
from typing import Any

import msgspec

from ...errors import EncodeError
from .dtypes import dtype_text, has_gaps, holds_objects, is_text, parse_dtype

MAX_DIMENSIONS = 64
MAX_AXIS = 1 << 63  # an axis is shorter; long ones are those of arrays without bytes
_pack_texts = msgspec.msgpack.Encoder().encode
_unpack_texts = msgspec.msgpack.Decoder(list[str | None]).decode


def array_bytes(value: Any) -> Any:
    """The array's content in C order, without a copy where it lies so already; zeros where fields
    leave gaps.

    Texts of any length are a MessagePack array, nil for a missing one.
    """
    import numpy

    if is_text(value.dtype):
        return _pack_texts([item if type(item) is str else None for item in value.reshape(-1).tolist()])
    if not value.nbytes:
        return b""
    if has_gaps(value.dtype):  # equal arrays give equal bytes
        value = _own(value)
    return numpy.ascontiguousarray(value).reshape(-1).view(numpy.uint8).data


def _own(array: Any) -> Any:
    """A copy with zeros in the gaps between fields."""
    import numpy

    if not has_gaps(array.dtype):
        return array.copy()
    filled = numpy.zeros(array.shape, array.dtype)
    filled[...] = array
    return filled


def storable_array(value: Any) -> tuple[str, Any]:
    """Dtype and content of an array, found to be such that `array_from` takes them.

    Raises:
        EncodeError: of its dtype or its class.
    """
    import numpy

    if type(value) not in (numpy.ndarray, numpy.memmap):
        message = "a subclass of numpy.ndarray would come back as the base; store numpy.asarray(value)"
        raise EncodeError(message, value_type=type(value))
    text, data = dtype_text(value.dtype), array_bytes(value)
    try:
        check_shape(memoryview(data).nbytes, value.dtype, value.shape)
    except ValueError as problem:
        raise EncodeError(f"the array cannot be read again: {problem}", value_type=type(value)) from problem
    return text, data


def array_meta(value: Any) -> bytes:
    """dtype and shape of an array, for a blob."""
    import json

    return json.dumps([dtype_text(value.dtype), value.shape], separators=(",", ":")).encode()


def parse_meta(meta: bytes) -> tuple[Any, tuple[int, ...]]:
    """dtype and shape from `array_meta`; ValueError for anything else."""
    import json

    found = json.loads(meta)
    if not (isinstance(found, list) and len(found) == 2 and isinstance(found[0], str) and isinstance(found[1], list)):
        raise ValueError("not the meta of an array")
    return parse_dtype(found[0]), tuple(found[1])


def check_shape(size: int, dtype: Any, shape: Sequence[int]) -> None:
    """Raise ValueError unless an array of this dtype and shape has `size` bytes."""
    if len(shape) > MAX_DIMENSIONS or any(type(each) is not int or not 0 <= each < MAX_AXIS for each in shape):
        raise ValueError("an impossible shape")
    if is_text(dtype):
        return  # as many as there are texts: `array_from` compares
    if prod(shape) * dtype.itemsize != size:
        raise ValueError(f"{size} bytes for shape {tuple(shape)} of {dtype}")


def array_from(data: memoryview, dtype: Any, shape: Sequence[int], *, writable: bool) -> Any:
    """The array of `data`, a copy if `writable`. ValueError if data and shape do not fit."""
    import numpy

    check_shape(data.nbytes, dtype, shape)
    if is_text(dtype):
        array = _texts(data, dtype, shape)
    elif data.nbytes:
        array = numpy.ndarray(tuple(shape), dtype, data)
        array = _own(array) if writable else array
    elif dtype.itemsize:
        array = numpy.zeros(shape, dtype)
    else:  # `zeros` would make a byte of each item that has none
        array = numpy.ndarray(tuple(shape), dtype, bytearray())
    array.flags.writeable = writable
    return array


def array_copy(array: Any) -> Any:
    """A copy of the same dtype; numpy's own copies gaps, and adds bytes to empty items."""
    if holds_objects(array.dtype) or (array.dtype.itemsize and not has_gaps(array.dtype)):
        return copy.deepcopy(array)
    return array_from(memoryview(array_bytes(array)), array.dtype, array.shape, writable=True)


def _texts(data: memoryview, dtype: Any, shape: Sequence[int]) -> Any:
    import numpy

    try:
        found = _unpack_texts(data)
    except msgspec.MsgspecError as problem:
        raise ValueError(f"not the texts of an array: {problem}") from problem
    if len(found) != prod(shape):
        raise ValueError(f"{len(found)} texts for shape {tuple(shape)}")
    missing = getattr(dtype, "na_object", None)
    return numpy.array([missing if item is None else item for item in found], dtype).reshape(shape)
