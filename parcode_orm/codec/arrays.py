"""numpy arrays of any dtype without objects and of any shape, as raw bytes in C order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import prod
from typing import Any

from ..errors import EncodeError
from ..format.chunk import Chunk, Encoder
from ..format.layout import Encoding, Node
from . import trail
from .base import Space, View
from .containers import ListColumn
from .physical import BlocksView, Physical, child_nodes, open_child
from .scalars import IntColumn
from .text import BytesColumn, TextColumn

MAX_DIMENSIONS = 64
MAX_DTYPE = 1 << 16  # characters of a dtype's description
_TEXT, _SHAPE, _BYTES = TextColumn(), ListColumn(IntColumn(), tuple, "tuple"), BytesColumn()


def array_bytes(value: Any) -> Any:
    """The array's content in C order, without a copy where it lies so already; zeros where fields leave gaps."""
    import numpy

    if _has_gaps(value.dtype):  # they hold whatever was in memory before, and equal arrays give equal bytes
        filled = numpy.zeros(value.shape, value.dtype)
        filled[...] = value
        value = filled
    return numpy.ascontiguousarray(value).reshape(-1).view(numpy.uint8).data if value.nbytes else b""


def _has_gaps(dtype: Any) -> bool:
    if dtype.subdtype is not None:
        return _has_gaps(dtype.base)
    if dtype.names is None:
        return False
    inner = [dtype.fields[name][0] for name in dtype.names]
    return sum(each.itemsize for each in inner) != dtype.itemsize or any(map(_has_gaps, inner))


def dtype_text(dtype: Any) -> str:
    """A dtype as JSON: its string, or the list of its fields, that of a `numpy.record` as {"record": fields}."""
    import numpy

    found = numpy.lib.format.dtype_to_descr(dtype)
    return json.dumps({"record": found} if dtype.type is numpy.record else found, separators=(",", ":"))


def parse_dtype(text: str) -> Any:
    """The dtype of `dtype_text`; ValueError for anything else, and for objects."""
    import numpy

    if len(text) > MAX_DTYPE:
        raise ValueError("a dtype of excessive length")
    try:
        found = json.loads(text)
        record = isinstance(found, dict)
        dtype = numpy.lib.format.descr_to_dtype(_tuples(found["record"] if record else found))
        if record:
            dtype = numpy.dtype((numpy.record, dtype))
    except Exception as problem:
        raise ValueError(f"not a dtype: {text[:60]}") from problem
    if dtype.hasobject:
        raise ValueError("a dtype of objects")
    return dtype


def _tuples(found: Any) -> Any:
    """JSON's lists as `descr_to_dtype` wants them: a field is a tuple, and so is its shape."""
    if isinstance(found, list):
        if found and all(isinstance(part, list) for part in found):
            return [_field(part) for part in found]
        return tuple(_tuples(part) if isinstance(part, list) else part for part in found)
    return found


def _field(part: list[Any]) -> tuple[Any, ...]:
    name = tuple(part[0]) if isinstance(part[0], list) else part[0]
    rest = (tuple(part[2]),) if len(part) > 2 else ()
    return (name, _tuples(part[1]), *rest)


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
    if len(shape) > MAX_DIMENSIONS or any(type(each) is not int or not 0 <= each < 1 << 48 for each in shape):
        raise ValueError("an impossible shape")
    if prod(shape) * dtype.itemsize != size:
        raise ValueError(f"{size} bytes for shape {tuple(shape)} of {dtype}")


def array_from(data: memoryview, dtype: Any, shape: Sequence[int], *, writable: bool) -> Any:
    """The array that `data` holds; a copy when it must be writable. ValueError when they do not fit."""
    import numpy

    check_shape(data.nbytes, dtype, shape)
    array = numpy.ndarray(tuple(shape), dtype, data) if data.nbytes else numpy.zeros(shape, dtype)
    if writable:
        return array.copy()
    array.flags.writeable = False
    return array


class ArrayColumn(Physical):
    """numpy arrays; `dtype` is what the annotation says, for the schema alone: each array keeps its own."""

    __slots__ = ("dtype",)
    encodings = frozenset({Encoding.ARRAY})
    expected = "numpy.ndarray"

    def __init__(self, dtype: Any = None) -> None:
        self.dtype = dtype

    def odd(self, values: Sequence[Any], types: set[type], out: Encoder) -> None:
        import numpy

        for row, value in enumerate(values):
            if not isinstance(value, numpy.ndarray) or isinstance(value, numpy.ma.MaskedArray):
                raise trail.misfit(values, row, self.expected)
            if type(value) not in (numpy.ndarray, numpy.memmap):
                message = "a subclass of numpy.ndarray would come back as the base; store numpy.asarray(value)"
                raise trail.at(EncodeError(message, value_type=type(value)), row)
            if value.dtype.hasobject:
                problem = EncodeError(f"an array of {value.dtype} holds Python objects", value_type=type(value))
                raise trail.at(problem, row)
        node = out.open(Encoding.ARRAY, len(values))
        _TEXT.encode([dtype_text(value.dtype) for value in values], out)
        _SHAPE.encode([value.shape for value in values], out)
        _BYTES.encode([bytes(array_bytes(value)) for value in values], out)
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
