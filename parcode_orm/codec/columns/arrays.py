"""The column of numpy arrays."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Any

from ...errors import EncodeError
from ...format.chunk import Chunk, Encoder
from ...format.layout import Encoding, Node
from .. import trail
from ..base import Space, View
from ..packed.arrays import storable_array
from ..packed.blobs import ARRAY
from ..packed.dtypes import dtype_text
from ..views.arrays import ArrayView
from ..views.nodes import child_nodes, open_child
from .containers import ListColumn
from .physical import Physical
from .scalars import IntColumn
from .text import BytesColumn, TextColumn

_TEXT, _SHAPE, _BYTES = TextColumn(), ListColumn(IntColumn(), tuple), BytesColumn()


class ArrayColumn(Physical):
    """numpy arrays; `dtype` is the annotation's, for the schema alone: each array keeps its own."""

    __slots__ = ("dtype",)
    encodings = frozenset({Encoding.ARRAY})
    blob_kinds = (ARRAY,)
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
