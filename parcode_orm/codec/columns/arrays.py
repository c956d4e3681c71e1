"""The column of numpy arrays."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Any

from ...errors import EncodeError
from ...format.chunk import Chunk
from ...format.encoder import Encoder
from ...format.layout import Encoding, Node
from .. import trail
from ..base import Column, Space, View
from ..packed.arrays import storable_array
from ..packed.blobs import ARRAY
from ..packed.dtypes import dtype_text
from ..structs import Struct
from ..vectors import Vector, misfit
from ..views.arrays import ArrayView
from ..views.boundary import Marked
from ..views.nodes import child_nodes, open_child
from .containers import ListColumn
from .physical import Physical, write_offsets
from .scalars import IntColumn
from .text import BytesColumn, TextColumn

_TEXT, _SHAPE, _BYTES = TextColumn(), ListColumn(IntColumn(), tuple), BytesColumn()


class ArrayColumn(Physical):
    """numpy arrays; `dtype` is the annotation's, for the schema alone: each array keeps its own.

    `vector` says that all are vectors of one length: these are stored as `dtype`, and lists of numbers are taken for
    them. It is no part of the schema.
    """

    __slots__ = ("dtype", "vector")
    encodings = frozenset({Encoding.ARRAY})
    blob_kinds = (ARRAY,)
    expected = "numpy.ndarray"

    def __init__(self, dtype: Any = None, vector: Vector | None = None) -> None:
        self.dtype = dtype
        self.vector = vector

    def odd(self, values: Sequence[Any], types: set[type], out: Encoder) -> None:
        import numpy

        if self.vector is not None:
            values = [_as_array(value) if type(value) in (list, tuple) else value for value in values]
        for row, value in enumerate(values):
            if not isinstance(value, numpy.ndarray) or isinstance(value, numpy.ma.MaskedArray):
                raise trail.misfit(values, row, self.expected)
        if self.vector is not None:
            values = self._vectors(values, self.vector)
        texts, data = _together(values) or _apart(values)
        node = out.open(Encoding.ARRAY, len(values))
        _TEXT.encode(texts, out)
        _SHAPE.encode([value.shape for value in values], out)
        if isinstance(data, bytes):
            inner = out.open(Encoding.BYTES, len(values), data)
            write_offsets([len(data) // len(values)] * len(values), out)
            out.close(inner)
        else:
            _BYTES.encode(data, out)
        out.close(node)

    def _vectors(self, values: Sequence[Any], vector: Vector) -> list[Any]:
        for row, value in enumerate(values):
            expected = misfit(vector, value)
            if expected is not None:
                raise trail.misfit(values, row, expected)
        return [value.astype(self.dtype, copy=False) for value in values]

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


def _as_array(value: Any) -> Any:
    """A list or tuple as an array; itself where its items are no numbers."""
    import numpy

    try:
        return numpy.asarray(value)
    except (TypeError, ValueError):
        return value


def _together(values: Sequence[Any]) -> tuple[list[str], bytes] | None:
    """The dtypes of arrays, and the bytes of all; None unless they are of one plain dtype and one shape, and differ."""
    import numpy

    first, last = values[0], values[-1]
    dtype, shape = first.dtype, first.shape
    if dtype.kind not in "biufc" or not dtype.isnative or not first.nbytes:
        return None
    if len(values) > 1 and first.tobytes() == last.tobytes():
        return None
    if any(type(value) is not numpy.ndarray or value.dtype is not dtype or value.shape != shape for value in values):
        return None
    return [dtype_text(dtype)] * len(values), numpy.stack(values).tobytes()


def _apart(values: Sequence[Any]) -> tuple[list[str], list[bytes]]:
    """The dtype and the bytes of each array."""
    texts, data = [], []
    for row, value in enumerate(values):
        try:
            text, content = storable_array(value)
        except EncodeError as problem:
            raise trail.at(problem, row) from problem.__cause__
        texts.append(text)
        data.append(bytes(content))
    return texts, data


def vector_bytes(items: Column) -> int:
    """The bytes that the fields of `items`, rows of a class, take in each row as declared vectors beside the others."""
    found = 0
    for column in items.parts() if isinstance(items, Struct) else ():
        inner: Any = column
        while not isinstance(inner, ArrayColumn) and hasattr(inner, "inner") and not isinstance(inner, Marked):
            inner = inner.inner
        if isinstance(inner, ArrayColumn) and inner.vector is not None:
            import numpy

            found += inner.vector.length * numpy.dtype(inner.dtype).itemsize
    return found


def array_dtype(tp: Any) -> Any:
    """The dtype that `NDArray[...]` or `ndarray[shape, dtype[...]]` names, as text, or None."""
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
