"""numpy arrays of any dtype without objects and of any shape, as raw bytes in C order; texts of any length packed."""

from __future__ import annotations

import copy
import json
import typing
from collections.abc import Sequence
from math import prod
from typing import Any

import msgspec

from ...errors import EncodeError
from ...format.chunk import Chunk, Encoder
from ...format.layout import Encoding, Node
from .. import trail
from ..base import Space, View
from .containers import ListColumn
from .dtypes import dtype_text, has_gaps, holds_objects, is_text, parse_dtype
from .physical import BlocksView, Physical, child_nodes, open_child
from .scalars import IntColumn
from .text import BytesColumn, TextColumn

MAX_DIMENSIONS = 64
MAX_AXIS = 1 << 63  # an axis is shorter; long ones are those of arrays without bytes
_TEXT, _SHAPE, _BYTES = TextColumn(), ListColumn(IntColumn(), tuple, "tuple"), BytesColumn()
_pack_texts = msgspec.msgpack.Encoder().encode
_unpack_texts = msgspec.msgpack.Decoder(list[str | None]).decode


def array_bytes(value: Any) -> Any:
    """The array's content in C order, without a copy where it lies so already; zeros where fields leave gaps.

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
    """A copy with zeros in gaps between fields, where numpy's own has whatever was in memory before."""
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
    return json.dumps([dtype_text(value.dtype), value.shape], separators=(",", ":")).encode()


def parse_meta(meta: bytes) -> tuple[Any, tuple[int, ...]]:
    """dtype and shape from `array_meta`; ValueError for anything else."""
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
    """The array that `data` holds; a copy when it must be writable. ValueError when they do not fit."""
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
    """A copy of the same dtype: numpy's own makes a byte of each item that has none, and leaves gaps as they come."""
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


class ArrayColumn(Physical):
    """numpy arrays; `dtype` is what the annotation says, for the schema alone: each array keeps its own."""

    __slots__ = ("dtype",)
    encodings = frozenset({Encoding.ARRAY})
    expected = "numpy.ndarray"

    def __init__(self, dtype: Any = None) -> None:
        self.dtype = dtype

    def odd(self, values: Sequence[Any], types: set[type], out: Encoder) -> None:
        import numpy

        parts: list[tuple[str, Any]] = []
        for row, value in enumerate(values):
            if not isinstance(value, numpy.ndarray) or isinstance(value, numpy.ma.MaskedArray):
                raise trail.misfit(values, row, self.expected)
            try:
                parts.append(storable_array(value))
            except EncodeError as problem:
                raise trail.at(problem, row) from problem.__cause__
        node = out.open(Encoding.ARRAY, len(values))
        _TEXT.encode([text for text, _ in parts], out)
        _SHAPE.encode([value.shape for value in values], out)
        _BYTES.encode([bytes(data) for _, data in parts], out)
        out.close(node)

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        dtypes, shapes, data = child_nodes(chunk, at, 3)
        return ArrayView(
            open_child(_TEXT, chunk, dtypes, space, node.count),
            open_child(_SHAPE, chunk, shapes, space, node.count),
            open_child(_BYTES, chunk, data, space, node.count),
            chunk,
            at,
            space,
        )

    def describe(self) -> Any:
        import numpy

        return {"array": None if self.dtype is None else dtype_text(numpy.dtype(self.dtype))}


class ArrayView(View):
    """Arrays; lazily given out ones are read-only views of the map, unless the space is writable."""

    __slots__ = ("dtypes", "shapes", "data", "chunk", "at", "space", "_parsed")

    def __init__(self, dtypes: View, shapes: View, data: View, chunk: Chunk, at: int, space: Space) -> None:
        self.count = dtypes.count
        self.dtypes = dtypes
        self.shapes = shapes
        self.data = data
        self.chunk = chunk
        self.at = at
        self.space = space
        self._parsed: dict[str, Any] = {}

    def get(self, i: int) -> Any:
        return self._array(i, self.space.writable)

    def read(self, start: int, stop: int) -> list[Any]:
        return [self._array(i, True) for i in range(start, stop)]

    def _array(self, i: int, writable: bool) -> Any:
        text, data = self.dtypes.get(i), self.data
        raw = data.block(i) if isinstance(data, BlocksView) else memoryview(data.get(i))
        try:
            dtype = self._parsed.get(text)
            if dtype is None:
                dtype = self._parsed[text] = parse_dtype(text)
            return array_from(raw, dtype, self.shapes.get(i), writable=writable)
        except (ValueError, TypeError) as problem:
            raise self.chunk.error(self.at, f"array does not decode: {problem}") from problem


def array_dtype(tp: Any) -> Any:
    """The dtype that `NDArray[...]` or `ndarray[shape, dtype[...]]` names, as a string; None where it names none."""
    import numpy as np

    for arg in typing.get_args(tp):
        if typing.get_origin(arg) is np.dtype:
            (scalar,) = typing.get_args(arg)
            if isinstance(scalar, type) and issubclass(scalar, np.generic):
                try:
                    return np.dtype(scalar).str
                except TypeError:
                    return None
    return None
